"""What is asked of a request before Gradio sees it: a name that is ours, a page that is ours, a login."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from page.access import ADDRESS, USER_KEY, Attempts, Users, address_in, folded, is_open
from settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/gradio_api"
LARGEST_BODY = 4_000_000  # bytes, of what is not an upload

# What Gradio answers without asking who is there, and a login page needs; the last is asked for by launch().
WITHOUT_LOGIN = frozenset(
    {"/login", "/login/", "/theme.css", f"{API}/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"}
    | {f"{API}/startup-events"}
)
FOLDERS_WITHOUT_LOGIN = ("/static/", "/assets/", "/svelte/")

# What Gradio serves and the page has no use for.
CLOSED = (
    "/monitoring", "/docs", "/redoc", "/openapi.json", "/pwa_icon",
    *(f"{API}/{name}" for name in (
        "vibe-", "undo-vibe-edit", "run-history", "runs", "proxy=", "deep_link", "process_recording",
        "dev/", "stream/", "custom_component", "token",
    )),
)  # fmt: skip
UPLOAD = f"{API}/upload"
MCP = f"{API}/mcp"

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let through."""

    status: int
    line: str
    headers: dict[str, str]


class Gate:
    """Lets a request through to Gradio, or refuses it in one line of JSON.

    With `login`, all but WITHOUT_LOGIN and the pages themselves, which then show the login, wants a
    login: Gradio's cookie or HTTP Basic.
    """

    def __init__(self, app: ASGIApp, settings: Settings, login: Login | None = None) -> None:
        self._app = app
        self._open = is_open(settings)
        self._others = settings.other_names
        self._hosts = hosts_of(settings)
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # Gradio has no WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return
        ADDRESS.set(address_in(scope))
        refusal = self._foreign(scope) or self._unwanted(scope) or await self._anonymous(scope)
        if refusal:
            content = {"detail": {"error": refusal.line}}
            response = JSONResponse(content, refusal.status, refusal.headers)
            await response(scope, receive, send)
        elif scope["path"].startswith(UPLOAD):
            await self._app(scope, receive, send)
        else:
            await self._app(scope, _bounded(receive), send)

    def _foreign(self, scope: Scope) -> Refusal | None:
        """Refuse what comes under a foreign name (DNS rebinding), or from a page of another origin."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts is not None and _name(f"//{host}") not in self._hosts:
            return Refusal(421, "the page is not served under this name; the setting allowed_hosts adds one", {})
        origin = headers.get("origin")
        if origin is not None:
            ours = origin.partition("://")[2].lower() == host.lower() != "" or _name(origin) in self._others
        else:
            followed = headers.get("sec-fetch-mode") == "navigate" and _is_page(scope)
            ours = headers.get("sec-fetch-site", "none") in {"none", "same-origin"} or followed
        return None if ours else Refusal(403, "a page of another origin cannot ask here", {})

    def _unwanted(self, scope: Scope) -> Refusal | None:
        path = scope["path"]
        if path.startswith(CLOSED):
            return Refusal(404, "there is nothing here", {})
        if path.startswith(UPLOAD):
            if self._open:
                return Refusal(403, "nothing can be added: the page is open to others and asks for no login", {})
        elif _length(scope) > LARGEST_BODY:
            return Refusal(413, f"{LARGEST_BODY} bytes at most are read", {})
        return None

    async def _anonymous(self, scope: Scope) -> Refusal | None:
        """Note who is there; refuse where a login is wanted and there is none."""
        if self._login is None:
            return None
        try:
            name = await self._login.by_basic(scope) or self._login.by_cookie(scope)
        except HTTPException as error:
            return Refusal(error.status_code, error.detail, dict(error.headers or {}))
        path = scope["path"]
        if name is not None:
            scope[USER_KEY] = name
            return None
        if path in WITHOUT_LOGIN or path.startswith(FOLDERS_WITHOUT_LOGIN) or _is_page(scope):
            return None
        headers = {"WWW-Authenticate": 'Basic realm="Sourcier", charset="UTF-8"'} if path.startswith(MCP) else {}
        return Refusal(401, "Not authenticated", headers)


class Login:
    """Finds the user of a request, and checks passwords, two at a time."""

    def __init__(self, users: Users, attempts: Attempts) -> None:
        self._users = users
        self._attempts = attempts
        self._tokens: dict[str, str] = {}
        self._checking = anyio.CapacityLimiter(2)

    async def right(self, name: str, password: str) -> bool:
        """Whether the password is right. Raises HTTPException 429 after too many that were not."""
        address = ADDRESS.get()
        if self._users.remembered(name, password):
            return True
        async with self._checking:
            if seconds := self._attempts.wait(name, address):
                raise HTTPException(
                    429, f"too many failed logins; try again in {seconds} s", {"Retry-After": str(seconds)}
                )
            right = await anyio.to_thread.run_sync(self._users.verify, name, password)
            if not right:
                self._attempts.failed(name, address)
            return right

    async def by_form(self, name: str, password: str) -> bool:
        """As `right`, for the login page, which shows nothing of a 429. Raises HTTPException 400 instead."""
        try:
            return await self.right(name, password)
        except HTTPException as error:
            raise HTTPException(400, error.detail, error.headers) from None

    async def by_basic(self, scope: Scope) -> str | None:
        """Return the user of an Authorization header. Raises HTTPException 401 for a wrong one, and as `right`."""
        given = Headers(scope=scope).get("authorization") or ""
        scheme, _, code = given.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(code, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            name = password = ""
        if not await self.right(name, password):
            raise HTTPException(401, "wrong name or password", {"WWW-Authenticate": 'Basic realm="Sourcier"'})
        name = folded(name)
        # Gradio knows logins by its cookie: give this request one
        app = scope["app"]
        token = self._tokens.setdefault(name, secrets.token_urlsafe(16))
        app.tokens[token] = name
        kept = [(key, value) for key, value in scope["headers"] if key != b"cookie"]
        scope["headers"] = [*kept, (b"cookie", f"access-token-unsecure-{app.cookie_id}={token}".encode())]
        return name

    def by_cookie(self, scope: Scope) -> str | None:
        """Return the user of Gradio's cookie, if that user is there still."""
        app, cookies = scope["app"], Request(scope).cookies
        for key in (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}"):
            name = app.tokens.get(cookies.get(key))
            if name is not None:
                if self._users.known(name):
                    return folded(name)
                del app.tokens[cookies[key]]
        return None


def hosts_of(settings: Settings) -> frozenset[str] | None:
    """Return the names that may stand in a Host header; None: any."""
    if settings.listens_on_loopback or settings.allowed_hosts:
        return _LOOPBACK | settings.other_names | {settings.host.strip("[]").lower()}
    return None


def _name(address: str) -> str | None:
    try:
        name = urlsplit(address).hostname
    except ValueError:
        return None
    return name.removesuffix(".") if name else None


def _is_page(scope: Scope) -> bool:
    """Whether a page is asked for, not something on it: Gradio shows its login there itself."""
    pages: list[Any] = scope["app"].get_blocks().pages
    return scope["method"] in {"GET", "HEAD"} and scope["path"].strip("/") in {page[0] for page in pages}


def _length(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isdecimal() else 0


def _bounded(receive: Receive) -> Receive:
    """Read no more than LARGEST_BODY, whatever length was announced; what goes on is cut off."""
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        return message if read <= LARGEST_BODY else {"type": "http.disconnect"}

    return bounded
