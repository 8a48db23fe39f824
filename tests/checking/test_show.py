"""Numbers as a student reads them."""

from __future__ import annotations

import math

import pytest

from course.checking import show


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0.25, "0.25"), (math.log(3), "1.099"), (10000.0, "10000"), (10000 + math.log(3), "10001.1"),
        (-123456.78, "-123456.8"), (1.5e7 + 0.5, "1.5e+07"), (1e-9, "1e-09"), (-math.inf, "-inf"),
        (math.nan, "nan"), (7, "7"),
    ],
)  # fmt: skip
def test_up_to_four_digits_and_no_power_of_ten_below_a_million(number: float, shown: str) -> None:
    assert show.number(number) == shown
