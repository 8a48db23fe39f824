"""Public checks of the bonus tasks of the module `training`."""

from __future__ import annotations

import math

import torch
from torch import tensor

from course.checking.expect import Broken, Work, exercise, holds, ordinary


@exercise("stratified_timesteps")
class StratifiedTimesteps:
    def one_in_each(self, student: Work) -> None:
        """Of 8 timesteps out of 80, each tenth has one: 0 to 9, 10 to 19, and so on, in any order."""
        generator = torch.Generator().manual_seed(0)
        for _ in range(20):
            t = ordinary(student.stratified_timesteps(8, 80, generator))
            holds(t.shape == (8,) and t.dtype == torch.int64, f"8 whole numbers are expected, and it is {t}")
            where = sorted((t // 10).tolist())
            holds(
                where == list(range(8)), f"the tenths that they lie in are {where}, and each should have one"
            )

    def any_share(self, student: Work) -> None:
        """Where the shares are no whole numbers, as for 3 out of 10, no timestep is below 0 or above 9."""
        generator = torch.Generator().manual_seed(1)
        drawn = torch.cat([ordinary(student.stratified_timesteps(3, 10, generator)) for _ in range(2000)])
        holds(int(drawn.min()) >= 0 and int(drawn.max()) <= 9, f"they go from {drawn.min()} to {drawn.max()}")
        counts = torch.bincount(drawn, minlength=10)
        low, high = int(counts.min()), int(counts.max())
        # 600 of each are due; the standard deviation is below 25.
        holds(
            low > 450 and high < 750,
            f"of 6000 drawn, some timestep came {low} times and another {high} times; 600 are due for each",
        )

    def places(self, student: Work) -> None:
        """The first sample does not always get the smallest: the order is drawn, too."""
        generator = torch.Generator().manual_seed(2)
        first = [int(student.stratified_timesteps(4, 100, generator)[0]) // 25 for _ in range(60)]
        holds(len(set(first)) == 4, f"the first of four always comes from the quarters {sorted(set(first))}")

    def seeded(self, student: Work) -> None:
        """The generator decides, and goes on: the same seed gives the same, the next call other ones."""
        generator = torch.Generator().manual_seed(3)
        once, then = (student.stratified_timesteps(16, 1000, generator) for _ in range(2))
        again = student.stratified_timesteps(16, 1000, torch.Generator().manual_seed(3))
        holds(torch.equal(ordinary(once), ordinary(again)), "the same seed did not draw the same timesteps")
        holds(not torch.equal(once, then), "two calls in a row drew the same timesteps")


@exercise("my_weight")
class MyWeight:
    def weights(self, student: Work) -> None:
        """A finite weight of at least 0 for every ratio, of the shape of the ratios."""
        for snr in (tensor([0.0, 1e-6, 0.3, 1.0, 40.0, 1e4]), torch.ones(2, 3), tensor(2.0)):
            found = ordinary(student.my_weight(snr))
            holds(
                found.shape == snr.shape, f"for ratios of shape {tuple(snr.shape)} it is {tuple(found.shape)}"
            )
            holds(bool(torch.isfinite(found).all()), f"for the ratios {snr.tolist()} it is {found.tolist()}")
            holds(bool((found >= 0).all()), f"a weight is negative: {found.tolist()}")

    def counts(self, student: Work) -> None:
        """It is not the same everywhere, and somewhere between the ratios 0.01 and 100 it is not 0."""
        found = ordinary(student.my_weight(torch.logspace(-2, 2, 41))).double()
        holds(float(found.max()) > 0, "it is 0 for all ratios from 0.01 to 100: nothing would be learned")
        if math.isclose(float(found.min()), float(found.max()), rel_tol=1e-3):
            raise Broken(
                f"it is {float(found[0]):g} for all ratios from 0.01 to 100: then it is the plain loss"
            )
