"""Answers are compared as what they are, complex numbers as well, wherever two are compared."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from autograder.contract.trace import alike
from autograder.testing import Mismatch, assert_close
from course.checking.expect import Broken, close

RIGHT = {
    "complex64": torch.tensor([1 + 2j, -3j]),
    "complex128": torch.tensor([1 + 2j, -3j], dtype=torch.complex128),
    "float64": torch.tensor([1.0, -2.5], dtype=torch.float64),
    "int64": torch.tensor([3, -4]),
    "bool": torch.tensor([True, False]),
}


def wrong(right: Tensor) -> Tensor:
    """Another tensor of the same kind; of complex numbers the real parts are right."""
    return right.conj().resolve_conj() if right.is_complex() else right.roll(1)


def refused(compare: Callable[[Tensor, Tensor], None], answer: Tensor, expected: Tensor) -> bool:
    try:
        compare(answer, expected)
    except (Broken, Mismatch):
        return True
    return False


DIFFER = {
    "by hidden tests": partial(refused, assert_close),
    "by public checks": partial(refused, close),
    "by diagnosis": lambda answer, expected: not alike(answer, expected),
}


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.parametrize("differ", DIFFER.values(), ids=DIFFER)
def test_what_is_right_is_accepted_and_what_is_wrong_is_not(
    differ: Callable[[Tensor, Tensor], bool], kind: str
) -> None:
    right = RIGHT[kind]
    assert not differ(right.clone(), right)
    assert differ(wrong(right), right)
    if right.is_floating_point() or right.is_complex():
        assert not differ(right * (1 + 1e-12), right)


def test_a_tolerance_is_of_the_size_of_a_complex_number_too() -> None:
    with pytest.raises(Mismatch):
        assert_close(torch.tensor([1 + 2j]), torch.tensor([1 + 5j]), rtol=1e-3)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(torch.tensor([True]), torch.tensor([2])), (torch.tensor([1 + 1j]), torch.tensor([1.0]))],
    ids=["a truth for a number", "an imaginary part too many"],
)
def test_another_dtype_hides_no_other_value(answer: Tensor, expected: Tensor) -> None:
    with pytest.raises(Mismatch, match="the values are wrong"):
        assert_close(answer, expected, check_dtype=False)


def test_plain_complex_numbers_are_alike_up_to_rounding() -> None:
    assert alike(1 + 2j, 1 + 2.00000000001j)
    assert not alike(1 + 2j, 1 + 5j)


def test_a_complex_difference_is_shown_with_both_parts() -> None:
    with pytest.raises(Broken, match=r"the largest error is 3, at \[0\]: \(1\+2j\) instead of \(1\+5j\)"):
        close(torch.tensor([1 + 2j]), torch.tensor([1 + 5j]))
