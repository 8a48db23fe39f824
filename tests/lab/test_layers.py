"""The course's own layers: torch's and diffusers' results, under diffusers' names."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention as DiffusersAttention

from course.lab.layers import Attention, Level
from solutions.attention import CrossAttention, MultiHeadSelfAttention


@pytest.mark.parametrize("context_dim", [None, 5])
def test_it_is_diffusers_attention(context_dim: int | None) -> None:
    ours = Attention(12, 3, context_dim).double()
    build: Any = DiffusersAttention
    theirs = build(12, cross_attention_dim=context_dim, heads=3, dim_head=4).double()
    theirs.load_state_dict(ours.state_dict())
    x, context = torch.randn(3, 7, 12).double(), torch.randn(3, 4, 5).double()
    given = () if context_dim is None else (context,)
    assert torch.allclose(ours(x, *given), theirs(x, *given), atol=1e-12)


def test_a_students_layers_take_its_weights() -> None:
    MultiHeadSelfAttention(12, 3).load_state_dict(Attention(12, 3).state_dict())
    CrossAttention(12, 5, 3, 4).load_state_dict(Attention(12, 3, 5).state_dict())


def test_channels_that_cannot_be_shared_out_are_said() -> None:
    with pytest.raises(ValueError, match="10 channels cannot be shared out among 3 heads"):
        Attention(10, 3)


def test_an_empty_level_leaves_no_trace() -> None:
    assert Level().state_dict() == {}
