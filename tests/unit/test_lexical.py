"""BM25 over stems."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log
from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import index.lexical
from index.lexical import LexicalIndex, question_tokens, scores, tokens


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        pytest.param("fr", "Les élections", "une élection", id="plural"),
        pytest.param("fr", "sécurité, députés, sœur, ÉTÉ", "SECURITE deputes soeur ete", id="accents left out"),
        pytest.param("fr", "l'Orselle et l’Orselle", "Orselle Orselle", id="elision"),
        pytest.param("fr", "10 000 morts", "10000 morts", id="groups of digits"),
        pytest.param("fr", "10\u202f000\u00a0000", "10000000", id="narrow spaces between digits"),
        pytest.param("fr", "Où est-il ?", "", id="stop words"),
        pytest.param("de", "die Städte", "Stadt", id="German plural"),
        pytest.param("en", "The elections were held", "election held", id="English plural"),
        pytest.param("ru", "российские выборы", "российский выбор", id="Cyrillic letters keep their marks"),
        pytest.param(None, "Les élections", "élection", id="no language is French"),
        pytest.param("xx", "Élections", "elections", id="unknown language"),
    ],
)
def test_the_same_tokens(language: str | None, one: str, other: str) -> None:
    assert tokens(one, language) == tokens(other, language)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("en 2024 300 soldats", ["2024", "300", "soldat"], id="year and number"),
        pytest.param("5 blessés", ["5", "bless"], id="one digit"),
        pytest.param("", [], id="empty"),
        pytest.param("l'a, d'un !", [], id="single letters"),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text, "fr") == expected


def test_a_question_is_read_in_each_language_once() -> None:
    assert question_tokens("Les élections, élections !", ["fr", "en"]) == ["elect", "les"]
    assert question_tokens("", ["fr"]) == []


CORPUS = [["pont", "crue"], ["pont", "pont", "vot", "mair"], ["budget", "vot"], ["muse"]]


def bm25(query: str, passage: list[str]) -> float:
    """Lucene's variant, by hand: idf · tf / (tf + k1 (1 - b + b length / mean length))."""
    holding = sum(query in other for other in CORPUS)
    idf = log(1 + (len(CORPUS) - holding + 0.5) / (holding + 0.5))
    tf, mean = passage.count(query), sum(map(len, CORPUS)) / len(CORPUS)
    return idf * tf / (tf + 1.2 * (1 - 0.75 + 0.75 * len(passage) / mean))


def scored(passages: Sequence[list[str]], query: Sequence[str]) -> NDArray[np.float32]:
    (found,) = scores([LexicalIndex.build(passages)], query)
    return found


def files(built: LexicalIndex, folder: Path) -> dict[str, bytes]:
    built.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_scores_are_those_computed_by_hand() -> None:
    found = scored(CORPUS, ["pont", "vot", "inconnu"])
    assert found.dtype == np.float32
    # pont: 2 of 4 passages, idf = ln 2; vot: the same; mean length 9/4
    assert found[0] == pytest.approx(log(2) * 1 / (1 + 1.2 * (0.25 + 0.75 * 2 / 2.25)), rel=1e-5)
    assert found == pytest.approx([bm25("pont", passage) + bm25("vot", passage) for passage in CORPUS], rel=1e-5)
    assert np.argsort(-found, kind="stable").tolist() == [1, 0, 2, 3]
    assert found[3] == 0


def test_stop_words_only_give_zeros() -> None:
    for question in ("Où est-il ?", "", "¿?", "xylophone"):
        assert scored(CORPUS, question_tokens(question, ["fr"])).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("corpus", [CORPUS, [["pont"]], [[], ["pont"]], [[], []], []], ids=len)
def test_saved_and_loaded_gives_the_same(corpus: list[list[str]], tmp_path: Path) -> None:
    built = LexicalIndex.build(corpus)
    built.save(tmp_path / "lexical")
    loaded = LexicalIndex.load(tmp_path / "lexical", len(corpus))
    assert len(built) == len(loaded) == len(corpus)
    for query in (["pont"], ["vot", "pont"], ["inconnu"], []):
        (found,), (again,) = scores([built], query), scores([loaded], query)
        assert found.shape == (len(corpus),)
        assert found.tolist() == again.tolist()
    assert files(loaded, tmp_path / "again") == files(built, tmp_path / "first")


def test_the_arrays_by_hand(tmp_path: Path) -> None:
    LexicalIndex.build([["zeb", "été", "zeb"], [], ["a", "zeb"]]).save(tmp_path)
    arrays = {path.stem: np.load(path) for path in tmp_path.iterdir()}
    assert arrays["terms"].tobytes() == "azebété".encode()  # é is after z in UTF-8
    assert arrays["term_ends"].tolist() == [1, 4, 9]
    assert arrays["posting_ends"].tolist() == [1, 3, 4]
    assert arrays["rows"].tolist() == [2, 0, 2, 0]
    assert arrays["frequencies"].tolist() == [1, 2, 1, 1]
    assert arrays["lengths"].tolist() == [3, 0, 2]


def test_a_stem_of_any_frequency() -> None:
    built = LexicalIndex.build([["la"] * 70_000, ["la"]])
    assert built._frequencies.tolist() == [65_535, 1]
    assert built._lengths.tolist() == [70_000, 1]


def made_up(passages: int, seed: int) -> list[list[str]]:
    """Passages of 0 to 80 stems, of which some are in most of them and most in few."""
    chance = np.random.default_rng(seed)
    return [
        [f"s{number}" for number in chance.zipf(1.3, size=chance.integers(0, 80)).tolist() if number < 100_000]
        for _ in range(passages)
    ]


def test_scores_are_those_of_bm25s() -> None:
    corpus = made_up(500, seed=3)
    theirs = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    theirs.index(corpus, show_progress=False)
    for query in (["s1", "s2", "s7"], corpus[17][:10], ["s1"], ["s40", "nowhere", "s3"]):
        query = list(dict.fromkeys(query))
        np.testing.assert_allclose(scored(corpus, query), theirs.get_scores(query), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cuts", [[100], [1, 1, 250], [0, 60, 400, 500]], ids=str)
def test_scores_do_not_depend_on_how_passages_are_divided(cuts: list[int]) -> None:
    corpus = made_up(500, seed=4)
    bounds = [0, *cuts, 500]
    parts = [LexicalIndex.build(corpus[first:last]) for first, last in pairwise(bounds)]
    for query in (["s1", "s2", "s7", "s90"], corpus[17][:10], ["nowhere"]):
        found = scores(parts, query)
        assert [len(part) for part in found] == [len(part) for part in parts]
        assert np.concatenate(found).tobytes() == scored(corpus, query).tobytes()  # bit for bit


def test_scores_of_no_part() -> None:
    assert scores([], ["pont"]) == []
    assert [part.tolist() for part in scores([LexicalIndex.build([])], ["pont"])] == [[]]


@pytest.mark.parametrize("chunk", [1, 50, 1 << 20])
def test_merged_equals_built(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index.lexical, "_CHUNK", chunk)
    corpora = [made_up(size, seed) for seed, size in enumerate((40, 0, 1, 70))]
    chance = np.random.default_rng(5)
    masks = [chance.random(40) < 0.6, None, np.array([False]), None]
    kept = [
        passage
        for corpus, mask in zip(corpora, masks, strict=True)
        for passage, keep in zip(corpus, mask if mask is not None else [True] * len(corpus), strict=True)
        if keep
    ]
    parts = [(LexicalIndex.build(corpus), mask) for corpus, mask in zip(corpora, masks, strict=True)]
    merged = LexicalIndex.merged(parts)
    assert files(merged, tmp_path / "merged") == files(LexicalIndex.build(kept), tmp_path / "built")


PASSAGES = st.lists(st.lists(st.sampled_from(["pont", "vot", "été", "zéro", "œuf", "橋", "a"]), max_size=6), max_size=8)


@given(st.lists(st.tuples(PASSAGES, st.integers(0, 255)), max_size=4))
def test_merging_any_parts_is_building_what_is_kept(parts: list[tuple[list[list[str]], int]]) -> None:
    masks = [np.array([bits >> place & 1 for place in range(len(corpus))], dtype=bool) for corpus, bits in parts]
    kept = [passage for (corpus, _), mask in zip(parts, masks, strict=True) for passage, keep in
            zip(corpus, mask, strict=True) if keep]  # fmt: skip
    merged = LexicalIndex.merged(
        [(LexicalIndex.build(corpus), mask) for (corpus, _), mask in zip(parts, masks, strict=True)]
    )
    built = LexicalIndex.build(iter(kept))
    for name in ("terms", "term_ends", "posting_ends", "rows", "frequencies", "lengths"):
        one, other = getattr(merged, f"_{name}"), getattr(built, f"_{name}")
        assert one.dtype == other.dtype
        assert one.tolist() == other.tolist()


def test_what_is_not_live_counts_no_more_than_what_is_merged_away() -> None:
    corpora = [[["pont", "crue"], ["crue", "crue"], ["fete"]], [["pont"], ["pont", "fete", "bal"]]]
    masks = [np.array([True, False, True]), None]
    parts = [LexicalIndex.build(corpus) for corpus in corpora]
    merged = LexicalIndex.merged(list(zip(parts, masks, strict=True)))
    for query in (["crue"], ["pont", "fete"], ["bal", "crue", "pont"]):
        (expected,) = scores([merged], query)
        first, second = scores(parts, query, masks)
        assert np.concatenate([first[masks[0]], second]).tobytes() == expected.tobytes()  # bit for bit
    assert scores(parts, ["crue"], masks)[0][0] > scores(parts, ["crue"])[0][0]  # rarer, and so worth more


def test_what_is_kept_is_said_of_every_passage() -> None:
    with pytest.raises(ValueError, match=r"\(3,\) passages .* of 4"):
        LexicalIndex.merged([(LexicalIndex.build(CORPUS), np.ones(3, dtype=bool))])


class TestDamage:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        LexicalIndex.build(CORPUS).save(tmp_path)
        return tmp_path

    @pytest.mark.parametrize("name", sorted(index.lexical._ARRAYS))
    def test_an_array_that_is_cut(self, folder: Path, name: str) -> None:
        path = folder / f"{name}.npy"
        whole = path.read_bytes()
        for left in (0, 5, 9, 60, 127, 128, len(whole) - 1):
            path.write_bytes(whole[:left])
            with pytest.raises(ValueError):  # noqa: PT011 — of NumPy or ours
                LexicalIndex.load(folder, len(CORPUS))

    @pytest.mark.parametrize("name", sorted(index.lexical._ARRAYS))
    @pytest.mark.parametrize("dtype", ["f4", "i2", ">u4", "U3", "O"])
    def test_an_array_of_another_type(self, folder: Path, name: str, dtype: str) -> None:
        path = folder / f"{name}.npy"
        np.save(path, np.load(path).astype(dtype), allow_pickle=True)
        with pytest.raises(ValueError):  # noqa: PT011
            LexicalIndex.load(folder, len(CORPUS))

    @pytest.mark.parametrize("name", sorted(index.lexical._ARRAYS))
    def test_an_array_of_another_shape(self, folder: Path, name: str) -> None:
        path = folder / f"{name}.npy"
        right = np.load(path)
        for wrong in (right[:, None], right[:-1], np.append(right, right[-1:])):
            np.save(path, wrong)
            with pytest.raises(ValueError):  # noqa: PT011
                LexicalIndex.load(folder, len(CORPUS))

    @pytest.mark.parametrize("name", ["term_ends", "posting_ends"])
    @pytest.mark.parametrize("value", [-1, 0, 1 << 40, -(1 << 63), (1 << 63) - 1])
    def test_an_end_out_of_range(self, folder: Path, name: str, value: int) -> None:
        right = np.load(folder / f"{name}.npy")
        for place in range(len(right)):
            wrong = right.copy()
            wrong[place] = value
            np.save(folder / f"{name}.npy", wrong)
            with pytest.raises(ValueError, match="do not ascend"):
                LexicalIndex.load(folder, len(CORPUS))

    @pytest.mark.parametrize("row", [4, 4_000_000_000])
    def test_a_row_out_of_range(self, folder: Path, row: int) -> None:
        rows = np.load(folder / "rows.npy")
        rows[:] = row
        np.save(folder / "rows.npy", rows)
        loaded = LexicalIndex.load(folder, len(CORPUS))
        with pytest.raises(ValueError, match=f"passage {row}, of 4"):
            scores([loaded], ["pont"])
        with pytest.raises(ValueError, match=f"passage {row}, of 4"):
            LexicalIndex.merged([(loaded, None)])

    def test_of_another_number_of_passages(self, folder: Path) -> None:
        with pytest.raises(ValueError, match="passages, not 5"):
            LexicalIndex.load(folder, 5)

    @given(st.integers(0, 127), st.integers(1, 255), st.sampled_from(sorted(index.lexical._ARRAYS)))
    def test_any_byte_of_a_header(
        self, tmp_path_factory: pytest.TempPathFactory, place: int, flipped: int, name: str
    ) -> None:
        folder = tmp_path_factory.mktemp("lexical")
        LexicalIndex.build(CORPUS).save(folder)
        content = bytearray((folder / f"{name}.npy").read_bytes())
        content[place] ^= flipped
        (folder / f"{name}.npy").write_bytes(content)
        try:
            loaded = LexicalIndex.load(folder, len(CORPUS))
        except ValueError:
            return
        assert scores([loaded], ["pont"])[0].tolist() == scored(CORPUS, ["pont"]).tolist()


@given(st.text(max_size=30), st.sampled_from(["fr", "de", "ar", "ja", None]))
def test_any_text_has_tokens(text: str, language: str | None) -> None:
    assert all(tokens(text, language))
