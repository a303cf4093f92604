"""LanguageModel over a server of OpenAI's chat completions: llama.cpp's own, vLLM, Ollama and their like.

httpx and httpx-sse are here already, through gradio and mcp; the openai package would bring another
HTTP client, and what is asked beside the completions (context, tokens) is not in it.

    what the server is        asked once, with GET /models and what its kind offers beside
    the grammar               goes with the request to llama.cpp and vLLM; what comes back is held to it
                              whatever the server promises, and ends where it leaves it
    control tokens            a server may read `<|im_end|>` in an article as one: they are broken up
    proxies, redirects        are not followed: what is asked goes to the address in the settings alone
    waiting                   a thread reads the reply, so that who listens can leave at any time
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import httpx
from httpx_sse import EventSource, SSEError
from pydantic import BaseModel, Field, SecretStr, ValidationError

from errors import ModelError, QuestionError, SettingsError
from qa.gbnf import allowed
from qa.prompt import Prompt
from settings import is_loopback

_CONNECT = 5.0  # seconds
_PATIENCE = 180.0  # seconds without an event of a reply; a question may wait in the server's line
_WHOLE = 600.0  # seconds for a whole reply
_ASIDE = 10.0  # seconds for whatever is asked beside the replies
_BEAT = 0.1  # seconds until who listens to a silent server can leave
_MOST_BYTES = 10_000_000  # of anything that a server sends
_LONGEST = 20_000  # characters of a reply
_TURN = 8  # tokens around a message, more than the common chat templates have
_BYTES_A_TOKEN = 2  # articles of demo/ have 3.1 to 4.1 in Qwen's vocabulary; rows of figures 1.1
_LONGEST_REASON = 200  # characters of what a server says of an error

# <|im_end|>, <s>, <end_of_turn>, <<SYS>>, <｜User｜>; [INST], [/INST]. A marker such as [1] stays.
_CONTROL = re.compile(r"(?<=<)(?=\S)|(?<=\[)(?=/?[A-Za-z])|(?<=[|｜])(?=>)")
_NO_ROOM = re.compile(r"context.{0,40}(?:length|size|window)|exceed.{0,60}context", re.IGNORECASE | re.DOTALL)

# What models write where no grammar holds them: lines, a full stop before its markers, [1, 2].
_STOP_FIRST = re.compile(r"\s?[.!?]((?:\s?\[\d+\])+)(?![.\w])")
_TOGETHER = re.compile(r"\[(\d+(?:\s?[,;]\s?\d+)+)\]")
_UNSETTLED = re.compile(r"(?:[\s.!?]|\]?+[\d\s,;]*+\[)*+")  # read backwards: what follows may change how it is read

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


class _TooLong(Exception):
    pass


class _TooSlow(Exception):
    pass


class _Bounded(httpx.SyncByteStream):
    """A body as it comes over the wire, so long and no longer."""

    def __init__(self, stream: httpx.SyncByteStream, until: float) -> None:
        self._stream = stream
        self._until = until

    def __iter__(self) -> Iterator[bytes]:
        left = _MOST_BYTES
        for part in self._stream:
            left -= len(part)
            if left < 0:
                raise _TooLong
            if time.monotonic() > self._until:
                raise _TooSlow
            yield part

    def close(self) -> None:
        self._stream.close()


class _Line:
    """The connection of one reply, which another thread can cut while it is waited for.

    Closing a socket does not wake who reads from it; shutting it down does. There is no response to ask for
    its socket before the server has begun to reply, so that it is taken where httpcore reports it.
    """

    def __init__(self) -> None:
        self._cut = threading.Event()
        self._stream: Any = None

    @property
    def is_cut(self) -> bool:
        return self._cut.is_set()

    def watch(self, event: str, about: dict[str, Any]) -> None:
        """Keep the connection once it is made: the `trace` of a request."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = about["return_value"]
            if self.is_cut:
                self.cut()

    def cut(self) -> None:
        self._cut.set()
        if self._stream:
            with suppress(OSError):  # it is closed already; the method of TLS would take the socket from its reader
                socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)


class ServerModel:
    """The model `name` of the server at `address`, which ends in /v1.

    `context_tokens` counts where the server does not say its own. `patience` is how many seconds may pass
    without a part of a reply; comments that keep a connection open are none. Nothing is asked of the server
    before it is needed, and what it said of itself is asked again after a failure.
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
        self._known: _Server | None = None
        headers = {"Accept-Encoding": "identity"}
        if key:
            headers["Authorization"] = f"Bearer {key.get_secret_value()}"
        context = ssl.create_default_context()

        def client(**more: Any) -> httpx.Client:
            return httpx.Client(headers=headers, verify=context, trust_env=False, follow_redirects=False, **more)

        self._aside = client()
        # each reply has a connection of its own, that can be cut
        self._replies = client(limits=httpx.Limits(max_connections=None, max_keepalive_connections=0))

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
        which these servers stop. A reply ends at 20,000 characters. Raises QuestionError, and ModelError
        naming what is wrong with the server.
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
        ended = False
        with closing(self._pieces(body, max_tokens)) as pieces:
            while not ended:
                piece = next(pieces, None)
                if piece == "":
                    yield ""
                    continue
                written = (written + (piece or ""))[:_LONGEST]
                ended = piece is None or len(written) == _LONGEST
                settled = written if server.guided else _tidied(written, ended=ended)
                held = allowed(settled, grammar, len(said))
                if len(held) > len(said):
                    yield held[len(said) :]
                    said = held
                if len(held) < len(settled):
                    return

    def _pieces(self, body: dict[str, Any], most: int) -> Generator[str, None, None]:
        """Yield what the server writes, at most so many pieces, and "" in between while it writes nothing."""
        read: SimpleQueue[str | BaseException | None] = SimpleQueue()
        line = _Line()
        threading.Thread(target=self._read, args=(body, most, line, read), daemon=True).start()
        begun = heard = time.monotonic()
        try:
            while True:
                try:
                    piece = read.get(timeout=_BEAT)
                    heard = time.monotonic()
                except Empty:
                    piece = ""
                    if time.monotonic() - heard > self._patience:
                        raise self._silent(self._patience) from None
                if piece is None:
                    return
                if isinstance(piece, BaseException):
                    raise piece
                if time.monotonic() - begun > _WHOLE:
                    raise self._slow(_WHOLE)
                yield piece
        except ModelError:
            self._known = None
            raise
        finally:
            line.cut()

    def _read(
        self, body: dict[str, Any], most: int, line: _Line, read: SimpleQueue[str | BaseException | None]
    ) -> None:
        """Put what comes in where it is waited for: pieces, "" for what says nothing, None at the end; or an error."""
        try:
            with self._answered("POST", f"{self._address}/chat/completions", body, line) as response:
                left = most
                for event in EventSource(response).iter_sse():
                    if line.is_cut:
                        return
                    if event.data == "[DONE]":
                        break
                    chunk = self._parsed(_Chunk, event.data)
                    if chunk.error is not None:
                        raise self._refused(500, str(chunk.error))
                    choice = chunk.choices[0] if chunk.choices else _Choice()
                    read.put(choice.delta.content or "")
                    left -= bool(choice.delta.content)
                    if choice.finish_reason or left <= 0:
                        read.put(None)
                        return
            raise ModelError(f"{self._where} broke off in the middle of a reply; look into its log, and ask again")
        except BaseException as error:
            read.put(error)

    def _server(self) -> _Server:
        known = self._known
        if known is None:  # several may ask at once, so that none waits for another's answer
            known = self._known = self._asked()
        return known

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
    def _answered(
        self, method: str, address: str, body: dict[str, Any] | None = None, line: _Line | None = None
    ) -> Iterator[httpx.Response]:
        """Send a request; what goes wrong until the end of the block becomes an error of ours.

        With a line it is one for a reply. What comes compressed all the same is not unpacked.
        """
        patience, whole = (self._patience, _WHOLE) if line else (min(self._patience, _ASIDE), _ASIDE)
        until = time.monotonic() + whole
        try:
            with (self._replies if line else self._aside).stream(
                method,
                address,
                json=body,
                timeout=httpx.Timeout(patience, connect=_CONNECT),
                extensions={"trace": line.watch} if line else {},
            ) as response:
                response.stream = _Bounded(cast(httpx.SyncByteStream, response.stream), until)
                response.headers.pop("Content-Encoding", None)
                if not response.is_success:
                    raise self._refused(response.status_code, response.read().decode(errors="replace"))
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ModelError(
                f"{self._where} cannot be reached ({self._brief(error)}); start it, or change answering_server"
            ) from None
        except httpx.TimeoutException:
            raise self._silent(patience) from None
        except _TooSlow:
            raise self._slow(whole) from None
        except (SSEError, _TooLong):
            raise self._stranger() from None
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            raise ModelError(
                f"{self._where} broke off ({self._brief(error)}); look into its log, and ask again"
            ) from None

    def _refused(self, status: int, said: str) -> ModelError | QuestionError:
        """Return the error for a status that is no success, and for an error inside a reply."""
        known = self._known  # another thread may forget it
        if _NO_ROOM.search(said[:_LONGEST]):
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
        if status == 404 and known:
            there = ", ".join(self._brief(name) for name in known.models[:5]) or "none"
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

    def _silent(self, seconds: float) -> ModelError:
        return ModelError(
            f"{self._where} has sent nothing for {seconds:g} seconds; it may be busy or hung: ask again, or look into"
            " its log"
        )

    def _slow(self, seconds: float) -> ModelError:
        return ModelError(f"{self._where} is not done after {seconds:g} seconds; ask again, or look into its log")

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
        text = " ".join("".join(one if one.isprintable() else " " for one in str(said)[:_LONGEST]).split())
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
    unsettled = _UNSETTLED.match("" if ended else written[::-1])
    text = " ".join(written[: len(written) - (unsettled.end() if unsettled else 0)].split())
    text = _TOGETHER.sub(lambda found: "".join(f"[{number}]" for number in re.findall(r"\d+", found[1])), text)
    return _STOP_FIRST.sub(r"\1.", text)
