"""The room of the conversations kept on this machine: found again, renamed, deleted, exported."""

from __future__ import annotations

import re
from dataclasses import replace

import gradio as gr

from errors import SourcierError
from page import export, render, render_conversations
from page.conversations import Conversations
from page.render import SHOWN
from page.room_questions import Desk, Questions
from page.visit import QUIET, Html, Updates, data_of, first, number_of, on, owner_of, words_of
from page.words import Texts


class Talks:
    """The components of the room, and what happens in it."""

    def __init__(
        self, conversations: Conversations, html: Html, language: gr.BrowserState, questions: Questions
    ) -> None:
        self._conversations = conversations
        self._language = language
        self._questions = questions
        self.search = html("talk-search")
        self.list = html("talks")
        self.download = html("download")

    def labels(self, words: Texts) -> Updates:
        """The form, which does not depend on what is kept."""
        return {self.search: render_conversations.search_form(words)}

    def wire(self, tab: gr.Tab, rooms: gr.Tabs) -> None:
        """Say what happens when."""
        self._rooms = rooms
        tab.select(self._entered, [self._language], [self.list], **QUIET)
        searching = [self.search.search_talks, self.list.turn_talks]
        on(searching, self._searched, [self._language], [self.list], trigger_mode="multiple", concurrency_limit=1)
        buttons = [self._questions.send, self._questions.stop]
        self.list.open_talk(
            self._opened,
            [self._questions.desk, self._language],
            [*self._questions.told, *buttons, rooms, self.list],
            cancels=self._questions.asking,
            **QUIET,
        )
        on(
            [self.list.rename_talk, self.list.delete_talk, self.list.delete_talks],
            self._changed,
            [self._questions.desk, self._language],
            [*self._questions.told, self.list],
        )
        on(
            [self.list.export_talk, self.list.export_ratings],
            self._exported,
            [self._language],
            [self.download, self.list],
        )

    def listed(self, words: Texts, owner: str, searched: str = "", place: int = 0) -> Updates:
        """The list, from conversation number `place` on."""
        try:
            shown, total = self._conversations.list(owner, words=searched, first=place, count=render_conversations.ROWS)
        except SourcierError as error:
            return {self.list: render.problem(str(error))}
        lost = self._conversations.warning  # where a damaged file was put
        said = render.problem(lost) if lost else ""
        return {self.list: said + render_conversations.talks(shown, total, place, words)}

    def _entered(self, language: str, request: gr.Request) -> Updates:
        return self.listed(words_of(language, request), owner_of(request))

    def _searched(self, language: str, event: gr.EventData, request: gr.Request) -> Updates:
        data = data_of(event)
        return self.listed(
            words_of(language, request), owner_of(request), first(data, "words"), number_of(data, "first")
        )

    def _opened(self, desk: Desk, language: str, event: gr.EventData, request: gr.Request) -> Updates:
        words, talk = words_of(language, request), first(data_of(event), "talk")
        try:
            name, kept = self._conversations.read(owner_of(request), talk)
        except SourcierError as error:
            return {**self._questions.given_up(desk, words, request), self.list: render.problem(str(error))}
        exchanges, ratings = tuple(exchange for exchange, _ in kept), tuple(rating for _, rating in kept)
        said = self._questions.given_up(desk, words, request)
        desk = Desk(talk, name, exchanges, ratings, max(0, len(kept) - SHOWN))
        return {**said, **self._questions.thread(desk, words), self._rooms: gr.Tabs(selected="questions")}

    def _changed(self, desk: Desk, language: str, event: gr.EventData, request: gr.Request) -> Updates:
        """Rename or delete."""
        data, words, owner = data_of(event), words_of(language, request), owner_of(request)
        act, talk = first(data, "act") or first(data, "submit"), first(data, "talk")
        try:
            if act == "rename_talk":
                name = self._conversations.rename(owner, talk, first(data, "name"))
                if talk == desk.talk:
                    desk = replace(desk, name=name)
            elif act == "delete_talk":
                self._conversations.delete(owner, talk)
                desk = Desk() if talk == desk.talk else desk
            elif act == "delete_talks":
                self._conversations.delete_all(owner)
                desk = Desk() if desk.talk else desk
        except SourcierError as error:
            return {self.list: render.problem(str(error))}
        return {**self._questions.thread(desk, words), **self.listed(words, owner)}

    def _exported(self, language: str, event: gr.EventData, request: gr.Request) -> Updates:
        data, words, owner = data_of(event), words_of(language, request), owner_of(request)
        try:
            if first(data, "act") == "export_ratings":
                files = self._ratings(owner)
                if not files:
                    nothing = render.said(words["no_ratings"], words)
                    return {self.list: nothing + self.listed(words, owner)[self.list]}
            else:
                name, kept = self._conversations.read(owner, first(data, "talk"))
                exchanges = [exchange for exchange, _ in kept]
                stem = re.sub(r"[^\w-]+", "-", name).strip("-")[:60] or "sourcier"
                if first(data, "kind") == "html":
                    files = [(f"{stem}.html", "text/html", export.html_page(name, exchanges, words))]
                else:
                    files = [(f"{stem}.md", "text/markdown", export.markdown(name, exchanges, words))]
        except SourcierError as error:
            return {self.list: render.problem(str(error))}
        return {self.download: render.join(render_conversations.download(*file) for file in files)}

    def _ratings(self, owner: str) -> list[tuple[str, str, str]]:
        """The rated answers as files (name, type, content): an evaluation set, and what is to be completed for one."""
        rated = self._conversations.rated(owner)
        files = {
            "questions.jsonl": export.evaluation_set(rated),
            "questions-to-complete.jsonl": export.unsettled(rated),
        }
        return [(name, "application/jsonl", content) for name, content in files.items() if content]
