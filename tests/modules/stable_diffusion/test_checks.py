"""What `check` says of usual mistakes in the stable_diffusion module."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import solutions.stable_diffusion as reference

from ..bank import bank

SD = bank("stable_diffusion")

SAID = {
    "variance_for_deviation": "The noise was multiplied by the variance, not by the standard deviation.",
    "root_of_the_logarithm": "The root was taken of the logarithm",
    "divergence_averaged": "the divergence is their sum",
    "negative": "The sign is wrong: a divergence is never negative.",
    "other_way_round": "This is the divergence the other way round, from the standard normal.",
    "divides": "This is divided by the scale, not multiplied.",
    "shifts_last": "This is scaled first and shifted after.",
    "mean_for_sample": "This is the mean: the noise had no effect.",
    "shift_undone_first": "what was done last is undone first",
    "no_clamp": "The picture goes beyond -1 and 1.",
    "NotCausal": "each token sees itself and those before it",
    "OtherGelu": "This is torch's gelu: CLIP's is x sigmoid(1.702 x).",
    "NoFinalNorm": "The final norm is missing.",
    "NoPlaces": "The place of the token had no effect.",
    "softmaxed": "The weights went through a softmax: they are divided by their sum.",
    "straight_line": "This is the straight line, and too short.",
    "unit_vectors": "Unit vectors came back: lengths are not touched.",
    "no_initial_sigma": "The first noise was not multiplied by init_noise_sigma.",
    "input_not_scaled": "The network saw x as it is: scale_model_input is missing.",
    "steps_from_scaled": "The step went on from the scaled x",
    "halves_exchanged": "Prompt and empty prompt are exchanged: which half is which?",
    "scale_of_the_paper": "This is the scale of the paper: w = 1 should give the prompt's prediction.",
    "two_calls": "was given batches of [3, 3, 3, 3]; both halves fit into one call, so they should be [6, 6]",
    "strength_turned": "This is the number of steps to take",
    "at_least_one": "Strength 0 takes no step at all, not one.",
    "place_for_timestep": "which timestep stands at place 1?",
    "mask_turned": "The mask is turned round: True is to be drawn.",
    "known_left_clean": "The known was put back without noise.",
    "wraps": "alphas_cumprod[-1] is the noisiest timestep; -1 stands for no noise.",
    "as_if_clean": "This noises x as if it were clean: it has the noise of t already.",
    "difference_of_variances": "The noise has the difference of both variances",
    "NotFrozen": "`block.weight` still requires gradients: the block is to be frozen",
    "CopyFrozen": "`copy.weight` requires no gradients, and should learn",
    "HintUngated": "The hint went in without zero_in.",
    "WithoutPicture": "The copy saw the hint alone: it gets x, with the hint added.",
}


class Zeros(reference.TextEncoder):
    """nothing is left as torch initialises it"""

    def __init__(self, *figures: int) -> None:
        super().__init__(*figures)
        self.extra = nn.Parameter(torch.zeros(1))


def test_a_parameter_too_many_is_named() -> None:
    assert "extra" in SD.report("TextEncoder", TextEncoder=Zeros)


def test_a_share_of_steps_that_is_no_whole_number_is_shown_as_it_is() -> None:
    said = SD.report("img2img_start", img2img_start=lambda steps, strength: steps * (1 - strength))
    assert "a whole number is expected, 35.0 was returned" in said


@pytest.mark.parametrize(
    "words", ["a scheduler with timesteps 2 and 1", "a network that predicts x / 2 + t + context"]
)
def test_the_report_shows_scheduler_and_network_in_words(words: str) -> None:
    assert words in SD.said_of("halves_exchanged")
