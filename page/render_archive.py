"""The HTML of the archive: what narrows a question, the list of articles, adding, removing, its health."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from index.catalogue import Order
from page.record import EVERYTHING, Narrowing
from page.render import confirmed, join, pages
from page.words import Texts, count, day, duration, language_name, number, size

if TYPE_CHECKING:
    from index.articles import Article
    from index.catalogue import Listed, Listing
    from index.generation import Status
    from index.rebuild import Progress, Report
    from models import Model
    from page.job import Seen

ROWS = 50  # of the list on one page
_LABELS = {"source": "source", "language": "language_of_article"}
_CHOICES = 200  # names of sources offered at most, those with most articles first


@dataclass(frozen=True, slots=True)
class Query:
    """What the list of articles shows: those with all `words`, narrowed, in an order, from `first` on."""

    words: str = ""
    narrowing: Narrowing = EVERYTHING
    order: Order = Order.NEWEST
    first: int = 0


def narrowing_form(narrowing: Narrowing, status: Status | None, words: Texts) -> Markup:
    """The form that says to which articles a question is put; empty where there are none."""
    if status is None:
        return Markup("")
    groups = join(
        Markup("<fieldset><legend>{}</legend>{}</fieldset>").format(
            words[_LABELS[name]], _choices(name, chosen, counts, words)
        )
        for name, chosen, counts in (
            ("source", narrowing.sources, status.sources),
            ("language", narrowing.languages, status.languages),
        )
        if len(counts) > 1 or chosen
    )
    return Markup(
        '<details class="narrowing" lang="{}"{}><summary>{}</summary><form data-live="narrow">'
        '<div class="days">{}</div>{}<button type="reset">{}</button></form></details>'
    ).format(
        words["language"],
        Markup(" open") if narrowing else "",
        words["narrow"],
        _days(narrowing, status, words),
        groups,
        words["widen"],
    )


def search_form(query: Query, status: Status | None, words: Texts) -> Markup:
    """The form over the list of articles; empty where there are none."""
    if status is None:
        return Markup("")
    orders = join(_option(order, words[f"order_{order}"], order == query.order) for order in Order)
    selects = Markup('<label>{}<select name="order">{}</select></label>').format(words["order"], orders)
    for name, chosen, counts in (
        ("source", query.narrowing.sources, status.sources),
        ("language", query.narrowing.languages, status.languages),
    ):
        if len(counts) > 1 or chosen:
            options = _option("", words["all"], not chosen) + join(
                _option(value, _named(name, value, words), value in chosen)
                for value in dict.fromkeys([*list(counts)[:_CHOICES], *chosen])
            )
            selects += Markup('<label>{}<select name="{}">{}</select></label>').format(
                words[_LABELS[name]], name, options
            )
    return Markup(
        '<form class="search" role="search" lang="{}" data-live="browse" aria-label="{}">'
        '<label class="words">{}<input type="search" name="words" value="{}" maxlength="200" dir="auto"></label>'
        '{}<span class="days">{}</span><button class="primary">{}</button></form>'
    ).format(
        words["language"],
        words["search_articles"],
        words["search_articles"],
        query.words,
        selects,
        _days(query.narrowing, status, words),
        words["search"],
    )


def listing(shown: Listing, words: Texts, *, removable: bool) -> Markup:
    """A page of the list of articles, with what leads to the others."""
    last = min(shown.first + ROWS, shown.total)
    said = count("found", shown.total, words)
    if shown.total > ROWS and shown.rows:
        said += " · " + words["rows"].format(first=number(shown.first + 1, words), last=number(last, words))
    rows = join(_row(entry, words, removable=removable) for entry in shown.rows)
    table = (
        Markup(
            '<table><thead><tr><th scope="col">{}</th><th scope="col">{}</th><th scope="col">{}</th>'
            '<th scope="col">{}</th>{}</tr></thead><tbody>{}</tbody></table>'
        ).format(
            words["article_title"],
            words["source"],
            words["date"],
            words["language_of_article"],
            Markup('<th scope="col"><span class="unseen">{}</span></th>').format(words["actions"]) if removable else "",
            rows,
        )
        if rows
        else Markup("")
    )
    return Markup(
        '<section class="listing" lang="{}"><p class="found" role="status" tabindex="-1">{}</p>{}{}</section>'
    ).format(words["language"], said, table, pages("turn_page", shown.first, shown.total, ROWS, words))


def adding(words: Texts) -> Markup:
    """The form by which the text of one article is pasted."""
    return Markup(
        '<details class="pasting" lang="{0}"><summary>{1}</summary><form data-submit="paste">'
        '<label>{2}<input name="title" required maxlength="500" dir="auto"></label>'
        '<label>{3}<textarea name="text" required rows="6" dir="auto"></textarea></label>'
        '<div class="days"><label>{4}<input type="date" name="date"></label>'
        '<label>{5}<input name="source" maxlength="200" dir="auto"></label></div>'
        '<label>{6}<input type="url" name="url" maxlength="2000" placeholder="https://"></label>'
        '<button class="primary">{7}</button></form></details><p class="drop" lang="{0}">{8}</p>'
    ).format(
        words["language"],
        words["paste"],
        words["article_title"],
        words["article_text"],
        words["date"],
        words["source"],
        words["link"],
        words["add"],
        words["drop"],
    )


def job(seen: Seen, words: Texts) -> Markup:
    """How far a change of the archive is, or what it did; empty where it failed."""
    if seen.running:
        return Markup(
            '<div class="report" lang="{}">{}<button type="button" data-act="stop_adding">{}</button></div>'
        ).format(words["language"], _progress(seen.progress, seen.left, words), words["stop"])
    if seen.report is not None:
        return _report(seen.report, words)
    return Markup("")


def _progress(progress: Progress | None, left: float | None, words: Texts) -> Markup:
    if progress is None:
        return Markup("<p>{}</p>").format(words["preparing"])
    stage = words["writing_index" if progress.stage == "writing" else progress.stage]
    line = words["progress"].format(stage=stage, done=number(progress.done, words), total=number(progress.total, words))
    if left is not None:
        line += " · " + words["left"].format(duration=duration(left, words))
    return Markup('<label>{}<progress value="{}" max="{}"></progress></label>').format(
        line, progress.done, max(progress.total, 1)
    )


def _report(made: Report, words: Texts) -> Markup:
    """What was done with the files that were given; their folders are this machine's, and not told."""
    counts = {"added": made.added, "updated": made.updated, "unchanged": made.unchanged, "skipped": len(made.skipped)}
    figures = join(
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(words[key], number(counted, words))
        for key, counted in counts.items()
    )
    lines = join(
        Markup('<li dir="auto">{}</li>').format(
            words["skipped_line"].format(origin=Path(skipped.origin).name, reason=skipped.reason)
        )
        for skipped in made.skipped
    )
    return Markup('<div class="report" role="status" lang="{}"><p>{}</p><dl>{}</dl>{}</div>').format(
        words["language"], words["report"], figures, Markup("<ul>{}</ul>").format(lines) if lines else ""
    )


def removed(articles: Sequence[Article], generation: str, words: Texts) -> Markup:
    """What was removed, with the way back."""
    said = words["removed"].format(titles=", ".join(article.title for article in articles))
    return Markup(
        '<div class="report" role="status" lang="{}"><p dir="auto">{}</p>'
        '<button type="button" data-act="undo" data-generation="{}">{}</button></div>'
    ).format(words["language"], said, generation, words["undo"])


def health(status: Status | None, models: Iterable[tuple[Model, bool]], words: Texts, *, changes: bool) -> Markup:
    """What the archive is made of, and by which models; `models` are (model, whether it is in use)."""
    rows: Mapping[str, str] = {}
    buttons = Markup("")
    if status is not None:
        rows = {
            words["articles"]: number(status.articles, words),
            words["older_versions"]: number(status.older, words),
            words["passages"]: number(status.passages, words),
            words["size"]: size(status.size, words),
            words["changed"]: day(date.fromisoformat(status.created[:10]), words),
            words["generation"]: status.generation,
            words["embedder"]: words["dimensions"].format(name=status.embedder, count=number(status.dimensions, words)),
        }
        buttons += Markup('<button type="button" data-act="verify">{}</button>').format(words["verify"])
        if changes and status.before:
            buttons += confirmed("rollback", words["rollback"], words["rollback_sure"], words)
    figures = join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, value) for name, value in rows.items())
    lines = join(
        Markup('<li><b>{}</b>{}, {} · <span class="licence">{}</span></li>').format(
            model.title,
            f" ({words['in_use']})" if used else "",
            size(model.bytes, words),
            _licence(model),
        )
        for model, used in models
    )
    return Markup(
        '<section class="health" lang="{}"><h2>{}</h2><dl>{}</dl><p class="buttons">{}</p>'
        "<details><summary>{}</summary><ul>{}</ul></details></section>"
    ).format(
        words["language"],
        words["health"],
        figures,
        buttons,
        words["models"],
        lines,
    )


def _licence(model: Model) -> Markup:
    if not model.licence_text.startswith("https://"):
        return Markup("{}").format(model.licence)
    return Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>').format(
        model.licence_text, model.licence
    )


def _row(entry: Listed, words: Texts, *, removable: bool) -> Markup:
    lang = Markup(' lang="{}"').format(entry.language) if entry.language else ""
    remove = Markup("")
    if removable:
        remove = Markup("<td>{}</td>").format(
            confirmed(
                "remove_article",
                words["remove"],
                words["remove_sure"].format(title=entry.title),
                words,
                label=words["remove_label"].format(title=entry.title),
                article=entry.id,
            )
        )
    older = Markup(' <span class="older">{}</span>').format(count("older", entry.older, words)) if entry.older else ""
    written = day(entry.published, words) if entry.published else words["undated"]
    return Markup(
        '<tr><td class="title"><button type="button" class="link" data-act="read" data-article="{}" dir="auto"{}>{}'
        '</button>{}</td><td dir="auto">{}</td><td class="day">{}</td><td>{}</td>{}</tr>'
    ).format(
        entry.id,
        lang,
        entry.title,
        older,
        entry.source or "–",
        Markup('<time datetime="{}">{}</time>').format(entry.published.isoformat()[:10], written)
        if entry.published
        else written,
        language_name(entry.language, words) if entry.language else "–",
        remove,
    )


def _days(narrowing: Narrowing, status: Status, words: Texts) -> Markup:
    least = status.oldest.isoformat()[:10] if status.oldest else ""
    most = status.newest.isoformat()[:10] if status.newest else ""
    return join(
        Markup('<label>{}<input type="date" name="{}" value="{}" min="{}" max="{}"></label>').format(
            words[name], name, value, least, most
        )
        for name, value in (("from", narrowing.published_after), ("to", narrowing.published_before))
    )


def _choices(name: str, chosen: Sequence[str], counts: Mapping[str, int], words: Texts) -> Markup:
    return join(
        Markup(
            '<label class="choice"><input type="checkbox" name="{}" value="{}"{}><span dir="auto">{}</span>'
            " <small>{}</small></label>"
        ).format(
            name,
            value,
            Markup(" checked") if value in chosen else "",
            _named(name, value, words),
            number(counts.get(value, 0), words),
        )
        for value in dict.fromkeys([*chosen, *list(counts)[:_CHOICES]])
    )


def _named(name: str, value: str, words: Texts) -> str:
    return language_name(value, words) if name == "language" else value


def _option(value: str, name: str, chosen: bool) -> Markup:
    return Markup('<option value="{}"{}>{}</option>').format(value, Markup(" selected") if chosen else "", name)
