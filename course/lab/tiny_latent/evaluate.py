"""How often the tiny latent model draws the emoji of its caption: the figures of `docs/tiny-latent.md`.

python -m course.lab.tiny_latent.evaluate
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from course.lab import emoji, tiny_latent
from course.lab.tiny_latent.train import shown
from course.pictures.strips import strips

SCALES = (1.0, 2.0, 4.0)
BATCH = 64


def groups() -> dict[str, list[str]]:
    """Captions that it was trained with, and those that it was not: names, colours shown, colours held out.

    Of the colours shown every sixth is taken: about as many as there are names.
    """
    names, coloured = shown()
    coloured = [caption for caption in dict.fromkeys(coloured) if caption not in names]
    new = list(dict.fromkeys(filter(emoji.held_out, emoji.every_caption())))
    return {
        "a name": names,
        "a colour and a name, seen together": coloured[::6],
        "a colour and a name, never seen together": new,
    }


def drawn(
    tiny: tiny_latent.TinyLatent, captions: Sequence[str], guidance_scale: float = 2.0, seed: int = 0
) -> Float[Tensor, "B 3 32 32"]:
    """A picture for each caption, each from noise of its own."""
    return torch.cat(
        [
            tiny.draw(captions[at : at + BATCH], guidance_scale=guidance_scale, seed=seed * 1000 + at)
            for at in range(0, len(captions), BATCH)
        ]
    )


def likeness(one: Float[Tensor, "B 3 H W"], other: Float[Tensor, "B 3 H W"]) -> float:
    """The peak signal-to-noise ratio in dB, the mean over the pictures; each the way round that is nearer."""
    squares = [((one - way) / 2).square().mean((1, 2, 3)) for way in (other, other.flip(3))]
    return float((-10 * torch.minimum(*squares).clamp(min=1e-10).log10()).mean())


def decoded(tiny: tiny_latent.TinyLatent) -> float:
    """How near the emoji come back out of their latents, in dB: nothing that is drawn can be nearer."""
    pictures = emoji.pictures(emoji.names())
    return likeness(tiny.pictures(tiny.latents(pictures)), pictures)


def failures(missed: Sequence[tuple[str, Tensor]]) -> bytes:
    """A PNG file: what was drawn for each of these captions, above the emoji itself."""
    captions = [caption for caption, _ in missed]
    rows = {"drawn": [picture for _, picture in missed], "asked for": list(emoji.pictures(captions))}
    return strips(rows, captions, width=6.2).png()


def main() -> None:
    parser = argparse.ArgumentParser(description="Print how often the tiny latent model draws its captions.")
    parser.add_argument("--weights", type=Path, default=tiny_latent.WEIGHTS, help="the model's file")
    parser.add_argument("--picture", type=Path, help="a file for a picture of the first that were wrong")
    options = parser.parse_args()
    weights = options.weights
    torch.set_num_threads(1)
    tiny = tiny_latent.load(path=weights)
    print(f"{weights.stat().st_size:,} bytes, scale {tiny.scale:.5f}")
    for part in ("unet", "text_encoder", "autoencoder"):
        print(f"{part}: {sum(each.numel() for each in getattr(tiny, part).parameters()):,} parameters")
    print(f"emoji out of their latents: {decoded(tiny):.1f} dB\n")

    print("| drawn right | " + " | ".join(f"w = {w:g}" for w in SCALES) + " |")
    print("|---|" + "---|" * len(SCALES))
    began = time.process_time()
    pictures: dict[tuple[str, float], Tensor] = {}
    for name, captions in groups().items():
        cells = []
        for w in SCALES:
            pictures[name, w] = drawn(tiny, captions, w)
            cells.append(emoji.is_drawn(pictures[name, w], captions).double().mean().item())
        print(
            f"| {name} ({len(captions)}) | " + " | ".join(f"{cell:.0%}" for cell in cells) + " |", flush=True
        )
    count = sum(len(each) for each in pictures.values())
    print(f"\n{(time.process_time() - began) / count:.3f} CPU s a picture, in batches of {BATCH}")

    names = list(groups()["a name"])
    first, second = pictures["a name", 2.0], drawn(tiny, names, seed=1)
    print(f"drawn and real: {likeness(first, emoji.pictures(names)):.1f} dB")
    print(f"drawn from two noises: {likeness(first, second):.1f} dB")
    print(f"drawn from two captions: {likeness(first, first.roll(1, 0)):.1f} dB")
    missed: list[tuple[str, Tensor]] = []
    for name, captions in groups().items():
        right = emoji.is_drawn(pictures[name, 2.0], captions)
        missed_here = [caption for caption, ok in zip(captions, right.tolist(), strict=True) if not ok]
        print(f"not drawn right at w = 2, {name}: {', '.join(missed_here) or 'none'}")
        missed += [(caption, pictures[name, 2.0][captions.index(caption)]) for caption in missed_here]
    if options.picture and missed:
        options.picture.write_bytes(failures(missed[:9]))


if __name__ == "__main__":
    main()
