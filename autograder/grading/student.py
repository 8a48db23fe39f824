"""What a hidden test sees of a submission: names to call, modules to build, values that come back.

The same `Student` serves a locked worker and, in this process, the reference, the known mistakes and
the variants. Both speak the wire's language to the same `worker.operations`, so they behave alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import ProtocolViolation, StudentError, StudentFailure, StudentTimeout
from ..worker import wire
from ..worker.operations import Session
from .trace import Trace, outline

MAX_CALLBACKS_A_CALL = 5_000


class Kept:
    """A callable that stays with the grader; see `Line.callbacks`."""

    def __init__(self, function: Callable[..., Any], grad: bool) -> None:
        self.function, self.grad = function, grad


class Line(ABC):
    """The trusted end of a conversation with a worker: puts a request, serves callbacks, gives the answer."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.callbacks: dict[int, Kept] = {}
        self.given_up: set[str] = set()  # names that ran out of time once
        self._graphs: list[tuple[Tensor, list[Any]]] = []
        self._asked = 0

    @abstractmethod
    def request(self, kind: str, payload: dict[str, Any]) -> Any:
        """The worker's answer; raises StudentFailure for what the student's code did, Fault for ours."""

    @abstractmethod
    def close(self) -> None:
        """Ends the worker; it may be called again."""

    def forget(self) -> None:
        """Drops the callbacks and graphs of the test before."""
        self.callbacks.clear()
        self._graphs.clear()

    def begin(self) -> None:
        self._asked = 0

    def extend(self, value: Any) -> dict[str, Any] | None:
        """How handles, callables and generators of random numbers travel to the worker.

        A generator arrives as a new one with the same seed, on the same device: what has been drawn from it
        here already is not known there.
        """
        if isinstance(value, (Handle, wire.Handle)):
            return {"h": [value.id, ""]}
        if isinstance(value, torch.Generator):
            return {"g": [value.initial_seed(), value.device.type != "cpu"]}
        if isinstance(value, Kept) or callable(value):
            known = value if isinstance(value, Kept) else Kept(value, grad=False)
            id = len(self.callbacks) + 1
            self.callbacks[id] = known
            return {"cb": [id, known.grad]}
        return None

    def resolve(self, tag: str, id: int, extra: Any) -> Any:
        """What a handle from the worker becomes here; a callable of ours comes home as it went.

        It does where the reference stands in for a student's function that is given a model.
        """
        if tag == "cb" and id in self.callbacks:
            return self.callbacks[id].function
        if tag != "h" or type(extra) is not str or not 0 < id < 1 << 31:
            raise wire.WireError("not a handle")
        return wire.Handle(id, "".join(c for c in extra[:80] if c.isprintable()))

    def serve(self, message: wire.Message) -> wire.Encoded:
        """The answer to a question that the student's code put to a callable of ours."""
        self._asked += 1
        if self._asked > MAX_CALLBACKS_A_CALL:
            raise ProtocolViolation("the function called the model it was given far too often")
        answer = self._asked_for(message)
        try:
            return wire.encode("reply", message.id, answer(), extend=self.extend)
        except Exception as error:  # our callable refused what it was given: the student's to mend
            header = wire.ErrorHeader(type(error).__name__, str(error)[:300], "")
            return wire.encode("reply", message.id, error=header)

    def _asked_for(self, message: wire.Message) -> Callable[[], Any]:
        """What answers the question; raises ProtocolViolation for one that our worker never asks."""
        try:
            question = message.value
            if message.kind == "vector_jacobian":
                output, leaves = self._graphs[question["token"]]
                cotangent = question["cotangent"]
                return lambda: _vector_jacobian(output, leaves, cotangent)
            called, args = self.callbacks[question["callback"]], list(question["args"])
            kwargs = {str(key): item for key, item in question["kwargs"].items()}
        except (KeyError, IndexError, TypeError, AttributeError):
            raise ProtocolViolation("the worker asked for something that was never handed to it") from None
        if message.kind == "callback":
            return lambda: _without_grad(called.function, args, kwargs)
        return lambda: self._with_grad(called.function, args, kwargs)

    def _with_grad(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
        leaves = [
            arg.requires_grad_(True) if isinstance(arg, Tensor) and arg.is_floating_point() else arg
            for arg in (*args, *kwargs.values())
        ]
        named = dict(zip(kwargs, leaves[len(args) :], strict=True))
        with torch.enable_grad():
            output = function(*leaves[: len(args)], **named)
        self._graphs.append((output, leaves))
        return [output, len(self._graphs) - 1]


def _without_grad(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    with torch.no_grad():
        return function(*args, **kwargs)


def _vector_jacobian(output: Tensor, leaves: list[Any], cotangent: Tensor) -> list[Tensor | None]:
    """Gradients of `output` for the floating-point leaves, None for the others."""
    wanted = [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.requires_grad]
    found = iter(torch.autograd.grad(output, wanted, cotangent, allow_unused=True, retain_graph=True))
    return [next(found) if isinstance(leaf, Tensor) and leaf.requires_grad else None for leaf in leaves]


class InProcess(Line):
    """A line to names of our own process: the reference, a known mistake, a variant."""

    def __init__(self, namespace: dict[str, Any], device: torch.device | None = None) -> None:
        super().__init__()
        self.session = Session(dict(namespace), self._ask)
        if device is not None and device.type != "cpu":
            self.device = self.session.accelerator = device

    @property
    def _accelerator(self) -> torch.device | None:
        return self.session.accelerator

    def request(self, kind: str, payload: dict[str, Any]) -> Any:
        self.begin()
        encoded = wire.encode(kind, 0, payload, extend=self.extend)
        answer = self.session.answer(*_parts(encoded))
        return outcome(wire.decode(*_parts(answer), self.resolve, self._accelerator))

    def close(self) -> None:
        self.session.handles.clear()

    def _ask(self, kind: str, value: Any) -> Any:
        question = wire.encode(kind, 0, value, extend=self.session.extend)
        message = wire.decode(*_parts(question), self.resolve, self._accelerator)
        reply = wire.decode(*_parts(self.serve(message)), self.session.resolve, self._accelerator)
        if reply.error is not None:
            raise RuntimeError(f"{reply.error.type}: {reply.error.message}")
        return reply.value


def _parts(encoded: wire.Encoded) -> tuple[bytes, bytearray]:
    return encoded.head[wire.FRAME.size :], bytearray(b"".join(encoded.buffers))


def outcome(message: wire.Message) -> Any:
    """The answer in a message; raises the student's error if that is what it holds."""
    if message.kind == "answer":
        return message.value
    error = message.error
    if message.kind != "error" or error is None:
        raise ProtocolViolation("the worker sent a message of an unknown kind")
    raise StudentError(legible(error.type, 100), legible(error.message, 2000), legible(error.trace, 6000))


def legible(text: str, limit: int) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text[:limit])


@dataclass(frozen=True)
class Gradients:
    """One forward and backward pass: `inputs` in the order of the arguments (None where not floating)."""

    output: Any
    inputs: list[Tensor | None]
    parameters: dict[str, Tensor | None]


@dataclass(frozen=True)
class Parameter:
    shape: tuple[int, ...]
    dtype: torch.dtype
    requires_grad: bool


@dataclass
class Request:
    """What was asked of a worker; `made_object`: the answer was an object that stays there."""

    kind: str
    label: str
    payload: dict[str, Any]
    made_object: bool = False


@dataclass
class Student:
    """The names of one submission. `student.f(x)` calls f; `student.new("C", 8)` builds a C.

    A name that this class has itself, such as `replace`, is to be had by `student.function("replace")`.
    Every call raises StudentFailure if the student's code fails, which fails the test.
    """

    line: Line
    trace: Trace | None = None
    requests: list[Request] = field(default_factory=list)  # since the last reset

    def __getattr__(self, name: str) -> Function:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.function(name)

    def function(self, name: str) -> Function:
        """The student's function of this name."""
        return Function(self, name, name)

    def new(self, name: str, *args: Any, **kwargs: Any) -> Handle:
        """Builds an object of the student's class `name`. A missing or unbuildable class fails the test."""
        made = self.ask("call", name, target=name, method="", args=list(args), kwargs=kwargs, times=1)
        if not isinstance(made, wire.Handle):
            raise StudentError("TypeError", f"`{name}(...)` did not give an object")
        return Handle(self, made.id, name, made_with=repr((args, kwargs)))

    def value_of(self, name: str) -> Any:
        """The plain value of a variable of the notebook."""
        return self.ask("value", name, name=name)

    def replace(self, name: str, by: Callable[..., Any]) -> None:
        """Lets `by`, which stays here, stand in for the student's `name` for the rest of this test."""
        self.ask("replace", name, name=name, by=differentiable(by))

    def reset(self, seed: int) -> None:
        """Before each test: frees its objects, undoes replacements, seeds the worker's generators."""
        self.requests.clear()
        self.line.forget()
        self.line.request("reset", {"seed": seed % (1 << 62)})

    def ask(self, kind: str, label: str, *, untrained: bool = False, **payload: Any) -> Any:
        """One request on the line, remembered in the trace; what timed out once is not called again.

        `untrained`: the answer depends on untouched random weights, so only its outline is remembered.
        """
        if label in self.line.given_up:
            raise StudentTimeout(
                f"`{label}` ran out of time in an earlier test and was not called again", wall=False
            )
        request = Request(kind, label, payload)
        self.requests.append(request)
        try:
            value = self.line.request(kind, payload)
        except StudentFailure as failure:
            if isinstance(failure, StudentTimeout):
                self.line.given_up.add(label)
            if self.trace is not None:
                self.trace.failed(f"{kind} {label}", failure)
            raise
        request.made_object = isinstance(value, wire.Handle)
        if self.trace is not None and kind != "load_state_dict":
            self.trace.answered(f"{kind} {label}", outline(value) if untrained else value)
        return value


def differentiable(function: Callable[..., Any]) -> Any:
    """A callable that stays with the grader and lets gradients through."""
    return Kept(function, grad=True)


class Function:
    """A function of the student's, or an object that can be called."""

    def __init__(self, student: Student, target: Any, label: str) -> None:
        self._student, self._target, self._label = student, target, label
        self._untrained = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(args, kwargs)

    def twice(self, *args: Any, **kwargs: Any) -> Any:
        """Calls it twice on the very same arguments; the second answer shows whether inputs were changed."""
        return self._call(args, kwargs, times=2)

    def gradients(self, *args: Any, cotangent: Tensor | None = None, **kwargs: Any) -> Gradients:
        """Forward and backward; `cotangent` has the output's shape (default: ones)."""
        found = self._student.ask(
            "gradients",
            self._label,
            untrained=self._untrained,
            target=self._target,
            args=list(args),
            kwargs=kwargs,
            cotangent=cotangent,
        )
        try:
            return Gradients(found["output"], list(found["inputs"]), dict(found["parameters"]))
        except (TypeError, KeyError, ValueError):
            raise ProtocolViolation("the worker's answer is not what was asked for") from None

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any], method: str = "", times: int = 1) -> Any:
        return self._student.ask(
            "call",
            self._label,
            untrained=self._untrained,
            target=self._target,
            method=method,
            args=list(args),
            kwargs=kwargs,
            times=times,
        )


class Handle(Function):
    """An object of a class of the student's; it lives in the worker until the test ends."""

    def __init__(self, student: Student, id: int, label: str, made_with: str) -> None:
        super().__init__(student, wire.Handle(id, label, made_with), label)
        self.id = id
        self._untrained = True

    def method(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of the object."""
        return self._call(args, kwargs, method=name)

    def parameters(self) -> dict[str, Parameter]:
        """Name, shape, dtype and requires_grad of each parameter."""
        found = self._student.ask("parameters", self._label, target=self._target)
        try:
            return {str(name): Parameter(*entry) for name, entry in found.items()}
        except (AttributeError, TypeError):
            raise ProtocolViolation("the worker's answer is not what was asked for") from None

    def state_dict(self) -> dict[str, Tensor]:
        found = self._student.ask("state_dict", self._label, untrained=self._untrained, target=self._target)
        if not isinstance(found, dict) or not all(isinstance(item, Tensor) for item in found.values()):
            raise StudentError("TypeError", "`state_dict()` did not give a dictionary of tensors")
        return {str(name): item for name, item in found.items()}

    def load_state_dict(self, state: dict[str, Tensor], strict: bool = True) -> None:
        """Copies weights in; missing and unexpected names fail the test when strict."""
        self._student.ask(
            "load_state_dict", self._label, target=self._target, state=dict(state), strict=strict
        )
        self._untrained = False

    def train(self) -> Handle:
        self.method("train")
        return self

    def eval(self) -> Handle:
        self.method("eval")
        return self

    def to(self, where: torch.dtype) -> Handle:
        """Changes the dtype of its parameters."""
        self.method("to", where)
        return self
