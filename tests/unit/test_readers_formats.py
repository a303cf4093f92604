"""PDF, Word, feeds, mail and archives; patterns and standard input; files whose name does not tell their format."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from faults.fuzz_samples import (
    DATE,
    FIRST,
    HTML,
    SECOND,
    TITLE,
    URL,
    atom,
    letter,
    mailbox,
    page,
    pdf,
    rss,
    samples,
    tarred,
    word,
    zipped,
)

from errors import ArticleError
from index.articles import Article, Found, Skipped
from index.readers import count, read
from index.readers.dates import read_date
from index.readers.html import fragment_text
from index.readers.mail import letters, read_mail
from index.readers.pdf import whole_words

TEXT = f"{FIRST}\n\n{SECOND}"
MEMBERS = {"b.txt": f"{TITLE}\n\n{FIRST}".encode(), "mars/a.jsonl": json.dumps({"id": 7, "text": FIRST}).encode()}
HOUR = datetime(2024, 3, 12, 18, 30, tzinfo=timezone(timedelta(hours=1)))


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def found(path: Path) -> Article:
    (only,) = read([path])
    assert isinstance(only, Found), only
    return only.article


def reason(path: Path) -> str:
    (only,) = read([path])
    assert isinstance(only, Skipped), only
    assert only.origin == str(path)
    return only.reason


def keys(*paths: Path | str) -> list[str]:
    return [entry.key if isinstance(entry, Found) else entry.reason for entry in read(paths)]


def lines(*texts: str, size: float = 11) -> list[tuple[float, bytes]]:
    return [(size, text.encode("cp1252")) for text in texts]


class TestPdf:
    def test_title_paragraphs_and_words_cut_in_two(self, tmp_path: Path) -> None:
        article = found(written(tmp_path / "a.pdf", samples()[".pdf"]))
        assert (article.title, article.text, article.language) == (TITLE, TEXT, "fr")

    def test_dateline(self, tmp_path: Path) -> None:
        content = pdf(lines("VALMORIN, 12 mars 2024. - Le conseil de Valmorin a voté la digue."))
        assert found(written(tmp_path / "a.pdf", content)).published == date(2024, 3, 12)

    @pytest.mark.parametrize(
        ("told", "title"),
        [("La digue", "La digue"), ("Microsoft Word - digue.docx", "a"), ("untitled", "a"), ("", "a")],
        ids=["told", "program", "untitled", "none"],
    )
    def test_title_where_none_is_set_larger(self, tmp_path: Path, told: str, title: str) -> None:
        assert found(written(tmp_path / "a.pdf", pdf(lines(FIRST), title=told))).title == title

    def test_short_last_lines_end_paragraphs(self, tmp_path: Path) -> None:
        full = "Le conseil de Valmorin a voté hier soir, après trois heures de débats, la"
        content = pdf(
            lines(full, full, "digue.", "Un autre paragraphe commence ici, sans aucun blanc au-dessus, et", "finit.")
        )
        assert found(written(tmp_path / "a.pdf", content)).text == (
            f"{full} {full} digue.\n\nUn autre paragraphe commence ici, sans aucun blanc au-dessus, et finit."
        )

    def test_ligatures_come_out_as_letters(self, tmp_path: Path) -> None:
        encoding = "<< /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [1 /fi 2 /fl 3 /ffi] >>"
        content = pdf([(11, b"Le dossier e\x03cace est \x02ott\xe9 \x01nalement.")], encoding=encoding)
        assert found(written(tmp_path / "a.pdf", content)).text == "Le dossier efficace est flotté finalement."

    @pytest.mark.parametrize(
        ("text", "whole"),
        [
            pytest.param("le munici\ufffepal", "le municipal", id="joined"),
            pytest.param("peut\ufffeêtre", "peut-être", id="compound-by-its-end"),
            pytest.param("après\ufffedemain", "après-demain", id="compound-by-its-beginning"),
            pytest.param("va-t\ufffeil", "va-t-il", id="one-letter"),
            pytest.param("Saint\ufffeDenis", "Saint-Denis", id="capital"),
            pytest.param("porte-avions ; porte\ufffeavions", "porte-avions ; porte-avions", id="written-with-it"),
            pytest.param("le portemanteau, porte\ufffemanteau", "le portemanteau, portemanteau", id="written-without"),
            pytest.param("un mi\ufffenistre", "un ministre", id="syllable"),
            pytest.param("de 2020\ufffe2024", "de 2020-2024", id="figures"),
            pytest.param("eﬀet, ﬁn, ﬂot, oﬃciel, baﬄe", "effet, fin, flot, officiel, baffle", id="ligatures"),
        ],
    )
    def test_whole_words(self, text: str, whole: str) -> None:
        assert whole_words(text) == whole

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            pytest.param(pdf([]), "pages that were scanned", id="no-text"),
            pytest.param(b"%PDF-1.4\nvide", "it is damaged", id="damaged"),
        ],
    )
    def test_skipped(self, tmp_path: Path, content: bytes, why: str) -> None:
        assert why in reason(written(tmp_path / "a.pdf", content))


class TestWord:
    def test_heading_paragraphs_and_table(self, tmp_path: Path) -> None:
        article = found(written(tmp_path / "a.docx", word()))
        assert (article.title, article.text) == (TITLE, f"{TEXT}\n\nDigue | 7,4 millions")
        assert article.author is None

    @staticmethod
    def with_body(body: str) -> bytes:
        with zipfile.ZipFile(io.BytesIO(word())) as package:
            parts = {name: package.read(name) for name in package.namelist()}
        document = parts["word/document.xml"]
        start, end = document.index(b"<w:body>") + 8, document.index(b"<w:sectPr")
        return zipped(parts | {"word/document.xml": document[:start] + body.encode() + document[end:]})

    def test_table_in_a_table_and_box_in_a_paragraph(self, tmp_path: Path) -> None:
        def paragraph(text: str, inside: str = "") -> str:
            return f"<w:p><w:r><w:t>{text}</w:t>{inside}</w:r></w:p>"

        def table(*cells: str) -> str:
            return f"<w:tbl><w:tr>{''.join(f'<w:tc>{cell}</w:tc>' for cell in cells)}</w:tr></w:tbl>"

        box = f"<w:pict><w:txbxContent>{paragraph('Encadré.')}</w:txbxContent></w:pict>"
        body = table(paragraph("a"), table(paragraph("b"), paragraph("c")), paragraph("d")) + paragraph("Texte.", box)
        text = found(written(tmp_path / "a.docx", self.with_body(body))).text
        assert text == "a | b | c | d\n\nEncadré.\n\nTexte."

    def test_as_with_all_changes_accepted(self, tmp_path: Path) -> None:
        changed = (
            "<w:ins><w:r><w:t>Le conseil</w:t></w:r></w:ins><w:del><w:r><w:delText>Non</w:delText></w:r></w:del>"
            "<w:moveFrom><w:r><w:t>Parti</w:t></w:r></w:moveFrom><w:hyperlink><w:r><w:t> vote</w:t><w:br/></w:r>"
            "</w:hyperlink><w:r><w:t>hier.</w:t></w:r>"
        )
        content = self.with_body(f"<w:p>{changed}</w:p>")
        assert found(written(tmp_path / "a.docx", content)).text == "Le conseil vote\nhier."

    @pytest.mark.parametrize(
        ("name", "content", "why"),
        [
            pytest.param("a.docx", b"PK\x03\x04 rien", "it is damaged", id="damaged"),
            pytest.param(
                "a.xlsx", zipped({"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "office files", id="excel"
            ),
            pytest.param("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Office file", id="old"),
        ],
    )
    def test_skipped(self, tmp_path: Path, name: str, content: bytes, why: str) -> None:
        assert why in reason(written(tmp_path / name, content))


class TestFeeds:
    @pytest.mark.parametrize(("suffix", "content"), [(".rss", rss()), (".atom", atom()), (".xml", rss())])
    def test_entry(self, tmp_path: Path, suffix: str, content: bytes) -> None:
        (entry,) = read([written(tmp_path / f"a{suffix}", content)])
        assert isinstance(entry, Found)
        article = entry.article
        assert (article.title, article.text, article.published) == (TITLE, TEXT, HOUR)
        assert (article.source, article.author, article.language) == ("Le Courrier de Valmorin", "Lise Amboisel", "fr")
        assert entry.key == article.url == URL

    def test_without_link_or_text(self, tmp_path: Path) -> None:
        content = rss(
            f"<item><title>A &amp; B</title><guid isPermaLink='false'>7</guid><description>{FIRST}</description></item>"
            "<item><title>Rien</title></item>"
        )
        path = written(tmp_path / "a.rss", content)
        entry, nothing = read([path])
        assert isinstance(entry, Found)
        assert (entry.key, entry.article.title, entry.article.text) == (f"{path}#7", "A & B", FIRST)
        assert nothing == Skipped(f"{path}, entry 2", "it has no text, only a title")

    def test_entries_in_pieces_are_all_there(self, tmp_path: Path) -> None:
        entries = "".join(
            f"<item><guid isPermaLink='false'>{n}</guid><description>{FIRST * 60}</description></item>"
            for n in range(200)
        )
        path = written(tmp_path / "a.rss", rss(entries))  # over 1 MB: three pieces
        assert keys(path) == [f"{path}#{n}" for n in range(200)]

    def test_entities_and_files_of_the_machine_stay_out(self, tmp_path: Path) -> None:
        secret = written(tmp_path / "secret", b"le secret")
        kinds = f'<!DOCTYPE rss [<!ENTITY f SYSTEM "file://{secret}">]>'
        content = rss(f"<item><title>t</title><description>{FIRST} &f;</description></item>")
        path = written(tmp_path / "a.rss", content.replace(b"?>", b"?>" + kinds.encode(), 1))
        assert not any("secret" in entry.article.text for entry in read([path]) if isinstance(entry, Found))

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            pytest.param(b"<?xml version='1.0'?><facture/>", "it is XML of another kind", id="other"),
            pytest.param(rss(" "), "the feed has no entries", id="empty"),
        ],
    )
    def test_skipped(self, tmp_path: Path, content: bytes, why: str) -> None:
        assert why in reason(written(tmp_path / "a.xml", content))


class TestMail:
    @pytest.mark.parametrize("html", [True, False], ids=["html", "plain"])
    def test_letter(self, tmp_path: Path, html: bool) -> None:
        path = written(tmp_path / "a.eml", letter(html=html))
        (entry,) = read([path])
        assert isinstance(entry, Found)
        assert entry.key == str(path)
        article = entry.article
        assert (article.title, article.text, article.published) == (TITLE, TEXT, HOUR)
        assert (article.source, article.language) == ("Le Courrier de Valmorin", "fr")

    def test_mailbox(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.mbox", mailbox(3))
        assert keys(path) == [f"{path}#digue-{number}@courrier.example" for number in (1, 2, 3)]

    def test_letters_are_told_apart_by_lines_after_empty_ones(self) -> None:
        box = b"From a\nSubject: x\n\nUn.\nFrom ici.\n>From la.\n\nFrom b\n\nDeux.\n"
        assert list(letters(io.BytesIO(box))) == [b"Subject: x\n\nUn.\nFrom ici.\nFrom la.\n\n", b"\nDeux.\n"]

    @pytest.mark.parametrize(
        ("named", "encoding"),
        [
            ("utf-8", "utf-8"),
            ("iso-8859-1", "cp1252"),
            ("us-ascii", "utf-8"),
            ("klingon", "utf-8"),
            ("utf-8", "cp1252"),
        ],
        ids=["right", "latin-is-windows", "ascii-is-utf-8", "unknown", "wrong"],
    )
    def test_encodings(self, named: str, encoding: str) -> None:
        text = "L’été à Besançon coûte 12 €, dit le maire, déjà réélu."
        head = f"Subject: x\nContent-Type: text/plain; charset={named}\nContent-Transfer-Encoding: 8bit\n\n"
        assert read_mail(head.encode() + text.encode(encoding), "a").text == text

    def test_what_is_attached_is_not_read(self, tmp_path: Path) -> None:
        content = (
            b"Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain\nContent-Disposition: attachment\n\nUn texte."
        )
        assert "attached" in reason(written(tmp_path / "a.eml", content))


class TestArchives:
    @pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz"])
    def test_members(self, tmp_path: Path, name: str) -> None:
        content = zipped(MEMBERS) if name == "a.zip" else tarred(MEMBERS)
        pack: dict[str, Callable[[bytes], bytes]] = {
            "gz": gzip.compress,
            "tgz": gzip.compress,
            "bz2": bz2.compress,
            "xz": lzma.compress,
        }
        path = written(tmp_path / name, pack.get(name.rpartition(".")[2], bytes)(content))
        assert keys(path) == [f"{path}/b.txt", f"{path}/mars/a.jsonl#7"]

    def test_one_archive_in_another(self, tmp_path: Path) -> None:
        inner = zipped({"a.txt": FIRST.encode(), "c.tar": tarred({"d.txt": FIRST.encode()})})
        path = written(tmp_path / "a.zip", zipped({"b.zip": inner, "e.txt": FIRST.encode()}))
        assert keys(path) == [
            f"{path}/b.zip/a.txt",
            "an archive in an archive in an archive is not read; unpack one of them",
            f"{path}/e.txt",
        ]

    def test_names_lead_nowhere(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        names = ("../../x.txt", "/etc/y.txt", "..\\z.txt", ".hidden/h.txt", "__MACOSX/m.txt", "a\nb.txt")
        path = written(home / "a.zip", zipped(dict.fromkeys(names, FIRST.encode())))
        assert keys(path) == [f"{path}/{name}" for name in ("x.txt", "etc/y.txt", "z.txt", "a b.txt")]
        assert sorted(tmp_path.rglob("*")) == [home, path]

    def test_links_and_devices_in_tar_are_left_out(self, tmp_path: Path) -> None:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            for name, kind in (("l.txt", tarfile.SYMTYPE), ("h.txt", tarfile.LNKTYPE), ("d.txt", tarfile.CHRTYPE)):
                link = tarfile.TarInfo(name)
                link.type, link.linkname = kind, "/etc/passwd"
                archive.addfile(link)
        assert reason(written(tmp_path / "a.tar", content.getvalue())) == "the archive holds no files"

    def test_protected_member(self, tmp_path: Path) -> None:
        content = bytearray(zipped({"a.txt": FIRST.encode()}))
        content[6] |= 1  # the flag, in the member's own header and in the directory
        content[content.index(b"PK\x01\x02") + 8] |= 1
        path = written(tmp_path / "a.zip", bytes(content))
        assert list(read([path])) == [Skipped(f"{path}/a.txt", "it is protected by a password")]

    @pytest.mark.parametrize(
        ("name", "content", "why"),
        [
            pytest.param(
                "a.zip", zipped({"a.txt": b"\0" * 30_000_000}), "more than 200 times its size", id="zip-ratio"
            ),
            pytest.param("a.zip", zipped({"a.txt": b"\0" * 100_000_001}), "larger than 100 MB", id="zip-size"),
            pytest.param("a.zip", zipped({}), "holds no files", id="empty"),
            pytest.param("a.tar", tarred({"a.txt": FIRST.encode()})[:600], "it is damaged", id="cut-off"),
        ],
    )
    def test_bounded(self, tmp_path: Path, name: str, content: bytes, why: str) -> None:
        (entry,) = read([written(tmp_path / name, content)])
        assert isinstance(entry, Skipped)
        assert why in entry.reason


class TestPatterns:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        for name in ("a.html", "b.txt", "mars/c.html", "mars/5/d.html", ".git/e.html", "mars/.f.html"):
            written(tmp_path / "articles" / name, page() if name.endswith("html") else FIRST.encode())
        (tmp_path / "articles" / "g.html").symlink_to(tmp_path / "articles" / "a.html")
        (tmp_path / "articles" / "loop").symlink_to(tmp_path / "articles")
        return tmp_path

    @pytest.mark.parametrize(
        ("pattern", "names"),
        [
            ("articles/*.html", ["a.html"]),
            ("articles/**/*.html", ["a.html", "mars/c.html", "mars/5/d.html"]),
            ("articles/**", ["a.html", "b.txt", "mars/5/d.html", "mars/c.html"]),
            ("art*/m?rs", ["mars/c.html", "mars/5/d.html"]),
            ("articles/[ab].*", ["a.html", "b.txt"]),
            ("**/5/**/*.html", ["mars/5/d.html"]),
        ],
    )
    def test_fitting(self, home: Path, pattern: str, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(home)
        assert keys(pattern) == [str(home / "articles" / name) for name in names]
        assert count([pattern]) == count([str(home / pattern)]) == len(names)

    def test_none_fits(self, home: Path) -> None:
        with pytest.raises(ArticleError, match=r"no file fits .*\.odt"):
            read([home / "*.odt"])

    def test_a_file_that_is_named_like_a_pattern(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a[1].txt", FIRST.encode())
        assert keys(path) == [str(path)]


class TestStandardInput:
    @pytest.mark.parametrize("suffix", samples())
    def test_told_by_its_content(self, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
        content = samples()[suffix]
        expected = [
            entry.article for entry in read([written(tmp_path / f"a{suffix}", content)]) if isinstance(entry, Found)
        ]
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        entries = list(read(["-"]))
        assert [entry.article for entry in entries if isinstance(entry, Found)] == expected != []
        assert all(entry.key.startswith(("-#", "-/", URL)) for entry in entries if isinstance(entry, Found))

    def test_articles_of_two_streams_have_keys_of_their_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = set()
        for text in (FIRST, SECOND):
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
            assert count(["-"]) == 1
            seen |= set(keys(Path("-")))
        assert len(seen) == 2

    def test_empty(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        assert list(read(["-"])) == [Skipped("-", "it is empty")]


class TestNamesThatDoNotTell:
    @pytest.mark.parametrize("suffix", samples())
    @pytest.mark.parametrize("name", ["depeche", "depeche.12"])
    def test_no_suffix(self, tmp_path: Path, suffix: str, name: str) -> None:
        content = samples()[suffix]
        named, unnamed = written(tmp_path / f"{name}{suffix}", content), written(tmp_path / "x" / name, content)
        assert [entry.article.text for entry in read([unnamed]) if isinstance(entry, Found)] == [
            entry.article.text for entry in read([named]) if isinstance(entry, Found)
        ]

    @pytest.mark.parametrize(
        ("name", "content", "title"),
        [
            pytest.param("a.txt", samples()[".pdf"], TITLE, id="pdf"),
            pytest.param("a.pdf", word(), TITLE, id="word"),
            pytest.param("a.txt", page(), TITLE, id="page"),
            pytest.param("a.html", rss(), TITLE, id="feed"),
            pytest.param("a.jsonl", json.dumps([{"titre": "T", "texte": FIRST}], indent=1).encode(), "T", id="json"),
            pytest.param("a.log", page(), TITLE, id="unknown-suffix"),
        ],
    )
    def test_wrong_suffix(self, tmp_path: Path, name: str, content: bytes, title: str) -> None:
        assert found(written(tmp_path / name, content)).title == title

    def test_json_lines_called_json(self, tmp_path: Path) -> None:
        row = json.dumps({"texte": FIRST})
        assert len(keys(written(tmp_path / "a.json", f"{row}\n{row}\n".encode()))) == 2

    @pytest.mark.parametrize("content", [b"plain words", b"key: value\n", b"# comment\n"])
    def test_unknown_suffix_is_not_read_as_text(self, tmp_path: Path, content: bytes) -> None:
        assert "files of this kind" in reason(written(tmp_path / "a.cfg", content))


class TestKeys:
    def test_rows_that_share_an_address(self, tmp_path: Path) -> None:
        path = written(
            tmp_path / "a.csv",
            f"id,url,texte\n1,{URL},Un.\n2,{URL},Deux.\n3,{URL},Un.\n,{URL},Trois.\n5,{URL}/5,Cinq.\n".encode(),
        )
        entries = [entry for entry in read([path]) if isinstance(entry, Found)]
        fourth = entries[3].article
        assert [entry.key for entry in entries] == [URL, f"{URL}#2", URL, f"{URL}#{fourth.id}", f"{URL}/5"]
        assert {entry.article.url for entry in entries} == {URL, f"{URL}/5"}


class TestDates:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (DATE, HOUR),
            ("12 Mar 2024 18:30 GMT", datetime(2024, 3, 12, 18, 30, tzinfo=UTC)),
            ("Tue, 12 Mar 2024 18:30:00 -0000", datetime(2024, 3, 12, 18, 30)),
            ("Tue, 12 Mar 2024 18:30:00 +0100 (CET)", HOUR),
            ("Tue, 12 Mar 2024 18:30:00 CET", HOUR),
            ("Tue, 32 Mar 2024 18:30:00 +0100", None),
            ("Tue, 12 Mar 2024 18:30:00 +9999", None),
        ],
    )
    def test_of_mail(self, value: str, expected: datetime | None) -> None:
        assert read_date(value) == expected


class TestFragments:
    @pytest.mark.parametrize(
        ("content", "text"),
        [
            pytest.param(HTML, TEXT, id="paragraphs"),
            pytest.param(f"<table><tr><td>{FIRST}</td></tr><tr><td>{SECOND}</td></tr></table>", TEXT, id="layout"),
            pytest.param(
                "Un <b>mot</b>,<br>deux.<script>x</script><!-- y --> Fin.", "Un mot,\ndeux. Fin.", id="inline"
            ),
            pytest.param("", "", id="empty"),
        ],
    )
    def test_text(self, content: str, text: str) -> None:
        assert fragment_text(content) == text
