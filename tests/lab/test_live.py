"""A training that is watched, stopped and gone on with: nothing is lost, and nothing is learned twice."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from course.lab import live


class Training:
    """A line that learns with Adam, and all that chance there is."""

    def __init__(self, file: Path, **options: Any) -> None:
        torch.manual_seed(0)
        self.net, self.chance = nn.Linear(3, 2), torch.Generator().manual_seed(1)
        self.adam = torch.optim.Adam(self.net.parameters(), 0.05)
        self.at: list[int] = []
        self.run = live.Run(
            file,
            networks={"net": self.net},
            optimizers={"adam": self.adam},
            generator=self.chance,
            **options,
        )

    def step(self, n: int) -> dict[str, float]:
        self.at.append(n)
        x = torch.randn(8, 3, generator=self.chance)
        loss = (self.net(x) - x[:, :2]).square().mean()
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return {"line": loss.item()}

    def go(
        self, steps: int, step: Callable[[int], dict[str, float]] | None = None, **options: Any
    ) -> Training:
        self.run.go(steps, step or self.step, **options)
        return self


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trained" / "line.safetensors"


def test_a_stop_in_between_changes_no_number(file: Path, tmp_path: Path) -> None:
    whole = Training(tmp_path / "whole.safetensors").go(9)
    Training(file).go(4)
    later = Training(file).go(9)
    assert later.at == [4, 5, 6, 7, 8]
    assert later.run.losses == whole.run.losses
    assert len(whole.run.losses["line"]) == later.run.done == 9
    for one, other in zip(later.net.parameters(), whole.net.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(later.chance.get_state(), whole.chance.get_state())


def test_an_interrupt_waits_for_the_end_of_the_step(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training = Training(file)
    before = signal.getsignal(signal.SIGINT)

    def interrupted(n: int) -> dict[str, float]:
        if n == 2:
            signal.raise_signal(signal.SIGINT)
        return training.step(n)

    training.go(5, interrupted)
    assert training.at == [0, 1, 2]
    assert training.run.done == 3
    said = " ".join(capsys.readouterr().out.split())
    assert f"Stopped after 3 of 5 steps. What has been learned is kept in {file}" in said
    assert Training(file).go(5).at == [3, 4]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_does_not_wait_and_what_was_whole_is_kept(file: Path) -> None:
    training = Training(file)

    def twice(n: int) -> dict[str, float]:
        if n == 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return training.step(n)

    training.go(5, twice)
    assert training.run.done == 2
    assert Training(file).run.losses == training.run.losses


def test_an_error_is_passed_on_and_what_was_learned_before_is_kept(file: Path) -> None:
    training = Training(file)

    def broken(n: int) -> dict[str, float]:
        if n == 3:
            raise ValueError("a slip")
        return training.step(n)

    with pytest.raises(ValueError, match="a slip"):
        training.go(5, broken)
    assert Training(file).run.done == 3


def test_nothing_is_written_where_the_first_step_fails(file: Path) -> None:
    def broken(n: int) -> dict[str, float]:
        raise NotImplementedError("write train_step")

    with pytest.raises(NotImplementedError):
        Training(file).go(5, broken)
    assert not file.exists()


def test_what_is_trained_already_is_only_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Training(file).go(3)
    before = file.read_bytes()
    again = Training(file).go(3)
    assert again.at == []
    assert file.read_bytes() == before
    assert f"Going on after step 3, from {file}." in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("spoil", "options", "why"),
    [
        (lambda file: None, {"made_with": {"width": 4}}, "was made with other settings"),
        (lambda file: None, {"anew": True}, "you asked for it"),
        (lambda file: file.write_bytes(b"no tensors"), {}, "cannot be read"),
    ],
)
def test_a_file_that_does_not_fit_is_put_aside_and_never_lost(
    file: Path, spoil: Callable[[Path], Any], options: Any, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Training(file).go(3)
    spoil(file)
    kept = file.read_bytes()
    training = Training(file, **options)
    aside = file.with_name("line-1.safetensors")
    assert aside.read_bytes() == kept
    assert training.run.done == 0
    assert why in " ".join(capsys.readouterr().out.split())
    training.go(2)
    assert file.is_file()
    Training(file, anew=True)
    assert file.with_name("line-2.safetensors").is_file()


def test_pictures_that_take_long_come_more_seldom(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, at = [0.0], []
    monkeypatch.setattr(live.time, "monotonic", lambda: clock[0])
    training = Training(file)

    def step(n: int) -> dict[str, float]:
        clock[0] += 1
        return training.step(n)

    def draw(seconds: float) -> Callable[[], None]:
        def show() -> None:
            at.append(training.run.done)
            clock[0] += seconds

        return show

    training.go(20, step, show=draw(0.0), every=5)
    assert at == [0, 5, 10, 15, 20, 20]
    at.clear()
    training.go(60, step, show=draw(5.0), every=5)
    assert at == [20, 40, 60, 60]


def slip(x: int, of: str = "eps") -> bool:
    return x > 1 and of in {"eps", "x0", "v"}


def mended(x: int, of: str = "eps") -> bool:
    return x > 2 and of in {"eps", "x0", "v"}


def told_apart(source: str) -> str:
    made: dict[str, Any] = {}
    exec(source, made)
    return live._digest(made["f"])


def test_what_a_slip_has_taught_is_put_aside_once_the_slip_is_mended(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mended.__name__ = "slip"
    Training(file, by=[slip, told_apart]).go(3)
    assert Training(file, by=[slip, told_apart]).run.done == 3
    assert Training(file, by=[mended, told_apart]).run.done == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Beginning anew, as slip is written otherwise now." in said


def test_a_function_is_told_by_what_it_does() -> None:
    same = ["def f(a, b=1):\n    return a + b", "# a sum\ndef f(a, b=1):\n\n    return (a + b)  # of both"]
    other = ["def f(a, b=1):\n    return a - b", "def f(a, b=2):\n    return a + b", "f = print"]
    assert len({*map(told_apart, same)}) == 1
    assert len({*map(told_apart, [same[0], *other])}) == 4
    inner = ["def f(a):\n    return lambda b: a + b", "def f(a):\n    return lambda b: a - b"]
    assert len({*map(told_apart, inner)}) == 2


def test_networks_of_another_shape_are_not_filled(file: Path) -> None:
    Training(file).go(2)
    other = live.Run(file, networks={"net": nn.Linear(5, 2)})
    assert other.done == 0
    assert file.with_name("line-1.safetensors").is_file()


def test_outside_a_notebook_nothing_is_displayed(file: Path) -> None:
    made: list[int] = []
    Training(file).go(2, show=lambda: made.append(1))
    assert len(made) == 2  # at the beginning and at the end
