"""Answers to the bonus tasks of the module `lora`."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor


def extract_lora(
    base: Float[Tensor, "D C"], tuned: Float[Tensor, "D C"], r: int
) -> tuple[Float[Tensor, "r C"], Float[Tensor, "D r"]]:
    """A and B whose product B A is the best update of rank r from one weight to another.

    base, tuned  a weight before and after somebody trained all of it; neither is modified
    r            1 <= r <= min(D, C)

    Best means: no other product of such matrices has a smaller sum of squared differences (Eckart and Young,
    1936). How the product is shared out between A and B is yours to choose.
    """
    ### BEGIN SOLUTION
    left, sizes, right = torch.linalg.svd(tuned - base, full_matrices=False)
    root = sizes[:r].sqrt()  # half of each size to A, half to B
    return root[:, None] * right[:r], left[:, :r] * root
    ### END SOLUTION


def my_targets(sizes: Mapping[str, int], budget: int) -> list[str]:
    """The layers that you would adapt, if the weights of all their updates together may be `budget` at most.

    sizes   name of a layer → how many weights an update of it has

    Returns names out of `sizes`, at least one, none of them twice.
    """
    ### BEGIN SOLUTION
    # What draws the finest detail first: the convolutions on the way up, from the last one back.
    chosen, left = [], budget
    for name in sorted(sizes, key=lambda name: ("conv" not in name, not name.startswith("up_blocks.1"))):
        if sizes[name] <= left:
            chosen.append(name)
            left -= sizes[name]
    return chosen
    ### END SOLUTION
