"""How often the tiny DiT draws what its caption says: the table of `docs/tiny-dit.md`.

python -m course.lab.tiny_dit.evaluate
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from course.lab import judge, tiny_dit

CAPTIONS = 192
STEPS = (20, 8, 4, 2, 1)
SCALES = (1.0, 2.5)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print how often the tiny DiT draws what was asked for.")
    parser.add_argument("--weights", type=Path, default=tiny_dit.WEIGHTS, help="the model's file")
    parser.add_argument("--captions", type=int, default=CAPTIONS, help="captions a cell")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tiny, referee = tiny_dit.load(path=options.weights), judge.load()
    labels = torch.randint(48, (options.captions,), generator=torch.Generator().manual_seed(10_000))
    captions = tiny_dit.attributes(labels).captions()
    print("| all four right | " + " | ".join(f"w = {w:g}" for w in SCALES) + " |")
    print("|---|" + "---|" * len(SCALES))
    for steps in STEPS:
        cells = [
            referee.scores(tiny.draw(captions, steps=steps, guidance_scale=w), captions).all for w in SCALES
        ]
        named = f"{steps} steps" if steps > 1 else "1 step"
        print(f"| {named} | " + " | ".join(f"{cell:.1%}" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
