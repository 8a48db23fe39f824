"""What a worker does when asked: run the cells, call a function, build a module, take gradients.

The same code serves the locked worker (`worker.py`) and, in the grader's own process, the reference
and the known mistakes (`autograder/contract/student.py`): both must behave alike, to the last error.
In the worker all of it is under the student's control once the student's code has run; so it only
ever produces values, never a verdict.
"""

from __future__ import annotations

import contextlib
import importlib
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import wire
from .cells import CELL, describe, run_cell
from .graders import GradersCallable, graders_class
from .loss import leaf, pull_back

Ask = Callable[[str, Any], Any]


class Session:
    """One submission's names and objects. `ask(kind, value)` puts a question to the grader."""

    def __init__(self, namespace: dict[str, Any], ask: Ask) -> None:
        self.namespace = namespace
        self.question = ask
        self.handles: dict[int, Any] = {}
        self._ids: dict[int, int] = {}
        self._replaced: dict[str, Any] = {}
        self.accelerator: torch.device | None = None
        self.pretended: Any = None  # while a call's inputs are on the pretended accelerator

    def answers(self, header: bytes | bytearray, payload: bytearray) -> Iterator[wire.Encoded]:
        """Does what the message asks, and gives the answer or the student's error as a message.

        Where requests are put together, one after another: each may be about what the one before has made.
        """
        message = wire.decode(header, payload, self.resolve, self.accelerator)
        if message.kind != wire.TOGETHER:
            yield self._answer(message)
            return
        for number, parts in enumerate(wire.frames_in(message.value.numpy().tobytes()), message.id):
            try:
                asked = wire.decode(*parts, self.resolve, self.accelerator)
            except wire.WireError as error:  # what it is about was not made
                yield wire.encode("error", number, error=describe(error))
                continue
            asked.id = number
            yield self._answer(asked)

    def _answer(self, message: wire.Message) -> wire.Encoded:
        try:
            if (seed := message.value.pop("anew", None)) is not None:
                self.start_anew(seed)
            for request in message.value.pop("first", ()):
                getattr(self, "do_" + request["kind"])(**request["payload"])
            value = getattr(self, "do_" + message.kind)(**message.value)
            return wire.encode("answer", message.id, value, extend=self.extend)
        except BaseException as error:  # whatever it is, it belongs to the student
            return wire.encode("error", message.id, error=describe(error))

    # Objects that stay here, and callables that stay with the grader

    def resolve(self, tag: str, id: int, extra: Any) -> Any:
        if tag == "cb":
            return GradersCallable(self, id, bool(extra))
        if tag == "cls":
            return graders_class(str(extra), GradersCallable(self, id, grad=False))
        if tag == "g":
            return torch.Generator(self.accelerator if extra and self.accelerator else "cpu").manual_seed(id)
        if id not in self.handles:
            raise wire.WireError(f"no object {id}")
        return self.handles[id]

    def extend(self, value: Any) -> dict[str, Any] | None:
        if isinstance(value, (np.generic,)):
            plain = value.item()
            if type(plain) in (bool, int, float, str):
                packed: dict[str, Any] = wire._Packer(None).pack(plain)
                return packed
        if isinstance(value, GradersCallable):
            return {"cb": [value.id, value.grad]}
        if isinstance(value, _Staying):
            value = value.object
        id = self._ids.get(builtin_id(value))
        if id is None:
            id = len(self.handles) + 1
            self.handles[id] = value
            self._ids[builtin_id(value)] = id
        return {"h": [id, type(value).__name__[:80]]}

    # The operations, by the names they have on the wire

    def do_load(self, cell: int, source: str) -> tuple[str, str, str] | None:
        """Runs one cell; an error that it raises is told, and the cells after it are run all the same."""
        try:
            run_cell(cell, source, self.namespace)
        except BaseException as error:
            told = describe(error)
            with contextlib.suppress(BaseException):
                from course.checking.apart import go_on

                go_on(error, source, CELL.format(cell), self.namespace)
            return told.type, told.message, told.trace
        return None

    def start_anew(self, seed: int) -> None:
        """Before a test's first request is carried out: nothing is left of the test before."""
        self.handles.clear()
        self._ids.clear()
        for name, value in self._replaced.items():
            if value is _MISSING:
                self.namespace.pop(name, None)
            else:
                self.namespace[name] = value
        self._replaced.clear()
        # Not torch.manual_seed: it notes a stack trace for each accelerator that is not there, every time.
        torch.default_generator.manual_seed(seed)
        if self.accelerator is not None and self.accelerator.type == "cuda":
            torch.cuda.manual_seed_all(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)

    def do_replace(self, name: str, by: Any) -> None:
        """Lets a callable of the grader's stand in for a function of the student's until `reset`."""
        self._replaced.setdefault(name, self.namespace.get(name, _MISSING))
        self.namespace[name] = by

    def do_build(self, path: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """An object of a public class, `torch.nn.Linear` for one, for the student's code to work on.

        Its arguments may have to be built first, by public classes or by the student's.
        """
        return _Staying(self._placed(self._made(path, args, kwargs)))

    def _made(self, path: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        module, _, name = path.rpartition(".")
        build = getattr(importlib.import_module(module), name) if module else self._look_up(name)
        return build(*map(self._part, args), **kwargs)

    def _part(self, given: Any) -> Any:
        """An argument as it stands, or built as it says; a dictionary, in which nn.Sequential finds names."""
        if not isinstance(given, dict):
            return given
        if given.keys() == {"path", "args", "kwargs"}:
            return self._made(**given)
        return OrderedDict((name, self._part(part)) for name, part in given.items())

    def do_attribute(self, target: Any, name: str) -> Any:
        """An object's attribute; a path such as `layers.0.weight` leads through modules."""
        parent, _, own = name.rpartition(".")
        return getattr(target.get_submodule(parent) if parent else target, own)

    def do_attributes(self, target: Any, names: list[str]) -> dict[str, Any]:
        return {name: self.do_attribute(target, name) for name in names}

    def do_set_attribute(self, target: Any, name: str, to: Any) -> None:
        setattr(target, name, to)

    def do_call(self, target: Any, method: str, args: list[Any], kwargs: dict[str, Any], times: int) -> Any:
        """Calls it `times` times on the very same arguments; gives the last answer."""
        function = self._callable(target, method)
        result = None
        for _ in range(times):
            result = function(*args, **kwargs)
        return self._placed(result)

    def do_observe(
        self, target: Any, args: list[Any], kwargs: dict[str, Any], still: bool, apart: bool
    ) -> dict[str, Any]:
        """Calls it twice on the very same arguments: both answers, and what has become of the arguments.

        still  the second time under no_grad, and in eval mode.
        apart  each tensor is part of a larger one, with gaps between its numbers.
        `shared` names what the first answer shares memory with: arguments by their place, "again" for the
        second answer, "weights" for those of a module.
        """
        function = self._callable(target, "")
        if apart:
            args = [_with_gaps(arg) for arg in args]
        answer = function(*args, **kwargs)
        if still and isinstance(function, nn.Module):
            function.eval()
        with torch.set_grad_enabled(not still):
            again = function(*args, **kwargs)
        own = function.state_dict() if isinstance(function, nn.Module) else {}
        known = [*enumerate(args), ("again", again), ("weights", list(own.values()))]
        memory = _memory(answer)
        shared = [name for name, value in known if memory & _memory(value)]
        inputs = [arg if isinstance(arg, Tensor) else None for arg in args]
        return {"answer": answer, "again": again, "inputs": inputs, "shared": shared}

    def do_keep(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Calls it, and the answer stays here as an object, even where its value could be sent."""
        return _Staying(self._callable(target, "")(*args, **kwargs))

    def do_pretend(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Calls it with its inputs on the pretended accelerator; an error is all that comes of it."""
        from course.checking.portability import PretendedAccelerator

        self.pretended = PretendedAccelerator()
        try:
            self.pretended.call(self._callable(target, ""), *args, **kwargs)
        finally:
            self.pretended = None

    def do_examine(self, module: str, exercise: str, uses: str) -> tuple[str, list[str]]:
        """What the public checks say of an answer: a message for the student, and no verdict of ours.

        `uses` is what the trusted side says of forbidden calls.
        """
        from course.catalogue.syllabus import load
        from course.checking.examine import on_answer

        entry = load().module(module)
        report = on_answer(entry, entry.exercise(exercise), self.namespace, uses)
        return report.state, report.lines

    def do_answers(self, name: str, kinds: dict[str, str]) -> Any:
        """A quiz's answers as pairs of key and plain value; what has none is `{"other": words}`."""
        from course.catalogue.answers import Other, plain_answers

        def sent(value: Any) -> Any:
            if isinstance(value, list):
                return list(map(sent, value))
            return {"other": value.what} if isinstance(value, Other) else value

        found = plain_answers(self._look_up(name), kinds)
        return sent(found) if isinstance(found, Other) else [[sent(key), sent(found[key])] for key in found]

    def do_gradients(
        self, target: Any, args: list[Any], kwargs: dict[str, Any], cotangent: Tensor | list[Tensor] | None
    ) -> dict[str, Any]:
        """Runs forward and backward; gradients of the floating-point inputs and of the parameters."""
        function = self._callable(target, "")
        leaves = [leaf(arg) for arg in args]
        if isinstance(function, nn.Module):
            function.zero_grad(set_to_none=True)
        with torch.enable_grad():
            output = function(*leaves, **kwargs)
            pull_back(output, torch.ones_like(output) if cotangent is None else cotangent)
        parameters = dict(function.named_parameters()) if isinstance(function, nn.Module) else {}
        return {
            "output": output,
            "inputs": [each.grad if isinstance(each, Tensor) else None for each in leaves],
            "parameters": {name: parameter.grad for name, parameter in parameters.items()},
        }

    def do_step(self, parameters: Any, lr: float) -> None:
        """Gradient descent on an object that lists parameters. (torch.optim would import for two seconds.)"""
        with torch.no_grad():
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter -= lr * parameter.grad

    def do_parameters(self, target: Any) -> dict[str, Any]:
        return {
            name: (
                tuple(parameter.shape),
                parameter.dtype,
                bool(parameter.requires_grad),
                parameter.device.type,
            )
            for name, parameter in target.named_parameters()
        }

    def do_state_dict(self, target: Any) -> dict[str, Tensor]:
        return dict(target.state_dict())

    def do_load_state_dict(
        self, target: Any, state: dict[str, Tensor], strict: bool, dtype: torch.dtype | None
    ) -> None:
        if dtype is not None:
            target.to(dtype)
        target.load_state_dict(state, strict=strict)

    def _placed(self, made: Any) -> Any:
        """A module moves to the accelerator that is graded on."""
        if self.accelerator is not None and isinstance(made, nn.Module):
            made.to(self.accelerator)
        return made

    def _look_up(self, name: str) -> Any:
        if name not in self.namespace:
            raise NameError(f"`{name}` is not defined: its cell raised an error, or was deleted or renamed")
        return self.namespace[name]

    def _callable(self, target: Any, method: str) -> Any:
        found = self._look_up(target) if isinstance(target, str) else target
        return getattr(found, method) if method else found


builtin_id = id
_MISSING = object()


@dataclass(frozen=True)
class _Staying:
    """An answer of which only a handle is sent."""

    object: Any


def _memory(value: Any) -> set[int]:
    """Where the numbers of a tensor, or of several in a row, lie."""
    tensors = value if isinstance(value, (tuple, list)) else [value]
    return {
        tensor.untyped_storage().data_ptr()
        for tensor in tensors
        if isinstance(tensor, Tensor) and tensor.numel()
    }


def _with_gaps(value: Any) -> Any:
    """The same numbers, with others between them in memory."""
    if not isinstance(value, Tensor) or value.dim() == 0:
        return value
    return torch.stack([value, torch.ones_like(value)], dim=-1)[..., 0]
