"""A folder watched: what arrives is added, what is hidden or deleted is not."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from fakes import WordEmbedder

from index.generation import status
from index.rebuild import Report
from index.watch import _added, watched


def test_what_is_there_and_what_arrives(tmp_path: Path) -> None:
    folder, home = tmp_path / "folder", tmp_path / "home"
    (folder / "below").mkdir(parents=True)
    (folder / "un.txt").write_text("Le pont\n\nLe pont de Brassac ferme lundi.", "utf-8")
    stop = threading.Event()
    reports: list[Report] = []

    def work() -> None:
        reports.extend(watched(home, folder, WordEmbedder(), 32, stop, quiet=100))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        _until(lambda: status(home).articles == 1)
        (folder / "below" / "deux.txt").write_text("La fête\n\nLa fête aura lieu samedi.", "utf-8")
        (folder / ".cache.txt").write_text("Caché\n\nUn fichier caché.", "utf-8")
        _until(lambda: status(home).articles == 2)
        (folder / "un.txt").write_text("Le pont\n\nLe pont de Brassac rouvre jeudi.", "utf-8")
        _until(lambda: status(home).older == 1)
        (folder / "un.txt").unlink()
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
    assert (status(home).articles, status(home).older) == (2, 1)
    assert sum(report.added for report in reports) == 2
    assert sum(report.updated for report in reports) == 1


def test_an_empty_folder_is_waited_on(tmp_path: Path) -> None:
    stop = threading.Event()
    reports = watched(tmp_path / "home", tmp_path, WordEmbedder(), 32, stop, quiet=100)
    first = next(reports)
    assert (first.added, first.skipped) == (0, ())
    stop.set()
    assert list(reports) == []


def test_a_file_that_is_gone_again_leaves_the_others(tmp_path: Path) -> None:
    stays, gone = tmp_path / "stays.txt", tmp_path / "gone.txt"
    stays.write_text("Le pont\n\nLe pont de Brassac ferme lundi.", "utf-8")
    reports = list(_added(tmp_path / "home", [gone, stays], WordEmbedder(), 32, threading.Event()))
    assert [report.added for report in reports] == [1]
    assert list(_added(tmp_path / "home", [gone], WordEmbedder(), 32, threading.Event())) == []


def _until(true, seconds: float = 30.0) -> None:  # type: ignore[no-untyped-def]
    ends = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except Exception as error:
            if time.monotonic() > ends:
                raise AssertionError(error) from error
        assert time.monotonic() < ends
        time.sleep(0.1)
