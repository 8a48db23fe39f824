"""What only the hidden suite of `sampling` has: models that it hands out, and messages of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ..bank import bank

SAMPLING = bank("sampling")
SUITE = SAMPLING.suite


@pytest.mark.parametrize(
    ("t", "said"),
    [
        (7, "a timestep for each sample, an int64 tensor"),
        (torch.tensor([1.0, 1.0, 1.0]), "a timestep for each sample, an int64 tensor"),
        (torch.tensor([1, 1]), "a timestep for each sample, an int64 tensor"),
        (torch.tensor([1, 2, 1]), "stands at one timestep"),
    ],
)
def test_the_network_of_the_suite_says_what_does_not_fit(t: Any, said: str) -> None:
    with pytest.raises(RuntimeError, match=said):
        SUITE.Network()(torch.zeros(3, 2), t)


def test_the_network_tells_timesteps_and_samples_apart() -> None:
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    at = SUITE.Network()(x, torch.full((3,), 4))
    for other in (SUITE.Network()(x, torch.full((3,), 5)), SUITE.Network()(x + 0.1, torch.full((3,), 4))):
        assert ((other - at).abs() > 1e-4).any()


def test_a_kept_graph_is_all_that_is_wrong_with_it() -> None:
    for exercise, mistake in (("sample", "graph_kept"), ("ddim_invert", "invert_graph_kept")):
        failed = SAMPLING.failed_tests(exercise, {exercise: SAMPLING.mistake(mistake).object})
        assert set(failed) == {"no_gradients_are_recorded"}


def test_a_model_that_is_asked_twice_at_a_timestep_says_so() -> None:
    def asks_twice(model: Any, x: Tensor, timesteps: list[int], step: Any) -> Any:
        model(x, torch.full((len(x),), timesteps[0]))
        return SAMPLING.reference.sample(model, x, timesteps, step)

    said = str(SAMPLING.failed_tests("sample", {"sample": asks_twice})["once_at_each_timestep"])
    assert "the model was asked twice at the same timestep" in said
