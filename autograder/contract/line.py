"""The trusted end of a conversation with a student's code, in a worker or in this process.

A worker and, in this process, the reference, the known mistakes and the variants are asked in the same
words, and answered by the same `worker.operations`, so they behave alike.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..errors import ProtocolViolation, StudentError, StudentFailure
from ..worker import wire
from ..worker.loss import loss_of
from ..worker.operations import Session
from .on_behalf import out_of_memory

MAX_CALLBACKS_A_CALL = 5_000
NOT_ASKED_FOR = "the worker's answer is not what was asked for"


class Diverged(Exception):
    """Something is asked that was not asked ahead, or was not answered."""


class Ahead:
    """Requests that were put together, and their answers: values, or failures of the student's."""

    def __init__(self, frames: bytes, count: int) -> None:
        self.answers: list[Any] = []
        self.diverged = False
        self._asked, self._count = wire.frames_in(frames), count
        self._next = self._seen = 0
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> bytes:
        """Of all answers, as they came; empty unless there is one to each."""
        return self._digest.digest() if self._seen == len(self.answers) == self._count else b""

    def answer(self, frame: bytes) -> Any:
        at, self._next = self._next, self._next + 1
        header, payload = next(self._asked, (b"", b""))
        same = frame[wire.FRAME.size :] == bytes(header) + bytes(payload)
        if self.diverged or at >= len(self.answers) or not same:
            self.diverged = True
            raise Diverged
        if isinstance(self.answers[at], StudentFailure):
            raise self.answers[at]
        return self.answers[at]

    def seen(self, id: int, header: bytes | bytearray, payload: bytes | bytearray) -> None:
        """An answer as it came; that its number is the request's own is the reader's to see."""
        self._seen += 1
        for part in (header.replace(b'"id":%d,' % id, b"", 1), payload):
            self._digest.update(len(part).to_bytes(8, "big"))
            self._digest.update(part)


class Remote:
    """Something here that stands for an object in the worker."""

    remote: wire.Token


class Kept:
    """A callable that stays with the grader; see `Line.callbacks`."""

    def __init__(self, function: Callable[..., Any], grad: bool, makes: str = "") -> None:
        self.function, self.grad = function, grad
        self.makes = makes  # the name of the class that it stands for, if it does


def differentiable(function: Callable[..., Any]) -> Any:
    """A callable that stays with the grader and lets gradients through."""
    return Kept(function, grad=True)


def class_that_stays(cls: type[nn.Module]) -> Kept:
    """A class whose modules compute here, from the parameters that their doubles in the worker have."""

    def build(*args: Any, **kwargs: Any) -> dict[str, Any]:
        module = cls(*args, **kwargs)

        def work(*inputs: Any, **named: Any) -> Any:
            parameters = {name: named.pop(name) for name in names}
            return functional_call(module, parameters, inputs, named)

        names = [name for name, _ in module.named_parameters()]
        parameters = {name: parameter.detach() for name, parameter in module.named_parameters()}
        return {"work": differentiable(work), "parameters": parameters}

    return Kept(build, grad=False, makes=cls.__name__)


class Line(ABC):
    """The trusted end of a conversation with a worker: puts a request, serves callbacks, gives the answer."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.callbacks: dict[int, Kept] = {}
        self.given_up: set[str] = set()  # names that ran out of time once
        self.one_by_one = False  # a worker was ended over what it was asked together; do not do so again
        self._noted: list[bytes] | None = None
        self._ahead: Ahead | None = None
        self._graphs: list[tuple[Tensor, list[Any]]] = []
        self._asked = 0
        self._anew: int | None = None  # the seed, until the worker has been told to start anew
        self._first: list[dict[str, Any]] = []  # what is to be done before the next request

    def request(self, kind: str, payload: dict[str, Any]) -> Any:
        """The worker's answer; raises StudentFailure for what the student's code did, Fault for ours."""
        payload = self.begin(payload)
        if self._ahead is None and self._noted is None:
            return self._put(kind, payload)
        frame = bytes(wire.encode(kind, 0, payload, extend=self.extend))
        if self._ahead is not None:
            return self._ahead.answer(frame)
        assert self._noted is not None
        self._noted.append(frame)
        return self._put(kind, payload)

    @abstractmethod
    def _put(self, kind: str, payload: dict[str, Any]) -> Any:
        """The answer to a request, with all that is to be sent for it."""

    @abstractmethod
    def together(self, frames: bytes, count: int) -> Ahead:
        """Puts so many requests at once, and gives the answers; what ends the worker is the last of them."""

    @contextmanager
    def noting(self) -> Iterator[list[bytes]]:
        """Meanwhile, each request is noted as it would be put `together` with others."""
        noted: list[bytes] = []
        self._noted = noted
        try:
            yield noted
        finally:
            self._noted = None

    @contextmanager
    def answered(self, ahead: Ahead) -> Iterator[None]:
        """Meanwhile, requests find their answers there; one that was not asked ahead raises Diverged."""
        self._ahead = ahead
        try:
            yield
        finally:
            self._ahead = None

    @abstractmethod
    def close(self) -> None:
        """Ends the worker; it may be called again."""

    def forget(self) -> None:
        """Drops what stayed here for the worker's questions."""
        self.callbacks.clear()
        self._graphs.clear()

    def reset(self, seed: int) -> None:
        """Drops the callbacks and graphs of the test before; the worker drops its objects and replacements.

        It is told so, and the seed for its generators, with the next request: that saves one for each test.
        """
        self.forget()
        self._first.clear()
        self._anew = seed

    def before_next(self, kind: str, payload: dict[str, Any]) -> None:
        """A request that has no answer to wait for: it goes with the next one, which fails if this does."""
        self._first.append({"kind": kind, "payload": payload})

    def begin(self, payload: dict[str, Any]) -> dict[str, Any]:
        """What to send for this request."""
        self._asked = 0
        if self._anew is not None:
            payload = {**payload, "anew": self._anew}
            self._anew = None
        if self._first:
            payload = {**payload, "first": self._first}
            self._first = []
        return payload

    def extend(self, value: Any) -> dict[str, Any] | None:
        """How handles, callables and generators of random numbers travel to the worker.

        A generator arrives as a new one with the same seed, on the same device: what has been drawn from it
        here already is not known there.
        """
        if isinstance(value, (Remote, wire.Token)):
            return {"h": [(value.remote if isinstance(value, Remote) else value).id, ""]}
        if isinstance(value, torch.Generator):
            return {"g": [value.initial_seed(), value.device.type != "cpu"]}
        if isinstance(value, Kept) or callable(value):
            known = value if isinstance(value, Kept) else Kept(value, grad=False)
            id = len(self.callbacks) + 1
            self.callbacks[id] = known
            return {"cls": [id, known.makes]} if known.makes else {"cb": [id, known.grad]}
        return None

    def resolve(self, tag: str, id: int, extra: Any) -> Any:
        """What a handle from the worker becomes here; a callable of ours comes home as it went.

        It does where the reference stands in for a student's function that is given a model.
        """
        if tag == "cb" and id in self.callbacks:
            return self.callbacks[id].function
        if tag != "h" or type(extra) is not str or not 0 < id < 1 << 31:
            raise wire.WireError("not a handle")
        return wire.Token(id, "".join(c for c in extra[:80] if c.isprintable()))

    def serve(self, message: wire.Message) -> wire.Encoded:
        """The answer to a question that the student's code put to a callable of ours."""
        self._asked += 1
        if self._asked > MAX_CALLBACKS_A_CALL:
            raise ProtocolViolation("the function called the model it was given far too often")
        answer = self._asked_for(message)
        try:
            return wire.encode("reply", message.id, answer(), extend=self.extend)
        except Exception as error:  # our callable refused what it was given: the student's to mend
            if isinstance(error, StudentFailure) or out_of_memory(error):
                raise
            header = wire.ErrorHeader(type(error).__name__, str(error)[:300], "")
            return wire.encode("reply", message.id, error=header)

    def _asked_for(self, message: wire.Message) -> Callable[[], Any]:
        """What answers the question; raises ProtocolViolation for one that our worker never asks."""
        match message.kind, message.value:
            case "vector_jacobian", {"token": int(token), "cotangent": Tensor() as cotangent} if (
                0 <= token < len(self._graphs)
            ):
                return lambda: _vector_jacobian(*self._graphs[token], cotangent)
            case "callback" | "callback_with_grad", {
                "callback": int(id),
                "args": list(args),
                "kwargs": dict(kwargs),
            } if id in self.callbacks and all(type(name) is str for name in kwargs):
                answer = _without_grad if message.kind == "callback" else self._with_grad
                return lambda: answer(self.callbacks[id].function, args, kwargs)
        raise ProtocolViolation("the worker asked for something that was never handed to it")

    def _with_grad(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
        leaves = [
            arg.requires_grad_(True) if isinstance(arg, Tensor) and arg.is_floating_point() else arg
            for arg in (*args, *kwargs.values())
        ]
        named = dict(zip(kwargs, leaves[len(args) :], strict=True))
        with torch.enable_grad():
            output = function(*leaves[: len(args)], **named)
        if not isinstance(output, Tensor):
            raise TypeError("this callable gives no tensor, so no gradient goes through it")
        self._graphs.append((output, leaves))
        return [output, len(self._graphs) - 1]


def _without_grad(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    with torch.no_grad():
        return function(*args, **kwargs)


def _vector_jacobian(output: Tensor, leaves: list[Any], cotangent: Tensor) -> list[Tensor | None]:
    """Gradients of `output` for the floating-point leaves, None for the others."""
    wanted = [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.requires_grad]
    loss = loss_of(output, cotangent)
    found = iter(torch.autograd.grad(loss, wanted, allow_unused=True, retain_graph=True))
    return [next(found) if isinstance(leaf, Tensor) and leaf.requires_grad else None for leaf in leaves]


class InProcess(Line):
    """A line to names of our own process: the reference, a known mistake, a variant."""

    def __init__(self, namespace: dict[str, Any], device: torch.device | None = None) -> None:
        super().__init__()
        self.session = Session(dict(namespace), self._ask)
        if device is not None and device.type != "cpu":
            self.device = self.session.accelerator = device

    def _put(self, kind: str, payload: dict[str, Any]) -> Any:
        encoded = wire.encode(kind, 0, payload, extend=self.extend)
        (answer,) = self.session.answers(*_parts(encoded))
        return answer_in(wire.decode(*_parts(answer), self.resolve, self.session.accelerator))

    def together(self, frames: bytes, count: int) -> Ahead:
        ahead = Ahead(frames, count)
        for number, answer in enumerate(self.session.answers(*_parts(wire.together(0, frames)))):
            parts = _parts(answer)
            ahead.seen(number, *parts)
            try:
                ahead.answers.append(answer_in(wire.decode(*parts, self.resolve, self.session.accelerator)))
            except StudentFailure as failure:
                ahead.answers.append(failure)
        return ahead

    def close(self) -> None:
        self.session.handles.clear()

    def _ask(self, kind: str, value: Any) -> Any:
        question = wire.encode(kind, 0, value, extend=self.session.extend)
        message = wire.decode(*_parts(question), self.resolve, self.session.accelerator)
        reply = wire.decode(*_parts(self.serve(message)), self.session.resolve, self.session.accelerator)
        if reply.error is not None:
            raise RuntimeError(f"{reply.error.type}: {reply.error.message}")
        return reply.value


def _parts(encoded: wire.Encoded) -> tuple[bytes, bytearray]:
    return encoded.head[wire.FRAME.size :], bytearray(b"".join(encoded.buffers))


def texts(value: Any, count: int | None = None) -> list[str]:
    """The value, if it is a list or tuple of (so many) texts; raises ProtocolViolation."""
    if (
        not isinstance(value, (list, tuple))
        or count not in (None, len(value))
        or not all(type(text) is str for text in value)
    ):
        raise ProtocolViolation(NOT_ASKED_FOR)
    return list(value)


def answer_in(message: wire.Message) -> Any:
    """The answer in a message; raises the student's error if that is what it holds."""
    if message.kind == "answer":
        return message.value
    error = message.error
    if message.kind != "error" or error is None:
        raise ProtocolViolation("the worker sent a message of an unknown kind")
    kind, words = error.type, error.message
    if kind == wire.Unsendable.__name__:  # a name of ours
        kind, words = "ValueError", f"what your code hands over cannot be read: {words}"
    raise StudentError(legible(kind, 100), legible(words, 2000), legible(error.trace, 6000))


def legible(text: str, limit: int) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text[:limit])
