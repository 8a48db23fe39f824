"""How often the tiny model draws what its caption says: the table of `docs/tiny-sd.md`.

python -m course.lab.tiny_sd.evaluate
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from course.lab import judge, shapes, tiny_sd

CAPTIONS = 96
SEEDS = 5
SCALES = (0.0, 1.0, 3.0, 7.0)
SAMPLERS: dict[str, dict[str, object]] = {
    "DDPM, 20 steps": {"sampler": "ddpm", "steps": 20},
    "DDIM, 20 steps": {"sampler": "ddim", "steps": 20},
    "DDIM, 20 steps, clipped": {"sampler": "ddim", "steps": 20, "clip": True},
}


def captions_of(seed: int, count: int = CAPTIONS) -> list[str]:
    """Captions with all four attributes, by chance."""
    return shapes.sample_attributes(count, torch.Generator().manual_seed(10_000 + seed)).captions()


def scores_of(
    tiny: tiny_sd.TinySD, guidance_scale: float, seeds: Sequence[int], **how: object
) -> judge.Scores:
    """The scores of fresh captions and fresh noise for each seed, all taken together."""
    captions, pictures = [], []
    for seed in seeds:
        captions += captions_of(seed)
        drawn = tiny.draw(captions[-CAPTIONS:], guidance_scale=guidance_scale, seed=seed, **how)  # type: ignore[arg-type]
        pictures.append(drawn)
    return judge.load().scores(torch.cat(pictures), captions)


def judges_own() -> tuple[judge.Scores, float, float]:
    """How the judges do on 10,000 true pictures: the network; the palette on colours and on backgrounds."""
    generator = torch.Generator().manual_seed(1)
    asked = shapes.sample_attributes(10_000, generator)
    pictures = shapes.draw(asked, generator=generator)
    seen = judge.palette(pictures)
    return (
        judge.load().scores(pictures, asked.captions()),
        (seen.colour == asked.colour).double().mean().item(),
        (seen.background == asked.background).double().mean().item(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Print how often the tiny model draws what was asked for.")
    parser.add_argument("--weights", type=Path, default=tiny_sd.WEIGHTS, help="the model's file")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"batches of {CAPTIONS} captions a cell")
    options = parser.parse_args()
    torch.set_num_threads(2)
    network, colour, background = judges_own()
    print(f"the judge on real pictures: {network}")
    print(f"the palette on real pictures: colour {colour:.1%}, background {background:.1%}\n")
    tiny = tiny_sd.load(path=options.weights)
    print("| all four right | " + " | ".join(f"w = {w:g}" for w in SCALES) + " |")
    print("|---|" + "---|" * len(SCALES))
    for name, how in SAMPLERS.items():
        cells = [scores_of(tiny, w, range(options.seeds), **how).all for w in SCALES]
        print(f"| {name} | " + " | ".join(f"{cell:.1%}" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
