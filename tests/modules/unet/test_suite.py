"""What only the hidden suite of `unet` has: classes that use one another, where some of them are wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
import torch

from autograder import build
from autograder.content.course_root import CourseRoot
from autograder.content.reference import load_reference
from autograder.contract.line import InProcess
from autograder.grading.exercise import grade_exercise
from autograder.grading.setting import Setting
from autograder.grading.suite import with_suites
from autograder.results import ExerciseResult

from ..bank import bank

T = TypeVar("T")
UNET = bank("unet")
ROOT = CourseRoot.find()


def graded(exercise: str, *mistakes: str, failed: tuple[str, ...] = ()) -> ExerciseResult:
    """The exercise in a notebook that is right but for these mistakes, its functions sharing their globals.

    `failed` are the exercises that went before it without full marks.
    """

    def body(setting: Setting) -> ExerciseResult:
        line = InProcess({})
        sources = build.solved_sources(ROOT, "unet")
        for number, id in enumerate(UNET.exercises):
            wrong = [m.source for m in map(UNET.mistake, mistakes) if m.exercise == id]
            whole = "\n\n".join([sources[id], *wrong])
            assert line.session.do_load(number, f"{PREAMBLE}\n\n{whole}") is None
        failed_before = [UNET.exercises[id] for id in failed]
        return grade_exercise(setting, line, UNET.exercises[exercise], failed_before).result

    return within_suite(body)


# What the lesson's first cell imports.
PREAMBLE = """
import math
from collections.abc import Sequence
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from course.lab.layers import Attention, Level
"""


def within_suite(use: Callable[[Setting], T]) -> T:
    found: list[T] = []
    reference = load_reference(ROOT, "unet")
    with_suites(
        {"unet": ROOT.suite("unet")},
        lambda suites: found.append(use(Setting(suites["unet"], reference, 3, torch.device("cpu")))),
    )
    return found[0]


def test_a_right_unet_of_a_wrong_block_gets_full_marks() -> None:
    alone = graded("UNet", "NoSiluOnTheTime")
    assert alone.points < alone.max_points
    helped = graded("UNet", "NoSiluOnTheTime", failed=("ResBlock",))
    assert [test.id for test in helped.tests if not test.passed] == []
    assert helped.points == helped.max_points
    assert helped.followed_through == ["ResBlock"]


def test_all_that_a_unet_is_made_of_may_be_wrong_at_once() -> None:
    wrong = {
        "timestep_embedding": "sines_first",
        "ResBlock": "NoShortcut",
        "Downsample": "Tiled",
        "TransformerBlock": "ContextForgotten",
        "SpatialTransformer": "TokensByReshape",
    }
    helped = graded("UNet", *wrong.values(), failed=tuple(wrong))
    assert helped.points == helped.max_points
    assert helped.followed_through == list(wrong)


def test_a_right_spatial_transformer_of_a_wrong_block_gets_full_marks() -> None:
    helped = graded("SpatialTransformer", "HalvesSwapped", failed=("TransformerBlock",))
    assert helped.points == helped.max_points
    assert helped.followed_through == ["TransformerBlock"]


def test_a_wrong_unet_of_a_wrong_block_gets_its_mistake_named() -> None:
    better = graded("UNet", "DownsampleNotKept", "NoSiluOnTheTime", failed=("ResBlock",))
    assert [named.id for named in better.mistakes] == ["DownsampleNotKept"]
    assert better.followed_through == ["ResBlock"]
    # Here help changes no test's outcome. The points are the student's own; the name is found all the same.
    no_better = graded("UNet", "NoLastSilu", "NoSiluOnTheTime", failed=("ResBlock",))
    assert [named.id for named in no_better.mistakes] == ["NoLastSilu"]
    assert no_better.followed_through == []


FEED_FORWARD = [m.id for m in UNET.mistakes if m.defines == "FeedForward"]


@pytest.mark.parametrize("mistake", FEED_FORWARD)
def test_a_wrong_feed_forward_makes_the_block_wrong_and_is_named(mistake: str) -> None:
    result = graded("TransformerBlock", mistake)
    failed = [test.id for test in result.tests if not test.passed]
    assert {"TransformerBlock.feed_forward", "TransformerBlock.agrees_with_the_reference"} <= set(failed)
    assert [named.id for named in result.mistakes] == [mistake]


def test_what_a_mistake_uses_of_earlier_exercises_is_the_notebooks_own() -> None:
    for answer in UNET.mistakes + UNET.variants:
        assert "solutions" not in answer.source
