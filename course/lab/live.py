"""A training that one can watch, stop and go on with.

    run = live.Run("trained/shapes.safetensors", networks={"net": net}, optimizers={"adam": adam})
    run.go(600, step, show=picture)

`step(n)` does step number n and returns its losses by name; `show()` makes a picture of what has been
learned, which appears below the cell and is replaced every few seconds. Interrupt the kernel (or press
Ctrl-C) and the step under way is finished, all is written, and the cell ends without an error; run it
again and it goes on from there, to the very same numbers as without a stop.

What is written are plain numbers (safetensors): nothing is ever unpickled. The file is whole or as it was.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from course.pictures.steps import counting

__all__ = ["Run"]

SECONDS_BETWEEN_PICTURES = 3.0
TRAINED_FOR_DRAWN = 4.0  # and as many times as long as a picture takes: a slow machine is there to learn
SECONDS_BETWEEN_FILES = 20.0
RECENT = 20  # steps over which the loss beside the bar is a mean


class Optimizer(Protocol):
    """What of an optimizer of torch.optim is written and read."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Run:
    """A training, with all that it needs to go on later. An earlier run's file is read at once.

    file        where it is written, beside the notebook unless the path says otherwise
    networks    by name: what learns, averages of it included
    optimizers  by name
    generator   what draws batches, timesteps and noise
    made_with   plain values that describe the training, such as sizes. A file that was made with others is
                put aside, and so is one that cannot be read; the training begins anew.
    by          the functions that a step is made of. Where one of them has been changed since, the training
                begins anew as well: what a slip has taught stays in the weights.
    anew        whether to begin anew in any case; the file of before is put aside, too

    `losses` has the losses of all steps so far, by name; `done` is how many steps that are.
    """

    def __init__(
        self,
        file: str | Path,
        *,
        networks: Mapping[str, nn.Module],
        optimizers: Mapping[str, Optimizer] | None = None,
        generator: torch.Generator | None = None,
        made_with: Mapping[str, Any] | None = None,
        by: Sequence[Callable[..., Any]] = (),
        anew: bool = False,
    ) -> None:
        self.file = Path(file)
        self.networks, self.optimizers = dict(networks), dict(optimizers or {})
        self.generator = generator
        self.made_with = json.dumps(dict(made_with or {}), sort_keys=True)
        self.by = {getattr(function, "__name__", "?"): _digest(function) for function in by}
        self.losses: dict[str, list[float]] = {}
        self.done = 0
        if self.file.is_file():
            why = "you asked for it" if anew else self._read()
            if why:
                aside = _put_aside(self.file)
                print(f"Beginning anew, as {why}. The file of before is {aside} now.")
            else:
                print(f"Going on after step {self.done}, from {self.file}.")

    def go(
        self,
        steps: int,
        step: Callable[[int], Mapping[str, float]],
        *,
        show: Callable[[], Any] | None = None,
        what: str = "training",
        every: float = SECONDS_BETWEEN_PICTURES,
    ) -> None:
        """Takes the steps that are missing of `steps`, and writes what has come of it.

        step   what one step does, by its number; it returns losses by name. Its errors are passed on, once
               what was learned before is written.
        show   makes what is shown below the cell, at the beginning, every so many seconds (fewer times where
               it takes long), and at the end.
        what   stands before the bar.
        """
        picture = _Place() if show else None
        due = written = time.monotonic()

        def look() -> None:
            nonlocal due
            if picture and show:
                begun = time.monotonic()
                picture.put(show())
                drawn = time.monotonic()
                due = drawn + max(every, TRAINED_FOR_DRAWN * (drawn - begun))

        look()
        if self.done >= steps:
            return
        begun = self.done
        with counting(steps, what) as one_more, _after_the_step() as stopped:
            for _ in range(self.done):
                one_more()
            try:
                while self.done < steps and not stopped():
                    for name, loss in step(self.done).items():
                        self.losses.setdefault(name, []).append(float(loss))
                    self.done += 1
                    one_more(self._said())
                    now = time.monotonic()
                    if now >= due:
                        look()
                    if now - written >= SECONDS_BETWEEN_FILES:
                        self.write()
                        written = time.monotonic()
            except KeyboardInterrupt:  # a second one, or where it cannot wait
                pass
            finally:
                self._trim()
                if self.done > begun:
                    self.write()
        look()
        if self.done < steps:
            print(
                f"Stopped after {self.done} of {steps} steps. What has been learned is kept in {self.file}: "
                "run the cell again, and it goes on from there."
            )

    def write(self) -> None:
        """Writes all that is needed to go on: whole, or not at all."""
        from safetensors.torch import save

        tensors = {
            f"losses.{name}": torch.tensor(of, dtype=torch.float64) for name, of in self.losses.items()
        }
        if self.generator is not None:
            tensors["generator"] = self.generator.get_state()
        for name, network in self.networks.items():
            for key, value in network.state_dict().items():
                tensors[f"network.{name}.{key}"] = value.detach().cpu().contiguous()
        for name, optimizer in self.optimizers.items():
            for index, kept in optimizer.state_dict()["state"].items():
                for key, value in kept.items():
                    if isinstance(value, Tensor):
                        tensors[f"optimizer.{name}.{index}.{key}"] = value.detach().cpu().contiguous()
        # Clones: two names of one tensor cannot be written.
        tensors = {name: value.clone() for name, value in tensors.items()}
        about = {"done": str(self.done), "made_with": self.made_with, "by": json.dumps(self.by)}
        _write(self.file, save(tensors, metadata=about))

    def _read(self) -> str:
        """Takes up what the file has; '' if all fits, else why it does not, and then nothing is changed."""
        from safetensors import safe_open

        try:
            with safe_open(self.file, framework="pt") as opened:
                about = opened.metadata() or {}
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no dict
        except Exception as error:  # of safetensors, whose own name is not public
            return f"{self.file} cannot be read ({type(error).__name__})"
        if about.get("made_with") != self.made_with:
            return f"{self.file} was made with other settings"
        before = json.loads(about.get("by", "{}"))
        if changed := [name for name, digest in self.by.items() if before.get(name) != digest]:
            return f"{', '.join(changed)} {'is' if len(changed) == 1 else 'are'} written otherwise now"
        for name, network in self.networks.items():
            found = _below(tensors, f"network.{name}.")
            shapes = {key: value.shape for key, value in network.state_dict().items()}
            if {key: value.shape for key, value in found.items()} != shapes:
                return f"the networks in {self.file} are other ones"
        for name, network in self.networks.items():
            network.load_state_dict(_below(tensors, f"network.{name}."))
        for name, optimizer in self.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"optimizer.{name}.").items():
                index, _, own = key.partition(".")
                state.setdefault(int(index), {})[own] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
        if self.generator is not None and "generator" in tensors:
            self.generator.set_state(tensors["generator"])
        self.losses = {name: value.tolist() for name, value in _below(tensors, "losses.").items()}
        self.done = int(about["done"])
        return ""

    def _trim(self) -> None:
        """Where a step broke off, no loss of it is kept."""
        for losses in self.losses.values():
            del losses[self.done :]

    def _said(self) -> str:
        recent = {name: of[-RECENT:] for name, of in self.losses.items()}
        means = [f"{name} {sum(of) / len(of):.3f}" for name, of in recent.items() if of]
        return f"loss {', '.join(means)}" if means else ""


class _Place:
    """Below the cell: each thing that is put there takes the place of the one before. Elsewhere, nothing."""

    def __init__(self) -> None:
        from IPython import get_ipython

        self._notebook = get_ipython() is not None
        self._output: Any = None

    def put(self, thing: Any) -> None:
        if not self._notebook:
            return
        from IPython.display import display

        if self._output is None:
            self._output = display(thing, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._output.update(thing)


@contextmanager
def _after_the_step() -> Iterator[Callable[[], bool]]:
    """Meanwhile an interrupt is noted, to be looked at between steps; a second one counts at once."""
    asked = False
    if threading.current_thread() is not threading.main_thread():  # where signals cannot be caught
        yield lambda: False
        return

    def note(signal_number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


def _digest(function: Callable[..., Any]) -> str:
    """Tells functions apart by what they do: local names, places and comments do not count."""

    def said_by(code: CodeType) -> Iterator[str]:
        yield repr((code.co_code, code.co_names))
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                yield from said_by(constant)
            else:  # a set has no order
                yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)

    plain = inspect.unwrap(function)
    code = getattr(plain, "__code__", None)
    said = [repr(getattr(plain, "__defaults__", None)), *(said_by(code) if code else ())]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _put_aside(file: Path) -> Path:
    """The file under a name that is free: shapes-1.safetensors, and so on."""
    number = 1
    while (aside := file.with_name(f"{file.stem}-{number}{file.suffix}")).exists():
        number += 1
    return file.rename(aside)


def _write(file: Path, content: bytes) -> None:
    """As `course/desk/atomic.py`, which stands above this package."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-", suffix=".tmp")
    try:
        with open(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
