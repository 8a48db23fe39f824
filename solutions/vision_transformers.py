"""Transformers that look at pictures, and one that draws them: from patches to a DiT with trained weights.

Letters in shapes:
  B     batch                         C     channels
  H, W  height and width of a picture p     side of a square patch
  L, S  tokens of a picture (L = H/p * W/p), tokens of a text
  D     channels of a token           h, d  heads, channels of a head

Networks have parameters under names that are said, so that trained weights fit with
`load_state_dict(..., strict=True)`.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from course import parts


def patchify(x: Shaped[Tensor, "B C H W"], patch: int) -> Shaped[Tensor, "B L patch*patch*C"]:
    """The picture cut into square patches, each of them a token.

    x      any dtype; not modified. H and W are multiples of patch, and need not be equal.
    patch  side of a patch, in pixels.

    Tokens come row by row, from the upper left corner. In a token the pixels come row by row, and of each
    pixel its C channels. Returns a tensor with x's dtype and device; it may share x's memory. Gradients flow
    through it.
    Source: Dosovitskiy et al. (2021), section 3.1; the order is that of DiT's output.
    """
    ### BEGIN SOLUTION
    B, C, H, W = x.shape
    pieces = x.reshape(B, C, H // patch, patch, W // patch, patch)
    pieces = pieces.permute(0, 2, 4, 3, 5, 1)  # [B, H/p, W/p, p, p, C]: which token, then what is in it
    return pieces.reshape(B, -1, patch * patch * C)
    ### END SOLUTION


def unpatchify(
    tokens: Shaped[Tensor, "B L patch*patch*C"], patch: int, height: int, width: int
) -> Shaped[Tensor, "B C height width"]:
    """The picture that `patchify` has cut into these tokens, put together again.

    tokens         any dtype; not modified. There are height/patch * width/patch of them.
    height, width  of the picture, in pixels: multiples of patch.

    Returns a tensor with the tokens' dtype and device; it may share their memory. Gradients flow through it.
    """
    ### BEGIN SOLUTION
    B = len(tokens)
    pieces = tokens.reshape(B, height // patch, width // patch, patch, patch, -1)
    pieces = pieces.permute(0, 5, 1, 3, 2, 4)  # [B, C, H/p, p, W/p, p]: a row of patches beside its rows
    return pieces.reshape(B, -1, height, width)
    ### END SOLUTION


class PatchEmbed(nn.Module):
    """Each patch of a picture through one linear layer: a convolution that steps from patch to patch.

    channels, dim  channels of the picture, and of a token.
    patch          side of a patch.

    Parameters: proj, an nn.Conv2d from channels to dim whose kernel and stride are patch. No others. Leave
    them as torch initialises them.
    Source: Dosovitskiy et al. (2021), equation 1.
    """

    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.proj = nn.Conv2d(channels, dim, kernel_size=patch, stride=patch)
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B L dim"]:
        """Tokens row by row, as of `patchify`. x is not modified. Returns a new tensor, of x's dtype."""
        ### BEGIN SOLUTION
        grid: Tensor = self.proj(x)  # [B, dim, H/p, W/p]
        return grid.flatten(2).transpose(1, 2)
        ### END SOLUTION


def sincos_2d(dim: int, height: int, width: int) -> Float[Tensor, "height*width dim"]:
    """Where each token of a grid stands, as waves: nothing is learned, and any grid has its own.

    dim            numbers for each token, a multiple of 4.
    height, width  tokens in a column of the grid, and in a row.

    Tokens come row by row. The first half of a token's numbers tell its column, the second half its row. Each
    half has dim // 4 sines, then as many cosines, of the position 0, 1, 2, ... times the frequencies
    10000 ** (-i / (dim // 4)) for i = 0 ... dim // 4 - 1.

    Returns float32, on the CPU.
    Source: Vaswani et al. (2017), section 3.5, for one direction; two in this order as in the code of DiT,
    Peebles & Xie (2023).
    """
    ### BEGIN SOLUTION
    frequencies = 10_000 ** (-torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))

    def waves(position: Tensor) -> Tensor:
        angles = torch.outer(position.double(), frequencies)
        return torch.cat([angles.sin(), angles.cos()], dim=1)  # [height*width, dim/2]

    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.cat([waves(column.flatten()), waves(row.flatten())], dim=1).float()
    ### END SOLUTION


class ViTBlock(nn.Module):
    """Tokens look at one another, then each thinks for itself: x + attn(norm1(x)), then x + mlp(norm2(x)).

    The mlp is fc1, gelu (the exact one, torch's default), fc2.

    dim     channels of a token, in and out; a multiple of heads.
    heads   heads of the attention.
    hidden  channels between fc1 and fc2.

    Parameters:
      norm1, norm2  nn.LayerNorm(dim, eps=1e-12)
      attn          parts.attention.MultiHeadSelfAttention(dim, heads)
      fc1, fc2      nn.Linear(dim, hidden), nn.Linear(hidden, dim)
    No others. Leave them as torch initialises them.
    Source: Dosovitskiy et al. (2021), equations 2 and 3.
    """

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.norm1 = nn.LayerNorm(dim, eps=1e-12)
        self.attn = parts.attention.MultiHeadSelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-12)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "B L dim"]) -> Float[Tensor, "B L dim"]:
        """x is not modified. Returns a new tensor with x's dtype and device."""
        ### BEGIN SOLUTION
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return out
        ### END SOLUTION


class ViT(nn.Module):
    """Says what is to be seen: patches and one token more go through blocks, and that token gives the scores.

    PatchEmbed; the class token before all others; pos_embed added to all, the class token too; the blocks;
    norm; and head, for the class token alone.

    size      height and width of the pictures, a multiple of patch: the grid is square and fixed.
    patch     side of a patch. channels: of the pictures.
    dim       channels of a token. heads, hidden: of each block. layers: how many blocks.
    classes   scores for each picture.

    Parameters, with N = (size // patch) ** 2:
      patch_embed  PatchEmbed(channels, dim, patch)
      cls_token    nn.Parameter [1, 1, dim]
      pos_embed    nn.Parameter [1, N + 1, dim], the class token's first
      blocks       nn.ModuleList of ViTBlock(dim, heads, hidden), as many as layers
      norm         nn.LayerNorm(dim, eps=1e-12)
      head         nn.Linear(dim, classes)
    cls_token and pos_embed start as normal numbers of mean 0 and standard deviation 0.02; leave all others as
    torch initialises them.
    Source: Dosovitskiy et al. (2021), section 3.1.
    """

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
        ### BEGIN SOLUTION
        count = (size // patch) ** 2
        self.patch_embed = PatchEmbed(channels, dim, patch)
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, count + 1, dim))
        self.blocks = nn.ModuleList([ViTBlock(dim, heads, hidden) for _ in range(layers)])
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        self.head = nn.Linear(dim, classes)
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "B channels size size"]) -> Float[Tensor, "B classes"]:
        """Scores, no shares. x is not modified. Returns a new tensor with x's dtype and device."""
        ### BEGIN SOLUTION
        patches = self.patch_embed(x)  # [B, N, dim]
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), patches], dim=1) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        scores: Tensor = self.head(self.norm(tokens)[:, 0])
        return scores
        ### END SOLUTION


def modulate(
    x: Float[Tensor, "B L D"], shift: Float[Tensor, "B D"], scale: Float[Tensor, "B D"]
) -> Float[Tensor, "B L D"]:
    """x * (1 + scale) + shift: a sample's shift and scale are the same for all of its tokens.

    Nothing is modified. Returns a new tensor with x's dtype and device. Gradients flow to all three.
    Source: Perez et al., "FiLM" (2017); with 1 + as in Peebles & Xie (2023).
    """
    ### BEGIN SOLUTION
    return x * (1 + scale[:, None]) + shift[:, None]
    ### END SOLUTION


class DiTBlock(nn.Module):
    """A transformer's block in which a condition sets shift, scale and gate of both steps: adaLN-Zero.

    `modulation` makes 6 * dim numbers of silu(c). In this order, dim numbers each, they are shift, scale and
    gate of the first step, then shift, scale and gate of the second:

        x + gate * attn(modulate(norm1(x), shift, scale))
        x + gate * mlp(modulate(norm2(x), shift, scale))

    The mlp is fc1, gelu (approximate="tanh"), fc2. modulation starts as zeros, weight and bias, so that a new
    block gives back x itself.

    dim     channels of a token, in and out, and of the condition; a multiple of heads.
    heads   heads of the attention.
    hidden  channels between fc1 and fc2.

    Parameters:
      attn        parts.attention.MultiHeadSelfAttention(dim, heads)
      fc1, fc2    nn.Linear(dim, hidden), nn.Linear(hidden, dim)
      modulation  nn.Linear(dim, 6 * dim)
    No others: both norms are layer norms without weight and bias, eps 1e-6. Leave all but modulation as torch
    initialises them.
    Source: Peebles & Xie, "Scalable Diffusion Models with Transformers" (2023), section 3.2.
    """

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.norm1 = nn.LayerNorm(dim, eps=1e-6, elementwise_affine=False)
        self.attn = parts.attention.MultiHeadSelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6, elementwise_affine=False)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.modulation = nn.Linear(dim, 6 * dim)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "B L dim"], c: Float[Tensor, "B dim"]) -> Float[Tensor, "B L dim"]:
        """c: each sample's condition. Neither is modified. Returns a new tensor, x's dtype and device."""
        ### BEGIN SOLUTION
        six = self.modulation(F.silu(c))  # [B, 6*dim]
        shift1, scale1, gate1, shift2, scale2, gate2 = six.chunk(6, dim=1)  # [B, dim] each
        x = x + gate1[:, None] * self.attn(modulate(self.norm1(x), shift1, scale1))
        inner = self.fc1(modulate(self.norm2(x), shift2, scale2))
        out: Tensor = x + gate2[:, None] * self.fc2(F.gelu(inner, approximate="tanh"))
        return out
        ### END SOLUTION


class DiT(nn.Module):
    """A diffusion transformer: says what a UNet says of a noisy picture, with no convolution but the first.

    PatchEmbed; sincos_2d of the grid added, once; the blocks, each told the condition; a last norm,
    modulated; proj_out, which makes the numbers of a patch out of each token; and unpatchify.

    The condition is time + label, [B, dim]. The time: parts.unet.timestep_embedding(t, dim) in x's dtype,
    through time_mlp. The label: its row of label_embed. The last norm's shift and scale, in this order, are
    the two halves of what modulation_out makes of silu(condition).

    channels  of the picture, and of the answer. patch: side of a patch.
    dim       channels of a token, a multiple of 4 and of heads. heads: of each block; layers: of those.
    classes   labels 0 ... classes - 1; the label that means "no label" is classes.
    hidden    of each block; None: 4 * dim.

    Parameters:
      patch_embed     PatchEmbed(channels, dim, patch)
      time_mlp        nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))
      label_embed     nn.Embedding(classes + 1, dim)
      blocks          nn.ModuleList of DiTBlock(dim, heads, hidden), as many as layers
      modulation_out  nn.Linear(dim, 2 * dim)
      proj_out        nn.Linear(dim, patch * patch * channels)
    No others: the last norm is a layer norm without weight and bias, eps 1e-6. modulation_out and proj_out
    start as zeros, weight and bias, so that a new network answers 0; leave all others as torch initialises
    them, or as DiTBlock does.
    Source: Peebles & Xie, "Scalable Diffusion Models with Transformers" (2023), section 3.
    """

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
        ### BEGIN SOLUTION
        hidden = 4 * dim if hidden is None else hidden
        self.dim, self.patch = dim, patch
        self.patch_embed = PatchEmbed(channels, dim, patch)
        self.time_mlp = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.label_embed = nn.Embedding(classes + 1, dim)
        self.blocks = nn.ModuleList([DiTBlock(dim, heads, hidden) for _ in range(layers)])
        self.norm_out = nn.LayerNorm(dim, eps=1e-6, elementwise_affine=False)
        self.modulation_out = nn.Linear(dim, 2 * dim)
        self.proj_out = nn.Linear(dim, patch * patch * channels)
        for layer in (self.modulation_out, self.proj_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        ### END SOLUTION

    def forward(
        self,
        x: Float[Tensor, "B channels H W"],
        t: Int[Tensor, " B"] | Float[Tensor, " B"],
        labels: Int[Tensor, " B"],
    ) -> Float[Tensor, "B channels H W"]:
        """x: noisy pictures; H and W are multiples of patch, and need not be equal. t: a time for each.

        Nothing is modified. Returns a new tensor with x's dtype and device.
        """
        ### BEGIN SOLUTION
        H, W = x.shape[2:]
        time = self.time_mlp(parts.unet.timestep_embedding(t, self.dim).to(x.dtype))
        c = time + self.label_embed(labels)  # [B, dim]
        positions = sincos_2d(self.dim, H // self.patch, W // self.patch).to(x)
        tokens = self.patch_embed(x) + positions
        for block in self.blocks:
            tokens = block(tokens, c)
        shift, scale = self.modulation_out(F.silu(c)).chunk(2, dim=1)
        pieces = self.proj_out(modulate(self.norm_out(tokens), shift, scale))  # [B, L, p*p*channels]
        return unpatchify(pieces, self.patch, H, W)
        ### END SOLUTION


def rms_norm(
    x: Float[Tensor, "... D"], weight: Float[Tensor, " D"], eps: float = 1e-6
) -> Float[Tensor, "... D"]:
    """x divided by the root of the mean of its squares, over the last dimension; then times weight.

    x, weight  neither is modified.
    eps        added to the mean of the squares before the root is taken.

    No mean is subtracted. Returns a new tensor with x's dtype and device. Gradients flow through it.
    Source: Zhang & Sennrich, "Root Mean Square Layer Normalization" (2019), equation 4.
    """
    ### BEGIN SOLUTION
    mean_square = x.square().mean(dim=-1, keepdim=True)
    return x / torch.sqrt(mean_square + eps) * weight
    ### END SOLUTION


def rotate(
    x: Float[Tensor, "B h L d"],
    positions: Int[Tensor, " L"] | Float[Tensor, " L"],
    base: float = 10_000.0,
) -> Float[Tensor, "B h L d"]:
    """Queries or keys of each head, turned pair by pair by angles that grow with the position (RoPE).

    x          d is even. The numbers 0 and 1 of a token are a pair, 2 and 3 the next one, and so on.
    positions  of the tokens: 0, 1, 2, ..., or any others. Neither is modified.
    base       pair number i turns by position * base ** (-2 * i / d), from (1, 0) towards (0, 1).

    Angles are computed in float64, then their cosines and sines are rounded to x's dtype: float32 loses far
    positions. Returns a new tensor with x's dtype and device. Gradients flow through it, to x.
    Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding" (2021), equation 34.
    """
    ### BEGIN SOLUTION
    d = x.shape[-1]
    frequencies = base ** (-torch.arange(0, d, 2, dtype=torch.float64, device=x.device) / d)
    angles = positions.to(x.device, torch.float64)[:, None] * frequencies  # [L, d/2]
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x[..., 0::2], x[..., 1::2]  # [B, h, L, d/2]
    turned = torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-1)
    return turned.flatten(-2)
    ### END SOLUTION


class JointAttention(nn.Module):
    """Picture and text in one attention, each with projections of its own: the attention of MM-DiT.

    Queries, keys and values of the picture's tokens come first, those of the text's after them; every token
    looks at all of both. What comes out is split again, and each part goes through an output layer of its
    own.

    dim    channels of a token, in and out, of both; a multiple of heads.
    heads  heads of the attention, of dim // heads channels each, in their order. Scores are divided by the
           root of dim // heads.

    Parameters, all nn.Linear(dim, dim) with bias, named as in diffusers' Attention:
      to_q, to_k, to_v                    of the picture
      add_q_proj, add_k_proj, add_v_proj  of the text
      to_out.0, to_add_out                for the picture, for the text (to_out is an nn.ModuleList of one)
    No others. Leave them as torch initialises them.
    Source: Esser et al., "Scaling Rectified Flow Transformers" (2024), section 4, figure 2.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, dim) for _ in range(3))
        self.add_q_proj, self.add_k_proj, self.add_v_proj = (nn.Linear(dim, dim) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])
        self.to_add_out = nn.Linear(dim, dim)
        ### END SOLUTION

    def forward(
        self, image: Float[Tensor, "B L dim"], text: Float[Tensor, "B S dim"]
    ) -> tuple[Float[Tensor, "B L dim"], Float[Tensor, "B S dim"]]:
        """The picture's tokens and the text's, two new tensors. Neither is modified."""

        ### BEGIN SOLUTION
        def joint(of_image: nn.Module, of_text: nn.Module) -> Tensor:
            both = torch.cat([of_image(image), of_text(text)], dim=1)  # [B, L + S, dim]
            return both.reshape(*both.shape[:2], self.heads, -1).transpose(1, 2)  # [B, h, L + S, d]

        q = joint(self.to_q, self.add_q_proj)
        k = joint(self.to_k, self.add_k_proj)
        v = joint(self.to_v, self.add_v_proj)
        out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)  # [B, L + S, dim]
        L = image.shape[1]
        return self.to_out[0](out[:, :L]), self.to_add_out(out[:, L:])
        ### END SOLUTION
