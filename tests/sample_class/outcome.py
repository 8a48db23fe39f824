"""What grading makes of a notebook, said in the few words that a class of notebooks can be checked by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from autograder.results import ExerciseResult, Result

PART: Final = "part"  # some of the points: how many is for the suite's weights to say


@dataclass(frozen=True)
class Expected:
    """`points` names the exercises without full marks; everything that is left out is as it should be.

    points           exercise → points, or PART
    mistakes         exercise → the known mistakes that are named
    stood_in         exercise → earlier exercises that the reference stood in for
    states           exercise → "untouched" or "missing"
    flags            kind and exercise of what a person is to look at
    cell_errors      the types of the errors that cells raised, in order
    fails_on_a_gpu   exercises of which this is said
    """

    points: Mapping[str, float | Literal["part"]] = field(default_factory=dict)
    mistakes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stood_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[tuple[str, str]] = frozenset()
    cell_errors: tuple[str, ...] = ()
    fails_on_a_gpu: frozenset[str] = frozenset()
    status: str = "graded"


def as_expected(result: Result, like: Expected | None = None) -> Expected:
    """A result in the same words; points in part are PART where `like` says so."""
    asked = like.points if like is not None else {}

    def points(exercise: ExerciseResult) -> float | Literal["part"]:
        in_part = 0 < exercise.points < exercise.max_points
        return PART if in_part and asked.get(exercise.id) == PART else exercise.points

    return Expected(
        points={e.id: points(e) for e in result.exercises if e.points != e.max_points},
        mistakes={e.id: tuple(m.id for m in e.mistakes) for e in result.exercises if e.mistakes},
        stood_in={e.id: tuple(e.followed_through) for e in result.exercises if e.followed_through},
        states={e.id: e.state for e in result.exercises if e.state != "answered"},
        flags=frozenset((flag.kind, flag.exercise) for flag in result.flags),
        cell_errors=tuple(raised.error.type for raised in result.cell_errors),
        fails_on_a_gpu=frozenset(e.id for e in result.exercises if e.portability and not e.portability.ok),
        status=result.status.value,
    )
