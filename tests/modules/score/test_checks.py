"""What `check` says of usual mistakes in the score module."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..bank import bank

SCORE = bank("score")

SAID = {
    "without_sign": "The sign is missing: noise leads away from the data",
    "without_root": "This is divided by the variance of the noise",
    "by_the_signal": "This is divided by what is left of the picture.",
    "multiplied": "This is multiplied by the noise's deviation",
    "a_step_early": "These are the scores one timestep too early.",
    "one_for_all": "Both samples got the first one's timestep.",
    "divides_again": "Here eps_from_score divides",
    "keeps_the_sign": "Here eps_from_score keeps the sign",
    "without_weights": "The weights are left out.",
    "without_heights": "Here a wide Gaussian is as high as a narrow one.",
    "heights_of_one_dimension": "Here the height is that of one dimension",
    "downhill": "This leads downhill",
    "deviations_for_variances": "Here the deviation stands where the variance should.",
    "over_the_batch": "Here the shares add up to 1 over the batch",
    "without_half": "The half in the exponent is missing.",
    "mean_of_the_scores": "Here the scores are averaged by their weights",
    "of_p_itself": "This is the slope of p itself",
    "underflows": "✗ A hundred deviations away all densities underflow",
    "subtracted": "This moves away from the data",
    "not_squared": "Here sigma is not squared.",
    "half_of_it": "This is half of the correction.",
    "first_sigma_for_all": "Both samples got the first one's sigma.",
    "without_x": "This is the correction alone, without x.",
    "target_with_other_sign": "The target has the wrong sign.",
    "unweighted": "The weight sigma^2 is missing.",
    "weight_not_squared": "The weight is sigma, and it should be its square.",
    "target_over_variance": "The target is divided by the variance",
    "asked_with_clean_ones": "The model was asked at the clean samples.",
    "noised_alike": "The noise is added without its sigma.",
    "with_a_half": "This is half of the loss",
    "summed": "Here a sample's squares are added up",
    "as_in_the_blog": "This is the step as Song's blog counts it",
    "noise_without_root": "it should be by its root",
    "walks_downhill": "This walks downhill",
    "score_not_halved": "The score is not halved.",
    "without_noise": "No noise is added.",
    "same_step": "Here the step is the same at every level",
    "step_by_sigma": "Here the step goes with sigma",
    "levels_rising": "Here the smallest level comes first",
    "noises_again": "takes the noises of the first again",
    "one_step_a_level": "Here there is one step at each level.",
    "not_centred": "The rows are not centred",
    "one_less": "The covariance is divided by N - 1",
    "sigma_not_squared": "Here sigma is not squared.",
    "noise_over_rows": "The noise is divided by the number of rows.",
    "inverse_alone": "This is the inverse alone",
    "bias_is_the_mean": "The bias is the mean",
    "column_by_column": "Here each column is denoised by itself.",
    "added": "The correction has the wrong sign.",
    "factor_missing": "A factor is missing before the slope",
    "factor_without_root": "The factor is the variance of the noise",
    "factor_of_the_signal": "The factor is that of the picture.",
    "mean_over_the_batch": "Here the gradient shrinks with the batch",
    "slope_of_p": "This is the gradient of the probability",
    "eps_left_out": "This is the correction alone, without eps.",
    "scale_ignored": "The scale is not used.",
    "needs_gradients": "does not require grad",
    "gradient_of_the_sum": "Here all four derivatives are added up",
    "over_all_samples": "Here the samples of the batch are added up.",
    "mean_of_the_diagonal": "This is the mean of the diagonal",
    "first_entry": "This is the first entry of the diagonal alone.",
    "one_probe": "This is what the probe (1, -1) gives",
    "one_side": "Here the probe is multiplied from one side only.",
    "prior_without_constant": "The prior's normalising constant is forgotten.",
    "constant_of_one_dimension": "The prior's constant is counted for one number",
    "trace_subtracted": "The divergence is subtracted",
    "euler_steps": "This is a step of Euler's",
    "trace_by_euler": "Here the divergence is that of the step's start alone.",
    "sigma_squared_in_the_flow": "Here sigma^2 stands before the score",
    "half_of_the_flow": "This is half of the flow",
}


def by_torch_func(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """functorch transforms"""
    rows = [torch.func.jacrev(lambda z: f(z[None])[0].flatten())(own).flatten(1).trace() for own in x]
    return torch.stack(rows)


# Right for many functions, and not for a model into which torch.func cannot look: the docstring says so.
ALSO_NAMED = [("divergence", by_torch_func)]


def test_models_are_shown_in_words() -> None:
    assert "model = a model whose score is -x" in SCORE.said_of("unweighted")
    assert "score = a score that is -x / sigma^2" in SCORE.said_of("same_step")
    assert "f = f(a, b) = (a^2 + 3 b, 5 a + b^2)" in SCORE.said_of("first_entry")
