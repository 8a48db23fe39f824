"""Answers to the bonus tasks of the module `attention`.

B  batch        h  heads            L  queries      S  keys
d  channels of a query and a key    e  channels of a value
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def attention_in_blocks(
    q: Float[Tensor, "B h L d"], k: Float[Tensor, "B h S d"], v: Float[Tensor, "B h S e"], block: int
) -> Float[Tensor, "B h L e"]:
    """Scaled dot-product attention that never has all its scores at once.

    block  so many keys are looked at together, >= 1; the last block may be smaller. No tensor may be as large
           as the scores of all queries with all keys.

    Returns what scaled_dot_product_attention(q, k, v) does, for scores of any size; nothing is modified.
    Source: Milakov & Gimelshein (2018), "Online normalizer calculation for softmax"; FlashAttention (Dao et
    al. 2022) is this, arranged for the memory of a GPU.
    """
    ### BEGIN SOLUTION
    top = q.new_full((*q.shape[:-1], 1), -math.inf)  # the largest score so far, of each query
    total = q.new_zeros((*q.shape[:-1], 1))
    out = q.new_zeros((*q.shape[:-1], v.shape[-1]))
    for start in range(0, k.shape[-2], block):
        keys, values = k[..., start : start + block, :], v[..., start : start + block, :]
        scores = q @ keys.transpose(-2, -1) / math.sqrt(q.shape[-1])
        higher = torch.maximum(top, scores.amax(-1, keepdim=True))
        fade = torch.exp(top - higher)  # what was summed up so far was relative to a lower top
        weights = torch.exp(scores - higher)
        total = fade * total + weights.sum(-1, keepdim=True)
        out = fade * out + weights @ values
        top = higher
    return out / total
    ### END SOLUTION


def emphasise(weights: Float[Tensor, "L S"], word: int, strength: float) -> Float[Tensor, "L S"]:
    """Make every query listen more to one word, in a way of your own.

    weights   of attention: each row adds up to 1; not modified
    word      its column
    strength  0 changes nothing; the larger, the more weight the word has, where it had any

    Each row of the result adds up to 1, and no weight is negative.
    """
    ### BEGIN SOLUTION
    # Adding to a score multiplies the weight; the softmax then shares out what is left.
    louder = weights.clone()
    louder[:, word] *= math.exp(strength)
    return louder / louder.sum(-1, keepdim=True)
    ### END SOLUTION
