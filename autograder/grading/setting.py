"""What grading an exercise goes by, and what comes of one test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from ..content.reference import Reference
from ..contract.student import Request
from ..contract.trace import Trace
from .suite import Suite, Test


@dataclass
class Transcript:
    """What a test asks of whoever passes it; without frames, it can be asked live alone."""

    frames: bytes = b""
    count: int = 0
    requests: list[Request] = field(default_factory=list)
    # By the digest of the answers: what was learned of the parameters of objects that are right.
    passed: dict[bytes, dict[tuple[str, str], Any]] = field(default_factory=dict)


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
    # What tests ask of the reference, by their ids and the draws' seed: see attempt.
    transcripts: dict[tuple[str, int], Transcript] = field(default_factory=dict, compare=False)
    rehearsing: bool = False  # it is the reference that is graded: note what is asked


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
