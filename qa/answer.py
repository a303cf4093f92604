"""answer() and stream(): the only file that sees every stage."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cachetools import LRUCache
from pydantic import SecretStr

from errors import QuestionError
from index.articles import Article, Draft, make_article
from index.embedder import Embedder, configured_embedder
from index.generation import Filters, Generation, current_name, open_current
from index.language import detect
from index.rebuild import embed_articles
from index.search import Hit, Recency, search
from models import fingerprint, locate
from qa.confidence import Calibration, read_calibration, signals
from qa.conversation import Turn, standalone
from qa.disagreement import disagreeing, disagreement
from qa.evidence import Evidence, Selection, likeliest, select, to_be_said
from qa.grammar import answer_grammar, sentence_grammar
from qa.language_model import LanguageModel
from qa.llama_cpp_model import LlamaCppModel
from qa.prefix_states import PrefixStates
from qa.prompt import answer_prompt, fill, rewrite_prompt, wording
from qa.reader import AdaptedReader, Reader, Text, configured_reader
from qa.short_answer import asks_for_words, short_answer
from qa.verify import Citation, Statement, verified
from settings import Settings, load_settings

LONGEST_QUESTION = 1000
_READ_FIRST = 3  # passages whose evidence is shown before all are read
# Confidence in these from which the answer is written at once, and the others are read behind it: the best
# sentence of the three was the best of all in each of 180 such questions (docs/benchmarks.md).
_SURE = 0.65
_LONGEST_SENTENCE = 120  # tokens of one that is written again


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds since the question was put, None where a stage was not reached.

    `evidence` is that of the likeliest passages, `evidence_whole` that of all, which is later than `first_word`
    where the likeliest were enough.
    """

    search: float | None = None
    evidence: float | None = None
    first_word: float | None = None
    total: float = 0.0
    evidence_whole: float | None = None


@dataclass(frozen=True, slots=True)
class EvidenceFound:
    """What was found so far, and the probability that it answers.

    Where `whole` is false, only the likeliest passages have been read, and another one follows: before the
    answer is written, or where `enough` is true behind it.
    """

    question: str
    evidence: tuple[Evidence, ...]
    nearest: tuple[Hit, ...]
    confidence: float = 0.0
    whole: bool = True
    enough: bool = True


@dataclass(frozen=True, slots=True)
class PartialAnswer:
    """The answer so far, from its beginning."""

    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer and its proof; last event of a stream.

    `question` is the question as it was understood (a follow-up is completed), `confidence` the
    probability, 0 to 1, that the evidence answers it, `language` an ISO 639-1 code. `short` are the
    few words of a cited sentence that answer, where the question asks for such. `statements` are the
    sentences of the text, each with what became of it when it was checked, and those left out.
    `evidence` is what was found to answer from, `nearest` the passages found, best first.
    """

    question: str
    text: str
    short: str | None
    citations: tuple[Citation, ...]
    statements: tuple[Statement, ...]
    refused: bool
    confidence: float
    language: str
    evidence: tuple[Evidence, ...]
    nearest: tuple[Hit, ...]
    timings: Timings

    def as_json(self) -> dict[str, Any]:
        """Return what `sourcier ask --json` prints: plain values, offsets in characters of the article."""
        return {
            "question": self.question,
            "answer": self.text,
            "short": self.short,
            "refused": self.refused,
            "confidence": round(self.confidence, 4),
            "language": self.language,
            "citations": [
                {"marker": citation.marker, "quote": citation.evidence.quote, **_about(citation.evidence.article)}
                | {"start": citation.evidence.start, "end": citation.evidence.end}
                for citation in self.citations
            ],
            "statements": [
                {"text": statement.text, "start": statement.start, "end": statement.end}
                | {"markers": list(statement.markers), "standing": str(statement.standing)}
                | {"problems": [{"kind": str(problem.kind), "words": problem.words} for problem in statement.problems]}
                for statement in self.statements
            ],
            "evidence": [
                {"number": item.number, "quote": item.quote, "score": round(item.score, 4)} | _about(item.article)
                for item in self.evidence
            ],
            "nearest": [
                {"score": round(hit.score, 4), "passage": hit.text, **_about(hit.article)}
                | {"start": hit.passage.start, "end": hit.passage.end}
                | {"copies": [_about(article) for article in hit.copies]}
                for hit in self.nearest
            ],
            "timings": asdict(self.timings),
        }


def _about(article: Article) -> dict[str, str | None]:
    return {
        "article_id": article.id,
        "title": article.title,
        "source": article.source,
        "url": article.url,
        "published": article.published.isoformat() if article.published else None,
    }


class Assistant:
    """Answers questions over one home, or over given articles. Safe to use from several threads."""

    def __init__(
        self,
        settings: Settings,
        embedder: Embedder,
        reader: Reader,
        model: LanguageModel,
    ) -> None:
        self._settings = settings
        self._embedder = embedder
        self._reader = reader
        self._model = model
        self._calibration: Calibration | None = None
        self._kept: LRUCache[object, Answer] = LRUCache(settings.answers_kept)
        self._lock = threading.Lock()
        self._opened: Generation | None = None
        self._given: tuple[tuple[str, ...], Generation] | None = None

    def warm(self) -> None:
        """Load the models and read the fixed part of the prompt, so that the first question waits for neither."""
        with ThreadPoolExecutor(1) as beside:
            warmed = beside.submit(self._warm_model)
            self._embedder.embed_question("?")
            self._reader.read("?", [Text("", "?", ((0, 1),))])
            warmed.result()

    def _warm_model(self) -> None:
        prompt = fill("answer", "fr", question="?", evidence="", language="French")
        for _ in self._model.generate(prompt, grammar='root ::= "."', max_tokens=1):
            pass

    def forget(self) -> None:
        """Forget what was answered and computed so far, but for the fixed beginnings of prompts."""
        with self._lock:
            self._kept.clear()
        for model in (self._reader, self._model):
            if isinstance(model, AdaptedReader | LlamaCppModel):
                model.forget()

    def stream(
        self,
        question: str,
        *,
        articles: Sequence[Article | Mapping[str, Any]] | None = None,
        published_after: date | str | None = None,
        published_before: date | str | None = None,
        sources: Sequence[str] = (),
        languages: Sequence[str] = (),
        authors: Sequence[str] = (),
        history: Sequence[Turn | tuple[str, str]] = (),
        leave_out: Collection[str] = (),
    ) -> Iterator[EvidenceFound | PartialAnswer | Answer]:
        """Yield the evidence, then growing text, then the Answer; see the module's `stream`."""
        started = time.perf_counter()

        def elapsed() -> float:
            return round(time.perf_counter() - started, 4)

        settings = self._settings
        question = _checked(question)
        filters = Filters(
            _day(published_after, "published_after"),
            _day(published_before, "published_before"),
            tuple(sources),
            tuple(languages),
            tuple(authors),
            frozenset(leave_out),
        )
        turns = [Turn(*turn) for turn in history]
        generation = self._generation() if articles is None else self._over(articles)
        today = date.today() if settings.recency_weight else None
        key = (question, tuple(turns), filters, generation.name, today) if articles is None else None
        with self._lock:
            kept = self._kept.get(key)
        if kept:
            yield EvidenceFound(kept.question, kept.evidence, kept.nearest, kept.confidence)
            if not kept.refused:
                yield PartialAnswer(kept.text)
            at = elapsed()
            yield replace(kept, timings=Timings(at, at, None if kept.refused else at, at, at))
            return
        language = _language(question, turns)
        question = standalone(question, turns, language, self._model)

        hits = search(
            generation,
            self._embedder,
            question,
            language,
            results=settings.results,
            lexical_weight=settings.lexical_weight,
            filters=filters,
            recency=Recency(settings.recency_weight, settings.recency_days),
        )
        searched = elapsed()
        first = select(hits[:_READ_FIRST], self._reader, question, count=settings.evidence_sentences)
        sure = self._confidence(hits, first, question, language)
        early = len(hits) > _READ_FIRST and sure >= max(_SURE, settings.refuse_below)
        timings = Timings(search=searched, evidence=elapsed())
        if len(hits) > _READ_FIRST and first.evidence:
            yield EvidenceFound(question, first.evidence, tuple(hits), sure, whole=False, enough=early)
        selection = first
        if not early:
            selection, sure = self._read_all(hits, first, question, language)
            timings = replace(timings, evidence_whole=elapsed())
            yield EvidenceFound(question, selection.evidence, tuple(hits), sure)

        text, short, first_word = "", None, None
        citations, statements = tuple[Citation, ...](), tuple[Statement, ...]()
        if selection.evidence and sure >= settings.refuse_below:
            prompt, given = answer_prompt(
                question,
                likeliest(selection.evidence),
                language,
                self._model.count_tokens,
                self._model.context_tokens - settings.answer_tokens,
            )
            grammar = answer_grammar([item.number for item in given])
            reply = ""
            for piece in self._model.generate(prompt, grammar=grammar, max_tokens=settings.answer_tokens):
                if piece:
                    first_word = first_word or elapsed()
                reply += piece
                yield PartialAnswer(reply)
            if early:
                selection, sure = self._read_all(hits, first, question, language, given)
                timings = replace(timings, evidence_whole=elapsed())
                yield EvidenceFound(question, selection.evidence, tuple(hits), sure)
                numbers = {item.number for item in (*given, *likeliest(selection.evidence))}
                given = tuple(item for item in selection.evidence if item.number in numbers)
            if sure >= settings.refuse_below:
                others = disagreeing(given)
                text, citations, statements = verified(
                    reply,
                    given,  # not all that was found: an unlikely sentence may be one that is planted
                    language,
                    question,
                    self._rewriter(question, language),
                    expected=[
                        item if asks_for_words(question, language) else replace(item, words=None)
                        for item in to_be_said(given)
                    ],
                    closing=(disagreement(*others, language), (others[0].number, others[1].number)) if others else None,
                )
                short = short_answer(question, language, [citation.evidence for citation in citations])
        made = Answer(
            question=question,
            text=text or wording("refusal", language),
            short=short,
            citations=citations,
            statements=statements,
            refused=not citations,
            confidence=sure,
            language=language,
            evidence=selection.evidence,
            nearest=tuple(hits),
            timings=replace(timings, first_word=first_word, total=elapsed()),
        )
        if key and settings.answers_kept:
            with self._lock:
                self._kept[key] = made
        yield made

    def _read_all(
        self, hits: Sequence[Hit], first: Selection, question: str, language: str, kept: Sequence[Evidence] = ()
    ) -> tuple[Selection, float]:
        """Read the other passages too; return the sentences, `kept` among them, and the confidence."""
        count = self._settings.evidence_sentences
        selection = select(hits, self._reader, question, count=count, known=first.readings, kept=kept)
        return selection, self._confidence(hits, selection, question, language)

    def _confidence(self, hits: Sequence[Hit], selection: Selection, question: str, language: str) -> float:
        if not selection.evidence:
            return 0.0
        if self._calibration is None:
            self._calibration = read_calibration(
                self._settings.home, self._embedder.fingerprint, self._reader.fingerprint
            )
        return self._calibration.confidence(signals(hits, selection, question, language))

    def _rewriter(self, question: str, language: str) -> Callable[[str, Sequence[Evidence]], str]:
        """Return what asks the model for one sentence again, from the sentences that it cites."""

        def rewrite(sentence: str, evidence: Sequence[Evidence]) -> str:
            prompt = rewrite_prompt(sentence, evidence, question, language)
            tokens = min(self._settings.answer_tokens, _LONGEST_SENTENCE)
            try:
                return "".join(self._model.generate(prompt, grammar=sentence_grammar(), max_tokens=tokens))
            except QuestionError:  # no room for it: the sentence is quoted or dropped instead
                return ""

        return rewrite

    def _generation(self) -> Generation:
        """Return the current generation, opened again only after a rebuild."""
        home = self._settings.home
        with self._lock:
            if self._opened is None or self._opened.name != current_name(home):
                self._opened = open_current(home, self._embedder.fingerprint)  # who reads the one before keeps it
                self._kept.clear()  # what it was answered from may have changed
            return self._opened

    def _over(self, articles: Sequence[Article | Mapping[str, Any]]) -> Generation:
        """Index given articles in memory; the last ones stay, for the next question on them."""
        made = [_article(article) for article in articles]
        ids = tuple(article.id for article in made)
        with self._lock:
            if self._given is None or self._given[0] != ids:
                self._given = ids, embed_articles(made, self._embedder, self._settings.passage_tokens)
            return self._given[1]


@lru_cache(maxsize=1)
def _language_model(path: Path, models_folder: Path, context_tokens: int, threads: int, at_once: int) -> LlamaCppModel:
    states = PrefixStates(models_folder / "states", f"{fingerprint(path, models_folder)} {version('llama-cpp-python')}")
    return LlamaCppModel(path, context_tokens=context_tokens, threads=threads, at_once=at_once, states=states)


@lru_cache(maxsize=1)
def _server_model(address: str, name: str, key: SecretStr | None, context_tokens: int) -> LanguageModel:
    from qa.server_model import ServerModel

    return ServerModel(address, name, key=key, context_tokens=context_tokens)


def configured_model(settings: Settings) -> LanguageModel:
    """Return the language model that the settings name, one for the whole process.

    Raises ModelMissingError if its weights are not here, SettingsError for a server that may not be sent the key.
    """
    if settings.answering_server:
        key = settings.answering_server_key
        return _server_model(settings.answering_server, settings.answering_model, key, settings.context_tokens)
    path = locate(settings.answering_model, settings.models_folder)
    return _language_model(
        path, settings.models_folder, settings.context_tokens, settings.threads, settings.answers_at_once
    )


@lru_cache(maxsize=8)
def assistant(settings: Settings) -> Assistant:
    """Return the assistant of these settings, with its models; they load when first used.

    Raises ModelMissingError if their weights are not here.
    """
    return Assistant(settings, configured_embedder(settings), configured_reader(settings), configured_model(settings))


def stream(
    question: str,
    *,
    home: str | Path | None = None,
    articles: Sequence[Article | Mapping[str, Any]] | None = None,
    published_after: date | str | None = None,
    published_before: date | str | None = None,
    sources: Sequence[str] = (),
    languages: Sequence[str] = (),
    authors: Sequence[str] = (),
    history: Sequence[Turn | tuple[str, str]] = (),
    leave_out: Collection[str] = (),
    settings: Settings | None = None,
) -> Iterator[EvidenceFound | PartialAnswer | Answer]:
    """Answer a question; yield EvidenceFound, PartialAnswer as the text grows, last the Answer.

    `articles` are `Article`s or mappings with the fields of `Draft` (title and text at least); given,
    no index on disk is read. Both dates are included, as `date` or "2024-05-31"; `languages` are those of
    articles, as ISO 639-1 codes; `authors` are looked for inside the byline. `history` are earlier
    (question, answer) pairs, oldest first. `leave_out` are ids of articles that are not searched.

    EvidenceFound comes once or twice: of the likeliest passages, then of all, which are read before the
    text is written or, where the first are enough, behind it. The Answer's text is the final one: what a
    PartialAnswer showed can still be mended. Closing the iterator frees the model.

    Raises a subclass of SourcierError: QuestionError, NoArchiveError and its kin, ModelMissingError.
    """
    chosen = settings or load_settings(home)
    return assistant(chosen).stream(
        question,
        articles=articles,
        published_after=published_after,
        published_before=published_before,
        sources=sources,
        languages=languages,
        authors=authors,
        history=history,
        leave_out=leave_out,
    )


def answer(question: str, **options: Any) -> Answer:
    """Answer a question; options and errors are those of `stream`."""
    *_, last = stream(question, **options)
    assert isinstance(last, Answer)
    return last


def _checked(question: str) -> str:
    question = " ".join(question.split())
    if not any(character.isalnum() for character in question):
        raise QuestionError("the question is empty; write one")
    if len(question) > LONGEST_QUESTION:
        raise QuestionError(
            f"the question has {len(question)} characters, {LONGEST_QUESTION} at most are read; shorten it"
        )
    return question


def _day(value: date | str | None, name: str) -> date | None:
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise QuestionError(f"{name} = {value!r} is not a date; write it as 2024-05-31") from None


def _article(article: Article | Mapping[str, Any]) -> Article:
    if isinstance(article, Article):
        return article
    try:
        draft = Draft(**article)
        return make_article(draft, language=detect(draft.text))
    except (TypeError, AttributeError) as error:
        raise QuestionError(f"an article given has the wrong fields ({error}); title and text are needed") from None


def _language(question: str, history: Sequence[Turn]) -> str:
    """The language of a question; that of the one before where it is too short to tell."""
    if history and len(question.split()) < 5:
        return detect(history[-1].question)
    return detect(question)
