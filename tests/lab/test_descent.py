"""The descent that is followed by hand is torch's own."""

from __future__ import annotations

import copy

import pytest
import torch

from course.lab.descent import Line, descent_on


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("set_to_none", [True, False])
def test_is_torchs_gradient_descent(momentum: float, set_to_none: bool) -> None:
    ours = Line(2)
    theirs = copy.deepcopy(ours)
    optimizers = [
        descent_on(ours, 0.1, momentum),
        torch.optim.SGD(theirs.parameters(), 0.1, momentum=momentum),
    ]
    for _ in range(3):
        x, t = torch.randn(5, 2), torch.randint(9, (5,))
        for line, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad(set_to_none=set_to_none)
            (line(x, t) - 1).square().mean().backward()
            optimizer.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_closure_makes_the_gradients_and_its_answer_comes_back() -> None:
    line = Line()
    descent = descent_on(line, 0.5)

    def closure() -> torch.Tensor:
        loss = line(torch.ones(1, 1), torch.tensor([0])).square().sum()
        loss.backward()
        return loss

    with torch.no_grad():
        loss = descent.step(closure)
    assert loss is not None
    assert loss.item() == 1
    assert line.weight.item() == 0
    assert descent.steps == 1
    assert int(line.seen) == 1
