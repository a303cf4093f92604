"""Serving the page: its address, its headers, who is let in. Importing this loads Gradio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware

from errors import SettingsError
from page import words
from page.access import Attempts, Users
from page.api import as_json_text
from page.gate import Gate, Login
from settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ASSETS = Path(__file__).parent
# The login page, which is Gradio's, says "incorrect" then, even of the right password.
AFTER_FAILURES = "After five failures, wait a minute. Après cinq échecs, attendez une minute."


class Headers:
    """Adds to each response what forbids the browser to ask any other host for anything, and others to use it."""

    policy = (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; script-src-attr 'none'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    )
    added = (
        ("Content-Security-Policy", policy),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "SAMEORIGIN"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        (
            "Permissions-Policy",
            "camera=(), display-capture=(), geolocation=(), microphone=(), midi=(), payment=(), serial=(), usb=()",
        ),
    )

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.added:
                    headers[name] = value
            await send(message)

        await self.app(scope, receive, send_with_policy)


def launch(blocks: gr.Blocks, settings: Settings) -> None:
    """Serve the page without waiting for it to end.

    Raises OSError where the port is taken, SettingsError where there is no user to log in.
    """
    login = None if settings.auth is None else Login(Users(settings.auth), Attempts())
    blocks.launch(
        server_name=f"[{settings.host}]" if ":" in settings.host.strip("[]") else settings.host,
        server_port=settings.port,
        root_path=settings.root_path or "",
        auth=None if login is None else login.by_form,  # type: ignore[arg-type]  # Gradio awaits it
        auth_message=AFTER_FAILURES,
        max_file_size=settings.upload_megabytes * 1_000_000,
        mcp_server=settings.mcp,
        theme=gr.themes.Base(font=[gr.themes.Font("sans-serif")], font_mono=[gr.themes.Font("monospace")]),
        head="<style>{}</style><script>{}</script>".format(
            *((ASSETS / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
        ),
        i18n=gr.I18n(**{language: words.texts(language) for language in words.LANGUAGES}),
        app_kwargs={"middleware": [Middleware(Headers), Middleware(Gate, settings, login)]},
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        share=False,
        show_error=False,
        inbrowser=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    if settings.mcp:
        if blocks.mcp_server_obj is None:
            blocks.close(verbose=False)
            raise SettingsError(f"the MCP server cannot start: {blocks.mcp_error}")
        # Gradio's writes Python, not JSON
        blocks.mcp_server_obj.postprocess_output_data = as_json_text  # type: ignore[method-assign]
