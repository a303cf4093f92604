"""The HTML of the conversations kept: the list, what can be done with each, and files handed to the browser."""

from __future__ import annotations

import time
from collections.abc import Iterator

import page_html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from page import render_conversations
from page.conversations import Talk
from page.render_conversations import ROWS
from page.words import Texts, texts

FRENCH, ENGLISH = texts("fr"), texts("en")
TALK = Talk("t1", "anna", "Le {pont}", "2024-03-01T09:00:00+00:00", "2024-03-01T22:30:05+00:00", 2)
both = pytest.mark.parametrize("words", [FRENCH, ENGLISH], ids=["fr", "en"])


class Reader(page_html.Reader):
    """A browser takes every end of a line for a line feed, before it looks for tags and entities."""

    def __init__(self, html: str) -> None:
        super().__init__(str(html).replace("\r\n", "\n").replace("\r", "\n"))


@pytest.fixture
def paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine stands in Paris."""
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def talks(count: int, total: int, first: int = 0, words: Texts = FRENCH) -> Reader:
    return Reader(render_conversations.talks([TALK] * count, total, first, words))


@both
def test_over_a_conversation_stands_its_name_and_the_way_to_a_new_one(words: Texts) -> None:
    read = Reader(render_conversations.bar("<Le pont>", 1, words))
    assert read.after("p") == ["<Le pont>"]
    assert (read.events(), read.after("button")) == (["new_talk"], [words["new_talk"]])
    assert render_conversations.bar("Le pont", 0, words) == ""


@both
def test_conversations_are_searched(words: Texts) -> None:
    read = Reader(render_conversations.search_form(words))
    assert read.events() == ["search_talks"]
    assert read.all("input", "name") == ["words"]
    assert read.after("label") == [words["search_talks"]]


@pytest.mark.usefixtures("paris")
def test_a_row_names_a_conversation_says_when_it_changed_and_opens_it() -> None:
    read = talks(1, 1)
    assert [one["data-talk"] for one in read.with_("data-act", "open_talk")] == ["t1"]
    assert read.after("button")[0] == "Le {pont}"
    assert read.all("time", "datetime") == ["2024-03-01T22:30:05+00:00"]
    assert read.after("time") == ["1 mars 2024, 23:30:05 · 2 questions"]
    assert talks(1, 1, words=ENGLISH).after("time") == ["1 Mar 2024, 23:30:05 · 2 questions"]


@pytest.mark.usefixtures("paris")
def test_the_moment_of_a_conversation_is_that_of_this_machine() -> None:
    summer = Talk("t2", "anna", "Une", "", "2024-07-31T22:00:00+00:00", 1)
    read = Reader(render_conversations.talks([summer], 1, 0, ENGLISH))
    assert read.after("time") == ["1 Aug 2024, 00:00:00 · 1 question"]


def test_a_conversation_is_exported_renamed_and_deleted() -> None:
    read = talks(1, 1)
    assert [
        (one["data-talk"], one["data-kind"], one["aria-label"]) for one in read.with_("data-act", "export_talk")
    ] == [
        ("t1", "markdown", "Exporter « Le {pont} » en Markdown"),
        ("t1", "html", "Exporter « Le {pont} » en page HTML"),
    ]
    assert [one["data-talk"] for one in read.with_("data-submit", "rename_talk")] == ["t1"]
    assert [one["value"] for one in read.with_("name", "name")] == ["Le {pont}"]
    assert read.all("summary", "aria-label") == ["Renommer « Le {pont} »"]
    assert read.with_("data-act", "delete_talk") == [
        {
            "type": "button",
            "data-act": "delete_talk",
            "data-talk": "t1",
            "data-confirm": "Supprimer la conversation « Le {pont} » ? Elle ne pourra pas être retrouvée.",
            "data-yes": "Supprimer",
            "data-no": "Annuler",
            "aria-label": "Supprimer « Le {pont} »",
        }
    ]


@both
def test_below_the_list_all_are_deleted_and_ratings_exported(words: Texts) -> None:
    read = talks(1, 1, words=words)
    assert len(read.with_("data-act", "export_ratings")) == 1
    (button,) = read.with_("data-act", "delete_talks")
    assert (button["data-confirm"], button["data-yes"]) == (words["delete_all_sure"], words["delete_all"])
    assert read.after("p")[-1] == words["talks_hint"]


@both
def test_without_conversations_there_is_nothing_to_do(words: Texts) -> None:
    read = talks(0, 0, words=words)
    assert read.after("p") == [words["no_talks"], words["talks_hint"]]
    assert read.events() == []


@pytest.mark.parametrize(
    ("first", "total", "french", "english", "ways"),
    [
        (0, 1, "1 conversation", "1 conversation", []),
        (0, ROWS, "50 conversations", "50 conversations", []),
        (0, 51, "51 conversations", "51 conversations", [("0", True), ("50", False)]),
        (50, 51, "51 conversations", "51 conversations", [("0", False), ("100", True)]),
        (50, 100, "100 conversations", "100 conversations", [("0", False), ("100", True)]),
        (1000, 1200, "1\u202f200 conversations", "1,200 conversations", [("950", False), ("1050", False)]),
    ],
    ids=["one", "a page", "first page", "last page", "last page, full", "in the middle"],
)
def test_a_list_of_several_pages_leads_to_the_others(
    first: int, total: int, french: str, english: str, ways: list[tuple[str, bool]]
) -> None:
    for words, said in ((FRENCH, french), (ENGLISH, english)):
        read = talks(min(2, total - first), total, first, words)
        assert read.after("p")[0] == said
        pages = read.with_("data-act", "turn_talks")
        assert [(one["data-first"], "disabled" in one) for one in pages] == ways
        assert read.all("nav", "aria-label") == [words["pages"]][: len(ways)]


def test_every_event_that_the_page_makes_is_known_to_its_script() -> None:
    made = render_conversations.bar("x", 1, FRENCH) + render_conversations.search_form(FRENCH)
    events = {*Reader(made).events(), *talks(1, 99).events()}
    assert events == {
        "delete_talk", "delete_talks", "export_ratings", "export_talk", "new_talk", "open_talk", "rename_talk",
        "search_talks", "turn_talks",
    }  # fmt: skip
    assert events <= page_html.EVENTS


HOSTILE = st.text(alphabet=st.characters(exclude_characters="\r")) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onfocus='alert(1)",
        "</button></li></ul><h1>x</h1>",
        "{0} {name} {words.__class__} %s",
        "&lt;b&gt; &amp; &#60; &quot",
        "deux\nlignes\n\n",
    ]
)


@settings(deadline=None)
@given(HOSTILE, HOSTILE)
def test_whatever_a_conversation_is_called_stays_text(name: str, identity: str) -> None:
    def shown(name: str, identity: str) -> Reader:
        talk = Talk(identity, name, name, TALK.created, TALK.changed, 1)
        return Reader(
            render_conversations.bar(name, 1, FRENCH) + render_conversations.talks([talk, talk], 99, 50, FRENCH)
        )

    read = shown(name, identity)
    assert [(tag, sorted(attributes)) for tag, attributes in read.tags] == [
        (tag, sorted(attributes)) for tag, attributes in shown("x", "x").tags
    ]
    opening = [place for place, (_, one) in enumerate(read.tags) if one.get("data-act") == "open_talk"]
    assert [read.pieces[place + 1][1] for place in opening] == [name] * 2
    assert read.after("p")[0] == name
    assert [one["value"] for one in read.with_("name", "name")] == [name] * 2
    assert [(one["data-talk"], one["aria-label"]) for one in read.with_("data-act", "delete_talk")] == [
        (identity, f"Supprimer « {name} »")
    ] * 2
    assert [one["data-talk"] for one in read.with_("data-act", "export_talk")] == [identity] * 4


@settings(deadline=None)
@given(
    HOSTILE,
    HOSTILE | st.text().map(lambda text: f"{text}\r\n{text}\r") | st.just('# Titre\r\n\n"a" & <b>\t\0&#13;&quot;\n'),
)
def test_a_file_is_carried_to_the_browser_unharmed(name: str, content: str) -> None:
    read = Reader(render_conversations.download(name, "text/markdown", content))
    ((tag, carried),) = read.tags
    assert (tag, "hidden" in carried, read.text) == ("div", True, "")
    assert [carried[f"data-{one}"] for one in ("download", "type", "content")] == [name, "text/markdown", content]
    assert carried.keys() - {"id"} == {"hidden", "data-download", "data-type", "data-content"}
