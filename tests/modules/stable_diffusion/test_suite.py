"""What only the hidden suite of `stable_diffusion` has: a network and an autoencoder that it hands out."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from ..bank import bank

SD = bank("stable_diffusion")
SUITE = SD.suite
X = torch.randn(3, 2, 3, 4, generator=torch.Generator().manual_seed(0))
CONTEXT = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(1))


def test_the_network_of_the_suite_tells_samples_times_and_contexts_apart() -> None:
    network = SUITE.Network()
    before = network(X, 5, CONTEXT)
    for other in (network(X + 0.1, 5, CONTEXT), network(X, 6, CONTEXT), network(X, 5, CONTEXT + 1)):
        assert ((other - before).abs().flatten(1).amax(1) > 1e-3).all()
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(network(X[order], torch.tensor([5] * 3), CONTEXT[order]), before[order])


@pytest.mark.parametrize(
    ("network", "given", "said"),
    [
        (SUITE.Network(rows=6), (X, 5, CONTEXT), "is to get 6 samples at once; it was given 3"),
        (SUITE.Network(), (X, 5, CONTEXT[:2]), "3 samples, but 2 contexts"),
        (SUITE.Network(), (X, torch.tensor([1, 2]), CONTEXT), "3 samples, but 2 timesteps"),
        (SUITE.Network(calls=0), (X, 5, CONTEXT), "was asked more than 0 times"),
    ],
)
def test_the_network_of_the_suite_says_what_does_not_fit(network: Any, given: Any, said: str) -> None:
    with pytest.raises(RuntimeError, match=said):
        network(*given)


def test_two_calls_at_a_timestep_are_told_by_the_network_itself() -> None:
    failed = SD.failed_tests("denoising_loop", {"denoising_loop": SD.mistake("two_calls").object})
    assert "one_call_a_timestep" in failed
    assert re.search(r"is to get \d samples at once|asked more than", str(failed["one_call_a_timestep"]))


def test_a_kept_graph_is_all_that_is_wrong_with_it() -> None:
    failed = SD.failed_tests("encode_latents", {"encode_latents": SD.mistake("keeps_the_graph").object})
    assert set(failed) == {"no_graph"}
    assert "carries a graph" in str(failed["no_graph"])


def test_an_autoencoder_that_is_asked_twice_says_so() -> None:
    def asks_twice(encode: Any, pictures: Any, noise: Any, scale: float = 0.18215, shift: float = 0.0) -> Any:
        encode(pictures)
        return SD.reference.encode_latents(encode, pictures, noise, scale, shift)

    failed = SD.failed_tests("encode_latents", {"encode_latents": asks_twice})
    assert "asked a second time; once is enough" in str(failed["encodes"])
