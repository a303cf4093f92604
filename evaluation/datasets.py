"""Files of questions → one frozen type, whatever their format.

    SQuAD 1.1 or 2.0     FILE.json              each paragraph an article, with its page's title
    NoMIRACL             FOLDER/questions.jsonl + passages.jsonl; a question is put to its own passages
    known item           FOLDER/articles.jsonl  a field of each article is the question that finds it
    articles, questions  FOLDER/articles/ + questions.jsonl, as demo/

`with_questions` puts questions of one's own to the articles of any of them.

What is malformed is refused with one line that names the file, and the line or the field.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from errors import DataError
from index.articles import Article, Found, clean, make_article
from index.readers import read as read_articles
from index.readers.fields import make_draft
from index.sentences import split

_TITLE_FROM_TEXT = 80  # characters


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what is known of its answer.

    `answers` are the words that answer, any of them, and `sentences` whole sentences that do, white
    space being one space; each may be unknown, and is then (). `gold` are the ids of the articles
    that answer. `among` are the ids of the only articles it is put to, () for all of the data set.
    `language` and `kind` are None where the data does not say. `history` holds earlier
    (question, answer) pairs.
    """

    id: str
    text: str
    answerable: bool
    answers: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()
    among: tuple[str, ...] = ()
    language: str | None = None
    kind: str | None = None
    history: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class DataSet:
    """Articles and the questions put to them; ids are unique among each."""

    name: str
    articles: tuple[Article, ...]
    questions: tuple[Question, ...]

    @cached_property
    def by_id(self) -> dict[str, Article]:
        return {article.id: article for article in self.articles}

    @cached_property
    def flat_texts(self) -> dict[str, str]:
        """The texts of the articles by id, white space being one space."""
        return {article.id: flat(article.text) for article in self.articles}

    @cached_property
    def articles_digest(self) -> str:
        """SHA-256 of what is searched: an article's id is the hash of its content."""
        return hashlib.sha256("".join(sorted(self.by_id)).encode()).hexdigest()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the articles and of all that is known of the questions."""
        questions = json.dumps([asdict(question) for question in self.questions], ensure_ascii=False)
        return hashlib.sha256((self.articles_digest + questions).encode()).hexdigest()

    def holding(self, question: Question) -> tuple[str, ...]:
        """Return the ids of the articles that answer a question, or hold a sentence that does."""
        held = (
            identity
            for identity, text in self.flat_texts.items()
            if any(sentence in text for sentence in question.sentences)
        )
        return tuple(dict.fromkeys((*question.gold, *held)))


def flat(text: str) -> str:
    """Return a text cleaned as articles are, white space being one space."""
    return " ".join(clean(text).split())


_Read = tuple[list[Article], list[Question]]
Model = TypeVar("Model", bound="_Row")


def read(path: Path, *, query_field: str | None = None, language: str | None = None) -> DataSet:
    """Read a data set of any of the formats above.

    `query_field` names the field of known items that is the question. `language` is that of the
    articles of a SQuAD or NoMIRACL file; it is detected article by article where None.

    Raises DataError.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; give a SQuAD file or a folder with questions")
    read_as = _reader(path, query_field, language)
    articles, questions = read_as()
    _refuse_twice(path, (question.id for question in questions))
    if not questions:
        raise DataError(f"{path} holds no question")
    name = re.sub(r"[^\w.-]+", "-", path.resolve().stem if path.is_file() else path.resolve().name)
    return DataSet(name, tuple({article.id: article for article in articles}.values()), tuple(questions))


def with_questions(data: DataSet, path: Path) -> DataSet:
    """Return the articles of `data` with the questions of a file of JSON lines in the place of its own.

    A line holds `id`, `question`, and `article` with `answer`: an article's id, and the offsets in its
    text of the words that answer; so the file holds no text of the data. Without `answer` nothing in that
    article answers, and it is put to it alone. `like` names a question of `data`: it is put to the same
    articles as that one. Optional: `language`, `kind`.

    Raises DataError naming the line.
    """
    own = {question.id: question for question in data.questions}
    questions = []
    for place, row in _lines(path, _Own):
        if (row.article is None and row.answer) or (row.article is not None and row.article not in data.by_id):
            raise DataError(f"{place}: article: {data.name} has no article {row.article!r}")
        if row.like is not None and row.like not in own:
            raise DataError(f"{place}: like: {data.name} has no question {row.like!r}")
        article = data.by_id[row.article] if row.article else None
        words, sentence = "", ""
        if article and row.answer:
            start, end = row.answer
            touched = _touched(article, start, end)
            length = len(article.text)
            if not 0 <= start < end <= length or not touched:
                raise DataError(f"{place}: answer: {start} to {end} is no part of the article's {length} characters")
            words, sentence = flat(article.text[start:end]), touched
        gold = (article.id,) if article and words else ()
        among = own[row.like].among if row.like else (article.id,) if article and not words else ()
        questions.append(
            Question(
                row.id,
                row.question,
                bool(words),
                (words,) * bool(words),
                (sentence,) * bool(words),
                gold,
                among,
                row.language,
                row.kind,
            )
        )
    _refuse_twice(path, (question.id for question in questions))
    if not questions:
        raise DataError(f"{path} holds no question")
    return DataSet(data.name, data.articles, tuple(questions))


def ids_in(path: Path, sets: Sequence[DataSet]) -> frozenset[str]:
    """Read a file of ids of questions, one a line. Raises DataError for one that none of the sets has."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    known = {question.id for data in sets for question in data.questions}
    for number, line in enumerate(lines, 1):
        if line.strip() and line.strip() not in known:
            names = " or ".join(data.name for data in sets)
            raise DataError(f"{path}, line {number}: {names} has no question of the id {line.strip()!r}")
    return frozenset(line.strip() for line in lines if line.strip())


def _reader(path: Path, query_field: str | None, language: str | None) -> Callable[[], _Read]:
    if path.is_file() and path.suffix == ".json":
        return lambda: _squad(path, language)
    known_items = path if path.is_file() else path / "articles.jsonl"
    if known_items.suffix == ".jsonl" and known_items.is_file():
        if not query_field:
            raise DataError(f"{known_items} holds articles only; name the field that is the question: --query-field")
        return lambda: _known_items(known_items, query_field)
    if (path / "passages.jsonl").is_file():
        return lambda: _nomiracl(path, language)
    if (path / "articles").is_dir():
        return lambda: _folder(path)
    squad = sorted(path.glob("*.json"))
    if len(squad) == 1:
        return lambda: _squad(squad[0], language)
    raise DataError(
        f"{path} is no data set: give a SQuAD file (.json), or a folder with questions.jsonl and passages.jsonl,"
        " with questions.jsonl and articles/, or with articles.jsonl"
    )


class _Row(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)


class _Answer(_Row):
    text: str
    answer_start: int = 0


class _Asked(_Row):
    id: str
    question: str = Field(min_length=1)
    answers: list[_Answer] = []
    is_impossible: bool = False


class _Paragraph(_Row):
    context: str = Field(min_length=1)
    qas: list[_Asked]


class _Document(_Row):
    title: str = ""
    paragraphs: list[_Paragraph]


class _Squad(_Row):
    data: list[_Document]


class _Passage(_Row):
    id: str
    title: str = ""
    text: str = Field(min_length=1)


class _Judged(_Row):
    id: str
    subset: Literal["relevant", "non_relevant"]
    question: str = Field(min_length=1)
    docids: list[str] = Field(min_length=1)


class _Own(_Row):
    id: str
    question: str = Field(min_length=1)
    article: str | None = None
    answer: tuple[int, int] | None = None
    like: str | None = None
    language: str | None = None
    kind: str | None = None


class _Put(_Row):
    id: str
    question: str = Field(min_length=1)
    answerable: bool
    language: str | None = None
    kind: str | None = None
    sentence: str | None = None
    answer: str | None = None
    also: list[str] = []
    history: list[tuple[str, str]] = []


def _squad(path: Path, language: str | None) -> _Read:
    """Read SQuAD 1.1 or 2.0 (Rajpurkar et al. 2016, 2018); a question without answers has none."""
    try:
        stored = _Squad.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path}: {_fault(error)}") from None
    articles, questions = [], []
    for document in stored.data:
        for paragraph in document.paragraphs:
            article = _article(path, document.title.replace("_", " "), paragraph.context, language)
            articles.append(article)
            for asked in paragraph.qas:
                answerable = bool(asked.answers) and not asked.is_impossible
                given = asked.answers if answerable else []
                found = (_sentence_with(article, paragraph.context, answer) for answer in given)
                questions.append(
                    Question(
                        asked.id,
                        asked.question,
                        answerable,
                        answers=tuple(dict.fromkeys(flat(answer.text) for answer in given)),
                        sentences=tuple(dict.fromkeys(sentence for sentence in found if sentence)),
                        gold=(article.id,) if answerable else (),
                    )
                )
    return articles, questions


def _sentence_with(article: Article, context: str, answer: _Answer) -> str | None:
    """Return what stands between the ends of the sentences an answer lies in, None if it is not found.

    `answer_start` counts characters before cleaning; so the answer is looked for as the same
    occurrence of its words.
    """
    words = clean(answer.text)
    place = -1
    for _ in range(clean(context[: answer.answer_start + len(answer.text)]).count(words) if words else 0):
        place = article.text.find(words, place + 1)
    if place < 0:
        return None
    return _touched(article, place, place + len(words))


def _touched(article: Article, start: int, end: int) -> str | None:
    """Return the sentences of which a part lies in text[start:end], flat, None if there are none."""
    touched = [one for one in split(article.text, article.language) if one.start < end and start < one.end]
    return flat(article.text[touched[0].start : touched[-1].end]) if touched else None


def _nomiracl(folder: Path, language: str | None) -> _Read:
    """Read NoMIRACL (Thakur et al. 2024): ten judged passages a question, of which one answers, or none."""
    passages: dict[str, Article] = {}
    for _, passage in _lines(folder / "passages.jsonl", _Passage):
        passages[passage.id] = _article(folder / "passages.jsonl", passage.title, passage.text, language)
    questions = []
    for place, judged in _lines(folder / "questions.jsonl", _Judged):
        for identity in judged.docids:
            if identity not in passages:
                raise DataError(f"{place}: docids: passages.jsonl has no passage {identity!r}")
        among = tuple(dict.fromkeys(passages[identity].id for identity in judged.docids))
        questions.append(
            Question(judged.id, judged.question, judged.subset == "relevant", among=among, kind=judged.subset)
        )
    return list(passages.values()), questions


def _known_items(path: Path, query_field: str) -> _Read:
    """Read rows of articles; each that has something in the query's field gives a question."""
    articles = {found.key: found.article for found in _found([path])}
    rows = [json.loads(line) for _, line in _json_lines(path)]
    if len(rows) != len(articles):
        raise DataError(f"{path}: {len(rows)} rows give {len(articles)} articles; no two may have the same id or url")
    questions = [
        Question(str(row.get("id", number)), flat(query), True, gold=(article.id,))
        for number, (row, article) in enumerate(zip(rows, articles.values(), strict=True), 1)
        if isinstance(query := row.get(query_field), str) and query.strip()
    ]
    if rows and not questions:
        raise DataError(f"{path}: no row has words in {query_field!r}; the fields of the first: {', '.join(rows[0])}")
    return list(articles.values()), questions


def _folder(folder: Path) -> _Read:
    """Read a folder such as demo/: files of articles, and questions with the sentence that answers."""
    articles = list({found.key: found.article for found in _found([folder / "articles"])}.values())
    texts = {article.id: flat(article.text) for article in articles}
    questions = []
    for place, put in _lines(folder / "questions.jsonl", _Put):
        if put.answerable and put.sentence is None:
            raise DataError(f"{place}: sentence: a question that is answerable needs the sentence that answers it")
        sentences = tuple(flat(sentence) for sentence in (put.sentence, *put.also) if sentence)
        held = [[identity for identity, text in texts.items() if sentence in text] for sentence in sentences]
        for sentence, holders in zip(sentences, held, strict=True):
            if not holders:
                raise DataError(f"{place}: no article of {folder / 'articles'} holds {sentence[:60]!r}")
        questions.append(
            Question(
                put.id,
                put.question,
                put.answerable,
                answers=(flat(put.answer),) if put.answer and put.answerable else (),
                sentences=sentences if put.answerable else (),
                gold=tuple(dict.fromkeys(identity for holders in held for identity in holders)),
                language=put.language,
                kind=put.kind,
                history=tuple(put.history),
            )
        )
    return articles, questions


def _article(path: Path, title: str, text: str, language: str | None) -> Article:
    """Make the article that the readers would: as a user's own would be indexed."""
    opening = " ".join(text.split())[:_TITLE_FROM_TEXT]
    draft = make_draft({"title": title, "language": language} if language else {"title": title}, opening, text)
    article = make_article(draft)
    if not article.text:
        raise DataError(f"{path}: the text of {title!r} is empty")
    return article


def _found(paths: list[Path]) -> Iterator[Found]:
    for item in read_articles(paths):
        if not isinstance(item, Found):
            raise DataError(f"{item.origin}: {item.reason}")
        yield item


def _lines(path: Path, model: type[Model]) -> Iterator[tuple[str, Model]]:
    """Yield what stands in each line that is not blank, with the words that say where."""
    for place, line in _json_lines(path):
        try:
            yield place, model.model_validate_json(line)
        except ValidationError as error:
            raise DataError(f"{place}: {_fault(error)}") from None


def _json_lines(path: Path) -> Iterator[tuple[str, str]]:
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None
    yield from ((f"{path}, line {number}", line) for number, line in enumerate(lines, 1) if line.strip())


def _fault(error: ValidationError) -> str:
    """Say in one line where the first fault is, such as data[3].paragraphs[0].context, and what."""
    first = error.errors(include_url=False)[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    what = " ".join(first["msg"].split())
    return (f"{where}: " if where else "") + what[:1].lower() + what[1:]


def _refuse_twice(path: Path, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for identity in ids:
        if identity in seen:
            raise DataError(f"{path}: two questions have the id {identity!r}")
        seen.add(identity)
