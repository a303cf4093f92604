"""The HTML of questions, answers and their proof. No Gradio here, no state.

Whatever comes from an article, a file name, a reader or a model goes through `Markup.format`,
which escapes every value that is not itself Markup; no other way leads into the page.

Ids: `turn-T` is the exchange number T of a conversation, `source-T-N` its quote N, `nearest-T-P` the
article that stands in place P behind a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from markupsafe import Markup

from page.record import Excerpt, Exchange, Narrowing, Quote, Reference, State
from page.words import Texts, count, day, language_name, own_name, percent
from qa.verify import Standing

if TYPE_CHECKING:
    from index.generation import Status
    from page.conversations import Rating
    from qa.check import Problem
    from qa.verify import Statement

MARKER = re.compile(r"\[(\d{1,4})\]")
_UNFINISHED_MARKER = re.compile(r"\s?\[\d*$")
SHOWN = 20  # exchanges of a conversation on the page at once; earlier ones are a click away

# Of the confidence that the evidence answers, from which it is called so.
_HIGH, _MEDIUM = 0.8, 0.6


def masthead(status: Status | None, words: Texts, languages: Sequence[str]) -> Markup:
    """The name of the page, what the archive holds, None where it holds nothing, and the languages to choose from."""
    if status is None:
        holds = words["no_archive"]
    else:
        parts = [count("article", status.articles, words)]
        if status.oldest and status.newest:
            parts.append(period(status.oldest, status.newest, words))
        if status.sources:
            parts.append(count("source", len(status.sources), words))
        holds = " · ".join(parts)
    choices = join(
        Markup(
            '<button type="button" data-act="choose_language" data-language="{0}" lang="{0}"'
            ' aria-pressed="{1}">{2}</button>'
        ).format(
            language,
            "true" if language == words["language"] else "false",
            own_name(language),
        )
        for language in languages
    )
    return Markup(
        '<header class="masthead"><h1>{}</h1><p class="tagline">{}</p><p class="holds">{}</p>'
        '<div class="languages" role="group" aria-label="{}">{}</div></header>'
    ).format(words["title"], words["tagline"], holds, words["page_language"], choices)


def welcome(words: Texts, suggestions: Sequence[tuple[str, str]] = ()) -> Markup:
    """What stands there before the first question; `suggestions` are (question, language)."""
    inner = Markup("<p>{}</p>").format(words["empty"])
    if suggestions:
        buttons = join(
            Markup(
                '<li><button type="button" data-act="ask" data-question="{0}" lang="{1}" dir="auto">{0}</button></li>'
            ).format(question, language)
            for question, language in suggestions
        )
        inner += Markup('<h2>{}</h2><ul class="examples">{}</ul>').format(words["examples"], buttons)
    return Markup('<div class="welcome" lang="{}">{}</div>').format(words["language"], inner)


def conversation(
    exchanges: Sequence[Exchange],
    words: Texts,
    ratings: Sequence[Rating | None] = (),
    *,
    start: int = 0,
    last: int | None = None,
    rateable: bool = True,
) -> Markup:
    """Exchanges of a conversation, oldest first; the first of them is number `start` + 1.

    `last` is the number of the last one of the conversation, which can be asked again, and stands apart;
    before the others comes the way to those that are not shown. `rateable` is False where no rating can be kept.
    """
    earlier = (
        Markup('<p class="more"><button type="button" data-act="earlier">{}</button></p>').format(
            count("earlier_questions", start, words)
        )
        if start and last is None
        else Markup("")
    )
    ratings = [*ratings, *[None] * len(exchanges)]
    return earlier + join(
        _turn(place, exchange, words, rating, last, rateable)
        for place, (exchange, rating) in enumerate(zip(exchanges, ratings, strict=False), start + 1)
    )


def announcement(exchange: Exchange | None, words: Texts) -> Markup:
    """What a screen reader says: the state of an exchange, and its answer once it is whole."""
    if exchange is None:
        said = ""
    elif exchange.answered:
        said = re.sub(rf" ?{MARKER.pattern}", "", exchange.text) or words["refused"]
        if exchange.short:
            said = f"{_on_one_line(exchange.short)}. {said}"
    else:
        said = exchange.error or (words["stopped"] if exchange.state == State.STOPPED else _state(exchange, words))
    return Markup('<p role="status" aria-live="polite" lang="{}">{}</p>').format(words["language"], said)


def sources(turn: int, exchange: Exchange | None, words: Texts) -> Markup:
    """The proof of one exchange: what was found, and once the answer is whole, what it cites first."""
    found = exchange is not None and (exchange.quotes or exchange.nearest)
    if exchange is None or not (found or exchange.state in (State.WRITING, State.ANSWERED)):
        return Markup('<h2>{}</h2><p class="hint">{}</p>').format(
            words["sources"], words["searching" if exchange and exchange.state == State.SEARCHING else "sources_empty"]
        )
    return _proof(turn, exchange, words)


def earlier_sources(exchanges: Sequence[Exchange], words: Texts, *, start: int = 0) -> Markup:
    """The proofs of exchanges before the last, folded, the latest first."""
    numbered = [
        (place, exchange) for place, exchange in enumerate(exchanges, start + 1) if exchange.quotes or exchange.nearest
    ]
    return join(
        Markup('<details class="earlier"><summary dir="auto">{}</summary>{}</details>').format(
            words["earlier"].format(question=exchange.question), _proof(place, exchange, words)
        )
        for place, exchange in reversed(numbered)
    )


def problem(message: str) -> Markup:
    """An error, as one line."""
    return Markup('<p class="problem" role="alert" dir="auto">{}</p>').format(message)


def said(line: str, words: Texts) -> Markup:
    """One line on what was done."""
    return Markup('<div class="report" role="status" lang="{}"><p>{}</p></div>').format(words["language"], line)


def confirmed(act: str, word: str, question: str, words: Texts, *, label: str = "", **data: str) -> Markup:
    """A button that does something once a dialog with that question was confirmed."""
    more = join(Markup(' data-{}="{}"').format(name, value) for name, value in data.items())
    return Markup(
        '<button type="button" data-act="{}" data-confirm="{}" data-yes="{}" data-no="{}"{}{}>{}</button>'
    ).format(
        act, question, word, words["cancel"], Markup(' aria-label="{}"').format(label) if label else "", more, word
    )


def pages(act: str, first: int, total: int, rows: int, words: Texts) -> Markup:
    """What leads to the pages of a list before and after the one from `first` on; empty where there is one page."""
    if total <= rows:
        return Markup("")
    buttons = join(
        Markup('<button type="button" data-act="{}" data-first="{}"{}>{}</button>').format(
            act, place, "" if there else Markup(" disabled"), word
        )
        for place, word, there in (
            (max(first - rows, 0), words["previous"], first > 0),
            (first + rows, words["next"], first + rows < total),
        )
    )
    return Markup('<nav class="pages" aria-label="{}">{}</nav>').format(words["pages"], buttons)


def article(
    shown: Sequence[tuple[Reference, str, str, bool]], marks: Sequence[tuple[int, int]], chosen: int, words: Texts
) -> Markup:
    """A whole article for reading, with the sentences at `marks` (start, end) marked.

    `shown` are its versions, oldest first, as (what is said of it, its text, when it was added, whether
    it is searched); `chosen` is the place of the one to read.
    """
    about, text, _, searched = shown[chosen]
    parts, done = Markup(""), 0
    for start, end in sorted(marks):
        if done <= start < end <= len(text):
            parts += Markup("{}<mark>{}</mark>").format(text[done:start], text[start:end])
            done = end
    versions = Markup("")
    if len(shown) > 1:
        lines = join(
            Markup('<li><button type="button" data-act="read" data-article="{}"{}>{}</button></li>').format(
                other.id,
                Markup(' aria-current="true"') if place == chosen else "",
                words["version"].format(day=day(date.fromisoformat(added[:10]), words) if added else "–"),
            )
            for place, (other, _, added, _) in enumerate(shown)
        )
        versions = Markup('<details class="versions"><summary>{}</summary><ul>{}</ul></details>').format(
            count("version", len(shown), words), lines
        )
    return Markup(
        '<article class="reading" tabindex="-1"{}><h2 dir="auto">{}</h2><p class="about" lang="{}">{}</p>{}{}'
        '<div class="whole" dir="auto">{}</div></article>'
    ).format(
        lang_of(about),
        about.title,
        words["language"],
        _about(about, words),
        Markup("") if searched else Markup('<p class="replaced">{}</p>').format(words["replaced"]),
        versions,
        parts + Markup("{}").format(text[done:]),
    )


def period(oldest: date, newest: date, words: Texts) -> str:
    """Write from when to when."""
    if oldest == newest:
        return day(oldest, words)
    return words["period"].format(oldest=day(oldest, words), newest=day(newest, words))


def narrowed(narrowing: Narrowing, words: Texts) -> str:
    """Say which articles a question was put to; empty where to all."""
    after = date.fromisoformat(narrowing.published_after) if narrowing.published_after else None
    before = date.fromisoformat(narrowing.published_before) if narrowing.published_before else None
    parts = []
    if after and before:
        parts.append(period(after, before, words))
    elif after:
        parts.append(words["since"].format(day=day(after, words)))
    elif before:
        parts.append(words["until"].format(day=day(before, words)))
    parts += [*narrowing.sources, *(language_name(code, words) for code in narrowing.languages)]
    return " · ".join(parts)


def copied(exchange: Exchange, words: Texts) -> str:
    """The answer with its citations, as plain text for the clipboard."""
    lines = [exchange.question, "", exchange.text or words["refused"]]
    if exchange.quotes:
        lines.append("")
    for quote in exchange.quotes:
        about = quote.excerpt.article
        parts = [about.title, about.source or "", day(about.published, words) if about.published else words["undated"]]
        if is_web(about.url):
            parts.append(about.url or "")
        lines.append(f"[{quote.number}] {words['quotation'].format(words=_on_one_line(quote.text))} "
                     f"({', '.join(filter(None, parts))})")  # fmt: skip
    return "\n".join(lines)


def _turn(
    turn: int, exchange: Exchange, words: Texts, rating: Rating | None, last: int | None, rateable: bool
) -> Markup:
    inner = Markup("")
    if exchange.understood:
        inner += Markup('<p class="understood" dir="auto">{}</p>').format(
            words["understood"].format(question=exchange.understood)
        )
    if exchange.narrowing:
        inner += Markup('<p class="narrowed" dir="auto">{}</p>').format(
            words["only"].format(what=narrowed(exchange.narrowing, words))
        )
    if exchange.answered:
        inner += Markup('<div class="answer" lang="{}" dir="auto">{}<div class="text">{}</div></div>').format(
            exchange.language, _short(turn, exchange, words), _checked(turn, exchange, words)
        )
        inner += _confidence(exchange, words) + _dropped(exchange, words) + _dates(turn, exchange, words)
        if exchange.refused and exchange.nearest:
            links = join(
                Markup('<li><a href="#nearest-{}-{}" dir="auto">{}</a></li>').format(turn, place, one.article.title)
                for place, one in enumerate(exchange.nearest, 1)
            )
            inner += Markup('<div class="nearest"><p>{}</p><ul>{}</ul></div>').format(words["nearest_links"], links)
    elif exchange.text:
        known = {quote.number for quote in exchange.quotes}
        written = _UNFINISHED_MARKER.sub("", exchange.text)
        marks = [(match.start(), int(match[1])) for match in MARKER.finditer(written) if int(match[1]) in known]
        inner += Markup('<div class="answer" dir="auto"><div class="text">{}</div></div>').format(
            _linked(written, marks, turn, words)
        )
    if exchange.state == State.FAILED:
        inner += problem(exchange.error)
    elif exchange.state == State.STOPPED:
        inner += Markup('<p class="state">{}</p>').format(words["stopped"])
    elif exchange.waiting and not exchange.text:
        inner += Markup('<p class="state waiting">{}</p>').format(_state(exchange, words))
    if not exchange.waiting:
        inner += _actions(turn, exchange, words, rating, last, rateable)
    return Markup(
        '<article class="turn" id="turn-{0}" tabindex="-1" aria-labelledby="question-{0}" aria-busy="{1}" lang="{2}">'
        '<h2 class="question" id="question-{0}" dir="auto">{3}</h2>{4}</article>'
    ).format(turn, "true" if exchange.waiting else "false", words["language"], exchange.question, inner)


def _state(exchange: Exchange, words: Texts) -> str:
    if exchange.state == State.QUEUED:
        return count("queued", exchange.before, words)
    if exchange.state == State.SEARCHING:
        return words["searching"]
    return words["writing"].format(evidence=count("evidence", len(exchange.quotes), words))


def _actions(
    turn: int, exchange: Exchange, words: Texts, rating: Rating | None, last: int | None, rateable: bool
) -> Markup:
    """What can be done with an exchange that is over."""
    buttons = []

    def button(act: str, word: str, **more: str) -> None:
        data = join(Markup(' {}="{}"').format(name.replace("_", "-"), value) for name, value in more.items())
        buttons.append(
            Markup('<button type="button" data-act="{}" data-turn="{}"{}>{}</button>').format(
                act, turn, data, words[word]
            )
        )

    if exchange.answered:
        button("copy", "copy", data_copy=copied(exchange, words), data_done=words["copied"])
    if turn == last:
        button("retry", "retry")
        button("edit_question", "edit")
    if exchange.answered and rateable:
        for good, word in ((True, "good"), (False, "bad")):
            pressed = rating is not None and rating.good == good
            button("rate", word, data_good="1" if good else "0", aria_pressed="true" if pressed else "false")
    note = Markup("")
    if rating is not None:
        note = Markup(
            '<form class="rating-note" data-act="note" data-turn="{}"><label>{}<input name="note" value="{}"'
            ' maxlength="1000" autocomplete="off" dir="auto"></label><button>{}</button></form>'
        ).format(turn, words["note"], rating.note, words["keep"])
    if not buttons:
        return Markup("")
    return Markup('<div class="actions" role="group" aria-label="{}">{}</div>{}').format(
        words["actions"], join(buttons), note
    )


def _short(turn: int, exchange: Exchange, words: Texts) -> Markup:
    """The few words that answer, with a marker that leads to the sentence they are taken from."""
    if not exchange.short:
        return Markup("")
    source = next((quote for quote in exchange.quotes if quote.number == exchange.short_number), None)
    return Markup('<p class="short" dir="auto"{}>{}{}</p>').format(
        lang_of(source.excerpt.article) if source else "",
        _on_one_line(exchange.short),
        Markup(" {}").format(_marker(turn, source.number, words)) if source else "",
    )


def _checked(turn: int, exchange: Exchange, words: Texts) -> Markup:
    """The text of an answer, each sentence that was mended followed by a note that opens and says why.

    A statement that does not stand behind the one before it, within the text, gets no note.
    """
    text = exchange.text or words["refused"]
    marks = exchange.marks
    parts, done = Markup(""), 0
    for statement in sorted(exchange.statements, key=lambda one: one.start):
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
    said = [words[f"why_{standing}"], *(problem_of(one, words) for one in statement.problems)]
    return Markup('<details class="note" lang="{}"><summary>{}</summary> <span>{}</span></details>').format(
        words["language"], words[f"note_{standing}"], " ".join(said)
    )


def problem_of(found: Problem, words: Texts) -> str:
    """Say what a check found."""
    return words[f"problem_{found.kind}"].format(words=_on_one_line(found.words))


def confidence_level(confidence: float) -> str:
    """Return which word is used for a probability that the archive answers: high, medium or low."""
    return "high" if confidence >= _HIGH else "medium" if confidence >= _MEDIUM else "low"


def _confidence(exchange: Exchange, words: Texts) -> Markup:
    """How likely the archive answers: in words, the percentage in the title; for a refusal the percentage alone."""
    if exchange.confidence is None:
        return Markup("")
    # neither never nor always; rounded down, so that 79.9 % is not shown as the 80 % of another word
    share = min(max(int(exchange.confidence * 100), 1), 99) / 100
    percentage = words["probability"].format(percentage=percent(share, words))
    if exchange.refused:
        return Markup('<p class="confidence">{}</p>').format(percentage)
    level = confidence_level(exchange.confidence)
    return Markup('<p class="confidence {}" title="{}">{}<span class="unseen">. {}</span></p>').format(
        level, percentage, words[f"confidence_{level}"], percentage
    )


def _dropped(exchange: Exchange, words: Texts) -> Markup:
    """The sentences left out because nothing bears them out, folded; one that was only repeated is not told."""
    dropped = [one for one in exchange.statements if one.standing is Standing.DROPPED and one.problems]
    if not dropped:
        return Markup("")
    lines = join(
        Markup('<li><q lang="{}" dir="auto">{}</q> <span>{}</span></li>').format(
            exchange.language, one.text, " ".join(problem_of(problem, words) for problem in one.problems)
        )
        for one in dropped
    )
    return Markup('<details class="dropped"><summary>{}</summary><ul>{}</ul></details>').format(
        count("dropped", len(dropped), words), lines
    )


def _dates(turn: int, exchange: Exchange, words: Texts) -> Markup:
    """From when the cited articles are; where they are of several days, as a timeline that leads to each."""
    dated: dict[str, tuple[date, Quote]] = {}
    for quote in exchange.quotes:
        published = quote.excerpt.article.published
        if published and quote.excerpt.article.id not in dated:
            dated[quote.excerpt.article.id] = published, quote
    if not dated:
        return Markup("")
    ordered = sorted(dated.values(), key=lambda one: (one[0], one[1].number))
    said = words["as_of"].format(period=period(ordered[0][0], ordered[-1][0], words))
    if ordered[0][0] == ordered[-1][0]:
        return Markup('<p class="as-of">{}</p>').format(said)
    lines = join(
        Markup(
            '<li><a href="#source-{}-{}"><time datetime="{}">{}</time> <span dir="auto"{}>{}</span></a></li>'
        ).format(
            turn,
            quote.number,
            published.isoformat(),
            day(published, words),
            lang_of(quote.excerpt.article),
            quote.excerpt.article.title,
        )
        for published, quote in ordered
    )
    return Markup('<p class="as-of">{}</p><ol class="timeline" aria-label="{}">{}</ol>').format(
        said, words["timeline"], lines
    )


def _linked(
    text: str, marks: Sequence[tuple[int, int]], turn: int, words: Texts, start: int = 0, end: int | None = None
) -> Markup:
    """The text from `start` to `end` with links in the place of its markers.

    `marks` are (offset in the text, marker), in rising order; one that does not stand there is left out.
    """
    end = len(text) if end is None else end
    parts, done = Markup(""), start
    for position, marked in marks:
        marker = f"[{marked}]"
        if position >= done and position + len(marker) <= end and text.startswith(marker, position):
            parts += Markup("{}{}").format(text[done:position], _marker(turn, marked, words))
            done = position + len(marker)
    return Markup("{}{}").format(parts, text[done:end])


def _marker(turn: int, marked: int, words: Texts) -> Markup:
    return Markup(
        '<a class="marker" href="#source-{}-{}" aria-label="{}">'
        '<span class="bracket">[</span>{}<span class="bracket">]</span></a>'
    ).format(turn, marked, words["marker"].format(number=marked), marked)


def _proof(turn: int, exchange: Exchange, words: Texts) -> Markup:
    if exchange.nearest or (exchange.answered and exchange.refused) or not exchange.quotes:
        cards = join(
            _card(one, (), turn, words, identifier=f"nearest-{turn}-{place}")
            for place, one in enumerate(exchange.nearest, 1)
        )
        return Markup("<h2>{}</h2>{}").format(
            words["sources_nearest"], cards or Markup('<p class="hint">{}</p>').format(words["sources_none"])
        )
    heading = words["sources" if exchange.answered else "sources_found"]
    together = [
        (excerpt, list(group))
        for excerpt, group in groupby(
            sorted(exchange.quotes, key=lambda quote: _first(exchange.quotes, quote)), key=lambda quote: quote.excerpt
        )
    ]
    inner = Markup("<h2>{}</h2>{}").format(
        heading, join(_card(excerpt, group, turn, words) for excerpt, group in together)
    )
    if exchange.others:
        cards = join(_card(one, (), turn, words) for one in exchange.others)
        inner += Markup('<details class="others"><summary>{}</summary>{}</details>').format(words["others"], cards)
    return inner


def _first(quotes: Iterable[Quote], of: Quote) -> int:
    """The first number among the quotes of the same passage, by which passages are ordered."""
    return min(quote.number for quote in quotes if quote.excerpt == of.excerpt)


def _card(excerpt: Excerpt, quotes: Sequence[Quote], turn: int, words: Texts, identifier: str = "") -> Markup:
    """A passage under its article's title, source and date, with the quoted sentences marked."""
    same = Markup("")
    if excerpt.copies:
        others = join(
            Markup('<li><span dir="auto"{}>{}</span>, {}</li>').format(
                lang_of(copy), copy.title, Markup(" · ").join(source_and_day(copy, words))
            )
            for copy in excerpt.copies
        )
        same = Markup('<details class="copies"><summary>{}</summary><ul>{}</ul></details>').format(
            count("copy", len(excerpt.copies), words), others
        )
    about = excerpt.article
    return Markup(
        '<article class="card" tabindex="-1"{}><h3 dir="auto"{}>{}</h3><p class="about">{}</p>'
        '<blockquote dir="auto"{}>{}</blockquote>{}<p class="ways"><button type="button" data-act="read"'
        ' data-article="{}" data-marks="{}" aria-label="{}">{}</button>'
        '<a class="back" href="#turn-{}">{}</a></p></article>'
    ).format(
        Markup(' id="{}"').format(identifier) if identifier else "",
        lang_of(about),
        about.title,
        _about(about, words),
        lang_of(about),
        _quoted(excerpt, quotes, turn),
        same,
        about.id,
        " ".join(f"{quote.start}-{quote.end}" for quote in quotes),
        words["read_label"].format(title=about.title),
        words["read"],
        turn,
        words["back"],
    )


def _about(about: Reference, words: Texts) -> Markup:
    parts = source_and_day(about, words)
    if is_web(about.url):
        parts.append(
            Markup('<a href="{}" target="_blank" rel="noopener noreferrer" aria-label="{}">{}</a>').format(
                about.url, words["original_label"].format(title=about.title), words["original"]
            )
        )
    return Markup(" · ").join(parts)


def source_and_day(about: Reference, words: Texts) -> list[Markup]:
    """What an article comes from and from when, each escaped."""
    parts = [Markup('<span dir="auto">{}</span>').format(about.source)] if about.source else []
    if about.published:
        parts.append(
            Markup('<time datetime="{}">{}</time>').format(about.published.isoformat(), day(about.published, words))
        )
    else:
        parts.append(Markup("{}").format(words["undated"]))
    return parts


def _quoted(excerpt: Excerpt, quotes: Sequence[Quote], turn: int) -> Markup:
    """The passage with each quoted sentence in a <mark>."""
    text, first = excerpt.text, excerpt.start
    parts, done = Markup("" if excerpt.opens else "… "), 0
    for quote in sorted(quotes, key=lambda one: (one.start, one.end)):
        start, end = quote.start - first, quote.end - first
        parts += Markup('{}<mark id="source-{}-{}"><b class="number">{}</b>{}</mark>').format(
            text[done : max(done, start)], turn, quote.number, quote.number, text[max(done, start) : end]
        )
        done = max(done, end)
    return parts + Markup("{}{}").format(text[done:], "" if excerpt.closes else " …")


def lang_of(about: Reference) -> Markup:
    """The lang attribute for words of an article."""
    return Markup(' lang="{}"').format(about.language) if about.language else Markup("")


def is_web(url: str | None) -> bool:
    """True for an address that a browser may be sent to."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def join(parts: Iterable[Markup]) -> Markup:
    """Put Markup together."""
    return Markup("").join(parts)
