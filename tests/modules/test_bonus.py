"""The bonus tasks: each module's two, what their checks say of right answers and of some wrong ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from course.catalogue.syllabus import load
from course.checking import examine
from course.checking.report import Report

MODULES = load().modules
BONUSES = [(module.id, bonus.id) for module in MODULES for bonus in module.bonus]


def report(module: str, id: str, **names: Any) -> Report:
    """What `check` says of the solution, with `names` in the place of its own."""
    entry = load().module(module)
    (bonus,) = (bonus for bonus in entry.bonus if bonus.id == id)
    answers = import_module(f"solutions.bonus.{module}")
    given = {name: names.get(name, getattr(answers, name)) for name in bonus.defines}
    return examine.on_exercise(entry, bonus, given, uses="")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.id)
def test_a_module_has_two_and_one_of_them_is_open(module: Any) -> None:
    assert sorted(bonus.open for bonus in module.bonus) == [False, True]


@pytest.mark.parametrize(("module", "id"), BONUSES)
def test_the_answer_of_the_solutions_passes(module: str, id: str) -> None:
    said = report(module, id)
    assert said.passed, said.text()
    assert said.lines[-1].endswith("A bonus has no points.")
    assert not any(line.startswith("!") for line in said.lines), said.text()  # of a GPU


@pytest.mark.parametrize(("module", "id"), BONUSES)
def test_it_earns_nothing_and_is_graded_nowhere(module: str, id: str) -> None:
    entry = load().module(module)
    assert id not in {exercise.id for exercise in entry.graded}
    with pytest.raises(KeyError):
        entry.exercise(id)


# --- Wrong answers ----------------------------------------------------------------------------------------


def each_block_by_itself(q: Tensor, k: Tensor, v: Tensor, block: int) -> Tensor:
    parts = [
        torch.softmax(q @ keys.mT / math.sqrt(q.shape[-1]), -1) @ values
        for keys, values in zip(k.split(block, -2), v.split(block, -2), strict=True)
    ]
    return torch.stack(parts).mean(0)


def all_at_once(q: Tensor, k: Tensor, v: Tensor, block: int) -> Tensor:
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1) @ v


def never_divided(q: Tensor, k: Tensor, v: Tensor, block: int) -> Tensor:
    blocks = zip(k.split(block, -2), v.split(block, -2), strict=True)
    return sum(torch.exp(q @ keys.mT / math.sqrt(q.shape[-1])) @ values for keys, values in blocks)  # type: ignore[return-value]


def louder_and_no_share(weights: Tensor, word: int, strength: float) -> Tensor:
    louder = weights.clone()
    louder[:, word] *= math.exp(strength)
    return louder


def softer(weights: Tensor, word: int, strength: float) -> Tensor:
    return import_module("solutions.bonus.attention").emphasise(weights, word, -strength)  # type: ignore[no-any-return]


def nothing_else_is_heard(weights: Tensor, word: int, strength: float) -> Tensor:
    return torch.eye(weights.shape[1])[word].expand_as(weights)


def strides_forgotten(layers: list[tuple[int, int]]) -> int:
    return 1 + sum(kernel - 1 for kernel, _ in layers)


def strides_too_early(layers: list[tuple[int, int]]) -> int:
    seen, step = 1, 1
    for kernel, stride in layers:
        step *= stride
        seen += (kernel - 1) * step
    return seen


def the_original_damaged(unet: nn.Module) -> nn.Module:
    with torch.no_grad():
        unet.get_parameter("conv_out.bias").add_(1)
    return unet


def not_damaged(unet: nn.Module) -> nn.Module:
    return unet


def roots_exchanged(x0: Tensor, noise: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = alphas_cumprod[t].reshape(-1, *[1] * (x0.ndim - 1)).to(x0.dtype)
    return abar.sqrt() * x0 + (1 - abar).sqrt() * noise


def through_the_noise(xt: Tensor, v: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = alphas_cumprod[t].reshape(-1, *[1] * (xt.ndim - 1)).to(xt.dtype)
    noise = (1 - abar).sqrt() * xt + abar.sqrt() * v
    return (xt - (1 - abar).sqrt() * noise) / abar.sqrt()


def alphas_and_no_betas(T: int) -> Tensor:
    return torch.linspace(1, 0, T, dtype=torch.float64)


def much_too_gentle(T: int) -> Tensor:
    return torch.full((T,), 1e-4, dtype=torch.float64)


def at_random(count: int, T: int, generator: torch.Generator) -> Tensor:
    return torch.randint(T, (count,), generator=generator)


def smallest_first(count: int, T: int, generator: torch.Generator) -> Tensor:
    return (
        ((torch.arange(count) + torch.rand(count, generator=generator)) * T / count).long().clamp(max=T - 1)
    )


def plain_loss(snr: Tensor) -> Tensor:
    return torch.ones_like(snr)


def inverted_ratio(snr: Tensor) -> Tensor:
    return 1 / snr


def all_guided(
    model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, low: int, high: int
) -> Tensor:
    u, c = model(torch.cat([x, x]), torch.cat([t, t]), torch.cat([null.expand_as(cond), cond])).chunk(2)
    return u + w * (c - u)  # type: ignore[no-any-return]


def one_time_for_all(
    model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, low: int, high: int
) -> Tensor:
    u, c = model(torch.cat([x, x]), torch.cat([t, t]), torch.cat([null.expand_as(cond), cond])).chunk(2)
    return u + w * (c - u) if low <= t[0] <= high else c  # type: ignore[no-any-return]


def the_same_everywhere(t: int) -> float:
    return 3.0


def far_too_large(t: int) -> float:
    return float(t)


def shared_out_among_pixels(q: Tensor, k: Tensor, height: int, width: int) -> Tensor:
    shares = torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-2).mean(1)
    return shares.mT.unflatten(2, (height, width))


def transposed_maps(q: Tensor, k: Tensor, height: int, width: int) -> Tensor:
    shares = torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1).mean(1)
    return shares.unflatten(1, (height, width))


def in_a_straight_line(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    one, other = torch.randn(2, *shape, generator=generator)
    return torch.stack([(1 - k / 11) * one + k / 11 * other for k in range(12)])


def no_two_alike(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(12, *shape, generator=generator)


def the_first_rows(base: Tensor, tuned: Tensor, r: int) -> tuple[Tensor, Tensor]:
    return (tuned - base)[:r], torch.eye(len(base))[:, :r]


def sizes_twice(base: Tensor, tuned: Tensor, r: int) -> tuple[Tensor, Tensor]:
    left, sizes, right = torch.linalg.svd(tuned - base, full_matrices=False)
    return sizes[:r, None] * right[:r], left[:, :r] * sizes[:r]


def all_of_them(sizes: dict[str, int], budget: int) -> list[str]:
    return list(sizes)


def none_of_them(sizes: dict[str, int], budget: int) -> list[str]:
    return []


def prediction_without_noise(
    score: Any, x: Tensor, sigmas: list[float], scale: float, noises: Tensor
) -> Tensor:
    for k, (a, b) in enumerate(itertools.pairwise(sigmas)):
        x = x + (a**2 - b**2) * score(x, x.new_full((len(x),), a))
        x = x + scale * b**2 / 2 * score(x, x.new_full((len(x),), b)) + scale**0.5 * b * noises[2 * k + 1]
    return x


def difference_of_the_sigmas(
    score: Any, x: Tensor, sigmas: list[float], scale: float, noises: Tensor
) -> Tensor:
    for k, (a, b) in enumerate(itertools.pairwise(sigmas)):
        x = x + (a - b) * score(x, x.new_full((len(x),), a)) + (a - b) ** 0.5 * noises[2 * k]
        x = x + scale * b**2 / 2 * score(x, x.new_full((len(x),), b)) + scale**0.5 * b * noises[2 * k + 1]
    return x


def equal_distances(count: int) -> list[float]:
    return torch.linspace(4, 0.05, count).tolist()  # type: ignore[no-any-return]


def rising_levels(count: int) -> list[float]:
    return torch.linspace(0.05, 4, count).tolist()  # type: ignore[no-any-return]


def euler_too_short(x: Tensor, x0: Tensor, sigma: float, sigma_next: float, noise: Tensor) -> Tensor:
    up = (sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2) ** 0.5
    return x + (sigma_next - sigma) * (x - x0) / sigma + up * noise


def fresh_by_variance(x: Tensor, x0: Tensor, sigma: float, sigma_next: float, noise: Tensor) -> Tensor:
    down = sigma_next**2 / sigma
    return x + (down - sigma) * (x - x0) / sigma + (sigma_next**2 - down**2) * noise


def trailing_again(n: int) -> list[int]:
    return [round(1000 * k / n) - 1 for k in range(n, 0, -1)]


def far_too_late(n: int) -> list[int]:
    return list(range(10 * n - 1, -1, -10))


def without_the_mlp(tokens: int, dim: int, hidden: int) -> int:
    return 4 * tokens * dim**2 + 2 * tokens**2 * dim


def in_float(tokens: int, dim: int, hidden: int) -> float:
    return 4.0 * tokens * dim**2 + 2 * tokens**2 * dim + 2 * tokens * dim * hidden


def always_red(sigma: float) -> str:
    return "a large red circle on black"


def too_small(sigma: float) -> str:
    return "a large red circle on black" if sigma > 0.5 else "a small red circle on black"


WRONG: list[tuple[str, str, str, Callable[..., Any], str]] = [
    ("attention", "attention_in_blocks", "", each_block_by_itself, "Each block was averaged by itself"),
    ("attention", "attention_in_blocks", "", all_at_once, "as large as all the scores"),
    ("attention", "attention_in_blocks", "", never_divided, "not divided by the sum of all weights"),
    ("attention", "emphasise", "", louder_and_no_share, "a row adds up to"),
    ("attention", "emphasise", "", softer, "no louder than before"),
    ("attention", "emphasise", "", nothing_else_is_heard, "the largest error is"),
    ("unet", "receptive_field", "", strides_forgotten, "neighbours lie two pixels apart"),
    ("unet", "receptive_field", "", strides_too_early, "not the layer's own kernel"),
    ("unet", "sabotage", "", the_original_damaged, "`conv_out.bias` of the original has changed"),
    ("unet", "sabotage", "", not_damaged, "that is no fault"),
    ("noise", "v_prediction", "v_target", roots_exchanged, "This is x_t"),
    ("noise", "v_prediction", "x0_from_v", through_the_noise, "there is NaN in the result"),
    ("noise", "my_schedule", "", alphas_and_no_betas, "the betas go from 0 to 1"),
    ("noise", "my_schedule", "", much_too_gentle, "left at the end"),
    ("training", "stratified_timesteps", "", at_random, "the tenths that they lie in are"),
    (
        "training",
        "stratified_timesteps",
        "",
        smallest_first,
        "the first of four always comes from the quarters",
    ),
    ("training", "my_weight", "", plain_loss, "then it is the plain loss"),
    ("training", "my_weight", "", inverted_ratio, "for the ratios"),
    ("sampling", "ancestral_step", "", euler_too_short, "Euler's step goes to sigma_next"),
    ("sampling", "ancestral_step", "", fresh_by_variance, "multiplied by its variance"),
    ("sampling", "my_timesteps", "", trailing_again, "that is trailing or leading"),
    ("sampling", "my_timesteps", "", far_too_late, "for n = 2 the first is 19"),
    ("guidance", "interval_guided_eps", "", all_guided, "All samples are guided"),
    ("guidance", "interval_guided_eps", "", one_time_for_all, "One timestep decides"),
    ("guidance", "my_scale", "", the_same_everywhere, "then it is plain guidance"),
    ("guidance", "my_scale", "", far_too_large, "at t = 16 it is 16"),
    ("stable_diffusion", "word_maps", "", shared_out_among_pixels, "add up to 1 over the pixels"),
    ("stable_diffusion", "word_maps", "", transposed_maps, "the shape is"),
    ("stable_diffusion", "my_walk", "", in_a_straight_line, "has a standard deviation of 0."),
    ("stable_diffusion", "my_walk", "", no_two_alike, "between two neighbours"),
    ("lora", "extract_lora", "", the_first_rows, "not the two largest directions"),
    ("lora", "extract_lora", "", sizes_twice, "The sizes count twice"),
    ("lora", "my_targets", "", all_of_them, "it chose layers of 780 weights together"),
    ("lora", "my_targets", "", none_of_them, "a list with a name in it is expected"),
    ("score", "predictor_corrector", "", prediction_without_noise, "The prediction adds no noise"),
    ("score", "predictor_corrector", "", difference_of_the_sigmas, "it is that of their squares"),
    ("score", "my_levels", "", equal_distances, "from 0.489 to 0.05 is a leap"),
    ("score", "my_levels", "", rising_levels, "stands after 0.05"),
    ("vision_transformers", "multiplications", "", without_the_mlp, "it is 84; 144 is right"),
    ("vision_transformers", "multiplications", "", in_float, "a whole number is expected"),
    ("vision_transformers", "my_plan", "", always_red, "it asks for the same all the way"),
    ("vision_transformers", "my_plan", "", too_small, "it asks for what the model cannot draw"),
]


@pytest.mark.parametrize(
    ("module", "id", "name", "answer", "sentence"), WRONG, ids=[wrong[3].__name__ for wrong in WRONG]
)
def test_a_wrong_answer_is_told(
    module: str, id: str, name: str, answer: Callable[..., Any], sentence: str
) -> None:
    said = report(module, id, **{name or id: answer})
    assert said.state == "failed"
    assert sentence in said.text(), said.text()


def test_every_task_has_wrong_answers_here() -> None:
    assert {(module, id) for module, id, *_ in WRONG} == set(BONUSES)
