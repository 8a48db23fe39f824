"""Public checks of patches and their places, of the module `vision_transformers`: small enough to count."""

import math

import torch
from torch import Tensor

from course.checking.expect import Work, close, exercise

# 4 rows of 4 pixels, numbered; with patches of 2 there are four.
SIXTEEN = torch.arange(16.0).reshape(1, 1, 4, 4)
CUT = torch.tensor(
    [[[0.0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]],
)
# 2 rows of 6 pixels of 2 channels: 0 ... 11, and the same plus 100.
WIDE = torch.cat([torch.arange(12.0).reshape(1, 1, 2, 6) + 100 * c for c in (0, 1)], dim=1)


@exercise("patchify")
class Patchify:
    def four_patches(self, student: Work) -> None:
        """A picture of 4 x 4 pixels has four patches of 2 x 2, row by row, and each is listed row by row."""
        turned = CUT.reshape(1, 4, 2, 2).mT.reshape(1, 4, 4)
        close(
            student.patchify(SIXTEEN, 2),
            CUT,
            symptoms={
                "Nothing was moved before it was reshaped: a token has four numbers of one row.": (
                    SIXTEEN.reshape(1, 4, 4)
                ),
                "Here the patches come column by column.": CUT[:, [0, 2, 1, 3]],
                "Here the pixels of each patch come column by column.": turned,
                "Here patches and their pixels come column by column.": turned[:, [0, 2, 1, 3]],
                "Here a patch has every other pixel, not neighbours.": torch.stack(
                    [SIXTEEN[0, 0, i::2, j::2].flatten() for i in (0, 1) for j in (0, 1)]
                )[None],
            },
        )

    def channels(self, student: Work) -> None:
        """In a token come the pixels, and of each pixel all its channels; a picture need not be square."""
        expected = torch.tensor(
            [
                [0.0, 100, 1, 101, 6, 106, 7, 107],
                [2, 102, 3, 103, 8, 108, 9, 109],
                [4, 104, 5, 105, 10, 110, 11, 111],
            ]
        )[None]
        close(
            student.patchify(WIDE, 2),
            expected,
            symptoms={
                "Here the channels come first: of each pixel, all channels belong together.": (
                    expected.reshape(1, 3, 4, 2).mT.reshape(1, 3, 8)
                ),
                "Here rows and columns of patches are exchanged.": (
                    WIDE.reshape(1, 2, 3, 2, 1, 2).permute(0, 2, 4, 3, 5, 1).reshape(1, 3, 8)
                ),
            },
        )

    def together(self, student: Work) -> None:
        """unpatchify puts the four patches together again."""
        close(
            student.unpatchify(CUT, 2, 4, 4),
            SIXTEEN,
            symptoms={
                "Nothing was moved before it was reshaped.": CUT.reshape(1, 1, 4, 4),
                "Here the patches were put down column by column.": (
                    CUT[:, [0, 2, 1, 3]].reshape(1, 2, 2, 2, 2).transpose(2, 3).reshape(1, 1, 4, 4)
                ),
            },
        )

    def there_and_back(self, student: Work) -> None:
        """unpatchify gives back what patchify has cut: wide and tall pictures, one patch, single pixels."""
        for height, width, patch in ((2, 6, 2), (6, 2, 2), (3, 3, 3), (2, 6, 1)):
            x = torch.arange(2.0 * height * width).reshape(1, 2, height, width)
            close(
                student.unpatchify(student.patchify(x, patch), patch, height, width),
                x,
                symptoms={
                    "Height and width were exchanged on the way back.": (
                        torch.cat(x.chunk(width // patch, 3), 2).reshape(x.shape)
                    ),
                },
            )


@exercise("PatchEmbed")
class PatchEmbed:
    def parameters(self, student: Work) -> None:
        """PatchEmbed has one convolution, proj, whose kernel is as large as a patch."""
        student.PatchEmbed(3, 8, 4).has_parameters({"proj.weight": (8, 3, 4, 4), "proj.bias": (8,)})

    def tokens(self, student: Work) -> None:
        """A token for each patch, row by row, its numbers side by side: here the sum, and the first pixel."""
        picture = torch.arange(24.0).reshape(1, 1, 4, 6)
        kernel = torch.tensor([[[[1.0, 1], [1, 1]]], [[[1, 0], [0, 0]]]])
        layer = student.PatchEmbed(1, 2, 2).set({"proj.weight": kernel, "proj.bias": [0.5, 0]})
        corners = torch.tensor([0.0, 2, 4, 12, 14, 16])
        expected = torch.stack([4 * corners + 14.5, corners], dim=1)[None]
        close(
            layer(picture),
            expected,
            symptoms={
                "Tokens and channels are mixed: first flatten, then exchange the two dimensions.": (
                    expected.mT.reshape(1, 6, 2)
                ),
                "Here the tokens come column by column.": expected[:, [0, 3, 1, 4, 2, 5]],
                "The channels come before the tokens: [B, L, dim] is asked for.": expected.mT,
                "The patches overlap: the convolution should step by a whole patch.": (
                    torch.nn.functional.conv2d(picture, kernel, torch.tensor([0.5, 0])).flatten(2).mT
                ),
            },
        )

    def places(self, student: Work) -> None:
        """Two rows of three tokens, four numbers each: sine and cosine of the column, then of the row."""
        columns = torch.tensor([0.0, 1, 2, 0, 1, 2])
        rows = torch.tensor([0.0, 0, 0, 1, 1, 1])
        close(
            student.sincos_2d(4, 2, 3),
            _four(columns, rows),
            symptoms={
                "Here the first half tells the row.": _four(rows, columns),
                "Here the cosines come before the sines.": _four(columns, rows)[:, [1, 0, 3, 2]],
                "Positions are counted from 0.": _four(columns + 1, rows + 1),
                "Here positions go from 0 to 1: they are counted, 0, 1, 2.": _four(columns / 2, rows),
                "Here the tokens come column by column.": _four(columns, rows)[[0, 3, 1, 4, 2, 5]],
            },
        )

    def frequencies(self, student: Work) -> None:
        """With eight numbers each half has two frequencies, 1 and 1/100, first the sines of both."""
        close(
            student.sincos_2d(8, 1, 2)[1],
            _half(1, 0.01) + _half(0, 0),
            symptoms={
                "Here sines and cosines take turns.": [
                    *(math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)),
                    *(0.0, 1.0, 0.0, 1.0),
                ],
                "Here the exponent is divided by dim, not by the number of frequencies.": (
                    _half(1, 10_000 ** (-1 / 8)) + _half(0, 0)
                ),
                "The second frequency should be 1/100: exponents are i / (dim // 4).": (
                    _half(1, 0.0001) + _half(0, 0)
                ),
                "Here the cosines come before the sines.": [
                    *(math.cos(1), math.cos(0.01), math.sin(1), math.sin(0.01)),
                    *(1.0, 1.0, 0.0, 0.0),
                ],
            },
        )


def _four(first: Tensor, second: Tensor) -> Tensor:
    return torch.stack([first.sin(), first.cos(), second.sin(), second.cos()], dim=1)


def _half(one: float, other: float) -> list[float]:
    return [math.sin(one), math.sin(other), math.cos(one), math.cos(other)]
