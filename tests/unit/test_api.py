"""What programs and assistants may do, through the clients that docs/serving.md shows."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client  # type: ignore[import-untyped]
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from served import LOGIN, QUESTION, Served, archive, served

from errors import DamagedArchiveError
from page.api import TOOLS

DOCUMENT = Path(__file__).parents[2] / "docs/serving.md"
SNIPPETS = re.findall(r"^```(python|bash|json)\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(tmp_path_factory.mktemp("api") / "home")


@pytest.fixture(scope="module")
def page(home: Path) -> Iterator[Served]:
    with served(home, mcp=True, questions_per_minute=0) as made:
        yield made


@pytest.fixture(scope="module")
def guarded(home: Path) -> Iterator[Served]:
    with served(home, mcp=True, auth=home / "users") as made:
        yield made


@pytest.fixture(scope="module")
def client(page: Served) -> Client:
    return Client(page.address, verbose=False)


@asynccontextmanager
async def session(page: Served, auth: tuple[str, str] | None = None) -> AsyncIterator[ClientSession]:
    http = httpx.AsyncClient(auth=auth, timeout=20)
    address = f"{page.address}/gradio_api/mcp/"
    async with (
        http,
        streamable_http_client(address, http_client=http) as (read, write, _),
        ClientSession(read, write) as made,
    ):
        await made.initialize()
        yield made


def called(page: Served, tool: str, auth: tuple[str, str] | None = None, **arguments: Any) -> tuple[bool, str]:
    """Call an MCP tool; return whether it is an error, and its text."""

    async def call() -> tuple[bool, str]:
        async with session(page, auth) as made:
            result = await made.call_tool(tool, arguments)
            (content,) = result.content
            assert content.type == "text"
            return bool(result.isError), content.text

    return asyncio.run(call())


def test_there_are_four_functions_and_no_other(page: Served, client: Client) -> None:
    info = httpx.get(f"{page.address}/gradio_api/info").json()
    assert list(info["named_endpoints"]) == [f"/{name}" for name in TOOLS]
    assert info["unnamed_endpoints"] == {}

    async def tools() -> list[Any]:
        async with session(page) as made:
            assert not (await made.list_resources()).resources
            assert not (await made.list_prompts()).prompts
            return (await made.list_tools()).tools

    listed = asyncio.run(tools())
    assert [tool.name for tool in listed] == list(TOOLS)
    for tool in listed:
        assert len(tool.description) > 40
        assert all(one["description"] for one in tool.inputSchema["properties"].values())


def test_a_question_is_answered_as_on_the_command_line(page: Served, client: Client) -> None:
    made = client.predict(QUESTION, published_after="2024-03-01", sources=[], api_name="/ask")
    assert made["answer"] == "La mairie paie les travaux du pont [1]."
    assert made["citations"][0]["title"] == "Le pont ferme"
    nothing = client.predict(QUESTION, published_before="2024-03-01", api_name="/ask")
    assert nothing["refused"] is True
    error, text = called(page, "ask", question=QUESTION, languages=["fr"], history=[["Qui ?", "La mairie."]])
    assert not error
    assert json.loads(text)["answer"] == made["answer"]


def test_articles_are_listed_and_read(page: Served, client: Client) -> None:
    found = client.predict(words="pont", api_name="/articles")
    assert (found["total"], found["articles"][0]["title"], found["articles"][0]["older"]) == (1, "Le pont ferme", 1)
    both = json.loads(called(page, "articles", order="title", count=1, first=1)[1])
    assert (both["total"], [one["title"] for one in both["articles"]]) == (2, ["Le pont ferme"])
    read = client.predict(found["articles"][0]["id"], api_name="/article")
    assert read["text"] == "La mairie paie les travaux du pont. Il rouvre en mai."
    assert [one["text"] for one in read["older"]] == ["La mairie paiera les travaux."]


def test_the_status_says_nothing_of_the_machine(page: Served, client: Client, home: Path) -> None:
    held = client.predict(api_name="/status")
    assert (held["articles"], held["older"], held["sources"]) == (2, 1, {"AVP": 1})
    assert str(home) not in json.dumps(held)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("ask", {"question": " "}, "the question is empty; write one"),
        ("ask", {"question": "x" * 1001}, "the question has 1001 characters, 1000 at most are read; shorten it"),
        (
            "ask",
            {"question": QUESTION, "published_after": "demain"},
            "published_after = 'demain' is not a date; write it as 2024-05-31",
        ),
        (
            "ask",
            {"question": QUESTION, "history": [["Qui ?"]]},
            "history = ['Qui ?']: list should have at least 2 items after validation, not 1",
        ),
        ("articles", {"count": 101}, "count = 101: input should be less than or equal to 100"),
        (
            "article",
            {"id": "nothing"},
            "no article has the id, URL or file nothing; sourcier ask --json shows the ids of what it finds",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_one_line(page: Served, client: Client, tool: str, arguments: dict[str, Any], said: str) -> None:
    assert called(page, tool, **arguments) == (True, said)
    with pytest.raises(Exception, match=f"^{re.escape(said)}$"):
        client.predict(**arguments, api_name=f"/{tool}")


@pytest.mark.parametrize("data", [[5, *[None] * 5], [["x"], *[None] * 5], [QUESTION, None, None, "AVP", None, None]])
def test_what_is_of_another_type_is_one_line(page: Served, data: list[Any]) -> None:
    said = httpx.post(f"{page.address}/gradio_api/run/ask", json={"data": data})
    assert (said.status_code, "input should be a valid" in said.json()["error"]) == (500, True)


def test_what_nobody_foresaw_is_one_line_and_logged(
    page: Served, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("index.catalogue.Catalogue.read", lambda self, name: 1 / 0)
    said = "unexpected error (ZeroDivisionError); the server's log says more"
    assert called(page, "article", id="x") == (True, said)
    assert "ZeroDivisionError" in caplog.text
    monkeypatch.setattr("index.catalogue.Catalogue.read", _damaged)
    assert called(page, "article", id="x") == (True, "a file is damaged")


def _damaged(self: object, name: str) -> None:
    raise DamagedArchiveError("a file is damaged")


def test_questions_are_limited_over_all_ways_together(home: Path) -> None:
    with served(home, mcp=True, questions_per_minute=2) as page:
        assert not called(page, "ask", question=QUESTION)[0]
        client = Client(page.address, verbose=False)
        client.predict(QUESTION, api_name="/ask")
        error, said = called(page, "ask", question=QUESTION)
        assert error
        assert re.fullmatch(r"2 questions a minute are answered for each user; ask again in \d+ s", said)
        client.predict(api_name="/status")


def test_with_a_login_tools_work_and_without_one_nothing_does(guarded: Served) -> None:
    assert json.loads(called(guarded, "ask", LOGIN, question=QUESTION)[1])["citations"]
    assert json.loads(called(guarded, "status", LOGIN)[1])["articles"] == 2
    for auth in (None, ("anna", "wrong password")):
        with pytest.raises(BaseExceptionGroup) as caught:
            called(guarded, "status", auth)
        assert "401" in repr(caught.value)
    assert Client(guarded.address, auth=LOGIN, verbose=False).predict(api_name="/status")["articles"] == 2
    with pytest.raises(Exception, match="credentials"):
        Client(guarded.address, verbose=False)


def test_an_assistant_that_goes_away_frees_the_model(page: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[str] = []

    def slowly(*_: Any, **__: Any) -> Iterator[str]:
        for number in range(200):
            time.sleep(0.02)
            pieces.append(str(number))
            yield f" {number}"

    async def leave() -> None:
        async with session(page) as made:
            await asyncio.wait_for(made.call_tool("ask", {"question": QUESTION}), 0.5)

    monkeypatch.setattr(page.model, "generate", slowly)
    with pytest.raises(BaseExceptionGroup, match="unhandled"):
        asyncio.run(leave())
    time.sleep(0.3)
    before = len(pieces)
    time.sleep(0.3)
    assert 0 < before == len(pieces) < 200


@pytest.mark.parametrize("code", [code for kind, code in SNIPPETS if kind == "python"], ids=["plain", "login", "mcp"])
def test_the_clients_of_the_document_work(
    code: str, page: Served, guarded: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    used = guarded if "anna" in code else page
    assert "http://127.0.0.1:7860" in code
    exec(code.replace("http://127.0.0.1:7860", used.address), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert "La mairie paie les travaux du pont" in printed or printed == "2\n"


def test_curl_works_as_the_document_says(guarded: Served) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    (code,) = (code for kind, code in SNIPPETS if kind == "bash")
    done = subprocess.run(
        ["bash", "-euc", code.replace("http://127.0.0.1:7860", guarded.address)],
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    assert "event: complete" in done.stdout
    assert "La mairie paie les travaux du pont" in done.stdout


def test_the_settings_of_assistants_are_json_with_this_login(guarded: Served) -> None:
    import base64

    code = base64.b64encode(":".join(LOGIN).encode()).decode()
    found = [json.loads(code) for kind, code in SNIPPETS if kind == "json"]
    assert [list(one) for one in found] == [["servers"], ["mcpServers"]]
    for one in found:
        assert f"Basic {code}" in json.dumps(one)
        assert "http://127.0.0.1:7860/gradio_api/mcp/" in json.dumps(one)
