"""The page's own HTML: a conversation, its sources, the archive. No Gradio here, no state.

Whatever comes from an article, a file name, a reader or a model goes through `Markup.format`,
which escapes every value that is not itself Markup; no other way leads into the page.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from babel.dates import format_date
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup

from qa.verify import Standing

if TYPE_CHECKING:
    from index.articles import Article
    from index.generation import Status
    from index.passages import Passage
    from index.rebuild import Progress, Report
    from index.search import Hit
    from qa import Answer, Evidence, EvidenceFound
    from qa.check import Problem
    from qa.verify import Statement

LANGUAGES = ("en", "fr")
_MARKER = re.compile(r"\[(\d{1,4})\]")
_UNFINISHED_MARKER = re.compile(r"\[\d*$")

# Of the confidence that the evidence answers, from which it is called so.
_HIGH, _MEDIUM = 0.8, 0.6

Texts = dict[str, str]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and what has come of it so far.

    `text` is the answer as far as it is written; `answer` comes last and replaces it. `error` is
    the line that tells why there is none.
    """

    question: str
    found: EvidenceFound | None = None
    text: str = ""
    answer: Answer | None = None
    error: str | None = None
    stopped: bool = False

    @property
    def waiting(self) -> bool:
        return self.answer is None and self.error is None and not self.stopped


@cache
def texts(language: str) -> Texts:
    """Return every word of the page in `language`, one of LANGUAGES."""
    found: Texts = tomllib.loads((Path(__file__).parent / f"{language}.toml").read_text(encoding="utf-8"))
    return {"language": language, **found}


def language_of(accept_language: str | None) -> str:
    """Return "fr" where the browser's first language is French, else "en".

    Only the first counts, as it does for the words that Gradio itself shows.
    """
    return "fr" if re.match(r"\s*fr\b", accept_language or "", re.IGNORECASE) else "en"


def masthead(status: Status | None, words: Texts) -> Markup:
    """The name of the page and what the archive holds; `status` is None where it holds nothing."""
    if status is None:
        holds = words["no_archive"]
    else:
        parts = [_count("article", status.articles, words)]
        if status.oldest and status.newest:
            period = words["period"].format(oldest=_day(status.oldest, words), newest=_day(status.newest, words))
            parts.append(_day(status.oldest, words) if status.oldest == status.newest else period)
        if status.sources:
            parts.append(_count("source", len(status.sources), words))
        holds = " · ".join(parts)
    return Markup(
        '<header class="masthead"><h1>{}</h1><p class="tagline">{}</p><p class="holds">{}</p></header>'
    ).format(words["title"], words["tagline"], holds)


def conversation(exchanges: Sequence[Exchange], words: Texts, status: Status | None = None) -> Markup:
    """The questions and their answers, oldest first; before the first, over the demo, questions to click."""
    if exchanges:
        inner = _join(_turn(number, exchange, words) for number, exchange in enumerate(exchanges, 1))
    else:
        inner = Markup('<div class="welcome"><p>{}</p>').format(words["empty"])
        if status is not None and words["demo_source"] in status.sources:
            buttons = _join(
                Markup('<li><button type="button" data-question="{0}">{0}</button></li>').format(question)
                for question in words["demo_questions"].split("\n")
            )
            inner += Markup('<h2>{}</h2><ul class="examples">{}</ul>').format(words["examples"], buttons)
        inner += Markup("</div>")
    return Markup('<section class="conversation" lang="{}" aria-label="{}" tabindex="0">{}</section>').format(
        words["language"], words["conversation"], inner
    )


def announcement(exchanges: Sequence[Exchange], words: Texts) -> Markup:
    """What a screen reader says: the state of the last exchange, and its answer once it is whole."""
    last = exchanges[-1] if exchanges else None
    if last is None:
        said = ""
    elif last.answer is not None:
        said = re.sub(rf" ?{_MARKER.pattern}", "", last.answer.text) or words["refused"]
        if last.answer.short:
            said = f"{_on_one_line(last.answer.short)}. {said}"
    else:
        said = last.error or (words["stopped"] if last.stopped else _state(last, words))
    return Markup('<p role="status" aria-live="polite">{}</p>').format(said)


def sources(exchanges: Sequence[Exchange], words: Texts) -> Markup:
    """The sources of each answer, the last answer's first and open."""
    numbered = [(number, exchange) for number, exchange in enumerate(exchanges, 1) if exchange.found]
    if not numbered:
        inner = Markup('<h2>{}</h2><p class="hint">{}</p>').format(words["sources"], words["sources_empty"])
    else:
        inner = _proof(*numbered[-1], words)
        for number, exchange in reversed(numbered[:-1]):
            inner += Markup('<details class="earlier"><summary>{}</summary>{}</details>').format(
                words["earlier"].format(question=exchange.question), _proof(number, exchange, words)
            )
    return Markup('<section class="sources" lang="{}" aria-label="{}" tabindex="0">{}</section>').format(
        words["language"], words["sources"], inner
    )


def progress(seen: Progress | None, words: Texts) -> Markup:
    """How far a rebuild has come; None before its first word."""
    if seen is None:
        return Markup('<p class="report" role="status">{}</p>').format(words["preparing"])
    stage = words["writing_index" if seen.stage == "writing" else seen.stage]
    line = words["progress"].format(stage=stage, done=_number(seen.done, words), total=_number(seen.total, words))
    return Markup('<div class="report"><label>{}<progress value="{}" max="{}"></progress></label></div>').format(
        line, seen.done, max(seen.total, 1)
    )


def report(made: Report, words: Texts) -> Markup:
    """What a rebuild did with the files it was given."""
    counts = {"added": made.added, "updated": made.updated, "unchanged": made.unchanged, "skipped": len(made.skipped)}
    figures = _join(
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(words[key], _number(count, words))
        for key, count in counts.items()
    )
    lines = _join(
        Markup("<li>{}</li>").format(words["skipped_line"].format(origin=skipped.origin, reason=skipped.reason))
        for skipped in made.skipped
    )
    return Markup('<div class="report" role="status"><p>{}</p><dl>{}</dl>{}</div>').format(
        words["report"], figures, Markup("<ul>{}</ul>").format(lines) if lines else ""
    )


def problem(message: str) -> Markup:
    """An error, as one line."""
    return Markup('<p class="problem" role="alert">{}</p>').format(message)


def _turn(number: int, exchange: Exchange, words: Texts) -> Markup:
    answer = exchange.answer
    inner = Markup("")
    if answer is not None and answer.question != " ".join(exchange.question.split()):
        inner += Markup('<p class="understood" dir="auto">{}</p>').format(
            words["understood"].format(question=answer.question)
        )
    if answer is not None:
        inner += Markup('<div class="answer" lang="{}" dir="auto">{}<div class="text">{}</div></div>').format(
            answer.language, _short(number, answer, words), _checked(number, answer, words)
        )
        inner += _confidence(answer, words) + _dropped(answer, words)
        if answer.refused and answer.nearest:
            links = _join(
                Markup('<li><a href="#nearest-{}-{}" dir="auto">{}</a></li>').format(number, place, hit.article.title)
                for place, hit in enumerate(_nearest(answer.nearest), 1)
            )
            inner += Markup('<div class="nearest"><p>{}</p><ul>{}</ul></div>').format(words["nearest_links"], links)
    elif exchange.text:
        known = {evidence.number for evidence in exchange.found.evidence} if exchange.found else set()
        written = _UNFINISHED_MARKER.sub("", exchange.text)
        marks = [(match.start(), int(match[1])) for match in _MARKER.finditer(written) if int(match[1]) in known]
        inner += Markup('<div class="answer" dir="auto"><div class="text">{}</div></div>').format(
            _linked(written, marks, number, words)
        )
    if exchange.error is not None:
        inner += problem(exchange.error)
    elif exchange.stopped:
        inner += Markup('<p class="state">{}</p>').format(words["stopped"])
    elif answer is None and not exchange.text:
        inner += Markup('<p class="state waiting">{}</p>').format(_state(exchange, words))
    return Markup(
        '<article class="turn" id="turn-{0}" tabindex="-1" aria-labelledby="question-{0}" aria-busy="{1}">'
        '<h2 class="question" id="question-{0}" dir="auto">{2}</h2>{3}</article>'
    ).format(number, "true" if exchange.waiting else "false", exchange.question, inner)


def _state(exchange: Exchange, words: Texts) -> str:
    if exchange.found is None:
        return words["searching"]
    return words["writing"].format(evidence=_count("evidence", len(exchange.found.evidence), words))


def _short(turn: int, answer: Answer, words: Texts) -> Markup:
    """The few words that answer, with a marker that leads to the sentence they are taken from."""
    if not answer.short:
        return Markup("")
    source = next((one for one in answer.citations if one.evidence.short == answer.short), None)
    return Markup('<p class="short" dir="auto"{}>{}{}</p>').format(
        _lang(source.evidence.article) if source else "",
        _on_one_line(answer.short),
        Markup(" {}").format(_marker(turn, source.marker, words)) if source else "",
    )


def _checked(turn: int, answer: Answer, words: Texts) -> Markup:
    """The text of an answer, each sentence that was mended followed by a note that opens and says why.

    A statement that does not stand behind the one before it, within the text, gets no note.
    """
    text = answer.text or words["refused"]
    marks = sorted((position, citation.marker) for citation in answer.citations for position in citation.positions)
    parts, done = Markup(""), 0
    for statement in sorted(answer.statements, key=lambda one: one.start):
        start, end = statement.start, statement.end
        if statement.standing in (Standing.WRITTEN, Standing.DROPPED) or not done <= start < end <= len(text):
            continue
        parts += Markup('{}<span class="mended">{}</span>{}').format(
            _linked(text, marks, turn, words, done, start),
            _linked(text, marks, turn, words, start, end),
            _note(statement, words),
        )
        done = end
    return parts + _linked(text, marks, turn, words, done)


def _note(statement: Statement, words: Texts) -> Markup:
    standing = statement.standing
    said = [words[f"why_{standing}"], *(_problem(one, words) for one in statement.problems)]
    return Markup('<details class="note" lang="{}"><summary>{}</summary> <span>{}</span></details>').format(
        words["language"], words[f"note_{standing}"], " ".join(said)
    )


def _problem(found: Problem, words: Texts) -> str:
    return words[f"problem_{found.kind}"].format(words=_on_one_line(found.words))


def _confidence(answer: Answer, words: Texts) -> Markup:
    """How likely the archive answers: in words, the percentage in the title; for a refusal the percentage alone."""
    if not answer.evidence:
        return Markup("")
    # neither never nor always; rounded down, so that 79.9 % is not shown as the 80 % of another word
    share = min(max(int(answer.confidence * 100), 1), 99) / 100
    percentage = words["probability"].format(percentage=format_percent(share, locale=words["locale"]))
    if answer.refused:
        return Markup('<p class="confidence">{}</p>').format(percentage)
    level = "high" if answer.confidence >= _HIGH else "medium" if answer.confidence >= _MEDIUM else "low"
    return Markup('<p class="confidence {}" title="{}">{}<span class="unseen">. {}</span></p>').format(
        level, percentage, words[f"confidence_{level}"], percentage
    )


def _dropped(answer: Answer, words: Texts) -> Markup:
    """The sentences left out because nothing bears them out, folded; one that was only repeated is not told."""
    dropped = [one for one in answer.statements if one.standing is Standing.DROPPED and one.problems]
    if not dropped:
        return Markup("")
    lines = _join(
        Markup('<li><q lang="{}" dir="auto">{}</q> <span>{}</span></li>').format(
            answer.language, one.text, " ".join(_problem(problem, words) for problem in one.problems)
        )
        for one in dropped
    )
    return Markup('<details class="dropped"><summary>{}</summary><ul>{}</ul></details>').format(
        _count("dropped", len(dropped), words), lines
    )


def _linked(
    text: str, marks: Sequence[tuple[int, int]], turn: int, words: Texts, start: int = 0, end: int | None = None
) -> Markup:
    """The text from `start` to `end` with links in the place of its markers.

    `marks` are (offset in the text, marker), in rising order; one that does not stand there is left out.
    """
    end = len(text) if end is None else end
    parts, done = Markup(""), start
    for position, number in marks:
        marker = f"[{number}]"
        if position >= done and position + len(marker) <= end and text.startswith(marker, position):
            parts += Markup("{}{}").format(text[done:position], _marker(turn, number, words))
            done = position + len(marker)
    return Markup("{}{}").format(parts, text[done:end])


def _marker(turn: int, number: int, words: Texts) -> Markup:
    return Markup(
        '<a class="marker" href="#source-{}-{}" aria-label="{}">'
        '<span class="bracket">[</span>{}<span class="bracket">]</span></a>'
    ).format(turn, number, words["marker"].format(number=number), number)


def _proof(turn: int, exchange: Exchange, words: Texts) -> Markup:
    """The sources of one exchange: what was found, and once the answer is whole, what it cites first."""
    found, answer = exchange.found, exchange.answer
    assert found is not None
    copies = {hit.article.id: hit.copies for hit in found.nearest}
    if answer is not None and answer.refused:
        return _nearest_cards(turn, answer.nearest, words)
    if answer is None:
        if not found.evidence:
            return _nearest_cards(turn, found.nearest, words)
        numbered = [(evidence.number, evidence) for evidence in found.evidence]
        return Markup("<h2>{}</h2>{}").format(words["sources_found"], _cards(turn, numbered, copies, words))
    cited = sorted(((citation.marker, citation.evidence) for citation in answer.citations), key=lambda pair: pair[0])
    shown = {evidence.passage for _, evidence in cited}
    others = {evidence.passage: evidence.article for evidence in answer.evidence if evidence.passage not in shown}
    inner = Markup("<h2>{}</h2>{}").format(words["sources"], _cards(turn, cited, copies, words))
    if others:
        cards = _join(
            _card(article, passage, (), turn, words, copies.get(article.id, ())) for passage, article in others.items()
        )
        inner += Markup('<details class="others"><summary>{}</summary>{}</details>').format(words["others"], cards)
    return inner


def _cards(
    turn: int, numbered: Sequence[tuple[int, Evidence]], copies: Mapping[str, Sequence[Article]], words: Texts
) -> Markup:
    """One card per passage, in the order of its first number, with each of its sentences marked.

    `copies` are the other articles that carry the same, by article id.
    """
    together: dict[Passage, list[tuple[int, Evidence]]] = {}
    for number, evidence in numbered:
        together.setdefault(evidence.passage, []).append((number, evidence))
    if not together:
        return Markup('<p class="hint">{}</p>').format(words["sources_none"])
    return _join(
        _card(group[0][1].article, passage, group, turn, words, copies.get(passage.article_id, ()))
        for passage, group in together.items()
    )


def _nearest(hits: Iterable[Hit]) -> list[Hit]:
    """Return the best passage of each article, best first."""
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.article.id, hit)
    return list(best.values())


def _nearest_cards(turn: int, hits: Iterable[Hit], words: Texts) -> Markup:
    cards = _join(
        _card(hit.article, hit.passage, (), turn, words, hit.copies, identifier=f"nearest-{turn}-{place}")
        for place, hit in enumerate(_nearest(hits), 1)
    )
    return Markup("<h2>{}</h2>{}").format(
        words["sources_nearest"], cards or Markup('<p class="hint">{}</p>').format(words["sources_none"])
    )


def _card(
    article: Article,
    passage: Passage,
    cited: Sequence[tuple[int, Evidence]],
    turn: int,
    words: Texts,
    copies: Sequence[Article],
    identifier: str = "",
) -> Markup:
    """A passage under its article's title, source and date, with the `cited` sentences marked."""
    about = _source_and_day(article, words)
    if _is_web(article.url):
        about.append(
            Markup('<a href="{}" target="_blank" rel="noopener noreferrer" aria-label="{}">{}</a>').format(
                article.url, words["original_label"].format(title=article.title), words["original"]
            )
        )
    same = Markup("")
    if copies:
        others = _join(
            Markup("<li><span{}>{}</span>, {}</li>").format(
                _lang(copy), copy.title, Markup(" · ").join(_source_and_day(copy, words))
            )
            for copy in copies
        )
        same = Markup('<details class="copies"><summary>{}</summary><ul>{}</ul></details>').format(
            _count("copy", len(copies), words), others
        )
    back = Markup('<a class="back" href="#turn-{}">{}</a>').format(turn, words["back"])
    return Markup(
        '<article class="card" tabindex="-1"{}><h3 dir="auto"{}>{}</h3><p class="about">{}</p>'
        '<blockquote dir="auto"{}>{}</blockquote>{}{}</article>'
    ).format(
        Markup(' id="{}"').format(identifier) if identifier else "",
        _lang(article),
        article.title,
        Markup(" · ").join(about),
        _lang(article),
        _quote(article, passage, cited, turn),
        same,
        back,
    )


def _source_and_day(article: Article, words: Texts) -> list[Markup]:
    about = [Markup("{}").format(article.source)] if article.source else []
    if article.published:
        day = article.published.isoformat()[:10]
        about.append(Markup('<time datetime="{}">{}</time>').format(day, _day(article.published, words)))
    else:
        about.append(Markup("{}").format(words["undated"]))
    return about


def _quote(article: Article, passage: Passage, cited: Sequence[tuple[int, Evidence]], turn: int) -> Markup:
    """The passage with each cited sentence in a <mark>; a sentence is never cut by the passage's ends."""
    text = article.text
    start = min([passage.start, *(evidence.start for _, evidence in cited)])
    end = max([passage.end, *(evidence.end for _, evidence in cited)])
    parts, done = Markup("… " if start > 0 else ""), start
    for number, evidence in sorted(cited, key=lambda pair: (pair[1].start, pair[1].end)):
        parts += Markup('{}<mark id="source-{}-{}"><b class="number">{}</b>{}</mark>').format(
            text[done : max(done, evidence.start)], turn, number, number, text[max(done, evidence.start) : evidence.end]
        )
        done = max(done, evidence.end)
    return parts + Markup("{}{}").format(text[done:end], " …" if end < len(text) else "")


def _lang(article: Article) -> Markup:
    return Markup(' lang="{}"').format(article.language) if article.language else Markup("")


def _is_web(url: str | None) -> bool:
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _day(day: date, words: Texts) -> str:
    written = format_date(day, "long", locale=words["locale"])
    return written.replace("1", words["first_day"], 1) if day.day == 1 else written


def _number(number: int, words: Texts) -> str:
    return format_decimal(number, locale=words["locale"])


def _count(what: str, count: int, words: Texts) -> str:
    one = count == 1 or (count == 0 and words["language"] == "fr")
    return words[f"{what}_one" if one else f"{what}_many"].format(count=_number(count, words))


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _join(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)
