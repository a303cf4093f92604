"""What the reader is trained on: which questions, and what is put beside them. Nothing is trained here."""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fakes import WordEmbedder
from hypothesis import given
from hypothesis import strategies as st

from evaluation import reader_groups
from evaluation.datasets import DataSet, Question, read
from evaluation.reader_groups import PARTS, split
from evaluation.train_reader import OWN, main
from index.articles import Article, Draft, make_article
from index.sentences import split as sentences_of
from qa.reader import Text, tokens_in

TOWNS = ("Brassac", "Valmorin", "Corvézac", "Brenouges", "Rochamel", "Hohenrath")


def data_of(titles: Sequence[str], *, questions: int = 2) -> DataSet:
    """Articles of these titles, two for each, with so many questions apiece."""
    articles, asked = [], []
    for number, title in enumerate(titles):
        for part in ("nord", "sud"):
            text = (
                f"Le pont {part} de {title} ouvre en {1900 + number}. Il mesure {number + 20} mètres ({part})."
                " La mairie a payé les travaux. Il pleut."
            )
            article = make_article(Draft(title, text), language="fr")
            articles.append(article)
            wanted = [
                (f"En quelle année le pont {part} de {title} ouvre-t-il ?", str(1900 + number)),
                (
                    f"Combien mesure le pont {part} de {title} depuis {1950 + number} ?",
                    f"{number + 20} mètres ({part})",
                ),
            ]
            for place, (question, words) in enumerate(wanted[:questions]):
                sentence = text.split(". ")[place] + "."
                asked.append(Question(f"{title}-{part}-{place}", question, True, (words,), (sentence,), (article.id,)))
    return DataSet("towns", tuple(articles), tuple(asked))


DATA = data_of(TOWNS)


class FakeTrainer:
    """Reads nothing: a passage is a whole article, a token is a word."""

    def __init__(self, seed: int = 0) -> None:
        self.embedder = WordEmbedder(dimensions=256)
        self.chance = random.Random(seed)
        self.asked: set[str] = set()

    def passages(self, articles: Sequence[Article]) -> dict[str, list[Any]]:
        made = defaultdict(list)
        for article in articles:
            spans = tuple((span.start, span.end) for span in sentences_of(article.text, article.language))
            made[article.id].append(reader_groups.Passage(article, Text(article.title, article.text, spans)))
        self.read_apart([passage for some in made.values() for passage in some])
        return made

    def read_apart(self, passages: Sequence[Any]) -> None:
        for passage in passages:
            passage.states = "read"
            passage.offsets = [(-3, -1), *(match.span() for match in re.finditer(r"\w+|[^\w\s]", passage.text.text))]
            passage.ranges = [tokens_in(passage.offsets, *sentence) for sentence in passage.text.sentences]

    def put(self, questions: Sequence[str]) -> None:
        self.asked.update(questions)


def squad(data: DataSet, trainer: FakeTrainer, *, near: bool, part: dict[str, str] | None = None) -> Any:
    part = part or dict.fromkeys((question.id for question in data.questions), "train")
    return reader_groups.Squad(trainer, data, part, near=near)  # type: ignore[arg-type]


def said(group: Any) -> tuple[str, str]:
    """Return the sentence and the words that a group holds to be the answer."""
    (right,) = group.right
    passage = group.passages[0]
    first, last = group.words
    sentence = passage.text.text[slice(*passage.text.sentences[right])]
    return sentence, passage.text.text[passage.offsets[first][0] : passage.offsets[last][1]]


# --- the split


def test_a_title_is_in_one_part_and_every_question_in_one() -> None:
    parts = split(DATA, (0.5, 0.2))
    assert parts.keys() == {question.id for question in DATA.questions}
    assert set(parts.values()) <= set(PARTS)
    of_title = defaultdict(set)
    for question in DATA.questions:
        of_title[DATA.by_id[question.gold[0]].title].add(parts[question.id])
    assert all(len(some) == 1 for some in of_title.values())


@pytest.mark.parametrize(
    ("shares", "counts"),
    [
        pytest.param((0.5, 0.2), (5, 2, 3), id="all three"),
        pytest.param((0.62, 0.10), (6, 1, 3), id="cut off, not rounded"),
        pytest.param((0.5, 0.0), (5, 0, 5), id="nothing to calibrate on"),
        pytest.param((1.0, 0.0), (10, 0, 0), id="all to train on"),
        pytest.param((0.0, 0.0), (0, 0, 10), id="all to report on"),
    ],
)
def test_each_part_gets_its_share_of_the_titles(shares: tuple[float, float], counts: tuple[int, int, int]) -> None:
    data = data_of([f"Ville {letter}" for letter in "ABCDEFGHIJ"])
    parts = split(data, shares)
    titles = {data.by_id[question.gold[0]].title: parts[question.id] for question in data.questions}
    found = Counter(titles.values())
    assert tuple(found[part] for part in PARTS) == counts


def test_questions_without_an_article_are_split_one_by_one() -> None:
    data = DataSet("judged", (), tuple(Question(str(number), "Qui ?", True) for number in range(10)))
    assert Counter(split(data, (0.5, 0.0)).values()) == {"train": 5, "report": 5}


def test_the_split_does_not_depend_on_the_order_of_the_data() -> None:
    turned = DataSet("turned", DATA.articles[::-1], DATA.questions[::-1])
    assert split(DATA, (0.5, 0.2)) == split(turned, (0.5, 0.2))
    assert split(DATA, (0.5, 0.2)) == split(DATA, (0.5, 0.2))


def test_the_ids_of_each_part_are_listed(tmp_path: Path) -> None:
    path, out = tmp_path / "towns.json", tmp_path / "parts"
    text = "Le pont ouvre lundi. Il pleut."
    question = {"question": "Quand ?", "answers": [{"text": "lundi", "answer_start": text.index("lundi")}]}
    asked = [
        {"title": letter, "paragraphs": [{"context": text, "qas": [question | {"id": letter}]}]}
        for letter in "ABCDEFGHIJ"
    ]
    path.write_text(json.dumps({"version": "1.1", "data": asked}), encoding="utf-8")
    done = CliRunner().invoke(main, ["--piaf", str(path), "--list", str(out)], catch_exceptions=False)
    assert done.exit_code == 0
    listed = {name: (out / f"piaf-{name}.txt").read_text("utf-8").split() for name in PARTS}
    assert [len(listed[name]) for name in PARTS] == [6, 1, 3]
    assert sorted(letter for name in PARTS for letter in listed[name]) == list("ABCDEFGHIJ")
    refused = CliRunner().invoke(main, ["--piaf", str(path)])
    assert refused.exit_code == 2
    assert "--out" in refused.output


# --- a passage without its answer, a question about something else


@given(
    st.lists(
        st.tuples(st.text("abc", min_size=1, max_size=5), st.sampled_from([" ", "\n", "\n\n"])), min_size=1, max_size=6
    ),
    st.integers(0, 5),
)
def test_the_other_sentences_stand_where_they_are_said_to(pieces: list[tuple[str, str]], place: int) -> None:
    place %= len(pieces)
    text, spans = "", []
    for number, (words, space) in enumerate(pieces):
        spans.append((len(text), len(text) + len(words) + 2))
        text += f"{words}{number}." + (space if number < len(pieces) - 1 else "")
    article = make_article(Draft("", text))
    sentences = [text[slice(*span)] for span in spans]
    made = reader_groups._without(reader_groups.Passage(article, Text("Titre", text, tuple(spans))), place)
    assert made.text.title == "Titre"
    assert made.states is None
    left = [made.text.text[slice(*span)] for span in made.text.sentences]
    assert left == [sentence for number, sentence in enumerate(sentences) if number != place]
    assert f"{place}." not in made.text.text


QUESTIONS = st.sampled_from(
    [
        "En quelle année le pont de Brassac a-t-il ouvert ?",
        "Qui dirigeait Valmorin en 1931, avant Brassac ?",
        "Que s'est-il passé en 1999 ou en 2001 ?",
        "Qui paie ?",
    ]
)


@given(
    QUESTIONS,
    st.lists(st.sampled_from(TOWNS)),
    st.integers(0, 10**6),
    st.sampled_from(["", "Brassac, 1931", "2003 à Rochamel et Valmorin"]),
)
def test_a_changed_question_asks_for_what_the_passage_does_not_hold(
    question: str, pool: list[str], seed: int, passage: str
) -> None:
    changed = reader_groups._changed(question, passage, pool, random.Random(seed))
    if changed is not None:
        assert changed != question
        old, new = (set(re.findall(r"[\wé]+", text)) for text in (question, changed))
        assert not any(word in passage for word in new - old)


def test_a_year_is_changed_to_a_near_one() -> None:
    for seed in range(20):
        changed = reader_groups._changed("Qui a construit la tour en 1931 ?", "", [], random.Random(seed))
        year = re.search(r"\d{4}", changed or "")
        assert year
        assert 0 < abs(int(year[0]) - 1931) <= 9


def test_a_name_the_passage_does_not_mention_is_not_exchanged() -> None:
    for seed in range(20):
        assert reader_groups._changed("Qui dirige Brassac ?", "Il pleut.", ["Valmorin"], random.Random(seed)) is None


# --- groups


@pytest.mark.parametrize("near", [True, False], ids=["with near passages", "without"])
def test_a_group_holds_an_answer_once_or_none(near: bool) -> None:
    trainer = FakeTrainer()
    made = squad(DATA, trainer, near=near)
    known = {question.text: question for question in DATA.questions}
    groups = [group for _ in range(8) for group in made.groups()]
    for group in groups:
        texts = [passage.text.text for passage in group.passages]
        assert len(texts) == len(set(texts))
        assert all(passage.states for passage in group.passages)
        assert group.question in trainer.asked
        question = known.get(group.question)
        if group.right is not None:
            assert question
            assert said(group) == (question.sentences[0], question.answers[0])
            assert not any(question.answers[0] in text for text in texts[1:])
        elif question:
            assert not any(question.answers[0] in text for text in texts)
            assert not any(question.sentences[0] in text for text in texts)
        else:  # another year or name
            assert len(texts) == 1
    answered = Counter(group.question for group in groups if group.right is not None)
    assert answered == dict.fromkeys(known, 8)
    assert any(group.right is None and group.question in known for group in groups)
    assert any(group.question not in known for group in groups)
    assert any(len(group.passages) > 1 for group in groups)


def test_only_questions_to_train_on_are_asked() -> None:
    part = split(DATA, (0.5, 0.0))
    made = squad(DATA, FakeTrainer(), near=False, part=part)
    kept = {question.text for question in DATA.questions if part[question.id] == "train"}
    assert {question.text for question in made.questions} == kept
    gold = {question.gold[0] for question in DATA.questions if question.text in kept}
    assert {passage.article.id for passage in made.all} == gold


def test_an_answer_that_no_sentence_holds_is_left_out() -> None:
    first, *rest = DATA.questions
    lost = Question(first.id, first.text, True, ("douze",), first.sentences, first.gold)
    made = squad(DataSet("lost", DATA.articles, (lost, *rest)), FakeTrainer(), near=False)
    assert {question.id for question in made.questions} == {question.id for question in rest}


def test_an_answer_said_twice_is_not_cut_out() -> None:
    text = "Le pont ouvre lundi. Il est bleu. La fête aura donc lieu lundi."
    article = make_article(Draft("Le pont", text), language="fr")
    question = Question("q", "Quand ouvre le pont ?", True, ("lundi",), ("Le pont ouvre lundi.",), (article.id,))
    for seed in range(20):
        made = squad(DataSet("twice", (article,), (question,)), FakeTrainer(seed), near=False)
        assert not made.minus


def test_a_question_over_a_parallel_paragraph_has_the_answer_of_that_paragraph() -> None:
    def told(language: str, title: str, text: str, question: str, words: str) -> DataSet:
        article = make_article(Draft(title, text), language=language)
        sentence = next(s for s in re.split(r"(?<=\.) ", text) if words in s)
        return DataSet(language, (article,), (Question("q", question, True, (words,), (sentence,), (article.id,)),))

    trainer = FakeTrainer()
    french, german = "Il pleut. Le pont ouvre lundi. Il est bleu.", "Es regnet. Er öffnet am Montag. Er ist blau."
    sets = [
        squad(told("fr", "Le pont", french, "Quand ouvre le pont ?", "lundi"), trainer, near=False),
        squad(told("de", "Der Steg", german, "Wann öffnet der Steg?", "Montag"), trainer, near=False),
    ]
    for one in sets:
        one.minus["q"] = reader_groups._without(one.found["q"][0], 1)
    groups = [group for seed in range(60) for group in reader_groups.parallel_groups(sets, random.Random(seed))]
    pairs = set()
    for group in groups:
        if group.right is None:
            assert not re.search("lundi|Montag", group.passages[0].text.text)
        else:
            pairs.add((group.question, said(group)[1]))
    assert pairs == {
        (asked, words) for asked in ("Quand ouvre le pont ?", "Wann öffnet der Steg?") for words in ("lundi", "Montag")
    }
    assert any(group.right is None for group in groups)


def test_of_judged_passages_one_answers_or_none() -> None:
    articles = tuple(make_article(Draft(name, f"Le moulin de {name} tourne."), language="fr") for name in TOWNS)
    ids = [article.id for article in articles]
    questions = (
        Question("yes", "Qui ?", True, among=(ids[0], ids[2])),
        Question("no", "Quoi ?", False, among=(ids[1],)),
        Question("kept aside", "Où ?", True, among=(ids[3],)),
    )
    part = {"yes": "train", "no": "train", "kept aside": "report"}
    trainer = FakeTrainer()
    made = reader_groups.judged_groups(trainer, DataSet("judged", articles, questions), part)  # type: ignore[arg-type]
    assert [(group.question, group.right) for group in made] == [("Qui ?", ()), ("Quoi ?", None)]
    assert [[passage.article.id for passage in group.passages] for group in made] == [[ids[0], ids[2]], [ids[1]]]
    assert trainer.asked == {"Qui ?", "Quoi ?"}


def test_our_own_questions_are_all_in_an_epoch_and_answer_as_they_say() -> None:
    article, other = DATA.articles[:2]
    sentence = sentences_of(article.text, "fr")[1]
    answers = article.text[sentence.start : sentence.end]
    words = answers[10:-1]
    own = (
        Question("none", "Qui a dessiné le pont ?", False, among=(other.id,)),
        Question(
            "some", "Sa longueur ?", True, (words,), (article.text[sentence.start : sentence.end],), (article.id,)
        ),
        Question("near", "Qui a fermé le pont nord de Brassac ?", False),
    )
    part = dict.fromkeys((question.id for question in DATA.questions), "report")
    made = reader_groups.Squad(FakeTrainer(), DATA, part, near=True, own=own)  # type: ignore[arg-type]
    groups = {group.question: group for group in made.groups(share=0.0) if group.question in {q.text for q in own}}
    alone = groups[own[0].text]
    assert (alone.right, [passage.article.id for passage in alone.passages]) == (None, [other.id])
    assert said(groups[own[1].text]) == (own[1].sentences[0], words)
    near = groups[own[2].text]
    assert near.right is None
    assert near.passages


def test_our_own_questions_over_judged_passages_have_those_most_like_them() -> None:
    articles = tuple(make_article(Draft(name, f"Le moulin de {name} tourne."), language="fr") for name in TOWNS)
    ids = tuple(article.id for article in articles)
    data = DataSet("judged", articles, (Question("q", "Qui ?", True, among=ids),))
    own = (
        Question("found", "Que fait Rochamel ?", True, ("tourne",), (articles[4].text,), (ids[4],), ids),
        Question("none", "Qui possède le moulin de Corvézac ?", False, among=ids),
    )
    made = reader_groups.judged_groups(FakeTrainer(), data, {"q": "train"}, own)  # type: ignore[arg-type]
    _, found, none = made
    assert said(found) == (articles[4].text, "tourne")
    assert not any("tourne" in passage.text.text for passage in found.passages[1:])
    assert none.right is None
    assert none.passages[0].article.id == ids[2]
    assert len(none.passages) == reader_groups._READ_TOGETHER


def test_what_is_trained_on_of_our_own_is_in_the_repository() -> None:
    trained, aside = read(OWN / "places"), read(OWN / "aside")
    assert not trained.by_id.keys() & aside.by_id.keys()
    for data in (trained, aside):
        assert sum(not question.answerable for question in data.questions) > 0.4 * len(data.questions)
