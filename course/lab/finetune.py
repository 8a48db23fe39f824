"""Teaches the tiny model a style it has never seen, training only the weights that it is told to.

The loop of the module `training`, with captions and a learning rate that rises and falls. It is written to be
read: `finetune` is the loop, `loss_of` is what it makes smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.lab import shapes
from course.lab.tiny_sd import TinySD
from course.pictures.steps import counting

Model = Callable[[Tensor, Tensor], Tensor]
Loss = Callable[[Model, Tensor, Tensor, Tensor, Tensor], Tensor]

FORGET_CAPTION = 0.1  # the part of the captions that is dropped, so that guidance goes on working


def finetune(
    tiny: TinySD,
    parameters: Iterable[nn.Parameter],
    style: shapes.Style,
    steps: int = 150,
    *,
    unet: nn.Module | None = None,
    batch: int = 32,
    learning_rate: float = 3e-3,
    loss: Loss | None = None,
    seed: int = 0,
) -> list[float]:
    """Trains `parameters` of the UNet on pictures of this style, and returns the loss of each step.

    tiny           the trained model, for its UNet, its captions and its noise schedule; the text encoder
                   stays as it is
    parameters     what to train; nothing else is changed
    style          a style of `course.lab.shapes`: "pastel", "striped", "plain"
    unet           another network to train in place of tiny.unet
    learning_rate  the largest: it rises over the first ten steps and falls from there on
    loss           a `ddpm_loss`, as the exercise of that name; by default `noise_loss`
    seed           of the pictures, captions, timesteps and noise, which are new at every step

    Raises ValueError if there is nothing to train, or if a parameter has requires_grad=False.
    """
    trained = list(parameters)
    if not trained:
        raise ValueError("there is nothing to train: the list of parameters is empty")
    if not all(parameter.requires_grad for parameter in trained):
        raise ValueError("a parameter that is to be trained has requires_grad=False")
    network = tiny.unet if unet is None else unet
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(trained, learning_rate, weight_decay=0.0)
    losses: list[float] = []
    with counting(steps, style) as one_more:
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * min(1.0, (step + 1) / 10) * (1 - 0.9 * step / steps)
            pictures, captions = shapes.batch(batch, style=style, generator=generator)
            dropped = torch.rand(batch, generator=generator) < FORGET_CAPTION
            captions = ["" if gone else caption for caption, gone in zip(captions, dropped, strict=True)]
            found = loss_of(network, tiny, pictures, captions, generator, loss)
            optimizer.zero_grad()
            found.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(found.item())
            recent = losses[-20:]
            one_more(f"loss {sum(recent) / len(recent):.4f}")
    return losses


def loss_of(
    unet: nn.Module,
    tiny: TinySD,
    pictures: Float[Tensor, "B 3 H W"],
    captions: list[str],
    generator: torch.Generator,
    loss: Loss | None = None,
) -> Float[Tensor, ""]:
    """Noise the pictures, each up to a timestep of its own, and let the network say which noise it was."""
    t = torch.randint(len(tiny.alphas_cumprod), (len(pictures),), generator=generator)
    noise = torch.randn(pictures.shape, generator=generator)
    context = tiny.encode(captions)
    return (loss or noise_loss)(lambda x, t: unet(x, t, context), pictures, t, noise, tiny.alphas_cumprod)


def noise_loss(
    model: Model,
    x0: Float[Tensor, "B C H W"],
    t: Int[Tensor, " B"],
    noise: Float[Tensor, "B C H W"],
    alphas_cumprod: Float[Tensor, " T"],
) -> Float[Tensor, ""]:
    """The mean squared error of what a model says the noise was (Ho et al. 2020, equation 14)."""
    abar = alphas_cumprod[t].float().view(-1, 1, 1, 1)
    noisy = abar.sqrt() * x0 + (1 - abar).sqrt() * noise
    return F.mse_loss(model(noisy, t), noise)


def imitate(
    layer: nn.Module, wanted: Float[Tensor, "D C"], steps: int = 300, learning_rate: float = 0.03
) -> list[float]:
    """Trains A and B of one LoRA layer to do what a weight `wanted` without bias does; returns the losses.

    The layer sees all unit vectors at once, so that what it gives for them is, turned round, its own weight.
    """
    parameters = [parameter for name, parameter in layer.named_parameters() if "lora_" in name]
    optimizer = torch.optim.Adam(parameters, learning_rate)
    unit_vectors = torch.eye(wanted.shape[1])
    losses: list[float] = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * (1 - step / steps)
        loss = F.mse_loss(layer(unit_vectors).T, wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses
