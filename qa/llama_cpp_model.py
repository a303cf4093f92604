"""A GGUF file in llama.cpp, as a LanguageModel: several replies at once, nothing computed that is there."""

from __future__ import annotations

import codecs
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from errors import ModelError, QuestionError
from qa.llama_context import MOST_SHARED, TOKENS_AT_ONCE, Entry, Layout, LlamaContext, NoRoomError
from qa.prefix_states import PrefixStates
from qa.prompt import Prompt
from qa.sampling import GrammarGreedy

_RUNS = 128  # runs of tokens kept: beginnings of prompts, titles, sentences
_READ_BESIDE = 64  # tokens of prompts computed at once while others write, so that they do not halt
_LEAST_KEPT = 32  # tokens of a prompt's beginning that are worth a file
_SECONDS_BETWEEN_SIGNS = 0.1


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens so far: of prompts, those computed and those that were there already; and those written."""

    read: int = 0
    reused: int = 0
    written: int = 0


@dataclass(slots=True, eq=False)
class _Run:
    """Tokens behind those of `parent`, in a sequence of their own: computed once, shared by who needs them.

    The sequence holds what stands before as well; `held` counts all that it holds.
    """

    number: int
    tokens: tuple[int, ...]
    parent: _Run | None
    held: int = 0
    used: int = 0

    @property
    def start(self) -> int:
        return self.parent.end if self.parent else 0

    @property
    def end(self) -> int:
        return self.start + len(self.tokens)

    @property
    def ready(self) -> bool:
        return self.held == self.end


@dataclass(slots=True, eq=False)
class _Job:
    """A reply under way.

    `own` are the tokens behind the runs, those written so far included, of which `held` are computed in
    sequence `number`, and `left` more may come.
    """

    layout: Layout
    left: int
    sampler: GrammarGreedy
    own: list[int]
    pieces: queue.SimpleQueue[str | Exception | None] = field(default_factory=queue.SimpleQueue)
    decoder: Any = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="ignore"))
    cancelled: bool = False
    number: int = -1
    runs: list[_Run] = field(default_factory=list)
    start: int = -1
    held: int = 0

    @property
    def seated(self) -> bool:
        return self.start >= 0

    @property
    def writing(self) -> bool:
        return self.seated and len(self.own) - self.held == 1


class LlamaCppModel:
    """A GGUF file in llama.cpp, decoded greedily.

    One thread owns the context. Those who ask are served in the order of their arrival, `at_once` of them
    together: the tokens of all are computed in one batch, which costs less than each alone (Yu et al.
    2022, "Orca"). One that stops listening holds up nobody.

    What prompts begin with alike is computed once, run by run, and stays for those to come (Zheng et al.
    2024, "SGLang": RadixAttention); what was longest not used goes first. The fixed beginnings of prompts
    are kept on disk too.
    """

    def __init__(
        self,
        path: Path,
        *,
        context_tokens: int,
        threads: int = 0,
        at_once: int = 1,
        states: PrefixStates | None = None,
    ) -> None:
        self.context_tokens = context_tokens
        self._path = path
        self._threads = threads or psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
        self._states = states
        self._at_once = at_once
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._working: list[_Job] = []  # in the order of their arrival
        self._computing: list[_Job] = []
        self._runs: dict[tuple[Any, ...], _Run] = {}
        self._forgetting = self._full = self._closing = False
        self._usage = Usage()
        self._tick = 0
        self._loading = threading.Lock()
        self._context: LlamaContext | None = None

    def load(self) -> LlamaContext:
        """Read the weights, unless that was done before; raises ModelError for a file that is no model."""
        with self._loading:
            if self._context is None:
                self._context = LlamaContext(
                    self._path, tokens=self.context_tokens, sequences=self._at_once + _RUNS, threads=self._threads
                )
                threading.Thread(target=self._work, args=(self._context,), name="llama.cpp", daemon=True).start()
            return self._context

    def count_tokens(self, prompt: Prompt) -> int:
        return self.load().tokenize(prompt).total

    def usage(self) -> Usage:
        """Return what was computed since the weights were read."""
        return self._usage

    def forget(self) -> None:
        """Forget what was computed of questions and articles; the fixed beginnings of prompts stay."""
        if self._context is None:
            return
        with self._changed:
            self._forgetting = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._forgetting)

    def close(self) -> None:
        """Free the memory of the weights once what is under way has ended; nothing can be asked any more."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def generate(self, prompt: Prompt, *, grammar: str, max_tokens: int) -> Iterator[str]:
        context = self.load()
        layout = context.tokenize(prompt)
        if layout.total + max_tokens > self.context_tokens:
            raise QuestionError(
                f"the prompt has {layout.total} tokens and the answer may have {max_tokens}, but the context holds"
                f" {self.context_tokens}; ask a shorter question or raise context_tokens"
            )
        job = _Job(layout, max_tokens, GrammarGreedy(context.vocabulary, grammar), [*layout.own])
        with self._changed:
            self._waiting.append(job)
            self._changed.notify_all()
        try:
            while True:
                try:
                    piece = job.pieces.get(timeout=_SECONDS_BETWEEN_SIGNS)
                except queue.Empty:
                    yield ""
                    continue
                if piece is None:
                    return
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            with self._changed:
                job.cancelled = True
                if self._computing and all(one.cancelled for one in self._computing):
                    context.abort(True)
                self._changed.notify_all()

    def _work(self, context: LlamaContext) -> None:
        while not (self._closing and not self._working and not self._waiting):
            try:
                self._prepare(context)
                if self._computing:
                    self._step(context)
            except Exception as error:
                self._fail(context, error)
        context.close()

    def _prepare(self, context: LlamaContext) -> None:
        """Wait until there is something to do, leave out who has left, and begin with who has come."""
        with self._changed:
            self._computing = []
            self._changed.wait_for(lambda: self._waiting or self._forgetting or self._working or self._closing)
            for job in [job for job in self._working if job.cancelled]:
                self._end(context, job)
            for job in [job for job in self._waiting if job.cancelled]:
                self._waiting.remove(job)
                job.sampler.close()
            if self._forgetting:
                self._forget(context)
            self._admit(context)
            self._computing = [*self._working]
            context.abort(False)

    def _fail(self, context: LlamaContext, error: Exception) -> None:
        """Give an error to those who are served; the next ones must be served all the same."""
        for job in [*self._working]:
            self._end(context, job, error)
        for run in [*self._runs.values()]:
            context.remove(run.number)
        self._runs.clear()

    def _admit(self, context: LlamaContext) -> None:
        """Begin with those who wait, unless so many are served, or there is no room for more."""
        while self._waiting and not self._full and len(self._working) < self._at_once:
            job = self._waiting.pop(0)
            job.number = next(
                one for one in range(self._at_once) if all(one != other.number for other in self._working)
            )
            self._working.append(job)
            run = None
            try:
                for tokens in job.layout.shared:
                    run = self._run(context, job, run, tokens)
            except NoRoomError:
                self._put_back(context, job)

    def _run(self, context: LlamaContext, job: _Job, parent: _Run | None, tokens: Sequence[int]) -> _Run:
        """Return the run of these tokens behind that parent, in a sequence of its own if it is new."""
        key = (parent.number if parent else None, *tokens)
        run = self._runs.get(key)
        if run is None:
            taken = {one.number for one in self._runs.values()}
            if len(taken) == _RUNS and not self._drop_oldest(context):
                raise NoRoomError
            taken = {one.number for one in self._runs.values()}
            number = next(one for one in range(self._at_once, self._at_once + _RUNS) if one not in taken)
            run = self._runs[key] = _Run(number, tuple(tokens), parent)
            if parent is None and self._states and (state := self._states.read(run.tokens)):
                if context.restore(number, state):
                    run.held = len(tokens)
                else:
                    context.remove(number)
        self._count(reused=max(run.held - run.start, 0))
        self._tick += 1
        run.used = self._tick
        job.runs.append(run)
        return run

    def _drop_oldest(self, context: LlamaContext) -> bool:
        """Forget the run that was longest not used, of those that nothing builds on; return whether there was one."""
        needed = {id(run) for job in self._working for run in job.runs} | {
            id(one.parent) for one in self._runs.values()
        }
        idle = [(run.used, key) for key, run in self._runs.items() if id(run) not in needed]
        if idle:
            context.remove(self._runs.pop(min(idle)[1]).number)
        return bool(idle)

    def _forget(self, context: LlamaContext) -> None:
        needed = {id(run) for job in self._working for run in job.runs}
        for key, run in [*self._runs.items()]:
            if run.parent and id(run) not in needed:
                context.remove(self._runs.pop(key).number)
        self._forgetting = False
        self._changed.notify_all()

    def _step(self, context: LlamaContext) -> None:
        """Compute one batch: the next token of each reply, and parts of prompts."""
        entries: list[Entry] = []
        chosen: dict[_Job, int] = {}  # the place in the batch behind which the next token is chosen
        taken: dict[_Job, int] = {}
        planned: dict[_Run, int] = {}
        read = 0
        writing = [job for job in self._working if job.writing]
        for job in writing:
            chosen[job], taken[job] = len(entries), 1
            entries.append(Entry(job.own[-1], job.start + job.held, (job.number,), True))
        room = len(entries) + _READ_BESIDE if writing else TOKENS_AT_ONCE
        for job in self._working:
            if job.writing:
                continue
            if not job.seated and all(run.ready for run in job.runs):
                self._seat(context, job)
            if not job.seated:
                read += self._plan(context, job, planned, entries, room)
                continue
            new = job.own[job.held : job.held + room - len(entries)]
            whole = job.held + len(new) == len(job.own)
            if new:
                entries += [
                    Entry(token, job.start + job.held + place, (job.number,), whole and place == len(new) - 1)
                    for place, token in enumerate(new)
                ]
                taken[job] = len(new)
                if whole:
                    chosen[job] = len(entries) - 1
        try:
            done = context.decode(entries)
        except NoRoomError:
            self._undo(context, taken, planned)
            self._make_room(context)
            return
        if not done:
            self._undo(context, taken, planned)
            return
        self._count(read=read)
        for run, held in planned.items():
            run.held = held
            if run.ready and not run.parent and len(run.tokens) >= _LEAST_KEPT and self._states:
                self._states.write(run.tokens, context.state(run.number))
        for job, count in taken.items():
            job.held += count
            if job not in writing:
                self._count(read=count)
        for job, place in chosen.items():
            try:
                self._write(context, job, place)
            except ModelError as error:  # its grammar allows nothing more; the others' do
                self._end(context, job, error)

    def _plan(self, context: LlamaContext, job: _Job, planned: dict[_Run, int], entries: list[Entry], room: int) -> int:
        """Put into a batch what is missing of a job's runs, as far as there is room; return how many tokens.

        `planned` is what each run will hold then. A token is that of all runs behind it as well, at once.
        """
        before = len(entries)
        for place, run in enumerate(job.runs):
            if run.ready or planned.get(run, 0) > run.start or len(entries) == room:
                continue
            parent = run.parent
            if parent and parent.ready and run.held < parent.end:
                context.share(parent.number, run.number, run.held, parent.end)
                run.held = parent.end
            first = planned.get(run, run.held)
            if first < run.start:
                continue
            new = run.tokens[first - run.start :][: room - len(entries)]
            together = [run]
            for later in job.runs[place + 1 :][: MOST_SHARED - 1]:
                if later.held < run.held:
                    context.share(run.number, later.number, later.held, run.held)
                    later.held = run.held
                if planned.get(later, later.held) == first:
                    together.append(later)
            entries += [Entry(token, first + at, [one.number for one in together]) for at, token in enumerate(new)]
            planned.update((one, first + len(new)) for one in together)
        return len(entries) - before

    def _undo(self, context: LlamaContext, taken: dict[_Job, int], planned: dict[_Run, int]) -> None:
        """Remove what a batch that failed may have left."""
        for job in taken:
            context.remove(job.number, job.start + job.held)
        for run in planned:
            context.remove(run.number, run.held)

    def _seat(self, context: LlamaContext, job: _Job) -> None:
        """Have a job's sequence begin with its runs."""
        last = job.runs[-1]
        context.share(last.number, job.number, 0, last.end)
        job.start = last.end

    def _write(self, context: LlamaContext, job: _Job, place: int) -> None:
        """Choose the next token of a reply."""
        token = job.sampler.choose(context.logits(place))
        if not context.ends(token):
            job.own.append(token)
            job.left -= 1
            self._count(written=1)
            if piece := job.decoder.decode(context.piece(token)):
                job.pieces.put(piece)
            if job.left:
                return
        self._end(context, job)

    def _end(self, context: LlamaContext, job: _Job, error: Exception | None = None) -> None:
        self._working.remove(job)
        self._full = False
        context.remove(job.number)
        job.sampler.close()
        job.pieces.put(error)

    def _make_room(self, context: LlamaContext) -> None:
        """Forget the run that was longest not used; else have the last to come begin again later."""
        if self._drop_oldest(context):
            return
        if len(self._working) == 1:
            raise ModelError("the context has no room left; raise context_tokens")
        self._put_back(context, self._working[-1])

    def _put_back(self, context: LlamaContext, job: _Job) -> None:
        """Have a job begin again once another one has ended."""
        self._working.remove(job)
        context.remove(job.number)
        job.runs, job.start, job.held, job.number = [], -1, 0, -1
        self._full = True
        with self._changed:
            self._waiting.insert(0, job)

    def _count(self, read: int = 0, reused: int = 0, written: int = 0) -> None:
        usage = self._usage
        self._usage = Usage(usage.read + read, usage.reused + reused, usage.written + written)
