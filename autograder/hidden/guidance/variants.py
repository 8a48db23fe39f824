"""Correct answers of the module `guidance`, each written differently from the reference."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import variant

# --- ClassEmbedding -------------------------------------------------------------------------------------


@variant("ClassEmbedding", title="a subclass of nn.Embedding")
class OfTorch(nn.Embedding):
    def __init__(self, classes: int, dim: int) -> None:
        super().__init__(classes + 1, dim)


@variant("ClassEmbedding", title="F.embedding on a table filled in place")
class Functional(nn.Module):
    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.classes = classes
        self.weight = nn.Parameter(torch.empty(classes + 1, dim))
        nn.init.normal_(self.weight)

    def forward(self, labels: Tensor) -> Tensor:
        return F.embedding(labels, self.weight)


@variant("ClassEmbedding", title="one-hot labels times the table, with a buffer for the null label")
class OneHot(nn.Module):
    null: Tensor

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.register_parameter("weight", nn.Parameter(torch.normal(0.0, 1.0, (1 + classes, dim))))
        self.register_buffer("null", torch.tensor(classes))

    def forward(self, labels: Tensor) -> Tensor:
        return F.one_hot(labels, len(self.weight)).to(self.weight.dtype) @ self.weight


@variant("ClassEmbedding", title="index_select")
class Selected(nn.Module):
    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        rows = [torch.randn(1, dim) for _ in range(classes)] + [torch.randn(1, dim)]
        self.weight = nn.Parameter(torch.cat(rows))

    def forward(self, labels: Tensor) -> Tensor:
        return torch.index_select(self.weight, dim=0, index=labels)


# --- drop_condition -------------------------------------------------------------------------------------


@variant("drop_condition", title="a copy, assigned by boolean index")
def assigned(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    mask = torch.rand(cond.shape[0], device=generator.device, generator=generator) < p
    out = cond.clone()
    out[mask] = null.expand(cond.shape)[mask]
    return out


@variant("drop_condition", title="bernoulli, sample by sample")
def sample_by_sample(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    chances = torch.full((cond.shape[0],), float(p), device=cond.device)
    coins = torch.bernoulli(chances, generator=generator)
    rows = [null.expand_as(own) if coin else own for own, coin in zip(cond, coins, strict=True)]
    return torch.stack(rows)


@variant("drop_condition", title="keeps where the number is above p, with the mask shaped at once")
def kept_above(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    shape = (len(cond),) + (1,) * (cond.ndim - 1)
    keep = torch.empty(shape, device=cond.device).uniform_(generator=generator) >= p
    return cond.where(keep, null)


@variant("drop_condition", title="masked_fill and index_put on what was drawn as integers")
def drawn_integers(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    steps = 10**7
    drawn = torch.randint(0, steps, (len(cond),), generator=generator, device=generator.device)
    places = (drawn.to(cond.device) < p * steps).nonzero(as_tuple=True)
    return cond.index_put(places, null.expand_as(cond)[places])


# --- guide ----------------------------------------------------------------------------------------------


@variant("guide", title="a weighted sum")
def weighted(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    return w * cond + (1.0 - w) * uncond


@variant("guide", title="torch.lerp, which goes beyond 1 as well")
def lerp(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    return torch.lerp(uncond, cond, float(w))


@variant("guide", title="the paper's formula, with its own scale")
def paper(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    w = w - 1
    return (1 + w) * cond - w * uncond


@variant("guide", title="torch.add with alpha")
def with_alpha(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    return torch.add(uncond, torch.sub(cond, uncond), alpha=w)


# --- guided_eps -----------------------------------------------------------------------------------------

_Model = Callable[..., Tensor]


@variant("guided_eps", title="the conditional half first")
def conditional_first(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    B = x.shape[0]
    told = torch.cat((cond, null.expand(cond.shape)), dim=0)
    out = model(x.repeat(2, *[1] * (x.dim() - 1)), t.repeat(2), told)
    return (1 - w) * out[B:] + w * out[:B]


@variant("guided_eps", title="pairs side by side, taken apart by strides")
def interleaved(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    told = torch.stack([null.broadcast_to(cond.shape), cond], dim=1).flatten(0, 1)
    out = model(x.repeat_interleave(2, dim=0), t.repeat_interleave(2), told)
    return torch.lerp(out[0::2], out[1::2], float(w))


@variant("guided_eps", title="a new tensor for the conditions, the result reshaped")
def filled(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    told = torch.cat([cond, cond])
    told[: len(cond)] = null
    out = model(x=torch.cat([x, x]), t=torch.hstack([t, t]), cond=told)
    pair = out.view(2, *x.shape)
    return pair[0] + w * (pair[1] - pair[0])


@variant("guided_eps", title="weights in a tensor, summed by einsum")
def summed(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    out = model(torch.cat([x] * 2), torch.cat([t] * 2), torch.cat([null + torch.zeros_like(cond), cond]))
    weights = torch.tensor([1 - w, w], dtype=out.dtype, device=out.device)
    return torch.einsum("n,nb...->b...", weights, torch.stack(out.split(len(x))))


# --- negative_prompt_eps --------------------------------------------------------------------------------


@variant("negative_prompt_eps", title="written out, the negative half last")
def written_out(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    if negative is None:
        negative = null
    out = model(torch.cat([x, x]), torch.cat([t, t]), torch.cat([cond, negative.expand_as(cond)]))
    wanted, unwanted = out[: len(x)], out[len(x) :]
    return wanted + (w - 1) * (wanted - unwanted)


@variant("negative_prompt_eps", title="a loop over the two conditions that fills one batch")
def looped(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    told = [c.expand(cond.shape) for c in (negative if negative is not None else null, cond)]
    out = model(*(torch.cat(pair) for pair in ([x, x], [t, t], told)))
    return sum(weight * part for weight, part in zip((1 - w, w), out.chunk(2), strict=True))


@variant("negative_prompt_eps", title="pairs side by side")
def side_by_side(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    start = {True: null, False: negative}[negative is None]
    told = torch.stack([start.expand_as(cond), cond], 1).flatten(0, 1)
    unwanted, wanted = (
        model(x.repeat_interleave(2, 0), t.repeat_interleave(2), told).unflatten(0, (-1, 2)).unbind(1)
    )
    return torch.lerp(unwanted, wanted, float(w))


# --- rescale_guidance -----------------------------------------------------------------------------------


@variant("rescale_guidance", title="biased standard deviations of flattened samples")
def flattened(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    shape = [-1] + [1] * (guided.dim() - 1)
    std = [each.flatten(1).std(dim=1, correction=0).view(shape) for each in (guided, cond)]
    return guided * (phi * std[1] / std[0] + (1 - phi))


@variant("rescale_guidance", title="sample by sample")
def one_by_one(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    rows = [torch.lerp(g, g * c.std() / g.std(), float(phi)) for g, c in zip(guided, cond, strict=True)]
    return torch.stack(rows)


@variant("rescale_guidance", title="norms of what deviates from the mean, guarded by a tiny number")
def norms(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    def norm(x: Tensor) -> Tensor:
        flat = x.reshape(len(x), -1)
        own: Tensor = torch.linalg.vector_norm(flat - flat.mean(1, keepdim=True), dim=1)
        return own.reshape(-1, *[1] * (x.dim() - 1))

    rescaled = guided / (norm(guided) + 1e-12) * norm(cond)
    return rescaled.mul(phi).add(guided, alpha=1 - phi)


@variant("rescale_guidance", title="variances, with their root at the end")
def root_at_the_end(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    own = list(range(1, guided.ndim))
    ratio = torch.var(cond, own, keepdim=True) / torch.var(guided, own, keepdim=True)
    return phi * torch.sqrt(ratio) * guided + guided - phi * guided
