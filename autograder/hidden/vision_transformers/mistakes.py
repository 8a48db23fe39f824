"""Known mistakes of the module `vision_transformers`: code that students write, and what to tell them.

What an exercise uses of earlier ones is the reference's; in a notebook, the notebook's own.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import mistake
from course import parts
from solutions.vision_transformers import (
    DiTBlock,
    PatchEmbed,
    ViTBlock,
    modulate,
    sincos_2d,
    unpatchify,
)

# --- patchify -------------------------------------------------------------------------------------------


@mistake(
    "patchify",
    title="channels first in a token",
    hint="Cut a picture of two channels and a single patch of 1 x 2 pixels. Which number of the token is the "
    "second channel of the first pixel? In each token all channels of a pixel stand together.",
)
def channels_first(x: Tensor, patch: int) -> Tensor:
    B, C, H, W = x.shape
    x = x.reshape(B, C, H // patch, patch, W // patch, patch)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(B, -1, C * patch * patch)


@mistake(
    "patchify",
    title="patches column by column",
    hint="Number the pixels of a picture that is two patches wide and one high. Which patch is the second "
    "token? Then take one that is two patches high and two wide.",
)
def columns_first(x: Tensor, patch: int) -> Tensor:
    B, C, H, W = x.shape
    x = x.reshape(B, C, H // patch, patch, W // patch, patch)
    return x.permute(0, 4, 2, 3, 5, 1).reshape(B, -1, patch * patch * C)


@mistake(
    "patchify",
    title="pixels of a patch column by column",
    hint="The tokens are the right ones, and what is in them is turned over: is the second pixel of a "
    "token to the right of the first, or below it?",
)
def pixels_by_column(x: Tensor, patch: int) -> Tensor:
    B, C, H, W = x.shape
    x = x.reshape(B, C, H // patch, patch, W // patch, patch)
    return x.permute(0, 2, 4, 5, 3, 1).reshape(B, -1, patch * patch * C)


@mistake(
    "patchify",
    title="reshaped without moving a dimension",
    hint="reshape keeps the numbers in the order in which they lie: a whole row of the picture comes before "
    "the next one. The numbers of one patch do not lie together. What has to move first?",
)
def plain_reshape(x: Tensor, patch: int) -> Tensor:
    B, C, H, W = x.shape
    return x.reshape(B, (H // patch) * (W // patch), patch * patch * C)


@mistake(
    "patchify",
    title="every p-th pixel instead of neighbours",
    hint="H becomes two dimensions: which patch, and which row in it. Pixels that lie together have "
    "to end in the same patch. Is the larger step the first of the two, or the second?",
)
def every_pth_pixel(x: Tensor, patch: int) -> Tensor:
    B, C, H, W = x.shape
    x = x.reshape(B, C, patch, H // patch, patch, W // patch)
    return x.permute(0, 3, 5, 2, 4, 1).reshape(B, -1, patch * patch * C)


@mistake(
    "patchify",
    title="height and width exchanged in the grid",
    hint="Square pictures survive this. How many rows of patches are there, H // patch or W // patch? Try a "
    "wide picture.",
)
def grid_exchanged(x: Tensor, patch: int) -> Tensor:
    B, C, H, W = x.shape
    x = x.reshape(B, C, W // patch, patch, H // patch, patch)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(B, -1, patch * patch * C)


@mistake(
    "patchify",
    title="as many patches across as down",
    hint="The root of the number of patches is the grid's side if the picture is square. Take H and W "
    "as they are.",
)
def square_assumed(x: Tensor, patch: int) -> Tensor:
    B, C, H, _ = x.shape
    x = x.reshape(B, C, H // patch, patch, H // patch, patch)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(B, -1, patch * patch * C)


@mistake(
    "patchify",
    defines="unpatchify",
    title="put together without moving a dimension",
    hint="Cut a numbered picture with your patchify, and put it together again. The rows of one patch "
    "have to come beside those of the next: what moves between the two reshapes?",
)
def back_by_reshape(tokens: Tensor, patch: int, height: int, width: int) -> Tensor:
    return tokens.reshape(len(tokens), -1, height, width)


@mistake(
    "patchify",
    defines="unpatchify",
    title="a wide picture comes back tall",
    hint="There are height // patch rows of patches, and width // patch in each row. In which order do you "
    "name the two?",
)
def tall_for_wide(tokens: Tensor, patch: int, height: int, width: int) -> Tensor:
    x = tokens.reshape(len(tokens), width // patch, height // patch, patch, patch, -1)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(len(tokens), -1, height, width)


@mistake(
    "patchify",
    defines="unpatchify",
    title="put together channels first",
    hint="The way back has to read a token as the way there wrote it: row, column, channel. In which "
    "order do you take the last dimension apart?",
)
def back_channels_first(tokens: Tensor, patch: int, height: int, width: int) -> Tensor:
    x = tokens.reshape(len(tokens), height // patch, width // patch, -1, patch, patch)
    return x.permute(0, 3, 1, 4, 2, 5).reshape(len(tokens), -1, height, width)


@mistake(
    "patchify",
    title="no gradient gets through",
    hint="Print what requires_grad says of the tokens. A detach(), a .data or no_grad() cuts the way back: a "
    "network before this function could not learn.",
    only_hidden=True,
)
def patches_detached(x: Tensor, patch: int) -> Tensor:
    B, C, H, W = x.shape
    x = x.detach().reshape(B, C, H // patch, patch, W // patch, patch)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(B, -1, patch * patch * C)


# --- PatchEmbed and sincos_2d ---------------------------------------------------------------------------


class _PatchEmbed(nn.Module):
    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


@mistake(
    "PatchEmbed",
    title="patches that overlap",
    hint="How many tokens does a picture of 4 x 4 pixels have, with patches of 2? A convolution moves by one "
    "pixel unless it is told otherwise.",
)
class Overlapping(_PatchEmbed):
    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__(channels, dim, patch)
        self.proj = nn.Conv2d(channels, dim, patch)


@mistake(
    "PatchEmbed",
    title="tokens by reshape: channels and places are mixed",
    hint="The convolution gives [B, dim, rows, columns], and a token needs its dim numbers side by "
    "side. What has to move before rows and columns become one dimension?",
)
class TokensByReshape(_PatchEmbed):
    def forward(self, x: Tensor) -> Tensor:
        grid = self.proj(x)
        return grid.reshape(len(x), -1, grid.shape[1])


@mistake(
    "PatchEmbed",
    title="tokens column by column",
    hint="Which of the two dimensions comes first when you flatten? Tokens come row by row, as patchify has "
    "them. A picture that is wider than high shows it.",
)
class ByColumns(_PatchEmbed):
    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).transpose(2, 3).flatten(2).transpose(1, 2)


@mistake(
    "PatchEmbed",
    title="channels before tokens",
    hint="Print the shape of your answer for a picture of six patches and dim = 5. It should be [B, 6, 5].",
)
class ChannelsBeforeTokens(_PatchEmbed):
    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2)


@mistake(
    "PatchEmbed",
    title="no bias",
    hint="Print the names of your parameters. The docstring leaves proj as nn.Conv2d makes it, with a bias.",
)
class WithoutBias(_PatchEmbed):
    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__(channels, dim, patch)
        self.proj = nn.Conv2d(channels, dim, patch, stride=patch, bias=False)


@mistake(
    "PatchEmbed",
    title="no gradient gets through PatchEmbed",
    hint="Print what requires_grad says of the tokens. no_grad() and detach() cut the way back: neither proj "
    "nor what comes before it could learn.",
    only_hidden=True,
)
class EmbedWithoutGradient(_PatchEmbed):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


def _one(position: Tensor, quarter: int) -> Tensor:
    frequencies = 10_000 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    angles = torch.outer(position.double(), frequencies)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _rows_and_columns(height: int, width: int) -> tuple[Tensor, Tensor]:
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return row.flatten(), column.flatten()


@mistake(
    "PatchEmbed",
    defines="sincos_2d",
    title="the row before the column",
    hint="Compare the tokens 0 and 1, which lie in one row: in which half do they differ? The first "
    "half tells the column.",
)
def row_first(dim: int, height: int, width: int) -> Tensor:
    row, column = _rows_and_columns(height, width)
    return torch.cat([_one(row, dim // 4), _one(column, dim // 4)], dim=1).float()


@mistake(
    "PatchEmbed",
    defines="sincos_2d",
    title="cosines before sines",
    hint="What does your function say of the position 0, 0? A sine of 0 is 0, and in each half the "
    "sines come first. (The embedding of time in `unet` has it the other way round.)",
)
def cosines_first(dim: int, height: int, width: int) -> Tensor:
    def one(position: Tensor) -> Tensor:
        return _one(position, dim // 4).roll(dim // 4, dims=1)

    row, column = _rows_and_columns(height, width)
    return torch.cat([one(column), one(row)], dim=1).float()


@mistake(
    "PatchEmbed",
    defines="sincos_2d",
    title="sines and cosines take turns",
    hint="Print the row of position 0, 0. The docstring has all the sines of a half, then all of its "
    "cosines.",
)
def interleaved(dim: int, height: int, width: int) -> Tensor:
    def one(position: Tensor) -> Tensor:
        return _one(position, dim // 4).unflatten(1, (2, -1)).transpose(1, 2).flatten(1)

    row, column = _rows_and_columns(height, width)
    return torch.cat([one(column), one(row)], dim=1).float()


@mistake(
    "PatchEmbed",
    defines="sincos_2d",
    title="the exponent is divided by dim",
    hint="With dim = 8 each half has two frequencies, 1 and 1/100. Print yours. How many frequencies "
    "are there for each direction?",
)
def exponent_by_dim(dim: int, height: int, width: int) -> Tensor:
    def one(position: Tensor) -> Tensor:
        frequencies = 10_000 ** (-torch.arange(dim // 4, dtype=torch.float64) / dim)
        angles = torch.outer(position.double(), frequencies)
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    row, column = _rows_and_columns(height, width)
    return torch.cat([one(column), one(row)], dim=1).float()


@mistake(
    "PatchEmbed",
    defines="sincos_2d",
    title="the last frequency is 1/10000",
    hint="The exponents are 0, 1, 2, ... divided by their number, so that the last one stays below 1. "
    "Did you use linspace, or divide by one less?",
)
def reaches_the_end(dim: int, height: int, width: int) -> Tensor:
    def one(position: Tensor) -> Tensor:
        frequencies = 10_000 ** -torch.linspace(0, 1, dim // 4, dtype=torch.float64)
        angles = torch.outer(position.double(), frequencies)
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    row, column = _rows_and_columns(height, width)
    return torch.cat([one(column), one(row)], dim=1).float()


@mistake(
    "PatchEmbed",
    defines="sincos_2d",
    title="positions from 0 to 1",
    hint="Which position does your last column have? They are counted: 0, 1, 2, ..., whatever the "
    "size of the grid, so that neighbours are as far apart in every picture.",
)
def from_zero_to_one(dim: int, height: int, width: int) -> Tensor:
    row, column = _rows_and_columns(height, width)
    row, column = row / max(height - 1, 1), column / max(width - 1, 1)
    return torch.cat([_one(column, dim // 4), _one(row, dim // 4)], dim=1).float()


@mistake(
    "PatchEmbed",
    defines="sincos_2d",
    title="positions from 1",
    hint="What does your function say of the first token? Its column is 0 and its row is 0: all sines are 0.",
)
def from_one(dim: int, height: int, width: int) -> Tensor:
    row, column = _rows_and_columns(height, width)
    return torch.cat([_one(column + 1, dim // 4), _one(row + 1, dim // 4)], dim=1).float()


@mistake(
    "PatchEmbed",
    defines="sincos_2d",
    title="tokens column by column in the table",
    hint="Square grids hide it if one does not look. Is the second row of your table the token to the "
    "right of the first, or the one below? meshgrid has an argument for this, indexing.",
)
def table_by_columns(dim: int, height: int, width: int) -> Tensor:
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="xy")
    return torch.cat([_one(column.flatten(), dim // 4), _one(row.flatten(), dim // 4)], dim=1).float()


# --- ViTBlock and ViT -----------------------------------------------------------------------------------


class _ViTBlock(nn.Module):
    eps = 1e-12

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=self.eps)
        self.attn = parts.attention.MultiHeadSelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=self.eps)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def mlp(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


@mistake(
    "ViT",
    defines="ViTBlock",
    title="an eps of 1e-5 in ViTBlock's norms",
    hint="nn.LayerNorm has 1e-5 unless it is told otherwise. It shows only where tokens have next to no "
    "contrast. Which eps does the docstring state?",
)
class LargeEps(_ViTBlock):
    eps = 1e-5


@mistake(
    "ViT",
    defines="ViTBlock",
    title="the gelu is the approximate one",
    hint="The difference is a few ten-thousandths. F.gelu has an argument `approximate`; ViT has the exact "
    "function, torch's default, and DiT has the other one.",
)
class ApproximateGelu(_ViTBlock):
    def mlp(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


@mistake(
    "ViT",
    defines="ViTBlock",
    title="ReLU in the mlp",
    hint="Most networks for pictures had ReLU until 2020; this one has gelu. Which function stands "
    "between fc1 and fc2?",
)
class Relu(_ViTBlock):
    def mlp(self, x: Tensor) -> Tensor:
        return self.fc2(F.relu(self.fc1(x)))


@mistake(
    "ViT",
    defines="ViTBlock",
    title="the norms come after the sums",
    hint="The first transformer had norm(x + step(x)). ViT has x + step(norm(x)): what is added up along the "
    "way is never normalised itself.",
)
class NormsAfter(_ViTBlock):
    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.attn(x))
        return self.norm2(x + self.mlp(x))


@mistake(
    "ViT",
    defines="ViTBlock",
    title="the steps are added to the normalised tokens",
    hint="Set fc2 and the attention's output to zero: x should come back as it was. Did you put the norm's "
    "result in the place of x?",
)
class SumsOfTheNormalised(_ViTBlock):
    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x)
        x = x + self.attn(x)
        x = self.norm2(x)
        return x + self.mlp(x)


@mistake(
    "ViT",
    defines="ViTBlock",
    title="both steps start from the same tokens",
    hint="Does the mlp know what the attention found? The second step works on what the first one returned.",
)
class InParallel(_ViTBlock):
    def forward(self, x: Tensor) -> Tensor:
        return x + self.attn(self.norm1(x)) + self.mlp(self.norm2(x))


@mistake(
    "ViT",
    defines="ViTBlock",
    title="one norm for both steps",
    hint="There are two norms with weights of their own. Which does each of your lines use?",
)
class OneNorm(_ViTBlock):
    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm1(x))


@mistake(
    "ViT",
    defines="ViTBlock",
    title="no gradient gets through ViTBlock",
    hint="Print what requires_grad says of its result. no_grad() and detach() cut the way back: neither its "
    "layers nor what comes before them could learn.",
    only_hidden=True,
)
class BlockWithoutGradient(_ViTBlock):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class _ViT(nn.Module):
    eps = 1e-12

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
        count = (size // patch) ** 2
        self.patch_embed = PatchEmbed(channels, dim, patch)
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, count + 1, dim))
        self.blocks = nn.ModuleList([ViTBlock(dim, heads, hidden) for _ in range(layers)])
        self.norm = nn.LayerNorm(dim, eps=self.eps)
        self.head = nn.Linear(dim, classes)

    def start(self, x: Tensor) -> Tensor:
        patches = self.patch_embed(x)
        return torch.cat([self.cls_token.expand(len(x), -1, -1), patches], dim=1) + self.pos_embed

    def end(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(tokens)[:, 0])

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.start(x)
        for block in self.blocks:
            tokens = block(tokens)
        return self.end(tokens)


@mistake(
    "ViT",
    title="the class token comes last",
    hint="Which row of pos_embed belongs to the class token? It stands before the patches, and the "
    "scores come from the token in the place 0.",
)
class ClassTokenLast(_ViT):
    def start(self, x: Tensor) -> Tensor:
        patches = self.patch_embed(x)
        return torch.cat([patches, self.cls_token.expand(len(x), -1, -1)], dim=1) + self.pos_embed

    def end(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(tokens)[:, -1])


@mistake(
    "ViT",
    title="the positions start after the class token",
    hint="pos_embed has a row more than there are patches: the class token has a position too, the "
    "first one.",
)
class PositionsForPatchesOnly(_ViT):
    def start(self, x: Tensor) -> Tensor:
        patches = self.patch_embed(x) + self.pos_embed[:, 1:]
        return torch.cat([self.cls_token.expand(len(x), -1, -1), patches], dim=1)


@mistake(
    "ViT",
    title="the patches' positions are one off",
    hint="The first row of pos_embed is the class token's, so the first patch has the second. Which "
    "rows do you add to the patches?",
)
class PositionsOneOff(_ViT):
    def start(self, x: Tensor) -> Tensor:
        patches = self.patch_embed(x) + self.pos_embed[:, :-1]
        first = self.cls_token + self.pos_embed[:, :1]
        return torch.cat([first.expand(len(x), -1, -1), patches], dim=1)


@mistake(
    "ViT",
    title="no norm before the head",
    hint="Which of your layers is never called? What comes out of the last block was added up along the way, "
    "and nothing has normalised it yet.",
)
class NoLastNorm(_ViT):
    def end(self, tokens: Tensor) -> Tensor:
        return self.head(tokens[:, 0])


@mistake(
    "ViT",
    title="the mean of all tokens gives the scores",
    hint="Some later networks do that. In this one a single token gathers what is needed: which?",
)
class MeanOfTokens(_ViT):
    def end(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(tokens).mean(1))


@mistake(
    "ViT",
    title="the head before the norm",
    hint="norm knows dim channels, head makes classes of them. Which comes first? (With as many classes as "
    "channels nothing complains.)",
)
class HeadTwice(_ViT):
    def end(self, tokens: Tensor) -> Tensor:
        scores = self.head(tokens[:, 0])
        return F.layer_norm(scores, scores.shape[-1:], eps=self.eps)


@mistake(
    "ViT",
    title="shares instead of scores",
    hint="Do your answers add up to 1? The loss for classes has its own softmax: what is asked for are the "
    "scores before it.",
)
class Shares(_ViT):
    def end(self, tokens: Tensor) -> Tensor:
        return super().end(tokens).softmax(-1)


@mistake(
    "ViT",
    title="an eps of 1e-5 in the last norm",
    hint="nn.LayerNorm has 1e-5 unless it is told otherwise. The docstring states another one, for this norm "
    "too.",
)
class LargeLastEps(_ViT):
    eps = 1e-5


@mistake(
    "ViT",
    title="the class token and the positions start as zeros",
    hint="Print the standard deviation of pos_embed in a new network. With all places alike at the "
    "start, the network has to find out first that there are places.",
)
class StartAsZeros(_ViT):
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
        super().__init__(size, patch, channels, dim, heads, layers, hidden, classes)
        nn.init.zeros_(self.cls_token)
        nn.init.zeros_(self.pos_embed)


@mistake(
    "ViT",
    title="the same block again and again",
    hint="Print `len(list(vit.parameters()))` for one layer and for two. [block] * layers is a list of one "
    "block, many times.",
)
class OneBlockForAll(_ViT):
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
        super().__init__(size, patch, channels, dim, heads, layers, hidden, classes)
        self.blocks = nn.ModuleList([ViTBlock(dim, heads, hidden)] * layers)


# --- modulate and DiTBlock ------------------------------------------------------------------------------


@mistake(
    "DiTBlock",
    defines="modulate",
    title="without the 1 +",
    hint="What does your function make of x with scale = 0 and shift = 0? It should give back x: a network "
    "that says nothing is to change nothing.",
)
def without_one(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * scale[:, None] + shift[:, None]


@mistake(
    "DiTBlock",
    defines="modulate",
    title="the shift is scaled too",
    hint="With x = 0 the result is the shift alone, whatever the scale. Which brackets are there too many?",
)
def shift_scaled(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return (x + shift[:, None]) * (1 + scale[:, None])


@mistake(
    "DiTBlock",
    defines="modulate",
    title="shift and scale change places",
    hint="In which order do the arguments come? With scale = 0 the result is x + shift.",
)
def shift_for_scale(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + shift[:, None]) + scale[:, None]


@mistake(
    "DiTBlock",
    defines="modulate",
    title="all samples get the first one's shift and scale",
    hint="Give two samples different scales, then each by itself: the answers should be the same. "
    "What does an index of 0 do to the batch?",
)
def first_for_all(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale[0]) + shift[0]


@mistake(
    "DiTBlock",
    defines="modulate",
    title="shift and scale run along the tokens",
    hint="[B, D] meets [B, L, D] from the right. Which dimension of size 1 does it need, and where? With as "
    "many tokens as samples nothing complains.",
)
def along_the_tokens(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale) + shift


@mistake(
    "DiTBlock",
    defines="modulate",
    title="no gradient reaches shift and scale",
    hint="Print what requires_grad says of your result for an x that needs none. The condition learns "
    "through shift and scale: where do you detach them?",
    only_hidden=True,
)
def condition_detached(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale.detach()[:, None]) + shift.detach()[:, None]


class _DiTBlock(nn.Module):
    eps, order = 1e-6, (0, 1, 2, 3, 4, 5)  # of shift, scale, gate; shift, scale, gate

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=self.eps, elementwise_affine=False)
        self.attn = parts.attention.MultiHeadSelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=self.eps, elementwise_affine=False)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.modulation = nn.Linear(dim, 6 * dim)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def told(self, c: Tensor) -> list[Tensor]:
        sixths = self.modulation(F.silu(c)).chunk(6, dim=1)
        return [sixths[place] for place in self.order]

    def mlp(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.told(c)
        x = x + gate1[:, None] * self.attn(modulate(self.norm1(x), shift1, scale1))
        return x + gate2[:, None] * self.mlp(modulate(self.norm2(x), shift2, scale2))


@mistake(
    "DiTBlock",
    title="no SiLU before modulation",
    hint="Give it a condition of large negative numbers. SiLU makes next to nothing of them. Does your "
    "condition go through it?",
)
class NoSilu(_DiTBlock):
    def told(self, c: Tensor) -> list[Tensor]:
        return list(self.modulation(c).chunk(6, dim=1))


@mistake(
    "DiTBlock",
    title="SiLU after modulation",
    hint="SiLU bends what comes in, and modulation is a plain linear layer of that: its numbers may be as "
    "negative as they like.",
)
class SiluAfter(_DiTBlock):
    def told(self, c: Tensor) -> list[Tensor]:
        return list(F.silu(self.modulation(c)).chunk(6, dim=1))


@mistake(
    "DiTBlock",
    title="scale before shift",
    hint="In which order do the six come? With trained weights the wrong one draws nothing but noise.",
    stakes="trap",
)
class ScaleFirst(_DiTBlock):
    order = (1, 0, 2, 4, 3, 5)


@mistake(
    "DiTBlock",
    title="the second step's three come first",
    hint="The first three of the six are the attention's. Set fc2 to zero: which of the six still matter?",
)
class SecondStepFirst(_DiTBlock):
    order = (3, 4, 5, 0, 1, 2)


@mistake(
    "DiTBlock",
    title="both shifts, both scales, both gates",
    hint="The six come in two groups of three, one group for each step, and not in three groups of two.",
)
class ByKind(_DiTBlock):
    order = (0, 2, 4, 1, 3, 5)


@mistake(
    "DiTBlock",
    title="the six take turns number by number",
    hint="chunk cuts into pieces that lie together: the first dim numbers are the first shift. Do you take "
    "every sixth number instead?",
)
class EverySixth(_DiTBlock):
    def told(self, c: Tensor) -> list[Tensor]:
        return list(self.modulation(F.silu(c)).unflatten(1, (-1, 6)).unbind(2))


@mistake(
    "DiTBlock",
    title="the gates work on the sum",
    hint="Set modulation to zero: x should come back. Do your gates multiply what is added, or all of it?",
)
class GateOnAll(_DiTBlock):
    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.told(c)
        x = gate1[:, None] * (x + self.attn(modulate(self.norm1(x), shift1, scale1)))
        return gate2[:, None] * (x + self.mlp(modulate(self.norm2(x), shift2, scale2)))


@mistake(
    "DiTBlock",
    title="no gates",
    hint="Set modulation to zero. If something is still added to x, the gates are not where they should be: "
    "they multiply what each step gives.",
)
class NoGates(_DiTBlock):
    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift1, scale1, _, shift2, scale2, _ = self.told(c)
        x = x + self.attn(modulate(self.norm1(x), shift1, scale1))
        return x + self.mlp(modulate(self.norm2(x), shift2, scale2))


@mistake(
    "DiTBlock",
    title="the second step sees the tokens as they came in",
    hint="The second norm is of what the first step returned. Which x does it get?",
)
class NormOfTheFirst(_DiTBlock):
    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.told(c)
        first = gate1[:, None] * self.attn(modulate(self.norm1(x), shift1, scale1))
        return x + first + gate2[:, None] * self.mlp(modulate(self.norm2(x), shift2, scale2))


@mistake(
    "DiTBlock",
    title="norms with weights of their own",
    hint="Print the names of your parameters. What a norm's weight and bias would learn, scale and shift are "
    "told already: elementwise_affine=False leaves them out.",
)
class NormsWithWeights(_DiTBlock):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__(dim, heads, hidden)
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=self.eps), nn.LayerNorm(dim, eps=self.eps)


@mistake(
    "DiTBlock",
    title="modulation does not start at zero",
    hint="Make a block and call it at once: x should come back to the bit. That is the Zero of adaLN-Zero.",
)
class NotZeroed(_DiTBlock):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__(dim, heads, hidden)
        self.modulation = nn.Linear(dim, 6 * dim)


@mistake(
    "DiTBlock",
    title="modulation's bias does not start at zero",
    hint="A linear layer has two parameters. Print both in a new block: all their numbers should be 0.",
)
class BiasNotZeroed(_DiTBlock):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__(dim, heads, hidden)
        self.modulation = nn.Linear(dim, 6 * dim)
        nn.init.zeros_(self.modulation.weight)


@mistake(
    "DiTBlock",
    title="an eps of 1e-5 in the norms",
    hint="nn.LayerNorm has 1e-5 unless it is told otherwise. It shows where tokens have little contrast. "
    "Which eps does the docstring state?",
)
class DiTLargeEps(_DiTBlock):
    eps = 1e-5


@mistake(
    "DiTBlock",
    title="gelu without its approximation",
    hint="The difference is a few ten-thousandths. ViT has the exact gelu; DiT has the one that was faster "
    "once: F.gelu has an argument `approximate`.",
)
class ExactGelu(_DiTBlock):
    def mlp(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


@mistake(
    "DiTBlock",
    title="no gradient gets through DiTBlock",
    hint="Print what requires_grad says of its result. no_grad() and detach() cut the way back: neither its "
    "layers nor what comes before them could learn.",
    only_hidden=True,
)
class DiTBlockWithoutGradient(_DiTBlock):
    @torch.no_grad()
    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return super().forward(x, c)


# --- DiT ------------------------------------------------------------------------------------------------


class _DiT(nn.Module):
    eps = 1e-6

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
        hidden = 4 * dim if hidden is None else hidden
        self.dim, self.patch = dim, patch
        self.patch_embed = PatchEmbed(channels, dim, patch)
        self.time_mlp = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.label_embed = nn.Embedding(classes + 1, dim)
        self.blocks = nn.ModuleList([DiTBlock(dim, heads, hidden) for _ in range(layers)])
        self.norm_out = nn.LayerNorm(dim, eps=self.eps, elementwise_affine=False)
        self.modulation_out = nn.Linear(dim, 2 * dim)
        self.proj_out = nn.Linear(dim, patch * patch * channels)
        self.begin()

    def begin(self) -> None:
        for layer in (self.modulation_out, self.proj_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def waves(self, t: Tensor) -> Tensor:
        return parts.unet.timestep_embedding(t, self.dim)

    def condition(self, time: Tensor, label: Tensor) -> Tensor:
        return time + label

    def places(self, x: Tensor) -> Tensor:
        return sincos_2d(self.dim, x.shape[2] // self.patch, x.shape[3] // self.patch).to(x)

    def through(self, tokens: Tensor, c: Tensor, places: Tensor) -> Tensor:
        tokens = tokens + places
        for block in self.blocks:
            tokens = block(tokens, c)
        return tokens

    def last(self, tokens: Tensor, c: Tensor) -> Tensor:
        shift, scale = self.modulation_out(F.silu(c)).chunk(2, dim=1)
        return modulate(self.norm_out(tokens), shift, scale)

    def picture(self, pieces: Tensor, x: Tensor) -> Tensor:
        return unpatchify(pieces, self.patch, x.shape[2], x.shape[3])

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        time = self.time_mlp(self.waves(t).to(x.dtype))
        c = self.condition(time, self.label_embed(labels))
        tokens = self.through(self.patch_embed(x), c, self.places(x))
        return self.picture(self.proj_out(self.last(tokens, c)), x)


@mistake(
    "DiT",
    title="time and label are multiplied",
    hint="The condition is their sum. With a label whose row is zero, the time should still be heard.",
)
class Multiplied(_DiT):
    def condition(self, time: Tensor, label: Tensor) -> Tensor:
        return time * label


@mistake(
    "DiT",
    title="the label is not heard",
    hint="Draw with two labels from the same noise. If the pictures are the same, what becomes of "
    "label_embed in your forward?",
)
class DeafToLabels(_DiT):
    def condition(self, time: Tensor, label: Tensor) -> Tensor:
        return time


@mistake(
    "DiT",
    title="the table has no row for no label",
    hint='Print the shape of label_embed.weight. The label that means "no label" is `classes`: how many rows '
    "does that take?",
)
class NoNullRow(_DiT):
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
        super().__init__(channels, patch, dim, heads, layers, classes, hidden)
        self.label_embed = nn.Embedding(classes, dim)


@mistake(
    "DiT",
    title="the output layer does not start at zero",
    hint="Ask a new network: it should answer 0. Which layer comes last, and what does it start as?",
)
class OutputNotZeroed(_DiT):
    def begin(self) -> None:
        nn.init.zeros_(self.modulation_out.weight)
        nn.init.zeros_(self.modulation_out.bias)


@mistake(
    "DiT",
    title="modulation_out does not start at zero",
    hint="A new network answers 0 with proj_out alone at zero, so looking will not tell you. Print "
    "both layers' parameters.",
)
class LastModulationNotZeroed(_DiT):
    def begin(self) -> None:
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)


@mistake(
    "DiT",
    title="the pieces are put together by reshape",
    hint="The numbers of a token are a patch. Between tokens and a picture there is a function that "
    "you wrote in the first exercise.",
)
class PiecesByReshape(_DiT):
    def picture(self, pieces: Tensor, x: Tensor) -> Tensor:
        return pieces.reshape(x.shape)


@mistake(
    "DiT",
    title="height and width are swapped at the end",
    hint="Square pictures survive this, with their patches in the wrong places. In which order does "
    "unpatchify take height and width?",
)
class SwappedAtTheEnd(_DiT):
    def picture(self, pieces: Tensor, x: Tensor) -> Tensor:
        return unpatchify(pieces, self.patch, x.shape[3], x.shape[2]).reshape(x.shape)


@mistake(
    "DiT",
    title="no positions",
    hint="Give it a picture of equal patches. If they all come out alike, nobody told the tokens where they "
    "are.",
)
class NoPositions(_DiT):
    def through(self, tokens: Tensor, c: Tensor, places: Tensor) -> Tensor:
        return super().through(tokens, c, 0 * places)


@mistake(
    "DiT",
    title="the positions are added before every block",
    hint="What was added once is still there after each block, as blocks add to what comes in. Once "
    "is enough, before the first.",
)
class PositionsEachTime(_DiT):
    def through(self, tokens: Tensor, c: Tensor, places: Tensor) -> Tensor:
        for block in self.blocks:
            tokens = block(tokens + places, c)
        return tokens


@mistake(
    "DiT",
    title="rows and columns are swapped in the positions",
    hint="sincos_2d takes the height first. With square pictures the shapes fit whichever way round; "
    "with wide ones each token is told another place than its own.",
)
class PlacesSwapped(_DiT):
    def places(self, x: Tensor) -> Tensor:
        return sincos_2d(self.dim, x.shape[3] // self.patch, x.shape[2] // self.patch).to(x)


@mistake(
    "DiT",
    title="no SiLU before modulation_out",
    hint="Each DiTBlock bends the condition with silu before its linear layer. Does the last "
    "modulation do the same?",
)
class NoLastSilu(_DiT):
    def last(self, tokens: Tensor, c: Tensor) -> Tensor:
        shift, scale = self.modulation_out(c).chunk(2, dim=1)
        return modulate(self.norm_out(tokens), shift, scale)


@mistake(
    "DiT",
    title="the last scale comes before the last shift",
    hint="Of modulation_out's two halves the first is the shift. diffusers, the paper's code and the blocks "
    "have the same order.",
)
class LastScaleFirst(_DiT):
    def last(self, tokens: Tensor, c: Tensor) -> Tensor:
        scale, shift = self.modulation_out(F.silu(c)).chunk(2, dim=1)
        return modulate(self.norm_out(tokens), shift, scale)


@mistake(
    "DiT",
    title="the last norm has weights",
    hint="Print the names of your parameters. The last norm's scale and shift come from modulation_out.",
)
class LastNormWithWeights(_DiT):
    def begin(self) -> None:
        super().begin()
        self.norm_out = nn.LayerNorm(self.dim, eps=self.eps)


@mistake(
    "DiT",
    title="an eps of 1e-5 in the last norm",
    hint="nn.LayerNorm has 1e-5 unless it is told otherwise. The docstring states another one, for this norm "
    "too.",
    only_hidden=True,
)
class DiTLargeLastEps(_DiT):
    eps = 1e-5


@mistake(
    "DiT",
    title="twice as many channels out",
    hint="The paper's network also predicts a variance, and has 2 * channels at its end. This one says one "
    "number for each that comes in.",
)
class VarianceToo(_DiT):
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
        super().__init__(channels, patch, dim, heads, layers, classes, hidden)
        self.proj_out = nn.Linear(dim, 2 * patch * patch * channels)
        self.begin()

    def picture(self, pieces: Tensor, x: Tensor) -> Tensor:
        return super().picture(pieces, x)[:, : x.shape[1]]


@mistake(
    "DiT",
    title="every sample gets the first one's time",
    hint="t has a number for each sample. Give two samples different times, then each by itself: the answers "
    "should be the same.",
)
class FirstTimeForAll(_DiT):
    def waves(self, t: Tensor) -> Tensor:
        return super().waves(t[:1])


@mistake(
    "DiT",
    title="no gradient gets through",
    hint="Print what requires_grad says of its result. no_grad() and detach() cut the way back: none of its "
    "layers could learn.",
    only_hidden=True,
)
class DiTWithoutGradient(_DiT):
    @torch.no_grad()
    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        return super().forward(x, t, labels)


# --- rms_norm and rotate --------------------------------------------------------------------------------


@mistake(
    "rotate",
    defines="rms_norm",
    title="the mean is subtracted",
    hint="That is a layer norm. Give it a token of which all numbers are 2: what should come out?",
)
def mean_subtracted(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + eps).sqrt() * weight


@mistake(
    "rotate",
    defines="rms_norm",
    title="eps outside the root",
    hint="Take a token of zeros and eps = 0.25: the root of eps is 0.5. With ordinary tokens the "
    "difference is hardly to be seen.",
)
def eps_outside(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True).sqrt() + eps) * weight


@mistake(
    "rotate",
    defines="rms_norm",
    title="divided by the length, not by the root of the mean",
    hint="For (3, 4) the length is 5, and the root of the mean of squares is 3.54. Is it a sum that you take "
    "the root of, or a mean?",
)
def by_the_length(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    return x / (x.square().sum(-1, keepdim=True) + eps).sqrt() * weight


@mistake(
    "rotate",
    defines="rms_norm",
    title="no root",
    hint="Double a token: the result should stay the same. With yours it halves.",
)
def without_root(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + eps) * weight


@mistake(
    "rotate",
    defines="rms_norm",
    title="the mean runs over all tokens",
    hint="Which dimension does your mean run over? Each token is normalised by itself.",
)
def over_all_tokens(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    return x / (x.square().mean() + eps).sqrt() * weight


@mistake(
    "rotate",
    defines="rms_norm",
    title="eps is written into it",
    hint="Call it with eps = 0.5 and with eps = 0.001: are the results the same?",
)
def eps_written_in(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight


def _angles(x: Tensor, positions: Tensor, base: float) -> Tensor:
    d = x.shape[-1]
    exponents = torch.arange(0, d, 2, dtype=torch.float64, device=x.device) / d
    return positions.to(x.device).double()[:, None] * base**-exponents


def _turned(x: Tensor, angles: Tensor) -> Tensor:
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


@mistake(
    "rotate",
    title="halves for pairs",
    hint="Some networks pair number i with number i + d/2, and their weights expect it. Here "
    "neighbours are a pair: 0 and 1, 2 and 3. With d = 2 there is no difference.",
    stakes="trap",
)
def halves(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    angles = _angles(x, positions, base)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


@mistake(
    "rotate",
    title="the other way round",
    hint="Turn (1, 0) by a position of 1: both numbers that come out should be positive. Which of the "
    "two sines has the minus?",
)
def other_way(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return _turned(x, -_angles(x, positions, base))


@mistake(
    "rotate",
    title="the exponent is i / d",
    hint="With d = 4 the second pair turns a hundred times slower than the first. Print your "
    "frequencies. Does i count pairs, or numbers?",
)
def exponent_halved(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return _turned(x, _angles(x, positions, base**0.5))


@mistake(
    "rotate",
    title="the first pair turns slowest",
    hint="Which pair turns by the whole position? The exponents begin at 0, with the first pair.",
)
def slowest_first(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return _turned(x, _angles(x, positions, base).flip(-1))


@mistake(
    "rotate",
    title="the pairs are not put together again",
    hint="What came in as 0, 1, 2, 3 has to come out in these places. cat puts all first numbers before all "
    "second ones: what puts them side by side?",
)
def not_interleaved(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return torch.cat([_turned(x, _angles(x, positions, base))[..., i::2] for i in (0, 1)], dim=-1)


@mistake(
    "rotate",
    title="added like an embedding",
    hint="The length of a pair should not change: print it before and after. Positions are not added here, "
    "they turn.",
)
def added(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    angles = _angles(x, positions, base)
    return x + torch.stack([angles.cos(), angles.sin()], dim=-1).flatten(-2).to(x.dtype)


@mistake(
    "rotate",
    title="the positions that are given are not used",
    hint="Call it with positions (0, 1, 2) and with (7, 8, 9). Did you count the tokens yourself?",
)
def counted(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return _turned(x, _angles(x, torch.arange(x.shape[-2]), base))


@mistake(
    "rotate",
    title="the base is written into it",
    hint="Call it with base = 100 and with base = 10000: are the results the same?",
)
def base_written_in(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return _turned(x, _angles(x, positions, 10_000.0))


@mistake(
    "rotate",
    title="angles in float32",
    hint="At the position 1,000,000 float32 knows an angle to some hundredths. Print the dtype of "
    "your angles.",
    only_hidden=True,
    stakes="slip",
)
def single_angles(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    d = x.shape[-1]
    frequencies = base ** -(torch.arange(0, d, 2, dtype=torch.float32, device=x.device) / d)
    return _turned(x, positions.to(x.device).float()[:, None] * frequencies)


@mistake(
    "rotate",
    title="no gradient gets through rotate",
    hint="Print what requires_grad says of its result. Queries and keys learn through it: where do "
    "you detach x, or work under no_grad()?",
    only_hidden=True,
)
def turned_without_gradient(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return _turned(x.detach(), _angles(x, positions, base))


# --- JointAttention -------------------------------------------------------------------------------------


class _JointAttention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, dim) for _ in range(3))
        self.add_q_proj, self.add_k_proj, self.add_v_proj = (nn.Linear(dim, dim) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])
        self.to_add_out = nn.Linear(dim, dim)

    def split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def of_image(self, image: Tensor) -> list[Tensor]:
        return [self.split(layer(image)) for layer in (self.to_q, self.to_k, self.to_v)]

    def of_text(self, text: Tensor) -> list[Tensor]:
        return [self.split(layer(text)) for layer in (self.add_q_proj, self.add_k_proj, self.add_v_proj)]

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)

    def joined(self, image: Tensor, text: Tensor) -> Tensor:
        pairs = zip(self.of_image(image), self.of_text(text), strict=True)
        return self.attend(*(torch.cat(pair, dim=2) for pair in pairs))

    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        out, L = self.joined(image, text), image.shape[1]
        return self.to_out[0](out[:, :L]), self.to_add_out(out[:, L:])


@mistake(
    "JointAttention",
    title="two attentions side by side",
    hint="Change the text: does the picture's answer change? There is one attention over the tokens of both.",
)
class SideBySide(_JointAttention):
    def joined(self, image: Tensor, text: Tensor) -> Tensor:
        return torch.cat([self.attend(*self.of_image(image)), self.attend(*self.of_text(text))], dim=1)


@mistake(
    "JointAttention",
    title="the text is only looked at",
    hint="That is cross-attention: the text has keys and values, and no queries. Change the picture: the "
    "text's answer should change as well.",
    stakes="trap",
)
class TextOnlyLookedAt(_JointAttention):
    def joined(self, image: Tensor, text: Tensor) -> Tensor:
        (q, k, v), (added_q, added_k, added_v) = self.of_image(image), self.of_text(text)
        of_image = self.attend(q, torch.cat([k, added_k], dim=2), torch.cat([v, added_v], dim=2))
        return torch.cat([of_image, self.attend(added_q, added_k, added_v)], dim=1)


@mistake(
    "JointAttention",
    title="each looks at the other alone",
    hint="Give it two pictures that differ in one token: do the other tokens of the picture notice? "
    "Every token looks at all of both, its own side too.",
)
class EachAtTheOther(_JointAttention):
    def joined(self, image: Tensor, text: Tensor) -> Tensor:
        (q, k, v), (added_q, added_k, added_v) = self.of_image(image), self.of_text(text)
        return torch.cat([self.attend(q, added_k, added_v), self.attend(added_q, k, v)], dim=1)


@mistake(
    "JointAttention",
    title="the answers change places",
    hint="The picture's answer comes first, and has as many tokens as the picture. Print both shapes.",
)
class AnswersSwapped(_JointAttention):
    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        own, told = super().forward(image, text)
        return told, own


@mistake(
    "JointAttention",
    title="split at the text's length",
    hint="Which tokens come first in what is joined, and how many are there of them? With as many of "
    "one as of the other nothing shows.",
)
class SplitAtTheText(_JointAttention):
    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        out, S = self.joined(image, text), text.shape[1]
        return self.to_out[0](out[:, :S]), self.to_add_out(out[:, S:])


@mistake(
    "JointAttention",
    title="the picture's projections for the text, too",
    hint="There are two sets of three. Which layers does your text go through? A parameter that nothing uses "
    "gets no gradient: print them.",
)
class OneProjectionForBoth(_JointAttention):
    def of_text(self, text: Tensor) -> list[Tensor]:
        return self.of_image(text)


@mistake(
    "JointAttention",
    title="one output layer for both",
    hint="The picture leaves through to_out, the text through another layer. Which one is never called?",
)
class OneWayOut(_JointAttention):
    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        out, L = self.to_out[0](self.joined(image, text)), image.shape[1]
        return out[:, :L], out[:, L:]


@mistake(
    "JointAttention",
    title="scores divided by the root of dim",
    hint="A head has dim // heads channels, and its scores are as large as that makes them. With one head "
    "nothing shows.",
)
class ScaledByDim(_JointAttention):
    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1] * self.heads)
        return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


@mistake(
    "JointAttention",
    title="scores are not scaled",
    hint="Large scores make the softmax choose a single token. What are they divided by?",
)
class NotScaled(_JointAttention):
    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return ((q @ k.transpose(-1, -2)).softmax(-1) @ v).transpose(1, 2).flatten(2)


@mistake(
    "JointAttention",
    title="heads take every h-th channel",
    hint="The first head has the first dim // heads channels, in one piece. In which order do you unflatten?",
)
class InterleavedHeads(_JointAttention):
    def split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(2, (-1, self.heads)).movedim(3, 1)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        return (scores.softmax(-1) @ v).movedim(1, 3).flatten(2)


@mistake(
    "JointAttention",
    title="no gradient gets through JointAttention",
    hint="Print what requires_grad says of both answers. no_grad() and detach() cut the way back: "
    "none of its layers could learn.",
    only_hidden=True,
)
class JointWithoutGradient(_JointAttention):
    @torch.no_grad()
    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(image, text)
