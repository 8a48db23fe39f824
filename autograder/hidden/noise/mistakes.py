"""Known mistakes of the module `noise`: code that students write, and what to tell them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autograder.testing import mistake


def _to_each(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    return values[t].view(-1, *[1] * (ndim - 1))


# --- linear_betas and scaled_linear_betas ---------------------------------------------------------------


@mistake(
    "linear_betas",
    title="linear_betas leaves out its end",
    hint="Print the last beta. Python's ranges stop before their end; this one includes both ends, so T "
    "numbers have only T - 1 gaps between them.",
)
def linear_without_its_end(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    return beta_start + (beta_end - beta_start) * torch.arange(T, dtype=dtype) / T


@mistake(
    "linear_betas",
    title="linear_betas gives one beta too many",
    hint="Print the length for T = 4. There is one beta for each step, and the steps are 0 to T - 1.",
)
def linear_with_one_too_many(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    return torch.linspace(beta_start, beta_end, T + 1, dtype=dtype)


@mistake(
    "linear_betas",
    title="linear_betas gives the dtype that torch likes",
    hint="Print the dtype of the result for dtype=torch.float64. torch.linspace makes float32 unless it is "
    "told otherwise.",
    stakes="slip",
)
def linear_in_float32(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    return torch.linspace(beta_start, beta_end, T)


@mistake(
    "linear_betas",
    title="linear_betas has its ends written into it",
    hint="Call it with beta_start=0.1 and beta_end=0.5. What is the first number? The default values belong "
    "in the signature and nowhere else.",
)
def linear_with_fixed_ends(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    return torch.linspace(1e-4, 0.02, T, dtype=dtype)


@mistake(
    "linear_betas",
    title="linear_betas rescales its ends by 1000 / T",
    hint="Some code makes short schedules noisier, so that they end where a thousand steps would. Here the "
    "first beta is beta_start, whatever T is.",
)
def linear_scaled_to_a_thousand(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    scale = 1000 / T
    return torch.linspace(scale * beta_start, scale * beta_end, T, dtype=dtype)


@mistake(
    "linear_betas",
    title="linear_betas gives what a step leaves instead of what it adds",
    hint="These numbers fall. A beta is the variance of the noise that a step adds, and the noise gets "
    "stronger: what you return is 1 - beta.",
)
def linear_alphas(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    return 1 - torch.linspace(beta_start, beta_end, T, dtype=dtype)


@mistake(
    "linear_betas",
    title="linear_betas is evenly spaced on a logarithmic scale",
    hint="Print the differences between neighbours: they should all be equal. In yours the quotients are.",
)
def linear_on_a_logarithmic_scale(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    return torch.logspace(math.log10(beta_start), math.log10(beta_end), T, dtype=dtype)


@mistake(
    "linear_betas",
    defines="scaled_linear_betas",
    title="scaled_linear_betas is plain linear",
    hint="What has to be evenly spaced here is the square root of beta. Take the roots of both ends, space "
    "evenly between them, and undo the root.",
)
def scaled_without_roots(
    T: int, beta_start: float = 0.00085, beta_end: float = 0.012, dtype: torch.dtype = torch.float64
) -> Tensor:
    return torch.linspace(beta_start, beta_end, T, dtype=dtype)


@mistake(
    "linear_betas",
    defines="scaled_linear_betas",
    title="scaled_linear_betas returns the roots",
    hint="Is the first number beta_start? It is its square root: the last step is missing, which undoes the "
    "root.",
)
def scaled_not_squared(
    T: int, beta_start: float = 0.00085, beta_end: float = 0.012, dtype: torch.dtype = torch.float64
) -> Tensor:
    return torch.linspace(beta_start**0.5, beta_end**0.5, T, dtype=dtype)


@mistake(
    "linear_betas",
    defines="scaled_linear_betas",
    title="scaled_linear_betas squares where it should take the root",
    hint="The ends are right and the middle is not: you space evenly between the squares, and take the root "
    "afterwards. Which of the two is to be evenly spaced, beta squared or the root of beta?",
)
def scaled_the_wrong_way_round(
    T: int, beta_start: float = 0.00085, beta_end: float = 0.012, dtype: torch.dtype = torch.float64
) -> Tensor:
    return torch.linspace(beta_start**2, beta_end**2, T, dtype=dtype).sqrt()


@mistake(
    "linear_betas",
    defines="scaled_linear_betas",
    title="scaled_linear_betas squares without having taken the roots",
    hint="Is the first number beta_start? It is its square. The roots of both ends have to be taken first.",
)
def scaled_squared_only(
    T: int, beta_start: float = 0.00085, beta_end: float = 0.012, dtype: torch.dtype = torch.float64
) -> Tensor:
    return torch.linspace(beta_start, beta_end, T, dtype=dtype) ** 2


@mistake(
    "linear_betas",
    defines="scaled_linear_betas",
    title="scaled_linear_betas leaves out its end",
    hint="Print the last beta. Both ends are included, so T numbers have only T - 1 gaps between them.",
)
def scaled_without_its_end(
    T: int, beta_start: float = 0.00085, beta_end: float = 0.012, dtype: torch.dtype = torch.float64
) -> Tensor:
    first, last = beta_start**0.5, beta_end**0.5
    return (first + (last - first) * torch.arange(T, dtype=dtype) / T) ** 2


# --- extract --------------------------------------------------------------------------------------------


@mistake(
    "extract",
    title="always four dimensions",
    hint="It is right for pictures. Call it with ndim=2 and print the shape: how many ones have to follow B?",
)
def always_four_dimensions(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    return values[t][:, None, None, None]


@mistake(
    "extract",
    title="ones for all dimensions, the batch's too",
    hint="Print the shape for ndim=4: it has one dimension too many. B is a dimension itself, so how many "
    "ones are left?",
)
def one_dimension_too_many(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    return values[t].reshape(-1, *[1] * ndim)


@mistake(
    "extract",
    title="the ones stand before the batch",
    hint="Print the shape. Broadcasting lines up the last dimensions: against [B, C, H, W], which dimension "
    "of the pictures do your numbers meet?",
)
def ones_before_the_batch(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    return values[t].reshape(*[1] * (ndim - 1), -1)


@mistake(
    "extract",
    title="not reshaped",
    hint="Print the shape: it is [B]. Against pictures [B, C, H, W] broadcasting would line it up with the "
    "width.",
)
def not_reshaped(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    return values[t]


@mistake(
    "extract",
    title="the first sample's timestep is used for all",
    hint="Give it three different timesteps and print the result. Each sample has a timestep of its own.",
)
def first_timestep_for_all(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    return values[t[0]].repeat(len(t)).reshape(-1, *[1] * (ndim - 1))


@mistake(
    "extract",
    title="the timestep before is used",
    hint="Timesteps count from 0 here, as positions in a tensor do; papers count from 1. What does t = 0 "
    "give with yours?",
)
def one_timestep_early(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    return values[t - 1].reshape(-1, *[1] * (ndim - 1))


@mistake(
    "extract",
    title="the result is cast to float32",
    hint="Compare the dtype of the result with that of the values. Which of your steps changes it? It is to "
    "stay as it is.",
    stakes="slip",
)
def cast_to_single(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    return values[t].float().reshape(-1, *[1] * (ndim - 1))


@mistake(
    "extract",
    title="the first values are used, whatever t says",
    hint="Give it t = [2, 0] and print the result. You cut as many values off the table as there are "
    "samples: t has to say which ones.",
)
def the_first_ones(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    return values[: len(t)].reshape(-1, *[1] * (ndim - 1))


@mistake(
    "extract",
    title="the values lose their gradient",
    hint="`.item()`, `.tolist()`, `.data` and `torch.tensor(...)` make plain numbers, which autograd knows "
    "nothing of. Index the tensor with the tensor t.",
    only_hidden=True,
)
def values_detached(values: Tensor, t: Tensor, ndim: int) -> Tensor:
    picked = torch.tensor([values[step].item() for step in t], dtype=values.dtype, device=values.device)
    return picked.reshape(-1, *[1] * (ndim - 1))


# --- q_sample -------------------------------------------------------------------------------------------


@mistake(
    "q_sample",
    title="no roots",
    hint="alphas_cumprod and what it lacks to 1 are variances. A picture is multiplied with a standard "
    "deviation: which one belongs to a variance of 0.25?",
)
def no_roots(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = _to_each(alphas_cumprod, t, x0.ndim)
    return (abar * x0 + (1 - abar) * noise).to(x0.dtype)


@mistake(
    "q_sample",
    title="1 minus the root instead of the root of 1 minus",
    hint="Square your two factors and add them up: the sum should be 1. Under the second root stands all of "
    "1 - abar.",
)
def one_minus_the_root(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    root = _to_each(alphas_cumprod, t, x0.ndim).sqrt()
    return (root * x0 + (1 - root) * noise).to(x0.dtype)


@mistake(
    "q_sample",
    title="the noise has no root",
    hint="Square your two factors and add them up: the sum should be 1. The first has its root; and the "
    "second?",
)
def no_root_of_the_noise(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = _to_each(alphas_cumprod, t, x0.ndim)
    return (abar.sqrt() * x0 + (1 - abar) * noise).to(x0.dtype)


@mistake(
    "q_sample",
    title="the picture does not fade",
    hint="With noise of zeros, is the result the picture itself? It has to fade as the noise grows, or the "
    "variance grows with it.",
)
def picture_does_not_fade(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = _to_each(alphas_cumprod, t, x0.ndim)
    return (x0 + (1 - abar).sqrt() * noise).to(x0.dtype)


@mistake(
    "q_sample",
    title="picture and noise are swapped",
    hint="At the first timestep, is the result nearly the picture or nearly noise? Which of the two factors "
    "is the large one there?",
)
def swapped(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = _to_each(alphas_cumprod, t, x0.ndim)
    return ((1 - abar).sqrt() * x0 + abar.sqrt() * noise).to(x0.dtype)


@mistake(
    "q_sample",
    title="alphas_cumprod is multiplied up once more",
    hint="You are given the products already. Which argument does your cumprod work on, and what does the "
    "first row of its docstring say about it?",
)
def multiplied_up_again(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = _to_each(torch.cumprod(alphas_cumprod, dim=0), t, x0.ndim)
    return (abar.sqrt() * x0 + (1 - abar).sqrt() * noise).to(x0.dtype)


@mistake(
    "q_sample",
    title="the timestep before is used",
    hint="Timesteps count from 0 here, so t is a position in alphas_cumprod as it stands. What does t - 1 "
    "give for t = 0?",
)
def one_step_early(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = _to_each(alphas_cumprod, t - 1, x0.ndim)
    return (abar.sqrt() * x0 + (1 - abar).sqrt() * noise).to(x0.dtype)


@mistake(
    "q_sample",
    title="noise of its own is drawn",
    hint="Call it twice with the same arguments: the results differ. The noise is given, since whoever "
    "trains a network must know which noise was added.",
)
def noise_drawn_inside(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = _to_each(alphas_cumprod, t, x0.ndim)
    return (abar.sqrt() * x0 + (1 - abar).sqrt() * torch.randn_like(x0)).to(x0.dtype)


@mistake(
    "q_sample",
    title="the first sample's timestep is used for all",
    hint="Give it a batch with two different timesteps, and x0 and noise that are the same in both: do the "
    "results differ? Each sample has its own.",
)
def first_timestep_for_the_batch(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = alphas_cumprod[t[0]]
    return (abar.sqrt() * x0 + (1 - abar).sqrt() * noise).to(x0.dtype)


@mistake(
    "q_sample",
    title="the factors are lined up with the width",
    hint="A factor of shape [B] meets the last dimension of the pictures, not the first: an error, or, for "
    "B = W, stripes. You have written a function that gives it the right shape.",
)
def lined_up_with_the_width(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = alphas_cumprod[t]
    return (abar.sqrt() * x0 + (1 - abar).sqrt() * noise).to(x0.dtype)


@mistake(
    "q_sample",
    title="for pictures only",
    hint="It is right for [B, C, H, W]. Try it on vectors, [B, D]: how many dimensions do your factors have, "
    "and how many should they have?",
)
def for_pictures_only(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = alphas_cumprod[t].view(-1, 1, 1, 1)
    return (abar.sqrt() * x0 + (1 - abar).sqrt() * noise).to(x0.dtype)


@mistake(
    "q_sample",
    title="the result has the table's dtype",
    hint="Print the dtype of the result for float32 pictures and a float64 alphas_cumprod. The larger dtype "
    "wins unless the factors are cast to that of x0.",
)
def dtype_of_the_table(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = _to_each(alphas_cumprod, t, x0.ndim)
    return abar.sqrt() * x0 + (1 - abar).sqrt() * noise


@mistake(
    "q_sample",
    title="the pictures are changed in place",
    hint="`x0 *= ...`, and methods whose name ends in `_`, write into the tensor that the caller still "
    "holds. Print x0 before and after the call, and make a new tensor instead.",
)
def changed_in_place(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = _to_each(alphas_cumprod, t, x0.ndim)
    x0 *= abar.sqrt().to(x0.dtype)
    x0 += (1 - abar).sqrt().to(x0.dtype) * noise
    return x0


@mistake(
    "q_sample",
    title="no gradient flows",
    hint="torch.no_grad() and .detach() are for drawing pictures, not for what somebody may want to "
    "differentiate. Leave them out.",
    only_hidden=True,
)
def without_gradient(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = _to_each(alphas_cumprod, t, x0.ndim)
    return (abar.sqrt() * x0 + (1 - abar).sqrt() * noise).detach().to(x0.dtype)


@mistake(
    "q_sample",
    title="the table takes the pictures' dtype too early",
    hint="Call it with pictures in float16 and a table such as 0.9999. In float16 that number is 1, and what "
    "is left for the noise is 0. Take the roots in the table's own dtype, and cast what comes out.",
    only_hidden=True,
)
def table_cast_first(x0: Tensor, t: Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    abar = _to_each(alphas_cumprod.to(x0.dtype), t, x0.ndim)
    return abar.sqrt() * x0 + (1 - abar).sqrt() * noise


# --- signal_to_noise ------------------------------------------------------------------------------------


@mistake(
    "signal_to_noise",
    title="upside down",
    hint="With hardly any noise, is your number large or small? Signal goes above the line, noise below.",
)
def upside_down(alphas_cumprod: Tensor) -> Tensor:
    return (1 - alphas_cumprod) / alphas_cumprod


@mistake(
    "signal_to_noise",
    title="the logarithm of the ratio",
    hint="It is negative towards the end, which no ratio of variances can be. The pictures below have a "
    "logarithmic axis; the function itself does not take the logarithm.",
)
def the_logarithm(alphas_cumprod: Tensor) -> Tensor:
    return torch.log(alphas_cumprod / (1 - alphas_cumprod))


@mistake(
    "signal_to_noise",
    title="in decibels",
    hint="Engineers write ten times the decimal logarithm. Here it is the plain ratio of the two variances.",
)
def in_decibels(alphas_cumprod: Tensor) -> Tensor:
    return 10 * torch.log10(alphas_cumprod / (1 - alphas_cumprod))


@mistake(
    "signal_to_noise",
    title="the ratio of the standard deviations",
    hint="The two factors of q_sample are roots, since they multiply a picture. The ratio asked for is that "
    "of the variances, without roots.",
)
def ratio_of_deviations(alphas_cumprod: Tensor) -> Tensor:
    return alphas_cumprod.sqrt() / (1 - alphas_cumprod).sqrt()


@mistake(
    "signal_to_noise",
    title="the signal is taken to be 1",
    hint="Where alphas_cumprod is 0, nothing of the picture is left, and the ratio is 0. What is yours? The "
    "picture fades, too.",
)
def signal_of_one(alphas_cumprod: Tensor) -> Tensor:
    return 1 / (1 - alphas_cumprod)


@mistake(
    "signal_to_noise",
    title="a small number is added to the noise",
    hint="Try alphas_cumprod = 1 - 1e-6: the ratio should be a million. The denominator needs no guard, as "
    "it is never 0 here.",
)
def guarded(alphas_cumprod: Tensor) -> Tensor:
    return alphas_cumprod / (1 - alphas_cumprod + 1e-6)


@mistake(
    "signal_to_noise",
    title="small ratios are cut off",
    hint="Where nothing of the picture is left, the ratio is 0, and that is no error. Nothing has to be "
    "clamped, as long as no logarithm is taken.",
    only_hidden=True,
)
def cut_off(alphas_cumprod: Tensor) -> Tensor:
    return (alphas_cumprod / (1 - alphas_cumprod)).clamp(min=1e-4)


# --- cosine_betas and sigmoid_betas ---------------------------------------------------------------------


def _f(u: Tensor, s: float) -> Tensor:
    return torch.cos((u + s) / (1 + s) * math.pi / 2) ** 2


@mistake(
    "cosine_betas",
    title="the cosine's betas are not capped",
    hint="The last beta is 1: that step leaves nothing at all. None may be larger than max_beta.",
)
def cosine_without_cap(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    f = _f(torch.arange(T + 1, dtype=torch.float64) / T, s)
    return (1 - f[1:] / f[:-1]).to(dtype)


@mistake(
    "cosine_betas",
    title="the cosine's betas are clipped to between 0.0001 and 0.9999",
    hint="You may know these two numbers from The Annotated Diffusion Model. The paper has a largest beta of "
    "0.999, here an argument, and no smallest one: print your first betas for T = 1000.",
)
def cosine_clipped_as_annotated(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    f = _f(torch.arange(T + 1, dtype=torch.float64) / T, s)
    return (1 - f[1:] / f[:-1]).clamp(0.0001, 0.9999).to(dtype)


@mistake(
    "cosine_betas",
    title="the cosine's cap is always 0.999",
    hint="Call it with max_beta=0.4. The default value belongs in the signature and nowhere else.",
)
def cosine_with_fixed_cap(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    f = _f(torch.arange(T + 1, dtype=torch.float64) / T, s)
    return (1 - f[1:] / f[:-1]).clamp(max=0.999).to(dtype)


@mistake(
    "cosine_betas",
    title="the cosine is not squared",
    hint="Multiply your betas up again and compare with the formula for f. The cosine itself is the root of "
    "alphas_cumprod: what is missing?",
)
def cosine_not_squared(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + s) / (1 + s) * math.pi / 2)
    return (1 - f[1:] / f[:-1]).clamp(max=max_beta).to(dtype)


@mistake(
    "cosine_betas",
    title="the cosine has no offset",
    hint="Try s=0 and s=0.5: is there a difference? Without the offset the first betas are next to nothing.",
)
def cosine_without_offset(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    f = _f(torch.arange(T + 1, dtype=torch.float64) / T, 0.0)
    return (1 - f[1:] / f[:-1]).clamp(max=max_beta).to(dtype)


@mistake(
    "cosine_betas",
    title="the cosine's offset is added but not divided out",
    hint="At u = 1 the angle should be exactly 90 degrees, whatever s is. What must u + s be divided by?",
)
def cosine_offset_not_divided(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + s) * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=max_beta).to(dtype)


@mistake(
    "cosine_betas",
    title="cosine_betas gives one beta too few",
    hint="Print the length for T = 4. T steps have T + 1 ends, so f is needed at T + 1 places, from 0 to 1.",
)
def cosine_one_too_few(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    f = _f(torch.linspace(0, 1, T, dtype=torch.float64), s)
    return (1 - f[1:] / f[:-1]).clamp(max=max_beta).to(dtype)


@mistake(
    "cosine_betas",
    title="the first step of the cosine adds no noise",
    hint="Print the first beta: it is 0. Step t leads from f(t / T) to f((t + 1) / T), so the first one ends "
    "at f(1 / T), not at f(0).",
)
def cosine_idle_first_step(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    f = _f(torch.arange(T, dtype=torch.float64) / T, s)
    return (1 - f / torch.cat([f[:1], f[:-1]])).clamp(max=max_beta).to(dtype)


@mistake(
    "cosine_betas",
    title="cosine_betas gives alphas_cumprod",
    hint="These numbers fall, and betas should rise. f is what is left after all the steps so far. What does "
    "a single step leave, and what does it add?",
)
def cosine_alphas_cumprod(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    f = _f(torch.arange(T + 1, dtype=torch.float64) / T, s)
    return (f[1:] / f[0]).clamp(max=max_beta).to(dtype)


@mistake(
    "cosine_betas",
    title="the cap is put on alphas_cumprod instead of on beta",
    hint="Which betas change when max_beta is 0.4? The cap belongs at the very end, on the betas themselves.",
)
def cosine_cap_on_alphas_cumprod(
    T: int, s: float = 0.008, max_beta: float = 0.999, dtype: torch.dtype = torch.float64
) -> Tensor:
    f = _f(torch.arange(T + 1, dtype=torch.float64) / T, s).clamp(min=1 - max_beta)
    return (1 - f[1:] / f[:-1]).to(dtype)


@mistake(
    "cosine_betas",
    defines="sigmoid_betas",
    title="the sigmoid is not moved to between its ends",
    hint="These numbers go from nearly 0 to nearly 1. Where should they begin and end?",
)
def sigmoid_not_moved(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    return torch.sigmoid(torch.linspace(-6, 6, T, dtype=dtype))


@mistake(
    "cosine_betas",
    defines="sigmoid_betas",
    title="the sigmoid is scaled to the wrong span",
    hint="For a sigmoid of nearly 1 the beta should be nearly beta_end. Yours is larger: how far is it from "
    "beta_start to beta_end?",
)
def sigmoid_of_the_wrong_span(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    return beta_start + beta_end * torch.sigmoid(torch.linspace(-6, 6, T, dtype=dtype))


@mistake(
    "cosine_betas",
    defines="sigmoid_betas",
    title="the sigmoid runs from 0 to 1 instead of from -6 to 6",
    hint="Draw it: your numbers lie nearly on a line, and begin in the middle. A sigmoid bends only over a "
    "longer stretch.",
)
def sigmoid_over_a_short_stretch(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    return beta_start + (beta_end - beta_start) * torch.sigmoid(torch.linspace(0, 1, T, dtype=dtype))


@mistake(
    "cosine_betas",
    defines="sigmoid_betas",
    title="the sigmoid is stretched to reach its ends",
    hint="The first and the last number are exactly beta_start and beta_end, and should not be: a sigmoid "
    "never quite reaches 0 and 1, and is taken as it is.",
)
def sigmoid_stretched(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    curve = torch.sigmoid(torch.linspace(-6, 6, T, dtype=dtype))
    curve = (curve - curve[0]) / (curve[-1] - curve[0])
    return beta_start + (beta_end - beta_start) * curve


@mistake(
    "cosine_betas",
    defines="sigmoid_betas",
    title="the sigmoid is taken of alphas_cumprod",
    hint="Other papers let alphas_cumprod itself fall as a sigmoid. Here it is the betas that rise as one.",
)
def sigmoid_of_alphas_cumprod(
    T: int, beta_start: float = 1e-4, beta_end: float = 0.02, dtype: torch.dtype = torch.float64
) -> Tensor:
    abar = torch.sigmoid(torch.linspace(6, -6, T + 1, dtype=dtype))
    return 1 - abar[1:] / abar[:-1]


@mistake(
    "cosine_betas",
    title="cosine_betas takes max_beta before s",
    hint="Call it with three numbers and no names. The signature says which comes second: s, then max_beta.",
    only_hidden=True,
)
def cosine_in_another_order(
    T: int, max_beta: float = 0.999, s: float = 0.008, dtype: torch.dtype = torch.float64
) -> Tensor:
    f = _f(torch.arange(T + 1, dtype=torch.float64) / T, s)
    return (1 - f[1:] / f[:-1]).clamp(max=max_beta).to(dtype)


# --- zero_terminal_snr ----------------------------------------------------------------------------------


def _betas_of(abar: Tensor) -> Tensor:
    return 1 - torch.cat([abar[:1], abar[1:] / abar[:-1]])


@mistake(
    "zero_terminal_snr",
    title="alphas_cumprod is rescaled instead of its root",
    hint="The ends are right and the middle is not. Which curve do you shift and scale? The root has to be "
    "taken before, and undone after.",
)
def without_the_root(betas: Tensor) -> Tensor:
    abar = torch.cumprod(1 - betas, dim=0)
    return _betas_of((abar - abar[-1]) * abar[0] / (abar[0] - abar[-1]))


@mistake(
    "zero_terminal_snr",
    title="only the last beta is changed",
    hint="Nothing is left, but the last step does all of it at once. The shift is shared out among all the "
    "steps.",
)
def only_the_last_one(betas: Tensor) -> Tensor:
    return torch.cat([betas[:-1], torch.ones_like(betas[-1:])])


@mistake(
    "zero_terminal_snr",
    title="shifted, but not scaled",
    hint="Compare the first beta before and after: it has grown. After the shift the root is stretched, so "
    "that it begins where it began.",
)
def not_scaled(betas: Tensor) -> Tensor:
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    return _betas_of((root - root[-1]) ** 2)


@mistake(
    "zero_terminal_snr",
    title="scaled to begin at 1",
    hint="The first beta comes out as 0: the first step adds no noise any more. Where did the root begin "
    "before it was shifted?",
)
def scaled_to_one(betas: Tensor) -> Tensor:
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    return _betas_of(((root - root[-1]) / (root[0] - root[-1])) ** 2)


@mistake(
    "zero_terminal_snr",
    title="the root is not undone",
    hint="Multiply your betas up again: you get the root of alphas_cumprod. Square it before you go back to "
    "betas.",
)
def root_not_undone(betas: Tensor) -> Tensor:
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    return _betas_of((root - root[-1]) * (root[0] / (root[0] - root[-1])))


@mistake(
    "zero_terminal_snr",
    title="alphas_cumprod is returned",
    hint="These numbers end at 0. You have rescaled the right curve; what is asked for are the betas that "
    "belong to it.",
)
def alphas_cumprod_returned(betas: Tensor) -> Tensor:
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    return ((root - root[-1]) * (root[0] / (root[0] - root[-1]))) ** 2


@mistake(
    "zero_terminal_snr",
    title="what each step leaves is returned instead of what it adds",
    hint="Your last number is 0. It is the share of the picture that the last step leaves: how much noise "
    "does it add?",
)
def alphas_returned(betas: Tensor) -> Tensor:
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    abar = ((root - root[-1]) * (root[0] / (root[0] - root[-1]))) ** 2
    return torch.cat([abar[:1], abar[1:] / abar[:-1]])


@mistake(
    "zero_terminal_snr",
    title="the first beta is lost",
    hint="Print the length: there is one beta too few. Dividing neighbours gives T - 1 quotients; the first "
    "value of alphas_cumprod has no neighbour before it.",
)
def first_one_lost(betas: Tensor) -> Tensor:
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    abar = ((root - root[-1]) * (root[0] / (root[0] - root[-1]))) ** 2
    return 1 - abar[1:] / abar[:-1]


@mistake(
    "zero_terminal_snr",
    title="the first beta is divided by the last",
    hint="Print the first beta. torch.roll, and an index of -1, take the last value for the one before the "
    "first. What was there before the first step?",
)
def first_divided_by_last(betas: Tensor) -> Tensor:
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    abar = ((root - root[-1]) * (root[0] / (root[0] - root[-1]))) ** 2
    return 1 - abar / torch.roll(abar, 1)


@mistake(
    "zero_terminal_snr",
    title="the last beta is capped",
    hint="Your last beta is just below 1, so a little of the picture is left: what this function is there to "
    "prevent. Here nothing is divided by what it leaves.",
)
def last_one_capped(betas: Tensor) -> Tensor:
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    return _betas_of(((root - root[-1]) * (root[0] / (root[0] - root[-1]))) ** 2).clamp(max=0.999)


@mistake(
    "zero_terminal_snr",
    title="the betas are changed in place",
    hint="Print betas before and after the call. `betas *= ...`, `betas[-1] = ...` and methods whose name "
    "ends in `_` write into the tensor that the caller still holds.",
)
def betas_changed_in_place(betas: Tensor) -> Tensor:
    alphas = betas.mul_(-1).add_(1)
    root = torch.cumprod(alphas, dim=0).sqrt()
    return _betas_of(((root - root[-1]) * (root[0] / (root[0] - root[-1]))) ** 2)


@mistake(
    "zero_terminal_snr",
    title="the result is written into the betas",
    hint="Print the betas after the call: are they what they were? Whoever gave them may need them again. "
    "Return a new tensor, and write into nothing that you were given.",
)
def written_into_the_betas(betas: Tensor) -> Tensor:
    root = torch.cumprod(1 - betas, dim=0).sqrt()
    root = (root - root[-1]) * (root[0] / (root[0] - root[-1]))
    return betas.copy_(_betas_of(root**2))


# --- q_posterior ----------------------------------------------------------------------------------------


def _posterior(
    x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor, abar: Tensor, before: Tensor
) -> tuple[Tensor, Tensor]:
    of_x0 = before.sqrt() * betas / (1 - abar)
    of_xt = (1 - betas).sqrt() * (1 - before) / (1 - abar)
    mean = _to_each(of_x0, t, x0.ndim) * x0 + _to_each(of_xt, t, x0.ndim) * xt
    variance = _to_each(betas * (1 - before) / (1 - abar), t, x0.ndim)
    return mean.to(x0.dtype), variance.to(x0.dtype)


def _shifted(abar: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(abar[:1]), abar[:-1]])


@mistake(
    "q_posterior",
    title="the standard deviation instead of the variance",
    hint="Whoever draws a sample takes the root of what you return. Is it taken already?",
)
def deviation_returned(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    abar = torch.cumprod(1 - betas, dim=0)
    mean, variance = _posterior(x0, xt, t, betas, abar, _shifted(abar))
    return mean, variance.sqrt()


@mistake(
    "q_posterior",
    title="the logarithm of the variance",
    hint="It is negative, and at t = 0 minus infinity. Some code keeps the logarithm; here it is the "
    "variance itself.",
)
def logarithm_returned(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    abar = torch.cumprod(1 - betas, dim=0)
    mean, variance = _posterior(x0, xt, t, betas, abar, _shifted(abar))
    return mean, variance.log()


@mistake(
    "q_posterior",
    title="abar of the same step instead of the one before",
    hint="Your variance is beta_t exactly. Look at the two formulas again: which abar stands above the line, "
    "and which below?",
)
def same_step_for_both(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    abar = torch.cumprod(1 - betas, dim=0)
    return _posterior(x0, xt, t, betas, abar, abar)


@mistake(
    "q_posterior",
    title="at t = 0 the step before is the last one",
    hint="Evaluate alphas_cumprod[t - 1] by hand for t = 0: which element is it? Before the first step "
    "nothing has been noised. What should abar be there?",
    stakes="trap",
)
def wraps_around(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    abar = torch.cumprod(1 - betas, dim=0)
    return _posterior(x0, xt, t, betas, abar, torch.roll(abar, 1))


@mistake(
    "q_posterior",
    title="at t = 0 the step before is step 0 itself",
    hint="Clamping t - 1 at 0 avoids the wrong index, and takes a wrong value: at t = 0 the mean should be "
    "x0 and the variance 0. Which abar gives that?",
    stakes="trap",
)
def clamped_at_zero(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    abar = torch.cumprod(1 - betas, dim=0)
    return _posterior(x0, xt, t, betas, abar, torch.cat([abar[:1], abar[:-1]]))


@mistake(
    "q_posterior",
    title="x0 and xt have each other's factor",
    hint="Late in the schedule, xt and x_{t-1} are nearly the same. Which of the two should have the factor "
    "near 1 there?",
)
def factors_swapped(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    abar = torch.cumprod(1 - betas, dim=0)
    mean, _ = _posterior(xt, x0, t, betas, abar, _shifted(abar))
    return mean, _posterior(x0, xt, t, betas, abar, _shifted(abar))[1]


@mistake(
    "q_posterior",
    title="beta as the variance",
    hint="At t = 0 the variance should be 0. beta_t is what xt alone leaves open; whoever knows x0 as well "
    "knows more. (DDPM calls the two fixed large and fixed small.)",
)
def beta_as_variance(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    abar = torch.cumprod(1 - betas, dim=0)
    mean, _ = _posterior(x0, xt, t, betas, abar, _shifted(abar))
    return mean, _to_each(betas, t, x0.ndim).to(x0.dtype)


@mistake(
    "q_posterior",
    title="the factor of xt has no root",
    hint="Put x_t = sqrt(abar_t) x0 into your mean: it should be sqrt(abar_{t-1}) x0. Both factors contain a "
    "root; one of yours does not.",
)
def no_root_for_xt(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    abar = torch.cumprod(1 - betas, dim=0)
    before = _shifted(abar)
    _, variance = _posterior(x0, xt, t, betas, abar, before)
    of_xt = _to_each((1 - betas) * (1 - before) / (1 - abar), t, x0.ndim)
    of_x0 = _to_each(before.sqrt() * betas / (1 - abar), t, x0.ndim)
    return (of_x0 * x0 + of_xt * xt).to(x0.dtype), variance


@mistake(
    "q_posterior",
    title="the factor of x0 has abar of the same step under its root",
    hint="At t = 0 the mean should be x0 exactly, so its factor has to be 1 there. Under the root stands "
    "what is left of the picture one step before.",
)
def root_of_the_same_step(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    abar = torch.cumprod(1 - betas, dim=0)
    before = _shifted(abar)
    _, variance = _posterior(x0, xt, t, betas, abar, before)
    of_x0 = _to_each(abar.sqrt() * betas / (1 - abar), t, x0.ndim)
    of_xt = _to_each((1 - betas).sqrt() * (1 - before) / (1 - abar), t, x0.ndim)
    return (of_x0 * x0 + of_xt * xt).to(x0.dtype), variance


@mistake(
    "q_posterior",
    title="not divided by 1 - abar",
    hint="At t = 0 the factor of x0 should be 1. Both factors of the mean, and the variance, are divided by "
    "the same thing.",
)
def not_divided(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    before = _shifted(torch.cumprod(1 - betas, dim=0))
    return _posterior(x0, xt, t, betas, torch.zeros_like(betas), before)


@mistake(
    "q_posterior",
    title="the variance is not shaped",
    hint="Print the shape of the variance: it is [B], and would line up with the width of a picture. It "
    "needs a 1 for each further dimension.",
)
def variance_not_shaped(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    abar = torch.cumprod(1 - betas, dim=0)
    mean, variance = _posterior(x0, xt, t, betas, abar, _shifted(abar))
    return mean, variance.flatten()


@mistake(
    "q_posterior",
    title="one sample at t = 0 decides for the batch",
    hint="Mix timesteps: t = [0, 3]. A test such as `if (t == 0).any()` asks the batch, but each sample has "
    "a timestep of its own.",
)
def decided_for_the_batch(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    if (t == 0).any():
        return x0.clone(), torch.zeros_like(x0.flatten()[: len(t)]).view(-1, *[1] * (x0.ndim - 1))
    abar = torch.cumprod(1 - betas, dim=0)
    return _posterior(x0, xt, t, betas, abar, torch.roll(abar, 1))


@mistake(
    "q_posterior",
    title="mean and variance in the wrong order",
    hint="Print the two shapes: which of them is that of a picture? The mean comes first.",
)
def order_swapped(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    abar = torch.cumprod(1 - betas, dim=0)
    mean, variance = _posterior(x0, xt, t, betas, abar, _shifted(abar))
    return variance, mean


@mistake(
    "q_posterior",
    title="mean and variance have the dtype of the betas",
    hint="Print both dtypes for float32 pictures and float64 betas. The larger dtype wins unless the factors "
    "are cast to that of x0.",
)
def dtype_of_the_betas(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    abar = torch.cumprod(1 - betas, dim=0)
    wide = torch.promote_types(x0.dtype, betas.dtype)
    return _posterior(x0.to(wide), xt.to(wide), t, betas, abar, _shifted(abar))


@mistake(
    "q_posterior",
    title="the betas take the pictures' dtype too early",
    hint="Call it with pictures in float16 and betas such as 0.0001: in float16, 1 minus that is 1. Work the "
    "tables out in the betas' own dtype, and cast what each sample takes from them.",
    only_hidden=True,
)
def betas_cast_first(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    betas = betas.to(x0.dtype)
    abar = torch.cumprod(1 - betas, dim=0)
    return _posterior(x0, xt, t, betas, abar, _shifted(abar))
