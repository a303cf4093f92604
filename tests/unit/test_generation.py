"""One immutable index: what it says of itself, and the same on disk and in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from fakes import WordEmbedder

from index.articles import Article, Draft, make_article
from index.generation import FORMAT, Filters, Generation, open_current, read_manifest, status
from index.rebuild import embed_articles, update
from index.search import search
from index.segment import ArticleStore, Version

ROWS = [
    {
        "title": "La crue",
        "text": "Le pont a cédé. " * 20,
        "source": "AVP",
        "date": "2023-10-20T08:30+02:00",
        "lang": "fr",
    },
    {"title": "Le bilan", "text": "La crue a fait trois blessés.", "source": "AVP", "date": "2023-10-23", "lang": "fr"},
    {"title": "Flood", "text": "Volunteers came to help.", "source": "Herald", "author": "J. Roe", "lang": "en"},
    {"title": "Sans rien", "text": "Un texte sans date ni source.", "lang": "fr"},
]


@pytest.fixture(scope="module")
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture(scope="module")
def home(embedder: WordEmbedder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generation")
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    update(folder / "home", [folder / "rows.jsonl"], embedder, passage_tokens=32)
    return folder / "home"


@pytest.fixture
def on_disk(home: Path, embedder: WordEmbedder) -> Iterator[Generation]:
    generation = open_current(home, embedder.fingerprint)
    yield generation
    generation.close()


def test_status(home: Path) -> None:
    held = status(home)
    assert (held.home, held.generation, held.articles, held.passages) == (home, "000001", 4, 6)
    assert (held.sources, held.languages) == ({"AVP": 2, "Herald": 1}, {"fr": 3, "en": 1})
    assert (held.older, held.segments, held.before) == (0, 1, None)
    assert held.oldest == date(2023, 10, 20)
    assert held.newest == date(2023, 10, 23)
    assert (held.embedder, held.dimensions) == ("words", 64)
    counted = [*home.glob("segments/**/*"), *home.glob("generations/*/states-*")]
    assert held.size == sum(path.stat().st_size for path in counted if path.is_file())
    assert json.loads(json.dumps(asdict(held), default=str))["oldest"].startswith("2023-10-20")


def test_the_manifest_names_every_file_with_its_sum(home: Path, embedder: WordEmbedder) -> None:
    name, manifest = read_manifest(home)
    files = [*home.glob("segments/**/*"), *home.glob(f"generations/{name}/*")]
    found = {path.relative_to(home).as_posix(): path for path in files if path.is_file()}
    assert set(manifest.files) == set(found) - {f"generations/{name}/manifest.json"}
    for file, (size, digest) in manifest.files.items():
        content = found[file].read_bytes()
        assert (size, digest) == (len(content), sha256(content).hexdigest())
    assert manifest.embedder_fingerprint == embedder.fingerprint
    assert (manifest.format, manifest.passage_tokens) == (FORMAT, 32)
    assert not any(path.suffix in {".pkl", ".pickle"} for path in found.values())


def test_in_memory_gives_what_the_disk_gives(on_disk: Generation, embedder: WordEmbedder) -> None:
    articles = list(on_disk.articles())
    in_memory = embed_articles(articles, embedder, 32)
    assert list(in_memory.articles()) == articles
    assert [in_memory.passage(row) for row in range(in_memory.rows)] == [
        on_disk.passage(row) for row in range(on_disk.rows)
    ]
    assert in_memory.owners().tolist() == on_disk.owners().tolist()
    assert in_memory.languages == on_disk.languages == ("en", "fr")
    assert in_memory.sources == on_disk.sources == ("AVP", "Herald")
    for question in ("Le pont a-t-il cédé ?", "volunteers", "bilan de la crue", "xylophone"):
        for sources in ((), ("AVP",)):
            one, other = (
                search(
                    generation,
                    embedder,
                    question,
                    "fr",
                    results=10,
                    lexical_weight=0.15,
                    filters=Filters(sources=sources),
                )
                for generation in (in_memory, on_disk)
            )
            assert one == other != []


def test_articles_come_back_as_they_were_put(tmp_path: Path) -> None:
    drafts = [
        Draft("Heure", "Un.", published=datetime(2024, 5, 31, 8, 30, tzinfo=UTC)),
        Draft("Jour", "Deux.", "AVP", "https://a.example/", date(2024, 5, 31), "A. Roux", "fr"),
        Draft("«'\";--", "DROP TABLE articles;"),
    ]
    versions = [
        Version(row, f"key {row}", "2024-06-01T08:00:00+00:00", make_article(draft)) for row, draft in enumerate(drafts)
    ]
    store = ArticleStore.create(tmp_path / "articles.sqlite")
    store.put(versions)
    store.close()
    opened = ArticleStore.open(tmp_path / "articles.sqlite")
    assert list(opened.versions()) == versions
    assert [opened.article(version.row) for version in versions] == [version.article for version in versions]
    assert opened.with_key("key 1") == opened.with_id(versions[1].article.id) == [versions[1]]
    assert opened.rows_of("key", "key 2") == [(2, versions[2].article.id)]
    assert opened.key_of(2) == "key 2"
    with pytest.raises(KeyError):
        opened.article(3)
    opened.close()


def test_more_articles_than_are_read_at_once() -> None:
    store = ArticleStore.create()
    articles: list[Article] = [make_article(Draft("Titre", f"Numéro {number}.")) for number in range(450)]
    store.put(Version(row, str(row), "", article) for row, article in enumerate(articles))
    assert [version.article for version in store.versions()] == articles
