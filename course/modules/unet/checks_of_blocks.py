"""Public checks of the blocks of the module `unet`: by hand, and against those of the trained network."""

import math

import torch
from torch import Tensor, nn, tensor

from course.checking.expect import Layer, Work, close, exercise, holds, ordinary
from course.lab.tiny_sd.network import Residual

# 9 pixels, one number each.
NINE = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)


# --- ResBlock ----------------------------------------------------------------------------------------------


@exercise("ResBlock")
class ResBlock:
    def parameters(self, student: Work) -> None:
        """Its parameters have diffusers' names and shapes; conv_shortcut is there only if it is needed."""
        layer = student.ResBlock(8, 12, 5, groups=4)
        layer.has_parameters(
            {
                **affine("norm1", 8),
                **affine("norm2", 12),
                **conv("conv1", 12, 8, 3),
                **conv("conv2", 12, 12, 3),
                **conv("conv_shortcut", 12, 8, 1),
                "time_emb_proj.weight": (12, 5),
                "time_emb_proj.bias": (12,),
            }
        )
        is_norm(layer, "norm1", 4, 1e-5)
        is_norm(layer, "norm2", 4, 1e-5)
        own = dict(student.ResBlock(8, 8, 5, groups=4).module.named_parameters())
        holds(
            "conv_shortcut.weight" not in own,
            "with as many channels out as in there is a conv_shortcut: it is needed only if they differ",
        )

    def shortcut(self, student: Work) -> None:
        """What came in is added at the end, through conv_shortcut where the channels change."""
        x, time = NINE.repeat(1, 2, 1, 1), torch.zeros(1, 1)
        normed = nn.functional.group_norm(x, 1)
        layer = student.ResBlock(2, 2, 1, groups=1).set({"conv2.weight": 0, "conv2.bias": 0})
        close(
            layer(x, time),
            x,
            symptoms={
                "What came in was not added.": torch.zeros_like(x),
                "Here x was added as norm1 left it: add it as it came in.": normed,
                "Here x was added as norm1 and SiLU left it: add it as it came in.": nn.functional.silu(
                    normed
                ),
            },
        )
        layer = student.ResBlock(2, 1, 1, groups=1).set({"conv2.weight": 0, "conv2.bias": 0})
        layer.set({"conv_shortcut.weight": [[[[1.0]], [[10.0]]]], "conv_shortcut.bias": [0.5]})
        close(
            layer(x, time),
            11 * NINE + 0.5,
            symptoms={
                "What came in was not added.": torch.zeros_like(NINE),
                "Here conv_shortcut was given what norm1 made of x: give it x as it came in.": (
                    11 * normed[:, :1] + 0.5
                ),
            },
        )

    def time(self, student: Work) -> None:
        """The time goes through SiLU and time_emb_proj, and is added after conv1 and before norm2."""
        # conv1 gives nothing, so norm2 sees the time alone: two numbers, the larger one becomes 1, the other
        # -1. SiLU turns their order round: -5 becomes -0.03, and -1 becomes -0.27.
        x, time = torch.arange(6.0).reshape(1, 2, 1, 3), tensor([[-5.0, -1.0]])
        layer = student.ResBlock(2, 2, 2, groups=1).set({"conv1.weight": 0, "conv1.bias": 0})
        layer.set({"time_emb_proj.weight": [[-1000, 0], [0, -1000]], "time_emb_proj.bias": 0})
        layer.set({"norm2.weight": 1, "norm2.bias": 0, "conv2.weight": _centre(2), "conv2.bias": 0})

        def plus(first: float, second: float) -> Tensor:
            return x + tensor([first, second])[:, None, None]

        up, down = 1 / (1 + math.exp(-1)), -1 / (1 + math.exp(1))  # silu(1) and silu(-1)
        close(
            layer(x, time),
            plus(down, up),
            symptoms={
                "The time went into time_emb_proj as it is: SiLU comes first.": plus(up, down),
                "The time made no difference: is it added to the image, between conv1 and norm2?": x,
                "Here the time was added after norm2: add it before.": plus(33.4643, 268.9414),
                "There is no SiLU between norm2 and conv2.": plus(-1, 1),
                "What came in was not added.": plus(down, up) - x,
            },
        )

    def every_pixel(self, student: Work) -> None:
        """Every pixel of a sample is told the same time, and each sample its own."""
        layer = student.ResBlock(4, 8, 6, groups=2)
        x = torch.ones(1, 4, 3, 5).expand(2, 4, 3, 5)
        time = torch.stack((torch.zeros(6), torch.arange(6.0)))
        both = ordinary(layer(x, time))
        holds(both.shape == (2, 8, 3, 5), f"the shape is {tuple(both.shape)}, it should be (2, 8, 3, 5)")
        holds(
            not torch.allclose(both[0], both[1], atol=1e-4),
            "two samples with the same image and other times gave the same result",
        )
        close(layer(x[:1], time[1:]), both[1:])

    def trained_network(self, student: Work) -> None:
        """With the same weights it agrees with a block of the trained network."""
        theirs = filled(Residual(16, 24))
        x, time = waves(2, 16, 4, 5), waves(2, 128)
        layer = student.ResBlock(16, 24, 128, groups=8).set(theirs.state_dict())
        close(layer(x, time), theirs(x, time))
        in_double(student.ResBlock(16, 24, 128, groups=8), layer, x, time)


# --- Downsample and Upsample -------------------------------------------------------------------------------


@exercise("Downsample")
class Downsample:
    def parameters(self, student: Work) -> None:
        """Both have one 3 x 3 convolution, `conv`."""
        for name in ("Downsample", "Upsample"):
            layer = _make(student, name, 4)
            layer.has_parameters(conv("conv", 4, 4, 3))
            in_double(_make(student, name, 4), layer, waves(1, 4, 3, 2))

    def every_other(self, student: Work) -> None:
        """Downsample's convolution has stride 2 and padding 1: it stands on pixels 0, 2, 4, ..."""
        x = torch.arange(20.0).reshape(1, 1, 4, 5)
        layer = student.Downsample(1).set({"conv.weight": _centre(1), "conv.bias": [100.0]})
        close(
            layer(x),
            100 + x[:, :, ::2, ::2],
            symptoms={
                "Here the convolution stands on the pixels 1, 3, ...: pad on all sides.": (
                    100 + x[:, :, 1::2, 1::2]
                ),
                "The stride is 1: nothing became smaller.": 100 + x,
            },
        )

    def neighbours(self, student: Work) -> None:
        """Downsample's convolution sees the whole image: the pixels that it does not stand on, too."""
        x = torch.arange(20.0).reshape(1, 1, 4, 5)
        lower_right = torch.zeros(1, 1, 3, 3)
        lower_right[0, 0, 2, 2] = 1
        layer = student.Downsample(1).set({"conv.weight": lower_right, "conv.bias": 0})
        close(
            layer(x),
            [[[[6.0, 8.0, 0.0], [16.0, 18.0, 0.0]]]],
            symptoms={
                "Here pixels were left out before the convolution: its stride does that, not you.": (
                    [[[[12.0, 14.0, 0.0], [0.0, 0.0, 0.0]]]]
                ),
            },
        )

    def odd_sizes(self, student: Work) -> None:
        """Odd sizes are rounded up: 15 becomes 8, and 1 stays 1."""
        layer = student.Downsample(2)
        for before, after in ((15, 8), (16, 8), (1, 1), (7, 4)):
            found = ordinary(layer(torch.ones(1, 2, before, 6))).shape
            holds(
                found == (1, 2, after, 3), f"{before} x 6 pixels became {tuple(found[2:])}, not {(after, 3)}"
            )

    def four_times(self, student: Work) -> None:
        """Upsample repeats every pixel in both directions; nothing is mixed before the convolution."""
        x = tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        layer = student.Upsample(1).set({"conv.weight": _centre(1), "conv.bias": [100.0]})
        close(
            layer(x),
            100 + x.repeat_interleave(2, 2).repeat_interleave(2, 3),
            symptoms={
                "Here pixels were mixed: every pixel is repeated as it is (mode nearest, not bilinear).": (
                    100 + nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
                ),
                "Here the whole image stands there four times: repeat each pixel, not the image.": (
                    100 + x.repeat(1, 1, 2, 2)
                ),
                "The size stayed as it was.": 100 + x,
            },
        )

    def order(self, student: Work) -> None:
        """First the pixels are repeated, then the convolution runs over the larger image."""
        right = torch.zeros(1, 1, 3, 3)
        right[0, 0, 1, 2] = 1  # each pixel becomes what stands to the right of it
        layer = student.Upsample(1).set({"conv.weight": right, "conv.bias": 0})
        row = [1.0, 2.0, 2.0, 3.0, 3.0, 0.0]
        close(
            layer(tensor([[[[1.0, 2.0, 3.0]]]])),
            [[[row, row]]],
            symptoms={
                "Here the convolution came first, on the small image.": [
                    [[[2.0, 2.0, 3.0, 3.0, 0.0, 0.0]] * 2]
                ],
            },
        )


def in_double(layer: Layer, like: Layer, *inputs: Tensor) -> None:
    """Nothing in it is of float32 for good: with weights and inputs in float64 a second layer agrees."""
    single = ordinary(like(*inputs)).detach()
    layer.set(dict(like.module.named_parameters())).module.double()
    wide = ordinary(layer(*(each.double() if each.is_floating_point() else each for each in inputs)))
    holds(wide.dtype == torch.float64, f"for float64 its dtype is {wide.dtype}, it should be torch.float64")
    close(wide.detach().float(), single, tolerance=1e-4)


def conv(name: str, channels_out: int, channels_in: int, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (channels_out, channels_in, size, size), f"{name}.bias": (channels_out,)}


def affine(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def is_norm(layer: Layer, name: str, groups: int, eps: float) -> None:
    norm = getattr(layer.module, name)
    holds(isinstance(norm, nn.GroupNorm), f"`{name}` is no nn.GroupNorm")
    holds(norm.num_groups == groups, f"`{name}` has {norm.num_groups} groups; groups={groups} was asked for")
    holds(norm.eps == eps, f"`{name}` has eps={norm.eps}, {eps} is expected")


def waves(*shape: int, phase: int = 0) -> Tensor:
    """Numbers that look random and are the same everywhere."""
    places = torch.arange(math.prod(shape), dtype=torch.float64)
    return (places * 1.7 + phase + 0.3).sin().float().reshape(shape)


def _centre(channels: int) -> Tensor:
    """A 3 x 3 kernel that leaves the image as it is."""
    kernel = torch.zeros(channels, channels, 3, 3)
    kernel[range(channels), range(channels), 1, 1] = 1
    return kernel


def filled(module: nn.Module) -> nn.Module:
    """The module with other weights, norms included: fresh ones would hide a norm that is not used."""
    for phase, (name, own) in enumerate(module.named_parameters()):
        assign(module, {name: 0.2 * waves(*own.shape, phase=phase) + ("norm" in name and "weight" in name)})
    return module.requires_grad_(False)


def assign(module: nn.Module, weights: dict[str, Tensor] | dict[str, int]) -> None:
    with torch.no_grad():
        for name, value in weights.items():
            module.get_parameter(name).copy_(torch.as_tensor(value))


def _make(student: Work, name: str, *args: int) -> Layer:
    layer: Layer = getattr(student, name)(*args)
    return layer
