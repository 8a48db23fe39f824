"""`autograder nbgrader watch`: rounds of grading at submission, until somebody ends it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType

from ..console import signals_to
from ..errors import AutograderError, UsageError
from .apps import nbgrader_in
from .lock import GRADING, LOOK_SECONDS, locked, said_once
from .round import Round, Stopped

Say = Callable[[str], None]

STDERR = 2


@dataclass(frozen=True)
class Watched:
    """What is watched, and how. `show` is empty for what the configuration says."""

    folder: Path
    assignments: Sequence[str]
    jobs: int = 1
    show: str = ""


@dataclass
class Console:
    """One line an event. A trouble that lasts is said once, and again when it has been gone."""

    say: Say
    _before: set[tuple[str, ...]] = field(default_factory=set)
    _now: set[tuple[str, ...]] = field(default_factory=set)

    def happened(self, *event: str) -> None:
        self.say("  ".join([f"{datetime.now():%H:%M:%S}", *filter(None, event)]))

    def trouble(self, *event: str) -> None:
        if event not in self._before | self._now:
            self.happened(*event)
        self._now.add(event)

    def round_over(self) -> bool:
        """Whether the round had no trouble."""
        self._before, self._now = self._now, set()
        return not self._before


def watch_once(watched: Watched, say: Say) -> bool:
    """One round; whether everything was done that there was to do.

    Raises UsageError for a folder or an assignment that is none, Fault, and Stopped.
    """
    stop, console = _Stop(), Console(say)
    with signals_to(stop.ask):
        _round(watched, console, stop)
        return console.round_over()


def watch(watched: Watched, every: float, say: Say) -> None:
    """Rounds without end, `every` so many seconds, until Ctrl-C or SIGTERM.

    Raises UsageError if the first round does. Whatever fails later is said, and tried again.
    """
    stop, console = _Stop(), Console(say)
    with signals_to(stop.ask):
        first = True
        while not stop.asked:
            try:
                _round(watched, console, stop)
            except Stopped:
                break
            except UsageError as error:
                if first:
                    raise
                console.trouble(str(error))
            except AutograderError as error:
                console.trouble(str(error))
            except (Exception, SystemExit) as error:  # a configuration that is being edited, a lost database
                console.trouble(f"{type(error).__name__}: {error}")
            console.round_over()
            if first:
                say(f"watching {', '.join(watched.assignments)}, every {every:g} s; Ctrl-C ends it")
            first = False
            stop.wait(every)
    say("stopped; the same command goes on from here")


def _round(watched: Watched, console: Console, stop: _Stop) -> None:
    def pause() -> None:
        if stop.asked:
            raise Stopped

    def look_again() -> None:
        stop.wait(LOOK_SECONDS)
        pause()

    waiting = said_once(console.happened, look_again)
    with nbgrader_in(watched.folder, logging.ERROR) as app, locked(watched.folder, GRADING, waiting):
        for assignment in watched.assignments:
            pause()
            Round(app, assignment, console.happened, console.trouble, pause, watched.jobs, watched.show).run()


class _Stop:
    """Whether Ctrl-C or SIGTERM asked for the end. A second time interrupts at once.

    A handler runs between any two steps of whatever is going on: it must neither print with rich, which would
    print twice what it is printing, nor take a lock, as `threading.Event` does.
    """

    asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        with suppress(OSError):  # nobody reads it any more
            os.write(STDERR, b"stopping after the present submission; Ctrl-C once more stops at once\n")

    def wait(self, seconds: float) -> None:
        """Sleeps so long, or until asked."""
        until = time.monotonic() + seconds
        while not self.asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_SECONDS))
