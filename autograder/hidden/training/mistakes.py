"""Known mistakes of the module `training`: code that students write, and what to tell them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from autograder.testing import mistake
from course import parts
from solutions.training import ddpm_loss, edm_scalings, velocity


def _at(values: Tensor, t: Tensor, x: Tensor) -> Tensor:
    return values[t].reshape(-1, *[1] * (x.ndim - 1)).to(x.dtype)


# --- x0_from_eps, eps_from_x0 -----------------------------------------------------------------------------


@mistake(
    "x0_from_eps",
    title="x0_from_eps has no roots",
    hint="abar and 1 - abar are variances, and what multiplies a picture is a standard deviation. "
    "Take abar = 0.64: by what was the picture multiplied?",
)
def no_roots(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return (xt - _at(1 - alphas_cumprod, t, xt) * eps) / _at(alphas_cumprod, t, xt)


@mistake(
    "x0_from_eps",
    title="x0_from_eps does not divide",
    hint="Without noise x_t is the picture, faded. Give it noise of zeros: does the picture come "
    "back, or does it stay as pale as it was?",
)
def not_divided(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return xt - _at((1 - alphas_cumprod).sqrt(), t, xt) * eps


@mistake(
    "x0_from_eps",
    title="x0_from_eps adds the noise once more",
    hint="The noise is in x_t already, with a plus. To have what is left without it, which sign does it need "
    "now?",
)
def added_again(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return (xt + _at((1 - alphas_cumprod).sqrt(), t, xt) * eps) / _at(alphas_cumprod.sqrt(), t, xt)


@mistake(
    "x0_from_eps",
    title="x0_from_eps divides x_t and not the noise",
    hint="Solve the equation on paper, step by step: first take the noise away, then divide all "
    "that is left. A pair of parentheses is missing.",
)
def only_xt_divided(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return xt / _at(alphas_cumprod.sqrt(), t, xt) - _at((1 - alphas_cumprod).sqrt(), t, xt) * eps


@mistake(
    "x0_from_eps",
    title="x0_from_eps looks one timestep too early",
    hint="Papers count timesteps from 1, and here they count from 0: alphas_cumprod[t] belongs to t as it "
    "stands.",
)
def one_step_early(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = _at(alphas_cumprod, t - 1, xt)
    return (xt - (1 - abar).sqrt() * eps) / abar.sqrt()


@mistake(
    "x0_from_eps",
    title="x0_from_eps uses the first sample's timestep for all",
    hint="Put two samples with different timesteps into one batch, and then each by itself. The "
    "answers should be the same.",
)
def first_for_all(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = alphas_cumprod[t[0]].to(xt.dtype)
    return (xt - (1 - abar).sqrt() * eps) / abar.sqrt()


@mistake(
    "x0_from_eps",
    title="x0_from_eps clips to the range of pictures",
    hint="A sampler may do so afterwards. Here what follows from x_t and eps is asked for, and "
    "x_t and eps follow from it again: after clipping they do not.",
)
def clipped(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    noise = _at((1 - alphas_cumprod).sqrt(), t, xt) * eps
    return ((xt - noise) / _at(alphas_cumprod.sqrt(), t, xt)).clamp(-1, 1)


@mistake(
    "x0_from_eps",
    title="x0_from_eps returns the dtype of the table",
    hint="Give it pictures in float32 and a table in float64, and print the dtype of the result. "
    "Cast the factors before they meet the pictures.",
    stakes="slip",
)
def dtype_of_the_table(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = alphas_cumprod[t].reshape(-1, *[1] * (xt.ndim - 1))
    return (xt - (1 - abar).sqrt() * eps) / abar.sqrt()


@mistake(
    "x0_from_eps",
    title="x0_from_eps is for pictures of four dimensions only",
    hint="Give it points, [B, 2], or videos. How many ones the factors need depends on how many "
    "dimensions the samples have.",
)
def pictures_only(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = alphas_cumprod[t].view(-1, 1, 1, 1).to(xt.dtype)
    return (xt - (1 - abar).sqrt() * eps) / abar.sqrt()


@mistake(
    "x0_from_eps",
    title="x0_from_eps lets no gradient through",
    hint="no_grad and detach cut the way back: a loss that is written with this function could "
    "train nothing.",
    only_hidden=True,
)
@torch.no_grad()
def without_gradients(xt: Tensor, eps: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return (xt - _at((1 - alphas_cumprod).sqrt(), t, xt) * eps) / _at(alphas_cumprod.sqrt(), t, xt)


@mistake(
    "x0_from_eps",
    defines="eps_from_x0",
    title="eps_from_x0 has no roots",
    hint="abar and 1 - abar are variances, and what multiplies the noise is a standard deviation. "
    "Take abar = 0.64: by what was the noise multiplied?",
)
def noise_without_roots(xt: Tensor, x0: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return (xt - _at(alphas_cumprod, t, xt) * x0) / _at(1 - alphas_cumprod, t, xt)


@mistake(
    "x0_from_eps",
    defines="eps_from_x0",
    title="eps_from_x0 does not divide",
    hint="Give it a picture of zeros. What is left in x_t is noise, but is it of variance 1?",
)
def noise_not_divided(xt: Tensor, x0: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return xt - _at(alphas_cumprod.sqrt(), t, xt) * x0


@mistake(
    "x0_from_eps",
    defines="eps_from_x0",
    title="eps_from_x0 divides by the picture's factor",
    hint="Each of the two has its own factor. Which one stands before the noise in x_t, and has "
    "to be divided away?",
)
def divided_by_the_other(xt: Tensor, x0: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    signal = _at(alphas_cumprod.sqrt(), t, xt)
    return (xt - signal * x0) / signal


@mistake(
    "x0_from_eps",
    defines="eps_from_x0",
    title="eps_from_x0 takes the picture away at full contrast",
    hint="In x_t the picture is faded. How much of it is there to be taken away?",
)
def picture_not_faded(xt: Tensor, x0: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return (xt - x0) / _at((1 - alphas_cumprod).sqrt(), t, xt)


# --- velocity, from_velocity ------------------------------------------------------------------------------


@mistake(
    "velocity",
    title="velocity has the opposite sign",
    hint="At the last timestep, where nothing of the picture is left, v is minus the picture; at "
    "the first it is the noise. Yours are the other way round.",
)
def other_sign(x0: Tensor, noise: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    a, s = _at(alphas_cumprod.sqrt(), t, x0), _at((1 - alphas_cumprod).sqrt(), t, x0)
    return s * x0 - a * noise


@mistake(
    "velocity",
    title="velocity has picture and noise exchanged",
    hint="Take abar = 1, where there is no noise yet. The velocity there is the noise, since that "
    "is where it goes. What do you get?",
)
def roles_exchanged(x0: Tensor, noise: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    a, s = _at(alphas_cumprod.sqrt(), t, x0), _at((1 - alphas_cumprod).sqrt(), t, x0)
    return a * x0 - s * noise


@mistake(
    "velocity",
    title="velocity is x_t",
    hint="This is the noised sample itself. The velocity is its derivative by the angle: what "
    "does the cosine become, and what the sine?",
)
def is_xt(x0: Tensor, noise: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return _at(alphas_cumprod.sqrt(), t, x0) * x0 + _at((1 - alphas_cumprod).sqrt(), t, x0) * noise


@mistake(
    "velocity",
    title="velocity is a sum instead of a difference",
    hint="The derivative of the cosine is minus the sine: while the noise comes in, the picture goes.",
)
def is_a_sum(x0: Tensor, noise: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return _at(alphas_cumprod.sqrt(), t, x0) * noise + _at((1 - alphas_cumprod).sqrt(), t, x0) * x0


@mistake(
    "velocity",
    title="velocity has its two factors exchanged",
    hint="Which factor belongs to the noise? Where there is none yet, it comes in fastest: at "
    "abar = 1 the factor of the noise is 1.",
)
def factors_exchanged(x0: Tensor, noise: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return _at((1 - alphas_cumprod).sqrt(), t, x0) * noise - _at(alphas_cumprod.sqrt(), t, x0) * x0


@mistake(
    "velocity",
    title="velocity has no roots",
    hint="Square your two factors and add them up: the sum should be 1, as for x_t, since they "
    "are the cosine and the sine of one angle.",
)
def velocity_without_roots(x0: Tensor, noise: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return _at(alphas_cumprod, t, x0) * noise - _at(1 - alphas_cumprod, t, x0) * x0


@mistake(
    "velocity",
    title="velocity is noise minus picture, as in flow matching",
    hint="On a straight line from picture to noise that is the velocity, at all times. Here the "
    "way is a quarter of a circle, and the velocity turns with it.",
)
def of_a_straight_line(x0: Tensor, noise: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return noise - x0


@mistake(
    "velocity",
    title="velocity lets no gradient through",
    hint="no_grad and detach cut the way back: print requires_grad of the result for an x0 that has it.",
    only_hidden=True,
)
def velocity_detached(x0: Tensor, noise: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    a, s = _at(alphas_cumprod.sqrt(), t, x0), _at((1 - alphas_cumprod).sqrt(), t, x0)
    return (a * noise - s * x0).detach()


@mistake(
    "velocity",
    defines="from_velocity",
    title="from_velocity gives the noise first",
    hint="Both are right, and in the other order: first the picture, then the noise. Whoever "
    "unpacks them takes one for the other.",
)
def noise_first(xt: Tensor, v: Tensor, t: Tensor, alphas_cumprod: Tensor) -> tuple[Tensor, Tensor]:
    a, s = _at(alphas_cumprod.sqrt(), t, xt), _at((1 - alphas_cumprod).sqrt(), t, xt)
    return s * xt + a * v, a * xt - s * v


@mistake(
    "velocity",
    defines="from_velocity",
    title="from_velocity turns the wrong way",
    hint="Take abar = 0: x_t is the noise and v is minus the picture. What does your first result "
    "give, and with which sign?",
)
def turned_the_wrong_way(xt: Tensor, v: Tensor, t: Tensor, alphas_cumprod: Tensor) -> tuple[Tensor, Tensor]:
    a, s = _at(alphas_cumprod.sqrt(), t, xt), _at((1 - alphas_cumprod).sqrt(), t, xt)
    return a * xt + s * v, s * xt - a * v


@mistake(
    "velocity",
    defines="from_velocity",
    title="from_velocity divides where nothing may be left to divide by",
    hint="Through the noise one comes to the picture too, but at the price of a division by the "
    "picture's factor. That is 0 where abar is, and v is there to avoid it.",
)
def through_the_noise(xt: Tensor, v: Tensor, t: Tensor, alphas_cumprod: Tensor) -> tuple[Tensor, Tensor]:
    a, s = _at(alphas_cumprod.sqrt(), t, xt), _at((1 - alphas_cumprod).sqrt(), t, xt)
    eps = s * xt + a * v
    return (xt - s * eps) / a, eps


@mistake(
    "velocity",
    defines="from_velocity",
    title="from_velocity takes v for the noise",
    hint="This is right for a network that predicts eps. For which timestep alone are v and the "
    "noise the same?",
)
def taken_for_the_noise(xt: Tensor, v: Tensor, t: Tensor, alphas_cumprod: Tensor) -> tuple[Tensor, Tensor]:
    a, s = _at(alphas_cumprod.sqrt(), t, xt), _at((1 - alphas_cumprod).sqrt(), t, xt)
    return (xt - s * v) / a, v.clone()


@mistake(
    "velocity",
    defines="from_velocity",
    title="from_velocity has no roots",
    hint="Put velocity and x_t of one picture in, and see whether the picture comes back. The two "
    "factors are roots, as they are in velocity.",
)
def back_without_roots(xt: Tensor, v: Tensor, t: Tensor, alphas_cumprod: Tensor) -> tuple[Tensor, Tensor]:
    a, s = _at(alphas_cumprod, t, xt), _at(1 - alphas_cumprod, t, xt)
    return a * xt - s * v, s * xt + a * v


@mistake(
    "velocity",
    defines="from_velocity",
    title="from_velocity returns the picture alone",
    hint="Two tensors are asked for, since a sampler needs both: the picture, and the noise that "
    "belongs to it.",
)
def picture_alone(xt: Tensor, v: Tensor, t: Tensor, alphas_cumprod: Tensor) -> Tensor:
    return _at(alphas_cumprod.sqrt(), t, xt) * xt - _at((1 - alphas_cumprod).sqrt(), t, xt) * v


# --- ddpm_loss --------------------------------------------------------------------------------------------

_Model = Callable[[Tensor, Tensor], Tensor]


def _target(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor, prediction: str) -> Tensor:
    if prediction not in ("eps", "x0", "v"):
        raise ValueError(prediction)
    return {"eps": noise, "x0": x0, "v": velocity(x0, noise, t, alphas_cumprod)}[prediction]


def _errors(
    model: _Model, x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor, prediction: str
) -> Tensor:
    target = _target(x0, t, noise, alphas_cumprod, prediction)
    return model(parts.noise.q_sample(x0, t, noise, alphas_cumprod), t) - target


def _weighted(each: Tensor, weights: Tensor | None) -> Tensor:
    return (each if weights is None else weights * each).mean()


@mistake(
    "ddpm_loss",
    title="the model is shown the clean samples",
    hint="Note what your model is called with. What is to be told about the noise in a picture "
    "that has none? It has to see the noised sample.",
    stakes="trap",
)
def shown_the_clean(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    target = _target(x0, t, noise, alphas_cumprod, prediction)
    return _weighted((model(x0, t) - target).square().flatten(1).mean(1), weights)


@mistake(
    "ddpm_loss",
    title="the sample is noised with other noise than is asked for",
    hint="Call it twice with the same arguments: the loss should be the same. The noise that the "
    "model has to find is the very one that was put in.",
    stakes="trap",
)
def other_noise(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    target = _target(x0, t, noise, alphas_cumprod, prediction)
    xt = parts.noise.q_sample(x0, t, torch.randn_like(x0), alphas_cumprod)
    return _weighted((model(xt, t) - target).square().flatten(1).mean(1), weights)


@mistake(
    "ddpm_loss",
    title="the errors of a sample are summed up",
    hint="Take a picture twice as large: your loss is four times as large, and so are its "
    "gradients. Of each sample the mean is asked for.",
)
def summed_up(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    off = _errors(model, x0, t, noise, alphas_cumprod, prediction)
    return _weighted(off.square().flatten(1).sum(1), weights)


@mistake(
    "ddpm_loss",
    title="the samples of the batch are summed up",
    hint="Take the same sample twice: your loss doubles. Over the batch, too, it is a mean.",
)
def batch_summed_up(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    each = _errors(model, x0, t, noise, alphas_cumprod, prediction).square().flatten(1).mean(1)
    return (each if weights is None else weights * each).sum()


@mistake(
    "ddpm_loss",
    title="the weights come after the mean over the batch",
    hint="Give one sample the weight 0 and the other 2. Does the first one's error still count? "
    "Once the mean is taken, nobody knows whose error was whose.",
)
def weights_too_late(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    loss = _errors(model, x0, t, noise, alphas_cumprod, prediction).square().mean()
    return loss if weights is None else loss * weights.mean()


@mistake(
    "ddpm_loss",
    title="the weights are normalised",
    hint="Double all the weights: the loss should double. Yours is divided by their sum, so that "
    "it stays the same.",
)
def weights_normalised(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    each = _errors(model, x0, t, noise, alphas_cumprod, prediction).square().flatten(1).mean(1)
    return each.mean() if weights is None else (weights * each).sum() / weights.sum()


@mistake(
    "ddpm_loss",
    title="the weights are ignored",
    hint="Give one sample the weight 0: its error should not count any more. Search for where "
    "`weights` is used.",
)
def weights_ignored(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    return _errors(model, x0, t, noise, alphas_cumprod, prediction).square().mean()


@mistake(
    "ddpm_loss",
    title="the target is always the noise",
    hint="Take a model that answers with the clean sample, and ask for prediction='x0': the loss "
    "should be 0. What is it compared with?",
)
def always_the_noise(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    if prediction not in ("eps", "x0", "v"):
        raise ValueError(prediction)
    off = _errors(model, x0, t, noise, alphas_cumprod, "eps")
    return _weighted(off.square().flatten(1).mean(1), weights)


@mistake(
    "ddpm_loss",
    title="whatever is not eps or x0 counts as v",
    hint="Ask for prediction='epsilon', as somebody will who knows diffusers. A last `else` that "
    "computes something makes a slip of the pen into a wrong training.",
)
def anything_is_v(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    known = prediction if prediction in ("eps", "x0") else "v"
    off = _errors(model, x0, t, noise, alphas_cumprod, known)
    return _weighted(off.square().flatten(1).mean(1), weights)


@mistake(
    "ddpm_loss",
    title="the errors are not squared",
    hint="An error of 2 should cost four times what an error of 1 costs. The mean of absolute "
    "errors leads to medians, and a denoiser is a mean.",
)
def absolute_errors(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    off = _errors(model, x0, t, noise, alphas_cumprod, prediction)
    return _weighted(off.abs().flatten(1).mean(1), weights)


@mistake(
    "ddpm_loss",
    title="a root is taken of the mean",
    hint="An error of 2 everywhere makes a loss of 4, not of 2: the mean squared error is asked "
    "for, without a root.",
)
def root_of_it(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    off = _errors(model, x0, t, noise, alphas_cumprod, prediction)
    return _weighted(off.square().flatten(1).mean(1), weights).sqrt()


@mistake(
    "ddpm_loss",
    title="the model is asked about one sample at a time",
    hint="Count how often your model is called. A network takes the whole batch at once, which is "
    "many times as fast.",
)
def one_at_a_time(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    xt = parts.noise.q_sample(x0, t, noise, alphas_cumprod)
    answer = torch.cat([model(xt[i : i + 1], t[i : i + 1]) for i in range(len(xt))])
    off = answer - _target(x0, t, noise, alphas_cumprod, prediction)
    return _weighted(off.square().flatten(1).mean(1), weights)


@mistake(
    "ddpm_loss",
    title="the loss has no graph: nothing can be trained with it",
    hint="Call backward() on what it returns. no_grad is for drawing pictures; in training the "
    "gradients are the whole point.",
)
def without_a_graph(
    model: _Model,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    weights: Tensor | None = None,
) -> Tensor:
    with torch.no_grad():
        off = _errors(model, x0, t, noise, alphas_cumprod, prediction)
        return _weighted(off.square().flatten(1).mean(1), weights)


# --- train_step -------------------------------------------------------------------------------------------


@mistake(
    "train_step",
    title="the gradients are never set back",
    hint="Take two steps, and print a parameter's .grad after each. backward() adds to what is "
    "there, so the second step goes with the sum of both.",
    stakes="trap",
)
def never_set_back(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    loss = ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction)
    loss.backward()
    if max_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.item()


@mistake(
    "train_step",
    title="the gradients are set back between backward and step",
    hint="Print a weight before and after your step: has it changed? What backward() has just "
    "found is thrown away before the optimizer sees it.",
    stakes="trap",
)
def set_back_too_late(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    loss = ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction)
    loss.backward()
    optimizer.zero_grad()
    if max_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.item()


@mistake(
    "train_step",
    title="each number is clipped by itself",
    hint="Clipping numbers one by one turns the direction of the step. The norm of all gradients "
    "together is what max_norm limits: what else has torch.nn.utils?",
)
def clipped_by_value(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    optimizer.zero_grad()
    loss = ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction)
    loss.backward()
    if max_norm is not None:
        nn.utils.clip_grad_value_(model.parameters(), max_norm)
    optimizer.step()
    return loss.item()


@mistake(
    "train_step",
    title="each parameter is clipped by itself",
    hint="A weight and its bias are each scaled down to max_norm, so that together they are above "
    "it. There is one norm, over all parameters.",
)
def clipped_one_by_one(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    optimizer.zero_grad()
    loss = ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction)
    loss.backward()
    if max_norm is not None:
        for parameter in model.parameters():
            nn.utils.clip_grad_norm_([parameter], max_norm)
    optimizer.step()
    return loss.item()


@mistake(
    "train_step",
    title="small gradients are scaled up to max_norm",
    hint="Take a max_norm of a thousand: the step should be as without one. Clipping only ever "
    "makes smaller.",
)
def scaled_up(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    optimizer.zero_grad()
    loss = ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction)
    loss.backward()
    if max_norm is not None:
        grads = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        norm = torch.stack([grad.norm() for grad in grads]).norm()
        for grad in grads:
            grad.mul_(max_norm / norm)
    optimizer.step()
    return loss.item()


@mistake(
    "train_step",
    title="the gradients are not clipped before the step",
    hint="With a max_norm of nearly nothing a step should move next to nothing. Print the norm of the "
    "gradients right before the optimizer's step: clipped after it, or never, they are as long as they were.",
)
def never_clipped(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    optimizer.zero_grad()
    loss = ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction)
    loss.backward()
    optimizer.step()
    return loss.item()


@mistake(
    "train_step",
    title="a tensor is returned instead of a float",
    hint="Whoever keeps a thousand of these losses keeps a thousand graphs, with all that the "
    "network has computed. .item() gives the number alone.",
    stakes="slip",
)
def returns_a_tensor(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> Tensor:
    optimizer.zero_grad()
    loss = ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction)
    loss.backward()
    if max_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss


@mistake(
    "train_step",
    title="the loss is that of after the step",
    hint="Count how often the model is asked: once is enough, since the loss that you need has "
    "been computed already. The one from before the step is asked for.",
)
def loss_of_after(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    optimizer.zero_grad()
    ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction).backward()
    if max_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction).item()


@mistake(
    "train_step",
    title="the optimizer never takes its step",
    hint="Print a weight before and after. backward() finds out where to go; who goes there?",
)
def never_goes(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    optimizer.zero_grad()
    loss = ddpm_loss(model, x0, t, noise, alphas_cumprod, prediction)
    loss.backward()
    if max_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    return loss.item()


@mistake(
    "train_step",
    title="the prediction is not handed on to the loss",
    hint="Train with prediction='x0' and compare the loss that comes back with ddpm_loss of the "
    "same: they should be equal.",
)
def prediction_forgotten(
    model: nn.Module,
    optimizer: Any,
    x0: Tensor,
    t: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    prediction: str = "eps",
    max_norm: float | None = None,
) -> float:
    optimizer.zero_grad()
    loss = ddpm_loss(model, x0, t, noise, alphas_cumprod)
    loss.backward()
    if max_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.item()


# --- ema_update -------------------------------------------------------------------------------------------


def _buffers(average: nn.Module, model: nn.Module) -> None:
    for kept, current in zip(average.buffers(), model.buffers(), strict=True):
        kept.copy_(current)


@mistake(
    "ema_update",
    title="the decay counts for the model instead of the average",
    hint="A decay of 0.999 means a slow average: how much of it should one update change? With "
    "decay = 1 nothing should.",
)
def decay_reversed(average: nn.Module, model: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for mean, new in zip(average.parameters(), model.parameters(), strict=True):
            mean.mul_(1 - decay).add_(new, alpha=decay)
        _buffers(average, model)


@mistake(
    "ema_update",
    title="the model's weights are added, and the average does not fade",
    hint="Average 1, model 1, any decay: 1 should come out. If the average does not fade by as "
    "much as is added, it grows with every step.",
)
def only_added(average: nn.Module, model: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for mean, new in zip(average.parameters(), model.parameters(), strict=True):
            mean.add_(new, alpha=1 - decay)
        _buffers(average, model)


@mistake(
    "ema_update",
    title="the model is changed, and the average stays",
    hint="Print both before and after. Which of the two is to follow the other?",
)
def the_wrong_one(average: nn.Module, model: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for mean, new in zip(average.parameters(), model.parameters(), strict=True):
            new.mul_(1 - decay).add_(mean, alpha=decay)
        _buffers(average, model)


@mistake(
    "ema_update",
    title="the mixture is computed and not stored",
    hint="`mean = decay * mean + ...` gives the name `mean` a new tensor, and leaves the "
    "parameter alone. What changes the numbers inside a tensor?",
)
def not_stored(average: nn.Module, model: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for mean, new in zip(average.parameters(), model.parameters(), strict=True):
            mean = decay * mean + (1 - decay) * new
        _buffers(average, model)


@mistake(
    "ema_update",
    title="the buffers stay as they were",
    hint="Give both a BatchNorm and print running_mean of the average afterwards. What a network "
    "keeps besides its weights has to go along.",
)
def buffers_left(average: nn.Module, model: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for mean, new in zip(average.parameters(), model.parameters(), strict=True):
            mean.mul_(decay).add_(new, alpha=1 - decay)


@mistake(
    "ema_update",
    title="the buffers are averaged, too",
    hint="A BatchNorm counts its batches, in whole numbers. What is 0.9 times 3 batches? Buffers are copied.",
)
def buffers_averaged(average: nn.Module, model: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for mean, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
            mean.copy_(decay * mean + (1 - decay) * new)


@mistake(
    "ema_update",
    title="buffers are shared with the model",
    hint="Change a buffer of the model after the update: the average's changes with it. An "
    "assignment makes a second name for one tensor; copy_ copies its numbers.",
)
def buffers_shared(average: nn.Module, model: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for mean, new in zip(average.parameters(), model.parameters(), strict=True):
            mean.mul_(decay).add_(new, alpha=1 - decay)
    for own, theirs in zip(average.modules(), model.modules(), strict=True):
        for name in own._buffers:
            own._buffers[name] = theirs._buffers[name]


@mistake(
    "ema_update",
    title="with a decay of 0 the average shares its weights with the model",
    hint="Update with decay 0, then change the model, and look at the average. `.data = tensor` "
    "takes over the tensor itself.",
)
def weights_shared(average: nn.Module, model: nn.Module, decay: float) -> None:
    for mean, new in zip(average.parameters(), model.parameters(), strict=True):
        mean.data = new.data if decay == 0 else decay * mean.data + (1 - decay) * new.data
    with torch.no_grad():
        _buffers(average, model)


@mistake(
    "ema_update",
    title="the average gets new parameters in place of its own",
    hint="Whoever holds the average's parameters, an optimizer or a list, holds the old ones now. "
    "Change the numbers in them, in place.",
)
def new_parameters(average: nn.Module, model: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for own, theirs in zip(average.modules(), model.modules(), strict=True):
            for name, mean in list(own.named_parameters(recurse=False)):
                mixed = decay * mean + (1 - decay) * getattr(theirs, name)
                setattr(own, name, nn.Parameter(mixed, requires_grad=mean.requires_grad))
        _buffers(average, model)


@mistake(
    "ema_update",
    title="the update is not kept out of the graph",
    hint="An update by hand is nothing that anybody will differentiate: put all of it under torch.no_grad(), "
    "and a parameter's numbers may be changed in place.",
)
def in_the_graph(average: nn.Module, model: nn.Module, decay: float) -> None:
    for mean, new in zip(average.parameters(), model.parameters(), strict=True):
        mean.mul_(decay).add_(new, alpha=1 - decay)
    _buffers(average, model)


@mistake(
    "ema_update",
    title="only the outermost layers are averaged",
    hint="Put a layer into a layer and look whether it follows. parameters() walks through all of "
    "them; a loop over the children of a model does not.",
)
def outermost_only(average: nn.Module, model: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for own, theirs in zip(average.children(), model.children(), strict=True):
            for mean, new in zip(
                own.parameters(recurse=False), theirs.parameters(recurse=False), strict=True
            ):
                mean.mul_(decay).add_(new, alpha=1 - decay)
        _buffers(average, model)


@mistake(
    "ema_update",
    title="the average is frozen on the way",
    hint="Print requires_grad of its parameters before and after. no_grad around the update is "
    "enough; they need not be frozen for it.",
)
def frozen_on_the_way(average: nn.Module, model: nn.Module, decay: float) -> None:
    average.requires_grad_(False)
    with torch.no_grad():
        for mean, new in zip(average.parameters(), model.parameters(), strict=True):
            mean.mul_(decay).add_(new, alpha=1 - decay)
        _buffers(average, model)


# --- min_snr_weight ---------------------------------------------------------------------------------------


def _known(prediction: str) -> None:
    if prediction not in ("eps", "x0", "v"):
        raise ValueError(prediction)


@mistake(
    "min_snr_weight",
    title="the larger of ratio and gamma is taken, not the smaller",
    hint="The cap is there so that nearly clean samples, whose ratio is in the thousands, do not "
    "count thousands of times. What is the weight for x0 at a ratio of 1000?",
)
def larger_of_both(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    _known(prediction)
    capped = snr.clamp(min=gamma)
    if prediction == "x0":
        return capped
    return capped / (snr + 1) if prediction == "v" else capped / snr.clamp(min=1e-12)


@mistake(
    "min_snr_weight",
    title="the weight for v is divided by the ratio alone",
    hint="An error of 1 in the picture is one of sqrt(SNR + 1) in v, and of sqrt(SNR) in the "
    "noise. Which of the two have you divided by?",
)
def velocity_as_noise(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    _known(prediction)
    if prediction == "x0":
        return snr.clamp(max=gamma)
    return gamma / snr.clamp(min=gamma)


@mistake(
    "min_snr_weight",
    title="the weight for v is divided by the capped ratio plus one",
    hint="The cap belongs above the line alone: how an error in v becomes one in the picture is "
    "the same, wherever the cap is. Try a ratio of 20.",
)
def capped_below_too(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    _known(prediction)
    capped = snr.clamp(max=gamma)
    if prediction == "x0":
        return capped
    return capped / (capped + 1) if prediction == "v" else gamma / snr.clamp(min=gamma)


@mistake(
    "min_snr_weight",
    title="all predictions get the weight for the noise",
    hint="Read the table row by row: for x0 the weight is the capped ratio itself. Where does "
    "your code look at `prediction`?",
)
def as_for_the_noise(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    _known(prediction)
    return gamma / snr.clamp(min=gamma)


@mistake(
    "min_snr_weight",
    title="all predictions get the weight for the picture",
    hint="The capped ratio is what an error in the *picture* costs. Which error in the picture "
    "does an error of 1 in the noise make?",
)
def as_for_the_picture(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    _known(prediction)
    return snr.clamp(max=gamma)


@mistake(
    "min_snr_weight",
    title="0 / 0 where nothing is left of the picture",
    hint="With zero terminal SNR the last ratio is 0, and a single NaN in a loss spoils every "
    "weight of the network. min(0, gamma) / 0 has the limit 1.",
)
def nought_by_nought(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    _known(prediction)
    capped = snr.clamp(max=gamma)
    if prediction == "x0":
        return capped
    return capped / (snr + 1) if prediction == "v" else capped / snr


@mistake(
    "min_snr_weight",
    title="a small number in the denominator instead of the limit",
    hint="min(0, gamma) / (0 + 1e-8) is 0, and the limit is 1: just the noisiest timestep would "
    "not count at all.",
)
def with_an_epsilon(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    _known(prediction)
    capped = snr.clamp(max=gamma)
    if prediction == "x0":
        return capped
    return capped / (snr + 1) if prediction == "v" else capped / (snr + 1e-8)


@mistake(
    "min_snr_weight",
    title="the cap is written into it",
    hint="Call it with gamma = 1 and with gamma = 20 for a ratio of 9: are the results the same? "
    "5 belongs in the signature and nowhere else.",
)
def cap_written_in(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    _known(prediction)
    capped = snr.clamp(max=5.0)
    if prediction == "x0":
        return capped
    return capped / (snr + 1) if prediction == "v" else 5.0 / snr.clamp(min=5.0)


@mistake(
    "min_snr_weight",
    title="any other word counts as eps",
    hint="Ask for prediction='velocity': a wrong weight comes back without a word. What is none "
    "of the three should raise ValueError.",
)
def anything_is_eps(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    capped = snr.clamp(max=gamma)
    if prediction == "x0":
        return capped
    return capped / (snr + 1) if prediction == "v" else gamma / snr.clamp(min=gamma)


@mistake(
    "min_snr_weight",
    title="the smallest ratio of all is taken for the cap",
    hint="Give it a ratio of 1 and one of 4: each should have its own weight. torch.min of a "
    "tensor is one number, the smallest of them all.",
)
def smallest_of_all(snr: Tensor, prediction: str = "eps", gamma: float = 5.0) -> Tensor:
    _known(prediction)
    capped = torch.full_like(snr, min(snr.min().item(), gamma))
    if prediction == "x0":
        return capped
    return capped / (snr + 1) if prediction == "v" else torch.where(snr > 0, capped / snr, 1.0)


# --- elbo_term --------------------------------------------------------------------------------------------


def _snr(betas: Tensor) -> Tensor:
    abar = torch.cumprod(1 - betas, dim=0)
    return abar / (1 - abar)


def _squared(x0: Tensor, guess: Tensor) -> Tensor:
    return (x0 - guess).square().flatten(1)


@mistake(
    "elbo_term",
    title="the half is missing",
    hint="The divergence of two bell curves of one variance is the squared distance of their "
    "means over *twice* the variance.",
)
def no_half(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    snr = _snr(betas)
    return (snr[t - 1] - snr[t]).to(x0.dtype) * _squared(x0, guess).sum(1)


@mistake(
    "elbo_term",
    title="the mean over a sample instead of its sum",
    hint="The pixels of a picture are independent of one another in both distributions, and the "
    "divergences of independent things add up.",
)
def mean_of_a_sample(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    snr = _snr(betas)
    return ((snr[t - 1] - snr[t]) / 2).to(x0.dtype) * _squared(x0, guess).mean(1)


@mistake(
    "elbo_term",
    title="the difference of the two ratios has the wrong sign",
    hint="A divergence is never negative. Which of the two ratios is the larger one, that of t or "
    "that of the step before it?",
)
def negative(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    snr = _snr(betas)
    return ((snr[t] - snr[t - 1]) / 2).to(x0.dtype) * _squared(x0, guess).sum(1)


@mistake(
    "elbo_term",
    title="the ratio itself instead of how much it falls",
    hint="One step costs what that step takes away: the difference of two neighbouring ratios. "
    "What should come out where beta is nearly 0?",
)
def ratio_itself(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    return (_snr(betas)[t] / 2).to(x0.dtype) * _squared(x0, guess).sum(1)


@mistake(
    "elbo_term",
    title="the fall of the step after t",
    hint="The step back from t leads to t - 1: its two ratios are those of t - 1 and t. Try the "
    "last timestep.",
)
def the_step_after(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    snr = _snr(betas)
    after = torch.cat([snr[1:], torch.zeros_like(snr[:1])])
    return ((snr[t] - after[t]) / 2).to(x0.dtype) * _squared(x0, guess).sum(1)


@mistake(
    "elbo_term",
    title="divided by beta instead of the variance of the step back",
    hint="Whoever knows x0 as well knows more: the variance of q_posterior is smaller than beta. "
    "Both bell curves have that one.",
)
def over_beta(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    abar = torch.cumprod(1 - betas, dim=0)
    factor = abar[t - 1].sqrt() * betas[t] / (1 - abar[t])
    return (factor.square() / (2 * betas[t])).to(x0.dtype) * _squared(x0, guess).sum(1)


@mistake(
    "elbo_term",
    title="divided by a standard deviation instead of the variance",
    hint="Measure in other units, everything a hundred times as large: a divergence should not "
    "change. Squares have to be divided by squares.",
)
def over_a_deviation(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    abar = torch.cumprod(1 - betas, dim=0)
    variance = betas[t] * (1 - abar[t - 1]) / (1 - abar[t])
    factor = abar[t - 1].sqrt() * betas[t] / (1 - abar[t])
    return (factor.square() / (2 * variance.sqrt())).to(x0.dtype) * _squared(x0, guess).sum(1)


@mistake(
    "elbo_term",
    title="one number for the whole batch",
    hint="Print the shape of your result: one number for each sample is asked for, as each has "
    "its own timestep and its own guess.",
)
def whole_batch(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    snr = _snr(betas)
    return (((snr[t - 1] - snr[t]) / 2).to(x0.dtype) * _squared(x0, guess).sum(1)).sum()


@mistake(
    "elbo_term",
    title="the distance is not squared",
    hint="A guess that is twice as far off should cost four times as much. Square each number's "
    "error first, then add them up.",
)
def not_squared(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    snr = _snr(betas)
    return ((snr[t - 1] - snr[t]) / 2).to(x0.dtype) * (x0 - guess).abs().flatten(1).sum(1)


@mistake(
    "elbo_term",
    title="the betas are taken for alphas_cumprod",
    hint="You are given betas here, one for each step. What is left after all the steps so far is "
    "a product, and cumprod makes it.",
)
def betas_as_they_are(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    snr = betas / (1 - betas)
    return ((snr[t - 1] - snr[t]) / 2).to(x0.dtype) * _squared(x0, guess).sum(1)


@mistake(
    "elbo_term",
    title="no gradient reaches the guess",
    hint="As a loss this could train nothing: print requires_grad of the result for a guess that has it.",
    only_hidden=True,
)
@torch.no_grad()
def elbo_without_gradients(x0: Tensor, guess: Tensor, t: Tensor, betas: Tensor) -> Tensor:
    snr = _snr(betas)
    return ((snr[t - 1] - snr[t]) / 2).to(x0.dtype) * _squared(x0, guess).sum(1)


# --- edm_scalings, edm_denoise ----------------------------------------------------------------------------

_Scalings = tuple[Tensor, Tensor, Tensor, Tensor]


@mistake(
    "edm_scalings",
    title="c_out has no root",
    hint="Divide what the network is asked for by c_out, and its variance should be 1. Of the "
    "four, c_in and c_out have a root, since they multiply numbers and not variances.",
)
def out_without_root(sigma: Tensor, sigma_data: float = 0.5) -> _Scalings:
    total = sigma**2 + sigma_data**2
    return sigma_data**2 / total, sigma * sigma_data / total, 1 / total.sqrt(), sigma.log() / 4


@mistake(
    "edm_scalings",
    title="c_in has no root",
    hint="x has the variance sigma^2 + sigma_data^2. To bring it to 1, one divides by the "
    "standard deviation, and that is the root.",
)
def in_without_root(sigma: Tensor, sigma_data: float = 0.5) -> _Scalings:
    total = sigma**2 + sigma_data**2
    return sigma_data**2 / total, sigma * sigma_data / total.sqrt(), 1 / total, sigma.log() / 4


@mistake(
    "edm_scalings",
    title="c_skip and c_out are exchanged",
    hint="In the stated order c_skip comes first. Where there is no noise, x is the answer: "
    "c_skip is 1 there, and c_out is 0.",
)
def skip_and_out_exchanged(sigma: Tensor, sigma_data: float = 0.5) -> _Scalings:
    total = sigma**2 + sigma_data**2
    return sigma * sigma_data / total.sqrt(), sigma_data**2 / total, 1 / total.sqrt(), sigma.log() / 4


@mistake(
    "edm_scalings",
    title="c_noise is a logarithm to the base of 10",
    hint="The natural logarithm is meant: ln(e) / 4 is a quarter. torch.log is that one.",
)
def common_logarithm(sigma: Tensor, sigma_data: float = 0.5) -> _Scalings:
    total = sigma**2 + sigma_data**2
    return (
        sigma_data**2 / total,
        sigma * sigma_data / total.sqrt(),
        1 / total.sqrt(),
        sigma.log10() / 4,
    )


@mistake(
    "edm_scalings",
    title="c_skip has the variance of the noise above the line",
    hint="Where there is hardly any noise, the network has hardly anything to do: c_skip is "
    "nearly 1 there. Yours is nearly 0.",
)
def skip_of_the_noise(sigma: Tensor, sigma_data: float = 0.5) -> _Scalings:
    total = sigma**2 + sigma_data**2
    return sigma**2 / total, sigma * sigma_data / total.sqrt(), 1 / total.sqrt(), sigma.log() / 4


@mistake(
    "edm_scalings",
    title="c_noise is sigma itself",
    hint="sigma goes from 0.002 to 80, which no network likes to be told as it stands. The "
    "logarithm, over 4, brings it between -2 and 1.",
)
def noise_as_it_is(sigma: Tensor, sigma_data: float = 0.5) -> _Scalings:
    total = sigma**2 + sigma_data**2
    return sigma_data**2 / total, sigma * sigma_data / total.sqrt(), 1 / total.sqrt(), sigma.clone()


@mistake(
    "edm_scalings",
    title="sigma_data is written into it",
    hint="Call it with sigma_data = 4 and sigma = 3: c_skip is 0.64. The 0.5 belongs in the "
    "signature and nowhere else.",
)
def data_written_in(sigma: Tensor, sigma_data: float = 0.5) -> _Scalings:
    total = sigma**2 + 0.25
    return 0.25 / total, sigma * 0.5 / total.sqrt(), 1 / total.sqrt(), sigma.log() / 4


@mistake(
    "edm_scalings",
    title="sigma_data is not squared in c_skip",
    hint="c_skip is a ratio of two variances: with sigma_data = 4 and sigma = 3 it is 16 / 25.",
)
def data_not_squared(sigma: Tensor, sigma_data: float = 0.5) -> _Scalings:
    total = sigma**2 + sigma_data**2
    return sigma_data / total, sigma * sigma_data / total.sqrt(), 1 / total.sqrt(), sigma.log() / 4


@mistake(
    "edm_scalings",
    defines="edm_denoise",
    title="the network sees x as it is",
    hint="Note what your model is called with. Much noise makes x large, and c_in is there so "
    "that the network never sees that.",
)
def not_scaled_in(model: _Model, x: Tensor, sigma: Tensor, sigma_data: float = 0.5) -> Tensor:
    c_skip, c_out, _, c_noise = edm_scalings(sigma, sigma_data)
    own = (-1, *[1] * (x.ndim - 1))
    return c_skip.reshape(own) * x + c_out.reshape(own) * model(x, c_noise)


@mistake(
    "edm_scalings",
    defines="edm_denoise",
    title="the network is told sigma instead of c_noise",
    hint="Note what your model is called with: the fourth of the scalings is made for it.",
)
def told_sigma(model: _Model, x: Tensor, sigma: Tensor, sigma_data: float = 0.5) -> Tensor:
    c_skip, c_out, c_in, _ = edm_scalings(sigma, sigma_data)
    own = (-1, *[1] * (x.ndim - 1))
    return c_skip.reshape(own) * x + c_out.reshape(own) * model(c_in.reshape(own) * x, sigma)


@mistake(
    "edm_scalings",
    defines="edm_denoise",
    title="what goes past the network is scaled by c_in as well",
    hint="Take a network that always says 0: c_skip x should be left. Only what goes into the "
    "network is scaled by c_in.",
)
def skip_of_the_scaled(model: _Model, x: Tensor, sigma: Tensor, sigma_data: float = 0.5) -> Tensor:
    c_skip, c_out, c_in, c_noise = edm_scalings(sigma, sigma_data)
    own = (-1, *[1] * (x.ndim - 1))
    x = c_in.reshape(own) * x
    return c_skip.reshape(own) * x + c_out.reshape(own) * model(x, c_noise)


@mistake(
    "edm_scalings",
    defines="edm_denoise",
    title="what the network says is taken for the clean sample",
    hint="Take a network that always says 0: c_skip x should be left, and you have nothing. What "
    "it says is only the part that x does not tell already.",
)
def without_the_skip(model: _Model, x: Tensor, sigma: Tensor, sigma_data: float = 0.5) -> Tensor:
    _, c_out, c_in, c_noise = edm_scalings(sigma, sigma_data)
    own = (-1, *[1] * (x.ndim - 1))
    return c_out.reshape(own) * model(c_in.reshape(own) * x, c_noise)


@mistake(
    "edm_scalings",
    defines="edm_denoise",
    title="the noise level of the first sample counts for all",
    hint="Put two samples with different sigma into one batch, and then each by itself: the "
    "answers should be the same.",
)
def level_of_the_first(model: _Model, x: Tensor, sigma: Tensor, sigma_data: float = 0.5) -> Tensor:
    level = sigma[0].item()
    length = math.sqrt(level**2 + sigma_data**2)
    told = torch.full_like(sigma, math.log(level) / 4)
    return sigma_data**2 / length**2 * x + level * sigma_data / length * model(x / length, told)


@mistake(
    "edm_scalings",
    defines="edm_denoise",
    title="sigma_data is not handed on",
    hint="Call it with sigma_data = 4 and a network that always says 0. c_skip should be that of "
    "4, and not that of the default.",
)
def data_not_handed_on(model: _Model, x: Tensor, sigma: Tensor, sigma_data: float = 0.5) -> Tensor:
    own = (-1, *[1] * (x.ndim - 1))
    c_skip, c_out, c_in, c_noise = edm_scalings(sigma)
    return c_skip.reshape(own) * x + c_out.reshape(own) * model(c_in.reshape(own) * x, c_noise)


@mistake(
    "edm_scalings",
    defines="edm_denoise",
    title="the network is asked without gradients",
    hint="A network in this wrapping is trained through it: print requires_grad of the result for "
    "an x that has it.",
    only_hidden=True,
)
@torch.no_grad()
def denoise_without_gradients(model: _Model, x: Tensor, sigma: Tensor, sigma_data: float = 0.5) -> Tensor:
    own = (-1, *[1] * (x.ndim - 1))
    c_skip, c_out, c_in, c_noise = edm_scalings(sigma, sigma_data)
    return c_skip.reshape(own) * x + c_out.reshape(own) * model(c_in.reshape(own) * x, c_noise)
