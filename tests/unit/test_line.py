"""The line: one at a time, users in turn, and nobody forgotten."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from page.line import Line, Ticket

NOW = 0  # seconds to wait where the answer is there already


class Queue:
    """Tickets held by one thread, so that each step of a line can be looked at."""

    def __init__(self, line: Line, users: str = "") -> None:
        self.line = line
        self._held: dict[Ticket, ExitStack] = {}
        self.tickets = [self.join(user) for user in users]

    def join(self, user: str) -> Ticket:
        stack = ExitStack()
        ticket = stack.enter_context(self.line.ticket(user))
        self._held[ticket] = stack
        return ticket

    def leave(self, ticket: Ticket) -> None:
        self._held.pop(ticket).close()

    @property
    def served(self) -> list[Ticket]:
        return [ticket for ticket in self._held if ticket.wait(NOW)]

    def order(self) -> list[Ticket]:
        """Serve all to the end, one by one; return them in the order in which they were served."""
        done = []
        while self._held:
            (ticket,) = self.served
            done.append(ticket)
            self.leave(ticket)
        return done


def test_one_is_served_at_a_time_in_the_order_of_arrival() -> None:
    queue = Queue(Line(), "ABC")
    assert queue.served == queue.tickets[:1]
    assert [ticket.before for ticket in queue.tickets] == [0, 1, 2]
    assert queue.order() == queue.tickets


@pytest.mark.parametrize(
    ("users", "order"),
    [
        ("AAAABC", [0, 4, 5, 1, 2, 3]),
        ("AABAB", [0, 2, 1, 4, 3]),
        ("AAAA", [0, 1, 2, 3]),
        ("ABAABB", [0, 1, 2, 4, 3, 5]),
    ],
    ids=["four of one first", "two of two", "alone", "in turn"],
)
def test_the_questions_of_one_user_do_not_stand_before_the_first_of_the_next(users: str, order: list[int]) -> None:
    queue = Queue(Line(), users)
    tickets = queue.tickets
    assert [ticket.before for ticket in tickets] == [order.index(place) for place in range(len(users))]
    assert [tickets.index(ticket) for ticket in queue.order()] == order


def test_who_asks_again_at_once_stands_behind_those_who_wait_for_their_second_turn() -> None:
    queue = Queue(Line(), "ABCA")  # were B and C always first again, A's second would never be served
    again = {}
    for user, ticket in zip("ABC", queue.tickets, strict=False):
        queue.leave(ticket)
        again[user] = queue.join(user) if user != "A" else queue.tickets[3]
    assert queue.order() == [again["A"], again["B"], again["C"]]


def test_a_line_that_was_empty_holds_nothing_against_anybody() -> None:
    line = Line()
    for _ in range(3):
        Queue(line, "AAA").order()
    queue = Queue(line, "BAC")
    assert queue.order() == queue.tickets


def test_a_ticket_given_up_frees_its_place() -> None:
    queue = Queue(Line(), "ABCD")
    first, given_up, third, fourth = queue.tickets
    queue.leave(given_up)
    assert [third.before, fourth.before] == [1, 2]
    assert not given_up.served
    assert queue.order() == [first, third, fourth]


@pytest.mark.parametrize(
    ("users", "given_up", "then", "order"),
    [
        ("ABC", [1], "BD", "ACBD"),
        ("ABBC", [2, 1], "BDC", "ACBDC"),
        ("ABBC", [1], "BC", "ACBCB"),
    ],
    ids=["the only one", "the last, then the first", "the first of two"],
)
def test_a_question_given_up_counts_for_nothing(users: str, given_up: list[int], then: str, order: str) -> None:
    queue = Queue(Line(), users)
    for place in given_up:
        queue.leave(queue.tickets[place])
    for user in then:
        queue.join(user)
    assert "".join(ticket.user for ticket in queue.order()) == order


@pytest.mark.parametrize(
    ("users", "served", "then", "order"),
    [("AA", 1, "AB", "ABA"), ("AABB", 2, "CB", "ABCB")],
    ids=["behind the newcomer", "before the newcomer"],
)
def test_who_comes_later_stands_in_the_round_that_is_being_served(
    users: str, served: int, then: str, order: str
) -> None:
    queue = Queue(Line(), users)
    for _ in range(served):
        queue.leave(queue.served[0])
    for user in then:
        queue.join(user)
    assert "".join(ticket.user for ticket in queue.order()) == order


def test_an_exception_frees_the_place_and_goes_on() -> None:
    line = Line()
    behind = Queue(line)

    def fails() -> None:
        with line.ticket("A"):
            assert not behind.join("B").wait(NOW)
            raise ValueError("no answer")

    with pytest.raises(ValueError, match="no answer"):
        fails()
    assert [ticket.user for ticket in behind.served] == ["B"]


def test_two_places_serve_two_at_once() -> None:
    queue = Queue(Line(places=2), "ABCD")
    first, second, third, fourth = queue.tickets
    assert queue.served == [first, second]
    assert [ticket.before for ticket in queue.tickets] == [0, 0, 2, 3]
    queue.leave(second)
    assert queue.served == [first, third]
    assert fourth.before == 2


def test_it_is_busy_while_anybody_is_in_it() -> None:
    line = Line()
    assert not line.busy
    queue = Queue(line, "AB")
    assert line.busy
    queue.leave(queue.tickets[0])
    assert line.busy
    queue.order()
    assert not line.busy


def test_waiting_ends_when_the_turn_has_come_and_not_before() -> None:
    queue = Queue(Line(), "AB")
    first, second = queue.tickets
    assert not second.wait(0.01)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(second.wait, 60)
        queue.leave(first)
        assert waiting.result(10)


@pytest.mark.parametrize("places", [1, 3])
def test_of_many_threads_each_is_served_once_and_never_more_than_there_are_places(places: int) -> None:
    line, lock = Line(places), threading.Lock()
    inside, most, served = 0, 0, list[int]()

    def ask(number: int) -> None:
        nonlocal inside, most
        with line.ticket(f"user {number % 5}") as ticket:
            if number % 10 == 9:
                return  # gone before it was served
            assert ticket.wait(30)
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.001)
            with lock:
                served.append(number)
                inside -= 1

    with ThreadPoolExecutor(40) as threads:
        list(threads.map(ask, range(400)))
    assert sorted(served) == [number for number in range(400) if number % 10 != 9]
    assert 1 <= most <= places
    assert not line.busy
