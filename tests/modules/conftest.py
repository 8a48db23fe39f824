"""What the tests of modules share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    """Whatever a test draws, it draws the same each time."""
    torch.manual_seed(2020)
