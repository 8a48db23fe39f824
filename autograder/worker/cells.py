"""Runs a notebook's cells as Jupyter does, in a namespace as Jupyter gives, and tells what they raised."""

from __future__ import annotations
import __future__

import ast
import contextlib
import inspect
import itertools
import linecache
import sys
import traceback
import types
import warnings
from collections.abc import Iterator
from typing import Any

from . import wire

CELL = "<cell {}>"
MAX_MESSAGE = 2000
MAX_TRACE_LINES = 20


def run_cell(number: int, source: str, namespace: dict[str, Any]) -> None:
    """Executes one cell as Jupyter does, `await` included; tracebacks have the lines of `<cell number>`.

    A cell may come in parts: each has its lines where they stand in the cell, and those of the others blank.
    """
    name = CELL.format(number)
    lines = source.splitlines(keepends=True)
    if source.startswith("\n"):
        pairs = itertools.zip_longest(lines, linecache.getlines(name), fillvalue="")
        lines = [line if line.strip() else before or line for line, before in pairs]
    linecache.cache[name] = (len(source), None, lines, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # what one Python warns of, another does not
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | _future_flags(namespace)
        code = compile(source, name, "exec", flags, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        from . import loop  # asyncio takes its time to load, and few cells await anything

        loop.run(eval(code, namespace))
    else:
        exec(code, namespace)


def _future_flags(namespace: dict[str, Any]) -> int:
    """What the cells before have imported from `__future__`: in Jupyter it holds for all that come after."""
    flags = 0
    for value in namespace.values():
        flags |= value.compiler_flag if type(value) is __future__._Feature else 0
    return flags


def describe(error: BaseException) -> wire.ErrorHeader:
    """An exception as its type, its message, and those lines of its trace that are the student's own."""
    try:
        message = str(error)
    except BaseException:
        message = "(the exception's own text could not be made)"
    lines = []
    with contextlib.suppress(BaseException):
        lines = list(_own_lines(error))
    return wire.ErrorHeader(
        type(error).__name__[:100],
        message[:MAX_MESSAGE].encode("utf-8", "replace").decode("utf-8"),
        "\n".join(lines[-MAX_TRACE_LINES:]).encode("utf-8", "replace").decode("utf-8"),
    )


def _own_lines(error: BaseException) -> Iterator[str]:
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith("<cell "):
            yield f"{frame.filename[1:-1]}, line {frame.lineno}, in {frame.name}: {(frame.line or '')[:200]}"
    if isinstance(error, SyntaxError) and (name := error.filename or "").startswith("<cell "):
        yield f"{name[1:-1]}, line {error.lineno}: {(error.text or '').strip()[:200]}"


def notebook_namespace() -> dict[str, Any]:
    """A fresh `__main__`, as a notebook's code expects it, with silent stand-ins for IPython's names."""
    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=__builtins__, display=_silent, get_ipython=_NoShell)
    sys.modules["__main__"] = module
    return module.__dict__


class _NoShell:
    """In place of the shell, which nbconvert's scripts call: `get_ipython().system(...)` does nothing."""

    def __getattr__(self, name: str) -> Any:
        return _silent


def _silent(*args: Any, **kwargs: Any) -> None:
    """Does nothing, whatever it is given."""
