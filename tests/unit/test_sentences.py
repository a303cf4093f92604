"""Sentence boundaries, French first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.articles import clean
from index.sentences import split

# What sentences are made of, and what misleads: drawn from this, texts are nearly French.
WORDS = "Le suspect a été arrêté en 2024 M MM Mme A.F.P. U.S. z.B. art p n° 3 3. 3,5 1.5 Mai Elle 東京 e\u0301 👩‍🚒"
MARKS = ". . . ? ! … « » \" ( ) – • - · * : ; , ' ’ 。"
PARTS = st.sampled_from([*WORDS.split(), *MARKS.split(), *(" ", " ", " ", "\n", "\n\n", "\u00a0")])
TEXTS = st.lists(PARTS, max_size=30).map("".join) | st.text(max_size=40)


def sentences(text: str, language: str | None = "fr") -> list[str]:
    return [text[sentence.start : sentence.end] for sentence in split(text, language)]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        pytest.param("fr", ["Le suspect a été arrêté.", "Il sera jugé."], id="participle"),
        pytest.param("fr", ["La ville a grandi en 2024.", "Elle compte 3 000 habitants."], id="year"),
        pytest.param("fr", ["La crue a duré 3 jours en 2023.", "2024 fut plus calme."], id="year, then year"),
        pytest.param("fr", ["M. Dupont a parlé.", "Puis M. Roux."], id="M."),
        pytest.param("fr", ["MM. Dupont et Roux ont parlé.", "Ils sont partis."], id="MM."),
        pytest.param("fr", ["Mme Martin est venue.", "Mme. Roux aussi."], id="Mme"),
        pytest.param("fr", ["Le Dr. Roux et Me. Petit plaident.", "La cour écoute."], id="Dr. and Me."),
        pytest.param("fr", ["Selon l'A.F.P. le maire part.", "Il reviendra."], id="A.F.P."),
        pytest.param("fr", ["L’art. 3 est voté.", "L'art. 4 et la p. 12 aussi."], id="art. and p."),
        pytest.param("fr", ["« Je pars. Je reviens », a-t-il dit.", "Il part."], id="quotation inside"),
        pytest.param("fr", ["Il a dit : « Je pars. »", "Elle est restée."], id="quotation at the end"),
        pytest.param("fr", ["Le taux atteint 3.5 %.", "Il était de 3,2 %."], id="decimals"),
        pytest.param("fr", ["Vraiment ?", "Oui !", "Il hésite… puis part."], id="? ! …"),
        pytest.param("fr", ["Non.", "Non.", "Non."], id="repetitive"),
        pytest.param("de", ["Am 3. Mai 2024 kam er.", "Dann ging er."], id="German day"),
        pytest.param("de", ["Viele Städte, z.B. Berlin, wachsen.", "Andere, z. B. Bonn, nicht."], id="z.B."),
        pytest.param("en", ["Mr. Smith paid $3.5 million.", "The U.S. Senate voted."], id="English"),
        pytest.param(None, ["Une phrase.", "Deux phrases."], id="no language"),
        pytest.param("xx", ["Une phrase.", "Deux phrases."], id="unknown language"),
    ],
)
def test_split(language: str | None, expected: list[str]) -> None:
    assert sentences(" ".join(expected), language) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("La crue\n\nLe pont cède. Il tombe.", ["La crue", "Le pont cède.", "Il tombe."], id="heading"),
        pytest.param("• Le pont\n- La gare\n* Le lac.", ["Le pont", "La gare", "Le lac."], id="bullets"),
        pytest.param("— Bonjour, dit-il. Ça va ?", ["Bonjour, dit-il.", "Ça va ?"], id="dialogue"),
        pytest.param("Le pont cède.\n\n* * *\n\nIl tombe.", ["Le pont cède.", "Il tombe."], id="ornament"),
        pytest.param("", [], id="empty"),
        pytest.param("…\n•", [], id="no word"),
    ],
)
def test_lines_and_bullets(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@settings(max_examples=150)
@given(TEXTS, st.sampled_from(["fr", "de", "en", "ja", None]))
def test_every_word_lies_in_exactly_one_sentence(text: str, language: str | None) -> None:
    for given_text in (text, clean(text)):
        found = split(given_text, language)
        end = 0
        for sentence in found:
            assert end <= sentence.start < sentence.end <= len(given_text)
            assert not any(character.isalnum() for character in given_text[end : sentence.start])
            inside = given_text[sentence.start : sentence.end]
            assert inside == inside.strip()
            assert "\n" not in inside
            end = sentence.end
        assert not any(character.isalnum() for character in given_text[end:])
