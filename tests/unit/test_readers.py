"""Files in, articles out: formats, encodings, dates, and files made to break a reader."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import ArticleError
from index.articles import Article, Found, Skipped, clean
from index.readers import accepted_suffixes, count, read
from index.readers.dates import dateline, read_date
from index.readers.fields import known_fields, make_draft
from index.readers.formats import entries
from index.readers.source import Source
from index.readers.text import read_text

DATA = Path(__file__).parents[3] / "shared" / "data"
DEMO = Path(__file__).parents[2] / "demo" / "articles"
BODY = "Le conseil a voté hier soir. La maire s’est dite satisfaite du résultat."


def found(path: Path) -> Article:
    (only,) = read([path])
    assert isinstance(only, Found), only
    return only.article


def skipped(path: Path) -> Skipped:
    (only,) = read([path])
    assert isinstance(only, Skipped), only
    return only


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


class TestFolders:
    def test_sorted_without_hidden_files_and_links(self, tmp_path: Path) -> None:
        outside = written(tmp_path / "outside" / "secret.txt", "Secret\n\nCeci ne doit pas être lu.")
        home = tmp_path / "home"
        for name in ("b.txt", "a.txt", ".hidden.txt", ".git/c.txt", "sub/d.txt"):
            written(home / name, f"Titre {name}\n\n{BODY}")
        (home / "link.txt").symlink_to(outside)
        (home / "linked").symlink_to(outside.parent)
        assert [entry.key for entry in read([home]) if isinstance(entry, Found)] == [
            str(home / name) for name in ("a.txt", "b.txt", "sub/d.txt")
        ]
        assert count([home]) == 3

    def test_missing_path_is_named_before_anything_is_read(self, tmp_path: Path) -> None:
        with pytest.raises(ArticleError, match=r"nowhere does not exist"):
            read([tmp_path, tmp_path / "nowhere"])

    @pytest.mark.parametrize("name", ["x" * 5000, "a\0b"], ids=["too-long", "nul"])
    def test_name_that_no_file_can_have(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ArticleError, match="does not exist"):
            read([tmp_path / name])

    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            pytest.param("a.txt", b"", "it is empty", id="empty"),
            pytest.param("a.txt", b" \n\t \n", "it holds no text", id="blank"),
            pytest.param("a.exe", b"MZ", "files of this kind", id="unknown-suffix"),
            pytest.param("a.txt", b"\x89PNG\r\n\0\0\0\rIHDR", "it is binary", id="nul"),
            pytest.param("a.jsonl", b"\x1f\x8b\x08\0\0", "it is binary", id="compressed-rows"),
            pytest.param("a.json", b'{"text": ', "it is not JSON", id="broken-json"),
            pytest.param("a.json", b"[" * 200_000, "it is not JSON: nested too deeply", id="deep-json"),
            pytest.param("a.csv", b"nom;prix\nlait;2\n", "columns found: nom, prix)", id="no-text-column"),
            pytest.param("a.html", b"<html><body></body></html>", "no article was found", id="empty-page"),
        ],
    )
    def test_skipped_with_a_reason(self, tmp_path: Path, name: str, content: bytes, reason: str) -> None:
        entry = skipped(written(tmp_path / name, content))
        assert entry.origin == str(tmp_path / name)
        assert reason in entry.reason
        assert "\n" not in entry.reason

    def test_over_large(self, tmp_path: Path) -> None:
        path = tmp_path / "large.txt"
        with path.open("wb") as file:
            file.truncate(50_000_001)
        assert "larger than 50 MB" in skipped(path).reason

    def test_unreadable(self) -> None:
        def refuse() -> BinaryIO:
            raise PermissionError(13, "Permission denied")  # root may read whatever its mode

        assert list(entries(Source("a.txt", 5, refuse), "a.txt")) == [
            Skipped("a.txt", "it cannot be read: Permission denied")
        ]

    def test_a_pipe_does_not_block(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.txt")
        assert skipped(tmp_path / "a.txt").reason == "it is not a file"

    def test_bad_file_does_not_stop_the_rest(self, tmp_path: Path) -> None:
        written(tmp_path / "a.txt", b"\0")
        written(tmp_path / "b.txt", BODY)
        assert [type(entry) for entry in read([tmp_path])] == [Skipped, Found]

    def test_name_that_is_not_utf8(self, tmp_path: Path) -> None:
        written(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")), BODY)
        (entry,) = read([tmp_path])
        assert isinstance(entry, Found)
        entry.key.encode()


class TestEncodings:
    SAMPLE = (
        "L’été à Besançon\n\n« Noël sera cher », dit le maire. Une œuvre a coûté 12 €. Où ça ? À l’hôpital, déjà réélu."
    )

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    @pytest.mark.parametrize("suffix", [".txt", ".md", ".csv", ".html"])
    def test_french(self, tmp_path: Path, encoding: str, suffix: str) -> None:
        title, _, text = self.SAMPLE.partition("\n\n")
        content = {
            ".txt": self.SAMPLE,
            ".md": f"# {title}\n\n{text}",
            ".csv": f"titre;texte\n{title};{text}\n",
            ".html": f"<html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>",
        }[suffix]
        article = found(written(tmp_path / f"a{suffix}", content.encode(encoding)))
        assert (article.title, article.text, article.language) == (title, text, "fr")

    @pytest.mark.parametrize(
        "declaration",
        ['<meta charset="iso-8859-1">', '<meta http-equiv="Content-Type" content="text/html; charset=windows-1252">'],
        ids=["html5", "http-equiv"],
    )
    def test_declared_by_the_page(self, tmp_path: Path, declaration: str) -> None:
        page = f"<html><head>{declaration}<title>Œuvre</title></head><body><p>Il paie 5 € à l’entrée.</p></body></html>"
        assert found(written(tmp_path / "a.html", page.encode("cp1252"))).text == "Il paie 5 € à l’entrée."

    def test_one_damaged_byte_leaves_the_rest(self, tmp_path: Path) -> None:
        content = self.SAMPLE.encode() + b"\n\xe9\n" + self.SAMPLE.encode()
        assert "Une œuvre a coûté 12 €." in found(written(tmp_path / "a.txt", content)).text


class TestText:
    def test_title_headers_body_farewell(self, tmp_path: Path) -> None:
        article = found(
            written(
                tmp_path / "a.txt",
                "La digue est votée\n\nDate : 12 mars 2024\nSource : Le Courrier\nAuteur : Lise A.\n"
                "URL : https://exemple.example/digue\nLangue : français\n\n"
                f"Principaux renseignements\n\n  • Un point.\n  • Deux points.\n\n{BODY}\n\n"
                "Si vous souhaitez accéder à tous les articles, abonnez-vous ici!\n\nPlus\n",
            )
        )
        assert article.title == "La digue est votée"
        assert article.published == date(2024, 3, 12)
        assert (article.source, article.author, article.language) == ("Le Courrier", "Lise A.", "fr")
        assert article.url == "https://exemple.example/digue"
        assert article.text == f"Principaux renseignements\n\n• Un point.\n• Deux points.\n\n{BODY}"

    @pytest.mark.parametrize(
        ("content", "title", "text"),
        [
            pytest.param(f"Titre\n{BODY}", "Titre", BODY, id="title-without-blank-line"),
            pytest.param(BODY, "nom-du-fichier", BODY, id="only-one-line"),
            pytest.param(
                "mot " * 80 + "\n\nsuite", "nom-du-fichier", "mot " * 79 + "mot\n\nsuite", id="long-first-line"
            ),
            pytest.param(
                "Le vote de\nla ville est clos.", "nom-du-fichier", "Le vote de\nla ville est clos.", id="wrapped"
            ),
            pytest.param(f"Titre : La digue\nDate : 2024-03-12\n\n{BODY}", "La digue", BODY, id="title-in-headers"),
            pytest.param(f"Source : l’eau revient\n\n{BODY}", "Source : l’eau revient", BODY, id="title-like-a-header"),
            pytest.param(f"Titel\n\nDatum: 5. März 2024\n\n{BODY}", "Titel", BODY, id="german-header"),
        ],
    )
    def test_title(self, content: str, title: str, text: str) -> None:
        draft = read_text(content, "nom-du-fichier")
        assert (draft.title, draft.text) == (title, text)

    @pytest.mark.parametrize(
        "line",
        [
            "Abonnez-vous !",
            "S’abonner",
            "Lire aussi : La crue en images",
            "À lire également : le dossier",
            "Pour lire la suite, abonnez-vous.",
            "Recevez notre newsletter",
            "Subscribe now to read all our articles",
            "Read more: The flood in pictures",
            "Jetzt abonnieren!",
            "Lesen Sie auch: Die Flut",
            "Plus",
        ],
    )
    def test_farewell_is_removed_at_the_end_only(self, line: str) -> None:
        assert read_text(f"Titre\n\n{BODY}\n\n{line}\n\n{line}", "").text == BODY
        assert line in read_text(f"Titre\n\n{line}\n\n{BODY}", "").text

    @pytest.mark.parametrize(
        "line",
        [
            "La mairie lancera une newsletter au printemps.",
            "Plus de mille personnes ont défilé.",
            "Le journal demande à ses lecteurs : abonnez-vous ou nous fermons.",
            "More than forty readers came.",
            "Mehr als vierzig Leser kamen.",
        ],
    )
    def test_last_sentence_stays(self, line: str) -> None:
        assert read_text(f"Titre\n\n{BODY}\n\n{line}", "").text.endswith(line)


class TestMarkdown:
    def test_front_matter_and_body(self, tmp_path: Path) -> None:
        article = found(
            written(
                tmp_path / "a.md",
                "---\ntitle: La digue\ndate: 2024-03-12\nsource: Le Courrier\nauthor: [Lise A., Paul B.]\n"
                "url: https://exemple.example/d\nlanguage: fr\n---\n\n# La digue\n\nLe **conseil** a "
                "[voté](https://x.example)\nhier soir. ![photo](p.png)\n\n## Le coût\n\n- un point\n- `deux` points\n\n"
                "<script>alert(1)</script>\n\nIl a <b>dit</b> oui.\n\n    code\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
            )
        )
        assert article.text == (
            "Le conseil a voté hier soir.\n\nLe coût\n\n• un point\n\n• deux points\n\n"
            "Il a dit oui.\n\ncode\n\na | b\n\n1 | 2"
        )
        assert (article.title, article.published, article.author) == ("La digue", date(2024, 3, 12), "Lise A., Paul B.")
        assert (article.source, article.url) == ("Le Courrier", "https://exemple.example/d")

    @pytest.mark.parametrize(
        ("content", "title"),
        [
            pytest.param(f"# Un titre\n\n{BODY}", "Un titre", id="heading"),
            pytest.param(f"{BODY}\n\nUn titre\n===\n\nfin", "Un titre", id="later-heading"),
            pytest.param(BODY, "a", id="file-name"),
            pytest.param("# Rien que ceci", "Rien que ceci", id="only-a-heading"),
            pytest.param(f"---\ntitre: Budget : le vote\n---\n{BODY}", "Budget : le vote", id="not-quite-yaml"),
            pytest.param(f"---\n- 1\n---\n# Un titre\n\n{BODY}", "Un titre", id="front-matter-is-a-list"),
            pytest.param(f"---\n{'[' * 5000}\n---\n# Un titre\n\n{BODY}", "Un titre", id="deep-yaml"),
            pytest.param(
                f"---\nx: !!python/object/apply:os.abort []\n---\n# Un titre\n\n{BODY}", "Un titre", id="hostile-yaml"
            ),
        ],
    )
    def test_title(self, tmp_path: Path, content: str, title: str) -> None:
        assert found(written(tmp_path / "a.md", content)).title == title

    def test_deep_nesting(self, tmp_path: Path) -> None:
        list(read([written(tmp_path / "a.md", "> " * 20_000 + BODY)]))


class TestHtml:
    PAGE = f"""<!DOCTYPE html><html lang="fr-FR"><head><title>La digue | Le Courrier</title>
        <meta property="og:title" content="La digue est votée"><meta property="og:site_name" content="Le Courrier">
        <meta property="article:published_time" content="2024-03-12T18:30:00+01:00">
        <meta name="author" content="Lise Amboisel"><link rel="canonical" href="https://courrier.example/digue">
        <script>document.write("volé")</script></head><body>
        <nav><ul><li><a href="/">Accueil</a></li><li><a href="/sports">Sports</a></li></ul></nav>
        <div class="cookies"><p>Nous utilisons des cookies pour mesurer l’audience.</p></div>
        <article><h1>La digue est votée</h1><h2>Une dépense de 7 millions</h2><p>{BODY}</p><p>Le chan\u00adtier durera
        seize mois, selon la ville, qui a signé le contrat.</p><ul><li>Un premier point.</li></ul></article>
        <footer><p>Tous droits réservés.</p></footer></body></html>"""

    def test_article_without_its_surroundings(self, tmp_path: Path) -> None:
        article = found(written(tmp_path / "a.html", self.PAGE))
        assert article.title == "La digue est votée"
        assert article.text == (
            f"Une dépense de 7 millions\n\n{BODY}\n\n"
            "Le chantier durera seize mois, selon la ville, qui a signé le contrat."
            "\n\n- Un premier point."
        )
        assert article.published == datetime(2024, 3, 12, 18, 30, tzinfo=timezone(timedelta(hours=1)))
        assert (article.source, article.author, article.language) == ("Le Courrier", "Lise Amboisel", "fr")
        assert article.url == "https://courrier.example/digue"

    def test_bare_page_is_whole(self, tmp_path: Path) -> None:
        page = (
            f"<html><body><h1>Titre</h1><h2>En bref</h2><p>22 mai 2012. - {BODY}</p><ul><li>Un.</li></ul></body></html>"
        )
        article = found(written(tmp_path / "a.html", page))
        assert article.text == f"En bref\n\n22 mai 2012. - {BODY}\n\n- Un."
        assert (article.title, article.published) == ("Titre", date(2012, 5, 22))

    def test_dates_told_in_the_text_are_not_its_own(self, tmp_path: Path) -> None:
        page = f"<html><body><h1>Titre</h1><p>Le 3 mai 2014, puis en 1998. {BODY}</p></body></html>"
        assert found(written(tmp_path / "a.html", page)).published is None

    @pytest.mark.parametrize("tag", ["div", "p", "b", "table", "article"])
    def test_deep_nesting(self, tmp_path: Path, tag: str) -> None:
        assert len(list(read([written(tmp_path / "a.html", f"<{tag}>" * 20_000 + BODY)]))) == 1


class TestRows:
    def test_json_lines(self, tmp_path: Path) -> None:
        rows = [
            {"id": 7, "titre": "Un", "texte": BODY, "date": "2024-03-12T08:00:00Z", "heading": "Chapô."},
            {"headLine": "Deux", "body": [BODY, "Fin."], "link": "https://exemple.example/2", "journal": "AVP"},
            {"id": 9, "title": "Trois", "summary": BODY},
            ["pas un objet"],
            {"content": BODY, "url": "javascript:alert(1)"},
        ]
        path = tmp_path / "a.jsonl"
        lines = [json.dumps(row) for row in rows]
        written(path, "\n".join([*lines[:2], "{", "", *lines[2:], '{"text": "\\ud800"}']))
        one, two, broken, no_text, no_object, three, nothing = read([path])

        assert isinstance(one, Found)
        assert one.key == f"{path}#7"
        assert (one.article.title, one.article.text) == ("Un", BODY)
        assert one.article.published == datetime(2024, 3, 12, 8, tzinfo=UTC)

        assert isinstance(two, Found)
        assert two.key == two.article.url == "https://exemple.example/2"
        assert (two.article.title, two.article.text, two.article.source) == ("Deux", f"{BODY}\n\nFin.", "AVP")

        assert isinstance(three, Found)
        assert three.key == f"{path}#{three.article.id}"
        assert three.article.url is None
        assert three.article.title == BODY

        assert isinstance(broken, Skipped)
        assert broken.origin == f"{path}, line 3"
        assert "not JSON" in broken.reason
        assert no_text == Skipped(f"{path}, line 5", "it has no text (columns found: id, title, summary)")
        assert no_object == Skipped(f"{path}, line 6", "it is not an object with named values")
        assert nothing == Skipped(f"{path}, line 8", "it holds no text")

    def test_json_list_and_object(self, tmp_path: Path) -> None:
        many, one = tmp_path / "many.json", tmp_path / "one.json"
        written(many, json.dumps([{"text": BODY, "id": "a"}, {"title": "sans texte"}]))
        written(one, json.dumps({"text": BODY}))
        assert [entry.key if isinstance(entry, Found) else entry.origin for entry in read([many, one])] == [
            f"{many}#a",
            f"{many}, item 2",
            str(one),
        ]

    @pytest.mark.parametrize(("suffix", "mark"), [(".csv", ","), (".csv", ";"), (".csv", "\t"), (".tsv", "\t")])
    def test_table(self, tmp_path: Path, suffix: str, mark: str) -> None:
        path = tmp_path / f"a{suffix}"
        long = "Une phrase, assez longue ; et encore. " * 5_000  # beyond the csv module's own limit
        records = [
            ("id", "Titre", "Texte", "Date de publication"),
            ("1", "Un", '"Il dit ""oui"", puis\nil part ; loin,\tloin."', "12/03/2024"),
            ("2", "Deux", "", ""),
            ("3", "Trois", f'"{long}"', "hier"),
        ]
        written(path, "\r\n".join(mark.join(record) for record in records))
        one, two, three = read([path])
        assert isinstance(one, Found)
        assert one.key == f"{path}#1"
        assert one.article.text == 'Il dit "oui", puis\nil part ; loin, loin.'
        assert one.article.published == date(2024, 3, 12)
        assert two == Skipped(
            f"{path}, line 4", "it has no text (columns found: id, Titre, Texte, Date de publication)"
        )
        assert isinstance(three, Found)
        assert three.article.text == long.strip()
        assert three.article.published is None


class TestFields:
    @pytest.mark.parametrize(
        "url", ["javascript:alert(1)", "file:///etc/passwd", "www.x.example", "http://[", "https://a b"]
    )
    def test_only_web_addresses(self, url: str) -> None:
        assert make_draft({"url": url}, "t", BODY).url is None

    def test_the_more_usual_synonym_that_is_filled_wins(self) -> None:
        values = {"article": "b", "texte": "a", "text": " ", "published_at": "2024-01-01", "Autre": 1, "id": True}
        assert known_fields(values) == {"text": "a", "date": "2024-01-01"}

    @pytest.mark.parametrize(
        ("given", "language"),
        [("en-GB", "en"), ("fr_FR", "fr"), ("Allemand", "de"), ("français", "fr"), ("klingon", "fr"), (None, "fr")],
    )
    def test_language(self, given: str | None, language: str) -> None:
        assert make_draft({"language": given}, "t", BODY).language == language


class TestDates:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("2024-03-12", date(2024, 3, 12)),
            ("20240312", date(2024, 3, 12)),
            (20240312, date(2024, 3, 12)),
            ("2024-03-12T00:00:00", date(2024, 3, 12)),
            ("2024-03-12T18:30:00+01:00", datetime(2024, 3, 12, 18, 30, tzinfo=timezone(timedelta(hours=1)))),
            ("2024-03-12 18:30", datetime(2024, 3, 12, 18, 30)),
            ("12 mars 2024", date(2024, 3, 12)),
            ("mardi 12 mars 2024", date(2024, 3, 12)),
            ("1er mai 2023", date(2023, 5, 1)),
            ("Publié le 12 mars 2024 à 10h30", datetime(2024, 3, 12, 10, 30)),
            ("Mis à jour le 12/03/2024", date(2024, 3, 12)),
            ("03/04/2024", date(2024, 4, 3)),
            ("12.03.2024", date(2024, 3, 12)),
            ("March 5, 2024", date(2024, 3, 5)),
            ("5. März 2024", date(2024, 3, 5)),
            ("5 de mayo de 2024", date(2024, 5, 5)),
            ("Tue, 12 Mar 2024 10:00:00 GMT", datetime(2024, 3, 12, 10, tzinfo=UTC)),
            ("12 mars 1631", date(1631, 3, 12)),
            *((value, None) for value in ("hier", "il y a 2 jours", "lundi", "mars 2024", "2024", "12 mars", "", "?")),
            *((value, None) for value in ("31/02/2024", "1599-12-31", "2999-01-01", "9" * 500, None, 2024, "0", "\0")),
        ],
    )
    def test_read(self, value: object, expected: date | None) -> None:
        assert read_date(value) == expected

    def test_month_first_in_english_only(self) -> None:
        assert read_date("03/04/2024", "en") == date(2024, 3, 4)

    def test_two_days_ahead_at_most(self) -> None:
        assert read_date((date.today() + timedelta(days=1)).isoformat()) is not None
        assert read_date((date.today() + timedelta(days=4)).isoformat()) is None

    @given(st.text(max_size=80))
    @settings(max_examples=150, deadline=None)
    def test_never_raises(self, text: str) -> None:
        assert read_date(text) is None or isinstance(read_date(text), date)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("22 mai 2012. - La fusée", date(2012, 5, 22)),
            ("Chapô.\n\n1er juin 2012, Espagne. - Le parti", date(2012, 6, 1)),
            ("Friday, January 4, 2019\n\nA building", date(2019, 1, 4)),
            ("Le 22 mai 2012, la fusée", None),
            ("22 mai 2012 reste une date", None),
            ("", None),
        ],
    )
    def test_dateline(self, text: str, expected: date | None) -> None:
        assert dateline(text) == expected


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("random")


MARKS = st.sampled_from(
    [b"", b"---\n", b"# ", b"<p>", b"<html><body>", b'{"text": "', b"text,title\n", b"\xff\xfe", b"\xef\xbb\xbf"]
)


@pytest.mark.parametrize("suffix", accepted_suffixes())
@settings(max_examples=60, deadline=None)
@given(
    content=st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    mark=MARKS,
)
def test_any_bytes_are_an_article_or_a_reason(folder: Path, suffix: str, content: bytes, mark: bytes) -> None:
    path = written(folder / f"any{suffix}", mark + content)
    for entry in read([path]):
        if isinstance(entry, Found):
            assert entry.article.text == clean(entry.article.text) != ""
            assert entry.article.language
            entry.key.encode()
        else:
            assert entry.reason == " ".join(entry.reason.split())


@pytest.mark.skipif(not (DATA / "seed").is_dir(), reason="no ../shared/data")
def test_seed() -> None:
    (entry,) = read([DATA / "seed"])
    assert isinstance(entry, Found)
    assert entry.article.title.startswith("La Corée du Nord et la Russie renforcent")
    assert entry.article.text.startswith("Principaux renseignements\n\n• ")
    assert "abonnez-vous" not in entry.article.text
    assert entry.article.text.endswith(".")
    assert entry.article.language == "fr"


@pytest.mark.skipif(not (DATA / "wikinews_fr100").is_dir(), reason="no ../shared/data")
def test_wikinews() -> None:
    articles = [entry.article for entry in read([DATA / "wikinews_fr100" / "documents"]) if isinstance(entry, Found)]
    assert len({article.id for article in articles}) == 100
    assert all(article.title and article.language == "fr" for article in articles)
    assert sum(article.published is not None for article in articles) == 99  # one page shows none
    assert not any("\u00ad" in article.text for article in articles)


@pytest.mark.skipif(not DEMO.is_dir(), reason="no demo archive")
def test_demo() -> None:
    read_all = list(read([DEMO]))
    articles = [entry.article for entry in read_all if isinstance(entry, Found)]
    assert len(articles) == len(read_all) >= 24
    assert {article.language for article in articles} == {"fr", "en", "de"}
    assert all(article.published and article.source for article in articles)
