"""What the page works with: asking, the archive, the conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from page.job import Job
from page.line import Line

if TYPE_CHECKING:
    from index.articles import Article
    from index.catalogue import Catalogue
    from index.generation import Status
    from index.rebuild import Progress, Report
    from models import Model
    from page.conversations import Conversations
    from qa import Answer, EvidenceFound, PartialAnswer


class Ask(Protocol):
    """`qa.stream` with its settings already given."""

    def __call__(
        self, question: str, *, history: Sequence[tuple[str, str]], **narrowing: Any
    ) -> Iterator[EvidenceFound | PartialAnswer | Answer]: ...


class Add(Protocol):
    """`index.rebuild.update` with its settings already given."""

    def __call__(self, paths: Sequence[Path], *, progress: Callable[[Progress], None]) -> Report: ...


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the page works with.

    `conversations` is None, and `changes` False, where nothing may be kept and the archive not be
    changed from here. `paste` writes a pasted article (its title, text, date, source and url) into a
    file for `add`. `models` are (model, whether it is in use). `suggestions` returns (question,
    language) at once, `suggesting` whether more are to come. `admitted` raises QuestionError for a user
    who asks too much.
    """

    ask: Ask
    about: Callable[[], Status]
    catalogue: Catalogue
    add: Add
    paste: Callable[[Mapping[str, str]], Path]
    remove: Callable[[Sequence[str]], list[Article]]
    rollback: Callable[[], tuple[str, str]]
    verify: Callable[[], Iterable[str]]
    conversations: Conversations | None
    models: Sequence[tuple[Model, bool]] = ()
    suggestions: Callable[[], Sequence[tuple[str, str]]] = tuple
    suggesting: Callable[[], bool] = bool
    admitted: Callable[[str], AbstractContextManager[Any]] = lambda user: nullcontext()
    changes: bool = True
    line: Line = field(default_factory=Line)
    job: Job = field(default_factory=Job)
