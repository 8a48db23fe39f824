"""Trains the tiny DiT: the script that made `tiny_dit.safetensors`.

    python -m course.lab.tiny_dit.train --out mine.safetensors

On one core it takes about five minutes. After every 50 steps all that it needs is written beside the file
(`mine.resume`), and the same command goes on from there. Everything random comes from SEED: the same machine,
release of torch and number of threads take the same steps again; elsewhere the last digits differ.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from course.lab import judge, shapes
from course.lab.tiny_dit import ANY, CONFIG, WEIGHTS, Trained, attributes, save
from course.lab.tiny_dit.network import WIDTH, TinyDiT

SEED = 0
STEPS = 800
LAST = 300  # steps in which the learning rate falls; a run that is longer takes the same steps before
BATCH = 32
LEARNING_RATE = 2e-3
FORGET_LABEL = 0.1  # for classifier-free guidance (Ho & Salimans 2022)
EMA_DECAY = 0.997
KEEP_EVERY = 50


class Words(nn.Module):
    """A row for each label, as the sum of a vector for its shape and one for its colour; and a row for "any".

    48 labels with a row each would share nothing, and red would have to be learned six times. What is stored
    in the end is the table.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shape = nn.Embedding(len(shapes.SHAPES), WIDTH)
        self.colour = nn.Embedding(len(shapes.COLOURS), WIDTH)
        for each in (self.shape, self.colour):
            nn.init.normal_(each.weight, std=0.3)
        self.any = nn.Parameter(torch.zeros(1, WIDTH))

    def table(self) -> Tensor:
        rows = self.shape.weight[:, None] + self.colour.weight
        return torch.cat((rows.flatten(0, 1), self.any))

    def forward(self, labels: Int[Tensor, " B"]) -> Tensor:
        return self.table()[labels]


def made() -> TinyDiT:
    """The network before training: linear layers as Glorot & Bengio have them, zeros as adaLN-Zero has."""
    network = TinyDiT()
    for layer in network.modules():
        if isinstance(layer, nn.Linear) and layer.weight.any():
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    network.label_embed = Words()
    return network


def loss_of(network: nn.Module, generator: torch.Generator) -> Tensor:
    """The loss of one fresh batch: the square error of the predicted velocity, noise - picture."""
    labels = torch.randint(CONFIG["classes"], (BATCH,), generator=generator)
    pictures = shapes.draw(attributes(labels), generator=generator)
    labels[torch.rand(BATCH, generator=generator) < FORGET_LABEL] = ANY
    noise = torch.randn(pictures.shape, generator=generator)
    # Most often in the middle, where there is most to learn (Esser et al. 2024, section 3.1).
    sigma = torch.sigmoid(1.2 * torch.randn(BATCH, generator=generator) + 0.3)
    share = sigma.view(-1, 1, 1, 1)
    predicted = network((1 - share) * pictures + share * noise, 1000 * sigma, labels)
    return F.mse_loss(predicted, noise - pictures)


class Training:
    """All that changes from step to step, and that a checkpoint keeps."""

    def __init__(self) -> None:
        torch.manual_seed(SEED)
        self.network = made()
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.generator = torch.Generator().manual_seed(SEED)
        self.done, self.smooth, self.seconds = 0, math.nan, 0.0
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), LEARNING_RATE, weight_decay=1e-3, betas=(0.9, 0.99)
        )

    def step(self) -> float:
        """One step, and its loss. The learning rate rises for 50 steps, stays, and falls in the last ones."""
        falling = min(1.0, (STEPS - self.done) / LAST)
        for group in self.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * falling * min(1.0, (self.done + 1) / 50)
        loss = loss_of(self.network, self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.done += 1
        decay = min(EMA_DECAY, self.done / (self.done + 9))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
        return loss.item()

    def state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "counts": (self.done, self.smooth, self.seconds),
        }

    def resume(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.done, self.smooth, self.seconds = state["counts"]

    def table(self) -> dict[str, Tensor]:
        """The averages, with a row for each label: as the class of an exercise takes them."""
        state = {
            name: value
            for name, value in self.average.state_dict().items()
            if not name.startswith("label_embed.")
        }
        words = self.average.label_embed
        assert isinstance(words, Words)
        return state | {"label_embed.weight": words.table().detach()}


def score(network: nn.Module, count: int = 96) -> judge.Scores:
    """What the judge says of `count` pictures."""
    labels = torch.randint(CONFIG["classes"], (count,), generator=torch.Generator().manual_seed(77))
    captions = attributes(labels).captions()
    return judge.load().scores(Trained(network.eval()).draw(captions), captions)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the tiny DiT.")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the file to write")
    out = parser.parse_args().out
    kept = out.with_suffix(".resume")
    torch.set_num_threads(1)
    training = Training()
    if kept.is_file():
        training.resume(torch.load(kept, weights_only=True))
        print(f"goes on after step {training.done}", flush=True)
    begun = time.process_time() - training.seconds
    while training.done < STEPS:
        loss = training.step()
        training.smooth = loss if math.isnan(training.smooth) else 0.98 * training.smooth + 0.02 * loss
        training.seconds = time.process_time() - begun
        if training.done % 50 == 0:
            spent = f"{training.seconds:.0f} CPU seconds"
            print(f"step {training.done}: loss {training.smooth:.4f}, {spent}", flush=True)
        if training.done % KEEP_EVERY == 0 or training.done == STEPS:
            partial = kept.with_suffix(".part")
            torch.save(training.state(), partial)
            partial.replace(kept)
            save(out, training.table())
        if training.done % 100 == 0:
            print(f"step {training.done}: {score(training.average)}", flush=True)
    kept.unlink(missing_ok=True)
    print(f"{out}: {out.stat().st_size} bytes, {training.seconds:.0f} CPU seconds")


if __name__ == "__main__":
    main()
