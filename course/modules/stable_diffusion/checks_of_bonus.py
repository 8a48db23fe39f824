"""Public checks of the bonus tasks of the module `stable_diffusion`."""

from __future__ import annotations

import math

import torch
from torch import tensor

from course.checking.expect import Work, close, exercise, holds, ordinary


@exercise("word_maps")
class WordMaps:
    def by_hand(self, student: Work) -> None:
        """Two pixels and two words: scores 0 and ln 3, so that the words share a pixel's look 1 : 3."""
        q = tensor([[[1.0], [0.0]]]).view(1, 1, 2, 1)
        k = tensor([0.0, math.log(3)]).view(1, 1, 2, 1)
        close(
            student.word_maps(q, k, 1, 2),
            tensor([[0.25, 0.5], [0.75, 0.5]]).view(1, 2, 1, 2),
            symptoms={
                "Each word's looks add up to 1 over the pixels: each pixel's should, over the words.": tensor(
                    [[0.5, 0.5], [0.75, 0.25]]
                ).view(1, 2, 1, 2),
            },
        )

    def heads(self, student: Work) -> None:
        """The maps are the mean over the heads, and scores are divided by the root of a head's numbers."""
        q, k = torch.ones(1, 2, 6, 4), torch.zeros(1, 2, 3, 4)
        k[0, 0, 1] = math.log(3) / 2
        found = ordinary(student.word_maps(q, k, 2, 3))
        close(found[0, 1], torch.full((2, 3), (0.6 + 1 / 3) / 2))

    def add_up(self, student: Work) -> None:
        """At each pixel the words' maps add up to 1, and pixels stand row by row."""
        generator = torch.Generator().manual_seed(0)
        q, k = torch.randn(2, 2, 6, 4, generator=generator), torch.randn(2, 2, 5, 4, generator=generator)
        found = ordinary(student.word_maps(q, k, 2, 3))
        holds(found.shape == (2, 5, 2, 3), f"the shape is {tuple(found.shape)}, it should be (2, 5, 2, 3)")
        close(found.sum(1), torch.ones(2, 2, 3))


@exercise("my_walk")
class MyWalk:
    def noises(self, student: Work) -> None:
        """It has at least eight stations, each a noise of the shape that it was given."""
        walk = self._walk(student)
        holds(
            walk.dim() == 4, f"the walk has the shape {tuple(walk.shape)}, it should be [stations, C, H, W]"
        )
        holds(len(walk) >= 8, f"it has {len(walk)} stations")
        holds(walk.shape[1:] == (8, 8, 8), f"a station has the shape {tuple(walk.shape[1:])}")

    def all_of_them_noise(self, student: Work) -> None:
        """Each station has about the standard deviation of noise, from 0.9 to 1.1."""
        for number, station in enumerate(self._walk(student)):
            spread = float(station.std())
            holds(0.9 < spread < 1.1, f"station {number} has a standard deviation of {spread:.2f}")

    def small_steps(self, student: Work) -> None:
        """Neighbours are alike: their correlation is above 0.7. And the walk does not stand still."""
        walk = self._walk(student).flatten(1)
        pairs = torch.nn.functional.cosine_similarity(walk[1:], walk[:-1], dim=1)
        holds(float(pairs.min()) > 0.7, f"between two neighbours the correlation is {float(pairs.min()):.2f}")
        far = torch.nn.functional.cosine_similarity(walk[1:], walk[:1].expand_as(walk[1:]), dim=1)
        holds(float(far.min()) < 0.7, "no station is far from the first: it stands still")

    def _walk(self, student: Work) -> torch.Tensor:
        found = student.my_walk((8, 8, 8), torch.Generator().manual_seed(0))
        return ordinary(found).detach()
