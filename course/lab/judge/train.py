"""Trains the judge: the script that made `judge.safetensors`, in about two minutes.

python -m course.lab.judge.train --out mine.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F

from course.lab import shapes
from course.lab.judge import WEIGHTS
from course.lab.judge.network import JudgeNetwork
from course.lab.stored import write_weights

SEED = 0
STEPS = 1200
BATCH = 192
LEARNING_RATE = 3e-3


def train(steps: int = STEPS) -> JudgeNetwork:
    """A judge, trained on pictures with up to a tenth of noise, since a model's are never quite clean."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    network = JudgeNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for _ in range(steps):
        attributes = shapes.sample_attributes(BATCH, generator)
        pictures = shapes.draw(attributes, generator=generator)
        level = 0.1 * torch.rand(BATCH, 1, 1, 1, generator=generator)
        noised = pictures + level * torch.randn(pictures.shape, generator=generator)
        guesses = network(noised.clamp(-1, 1))
        losses = [F.cross_entropy(guesses[name], getattr(attributes, name)) for name in shapes.ATTRIBUTES]
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the judge.")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the file to write")
    out = parser.parse_args().out
    torch.set_num_threads(2)
    write_weights(out, train().state_dict())
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
