"""Whatever articles, files, models, readers and other pages write stays text: nothing runs, nothing is fetched.

payloads.txt holds one attempt a line, in which \\uXXXX and \\\\ are escapes. Each goes through every field of the
page; what stands there afterwards is held against the list of what the page itself may write.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from answers import BRIDGE, answer_of, evidence_of
from fakes import WordEmbedder
from homes import home_of
from markdown_it import MarkdownIt
from markupsafe import Markup
from playwright.sync_api import Browser, Page, expect

import index.embedder
from index.articles import Skipped
from index.catalogue import Catalogue
from index.generation import status
from index.rebuild import Progress, Report
from page import render_archive
from page.conversations import Conversations, Rating
from page.record import Excerpt, Exchange, Narrowing, Quote, Reference, State
from qa import Answer, EvidenceFound, PartialAnswer
from qa.check import Kind, Problem
from qa.verify import Standing, Statement
from settings import load_settings


def _read(line: str) -> str:
    return re.sub(r"\\u([0-9a-f]{4})|\\\\", lambda found: chr(int(found[1], 16)) if found[1] else "\\", line)


PAYLOADS = [
    _read(line) for line in Path(__file__).with_name("payloads.txt").read_text(encoding="utf-8").split("\n") if line
]
# What the page's own HTML is made of.
_OWN = """
tags a article b blockquote br button dd details dialog div dl dt fieldset form h1 h2 h3 header input label legend li
tags mark nav ol option p progress q section select small span summary table tbody td textarea th thead time tr ul
attributes aria-busy aria-current aria-describedby aria-hidden aria-label aria-labelledby aria-live aria-pressed
attributes autocomplete checked class data-act data-article data-close data-confirm data-content data-copy data-done
attributes data-download data-first data-generation data-good data-kind data-language data-live data-marks data-no
attributes data-open data-question data-submit data-talk data-turn data-type data-yes datetime dir disabled hidden href
attributes id lang max maxlength method min name open placeholder rel required role rows scope selected start style
attributes tabindex target title type value
names date from language name note order source text title to url words
acts ask browse choose_language copy delete_talk delete_talks earlier edit_question export_ratings export_talk narrow
acts new_talk note open_talk paste rate read remove_article rename_talk retry rollback search_talks stop_adding
acts turn_page turn_talks undo verify
exported a article blockquote code em h1 h2 h3 h4 header hr li main mark ol p q section span strong time ul
exported-attributes aria-label aria-labelledby class datetime dir href id lang rel target
"""
TAGS, ATTRIBUTES, NAMES, ACTS, EXPORTED, EXPORTED_ATTRIBUTES = (
    [word for line in _OWN.splitlines() for word in line.split()[1:] if line.split()[0] == kind]
    for kind in ("tags", "attributes", "names", "acts", "exported", "exported-attributes")
)
IDS = r"^(html-\w+|turn-\d+|question-\d+|source-\d+-\d+|nearest-\d+-\d+|file-[0-9a-f]+|confirm|tip)$"
# Everything in the page's own HTML that is not on these lists; and in the whole page what may not be there at all.
INSPECT = """([roots, tags, attributes, names, ids, acts]) => {
    const wrong = [], told = element => element.outerHTML.slice(0, 160);
    for (const element of document.querySelectorAll(roots)) {
        if (element.namespaceURI !== "http://www.w3.org/1999/xhtml" || !tags.includes(element.localName))
            wrong.push(["element", told(element)]);
        for (const { name, value } of element.attributes) {
            if (!attributes.includes(name)) wrong.push([name, told(element)]);
            if (name === "href" && !/^(#|https?:\\/\\/)/.test(value)) wrong.push([value, told(element)]);
            if (name === "name" && !names.includes(value)) wrong.push([value, told(element)]);
            if (name === "id" && !new RegExp(ids).test(value)) wrong.push([value, told(element)]);
            if (/^data-(act|live|submit)$/.test(name) && !acts.includes(value)) wrong.push([value, told(element)]);
            if (name === "style" && element.id !== "tip") wrong.push([value, told(element)]);
        }
    }
    for (const element of document.querySelectorAll("*"))
        for (const { name, value } of element.attributes)
            if (/^on/i.test(name) || (/^\\s*(javascript|vbscript|data:t)/i.test(value) && /href|src|action/.test(name)))
                wrong.push([name, told(element)]);
    for (const element of document.querySelectorAll("iframe, object, embed, applet, body base, math, frame, portal"))
        wrong.push(["element", told(element)]);
    if (window.pwned || ({}).polluted || typeof window.sourcier?.shown !== "function" && window.sourcier)
        wrong.push(["window", "changed"]);
    return wrong;
}"""
OWN = ".html-container *, dialog, dialog *, .tip, .tip *"
BROUGHT = "() => [...document.querySelectorAll('body :is(script, style, link, meta, base)')].map(one => one.outerHTML)"


def faults(page: Page, roots: str = OWN, tags: Sequence[str] = TAGS, attributes: Sequence[str] = ATTRIBUTES) -> Any:
    """Return what stands in the page and is not the page's own."""
    return page.evaluate(INSPECT, [roots, tags, attributes, NAMES, IDS, ACTS])


def seen(text: str) -> str:
    """What a browser makes of a text in HTML: it drops NUL, or shows it as U+FFFD."""
    return text.replace("\0", "").replace("\ufffd", "").replace("\r\n", "\n").replace("\r", "\n")


def texts_of(page: Page, selector: str) -> list[str]:
    found: list[str] = page.locator(selector).evaluate_all("all => all.map(one => one.textContent)")
    return [seen(one) for one in found]


def of(number: int, field: int = 0) -> str:
    """The payload of a field of an exchange: over all exchanges each passes through each field."""
    return PAYLOADS[(number + 17 * field) % len(PAYLOADS)]


def in_pieces(longest: int, payloads: Iterable[str] = PAYLOADS) -> Iterator[str]:
    """Put payloads together to texts of so many characters at most."""
    piece = ""
    for payload in payloads:
        if piece and len(piece) + 1 + len(payload) > longest:
            yield piece
            piece = ""
        piece = f"{piece} {payload[:longest]}".strip()
    yield piece


class Watched:
    """A visit, and whether anything came of what was put before it."""

    def __init__(self, visited: Any) -> None:
        self.visited = visited
        self.page: Page = visited.page
        self.files: list[str] = []
        self.page.on("response", lambda made: self.files.append(made.url) if "file=" in made.url else None)
        self.downloads: list[str] = []
        self.page.on("download", lambda made: self.downloads.append(made.suggested_filename))
        self.before = self.page.evaluate(BROUGHT)

    def check(self) -> None:
        assert faults(self.page) == []
        assert self.page.evaluate(BROUGHT) == self.before
        visited = self.visited
        assert (visited.dialogs, visited.errors, visited.foreign, self.files) == ([], [], [], [])
        assert len(self.page.context.pages) == 1
        assert self.page.url.startswith(visited.address)


@pytest.fixture
def watch(
    serve: Any, visit: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Watched]:
    """watch(query="", **services) → a page over the home of the test, watched."""
    monkeypatch.setattr(index.embedder, "configured_embedder", lambda settings: WordEmbedder())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def watch(query: str = "", **services: Any) -> Watched:
        address = serve(settings=load_settings(home), **{"ask": Parrot(), **services})
        visited = visit(address + query)
        visited.address = address
        return Watched(visited)

    return watch


class Parrot:
    """Answers with the words of the question, in every place where a model's or an article's words stand."""

    def __call__(
        self, question: str, *, history: Sequence[tuple[str, str]], **narrowing: Any
    ) -> Iterator[EvidenceFound | PartialAnswer | Answer]:
        article = replace(BRIDGE, title=question, text=f"{question} Fin.", source=question, author=question,
                          url=f"https://example.invalid/{question}", language=question[:30])  # fmt: skip
        evidence = evidence_of(article, question)
        text = f"{question} [1]. {question}"
        problems = tuple(Problem(kind, question) for kind in Kind)
        statements = [
            Statement(text, 0, len(question) + 5, (1,), Standing.REWRITTEN, problems),
            Statement(question, 0, 0, (), Standing.DROPPED, problems),
        ]
        whole = answer_of(question, text, evidence, short=question, statements=statements)
        yield EvidenceFound(question, whole.evidence, whole.nearest)
        for end in range(1, len(text), 97):
            yield PartialAnswer(text[:end])
        yield replace(whole, question=f"{question} ?", language=question[:30])


def row(number: int) -> dict[str, Any]:
    return {
        "name": f"{number}",
        "title": of(number) or "-",
        "text": f"{of(number, 1)} — article {number}.",
        "source": of(number, 2),
        "author": of(number, 3),
        "date": "2024-03-01",
        "lang": "fr" if number % 2 else of(number, 4),
        "url": of(number, 5) if number % 3 else f"https://example.invalid/{number}/{of(number, 5)}",
    }


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An article of each payload, and one of all of them."""
    whole = {"name": "whole", "title": "Tout", "text": "\n\n".join(PAYLOADS), "source": "Tout", "date": "2025-01-01"}
    return home_of(tmp_path_factory.mktemp("hostile") / "home", [*map(row, range(len(PAYLOADS))), whole])


@pytest.fixture
def home(full: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(full, tmp_path / "home"))


def reference(number: int, field: int) -> Reference:
    url = of(number, field + 2)
    return Reference(of(number, field), of(number, field + 1), of(number, field + 2),
                     url if number % 2 else f"https://example.invalid/{url}", None, of(number, field + 3))  # fmt: skip


def exchange(number: int) -> Exchange:
    """An exchange of payloads alone, as it may lie on disk; every fifth is a refusal, every seventh failed."""
    first = f"{of(number, 1)} [1]."
    text = f"{first} {of(number, 2)}"
    marked = of(number, 3)
    article = reference(number, 4)
    excerpt = Excerpt(article, 0, f"{marked} {of(number, 8)}", False, False, (reference(number, 9),))
    refused, failed = number % 5 == 4, number % 7 == 6
    return Exchange(
        of(number),
        Narrowing("", "2024-05-01", (of(number, 13),), (of(number, 14),)),
        State.FAILED if failed else State.ANSWERED,
        of(number, 15),
        understood=of(number, 16),
        quotes=() if refused else (Quote(1, 0, len(marked), excerpt),),
        others=() if refused else (Excerpt(reference(number, 17), 5, of(number, 21), False, False),),
        nearest=(excerpt,) if refused else (),
        text="" if refused else text,
        marks=() if refused else ((len(of(number, 1)) + 1, 1),),
        short="" if refused else of(number, 22),
        short_number=None if refused else 1,
        statements=()
        if refused
        else (
            Statement(first, 0, len(first), (1,), Standing.REWRITTEN,
                      tuple(Problem(kind, of(number, 23)) for kind in Kind)),
            Statement(of(number, 24), 0, 0, (), Standing.DROPPED, (Problem(Kind.NAME, of(number, 25)),)),
        ),
        refused=refused,
        confidence=0.9,
        language=of(number, 26),
        error=of(number, 27) if failed else "",
    )  # fmt: skip


def test_there_are_many_and_no_two_are_the_same() -> None:
    assert len(PAYLOADS) == len(set(PAYLOADS)) >= 100
    assert any("\0" in payload for payload in PAYLOADS)


def test_articles(watch: Any, home: Path) -> None:
    watched = watch()
    page = watched.page
    page.get_by_role("tab", name="Archives").click()
    rows = Catalogue(home).page(count=1000).rows
    assert len(rows) >= len(PAYLOADS) * 0.9  # some are the same once invisible characters are left out
    listed: list[str] = []
    sources: list[str] = []
    while True:
        expect(page.locator("#listing .found")).to_contain_text(f"{len(listed) + 1} à ")
        watched.check()
        listed += texts_of(page, "#listing .title .link")
        sources += texts_of(page, "#listing tbody td:nth-child(2)")
        if page.get_by_role("button", name="Suivants").is_disabled():
            break
        page.get_by_role("button", name="Suivants").click()
    assert listed == [seen(one.title) for one in rows]
    assert sources == [seen(one.source or "–") for one in rows]
    options = page.locator("#search [name=source] option").evaluate_all("all => all.map(one => one.value)")
    held = list(status(home).sources)[:200]
    assert list(map(seen, options)) == ["", *map(seen, held)]
    assert set(map(seen, status(home).sources)) <= set(texts_of(page, "#search [name=source] option"))

    page.locator("#search [name=words]").fill(PAYLOADS[0])
    page.locator("#search [name=words]").press("Enter")
    expect(page.locator("#listing .found")).not_to_contain_text(f"{len(rows)} articles")
    for place in (0, 1, 2):  # whose title, author and address are other payloads
        page.locator("#listing .link").nth(place).click()
        expect(page.get_by_role("dialog").locator("h2")).to_have_count(1)
        watched.check()
        page.keyboard.press("Escape")
    page.locator("#listing [data-act=remove_article]").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    watched.check()
    page.keyboard.press("Escape")
    page.locator("#search [name=words]").fill("https://valmorin.example/whole")
    page.locator("#search [name=words]").press("Enter")
    expect(page.locator("#listing .found")).to_have_text("1 article")
    page.locator("#listing .link").click()
    expect(page.get_by_role("dialog").locator("h2")).to_have_text("Tout")
    held_text = Catalogue(home).read("https://valmorin.example/whole")[-1].article.text
    assert texts_of(page, "dialog .whole") == [seen(held_text)]
    watched.check()


def test_a_stored_conversation_and_its_exports(watch: Any, home: Path, chromium: Browser, tmp_path: Path) -> None:
    store = Conversations(home)
    exchanges = [exchange(number) for number in range(len(PAYLOADS))]
    talk = None
    for number, one in enumerate(exchanges):
        talk = store.keep("", talk, number, one)
        store.rate("", talk, number, Rating(False, of(number, 28)))
    assert talk is not None
    name = store.rename("", talk, "".join(PAYLOADS[:8])[:200])
    watched = watch()
    page = watched.page
    page.get_by_role("tab", name="Conversations").click()
    page.locator("#talks .link").click()
    earlier = page.locator("[data-act=earlier]")
    shown = 20
    while shown < len(exchanges):
        expect(page.locator(".turn")).to_have_count(shown)
        earlier.click()
        shown = min(shown + 20, len(exchanges))
    expect(page.locator(".turn")).to_have_count(len(exchanges))
    watched.check()
    assert texts_of(page, "#bar .name") == [seen(name)]
    assert texts_of(page, ".turn .question") == [seen(one.question) for one in exchanges]
    answered = [one for one in exchanges if one.state == State.ANSWERED and not one.refused]
    assert texts_of(page, ".turn .short") == [seen(f"{' '.join(one.short.split())} [1]") for one in answered]
    page.locator(".turn .text .note").evaluate_all("all => all.forEach(one => one.remove())")
    told = texts_of(page, ".turn .answer .text")
    assert [one for one in told if one] == [
        seen(one.text) if one.text else told[4] for one in exchanges if one.state == State.ANSWERED or one.text
    ]
    assert texts_of(page, ".dropped q") == [seen(one.statements[1].text) for one in answered]
    assert texts_of(page, ".turn .problem") == [seen(one.error) for one in exchanges if one.error]
    titles = {seen(one.excerpt.article.title) for exchange in exchanges for one in exchange.quotes}
    assert titles <= set(texts_of(page, ".sources .card h3"))
    quoted = {f"1{seen(one.text)}" for exchange in exchanges for one in exchange.quotes}
    assert quoted <= set(texts_of(page, ".sources mark"))
    notes = page.locator(".turn [name=note]").evaluate_all("all => all.map(one => one.value)")
    kept = [rating.note for one, rating in store.read("", talk)[1] if rating and one.answered]
    assert list(map(seen, notes)) == list(map(seen, kept))
    copied = page.locator("[data-act=copy]").first.get_attribute("data-copy") or ""
    assert seen(copied).startswith(seen(exchanges[0].question))
    page.locator(".turn .text .marker").first.hover()
    expect(page.get_by_role("tooltip")).to_be_visible()
    watched.check()

    page.get_by_role("tab", name="Conversations").click()
    kinds = {}
    for kind in ("html", "markdown"):
        with page.expect_download() as download:
            page.locator(f"[data-act=export_talk][data-kind={kind}]").click()
        assert re.fullmatch(r"[\w-]+\.(html|md)", download.value.suggested_filename)
        kinds[kind] = tmp_path / f"exported.{kind}"
        download.value.save_as(kinds[kind])
    watched.check()

    context = chromium.new_context()
    exported = context.new_page()
    happened: list[str] = []
    exported.on("dialog", lambda dialog: happened.append(dialog.message))
    exported.on("pageerror", lambda error: happened.append(str(error)))
    context.on("request", lambda request: happened.append(request.url))
    exported.goto(kinds["html"].as_uri())
    ids = r"^(turn|question)-\d+$|^(quote|mark)-\d+-\d+$"
    assert exported.evaluate(INSPECT, ["body *", EXPORTED, EXPORTED_ATTRIBUTES, NAMES, ids, ACTS]) == []
    assert exported.locator("head script, head link, head base, body style").count() == 0
    assert texts_of(exported, "h2") == [seen(drawable(one.question)) for one in exchanges]
    assert happened == [kinds["html"].as_uri()]
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    exported.set_content(html.render(kinds["markdown"].read_text(encoding="utf-8")))
    assert exported.evaluate(INSPECT, ["body *", EXPORTED, ["href"], NAMES, "^$", ACTS]) == []
    assert texts_of(exported, "h2") == [" ".join(seen(drawable(one.question)).split()) for one in exchanges]
    assert happened == [kinds["html"].as_uri()]
    context.close()


def drawable(text: str) -> str:
    """A text without the control characters that no exported file holds."""
    return re.sub("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]", "", text)


def test_names_of_conversations(watch: Any, home: Path) -> None:
    store = Conversations(home)
    names = []
    for number, payload in enumerate(PAYLOADS[:: len(PAYLOADS) // 90]):
        talk = store.keep("", None, 0, exchange(number))
        try:
            names.append(store.rename("", talk, payload))
        except Exception:  # nothing is left of it
            names.append(store.read("", talk)[0])
    watched = watch()
    page = watched.page
    page.get_by_role("tab", name="Conversations").click()
    expect(page.locator("#talks .link")).to_have_count(50)
    watched.check()
    first = texts_of(page, "#talks .link")
    page.locator("#talks .renaming summary").first.click()
    typed = PAYLOADS[14] + PAYLOADS[2]
    page.locator("#talks .renaming input").first.fill(typed)
    page.locator("#talks .renaming button").first.click()
    expect(page.locator("#talks .link", has_text=typed)).to_have_count(1)
    page.locator("#talks [data-act=delete_talk]").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    watched.check()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Suivants").click()
    expect(page.locator("#talks .link")).to_have_count(len(names) - 50)
    watched.check()
    assert first + texts_of(page, "#talks .link") == [seen(one) for one in reversed(names)]


def test_questions_and_a_models_words(watch: Any) -> None:
    watched = watch()
    page = watched.page
    pieces = list(in_pieces(900, (payload for payload in PAYLOADS if "\0" not in payload)))
    for place, piece in enumerate(pieces, 1):
        watched.visited.ask(piece)
        expect(page.locator(f"#turn-{place} .actions")).to_be_visible()
    watched.check()
    typed = [" ".join(seen(piece).split()) for piece in pieces]
    assert [" ".join(one.split()) for one in texts_of(page, ".turn .question")] == typed
    assert " ".join(texts_of(page, "#sources .card h3")[0].split()) == typed[-1]
    page.locator("[data-act=choose_language][lang=en]").click()
    expect(page.locator("#send")).to_have_text("Ask")
    watched.check()


def test_what_narrows_a_question_from_the_address(watch: Any) -> None:
    for payloads in (PAYLOADS[:96], PAYLOADS[96:]):
        pairs = [*(("source", one) for one in payloads), *(("language", one) for one in payloads),
                 ("from", payloads[0]), ("to", payloads[1]), ("q", " ".join(payloads)[:1500]),
                 ("__theme", "dark\"><script>alert(1)</script>"), ("__proto__", "x")]  # fmt: skip
        watched = watch("/?" + urllib.parse.urlencode(pairs, errors="surrogatepass"))
        page = watched.page
        expect(page.locator("#narrowing details")).to_have_attribute("open", "")
        chosen = page.locator("#narrowing [name=source]:checked").evaluate_all("all => all.map(one => one.value)")
        assert set(map(seen, chosen)) == {seen(one[:200]) for one in payloads}
        watched.check()
        watched.visited.ask("Combien ?")
        expect(page.locator("#turn-1 .actions")).to_be_visible()
        (told,) = texts_of(page, "#turn-1 .narrowed")
        assert all(seen(one) in told for one in payloads)
        watched.check()


def test_words_that_are_searched(watch: Any) -> None:
    watched = watch()
    page = watched.page
    page.get_by_role("tab", name="Archives").click()
    expect(page.locator("#listing .found")).to_be_visible()
    pieces = list(in_pieces(190, (payload for payload in PAYLOADS if "\0" not in payload)))
    for place, piece in enumerate(pieces):
        page.locator("#search [name=words]").fill(piece)
        page.locator("#search [name=words]").press("Enter")
        page.wait_for_timeout(30)
        if place % 8 == 7 or place == len(pieces) - 1:
            kept = page.locator("#search [name=words]").input_value()
            expect(page.locator("#listing .found, #listing .problem")).to_have_count(1)
            page.wait_for_timeout(300)
            language = "en" if page.evaluate("document.documentElement.lang") == "fr" else "fr"
            page.locator(f"[data-act=choose_language][lang={language}]").click()
            expect(page.locator(f"#search form[lang={language}]")).to_have_count(1)
            assert page.locator("#search [name=words]").get_attribute("value") == kept.strip()
            watched.check()
    page.get_by_role("tab", name=re.compile("Conversations")).click()
    for piece in pieces[::4]:
        page.locator("#talk-search [name=words]").fill(piece)
        page.locator("#talk-search [name=words]").press("Enter")
    expect(page.locator("#talks .found")).to_have_count(1)
    watched.check()


def test_names_of_files(watch: Any, home: Path, tmp_path: Path) -> None:
    def skipping(paths: Sequence[Path], *, progress: Callable[[Progress], None]) -> Report:
        progress(Progress(PAYLOADS[0], 1, 2))
        skipped = [Skipped(f"/tmp/folder/{one.replace('/', '_')}", other) for one, other in zip(
            PAYLOADS, reversed(PAYLOADS), strict=True)]  # fmt: skip
        return Report(1, 0, 0, tuple(skipped), 1, 1, 1)

    names = [re.sub("[/\0]", "_", payload)[:60] + f"-{number}.bin" for number, payload in enumerate(PAYLOADS)]
    chosen = [{"name": name, "mimeType": "text/plain", "buffer": bytes(range(256))} for name in names[::5]]
    watched = watch()
    page = watched.page
    page.get_by_role("tab", name="Archives").click()
    with page.expect_file_chooser() as chooser:
        page.locator("#files").click()
    chooser.value.set_files(chosen)
    expect(page.locator("#report li")).to_have_count(len(chosen), timeout=30_000)
    assert all(re.search(r"-\d+\.bin : ", one) for one in texts_of(page, "#report li"))
    watched.check()

    watched = watch(add=skipping)
    page = watched.page
    page.get_by_role("tab", name="Archives").click()
    with page.expect_file_chooser() as chooser:
        page.locator("#files").click()
    chooser.value.set_files(chosen[:1])
    expect(page.locator("#report li")).to_have_count(len(PAYLOADS))
    watched.check()
    expected = [
        seen(f"{one.replace('/', '_')} : {other}") for one, other in zip(PAYLOADS, reversed(PAYLOADS), strict=True)
    ]
    assert texts_of(page, "#report li") == expected


def test_pasted_articles(watch: Any, home: Path) -> None:
    watched = watch()
    page = watched.page
    page.get_by_role("tab", name="Archives").click()
    before = status(home).articles
    page.locator("#pasting summary").click()
    form = page.locator(".pasting form")
    pieces = list(in_pieces(480, (one for one in PAYLOADS if "\0" not in one)))[::4]
    for place, piece in enumerate(pieces, 1):
        form.locator("[name=title]").fill(f"{place} {piece}"[:499])
        form.locator("[name=text]").fill(f"{piece}\n\n{piece} {place}")
        form.locator("[name=source]").fill(piece[:200])
        form.locator("[name=url]").fill(
            "javascript:alert(1)" if place % 2 else f'https://example.invalid/{place}/"><b>'
        )
        form.get_by_role("button").click()
        expect(form.locator("[name=title]")).to_have_value("")
        expect(page.locator("#health dd").first).to_have_text(f"{before + place}")
        watched.check()
    page.locator("#search [name=order]").select_option("added")
    expect(page.locator("#listing .link").first).to_contain_text(re.compile(r"^\d "))
    page.locator("#listing .link").first.click()
    expect(page.get_by_role("dialog").locator("h2")).to_have_count(1)
    watched.check()


SEND = """([number, inputs, events]) => {
const send = async event => {
    const hash = Math.random().toString(36).slice(2);
    const base = location.origin + "/gradio_api/queue/";
    const asked = {data: inputs, event_data: event, fn_index: number, trigger_id: null, session_hash: hash};
    const joined = await fetch(base + "join", {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(asked),
    });
    if (!joined.ok) return "refused";
    const told = await fetch(base + "data?session_hash=" + hash);
    const read = told.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let all = "", part = await read.read(); !part.done; part = await read.read()) {
        all += part.value;
        const done = all.match(/^data: (.*process_completed".*)\\n/m);
        if (done) return JSON.parse(done[1]).success ? "done" : JSON.parse(done[1]).output?.error ?? "failed";
    }
    return "nothing";
};
return Promise.all(events.map(event => send(event).catch(error => `${error}`)));
}"""
FILE = {"path": "/etc/hostname", "orig_name": "hostname", "meta": {"_type": "gradio.FileData"}}


def test_events_that_are_sent_by_hand(
    watch: Any, home: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    given: list[Path] = []

    def add(paths: Sequence[Path], *, progress: Callable[[Progress], None]) -> Report:
        given.extend(paths)
        return Report(0, 0, 0, (), 0, 0, 0)

    store = Conversations(home)
    kept = {store.keep("", None, 0, exchange(number)) for number in range(3)}
    watched = watch(add=add)
    page = watched.page
    before = status(home)
    config = page.evaluate("window.gradio_config")
    types = {one["id"]: one["type"] for one in config["components"]}
    values: list[Any] = [None, 7, True, "x", [], [[1], None], {"a": 1}, FILE, {"__proto__": {"polluted": 1}}]
    keys = ("act", "question", "article", "marks", "words", "order", "first", "source", "language", "from", "to",
            "title", "text", "date", "url", "turn", "good", "note", "talk", "name", "kind", "generation")  # fmt: skip
    events = [
        *values,
        *(dict.fromkeys(keys, value) for value in (None, 7, [7, "x", None], {"a": 1}, FILE, "\ud800", "9" * 400, "٣")),
    ]
    works = [one for one in config["dependencies"] if one["backend_fn"]]  # the others only cancel
    own = [one for one in works if any(types.get(target[0]) == "html" for target in one["targets"])]
    assert len(own) > 15
    wrong = []
    for dependency in own:
        inputs = ["" if types[one] == "textbox" else None for one in dependency["inputs"]]
        for event, told in zip(events, page.evaluate(SEND, [dependency["id"], inputs, events]), strict=True):
            refused = "File /etc/hostname is not in the cache folder" in told
            if told != "done" and not (refused and "/etc/hostname" in str(event)):
                wrong.append((dependency["targets"], event, told))
    assert wrong == []
    for dependency in works:
        for value in (7, [[1], None], FILE):
            same = [value for _ in dependency["inputs"]]
            page.evaluate(SEND, [dependency["id"], same, [None]])  # Gradio refuses some of it
    assert all(path.parent.name.startswith("sourcier-") for path in given)  # what was pasted, no file of the machine
    assert status(home) == before
    assert kept <= {talk.id for talk in store.list("", count=1000)[0]}  # with those that were asked now
    hostname = Path("/etc/hostname").read_text().strip()
    assert hostname not in page.locator("body").inner_text()
    assert "Traceback" not in "".join(record.exc_text or "" for record in caplog.records if "sourcier" in record.name)
    watched.check()
    watched.visited.ask("Combien ?")  # and it still answers
    expect(page.locator("#turn-1 .actions")).to_be_visible()


def test_a_hole_is_found(watch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above is worth something: with one value left unescaped it fails, whatever else is in the way."""
    attempts = {
        "<img src='x' onerror='alert(1)'>": "<img",
        "<script>alert(1)</script>": "<script",
        "<a href='javascript:alert(1)'>x</a>": "javascript:",
        "<b id='sourcier'>x</b>": "<b id",
        "<p style='color:red'>x</p>": "<p style",
        "<button data-act='delete_everything'>x</button>": "<button data-act",
        "<input name='innerHTML'>": "<input name",
        "<svg></svg>": "<svg",
    }
    rows = iter([*attempts] * 30)
    monkeypatch.setattr(render_archive, "_row", lambda *_, **__: Markup(f"<tr><td>{next(rows)}</td></tr>"))
    page = watch().page
    page.get_by_role("tab", name="Archives").click()
    expect(page.locator("#listing td")).to_have_count(50)
    found = [told for _, told in faults(page)]
    for attempt, mark in attempts.items():
        assert any(told.startswith("<") and mark in told for told in found), attempt
