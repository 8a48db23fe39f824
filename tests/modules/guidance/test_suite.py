"""What only the hidden suite of `guidance` has: a model that it hands out, and messages of its own."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from ..bank import bank

GUIDANCE = bank("guidance")
SUITE = GUIDANCE.suite


def test_the_model_of_the_suite_tells_samples_times_and_conditions_apart() -> None:
    model, x = SUITE.Denoiser(), torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0))
    t, cond = torch.tensor([1, 5, 9]), torch.tensor([0, 1, 2])
    before = model(x, t, cond)
    for other in (model(x + 0.1, t, cond), model(x, t + 1, cond), model(x, t, cond + 1)):
        assert ((other - before).abs().flatten(1).amax(1) > 1e-3).all()
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(model(x[order], t[order], cond[order]), before[order])


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        (
            SUITE.Denoiser(),
            (torch.zeros(4, 2), torch.zeros(2), torch.zeros(4)),
            "4 samples, but of timesteps 2",
        ),
        (SUITE.Denoiser(), (torch.zeros(4, 2), torch.zeros(4), torch.tensor(1)), "conditions one for all"),
        (SUITE.Denoiser(rows=6), (torch.zeros(3, 2), torch.zeros(3), torch.zeros(3)), "6 samples at once"),
    ],
)
def test_the_model_of_the_suite_says_what_does_not_fit(model: Any, given: Any, said: str) -> None:
    with pytest.raises(RuntimeError, match=said):
        model(*given)


def test_two_calls_are_told_by_the_model_itself() -> None:
    failed = GUIDANCE.failed_tests("guided_eps", {"guided_eps": GUIDANCE.mistake("two_calls").object})
    assert set(failed) == {"one_call", "one_call_for_every_scale"}
    assert "the model was called a second time; one call is enough" in str(failed["one_call"])


def test_a_wrong_rate_is_told_with_what_it_came_to() -> None:
    keeps = {"drop_condition": GUIDANCE.mistake("keeps_with_p").object}
    said = str(GUIDANCE.failed_tests("drop_condition", keeps)["how_many"])
    assert re.fullmatch(r"of \d+ samples, a share of 0\.(89|90|91) was dropped, for p = 0\.1", said)
