"""What the grader does on a student's behalf: it ends in time and within the memory that there is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import BudgetSpent

Computed = TypeVar("Computed")
AGAIN = 0.25  # seconds; what computes may have caught the first alarm


class _Late(BudgetSpent):
    """The clock rang."""


def on_behalf(seconds: float, compute: Callable[[], Computed]) -> Computed:
    """What `compute` gives; ended after so many seconds of this process's CPU time, or if memory is refused.

    Raises BudgetSpent then. A single call into C is ended only when it returns; the kernel's limit on the
    grader's CPU time is for those. Only the main thread of a process that has timers can be interrupted.
    """
    clock = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    before = signal.signal(signal.SIGPROF, _ring) if clock else None
    try:
        if clock:
            signal.setitimer(signal.ITIMER_PROF, max(seconds, 0.01), AGAIN)
        return compute()
    except _Late:
        spent = f"what your code asked for took the grader more than {seconds:.3g} s of computing"
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        spent = "what your code asked for takes more memory than the grader has for it"
    finally:
        if clock:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
    raise BudgetSpent(spent)  # out here, where it holds on to nothing of what was being computed


def _ring(*_: Any) -> None:
    raise _Late


def out_of_memory(error: BaseException) -> bool:
    """Whether memory was refused; torch says so in words."""
    said = str(error)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and any(words in said for words in ("can't allocate memory", "bad_alloc", "out of memory"))
    )
