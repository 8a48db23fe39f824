"""Correct answers to `vision_transformers`, written otherwise than the reference: all earn full marks."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import variant
from course import parts
from solutions.vision_transformers import (
    DiTBlock,
    PatchEmbed,
    ViTBlock,
    modulate,
    patchify,
    sincos_2d,
    unpatchify,
)

# --- patchify -------------------------------------------------------------------------------------------


@variant("patchify", title="patch by patch, with plain loops")
def patch_by_patch(x: Tensor, patch: int) -> Tensor:
    tokens = []
    for top in range(0, x.shape[2], patch):
        for left in range(0, x.shape[3], patch):
            piece = x[:, :, top : top + patch, left : left + patch]
            tokens.append(piece.permute(0, 2, 3, 1).reshape(len(x), -1))
    return torch.stack(tokens, dim=1)


@variant("patchify", title="channels moved first, then unflattened")
def unflattened(x: Tensor, patch: int) -> Tensor:
    cells = x.movedim(1, -1).unflatten(1, (-1, patch)).unflatten(3, (-1, patch))  # B h p w q C
    return cells.transpose(2, 3).flatten(3).flatten(1, 2)


@variant("patchify", title="torch's Tensor.unfold, twice")
def unfolded(x: Tensor, patch: int) -> Tensor:
    windows = x.unfold(2, patch, patch).unfold(3, patch, patch)  # B C h w p q
    return torch.einsum("bchwpq->bhwpqc", windows).reshape(len(x), -1, patch * patch * x.shape[1])


@variant("patchify", defines="unpatchify", title="unpatchify: each patch written into its place")
def written_in(tokens: Tensor, patch: int, height: int, width: int) -> Tensor:
    channels = tokens.shape[2] // patch**2
    x = tokens.new_empty(len(tokens), channels, height, width)
    number = 0
    for top in range(0, height, patch):
        for left in range(0, width, patch):
            piece = tokens[:, number].reshape(-1, patch, patch, channels).permute(0, 3, 1, 2)
            x[:, :, top : top + patch, left : left + patch] = piece
            number += 1
    return x


@variant("patchify", defines="unpatchify", title="unpatchify: rows of patches joined, then columns")
def joined(tokens: Tensor, patch: int, height: int, width: int) -> Tensor:
    pieces = tokens.unflatten(2, (patch, patch, -1)).movedim(-1, 2)  # B L C p q
    rows = [torch.cat(row.unbind(1), dim=-1) for row in pieces.split(width // patch, dim=1)]
    return torch.cat(rows, dim=-2)


@variant("patchify", defines="unpatchify", title="unpatchify: an einsum that only moves")
def einsum_back(tokens: Tensor, patch: int, height: int, width: int) -> Tensor:
    pieces = tokens.unflatten(2, (patch, patch, -1)).unflatten(1, (height // patch, width // patch))
    return torch.einsum("bhwpqc->bchpwq", pieces).flatten(4, 5).flatten(2, 3)


# --- PatchEmbed and sincos_2d ---------------------------------------------------------------------------


@variant("PatchEmbed", title="the convolution's weight as a linear layer on patches")
class AsLinear(nn.Module):
    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv2d(channels, dim, kernel_size=(patch, patch), stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.proj.weight.permute(0, 2, 3, 1).flatten(1)
        return F.linear(patchify(x, self.patch), weight, self.proj.bias)


@variant("PatchEmbed", title="channels last, then flattened")
class ChannelsLast(nn.Module):
    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).permute(0, 2, 3, 1).flatten(1, 2)


@variant("PatchEmbed", title="an einsum over unfolded windows")
class Windows(nn.Module):
    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, stride=(patch, patch), padding=0)

    def forward(self, x: Tensor) -> Tensor:
        patch = self.proj.kernel_size[0]
        windows = x.unfold(2, patch, patch).unfold(3, patch, patch)
        return torch.einsum("bchwpq,dcpq->bhwd", windows, self.proj.weight).flatten(1, 2) + self.proj.bias


@variant("PatchEmbed", defines="sincos_2d", title="sincos_2d: each direction once, then repeated, in float32")
def repeated(dim: int, height: int, width: int) -> Tensor:
    half = dim // 2

    def waves(count: int) -> Tensor:
        exponents = torch.arange(0, half, 2) / half
        angles = torch.arange(count)[:, None] * torch.exp(-math.log(10_000) * exponents)
        return torch.cat((angles.sin(), angles.cos()), dim=-1)

    columns = waves(width).repeat(height, 1)
    rows = waves(height).repeat_interleave(width, dim=0)
    return torch.cat((columns, rows), dim=-1)


@variant("PatchEmbed", defines="sincos_2d", title="sincos_2d: filled in, piece by piece")
def filled_in(dim: int, height: int, width: int) -> Tensor:
    quarter = dim // 4
    table = torch.zeros(height, width, dim)
    for i in range(quarter):
        frequency = 10_000.0 ** (-i / quarter)
        column = torch.arange(width, dtype=torch.float64) * frequency
        row = (torch.arange(height, dtype=torch.float64) * frequency)[:, None]
        table[..., i], table[..., quarter + i] = column.sin(), column.cos()
        table[..., 2 * quarter + i], table[..., 3 * quarter + i] = row.sin(), row.cos()
    return table.reshape(-1, dim)


@variant("PatchEmbed", defines="sincos_2d", title="sincos_2d: from the number of the token")
def from_the_number(dim: int, height: int, width: int) -> Tensor:
    number = torch.arange(height * width)
    places = torch.stack([number % width, number // width], dim=1).double()  # column, row
    frequencies = torch.logspace(0, -4, dim // 4 + 1, dtype=torch.float64)[:-1]
    angles = places[:, :, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=2).flatten(1).to(torch.float32)


# --- ViTBlock and ViT -----------------------------------------------------------------------------------


@variant("ViT", defines="ViTBlock", title="ViTBlock: gelu written out with erf, steps in a loop")
class StepsInALoop(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.norm1, self.norm2 = (nn.LayerNorm([dim], 1e-12) for _ in range(2))
        self.attn = parts.attention.MultiHeadSelfAttention(heads=heads, dim=dim)

    def mlp(self, x: Tensor) -> Tensor:
        h = self.fc1(x)
        return self.fc2(0.5 * h * (1 + torch.erf(h / math.sqrt(2))))

    def forward(self, x: Tensor) -> Tensor:
        for norm, step in ((self.norm1, self.attn), (self.norm2, self.mlp)):
            x = step(norm(x)).add(x)
        return x


@variant("ViT", defines="ViTBlock", title="ViTBlock: the norms written out")
class NormsWrittenOut(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-12), nn.LayerNorm(dim, eps=1e-12)
        self.attn = parts.attention.MultiHeadSelfAttention(dim, heads)
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    @staticmethod
    def normed(norm: nn.LayerNorm, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        # In half precision 1e-12 is 0: torch computes a norm in float32 there, and so does this.
        variance = (
            centred.float().square().mean(-1, keepdim=True)
            if x.dtype == torch.float16
            else (centred.square().mean(-1, keepdim=True))
        )
        return (centred / (variance + 1e-12).sqrt()).to(x.dtype) * norm.weight + norm.bias

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.normed(self.norm1, x))
        return x + F.linear(nn.GELU()(self.fc1(self.normed(self.norm2, x))), self.fc2.weight, self.fc2.bias)


@variant("ViT", defines="ViTBlock", title="ViTBlock: functional")
class Functional(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.dim = (dim,)
        self.attn = parts.attention.MultiHeadSelfAttention(dim, heads)
        self.norm1 = nn.LayerNorm(dim, eps=1e-12)
        self.norm2 = nn.LayerNorm(dim, eps=1e-12)
        self.fc1 = nn.Linear(in_features=dim, out_features=hidden)
        self.fc2 = nn.Linear(in_features=hidden, out_features=dim)

    def forward(self, x: Tensor) -> Tensor:
        first = F.layer_norm(x, self.dim, self.norm1.weight, self.norm1.bias, 1e-12)
        out = torch.add(self.attn(first), x)
        second = F.layer_norm(out, self.dim, self.norm2.weight, self.norm2.bias, 1e-12)
        return torch.add(out, self.fc2(F.gelu(self.fc1(second), approximate="none")))


@variant("ViT", title="the class token repeated, the last norm on it alone")
class LastNormOnOne(nn.Module):
    def __init__(
        self,
        size: int,
        patch: int,
        channels: int,
        dim: int,
        heads: int,
        layers: int,
        hidden: int,
        classes: int,
    ) -> None:
        super().__init__()
        side = size // patch
        self.head, self.norm = nn.Linear(dim, classes), nn.LayerNorm(dim, 1e-12)
        self.blocks = nn.Sequential(*[ViTBlock(dim, heads, hidden) for _ in range(layers)])
        self.patch_embed = PatchEmbed(channels, dim, patch)
        self.pos_embed = nn.Parameter(torch.empty(1, side * side + 1, dim).normal_(std=0.02))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim).normal_(std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        first = self.cls_token.repeat(x.shape[0], 1, 1)
        tokens = torch.hstack((first, self.patch_embed(x))) + self.pos_embed
        return self.head(self.norm(self.blocks(tokens)[:, 0]))


@variant("ViT", title="positions added to both parts before they are joined")
class AddedFirst(nn.Module):
    def __init__(
        self,
        size: int,
        patch: int,
        channels: int,
        dim: int,
        heads: int,
        layers: int,
        hidden: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(channels, dim, patch)
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + (size // patch) * (size // patch), dim) * 0.02)
        self.blocks = nn.ModuleList()
        for _ in range(layers):
            self.blocks.append(ViTBlock(dim=dim, heads=heads, hidden=hidden))
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        self.head = nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch_embed(x) + self.pos_embed[:, 1:]
        first = (self.cls_token + self.pos_embed[:, :1]).expand(x.size(0), -1, -1)
        tokens = torch.cat((first, patches), 1)
        for block in self.blocks:
            tokens = block(tokens)
        return F.linear(self.norm(tokens).select(1, 0), self.head.weight, self.head.bias)


@variant("ViT", title="each picture by itself, initialised by trunc_normal_ that cuts nothing off")
class EachByItself(nn.Module):
    def __init__(
        self,
        size: int,
        patch: int,
        channels: int,
        dim: int,
        heads: int,
        layers: int,
        hidden: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(channels, dim, patch)
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.empty(1, (size // patch) ** 2 + 1, dim))
        for parameter in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(parameter, std=0.02)  # at 2, a hundred deviations away
        self.blocks = nn.ModuleList(ViTBlock(dim, heads, hidden) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(dim, eps=1e-12), nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        scores = []
        for picture in x:
            tokens = torch.cat([self.cls_token[0], self.patch_embed(picture[None])[0]])[None]
            tokens = tokens + self.pos_embed
            for block in self.blocks:
                tokens = block(tokens)
            scores.append(self.head(self.norm(tokens[0]))[0])
        return torch.stack(scores)


# --- modulate and DiTBlock ------------------------------------------------------------------------------


@variant("DiTBlock", defines="modulate", title="modulate: addcmul")
def by_addcmul(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return torch.addcmul(x + shift.unsqueeze(1), x, scale.unsqueeze(1))


@variant("DiTBlock", defines="modulate", title="modulate: multiplied out, with an einsum")
def multiplied_out(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x + torch.einsum("bld,bd->bld", x, scale) + shift[:, None, :]


@variant("DiTBlock", defines="modulate", title="modulate: sample by sample")
def sample_by_sample(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return torch.stack([one * (scale[b] + 1) + shift[b] for b, one in enumerate(x)])


class _Zeroed(nn.Linear):
    """A linear layer that starts as zeros."""

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


@variant("DiTBlock", title="a layer that starts as zeros, the six as one dimension")
class SixInOne(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.dim = dim
        self.attn = parts.attention.MultiHeadSelfAttention(dim, heads)
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.modulation = _Zeroed(dim, 6 * dim)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        six = self.modulation(nn.SiLU()(c)).view(-1, 6, 1, self.dim)

        def step(which: int, layer: nn.Module | object, x: Tensor) -> Tensor:
            shift, scale, gate = six[:, 3 * which : 3 * which + 3].unbind(1)
            normed = F.layer_norm(x, (self.dim,), eps=1e-6)
            return x + gate * layer(normed * (1 + scale) + shift)  # type: ignore[operator]

        x = step(0, self.attn, x)
        return step(1, lambda h: self.fc2(F.gelu(self.fc1(h), approximate="tanh")), x)


@variant("DiTBlock", title="gelu written out with tanh, norms without weights written out")
class WrittenOut(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(dim, dim * 6)
        for parameter in self.modulation.parameters():
            parameter.data.zero_()
        self.fc2, self.fc1 = nn.Linear(hidden, dim), nn.Linear(dim, hidden)
        self.attn = parts.attention.MultiHeadSelfAttention(dim, heads)

    @staticmethod
    def normed(x: Tensor) -> Tensor:
        wide = x.float() if x.dtype == torch.float16 else x  # as torch's own norm does
        variance, mean = torch.var_mean(wide, dim=-1, correction=0, keepdim=True)
        return ((wide - mean) * torch.rsqrt(variance + 1e-6)).to(x.dtype)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        six = torch.split(self.modulation(c * torch.sigmoid(c)), x.shape[-1], dim=-1)
        h = modulate(self.normed(x), six[0], six[1])
        x = x + torch.einsum("bd,bld->bld", six[2], self.attn(h))
        h = self.fc1(modulate(self.normed(x), six[3], six[4]))
        h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        return torch.addcmul(x, six[5].unsqueeze(1), self.fc2(h))


@variant("DiTBlock", title="nn.Parameter-free norms as modules, constants for the start")
class NormsAsModules(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, 1e-6, False)
        self.norm2 = nn.LayerNorm(dim, 1e-6, False)
        self.act = nn.GELU(approximate="tanh")
        self.attn = parts.attention.MultiHeadSelfAttention(dim, heads)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.modulation = nn.Linear(dim, 6 * dim)
        nn.init.constant_(self.modulation.weight, 0)
        nn.init.constant_(self.modulation.bias, 0)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift, scale, gate, *second = self.modulation(F.silu(c))[:, None].chunk(6, dim=-1)
        x = x + self.attn(self.norm1(x) * (1 + scale) + shift) * gate
        shift, scale, gate = second
        return x + self.fc2(self.act(self.fc1(self.norm2(x) * (1 + scale) + shift))) * gate


# --- DiT ------------------------------------------------------------------------------------------------


@variant("DiT", title="the end written out, hidden by default in the signature's place")
class EndWrittenOut(nn.Module):
    def __init__(
        self,
        channels: int,
        patch: int,
        dim: int,
        heads: int,
        layers: int,
        classes: int,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        self.proj_out = nn.Linear(dim, channels * patch**2)
        self.modulation_out = nn.Linear(dim, dim * 2)
        for parameter in [*self.proj_out.parameters(), *self.modulation_out.parameters()]:
            nn.init.constant_(parameter, 0.0)
        self.label_embed = nn.Embedding(num_embeddings=classes + 1, embedding_dim=dim)
        self.time_mlp = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.blocks = nn.ModuleList()
        for _ in range(layers):
            self.blocks.append(DiTBlock(dim, heads, hidden or dim * 4))
        self.patch_embed = PatchEmbed(channels, dim, patch)
        self.patch, self.dim = patch, dim

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        B, C, H, W = x.shape
        p = self.patch
        waves = parts.unet.timestep_embedding(t, self.dim).to(x.dtype)
        c = torch.add(self.label_embed(labels), self.time_mlp(waves))
        tokens = self.patch_embed(x)
        tokens = tokens + sincos_2d(self.dim, H // p, W // p)[None].to(tokens)
        for block in self.blocks:
            tokens = block(tokens, c)
        shift, scale = torch.split(self.modulation_out(c * c.sigmoid())[:, None], self.dim, dim=-1)
        normed = F.layer_norm(tokens, (self.dim,), None, None, 1e-6)
        pieces = self.proj_out(normed * (1 + scale) + shift)
        pieces = pieces.reshape(B, H // p, W // p, p, p, C)
        return torch.einsum("bhwpqc->bchpwq", pieces).reshape(B, C, H, W)


@variant("DiT", title="the time's waves written out, the table indexed")
class WavesWrittenOut(nn.Module):
    def __init__(
        self,
        channels: int,
        patch: int,
        dim: int,
        heads: int,
        layers: int,
        classes: int,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        if hidden is None:
            hidden = 4 * dim
        self.sizes = channels, patch, dim
        self.patch_embed = PatchEmbed(channels, dim, patch)
        self.time_mlp = nn.ModuleList([nn.Linear(dim, dim), nn.Identity(), nn.Linear(dim, dim)])
        self.label_embed = nn.Embedding(classes + 1, dim)
        self.blocks = nn.ModuleList([DiTBlock(dim, heads, hidden) for _ in range(layers)])
        self.norm_out = nn.LayerNorm(dim, 1e-6, elementwise_affine=False, bias=False)
        self.modulation_out, self.proj_out = nn.Linear(dim, 2 * dim), nn.Linear(dim, patch * patch * channels)
        with torch.no_grad():
            for layer in (self.modulation_out, self.proj_out):
                layer.weight.zero_()
                layer.bias.zero_()

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        _, patch, dim = self.sizes
        half = dim // 2
        frequencies = 10_000 ** (-torch.arange(half, device=x.device, dtype=torch.float64) / half)
        angles = t.double().unsqueeze(1) * frequencies
        waves = torch.cat([angles.cos(), angles.sin()], dim=1).to(x.dtype)
        time = self.time_mlp[2](F.silu(self.time_mlp[0](waves)))
        c = time + self.label_embed.weight[labels]
        grid = sincos_2d(dim, x.shape[2] // patch, x.shape[3] // patch).to(x.device, x.dtype)
        tokens = self.patch_embed(x) + grid
        for block in self.blocks:
            tokens = block(tokens, c)
        both = self.modulation_out(F.silu(c))
        tokens = modulate(self.norm_out(tokens), both[:, :dim], both[:, dim:])
        return unpatchify(self.proj_out(tokens), patch, *x.shape[2:])


@variant("DiT", title="each sample by itself")
class SampleBySample(nn.Module):
    def __init__(
        self,
        channels: int,
        patch: int,
        dim: int,
        heads: int,
        layers: int,
        classes: int,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.patch = dim, patch
        self.time_mlp = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.patch_embed = PatchEmbed(channels=channels, dim=dim, patch=patch)
        self.label_embed = nn.Embedding(classes + 1, dim)
        make = lambda: DiTBlock(dim, heads, 4 * dim if hidden is None else hidden)  # noqa: E731
        self.blocks = nn.ModuleList(make() for _ in range(layers))
        self.modulation_out = nn.Linear(dim, 2 * dim)
        self.proj_out = nn.Linear(dim, patch * patch * channels)
        for name in ("modulation_out", "proj_out"):
            nn.init.zeros_(getattr(self, name).weight)
            nn.init.zeros_(getattr(self, name).bias)

    def one(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        H, W = x.shape[-2:]
        waves = parts.unet.timestep_embedding(t, self.dim).to(x.dtype)
        c = self.time_mlp(waves) + self.label_embed(label)
        tokens = self.patch_embed(x) + sincos_2d(self.dim, H // self.patch, W // self.patch).to(x)
        for block in self.blocks:
            tokens = block(tokens, c)
        shift, scale = self.modulation_out(F.silu(c)).tensor_split(2, dim=1)
        tokens = modulate(F.layer_norm(tokens, [self.dim], eps=1e-6), shift, scale)
        return unpatchify(self.proj_out(tokens), self.patch, H, W)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        one = zip(x.split(1), t.split(1), labels.split(1), strict=True)
        return torch.cat([self.one(*each) for each in one])


# --- rms_norm and rotate --------------------------------------------------------------------------------


@variant("rotate", defines="rms_norm", title="rms_norm: rsqrt, the weight first")
def by_rsqrt(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    return weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


@variant("rotate", defines="rms_norm", title="rms_norm: through the length")
def through_the_length(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / (length.square() / x.shape[-1] + eps) ** 0.5 * weight


@variant("rotate", defines="rms_norm", title="rms_norm: an einsum for the squares")
def squares_by_einsum(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    squares = torch.einsum("...d,...d->...", x, x).div(x.size(-1)).add(eps)
    return torch.einsum("...d,d->...d", x / squares.sqrt().unsqueeze(-1), weight)


@variant("rotate", title="rotate: complex numbers")
def complex_numbers(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    wide = x.float() if x.dtype == torch.float16 else x
    pairs = torch.view_as_complex(wide.unflatten(-1, (-1, 2)).contiguous())
    i = torch.arange(pairs.shape[-1], dtype=torch.float64, device=x.device)
    angles = torch.outer(positions.to(x.device).double(), base ** (-2 * i / x.shape[-1]))
    turned = pairs * torch.polar(torch.ones_like(angles), angles).to(pairs.dtype)
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)


@variant("rotate", title="rotate: cosines of all, sines of the neighbours")
def neighbours(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    d = x.shape[-1]
    frequencies = 1.0 / base ** (torch.arange(0, d, 2, dtype=torch.float64, device=x.device) / d)
    angles = (positions.to(x.device).double().unsqueeze(-1) * frequencies).repeat_interleave(2, dim=-1)
    beside = torch.stack([-x[..., 1::2], x[..., ::2]], dim=-1).flatten(-2)
    return x * angles.cos().to(x.dtype) + beside * angles.sin().to(x.dtype)


@variant("rotate", title="rotate: a matrix for each pair and token")
def matrices(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    pairs = x.unflatten(-1, (-1, 2))
    count = pairs.shape[-2]
    exponents = torch.arange(count, dtype=torch.float64, device=x.device) / count
    angles = positions.to(x.device).double()[:, None] * torch.exp(-math.log(base) * exponents)
    cos, sin = angles.cos(), angles.sin()
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2).to(x.dtype)
    return torch.einsum("lpij,bhlpj->bhlpi", turn, pairs).flatten(-2)


# --- JointAttention -------------------------------------------------------------------------------------


class _Joint(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, dim // heads
        for name in ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"):
            setattr(self, name, nn.Linear(dim, dim))
        self.to_out = nn.Sequential(nn.Linear(dim, dim))


@variant("JointAttention", title="the softmax written out, an einsum for scores")
class ScoresByEinsum(_Joint):
    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        def both(name: str, added: str) -> Tensor:
            tokens = torch.cat([getattr(self, name)(image), getattr(self, added)(text)], dim=1)
            return tokens.reshape(*tokens.shape[:2], self.heads, self.head_dim)

        q, k, v = both("to_q", "add_q_proj"), both("to_k", "add_k_proj"), both("to_v", "add_v_proj")
        shares = (torch.einsum("blhd,bmhd->bhlm", q, k) * self.head_dim**-0.5).softmax(dim=-1)
        out = torch.einsum("bhlm,bmhd->blhd", shares, v).flatten(2)
        own, told = out.split([image.shape[1], text.shape[1]], dim=1)
        return self.to_out(own), self.to_add_out(told)


@variant("JointAttention", title="two calls, each of its own queries over all keys")
class TwoCalls(_Joint):
    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        def heads(tokens: Tensor) -> Tensor:
            return tokens.view(tokens.size(0), -1, self.heads, self.head_dim).permute(0, 2, 1, 3)

        k = torch.cat((heads(self.to_k(image)), heads(self.add_k_proj(text))), dim=-2)
        v = torch.cat((heads(self.to_v(image)), heads(self.add_v_proj(text))), dim=-2)
        found = []
        for q in (heads(self.to_q(image)), heads(self.add_q_proj(text))):
            found.append(F.scaled_dot_product_attention(q, k, v).permute(0, 2, 1, 3).flatten(2))
        return self.to_out[0](found[0]), self.to_add_out(found[1])


@variant("JointAttention", title="head by head, the text stacked before the picture")
class HeadByHead(_Joint):
    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        S, found = text.shape[1], []
        q = torch.cat([self.add_q_proj(text), self.to_q(image)], dim=1)
        k = torch.cat([self.add_k_proj(text), self.to_k(image)], dim=1)
        v = torch.cat([self.add_v_proj(text), self.to_v(image)], dim=1)
        for head in range(self.heads):
            own = slice(head * self.head_dim, (head + 1) * self.head_dim)
            scores = q[..., own] @ k[..., own].mT / math.sqrt(self.head_dim)
            found.append(torch.softmax(scores, dim=-1) @ v[..., own])
        out = torch.cat(found, dim=-1)
        return self.to_out[0](out[:, S:]), self.to_add_out(out[:, :S])
