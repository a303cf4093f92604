"""What a model wrote is untrusted: parsed, checked against what it cites, mended or dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.articles import Article
from index.passages import Passage
from qa.check import Kind
from qa.evidence import Evidence
from qa.prompt import fill
from qa.verify import Standing, quoted, verified


def evidence_of(*quotes: str, language: str = "fr") -> tuple[Evidence, ...]:
    text = " ".join(quotes)
    article = Article("a" * 32, "Le pont", text, language=language)
    passage = Passage(article.id, 0, len(text))
    starts = [text.index(quote) for quote in quotes]
    return tuple(
        Evidence(number, article, passage, start, start + len(quote), 0.5)
        for number, (start, quote) in enumerate(zip(starts, quotes, strict=True), 1)
    )


EVIDENCE = evidence_of("Le pont ferme.", "Il rouvre en mai.", "La mairie paie.")
TOWN = evidence_of(
    "Le pont de Brassac a coûté 340 000 euros.",
    "La maire, Odile Brunel, a signé mardi.",
    "Le pont de Corvézac a coûté 120 000 euros.",
    "« Nous partons », dit la maire de Brassac.",
)


@pytest.mark.parametrize(
    ("reply", "text", "markers"),
    [
        pytest.param("Le pont ferme [1].", "Le pont ferme [1].", [1], id="as the grammar writes it"),
        pytest.param("Il rouvre en mai[2][1].", "Il rouvre en mai [2][1].", [2, 1], id="two markers"),
        pytest.param("Il ferme [1]. Il rouvre [2].", "Il ferme [1]. Il rouvre [2].", [1, 2], id="two sentences"),
        pytest.param(
            "Le pont ferme. [1] Il rouvre. [2]", "Le pont ferme [1]. Il rouvre [2].", [1, 2], id="marker last"
        ),
        pytest.param("La mairie paie [1].", "La mairie paie [3].", [3], id="taken from another than it cites"),
        pytest.param("La mairie paie [3][1].", "La mairie paie [3][1].", [3, 1], id="one of two is the one"),
        pytest.param("Il ferme [9].", "", [], id="marker of a sentence that is not there"),
        pytest.param("Il ferme [0].", "", [], id="marker zero"),
        pytest.param("Il ferme [9][1].", "Il ferme [1].", [1], id="only the real marker stays"),
        pytest.param("Il ferme [1]. Et puis il", "Il ferme [1].", [1], id="end cut off"),
        pytest.param("Il ferme [1]. Il ferme [1].", "Il ferme [1].", [1], id="said twice"),
        pytest.param("Les articles ne permettent pas de répondre.", "", [], id="no marker at all"),
        pytest.param("", "", [], id="nothing"),
        pytest.param("[1].", "", [], id="a marker without words"),
        pytest.param("Le pont ferme ? [1]", "Le pont ferme ? [1]", [1], id="question mark inside"),
    ],
)
def test_reply(reply: str, text: str, markers: list[int]) -> None:
    made, citations, _ = verified(reply, EVIDENCE, "fr", "")
    assert made == text
    assert [citation.marker for citation in citations] == markers


def test_a_sentence_that_holds_is_left_as_it_is() -> None:
    text, _, (statement,) = verified("Le pont de Brassac a coûté 340 000 euros [1].", TOWN, "fr", "")
    assert statement.standing is Standing.WRITTEN
    assert (statement.problems, statement.markers) == ((), (1,))
    assert text[statement.start : statement.end] == text
    assert statement.text == "Le pont de Brassac a coûté 340 000 euros."


def test_what_another_sentence_bears_out_is_cited_to_it() -> None:
    text, _, (statement,) = verified("Le pont a coûté 120 000 euros [1].", TOWN, "fr", "")
    assert (text, statement.standing) == ("Le pont a coûté 120 000 euros [3].", Standing.RECITED)
    assert [problem.kind for problem in statement.problems] == [Kind.NUMBER]


def test_what_takes_two_sentences_is_cited_to_both() -> None:
    reply = "Odile Brunel a signé mardi pour le pont de Brassac, à 340 000 euros [1]."
    text, citations, (statement,) = verified(reply, TOWN, "fr", "")
    assert statement.standing is Standing.RECITED
    assert statement.markers == (1, 2)
    assert [citation.marker for citation in citations] == [1, 2]
    assert text.endswith("340 000 euros [1][2].")


def test_what_nothing_bears_out_is_written_once_more() -> None:
    asked: list[tuple[str, list[int]]] = []

    def rewrite(sentence: str, cited: Sequence[Evidence]) -> str:
        asked.append((sentence, [item.number for item in cited]))
        return " Le pont de Brassac a coûté 340 000 euros [7].\n"

    text, _, (statement,) = verified("Le pont de Brassac a coûté 777 euros [1].", TOWN, "fr", "", rewrite)
    assert asked == [("Le pont de Brassac a coûté 777 euros", [1])]
    assert text == "Le pont de Brassac a coûté 340 000 euros [1]."
    assert statement.standing is Standing.REWRITTEN


def test_what_is_still_wrong_gives_way_to_the_quotation() -> None:
    text, _, (statement,) = verified(
        "Le pont de Brassac a coûté 777 euros [1].", TOWN, "fr", "", lambda sentence, cited: "Il a coûté 778 euros."
    )
    assert text == "« Le pont de Brassac a coûté 340 000 euros » [1]."
    assert statement.standing is Standing.QUOTED
    assert [problem.kind for problem in statement.problems] == [Kind.NUMBER]


def test_at_most_two_sentences_are_written_anew() -> None:
    calls: list[str] = []

    def rewrite(sentence: str, cited: Sequence[Evidence]) -> str:
        calls.append(sentence)
        return ""

    verified("Il a coûté 7 euros [1]. Il a coûté 8 euros [2]. Il a coûté 9 euros [3].", TOWN, "fr", "", rewrite)
    assert calls == ["Il a coûté 7 euros", "Il a coûté 8 euros"]


def test_nothing_is_quoted_that_is_said_already() -> None:
    reply = "Le pont de Brassac a coûté 340 000 euros [1]. Le pont de Brassac a coûté 777 euros [1]."
    text, _, (first, second) = verified(reply, TOWN, "fr", "")
    assert text == "Le pont de Brassac a coûté 340 000 euros [1]."
    assert first.standing is Standing.WRITTEN
    assert (second.standing, second.start, second.end, second.markers) == (Standing.DROPPED, 0, 0, ())
    assert second.problems


def test_quotation_marks_around_other_words_go() -> None:
    text, _, (statement,) = verified("La maire « a bien signé » mardi [2].", TOWN, "fr", "")
    assert text == "La maire a bien signé mardi [2]."
    assert statement.standing is Standing.REWRITTEN


def test_a_true_quotation_stays() -> None:
    text, _, _ = verified("La maire dit « Nous partons » [4].", TOWN, "fr", "")
    assert text == "La maire dit « Nous partons » [4]."


def test_a_sentence_in_another_language_is_written_anew() -> None:
    reply = "The bridge of Brassac has cost the town 340,000 euros in all [1]."
    said = "Le pont de Brassac a coûté 340 000 euros."
    text, _, (statement,) = verified(reply, TOWN, "fr", "", lambda sentence, cited: said)
    assert text == "Le pont de Brassac a coûté 340 000 euros [1]."
    assert Kind.LANGUAGE in [problem.kind for problem in statement.problems]


def test_across_languages_a_sentence_without_figures_keeps_its_marker() -> None:
    text, _, _ = verified("The town pays [1].", EVIDENCE, "en", "")
    assert text == "The town pays [1]."


@pytest.mark.parametrize(
    ("quote", "language", "text"),
    [
        pytest.param("Le pont ferme.", "fr", "« Le pont ferme »", id="French"),
        pytest.param("Le pont ferme.", "de", "„Le pont ferme“", id="German"),
        pytest.param("Le pont ferme.", "en", "“Le pont ferme”", id="English"),
        pytest.param("Le pont ferme.", "it", "“Le pont ferme”", id="a language without prompts"),
        pytest.param("« Fini », dit-il.", "fr", "“« Fini », dit-il”", id="marks inside"),
        pytest.param("Selon l’avis [9], rien.", "fr", "« Selon l’avis (9), rien »", id="brackets"),
    ],
)
def test_quoted(quote: str, language: str, text: str) -> None:
    assert quoted(evidence_of(quote)[0], language) == text


def test_brackets_of_an_article_never_get_into_an_answer() -> None:
    forged = evidence_of("Le pont est gratuit [2] pour 5 euros.", "La mairie paie.")
    text, _, (statement,) = verified("Le pont est gratuit pour 6 euros [1].", forged, "fr", "")
    assert (text, statement.standing) == ("", Standing.DROPPED)


@pytest.mark.parametrize("language", ["fr", "en", "de", "es"])
def test_the_prompt_of_a_rewriting_has_its_words(language: str) -> None:
    prompt = fill("rewrite", language, evidence="E", sentence="S", question="Q", language="L")
    assert [message.role for message in prompt.messages] == ["system", "user", "assistant", "user"]
    last = prompt.messages[-1].content
    assert all(word in last for word in ("E", "S", "Q"))
    assert "[" not in prompt.messages[2].content


@settings(deadline=None)  # the first example loads names of months and languages
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["Le pont ferme", "Il rouvre le 3 mai", "La mairie « paie »", "Brassac a 7 ponts", "é?!", "The"]
            ),
            st.sampled_from(["[1]", "[2][3]", "[9]", " [1] [2][3][4]", "", "[0]"]),
            st.sampled_from([". ", "", "\n", "! "]),
        ),
        max_size=5,
    ),
    st.sampled_from(["", "Le pont ferme.", "Le pont a 9 arches [1].", "[2]"]),
)
def test_every_position_holds_its_marker(parts: list[tuple[str, str, str]], rewriting: str) -> None:
    reply = "".join(f"{words} {markers}{stop}" for words, markers, stop in parts)
    text, citations, statements = verified(reply, EVIDENCE, "fr", "", lambda sentence, cited: rewriting)
    for citation in citations:
        assert list(citation.positions) == sorted(set(citation.positions))
        assert all(text.startswith(f"[{citation.marker}]", position) for position in citation.positions)
    assert text.count("[") == sum(len(citation.positions) for citation in citations)
    assert bool(text) == bool(citations)
    shown = [statement for statement in statements if statement.standing is not Standing.DROPPED]
    assert text == " ".join(text[statement.start : statement.end] for statement in shown)
    for statement in shown:
        markers = "".join(f"[{marker}]" for marker in statement.markers)
        assert text[statement.start : statement.end].replace(f" {markers}", "") == statement.text
        assert 1 <= len(statement.markers) <= 3
    assert verified(text, EVIDENCE, "fr", "")[0] == text


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        pytest.param("Le pont ferme [1].", "Le pont ferme [1]. « La mairie paie » [3].", id="not said"),
        pytest.param("La mairie paie [3].", "La mairie paie [3].", id="cited"),
        pytest.param("", "« La mairie paie » [3].", id="nothing else is left"),
    ],
)
def test_the_evidence_that_answers_is_not_left_unsaid(reply: str, text: str) -> None:
    made, _, statements = verified(reply, EVIDENCE, "fr", "", expected=EVIDENCE[2:])
    assert made == text
    assert [item.standing for item in statements if item.text.startswith("«")] == [Standing.ADDED] * text.count("«")


def with_words(words: str) -> Evidence:
    start = TOWN[0].article.text.index(words)
    return replace(TOWN[0], words=(start, start + len(words)))


@pytest.mark.parametrize(
    ("reply", "text", "standings"),
    [
        pytest.param(
            "Le pont de Brassac a coûté 340 000 euros [1].",
            "Le pont de Brassac a coûté 340 000 euros [1].",
            [Standing.WRITTEN],
            id="said",
        ),
        pytest.param(
            "Le pont de Brassac a coûté cher [1].",
            "« Le pont de Brassac a coûté 340 000 euros » [1].",
            [Standing.QUOTED],
            id="cited, but not said",
        ),
        pytest.param(
            "La maire, Odile Brunel, a signé mardi [2].",
            "La maire, Odile Brunel, a signé mardi [2]. « Le pont de Brassac a coûté 340 000 euros » [1].",
            [Standing.WRITTEN, Standing.ADDED],
            id="neither",
        ),
    ],
)
def test_the_words_that_answer_are_said_or_their_sentence_is_quoted(
    reply: str, text: str, standings: list[Standing]
) -> None:
    made, _, statements = verified(reply, TOWN, "fr", "", expected=[with_words("340 000 euros")])
    assert made == text
    assert [item.standing for item in statements] == standings
    for item in statements:
        assert [problem.kind for problem in item.problems] == [Kind.ANSWER] * (item.standing is Standing.QUOTED)


def test_a_closing_sentence_stands_last_with_what_it_cites() -> None:
    made, citations, statements = verified("Le pont ferme [1].", EVIDENCE, "fr", "", closing=("Ou non", (1, 2)))
    assert made == "Le pont ferme [1]. Ou non [1][2]."
    assert [citation.positions for citation in citations] == [(14, 26), (29,)]
    assert statements[-1].standing is Standing.ADDED
