"""Public checks of the bonus tasks of the module `unet`."""

from __future__ import annotations

import torch
from torch import nn

from course.checking.expect import Broken, Work, exercise, holds, ordinary


@exercise("receptive_field")
class ReceptiveField:
    def stacked(self, student: Work) -> None:
        """Kernels of 3 on top of one another see 1, 3, 5, 7 pixels, and a kernel of 1 sees no more."""
        for count in range(4):
            _is(student, [(3, 1)] * count, 1 + 2 * count)
        _is(student, [(1, 1), (5, 1), (1, 1)], 5)

    def strides(self, student: Work) -> None:
        """After a stride of 2 neighbours lie two pixels apart, and after another one four."""
        _is(student, [(3, 2)], 3, "A stride changes what comes after it, not the layer's own kernel.")
        _is(student, [(3, 2), (3, 1)], 7, "The second kernel's neighbours lie two pixels apart.")
        _is(student, [(3, 2), (3, 2), (3, 1)], 15, "Strides multiply: here neighbours lie four pixels apart.")

    def different(self, student: Work) -> None:
        """Kernels and strides of all sizes: 7 by 3, then 2 by 2, then 3."""
        _is(student, [(7, 3), (2, 2), (3, 1)], 7 + 3 + 12)


@exercise("sabotage")
class Sabotage:
    def a_copy(self, student: Work) -> None:
        """The network that it is given stays as it was, every one of its numbers."""
        given = _network()
        before = {name: value.clone() for name, value in given.state_dict().items()}
        student.sabotage(given)
        after = given.state_dict()
        changed = [name for name in before if name not in after or not torch.equal(before[name], after[name])]
        holds(not changed, f"`{(changed or [''])[0]}` of the original has changed: work on a copy")

    def a_difference(self, student: Work) -> None:
        """Its answers have the shape of the original's and differ by a hundredth of their size at least."""
        given = _network()
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(4, 3, 16, 16, generator=generator)
        t, context = torch.tensor([20, 200, 500, 900]), torch.randn(4, 7, 64, generator=generator)
        other = student.sabotage(given)
        holds(callable(other), "what it returned cannot be called as a network is")
        with torch.no_grad():
            own = given(x, t, context)
            try:
                damaged = ordinary(other(x, t, context))
            except Broken:
                raise
            except Exception as error:
                raise Broken(f"the damaged network raised {type(error).__name__}: {error}") from None
        holds(damaged.shape == own.shape, f"it answers with the shape {tuple(damaged.shape)}")
        holds(bool(damaged.isfinite().all()), "its answers have NaN or infinity in them")
        share = float((damaged - own).norm() / own.norm())
        holds(share >= 0.01, f"its answers differ by {share:.2%} of their size: that is no fault")


def _is(student: Work, layers: list[tuple[int, int]], expected: int, why: str = "") -> None:
    answer = student.receptive_field(list(layers))
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise Broken(f"a whole number is expected; for {layers} came {answer!r}")
    if answer != expected:
        told = [why] if why else []
        raise Broken(*told, f"for {layers} it is {answer}, and {expected} is right")


def _network() -> nn.Module:
    """The trained one, read anew: what is damaged here stays damaged nowhere."""
    from course.lab import tiny_sd

    return tiny_sd.load().unet
