"""Public checks of the transformers of the module `unet`: by hand, and against those of a trained network."""

import torch
from torch import Tensor, nn

from course.checking.expect import Work, close, exercise, holds
from course.lab.tiny_sd.network import Feed, Pixels, Talk
from course.modules.unet.checks_of_blocks import affine, assign, conv, filled, in_double, is_norm, waves

_LAST = {"attn1": "attn1.to_out.0", "attn2": "attn2.to_out.0", "ff": "ff.net.2"}


@exercise("TransformerBlock")
class TransformerBlock:
    def parameters(self, student: Work) -> None:
        """Their parameters have diffusers' names and shapes."""
        feed = {
            "net.0.proj.weight": (64, 8),
            "net.0.proj.bias": (64,),
            "net.2.weight": (8, 32),
            "net.2.bias": (8,),
        }
        student.FeedForward(8).has_parameters(feed)
        attention = {
            f"attn{i}.{name}.weight": (8, width)
            for i, context in ((1, 8), (2, 6))
            for name, width in (("to_q", 8), ("to_k", context), ("to_v", context), ("to_out.0", 8))
        }
        student.TransformerBlock(8, 6, 2).has_parameters(
            {
                **{name: shape for i in (1, 2, 3) for name, shape in affine(f"norm{i}", 8).items()},
                **attention,
                "attn1.to_out.0.bias": (8,),
                "attn2.to_out.0.bias": (8,),
                **{f"ff.{name}": shape for name, shape in feed.items()},
            }
        )

    def gate(self, student: Work) -> None:
        """FeedForward: the first half of proj's channels, times the gelu of the second half."""
        # dim = 1: four channels are 100 (through the bias), their gates -2; net[2] takes the first one.
        layer = student.FeedForward(1).set({"net.0.proj.weight": 0, "net.2.weight": [[1, 0, 0, 0]]})
        layer.set({"net.0.proj.bias": [100.0] * 4 + [-2.0] * 4, "net.2.bias": [0.25]})
        close(
            layer(torch.ones(1, 3, 1)),
            torch.full((1, 3, 1), 100 * -0.04550026 + 0.25),
            symptoms={
                "Here the first half was the gate: gelu belongs on the second.": torch.full(
                    (1, 3, 1), -199.75
                ),
                "This is the approximate gelu (approximate='tanh'): take the exact one, torch's default.": (
                    torch.full((1, 3, 1), 100 * -0.04540231 + 0.25)
                ),
                "Here the gate is SiLU; it should be gelu.": torch.full((1, 3, 1), 100 * -0.23840584 + 0.25),
                "Here the gate is a sigmoid; it should be gelu.": torch.full(
                    (1, 3, 1), 100 * 0.11920292 + 0.25
                ),
                "Here gelu was taken of one half, and there was no gate.": torch.full((1, 3, 1), 100.25),
                "Here the gate was not sent through gelu.": torch.full((1, 3, 1), -199.75),
            },
        )

    def feed_forward(self, student: Work) -> None:
        """FeedForward agrees with that of the trained network; each token is on its own."""
        theirs, x = filled(Feed(16)), waves(2, 5, 16)
        layer = student.FeedForward(16).set(theirs.state_dict())
        close(layer(x), theirs(x))
        in_double(student.FeedForward(16), layer, x)

    def step_1(self, student: Work) -> None:
        """Step 1, self-attention: x + attn1(norm1(x)), with the other two steps silent."""
        _only(student, "attn1")

    def step_2(self, student: Work) -> None:
        """Step 2, cross-attention: x + attn2(norm2(x), context), with the other two steps silent."""
        _only(student, "attn2")

    def step_3(self, student: Work) -> None:
        """Step 3, each for itself: x + ff(norm3(x)), with the other two steps silent."""
        _only(student, "ff")

    def together(self, student: Work) -> None:
        """All three, one after the other; the context may have another length and other channels."""
        block = filled(Talk(32))
        x, context = waves(2, 6, 32), waves(2, 3, 64)
        layer = student.TransformerBlock(32, 64, 4).set(block.state_dict())
        close(layer(x, context), block(x, context))
        in_double(student.TransformerBlock(32, 64, 4), layer, x, context)


def _only(student: Work, step: str) -> None:
    block = filled(Talk(32))
    silent = {
        f"{last}.{kind}": 0 for name, last in _LAST.items() if name != step for kind in ("weight", "bias")
    }
    layer = student.TransformerBlock(32, 64, 4).set({**block.state_dict(), **silent})
    assign(block, silent)
    x, context = waves(2, 6, 32), waves(2, 3, 64)
    expected = block(x, context)
    norms = {f"norm{i}": block.get_submodule(f"norm{i}") for i in (1, 2, 3)}
    own = {"attn1": "norm1", "attn2": "norm2", "ff": "norm3"}[step]
    symptoms: dict[str, Tensor] = {
        "Nothing was added to x: the step is missing, or its result is thrown away.": x,
        "What the step gave was not added to x.": expected - x,
        "Nothing is left of x: a step replaces it, where it should add to it.": torch.zeros_like(x),
        f"Here the step was given x without {own}.": _with_norm(block, own, nn.Identity(), x, context),
    }
    for other, norm in norms.items():
        if other != own:
            what = f"Here {other} was used in the place of {own}: each step has a norm of its own."
            symptoms[what] = _with_norm(block, own, norm, x, context)
    close(layer(x, context), expected, symptoms=symptoms)


def _with_norm(block: nn.Module, name: str, norm: nn.Module, x: Tensor, context: Tensor) -> Tensor:
    before = block.get_submodule(name)
    setattr(block, name, norm)
    try:
        answer: Tensor = block(x, context)
        return answer
    finally:
        setattr(block, name, before)


@exercise("SpatialTransformer")
class SpatialTransformer:
    def parameters(self, student: Work) -> None:
        """Its own parameters have diffusers' names and shapes, and its norm diffusers' eps."""
        layer = student.SpatialTransformer(8, 6, 2, groups=4)
        own = {name: tuple(p.shape) for name, p in layer.module.named_parameters()}
        inner = "transformer_blocks.0."
        layer.has_parameters(
            {
                **affine("norm", 8),
                **conv("proj_in", 8, 8, 1),
                **{name: shape for name, shape in own.items() if name.startswith(inner)},
                **conv("proj_out", 8, 8, 1),
            }
        )
        holds(
            own.get(f"{inner}attn2.to_k.weight") == (8, 6),
            "`transformer_blocks` should have one TransformerBlock(channels, context_dim, heads) in it",
        )
        is_norm(layer, "norm", 4, 1e-6)

    def image_is_added(self, student: Work) -> None:
        """Where proj_out gives 0, the image comes back as it was."""
        image = torch.arange(2 * 4 * 2 * 3.0).reshape(2, 4, 2, 3)
        layer = student.SpatialTransformer(4, 3, 1, groups=2).set({"proj_out.weight": 0, "proj_out.bias": 0})
        close(
            layer(image, torch.ones(2, 5, 3)),
            image,
            symptoms={
                "The image was not added.": torch.zeros_like(image),
                "The normalised image was added: add it as it came in.": (
                    nn.functional.group_norm(image, 2, eps=1e-6)
                ),
            },
        )

    def there_and_back(self, student: Work) -> None:
        """Each pixel is a token with its channels last, and finds back to its place."""
        layer = student.SpatialTransformer(4, 3, 1, groups=1)
        block = "transformer_blocks.0."
        quiet = {f"{block}{last}.{kind}": 0 for last in _LAST.values() for kind in ("weight", "bias")}
        same = {f"{name}.weight": torch.eye(4)[:, :, None, None] for name in ("proj_in", "proj_out")}
        layer.set({**quiet, **same, "proj_in.bias": 0, "proj_out.bias": 0, "norm.weight": 1, "norm.bias": 0})
        image = torch.arange(4 * 2 * 3.0).reshape(1, 4, 2, 3).sin()
        norm = nn.functional.group_norm(image, 1, eps=1e-6)
        close(
            layer(image, torch.ones(1, 2, 3)),
            image + norm,
            symptoms={
                "On the way back the channels were not moved to the front first.": (
                    image + norm.flatten(2).mT.reshape(image.shape)
                ),
                "On the way back height and width were swapped.": image + norm.reshape(1, 4, 3, 2).mT,
                "The normalised image was added: add it as it came in.": 2 * norm,
            },
        )

    def trained_network(self, student: Work) -> None:
        """With the same weights it agrees with a block of the trained network, for any height and width."""
        theirs = filled(Pixels(16))
        x, context = waves(2, 16, 3, 5), waves(2, 3, 64)
        layer = student.SpatialTransformer(16, 64, 4, groups=8).set(theirs.state_dict())
        scrambled = theirs(x.mT.reshape(x.shape), context)
        close(
            layer(x, context),
            theirs(x, context),
            symptoms={
                "Pixels and channels are mixed: [B, C, H, W] becomes [B, H*W, C] by first flatten, "
                "then transpose.": scrambled,
            },
        )
        in_double(student.SpatialTransformer(16, 64, 4, groups=8), layer, x, context)
