"""Runs a cell's `await` where the lock lets no socket be made, which asyncio's own loops begin with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

_LOOK_AGAIN = 0.01  # seconds; a thread cannot wake this loop


class _Clock:
    """In place of a selector: there is nothing to listen to, only time to wait for."""

    def select(self, timeout: float | None) -> list[Any]:
        time.sleep(_LOOK_AGAIN if timeout is None else min(timeout, _LOOK_AGAIN))
        return []


class _Loop(asyncio.BaseEventLoop):
    """Timers, tasks and threads; no files, no network."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Clock()

    def _process_events(self, events: list[Any]) -> None: ...

    def _write_to_self(self) -> None: ...


def run(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Runs it to its end, and all that it started."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(coroutine)
