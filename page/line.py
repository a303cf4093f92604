"""Who asks waits in line: so many are served at once, each user's questions in turn with the others'."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Ticket:
    """A place in a line. `before` counts those served before it, those being served included."""

    user: str
    turn: float
    number: int
    line: Line = field(repr=False)
    served: bool = False

    @property
    def before(self) -> int:
        return self.line.before(self)

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; return whether it is this ticket's turn."""
        return self.line.wait(self, seconds)


class Line:
    """Serves `places` tickets at once, in the order of start-time fair queueing.

    Each user's tickets count from where that user's last one ended, so that four questions of one
    person do not stand before the first of the next; among equals the first to come is first
    (Goyal, Vin, Cheng: Start-time Fair Queueing, SIGCOMM 1996, with a cost of 1 each).
    """

    def __init__(self, places: int = 1) -> None:
        self._places = places
        self._changed = threading.Condition()
        self._waiting: list[Ticket] = []
        self._serving: list[Ticket] = []
        self._time = 0.0
        self._ends: dict[str, float] = {}  # of users' last tickets, as far as they lie ahead of the time
        self._number = 0

    @contextmanager
    def ticket(self, user: str) -> Iterator[Ticket]:
        """Stand in line for as long as the context lasts."""
        with self._changed:
            turn = max(self._time, self._ends.get(user, 0.0))
            self._ends[user] = turn + 1
            self._number += 1
            ticket = Ticket(user, turn, self._number, self)
            self._waiting.append(ticket)
            self._waiting.sort(key=lambda one: (one.turn, one.number))
            self._serve()
        try:
            yield ticket
        finally:
            with self._changed:
                if ticket.served:
                    self._serving.remove(ticket)
                else:
                    self._waiting.remove(ticket)
                    if self._ends.get(user) == ticket.turn + 1:
                        self._ends[user] = ticket.turn
                self._serve()
                ahead = self._serving or self._waiting
                self._ends = {one: end for one, end in self._ends.items() if end > self._time} if ahead else {}

    def _serve(self) -> None:
        while self._waiting and len(self._serving) < self._places:
            ticket = self._waiting.pop(0)
            ticket.served = True
            self._time = max(self._time, ticket.turn)
            self._serving.append(ticket)
        self._changed.notify_all()

    def before(self, ticket: Ticket) -> int:
        with self._changed:
            return 0 if ticket.served else len(self._serving) + self._waiting.index(ticket)

    def wait(self, ticket: Ticket, seconds: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: ticket.served, seconds)
            return ticket.served

    @property
    def busy(self) -> bool:
        """True while anybody is served or waits."""
        with self._changed:
            return bool(self._serving or self._waiting)
