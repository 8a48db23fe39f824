"""What `check` says of usual mistakes in the sampling module."""

from __future__ import annotations

from ..bank import bank

SAMPLING = bank("sampling")

SAID = {
    "ddpm_wraps": "there is NaN in the result",
    "ddpm_beta_of_one_step": "Here beta is that of one timestep, and the jump goes over two.",
    "ddpm_stops_at_zero": "Nothing happened at the last step: -1 is not timestep 0.",
    "ddpm_always_clipped": "x0 was limited, although nobody asked for it.",
    "told_an_int": "it raised ValueError: the model got x of shape (2, 3), and t 7: it wants one for each",
    "down_by_one": "each step goes down by 1, and not to the next of the list",
    "graph_kept": "the way back is kept: the result requires gradients",
    "both_ends": "this is another spacing, with both ends in it",
    "no_word_about_it": "for spacing = 'linspace' it raised nothing, and gave [9, 6, 2]",
    "times_in_a_tensor": "a list of Python ints is expected, Tensor was returned",
    "stale_noise": "The noise is still that of before: with the limited x0 it no longer makes up xt.",
    "eta_not_squared": "Here eta multiplies the variance; it is to multiply the standard deviation.",
    "told_where_it_is": "it is to be told where the step leads to",
    "r_in_timesteps": "they are to be compared in lambda",
    "slope_at_zero": "there is infinity in the result",
    "second_at_the_old_point": "Here the second slope is that of the old point.",
    "divisor_too_large": "The divisor is 1 + (shift - 1) sigma.",
}


def test_another_error_than_the_one_that_is_promised_is_named() -> None:
    def refuses(T: int, n: int, spacing: str = "leading") -> list[int]:
        if spacing not in ("leading", "trailing"):
            raise KeyError(spacing)
        found: list[int] = SAMPLING.reference.ddim_timesteps(T, n, spacing)
        return found

    said = SAMPLING.report("ddim_timesteps", ddim_timesteps=refuses)
    assert "for spacing = 'linspace' it raised KeyError, not ValueError" in said
