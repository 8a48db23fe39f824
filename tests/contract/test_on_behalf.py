"""What the grader does on a student's behalf ends in time, and where memory is refused."""

from __future__ import annotations

import signal
import threading
import weakref
from collections.abc import Callable

import pytest
import torch

from autograder.contract.on_behalf import on_behalf
from autograder.errors import BudgetSpent


def forever() -> None:
    while True:
        pass


def test_computing_without_an_end_is_ended() -> None:
    with pytest.raises(BudgetSpent, match=r"0\.1 s of computing"):
        on_behalf(0.1, forever)


def test_nothing_rings_afterwards() -> None:
    before = signal.getsignal(signal.SIGPROF)
    assert on_behalf(0.1, lambda: 5) == 5
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    assert signal.getsignal(signal.SIGPROF) == before


def test_one_alarm_may_be_caught() -> None:
    caught = []

    def careless() -> None:
        try:
            forever()
        except BudgetSpent as first:
            caught.append(first)
        forever()

    with pytest.raises(BudgetSpent):
        on_behalf(0.05, careless)
    assert caught


@pytest.mark.parametrize("take", [lambda: torch.empty(1 << 50), lambda: bytearray(1 << 62)])
def test_memory_that_is_refused_is_the_submissions(take: Callable[[], object]) -> None:
    with pytest.raises(BudgetSpent, match="more memory"):
        on_behalf(5.0, take)


def test_what_was_being_computed_is_let_go() -> None:
    kept: list[weakref.ref[torch.Tensor]] = []

    def compute() -> None:
        large = torch.ones(1000)
        kept.append(weakref.ref(large))
        raise MemoryError

    with pytest.raises(BudgetSpent) as raised:
        on_behalf(5.0, compute)
    assert raised.value.__context__ is None
    assert kept[0]() is None


def test_another_error_is_what_it_was() -> None:
    with pytest.raises(RuntimeError, match="must match"):
        on_behalf(5.0, lambda: torch.ones(2) + torch.ones(3))


def test_a_thread_has_no_clock_and_is_not_disturbed() -> None:
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(on_behalf(0.01, lambda: sum(range(10**6)))))
    thread.start()
    thread.join()
    assert done
