"""Random inputs for hidden tests: fresh for each run, equal for every student of a run."""

from __future__ import annotations

import hashlib
from typing import TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def seed_of(run_seed: int, test_id: str) -> int:
    """A seed for one test of one run, from 0 to 2**63 - 1."""
    digest = hashlib.sha256(f"{run_seed}/{test_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class Draw:
    """Tensors and numbers from a generator of their own, on the device that is graded on.

    Floating-point draws are float64 unless asked otherwise.
    """

    def __init__(self, run_seed: int, test_id: str, device: torch.device | None = None) -> None:
        self.seed = seed_of(run_seed, test_id)
        self.device = device or torch.device("cpu")
        self.generator = torch.Generator().manual_seed(self.seed)

    def normal(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Standard normal numbers of this shape."""
        drawn = torch.randn(shape, generator=self.generator, dtype=torch.float64)
        return drawn.to(self.device, dtype)

    def uniform(
        self, *shape: int, low: float = 0.0, high: float = 1.0, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """Numbers spread evenly between `low` and `high`."""
        drawn = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        return (low + (high - low) * drawn).to(self.device, dtype)

    def integers(self, *shape: int, low: int = 0, high: int) -> Tensor:
        """Integers with `low` <= n < `high`, int64."""
        return torch.randint(low, high, shape, generator=self.generator).to(self.device)

    def integer(self, low: int, high: int) -> int:
        """One integer with `low` <= n < `high`."""
        return int(torch.randint(low, high, (), generator=self.generator))

    def permutation(self, n: int) -> Tensor:
        """0 to n - 1 in a random order that is not the sorted one (n >= 2), int64."""
        while True:
            order = torch.randperm(n, generator=self.generator)
            if n < 2 or not torch.equal(order, torch.arange(n)):
                return order.to(self.device)

    def seeded(self) -> torch.Generator:
        """A fresh generator on the device, for a function that draws by itself."""
        return torch.Generator(self.device).manual_seed(self.integer(0, 1 << 31))

    def mask(self, *shape: int) -> Tensor:
        """Random booleans, at least one True and, where there is room, one False along the last dimension."""
        drawn = torch.rand(shape, generator=self.generator) < 0.5
        kept = torch.randint(0, shape[-1], (*shape[:-1], 1), generator=self.generator)
        drawn.scatter_(-1, kept, True)
        if shape[-1] > 1:
            drawn.scatter_(-1, (kept + 1) % shape[-1], False)
        return drawn.to(self.device)

    def weights(self, module: M, dtype: torch.dtype = torch.float64) -> M:
        """The module itself with fresh numbers in all its parameters, of this dtype, on the device.

        Scaled so that a layer neither swells nor shrinks what goes through it. Unlike torch's own
        initialisation, biases and norms differ from 0 and 1, so that leaving one out shows.
        """
        parameters = list(module.parameters())
        if any(p.dtype != dtype or p.device != self.device for p in (*parameters, *module.buffers())):
            module.to(self.device, dtype)  # in place
        sizes = [parameter.numel() for parameter in parameters]
        drawn = torch.split(self.normal(sum(sizes), dtype=dtype), sizes)
        with torch.no_grad():
            for parameter, numbers in zip(parameters, drawn, strict=True):
                fan_in = parameter.numel() // len(parameter) if parameter.dim() > 1 else 1
                torch.mul(numbers.view(parameter.shape), fan_in**-0.5, out=parameter)
        return module
