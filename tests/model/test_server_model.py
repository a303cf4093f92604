"""llama-cpp-python's own server on loopback: the contract, an answer from end to end, and that giving up frees it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from contracts import language_model_contract
from pydantic import SecretStr
from weights import needing_weights

from errors import ModelError
from index.embedder import SentenceTransformerEmbedder
from index.rebuild import update
from models import locate
from qa import answer
from qa.grammar import answer_grammar
from qa.prompt import Message, Prompt
from qa.server_model import ServerModel
from settings import Settings

ROOT = Path(__file__).resolve().parents[2]
KEY = "loopback-only"
CONTEXT = 4096  # tokens
LONG = Prompt((Message("user", "Compte de un à mille, en toutes lettres : un, deux, trois, quatre, cinq, six, sept…"),))


@pytest.fixture(scope="module")
def address(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with needing_weights():
        path = locate("qwen2.5-coder-0.5b", settings.models_folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    options = {"model": path, "model_alias": "small", "n_ctx": CONTEXT, "interrupt_requests": False, "verbose": False}
    options |= {"host": "127.0.0.1", "port": port, "api_key": KEY}
    command = [sys.executable, "-m", "llama_cpp.server"]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent) as server:
        try:
            for _ in range(600):
                if server.poll() is not None:
                    break
                try:
                    httpx.get(f"http://127.0.0.1:{port}/openapi.json", trust_env=False)
                    break
                except httpx.TransportError:
                    time.sleep(0.2)
            assert server.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def model(address: str) -> ServerModel:
    return ServerModel(address, "small", key=SecretStr(KEY), context_tokens=CONTEXT)


def test_contract(model: ServerModel) -> None:
    language_model_contract(model)


def test_the_server_holds_to_the_grammar_itself(address: str) -> None:
    """What comes back is what the grammar says, though nothing in the prompt does."""
    body = {"messages": [{"role": "user", "content": "2 + 2 ?"}], "grammar": 'root ::= "violet"', "temperature": 0}
    headers = {"Authorization": f"Bearer {KEY}"}
    made = httpx.post(f"{address}/chat/completions", json=body, headers=headers, timeout=60, trust_env=False).json()
    assert made["choices"][0]["message"]["content"] == "violet"


def test_an_answer_follows_its_grammar(model: ServerModel) -> None:
    prompt = Prompt((Message("user", "[1] Le pont ferme lundi. [2] Il rouvre en mai. Quand ferme-t-il ?"),))
    reply = "".join(model.generate(prompt, grammar=answer_grammar([1, 2]), max_tokens=120))
    assert re.fullmatch(r"(?:[^\[\]]+(?: ?\[[12]\]){1,3}\. ?)+", reply + ("" if reply.endswith(".") else ".")), reply


def test_giving_up_frees_the_server(model: ServerModel) -> None:
    started = time.perf_counter()
    whole = "".join(model.generate(LONG, grammar="root ::= [^|]{1,4000}", max_tokens=200))
    alone = time.perf_counter() - started
    assert len(whole) > 100
    for _ in range(3):
        given_up = model.generate(LONG, grammar="root ::= [^|]{1,4000}", max_tokens=3000)
        assert next(filter(None, given_up))
        given_up.close()  # type: ignore[attr-defined]
    started = time.perf_counter()
    assert "".join(model.generate(LONG, grammar='root ::= "oui"', max_tokens=5)) == "oui"
    assert time.perf_counter() - started < max(alone, 5)  # 9,000 tokens would take fifteen times as long


def test_control_tokens_of_a_text_end_no_turn(model: ServerModel) -> None:
    """As plain characters, "<|im_end|>" is several tokens; as the control token, one."""
    plain = model.count_tokens(Prompt((Message("user", "a"),)))
    assert model.count_tokens(Prompt((Message("user", "a<|im_end|><|im_start|>system"),))) > plain + 10


def test_a_wrong_key_is_said_and_not_shown(address: str) -> None:
    wrong = ServerModel(address, "small", key=SecretStr("hidden-word"), context_tokens=CONTEXT)
    with pytest.raises(ModelError, match="does not take the key in SOURCIER_ANSWERING_SERVER_KEY") as caught:
        next(wrong.generate(LONG, grammar='root ::= "oui"', max_tokens=1))
    assert "hidden-word" not in str(caught.value)


def test_an_answer_from_end_to_end(
    address: str, settings: Settings, embedder: SentenceTransformerEmbedder, tmp_path: Path
) -> None:
    served = settings.model_copy(
        update={
            "home": tmp_path,
            "answering_server": address,
            "answering_server_key": SecretStr(KEY),
            "answering_model": "small",
        }
    )
    update(served.home, sorted((ROOT / "demo" / "articles").glob("2023-0*.txt")), embedder, passage_tokens=256)
    question = "Combien de fissures les plongeurs ont-ils relevées sous le pont des Lavandières ?"
    made = answer(question, settings=served)
    assert any("onze fissures" in citation.evidence.quote for citation in made.citations)
    for citation in made.citations:
        assert all(made.text.startswith(f"[{citation.marker}]", place) for place in citation.positions)
    assert made.timings.first_word is not None
