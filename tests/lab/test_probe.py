"""The attention weights that the probe reads are those that the layer uses."""

import math

import pytest
import torch
from torch import Tensor, nn

from course.lab.probe import attention_weights
from solutions.attention import CrossAttention, MultiHeadSelfAttention, SpatialSelfAttention


def weights_by_hand(q: Tensor, k: Tensor, heads: int) -> Tensor:
    q, k = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k))
    return torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)


# Fewer, as many and more keys than a head has channels: one pass, one, and several, the last one not full.
@pytest.mark.parametrize("tokens", [2, 4, 11])
def test_reads_every_head_of_self_attention(tokens: int) -> None:
    layer, x = MultiHeadSelfAttention(12, 3), torch.randn(2, tokens, 12)
    found = attention_weights(layer, x, heads=3)
    torch.testing.assert_close(found, weights_by_hand(layer.to_q(x), layer.to_k(x), heads=3))


def test_reads_cross_attention() -> None:
    layer, x, context = CrossAttention(6, 5, 2, 3), torch.randn(2, 4, 6), torch.randn(2, 7, 5)
    found = attention_weights(layer, x, context, heads=2)
    torch.testing.assert_close(found, weights_by_hand(layer.to_q(x), layer.to_k(context), heads=2))


def test_reads_attention_over_an_image() -> None:
    layer, x = SpatialSelfAttention(4, groups=2), torch.randn(2, 4, 3, 5)
    tokens = layer.group_norm(x).flatten(2).transpose(1, 2)
    found = attention_weights(layer, x)
    torch.testing.assert_close(found, weights_by_hand(layer.to_q(tokens), layer.to_k(tokens), heads=1))


def test_leaves_the_layer_as_it_was() -> None:
    layer, x = MultiHeadSelfAttention(8, 2), torch.randn(1, 5, 8)
    before = layer(x)
    attention_weights(layer, x, heads=2)
    assert torch.equal(layer(x), before)


def test_refuses_a_layer_without_the_right_names() -> None:
    with pytest.raises(ValueError, match="Linear has no to_v and to_out to read the attention from"):
        attention_weights(nn.Linear(2, 2), torch.zeros(1, 2))


def test_refuses_a_layer_that_does_not_use_them() -> None:
    class Lazy(MultiHeadSelfAttention):
        def forward(self, x: Tensor) -> Tensor:
            return x

    with pytest.raises(ValueError, match="Lazy does not call its to_v"):
        attention_weights(Lazy(4, 2), torch.zeros(1, 3, 4), heads=2)
