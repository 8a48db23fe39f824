"""What `check` says of usual mistakes in the noise module."""

from __future__ import annotations

import torch
from torch import Tensor

import solutions.noise as reference

from ..bank import bank

NOISE = bank("noise")

SAID = {
    "linear_without_its_end": "The end is missing: five numbers have four gaps between them",
    "linear_with_one_too_many": "These are six numbers, one more than there are steps.",
    "linear_with_fixed_ends": "These are its own default ends",
    "linear_alphas": "These fall: beta is the noise that a step adds",
    "linear_in_float32": "the dtype is float32 for no dtype, it should be float64",
    "scaled_without_roots": "These numbers are evenly spaced themselves",
    "scaled_not_squared": "These are the roots: they have to be squared again.",
    "scaled_the_wrong_way_round": "Here the squares of the numbers are evenly spaced",
    "scaled_squared_only": "whose roots were never taken",
    "ones_before_the_batch": "The ones stand before the batch",
    "one_dimension_too_many": "There is a dimension too many: B is one itself.",
    "not_reshaped": "now give them the shape [B, 1, 1, 1]",
    "first_timestep_for_all": "Both samples got the value of the first one's timestep.",
    "one_timestep_early": "These are the values one timestep too early.",
    "the_first_ones": "These are the first two values",
    "always_four_dimensions": "for ndim=1 and 3 samples the shape is (3, 1, 1, 1), it should be (3,)",
    "cast_to_single": "the dtype is float32, it should be float64",
    "no_roots": "This is what comes out without the root of 0.64.",
    "one_minus_the_root": "This is 1 minus the root, it should be the root of 1 minus.",
    "no_root_of_the_noise": "This is what comes out without the root of 1 - 0.64.",
    "picture_does_not_fade": "The picture does not fade",
    "swapped": "The two factors are swapped.",
    "one_step_early": "This is the value of the timestep before, t - 1.",
    "noise_drawn_inside": "called again with the same arguments it gave another result",
    "multiplied_up_again": "Here alphas_cumprod was multiplied up once more",
    "first_timestep_for_the_batch": "Both samples were noised up to the timestep of the first.",
    "for_pictures_only": "the shape is (2, 1, 2, 3), it should be (2, 3)",
    "dtype_of_the_table": "float32",
    "changed_in_place": "it changed its argument x0: make a new tensor instead",
    "upside_down": "This is noise to signal.",
    "the_logarithm": "This is the logarithm of the ratio.",
    "in_decibels": "This is the ratio in decibels.",
    "ratio_of_deviations": "it has a root too many",
    "signal_of_one": "Above the line stands a 1",
    "cosine_without_cap": "The last beta is not capped: max_beta is 0.999.",
    "cosine_clipped_as_annotated": "as in The Annotated Diffusion Model",
    "cosine_with_fixed_cap": "max_beta is not used: it is 0.5 here.",
    "cosine_not_squared": "The cosine is not squared.",
    "cosine_without_offset": "The offset s is missing.",
    "cosine_one_too_few": "T steps have T + 1 ends",
    "cosine_idle_first_step": "The first step adds no noise",
    "cosine_alphas_cumprod": "These are values of alphas_cumprod, not betas.",
    "cosine_cap_on_alphas_cumprod": "The cap was put on f; it belongs on the betas.",
    "sigmoid_not_moved": "This is the sigmoid itself",
    "sigmoid_of_the_wrong_span": "It is stretched by beta_end",
    "sigmoid_stretched": "It reaches its ends exactly",
    "without_the_root": "Here alphas_cumprod was shifted and scaled; it should be its root.",
    "only_the_last_one": "Only the last beta has changed",
    "not_scaled": "Shifted, but not scaled",
    "scaled_to_one": "Scaled to begin at 1",
    "root_not_undone": "The root has not been undone",
    "alphas_cumprod_returned": "This is alphas_cumprod: go back from it to betas.",
    "alphas_returned": "This is what each step leaves; a beta is what it adds.",
    "first_one_lost": "The first beta is missing",
    "betas_changed_in_place": "it changed its argument betas",
    "deviation_returned": "This is the standard deviation; the variance is its square.",
    "logarithm_returned": "This is the logarithm of the variance.",
    "same_step_for_both": "abar of the same step under the root",
    "wraps_around": "an index of -1 wraps around",
    "clamped_at_zero": "At t = 0 abar of the step before is 1",
    "factors_swapped": "x0 has the factor of xt.",
    "beta_as_variance": "This is beta; whoever knows x0 as well knows more.",
    "no_root_for_xt": "This is what comes out without the root.",
    "root_of_the_same_step": "abar of the same step under the root",
    "not_divided": "This is not divided by 1 - abar.",
    "variance_not_shaped": "now give them the shape [B, 1, ..., 1]",
    "decided_for_the_batch": "One sample at t = 0 has decided for the whole batch.",
    "dtype_of_the_betas": "float32 pictures and float64 betas make a float64 mean",
}


def test_the_variance_of_a_whole_picture_is_told_to_be_too_much() -> None:
    def spread_out(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = reference.q_posterior(x0, xt, t, betas)
        return mean, variance.expand(x0.shape).clone()

    assert "spread out over the whole picture" in NOISE.report("q_posterior", q_posterior=spread_out)


def test_a_mean_without_its_variance_is_answered_in_a_sentence() -> None:
    def mean_only(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> Tensor:
        return reference.q_posterior(x0, xt, t, betas)[0]

    assert "two tensors are expected, the mean and the variance" in NOISE.report(
        "q_posterior", q_posterior=mean_only
    )


def test_parentheses_forgotten_in_the_ratio_are_told() -> None:
    assert "parentheses are missing" in NOISE.report(
        "signal_to_noise", signal_to_noise=lambda abar: abar / 1 - abar
    )


def test_a_table_left_on_the_cpu_is_told_to_fail_on_a_gpu() -> None:
    def with_a_table_of_its_own(values: Tensor, t: Tensor, ndim: int) -> Tensor:
        return torch.tensor(values.tolist(), dtype=values.dtype)[t].reshape(-1, *[1] * (ndim - 1))

    text = NOISE.report("extract", extract=with_a_table_of_its_own)
    assert "✗" not in text
    assert "This would fail on a GPU" in text
