"""Weights set by hand, so that a layer nobody has trained does something one can see.

Each function returns a state dict for a layer of the attention module; `load_state_dict` takes it as
it would take a trained one. The names are diffusers' (`to_q`, `to_out.0`, ...).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from course.lab.scene import COLOURS
from course.lab.words import PLACES, TRAITS

RELATIONS = ("the word before", "words of the same kind", "what the word looks for")


def three_relations() -> dict[str, Tensor]:
    """For MultiHeadSelfAttention(24, 3) on `words.embed`: one head for each of RELATIONS."""
    d = len(TRAITS)  # each of the three parts of an embedding has 8 channels, and so has each head
    is_a, asks, where = slice(0, d), slice(d, 2 * d), slice(2 * d, 3 * d)
    to_q, to_k = torch.zeros(3 * d, 3 * d), torch.zeros(3 * d, 3 * d)

    to_q[0:d, where], to_k[0:d, where] = 9 * _one_step_back(frequencies=d // 2), torch.eye(d)

    kinds_only = torch.diag(torch.tensor([float(trait not in ("she", "he", "it")) for trait in TRAITS]))
    to_q[d : 2 * d, is_a], to_k[d : 2 * d, is_a] = 12 * kinds_only, kinds_only

    to_q[2 * d :, asks], to_k[2 * d :, is_a] = 8 * torch.eye(d), torch.eye(d)
    return {
        "to_q.weight": to_q,
        "to_k.weight": to_k,
        "to_v.weight": torch.eye(3 * d),
        "to_out.0.weight": torch.eye(3 * d),
        "to_out.0.bias": torch.zeros(3 * d),
    }


def painting(sharpness: float = 16.0) -> dict[str, Tensor]:
    """For CrossAttention(7, 7, heads=1, head_dim=8): places take the colour of the words that speak of them.

    x is `scene.kinds` and three channels to paint in; the context is `words.embed_prompt`.
    """
    places = len(PLACES)
    pick_place, pick_colour = torch.zeros(8, places + 3), torch.zeros(8, places + 3)
    pick_place[:places, :places] = torch.eye(places)
    pick_colour[:3, places:] = torch.eye(3)
    return {
        "to_q.weight": sharpness * pick_place,
        "to_k.weight": pick_place,
        "to_v.weight": pick_colour,
        "to_out.0.weight": pick_colour.T.clone(),
        "to_out.0.bias": torch.zeros(places + 3),
    }


def by_colour(sharpness: float = 60.0) -> dict[str, Tensor]:
    """For CrossAttention(4, 7, heads=1, head_dim=4): a place listens to the word that looks like it.

    x is (red, green, blue, 1) of each place, the context what `words_for_colours` makes. A score is minus
    sharpness times half the squared distance of the two colours, but for what is the same for all words.
    """
    as_it_is = torch.eye(4)
    return {
        "to_q.weight": sharpness * 2 * as_it_is,  # 2 is the root of head_dim, by which scores are divided
        "to_k.weight": torch.cat([as_it_is, torch.zeros(4, 3)], dim=1),
        "to_v.weight": torch.cat([torch.zeros(4, 4), torch.eye(4, 3)], dim=1),
        "to_out.0.weight": as_it_is.clone(),
        "to_out.0.bias": torch.zeros(4),
    }


def words_for_colours(like: Float[Tensor, "S 3"], paint: Float[Tensor, "S 3"]) -> Float[Tensor, "S 7"]:
    """Words that speak of places with the colours `like`, to each of which they give the colour `paint`."""
    return torch.cat([like, -like.square().sum(1, keepdim=True) / 2, paint], dim=1)


def like_to_like(patches: Float[Tensor, "C H W"], sharpness: float = 0.6) -> dict[str, Tensor]:
    """For SpatialSelfAttention(C, groups=1) on `scene.patches`: a pixel attends to pixels that look like it.

    Keys and values are the normalised patches, the queries are so too, measured from a middle grey.
    """
    channels = len(patches)
    grey = torch.tensor([COLOURS[name] for name in ("black", "red", "blue")]).mean(0)
    # The layer's group norm moves and scales the whole picture: move and scale the grey in the same way.
    middle = (grey.repeat_interleave(channels // 3) - patches.mean()) / patches.std(correction=0)
    eye = torch.eye(channels)
    return {
        "group_norm.weight": torch.ones(channels),
        "group_norm.bias": torch.zeros(channels),
        "to_q.weight": sharpness * eye,
        "to_q.bias": -sharpness * middle,
        "to_k.weight": eye,
        "to_k.bias": torch.zeros(channels),
        "to_v.weight": eye,
        "to_v.bias": torch.zeros(channels),
        "to_out.0.weight": eye,
        "to_out.0.bias": torch.zeros(channels),
    }


def _one_step_back(frequencies: int) -> Float[Tensor, "2*frequencies 2*frequencies"]:
    """The matrix that turns the position of word i into that of word i - 1: a rotation for each frequency."""
    step = (math.pi / 2) * 0.5 ** torch.arange(frequencies)
    cos, sin = torch.diag(step.cos()), torch.diag(step.sin())
    return torch.cat([torch.cat([cos, sin], dim=1), torch.cat([-sin, cos], dim=1)])


def for_each_colour(
    kernel: Float[Tensor, "kh kw"], colours: int = 3
) -> Float[Tensor, "colours colours kh kw"]:
    """The weight of a convolution that lays the same kernel on each colour, and mixes no colours."""
    weight = torch.zeros(colours, colours, *kernel.shape)
    weight[range(colours), range(colours)] = kernel
    return weight


def averaging() -> dict[str, Tensor]:
    """For Downsample(3) and Upsample(3): each pixel becomes a mean of itself and its eight neighbours."""
    weights = torch.tensor([1.0, 2.0, 1.0])
    return {
        "conv.weight": for_each_colour(torch.outer(weights, weights) / 16),
        "conv.bias": torch.zeros(3),
    }
