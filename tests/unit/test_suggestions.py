"""A question is shown only if the archive answers it from its article; nothing is tried twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import Reply, ScriptedModel, WordEmbedder, WordReader

from index.articles import Article, Draft, make_article
from index.rebuild import update
from qa.answer import Assistant
from qa.prompt import Prompt, fill
from qa.suggestions import FILE_NAME, MOST, Interrupted, Suggestion, Suggestions, suggest
from settings import Settings, load_settings

BRIDGE = make_article(
    Draft(
        "Le pont de Brassac ferme pour un an",
        "La mairie ferme lundi le pont de Corvézac. Elle paie 340 000 euros de travaux à cause de la crue.",
        language="fr",
    )
)
SCHOOL = make_article(
    Draft(
        "School opens a class",
        "The Brassac school opens a new class on Monday. Forty pupils of Brassac will be welcomed there.",
        language="en",
    )
)
PAID = "Combien la mairie de Brassac paie de travaux à cause de la crue ?"
PUPILS = "How many pupils of Brassac will be welcomed there?"

Replies = Reply | Callable[[Prompt], Reply]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    rows = [{"title": one.title, "text": one.text, "language": one.language} for one in (BRIDGE, SCHOOL)]
    (tmp_path / "articles.json").write_text(json.dumps(rows), encoding="utf-8")
    update(tmp_path / "home", [tmp_path / "articles.json"], WordEmbedder(), passage_tokens=64)
    return load_settings(tmp_path / "home")


def parts(settings: Settings, *replies: Replies) -> tuple[Assistant, ScriptedModel]:
    model = ScriptedModel(*replies)
    return Assistant(settings, WordEmbedder(), WordReader(), model), model


def written(prompt: Prompt) -> str:
    return PAID if "340 000" in prompt.messages[-1].content else PUPILS


def test_a_question_that_leads_back_to_its_article(settings: Settings) -> None:
    assistant, model = parts(settings, PAID)
    assert suggest(BRIDGE, assistant, model) == Suggestion(PAID, BRIDGE.id, "fr")
    last = model.prompts[0].messages[-1].content
    assert "Réponse : 340 000 euros\n" in last
    assert last.endswith("Noms : Brassac")
    assert len(model.prompts) == 1  # no answer was written


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(
            "Combien paie Brassac de travaux à cause de la crue du stade olympique ?", id="about something else"
        ),
        pytest.param("Quand la mairie de Brassac ferme le pont ?", id="answered by another sentence"),
        pytest.param("How much does the town of Brassac pay for the works?", id="another language"),
        pytest.param("Combien paie Brassac pour <b>la crue</b> et les travaux ?", id="markup"),
        pytest.param("Combien paie Brassac pour la crue selon www.crue.example/travaux ?", id="link"),
        pytest.param(f"Combien paie la mairie de Brassac {'à cause de la crue ' * 5}?", id="too long"),
        pytest.param("Combien la mairie de Brassac paie de travaux à cause de la crue", id="no question mark"),
        pytest.param("Combien la mairie de Brassac paie ? 340 000 euros ?", id="two questions"),
        pytest.param("Combien la mairie paie de travaux à cause de la crue ?", id="no name"),
        pytest.param("Combien Corvézac paie de travaux à cause de la crue ?", id="a name from elsewhere"),
        pytest.param("Combien paie-t-elle de travaux à Brassac à cause de la crue ?", id="leans on the article"),
        pytest.param("Pourquoi la mairie de Brassac paie 340 000 euros de travaux ?", id="holds the answer"),
        pytest.param("Combien paie Brassac de travaux à cause de la crue lundi ?", id="weekday"),
        pytest.param("Combien de bateaux la mairie de Brassac paie à cause de la crue ?", id="counts something else"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_question_that_is_not_shown(settings: Settings, question: str) -> None:
    assistant, model = parts(settings, question)
    assert suggest(BRIDGE, assistant, model, sure=0.0) is None
    assert len(model.prompts) == 1


def test_a_copy_of_the_title_is_not_shown(settings: Settings) -> None:
    title = "Combien la mairie de Brassac paie à cause de la crue"
    assistant, model = parts(settings, PAID)
    assert suggest(replace(BRIDGE, title=title), assistant, model) is None


def test_an_article_whose_language_is_told_wrongly_gives_none(settings: Settings) -> None:
    assistant, model = parts(settings, PUPILS)
    assert suggest(SCHOOL, assistant, model, sure=0.0)
    assert suggest(replace(SCHOOL, language="fr"), assistant, model, sure=0.0) is None
    assert len(model.prompts) > 1


def test_too_little_confidence_is_not_shown(settings: Settings) -> None:
    assistant, model = parts(settings, PAID)
    assert suggest(BRIDGE, assistant, model, sure=1.0) is None


def test_what_another_article_answers_is_not_shown(settings: Settings) -> None:
    assistant, model = parts(settings, PAID)
    twin = make_article(Draft("Un autre titre sur Brassac", BRIDGE.text, language="fr"))
    assert suggest(twin, assistant, model) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("Il ne se passe vraiment pas grand-chose, et tout reste calme.", id="nothing to ask for"),
        pytest.param("« Nous avons compté 340 000 euros dans la caisse de Brassac », dit-il.", id="quotation"),
        pytest.param("Personne ne sait pourquoi le chantier a coûté 340 000 euros.", id="no name"),
        pytest.param("Le code <script>alert(1)</script> coûte 340 000 euros à Brassac.", id="markup"),
    ],
)
def test_the_model_is_not_asked_about_what_gives_no_question(settings: Settings, text: str) -> None:
    assistant, model = parts(settings, PAID)
    assert suggest(make_article(Draft("Titre", text, language="fr")), assistant, model) is None
    assert model.prompts == []


def test_an_article_that_does_not_fit_the_context_gives_none(settings: Settings) -> None:
    model = ScriptedModel(PAID, context_tokens=100)
    assert suggest(BRIDGE, Assistant(settings, WordEmbedder(), WordReader(), model), model) is None


def test_what_was_begun_is_given_up_when_somebody_asks(settings: Settings) -> None:
    assistant, model = parts(settings, PAID)
    with pytest.raises(Interrupted):
        suggest(BRIDGE, assistant, model, interrupted=lambda: True)
    assert model.closed == 1


def test_nothing_is_made_twice(settings: Settings) -> None:
    assistant, model = parts(settings, written)
    made = Suggestions(settings, assistant, model)
    assert made.ready([BRIDGE, SCHOOL]) == []
    made.make([BRIDGE, SCHOOL], threading.Event())
    both = [Suggestion(PAID, BRIDGE.id, "fr"), Suggestion(PUPILS, SCHOOL.id, "en")]
    assert made.ready([BRIDGE, SCHOOL]) == both
    assert made.ready([SCHOOL, BRIDGE]) == both[::-1]
    assert made.ready([BRIDGE, SCHOOL], "en") == both[1:]
    assert made.ready([SCHOOL]) == both[1:]
    assert model.prompts[-1].messages[0] == fill("answer", "fr", question="", evidence="").messages[0]  # warm again
    asked = len(model.prompts)
    made.make([BRIDGE, SCHOOL], threading.Event())
    again = Suggestions(settings, assistant, model)
    again.make([BRIDGE, SCHOOL], threading.Event())
    assert again.ready([BRIDGE, SCHOOL]) == both
    assert len(model.prompts) == asked


def test_what_gave_no_question_is_not_tried_again(settings: Settings) -> None:
    assistant, model = parts(settings, "")
    Suggestions(settings, assistant, model).make([BRIDGE], threading.Event())
    asked = len(model.prompts)
    again = Suggestions(settings, assistant, model)
    again.make([BRIDGE], threading.Event())
    assert again.ready([BRIDGE]) == []
    assert len(model.prompts) == asked


def test_another_model_makes_its_own(settings: Settings) -> None:
    assistant, model = parts(settings, written)
    Suggestions(settings, assistant, model).make([BRIDGE], threading.Event())
    other = Suggestions(settings.model_copy(update={"answering_model": "another"}), assistant, model)
    assert other.ready([BRIDGE]) == []
    other.make([BRIDGE], threading.Event())
    assert other.ready([BRIDGE]) == Suggestions(settings, assistant, model).ready([BRIDGE]) != []


def test_of_a_removed_article_nothing_stays(settings: Settings) -> None:
    assistant, model = parts(settings, written)
    made = Suggestions(settings, assistant, model)
    made.make([BRIDGE, SCHOOL], threading.Event())
    made.make([SCHOOL], threading.Event())
    assert BRIDGE.id not in (settings.home / FILE_NAME).read_text(encoding="utf-8")
    assert made.ready([BRIDGE]) == []


def test_one_question_is_shown_once(settings: Settings) -> None:
    assistant, model = parts(settings, PAID)
    made = Suggestions(settings, assistant, model)
    made.make([BRIDGE], threading.Event())
    assert len(made.ready([BRIDGE, BRIDGE])) == 1


@pytest.mark.parametrize("content", ["", "{", "[1]", '[{"article": "a"}]', "{}", "null", '{"a": 1}', "\udcff"])
def test_a_damaged_file_is_empty(settings: Settings, content: str) -> None:
    (settings.home / FILE_NAME).write_bytes(content.encode("utf-8", "surrogateescape"))
    assistant, model = parts(settings, written)
    made = Suggestions(settings, assistant, model)
    assert made.ready([BRIDGE]) == []
    made.make([BRIDGE], threading.Event())
    assert Suggestions(settings, assistant, model).ready([BRIDGE]) == made.ready([BRIDGE]) != []


def test_a_home_that_cannot_be_written_costs_only_the_file(settings: Settings) -> None:
    (settings.home / FILE_NAME).mkdir()
    assistant, model = parts(settings, written)
    made = Suggestions(settings, assistant, model)
    made.make([BRIDGE], threading.Event())
    assert made.ready([BRIDGE])


def test_it_stops_between_two(settings: Settings) -> None:
    stop = threading.Event()

    def last(prompt: Prompt) -> Reply:
        stop.set()
        return written(prompt)

    assistant, model = parts(settings, written, last)
    made = Suggestions(settings, assistant, model)
    made.make([BRIDGE, SCHOOL], stop)
    assert made.ready([BRIDGE, SCHOOL]) == [Suggestion(PAID, BRIDGE.id, "fr")]
    made.make([BRIDGE, SCHOOL], stop)
    assert len(model.prompts) == 2
    made.make([BRIDGE, SCHOOL], threading.Event())
    assert len(made.ready([BRIDGE, SCHOOL])) == 2


def test_it_waits_while_somebody_asks(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qa.suggestions._PAUSE", 0.001)
    asking = iter([True, True, False, False, True])  # the last while the question is written

    assistant, model = parts(settings, written)
    made = Suggestions(settings, assistant, model, busy=lambda: next(asking, False))
    made.make([BRIDGE], threading.Event())
    assert made.ready([BRIDGE]) == [Suggestion(PAID, BRIDGE.id, "fr")]
    assert model.closed == 1


def test_the_file_is_bounded(settings: Settings) -> None:
    assistant, model = parts(settings, written)
    many = [make_article(Draft(f"Titre {number}", "Rien.", language="fr")) for number in range(MOST + 10)]
    for name in ("one", "two"):
        made = Suggestions(settings.model_copy(update={"answering_model": name}), assistant, model)
        made.make([BRIDGE, *many], threading.Event())
        assert len(json.loads((settings.home / FILE_NAME).read_text(encoding="utf-8"))) == MOST
        assert made.ready([BRIDGE])


def test_an_article_without_a_language_is_asked_about_in_its_own(settings: Settings) -> None:
    bare = Article(BRIDGE.id, BRIDGE.title, BRIDGE.text)
    assistant, model = parts(settings, PAID)
    assert suggest(bare, assistant, model) == Suggestion(PAID, BRIDGE.id, "fr")
