"""How long an answer takes, beside rivals on the same weights, passages and threads: sourcier bench [DATA...]

    new         what was computed before is forgotten, but for the fixed beginning of the prompt
    follow-up   then a second question on the same article, with the first one as its history
    again       then the first question, word for word
    seen        the questions on one article, one after the other, by people who know nothing of each
                other: those from the second on
    decode      tokens a second while an answer is written under its grammar and checked, beside
                llama.cpp's own rates (evaluation/rivals.py)
    at once     1, 2, 4 and 8 people, each with questions of their own
    start       `sourcier serve`, until the page can be used and until the models are loaded
    memory      a process that asks ten questions over at least 10,000 passages

For each question whoever is measured takes a turn, another one first each time, so that whatever else
the machine does hits all alike. Times are wall time in seconds, from the question on, as who asks sees
them; the first word is the first text on the screen. An answer that is refused has none, and is left
out of what is told of first words. Only questions that something answers, and that need no history.

Whatever ends a run, what was measured so far is written.
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol
from urllib.error import URLError
from urllib.parse import urljoin
from urllib.request import ProxyHandler, build_opener

import numpy as np
import psutil
from tqdm import tqdm

from errors import DataError, SettingsError
from evaluation import speed_report
from evaluation.answers import code_digest
from evaluation.archive import home_of, indexed
from evaluation.datasets import DataSet, Question, read
from evaluation.store_speed import MadeUpEmbedder, rows
from index.articles import Article, Draft, make_article
from index.embedder import Embedder, configured_embedder
from index.embeddings import FILE as EMBEDDINGS
from index.vectors import Vectors
from models import fingerprint, locate
from models.local import write_whole
from qa.answer import Answer, Assistant, EvidenceFound, PartialAnswer, configured_model
from qa.llama_cpp_model import LlamaCppModel, Usage
from qa.reader import configured_reader
from settings import Settings, load_settings

DEMO = Path(__file__).resolve().parent.parent / "demo"
TOGETHER = (1, 2, 4, 8)
OURS = "Sourcier"
_VISITED = ("new", "follow-up", "again")
SCENARIOS = (*_VISITED, "seen", "decode", "at once", "start", "memory")
_STARTS = 5  # times the page is started
_ASKED_FOR_MEMORY = 10
_MADE_UP = 6_000  # articles, of two passages mostly
_LOADED = "Sourcier: models loaded"  # what `sourcier serve` prints
_LONGEST_WAIT = 120.0  # seconds, for the page and for that line
_NOT_TOLD = {"home", "models_folder", "weights_from", "answering_server_key"}
_SCRIPT = re.compile(r'<script\b[^>]*\bsrc="([^"]+)"')
_PACKAGES = (
    "faiss-cpu", "gradio", "langchain-community", "langchain-core", "llama-cpp-python", "numpy",
    "sentence-transformers", "torch", "transformers",
)  # fmt: skip

History = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of one question: seconds since it was put, None where a stage was not reached.

    `read` are tokens of prompts that were computed, `reused` those that were kept from before, `written`
    tokens of replies; None where they cannot be told apart from others'.
    """

    text: str
    search: float | None
    evidence: float | None
    first_word: float | None
    total: float
    read: int | None = None
    reused: int | None = None
    written: int | None = None
    refused: bool = False
    evidence_whole: float | None = None  # once all passages are read


class Asker(Protocol):
    """Who is measured. Not asked from several threads."""

    name: str
    follows: bool  # whether it takes a history

    def warm(self, questions: Sequence[str]) -> None:
        """Load what answering needs, and answer two questions that are not counted."""
        ...

    def ask(self, question: str, history: History = ()) -> Asked: ...

    def forget(self) -> None:
        """Forget what was computed for questions before, but for what every prompt begins with."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """One question in one scenario; `together` ask at once. `joules` are those of the whole processor."""

    scenario: str
    who: str
    question: str
    search: float | None
    evidence: float | None
    first_word: float | None
    total: float
    read: int | None
    reused: int | None
    written: int | None
    refused: bool
    joules: float | None = None
    together: int = 1
    evidence_whole: float | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens a second of llama.cpp alone; `kind` says of what."""

    kind: str
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Level:
    """So many people at once: the answers that they got, and the seconds until the last of these."""

    together: int
    answers: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the command to a page that can be used, and to models that are loaded; None if they never were."""

    page: float
    models: float | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a process that asked: its peak, and at the end what is its own (uss) and its share (pss), or None.

    `first` is how long its first question took, the models not loaded yet, `page_cache` warm.
    """

    passages: int
    questions: int
    peak: int
    uss: int | None
    pss: int | None
    first: float


@dataclass
class Measured:
    """All that was measured so far."""

    rows: list[Row] = field(default_factory=list)
    rates: list[Rate] = field(default_factory=list)
    levels: list[Level] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Raw(Protocol):
    def decode(self) -> list[Rate]: ...

    def prompts(self) -> list[Rate]: ...


class _Counting(Protocol):
    def usage(self) -> Usage: ...


class ForgetfulEmbedder:
    """An embedder that keeps the vectors of questions, as Sourcier's does, until it is told to forget them."""

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.fingerprint = embedder.name, embedder.fingerprint
        self._embedder = embedder
        self._kept: dict[str, Vectors] = {}

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    def embed_passages(self, texts: Sequence[str], titles: Sequence[str]) -> Vectors:
        return self._embedder.embed_passages(texts, titles)

    def embed_question(self, question: str) -> Vectors:
        if question not in self._kept:
            self._kept[question] = embedded_anew(self._embedder, question)
        return self._kept[question]

    def forget(self) -> None:
        self._kept.clear()


def embedded_anew(embedder: Any, question: str) -> Vectors:
    """Return the vector (d,) of a question, computed now whatever was kept of it."""
    vector: Vectors = embedder.embed_questions([question])[0]
    return vector


class Ours:
    """Sourcier itself, as `qa.stream` answers."""

    name = OURS
    follows = True

    def __init__(self, assistant: Assistant, model: _Counting, embedder: ForgetfulEmbedder) -> None:
        self._assistant = assistant
        self._model = model
        self._embedder = embedder

    def warm(self, questions: Sequence[str]) -> None:
        self._assistant.warm()
        for question in questions:
            self.ask(question)

    def ask(self, question: str, history: History = ()) -> Asked:
        before = self._model.usage()
        asked = self.listen(question, history)
        after = self._model.usage()
        return replace(
            asked,
            read=after.read - before.read,
            reused=after.reused - before.reused,
            written=after.written - before.written,
        )

    def listen(self, question: str, history: History = ()) -> Asked:
        """Ask, and count no tokens; may be called from several threads."""
        evidence = whole = first_word = None
        started = time.perf_counter()
        for event in self._assistant.stream(question, history=history):
            seconds = time.perf_counter() - started
            if isinstance(event, EvidenceFound):
                evidence, whole = evidence or seconds, seconds
            elif isinstance(event, PartialAnswer) and first_word is None and event.text.strip():
                first_word = seconds
        assert isinstance(event, Answer)
        if first_word is None and not event.refused:
            first_word = seconds  # it was kept, and is shown at once
        found = event.timings.search
        return Asked(event.text, found, evidence, first_word, seconds, refused=event.refused, evidence_whole=whole)

    def forget(self) -> None:
        self._assistant.forget()
        self._embedder.forget()


class Energy:
    """What the processor's packages used, by RAPL as Linux shows it; nothing where it does not.

    https://docs.kernel.org/power/powercap/powercap.html
    """

    def __init__(self, folder: Path = Path("/sys/class/powercap")) -> None:
        self._used = 0.0
        self._last: dict[Path, int] = {}
        for zone in sorted(folder.glob("intel-rapl:*")):  # AMD's have this name too
            if zone.name.count(":") == 1:
                with suppress(OSError, ValueError):
                    self._last[zone] = _number(zone / "energy_uj")

    @property
    def readable(self) -> bool:
        return bool(self._last)

    def joules(self) -> float | None:
        """Return what was used since this object was made, None where it cannot be read."""
        for zone, last in self._last.items():
            now = _number(zone / "energy_uj")
            passed = now - last if now >= last else now - last + _number(zone / "max_energy_range_uj")
            self._used += passed / 1e6
            self._last[zone] = now
        return self._used if self._last else None


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


@dataclass(frozen=True, slots=True)
class Visit:
    """A question, and another one on the same article, if there is any."""

    first: Question
    second: Question | None


def usable(data: DataSet) -> list[Question]:
    """Return the questions that an article answers, that stand alone, and that are put to all articles.

    Raises DataError if there is none.
    """
    found = [
        question
        for question in data.questions
        if question.answerable and question.gold and not question.among and not question.history
    ]
    if not found:
        raise DataError(f"{data.name} has no question that names the article that answers, and is put to all of them")
    return found


def visits(questions: Sequence[Question], sample: int, seed: int) -> list[Visit]:
    """Draw at most `sample` questions; each with the next one on its article, the first after the last."""
    articles = _by_article(questions)

    def second(question: Question) -> Question | None:
        same = articles[question.gold[0]]
        return same[(same.index(question) + 1) % len(same)] if len(same) > 1 else None

    order = np.random.default_rng(seed).permutation(len(questions))[:sample]
    return [Visit(questions[place], second(questions[place])) for place in order]


def groups(questions: Sequence[Question], count: int, seed: int) -> list[list[Question]]:
    """Return groups of questions on one article each, so that `count` come after another one, if there are so many.

    No question comes after another one twice: all of an article's in turn, then the first after the second.
    """
    articles = [same for same in _by_article(questions).values() if len(same) > 1]
    order = np.random.default_rng(seed).permutation(len(articles))
    drawn = [articles[place] for place in order] + [articles[place][1::-1] for place in order]
    made = []
    for group in drawn:
        if count > 0:
            made.append(group[: count + 1])
            count -= len(made[-1]) - 1
    return made


def _by_article(questions: Sequence[Question]) -> dict[str, list[Question]]:
    articles = defaultdict(list)
    for question in questions:
        articles[question.gold[0]].append(question)
    return articles


class Bench:
    """Asks in turn, and notes what came of it in `measured`."""

    def __init__(self, askers: Sequence[Asker], measured: Measured, raw: _Raw | None = None) -> None:
        self._askers = askers
        self._raw = raw
        self._measured = measured
        self._energy = Energy()
        if not self._energy.readable:
            measured.notes.append("energy: this machine shows none (RAPL, /sys/class/powercap)")

    def visit(self, planned: Sequence[Visit], scenarios: Collection[str]) -> None:
        """Measure new questions, follow-ups and the same again, and llama.cpp's rates between them."""
        counted = {*scenarios, "new"} if "decode" in scenarios else scenarios
        raw = self._raw if "decode" in scenarios else None
        # where nothing but the rate of writing is asked for, nobody else's first words are
        turns: list[Asker | None] = [*(self._askers if {*scenarios} & {*_VISITED} else self._askers[:1])]
        turns += [None] * (raw is not None)
        for number, visit in enumerate(_told(planned, ", ".join(name for name in SCENARIOS if name in scenarios))):
            for asker in _rotated(turns, number):
                if asker is None:
                    assert raw is not None
                    self._measured.rates += raw.decode()
                    self._measured.rates += raw.prompts() if number % 4 == 0 else []
                    continue
                asker.forget()
                first = self._ask(asker, visit.first, "new", counted)
                if "follow-up" in counted and visit.second and asker.follows:
                    self._ask(asker, visit.second, "follow-up", counted, [(visit.first.text, first.text)])
                if "again" in counted:
                    self._ask(asker, visit.first, "again", counted)

    def several_on_one(self, planned: Sequence[Sequence[Question]]) -> None:
        """Measure questions on articles that others asked about before."""
        for number, group in enumerate(_told(planned, "seen")):
            for asker in _rotated(self._askers, number):
                asker.forget()
                for place, question in enumerate(group):
                    self._ask(asker, question, "seen", {"seen"} if place else ())

    def at_once(self, ours: Ours, questions: Sequence[Question]) -> None:
        """Measure so many who ask at once: half of the questions from one up, the others from eight down."""
        half = len(questions) // 2
        for part, levels in ((questions[:half], TOGETHER), (questions[half:], TOGETHER[::-1])):
            for together in _told(levels if part else (), "at once"):
                ours.forget()
                started = time.perf_counter()
                found = _asked_together(ours, part, together)
                self._measured.levels.append(Level(together, len(part), round(time.perf_counter() - started, 4)))
                self._measured.rows += [_row("at once", OURS, question, asked, None, together)
                                        for question, asked in found]  # fmt: skip

    def _ask(
        self, asker: Asker, question: Question, scenario: str, counted: Collection[str], history: History = ()
    ) -> Asked:
        before = self._energy.joules()
        asked = asker.ask(question.text, history)
        after = self._energy.joules()
        joules = round(after - before, 2) if before is not None and after is not None else None
        if scenario in counted:
            self._measured.rows.append(_row(scenario, asker.name, question, asked, joules))
        return asked


def _peak() -> int:
    """Return the most memory, in bytes, that this process has had resident.

    Linux counts in ru_maxrss what its parent had before the process began; VmHWM begins anew.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _row(
    scenario: str, who: str, question: Question, asked: Asked, joules: float | None = None, together: int = 1
) -> Row:
    times = (asked.search, asked.evidence, asked.evidence_whole, asked.first_word, asked.total)
    search, evidence, whole, first_word, total = (None if seconds is None else round(seconds, 4) for seconds in times)
    assert total is not None
    return Row(
        scenario, who, question.id, search, evidence, first_word, total,
        asked.read, asked.reused, asked.written, asked.refused, joules, together, whole,
    )  # fmt: skip


def _asked_together(ours: Ours, questions: Sequence[Question], together: int) -> list[tuple[Question, Asked]]:
    stop = threading.Event()

    def talk(own: Sequence[Question]) -> list[tuple[Question, Asked]]:
        return [(question, ours.listen(question.text)) for question in own if not stop.is_set()]

    with ThreadPoolExecutor(together) as people:
        try:
            shares = [questions[person::together] for person in range(together)]
            return [one for talked in people.map(talk, shares) for one in talked]
        finally:
            stop.set()


def _rotated(turns: Sequence[Any], number: int) -> list[Any]:
    place = number % len(turns)
    return [*turns[place:], *turns[:place]]


def _told(planned: Sequence[Any], what: str) -> Iterator[Any]:
    return iter(tqdm(planned, desc=what, file=sys.stderr, dynamic_ncols=True))


def start(settings: Settings, *, models: bool = True) -> Start:
    """Start `sourcier serve` on a copy of the home, in a process of its own, and end it again.

    The page can be used once it and its scripts have arrived; `models`: wait for these too. Raises
    SettingsError if the page does not come.
    """
    with tempfile.TemporaryDirectory(prefix="sourcier-speed-") as folder, socket.socket() as probe:
        home = shutil.copytree(settings.home, Path(folder) / "home")
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        given = settings.model_dump(mode="json", exclude={"home", "port", "host"}, exclude_unset=True)
        pairs = [part for key, value in given.items() for part in ("--set", f"{key}={value}")]
        command = [sys.executable, "-m", "cli", "serve", "--home", str(home), "--port", str(port), *pairs]
        loaded: list[float] = []
        started = time.perf_counter()
        with (Path(folder) / "log").open("w+b") as log, subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=Path(__file__).resolve().parent.parent
        ) as process:  # fmt: skip

            def listen() -> None:
                assert process.stdout is not None
                for line in process.stdout:
                    if line.startswith(_LOADED):
                        loaded.append(time.perf_counter() - started)

            listening = threading.Thread(target=listen, daemon=True)
            listening.start()
            try:
                while not _usable(f"http://127.0.0.1:{port}/"):
                    if process.poll() is not None or time.perf_counter() - started > _LONGEST_WAIT:
                        log.seek(0)
                        told = log.read().decode(errors="replace").strip().rpartition("\n")[2]
                        raise SettingsError(f"the page did not start: {told}")
                    time.sleep(0.02)
                page = time.perf_counter() - started
                while (
                    models and not loaded and process.poll() is None and time.perf_counter() - started < _LONGEST_WAIT
                ):
                    time.sleep(0.02)
            finally:
                process.terminate()
                listening.join(30)
    return Start(round(page, 3), round(loaded[0], 3) if loaded else None)


def _usable(address: str) -> bool:
    """True if the page and every script that it names arrive from there."""
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(address, timeout=10) as answered:
            page = answered.read().decode()
        scripts = [urljoin(address, found) for found in _SCRIPT.findall(page)]
        for script in scripts:
            if script.startswith(address):
                with opener.open(script, timeout=10) as answered:
                    answered.read()
    except (URLError, OSError):
        return False
    return bool(scripts)


class _PaddedEmbedder:
    """Embeds real passages with a model, and those of made-up articles without."""

    def __init__(self, embedder: Embedder, made_up: Collection[str]) -> None:
        self.name, self.fingerprint = embedder.name, embedder.fingerprint
        self._embedder = embedder
        self._titles = frozenset(made_up)
        self._made_up = MadeUpEmbedder()

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    def embed_passages(self, texts: Sequence[str], titles: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for embedder, made_up in ((self._embedder, False), (self._made_up, True)):
            places = [place for place, title in enumerate(titles) if (title in self._titles) == made_up]
            if places:
                vectors[places] = embedder.embed_passages(
                    [texts[place] for place in places], [titles[place] for place in places]
                )
        return vectors

    def embed_question(self, question: str) -> Vectors:
        return self._embedder.embed_question(question)


def padded(data: DataSet, folder: Path, settings: Settings, embedder: Embedder) -> Settings:
    """Make the index of a data set's articles among made-up ones (evaluation/store_speed.py), or find it made.

    `settings` are those of the data set's own index; returns those of this one. The made-up have made-up
    vectors, so that they cost little time; there are as many as give more than 10,000 passages.
    """
    made = [_made_up(row) for row in rows(_MADE_UP)]
    larger = DataSet(f"{data.name}-10000", (*data.articles, *made), data.questions)
    chosen = settings.model_copy(update={"home": home_of(larger, folder).resolve()})
    if (kept := settings.home / EMBEDDINGS).is_file() and not chosen.home.exists():
        chosen.home.mkdir(parents=True)
        shutil.copy(kept, chosen.home / EMBEDDINGS)  # so that nothing real is embedded twice
    with closing(indexed(larger, chosen, _PaddedEmbedder(embedder, [article.title for article in made]))):
        return chosen


def _made_up(row: dict[str, Any]) -> Article:
    published = datetime.fromisoformat(row["date"]).date()
    draft = Draft(row["title"], row["text"], source=row["source"], url=row["url"], published=published)
    return make_article(draft, language="fr")


def memory(settings: Settings, questions: Sequence[Question]) -> Memory:
    """Return what a process of its own takes that asks the questions over the home of these settings.

    Raises SettingsError with its last line if it fails.
    """
    given = {"settings": settings.model_dump(mode="json", exclude_unset=True) | {"home": str(settings.home)},
             "questions": [question.text for question in questions]}  # fmt: skip
    code = "from evaluation.speed import weigh; weigh()"
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(given), capture_output=True, text=True, check=False,
        cwd=Path(__file__).resolve().parent.parent,
    )  # fmt: skip
    if done.returncode:
        told = done.stderr.strip().rpartition("\n")[2]
        raise SettingsError(f"the process that asks ended with {done.returncode}: {told}")
    return Memory(**json.loads(done.stdout.rpartition("\n")[2] or done.stdout))


def weigh() -> None:
    """Ask the questions that stand in standard input, and print what this process took; see `memory`."""
    from index.generation import status
    from qa.answer import assistant

    given = json.load(sys.stdin)
    settings = load_settings(**given["settings"])
    asking = assistant(settings)
    seconds = []
    for question in given["questions"]:
        started = time.perf_counter()
        *_, _ = asking.stream(question)
        seconds.append(time.perf_counter() - started)
    full = psutil.Process().memory_full_info()
    print(json.dumps(asdict(Memory(
        status(settings.home).passages, len(seconds), _peak(), getattr(full, "uss", None), getattr(full, "pss", None),
        round(seconds[0], 3),
    ))), end="")  # fmt: skip


def about_machine() -> dict[str, Any]:
    """Return what the figures depend on beside the code: processor, memory in GB, system, versions."""
    versions = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=False),
        "threads of the processor": psutil.cpu_count(),
        "memory, GB": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """Return the commit that is checked out, with a + where files differ from it; None outside of a repository."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).resolve().parent, capture_output=True, text=True, check=False,
        )  # fmt: skip
    except OSError:
        return None
    return done.stdout.strip() or None


@contextmanager
def written(out: Path, about: dict[str, Any], measured: Measured) -> Iterator[None]:
    """Write what was measured, however the block ends; `complete` says whether it came to its end."""
    started, complete = time.perf_counter(), False
    try:
        yield
        complete = True
    finally:
        out.parent.mkdir(parents=True, exist_ok=True)
        told = {**about, "complete": complete, "minutes": round((time.perf_counter() - started) / 60, 1)}
        write_whole(out, as_json(told, measured))
        if not complete:
            print(f"\nwhat was measured so far is in {out}", file=sys.stderr)


def as_json(about: dict[str, Any], measured: Measured) -> str:
    """Return what was measured and its summary as JSON, a row a line."""
    result = {"about": about, **asdict(measured)}
    result = {"about": about, "summary": speed_report.summary(result), **result}
    lines = []
    for name, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            inside = ",\n".join("  " + json.dumps(one, ensure_ascii=False) for one in value)
            lines.append(f" {json.dumps(name)}: [\n{inside}\n ]")
        else:
            lines.append(f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False, indent=1)}".replace("\n", "\n "))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def bench(
    path: Path,
    folder: Path,
    settings: Callable[[Path], Settings],
    out: Path | None,
    *,
    sample: int,
    seed: int,
    only: Collection[str] = (),
    rivals: bool = True,
) -> dict[str, Any]:
    """Measure on the data set at `path`, whose index is kept in `folder`; write `out` and return what stands in it.

    `settings` makes those of a home; `out` is folder/speed-NAME.json where None. Raises DataError,
    ModelMissingError, SettingsError, ArchiveError and its kin.
    """
    data = read(path)
    chosen = settings(home_of(data, folder))
    if chosen.answering_server:
        raise SettingsError("sourcier bench measures weights on this machine: leave out answering_server")
    out = out or folder / f"speed-{data.name}.json"
    weights = locate(chosen.answering_model, chosen.models_folder)
    locate(chosen.embedding_model, chosen.models_folder)
    questions = usable(data)
    scenarios = [name for name in SCENARIOS if not only or name in only]
    planned = visits(questions, sample, seed)
    embedder = configured_embedder(chosen)
    about: dict[str, Any] = {
        "data": data.name, "data_digest": data.digest, "sample": sample, "seed": seed, "scenarios": scenarios,
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        "load average before": [round(load, 2) for load in os.getloadavg()],
        "machine": about_machine(), "commit": _commit(), "code": code_digest(),
        "models": {"answering": fingerprint(weights, chosen.models_folder), "embedding": embedder.fingerprint},
        "settings": chosen.model_dump(mode="json", exclude=_NOT_TOLD),
    }  # fmt: skip
    measured = Measured()
    with closing(indexed(data, chosen, embedder)) as generation, written(out, about, measured):
        about |= {"articles": len(data.articles), "passages": generation.passage_count}
        # these two in processes of their own, before this one takes the memory that its rivals need
        if "start" in scenarios:
            for _ in _told(range(min(_STARTS, sample)), "start"):
                measured.starts.append(start(chosen, models=all(one.models for one in measured.starts)))
            if any(one.models is None for one in measured.starts):
                measured.notes.append(f"start: the page did not print {_LOADED!r} within {_LONGEST_WAIT:.0f} s")
        if "memory" in scenarios:
            for home in _told([padded(data, folder, chosen, embedder)], "memory"):
                measured.memory.append(memory(home, [visit.first for visit in planned[:_ASKED_FOR_MEMORY]]))
        if not {*scenarios} <= {"start", "memory"}:
            kept = ForgetfulEmbedder(embedder)
            model = configured_model(chosen)
            assert isinstance(model, LlamaCppModel)
            ours = Ours(Assistant(chosen, kept, configured_reader(chosen), model), model, kept)
            raw, askers = _against(chosen, generation, embedder, measured) if rivals else (None, [])
            run = Bench([ours, *askers], measured, raw)
            _warm([ours, *askers], planned)
            if {*scenarios} & {*_VISITED, "decode"}:
                run.visit(planned, scenarios)
            if "seen" in scenarios:
                run.several_on_one(groups(questions, sample, seed))
            if "at once" in scenarios:
                run.at_once(ours, [visit.first for visit in planned])
    result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return result


def _warm(askers: Sequence[Asker], planned: Sequence[Visit]) -> None:
    """Load all, with two questions on two articles, if there are two."""
    one = planned[0].first
    other = next((visit.first for visit in planned if visit.first.gold != one.gold), one)
    for asker in _told(askers, "loading"):
        asker.warm([one.text, other.text])


def _against(settings: Settings, generation: Any, embedder: Embedder, measured: Measured) -> tuple[_Raw, list[Asker]]:
    from evaluation.rivals import LangChain, Naive, Raw, not_installed

    naive = Naive(settings, generation, embedder)
    askers: list[Asker] = [naive]
    if missing := not_installed():
        measured.notes.append(missing)
    else:
        askers.append(LangChain(settings, generation, embedder))
    return Raw(naive.llama), askers
