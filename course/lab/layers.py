"""Layers from the module `attention`, to be used again in later ones.

There you write attention yourself; here torch's own does the work, under the same parameter names, which are
diffusers' too. So weights go from one to the other with `load_state_dict(..., strict=True)`.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention: `attention(x)` within x, `attention(x, context)` from x to a context.

    query_dim    channels of x, and of what is returned; a multiple of `heads`
    heads        number of heads, of query_dim // heads channels each
    context_dim  channels of the context; left out, those of x

    Parameters: to_q, to_k, to_v (no bias) and to_out.0 (with bias).
    Source: Vaswani et al., "Attention Is All You Need" (2017), section 3.2.2.
    """

    def __init__(self, query_dim: int, heads: int, context_dim: int | None = None) -> None:
        super().__init__()
        if query_dim % heads:
            raise ValueError(f"{query_dim} channels cannot be shared out among {heads} heads")
        self.heads = heads
        self.to_q = nn.Linear(query_dim, query_dim, bias=False)
        self.to_k = nn.Linear(context_dim or query_dim, query_dim, bias=False)
        self.to_v = nn.Linear(context_dim or query_dim, query_dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(query_dim, query_dim)])

    def forward(
        self, x: Float[Tensor, "B L query_dim"], context: Float[Tensor, "B S context_dim"] | None = None
    ) -> Float[Tensor, "B L query_dim"]:
        """A new tensor of x's shape, dtype and device."""
        source = x if context is None else context
        separate = [
            layer(given).unflatten(-1, (self.heads, -1)).movedim(-2, -3)  # [B, heads, tokens, channels]
            for layer, given in ((self.to_q, x), (self.to_k, source), (self.to_v, source))
        ]
        together = F.scaled_dot_product_attention(*separate).movedim(-3, -2).flatten(-2)
        out: Tensor = self.to_out[0](together)
        return out


class Level(nn.Module):
    """The blocks of a UNet at one resolution: four empty lists, with diffusers' names, to append to.

    A list that stays empty leaves no trace in the state dict.
    """

    def __init__(self) -> None:
        super().__init__()
        self.resnets = nn.ModuleList()
        self.attentions = nn.ModuleList()
        self.downsamplers = nn.ModuleList()
        self.upsamplers = nn.ModuleList()
