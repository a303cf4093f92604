"""The whole path with a fake embedder and a scripted model: order of events, citations, refusals, threads."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from fakes import ScriptedModel, WordEmbedder, WordReader
from hypothesis import given
from hypothesis import strategies as st

from errors import NoArchiveError, QuestionError
from index.rebuild import update
from qa import Answer, Assistant, EvidenceFound, PartialAnswer
from qa.verify import Standing
from settings import Settings, load_settings

BRIDGE = {
    "title": "Le pont de Brassac ferme",
    "text": "Le pont de Brassac ferme lundi. La mairie paie 340 000 euros de travaux. Le chantier dure six mois.",
    "source": "Le Courrier",
    "url": "https://courrier.example/pont",
    "published": date(2024, 3, 2),
    "language": "fr",
}
SCHOOL = {
    "title": "L'école de Brassac ouvre une classe",
    "text": "L'école de Brassac ouvre une classe en septembre. Elle accueille vingt élèves.",
    "source": "La Dépêche",
    "published": date(2023, 9, 1),
    "language": "fr",
}
QUESTION = "Combien la mairie paie-t-elle pour les travaux du pont ?"
OTHERS = [{**SCHOOL, "title": f"École {number}", "text": f"La mairie {number} ouvre."} for number in range(4)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path, refuse_below=0.0)


def final(events: Iterator[Any]) -> Answer:
    *_, last = events
    assert isinstance(last, Answer)
    return last


def cites_the_sentence_with(words: str) -> Any:
    """Return a reply that cites whichever sentence of the prompt holds the words."""

    def reply(prompt: Any) -> str:
        lines = prompt.messages[-1].content.splitlines()
        number = next(line.split("]")[0][1:] for line in lines if line.startswith("[") and words in line)
        return f"La mairie paie 340 000 euros [{number}]."

    return reply


def test_evidence_comes_first_then_growing_text_then_the_answer(settings: Settings) -> None:
    assistant = Assistant(settings, WordEmbedder(), WordReader(), ScriptedModel(cites_the_sentence_with("340 000")))
    first, *growing, last = assistant.stream(QUESTION, articles=[BRIDGE, SCHOOL])
    assert isinstance(first, EvidenceFound)
    assert isinstance(last, Answer)
    texts = [event.text for event in growing if isinstance(event, PartialAnswer)]
    assert len(texts) == len(growing) > 1
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    (citation,) = last.citations
    assert citation.evidence.quote == "La mairie paie 340 000 euros de travaux."
    assert citation.evidence in first.evidence
    assert last.text[citation.positions[0] :].startswith(f"[{citation.marker}]")
    assert not last.refused
    assert last.language == "fr"
    assert 0 <= last.confidence <= 1


def test_json_names_article_and_offsets(settings: Settings) -> None:
    assistant = Assistant(settings, WordEmbedder(), WordReader(), ScriptedModel(cites_the_sentence_with("340 000")))
    made = final(assistant.stream(QUESTION, articles=[BRIDGE]))
    plain = json.loads(json.dumps(made.as_json()))
    assert set(plain) == {
        "question", "answer", "short", "statements", "refused", "confidence", "language", "citations", "evidence",
        "nearest", "timings",
    }  # fmt: skip
    (citation,) = plain["citations"]
    assert citation["published"] == "2024-03-02"
    assert citation["url"] == BRIDGE["url"]
    assert str(BRIDGE["text"])[citation["start"] : citation["end"]] == citation["quote"]
    assert plain["short"] == "340 000"
    (statement,) = plain["statements"]
    assert statement["markers"] == [citation["marker"]]
    assert statement["standing"] == "written"
    assert plain["answer"][statement["start"] : statement["end"]] == plain["answer"]
    assert {item["quote"] for item in plain["evidence"]} >= {citation["quote"]}


def test_where_nothing_that_was_written_holds_the_evidence_itself_is_quoted(settings: Settings) -> None:
    model = ScriptedModel("Les articles ne permettent pas de répondre.")
    made = final(Assistant(settings, WordEmbedder(), WordReader(), model).stream(QUESTION, articles=[BRIDGE, SCHOOL]))
    assert not made.refused
    best = max(made.evidence, key=lambda item: item.score)
    assert made.text == f"« {best.quote.rstrip('.')} » [{best.number}]."
    assert [statement.standing for statement in made.statements] == [Standing.ADDED]


def test_too_little_confidence_refuses_without_asking_the_model(settings: Settings) -> None:
    model = ScriptedModel()
    strict = settings.model_copy(update={"refuse_below": 1.0})
    made = final(
        Assistant(strict, WordEmbedder(), WordReader(), model).stream("Wer ist der Trainer?", articles=[BRIDGE])
    )
    assert made.refused
    assert made.language == "de"
    assert made.text == "Die Artikel beantworten diese Frage nicht."
    assert model.prompts == []


def test_nothing_within_the_filter_refuses(settings: Settings) -> None:
    assistant = Assistant(settings, WordEmbedder(), WordReader(), ScriptedModel())
    made = final(assistant.stream(QUESTION, articles=[BRIDGE], published_after="2030-01-01"))
    assert made.refused
    assert made.nearest == ()
    assert made.confidence == 0


def test_filters_reach_the_search(settings: Settings) -> None:
    assistant = Assistant(settings, WordEmbedder(), WordReader(), ScriptedModel("Refus."))
    for options in ({"sources": ["La Dépêche"]}, {"published_before": date(2023, 12, 31)}):
        made = final(assistant.stream(QUESTION, articles=[BRIDGE, SCHOOL], **options))
        assert {hit.article.title for hit in made.nearest} == {SCHOOL["title"]}


@pytest.mark.parametrize(
    ("question", "options", "said"),
    [
        pytest.param("  ?! ", {}, "empty", id="empty"),
        pytest.param("a" * 1001, {}, "1001 characters", id="too long"),
        pytest.param(QUESTION, {"published_after": "hier"}, "'hier' is not a date", id="bad date"),
        pytest.param(QUESTION, {"articles": [{"titre": "x"}]}, "wrong fields", id="bad article"),
    ],
)
def test_a_bad_question_is_one_line(settings: Settings, question: str, options: Any, said: str) -> None:
    assistant = Assistant(settings, WordEmbedder(), WordReader(), ScriptedModel())
    with pytest.raises(QuestionError, match=said) as caught:
        final(assistant.stream(question, **{"articles": [BRIDGE], **options}))
    assert "\n" not in str(caught.value)


def test_no_archive_is_said(settings: Settings) -> None:
    with pytest.raises(NoArchiveError, match="sourcier index"):
        final(Assistant(settings, WordEmbedder(), WordReader(), ScriptedModel()).stream(QUESTION))


def test_a_rebuild_is_seen_by_the_next_question(settings: Settings, tmp_path: Path) -> None:
    embedder = WordEmbedder()
    assistant = Assistant(settings, embedder, WordReader(), ScriptedModel("Refus."))
    for name, article in (("pont", BRIDGE), ("ecole", SCHOOL)):
        file = tmp_path / f"{name}.txt"
        file.write_text(f"{article['title']}\n\n{article['text']}", encoding="utf-8")
        update(settings.home, [file], embedder, passage_tokens=50)
        made = final(assistant.stream("Que dit Brassac ?"))
        assert article["title"] in {hit.article.title for hit in made.nearest}


def test_one_assistant_serves_many_threads(settings: Settings) -> None:
    assistant = Assistant(settings, WordEmbedder(), WordReader(), ScriptedModel(cites_the_sentence_with("340 000")))
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: final(assistant.stream(QUESTION, articles=[BRIDGE])), range(8)))
    assert len({answer.text for answer in made}) == 1
    assert all(len(answer.citations) == 1 for answer in made)


@given(sizes=st.lists(st.integers(1, 7), min_size=1, max_size=40))
def test_any_split_of_a_reply_gives_the_same_answer(sizes: list[int]) -> None:
    settings = load_settings("/nonexistent", refuse_below=0.0)
    reply = "La mairie paie 340 000 euros [2]. La mairie paie les travaux [2]."
    pieces, rest = [], reply
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    assistant = Assistant(settings, WordEmbedder(), WordReader(), ScriptedModel([*pieces, rest]))
    made = final(assistant.stream(QUESTION, articles=[BRIDGE]))
    assert made.text == reply
    assert [citation.positions for citation in made.citations] == [(29, 61)]


@pytest.fixture
def archive(settings: Settings, tmp_path: Path) -> Any:
    """Index articles in the home of the settings; called again, others in their place."""

    def index(*articles: dict[str, Any]) -> None:
        rows = tmp_path / "articles.jsonl"
        rows.write_text("".join(json.dumps(article, default=str) + "\n" for article in articles), encoding="utf-8")
        update(settings.home, [rows], WordEmbedder(), passage_tokens=64, rebuild=True)

    index(BRIDGE, SCHOOL)
    return index


def test_the_same_question_again_is_answered_from_what_was_kept(settings: Settings, archive: Any) -> None:
    model = ScriptedModel(cites_the_sentence_with("340 000"))
    assistant = Assistant(settings, WordEmbedder(), WordReader(), model)
    first = final(assistant.stream(QUESTION))
    found, written, again = assistant.stream(f" {QUESTION} ", sources=[])
    assert len(model.prompts) == 1
    assert isinstance(found, EvidenceFound)
    assert isinstance(written, PartialAnswer)
    assert isinstance(again, Answer)
    assert (found.evidence, written.text) == (first.evidence, first.text)
    assert again.as_json() | {"timings": None} == first.as_json() | {"timings": None}
    assert again.timings.total < 0.5
    assistant.forget()
    final(assistant.stream(QUESTION))
    assert len(model.prompts) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"sources": ["Le Courrier"]},
        {"published_after": "2020-01-01"},
        {"leave_out": ["x"]},
        {"history": [("Qui ?", "La mairie.")]},
        {"articles": [BRIDGE]},
    ],
)
def test_what_is_asked_otherwise_is_answered_anew(settings: Settings, archive: Any, other: dict[str, Any]) -> None:
    model = ScriptedModel(cites_the_sentence_with("340 000"))
    assistant = Assistant(settings, WordEmbedder(), WordReader(), model)
    final(assistant.stream(QUESTION))
    final(assistant.stream(QUESTION, **other))
    assert len(model.prompts) == 2


def test_a_change_of_the_index_drops_what_was_kept(settings: Settings, archive: Any) -> None:
    model = ScriptedModel(cites_the_sentence_with("000 euros"))
    assistant = Assistant(settings, WordEmbedder(), WordReader(), model)
    assert "340 000" in final(assistant.stream(QUESTION)).text
    archive({**BRIDGE, "text": BRIDGE["text"].replace("340 000", "430 000")}, SCHOOL)  # type: ignore[attr-defined]
    corrected = final(assistant.stream(QUESTION))
    assert "430 000" in corrected.citations[0].evidence.quote
    assert len(model.prompts) > 1


def test_what_is_not_heard_to_its_end_and_what_may_not_be_is_not_kept(settings: Settings, archive: Any) -> None:
    model = ScriptedModel(cites_the_sentence_with("340 000"))
    assistant = Assistant(settings, WordEmbedder(), WordReader(), model)
    events = assistant.stream(QUESTION)
    next(events), next(events)
    events.close()  # type: ignore[attr-defined]
    final(assistant.stream(QUESTION))
    assert len(model.prompts) == 2
    none = Assistant(settings.model_copy(update={"answers_kept": 0}), WordEmbedder(), WordReader(), model)
    for _ in range(2):
        final(none.stream(QUESTION))
    assert len(model.prompts) == 4


def test_readers_see_the_numbers_of_the_evidence(settings: Settings) -> None:
    def quotes_the_last(prompt: Any) -> str:
        number, words = re.findall(r"^\[(\d+)\] (.+)\.$", prompt.messages[-1].content, re.MULTILINE)[-1]
        return f"{words} [{number}]."

    assistant = Assistant(settings, WordEmbedder(), WordReader(), ScriptedModel(quotes_the_last))
    for question in ("Combien de mois dure le chantier ?", QUESTION, "Combien d'élèves accueille l'école ?", QUESTION):
        *growing, last = assistant.stream(question, articles=[BRIDGE, SCHOOL])
        assert isinstance(last, Answer)
        quotes = {item.number: item.quote for item in last.evidence}
        shown = [event.text for event in growing if isinstance(event, PartialAnswer)][-1]
        words, number = re.fullmatch(r"(.+) \[(\d+)\]\.", shown).groups()  # type: ignore[union-attr]
        assert quotes[int(number)] == f"{words}."


def test_evidence_of_the_likeliest_passages_comes_before_that_of_all(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_at_once: list[int] = []

    class Counting(WordReader):
        def read(self, question: str, passages: Any) -> Any:
            read_at_once.append(len(passages))
            return super().read(question, passages)

    assistant = Assistant(settings, WordEmbedder(), Counting(), ScriptedModel(cites_the_sentence_with("340 000")))
    monkeypatch.setattr(import_module("qa.answer"), "_SURE", 1.1)
    early, late, *_, last = assistant.stream(QUESTION, articles=[BRIDGE, *OTHERS])
    assert isinstance(early, EvidenceFound)
    assert isinstance(late, EvidenceFound)
    assert isinstance(last, Answer)
    assert (early.whole, late.whole) == (False, True)
    assert (early.enough, late.enough) == (False, True)
    assert early.nearest == late.nearest == last.nearest
    assert late.evidence == last.evidence
    assert len(early.nearest) == sum(read_at_once)  # none twice
    assert read_at_once[0] == 3
    assert last.timings.evidence <= last.timings.evidence_whole <= last.timings.first_word  # type: ignore[operator]


def test_where_the_likeliest_passages_are_enough_the_others_are_read_behind_the_writing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("qa.answer"), "_SURE", 0.0)
    assistant = Assistant(settings, WordEmbedder(), WordReader(), ScriptedModel(cites_the_sentence_with("340 000")))
    early, *growing, late, last = assistant.stream(QUESTION, articles=[BRIDGE, *OTHERS])
    assert isinstance(early, EvidenceFound)
    assert isinstance(late, EvidenceFound)
    assert isinstance(last, Answer)
    assert growing
    assert all(isinstance(event, PartialAnswer) for event in growing)
    assert (early.whole, early.enough, late.whole) == (False, True, True)
    assert late.evidence == last.evidence
    assert {item.passage for item in late.evidence} > {item.passage for item in early.evidence}
    assert len(last.citations) == 1
    assert growing[-1].text == last.text  # type: ignore[union-attr]  # under the number that was shown
    assert last.confidence == late.confidence
    assert last.timings.first_word < last.timings.evidence_whole  # type: ignore[operator]


def test_what_is_found_behind_the_writing_and_answers_better_is_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(WordReader):
        """Finds in the last passages only what answers."""

        def read(self, question: str, passages: Any) -> Any:
            found = super().read(question, passages)
            return (
                found
                if len(passages) == 3
                else [
                    replace(one, logits=tuple(9.0 if "ouvre" in text.text else -9.0 for _ in one.logits))
                    for one, text in zip(found, passages, strict=True)
                ]
            )

    monkeypatch.setattr(import_module("qa.answer"), "_SURE", 0.0)
    assistant = Assistant(settings, WordEmbedder(), Late(), ScriptedModel(cites_the_sentence_with("340 000")))
    last = final(assistant.stream(QUESTION, articles=[BRIDGE, *OTHERS]))
    assert "340 000" in last.statements[0].text
    assert any("ouvre" in citation.evidence.quote for citation in last.citations)


def test_where_all_that_was_read_is_less_sure_than_is_asked_what_was_written_is_withdrawn(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure = iter((0.9, 0.3))
    monkeypatch.setattr(Assistant, "_confidence", lambda *_: next(sure))
    strict = settings.model_copy(update={"refuse_below": 0.5})
    assistant = Assistant(strict, WordEmbedder(), WordReader(), ScriptedModel(cites_the_sentence_with("340 000")))
    last = final(assistant.stream(QUESTION, articles=[BRIDGE, *OTHERS]))
    assert last.refused
    assert last.confidence == 0.3
