"""Public checks of the bonus tasks of the module `sampling`."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import tensor

from course.checking.expect import Broken, Work, close, exercise, holds


@exercise("ancestral_step")
class AncestralStep:
    def by_hand(self, student: Work) -> None:
        """From 5 at sigma 5, with x0 = 0, to sigma 3: down is 1.8, and noise 1 adds up, 2.4."""
        one = tensor([1.0])
        close(
            student.ancestral_step(5 * one, 0 * one, 5.0, 3.0, 0 * one),
            [1.8],
            symptoms={
                "Euler's step goes to sigma_next: with the fresh noise that is too much.": [3.0],
                "Here the step stops above sigma_next.": [5 - 1.8],
            },
        )
        close(
            student.ancestral_step(5 * one, 0 * one, 5.0, 3.0, one),
            [4.2],
            symptoms={
                "The fresh noise is multiplied by its variance.": [1.8 + 5.76],
                "The fresh noise has the standard deviation of all the noise at sigma_next.": [4.8],
            },
        )

    def variances(self, student: Work) -> None:
        """What is left of the old noise and the fresh noise make up sigma_next together, by their squares."""
        one = torch.ones(1, dtype=torch.float64)
        for sigma, sigma_next in ((5.0, 3.0), (2.0, 0.5), (80.0, 60.0)):
            old = student.ancestral_step(sigma * one, 0 * one, sigma, sigma_next, 0 * one)
            fresh = student.ancestral_step(0 * one, 0 * one, sigma, sigma_next, one)
            holds(
                math.isclose(float(old) ** 2 + float(fresh) ** 2, sigma_next**2, rel_tol=1e-6),
                f"from sigma {sigma:g} to {sigma_next:g} {float(old):.3g} of the old noise is left, and the "
                f"fresh one has {float(fresh):.3g}: their squares do not add up",
            )

    def end(self, student: Work) -> None:
        """At sigma_next = 0 the clean samples come out. Pictures keep their dtype."""
        x, x0 = torch.ones(2, 3, 1, 4), torch.linspace(-1, 1, 24).reshape(2, 3, 1, 4)
        close(student.ancestral_step(x, x0, 2.0, 0.0, x), x0)


@exercise("my_timesteps")
class MyTimesteps:
    def falling(self, student: Work) -> None:
        """n different ints from 0 to 999, each below the one before."""
        for n in (2, 4, 8, 20, 50):
            times = student.my_timesteps(n)
            if not isinstance(times, list) or not all(type(t) is int for t in times):
                raise Broken(f"for n = {n} it is no list of ints", f"you returned  {times}")
            holds(len(times) == n, f"for n = {n} there are {len(times)}")
            holds(times[-1] >= 0 and times[0] <= 999, f"for n = {n} they go from {times[0]} to {times[-1]}")
            falls = all(high > low for high, low in pairwise(times))
            holds(falls, f"for n = {n} they do not fall: {times}")

    def beginning(self, student: Work) -> None:
        """The first is 900 or more."""
        for n in (2, 8, 50):
            first = student.my_timesteps(n)[0]
            holds(
                first >= 900,
                f"for n = {n} the first is {first}: there x is not yet the noise that it starts with",
            )

    def of_its_own(self, student: Work) -> None:
        """Of eight, not all are at the same distance."""
        times = student.my_timesteps(8)
        distances = {high - low for high, low in pairwise(times)}
        holds(
            max(distances) - min(distances) > 2,
            f"the distances are {sorted(distances)}: that is trailing or leading",
        )
