"""What the evidence does not bear out is found, and what it does is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.planted import row
from qa.check import Kind, Problem, misquoted, problems


def check(
    sentence: str,
    *evidence: str,
    language: str = "fr",
    article_language: str = "fr",
    title: str = "Le journal",
    question: str = "",
) -> list[Kind]:
    made = row(sentence, evidence, language, title, "2024-03-12", article_language=article_language)
    return [problem.kind for problem in problems(sentence, made.evidence, language, question)]


BRIDGE = "Le pont de Brassac, ouvert en 1931, porte 17 400 véhicules par jour."
MAYOR = "La maire, Mme Odile Brunel, n’a pas signé l’arrêté mardi."
COST = "Les travaux coûteront 3,2 millions d’euros à la ville, dont 40 % payés par la région."


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        pytest.param(BRIDGE, BRIDGE, id="a copy"),
        pytest.param("Le pont porte dix-sept mille quatre cents véhicules.", BRIDGE, id="number in words"),
        pytest.param("Les travaux coûteront 3 200 000 € à la ville.", COST, id="number in digits"),
        pytest.param("La maire n’a pas signé l’arrêté.", MAYOR, id="a negation kept"),
        pytest.param("L’arrêté n’a pas été signé par Odile Brunel.", MAYOR, id="turned round"),
        pytest.param("Le pont n’ouvrira qu’en mai.", "Le pont ouvrira en mai.", id="ne … que"),
        pytest.param("Le pont ouvrira en mai.", "Le pont n’ouvrira qu’en mai.", id="without ne … que"),
        pytest.param(
            "Le pont accueille non seulement les bus.", "Le pont accueille les bus et les vélos.", id="non seulement"
        ),
        pytest.param(
            "Il faut partir avant que l’eau ne monte.",
            "Il faut partir avant que l’eau monte.",
            id="ne that denies nothing",
        ),
        pytest.param(
            "Les habitants n’ont plus d’électricité.", "Les habitants sont privés d’électricité.", id="in other words"
        ),
        pytest.param(
            "L’école ne rouvrira pas et ses élèves sont à Brassac.",
            "L’école, où l’eau est montée, ne rouvrira pas : ses élèves sont à Brassac.",
            id="the other clause is affirmed",
        ),
        pytest.param(
            "La maire dit « ne pas vouloir » signer.", "La maire dit « ne pas vouloir » signer.", id="quotation"
        ),
        pytest.param(
            "D’après l’ONU, le pont est sûr.", "L’Organisation des Nations unies juge le pont sûr.", id="acronym"
        ),
        pytest.param("Les Brassacois aiment le pont.", "Les habitants de Brassac aiment le pont.", id="inhabitants"),
    ],
)
def test_supported(sentence: str, evidence: str) -> None:
    assert check(sentence, evidence) == []


@pytest.mark.parametrize(
    ("sentence", "evidence", "kind"),
    [
        pytest.param("Le pont de Brassac porte 14 700 véhicules par jour.", BRIDGE, Kind.NUMBER, id="number"),
        pytest.param("Le pont porte soixante-dix véhicules par jour.", BRIDGE, Kind.NUMBER, id="number in words"),
        pytest.param("Les travaux coûteront 3,2 milliards à la ville.", COST, Kind.NUMBER, id="a thousand times"),
        pytest.param(
            "La crue a détruit 64 logements.",
            "La crue a détruit 380 logements et 64 commerces.",
            Kind.NUMBER,
            id="of others",
        ),
        pytest.param("Le pont de Brassac est ouvert depuis 1913.", BRIDGE, Kind.DATE, id="year"),
        pytest.param("La maire n’a pas signé l’arrêté jeudi.", MAYOR, Kind.DATE, id="weekday"),
        pytest.param("Le pont de Corvézac porte 17 400 véhicules par jour.", BRIDGE, Kind.NAME, id="place"),
        pytest.param("La maire, Mme Odile Ferrand, n’a pas signé.", MAYOR, Kind.NAME, id="family name"),
        pytest.param("Corvézac a ouvert le pont en 1931.", BRIDGE, Kind.NAME, id="name at the beginning"),
        pytest.param("La L214 a ouvert le pont en 1931.", BRIDGE, Kind.NAME, id="name with digits"),
        pytest.param("La maire a signé l’arrêté mardi.", MAYOR, Kind.NEGATION, id="negation lost"),
        pytest.param("Le pont de Brassac n’a pas été ouvert en 1931.", BRIDGE, Kind.NEGATION, id="negation added"),
        pytest.param(
            "La suspension ne doit pas durer.",
            "La suspension doit durer deux semaines.",
            Kind.NEGATION,
            id="same word denied",
        ),
        pytest.param("Les pompiers ont éteint un feu de forêt.", BRIDGE, Kind.SUPPORT, id="something else"),
        pytest.param("La maire parle d’un « pont maudit » à Brassac.", BRIDGE, Kind.QUOTATION, id="never said"),
        pytest.param("The bridge of Brassac was opened to traffic in 1931.", BRIDGE, Kind.LANGUAGE, id="English"),
    ],
)
def test_unsupported(sentence: str, evidence: str, kind: Kind) -> None:
    assert kind in check(sentence, evidence)


@pytest.mark.parametrize(
    ("sentence", "language", "evidence", "article_language", "kinds"),
    [
        pytest.param(
            "Im Jahr 1931 wurde die Brücke von Brassac eröffnet.", "de", BRIDGE, "fr", [], id="German over French"
        ),
        pytest.param("The bridge carries 17,400 vehicles.", "en", BRIDGE, "fr", [], id="English number"),
        pytest.param(
            "The bridge carries 14,700 vehicles.", "en", BRIDGE, "fr", [Kind.NUMBER], id="wrong English number"
        ),
        pytest.param("Il vient de Londres.", "fr", "He comes from London.", "en", [], id="a city in two languages"),
        pytest.param(
            "Elle vit en Allemagne.", "fr", "She lives in Germany.", "en", [], id="a country in two languages"
        ),
        pytest.param(
            "Elle vit avec Karim Bellec.", "fr", "She lives with Odile Brunel.", "en", [Kind.NAME], id="another person"
        ),
        pytest.param(
            "Der Vertrag gilt nicht.", "de", "Le contrat est valable.", "fr", [Kind.NEGATION], id="denied in German"
        ),
        pytest.param("El alcalde no firmó.", "es", "Le maire n’a pas signé.", "fr", [], id="both deny"),
        pytest.param("It did not open until May.", "en", "Il n’a ouvert qu’en mai.", "fr", [], id="not until"),
        pytest.param(
            "El puente no abrió.", "es", "El puente abrió en mayo.", "es", [Kind.NEGATION], id="denied in Spanish"
        ),
        pytest.param("Der Ofen brennt nicht.", "de", "Der Ofen brennt.", "de", [Kind.NEGATION], id="within German"),
        pytest.param("The ferry never ran.", "en", "The ferry ran.", "en", [Kind.NEGATION], id="within English"),
        pytest.param("The ferry carries not only cars.", "en", "The ferry carries cars.", "en", [], id="not only"),
    ],
)
def test_other_languages(sentence: str, language: str, evidence: str, article_language: str, kinds: list[Kind]) -> None:
    assert check(sentence, evidence, language=language, article_language=article_language) == kinds


def test_title_and_question_hold_names_but_the_question_no_number() -> None:
    assert check("Le pont de Brassac ferme.", "Le pont ferme.", title="Brassac en travaux") == []
    assert check("Le pont de Brassac ferme.", "Le pont ferme.", question="Le pont de Brassac ferme-t-il ?") == []
    assert check("Les 61 arbres sont coupés.", "Les arbres sont coupés.", question="Pourquoi 61 arbres ?") == [
        Kind.NUMBER
    ]


def test_words_are_those_of_the_sentence() -> None:
    sentence = "Le pont de Brassac porte 14 700 véhicules par jour."
    made = row(sentence, [BRIDGE], "fr", article_language="fr")
    assert problems(sentence, made.evidence, "fr") == (Problem(Kind.NUMBER, "14 700"),)


@pytest.mark.parametrize(
    ("sentence", "quote", "wrong"),
    [
        pytest.param("Il dit : « C’est fini. »", "« C'est fini ! », dit-il.", [], id="apostrophe and stop"),
        pytest.param("Il dit “c’est  fini”.", "C’est fini, dit-il.", [], id="spaces and capital"),
        pytest.param('Il dit "tout va bien".', "Tout va mal.", ["tout va bien"], id="another word"),
        pytest.param("Il dit « fin", "La fin vient.", [], id="left open"),
        pytest.param("Il parle de « pont ».", "Les pontons sont là.", ["pont"], id="half a word"),
        pytest.param("Er sagt: „Alles gut“.", "„Alles gut“, sagt er.", [], id="German marks"),
    ],
)
def test_quotations(sentence: str, quote: str, wrong: list[str]) -> None:
    assert misquoted(sentence, [quote]) == wrong


@settings(deadline=None)  # the first example loads names of months and languages
@given(st.text(max_size=80), st.sampled_from(["fr", "en", "de", "es", "it"]))
def test_any_text_can_be_checked(text: str, language: str) -> None:
    problems(text, row(text, [BRIDGE], language, article_language="fr").evidence, language)


@settings(deadline=None)  # the first example loads names of months and languages
@given(st.lists(st.sampled_from([BRIDGE, MAYOR, COST]), min_size=1, max_size=3, unique=True), st.data())
def test_a_copy_of_cited_evidence_is_always_right(evidence: list[str], data: st.DataObject) -> None:
    assert check(data.draw(st.sampled_from(evidence)), *evidence) == []
