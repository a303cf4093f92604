"""Data sets of every format, small ones of our own; what is malformed is one line that says where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from errors import DataError
from evaluation.datasets import DataSet, Question, flat, read, with_questions

ROOT = Path(__file__).parents[2]
CONTEXT = (
    "Le pont de Brassac a été ouvert en 1931.  Il mesure 120 mètres.\n"
    "Le pont de Corvézac, long de 120 mètres lui aussi, a été ouvert en 1954."
)


def squad(*questions: dict[str, Any]) -> dict[str, Any]:
    paragraph = {"context": CONTEXT, "qas": list(questions)}
    return {"version": "2.0", "data": [{"title": "Ponts_de_Brassac", "paragraphs": [paragraph]}]}


def asked(identity: str, *answers: tuple[str, int], **more: Any) -> dict[str, Any]:
    given = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": identity, "question": f"Question {identity} ?", "answers": given, **more}


def written(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


def test_squad_one_and_two(tmp_path: Path) -> None:
    second = CONTEXT.rindex("120 mètres")
    data = read(
        written(
            tmp_path / "ponts 2.json",
            squad(
                asked("a", ("1931", CONTEXT.index("1931"))),
                asked("b", ("120 mètres", second), ("long de 120 mètres", second - 8)),
                asked("c", is_impossible=True),
                asked("d", ("rien", 5), is_impossible=True),
            ),
        )
    )
    assert data.name == "ponts-2"
    (article,) = data.articles
    assert (article.title, article.language) == ("Ponts de Brassac", "fr")
    first, twice, none, plausible = data.questions
    assert first == Question(
        "a",
        "Question a ?",
        answerable=True,
        answers=("1931",),
        sentences=("Le pont de Brassac a été ouvert en 1931.",),
        gold=(article.id,),
    )
    assert twice.answers == ("120 mètres", "long de 120 mètres")
    assert twice.sentences == ("Le pont de Corvézac, long de 120 mètres lui aussi, a été ouvert en 1954.",)
    for question in (none, plausible):
        assert (question.answerable, question.answers, question.gold) == (False, (), ())


def test_an_answer_that_is_not_in_its_paragraph_has_no_sentence_but_an_article(tmp_path: Path) -> None:
    (question,) = read(written(tmp_path / "a.json", squad(asked("a", ("introuvable", 3))))).questions
    assert (question.answers, question.sentences, len(question.gold)) == (("introuvable",), (), 1)


def test_a_language_can_be_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.json", squad(asked("a", ("1931", 35))))
    data, other = read(path, language="oc"), read(path)
    assert data.articles[0].language == "oc"
    assert data.articles_digest != other.articles_digest
    assert read(path).digest == other.digest


def test_nomiracl_puts_a_question_to_its_own_passages(tmp_path: Path) -> None:
    written(
        tmp_path / "passages.jsonl",
        {"id": "1#0", "title": "Brassac", "text": "Le pont de Brassac est fermé depuis lundi."},
        {"id": "1#1", "title": "Brassac", "text": "La mairie de Brassac compte onze élus."},
        {"id": "2#0", "title": "Corvézac", "text": "Le moulin de Corvézac est ouvert au public."},
    )
    written(
        tmp_path / "questions.jsonl",
        {"id": "q1", "subset": "relevant", "question": "Que fait le pont ?", "docids": ["1#0", "2#0", "1#0"]},
        {"id": "q2", "subset": "non_relevant", "question": "Qui est maire ?", "docids": ["1#1"]},
    )
    data = read(tmp_path)
    bridge, council, mill = data.articles
    assert data.questions[0] == Question(
        "q1", "Que fait le pont ?", answerable=True, among=(bridge.id, mill.id), kind="relevant"
    )
    assert data.questions[1].among == (council.id,)
    assert not data.questions[1].answerable


@pytest.mark.parametrize("as_folder", [True, False], ids=["folder", "file"])
def test_known_items_ask_with_a_field_of_the_row(tmp_path: Path, as_folder: bool) -> None:
    path = written(
        tmp_path / "articles.jsonl",
        {"id": 7, "title": "Le pont", "heading": "Fermé  dès lundi", "text": "Le pont de Brassac ferme lundi."},
        {"id": 8, "title": "Le moulin", "heading": " ", "text": "Le moulin de Corvézac ouvre mardi."},
    )
    data = read(tmp_path if as_folder else path, query_field="heading")
    assert len(data.articles) == 2
    assert data.questions == (Question("7", "Fermé dès lundi", answerable=True, gold=(data.articles[0].id,)),)


def test_the_demo_folder_is_a_data_set() -> None:
    data = read(ROOT / "demo")
    assert len(data.articles) == 37
    answerable = [question for question in data.questions if question.answerable]
    assert (len(answerable), len(data.questions)) == (84, 108)
    for question in answerable:
        texts = [flat(data.by_id[identity].text) for identity in question.gold]
        assert texts
        assert all(any(sentence in text for sentence in question.sentences) for text in texts)
        assert set(question.gold) <= set(data.holding(question))
    (follow_up,) = [question for question in data.questions if question.text == "Et en 2024 ?"]
    assert follow_up.history[0][0].startswith("Quel était le montant du budget")
    assert (follow_up.kind, follow_up.language) == ("follow-up", "fr")


def test_every_article_that_holds_the_sentence_is_held_to_answer(tmp_path: Path) -> None:
    sentence = "Le pont de Brassac ferme lundi."
    rows = [
        {"id": "a", "title": "Le pont", "text": f"{sentence} Il rouvre en mai."},
        {"id": "b", "title": "La dépêche", "text": f"Brassac.\n{sentence}"},
        {"id": "c", "title": "Le moulin", "text": "Le moulin ouvre mardi."},
    ]
    written(tmp_path / "articles" / "a.jsonl", *rows)
    written(
        tmp_path / "questions.jsonl",
        {"id": "q", "question": "Quand ferme le pont ?", "answerable": True, "sentence": sentence, "answer": "lundi"},
    )
    data = read(tmp_path)
    assert set(data.holding(data.questions[0])) == {article.id for article in data.articles[:2]}
    assert data.questions[0].gold == tuple(article.id for article in data.articles[:2])


PASSAGE = {"id": "p", "title": "Brassac", "text": "Le pont ferme."}
JUDGED = {"id": "q", "subset": "relevant", "question": "Que fait le pont ?", "docids": ["p"]}
PUT = {"id": "q", "question": "Que fait le pont ?", "answerable": True, "sentence": "Le pont ferme."}
ARTICLE = {"id": "a", "title": "Brassac", "text": "Le pont ferme.", "heading": "Pont"}


@pytest.mark.parametrize(
    ("files", "read_as", "said"),
    [
        pytest.param({"a.json": ["{"]}, "a.json", "a.json: invalid JSON", id="not JSON"),
        pytest.param({"a.json": [{"version": "1"}]}, "a.json", "a.json: data: field required", id="no data"),
        pytest.param(
            {"a.json": [squad({"id": "x", "answers": []})]},
            "a.json",
            "data[0].paragraphs[0].qas[0].question: field required",
            id="no question",
        ),
        pytest.param(
            {"a.json": [squad(asked("x"), asked("x"))]}, "a.json", "two questions have the id 'x'", id="an id twice"
        ),
        pytest.param({"a.json": [squad()]}, "a.json", "a.json holds no question", id="nothing asked"),
        pytest.param(
            {"passages.jsonl": [PASSAGE], "questions.jsonl": [JUDGED, "", {**JUDGED, "subset": "maybe"}]},
            ".",
            "questions.jsonl, line 3: subset: input should be 'relevant' or 'non_relevant'",
            id="unknown subset",
        ),
        pytest.param(
            {"passages.jsonl": [PASSAGE], "questions.jsonl": [{**JUDGED, "docids": ["x"]}]},
            ".",
            "questions.jsonl, line 1: docids: passages.jsonl has no passage 'x'",
            id="unknown passage",
        ),
        pytest.param(
            {"passages.jsonl": [{**PASSAGE, "text": ""}], "questions.jsonl": [JUDGED]},
            ".",
            "passages.jsonl, line 1: text:",
            id="empty passage",
        ),
        pytest.param({"passages.jsonl": [PASSAGE]}, ".", "questions.jsonl does not exist", id="no questions"),
        pytest.param(
            {"articles/a.jsonl": [ARTICLE], "questions.jsonl": [{**PUT, "sentence": None}]},
            ".",
            "questions.jsonl, line 1: sentence: a question that is answerable needs",
            id="no sentence",
        ),
        pytest.param(
            {"articles/a.jsonl": [ARTICLE], "questions.jsonl": [{**PUT, "sentence": "Le pont ouvre."}]},
            ".",
            "holds 'Le pont ouvre.'",
            id="sentence of no article",
        ),
        pytest.param({"articles.jsonl": [ARTICLE]}, ".", "--query-field", id="which field asks"),
        pytest.param({"articles.jsonl": ["[1"]}, "articles.jsonl?x", "articles.jsonl, line 1", id="row not JSON"),
        pytest.param(
            {"articles.jsonl": [ARTICLE]},
            "articles.jsonl?chapeau",
            "no row has words in 'chapeau'; the fields of the first: id, title, text, heading",
            id="no such field",
        ),
        pytest.param({}, "absent.json", "absent.json does not exist", id="no such file"),
        pytest.param({"notes.txt": ["x"]}, ".", "is no data set", id="no data set"),
    ],
)
def test_what_is_malformed_is_one_line(tmp_path: Path, files: dict[str, Any], read_as: str, said: str) -> None:
    for name, rows in files.items():
        written(tmp_path / name, *rows)
    name, _, field = read_as.partition("?")
    with pytest.raises(DataError) as caught:
        read(tmp_path / name, query_field=field or None)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_data_set_says_what_it_is_of(tmp_path: Path) -> None:
    one = read(written(tmp_path / "a.json", squad(asked("a", ("1931", 35)))))
    other = read(written(tmp_path / "b.json", squad(asked("b", ("1931", 35)))))
    assert isinstance(one, DataSet)
    assert one.articles_digest == other.articles_digest
    assert one.digest != other.digest


def judged(folder: Path) -> DataSet:
    written(
        folder / "passages.jsonl",
        {"id": "1#0", "title": "Brassac", "text": "Le pont de Brassac est fermé. Il date de 1931."},
        {"id": "2#0", "title": "Corvézac", "text": "Le moulin de Corvézac est ouvert au public."},
    )
    written(
        folder / "questions.jsonl",
        {"id": "q1", "subset": "relevant", "question": "Que fait le pont ?", "docids": ["1#0", "2#0"]},
    )
    return read(folder, language="fr")


def test_questions_of_ones_own_name_the_words_that_answer(tmp_path: Path) -> None:
    data = judged(tmp_path)
    bridge, mill = data.articles
    own = written(
        tmp_path / "own.jsonl",
        {"id": "a", "question": "Quel pont ?", "article": bridge.id, "answer": [0, 18], "language": "fr", "kind": "x"},
        {"id": "b", "question": "Et la gare ?", "article": mill.id},
        {"id": "c", "question": "Quand ?", "article": bridge.id, "answer": [41, 45], "like": "q1"},
        {"id": "d", "question": "Pourquoi ?", "like": "q1"},
    )
    found, alone, among, none = with_questions(data, own).questions
    assert found == Question(
        "a", "Quel pont ?", True, ("Le pont de Brassac",), ("Le pont de Brassac est fermé.",), (bridge.id,),
        language="fr", kind="x",
    )  # fmt: skip
    assert (alone.answerable, alone.gold, alone.among) == (False, (), (mill.id,))
    assert (among.answers, among.sentences) == (("1931",), ("Il date de 1931.",))
    assert (among.gold, among.among) == ((bridge.id,), (bridge.id, mill.id))
    assert (none.answerable, none.among) == (False, (bridge.id, mill.id))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        pytest.param({"article": "unknown"}, "article: ", id="no such article"),
        pytest.param({"answer": [0, 4]}, "article: ", id="an answer without an article"),
        pytest.param({"like": "q9"}, "like: ", id="no such question"),
        pytest.param({"article": "BRIDGE", "answer": [40, 99]}, "40 to 99 is no part of the article's", id="beyond"),
        pytest.param({"article": "BRIDGE", "answer": [4, 4]}, "4 to 4 is no part", id="empty"),
        pytest.param({"article": "BRIDGE", "answer": [4]}, "answer[1]: ", id="no pair"),
        pytest.param({"id": "a"}, "two questions have the id 'a'", id="an id twice"),
    ],
)
def test_questions_of_ones_own_are_held_to_the_data(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    data = judged(tmp_path)
    if row.get("article") == "BRIDGE":
        row = row | {"article": data.articles[0].id}
    rows = [{"id": name, "question": "Quel pont ?", "like": "q1"} for name in "ab"]
    with pytest.raises(DataError, match=r"own\.jsonl") as caught:
        with_questions(data, written(tmp_path / "own.jsonl", rows[0], rows[1] | row))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
