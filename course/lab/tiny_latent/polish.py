"""Trains the tiny latent model further: the script that finished `tiny_latent.safetensors`.

    python -m course.lab.tiny_latent.polish --out mine.safetensors

First the decoder. The encoder stays as it is, and so do all latents: a decoder may be exchanged for a better
one without the UNet's noticing. Stability's `sd-vae-ft-mse` came about in this way. Then UNet and text
encoder, on emoji that all look the way they do: with both ways round in it a picture is a blur of the two
more often than one of them. Like `train` it takes the same steps again on the same machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from course.lab import emoji, tiny_latent
from course.lab.tiny_latent.evaluate import decoded
from course.lab.tiny_latent.network import Autoencoder, CaptionEncoder
from course.lab.tiny_latent.train import BATCH, COLOURED, SEED, Steps, picture_loss, shown, unet_steps
from course.lab.tiny_sd.network import TinyUNet

DECODER_STEPS, UNET_STEPS, RATE = 4000, 900, 1e-3
NOISE = 0.1  # on latents of standard deviation 1: what a UNet draws is not quite what an encoder gives


def pairs(
    autoencoder: Autoencoder, captions: list[str]
) -> tuple[Float[Tensor, "N 8 8 8"], Float[Tensor, "N 3 32 32"]]:
    """The latents of these emoji, either way round, and the emoji."""
    pictures = emoji.pictures(captions)
    pictures = torch.cat((pictures, pictures.flip(3)))
    with torch.no_grad():
        return torch.cat([autoencoder.encode(part)[0] for part in torch.split(pictures, 64)]), pictures


def polish(autoencoder: Autoencoder, scale: float, steps: int = DECODER_STEPS) -> Iterator[tuple[int, float]]:
    """Trains the decoder in place, on emoji that the UNet is shown; gives the loss of each step."""
    generator = torch.Generator().manual_seed(SEED)
    parameters = [*autoencoder.decoder.parameters(), *autoencoder.post_quant_conv.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    training = Steps(parameters, steps)
    few = int(BATCH * COLOURED)
    stored = [pairs(autoencoder, captions) for captions in shown()]
    for done in range(1, steps + 1):
        chosen = []
        for (latents, pictures), count in zip(stored, (BATCH - few, few), strict=True):
            which = torch.randint(len(latents), (count,), generator=generator)
            chosen.append((latents[which], pictures[which]))
        z, wanted = (torch.cat(each) for each in zip(*chosen, strict=True))
        z = z + NOISE / scale * torch.randn(z.shape, generator=generator)
        loss = picture_loss(autoencoder.decode(z.contiguous(memory_format=torch.channels_last)), wanted)
        training.take(loss)
        yield done, loss.item()


def finish(tiny: tiny_latent.TinyLatent, steps: int = UNET_STEPS) -> Iterator[tuple[int, float]]:
    """Trains UNet and text encoder in place, on emoji the right way round; gives the loss of each step."""
    unet, encoder = tiny.unet, tiny.text_encoder
    assert isinstance(unet, TinyUNet)
    assert isinstance(encoder, CaptionEncoder)
    for network in (unet, encoder):
        network.requires_grad_(True)
    unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return unet_steps(unet, encoder, tiny.autoencoder, tiny.scale, steps, ways=1, rate=RATE)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the tiny latent model further.")
    parser.add_argument("--out", type=Path, default=tiny_latent.WEIGHTS, help="the file to change")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    tiny = tiny_latent.load(path=out)
    print(f"before: {decoded(tiny):.1f} dB", flush=True)
    start = time.process_time()
    tiny.autoencoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for what, training in (
        ("decoder", polish(tiny.autoencoder, tiny.scale)),
        ("UNet", finish(tiny)),
    ):
        smooth = 0.0
        for done, loss in training:
            smooth = loss if done == 1 else 0.98 * smooth + 0.02 * loss
            if done % 100 == 0:
                spent = time.process_time() - start
                print(f"{what}, step {done}: loss {smooth:.4f}, {spent:.0f} CPU s", flush=True)
        parts = {"unet": tiny.unet, "text_encoder": tiny.text_encoder, "autoencoder": tiny.autoencoder}
        tiny_latent.save(out, tiny.scale, **parts)
    print(f"after: {decoded(tiny):.1f} dB, {time.process_time() - start:.0f} CPU s")


if __name__ == "__main__":
    main()
