"""What grading an exercise goes by, and what comes of one test."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ..content.reference import Reference
from ..contract.student import Request
from ..contract.trace import Trace
from .suite import Suite, Test


@dataclass(frozen=True)
class Setting:
    """What all submissions of a run have in common."""

    suite: Suite
    reference: Reference
    run_seed: int
    device: torch.device
    diagnosis_seed: int = 0  # of the draws by which mistakes are named: not a round's
    # What known mistakes answer to these draws, by their ids and the tests': see diagnose.
    behaviours: dict[tuple[str, str, int], tuple[Trace, bool]] = field(default_factory=dict, compare=False)


@dataclass
class Attempt:
    """One test as it went: what it raised, and what the student's code was asked and answered on the way."""

    test: Test
    raised: BaseException | None
    trace: Trace
    requests: list[Request]

    @property
    def passed(self) -> bool:
        return self.raised is None
