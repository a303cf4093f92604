"""Small valid files of every format that is read, made in code: each holds one article about an invented town."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from email.message import EmailMessage

import docx

TITLE = "La digue de Valmorin est votée"
FIRST = "Le conseil municipal de Valmorin a voté hier soir la reconstruction de la digue, pour 7,4 millions d’euros."
SECOND = "À Orselle, en aval, la maire s’est dite satisfaite du résultat ; le chantier durera seize mois."
URL = "https://courrier.example/digue"
DATE = "Tue, 12 Mar 2024 18:30:00 +0100"
HTML = f"<p>{FIRST}</p><p>{SECOND}</p>"


def page() -> bytes:
    """Make a web page."""
    return f'<!DOCTYPE html><html lang="fr"><head><title>{TITLE}</title></head><body>{HTML}</body></html>'.encode()


def pdf(lines: list[tuple[float, bytes]], encoding: str = "/WinAnsiEncoding", title: str = "") -> bytes:
    """Make a PDF of one page, in Helvetica; each line is the size of its letters, in points, and its bytes.

    An empty line is a gap.
    """
    text = b"BT 60 780 Td\n"
    for size, line in lines:
        for mark in (b"\\", b"(", b")"):
            line = line.replace(mark, b"\\" + mark)
        text += b"/F1 %g Tf %g TL (" % (size, 1.3 * size) + line + b") Tj T*\n"
    text += b"ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n" % len(text) + text + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding " + encoding.encode() + b" >>",
        b"<< /Title (" + title.encode("latin-1") + b") >>",
    )
    content, places = b"%PDF-1.4\n", b""
    for number, value in enumerate(objects, start=1):
        places += b"%010d 00000 n \n" % len(content)
        content += b"%d 0 obj\n" % number + value + b"\nendobj\n"
    return content + (
        b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
        + places
        + b"trailer << /Size %d /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(content))
    )


def article_pdf() -> bytes:
    """Make a PDF whose words are cut at the ends of lines."""
    lines = (
        "Le conseil municipal de Valmorin a voté hier soir la recons-",
        "truction de la digue, pour 7,4 millions d’euros.",
        "",
        "À Orselle, en aval, la maire s’est dite satisfaite du résultat ;",
        "le chantier durera seize mois.",
    )
    return pdf([(20, TITLE.encode("cp1252")), (11, b""), *((11, line.encode("cp1252")) for line in lines)])


def word() -> bytes:
    """Make a Word document with a heading, paragraphs and a table."""
    document = docx.Document()
    document.add_heading(TITLE, level=1)
    document.add_paragraph(FIRST)
    document.add_paragraph(SECOND)
    cells = document.add_table(rows=1, cols=2).rows[0].cells
    cells[0].text, cells[1].text = "Digue", "7,4 millions"
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def rss(entries: str = "") -> bytes:
    """Make an RSS feed; its one entry unless others are given."""
    one = f"""<item><title>{TITLE}</title><link>{URL}</link><guid isPermaLink="false">digue-1</guid>
        <pubDate>{DATE}</pubDate><dc:creator>Lise Amboisel</dc:creator><description>Chapô.</description>
        <content:encoded><![CDATA[{HTML}]]></content:encoded></item>"""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
        <rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
        xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Le Courrier de Valmorin</title>
        <language>fr-FR</language>{entries or one}</channel></rss>""".encode()


def atom() -> bytes:
    """Make an Atom feed."""
    return f"""<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="fr">
        <title>Le Courrier de Valmorin</title><id>urn:courrier</id><updated>2024-03-12T18:30:00+01:00</updated>
        <entry><title>{TITLE}</title><id>urn:courrier:1</id><link href="{URL}"/>
        <published>2024-03-12T18:30:00+01:00</published><author><name>Lise Amboisel</name></author>
        <content type="html">{HTML.replace("<", "&lt;")}</content></entry></feed>""".encode()


def letter(*, html: bool = True) -> bytes:
    """Make a newsletter, with something attached."""
    message = EmailMessage()
    message["From"] = "Le Courrier de Valmorin <lettre@courrier.example>"
    message["To"] = "abonnes@courrier.example"
    message["Subject"] = TITLE
    message["Date"] = DATE
    message["Message-ID"] = "<digue-1@courrier.example>"
    message.set_content(f"{FIRST}\n\n{SECOND}\n")
    if html:
        cells = HTML.replace("<p>", "<tr><td>").replace("</p>", "</td></tr>")
        message.add_alternative(f"<html><body><table>{cells}</table></body></html>", subtype="html")
    message.add_attachment(b"Un autre texte, joint.", maintype="text", subtype="plain", filename="joint.txt")
    return bytes(message)


def mailbox(letters: int = 2) -> bytes:
    """Make a mailbox; a line of its letters begins with "From "."""
    one = letter(html=False).replace(b"<digue-1@", b"<digue-%d@").replace(FIRST.encode(), FIRST.encode())
    return b"".join(
        b"From lettre Tue Mar 12 18:30:00 2024\n" + one % number + b"\n" for number in range(1, letters + 1)
    )


def zipped(members: dict[str, bytes]) -> bytes:
    """Make a zip archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    """Make a tar archive."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, member in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(member)
            archive.addfile(info, io.BytesIO(member))
    return content.getvalue()


def samples() -> dict[str, bytes]:
    """Return a valid file for each suffix, by suffix."""
    row = {"title": TITLE, "text": f"{FIRST}\n\n{SECOND}", "date": "2024-03-12", "url": URL}
    plain = f"{TITLE}\n\n{FIRST}\n\n{SECOND}\n".encode()
    members = {"digue.txt": plain, "mars/page.html": page(), "mars/digue.pdf": article_pdf()}
    return {
        ".txt": plain,
        ".md": f"---\ndate: 2024-03-12\n---\n# {TITLE}\n\n{FIRST}\n\n- **{SECOND}**\n".encode(),
        ".html": page(),
        ".jsonl": (json.dumps(row) + "\n").encode() * 2,
        ".json": json.dumps([row]).encode(),
        ".csv": f'titre;texte;date\n{TITLE};"{FIRST}";12/03/2024\n'.encode(),
        ".pdf": article_pdf(),
        ".docx": word(),
        ".rss": rss(),
        ".atom": atom(),
        ".eml": letter(),
        ".mbox": mailbox(),
        ".zip": zipped(members),
        ".tar": tarred(members),
        ".tar.gz": gzip.compress(tarred(members)),
        ".tar.bz2": bz2.compress(tarred(members)),
        ".tar.xz": lzma.compress(tarred(members)),
    }
