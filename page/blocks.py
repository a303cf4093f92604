"""The page as Gradio Blocks: what stands where, and what happens when. Importing this loads Gradio."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import gradio as gr
from markupsafe import Markup
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware

from errors import NoArchiveError, SourcierError
from index.articles import Skipped
from page import render
from page.render import Exchange, Texts
from qa import EvidenceFound, PartialAnswer
from qa.answer import LONGEST_QUESTION

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from index.generation import Status
    from index.rebuild import Progress, Report
    from qa import Answer

ASSETS = Path(__file__).parent
SECONDS_BETWEEN_PROGRESS = 0.2

_log = logging.getLogger("sourcier.page")
_Updates = dict[Any, Any]


class Ask(Protocol):
    """`qa.stream` with its settings already given."""

    def __call__(
        self, question: str, *, history: Sequence[tuple[str, str]]
    ) -> Iterator[EvidenceFound | PartialAnswer | Answer]: ...


class Add(Protocol):
    """`index.rebuild.update` with its settings already given."""

    def __call__(self, paths: Sequence[Path], *, progress: Callable[[Progress], None]) -> Report: ...


def build_blocks(ask: Ask, add: Add, about: Callable[[], Status]) -> gr.Blocks:
    """Lay out the page over what asks, what adds articles and what says what the archive holds."""
    i18n = gr.I18n()

    blocks = gr.Blocks(title="Sourcier", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600))
    with blocks:
        exchanges_kept = gr.State(())
        masthead = gr.HTML(apply_default_css=False, elem_id="masthead")
        announcement = gr.HTML(apply_default_css=False, elem_id="announcement")
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="dialogue", min_width=0, scale=11):
                conversation = gr.HTML(
                    apply_default_css=False,
                    elem_id="conversation",
                    js_on_load=(ASSETS / "examples.js").read_text(encoding="utf-8"),
                )
                with gr.Row(elem_id="asking"):
                    box = gr.Textbox(
                        label=i18n("question"),
                        show_label=False,
                        placeholder=i18n("placeholder"),
                        lines=1,
                        max_lines=6,
                        max_length=LONGEST_QUESTION,
                        min_width=0,
                        scale=1,
                        autofocus=True,
                    )
                    send = gr.Button(i18n("ask"), variant="primary", min_width=0, scale=0, elem_id="send")
                    stop = gr.Button(i18n("stop"), visible=False, min_width=0, scale=0, elem_id="stop")
            with gr.Column(elem_id="proof", min_width=0, scale=9):
                sources = gr.HTML(apply_default_css=False, elem_id="sources")
                with gr.Accordion(i18n("add"), open=False, elem_id="adding"):
                    files = gr.File(
                        label=i18n("files"), file_count="multiple", height=140, interactive=True, elem_id="files"
                    )
                    report = gr.HTML(apply_default_css=False, elem_id="report")

        def held(exchanges: tuple[Exchange, ...], words: Texts) -> _Updates:
            status, problem = None, Markup("")
            try:
                status = about()
            except NoArchiveError:
                pass
            except SourcierError as error:
                problem = render.problem(str(error))
            return {
                masthead: render.masthead(status, words) + problem,
                conversation: render.conversation(exchanges, words, status),
            }

        def idle(exchanges: tuple[Exchange, ...], words: Texts) -> _Updates:
            return {
                exchanges_kept: exchanges,
                conversation: render.conversation(exchanges, words),
                sources: render.sources(exchanges, words),
                announcement: render.announcement(exchanges, words),
                send: gr.update(visible=True),
                stop: gr.update(visible=False),
            }

        def opened(exchanges: tuple[Exchange, ...], request: gr.Request) -> _Updates:
            words = _words(request)
            return {**idle(exchanges, words), **held(exchanges, words)}

        def asked(
            typed: str, exchanges: tuple[Exchange, ...], event: gr.EventData, request: gr.Request
        ) -> Iterator[_Updates]:
            words = _words(request)
            question = str((event._data or {}).get("question", typed)).strip()
            if not question:
                yield {box: gr.skip()}
                return
            history = [
                (past.answer.question, past.answer.text)
                for past in exchanges
                if past.answer is not None and not past.answer.refused
            ]
            exchange = Exchange(question)
            yield {
                **idle((*exchanges, exchange), words),
                box: "",
                send: gr.update(visible=False),
                stop: gr.update(visible=True),
            }
            try:
                for found in ask(question, history=history):
                    now = (*exchanges, exchange)
                    if isinstance(found, PartialAnswer):
                        exchange = replace(exchange, text=found.text)
                        now = (*exchanges, exchange)
                        yield {exchanges_kept: now, conversation: render.conversation(now, words)}
                    elif isinstance(found, EvidenceFound):
                        exchange = replace(exchange, found=found)
                        now = (*exchanges, exchange)
                        yield {
                            exchanges_kept: now,
                            conversation: render.conversation(now, words),
                            sources: render.sources(now, words),
                            announcement: render.announcement(now, words),
                        }
                    else:
                        exchange = replace(exchange, answer=found)
            except Exception as error:
                exchange = replace(exchange, error=_line(error, words))
            yield {**idle((*exchanges, exchange), words), **({box: question} if exchange.error else {})}

        def stopped(exchanges: tuple[Exchange, ...], request: gr.Request) -> _Updates:
            if exchanges and exchanges[-1].waiting:
                exchanges = (*exchanges[:-1], replace(exchanges[-1], stopped=True))
            return idle(exchanges, _words(request))

        def dropped(
            paths: list[str] | None, exchanges: tuple[Exchange, ...], request: gr.Request
        ) -> Iterator[_Updates]:
            words = _words(request)
            yield {report: render.progress(None, words)}
            seen: deque[Progress] = deque(maxlen=1)
            try:
                with ThreadPoolExecutor(1, "sourcier-add") as worker:
                    made = worker.submit(add, [Path(path) for path in paths or ()], progress=seen.append)
                    while not made.done():
                        wait([made], timeout=SECONDS_BETWEEN_PROGRESS)
                        if seen:
                            yield {report: render.progress(seen[-1], words)}
                said = render.report(_by_name(made.result()), words)
            except Exception as error:
                said = render.problem(_line(error, words))
            yield {report: said, files: None, **({} if exchanges else held(exchanges, words))}

        shown = [exchanges_kept, conversation, sources, announcement, send, stop]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        blocks.load(opened, [exchanges_kept], [*shown, masthead], **quiet)
        asking = gr.on(
            [box.submit, send.click, conversation.click], asked, [box, exchanges_kept], [*shown, box], **quiet
        )
        stop.click(stopped, [exchanges_kept], shown, cancels=[asking], **quiet)
        files.upload(
            dropped,
            [files, exchanges_kept],
            [report, files, masthead, conversation],
            concurrency_limit=1,
            **quiet,
        )
    blocks.queue(default_concurrency_limit=4)
    return blocks


class Headers:
    """Adds to each response what forbids the browser to ask any other host for anything."""

    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; script-src-attr 'none'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    )

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self.policy
                headers["Referrer-Policy"] = "no-referrer"
            await send(message)

        await self.app(scope, receive, send_with_policy)


def launch(blocks: gr.Blocks, host: str, port: int) -> None:
    """Serve the page without waiting for it to end. Raises OSError where the port is taken."""
    blocks.launch(
        server_name=host,
        server_port=port,
        theme=gr.themes.Base(font=[gr.themes.Font("sans-serif")], font_mono=[gr.themes.Font("monospace")]),
        head="<style>" + (ASSETS / "page.css").read_text(encoding="utf-8") + "</style>",
        js=(ASSETS / "page.js").read_text(encoding="utf-8"),
        i18n=gr.I18n(**{language: render.texts(language) for language in render.LANGUAGES}),
        app_kwargs={"middleware": [Middleware(Headers)]},
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        pwa=False,
        share=False,
        show_error=False,
        inbrowser=False,
        quiet=True,
        prevent_thread_lock=True,
    )


def _words(request: gr.Request) -> Texts:
    return render.texts(render.language_of(request.headers.get("accept-language")))


def _by_name(made: Report) -> Report:
    """Leave out the folders of skipped files: they are this machine's, not the reader's."""
    skipped = tuple(Skipped(Path(one.origin).name, one.reason) for one in made.skipped)
    return replace(made, skipped=skipped)


def _line(error: Exception, words: Texts) -> str:
    """The one line that the reader sees; what nobody foresaw goes to the log with its traceback."""
    if isinstance(error, SourcierError):
        return str(error)
    _log.error("unexpected error", exc_info=error)
    return words["unexpected"].format(name=type(error).__name__)
