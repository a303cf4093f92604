"""Answering by a server: what is sent to it, what is let through, and each fault in one clear line."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from contracts import WRITE, language_model_contract
from fakes import WordEmbedder, WordReader
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

import app
from cli import main
from errors import ModelError, QuestionError, SettingsError
from evaluation.answers import about_run
from evaluation.datasets import DataSet
from qa.answer import Assistant, configured_model
from qa.gbnf import allowed
from qa.grammar import answer_grammar
from qa.prompt import Message, Prompt
from qa.server_model import ServerModel, _tidied
from settings import Settings, load_settings

KEY = "s3cret-word"
PROMPT = Prompt((Message("system", "Réponds."), Message("user", "Quand ferme le pont ?")))
ANSWERS = answer_grammar([1, 2])
Reply = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """Answers what the test put under a path, as a value or by writing it; writes down what it was asked."""

    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else {}
        self.server.asked.append((self.path, dict(self.headers), body))
        reply = self.server.replies.get(self.path, (404, {"error": "no such thing"}))
        if callable(reply):
            reply(self, body)
        else:
            status, value = reply
            self.send(status, value if isinstance(value, bytes) else json.dumps(value).encode())

    def send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def begin(self) -> None:
        """Begin a stream, whose end is that of the connection."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()

    def write(self, content: str | None, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": {"content": content} if content is not None else {}, "finish_reason": finish}
        self.wfile.write(f": ping\n\ndata: {json.dumps({'choices': [choice]})}\n\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class StandIn(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.replies: dict[str, Reply | tuple[int, Any]] = {}
        self.closed = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        self.closed.set()  # a client that went away

    def is_one(self, owner: str, **more: object) -> None:
        self.replies["/v1/models"] = 200, {"data": [{"id": "small", "owned_by": owner, **more}]}

    def writes(self, *pieces: str, finish: str | None = "stop") -> None:
        def write(handler: Handler, body: dict[str, Any]) -> None:
            handler.begin()
            for piece in pieces:
                handler.write(piece)
            handler.write(None, finish)

        self.replies["/v1/chat/completions"] = write

    @property
    def sent(self) -> dict[str, Any]:
        """The last body asked for a reply."""
        return [body for path, _, body in self.asked if path == "/v1/chat/completions"][-1]


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as made:
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        made.is_one("library")
        yield made
        made.shutdown()


def model_of(server: StandIn, **options: Any) -> ServerModel:
    return ServerModel(server.address, "small", **{"context_tokens": 4096, "patience": 5.0} | options)


def written(model: ServerModel, grammar: str = ANSWERS, most: int = 50) -> str:
    return "".join(model.generate(PROMPT, grammar=grammar, max_tokens=most))


def first(pieces: Iterator[str]) -> str:
    return next(piece for piece in pieces if piece)


def fault(model: ServerModel, grammar: str = ANSWERS) -> str:
    with pytest.raises(ModelError) as caught:
        written(model, grammar)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


def test_contract(server: StandIn) -> None:
    """The reply is what the grammar says, or what was asked for, a word at a time."""

    def write(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin()
        words = body["messages"][-1]["content"].removeprefix(WRITE).split(" ")[: body["max_tokens"]]
        for place, word in enumerate(words):
            handler.write(word if place == 0 else f" {word}")
        handler.write(None, "length")

    server.replies["/v1/chat/completions"] = write
    language_model_contract(model_of(server, context_tokens=1024))


def test_what_is_sent(server: StandIn) -> None:
    server.writes("Oui [1].")
    written(model_of(server, key=SecretStr(KEY)))
    assert server.sent == {
        "model": "small",
        "messages": [
            {"role": "system", "content": "Réponds."},
            {"role": "user", "content": "Quand ferme le pont ?"},
        ],
        "max_tokens": 50,
        "temperature": 0,
        "stream": True,
    }
    assert {headers.get("Authorization") for _, headers, _ in server.asked} == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("owner", "version", "expected"),
    [
        ("llamacpp", None, {"grammar": ANSWERS, "repeat_penalty": 1.0}),
        ("me", None, {"grammar": ANSWERS, "repeat_penalty": 1.0}),
        ("vllm", "0.10.2", {"guided_grammar": ANSWERS}),
        ("vllm", "0.11.0", {"structured_outputs": {"grammar": ANSWERS}}),
        ("vllm", "1.2.3rc1", {"structured_outputs": {"grammar": ANSWERS}}),
        ("vllm", None, {"structured_outputs": {"grammar": ANSWERS}}),
        ("library", None, {}),
    ],
)
def test_the_grammar_goes_along_where_the_server_takes_one(
    owner: str, version: str | None, expected: dict[str, Any], server: StandIn
) -> None:
    server.is_one(owner)
    if version:
        server.replies["/version"] = 200, {"version": version}
    server.writes("Le pont ferme [1].")
    assert written(model_of(server)) == "Le pont ferme [1]."
    assert {key: server.sent[key] for key in server.sent.keys() - {"model", "messages", "max_tokens"}} == (
        {"temperature": 0, "stream": True} | expected
    )


@pytest.mark.parametrize("owner", ["llamacpp", "vllm", "library"])
@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["Le pont ferme", " [1].", " <script>alert(1)</script>"], "Le pont ferme [1]. "),
        (["<think>Le pont", " ferme</think> [1]."], ""),
        (["Le pont ferme [7", "]. Il rouvre [1]."], "Le pont ferme ["),
        (["Le pont [ferme](https://e.example) [1]."], "Le pont ["),
    ],
)
def test_what_leaves_the_grammar_is_cut_off_whatever_the_server_is(
    owner: str, pieces: list[str], expected: str, server: StandIn
) -> None:
    server.is_one(owner)
    server.writes(*pieces)
    reply = written(model_of(server))
    assert reply.rstrip("[ ") == expected.rstrip("[ ")
    assert allowed(reply, ANSWERS) == reply


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("\n\nLe pont ferme. [1]\nIl rouvre en mai. [1, 2]\n", "Le pont ferme [1]. Il rouvre en mai [1][2]."),
        ("Le pont ferme [1]; [2].", "Le pont ferme [1]; [2]."),
        ("Il coûte 3.5 millions à l'U.S. Air [1].", "Il coûte 3.5 millions à l'U.S. Air [1]."),
        ("Le pont ferme !  [1] Oui.", "Le pont ferme [1]. Oui."),
        ("Le pont ferme.", "Le pont ferme."),
        ("Le pont [", "Le pont ["),
        ("  ", ""),
    ],
)
def test_a_reply_without_a_grammar_is_tidied(reply: str, expected: str) -> None:
    assert _tidied(reply, ended=True) == expected


@given(st.text(alphabet="aU 12.!\n[],é", max_size=30))
def test_tidied_the_same_however_it_is_cut_into_pieces(reply: str) -> None:
    so_far = [_tidied(reply[:end], ended=False) for end in range(len(reply) + 1)]
    so_far.append(_tidied(reply, ended=True))
    assert all(later.startswith(earlier) for earlier, later in pairwise(so_far))


@pytest.mark.parametrize("unit", ["[ ", "[", " ", "[1] ", "1 ", "[1, ", ". [1]", "\n", ";", "[]"])
@pytest.mark.parametrize("end", ["", "x", "]"])
def test_no_reply_takes_long_to_tidy(unit: str, end: str) -> None:
    reply = (unit * 20_000)[:19_999] + end
    started = time.perf_counter()
    _tidied(reply, ended=False)
    _tidied(reply, ended=True)
    assert time.perf_counter() - started < 1


def test_a_reply_ends_where_it_is_too_long(server: StandIn) -> None:
    server.writes("a" * 15_000, "a" * 15_000, "a", finish=None)
    assert written(model_of(server), "root ::= [a]+") == "a" * 20_000


def hang(handler: Handler, body: dict[str, Any]) -> None:
    """Write nothing until the client has gone."""
    assert handler.connection.recv(1) == b""
    handler.server.closed.set()


@pytest.mark.parametrize("begun", [False, True])
def test_who_listens_to_a_silent_server_can_leave(begun: bool, server: StandIn) -> None:
    def write(handler: Handler, body: dict[str, Any]) -> None:
        if begun:
            handler.begin()
        hang(handler, body)

    server.replies["/v1/chat/completions"] = write
    model = model_of(server, patience=60.0)
    before = set(threading.enumerate())
    reply = model.generate(PROMPT, grammar=ANSWERS, max_tokens=9)
    assert [next(reply), next(reply), next(reply)] == ["", "", ""]
    (reading,) = (one for one in threading.enumerate() if one not in before and one.name.endswith("(_read)"))
    assert not server.closed.is_set()
    reply.close()  # type: ignore[attr-defined]
    reading.join(5)
    assert not reading.is_alive()
    assert server.closed.wait(5)
    server.writes("Oui [1].")
    assert written(model) == "Oui [1]."


@pytest.mark.parametrize(
    ("line", "patience", "whole", "expected"),
    [
        (": ping\n\n", 0.5, 60.0, "has sent nothing for 0.5 seconds"),
        (": ping\n\n", 60.0, 0.5, "is not done after 0.5 seconds"),
        ('data: {"choices": []}\n\n', 0.5, 1.5, "is not done after 1.5 seconds"),
    ],
)
def test_signs_of_life_keep_no_reply_alive_for_ever(
    line: str, patience: float, whole: float, expected: str, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin()
        while True:
            handler.wfile.write(line.encode())
            time.sleep(0.01)

    monkeypatch.setattr("qa.server_model._WHOLE", whole)
    server.replies["/v1/chat/completions"] = write
    assert expected in fault(model_of(server, patience=patience))
    assert server.closed.wait(5)


def test_what_is_asked_beside_replies_has_a_short_patience(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin()
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.01)

    monkeypatch.setattr("qa.server_model._ASIDE", 0.3)
    server.replies["/v1/models"] = hang
    assert "has sent nothing for 0.3 seconds" in fault(model_of(server, patience=60.0))
    server.replies["/v1/models"] = drip
    assert "is not done after 0.3 seconds" in fault(model_of(server, patience=60.0))
    server.is_one("vllm")
    server.replies["/version"] = server.replies["/tokenize"] = hang
    server.writes("Oui [1].")
    assert written(model_of(server, patience=60.0)) == "Oui [1]."


def test_nobody_waits_for_what_another_asks(server: StandIn) -> None:
    together = threading.Barrier(2, timeout=5)

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        together.wait()
        handler.send(200, b'{"data": []}')

    server.replies["/v1/models"] = answer
    model = model_of(server)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda _: model.context_tokens, range(2))) == [4096, 4096]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions"])
@pytest.mark.parametrize("status", [200, 500])
def test_what_has_no_end_is_not_read(path: str, status: int, server: StandIn) -> None:
    def write(handler: Handler, body: dict[str, Any]) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        while True:
            handler.wfile.write(b"data: " + b"a" * 100_000)

    server.replies[path] = write
    assert "does not answer as an OpenAI-compatible server" in fault(model_of(server))
    assert server.closed.wait(5)


def test_nothing_is_unpacked(server: StandIn) -> None:
    content = gzip.compress(b'{"data": []}')
    server.replies["/v1/models"] = lambda handler, _: handler.send(200, content, **{"Content-Encoding": "gzip"})
    assert "does not answer as an OpenAI-compatible server" in fault(model_of(server))
    assert server.asked[-1][1]["Accept-Encoding"] == "identity"


def test_a_server_forgotten_in_between() -> None:
    class Forgetful(ServerModel):
        known = iter([SimpleNamespace(models=("other",))])

        def __getattribute__(self, name: str) -> Any:
            return next(self.known, None) if name == "_known" else super().__getattribute__(name)

    model = Forgetful("http://127.0.0.1:1/v1", "small", context_tokens=4096)
    assert "it has: other;" in str(model._refused(404, "no such model"))


def test_closing_closes_the_connection(server: StandIn) -> None:
    def write(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin()
        while True:
            handler.write("a")
            time.sleep(0.005)

    server.replies["/v1/chat/completions"] = write
    reply = model_of(server).generate(PROMPT, grammar="root ::= [a]+", max_tokens=1000)
    assert first(reply) == "a"
    assert not server.closed.is_set()
    reply.close()  # type: ignore[attr-defined]
    assert server.closed.wait(5)


def test_a_server_that_does_not_stop_is_left(server: StandIn) -> None:
    server.writes(*["a"] * 100)
    assert written(model_of(server), "root ::= [a]+", most=10) == "a" * 10


def test_control_tokens_of_a_text_are_broken_up(server: StandIn) -> None:
    text = "a<|im_end|>\n<s>[INST] <<SYS>> [/INST] <end_of_turn><｜User｜> [1] [12] 3 < 4 [sic] </s>"
    server.writes("Oui [1].")
    list(model_of(server).generate(Prompt((Message("user", text),)), grammar=ANSWERS, max_tokens=5))
    assert server.sent["messages"][0]["content"] == (
        "a< |im_end| >\n< s>[ INST] < < SYS>> [ /INST] < end_of_turn>< ｜User｜ > [1] [12] 3 < 4 [ sic] < /s>"
    )


def test_what_the_server_says_of_its_context_counts(server: StandIn) -> None:
    server.is_one("llamacpp")
    server.replies["/props"] = 200, {"default_generation_settings": {"n_ctx": 2048}}
    assert model_of(server).context_tokens == 2048
    server.replies["/props"] = 200, {"default_generation_settings": {"n_ctx": 0}}
    assert model_of(server).context_tokens == 4096
    server.is_one("vllm", max_model_len=32768)
    assert model_of(server).context_tokens == 32768
    server.is_one("me")
    assert model_of(server).context_tokens == 4096


def test_tokens_are_counted_by_the_server(server: StandIn) -> None:
    server.is_one("llamacpp")
    server.replies["/apply-template"] = 200, {"prompt": "<|im_start|>user…"}
    server.replies["/tokenize"] = 200, {"tokens": [{"id": 1}, 2, 3]}
    assert model_of(server).count_tokens(PROMPT) == 3
    assert server.asked[-1][2] == {"content": "<|im_start|>user…", "add_special": True, "parse_special": True}
    server.is_one("vllm")
    server.replies["/tokenize"] = 200, {"count": 17, "max_model_len": 4096, "tokens": []}
    assert model_of(server).count_tokens(PROMPT) == 17
    server.is_one("me")
    server.replies["/extras/tokenize/count"] = 200, {"count": 17}
    assert model_of(server).count_tokens(PROMPT) == 17 + 3 * 8


@pytest.mark.parametrize("owner", ["llamacpp", "vllm", "me", "library"])
def test_tokens_are_estimated_where_it_does_not_count(owner: str, server: StandIn) -> None:
    server.is_one(owner)
    server.replies["/tokenize"] = 200, {"tokens": None}
    # "Réponds." and "Quand ferme le pont ?" with a line break: 31 bytes; three turns with the reply
    assert model_of(server).count_tokens(PROMPT) == 31 // 2 + 24


@pytest.mark.parametrize(
    "said",
    [
        {"error": {"message": "the request exceeds the available context size.", "type": "exceed_context_size_error"}},
        {"error": {"message": "This model's maximum context length is 16 tokens.", "code": 400}},
        {"object": "error", "message": "decoder prompt is longer than the maximum model context length of 16"},
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_no_room_is_an_error_of_the_question(said: dict[str, Any], inside: bool, server: StandIn) -> None:
    def write(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin()
        handler.wfile.write(f"data: {json.dumps({'error': said})}\n\n".encode())

    server.replies["/v1/chat/completions"] = write if inside else (400, said)
    with pytest.raises(QuestionError, match="do not fit the context of the server"):
        written(model_of(server))


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    said = fault(ServerModel(f"http://127.0.0.1:{port}/v1", "small", context_tokens=4096))
    assert f"http://127.0.0.1:{port}/v1 cannot be reached" in said
    assert "start it, or change answering_server" in said


def test_it_is_asked_again_once_it_is_there(server: StandIn) -> None:
    server.replies["/v1/models"] = 503, {"error": {"message": "Loading model"}}
    model = model_of(server)
    assert "still loading (503" in fault(model)
    server.is_one("llamacpp")
    server.writes("Oui [1].")
    assert written(model) == "Oui [1]."
    server.is_one("library")
    server.replies["/v1/chat/completions"] = 500, b"out of memory"
    assert fault(model).endswith("answers 500: out of memory")
    server.writes("Oui. [1]")
    assert written(model) == "Oui [1]."  # it is another one now


@pytest.mark.parametrize(
    ("path", "reply", "expected"),
    [
        ("/v1/models", (401, {"error": f"Incorrect API key provided: {KEY}"}), "SOURCIER_ANSWERING_SERVER_KEY (401)"),
        ("/v1/chat/completions", (403, {}), "does not take the key in SOURCIER_ANSWERING_SERVER_KEY (403)"),
        ("/v1/models", (404, b"not found"), "does not answer as an OpenAI-compatible server; its address often ends"),
        ("/v1/models", (200, b"<html>It works!</html>"), "does not answer as an OpenAI-compatible server"),
        ("/v1/models", (200, {"models": []}), "does not answer as an OpenAI-compatible server"),
        ("/v1/chat/completions", (404, {"error": "no model"}), "has no model small; it has: small; name one with"),
        ("/v1/chat/completions", (200, b"<html>It works!</html>"), "does not answer as an OpenAI-compatible server"),
        ("/v1/chat/completions", (429, b"too\nmany"), "is busy or still loading (429: too many); ask again"),
        ("/v1/chat/completions", (500, f"a\nb {KEY} \x1b[31m".encode() + b"x" * 500), "answers 500: a b … [31mxxx"),
    ],
)  # fmt: skip
def test_faults_are_named(path: str, reply: tuple[int, Any], expected: str, server: StandIn) -> None:
    server.replies["/v1/chat/completions"] = 200, {}
    server.replies[path] = reply
    said = fault(model_of(server, key=SecretStr(KEY)))
    assert expected in said
    assert KEY not in said


def test_a_key_that_is_wanted(server: StandIn) -> None:
    server.replies["/v1/models"] = 401, {}
    assert "wants a key: set SOURCIER_ANSWERING_SERVER_KEY (401)" in fault(model_of(server))


def test_a_redirect_is_not_followed(server: StandIn) -> None:
    with StandIn() as other:
        threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True).start()
        server.replies["/v1/models"] = lambda handler, _: handler.send(307, b"", Location=f"{other.address}/models")
        assert "redirects, which is not followed (307)" in fault(model_of(server, key=SecretStr(KEY)))
        assert other.asked == []
        other.shutdown()


def test_proxies_of_the_environment_are_not_used(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    server.writes("Oui [1].")
    assert written(model_of(server)) == "Oui [1]."


@pytest.mark.parametrize("finish", [None, "stop"])
@pytest.mark.parametrize("done", ["", "data: [DONE]\n\n", 'data: {"choi'])
def test_a_reply_that_breaks_off(done: str, finish: str | None, server: StandIn) -> None:
    def write(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin()
        handler.write("Le pont", finish)
        handler.wfile.write(done.encode())

    server.replies["/v1/chat/completions"] = write
    reply = model_of(server).generate(PROMPT, grammar=ANSWERS, max_tokens=9)
    assert first(reply) == "Le pont"
    if finish:
        assert "".join(reply) == ""
    else:
        with pytest.raises(ModelError, match="broke off in the middle of a reply"):
            list(reply)


def test_a_connection_that_is_cut(server: StandIn) -> None:
    def write(handler: Handler, body: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Content-Length", "5000")
        handler.end_headers()
        handler.write("Le pont")
        handler.close_connection = True

    server.replies["/v1/chat/completions"] = write
    assert "broke off (" in fault(model_of(server))


def test_a_server_that_hangs(server: StandIn) -> None:
    server.replies["/v1/chat/completions"] = hang
    started = time.perf_counter()
    assert "has sent nothing for 0.3 seconds" in fault(model_of(server, patience=0.3))
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("http://127.0.0.1:8000/v1", False), ("http://localhost/v1", False), ("http://[::1]:8/v1", False),
        ("https://gpu.example/v1", False), ("http://gpu.example/v1", True), ("http://127.0.0.1.example/v1", True),
    ],
)  # fmt: skip
def test_a_key_never_crosses_a_network_unencrypted(address: str, refused: bool) -> None:
    ServerModel(address, "small", context_tokens=4096)
    if refused:
        with pytest.raises(SettingsError, match="unencrypted") as caught:
            ServerModel(address, "small", key=SecretStr(KEY), context_tokens=4096)
        assert KEY not in str(caught.value)
    else:
        ServerModel(address, "small", key=SecretStr(KEY), context_tokens=4096)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: StandIn) -> Settings:
    monkeypatch.setenv("SOURCIER_ANSWERING_SERVER_KEY", KEY)
    return load_settings(
        tmp_path, answering_server=server.address, answering_model="small", models_folder=tmp_path / "none"
    )


def test_the_settings_choose_the_server(settings: Settings) -> None:
    model = configured_model(settings)
    assert isinstance(model, ServerModel)
    assert configured_model(settings.model_copy(update={"results": 3})) is model
    for update in ({"answering_model": "other"}, {"answering_server_key": None}, {"context_tokens": 2048}):
        assert configured_model(settings.model_copy(update=update)) is not model
    assert hash(settings) == hash(settings.model_copy())


def test_an_answer_from_end_to_end(settings: Settings, server: StandIn) -> None:
    server.writes("Le pont suspendu ferme lundi. [1]\n", "Voir <b>ici</b>")
    assistant = Assistant(settings, WordEmbedder(), WordReader(), configured_model(settings))
    article = {"title": "Le pont", "text": "Le pont suspendu ferme lundi. Il pleut souvent à Valmorin."}
    *_, made = assistant.stream("Quand ferme le pont suspendu ?", articles=[article])
    assert made.text == "Le pont suspendu ferme lundi [1]."  # type: ignore[union-attr]
    assistant.warm()


def test_the_key_is_shown_nowhere(settings: Settings, caplog: pytest.LogCaptureFixture, server: StandIn) -> None:
    caplog.set_level(logging.DEBUG)
    data = DataSet("none", (), ())
    about = about_run(data, (), settings, embedder="e", seed=0, leave_out_gold=False)
    server.writes("Oui [1].")
    model = configured_model(settings)
    assert isinstance(model, ServerModel)
    written(model)
    shown = [json.dumps(about), repr(settings), str(settings), settings.model_dump_json(), repr(model), caplog.text]
    assert not any(KEY in text for text in shown)
    assert about["models"]["answering"] == f"small on {server.address}"
    assert about["settings"]["answering_server"] == server.address


def test_the_weights_of_this_machine_are_not_asked_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from click.testing import CliRunner

    fetched: list[str] = []
    monkeypatch.setattr("models.fetch_named", lambda name, *_, **__: fetched.append(name))
    options = ["--home", str(tmp_path), "--set", f"answering_server={settings.answering_server}"]
    assert CliRunner().invoke(main, ["models", "pull", *options]).exit_code == 0
    assert fetched == [settings.embedding_model]
    listed = CliRunner().invoke(main, ["models", "list", *options])
    assert listed.exit_code == 0
    assert listed.output.count("(in use)") == 1
    assert [model.name for model, used in app.services(settings).models if used] == [settings.embedding_model]


@pytest.mark.parametrize(("address", "said"), [("http://127.0.0.1:1/v1", False), ("https://gpu.example/v1", True)])
def test_a_server_elsewhere_is_named_at_the_start(
    address: str, said: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warm() -> None:
        raise ModelError("the answering server is off")

    page = SimpleNamespace(block_thread=lambda: time.sleep(0.2))
    monkeypatch.setattr("qa.assistant", lambda settings: SimpleNamespace(warm=warm))
    monkeypatch.setattr("page.blocks.build_blocks", lambda offered: page)
    monkeypatch.setattr(app, "start", lambda blocks, settings: "http://here:1")
    monkeypatch.setattr(app, "Suggested", lambda *_: SimpleNamespace(make=lambda: None, making=lambda: False))
    app.serve(load_settings(tmp_path, answering_server=address))
    shown = capsys.readouterr()
    assert ("Answers are written by gpu.example" in shown.out) == said
    assert shown.err == "Sourcier: the answering server is off\n"
