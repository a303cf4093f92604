"""The whole path, question by question; each answer is written down as soon as it is there.

    OUT/
      run.json             what was asked of what: data, questions, settings, models, code
      predictions.jsonl    a row for each question: its id, Answer.as_json(), and `remaining`: for
                           each sentence that is shown, what its citations do not bear out
      report.md, report.html, figures.json

A run that was interrupted goes on where it stopped; a folder begun otherwise is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from errors import DataError, QuestionError
from evaluation.datasets import DataSet, Question
from models import fingerprint, locate
from models.local import sha256_of, write_whole
from qa.answer import Answer
from qa.confidence import FILE_NAME
from settings import Settings

RUN, PREDICTIONS = "run.json", "predictions.jsonl"
# settings that change no answer; a secret is never among them
_ELSEWHERE = {"home", "models_folder", "weights_from", "host", "port", "answering_server_key"}
_NOT_COMPARED = {"begun", "machine"}
_ROOT = Path(__file__).resolve().parent.parent
_ROOMS = ("index", "models", "prompts", "qa")


@dataclass(frozen=True, slots=True)
class Run:
    """What was asked of what (`about`, as run.json has it), the questions, and the rows written for them by id."""

    about: dict[str, Any]
    data: DataSet
    questions: tuple[Question, ...]
    rows: dict[str, dict[str, Any]]

    @property
    def left_out(self) -> bool:
        """True if the articles that answer were left out of what is searched."""
        return bool(self.about["leave_out_gold"])


def chosen(
    data: DataSet,
    *,
    sample: int | None = None,
    seed: int = 0,
    only: Collection[str] | None = None,
    leave_out_gold: bool = False,
) -> tuple[Question, ...]:
    """Return the questions to ask: a sample in the order it was drawn, or all of them.

    `only` are ids to keep to. With `leave_out_gold`, those of which it is known which articles answer.
    Raises DataError if nothing remains.
    """
    questions = data.questions
    if only is not None:
        questions = tuple(question for question in questions if question.id in only)
    if leave_out_gold:
        questions = tuple(question for question in questions if question.gold)
        if not questions:
            raise DataError(f"no question of {data.name} names the article that answers, so none can be left out")
    if sample is not None:
        order = np.random.default_rng(seed).permutation(len(questions))[:sample]
        questions = tuple(questions[place] for place in order)
    if not questions:
        raise DataError(f"no question of {data.name} is left to ask")
    return questions


def about_run(
    data: DataSet, questions: Sequence[Question], settings: Settings, *, embedder: str, seed: int, leave_out_gold: bool
) -> dict[str, Any]:
    """Return what run.json says; `embedder` is the fingerprint of the embedding model.

    What a server answers with has no fingerprint: its address and the model's name stand for it.
    Raises ModelMissingError.
    """
    answering = settings.answering_identity
    if not settings.answering_server:
        answering = fingerprint(locate(settings.answering_model, settings.models_folder), settings.models_folder)
    calibration = settings.home / FILE_NAME
    return {
        "data": data.name,
        "data_digest": data.digest,
        "questions": len(questions),
        "questions_digest": hashlib.sha256("\n".join(question.id for question in questions).encode()).hexdigest(),
        "seed": seed,
        "leave_out_gold": leave_out_gold,
        "settings": settings.model_dump(mode="json", exclude=_ELSEWHERE),
        "models": {"answering": answering, "embedding": embedder},
        "calibration": sha256_of(calibration) if calibration.is_file() else "shipped",
        "code": code_digest(),
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
    }


def code_digest() -> str:
    """Return the SHA-256 of every file of the rooms that an answer passes through, the prompts included."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((_ROOT / room).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(_ROOT).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def default_out(home: Path, about: dict[str, Any]) -> Path:
    """Return home/answers-HASH: a folder for each way of asking, and the same one to go on in."""
    same = {key: value for key, value in about.items() if key not in _NOT_COMPARED}
    return home / f"answers-{hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:8]}"


def begin(out: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Write run.json, or check that the one there says the same; return the one that counts.

    Raises DataError naming the first thing that differs, and both its values.
    """
    path = out / RUN
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
        return about
    before = _run_json(path)
    for key, value in _flattened(about).items():
        if (then := _flattened(before).get(key)) != value and key not in _NOT_COMPARED:
            raise DataError(
                f"{out} was begun with {key} = {_brief(then)}, now it is {_brief(value)}; give another --out"
            )
    return before


def ask(data: DataSet, questions: Sequence[Question], settings: Settings, out: Path, *, leave_out_gold: bool) -> None:
    """Ask those questions that have no row in `out` yet, and append a row for each.

    `settings.home` is the index of all articles. Whatever ends it, the rows that were written count.
    """
    from qa.answer import assistant

    done = read_rows(out)
    waiting = [question for question in questions if question.id not in done]
    if not waiting:
        return
    assistant(settings).warm()
    path = out / PREDICTIONS
    if path.exists():
        os.truncate(path, _whole(path.read_bytes()))
    with path.open("a", encoding="utf-8") as file:
        for question in tqdm(waiting, initial=len(done), total=len(questions), unit=" question"):
            file.write(json.dumps(_row(data, question, settings, leave_out_gold), ensure_ascii=False) + "\n")
            file.flush()


def _row(data: DataSet, question: Question, settings: Settings, leave_out_gold: bool) -> dict[str, Any]:
    from qa.answer import answer

    left_out = frozenset(data.holding(question)) if leave_out_gold else frozenset()
    among = [data.by_id[identity] for identity in question.among if identity not in left_out]
    try:
        made = answer(
            question.text,
            settings=settings,
            articles=among if question.among else None,
            history=question.history,
            leave_out=left_out,
        )
    except QuestionError as error:  # too long, or no word in it: the others are asked all the same
        return {"id": question.id, "error": str(error)}
    return {"id": question.id, **made.as_json(), "remaining": _remaining(made)}


def _remaining(made: Answer) -> list[list[dict[str, str]]]:
    """Return, for each sentence that is shown, what the sentences it cites do not bear out."""
    from qa.check import problems
    from qa.verify import Standing

    numbered = {item.number: item for item in made.evidence}
    return [
        [
            {"kind": problem.kind.value, "words": problem.words}
            for problem in problems(
                statement.text, [numbered[marker] for marker in statement.markers], made.language, made.question
            )
        ]
        for statement in made.statements
        if statement.standing != Standing.DROPPED
    ]


def read_rows(out: Path) -> dict[str, dict[str, Any]]:
    """Return {question id: row} of what was written so far, without an end that was cut off.

    Raises DataError naming the line that is not a row.
    """
    path = out / PREDICTIONS
    written = path.read_bytes() if path.exists() else b""
    rows = {}
    for number, line in enumerate(written[: _whole(written)].splitlines(), 1):
        try:
            row = json.loads(line)
            rows[str(row["id"])] = row
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"{path}, line {number}: it is not a row of a run; delete it, or give another --out"
            ) from None
    return rows


def _whole(written: bytes) -> int:
    """Return how many bytes of a file of rows are whole lines."""
    return written.rfind(b"\n") + 1


def opened(data: DataSet, out: Path) -> Run:
    """Read a run of that data set back from its folder; questions without a row are left out.

    Raises DataError if there is none, or if it is of other data.
    """
    about = _run_json(out / RUN)
    if about["data_digest"] != data.digest:
        raise DataError(
            f"{out} is a run of {about['data']} ({_brief(about['data_digest'])}), not of {data.name}"
            f" ({_brief(data.digest)}); both runs must be of the same data"
        )
    rows = read_rows(out)
    return Run(about, data, tuple(question for question in data.questions if question.id in rows), rows)


def _run_json(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if {"data", "data_digest", "leave_out_gold", "settings", "models"} <= about.keys():
            return dict(about)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; name the folder of a run of sourcier eval answers") from None
    except (ValueError, AttributeError):
        pass
    raise DataError(f"{path} does not describe a run; give another --out")


def _flattened(about: dict[str, Any]) -> dict[str, Any]:
    """Return {"settings.results": 8, …}."""
    flat: dict[str, Any] = {}
    for key, value in about.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": held for inner, held in value.items()}
        else:
            flat[key] = value
    return flat


def _brief(value: Any) -> str:
    """Return a value as it is shown: of a hash, its beginning."""
    return value[:12] if isinstance(value, str) and len(value) == 64 else repr(value)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
