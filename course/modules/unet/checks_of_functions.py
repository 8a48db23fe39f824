"""Public checks of the functions of the module `unet`: small examples, worked out by hand."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, tensor

from course.checking.expect import Work, close, exercise, holds, ordinary

# 9 pixels, one number each.
NINE = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)


# --- conv2d ------------------------------------------------------------------------------------------------


@exercise("conv2d")
class Conv2d:
    def by_hand(self, student: Work) -> None:
        """Each place gets the dot product of the kernel with what it covers there."""
        # Upper left corner: 1 * 1 + 2 * 2 + 10 * 5 = 55.
        close(
            student.conv2d(NINE, tensor([[[[1.0, 2.0], [0.0, 10.0]]]])),
            [[[[55.0, 68.0], [94.0, 107.0]]]],
            symptoms={
                "The kernel was flipped: here it is laid on as it is.": [[[[23.0, 36.0], [62.0, 75.0]]]],
                "The kernel was transposed: its rows run along the image's rows.": (
                    [[[[59.0, 72.0], [98.0, 111.0]]]]
                ),
                "Rows and columns of the result are swapped.": [[[[55.0, 94.0], [68.0, 107.0]]]],
            },
        )

    def channels(self, student: Work) -> None:
        """A kernel looks at all channels at once; each of the D kernels makes one channel."""
        x = tensor([[[[1.0, 2.0]], [[3.0, 5.0]]]])  # [1, 2, 1, 2]
        weight = tensor([[1.0, 10.0], [0.0, 1.0], [1.0, 0.0]])[:, :, None, None]
        close(
            student.conv2d(x, weight),
            [[[[31.0, 52.0]], [[3.0, 5.0]], [[1.0, 2.0]]]],
            symptoms={
                "Channels and places are mixed: is the result reshaped from the right order?": (
                    [[[[31.0, 3.0]], [[1.0, 52.0]], [[5.0, 2.0]]]]
                ),
            },
        )

    def bias(self, student: Work) -> None:
        """The bias is one number for each kernel, the same at every place."""
        x, weight = NINE[:, :, :2, :2], torch.ones(2, 1, 1, 1)
        close(
            student.conv2d(x, weight, tensor([100.0, 200.0])),
            [[[[101.0, 102.0], [104.0, 105.0]], [[201.0, 202.0], [204.0, 205.0]]]],
            symptoms={
                "Here the bias runs along the width: it needs the shape [D, 1, 1] to meet the channels.": (
                    [[[[101.0, 202.0], [104.0, 205.0]], [[101.0, 202.0], [104.0, 205.0]]]]
                ),
                "The bias was left out.": [[[[1.0, 2.0], [4.0, 5.0]], [[1.0, 2.0], [4.0, 5.0]]]],
            },
        )

    def stride(self, student: Work) -> None:
        """With stride 2 every other place is left out, in both directions, beginning at the first."""
        x = torch.arange(20.0).reshape(1, 1, 4, 5)
        close(
            student.conv2d(x, tensor([[[[1.0]]]]), stride=2),
            [[[[0.0, 2.0, 4.0], [10.0, 12.0, 14.0]]]],
            symptoms={
                "The stride had no effect.": x,
                "Here only the width has the stride.": [[[[0.0, 2.0, 4.0]] * 4]],
                "Here the places begin at the second one.": [[[[6.0, 8.0], [16.0, 18.0]]]],
            },
        )

    def padding(self, student: Work) -> None:
        """With padding the image has zeros on all four sides, and nothing else is added."""
        x, weight = tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.ones(1, 1, 3, 3)
        close(
            student.conv2d(x, weight, tensor([0.5]), padding=1),
            [[[[10.5, 10.5], [10.5, 10.5]]]],
            symptoms={
                "Here the image was continued at its edges: the padding is zeros.": (
                    [[[[18.5, 21.5], [24.5, 27.5]]]]
                ),
            },
        )

    def sizes(self, student: Work) -> None:
        """Kernels and images need not be square, and a batch has many of them, each by itself."""
        x = torch.arange(2 * 2 * 3 * 7.0).reshape(2, 2, 3, 7)
        weight = torch.zeros(3, 2, 1, 4)
        weight[0, 0, 0, 0], weight[1, 1, 0, 3], weight[2, 0, 0, 1] = 1, 1, 10
        # (3 + 2 - 1) // 2 + 1 = 3 rows and (7 + 2 - 4) // 2 + 1 = 3 columns.
        rows = torch.zeros(2, 2, 5, 9)
        rows[:, :, 1:-1, 1:-1] = x
        rows = rows[:, :, ::2]
        expected = torch.stack((rows[:, 0, :, 0:6:2], rows[:, 1, :, 3:9:2], 10 * rows[:, 0, :, 1:7:2]), 1)
        close(student.conv2d(x, weight, stride=2, padding=1), expected)

    def kind_and_gradients(self, student: Work) -> None:
        """The result has x's dtype; gradients flow back to x, to the kernels and to the bias."""
        x, weight = NINE.double(), torch.ones(1, 1, 2, 2, dtype=torch.float64)
        close(
            student.conv2d(x, weight),
            tensor([[[[12.0, 16.0], [24.0, 28.0]]]], dtype=torch.float64),
        )
        leaves = {"x": NINE, "weight": torch.ones(1, 1, 2, 2), "bias": torch.zeros(1)}
        gradients = _gradients(student, "conv2d", leaves)
        close(gradients["weight"], [[[[12.0, 16.0], [24.0, 28.0]]]])
        close(gradients["bias"], [4.0])


# --- group_norm --------------------------------------------------------------------------------------------

# Mean 4, variance 5; with eps = 4 the root is exactly 3.
FOUR = tensor([[[[1.0, 3.0]], [[5.0, 7.0]]]])  # [1, 2, 1, 2]


@exercise("group_norm")
class GroupNorm:
    def by_hand(self, student: Work) -> None:
        """One group: minus the mean over its channels and pixels, divided by their standard deviation."""
        # Values 1, 3, 5, 7: minus their mean 4, divided by sqrt(5 + 4) = 3.
        away = FOUR - 4
        close(
            student.group_norm(FOUR, 1, eps=4.0),
            away / 3,
            symptoms={
                "This is what comes out with the variance divided by the count minus 1: divide by the count "
                "itself (correction=0).": away / math.sqrt(20 / 3 + 4),
                "Here eps was added after the root was taken; it belongs under it.": away
                / (math.sqrt(5) + 4),
                "Here eps was not used (or one of your own).": away / math.sqrt(5),
                "Here the numbers were divided by the variance, not by its root.": away / 9,
                "The mean was not taken away.": FOUR / 3,
                "The mean was taken away, but nothing was divided.": away,
                "Here each channel was normalised by itself: with groups=1 all channels are one group.": (
                    [[[[-1 / math.sqrt(5), 1 / math.sqrt(5)]], [[-1 / math.sqrt(5), 1 / math.sqrt(5)]]]]
                ),
            },
        )

    def neighbours(self, student: Work) -> None:
        """Channels that stand side by side make a group: of four channels, 0 and 1, and 2 and 3."""
        x = tensor([0.0, 2.0, 10.0, 30.0]).reshape(1, 4, 1, 1)
        mean, deviation = 10.5, math.sqrt(10.5**2 + 8.5**2 + 0.5**2 + 19.5**2) / 2
        close(
            student.group_norm(x, 2),
            tensor([-1.0, 1.0, -1.0, 1.0]).reshape(1, 4, 1, 1),
            symptoms={
                "Here the groups take turns (channels 0 and 2, 1 and 3): those of a group are neighbours.": (
                    tensor([-1.0, -1.0, 1.0, 1.0]).reshape(1, 4, 1, 1)
                ),
                "Here all channels made one group.": (x - mean) / deviation,
                "Here each channel was a group of its own.": torch.zeros_like(x),
            },
        )

    def each_sample(self, student: Work) -> None:
        """Each sample is normalised by itself, whatever else is in the batch."""
        near, far = FOUR, 100 * FOUR + 1000
        close(
            student.group_norm(torch.cat((near, far)), 1),
            ((FOUR - 4) / math.sqrt(5)).repeat(2, 1, 1, 1),
            symptoms={
                "Here mean and variance were taken over the whole batch.": _all_of_it(near, far),
            },
        )

    def scale_and_shift(self, student: Work) -> None:
        """Then each channel is multiplied by its weight, and its bias is added; either may be None."""
        x = tensor([[[[-1.0, 1.0], [1.0, -1.0]], [[1.0, -1.0], [-1.0, 1.0]]]])  # normalised already
        weight, bias = tensor([2.0, 3.0]), tensor([10.0, 20.0])
        tall = weight[:, None, None], bias[:, None, None]
        close(
            student.group_norm(x, 1, weight, bias, 0.0),
            x * tall[0] + tall[1],
            symptoms={
                "Weight and bias had no effect.": x,
                "Here the bias was added first, and multiplied too.": (x + tall[1]) * tall[0],
                "Here they run along the width: they need the shape [C, 1, 1] to meet the channels.": (
                    x * weight + bias
                ),
            },
        )
        close(student.group_norm(x, 1, weight, None, 0.0), x * tall[0])
        close(student.group_norm(x, 1, None, bias, 0.0), x + tall[1])

    def brightness_and_contrast(self, student: Work) -> None:
        """Other brightness and contrast, the same result; any height and width, and x's dtype."""
        x = torch.arange(2 * 6 * 3 * 5, dtype=torch.float64).reshape(2, 6, 3, 5).sin()
        first = ordinary(student.group_norm(x, 3, eps=0.0))
        holds(first.shape == x.shape, f"the shape is {tuple(first.shape)}, it should be {tuple(x.shape)}")
        close(student.group_norm(7 * x - 30, 3, eps=0.0), first)
        close(first.reshape(2, 3, -1).mean(-1), torch.zeros(2, 3, dtype=torch.float64))
        close(first.reshape(2, 3, -1).square().mean(-1), torch.ones(2, 3, dtype=torch.float64))

    def gradients(self, student: Work) -> None:
        """Gradients flow back to x, to the weight and to the bias."""
        leaves = {"x": FOUR, "groups": 1, "weight": torch.ones(2), "bias": torch.zeros(2)}
        # Of the sum of squares, which is the count whatever x is: so x has no say in it.
        gradients = _gradients(student, "group_norm", leaves, torch.square)
        holds(
            float(gradients["x"].abs().max()) < 1e-3,
            "the gradient of x is wrong: are mean and variance part of the graph (no detach, no .item())?",
        )
        close(gradients["bias"], tensor([-8.0, 8.0]) / math.sqrt(5))
        close(gradients["weight"], [4.0, 4.0])


def _all_of_it(*samples: Tensor) -> Tensor:
    x = torch.cat(samples)
    return (x - x.mean()) / x.std(correction=0)


# --- timestep_embedding ------------------------------------------------------------------------------------


@exercise("timestep_embedding")
class TimestepEmbedding:
    def by_hand(self, student: Work) -> None:
        """With dim = 4 the frequencies are 1 and 0.01; first all cosines, then all sines."""
        t = tensor([0, 1, 3])
        waves = [f(t.double() * w) for f in (torch.cos, torch.sin) for w in (1.0, 0.01, 1e-4)]
        cos1, cos2, cos4, sin1, sin2, sin4 = (each.float() for each in waves)
        close(
            _single(student.timestep_embedding(t, 4)),
            torch.stack((cos1, cos2, sin1, sin2), 1),
            symptoms={
                "Here the sines come first; here, as in Stable Diffusion, the cosines do.": (
                    torch.stack((sin1, sin2, cos1, cos2), 1)
                ),
                "Here cosines and sines take turns: first all cosines, then all sines.": (
                    torch.stack((cos1, sin1, cos2, sin2), 1)
                ),
                "Here they take turns, the sine first: first all cosines, then all sines.": (
                    torch.stack((sin1, cos1, sin2, cos2), 1)
                ),
                "Here the last frequency is 1/10000: the exponent is -i / half, not -i / (half - 1).": (
                    torch.stack((cos1, cos4, sin1, sin4), 1)
                ),
                "Here the second frequency is 1/10000: the exponent is -i / half, not -2i / half.": (
                    torch.stack((cos1, cos4, sin1, sin4), 1)
                ),
                "Here t was multiplied by 100 instead of 0.01: the frequencies fall.": (
                    torch.stack((cos1, (100.0 * t).cos(), sin1, (100.0 * t).sin()), 1)
                ),
            },
        )

    def falling(self, student: Work) -> None:
        """The half = dim // 2 frequencies fall from 1 in equal ratios: for dim = 8 each is a tenth."""
        found = ordinary(student.timestep_embedding(tensor([1]), 8))
        holds(found.shape == (1, 8), f"the shape is {tuple(found.shape)}, it should be (1, 8)")
        frequencies = tensor([[1.0, 0.1, 0.01, 0.001]])
        close(found, torch.cat((frequencies.cos(), frequencies.sin()), 1))

    def odd(self, student: Work) -> None:
        """An odd dim has a column of zeros at its end."""
        found = ordinary(student.timestep_embedding(tensor([0, 1]), 5))
        holds(
            found.shape == (2, 5),
            f"for dim = 5 the shape is {tuple(found.shape)}, it should be (2, 5): half is 2, and one column "
            "is left over",
        )
        angles = tensor([[0.0, 0.0], [1.0, 0.01]])
        close(found, torch.cat((angles.cos(), angles.sin(), torch.zeros(2, 1)), 1))

    def smallest(self, student: Work) -> None:
        """dim = 2 has one frequency: cos t and sin t."""
        close(
            student.timestep_embedding(tensor([0, 2]), 2),
            [[1.0, 0.0], [math.cos(2), math.sin(2)]],
        )

    def kinds(self, student: Work) -> None:
        """t may be whole or fractional, in any dtype; the result is always float32, and as exact as that."""
        for t in (
            tensor([0.5, 999.0]),
            tensor([0.5, 999.0], dtype=torch.float64),
            tensor([0.5, 999.0]).half(),
        ):
            # 0.01 * 999 is where half precision is furthest off, by 40 tolerances.
            close(
                _single(student.timestep_embedding(t, 4)),
                _waves_of(0.5, 999.0),
                symptoms={"t was rounded to whole numbers.": _waves_of(0.0, 999.0)},
            )
        close(student.timestep_embedding(tensor([3], dtype=torch.int32), 2), [[math.cos(3), math.sin(3)]])

    def many(self, student: Work) -> None:
        """Each timestep by itself, and the length of its row is always sqrt(dim / 2)."""
        rows = ordinary(student.timestep_embedding(torch.arange(0, 1000, 37), 320))
        holds(rows.shape == (28, 320), f"the shape is {tuple(rows.shape)}, it should be (28, 320)")
        close(rows.square().sum(1), torch.full((28,), 160.0))


def _waves_of(*times: float) -> Tensor:
    """The embeddings of these times for dim = 4."""
    angles = tensor(times, dtype=torch.float64)[:, None] * tensor([1.0, 0.01], dtype=torch.float64)
    return torch.cat((angles.cos(), angles.sin()), 1).float()


def _single(answer: object) -> Tensor:
    own = ordinary(answer)
    holds(own.dtype == torch.float32, f"the dtype is {own.dtype}, it should be torch.float32, whatever t is")
    return own


def _gradients(
    student: Work,
    name: str,
    arguments: Mapping[str, object],
    of: Callable[[Tensor], Tensor] = torch.clone,
) -> dict[str, Tensor]:
    """The gradients of the sum of the result (or of something made of it), for all tensors."""
    leaves = {
        key: value.clone().requires_grad_() for key, value in arguments.items() if isinstance(value, Tensor)
    }
    with torch.enable_grad():
        answer = getattr(student, name)(**{**arguments, **leaves})
        ordinary(answer)
        holds(answer.requires_grad, "no gradient can flow back: something in it is detached")
        of(answer).sum().backward()  # type: ignore[no-untyped-call]
    for key, leaf in leaves.items():
        holds(leaf.grad is not None, f"no gradient reaches {key}")
    return {key: leaf.grad for key, leaf in leaves.items() if leaf.grad is not None}
