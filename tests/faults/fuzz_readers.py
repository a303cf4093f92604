"""Malformed files of all formats, each read as a user's would be: no crash, no hang, no memory above the limit.

    python tests/faults/fuzz_readers.py --files 20000 --seed 0

makes them from small valid ones and prints one JSON object. A file is the same for the same seed
and number. Exits with 1 if a file crashed the reader, hung or took too much memory.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from pathlib import Path

import psutil

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from faults.fuzz_samples import FIRST, HTML, letter, page, pdf, rss, samples, word, zipped  # noqa: E402

from index.articles import Found, clean  # noqa: E402
from index.readers import read  # noqa: E402

LONGEST = 10.0  # seconds that reading may go on without an article, a reason or the end
MOST_MEMORY = 1_000_000_000  # bytes, of the process that reads and of what this one grows by
BOMBS = 0.04  # share of the files that are made to explode
_NUMBERS = (b"0", b"-1", b"4294967295", b"9223372036854775807", b"9" * 400, b"1e999", b"\xff" * 8, b"\0" * 4)
_SPLINTERS = (
    b"<", b"]]>", b"\0", b"\xff\xfe", b"%PDF-", b"PK\x03\x04", b"From ", b'"', b"\r\n\r\n", b"<!ENTITY x '", b"&x;",
    b"[[[[", b"{{{{", b"=?utf-8?B?", b"endstream", b"\xe9", b"\xed\xa0\x80", b"\xf0\x9f\x8c\x8a",
)  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """What happened to the files; `crashes` and `hangs` name them by number and format. Memory in bytes."""

    files: dict[str, int] = field(default_factory=dict)
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    found: int = 0
    skipped: int = 0
    ended_processes: int = 0
    longest_seconds: float = 0.0
    parent_memory: int = 0
    worker_memory: int = 0
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether nothing went wrong."""
        return not self.crashes and not self.hangs and max(self.parent_memory, self.worker_memory) <= MOST_MEMORY


def malformed(seed: int, number: int, *, bombs: bool = True) -> tuple[str, bytes]:
    """Return (suffix, content) of one file."""
    generator = random.Random(f"{seed} {number}")
    if generator.random() < BOMBS and bombs:
        bomb = generator.choice(list(_BOMBS))
        return bomb.partition(" ")[2], _made(bomb)
    valid = _valid()
    suffix = generator.choice(list(valid))
    content = valid[suffix]
    if suffix in {".docx", ".zip"} and generator.random() < 0.5:  # else only the archive's own form is tried
        content = _inside(content, generator)
    else:
        for _ in range(generator.choice((1, 1, 2, 4, 8))):
            content = generator.choice(_MUTATIONS)(content, generator)
    if generator.random() < 0.1:
        suffix = generator.choice([*valid, "", ".dat"])
    return suffix, content


@cache
def _valid() -> dict[str, bytes]:
    return samples()


@lru_cache(maxsize=2)
def _made(bomb: str) -> bytes:
    return _BOMBS[bomb]()


def _flipped(content: bytes, generator: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(generator.choice((1, 3, 10, 1 + len(content) // 50))):
        if changed:
            changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    return bytes(changed)


def _cut(content: bytes, generator: random.Random) -> bytes:
    return content[: generator.randrange(len(content) + 1)]


def _without_middle(content: bytes, generator: random.Random) -> bytes:
    start = generator.randrange(len(content) + 1)
    return content[:start] + content[start + generator.randrange(200) :]


def _spliced(content: bytes, generator: random.Random) -> bytes:
    other = generator.choice(list(_valid().values()))
    start = generator.randrange(len(other) + 1)
    place = generator.randrange(len(content) + 1)
    return content[:place] + other[start : start + generator.randrange(500)] + content[place:]


def _repeated(content: bytes, generator: random.Random) -> bytes:
    start = generator.randrange(len(content) + 1)
    piece = content[start : start + generator.choice((1, 8, 80, 800))]
    times = min(generator.choice((2, 50, 2000)), 200_000 // (len(piece) or 1))
    return content[:start] + piece * times + content[start:]


def _with_splinter(content: bytes, generator: random.Random) -> bytes:
    place = generator.randrange(len(content) + 1)
    return content[:place] + generator.choice(_SPLINTERS) * generator.choice((1, 1, 100)) + content[place:]


def _with_number(content: bytes, generator: random.Random) -> bytes:
    places = [place for place, value in enumerate(content) if 48 <= value <= 57] or [0]
    place = generator.choice(places)
    end = place
    while end < len(content) and 48 <= content[end] <= 57:
        end += 1
    return content[:place] + generator.choice(_NUMBERS) + content[end:]


def _overwritten(content: bytes, generator: random.Random) -> bytes:
    place, length = generator.randrange(len(content) + 1), generator.randrange(64)
    return content[:place] + generator.randbytes(length) + content[place + length :]


def _nested(content: bytes, generator: random.Random) -> bytes:
    depth = generator.choice((100, 2_000, 20_000))
    opened, closed = generator.choice(
        ((b"<div>", b"</div>"), (b"[", b"]"), (b'{"text":', b"}"), (b"> ", b""), (b"((", b"))"))
    )
    return opened * depth + content + closed * depth


_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flipped, _cut, _without_middle, _spliced, _repeated, _with_splinter, _with_number, _overwritten, _nested,
)  # fmt: skip


def _inside(content: bytes, generator: random.Random) -> bytes:
    """Change one member, and pack the archive again."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = generator.choice(list(members))
    for _ in range(generator.choice((1, 2, 4))):
        members[name] = generator.choice(_MUTATIONS)(members[name], generator)
    if generator.random() < 0.2:
        members[generator.choice(("../../etc/passwd", "/abs.txt", "C:\\x.txt", "a\0b.txt", ".hidden", "é\n.txt"))] = (
            members[name]
        )
    return zipped(members)


def _entities() -> str:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE x [<!ENTITY l0 "Valmorin "><!ENTITY f SYSTEM "file:///etc/passwd">{levels}]>'


def _with_entities(content: bytes, mark: bytes) -> bytes:
    head, _, rest = content.partition(b"?>")
    return head + b"?>" + _entities().encode() + rest.replace(mark, b"&l11;&f;" + mark, 1)


def _word_bomb(document: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(word())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return zipped(members | {"word/document.xml": document})


def _word_document() -> bytes:
    with zipfile.ZipFile(io.BytesIO(word())) as archive:
        return archive.read("word/document.xml")


def _lying_zip() -> bytes:
    """Make a zip whose directory says that a large member is small."""
    content = bytearray(zipped({"a.txt": b"\0" * 30_000_000}))
    size = (30_000_000).to_bytes(4, "little")
    while (place := content.find(size)) >= 0:
        content[place : place + 4] = (1_000).to_bytes(4, "little")
    return bytes(content)


def _tar_of(size: int, content: bytes) -> bytes:
    info = tarfile.TarInfo("a.txt")
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT) + content


def _pdf_with(replaced: bytes, by: bytes) -> bytes:
    return pdf([(11, FIRST.encode("cp1252"))]).replace(replaced, by)


def _pdf_of_zeros() -> bytes:
    import zlib

    content = zlib.compress(b"BT /F1 9 Tf (a) Tj ET " * 8_000_000, 9)
    stream = b"<< /Filter /FlateDecode /Length %d >>\nstream\n" % len(content) + content + b"\nendstream"
    return b"%PDF-1.4\n" + b"".join((
        b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n",
        b"2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n",
        b"3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>\nendobj\n",
        b"4 0 obj\n" + stream + b"\nendobj\ntrailer << /Root 1 0 R >>\n",
    ))  # fmt: skip


def _deep_mail() -> bytes:
    parts = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3_000))
    return b"Subject: x\nMIME-Version: 1.0\n" + parts


# Each is named by what it does and, after a space, the suffix of its file.
_BOMBS: dict[str, Callable[[], bytes]] = {
    "zeros .zip": lambda: zipped({"a.txt": b"\0" * 90_000_000}),
    "many-zeros .zip": lambda: zipped({f"{n}.txt": b"\0" * 19_000_000 for n in range(12)}),
    "nested .zip": lambda: zipped({"b.zip": zipped({"c.zip": zipped({"a.txt": FIRST.encode()})})}),
    "lying .zip": _lying_zip,
    "many-members .zip": lambda: zipped({f"{n}.txt": b"" for n in range(20_000)}),
    "zeros .tar.gz": lambda: gzip.compress(_tar_of(300_000_000, b"\0" * 300_000_000), 1),
    "huge-size .tar": lambda: _tar_of(1 << 60, b"x" * 1000),
    "long-name .tar": lambda: _tar_of(0, b"").replace(b"a.txt", b"L.txt") * 2000,
    "entities .rss": lambda: _with_entities(rss(), b"</title>"),
    "entities .xml": lambda: (
        b'<?xml version="1.0"?>' + _entities().encode() + b"<rss><channel><title>&l11;</title></channel></rss>"
    ),
    "entities .html": lambda: _entities().encode() + page().replace(b"<p>", b"<p>&l11;&f;"),
    "entities .docx": lambda: _word_bomb(_with_entities(_word_document(), b"</w:t>")),
    "zeros .docx": lambda: _word_bomb(b"\0" * 150_000_000),
    "long .docx": lambda: _word_bomb(_word_document().replace(b"</w:t>", b" x" * 20_000_000 + b"</w:t>", 1)),
    "many-elements .docx": lambda: _word_bomb(
        _word_document().replace(b"<w:p>", b"<w:p><w:r><w:t>x</w:t></w:r></w:p>" * 1_000_000 + b"<w:p>", 1)
    ),
    "deep .docx": lambda: _word_bomb(_word_document().replace(b"<w:p>", b"<w:p>" * 50_000, 1)),
    "deep .rss": lambda: rss(f"<item><title>t</title><description>{'<b>' * 100_000}</description></item>"),
    "many .rss": lambda: rss(f"<item><title>t</title><description>{HTML}</description></item>" * 3_000),
    "deep .eml": _deep_mail,
    "long-header .eml": lambda: b"Subject: " + b"=?utf-8?Q?=C3?= " * 50_000 + b"\n\n" + FIRST.encode(),
    "commas .eml": lambda: letter().replace(b"lettre@", b"<a@b.c>," * 50_000 + b"lettre@", 1),
    "no-boundary .eml": lambda: letter() * 300,
    "brackets .md": lambda: b"[" * 200_000 + FIRST.encode(),
    "stars .md": lambda: b"*a_ " * 100_000,
    "anchors .md": lambda: (
        b"---\na: &a " + b"x" * 30_000 + b"\ntext: [" + b"*a, " * 8_000 + b"*a]\n---\n" + FIRST.encode()
    ),
    "deep .json": lambda: b"[" * 1_000_000,
    "number .json": lambda: b'{"text": ' + b"9" * 5_000_000 + b"}",
    "long-item .json": lambda: b'[{"text": "' + b"a" * 60_000_000,
    "one-line .jsonl": lambda: b'{"text": "' + b"a " * 40_000_000,
    "quote .csv": lambda: b'titre;texte\na;"' + b"x;" * 30_000_000,
    "columns .csv": lambda: b"texte," * 2_000_000 + b"\na,b\n",
    "deep .html": lambda: b"<div>" * 1_000_000 + FIRST.encode(),
    "many-elements .html": lambda: b"<html><body>" + b"<b>x</b>" * 4_000_000,
    "tables .html": lambda: b"<html><body>" + b"<table><tr><td>" * 30_000 + FIRST.encode(),
    "long .txt": lambda: (FIRST.encode() + b"\n") * 300_000,
    "one-word .txt": lambda: b"a" * 40_000_000,
    "pages .pdf": lambda: _pdf_with(b"/Kids [3 0 R] /Count 1", b"/Kids [" + b"3 0 R " * 100_000 + b"] /Count 100000"),
    "loop .pdf": lambda: _pdf_with(b"/Kids [3 0 R]", b"/Kids [2 0 R]"),
    "length .pdf": lambda: _pdf_with(b"/Length ", b"/Length 99999999"),
    "large-page .pdf": lambda: _pdf_with(b"595 842", b"1e30 -1e30"),
    "unpacked .pdf": _pdf_of_zeros,
    "letters .mbox": lambda: b"From a\n\n" * 20_000,
    "from .mbox": lambda: b"From " * 10_000_000,
}


def fuzz(files: int, seed: int, numbers: Iterator[int] | None = None, *, bombs: bool = True) -> Outcome:
    """Make and read so many files, or those of the given numbers; without `bombs`, none that takes seconds."""
    outcome = Outcome()
    before = psutil.Process().memory_info().rss
    stop = threading.Event()
    watch = threading.Thread(target=_watch, args=(outcome, before, stop), daemon=True)
    watch.start()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="sourcier-fuzz-") as folder:
        for number in numbers or range(files):
            suffix, content = malformed(seed, number, bombs=bombs)
            outcome.files[suffix or "none"] = outcome.files.get(suffix or "none", 0) + 1
            path = Path(folder, f"{number}{suffix}")
            path.write_bytes(content)
            _read(path, outcome)
            path.unlink()
        assert not list(Path(folder).iterdir()), "a file was written"
    stop.set()
    watch.join()
    outcome.seconds = round(time.perf_counter() - started, 1)
    return outcome


def _read(path: Path, outcome: Outcome) -> None:
    last = time.perf_counter()
    longest = 0.0
    try:
        entries = read([path])
        while True:
            entry = next(entries, None)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
            if entry is None:
                break
            if isinstance(entry, Found):
                outcome.found += 1
                assert entry.article.text == clean(entry.article.text) != "", "an article is not clean"
                entry.key.encode()
            else:
                outcome.skipped += 1
                outcome.ended_processes += (
                    "process that read it ended" in entry.reason or "takes more than" in entry.reason
                )
                assert entry.reason == " ".join(entry.reason.split()) != "", "a reason is not one line"
    except Exception as error:
        outcome.crashes.append(f"{path.name}: {type(error).__name__} {error}"[:300])
    if longest > LONGEST:
        outcome.hangs.append(f"{path.name}: {longest:.1f} s")
    outcome.longest_seconds = round(max(outcome.longest_seconds, longest), 2)


def _watch(outcome: Outcome, before: int, stop: threading.Event) -> None:
    """Look at the memory of this process and the other, ten times a second; Linux remembers the highest."""
    here = psutil.Process()
    while not stop.wait(0.1):
        outcome.parent_memory = max(outcome.parent_memory, here.memory_info().rss - before)
        for process in here.children():
            with suppress(psutil.Error, OSError, ValueError):
                outcome.worker_memory = max(outcome.worker_memory, _peak(process))


def _peak(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return int(process.memory_info().rss)
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines.get("VmHWM", "0 kB").split()[0]) * 1024


def main() -> int:
    """Fuzz, and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="read only the file of this number")
    arguments = parser.parse_args()
    outcome = fuzz(arguments.files, arguments.seed, None if arguments.only is None else iter([arguments.only]))
    print(json.dumps(asdict(outcome) | {"is_good": outcome.is_good}, ensure_ascii=False, indent=2))
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
