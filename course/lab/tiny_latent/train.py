"""Trains the tiny latent model: the script that made `tiny_latent.safetensors`, which `polish` finished.

    python -m course.lab.tiny_latent.train --out mine.safetensors

First the autoencoder, then text encoder and UNet on its latents: together about twelve minutes on one core.
Everything random comes from SEED: the same machine and release of torch take the same steps again, on one
thread; elsewhere the last digits differ.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from course.lab import emoji
from course.lab.tiny_latent import ALPHAS_CUMPROD, TEXT, WEIGHTS, save
from course.lab.tiny_latent.captions import tokenize, vocabulary
from course.lab.tiny_latent.network import LATENT, Autoencoder, CaptionEncoder
from course.lab.tiny_sd.network import TinyUNet
from course.lab.tiny_sd.train import Averages

SEED = 0
BATCH = 32
FORGET_CAPTION = 0.1  # for classifier-free guidance (Ho & Salimans 2022)
COLOURED = 0.25  # of a batch has a colour that is not its own
KL = 1e-4
AUTOENCODER_STEPS, UNET_STEPS, KEPT_EVERY = 1500, 2200, 200
LEARNING_RATE = 2e-3


def shown() -> tuple[list[str], list[str]]:
    """The captions that are trained with: the names, and the names in other colours that are not held out."""
    coloured = [
        caption for caption in emoji.every_caption()[len(emoji.names()) :] if not emoji.held_out(caption)
    ]
    return list(emoji.names()), coloured


class Steps:
    """AdamW whose learning rate warms up over 50 steps and falls along a cosine."""

    def __init__(self, parameters: list[nn.Parameter], steps: int, rate: float = LEARNING_RATE) -> None:
        self._parameters, self._steps, self._rate, self._done = parameters, steps, rate, 0
        self._optimizer = torch.optim.AdamW(parameters, rate, betas=(0.9, 0.99), weight_decay=1e-3)

    def take(self, loss: Tensor) -> None:
        falling = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self._done / self._steps))
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * falling * min(1.0, (self._done + 1) / 50)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimizer.step()
        self._done += 1


def autoencoder_loss(
    autoencoder: Autoencoder, pictures: Float[Tensor, "B 3 32 32"], generator: torch.Generator
) -> Tensor:
    """How far the pictures come back changed, edges once more, and a little of the latents' KL divergence."""
    mean, log_variance = autoencoder.encode(pictures)
    sampled = mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=generator)
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
    return picture_loss(autoencoder.decode(sampled), pictures) + KL * kl


def picture_loss(made: Float[Tensor, "B 3 32 32"], wanted: Float[Tensor, "B 3 32 32"]) -> Tensor:
    """How far pictures are off, and once more how far their edges are."""
    off = made - wanted
    edges = off.diff(dim=-1).abs().mean() + off.diff(dim=-2).abs().mean()
    return off.abs().mean() + off.square().mean() + 0.5 * edges


def train_autoencoder(steps: int = AUTOENCODER_STEPS) -> Iterator[tuple[int, float, Autoencoder]]:
    """Trains on emoji in all colours, either way round and a few pixels off; gives the loss of each step."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    autoencoder = Autoencoder().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    training = Steps(list(autoencoder.parameters()), steps)
    plain, coloured = (emoji.pictures(captions) for captions in shown())
    few = int(BATCH * COLOURED)
    for done in range(1, steps + 1):
        picked = [
            pictures[torch.randint(len(pictures), (count,), generator=generator)]
            for pictures, count in ((plain, BATCH - few), (coloured, few))
        ]
        batch = moved(torch.cat(picked), generator).contiguous(memory_format=torch.channels_last)
        loss = autoencoder_loss(autoencoder, batch, generator)
        training.take(loss)
        yield done, loss.item(), autoencoder


def moved(pictures: Float[Tensor, "B 3 H W"], generator: torch.Generator) -> Float[Tensor, "B 3 H W"]:
    """Half of them the other way round, each up to two pixels off, on white."""
    flip = torch.rand(len(pictures), generator=generator) < 0.5
    padded = F.pad(torch.where(flip[:, None, None, None], pictures.flip(3), pictures), (2,) * 4, value=1.0)
    places = torch.randint(5, (len(pictures), 2), generator=generator).tolist()
    side = emoji.SIDE
    return torch.stack(
        [each[:, y : y + side, x : x + side] for each, (y, x) in zip(padded, places, strict=True)]
    )


@torch.no_grad()
def settle(autoencoder: Autoencoder) -> float:
    """Gives every channel of the latents mean 0 and one standard deviation; returns what to scale by.

    What the pictures look like does not change: the 1 x 1 convolutions around the latents take it up.
    """
    captions = [caption for some in shown() for caption in some]
    mean = torch.cat([autoencoder.encode(each)[0] for each in torch.split(emoji.pictures(captions), 64)])
    middle, spread = mean.mean((0, 2, 3)), mean.std((0, 2, 3))
    overall = float(spread.square().mean().sqrt())
    ratio = overall / spread
    before, after = autoencoder.quant_conv, autoencoder.post_quant_conv
    assert before.bias is not None
    before.bias[:LATENT] -= middle
    before.weight[:LATENT] *= ratio.view(-1, 1, 1, 1)
    before.bias[:LATENT] *= ratio
    before.bias[LATENT:] += 2 * ratio.log()
    assert after.bias is not None
    after.bias += (after.weight[:, :, 0, 0] * middle).sum(1)
    after.weight /= ratio.view(1, -1, 1, 1)
    return 1 / overall


def unet_loss(
    unet: TinyUNet,
    encoder: CaptionEncoder,
    x0: Float[Tensor, "B 8 8 8"],
    tokens: Int[Tensor, "B 10"],
    generator: torch.Generator,
) -> Tensor:
    """The square error of the predicted velocity, at timesteps that are spread over the schedule."""
    spread = (torch.rand(1, generator=generator) + torch.arange(BATCH) / BATCH) % 1
    t = (spread * len(ALPHAS_CUMPROD)).long()
    noise = torch.randn(x0.shape, generator=generator)
    abar = ALPHAS_CUMPROD[t].float().view(-1, 1, 1, 1)
    noised = abar.sqrt() * x0 + (1 - abar).sqrt() * noise
    velocity = abar.sqrt() * noise - (1 - abar).sqrt() * x0
    predicted = unet(noised.contiguous(memory_format=torch.channels_last), t, encoder(tokens))
    return F.mse_loss(predicted, velocity)


def train_unet(
    autoencoder: Autoencoder, scale: float, steps: int = UNET_STEPS
) -> Iterator[tuple[int, float, TinyUNet, CaptionEncoder]]:
    """Trains UNet and text encoder on the latents, each picture either way round; gives the loss and both."""
    torch.manual_seed(SEED)
    unet = TinyUNet(LATENT).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    encoder = CaptionEncoder(len(vocabulary()), **TEXT)
    for done, loss in unet_steps(unet, encoder, autoencoder, scale, steps):
        yield done, loss, unet, encoder


def unet_steps(
    unet: TinyUNet,
    encoder: CaptionEncoder,
    autoencoder: Autoencoder,
    scale: float,
    steps: int,
    ways: int = 2,
    rate: float = LEARNING_RATE,
) -> Iterator[tuple[int, float]]:
    """Trains both in place, and gives the loss of each step; after the last one they hold their averages.

    ways  2: each picture is there a second time, the other way round, and no word says which. 1: it is not.
    """
    generator = torch.Generator().manual_seed(SEED)
    parameters = [*unet.parameters(), *encoder.parameters()]
    training, averages = Steps(parameters, steps, rate), Averages(parameters)
    stored = [_moments(autoencoder, captions) for captions in shown()]
    nothing = tokenize([""])[0]
    for done in range(1, steps + 1):
        few = int(BATCH * COLOURED)
        chosen = []
        for (mean, deviation, tokens), count in zip(stored, (BATCH - few, few), strict=True):
            which = torch.randint(len(tokens), (count,), generator=generator)
            way = torch.randint(ways, (count,), generator=generator)
            noise = torch.randn(count, *mean.shape[2:], generator=generator)
            chosen.append(((mean[way, which] + deviation[way, which] * noise) * scale, tokens[which]))
        x0, tokens = (torch.cat(each) for each in zip(*chosen, strict=True))
        tokens[torch.rand(BATCH, generator=generator) < FORGET_CAPTION] = nothing
        loss = unet_loss(unet, encoder, x0, tokens, generator)
        training.take(loss)
        averages.update()
        if done == steps:
            averages.copy_to_parameters()
        yield done, loss.item()


@torch.no_grad()
def _moments(
    autoencoder: Autoencoder, captions: list[str]
) -> tuple[Float[Tensor, "2 N 8 8 8"], Float[Tensor, "2 N 8 8 8"], Int[Tensor, "N 10"]]:
    """Mean and standard deviation of the latents of these pictures, either way round, and their tokens."""
    pictures = emoji.pictures(captions)
    both = [
        [autoencoder.encode(part) for part in torch.split(way, 64)] for way in (pictures, pictures.flip(3))
    ]
    means = torch.stack([torch.cat([mean for mean, _ in way]) for way in both])
    logs = torch.stack([torch.cat([log_variance for _, log_variance in way]) for way in both])
    return means, (logs / 2).exp(), tokenize(captions)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the tiny latent model.")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the file to write")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    start, smooth = time.process_time(), math.nan

    def told(what: str, done: int, loss: float) -> None:
        nonlocal smooth
        smooth = loss if done == 1 else 0.98 * smooth + 0.02 * loss
        if done % 50 == 0:
            print(
                f"{what}, step {done}: loss {smooth:.4f}, {time.process_time() - start:.0f} CPU s", flush=True
            )

    autoencoder = Autoencoder()
    for done, loss, trained in train_autoencoder():
        told("autoencoder", done, loss)
        autoencoder = trained
    autoencoder.eval()
    scale = settle(autoencoder)
    for done, loss, unet, encoder in train_unet(autoencoder, scale):
        told("UNet", done, loss)
        if done % KEPT_EVERY == 0 or done == UNET_STEPS:  # what is interrupted leaves something to look at
            save(out, scale, unet=unet, text_encoder=encoder, autoencoder=autoencoder)
    spent = time.process_time() - start
    print(f"{out}: {out.stat().st_size} bytes, scale {scale:.5f}, {spent:.0f} CPU s")


if __name__ == "__main__":
    main()
