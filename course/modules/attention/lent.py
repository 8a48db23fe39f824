"""What later modules take from `attention`, for who has not written it: torch's own attention does the work.

Names, arguments and parameters are those of the exercises, so that a student's own can stand in its place. It
hands nobody an answer: what it calls is what the exercises forbid.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["CrossAttention", "MultiHeadSelfAttention"]

_ASK = ("to_q", "to_k", "to_v")


class CrossAttention(nn.Module):
    """Attention from x to a context.

    query_dim    channels of x, and of what is returned
    context_dim  channels of the context
    heads        number of heads, of `head_dim` channels each

    Parameters: to_q, to_k, to_v (no bias) and to_out.0 (with bias).
    Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022), 3.3.
    """

    def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads, inner = heads, heads * head_dim
        for name, channels in zip(_ASK, (query_dim, context_dim, context_dim), strict=True):
            self.add_module(name, nn.Linear(channels, inner, bias=False))
        self.add_module("to_out", nn.ModuleList([nn.Linear(inner, query_dim)]))

    def forward(
        self, x: Float[Tensor, "B L query_dim"], context: Float[Tensor, "B S context_dim"]
    ) -> Float[Tensor, "B L query_dim"]:
        """A new tensor of x's shape, dtype and device."""
        separate = [
            # [B, heads, tokens, channels]
            self.get_submodule(name)(given).unflatten(-1, (self.heads, -1)).movedim(-2, -3)
            for name, given in zip(_ASK, (x, context, context), strict=True)
        ]
        together = F.scaled_dot_product_attention(*separate).movedim(-3, -2).flatten(-2)
        out: Tensor = self.get_submodule("to_out.0")(together)
        return out


class MultiHeadSelfAttention(CrossAttention):
    """The same within x.

    dim    channels of x, and of what is returned; a multiple of `heads`
    heads  number of heads, of dim // heads channels each

    Raises ValueError where dim is no multiple of heads.
    Source: Vaswani et al., "Attention Is All You Need" (2017), section 3.2.2.
    """

    def __init__(self, dim: int, heads: int) -> None:
        if dim % heads:
            raise ValueError(f"{dim} channels cannot be shared out among {heads} heads")
        super().__init__(dim, dim, heads, dim // heads)

    def forward(self, x: Float[Tensor, "B L dim"]) -> Float[Tensor, "B L dim"]:  # type: ignore[override]
        """A new tensor of x's shape, dtype and device."""
        return super().forward(x, x)


@torch.no_grad()
def fits(name: str, own: Any) -> None:
    """Raises whatever keeps a student's layer from working with the weights of this one, as this one does."""
    x, context = torch.linspace(-1, 1, 40).view(1, 5, 8), torch.linspace(1, -1, 18).view(1, 3, 6)
    cross = name == "CrossAttention"
    arguments, given = ((8, 6, 2, 4), (x, context)) if cross else ((8, 2), (x,))
    ours = {"CrossAttention": CrossAttention, "MultiHeadSelfAttention": MultiHeadSelfAttention}[name](
        *arguments
    )
    theirs = own(*arguments)
    theirs.load_state_dict(ours.state_dict())
    if not torch.allclose(theirs(*given), ours(*given), atol=1e-4):
        raise ValueError("with the same weights it gives other numbers")
