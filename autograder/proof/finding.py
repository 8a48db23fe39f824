"""What a proof comes to: one thing that was tried, and whether it came out as it must."""

from __future__ import annotations

import msgspec

from ..results import ExerciseResult

# As they stand in the table. A source is that of a mistake or variant, as a notebook has it; public are the
# public checks, on the reference, mistakes and variants.
KINDS = ("reference", "stub", "trivial", "mistake", "variant", "source", "public")
# Of `verify --mutants`, which has a table of its own; an equivalent is a mutant that may survive.
MUTANT_KINDS = ("mutant", "equivalent")


class Finding(msgspec.Struct, frozen=True):
    """One thing that was tried, and whether it came out as it must."""

    module: str
    exercise: str
    kind: str  # one of KINDS or MUTANT_KINDS
    id: str
    seed: int
    through: str  # "process" or the worker's isolation level
    ok: bool
    said: str = ""
    kept: float | None = None  # of a mistake: its share of the points


class KnownMistake(msgspec.Struct, frozen=True):
    """A mistake as it stands in a notebook."""

    id: str
    defines: str
    source: str


class Proven(msgspec.Struct, frozen=True):
    """What came of one exercise with one seed; and its first mistake, for a notebook that is to be graded."""

    findings: list[Finding]
    mistake: KnownMistake | None = None

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()

    @staticmethod
    def from_json(text: str) -> Proven:
        return msgspec.json.decode(text, type=Proven)


# What is wrong with a result, in a clause; empty if it is as it must be.


def not_full(result: ExerciseResult) -> str:
    """Of the reference or a variant, which get full marks and no false alarm."""
    failed = [test for test in result.tests if not test.passed]
    if failed:
        said = failed[0].error.message if failed[0].error else failed[0].message
        return f"fails {failed[0].id}: {said or failed[0].title}"
    if result.points != result.max_points:
        return f"{result.points:g} of {result.max_points:g} points"
    if result.portability is not None and not result.portability.ok:
        return f"a false alarm about GPUs: {result.portability.message}"
    return ""


def not_zero(result: ExerciseResult) -> str:
    """Of a stub or a trivial answer, which get nothing."""
    passed = ", ".join(test.id for test in result.tests if test.passed and test.counts)
    return f"{result.points:g} points, for {passed}" if result.points else ""


def not_named(result: ExerciseResult, id: str) -> str:
    """Of the mistake `id`, which loses points and is named, and nothing else is."""
    if result.points == result.max_points:
        return "gets full marks"
    named = [mistake.id for mistake in result.mistakes]
    return "" if named == [id] else f"is named {', '.join(named) or 'nothing'}"
