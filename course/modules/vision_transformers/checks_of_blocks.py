"""Public checks of the blocks and of ViT, of the module `vision_transformers`: worked out by hand."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn, tensor

from course.checking.expect import Layer, Work, close, exercise, holds, ordinary

# Three tokens of two channels. A norm over two channels leaves their order alone: 1 and -1.
TOKENS = tensor([[[3.0, 1.0], [5.0, 2.0], [2.0, 4.0]]])
NORMED = tensor([[[1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]])
# Queries of zero look at all tokens alike: the attention gives the mean of what it is given.
MEAN = {
    "attn.to_q.weight": 0,
    "attn.to_k.weight": 0,
    "attn.to_v.weight": torch.eye(2),
    "attn.to_out.0.weight": torch.eye(2),
    "attn.to_out.0.bias": 0,
}
SILENT_ATTENTION = {"attn.to_out.0.weight": 0, "attn.to_out.0.bias": 0}
SILENT_MLP = {"fc2.weight": 0, "fc2.bias": 0}
PLAIN_MLP = {"fc1.weight": torch.eye(2), "fc1.bias": 0, "fc2.weight": torch.eye(2), "fc2.bias": 0}


def waves(*shape: int, phase: int = 0) -> Tensor:
    """Numbers that look random and are the same everywhere."""
    places = torch.arange(math.prod(shape), dtype=torch.float64)
    return (places * 1.7 + phase + 0.3).sin().float().reshape(shape)


def _attention(dim: int) -> dict[str, tuple[int, ...]]:
    names = ("to_q", "to_k", "to_v", "to_out.0")
    return {**{f"attn.{name}.weight": (dim, dim) for name in names}, "attn.to_out.0.bias": (dim,)}


def _mlp(dim: int, hidden: int) -> dict[str, tuple[int, ...]]:
    return {
        "fc1.weight": (hidden, dim),
        "fc1.bias": (hidden,),
        "fc2.weight": (dim, hidden),
        "fc2.bias": (dim,),
    }


# --- ViTBlock and ViT --------------------------------------------------------------------------------------


@exercise("ViT")
class ViT:
    def parameters(self, student: Work) -> None:
        """Both have the stated parameters, a block for each layer, and norms with an eps of 1e-12."""
        block = {
            **{f"norm{i}.{kind}": (8,) for i in (1, 2) for kind in ("weight", "bias")},
            **_attention(8),
            **_mlp(8, 12),
        }
        layer = student.ViTBlock(8, 2, 12)
        layer.has_parameters(block)
        _has_eps(layer, "norm1", "norm2")
        layer = student.ViT(8, 4, 3, 8, 2, 2, 12, 5)
        layer.has_parameters(
            {
                "patch_embed.proj.weight": (8, 3, 4, 4),
                "patch_embed.proj.bias": (8,),
                "cls_token": (1, 1, 8),
                "pos_embed": (1, 5, 8),
                **{f"blocks.{i}.{name}": shape for i in (0, 1) for name, shape in block.items()},
                "norm.weight": (8,),
                "norm.bias": (8,),
                "head.weight": (5, 8),
                "head.bias": (5,),
            }
        )
        _has_eps(layer, "norm")

    def attention_step(self, student: Work) -> None:
        """The first step of a block is x + attn(norm1(x)), here with an attention that takes the mean."""
        layer = _vit_block(student).set({**MEAN, **SILENT_MLP})
        mean = NORMED.mean(1, keepdim=True).expand_as(TOKENS)
        after = F.layer_norm(TOKENS + TOKENS.mean(1, keepdim=True), (2,))
        close(
            layer(TOKENS),
            TOKENS + mean,
            symptoms={
                "What came in was not added.": mean,
                "Here the mean was added to the normalised tokens: add it to x as it came in.": NORMED + mean,
                "Here the attention was given x without norm1.": TOKENS + TOKENS.mean(1, keepdim=True),
                "Here x itself was normalised: the norms stand inside, x + attn(norm1(x)).": after,
            },
        )

    def mlp_step(self, student: Work) -> None:
        """The second step is x + fc2(gelu(fc1(norm2(x)))), with the exact gelu."""
        layer = _vit_block(student).set({**SILENT_ATTENTION, **PLAIN_MLP, "norm1.weight": 5})
        layer.set({"fc2.weight": 100 * torch.eye(2)})
        close(
            layer(TOKENS),
            TOKENS + 100 * F.gelu(NORMED),
            symptoms={
                "What came in was not added.": 100 * F.gelu(NORMED),
                "This is the approximate gelu (approximate='tanh'): ViT has the exact one.": (
                    TOKENS + 100 * F.gelu(NORMED, approximate="tanh")
                ),
                "Here ReLU was used in the place of gelu.": TOKENS + 100 * F.relu(NORMED),
                "Here norm1 was used twice: each step has a norm of its own.": TOKENS
                + 100 * F.gelu(5 * NORMED),
                "Here the sums are of normalised tokens: add to x as it came in.": (
                    NORMED + 100 * F.gelu(NORMED)
                ),
                "Here the mlp was given x without norm2.": TOKENS + 100 * F.gelu(TOKENS),
            },
            tolerance=1e-5,
        )

    def one_after_the_other(self, student: Work) -> None:
        """The second step works on what the first one returned."""
        layer = _vit_block(student).set({**MEAN, **PLAIN_MLP, "attn.to_out.0.bias": [0.0, 9.0]})
        first = TOKENS + tensor([1 / 3, -1 / 3 + 9])
        turned = tensor([-1.0, 1.0])  # now the second channel is the larger one, in all three tokens
        close(
            layer(TOKENS),
            first + F.gelu(turned),
            symptoms={
                "Both steps started from the same tokens.": first + F.gelu(NORMED),
            },
        )

    def class_token(self, student: Work) -> None:
        """The class token stands first, has the first position, and alone makes the scores, through norm."""
        layer = student.ViT(2, 1, 1, 2, 1, 0, 4, 2)
        places = tensor([[-3.0, 1.0], [0, 0], [0, 0], [0, 0], [5, 0]])[None]
        layer.set({"cls_token": [[[1.0, 0.0]]], "pos_embed": places, "norm.weight": 1, "norm.bias": 0})
        layer.set({"patch_embed.proj.weight": 0, "patch_embed.proj.bias": [7.0, 0.0]})
        layer.set({"head.weight": [[10.0, 0.0], [0.0, 20.0]], "head.bias": 0})
        # Class token and position: (-2, 1), normalised (-1, 1). All others are (1, -1) when normalised.
        close(
            layer(torch.ones(1, 1, 2, 2)),
            [[-10.0, 20.0]],
            symptoms={
                "Here the first token or its position is another: the class token comes first, and has the "
                "first row of pos_embed.": [[10.0, -20.0]],
                "There is no norm before the head.": [[-20.0, 20.0]],
                "Here the head came before the norm.": [[-1.0, 1.0]],
                "Here the mean of all tokens makes the scores.": [[6.0, -12.0]],
                "These are shares: scores are asked for, before any softmax.": [[0.0, 1.0]],
            },
        )

    def positions(self, student: Work) -> None:
        """Each patch has the position that is its own: the first patch the second row of pos_embed."""
        layer = student.ViT(2, 1, 1, 2, 1, 1, 2, 2)
        block = {**MEAN, **SILENT_MLP, "norm1.weight": 1, "norm1.bias": 0}
        layer.set({f"blocks.0.{name}": value for name, value in block.items()})
        layer.set({"patch_embed.proj.weight": 0, "patch_embed.proj.bias": 0, "cls_token": 0})
        layer.set({"pos_embed": tensor([[[1.0, 0.0], [0, 1], [0, 1], [0, 1], [0, 1]]])})
        layer.set({"norm.weight": 1, "norm.bias": 0, "head.weight": torch.eye(2), "head.bias": 0})
        # Normalised, the class token is (1, -1) and each patch (-1, 1), so that their mean is (-0.6, 0.6).
        # Added to the class token that makes (0.4, 0.6), and normalised (-1, 1).
        close(
            layer(torch.ones(1, 1, 2, 2)),
            [[-1.0, 1.0]],
            symptoms={
                "Here the patches have positions of others: the first patch has the second.": [[1.0, -1.0]]
            },
        )

    def every_patch(self, student: Work) -> None:
        """Every patch reaches the scores through the blocks, and each picture has its own."""
        layer = student.ViT(4, 2, 1, 4, 2, 2, 6, 3)
        for phase, (name, own) in enumerate(layer.module.named_parameters()):
            layer.set({name: waves(*own.shape, phase=phase) + ("norm" in name and "weight" in name)})
        x = waves(2, 1, 4, 4)
        before = ordinary(layer(x)).clone()
        holds(before.shape == (2, 3), f"the shape is {tuple(before.shape)}, it should be (2, 3)")
        for row, column in ((0, 0), (0, 3), (3, 0), (3, 3)):
            changed = x.clone()
            changed[1, 0, row, column] += 2
            after = ordinary(layer(changed))
            holds(
                (after[1] - before[1]).abs().max() > 1e-4,
                f"the pixel in row {row} and column {column} makes no difference to the scores",
            )
            holds(
                (after[0] - before[0]).abs().max() < 1e-5,
                "a pixel of the second picture changes the scores of the first",
            )

    def start(self, student: Work) -> None:
        """The class token and the positions start as normal numbers of standard deviation 0.02."""
        module = student.ViT(8, 1, 1, 32, 1, 0, 4, 2).module
        for name in ("pos_embed", "cls_token"):
            own = module.get_parameter(name).detach()
            low, high = (0.018, 0.022) if name == "pos_embed" else (0.008, 0.04)
            spread = float(own.std())
            holds(
                low < spread < high,
                f"the numbers of a new `{name}` have the standard deviation {spread:.3g}; 0.02 is asked for",
            )


def _vit_block(student: Work) -> Layer:
    layer: Layer = student.ViTBlock(2, 1, 2)
    return layer.set({f"norm{i}.{kind}": kind == "weight" for i in (1, 2) for kind in ("weight", "bias")})


def _has_eps(layer: Layer, *names: str) -> None:
    for name in names:
        norm = layer.module.get_submodule(name)
        holds(isinstance(norm, nn.LayerNorm), f"`{name}` should be an nn.LayerNorm")
        assert isinstance(norm, nn.LayerNorm)
        holds(norm.eps == 1e-12, f"`{name}` has eps={norm.eps}, 1e-12 is expected")


# --- modulate and DiTBlock ---------------------------------------------------------------------------------


@exercise("DiTBlock")
class DiTBlock:
    def line(self, student: Work) -> None:
        """modulate: x * (1 + scale) + shift, channel by channel, for all tokens of a sample alike."""
        x = tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
        close(
            student.modulate(x, tensor([[0.0, 10.0]]), tensor([[1.0, 2.0]])),
            [[[2.0, 16.0], [6.0, 22.0], [10.0, 28.0]]],
            symptoms={
                "The 1 + is missing: a scale of 0 is to change nothing.": (
                    tensor([[[1.0, 14.0], [3.0, 18.0], [5.0, 22.0]]])
                ),
                "Here the shift is scaled, too.": tensor([[[2.0, 36.0], [6.0, 42.0], [10.0, 48.0]]]),
                "Shift and scale have changed places.": tensor([[[2.0, 24.0], [4.0, 46.0], [6.0, 68.0]]]),
            },
        )

    def each_its_own(self, student: Work) -> None:
        """modulate: each sample has its own shift and scale, as many samples as tokens or not."""
        x, shift = torch.ones(2, 2, 2), tensor([[0.0, 10.0], [20.0, 30.0]])
        close(
            student.modulate(x, shift, torch.zeros(2, 2)),
            [[[1.0, 11.0], [1.0, 11.0]], [[21.0, 31.0], [21.0, 31.0]]],
            symptoms={
                "All samples got the first one's shift.": tensor([[1.0, 11.0]]).expand(2, 2, 2),
                "Here the shift runs along the tokens, not the samples: give it a dimension of size 1.": (
                    tensor([[1.0, 11.0], [21.0, 31.0]]).expand(2, 2, 2)
                ),
            },
        )

    def parameters(self, student: Work) -> None:
        """DiTBlock has the stated parameters: its norms have none."""
        student.DiTBlock(8, 2, 12).has_parameters(
            {
                **_attention(8),
                **_mlp(8, 12),
                "modulation.weight": (48, 8),
                "modulation.bias": (48,),
            }
        )

    def starts_at_zero(self, student: Work) -> None:
        """A new block gives back x, to the last bit, whatever the condition."""
        layer = student.DiTBlock(8, 2, 12)
        own = dict(layer.module.named_parameters())
        for kind in ("weight", "bias"):
            holds(not own[f"modulation.{kind}"].any(), f"`modulation.{kind}` should start as zeros")
        x = waves(2, 3, 8)
        close(
            layer(x, waves(2, 8)),
            x,
            symptoms={
                "Nothing is left of x: do the gates multiply what is added, or the whole sum?": (
                    torch.zeros_like(x)
                ),
            },
        )

    def attention_step(self, student: Work) -> None:
        """The first three of the six are shift, scale and gate of the attention."""
        layer = student.DiTBlock(2, 1, 2).set({**MEAN, **PLAIN_MLP, "modulation.weight": 0})
        six = [10.0, 20.0, 1.0, 2.0, 0.5, 0.25, 70.0, 80.0, 3.0, 4.0, 0.0, 0.0]
        layer.set({"modulation.bias": six})
        # NORMED times (2, 3) plus (10, 20): (12, 17), (12, 17), (8, 23), and their mean.
        mean = tensor([32 / 3, 19.0])
        gate = tensor([0.5, 0.25])
        shift, scale, bent_gate = F.silu(tensor(six[:6])).view(3, 2)
        bent = bent_gate * (tensor([1 / 3, -1 / 3]) * (1 + scale) + shift)
        close(
            layer(TOKENS, torch.zeros(1, 2)),
            TOKENS + gate * mean,
            symptoms={
                "The gate is missing.": TOKENS + mean,
                "Here the gate multiplies x as well.": gate * (TOKENS + mean),
                "Here the scale came before the shift.": TOKENS + gate * tensor([14 / 3, -5.0]),
                "What came in was not added.": gate * mean,
                "Here the last three of the six were the attention's.": (
                    TOKENS + gate * (NORMED * tensor([2.0, 3.0]) + tensor([10.0, 20.0]))
                ),
                "Here the six were two shifts, two scales and two gates: they are two groups of three.": (
                    TOKENS + tensor([31.5, 4 * (20 - 1.25 / 3)])
                ),
                "Here silu comes after modulation: it belongs before it.": TOKENS + bent,
            },
        )

    def mlp_step(self, student: Work) -> None:
        """The last three are shift, scale and gate of the mlp, with the gelu of approximate='tanh'."""
        layer = student.DiTBlock(2, 1, 2).set({**MEAN, **PLAIN_MLP, "modulation.weight": 0})
        layer.set({"modulation.bias": [70.0, 80.0, 3.0, 4.0, 0.0, 0.0, -2.0, -2.2, 0.1, 0.2, 100.0, 50.0]})
        inner = NORMED * tensor([1.1, 1.2]) + tensor([-2.0, -2.2])
        gate = tensor([100.0, 50.0])
        close(
            layer(TOKENS, torch.zeros(1, 2)),
            TOKENS + gate * F.gelu(inner, approximate="tanh"),
            symptoms={
                "This is the exact gelu: DiT has approximate='tanh'.": TOKENS + gate * F.gelu(inner),
                "The gate is missing.": TOKENS + F.gelu(inner, approximate="tanh"),
                "Here the scale came before the shift.": TOKENS
                + gate * F.gelu(NORMED * tensor([-1.0, -1.2]) + tensor([0.1, 0.2]), approximate="tanh"),
            },
        )

    def one_after_the_other(self, student: Work) -> None:
        """The second step works on what the first one returned."""
        layer = student.DiTBlock(2, 1, 2).set({**MEAN, **PLAIN_MLP, "modulation.weight": 0})
        layer.set({"modulation.bias": [0.0, 9.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]})
        first = TOKENS + tensor([1 / 3, -1 / 3 + 9])
        turned = tensor([-1.0, 1.0])  # now the second channel is the larger one, in all three tokens
        close(
            layer(TOKENS, torch.zeros(1, 2)),
            first + F.gelu(turned, approximate="tanh"),
            symptoms={
                "Both steps started from the same tokens.": first + F.gelu(NORMED, approximate="tanh"),
            },
        )

    def condition(self, student: Work) -> None:
        """The condition goes through silu, then through modulation; each sample has its own."""
        weight = torch.zeros(12, 2)
        weight[4], weight[5] = tensor([-1.0, 0.0]), tensor([0.0, 1.0])  # the attention's gate
        layer = student.DiTBlock(2, 1, 2).set({**MEAN, **SILENT_MLP, "modulation.bias": 0})
        layer.set({"modulation.weight": weight, "attn.to_v.weight": 0, "attn.to_out.0.bias": [1.0, 1.0]})
        c, turn = tensor([[-5.0, 1.0], [2.0, 3.0]]), tensor([-1.0, 1.0])
        x = TOKENS.repeat(2, 1, 1)
        close(
            layer(x, c),
            x + (turn * F.silu(c))[:, None],
            symptoms={
                "The condition did not go through silu.": x + (turn * c)[:, None],
                "Here silu comes after modulation: it belongs before it.": x + F.silu(turn * c)[:, None],
                "All samples got the first one's condition.": x + (turn * F.silu(c))[:1, None],
            },
        )

    def low_contrast(self, student: Work) -> None:
        """Both norms add 1e-6 to the variance, as shows where tokens have little contrast."""
        layer = student.DiTBlock(2, 1, 2).set({**MEAN, **SILENT_MLP, "modulation.weight": 0})
        layer.set({"modulation.bias": [0.0] * 4 + [1.0, 1.0] + [0.0] * 6})
        x = tensor([[[0.002, 0.0]]])  # mean 0.001, variance 1e-6
        close(
            layer(x, torch.zeros(1, 2)),
            x + tensor([1.0, -1.0]) / math.sqrt(2),
            symptoms={
                "Here eps is 1e-5: LayerNorm's default, and another one is asked for.": (
                    x + tensor([1.0, -1.0]) / math.sqrt(11)
                ),
            },
        )
