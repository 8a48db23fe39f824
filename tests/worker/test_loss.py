"""A loss stands for a cotangent: same gradients, and none of what torch imports for one."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from autograder.worker.loss import loss_of


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.complex128])
def test_its_gradients_are_those_of_the_cotangent(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x, cotangent = (torch.randn(3, 4, dtype=dtype) for _ in range(2))
    found, wanted = (x.clone().requires_grad_() for _ in range(2))
    with torch.no_grad():  # as a line may be when a worker asks
        loss = loss_of(found_output(found), cotangent)
    loss.backward()  # type: ignore[no-untyped-call]
    found_output(wanted).backward(cotangent)  # type: ignore[no-untyped-call]
    assert found.grad is not None
    assert torch.equal(found.grad, wanted.grad)


def found_output(x: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        return x * x + x


def test_large_numbers_of_half_precision_do_not_spoil_it() -> None:
    x = torch.full((40,), 6e4, dtype=torch.float16).requires_grad_()
    loss_of(2 * x, torch.ones_like(x)).backward()  # type: ignore[no-untyped-call]
    assert torch.equal(x.grad, torch.full_like(x, 2))  # type: ignore[arg-type]


def test_another_shape_is_an_error_even_where_it_could_be_broadcast() -> None:
    with pytest.raises(ValueError, match="the output has the shape"):
        loss_of(torch.ones(3, requires_grad=True), torch.ones(1))


def test_sympy_is_not_imported_for_it() -> None:
    code = (
        "import sys, torch; from autograder.worker.loss import loss_of; "
        "x = torch.ones(2, requires_grad=True); "
        "loss_of(x.exp(), torch.ones(2)).backward(); sys.exit('sympy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
