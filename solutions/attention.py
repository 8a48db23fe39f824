"""Attention, from a softmax that does not overflow to the layer that lets words steer an image.

Reading order is the order of the lesson. Shapes use the letters of the formulas:

    B  batch        L  queries ("who asks")      d  channels of a query and of a key
    h  heads        S  keys ("who is asked")     e  channels of a value

The functions come first and build on one another. The three modules at the end are what a Stable
Diffusion network is made of; each is written on torch alone, and its parameters have the names that
diffusers gives them, so weights move between the two with `load_state_dict(..., strict=True)`.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


def stable_softmax(x: Float[Tensor, "..."], dim: int) -> Float[Tensor, "..."]:
    """exp(x) along `dim`, divided by its sum: positive weights that add up to 1, for scores of any size.

    x    any number of dimensions, floating point; not modified.
         Scores may be as large as +-1e4. Some may be -inf (their weight is 0), though never all along `dim`.
    dim  the dimension that adds up to 1; may be negative, as everywhere in torch.

    Returns a new tensor with x's shape, dtype and device: no NaN and no infinity in it.
    Gradients flow through it.
    """
    ### BEGIN SOLUTION
    # A constant added to all the scores cancels out; this one makes the largest exponent 0, so that
    # nothing overflows and the sum is at least 1. It must be the maximum of each slice: with one maximum
    # for the whole tensor, every score of a slice far below it would underflow, and the slice be 0/0.
    exponentials = torch.exp(x - x.amax(dim, keepdim=True))
    return exponentials / exponentials.sum(dim, keepdim=True)
    ### END SOLUTION


def scaled_dot_product_attention(
    q: Float[Tensor, "B h L d"],
    k: Float[Tensor, "B h S d"],
    v: Float[Tensor, "B h S e"],
    mask: Bool[Tensor, "..."] | None = None,
) -> Float[Tensor, "B h L e"]:
    """softmax(q k^T / sqrt(d)) v: each query's average of the values, weighted by how well it fits the keys.

    q, k, v  L and S may differ, and so may d and e. None of them is modified.
    mask     boolean, broadcastable to [B, h, L, S]; True = this query may attend to this key.
             Every query may attend to at least one key. None: every query attends to every key.

    A forbidden key has weight 0, and the weights of the others still add up to 1.
    Returns a new tensor with q's dtype and device, finite for scores as large as +-1e4, float16 included.
    Gradients flow through it, to q, k and v.
    Source: Vaswani et al., "Attention Is All You Need" (2017), equation 1.
    """
    ### BEGIN SOLUTION
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # [B, h, L, S]
    if mask is not None:
        # Before the softmax, so that the weights of the allowed keys add up to 1; and -inf rather than a
        # large negative number, which would be too large for float16 (-1e9) or too small for large scores.
        scores = scores.masked_fill(~mask, -math.inf)
    weights = stable_softmax(scores, dim=-1)  # each query's row adds up to 1
    return weights @ v
    ### END SOLUTION


def split_heads(x: Float[Tensor, "B L C"], heads: int) -> Float[Tensor, "B heads L d"]:
    """Cut the channels of each token into `heads` groups, one for each head: d = C // heads channels each.

    Channel c of x belongs to head c // d, where it is channel c % d: head 0 has the first d channels.

    x      any dtype; not modified; it need not be contiguous in memory. C is a multiple of heads.

    Returns x's numbers, dtype and device; the result may share memory with x.
    """
    ### BEGIN SOLUTION
    B, L, C = x.shape
    # reshape must not touch the order of L: cut the last dimension in two first, and only then swap.
    return x.reshape(B, L, heads, C // heads).transpose(1, 2)
    ### END SOLUTION


def merge_heads(x: Float[Tensor, "B heads L d"]) -> Float[Tensor, "B L C"]:
    """Put the heads side by side again, C = heads * d: the inverse of split_heads.

    x      any dtype; not modified; it need not be contiguous in memory.

    Returns x's numbers, dtype and device; the result may share memory with x.
    """
    ### BEGIN SOLUTION
    return x.transpose(1, 2).flatten(2)
    ### END SOLUTION


class MultiHeadSelfAttention(nn.Module):
    """Self-attention with several heads: every token of x asks every token of x.

    dim    channels of x, in and out; a multiple of heads.
    heads  number of heads; each works on dim // heads channels, cut as split_heads cuts them.

    Parameters, named and shaped as in diffusers:
      to_q, to_k, to_v   nn.Linear(dim, dim), without bias
      to_out             nn.ModuleList with one entry: nn.Linear(dim, dim), with bias
    No other parameters. Leave them as torch initialises them.
    Source: Vaswani et al. (2017), section 3.2.2.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.heads = heads
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim, dim, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "B L dim"]) -> Float[Tensor, "B L dim"]:
        """Attend within x, which is not modified. Returns a new tensor with x's dtype and device."""
        ### BEGIN SOLUTION
        B, L, dim = x.shape
        q, k, v = (
            project(x).view(B, L, self.heads, dim // self.heads).transpose(1, 2)  # [B, heads, L, d]
            for project in (self.to_q, self.to_k, self.to_v)
        )
        # torch's scale is 1 / sqrt(d) for the d channels of one head: each head is an attention of its own.
        attended = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.to_out[0](attended.transpose(1, 2).reshape(B, L, dim))
        return out
        ### END SOLUTION


class CrossAttention(nn.Module):
    """Attention from x to a context: the tokens of x ask, the tokens of the context answer.

    query_dim    channels of x, and of what is returned.
    context_dim  channels of the context.
    heads        number of heads.
    head_dim     channels of one head; inner = heads * head_dim need not equal query_dim.

    Parameters, named and shaped as in diffusers:
      to_q         nn.Linear(query_dim, inner), without bias
      to_k, to_v   nn.Linear(context_dim, inner), without bias
      to_out       nn.ModuleList with one entry: nn.Linear(inner, query_dim), with bias
    No other parameters. Leave them as torch initialises them.
    Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022), 3.3.
    """

    def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        inner = heads * head_dim
        self.heads = heads
        self.to_q = nn.Linear(query_dim, inner, bias=False)
        self.to_k = nn.Linear(context_dim, inner, bias=False)
        self.to_v = nn.Linear(context_dim, inner, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(inner, query_dim)])
        ### END SOLUTION

    def forward(
        self, x: Float[Tensor, "B L query_dim"], context: Float[Tensor, "B S context_dim"]
    ) -> Float[Tensor, "B L query_dim"]:
        """Attend from x to the context; neither is modified. Returns a new tensor, x's dtype and device."""
        ### BEGIN SOLUTION
        # Only the queries come from x. Unflattening the last dimension leaves L for q and S for k and v.
        q = self.to_q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, L, head_dim]
        k = self.to_k(context).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, S, head_dim]
        v = self.to_v(context).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, S, head_dim]
        attended = F.scaled_dot_product_attention(q, k, v)  # [B, heads, L, head_dim]
        out: Tensor = self.to_out[0](attended.transpose(1, 2).flatten(2))
        return out
        ### END SOLUTION


class SpatialSelfAttention(nn.Module):
    """Self-attention over the pixels of an image, added to the image: x + attention(group_norm(x)).

    channels  channels C of the image, in and out.
    groups    groups of the group norm; channels is a multiple of it.

    One head of C channels; each of the H * W pixels is a token. Any H, W >= 1, equal or not.

    Parameters, named and shaped as in the attention of diffusers' image autoencoder:
      group_norm         nn.GroupNorm(groups, channels, eps=1e-6)
      to_q, to_k, to_v   nn.Linear(channels, channels), with bias
      to_out             nn.ModuleList with one entry: nn.Linear(channels, channels), with bias
    No other parameters. Leave them as torch initialises them.
    Source: Ho et al., "Denoising Diffusion Probabilistic Models" (2020), appendix B.
    """

    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.group_norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Attend within x, which is not modified. Returns a new tensor with x's dtype and device."""
        ### BEGIN SOLUTION
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)  # [B, C, H, W] -> [B, C, H*W] -> [B, H*W, C]
        q, k, v = (
            project(tokens)[:, None] for project in (self.to_q, self.to_k, self.to_v)
        )  # [B, 1, H*W, C]
        attended = self.to_out[0](F.scaled_dot_product_attention(q, k, v)[:, 0])  # [B, H*W, C]
        # The way back is the way there in reverse: swap first, and only then cut H*W into H and W.
        # The image that comes back is the one that came in, not the normalised one.
        out: Tensor = x + attended.transpose(1, 2).reshape(x.shape)
        return out
        ### END SOLUTION
