"""Who reaches the page and what they may do there: names, origins, logins, a proxy, headers, limits."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn
from click.testing import CliRunner
from gradio_client import Client  # type: ignore[import-untyped]
from served import LOGIN, QUESTION, Served, archive, served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from cli import main
from errors import SettingsError
from page.access import Users
from page.gate import LARGEST_BODY, hosts_of
from page.serving import launch
from settings import Settings, load_settings

WITHOUT_LOGIN = {
    "/", "/login", "/login/", "/favicon.ico", "/theme.css", "/gradio_api/theme.css", "/robots.txt", "/manifest.json",
    "/gradio_api/startup-events", "/static/{path:path}", "/assets/{path:path}", "/svelte/{path:path}",
}  # fmt: skip
NOT_THERE = re.compile(
    "/openapi.json|/pwa_icon|/monitoring|/gradio_api/"
    "(deep_link|token|dev/|proxy|vibe-|undo-vibe|run-history|runs|custom_component|stream/|process_recording)"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(tmp_path_factory.mktemp("serving") / "home")


@pytest.fixture(scope="module")
def page(home: Path) -> Iterator[Served]:
    with served(home, mcp=True, allowed_hosts="news.example", upload_megabytes=1, auth=home / "users") as made:
        yield made


@pytest.fixture(scope="module")
def opened(home: Path) -> Iterator[Served]:
    with served(home, root_path="http://news.example/sourcier") as made:
        yield made


@pytest.fixture(scope="module")
def alone(home: Path) -> Iterator[Served]:
    with served(home, mcp=True) as made:
        yield made


def routes(routes_: Any, before: str = "") -> Iterator[tuple[str, str]]:
    for route in routes_:
        path = before + getattr(route, "path", "")
        if hasattr(route, "original_router"):  # FastAPI's, of what was included
            yield from routes(route.original_router.routes, path)
            continue
        if isinstance(route, Mount) and route.routes:
            yield from routes(route.routes, path)
        else:
            for method in getattr(route, "methods", None) or {"GET", "POST"}:
                yield method, path


def test_without_a_login_no_route_answers_but_those_of_the_login(page: Served) -> None:
    answering, absent, count = set(), set(), 0
    with httpx.Client(base_url=page.address, timeout=5) as client:
        for method, path in routes(page.blocks.app.routes):
            status = client.request(method, re.sub(r"\{[^}]+\}", "x", path)).status_code
            count += 1
            if status == 404 and NOT_THERE.match(path):
                absent.add(path)
            elif status != 401:
                answering.add(path)
        for path in ("/nothing", "/gradio_api/mcp/nothing", "//gradio_api/info", "/gradio_api/%2e%2e/config"):
            assert client.get(path).status_code == 401, path
        for path in ("/static/../config", "/static/%2e%2e/config", "/assets/..%2f..%2fconfig"):
            assert client.get(path).status_code in {401, 403, 404}, path
    assert count > 80
    assert answering - WITHOUT_LOGIN == set()
    assert {"/monitoring/{key}", "/gradio_api/deep_link", "/gradio_api/vibe-code"} <= absent


def test_every_route_of_mcp_wants_a_login(page: Served) -> None:
    for path in ("", "/", "/http", "/schema", "/sse", "/messages/"):
        for method in ("GET", "POST", "DELETE"):
            refused = httpx.request(method, f"{page.address}/gradio_api/mcp{path}")
            assert (refused.status_code, "Basic" in refused.headers["www-authenticate"]) == (401, True)


def test_the_login_page_shows_nothing_of_the_page(page: Served) -> None:
    shown = httpx.get(page.address).text
    config = json.loads(re.findall(r"window\.gradio_config = (\{.*?\});</script>", shown, re.DOTALL)[0])
    assert (config["auth_required"], config["components"], config["dependencies"]) == (True, [], [])


def test_a_cookie_logs_in_until_the_user_is_removed(home: Path) -> None:
    from page.access import remove_user, set_password

    path = home / "others"
    set_password(path, "zoé", "sesame street")
    with served(home, auth=path) as page, httpx.Client(base_url=page.address) as client:
        assert client.get("/config").status_code == 401
        wrong = client.post("/login", data={"username": "zoé", "password": "sesame"})
        assert (wrong.status_code, wrong.json()) == (400, {"detail": "Incorrect credentials."})
        assert client.post("/login", data={"username": "zoé", "password": "sesame street"}).status_code == 200
        assert client.get("/config").json()["username"] == "zoé"
        assert client.get("/logout", follow_redirects=False).status_code == 302
        assert client.get("/config").status_code == 401
        client.post("/login", data={"username": "zoé", "password": "sesame street"})
        assert client.get("/config").status_code == 200
        set_password(path, "anna", "correct horse")
        remove_user(path, "zoé")
        assert client.get("/config").status_code == 401
        client.cookies.clear()
        assert client.get("/config", auth=("zoé", "sesame street")).status_code == 401


def test_basic_does_for_programs_and_a_wrong_one_does_not(page: Served) -> None:
    assert httpx.get(f"{page.address}/config", auth=LOGIN).json()["username"] == "anna"
    for value in ("Basic", "Basic !", "Basic YW5uYQ==", "Basic /w==", "Bearer x", "Basic YW5uYTp4"):
        assert httpx.get(f"{page.address}/config", headers={"Authorization": value}).status_code == 401, value


def test_failed_logins_are_limited(home: Path) -> None:
    with served(home, auth=home / "users") as page, httpx.Client(base_url=page.address) as client:
        for _ in range(5):
            assert client.post("/login", data={"username": "anna", "password": "x"}).status_code == 400
        limited = client.post("/login", data=dict(zip(("username", "password"), LOGIN, strict=True)))
        assert limited.status_code == 400
        assert re.fullmatch(r"too many failed logins; try again in \d+ s", limited.json()["detail"])
        assert client.get("/config", auth=LOGIN).status_code == 429
        assert client.get("/").status_code == 200


def test_a_password_is_hashed_once_for_many_requests(page: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    httpx.get(f"{page.address}/config", auth=LOGIN)
    monkeypatch.setattr(Users, "verify", lambda *_: 1 / 0)
    assert httpx.get(f"{page.address}/config", auth=LOGIN).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200), ("localhost", 200), ("LOCALHOST.:80", 200), ("[::1]:7860", 200),
        ("news.example", 200), ("News.Example:8443", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421), ("evil.example@", 421), ("[", 421), ("", 421),
    ],
)  # fmt: skip
def test_on_loopback_other_names_are_refused(host: str, status: int, page: Served) -> None:
    for path in ("/", "/gradio_api/startup-events"):
        got = httpx.get(f"{page.address}{path}", headers={"Host": host})
        assert got.status_code == status, path
    assert status == 200 or "allowed_hosts" in got.json()["detail"]["error"]


def test_elsewhere_every_name_is_good_unless_some_are_named(tmp_path: Path) -> None:
    assert hosts_of(load_settings(tmp_path, host="0.0.0.0")) is None
    named = hosts_of(load_settings(tmp_path, host="192.0.2.7", allowed_hosts="news.example, Other.example"))
    assert set(named or ()) == {"127.0.0.1", "localhost", "::1", "192.0.2.7", "news.example", "other.example"}
    shown = hosts_of(load_settings(tmp_path, root_path="https://news.example/sourcier"))
    assert shown is not None
    assert "news.example" in shown


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1:3000"},
    {"Origin": "http://localhost:7860"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_page_of_another_origin_can_neither_ask_nor_upload(headers: dict[str, str], alone: Served) -> None:
    before = len(alone.model.prompts)
    with httpx.Client(base_url=alone.address, headers=headers) as client:
        asked = client.post(
            "/gradio_api/call/v2/ask",
            content=json.dumps({"question": QUESTION}),
            headers={"Content-Type": "text/plain"},
        )
        joined = client.post("/gradio_api/queue/join", json={"data": ["x"], "fn_index": 0, "session_hash": "x"})
        uploaded = client.post("/gradio_api/upload", files={"files": ("x.txt", b"x")})
        called = client.post("/gradio_api/mcp/", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        read = client.get("/config")
    assert {made.status_code for made in (asked, joined, uploaded, called, read)} == {403}
    assert len(alone.model.prompts) == before


def test_the_page_itself_and_a_link_to_it_are_let_in(alone: Served) -> None:
    with httpx.Client(base_url=alone.address) as client:
        own = {"Origin": alone.address, "Sec-Fetch-Site": "same-origin"}
        assert client.post("/gradio_api/call/v2/status", json={}, headers=own).status_code == 200
        assert client.post("/gradio_api/upload", files={"files": ("x.txt", b"x")}, headers=own).status_code == 200
        link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert client.get("/", headers=link).status_code == 200
        assert client.post("/", headers=link).status_code == 403


def test_an_open_page_takes_no_file(opened: Served) -> None:
    refused = httpx.post(f"{opened.address}/gradio_api/upload", files={"files": ("x.txt", b"x")})
    assert refused.status_code == 403
    assert refused.json()["detail"]["error"].startswith("nothing can be added: the page is open")


def test_a_large_file_and_a_large_request_are_refused(page: Served) -> None:
    def upload(size: int) -> int:
        files = {"files": ("x.txt", b"x" * size)}
        return httpx.post(f"{page.address}/gradio_api/upload", files=files, auth=LOGIN).status_code

    assert (upload(900_000), upload(1_100_000)) == (200, 413)
    address = f"{page.address}/gradio_api/call/v2/ask"
    large = json.dumps({"question": "x" * LARGEST_BODY}).encode()
    assert httpx.post(address, content=large, auth=LOGIN).status_code == 413

    def pieces() -> Iterator[bytes]:  # of no announced length
        for start in range(0, len(large), 65536):
            yield large[start : start + 65536]

    with contextlib.suppress(httpx.TransportError):  # the connection may be closed before the end
        assert httpx.post(address, content=pieces(), auth=LOGIN).status_code >= 400


def test_headers_stand_on_answers_and_refusals(page: Served) -> None:
    for path, auth in (("/", LOGIN), ("/config", None), ("/assets/nothing.js", None)):
        headers = httpx.get(f"{page.address}{path}", auth=auth).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["referrer-policy"] == "no-referrer"
        assert "camera=()" in headers["permissions-policy"]


def test_a_file_without_users_ends_the_start(home: Path, tmp_path: Path) -> None:
    import gradio as gr

    with gr.Blocks() as blocks:
        pass
    with pytest.raises(SettingsError, match="there is no user in"):
        launch(blocks, load_settings(home, auth=tmp_path / "absent"))


@pytest.mark.parametrize(
    ("flags", "made"),
    [
        ([], {"host": "127.0.0.1", "auth": None, "mcp": False, "root_path": None}),
        (["--auth", "--mcp"], {"auth": "users", "mcp": True}),
        (
            ["--auth", "elsewhere", "--host", "0.0.0.0", "--port", "80"],
            {"auth": "elsewhere", "host": "0.0.0.0", "port": 80},
        ),
        (["--root-path", "https://news.example/sourcier/"], {"root_path": "https://news.example/sourcier"}),
        (
            ["--set", "allowed_hosts=a, B.example", "--set", "mcp=true"],
            {"allowed_hosts": ("a", "b.example"), "mcp": True},
        ),
    ],
    ids=str,
)
def test_flags_are_settings(
    flags: list[str], made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Settings] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("app.serve", given.append)
    done = CliRunner().invoke(main, ["serve", "--home", str(tmp_path), *flags], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    if made.get("auth"):
        made["auth"] = tmp_path / made["auth"]
    assert {key: getattr(given[0], key) for key in made} == made


@pytest.mark.parametrize("value", ["sourcier", "https://", "ftp://x/y", "/a b", "/a?b"])
def test_a_root_path_that_is_none_is_one_line(value: str, tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=f"^setting root_path = '{re.escape(value)}' in the arguments: .*write a path"
    ):
        load_settings(tmp_path, root_path=value)


@pytest.mark.parametrize(("host", "said"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_an_open_page_is_named_at_the_start(
    host: str, said: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import app

    monkeypatch.setattr("qa.assistant", lambda settings: SimpleNamespace(warm=lambda: None))
    monkeypatch.setattr(app, "build", lambda settings: SimpleNamespace(block_thread=lambda: None))
    monkeypatch.setattr(app, "start", lambda blocks, settings: "http://here:1")
    app.serve(load_settings(tmp_path, host=host))
    lines = [line for line in capsys.readouterr().out.splitlines() if line != "Sourcier: models loaded"]
    assert lines[0] == "Sourcier: http://here:1"
    assert [("open" in line, "serve --auth" in line) for line in lines[1:]] == [(True, True)] * said


@contextlib.contextmanager
def proxy(upstream: str, prefix: str, host: str | None = None) -> Iterator[str]:
    """A proxy that takes `prefix` off, as those of docs/serving.md; without `host` the client's is kept."""
    client = httpx.AsyncClient(base_url=upstream, timeout=20)

    async def pass_on(request: Request) -> Response:
        headers = [(key, value) for key, value in request.headers.raw if key not in {b"x-forwarded-for", b"host"}]
        headers += [(b"host", (host or request.headers["host"]).encode()), (b"x-forwarded-for", b"192.0.2.9")]
        path = request.url.path.removeprefix(prefix) or "/"
        got = await client.request(
            request.method, path, params=request.query_params, headers=headers, content=await request.body()
        )
        kept = {key: value for key, value in got.headers.items() if key in {"content-type", "set-cookie", "location"}}
        return Response(got.content, got.status_code, kept)

    methods = ["GET", "POST", "HEAD", "DELETE"]
    app = Starlette(routes=[Route(f"{prefix}/{{path:path}}", pass_on, methods=methods)])
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}{prefix}"
        finally:
            server.should_exit = True
            thread.join(10)


def test_behind_a_proxy_that_takes_a_prefix_off(home: Path) -> None:
    with served(home, root_path="/sourcier", auth=home / "users") as page, proxy(page.address, "/sourcier") as address:
        shown = httpx.get(f"{address}/").text
        assert f'"root":"{address}"' in shown
        client = Client(address, auth=LOGIN, verbose=False)
        assert client.predict(QUESTION, api_name="/ask")["citations"]
        assets = re.findall(r'(?:src|href)="(\./assets/[^"]+)"', shown)
        assert assets
        assert httpx.get(f"{address}/{assets[0].removeprefix('./')}").status_code == 200


def test_behind_a_proxy_the_whole_address_is_an_origin_of_ours(opened: Served) -> None:
    own = {"Origin": "http://news.example"}
    for host in ("news.example", "127.0.0.1"):  # kept by the proxy, or not
        with proxy(opened.address, "/sourcier", host) as address:
            assert '"root":"http://news.example/sourcier"' in httpx.get(f"{address}/").text
            assert httpx.post(f"{address}/gradio_api/call/v2/status", json={}, headers=own).status_code == 200
            other = {"Origin": "http://evil.example"}
            assert httpx.post(f"{address}/gradio_api/call/v2/status", json={}, headers=other).status_code == 403
