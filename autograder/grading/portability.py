"""Would it fail on a GPU? The calls of the value tests, once more, with inputs on a pretended accelerator.

Real values, computed on the CPU, behind a wrapper that raises where two devices meet: see
`course/checking/portability.py`. The worker only reports; a message for the student comes of it, not points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..contract.line import Line
from ..contract.student import Handle, Request
from ..errors import StudentError, StudentFailure
from ..results import Portability
from ..worker import wire

# What a replayed call may depend on: it builds objects, gives them weights, or replaces a function.
PREPARES = ("load_state_dict", "replace", "set_attribute")
# Of the objects of a class that differ only in what they were made with, so many are called for each form of
# arguments: other sizes, a third time, hardly ever lead code another way.
MOST_MADE = 2


def check_portability(line: Line, tests: Sequence[Sequence[Request]]) -> Portability | None:
    """Replays the calls of tests that passed. None where there is nothing to replay, or nothing to say.

    A call is replayed once for each form of its arguments (their kinds and numbers of dimensions, not
    their sizes): code takes other paths for other forms, and hardly ever for other sizes.
    """
    seen: _Seen = {}
    for requests in tests:
        if not any(_is_new(request, seen) for request in requests if _is_replayed(request)):
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


# The forms of calls that have been replayed, each with what the called objects were made with.
_Seen = dict[Any, set[str]]


def _is_new(request: Request, seen: _Seen) -> bool:
    made_with = seen.get(_form(request), set())
    return len(made_with) < MOST_MADE and _made_with(request) not in made_with


def _replay(line: Line, requests: Sequence[Request], seen: _Seen) -> None:
    """Objects get the numbers that they had the first time: they are made anew, in the same order."""
    line.reset(0)
    for request in requests:
        if _is_replayed(request):
            if _is_new(request, seen):
                seen.setdefault(_form(request), set()).add(_made_with(request))
                payload = request.payload
                line.request("pretend", {name: payload[name] for name in ("target", "args", "kwargs")})
            elif any(isinstance(arg, Handle) for arg in request.payload["args"]):
                line.request(request.kind, request.payload)  # what it does to the object is needed later
        elif request.kind in PREPARES:
            line.before_next(request.kind, request.payload)
        elif request.made_object or request.payload.get("method"):
            line.request(request.kind, request.payload)


def _is_replayed(request: Request) -> bool:
    return request.kind == "call" and not request.payload["method"] and not request.made_object


def _form(request: Request) -> Any:
    args, kwargs = request.payload["args"], request.payload["kwargs"]
    named = tuple((name, _form_of(value)) for name, value in sorted(kwargs.items()))
    return request.label, tuple(map(_form_of, args)), named


def _made_with(request: Request) -> str:
    return getattr(request.payload["target"], "made_with", "")


def _form_of(value: Any) -> Any:
    if isinstance(value, Tensor):
        return "floating" if value.is_floating_point() else str(value.dtype), value.dim()
    if isinstance(value, (Handle, wire.Token)):
        return "object"
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return type(value).__name__, "texts"
    if isinstance(value, (list, tuple)):
        return type(value).__name__, tuple(map(_form_of, value))
    if isinstance(value, (str, bool, type(None))):
        return value
    return type(value).__name__
