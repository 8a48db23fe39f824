"""What a hidden test sees of a submission: names to call, modules to build, values that come back.

The same `Student` serves a locked worker and, in this process, the reference, the known mistakes and
the variants: they differ in their `Line` only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import ProtocolViolation, StudentError, StudentFailure, StudentTimeout
from ..worker import wire
from .line import NOT_ASKED_FOR, Line, Remote, class_that_stays, differentiable
from .trace import Trace, outline


@dataclass(frozen=True)
class Gradients:
    """One forward and backward pass: `inputs` in the order of the arguments (None where not floating)."""

    output: Any
    inputs: list[Tensor | None]
    parameters: dict[str, Tensor | None]


@dataclass(frozen=True)
class Observed:
    """Two calls on the same arguments, and what became of the tensors in them; see `Session.do_observe`."""

    answer: Any
    again: Any
    inputs: list[Any]
    shared: set[int | str]


@dataclass(frozen=True)
class Parameter:
    shape: tuple[int, ...]
    dtype: torch.dtype
    requires_grad: bool
    device: str  # its type: "cpu", "cuda", "meta"


@dataclass(frozen=True)
class Part:
    """What `Student.build` is to make first, of a public class or, by a name without a dot, the student's."""

    path: str
    args: list[Any]
    kwargs: dict[str, Any]


def part(path: str, *args: Any, **kwargs: Any) -> Part:
    """An argument for `Student.build`: all is made in one request.

    student.build("torch.nn.Sequential", {"first": part("torch.nn.Linear", 4, 2), "then": part("Theirs", 2)})
    """
    return Part(path, list(args), kwargs)


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

    alone: ClassVar = True  # nothing stands in for a name of theirs

    line: Line
    trace: Trace | None = None
    requests: list[Request] = field(default_factory=list)  # since the last reset
    # Of objects whose parameters are right, by class and arguments: what was said of their parameters.
    fitting: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Function:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.function(name)

    def function(self, name: str) -> Function:
        """The student's function of this name."""
        return Function(self, name, name)

    def new(self, name: str, *args: Any, **kwargs: Any) -> Handle:
        """Builds an object of the student's class `name`. A missing or unbuildable class fails the test.

        An argument that has to be made first is a `part`.
        """
        if any(isinstance(arg, Part) for arg in args):
            return self.build(name, *args, **kwargs)
        made = self.ask("call", name, target=name, method="", args=list(args), kwargs=kwargs, times=1)
        if not isinstance(made, wire.Token):
            raise StudentError("TypeError", f"`{name}(...)` did not give an object")
        return Handle(self, made.id, name, made_with=repr((args, kwargs)))

    def build(self, path: str, *args: Any, **kwargs: Any) -> Handle:
        """An object of a public class, such as "torch.nn.Linear", for the student's functions to work on.

        A dictionary among the arguments names the layers of a "torch.nn.Sequential"; an argument that has to
        be made first is a `part`. What is made stays in the worker, even a "builtins.dict".
        """
        made = self.ask("build", path, path=path, args=[_as_sent(arg) for arg in args], kwargs=kwargs)
        untrained = not path.startswith("builtins.")  # nothing in those is random
        return Handle(self, _stays(made).id, path, repr((args, kwargs)), untrained)

    def step(self, parameters: Handle, lr: float) -> None:
        """One step of gradient descent on parameters that were kept, with the gradients that they have."""
        self.ask("step", "step", parameters=parameters, lr=lr)

    def replace(self, name: str, by: Callable[..., Any]) -> None:
        """Lets `by`, which stays here, stand in for the student's `name` for the rest of this test.

        Of a class of modules, the modules' parameters are the student's to load and train; their work is
        done here.
        """
        stand_in = class_that_stays(by) if isinstance(by, type) else differentiable(by)
        self.ask("replace", name, name=name, by=stand_in)

    def reset(self, seed: int) -> None:
        """Before each test: frees its objects, undoes replacements, seeds the worker's generators."""
        self.requests.clear()
        self.line.reset(seed % (1 << 62))

    def ask(
        self, kind: str, label: str, *, untrained: bool = False, wait: bool = True, **payload: Any
    ) -> Any:
        """One request on the line, remembered in the trace; what timed out once is not called again.

        `untrained`: the answer depends on untouched random weights, so only its outline is remembered.
        """
        if label in self.line.given_up:
            raise StudentTimeout(f"`{label}` ran out of time in an earlier test and was not called again")
        request = Request(kind, label, payload)
        self.requests.append(request)
        if not wait:
            self.line.before_next(kind, payload)
            return None
        try:
            value = self.line.request(kind, payload)
        except StudentFailure as failure:
            if isinstance(failure, StudentTimeout):
                self.line.given_up.add(label)
            if self.trace is not None:
                self.trace.failed(f"{kind} {label}", failure)
            raise
        request.made_object = isinstance(value, wire.Token)
        # What stands in for a function is our doing, too: a known mistake needs no such help.
        if self.trace is not None and kind not in ("load_state_dict", "replace"):
            self.trace.answered(f"{kind} {label}", outline(value) if untrained else value)
        return value


def _as_sent(arg: Any) -> Any:
    if isinstance(arg, Part):
        return {"path": arg.path, "args": [_as_sent(inner) for inner in arg.args], "kwargs": arg.kwargs}
    return {name: _as_sent(layer) for name, layer in arg.items()} if isinstance(arg, dict) else arg


def _parameter(entry: Any) -> Parameter:
    match entry:
        case (tuple(shape), torch.dtype() as dtype, bool(requires_grad), str(device)) if all(
            type(size) is int for size in shape
        ):
            return Parameter(shape, dtype, requires_grad, device)
    raise ProtocolViolation(NOT_ASKED_FOR)


def _stays(answer: Any) -> wire.Token:
    if not isinstance(answer, wire.Token):
        raise ProtocolViolation(NOT_ASKED_FOR)
    return answer


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

    def observe(self, *args: Any, still: bool = False, apart: bool = False) -> Observed:
        """Calls it twice on the very same arguments, and looks at these and at the answers' memory.

        still  the second time under no_grad, and in eval mode.
        apart  each argument is part of a larger tensor, with gaps between its numbers.
        """
        found = self._student.ask(
            "observe",
            self._label,
            untrained=self._untrained,
            target=self._target,
            args=list(args),
            kwargs={},
            still=still,
            apart=apart,
        )
        try:
            inputs, shared = (
                list(found["inputs"]),
                {each for each in found["shared"] if type(each) in (int, str)},
            )
            seen = Observed(found["answer"], found["again"], inputs, shared)
        except (TypeError, KeyError, ValueError):
            raise ProtocolViolation("the worker's answer is not what was asked for") from None
        if len(seen.inputs) != len(args):
            raise ProtocolViolation("the worker's answer is not what was asked for")
        return seen

    def keep(self, *args: Any, **kwargs: Any) -> Handle:
        """Calls it and leaves the answer where it is, even plain values: what one call gives, another takes.

        chosen = student.mark_trainable.keep(model)
        student.step(chosen, lr=0.1)
        """
        kept = self._ask("keep", args=list(args), kwargs=kwargs)
        return Handle(self._student, _stays(kept).id, self._label, repr((args, kwargs)), self._untrained)

    def gradients(
        self, *args: Any, cotangent: Tensor | list[Tensor] | None = None, **kwargs: Any
    ) -> Gradients:
        """Forward and backward; `cotangent` has the output's shape (default: ones), a list several shapes."""
        found = self._ask("gradients", args=list(args), kwargs=kwargs, cotangent=cotangent)
        match found:
            case {"output": output, "inputs": list(inputs), "parameters": dict(parameters)} if all(
                gradient is None or isinstance(gradient, Tensor)
                for gradient in (*inputs, *parameters.values())
            ):
                return Gradients(output, inputs, parameters)
        raise ProtocolViolation(NOT_ASKED_FOR)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any], method: str = "", times: int = 1) -> Any:
        return self._ask("call", method=method, args=list(args), kwargs=kwargs, times=times)

    def _ask(self, kind: str, *, of: str = "", **payload: Any) -> Any:
        """A request about it, or about a part of it."""
        label = f"{self._label}.{of}" if of else self._label
        return self._student.ask(kind, label, untrained=self._untrained, target=self._target, **payload)


class Handle(Function, Remote):
    """An object of a class of the student's; it lives in the worker until the test ends."""

    def __init__(self, student: Student, id: int, label: str, made_with: str, untrained: bool = True) -> None:
        self.remote = wire.Token(id, label, made_with)
        super().__init__(student, self.remote, label)
        self._untrained = untrained
        self._told: dict[Any, Any] | None = None  # what was said of its parameters

    def method(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of the object."""
        return self._call(args, kwargs, method=name)

    def attribute(self, name: str) -> Any:
        """An attribute's value; a path such as "layers.0.weight" leads through modules."""
        return self._ask("attribute", of=name, name=name)

    def attributes(self, *names: str) -> dict[str, Any]:
        """Several attributes, by their names or paths, in one request."""
        found = self._ask("attributes", names=list(names))
        if not isinstance(found, dict) or found.keys() != set(names):
            raise ProtocolViolation(NOT_ASKED_FOR)
        return found

    def submodule(self, name: str) -> Handle:
        """The module in it of this name, such as "layers.0", as an object of its own."""
        found = self.attribute(name)
        if not isinstance(found, wire.Token):
            raise StudentError("AttributeError", f"`{name}` of `{self._label}` is not a module")
        return Handle(self._student, found.id, f"{self._label}.{name}", name, self._untrained)

    def set_attribute(self, name: str, to: Any) -> None:
        """Gives one of its attributes a plain value."""
        self._ask("set_attribute", of=name, name=name, to=to)

    def parameters(self) -> dict[str, Parameter]:
        """What is known of each parameter but its numbers, by name."""
        found = self._student.ask("parameters", self._label, target=self._target)
        if not isinstance(found, dict):
            raise ProtocolViolation(NOT_ASKED_FOR)
        self._told = found
        return {str(name): _parameter(entry) for name, entry in found.items()}

    def fits(self) -> None:
        """Its parameters, just told, are right: others made with the same need not be asked."""
        self._student.fitting[self._label, self.remote.made_with] = self._told

    def is_known_to_fit(self) -> bool:
        """Whether another one fits. The trace is as if this one had been asked, whatever test came first."""
        told = self._student.fitting.get((self._label, self.remote.made_with))
        if told is not None and self._student.trace is not None:
            self._student.trace.answered(f"parameters {self._label}", told)
        return told is not None

    def state_dict(self) -> dict[str, Tensor]:
        found = self._ask("state_dict")
        if not isinstance(found, dict) or not all(isinstance(item, Tensor) for item in found.values()):
            raise StudentError("TypeError", "`state_dict()` did not give a dictionary of tensors")
        return {str(name): item for name, item in found.items()}

    def load_state_dict(
        self,
        state: dict[str, Tensor],
        strict: bool = True,
        dtype: torch.dtype | None = None,
        wait: bool = True,
    ) -> None:
        """Copies weights in, after `to(dtype)`; missing and unexpected names fail the test when strict.

        Without `wait`, it is the next request that does it, and fails if it cannot be done.
        """
        self._ask("load_state_dict", wait=wait, state=dict(state), strict=strict, dtype=dtype)
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
