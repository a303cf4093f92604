"""What of the reader is no neural network: spans, tokens, and which weights are taken. The rest is in tests/model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from errors import ModelError
from index.embedder import SentenceTransformerEmbedder
from qa import reader
from qa.reader import BASE, AdaptedReader, Network, Span, Text, best_span, configured_reader, tokens_in
from settings import Settings, load_settings

LOGITS = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=12)


def embedder(fingerprint: str, folder: Path = Path("nowhere")) -> SentenceTransformerEmbedder:
    """An embedder that was not loaded, and is not to be."""
    return SentenceTransformerEmbedder(folder, weights_hash=fingerprint, name=f"model {fingerprint}")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of weights that was trained upon the model of fingerprint "base"."""
    path = tmp_path / "reader.safetensors"
    about = {"base": "base", "first_layer": "1", "scale": "2.0"}
    save_file({"seg": np.zeros((2, 4), dtype=np.float32)}, path, metadata=about)
    return path


@given(LOGITS, st.integers(1, 14))
def test_the_best_span_is_that_of_trying_all(logits: list[tuple[int, int]], longest: int) -> None:
    begin, finish = zip(*logits, strict=True)
    spans = [(i, j) for i in range(len(logits)) for j in range(i, min(i + longest, len(logits)))]
    best = max(spans, key=lambda span: begin[span[0]] + finish[span[1]])  # the first of equal ones
    assert best_span(begin, finish, longest) == best


def test_a_span_never_ends_before_it_begins() -> None:
    assert best_span([0.0, 9.0], [9.0, 0.0], 5) == (0, 0)


@given(
    st.lists(st.tuples(st.integers(-3, 9), st.integers(0, 4)), max_size=8),
    st.integers(0, 10),
    st.integers(1, 6),
)
def test_tokens_in_a_span_are_those_that_share_a_character(
    tokens: list[tuple[int, int]], start: int, length: int
) -> None:
    offsets = sorted((left, left + size) for left, size in tokens)
    wanted = set(range(start, start + length))
    inside = [place for place, offset in enumerate(offsets) if wanted & set(range(*offset))]
    found = tokens_in(offsets, start, start + length)
    assert found == ((inside[0], inside[-1] + 1) if inside else None)


@pytest.mark.parametrize(
    ("start", "end", "tokens"),
    [
        pytest.param(3, 8, (1, 3), id="two whole tokens"),
        pytest.param(4, 5, (1, 2), id="a part of one"),
        pytest.param(2, 3, None, id="between tokens"),
        pytest.param(20, 30, None, id="behind what was read"),
        pytest.param(0, 2, (0, 1), id="not the special token before"),
    ],
)
def test_tokens_in_by_hand(start: int, end: int, tokens: Span | None) -> None:
    # "Un pont ferme" cut as "Un", "po", "nt", "ferme"; a title stands before it, a special token behind
    offsets = [(0, 2), (3, 5), (5, 7), (8, 13), (0, 0)]
    assert tokens_in(offsets, start, end) == tokens


@pytest.mark.parametrize(
    ("text", "marked", "words"),
    [
        pytest.param("Il coûte cher.", "coû", "coûte", id="to the end of the word"),
        pytest.param("Il coûte cher.", "ûte", "coûte", id="to its beginning"),
        pytest.param("Il coûte cher.", " cher.", "cher", id="without space and stop"),
        pytest.param("Soit 45 % du public", "45 %", "45 %", id="a percentage"),
        pytest.param("Soit (45 %), dit-il", "(45 %),", "(45 %)", id="a bracket, not the comma"),
        pytest.param("dit « Jamais », puis", "« Jamais », ", "« Jamais »", id="a quotation"),
        pytest.param("Il fait -3 °C dehors", "-3 °C", "-3 °C", id="below zero"),
        pytest.param("payé €26,000 a month", "€26,000", "€26,000", id="money"),
        pytest.param("en 2,5 millions", "5", "5", id="not over a comma"),
        pytest.param("Fin…", "…", "", id="nothing but punctuation"),
        pytest.param("Un deux", "Un deux", "Un deux", id="the whole text"),
    ],
)
def test_words_are_trimmed(text: str, marked: str, words: str) -> None:
    start = text.index(marked)
    left, right = reader._trimmed(text, start, start + len(marked))
    assert text[left:right] == words


@given(st.text(alphabet="ab1 ,.«»%-", max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_trimmed_words_are_whole(text: str, one: int, other: int) -> None:
    start, end = sorted((min(one, len(text)), min(other, len(text))))
    if start == end:
        return
    left, right = reader._trimmed(text, start, end)
    assert 0 <= left <= right <= len(text)
    if left < right:
        assert not text[left].isspace()
        assert not text[right - 1].isspace()
        assert not (left > 0 and text[left].isalnum() and text[left - 1].isalnum())
        assert not (right < len(text) and text[right - 1].isalnum() and text[right].isalnum())


class Values(list[Any]):
    """A list that is asked for its numbers as a tensor is."""

    def numpy(self) -> list[Any]:
        return [np.array(row) for row in self]

    def tolist(self) -> list[Any]:
        return list(self)


class Hand(Network):
    """A network whose logits are written down: `heads` holds those of the words; a sentence's is its first token."""

    def word_logits(self, states: Any) -> Any:
        return Values((self.heads["begin"], self.heads["finish"]))

    def sentence_logits(self, states: Any, tokens: Any) -> Any:
        return Values(float(first) for first, _ in tokens)


def test_each_sentence_gets_its_logit_and_its_words() -> None:
    text = "Il pleut. Le pont ferme lundi. La mairie paie."
    words = [(0, 2), (3, 8), (8, 9), (10, 12), (13, 17), (18, 23), (24, 29), (29, 30)]  # the last sentence is not read
    title = [(-9, -1)]
    passage = Text("Un titre", text, ((0, 9), (10, 30), (31, 46)))
    begin = [9.0, 0, 0, 0, 0, 0, 0, 5, 0]  # the title and "lundi" would begin
    finish = [9.0, 0, 3, 0, 0, 0, 0, 5, 6]  # "pleut", the title, "lundi" and its stop would end
    made = Hand(None, None, "", None, 0, {"begin": begin, "finish": finish}).reading(passage, None, title + words)
    assert made.logits == (1.0, 4.0, -20.0)
    assert [text[left:right] for left, right in made.words] == ["Il pleut", "lundi", "La mairie paie."]


def test_the_words_of_a_sentence_do_not_reach_into_the_next() -> None:
    passage = Text("", "Il pleut.Fin", ((0, 9), (9, 12)))
    logits = {"begin": [0.0, 1.0], "finish": [0.0, 1.0]}
    made = Hand(None, None, "", None, 0, logits).reading(passage, None, [(0, 2), (2, 12)])  # one token lies in both
    assert made.words == ((3, 8), (9, 12))


def test_nothing_is_read_of_no_passages() -> None:
    assert AdaptedReader(embedder("base")).read("Qui ?", []) == []


def test_weights_of_another_base_are_refused_in_one_line(weights: Path) -> None:
    made = AdaptedReader(embedder("other"), weights)
    with pytest.raises(ModelError, match=rf"reader\.safetensors was trained upon {BASE}, .* not those of model other"):
        _ = made.fingerprint
    with pytest.raises(ModelError, match="was trained upon") as caught:
        made.read("Qui ?", [Text("", "Il pleut.", ((0, 9),))])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"not safetensors"], ids=["missing", "empty", "something else"])
def test_weights_that_cannot_be_read_are_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    path = tmp_path / "reader.safetensors"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(reader, "WEIGHTS", path)
    monkeypatch.setattr(reader, "configured_embedder", lambda settings: embedder("base"))
    with pytest.raises(
        ModelError, match=r"weights .*reader\.safetensors cannot be read .*install Sourcier again"
    ) as caught:
        configured_reader(load_settings(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("named", "taken"),
    [
        pytest.param({"a copy": "base"}, ["a copy"], id="the embedder's own weights, under any name"),
        pytest.param({"another": "other", BASE: "base"}, ["another", BASE], id="the base beside another embedder"),
    ],
)
def test_the_reader_shares_the_embedder_where_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path, named: dict[str, str], taken: list[str]
) -> None:
    there = {name: embedder(fingerprint) for name, fingerprint in named.items()}
    asked: list[str] = []

    def configured(settings: Settings) -> SentenceTransformerEmbedder:
        asked.append(settings.embedding_model)
        return there[settings.embedding_model]

    monkeypatch.setattr(reader, "WEIGHTS", weights)
    monkeypatch.setattr(reader, "configured_embedder", configured)
    settings = load_settings(tmp_path, embedding_model=taken[0])
    made = configured_reader(settings)
    assert asked == taken
    assert made._base is there[taken[-1]]
    assert configured_reader(settings) is made  # one for the whole process
