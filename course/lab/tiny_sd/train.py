"""Trains the tiny model: the script that made `tiny_sd.safetensors`.

    python -m course.lab.tiny_sd.train --out mine.safetensors

On two cores it takes about a quarter of an hour, longer on a busy machine. Everything random comes from
SEED: the same machine, release of torch and number of threads take the same steps again; elsewhere the last
digits differ.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.lab import shapes
from course.lab.tiny_sd import ALPHAS_CUMPROD, WEIGHTS, save
from course.lab.tiny_sd.captions import LENGTH, VOCABULARY, tokenize
from course.lab.tiny_sd.network import CaptionEncoder, TinyUNet

SEED = 0
BATCH = 48
THREADS = 2
FORGET_CAPTION = 0.1  # for classifier-free guidance (Ho & Salimans 2022)
EMA_DECAY = 0.998


@dataclass(frozen=True)
class Stage:
    """A stretch of training under one weighting of the timesteps.

    The loss of eps is weighted by 1 / alphas_cumprod, but at most by `most`. With no limit this is the loss
    of the velocity; 1 leaves the loss of eps as it is. Noisy steps decide what will be seen and where, and
    the plain loss of eps hardly asks for them.
    """

    steps: int
    most: float
    learning_rate: float


RECIPE = (Stage(1000, 1, 2e-3), Stage(1400, 30, 1.5e-3), Stage(1800, 10, 1e-3))
STEPS = sum(stage.steps for stage in RECIPE)


class Averages:
    """An exponential moving average of parameters, quicker at the start (Ho et al. 2020, appendix B)."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._parameters = parameters
        self._averages = [parameter.detach().clone() for parameter in parameters]
        self._updates = 0

    @torch.no_grad()
    def update(self) -> None:
        self._updates += 1
        decay = min(EMA_DECAY, (1 + self._updates) / (10 + self._updates))
        torch._foreach_lerp_(self._averages, [each.detach() for each in self._parameters], 1 - decay)

    @torch.no_grad()
    def copy_to_parameters(self) -> None:
        for parameter, average in zip(self._parameters, self._averages, strict=True):
            parameter.copy_(average)


def loss_of(unet: TinyUNet, encoder: CaptionEncoder, most: float, generator: torch.Generator) -> Tensor:
    """The loss of one fresh batch: the weighted square error of the predicted noise."""
    pictures, captions = shapes.batch(BATCH, generator=generator)
    tokens = tokenize(captions)
    tokens[torch.rand(BATCH, generator=generator) < FORGET_CAPTION] = tokenize([""])[0]
    t = torch.randint(len(ALPHAS_CUMPROD), (BATCH,), generator=generator)
    noise = torch.randn(pictures.shape, generator=generator)
    abar = ALPHAS_CUMPROD[t].float().view(-1, 1, 1, 1)
    noised = abar.sqrt() * pictures + (1 - abar).sqrt() * noise
    predicted = unet(noised.contiguous(memory_format=torch.channels_last), t, encoder(tokens))
    weights = (1 / abar).clamp(max=most)
    return (weights * F.mse_loss(predicted, noise, reduction="none")).mean()


def train(recipe: tuple[Stage, ...] = RECIPE) -> Iterator[tuple[int, float, TinyUNet, CaptionEncoder]]:
    """Trains, and gives the number of steps so far, the loss, and the networks after each step.

    After the last step the networks hold their averages.
    """
    torch.manual_seed(SEED)
    unet = TinyUNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    encoder = CaptionEncoder(len(VOCABULARY), LENGTH)
    parameters = [*unet.parameters(), *encoder.parameters()]
    generator = torch.Generator().manual_seed(SEED)
    done, last = 0, sum(stage.steps for stage in recipe)
    averages = Averages(parameters)
    for stage in recipe:
        optimizer = torch.optim.AdamW(parameters, stage.learning_rate, weight_decay=1e-3, betas=(0.9, 0.99))
        for step in range(stage.steps):
            for group in optimizer.param_groups:
                falling = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / stage.steps))
                group["lr"] = stage.learning_rate * falling * min(1.0, (step + 1) / 50)
            loss = loss_of(unet, encoder, stage.most, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            averages.update()
            done += 1
            if done == last:
                averages.copy_to_parameters()
            yield done, loss.item(), unet, encoder


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the tiny model.")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the file to write")
    out = parser.parse_args().out
    torch.set_num_threads(THREADS)
    start, smooth = time.monotonic(), math.nan
    for done, loss, unet, encoder in train():
        smooth = loss if math.isnan(smooth) else 0.98 * smooth + 0.02 * loss
        if done % 50 == 0:
            print(f"step {done}: loss {smooth:.4f}, {time.monotonic() - start:.0f} s", flush=True)
        if done == STEPS:
            save(out, unet, encoder)
            print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
