"""Correct answers to the module `attention`, written otherwise than the reference: all earn full marks."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import variant

# --- stable_softmax -------------------------------------------------------------------------------------


@variant("stable_softmax", title="through logsumexp")
def through_logsumexp(x: Tensor, dim: int) -> Tensor:
    return (x - torch.logsumexp(x, dim, keepdim=True)).exp()


@variant("stable_softmax", title="slice by slice, with .item()")
def slice_by_slice(x: Tensor, dim: int) -> Tensor:
    moved = x.movedim(dim, -1)
    rows = []
    for row in moved.reshape(-1, moved.shape[-1]):
        largest = row.max().item()
        exponentials = torch.exp(row - largest)
        rows.append(exponentials / exponentials.sum())
    return torch.stack(rows).reshape(moved.shape).movedim(-1, dim)


@variant("stable_softmax", title="computed in float64, from a copy changed in place")
def in_double_precision(x: Tensor, dim: int) -> Tensor:
    y = x.to(torch.float64, copy=True)
    largest, _ = x.max(dim=dim, keepdim=True)
    y -= largest.detach()
    y = y.exp()
    return (y / y.sum(dim=dim, keepdim=True)).to(x.dtype)


@variant("stable_softmax", title="as a product of powers of two")
def powers_of_two(x: Tensor, dim: int) -> Tensor:
    powers = torch.exp2((x - torch.max(x, dim, keepdim=True).values) * math.log2(math.e))
    return powers * powers.sum(dim, keepdim=True).reciprocal()


# --- scaled_dot_product_attention -----------------------------------------------------------------------


@variant("scaled_dot_product_attention", title="einsum, with the scale in a tensor")
def with_einsum(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = torch.einsum("bhld,bhsd->bhls", q, k) / torch.sqrt(torch.tensor(q.shape[-1]))
    if mask is not None:
        scores = torch.where(
            mask, scores, torch.tensor(float("-inf"), dtype=scores.dtype, device=scores.device)
        )
    return torch.einsum("bhls,bhse->bhle", torch.softmax(scores, -1), v)


@variant("scaled_dot_product_attention", title="query by query, over the allowed keys only")
def query_by_query(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    B, h, L, d = q.shape
    S = k.shape[2]
    if mask is None:
        mask = torch.ones(L, S, dtype=torch.bool, device=q.device)
    mask = mask.expand(B, h, L, S)
    out = torch.zeros(B, h, L, v.shape[-1], dtype=q.dtype, device=q.device)
    for b in range(B):
        for head in range(h):
            for i in range(L):
                allowed = mask[b, head, i]
                scores = k[b, head][allowed] @ q[b, head, i] * d**-0.5
                exponentials = torch.exp(scores - scores.max().item())
                out[b, head, i] = (exponentials / exponentials.sum()) @ v[b, head][allowed]
    return out


@variant("scaled_dot_product_attention", title="baddbmm with an additive mask")
def with_baddbmm(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    B, h, L, d = q.shape
    S = k.shape[-2]
    bias = q.new_zeros(B, h, L, S)
    if mask is not None and not mask.all():
        bias.masked_fill_(mask.logical_not(), float("-inf"))
    scores = torch.baddbmm(bias.flatten(0, 1), q.flatten(0, 1), k.flatten(0, 1).mT, alpha=d**-0.5)
    return torch.bmm(scores.softmax(-1), v.flatten(0, 1)).unflatten(0, (B, h))


@variant("scaled_dot_product_attention", title="scores assigned by boolean index, the scale split in two")
def boolean_assignment(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    root = q.size(-1) ** 0.25
    scores = torch.matmul(q / root, k.swapaxes(2, 3) / root).float()
    if q.dtype == torch.float64:
        scores = torch.matmul(q / root, k.swapaxes(2, 3) / root)
    if mask is not None:
        mask, scores = torch.broadcast_tensors(mask, scores)
        scores = scores.clone()
        scores[~mask] = torch.finfo(scores.dtype).min
    scores = scores - scores.logsumexp(dim=-1, keepdim=True)
    return torch.matmul(scores.exp().to(v.dtype), v)


# --- split_heads and merge_heads ------------------------------------------------------------------------


@variant("split_heads", title="chunk and stack")
def split_by_chunk(x: Tensor, heads: int) -> Tensor:
    return torch.stack(torch.chunk(x, heads, dim=-1), dim=1)


@variant("split_heads", title="index by index, with an index on the CPU")
def split_by_index(x: Tensor, heads: int) -> Tensor:
    C = x.shape[-1]
    channels = torch.arange(C).view(heads, C // heads)
    return x[:, :, channels].permute(0, 2, 1, 3).contiguous()


@variant("split_heads", title="head by head into a new tensor")
def split_into_new(x: Tensor, heads: int) -> Tensor:
    B, L, C = x.shape
    out = x.new_empty(B, heads, L, C // heads)
    for c in range(C):
        out[:, c // (C // heads), :, c % (C // heads)] = x[:, :, c]
    return out


@variant("split_heads", defines="merge_heads", title="concatenated heads")
def merge_by_cat(x: Tensor) -> Tensor:
    return torch.cat([x[:, head] for head in range(x.size(1))], dim=2)


@variant("split_heads", defines="merge_heads", title="permute, contiguous, view")
def merge_by_view(x: Tensor) -> Tensor:
    return x.permute(0, 2, 1, 3).contiguous().view(x.size(0), x.size(2), -1)


@variant("split_heads", defines="merge_heads", title="einsum with the identity")
def merge_by_einsum(x: Tensor) -> Tensor:
    _, heads, _, d = x.shape
    places = torch.eye(heads * d, dtype=x.dtype, device=x.device).view(heads, d, heads * d)
    return torch.einsum("bhld,hdc->blc", x, places)


# --- MultiHeadSelfAttention -----------------------------------------------------------------------------


@variant("MultiHeadSelfAttention", title="one packed projection, written out")
class PackedProjection(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim, dim, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.cat([self.to_q.weight, self.to_k.weight, self.to_v.weight])
        q, k, v = F.linear(x, weight).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (self.scale * q @ k.mT).softmax(-1)
        out: Tensor = self.to_out[0](torch.einsum("bhls,bhsd->blhd", weights, v).flatten(2))
        return out


@variant("MultiHeadSelfAttention", title="head by head, to_out in a Sequential")
class HeadByHead(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_out = nn.Sequential(nn.Linear(dim, dim, bias=True), nn.Dropout(0.0))
        for name in ("to_v", "to_k", "to_q"):
            self.add_module(name, nn.Linear(dim, dim, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        heads = []
        for q, k, v in zip(
            *(p(x).chunk(self.heads, -1) for p in (self.to_q, self.to_k, self.to_v)), strict=True
        ):
            scores = torch.bmm(q, k.transpose(1, 2)) / torch.sqrt(torch.tensor(q.shape[-1]))
            exponentials = torch.exp(scores - scores.max(dim=-1, keepdim=True)[0])
            heads.append(torch.bmm(exponentials / exponentials.sum(-1, keepdim=True), v))
        out: Tensor = self.to_out(torch.cat(heads, dim=-1))
        return out


@variant("MultiHeadSelfAttention", title="heads folded into the batch, with a buffer for the scale")
class HeadsInTheBatch(nn.Module):
    scale: Tensor

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.register_buffer("scale", torch.tensor(float(dim // heads)).rsqrt())
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])

    def fold(self, x: Tensor) -> Tensor:
        B, L, _ = x.shape
        return x.reshape(B, L, self.heads, -1).permute(0, 2, 1, 3).reshape(B * self.heads, L, -1)

    def forward(self, x: Tensor) -> Tensor:
        B, L, C = x.shape
        q, k, v = self.fold(self.to_q(x)), self.fold(self.to_k(x)), self.fold(self.to_v(x))
        attended = torch.softmax(q @ k.transpose(-1, -2) * self.scale, dim=-1) @ v
        attended = attended.reshape(B, self.heads, L, -1).permute(0, 2, 1, 3).reshape(B, L, C)
        out: Tensor = self.to_out[0](attended)
        return out


# --- CrossAttention -------------------------------------------------------------------------------------


@variant("CrossAttention", title="einsum throughout")
class CrossByEinsum(nn.Module):
    def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.shape = (heads, head_dim, -1)
        self.to_q = nn.Linear(query_dim, heads * head_dim, bias=False)
        self.to_k = nn.Linear(context_dim, heads * head_dim, bias=False)
        self.to_v = nn.Linear(context_dim, heads * head_dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(heads * head_dim, query_dim)])

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q = torch.einsum("blc,hdc->bhld", x, self.to_q.weight.view(self.shape))
        k = torch.einsum("bsc,hdc->bhsd", context, self.to_k.weight.view(self.shape))
        scores = torch.einsum("bhld,bhsd->bhls", q, k).div(self.shape[1] ** 0.5)
        # The weights are applied to the context before it is projected: the order does not matter.
        seen = torch.einsum("bhls,bsc->bhlc", F.softmax(scores, dim=-1), context)
        out = torch.einsum("bhlc,hdc->blhd", seen, self.to_v.weight.view(self.shape)).flatten(2)
        return F.linear(out, self.to_out[0].weight, self.to_out[0].bias)


@variant("CrossAttention", title="head by head, each projected out and added up")
class CrossHeadByHead(nn.Module):
    def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        self.to_q = nn.Linear(query_dim, heads * head_dim, bias=False)
        self.to_k = nn.Linear(context_dim, heads * head_dim, bias=False)
        self.to_v = nn.Linear(context_dim, heads * head_dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(heads * head_dim, query_dim)])

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        out = self.to_out[0].bias.expand(x.shape).clone()
        for head in range(self.heads):
            part = slice(head * self.head_dim, (head + 1) * self.head_dim)
            attended = F.scaled_dot_product_attention(q[..., part], k[..., part], v[..., part])
            out += attended @ self.to_out[0].weight[:, part].T
        return out


@variant("CrossAttention", title="sample by sample, computed in float64")
class CrossSampleBySample(nn.Module):
    def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        inner = heads * head_dim
        self.heads, self.d = heads, head_dim
        self.to_q, self.to_k, self.to_v, self.to_out = (
            nn.Linear(query_dim, inner, False),
            nn.Linear(context_dim, inner, False),
            nn.Linear(context_dim, inner, False),
            nn.ModuleList([nn.Linear(inner, query_dim, True)]),
        )

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        samples = []
        for b in range(x.shape[0]):
            q = self.to_q(x[b]).view(-1, self.heads, self.d).movedim(1, 0).double()
            k = self.to_k(context[b]).view(-1, self.heads, self.d).permute(1, 2, 0).double()
            v = self.to_v(context[b]).view(-1, self.heads, self.d).movedim(1, 0).double()
            scores = torch.matmul(q, k) / math.sqrt(self.d)
            weights = torch.exp(scores - scores.logsumexp(-1, keepdim=True))
            samples.append(torch.matmul(weights, v).movedim(0, 1).reshape(len(x[b]), -1).to(x.dtype))
        out: Tensor = self.to_out[0](torch.stack(samples))
        return out


# --- SpatialSelfAttention -------------------------------------------------------------------------------


@variant("SpatialSelfAttention", title="the projections as 1x1 convolutions")
class WithConvolutions(nn.Module):
    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def project(self, layer: nn.Linear, x: Tensor) -> Tensor:
        return F.conv2d(x, layer.weight[:, :, None, None], layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        h = self.group_norm(x)
        q, k, v = (self.project(layer, h).reshape(B, C, H * W) for layer in (self.to_q, self.to_k, self.to_v))
        weights = torch.softmax(torch.bmm(q.permute(0, 2, 1), k) * C**-0.5, dim=2)  # [B, H*W, H*W]
        attended = torch.bmm(v, weights.permute(0, 2, 1)).reshape(B, C, H, W)
        return self.project(self.to_out[0], attended).add(x)


@variant("SpatialSelfAttention", title="einsum on height and width, the norm written out")
class EinsumOnTheImage(nn.Module):
    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(num_groups=groups, num_channels=channels, eps=1e-6)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def norm(self, x: Tensor) -> Tensor:
        grouped = x.reshape(x.shape[0], self.group_norm.num_groups, -1)
        variance, mean = torch.var_mean(grouped, dim=-1, correction=0, keepdim=True)
        normed = ((grouped - mean) / torch.sqrt(variance + self.group_norm.eps)).reshape(x.shape)
        return normed * self.group_norm.weight[:, None, None] + self.group_norm.bias[:, None, None]

    def forward(self, x: Tensor) -> Tensor:
        pixels = self.norm(x).movedim(1, -1)  # [B, H, W, C]
        q, k, v = self.to_q(pixels), self.to_k(pixels), self.to_v(pixels)
        scores = torch.einsum("bhwc,byxc->bhwyx", q, k) / math.sqrt(x.shape[1])
        scores = scores - scores.amax(dim=(-2, -1), keepdim=True)
        weights = scores.exp()
        weights = weights / weights.sum(dim=(-2, -1), keepdim=True)
        out: Tensor = self.to_out[0](torch.einsum("bhwyx,byxc->bhwc", weights, v))
        return out.movedim(-1, 1) + x


@variant("SpatialSelfAttention", title="row by row of the image")
class RowByRow(nn.Module):
    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, 1e-6)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.group_norm(x).permute(0, 2, 3, 1)  # [B, H, W, C]
        k, v = self.to_k(tokens).flatten(1, 2), self.to_v(tokens).flatten(1, 2)
        out = x.clone()
        for row in range(x.shape[2]):
            attended = F.scaled_dot_product_attention(self.to_q(tokens[:, row]), k, v)
            out[:, :, row] = out[:, :, row] + self.to_out[0](attended).mT
        return out


@variant("SpatialSelfAttention", title="views and permutations, with the scale in a tensor")
class ViewsOfTheImage(nn.Module):
    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        residual = x
        B, C, H, W = x.shape
        x = self.group_norm(x).view(B, C, -1).permute(0, 2, 1)
        scores = self.to_q(x) @ self.to_k(x).transpose(-1, -2) / torch.sqrt(torch.tensor(C))
        x = self.to_out[0](scores.softmax(-1) @ self.to_v(x))
        return residual + x.permute(0, 2, 1).view(B, C, H, W)
