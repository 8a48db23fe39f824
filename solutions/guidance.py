"""Guidance, from the label that means "no label" to a picture that is more like its prompt than any other.

Reading order is the order of the lesson. `B` is the batch; what a sample is made of does not matter, so the
other dimensions are written `...`: [B, 2] for points in the plane, [B, C, H, W] for pictures.

    model   any callable that predicts noise: model(x, t, cond) -> eps, of x's shape
    cond    one condition for each sample: labels [B], or what a text encoder makes of prompts, [B, S, D]
    null    the condition that says nothing: a label, or the embedding of the empty prompt

Everything is plain arithmetic on what a model predicts: nothing here knows what the model is.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn


class ClassEmbedding(nn.Module):
    """A vector to learn for each class, and one more for "no class".

    classes  number of classes; their labels are 0 to classes - 1. The null label is `classes`.
    dim      numbers in a vector.

    Parameter:
      weight   nn.Parameter [classes + 1, dim]; row i belongs to label i, the last row to the null label.
               Its start: independent standard normal numbers, as in nn.Embedding.
    No other parameters. All rows are learned, the last one too.
    """

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.weight = nn.Parameter(torch.randn(classes + 1, dim))
        ### END SOLUTION

    def forward(self, labels: Int[Tensor, "B"]) -> Float[Tensor, "B dim"]:
        """The vectors of these labels (int64, each from 0 to classes), in the dtype of `weight`."""
        ### BEGIN SOLUTION
        return self.weight[labels]
        ### END SOLUTION


def drop_condition(
    cond: Shaped[Tensor, "B ..."], null: Shaped[Tensor, "..."], p: float, generator: torch.Generator
) -> Shaped[Tensor, "B ..."]:
    """Replace the condition of each sample by `null` with probability p, independently of the others.

    cond       labels [B] or embeddings [B, ...], of any dtype; not modified.
    null       of cond's dtype and device; broadcasts to one sample's condition, cond[0].
    p          from 0 (none is dropped) to 1 (all are).
    generator  on cond's device. All randomness comes from it: the same seed drops the same samples, and
               the next call drops others.

    A sample keeps its condition whole or gets null whole, both exactly as they were.
    Returns a new tensor with cond's shape, dtype and device. Gradients flow into cond and null.
    Source: Ho & Salimans, "Classifier-Free Diffusion Guidance" (2022), algorithm 1.
    """
    ### BEGIN SOLUTION
    dropped = torch.rand(len(cond), generator=generator, device=cond.device) < p  # [B]
    # One decision a sample, lined up with the first dimension: [B, 1, ...], as many as cond has.
    return torch.where(dropped.view(-1, *[1] * (cond.dim() - 1)), null, cond)
    ### END SOLUTION


def guide(uncond: Float[Tensor, "B ..."], cond: Float[Tensor, "B ..."], w: float) -> Float[Tensor, "B ..."]:
    """Go from the unconditional prediction towards the conditional one, and with w > 1 beyond it.

    uncond, cond  predictions of one shape and dtype; neither is modified.
    w             guidance scale, as diffusers counts it: 0 gives uncond, 1 gives cond (up to rounding).
                  Any number, negative ones too.

    Returns a new tensor, affine in w. Gradients flow through it.
    Source: Ho & Salimans (2022), equation 6; their weight is w - 1.
    """
    ### BEGIN SOLUTION
    return uncond + w * (cond - uncond)
    ### END SOLUTION


def guided_eps(
    model: Callable[..., Tensor],
    x: Float[Tensor, "B ..."],
    t: Int[Tensor, "B"],
    cond: Shaped[Tensor, "B ..."],
    null: Shaped[Tensor, "..."],
    w: float,
) -> Float[Tensor, "B ..."]:
    """The guided prediction of the noise, from one call of the model.

    model  model(x, t, cond) -> eps of x's shape. It is called exactly once, with these three and with a batch
           of 2B, for every w, 0 and 1 included. The order of the 2B rows is free.
    x      noisy samples; t: the timestep of each; cond: the condition of each. None of them is modified.
    null   the condition that says nothing; of cond's dtype and device, broadcasts to cond's shape.
    w      guidance scale, as in `guide`.

    Returns guide(model(x, t, null), model(x, t, cond), w), of x's shape. Gradients flow through it.
    """
    ### BEGIN SOLUTION
    # Row i and row B + i are the same sample at the same time; only what they are told differs.
    both = torch.cat([null.expand_as(cond), cond])
    e_uncond, e_cond = model(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
    return guide(e_uncond, e_cond, w)
    ### END SOLUTION


def negative_prompt_eps(
    model: Callable[..., Tensor],
    x: Float[Tensor, "B ..."],
    t: Int[Tensor, "B"],
    cond: Shaped[Tensor, "B ..."],
    null: Shaped[Tensor, "..."],
    w: float,
    negative: Shaped[Tensor, "..."] | None = None,
) -> Float[Tensor, "B ..."]:
    """Guidance towards cond and away from `negative`, again from one call of the model with a batch of 2B.

    negative  the condition to keep away from; of cond's dtype and device, broadcasts to cond's shape. It
              takes the place of null in the guidance. None: there is none, and this is guided_eps.

    Everything else is as in `guided_eps`.
    """
    ### BEGIN SOLUTION
    return guided_eps(model, x, t, cond, null if negative is None else negative, w)
    ### END SOLUTION


def rescale_guidance(
    guided: Float[Tensor, "B ..."], cond: Float[Tensor, "B ..."], phi: float
) -> Float[Tensor, "B ..."]:
    """Give each guided prediction the standard deviation of the conditional one, by the share phi.

    guided, cond  predictions of one shape, with at least one dimension after B; neither is modified. No
                  sample is constant; standard deviations may be as small as 1e-4 and as large as 1e4.
    phi           from 0 (guided comes back unchanged) to 1 (each sample has cond's standard deviation).

    The standard deviation is taken over all the numbers of one sample, whether biased or not.
    Returns a new tensor: phi * rescaled + (1 - phi) * guided. Gradients flow through it.
    Source: Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed" (2023), section 3.4.
    """
    ### BEGIN SOLUTION
    own = tuple(range(1, guided.dim()))  # all dimensions but the batch
    ratio = cond.std(own, keepdim=True) / guided.std(own, keepdim=True)
    return phi * (ratio * guided) + (1 - phi) * guided
    ### END SOLUTION
