"""LanguageModel over a server of OpenAI's chat completions: llama.cpp's own, vLLM, Ollama and their like.

httpx and httpx-sse are here already, through gradio and mcp; the openai package would bring another
HTTP client, and what is asked beside the completions (context, tokens) is not in it.

    what the server is        asked once, with GET /models and what its kind offers beside
    the grammar               goes with the request to llama.cpp and vLLM; what comes back is held to it
                              whatever the server promises, and ends where it leaves it
    control tokens            a server may read `<|im_end|>` in an article as one: they are broken up
    proxies, redirects        are not followed: what is asked goes to the address in the settings alone
"""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from httpx_sse import EventSource, SSEError
from pydantic import BaseModel, Field, SecretStr, ValidationError

from errors import ModelError, QuestionError, SettingsError
from qa.gbnf import allowed
from qa.prompt import Prompt
from settings import is_loopback

_CONNECT = 5.0  # seconds
_PATIENCE = 180.0  # seconds without a byte; a question may wait in the server's line
_TURN = 8  # tokens around a message, more than the common chat templates have
_BYTES_A_TOKEN = 2  # articles of demo/ have 3.1 to 4.1 in Qwen's vocabulary; rows of figures 1.1
_LONGEST_REASON = 200  # characters of what a server says of an error

# <|im_end|>, <s>, <end_of_turn>, <<SYS>>, <｜User｜>; [INST], [/INST]. A marker such as [1] stays.
_CONTROL = re.compile(r"(?<=<)(?=\S)|(?<=\[)(?=/?[A-Za-z])|(?<=[|｜])(?=>)")
_NO_ROOM = re.compile(r"context.{0,40}(?:length|size|window)|exceed.{0,60}context", re.IGNORECASE | re.DOTALL)

# What models write where no grammar holds them: lines, a full stop before its markers, [1, 2].
_STOP_FIRST = re.compile(r"\s?[.!?]((?:\s?\[\d+\])+)(?![.\w])")
_TOGETHER = re.compile(r"\[(\d+(?:\s?[,;]\s?\d+)+)\]")
_UNSETTLED = re.compile(r"(?:[\s.!?]|\[[\d\s,;]*\]?)+\Z")  # what follows may change how it is read

Parsed = TypeVar("Parsed", bound=BaseModel)


class _Kind(Enum):
    LLAMA_CPP = auto()  # llama-server
    LLAMA_CPP_PYTHON = auto()
    VLLM = auto()
    OTHER = auto()  # Ollama among them, which knows JSON schemas and no grammar


class _Listed(BaseModel):
    id: str
    owned_by: str | None = None
    max_model_len: int | None = None


class _Models(BaseModel):
    data: list[_Listed]


class _Version(BaseModel):
    version: str


class _Generation(BaseModel):
    n_ctx: int = Field(gt=0)


class _Props(BaseModel):
    default_generation_settings: _Generation


class _Laid(BaseModel):
    prompt: str


class _Tokens(BaseModel):
    tokens: list[Any]


class _Count(BaseModel):
    count: int = Field(gt=0)


class _Delta(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Chunk(BaseModel):
    choices: list[_Choice] = []
    error: Any = None


@dataclass(frozen=True, slots=True)
class _Server:
    """What a server said of itself; `guided` makes of a grammar what goes with a request, where it takes one."""

    kind: _Kind
    models: tuple[str, ...]
    context_tokens: int
    guided: Callable[[str], dict[str, Any]] | None = None


class ServerModel:
    """The model `name` of the server at `address`, which ends in /v1.

    `context_tokens` counts where the server does not say its own. `patience` is how many seconds may pass
    without a byte of a reply. Nothing is asked of the server before it is needed, and what it said of
    itself is asked again after a failure.
    """

    def __init__(
        self,
        address: str,
        name: str,
        *,
        key: SecretStr | None = None,
        context_tokens: int,
        patience: float = _PATIENCE,
    ) -> None:
        """Raises SettingsError where a key would cross a network unencrypted."""
        parts = urlsplit(address)
        if key and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise SettingsError(
                f"answering_server_key would be sent to {parts.hostname} unencrypted; give answering_server an"
                " https:// address, or reach it through a tunnel on 127.0.0.1"
            )
        self._address = address
        self._name = name
        self._key = key
        self._context_tokens = context_tokens
        self._patience = patience
        self._lock = threading.Lock()
        self._known: _Server | None = None
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
            timeout=httpx.Timeout(patience, connect=_CONNECT, pool=None),
            verify=ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
        )

    @property
    def context_tokens(self) -> int:
        return self._server().context_tokens

    def count_tokens(self, prompt: Prompt) -> int:
        """Return the tokens of a prompt: counted by the server where it does that, else an over-estimate.

        The estimate is half the bytes of the texts, and eight for each turn and the reply.
        """
        messages = _messages(prompt)
        texts = "\n".join(message["content"] for message in messages)
        around = _TURN * (len(messages) + 1)
        root = self._address.removesuffix("/v1")
        match self._server().kind:
            case _Kind.LLAMA_CPP:
                laid = self._offered(_Laid, f"{root}/apply-template", {"messages": messages})
                if laid:
                    body = {"content": laid.prompt, "add_special": True, "parse_special": True}
                    if read := self._offered(_Tokens, f"{root}/tokenize", body):
                        return len(read.tokens)
            case _Kind.LLAMA_CPP_PYTHON:
                body = {"model": self._name, "input": texts}
                if counted := self._offered(_Count, f"{root}/extras/tokenize/count", body):
                    return counted.count + around
            case _Kind.VLLM:
                body = {"model": self._name, "messages": messages, "add_generation_prompt": True}
                if counted := self._offered(_Count, f"{root}/tokenize", body):
                    return counted.count
        return len(texts.encode()) // _BYTES_A_TOKEN + around

    def generate(self, prompt: Prompt, *, grammar: str, max_tokens: int) -> Iterator[str]:
        """Yield the reply as the server writes it, as far as the grammar allows it; see LanguageModel.

        Where the server does not take the grammar, line breaks become spaces, and "Words. [1, 2]" is
        read as "Words [1][2]." before it is held to it. Closing the iterator closes the connection, at
        which these servers stop. Raises QuestionError, and ModelError naming what is wrong with the server.
        """
        server = self._server()
        tokens = self.count_tokens(prompt)
        if tokens + max_tokens > server.context_tokens:
            raise QuestionError(
                f"the prompt has {tokens} tokens and the answer may have {max_tokens}, but the context of the server"
                f" holds {server.context_tokens}; ask a shorter question or give the server a larger context"
            )
        body = {
            "model": self._name,
            "messages": _messages(prompt),
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
        }
        if server.guided:
            body |= server.guided(grammar)
        written = said = ""
        with closing(self._pieces(body, max_tokens)) as pieces:
            for piece in pieces:
                written += piece
                settled = written if server.guided else _tidied(written, ended=not piece)
                held = allowed(settled, grammar, len(said))
                if len(held) > len(said):
                    yield held[len(said) :]
                    said = held
                if len(held) < len(settled):
                    return

    def _pieces(self, body: dict[str, Any], most: int) -> Generator[str, None, None]:
        """Yield what the server writes, at most so many pieces, and "" once the reply has ended."""
        try:
            with self._answered("POST", f"{self._address}/chat/completions", body) as response:
                left = most
                for event in EventSource(response).iter_sse():
                    if event.data == "[DONE]":
                        break
                    chunk = self._parsed(_Chunk, event.data)
                    if chunk.error is not None:
                        raise self._refused(500, str(chunk.error))
                    for choice in chunk.choices[:1]:
                        if choice.delta.content:
                            yield choice.delta.content
                            left -= 1
                        if choice.finish_reason or left <= 0:
                            yield ""
                            return
            raise ModelError(f"{self._where} broke off in the middle of a reply; look into its log, and ask again")
        except ModelError:
            self._known = None
            raise

    def _server(self) -> _Server:
        with self._lock:
            if self._known is None:
                self._known = self._asked()
            return self._known

    def _asked(self) -> _Server:
        """Ask the server what it is; what it does not say is what can be assumed of any."""
        with self._answered("GET", f"{self._address}/models") as response:
            listed = self._parsed(_Models, response.read()).data
        names = tuple(model.id for model in listed)
        mine = next((model for model in listed if model.id == self._name), listed[0] if listed else None)
        root = self._address.removesuffix("/v1")
        match mine.owned_by if mine else None:
            case "llamacpp":
                props = self._offered(_Props, f"{root}/props")
                context = props.default_generation_settings.n_ctx if props else self._context_tokens
                return _Server(_Kind.LLAMA_CPP, names, context, _for_llama_cpp)
            case "me":
                return _Server(_Kind.LLAMA_CPP_PYTHON, names, self._context_tokens, _for_llama_cpp)
            case "vllm":
                version = self._offered(_Version, f"{root}/version")
                context = (mine and mine.max_model_len) or self._context_tokens
                return _Server(_Kind.VLLM, names, context, _for_vllm(version.version if version else ""))
        return _Server(_Kind.OTHER, names, self._context_tokens)

    def _offered(self, kind: type[Parsed], address: str, body: dict[str, Any] | None = None) -> Parsed | None:
        """Return what an address beside the standard answers, None where there is no such thing."""
        try:
            with self._answered("POST" if body else "GET", address, body) as response:
                return self._parsed(kind, response.read())
        except (ModelError, QuestionError):
            return None

    @contextmanager
    def _answered(self, method: str, address: str, body: dict[str, Any] | None = None) -> Iterator[httpx.Response]:
        """Send a request; what goes wrong until the end of the block becomes an error of ours."""
        try:
            with self._client.stream(method, address, json=body) as response:
                if not response.is_success:
                    raise self._refused(response.status_code, response.read().decode(errors="replace"))
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ModelError(
                f"{self._where} cannot be reached ({self._brief(error)}); start it, or change answering_server"
            ) from None
        except httpx.TimeoutException:
            raise ModelError(
                f"{self._where} has sent nothing for {self._patience:g} seconds; it may be busy or hung: ask again, or"
                " look into its log"
            ) from None
        except SSEError:
            raise self._stranger() from None
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise ModelError(
                f"{self._where} broke off ({self._brief(error)}); look into its log, and ask again"
            ) from None

    def _refused(self, status: int, said: str) -> ModelError | QuestionError:
        """Return the error for a status that is no success, and for an error inside a reply."""
        if _NO_ROOM.search(said):
            return QuestionError(
                f"prompt and answer do not fit the context of the server ({self._brief(said)}); ask a shorter question"
                " or give the server a larger context"
            )
        if status in (401, 403):
            fault = "does not take the key in" if self._key else "wants a key: set"
            return ModelError(f"{self._where} {fault} SOURCIER_ANSWERING_SERVER_KEY ({status})")
        if 300 <= status < 400:
            return ModelError(
                f"{self._where} redirects, which is not followed ({status}); set answering_server to its real address"
            )
        if status == 404 and self._known:
            there = ", ".join(self._brief(name) for name in self._known.models[:5]) or "none"
            return ModelError(
                f"{self._where} has no model {self._name}; it has: {there}; name one with answering_model"
            )
        if status in (404, 405):
            return self._stranger()
        if status in (429, 502, 503, 504):
            return ModelError(f"{self._where} is busy or still loading ({status}: {self._brief(said)}); ask again")
        return ModelError(f"{self._where} answers {status}: {self._brief(said)}")

    def _parsed(self, kind: type[Parsed], text: str | bytes) -> Parsed:
        try:
            return kind.model_validate_json(text)
        except ValidationError:
            raise self._stranger() from None

    def _stranger(self) -> ModelError:
        return ModelError(
            f"{self._where} does not answer as an OpenAI-compatible server; its address often ends in /v1: check"
            " answering_server"
        )

    @property
    def _where(self) -> str:
        return f"the answering server {self._address}"

    def _brief(self, said: object) -> str:
        """Return what a server says on one short line, without the key, which some repeat."""
        text = " ".join("".join(one if one.isprintable() else " " for one in str(said)).split())
        if self._key:
            text = text.replace(self._key.get_secret_value(), "…")
        return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "…"


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    """Return the turns as a server wants them, with a space in what could pass for a control token."""
    return [{"role": turn.role, "content": _CONTROL.sub(" ", turn.content)} for turn in prompt.messages]


def _for_llama_cpp(grammar: str) -> dict[str, Any]:
    return {"grammar": grammar, "repeat_penalty": 1.0}  # llama-cpp-python's would be 1.1


def _for_vllm(version: str) -> Callable[[str], dict[str, Any]]:
    """Return how a version takes a grammar: by another name since 0.11, and by that alone since 0.12."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < (0, 11):
        return lambda grammar: {"guided_grammar": grammar}
    return lambda grammar: {"structured_outputs": {"grammar": grammar}}


def _tidied(written: str, *, ended: bool) -> str:
    """Return a reply that no grammar held, on one line and with its full stops behind their markers.

    Until it has ended, what could still be read in another way is left out at the end, so that each
    return begins with the one before.
    """
    text = written.rstrip() if ended else _UNSETTLED.sub("", written)
    text = " ".join(text.split())
    text = _TOGETHER.sub(lambda found: "".join(f"[{number}]" for number in re.findall(r"\d+", found[1])), text)
    return _STOP_FIRST.sub(r"\1.", text)
