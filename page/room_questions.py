"""The room where questions are asked: the conversation, its proof, what narrows a question."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import gradio as gr

from errors import SourcierError
from page import record, render, render_conversations
from page.access import user_of
from page.conversations import Rating
from page.record import EVERYTHING, Exchange, Narrowing, State
from page.services import Services
from page.visit import (
    QUIET,
    SECONDS_BETWEEN_LOOKS,
    Html,
    Updates,
    data_of,
    first,
    line_of,
    narrowing_of,
    number_of,
    on,
    owner_of,
    text_of,
    within,
    words_of,
)
from page.words import Texts
from qa import EvidenceFound, PartialAnswer
from qa.answer import LONGEST_QUESTION

_ASKING_AT_ONCE = 64  # those who wait in line included
_SUGGESTED = 4
_SECONDS_BETWEEN_SUGGESTIONS = 5  # and looks at whether there are any, until there are
_HISTORY = 4  # exchanges before a question that it can follow up


@dataclass(frozen=True, slots=True)
class Desk:
    """What one visitor has before them: a conversation, and how it is asked on.

    `ratings` are as many as `exchanges`. `first` is the number of exchanges before those on the page;
    `replacing` the place of the one that the next question takes.
    """

    talk: str | None = None
    name: str = ""
    exchanges: tuple[Exchange, ...] = ()
    ratings: tuple[Rating | None, ...] = ()
    first: int = 0
    replacing: int | None = None

    def begun(self, exchange: Exchange) -> Desk:
        """Return it with a new exchange behind the others, or in the place of the one to be replaced."""
        exchanges = self.exchanges[: self.replacing]
        return replace(
            self,
            name=self.name or exchange.question,
            exchanges=(*exchanges, exchange),
            ratings=(*self.ratings[: len(exchanges)], None),
            first=max(self.first, len(exchanges) + 1 - render.SHOWN),
            replacing=None,
        )

    def put(self, exchange: Exchange) -> Desk:
        """Return it with the last exchange replaced."""
        return replace(self, exchanges=(*self.exchanges[:-1], exchange))


class Questions:
    """The components of the room, and what happens in it."""

    def __init__(self, services: Services, html: Html, language: gr.BrowserState) -> None:
        self._services = services
        self._language = language
        self._under_way: dict[str | None, threading.Event] = {}  # {session: set once its answer is given up}
        self.desk = gr.State(Desk())
        self.narrowed = gr.State(EVERYTHING)
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="dialogue", min_width=0, scale=11):
                self.bar = html("bar")
                with gr.Column(elem_id="conversation", min_width=0):
                    self.welcome = html("welcome")  # page.css hides it beside a question
                    self.past = html("past")
                    self.current = html("current")
                self.narrowing = html("narrowing")
                with gr.Row(elem_id="asking"):
                    self.box = gr.Textbox(
                        show_label=False,
                        lines=1,
                        max_lines=6,
                        max_length=LONGEST_QUESTION,
                        min_width=0,
                        scale=1,
                        autofocus=True,
                    )
                    self.send = gr.Button(variant="primary", min_width=0, scale=0, elem_id="send")
                    self.stop = gr.Button(visible=False, min_width=0, scale=0, elem_id="stop")
            with gr.Column(elem_id="proof", min_width=0, scale=9):
                self.sources = html("sources")
                self.earlier = html("earlier")
        self.announcement = html("announcement")
        self._timer = gr.Timer(_SECONDS_BETWEEN_SUGGESTIONS)
        self.told = [self.past, self.current, self.sources, self.earlier, self.bar, self.announcement, self.desk]

    def labels(self, words: Texts) -> Updates:
        """The words of Gradio's own components."""
        return {
            self.box: gr.update(label=words["question"], placeholder=words["placeholder"]),
            self.send: gr.update(value=words["ask"]),
            self.stop: gr.update(value=words["stop"]),
        }

    def greeting(self, words: Texts) -> Updates:
        """What stands there before the first question, suggestions in the language of the page first."""
        known = sorted(self._services.suggestions(), key=lambda one: one[1] != words["language"])
        return {self.welcome: within("conversation", render.welcome(words, known[:_SUGGESTED]), words)}

    def wire(self) -> None:
        """Say what happens when."""
        given = [self.desk, self._language]
        self.asking = on(
            [self.box.submit, self.send.click, self.welcome.ask, self.current.retry],
            self._asked,
            [self.box, self.desk, self.narrowed, self._language],
            [*self.told, self.box, self.send, self.stop],
            concurrency_limit=_ASKING_AT_ONCE,
        )
        self.stop.click(self._stopped, given, [*self.told, self.send, self.stop], cancels=self.asking, **QUIET)
        self.current.edit_question(self._edited, [self.desk], [self.desk, self.box], **QUIET)
        self.past.earlier(self._earlier, given, self.told, **QUIET)
        self.bar.new_talk(self._new, given, [*self.told, self.box, self.send, self.stop], cancels=self.asking, **QUIET)
        rating = [self.past.rate, self.past.note, self.current.rate, self.current.note]
        on(rating, self._rated, given, self.told, concurrency_limit=1)  # each after the one before
        self._timer.tick(self._looked, [self._language], [self.welcome, self._timer], **QUIET)
        # each change in its turn: "once" leaves out those in quick succession, "always_last" sends the first again
        self.narrowing.narrow(self._narrow, None, self.narrowed, trigger_mode="multiple", concurrency_limit=1, **QUIET)

    def thread(self, desk: Desk, words: Texts) -> Updates:
        """The conversation, whole."""
        last = len(desk.exchanges)
        before = desk.exchanges[desk.first : last - 1] if last else ()
        rateable = self._services.conversations is not None
        shown = render.conversation(before, words, desk.ratings[desk.first :], start=desk.first, rateable=rateable)
        proofs = render.earlier_sources(before, words, start=desk.first)
        return {
            self.bar: render_conversations.bar(desk.name, last, words),
            self.past: within("conversation", shown, words, bool(before)),
            self.earlier: within("sources", proofs, words, bool(before)),
            **self._latest(desk, words),
        }

    def _latest(self, desk: Desk, words: Texts) -> Updates:
        """The last exchange, with its proof."""
        last = desk.exchanges[-1] if desk.exchanges else None
        proof = render.sources(len(desk.exchanges), last, words)
        return {**self._answering(desk, words), self.sources: within("sources", proof, words)}

    def _answering(self, desk: Desk, words: Texts) -> Updates:
        """The last exchange, without its proof."""
        place = len(desk.exchanges)
        shown = render.conversation(
            desk.exchanges[-1:],
            words,
            desk.ratings[-1:],
            start=place - 1,
            last=place,
            rateable=self._services.conversations is not None,
        )
        return {
            self.desk: desk,
            self.current: within("conversation", shown, words, place > 0),
            self.announcement: render.announcement(desk.exchanges[-1] if place else None, words),
        }

    def _asked(
        self,
        typed: str | None,
        desk: Desk,
        narrowed: Narrowing,
        language: str,
        event: gr.EventData,
        request: gr.Request,
    ) -> Iterator[Updates]:
        words, data, session = words_of(language, request), data_of(event), request.session_hash
        question = first(data, "question") or text_of(typed).strip()
        if first(data, "act") == "retry" and desk.exchanges:
            question = desk.exchanges[-1].question
            desk = replace(desk, replacing=len(desk.exchanges) - 1)
        waiting = bool(desk.exchanges) and desk.exchanges[-1].waiting
        if not question or (waiting and session in self._under_way):
            yield {self.box: gr.skip()}
            return
        if waiting:  # its connection was lost
            desk = desk.put(replace(desk.exchanges[-1], state=State.STOPPED))
        self._under_way[session] = left = threading.Event()
        try:
            yield from self._answered(question, desk, narrowed, words, request, left)
        finally:
            if self._under_way.get(session) is left:
                del self._under_way[session]

    def _answered(
        self,
        question: str,
        desk: Desk,
        narrowed: Narrowing,
        words: Texts,
        request: gr.Request,
        left: threading.Event,
    ) -> Iterator[Updates]:
        services = self._services
        exchange = Exchange(question, narrowed, asked=datetime.now(UTC).isoformat(timespec="seconds"))
        desk = desk.begun(exchange)
        yield {
            **self.thread(desk, words),
            self.box: "",
            self.send: gr.update(visible=False),
            self.stop: gr.update(visible=True),
        }
        history = [
            (past.understood or past.question, past.text)
            for past in desk.exchanges[-1 - _HISTORY : -1]
            if past.answered and not past.refused
        ]
        user = user_of(request)
        try:
            with services.admitted(user), services.line.ticket(user) as ticket:
                while not ticket.wait(SECONDS_BETWEEN_LOOKS) and not left.is_set():
                    if exchange.before != (before := ticket.before):
                        exchange = replace(exchange, state=State.QUEUED, before=before)
                        yield self._answering(desk := desk.put(exchange), words)
                    else:  # Gradio closes this between two results only, once who waits has left
                        yield {self.send: gr.skip()}
                if left.is_set():
                    return
                if exchange.state == State.QUEUED:
                    exchange = replace(exchange, state=State.SEARCHING, before=0)
                    yield self._answering(desk := desk.put(exchange), words)
                for found in services.ask(question, history=history, **narrowed.options()):
                    if left.is_set():
                        return
                    if isinstance(found, PartialAnswer):
                        if found.text == exchange.text:  # nothing new, but Gradio can close this here
                            yield {self.send: gr.skip()}
                            continue
                        exchange = replace(exchange, text=found.text)
                        shown = self._answering(desk := desk.put(exchange), words)
                        del shown[self.announcement]  # it is said once it is whole
                        yield shown
                    elif isinstance(found, EvidenceFound):
                        exchange = record.found(exchange, found)
                        shown = self._latest(desk := desk.put(exchange), words)
                        if exchange.text:  # found behind the writing, which was announced already
                            del shown[self.announcement]
                        yield shown
                    else:
                        exchange = record.finished(exchange, found)
        except Exception as error:
            exchange = replace(exchange, state=State.FAILED, error=line_of(error, words))
        if left.is_set():  # Gradio cancels between two results only, and then this one may still be shown
            return
        yield {
            **self._ended(desk.put(exchange), request, words),
            **({self.box: question} if exchange.error else {}),
        }

    def given_up(self, desk: Desk, words: Texts, request: gr.Request) -> Updates:
        """End the answer that is under way, if one is, and keep what was written of it."""
        if left := self._under_way.pop(request.session_hash, None):
            left.set()
        if desk.exchanges and desk.exchanges[-1].waiting:
            return self._ended(desk.put(replace(desk.exchanges[-1], state=State.STOPPED)), request, words)
        return {**self._latest(desk, words), **self._idle()}

    def _ended(self, desk: Desk, request: gr.Request, words: Texts) -> Updates:
        """Keep the last exchange, which is over, and say so where that fails."""
        said: Updates = {}
        if self._services.conversations is not None:
            place = len(desk.exchanges) - 1
            try:
                talk = self._services.conversations.keep(owner_of(request), desk.talk, place, desk.exchanges[-1])
                desk = replace(desk, talk=talk)
            except SourcierError as error:
                said = self._wrong(desk, error, words)
        return {**self._latest(desk, words), **said, **self._idle()}

    def _idle(self) -> Updates:
        return {self.send: gr.update(visible=True), self.stop: gr.update(visible=False)}

    def _wrong(self, desk: Desk, error: SourcierError, words: Texts) -> Updates:
        bar = render_conversations.bar(desk.name, len(desk.exchanges), words)
        return {self.bar: bar + render.problem(str(error))}

    def _edited(self, desk: Desk) -> Updates:
        if not desk.exchanges:
            return {self.desk: desk}
        place = len(desk.exchanges) - 1
        return {self.desk: replace(desk, replacing=place), self.box: desk.exchanges[place].question}

    def _earlier(self, desk: Desk, language: str, request: gr.Request) -> Updates:
        return self.thread(replace(desk, first=max(0, desk.first - render.SHOWN)), words_of(language, request))

    def _looked(self, language: str, request: gr.Request) -> Updates:
        """Show suggestions as soon as some were made, if they are made at all."""
        if not self._services.suggestions() and self._services.suggesting():
            return {self._timer: gr.skip()}
        return {**self.greeting(words_of(language, request)), self._timer: gr.Timer(active=False)}

    def _narrow(self, event: gr.EventData) -> Narrowing:
        return narrowing_of(data_of(event))

    def _stopped(self, desk: Desk, language: str, request: gr.Request) -> Updates:
        return self.given_up(desk, words_of(language, request), request)

    def _new(self, desk: Desk, language: str, request: gr.Request) -> Updates:
        words = words_of(language, request)
        return {**self.given_up(desk, words, request), **self.thread(Desk(), words), self.box: ""}

    def _rated(self, desk: Desk, language: str, event: gr.EventData, request: gr.Request) -> Updates:
        data, words = data_of(event), words_of(language, request)
        place = number_of(data, "turn") - 1
        if self._services.conversations is None or desk.talk is None or not 0 <= place < len(desk.exchanges):
            return {self.desk: desk}
        before = desk.ratings[place]
        rating: Rating | None
        if first(data, "act") == "note":
            rating = Rating(before.good if before else True, first(data, "note"))
        else:
            good = first(data, "good") == "1"
            taken_back = before is not None and before.good == good
            rating = None if taken_back else Rating(good, before.note if before else "")
        try:
            self._services.conversations.rate(owner_of(request), desk.talk, place, rating)
        except SourcierError as error:
            return self._wrong(desk, error, words)
        ratings: list[Any] = list(desk.ratings)
        ratings[place] = rating
        return self.thread(replace(desk, ratings=tuple(ratings)), words)
