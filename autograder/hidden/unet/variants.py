"""Correct answers to the module `unet`, written otherwise than the reference: all earn full marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import variant
from course import parts
from course.lab.layers import Attention, Level
from solutions.unet import (
    Downsample,
    FeedForward,
    ResBlock,
    SpatialTransformer,
    TransformerBlock,
    Upsample,
    timestep_embedding,
)

# --- conv2d ---------------------------------------------------------------------------------------------


@variant("conv2d", title="place by place, with plain loops")
def place_by_place(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = F.pad(x, (padding, padding, padding, padding))
    B, _, H, W = x.shape
    D, _, kh, kw = weight.shape
    h, w = (H - kh) // stride + 1, (W - kw) // stride + 1
    out = torch.zeros(B, D, h, w, dtype=x.dtype, device=x.device)
    for i in range(h):
        for j in range(w):
            patch = x[:, None, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            out[:, :, i, j] = (patch * weight).sum(dim=(2, 3, 4))
    return out if bias is None else out + bias.view(1, -1, 1, 1)


@variant("conv2d", title="a sum over the kernel of shifted images")
def shifted_images(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    B, C, H, W = x.shape
    kh, kw = weight.shape[2:]
    padded = x.new_zeros(B, C, H + 2 * padding, W + 2 * padding)
    padded[:, :, padding : padding + H, padding : padding + W] = x
    h, w = H + 2 * padding - kh + 1, W + 2 * padding - kw + 1
    total = 0
    for i in range(kh):
        for j in range(kw):
            covered = padded[:, :, i : i + h, j : j + w][:, :, ::stride, ::stride]
            total = total + torch.einsum("bchw,dc->bdhw", covered, weight[:, :, i, j])
    if bias is not None:
        total = total + bias[None, :, None, None]
    return total


@variant("conv2d", title="patches by unfold, dot products by einsum")
def patches_and_einsum(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    x = nn.functional.pad(x, [padding] * 4, value=0.0)
    patches = x.unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.tensordot(patches, weight, dims=([1, 4, 5], [1, 2, 3]))  # [B, h, w, D]
    if bias is not None:
        out += bias
    return out.permute(0, 3, 1, 2)


@variant("conv2d", title="nn.Unfold, sample by sample")
def sample_by_sample(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    D, _, kh, kw = weight.shape
    unfold = nn.Unfold((kh, kw), padding=padding, stride=stride)
    size = [(n + 2 * padding - k) // stride + 1 for n, k in zip(x.shape[2:], (kh, kw), strict=True)]
    results = []
    for sample in x:
        columns = unfold(sample[None])[0]
        result = torch.mm(weight.reshape(D, -1), columns).reshape(D, *size)
        results.append(result if bias is None else result + bias.reshape(D, 1, 1))
    return torch.stack(results)


# --- group_norm -----------------------------------------------------------------------------------------


@variant("group_norm", title="the mean square less the squared mean")
def mean_of_squares(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    B, C, H, W = x.shape
    y = x.view(B, groups, -1) if x.is_contiguous() else x.contiguous().view(B, groups, -1)
    mean = y.mean(dim=2, keepdim=True)
    variance = (y**2).mean(dim=2, keepdim=True) - mean**2
    y = (y - mean) * torch.rsqrt(variance.clamp(min=0) + eps)
    y = y.view(B, C, H, W)
    if weight is not None:
        y = weight.view(1, C, 1, 1) * y
    if bias is not None:
        y = y + bias.view(1, C, 1, 1)
    return y


@variant("group_norm", title="group by group, joined again")
def group_by_group(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    normed = []
    for group in torch.chunk(x, groups, dim=1):
        variance, mean = torch.var_mean(group, dim=(1, 2, 3), correction=0, keepdim=True)
        normed.append((group - mean) / (variance + eps) ** 0.5)
    out = torch.cat(normed, dim=1)
    out = out if weight is None else torch.einsum("bchw,c->bchw", out, weight)
    return out if bias is None else out + bias[:, None, None]


@variant("group_norm", title="sample by sample into a new tensor, with .item()")
def into_a_new_tensor(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    size = x.shape[1] // groups
    out = torch.zeros_like(x)
    for b in range(x.shape[0]):
        for g in range(groups):
            part = x[b, g * size : (g + 1) * size]
            count = float(torch.tensor(part.numel()).item())
            centred = part - part.sum() / count
            out[b, g * size : (g + 1) * size] = centred / ((centred * centred).sum() / count + eps).sqrt()
    scale = torch.ones_like(x[0, :, 0, 0]) if weight is None else weight
    shift = torch.zeros_like(x[0, :, 0, 0]) if bias is None else bias
    return torch.addcmul(shift[:, None, None], out, scale[:, None, None])


@variant("group_norm", title="worked out in float64 and rounded once, at the end")
def rounded_at_the_end(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    wide = x.double().unflatten(1, (groups, -1))
    centred = wide - wide.mean(dim=(2, 3, 4), keepdim=True)
    wide = (centred / centred.square().mean(dim=(2, 3, 4), keepdim=True).add(eps).sqrt()).flatten(1, 2)
    if weight is not None:
        wide = wide * weight.double()[None, :, None, None]
    if bias is not None:
        wide = wide + bias.double()[None, :, None, None]
    return wide.to(x.dtype)


# --- timestep_embedding ---------------------------------------------------------------------------------


@variant("timestep_embedding", title="powers, and an outer product")
def outer_product(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    i = torch.arange(half, dtype=torch.float32, device=t.device)
    angles = torch.outer(t.to(torch.float32), 1.0 / 10000 ** (i / half))
    embedding = torch.zeros(t.shape[0], dim, device=t.device)
    embedding[:, :half] = torch.cos(angles)
    embedding[:, half : 2 * half] = torch.sin(angles)
    return embedding


@variant("timestep_embedding", title="computed in float64, with einsum")
def in_double_precision(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    frequencies = torch.logspace(0, -4 * (half - 1) / half, half, dtype=torch.float64, device=t.device)
    angles = torch.einsum("b,i->bi", t.double(), frequencies)
    parts = [torch.cos(angles), torch.sin(angles)]
    if dim % 2 == 1:
        parts.append(torch.zeros(len(t), 1, dtype=torch.float64, device=t.device))
    return torch.cat(parts, dim=-1).float()


@variant("timestep_embedding", title="sines as shifted cosines, number by number")
def number_by_number(t: Tensor, dim: int) -> Tensor:
    half = dim // 2
    rows = []
    for time in t.tolist():
        angles = [time * 10_000 ** (-i / half) for i in range(half)]
        row = [math.cos(a) for a in angles] + [math.cos(a - math.pi / 2) for a in angles]
        rows.append(row + [0.0] * (dim - 2 * half))
    return torch.tensor(rows, dtype=torch.float32, device=t.device)


# --- ResBlock -------------------------------------------------------------------------------------------


@variant("ResBlock", title="an Identity for the way round, SiLU as a layer")
class WithIdentity(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, time_dim: int, groups: int = 32) -> None:
        super().__init__()
        self.act = nn.SiLU()
        self.conv_shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else nn.Conv2d(in_channels, out_channels, kernel_size=1)
        )
        self.norm2 = nn.GroupNorm(num_groups=groups, num_channels=out_channels)
        self.norm1 = nn.GroupNorm(num_groups=groups, num_channels=in_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding="same")
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=(1, 1))
        self.time_emb_proj = nn.Linear(time_dim, out_channels, bias=True)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        out = self.conv_shortcut(x)
        x = self.conv1(self.act(self.norm1(x)))
        time = self.time_emb_proj(self.act(time))
        x = x + time.unsqueeze(-1).unsqueeze(-1)
        return out + self.conv2(self.act(self.norm2(x)))


@variant("ResBlock", title="x times its sigmoid, the embedding by einsum and expand")
class WrittenOut(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, time_dim: int, groups: int = 32) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels, eps=1e-5, affine=True)
        self.norm2 = nn.GroupNorm(groups, out_channels, eps=1e-5, affine=True)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, 1, 1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1)
        self.time_emb_proj = nn.Linear(time_dim, out_channels)
        if in_channels != out_channels:
            self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1)

    @staticmethod
    def swish(x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        told = (
            torch.einsum("bt,dt->bd", self.swish(time), self.time_emb_proj.weight) + self.time_emb_proj.bias
        )
        h = self.conv1(self.swish(self.norm1(x)))
        h = h + told[..., None, None].expand_as(h)
        h = self.conv2(self.swish(self.norm2(h)))
        if hasattr(self, "conv_shortcut"):
            x = torch.einsum("bchw,dc->bdhw", x, self.conv_shortcut.weight[:, :, 0, 0])
            x = x + self.conv_shortcut.bias[:, None, None]
        return torch.add(x, h)


@variant("ResBlock", title="sample by sample, everything functional")
class SampleBySample(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, time_dim: int, groups: int = 32) -> None:
        super().__init__()
        self.groups, self.same = groups, in_channels == out_channels
        self.norm1, self.norm2 = (nn.GroupNorm(groups, c) for c in (in_channels, out_channels))
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_dim, out_channels)
        self.conv_shortcut = None if self.same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        samples = []
        for image, row in zip(x.split(1), time.split(1), strict=True):
            h = F.group_norm(image, self.groups, self.norm1.weight, self.norm1.bias)
            # The embedding is the same at every pixel: it may as well go into the convolution's bias.
            told = (F.silu(row) @ self.time_emb_proj.weight.T + self.time_emb_proj.bias).squeeze(0)
            h = F.conv2d(F.silu(h), self.conv1.weight, self.conv1.bias + told, padding=1)
            h = F.group_norm(h, self.groups, self.norm2.weight, self.norm2.bias)
            h = F.conv2d(F.silu(h), self.conv2.weight, self.conv2.bias, padding=1)
            samples.append(h + (image if self.same else self.conv_shortcut(image)))
        return torch.cat(samples)


@variant("ResBlock", title="channels last in memory, activations in place on its own tensors")
class ChannelsLast(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, time_dim: int, groups: int = 32) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv1, self.conv2 = (
            nn.Conv2d(c, out_channels, 3, padding="same") for c in (in_channels, out_channels)
        )
        self.time_emb_proj = nn.Linear(time_dim, out_channels)
        if in_channels != out_channels:
            self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        h = self.conv1(F.silu(self.norm1(x), inplace=True))
        h += self.time_emb_proj(F.silu(time)).unflatten(1, (-1, 1, 1))
        h = self.conv2(F.silu(self.norm2(h), inplace=True))
        h += self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x
        return h.contiguous()


# --- Downsample and Upsample ----------------------------------------------------------------------------


@variant("Downsample", title="Downsample: padded by hand, every second place of a full convolution")
class EverySecondPlace(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (1, 1, 1, 1)))[..., ::2, ::2]


@variant("Downsample", title="Downsample: functional, with the stride as a pair")
class FunctionalDown(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.add_module("conv", nn.Conv2d(channels, channels, (3, 3), stride=(2, 2)))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.conv.weight, self.conv.bias, stride=2, padding=1)


@variant("Downsample", defines="Upsample", title="Upsample: repeat_interleave")
class ByRepetition(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2))


@variant("Downsample", defines="Upsample", title="Upsample: expand and reshape")
class ByExpansion(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, stride=1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        big = x[:, :, :, None, :, None].expand(B, C, H, 2, W, 2).reshape(B, C, 2 * H, 2 * W)
        return self.conv(big)


@variant("Downsample", defines="Upsample", title="Upsample: nn.Upsample, or an index for each pixel")
class ByIndex(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.up = nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] % 2:
            return self.conv(self.up(x))
        rows, columns = (torch.arange(2 * n, device=x.device) // 2 for n in x.shape[2:])
        return self.conv(x[:, :, rows][:, :, :, columns])


# --- FeedForward and TransformerBlock -------------------------------------------------------------------


class _Gate(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, 8 * dim)

    def forward(self, x: Tensor) -> Tensor:
        x, gate = torch.tensor_split(self.proj(x), 2, dim=-1)
        return x * nn.functional.gelu(gate)


@variant(
    "TransformerBlock", defines="FeedForward", title="FeedForward: a module for the gate, in a Sequential"
)
class GateAsModule(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(_Gate(dim), nn.Dropout(0.0), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


@variant("TransformerBlock", defines="FeedForward", title="FeedForward: gelu written out with erf")
class GeluWrittenOut(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        inner = 4 * dim
        self.net = nn.ModuleList([nn.ModuleDict({"proj": nn.Linear(dim, 2 * inner)}), nn.Identity()])
        self.net.append(nn.Linear(inner, dim))
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        projected = self.net[0]["proj"](x)
        gate = projected[..., self.inner :]
        gate = gate * 0.5 * (1 + torch.erf(gate / math.sqrt(2)))
        return torch.einsum("bli,di->bld", projected[..., : self.inner] * gate, self.net[2].weight) + (
            self.net[2].bias
        )


@variant("TransformerBlock", title="the steps in a loop")
class StepsInALoop(nn.Module):
    def __init__(self, dim: int, context_dim: int, heads: int) -> None:
        super().__init__()
        self.ff = FeedForward(dim)
        self.attn2 = parts.attention.CrossAttention(
            query_dim=dim, heads=heads, context_dim=context_dim, head_dim=dim // heads
        )
        self.attn1 = parts.attention.MultiHeadSelfAttention(heads=heads, dim=dim)
        for number in (1, 2, 3):
            setattr(self, f"norm{number}", nn.LayerNorm([dim]))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        steps = (
            (self.norm1, self.attn1),
            (self.norm2, lambda h: self.attn2(h, context)),
            (self.norm3, self.ff),
        )
        for norm, step in steps:
            x = step(norm(x)).add(x)
        return x


@variant("TransformerBlock", title="the norms written out, the attention within x as a context of its own")
class NormsWrittenOut(nn.Module):
    def __init__(self, dim: int, context_dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim, eps=1e-5) for _ in range(3))
        self.attn1 = Attention(dim, heads, dim)
        self.attn2 = Attention(dim, heads, context_dim)
        self.ff = FeedForward(dim)

    @staticmethod
    def normed(norm: nn.LayerNorm, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        h = self.normed(self.norm1, x)
        out = x.clone()
        out = out + self.attn1(h, h)
        out = out + self.attn2(self.normed(self.norm2, out), context)
        return out + self.ff(self.normed(self.norm3, out))


# --- SpatialTransformer ---------------------------------------------------------------------------------


@variant("SpatialTransformer", title="permute and view, a loop over the blocks")
class PermuteAndView(nn.Module):
    def __init__(self, channels: int, context_dim: int, heads: int, groups: int = 32) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, 1e-6)
        self.proj_in = nn.Conv2d(channels, channels, kernel_size=1)
        self.proj_out = nn.Conv2d(channels, channels, kernel_size=1)
        blocks = [TransformerBlock(channels, context_dim, heads) for _ in range(1)]
        self.transformer_blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        residual = x
        B, C, H, W = x.shape
        x = self.proj_in(self.norm(x)).permute(0, 2, 3, 1).reshape(B, H * W, C)
        for block in self.transformer_blocks:
            x = block(x, context)
        x = x.view(B, H, W, C).permute(0, 3, 1, 2).contiguous()
        return self.proj_out(x) + residual


@variant("SpatialTransformer", title="the projections as linear layers on the tokens, column by column")
class ProjectionsOnTokens(nn.Module):
    def __init__(self, channels: int, context_dim: int, heads: int, groups: int = 32) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(num_groups=groups, num_channels=channels, eps=1e-6)
        self.proj_in, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(2))
        self.transformer_blocks = nn.ModuleList()
        self.transformer_blocks.append(TransformerBlock(channels, context_dim, heads))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        # The order of the tokens does not matter, if they come back the same way.
        columns = self.norm(x).transpose(2, 3)
        tokens = columns.flatten(2).mT
        tokens = F.linear(tokens, self.proj_in.weight.flatten(1), self.proj_in.bias)
        tokens = self.transformer_blocks[0](tokens, context)
        tokens = F.linear(tokens, self.proj_out.weight.flatten(1), self.proj_out.bias)
        return x + tokens.mT.unflatten(2, columns.shape[2:]).transpose(2, 3)


@variant("SpatialTransformer", title="unflattened, each sample by itself")
class EachByItself(nn.Module):
    def __init__(self, channels: int, context_dim: int, heads: int, groups: int = 32) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.Sequential(TransformerBlock(channels, context_dim, heads))
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        h, out = self.proj_in(self.norm(x)), torch.empty_like(x)
        for n in range(len(x)):
            tokens = h[n].movedim(0, -1).flatten(0, 1)[None]  # [1, H*W, C]
            tokens = self.transformer_blocks[0](tokens, context[n : n + 1])
            out[n] = tokens[0].unflatten(0, x.shape[2:]).movedim(-1, 0)
        return self.proj_out(out).add_(x)


# --- UNet -----------------------------------------------------------------------------------------------


class _TimeEmbedding(nn.Module):
    def __init__(self, width: int, time_dim: int) -> None:
        super().__init__()
        self.width = width
        self.linear_1 = nn.Linear(width, time_dim)
        self.act = nn.SiLU()
        self.linear_2 = nn.Linear(time_dim, time_dim)

    def forward(self, t: Tensor) -> Tensor:
        waves = timestep_embedding(t, self.width)
        return self.linear_2(self.act(self.linear_1(waves.to(self.linear_1.weight.dtype))))


@variant("UNet", title="a module for the time, channels counted by pairs, skips by index")
class SkipsByIndex(nn.Module):
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        block_out_channels: Sequence[int] = (32, 64),
        attention: Sequence[bool] = (False, True),
        cross_attention_dim: int = 64,
        heads: int = 4,
        groups: int = 8,
        layers_per_block: int = 1,
    ) -> None:
        super().__init__()
        c = list(block_out_channels)
        T = 4 * c[0]
        self.time_embedding = _TimeEmbedding(c[0], T)
        self.conv_in = nn.Conv2d(in_channels, c[0], 3, 1, 1)
        self.conv_out = nn.Conv2d(c[0], out_channels, 3, 1, 1)
        self.conv_norm_out = nn.GroupNorm(groups, c[0])

        def level(widths: list[tuple[int, int]], attends: bool, attentions: int) -> Level:
            made = Level()
            made.resnets.extend([ResBlock(before, after, T, groups) for before, after in widths])
            if attends:
                made.attentions.extend(
                    [
                        SpatialTransformer(widths[-1][1], cross_attention_dim, heads, groups=groups)
                        for _ in range(attentions)
                    ]
                )
            return made

        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for before, after, attends in zip([c[0], *c], c, attention, strict=False):
            widths = list(pairwise([before] + [after] * layers_per_block))
            self.down_blocks.append(level(widths, attends, layers_per_block))
        self.mid_block = level([(c[-1], c[-1])] * 2, True, 1)
        for number in reversed(range(len(c))):
            # What a level's ResBlocks were given on the way down are the last skips used on the way up.
            skips = [c[number]] * layers_per_block + [c[max(number - 1, 0)]]
            hidden = [c[min(number + 1, len(c) - 1)]] + [c[number]] * layers_per_block
            widths = [(h + skip, c[number]) for h, skip in zip(hidden, skips, strict=True)]
            self.up_blocks.append(level(widths, attention[number], layers_per_block + 1))
        for block, width in zip(self.down_blocks[:-1], c, strict=False):
            block.downsamplers.append(Downsample(width))
        for block, width in zip(self.up_blocks[:-1], reversed(c), strict=False):
            block.upsamplers.append(Upsample(width))

    def forward(self, x: Tensor, t: Tensor | int, context: Tensor) -> Tensor:
        # A row of the embedding for each sample, or one row for all: it broadcasts.
        t = t if isinstance(t, Tensor) else torch.tensor(t, device=x.device)
        time = self.time_embedding(t.reshape(-1)).expand(x.shape[0], -1)

        kept = [self.conv_in(x)]
        for block in self.down_blocks:
            for number, resnet in enumerate(block.resnets):
                h = resnet(kept[-1], time)
                if block.attentions:
                    h = block.attentions[number](h, context)
                kept.append(h)
            kept.extend(downsample(kept[-1]) for downsample in block.downsamplers)
        first, second = self.mid_block.resnets
        h = second(self.mid_block.attentions[0](first(kept[-1], time), context), time)
        index = len(kept)
        for block in self.up_blocks:
            for number, resnet in enumerate(block.resnets):
                index -= 1
                h = resnet(torch.concat((h, kept[index]), dim=-3), time)
                if block.attentions:
                    h = block.attentions[number](h, context)
            for upsample in block.upsamplers:
                h = upsample(h)
        return self.conv_out(F.silu(self.conv_norm_out(h)))


class _Block(nn.Module):
    """A level of one's own: lists only where something is in them."""

    def __init__(
        self, resnets: list[nn.Module], attentions: list[nn.Module], sampler: tuple[str, nn.Module] | None
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        if attentions:
            self.attentions = nn.ModuleList(attentions)
        if sampler is not None:
            setattr(self, sampler[0], nn.ModuleList([sampler[1]]))

    def steps(self) -> list[tuple[nn.Module, nn.Module | None]]:
        attentions = getattr(self, "attentions", [None] * len(self.resnets))
        return list(zip(self.resnets, attentions, strict=True))


@variant("UNet", title="recursive: each level goes down, calls the next one, and comes up")
class Recursive(nn.Module):
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        block_out_channels: Sequence[int] = (32, 64),
        attention: Sequence[bool] = (False, True),
        cross_attention_dim: int = 64,
        heads: int = 4,
        groups: int = 8,
        layers_per_block: int = 1,
    ) -> None:
        super().__init__()
        self.c = tuple(block_out_channels)
        widths, time_dim = self.c, self.c[0] * 4
        levels = len(widths)

        def resnet(i: int, o: int) -> nn.Module:
            return ResBlock(in_channels=i, out_channels=o, time_dim=time_dim, groups=groups)

        def transformer(channels: int) -> nn.Module:
            return SpatialTransformer(channels, context_dim=cross_attention_dim, heads=heads, groups=groups)

        down, up = [], []
        for n, o in enumerate(widths):
            i = widths[n - 1] if n else widths[0]
            below = widths[n + 1] if n + 1 < levels else o
            resnets = [resnet(i if k == 0 else o, o) for k in range(layers_per_block)]
            transformers = [transformer(o) for _ in range(layers_per_block)] if attention[n] else []
            sampler = ("downsamplers", Downsample(o)) if n + 1 < levels else None
            down.append(_Block(resnets, transformers, sampler))
            resnets = [
                resnet((below if k == 0 else o) + (i if k == layers_per_block else o), o)
                for k in range(layers_per_block + 1)
            ]
            transformers = [transformer(o) for _ in range(layers_per_block + 1)] if attention[n] else []
            up.append(_Block(resnets, transformers, ("upsamplers", Upsample(o)) if n else None))
        self.down_blocks, self.up_blocks = nn.ModuleList(down), nn.ModuleList(up[::-1])
        bottom = widths[-1]
        self.mid_block = nn.ModuleDict(
            {
                "resnets": nn.ModuleList([resnet(bottom, bottom), resnet(bottom, bottom)]),
                "attentions": nn.ModuleList([transformer(bottom)]),
            }
        )
        self.time_embedding = nn.Module()
        self.time_embedding.linear_1 = nn.Linear(widths[0], time_dim)
        self.time_embedding.linear_2 = nn.Linear(time_dim, time_dim)
        self.conv_in = nn.Conv2d(in_channels, widths[0], kernel_size=3, padding="same")
        self.conv_norm_out = nn.GroupNorm(num_channels=widths[0], num_groups=groups, eps=1e-5)
        self.conv_out = nn.Conv2d(widths[0], out_channels, kernel_size=3, padding=1)

    def level(self, n: int, h: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """From what comes into a level to what its way up returns, before it is enlarged."""
        if n == len(self.c):
            h = self.mid_block["resnets"][0](h, time)
            h = self.mid_block["attentions"][0](h, context)
            return self.mid_block["resnets"][1](h, time)
        down, up = self.down_blocks[n], self.up_blocks[len(self.c) - 1 - n]
        skips = [h]
        for resnet, attention in down.steps():
            h = resnet(h, time) if attention is None else attention(resnet(h, time), context)
            skips = [h, *skips]
        if hasattr(down, "downsamplers"):
            h = self.level(n + 1, down.downsamplers[0](h), time, context)
            h = self.up_blocks[len(self.c) - 2 - n].upsamplers[0](h)
        else:
            h = self.level(n + 1, h, time, context)
        for (resnet, attention), skip in zip(up.steps(), skips, strict=True):
            h = resnet(torch.cat([h, skip], 1), time)
            h = h if attention is None else attention(h, context)
        return h

    def forward(self, x: Tensor, t: Tensor | int, context: Tensor) -> Tensor:
        if not torch.is_tensor(t):
            t = torch.full((x.shape[0],), t, device=x.device)
        elif t.dim() == 0:
            t = t.repeat(x.shape[0])
        time = timestep_embedding(t.to(x.device), self.c[0]).to(x)
        time = self.time_embedding.linear_2(nn.functional.silu(self.time_embedding.linear_1(time)))
        h = self.level(0, self.conv_in(x), time, context)
        return self.conv_out(nn.functional.silu(self.conv_norm_out(h)))


@variant("UNet", title="sample by sample, in blocks that are plain ModuleDicts")
class SampleAfterSample(nn.Module):
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        block_out_channels: Sequence[int] = (32, 64),
        attention: Sequence[bool] = (False, True),
        cross_attention_dim: int = 64,
        heads: int = 4,
        groups: int = 8,
        layers_per_block: int = 1,
    ) -> None:
        super().__init__()
        width, time_dim = block_out_channels[0], 4 * block_out_channels[0]
        self.conv_in = nn.Conv2d(in_channels, width, 3, padding=1)
        self.time_embedding = nn.ModuleDict(
            {"linear_1": nn.Linear(width, time_dim), "linear_2": nn.Linear(time_dim, time_dim)}
        )

        def block(widths: list[tuple[int, int]], attends: int) -> nn.ModuleDict:
            to = widths[0][1]
            attentions = [SpatialTransformer(to, cross_attention_dim, heads, groups) for _ in range(attends)]
            return nn.ModuleDict(
                {
                    "resnets": nn.ModuleList(ResBlock(i, o, time_dim, groups) for i, o in widths),
                    "attentions": nn.ModuleList(attentions),
                }
            )

        h, kept = width, [width]
        self.down_blocks = nn.ModuleList()
        for n, (to, attends) in enumerate(zip(block_out_channels, attention, strict=True)):
            widths = [(h, to)] + [(to, to)] * (layers_per_block - 1)
            self.down_blocks.append(block(widths, layers_per_block if attends else 0))
            kept += [to] * layers_per_block
            if n < len(block_out_channels) - 1:
                self.down_blocks[-1]["downsamplers"] = nn.ModuleList([Downsample(to)])
                kept += [to]
            h = to
        self.mid_block = block([(h, h), (h, h)], 1)
        self.up_blocks = nn.ModuleList()
        kept.reverse()
        for n, (to, attends) in enumerate(
            zip(reversed(block_out_channels), reversed(attention), strict=True)
        ):
            count = layers_per_block + 1
            skips = kept[n * count : (n + 1) * count]
            widths = [((to if k else h) + skip, to) for k, skip in enumerate(skips)]
            self.up_blocks.append(block(widths, count if attends else 0))
            if n < len(block_out_channels) - 1:
                self.up_blocks[-1]["upsamplers"] = nn.ModuleList([Upsample(to)])
            h = to
        self.conv_norm_out = nn.GroupNorm(groups, width)
        self.conv_out = nn.Conv2d(width, out_channels, 3, padding=1)

    def one(self, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        h = self.conv_in(x)
        kept = (h,)
        for block in self.down_blocks:
            for k, resnet in enumerate(block["resnets"]):
                h = resnet(h, time)
                if k < len(block["attentions"]):
                    h = block["attentions"][k](h, context)
                kept = (*kept, h)
            if "downsamplers" in block:
                h = block["downsamplers"][0](h)
                kept = (*kept, h)
        h = self.mid_block["resnets"][0](h, time)
        h = self.mid_block["attentions"][0](h, context)
        h = self.mid_block["resnets"][1](h, time)
        for block in self.up_blocks:
            for k, resnet in enumerate(block["resnets"]):
                *rest, skip = kept
                kept = tuple(rest)
                h = resnet(torch.cat([h, skip], dim=1), time)
                if k < len(block["attentions"]):
                    h = block["attentions"][k](h, context)
            if "upsamplers" in block:
                h = block["upsamplers"][0](h)
        h = self.conv_norm_out(h)
        return self.conv_out(h * torch.sigmoid(h))

    def forward(self, x: Tensor, t: Tensor | int, context: Tensor) -> Tensor:
        t = torch.zeros(x.shape[0], dtype=torch.int64, device=x.device) + t
        answers = []
        for n in range(x.shape[0]):
            waves = timestep_embedding(t[n : n + 1], self.conv_in.out_channels).to(x.dtype)
            time = self.time_embedding["linear_2"](F.silu(self.time_embedding["linear_1"](waves)))
            answers.append(self.one(x[n : n + 1], time, context[n : n + 1]))
        return torch.cat(answers, dim=0)
