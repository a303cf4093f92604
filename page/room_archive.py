"""The room of the archive: its list, adding and removing, its health."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import gradio as gr
from markupsafe import Markup

from errors import NoArchiveError, SourcierError
from index.catalogue import Order
from index.generation import Filters
from page import render, render_archive
from page.job import StoppedError
from page.record import Narrowing
from page.render_archive import Query
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
    words_of,
)
from page.words import Texts

_LONGEST_SEARCH = 200  # characters


class Archive:
    """The components of the room, and what happens in it."""

    def __init__(self, services: Services, html: Html, language: gr.BrowserState, narrowed: gr.State) -> None:
        self._services = services
        self._language = language
        self._narrowed = narrowed
        self.query = gr.State(Query())
        with gr.Row(elem_id="shelves"):
            with gr.Column(elem_id="list", min_width=0, scale=13):
                self.search = html("search")
                self.listing = html("listing")
            with gr.Column(elem_id="care", min_width=0, scale=7):
                with gr.Column(elem_id="adding", min_width=0, visible=services.changes):
                    with gr.Row(elem_id="choosing"):
                        self.files = gr.UploadButton(file_count="multiple", elem_id="files", min_width=0)
                        self.folder = gr.UploadButton(file_count="directory", elem_id="folder", min_width=0)
                    self.pasting = html("pasting")
                self.progress = html("progress")  # apart, else it wipes out whatever else is reported meanwhile
                self.report = html("report")
                self.health = html("health")
        self.shown = [self.search, self.listing, self.health]

    def labels(self, words: Texts) -> Updates:
        """The words of Gradio's own components, and of the form that does not depend on the archive."""
        return {
            self.files: gr.update(label=words["choose_files"]),
            self.folder: gr.update(label=words["choose_folder"]),
            self.pasting: render_archive.adding(words),
        }

    def shelves(self, query: Query, words: Texts) -> Updates:
        """What the room tells of the archive."""
        try:
            status = self._services.about()
        except SourcierError:
            status = None
        return {
            self.search: render_archive.search_form(query, status, words),
            self.listing: self._page(query, words),
            self.health: render_archive.health(status, self._services.models, words, changes=self._services.changes),
        }

    def wire(self, holds: Callable[[Narrowing, Texts], Updates], elsewhere: Sequence[gr.HTML]) -> None:
        """Say what happens when; `holds` tells what the archive holds in the components `elsewhere`."""
        self._holds = holds
        told = [self.progress, self.report, *self.shown, *elsewhere]
        context = [self._narrowed, self.query, self._language]
        browsing = [self.search.browse, self.listing.turn_page]
        on(
            browsing,
            self._browsed,
            [self.query, self._language],
            [self.query, self.listing],
            concurrency_limit=1,
            trigger_mode="multiple",  # else one in quick succession to another is left out
        )
        for button in (self.files, self.folder):
            button.upload(self._uploaded, [button, *context], told, concurrency_limit=4, **QUIET)
        self.pasting.paste(self._pasted, context, told, concurrency_limit=4, **QUIET)
        self.progress.stop_adding(self._stop, None, None, **QUIET)
        on([self.listing.remove_article, self.report.undo, self.health.rollback], self._changed, context, told)
        self.health.verify(self._verified, [self._language], [self.report], **QUIET)
        self.watching = (self._watched, context, told)

    def _page(self, query: Query, words: Texts) -> Markup:
        after, before = query.narrowing.published_after, query.narrowing.published_before
        filters = Filters(
            date.fromisoformat(after) if after else None,
            date.fromisoformat(before) if before else None,
            query.narrowing.sources,
            query.narrowing.languages,
        )
        try:
            shown = self._services.catalogue.page(
                words=query.words,
                filters=filters,
                order=query.order,
                first=query.first,
                count=render_archive.ROWS,
            )
        except NoArchiveError:
            return Markup('<p class="hint">{}</p>').format(words["no_archive"])
        except SourcierError as error:
            return render.problem(str(error))
        return render_archive.listing(shown, words, removable=self._services.changes)

    def _browsed(self, query: Query, language: str, event: gr.EventData, request: gr.Request) -> Updates:
        data = data_of(event)
        if first(data, "act") == "turn_page":
            query = replace(query, first=number_of(data, "first"))
        else:
            order = first(data, "order")
            query = Query(
                first(data, "words")[:_LONGEST_SEARCH],
                narrowing_of(data),
                Order(order) if order in set(Order) else Order.NEWEST,
            )
        return {self.query: query, self.listing: self._page(query, words_of(language, request))}

    def _uploaded(
        self, paths: list[str] | str | None, narrowed: Narrowing, query: Query, language: str, request: gr.Request
    ) -> Iterator[Updates]:
        given = [Path(path) for path in ([paths] if isinstance(paths, str) else paths or ())]
        yield from self._added(given, narrowed, query, words_of(language, request))

    def _pasted(
        self, narrowed: Narrowing, query: Query, language: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[Updates]:
        data = data_of(event)
        article = {name: first(data, name) for name in ("title", "text", "date", "source", "url")}
        given = [self._services.paste(article)] if self._services.changes else []
        yield from self._added(given, narrowed, query, words_of(language, request))

    def _added(self, given: Sequence[Path], narrowed: Narrowing, query: Query, words: Texts) -> Iterator[Updates]:
        if not self._services.changes or not given:
            yield {self.report: ""}
            return
        try:
            self._services.job.start(lambda progress: self._services.add(given, progress=progress))
        except SourcierError as error:
            yield {self.report: render.problem(str(error))}
            return
        yield {self.report: ""}
        yield from self._changing(narrowed, query, words)

    def _changing(self, narrowed: Narrowing, query: Query, words: Texts) -> Iterator[Updates]:
        """Show how far the change under way is, until it ends."""
        while not self._services.job.wait(SECONDS_BETWEEN_LOOKS):
            yield {self.progress: render_archive.job(self._services.job.seen(), words)}
        seen = self._services.job.seen()
        said = render_archive.job(seen, words)
        if isinstance(seen.error, StoppedError):
            said = render.said(words["interrupted"], words)
        elif seen.error is not None:
            said = render.problem(line_of(seen.error, words))
        yield {self.progress: "", self.report: said, **self.shelves(query, words), **self._holds(narrowed, words)}

    def _watched(self, narrowed: Narrowing, query: Query, language: str, request: gr.Request) -> Iterator[Updates]:
        """Go on showing a change that was under way when the page was opened."""
        if self._services.job.seen().running:
            yield from self._changing(narrowed, query, words_of(language, request))
        else:
            yield {self.progress: gr.skip()}

    def _stop(self) -> None:
        if self._services.changes:
            self._services.job.stop()

    def _changed(
        self, narrowed: Narrowing, query: Query, language: str, event: gr.EventData, request: gr.Request
    ) -> Updates:
        """Remove an article, take that back, or go back to the generation before."""
        data, words, services = data_of(event), words_of(language, request), self._services
        act = first(data, "act")
        if not services.changes:
            return {self.report: ""}
        try:
            if act == "remove_article":
                gone = services.remove([first(data, "article")])
                said = render_archive.removed(gone, services.about().generation, words)
            elif act == "undo" and services.about().generation != first(data, "generation"):
                said = render.problem(words["not_undone"])
            elif act in ("undo", "rollback"):
                services.rollback()
                said = render.said(words["undone" if act == "undo" else "rolled_back"], words)
            else:
                said = Markup("")
        except Exception as error:
            said = render.problem(line_of(error, words))
        return {self.report: said, **self.shelves(query, words), **self._holds(narrowed, words)}

    def _verified(self, language: str, request: gr.Request) -> Iterator[Updates]:
        words = words_of(language, request)
        yield {self.report: render.said(words["verifying"], words)}
        try:
            faults = list(self._services.verify())
            said = render.join(map(render.problem, faults)) or render.said(words["verified"], words)
        except Exception as error:
            said = render.problem(line_of(error, words))
        yield {self.report: said}
