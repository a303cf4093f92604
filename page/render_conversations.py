"""The HTML of the conversations kept on this machine."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from babel.dates import format_datetime
from markupsafe import Markup, escape

from page.render import confirmed, join, pages
from page.words import Texts, count

if TYPE_CHECKING:
    from page.conversations import Talk

ROWS = 50


def bar(name: str, asked: int, words: Texts) -> Markup:
    """What stands over a conversation: its name, and the way to a new one; empty before the first question."""
    if not asked:
        return Markup("")
    return Markup(
        '<div class="bar" lang="{}"><p class="name" dir="auto">{}</p>'
        '<button type="button" data-act="new_talk">{}</button></div>'
    ).format(words["language"], name, words["new_talk"])


def search_form(words: Texts) -> Markup:
    """The form over the list of conversations."""
    return Markup(
        '<form class="search" role="search" lang="{}" data-live="search_talks" aria-label="{}">'
        '<label class="words">{}<input type="search" name="words" maxlength="200" dir="auto"></label>'
        '<button class="primary">{}</button></form>'
    ).format(words["language"], words["search_talks"], words["search_talks"], words["search"])


def talks(shown: Sequence[Talk], total: int, first: int, words: Texts) -> Markup:
    """The list of conversations, the one changed last first."""
    rows = join(_row(talk, words) for talk in shown)
    said = count("talk", total, words) if total else words["no_talks"]
    everything = (
        Markup('<p class="buttons"><button type="button" data-act="export_ratings">{}</button>{}</p>').format(
            words["export_ratings"],
            confirmed("delete_talks", words["delete_all"], words["delete_all_sure"], words),
        )
        if total
        else Markup("")
    )
    return Markup(
        '<section class="talks" lang="{}"><p class="found" role="status" tabindex="-1">{}</p><ul>{}</ul>{}{}'
        '<p class="hint">{}</p></section>'
    ).format(
        words["language"], said, rows, pages("turn_talks", first, total, ROWS, words), everything, words["talks_hint"]
    )


def _row(talk: Talk, words: Texts) -> Markup:
    moment = datetime.fromisoformat(talk.changed)
    about = Markup('<time datetime="{}">{}</time> · {}').format(
        talk.changed,
        format_datetime(moment.astimezone(), "medium", locale=words["locale"]),
        count("question", talk.exchanges, words),
    )
    acts = join(
        Markup(
            '<button type="button" data-act="export_talk" data-talk="{}" data-kind="{}" aria-label="{}">{}</button>'
        ).format(talk.id, kind, words[f"{word}_label"].format(name=talk.name), words[word])
        for kind, word in (("markdown", "export_as_markdown"), ("html", "export_as_html"))
    )
    return Markup(
        '<li><div class="talk"><button type="button" class="link" data-act="open_talk" data-talk="{0}" dir="auto">{1}'
        '</button><p class="about">{2}</p></div><div class="buttons">{3}'
        '<details class="renaming"><summary aria-label="{4}">{5}</summary><form data-submit="rename_talk"'
        ' data-talk="{0}"><label><span class="unseen">{6}</span><input name="name" value="{1}" maxlength="200" required'
        ' dir="auto"></label><button>{7}</button></form></details>{8}</div></li>'
    ).format(
        talk.id,
        talk.name,
        about,
        acts,
        words["rename_label"].format(name=talk.name),
        words["rename"],
        words["talk_name"],
        words["keep"],
        confirmed(
            "delete_talk",
            words["delete"],
            words["delete_sure"].format(name=talk.name),
            words,
            talk=talk.id,
            label=words["delete_label"].format(name=talk.name),
        ),
    )


def download(name: str, kind: str, content: str) -> Markup:
    """A file that the page hands to the browser as soon as this is shown."""
    carried = escape(content).replace("\r", Markup("&#13;"))  # as it is, a browser makes it a line feed
    # each time another value, so that the same file can be had again
    return Markup('<div hidden id="file-{}" data-download="{}" data-type="{}" data-content="{}"></div>').format(
        secrets.token_hex(4), name, kind, carried
    )
