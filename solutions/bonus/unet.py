"""Answers to the bonus tasks of the module `unet`."""

from collections.abc import Sequence

import torch
from torch import nn


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """How many pixels in a row of the input one number of the output has seen.

    layers  (kernel size, stride) of convolutions, the first one first; all >= 1. Without any it is 1.

    Padding, which is no pixel of the input, is left out of account.
    """
    ### BEGIN SOLUTION
    seen, step = 1, 1  # a step between neighbours of this layer is so many pixels of the input
    for kernel, stride in layers:
        seen += (kernel - 1) * step
        step *= stride
    return seen
    ### END SOLUTION


def sabotage(unet: nn.Module) -> nn.Module:
    """A copy of a trained UNet with a fault of your own in it, that its pictures do not show.

    unet  called as unet(x, t, context), with diffusers' names; it stays as it is.

    Returns a network that is called in the same way, and whose answers differ from the original's by at least
    a hundredth of their size.
    """
    ### BEGIN SOLUTION
    from copy import deepcopy

    other = deepcopy(unet)
    with torch.no_grad():  # the middle's feed-forward layer has nothing to say
        other.get_parameter("mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight").zero_()
    return other
    ### END SOLUTION
