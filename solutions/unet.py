"""A UNet that is told the time and a caption, from a single convolution to the network that draws.

Letters in shapes:
  B     batch                         C, D  channels, in and out
  H, W  height and width of an image  L, S  tokens of an image (L = H * W), tokens of a context

The functions come first. The modules have the parameters of diffusers' modules, under the same names, so
that weights move between the two with `load_state_dict(..., strict=True)`: at the end a trained network's.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from course import parts
from course.lab.layers import Level


def conv2d(
    x: Float[Tensor, "B C H W"],
    weight: Float[Tensor, "D C kh kw"],
    bias: Float[Tensor, " D"] | None = None,
    stride: int = 1,
    padding: int = 0,
) -> Float[Tensor, "B D h w"]:
    """At each place of x, the dot product of each of the D kernels with what it covers, plus the bias.

    x, weight  neither is modified. Kernels need not be square; a padded x is at least as large as they are.
    bias       one number for each kernel, or None for no bias.
    stride     steps between two places, in both directions. padding: rows and columns of zeros, on all sides.

    The kernel is not flipped (a cross-correlation, as everywhere in deep learning).
    Returns a new tensor with x's dtype and device; h = (H + 2 * padding - kh) // stride + 1, likewise w.
    Gradients flow through it, to x, weight and bias.
    """
    ### BEGIN SOLUTION
    B, _, H, W = x.shape
    D, _, kh, kw = weight.shape
    # Each column is what the kernel covers at one place; one matrix product then treats all places at once.
    columns = F.unfold(x, (kh, kw), stride=stride, padding=padding)  # [B, C*kh*kw, h*w]
    out = weight.flatten(1) @ columns  # [B, D, h*w]
    if bias is not None:
        out = out + bias[:, None]
    h = (H + 2 * padding - kh) // stride + 1
    w = (W + 2 * padding - kw) // stride + 1
    return out.reshape(B, D, h, w)
    ### END SOLUTION


def group_norm(
    x: Float[Tensor, "B C H W"],
    groups: int,
    weight: Float[Tensor, " C"] | None = None,
    bias: Float[Tensor, " C"] | None = None,
    eps: float = 1e-5,
) -> Float[Tensor, "B C H W"]:
    """Each group of channels of each sample, brought to mean 0 and variance 1; then weight and bias.

    x             not modified. C is a multiple of groups: group 0 has the first C // groups channels.
    weight, bias  one number a channel: the result is weight * normalised + bias. None: leave that step out.
    eps           added to the variance before the root is taken.

    Mean and variance (of the population: divided by the count itself) run over the channels of the group and
    over H and W. Returns a new tensor with x's dtype and device. Gradients flow through it.
    Source: Wu & He, "Group Normalization" (2018), equations 1 to 3.
    """
    ### BEGIN SOLUTION
    B, C, H, W = x.shape
    grouped = x.reshape(B, groups, -1)  # [B, groups, C//groups * H * W]
    mean = grouped.mean(-1, keepdim=True)
    variance = grouped.var(-1, correction=0, keepdim=True)
    out = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(B, C, H, W)
    if weight is not None:
        out = out * weight[:, None, None]
    if bias is not None:
        out = out + bias[:, None, None]
    return out
    ### END SOLUTION


def timestep_embedding(t: Int[Tensor, " B"] | Float[Tensor, " B"], dim: int) -> Float[Tensor, "B dim"]:
    """Each timestep as `dim` numbers: cosines, then sines, of t times falling frequencies.

    t    integers or floating-point numbers, such as 0 ... 999; not modified.
    dim  at least 2. The half = dim // 2 frequencies are 10000 ** (-i / half) for i = 0 ... half - 1.

    Returns float32 on t's device: first the `half` cosines, then the `half` sines; if dim is odd, one
    column of zeros comes last.
    Source: Vaswani et al. (2017), section 3.5, in the order of Stable Diffusion (cosines first).
    """
    ### BEGIN SOLUTION
    half = dim // 2
    exponents = torch.arange(half, device=t.device, dtype=torch.float32) / half
    frequencies = torch.exp(-math.log(10_000) * exponents)
    angles = t.float()[:, None] * frequencies  # [B, half]
    embedding = torch.cat([angles.cos(), angles.sin()], dim=1)
    return F.pad(embedding, (0, dim % 2))
    ### END SOLUTION


class ResBlock(nn.Module):
    """Two convolutions that are told the time in between, added to what came in.

    in_channels, out_channels  channels in and out; multiples of groups.
    time_dim                   numbers in the time's embedding.
    groups                     groups of both norms.

    norm1, SiLU, conv1; then add the embedding (through SiLU and time_emb_proj) to every pixel; then norm2,
    SiLU, conv2; then add x, which goes through conv_shortcut if the number of channels changes.

    Parameters, named and shaped as in diffusers' ResnetBlock2D:
      norm1, norm2    nn.GroupNorm(groups, in_channels) and (groups, out_channels), eps 1e-5 (torch's own)
      conv1, conv2    nn.Conv2d, 3 x 3, padding 1, in_channels -> out_channels -> out_channels
      time_emb_proj   nn.Linear(time_dim, out_channels)
      conv_shortcut   nn.Conv2d(in_channels, out_channels, 1), only if in_channels != out_channels
    No other parameters. Leave them as torch initialises them.
    Source: He et al. (2015) for the block; Ho et al. (2020), appendix B, for the time in it.
    """

    def __init__(self, in_channels: int, out_channels: int, time_dim: int, groups: int = 32) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_dim, out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None
        ### END SOLUTION

    def forward(
        self, x: Float[Tensor, "B C H W"], time: Float[Tensor, "B time_dim"]
    ) -> Float[Tensor, "B D H W"]:
        """x and time are not modified. Returns a new tensor with x's dtype and device."""
        ### BEGIN SOLUTION
        h = self.conv1(F.silu(self.norm1(x)))  # [B, D, H, W]
        # One number for each sample and channel, the same at every pixel; before norm2, so that what is
        # added changes how the channels of a group compare.
        h = h + self.time_emb_proj(F.silu(time))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        shortcut: Tensor = x if self.conv_shortcut is None else self.conv_shortcut(x)
        return shortcut + h
        ### END SOLUTION


class Downsample(nn.Module):
    """Half the height and width: a 3 x 3 convolution with stride 2 and padding 1.

    channels  channels in and out.

    Parameters, as in diffusers' Downsample2D: conv, an nn.Conv2d. No others. Leave them as torch initialises
    them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """x is not modified; any H, W >= 1. Returns a new tensor; odd sizes are rounded up: 15 becomes 8."""
        ### BEGIN SOLUTION
        out: Tensor = self.conv(x)
        return out
        ### END SOLUTION


class Upsample(nn.Module):
    """Twice the height and width: every pixel four times, then a 3 x 3 convolution with padding 1.

    channels  channels in and out.

    Parameters, as in diffusers' Upsample2D: conv, an nn.Conv2d. No others. Leave them as torch initialises
    them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C 2*H 2*W"]:
        """x is not modified; any H, W >= 1. Returns a new tensor with x's dtype and device."""
        ### BEGIN SOLUTION
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return out
        ### END SOLUTION


class FeedForward(nn.Module):
    """Each token by itself: up to twice 4 * dim channels, one half gated by the other, and back to dim.

    net[0].proj gives 8 * dim channels. The second half of them is the gate: the first half, times the gelu
    of the second, goes on to net[2].

    dim  channels of a token, in and out.

    Parameters, named as in diffusers' FeedForward:
      net   nn.ModuleList of three:
              net[0]  an nn.Module whose only parameters are those of its attribute
                      proj = nn.Linear(dim, 8 * dim)
              net[1]  nn.Identity() (in diffusers a dropout)
              net[2]  nn.Linear(4 * dim, dim)
    No other parameters. Leave them as torch initialises them. gelu is the exact one, torch's default.
    Source: Shazeer, "GLU Variants Improve Transformer" (2020), GEGLU.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        gate = nn.Module()
        gate.proj = nn.Linear(dim, 8 * dim)
        self.net = nn.ModuleList([gate, nn.Identity(), nn.Linear(4 * dim, dim)])
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "B L dim"]) -> Float[Tensor, "B L dim"]:
        """x is not modified. Returns a new tensor with x's dtype and device."""
        ### BEGIN SOLUTION
        hidden, gate = self.net[0].proj(x).chunk(2, dim=-1)  # [B, L, 4*dim] each
        out: Tensor = self.net[2](hidden * F.gelu(gate))
        return out
        ### END SOLUTION


class TransformerBlock(nn.Module):
    """Tokens look at one another, then at the context, then each thinks for itself.

    Three steps, each on what the step before returned: x + attn1(norm1(x)), x + attn2(norm2(x), context),
    x + ff(norm3(x)).

    dim          channels of a token, in and out; a multiple of heads.
    context_dim  channels of the context.
    heads        heads of both attentions.

    Parameters, named as in diffusers' BasicTransformerBlock:
      norm1, norm2, norm3   nn.LayerNorm(dim)
      attn1                 parts.attention.MultiHeadSelfAttention(dim, heads)
      attn2                 parts.attention.CrossAttention(dim, context_dim, heads, dim // heads)
      ff                    FeedForward(dim)
    Leave all parameters as torch initialises them.
    """

    def __init__(self, dim: int, context_dim: int, heads: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = parts.attention.MultiHeadSelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.attn2 = parts.attention.CrossAttention(dim, context_dim, heads, dim // heads)
        self.norm3 = nn.LayerNorm(dim)
        self.ff = FeedForward(dim)
        ### END SOLUTION

    def forward(
        self, x: Float[Tensor, "B L dim"], context: Float[Tensor, "B S context_dim"]
    ) -> Float[Tensor, "B L dim"]:
        """Neither x nor the context is modified. Returns a new tensor with x's dtype and device."""
        ### BEGIN SOLUTION
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        out: Tensor = x + self.ff(self.norm3(x))
        return out
        ### END SOLUTION


class SpatialTransformer(nn.Module):
    """A TransformerBlock over the pixels of an image, added to the image.

    norm, then proj_in, then each pixel is a token for the block, then back to an image, then proj_out; the
    image that came in is added.

    channels     channels of the image, in and out; a multiple of heads and of groups.
    context_dim  channels of the context.
    heads        heads of the attentions. groups: groups of the norm.

    Parameters, named as in diffusers' Transformer2DModel:
      norm                nn.GroupNorm(groups, channels, eps=1e-6)
      proj_in, proj_out   nn.Conv2d(channels, channels, 1)
      transformer_blocks  nn.ModuleList with one TransformerBlock(channels, context_dim, heads)
    Leave all parameters as torch initialises them.
    Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022), 3.3.
    """

    def __init__(self, channels: int, context_dim: int, heads: int, groups: int = 32) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels, context_dim, heads)])
        self.proj_out = nn.Conv2d(channels, channels, 1)
        ### END SOLUTION

    def forward(
        self, x: Float[Tensor, "B C H W"], context: Float[Tensor, "B S context_dim"]
    ) -> Float[Tensor, "B C H W"]:
        """Any H, W >= 1, equal or not. Nothing is modified. Returns a new tensor, x's dtype and device."""
        ### BEGIN SOLUTION
        tokens = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)  # [B, H*W, C]
        tokens = self.transformer_blocks[0](tokens, context)
        out: Tensor = x + self.proj_out(tokens.transpose(1, 2).reshape(x.shape))
        return out
        ### END SOLUTION


class UNet(nn.Module):
    """Predicts the noise in an image from the image, the timestep and a context: Stable Diffusion's network.

    in_channels, out_channels  channels of the image, and of what is predicted.
    block_out_channels         channels of each level, the finest first; H and W halve from level to level.
    attention                  for each level, whether a SpatialTransformer follows each of its ResBlocks.
    cross_attention_dim        channels of the context.
    heads, groups              of all attentions, and of all group norms.
    layers_per_block           ResBlocks of a level on the way down; on the way up there is one more.

    With c = block_out_channels and T = 4 * c[0], the modules are, named as in diffusers'
    UNet2DConditionModel:
      conv_in         nn.Conv2d(in_channels, c[0], 3, padding=1)
      time_embedding  nn.ModuleDict, or nn.Module, with linear_1 = nn.Linear(c[0], T) and
                      linear_2 = nn.Linear(T, T)
      down_blocks     nn.ModuleList with one Level for each entry of c: `resnets`, as many `attentions` where
                      the level has attention and, except in the last level, a Downsample in `downsamplers`
      mid_block       a Level with two `resnets` and one entry in `attentions`, all of c[-1] channels
      up_blocks       the same levels, coarsest first, with layers_per_block + 1 `resnets` each and, except
                      for the finest level, one Upsample in `upsamplers`
      conv_norm_out   nn.GroupNorm(groups, c[0])
      conv_out        nn.Conv2d(c[0], out_channels, 3, padding=1)
    Leave all parameters as torch initialises them.

    Skips: what conv_in, each step of a level (the ResBlock and its attention) and each Downsample return is
    kept on the way down. On the way up each ResBlock takes the last one that is left, joined to the channels
    of the image: the image first, the skip second.
    Source: Ronneberger et al., "U-Net" (2015); Rombach et al. (2022).
    """

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
        ### BEGIN SOLUTION
        width = block_out_channels[0]  # channels of the image, wherever we are
        time_dim = 4 * width
        self.time_channels = width
        self.conv_in = nn.Conv2d(in_channels, width, 3, padding=1)
        self.time_embedding = nn.ModuleDict(
            {"linear_1": nn.Linear(width, time_dim), "linear_2": nn.Linear(time_dim, time_dim)}
        )

        def transformer(channels: int) -> SpatialTransformer:
            return SpatialTransformer(channels, cross_attention_dim, heads, groups)

        levels = list(zip(block_out_channels, attention, strict=True))
        skips = [width]  # channels of what is kept on the way down
        self.down_blocks = nn.ModuleList()
        for number, (channels, attends) in enumerate(levels):
            level = Level()
            for _ in range(layers_per_block):
                level.resnets.append(ResBlock(width, channels, time_dim, groups))
                if attends:
                    level.attentions.append(transformer(channels))
                width = channels
                skips.append(width)
            if number < len(levels) - 1:
                level.downsamplers.append(Downsample(width))
                skips.append(width)
            self.down_blocks.append(level)

        self.mid_block = Level()
        self.mid_block.resnets.extend(ResBlock(width, width, time_dim, groups) for _ in range(2))
        self.mid_block.attentions.append(transformer(width))

        self.up_blocks = nn.ModuleList()
        for number, (channels, attends) in reversed(list(enumerate(levels))):
            level = Level()
            for _ in range(layers_per_block + 1):
                level.resnets.append(ResBlock(width + skips.pop(), channels, time_dim, groups))
                if attends:
                    level.attentions.append(transformer(channels))
                width = channels
            if number > 0:
                level.upsamplers.append(Upsample(width))
            self.up_blocks.append(level)

        self.conv_norm_out = nn.GroupNorm(groups, width)
        self.conv_out = nn.Conv2d(width, out_channels, 3, padding=1)
        ### END SOLUTION

    def forward(
        self,
        x: Float[Tensor, "B in_channels H W"],
        t: Int[Tensor, " B"] | Int[Tensor, ""] | int,
        context: Float[Tensor, "B S cross_attention_dim"],
    ) -> Float[Tensor, "B out_channels H W"]:
        """The predicted noise in x, a new tensor with x's dtype and device; nothing is modified.

        x  H and W are multiples of 2 ** (number of levels - 1).
        t  one timestep for each sample; or one for all, as a number or a tensor without dimensions.

        The time's embedding: timestep_embedding(t, c[0]) in x's dtype, linear_1, SiLU, linear_2. At the end:
        conv_norm_out, SiLU, conv_out.
        """
        ### BEGIN SOLUTION
        t = torch.as_tensor(t, device=x.device).expand(x.shape[0])
        time = timestep_embedding(t, self.time_channels).to(x.dtype)
        time = self.time_embedding["linear_2"](F.silu(self.time_embedding["linear_1"](time)))

        def step(level: Level, number: int, h: Tensor) -> Tensor:
            h = level.resnets[number](h, time)
            return level.attentions[number](h, context) if len(level.attentions) else h

        h = self.conv_in(x)
        skips = [h]
        for level in self.down_blocks:
            for number in range(len(level.resnets)):
                h = step(level, number, h)
                skips.append(h)
            for downsample in level.downsamplers:
                h = downsample(h)
                skips.append(h)

        h = self.mid_block.resnets[0](h, time)
        h = self.mid_block.attentions[0](h, context)
        h = self.mid_block.resnets[1](h, time)

        for level in self.up_blocks:
            for number in range(len(level.resnets)):
                # The last one kept is the first one needed: it has the height and width of h.
                h = step(level, number, torch.cat([h, skips.pop()], dim=1))
            for upsample in level.upsamplers:
                h = upsample(h)

        out: Tensor = self.conv_out(F.silu(self.conv_norm_out(h)))
        return out
        ### END SOLUTION
