"""The page as Gradio Blocks: its rooms, its language, the article that is read. Importing this loads Gradio."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import gradio as gr
from markupsafe import Markup

from errors import ArchiveError, NoArchiveError, SourcierError
from page import record, render, render_archive
from page.api import add_api
from page.record import Narrowing
from page.render_archive import Query
from page.room_archive import Archive
from page.room_questions import Desk, Questions
from page.room_talks import Talks
from page.services import Services
from page.visit import QUIET, Updates, address_of, data_of, first, narrowing_of, on, owner_of, words_of
from page.words import LANGUAGES, Texts, texts
from qa.answer import LONGEST_QUESTION

_EVENTS = Path(__file__).with_name("events.js")
_SPAN = re.compile(r"(\d{1,9})-(\d{1,9})")


def build_blocks(services: Services) -> gr.Blocks:
    """Lay out the page over what it works with."""
    events = _EVENTS.read_text(encoding="utf-8")

    def html(name: str) -> gr.HTML:
        return gr.HTML(apply_default_css=False, elem_id=name, js_on_load=events)

    blocks = gr.Blocks(title="Sourcier", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600))
    with blocks:
        language_kept = gr.BrowserState("", storage_key="sourcier.language", secret="sourcier")
        masthead = html("masthead")
        talks: Talks | None = None
        with gr.Tabs(elem_id="rooms") as rooms:
            with gr.Tab("Questions", id="questions") as questions_tab:
                questions = Questions(services, html, language_kept)
            with gr.Tab("Archive", id="archive") as archive_tab:
                archive = Archive(services, html, language_kept, questions.narrowed)
            with gr.Tab("Conversations", id="talks", visible=services.conversations is not None) as talks_tab:
                if services.conversations is not None:
                    talks = Talks(services.conversations, html, language_kept, questions)
        reader = html("reader")

        def holds(narrowed: Narrowing, words: Texts) -> Updates:
            """What the archive holds, where the page tells it outside the archive's own room."""
            status, said = None, Markup("")
            try:
                status = services.about()
            except NoArchiveError:
                pass
            except SourcierError as error:
                said += render.problem(str(error))
            if not services.changes:
                said += render.problem(words["open_page"])
            return {
                masthead: render.masthead(status, words, LANGUAGES) + said,
                questions.narrowing: render_archive.narrowing_form(narrowed, status, words),
            }

        def whole(desk: Desk, narrowed: Narrowing, query: Query, words: Texts, request: gr.Request) -> Updates:
            """Everything that is written in the language of the page."""
            return {
                questions_tab: gr.update(label=words["tab_questions"]),
                archive_tab: gr.update(label=words["tab_archive"]),
                talks_tab: gr.update(label=words["tab_talks"]),
                **holds(narrowed, words),
                **questions.labels(words),
                **questions.greeting(words),
                **questions.thread(desk, words),
                **archive.labels(words),
                **archive.shelves(query, words),
                **({**talks.labels(words), **talks.listed(words, owner_of(request))} if talks else {}),
            }

        def opened(language: str, request: gr.Request) -> Updates:
            words, asked = words_of(language, request), address_of(request)
            narrowed = narrowing_of(asked)
            typed = " ".join(first(asked, "q").split())[:LONGEST_QUESTION]
            return {
                **whole(Desk(), narrowed, Query(), words, request),
                questions.box: gr.update(label=words["question"], placeholder=words["placeholder"], value=typed),
                questions.narrowed: narrowed,
            }

        def language_chosen(
            desk: Desk, narrowed: Narrowing, query: Query, event: gr.EventData, request: gr.Request
        ) -> Updates:
            language = first(data_of(event), "language")
            words = texts(language if language in LANGUAGES else "en")
            return {
                language_kept: words["language"],
                **whole(desk, narrowed, query, words, request),
                archive.report: "",
            }

        def read(language: str, event: gr.EventData, request: gr.Request) -> Markup:
            data, words = data_of(event), words_of(language, request)
            identity = first(data, "article")
            try:
                versions = services.catalogue.read(identity)
                inner = render.article(
                    [(record.reference(one.article), one.article.text, one.added, one.live) for one in versions],
                    [(int(start), int(end)) for start, end in _SPAN.findall(first(data, "marks"))],
                    next(place for place, one in enumerate(versions) if one.article.id == identity),
                    words,
                )
            except (ArchiveError, StopIteration):
                inner = Markup('<div class="reading" tabindex="-1"><p class="hint">{}</p></div>').format(words["gone"])
            # each time another value, so that the same article opens again
            return Markup(
                '<dialog class="reader" data-open="{}" aria-label="{}" lang="{}"><button type="button" data-close>{}'
                "</button>{}</dialog>"
            ).format(secrets.token_hex(4), words["reading_article"], words["language"], words["close"], inner)

        labelled = [questions_tab, archive_tab, talks_tab, masthead, questions.narrowing, questions.box, questions.send,
                    questions.stop, questions.welcome, archive.files, archive.folder, archive.pasting]  # fmt: skip
        written = [*labelled, *questions.told, *archive.shown, *((talks.search, talks.list) if talks else ())]
        questions.wire()
        archive.wire(holds, [masthead, questions.narrowing])
        if talks:
            talks.wire(talks_tab, rooms)
        blocks.load(opened, [language_kept], [*written, questions.narrowed], **QUIET).then(*archive.watching, **QUIET)
        masthead.choose_language(
            language_chosen,
            [questions.desk, questions.narrowed, archive.query],
            [*written, language_kept, archive.report],
            **QUIET,
        )
        reading = [questions.sources.read, questions.earlier.read, archive.listing.read, reader.read]
        on(reading, read, [language_kept], [reader], concurrency_limit=8)
        add_api(services.ask, services.about, services.catalogue, services.admitted, services.line)
    blocks.queue(default_concurrency_limit=4)
    return blocks
