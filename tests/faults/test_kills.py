"""The process killed at random moments, the disk full, the folder read-only: the index is as before or as after.

`KILLS=200 pytest tests/faults -s` makes the figures of docs/benchmarks.md; the default is a slice of it.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext, suppress
from functools import partial
from pathlib import Path

import pytest
from fakes import WordEmbedder

from errors import ArchiveBusyError, SourcierError
from index.articles import Found, Skipped
from index.embeddings import digest_of
from index.generation import Filters, open_current, verify
from index.maintenance import Selected, compact, remove, rollback
from index.readers.formats import entries
from index.readers.source import of_file
from index.rebuild import update
from index.search import search
from index.segment import State
from index.vectors import Vectors

KILLS = int(os.environ.get("KILLS", "24"))
Contents = tuple[list[str], list[list[tuple[str, float]]], int]
TOWNS = ("Valmorin", "Rochamel", "Hohenrath", "Orselle", "Lavandières", "Ferrandeau")
QUESTIONS = ("budget de Valmorin", "numéro 7", "crue à Orselle", "élection Rochamel", "ferry")
TOKENS = 32

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Noting(WordEmbedder):
    """Notes what it embeds in a file, and takes a moment for each."""

    def __init__(self, log: Path | None = None) -> None:
        super().__init__()
        self._log = log

    def embed_passages(self, texts: Sequence[str], titles: Sequence[str]) -> Vectors:
        if self._log:
            with self._log.open("a") as file:
                file.writelines(digest_of(title, text).hex() + "\n" for title, text in zip(titles, texts, strict=True))
            time.sleep(0.002 * len(texts))
        return super().embed_passages(texts, titles)


def write(folder: Path, number: int, generator: random.Random) -> None:
    row = {
        "title": f"Dépêche {number}", "url": f"https://valmorin.example/{number % 40}",
        "date": f"2024-{1 + number % 12:02d}-{1 + number % 28:02d}", "source": ("AVP", "Courrier")[number % 2],
        "text": " ".join(
            f"À {generator.choice(TOWNS)}, le numéro {generator.randrange(10_000)} est sorti pour la {turn}e fois."
            for turn in range(generator.randrange(2, 12))
        ),
    }  # fmt: skip
    (folder / f"{number:05d}.json").write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")


def contents(home: Path) -> Contents:
    """Return what an index holds and answers: ids, hits for each question, how many versions can be read."""
    embedder = WordEmbedder()
    with closing(open_current(home, embedder.fingerprint)) as generation:
        ids = [article.id for article in generation.articles()]
        assert len(ids) == len(set(ids)), "an article is there twice"
        answers = [
            [
                (hit.text, round(hit.score, 4))
                for hit in search(generation, embedder, question, "fr", results=5, lexical_weight=0.15)
            ]
            for question in QUESTIONS
        ]
        versions = sum(len(part.states) - int((part.states == State.REMOVED).sum()) for part in generation.parts)
    # of equally good passages the first is shown, and merging changes which is first
    return sorted(ids), [[(text, score) for text, score in sorted(hits)] for hits in answers], versions


def kept_digests(home: Path) -> set[str]:
    with closing(sqlite3.connect(home / "embeddings.sqlite")) as connection:
        return {digest.hex() for (digest,) in connection.execute("SELECT text FROM embeddings")}


def _difference(one: Contents, other: Contents) -> list[object]:
    """Return what is in the one and not in the other, to be read where a test fails."""
    hits = [set(hits) ^ set(others) for hits, others in zip(one[1], other[1], strict=True)]
    return [set(one[0]) ^ set(other[0]), hits, one[2] - other[2]]


Operation = Callable[[Path, Path, WordEmbedder], object]
OPERATIONS: dict[str, Operation] = {
    "add": lambda home, folder, embedder: update(home, [folder], embedder, passage_tokens=TOKENS),
    "rebuild": lambda home, folder, embedder: update(home, [], embedder, passage_tokens=TOKENS, rebuild=True),
    "compact": lambda home, folder, embedder: compact(home),
    "rollback": lambda home, folder, embedder: rollback(home),
    "remove": lambda home, folder, embedder: remove(home, Selected(filters=Filters(sources=["AVP"]), words="7e fois")),
}


class HereDesk:
    """Reads in this process, so that a child has no other one to start, and is killed while it writes."""

    def read(self, path: Path, name: str, origin: str) -> Iterator[Found | Skipped]:
        return (found for found in entries(of_file(path), origin) if isinstance(found, Found | Skipped))


@pytest.fixture(autouse=True)
def no_process_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.readers.walk.desk", lambda: nullcontext(HereDesk()))


def in_child(work: Callable[[], object]) -> int:
    """Fork; the child does the work and ends without cleaning up. Return its process id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except SourcierError:
        os._exit(3)
    except BaseException:
        os._exit(4)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    home, folder = tmp_path / "home", tmp_path / "articles"
    folder.mkdir()
    generator = random.Random(0)
    for number in range(30):
        write(folder, number, generator)
    update(home, [folder], WordEmbedder(), passage_tokens=TOKENS)
    write(folder, 30, generator)
    update(home, [folder], WordEmbedder(), passage_tokens=TOKENS)
    return_value = home, folder
    yield return_value
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_killed_at_random_moments(archive: tuple[Path, Path], tmp_path: Path) -> None:
    home, folder = archive
    generator = random.Random(1)
    outcome = {name: {"before": 0, "after": 0} for name in OPERATIONS}
    seconds: dict[str, float] = {}
    number, again = 31, 0
    for _ in range(KILLS):
        name = generator.choice(list(OPERATIONS))
        if name == "add":
            for _ in range(generator.randrange(1, 8)):
                write(folder, number, generator)
                number += 1
        before = contents(home)
        rehearsal = tmp_path / "rehearsal"
        shutil.rmtree(rehearsal, ignore_errors=True)
        shutil.copytree(home, rehearsal)
        started = time.perf_counter()
        with suppress(SourcierError):  # nothing to roll back to
            OPERATIONS[name](rehearsal, folder, Noting(tmp_path / "rehearsed"))
        seconds[name] = time.perf_counter() - started
        after = contents(rehearsal)

        kept, log = kept_digests(home), tmp_path / "embedded"
        log.unlink(missing_ok=True)
        child = in_child(partial(OPERATIONS[name], home, folder, Noting(log)))
        time.sleep(generator.uniform(0, 1.4 * seconds[name] + 0.02))  # a child takes longer: it is forked
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

        assert list(verify(home)) == []
        found = contents(home)
        assert found in (before, after), (name, _difference(found, before), _difference(found, after))
        outcome[name]["after" if found == after else "before"] += 1
        embedded = log.read_text().split() if log.exists() else []
        again += len(kept & set(embedded)) + len(embedded) - len(set(embedded))
    assert again == 0, "what was embedded is embedded again"
    print(json.dumps({"kills": KILLS, "outcome": outcome, "embedded again": again}))
    # and it goes on as if nothing had been
    OPERATIONS["add"](home, folder, WordEmbedder())
    assert len(contents(home)[0]) == min(number, 40)  # as many as there are addresses


def with_files_of(size: int, work: Callable[[], object]) -> object:
    """Do the work with no file allowed to grow beyond `size` bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return work()


@pytest.mark.parametrize("name", ["add", "rebuild", "compact"])
def test_no_room_for_a_file(archive: tuple[Path, Path], name: str) -> None:
    """No file may grow beyond a limit: what a full disk does, at every size up to the largest file's."""
    home, folder = archive
    generator = random.Random(2)
    for number in range(31, 60):
        write(folder, number, generator)
    remove(home, Selected(filters=Filters(sources=["AVP"])))
    before = contents(home)
    rehearsal = home.parent / "rehearsal"
    shutil.copytree(home, rehearsal)
    OPERATIONS[name](rehearsal, folder, WordEmbedder())
    after = contents(rehearsal)
    codes = []
    for size in (0, 100, 2_000, 10_000, 40_000, 100_000):
        operation = partial(OPERATIONS[name], home, folder, WordEmbedder())
        child = in_child(partial(with_files_of, size, operation))
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        assert [fault for fault in verify(home) if "embeddings" not in fault] == []
        assert contents(home) in ((before, after) if codes[-1] == 3 else (after,))
    assert codes[0] == 3
    assert set(codes) <= {0, 3}
    OPERATIONS[name](home, folder, WordEmbedder())
    assert list(verify(home)) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs to be root, to become nobody")
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_folder_that_is_read_only(archive: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    home, folder = archive
    for path in (home, *home.rglob("*"), folder, *tmp_path.parents, tmp_path):
        if path.is_relative_to(tmp_path.parent.parent):
            path.chmod(0o755 if path.is_dir() else 0o644)
    before = contents(home)

    def work() -> None:
        os.setuid(65534)
        OPERATIONS[name](home, folder, WordEmbedder())

    assert os.waitstatus_to_exitcode(os.waitpid(in_child(work), 0)[1]) == 3
    assert contents(home) == before


def test_two_writers_at_once(archive: tuple[Path, Path]) -> None:
    home, folder = archive
    generator = random.Random(3)
    for number in range(31, 50):
        write(folder, number, generator)

    def work() -> None:
        try:
            OPERATIONS["add"](home, folder, Noting(home.parent / "log"))
        except ArchiveBusyError:
            os._exit(5)

    children = [in_child(work) for _ in range(4)]
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert codes[0] == 0
    assert set(codes) <= {0, 5}
    assert list(verify(home)) == []
    ids = contents(home)[0]
    assert OPERATIONS["add"](home, folder, WordEmbedder()).added == 0  # type: ignore[attr-defined]
    assert contents(home)[0] == ids


def test_any_flipped_byte_is_found_and_named(archive: tuple[Path, Path]) -> None:
    home, _ = archive
    assert list(verify(home)) == []
    generator = random.Random(4)
    with closing(sqlite3.connect(home / "embeddings.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for path in sorted(path for path in home.rglob("*") if path.is_file() and path.name != "write.lock"):
        content = path.read_bytes()
        places = [generator.randrange(len(content)) for _ in range(4)]
        if path.name == "embeddings.sqlite":  # a vector itself; free bytes of the file mean nothing
            with closing(sqlite3.connect(path)) as connection:
                (vector,) = connection.execute("SELECT vector FROM embeddings LIMIT 1").fetchone()
            places = [content.index(vector) + 5]
        for place in places:
            path.write_bytes(
                content[:place] + bytes([content[place] ^ 1 << generator.randrange(8)]) + content[place + 1 :]
            )
            faults = list(verify(home))
            assert any(str(path) in fault for fault in faults), (path, place, faults)
        path.write_bytes(content)
    assert list(verify(home)) == []
