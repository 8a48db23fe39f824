"""Would it fail on a GPU? The calls of the value tests, once more, with inputs on a pretended accelerator.

Real values, computed on the CPU, behind a wrapper that raises where two devices meet: see
`course/portability.py`. The worker only reports; a message for the student comes of it, never points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..errors import StudentError, StudentFailure
from ..results import Portability
from ..worker import wire
from .line import Line
from .student import Handle, Request

# What a replayed call may depend on: it builds objects, gives them weights, or replaces a function.
PREPARES = ("load_state_dict", "replace", "set_attribute")


def check_portability(line: Line, tests: Sequence[Sequence[Request]]) -> Portability | None:
    """Replays the calls of tests that passed. None where there is nothing to replay, or nothing to say.

    A call is replayed once for each form of its arguments (their dtypes and numbers of dimensions, not
    their sizes): code takes other paths for other forms, and hardly ever for other sizes.
    """
    seen: set[Any] = set()
    for requests in tests:
        if not any(_form(request) not in seen for request in requests if _is_replayed(request)):
            continue
        try:
            _replay(line, requests, seen)
        except StudentError as error:
            if error.type != "DeviceMismatch":
                return None  # whatever it is, it is not about devices
            where = error.trace.splitlines()[-1] if error.trace else ""
            return Portability(ok=False, message=f"{error.message}{f' ({where})' if where else ''}")
        except StudentFailure:
            return None
    return Portability(ok=True) if seen else None


def _replay(line: Line, requests: Sequence[Request], seen: set[Any]) -> None:
    """Objects get the numbers that they had the first time: they are made anew, in the same order."""
    line.forget()
    line.request("reset", {"seed": 0})
    for request in requests:
        if _is_replayed(request):
            if (form := _form(request)) not in seen:
                seen.add(form)
                payload = request.payload
                line.request("pretend", {name: payload[name] for name in ("target", "args", "kwargs")})
            elif any(isinstance(arg, Handle) for arg in request.payload["args"]):
                line.request(request.kind, request.payload)  # what it does to the object is needed later
        elif request.made_object or request.kind in PREPARES or request.payload.get("method"):
            line.request(request.kind, request.payload)


def _is_replayed(request: Request) -> bool:
    return request.kind == "call" and not request.payload["method"] and not request.made_object


def _form(request: Request) -> Any:
    target, args, kwargs = (request.payload[name] for name in ("target", "args", "kwargs"))
    named = tuple((name, _form_of(value)) for name, value in sorted(kwargs.items()))
    return request.label, getattr(target, "made_with", ""), tuple(map(_form_of, args)), named


def _form_of(value: Any) -> Any:
    if isinstance(value, Tensor):
        return str(value.dtype), value.dim()
    if isinstance(value, (Handle, wire.Handle)):
        return "object"
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return type(value).__name__, "texts"
    if isinstance(value, (list, tuple)):
        return type(value).__name__, tuple(map(_form_of, value))
    if isinstance(value, (str, bool, type(None))):
        return value
    return type(value).__name__
