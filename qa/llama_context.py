"""llama.cpp's C interface, as far as it is needed: weights, tokens, and batches over several sequences.

One thread at a time may use a context (`abort` apart). The names are those of llama.h.
"""

from __future__ import annotations

import ctypes
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from errors import ModelError
from qa.prompt import Prompt

TOKENS_AT_ONCE = 256  # more would not be quicker (docs/benchmarks.md)
LOGITS_AT_ONCE = 64  # each has its row of the vocabulary's size in memory
_NO_ROOM, _ABORTED = 1, 2
_LINE = re.compile(r"[^\n]+\n*|\n+")
_MOST_LINES = 24  # of a turn that are kept, each for itself


MOST_SHARED = 16  # sequences that a token can belong to as it is computed


class Entry(NamedTuple):
    """A token of a batch: its place in its sequences, and whether the logits behind it are wanted."""

    token: int
    position: int
    sequences: Sequence[int]
    logits: bool = False


class Layout(NamedTuple):
    """The tokens of a prompt: `shared` may begin other prompts too, each run behind the one before; then its `own`."""

    shared: list[list[int]]
    own: list[int]

    @property
    def total(self) -> int:
        return sum(map(len, self.shared)) + len(self.own)


class NoRoomError(Exception):
    """The context has no free cells for a batch; what it holds is as before."""


class LlamaContext:
    """The weights of a GGUF file and a context of `tokens` cells, shared by `sequences` sequences."""

    def __init__(self, path: Path, *, tokens: int, sequences: int, threads: int) -> None:
        """Read the weights; raises ModelError for a file that is no model."""
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ModelError(f"{path} is not a GGUF file; name one with answering_model")
        import llama_cpp

        self._llama = llama_cpp
        logging.getLogger("llama-cpp-python").setLevel(logging.CRITICAL + 1)
        llama_cpp.llama_backend_init()
        loading = llama_cpp.llama_model_default_params()
        # mapped, the file would lie in memory beside what is rearranged of it for this processor
        loading.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
        loading.n_gpu_layers = 0
        self._model: Any = llama_cpp.llama_model_load_from_file(str(path).encode(), loading)
        if self._model and (
            llama_cpp.llama_model_is_recurrent(self._model) or llama_cpp.llama_model_is_hybrid(self._model)
        ):
            llama_cpp.llama_model_free(self._model)
            raise ModelError(f"{path} is a recurrent model, whose states cannot be cut; choose another answering_model")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = tokens, TOKENS_AT_ONCE, TOKENS_AT_ONCE
        params.n_seq_max, params.kv_unified = sequences, True
        params.n_outputs_max = max(LOGITS_AT_ONCE, sequences)  # fewer than sequences are refused
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        self._context: Any = llama_cpp.llama_init_from_model(self._model, params) if self._model else None
        if not self._context:
            if self._model:
                llama_cpp.llama_model_free(self._model)
            raise ModelError(f"{path} does not load in llama.cpp; it is damaged, or of a kind that this version lacks")
        self.vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self.vocabulary_size = llama_cpp.llama_vocab_n_tokens(self.vocabulary)
        # SentencePiece would put a space before each line
        self._cuts = llama_cpp.llama_vocab_type(self.vocabulary) != llama_cpp.LLAMA_VOCAB_TYPE_SPM
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(TOKENS_AT_ONCE, 0, MOST_SHARED)
        self._stop = _abort_when_set(llama_cpp, self._context)

    def close(self) -> None:
        """Free all memory; nothing else may be called then."""
        self._llama.llama_batch_free(self._batch)
        self._llama.llama_free(self._context)
        self._llama.llama_model_free(self._model)

    def tokenize(self, prompt: Prompt) -> Layout:
        """Return the tokens of a prompt; control tokens come from the chat template only, never from what fills it.

        The last turn is cut after each of its lines, where the default model's tokens end as well.
        """
        holes = [f"SOURCIERHOLE{place}ELOHREICRUOS" for place in range(len(prompt.messages))]
        rest = self._apply_template([message.role for message in prompt.messages], holes)
        llama, fixed = self._llama, list[int]()
        if llama.llama_vocab_get_add_bos(self.vocabulary):
            fixed.append(llama.llama_vocab_bos(self.vocabulary))
        for hole, message in zip(holes, prompt.messages, strict=True):
            before, _, rest = rest.partition(hole)
            fixed += self._tokens(before, special=True)
            if message is not prompt.messages[-1]:
                fixed += self._tokens(message.content, special=False)
        content = prompt.messages[-1].content
        *lines, last = (_LINE.findall(content) if self._cuts else []) or [content]
        lines, last = lines[:_MOST_LINES], "".join([*lines[_MOST_LINES:], last])
        shared = [fixed, *(self._tokens(line, special=False) for line in lines)]
        return Layout(shared, self._tokens(last, special=False) + self._tokens(rest, special=True))

    def _tokens(self, text: str, *, special: bool) -> list[int]:
        encoded = text.encode()
        room = len(encoded) + 2
        tokens = (self._llama.llama_token * room)()
        count = self._llama.llama_tokenize(self.vocabulary, encoded, len(encoded), tokens, room, False, special)
        return list(tokens[:count])

    def _apply_template(self, roles: Sequence[str], contents: Sequence[str]) -> str:
        """Lay turns out as the model was trained.

        llama.cpp recognises the template that lies in the file among those it knows; the template itself,
        a program from whoever made the file, is not run. One that it does not know is taken for ChatML.
        """
        llama = self._llama
        messages = (llama.llama_chat_message * len(roles))(
            *(
                llama.llama_chat_message(role=role.encode(), content=content.encode())
                for role, content in zip(roles, contents, strict=True)
            )
        )
        size = 4096 + 2 * sum(map(len, contents))
        buffer = ctypes.create_string_buffer(size)
        for template in (llama.llama_model_chat_template(self._model, None) or b"chatml", b"chatml"):
            length = llama.llama_chat_apply_template(template, messages, len(roles), True, buffer, size)
            if 0 < length <= size:
                return buffer.raw[:length].decode()
        raise ModelError("the model's chat template cannot be applied; choose another answering_model")

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token; those of one character can lie in several."""
        buffer = ctypes.create_string_buffer(256)
        size = self._llama.llama_token_to_piece(self.vocabulary, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(size, 0)]

    def ends(self, token: int) -> bool:
        """Return whether a token ends a reply."""
        return bool(self._llama.llama_vocab_is_eog(self.vocabulary, token))

    def decode(self, entries: Sequence[Entry]) -> bool:
        """Compute at most TOKENS_AT_ONCE tokens, LOGITS_AT_ONCE with logits; return False if `abort` cut it short.

        Raises NoRoomError. After an abort, the sequences hold any of the tokens: remove them.
        """
        batch = self._batch
        batch.n_tokens = len(entries)
        for place, entry in enumerate(entries):
            batch.token[place] = entry.token
            batch.pos[place] = entry.position
            batch.n_seq_id[place] = len(entry.sequences)
            for other, sequence in enumerate(entry.sequences):
                batch.seq_id[place][other] = sequence
            batch.logits[place] = entry.logits
        outcome = self._llama.llama_decode(self._context, batch)
        if outcome == _NO_ROOM:
            raise NoRoomError
        if outcome not in (0, _ABORTED):
            raise ModelError(f"llama.cpp could not compute a batch (error {outcome})")
        return bool(outcome == 0)

    def abort(self, stop: bool) -> None:
        """Have the batch under way, and those to come, cut short, or no longer; from any thread."""
        self._stop[0] = b"\1" if stop else b"\0"

    def logits(self, place: int) -> NDArray[np.float32]:
        """Return the (vocabulary size,) logits behind the token at a place of the last batch, valid until the next."""
        pointer = self._llama.llama_get_logits_ith(self._context, place)
        return np.ctypeslib.as_array(pointer, shape=(self.vocabulary_size,))

    def remove(self, sequence: int, first: int = 0) -> None:
        """Forget what a sequence holds from a place on."""
        self._llama.llama_memory_seq_rm(self._memory, sequence, first, -1)

    def share(self, source: int, target: int, first: int, end: int) -> None:
        """Let a sequence hold what another holds from place `first` up to `end`; it takes no room and no time."""
        self._llama.llama_memory_seq_cp(self._memory, source, target, first, end)

    def state(self, sequence: int) -> bytes:
        """Return what a sequence holds."""
        size = self._llama.llama_state_seq_get_size(self._context, sequence)
        buffer = (ctypes.c_uint8 * size)()
        written = self._llama.llama_state_seq_get_data(self._context, buffer, size, sequence)
        return bytes(buffer)[:written]

    def restore(self, sequence: int, state: bytes) -> bool:
        """Have a sequence hold what `state` returned; return False where there is no room."""
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        return bool(self._llama.llama_state_seq_set_data(self._context, buffer, len(state), sequence))


def _abort_when_set(llama: Any, context: Any) -> Any:
    """Return a byte such that llama.cpp stops computing while it is not zero.

    llama.cpp asks a C function before each step of a computation. A Python one would take the
    interpreter's lock every time; strlen, given the byte and a zero behind it, says whether it is set.
    """
    flag = ctypes.create_string_buffer(b"\0\0", 2)
    library = ctypes.CDLL("msvcrt" if hasattr(ctypes, "WinDLL") else None)
    callback = ctypes.cast(library.strlen, llama.ggml_abort_callback)
    llama.llama_set_abort_callback(context, callback, ctypes.cast(flag, ctypes.c_void_p))
    return flag
