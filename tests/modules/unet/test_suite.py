"""What only the hidden suite of `unet` has: classes that use one another, where some of them are wrong."""

from __future__ import annotations

import pytest
import torch

from autograder import build
from autograder.content.course_root import CourseRoot
from autograder.content.reference import load_reference
from autograder.contract.line import InProcess
from autograder.grading.exercise import grade_exercise, name_mistakes
from autograder.grading.setting import Setting
from autograder.grading.suite import Suite, with_suites
from autograder.results import ExerciseResult

from ..bank import bank

UNET = bank("unet")
ROOT = CourseRoot.find()

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

FEED_FORWARD = [  # seen in what they give
    mistake.id for mistake in UNET.mistakes if mistake.defines == "FeedForward" and not mistake.only_hidden
]
ALL_WRONG = {
    "timestep_embedding": "sines_first",
    "ResBlock": "NoShortcut",
    "Downsample": "Tiled",
    "TransformerBlock": "ContextForgotten",
    "SpatialTransformer": "TokensByReshape",
}
# The exercise that is graded, the mistakes in the notebook, and the exercises before it that lost points.
CASES: dict[str, tuple[str, list[str], list[str]]] = {
    "helped": ("UNet", ["NoSiluOnTheTime"], ["ResBlock"]),
    "all wrong": ("UNet", list(ALL_WRONG.values()), list(ALL_WRONG)),
    "better": ("SpatialTransformer", ["LargeEps", "HalvesSwapped"], ["TransformerBlock"]),
    "no better": ("SpatialTransformer", ["ImageNotAdded", "HalvesSwapped"], ["TransformerBlock"]),
    "spatial": ("SpatialTransformer", ["HalvesSwapped"], ["TransformerBlock"]),
    **{mistake: ("TransformerBlock", [mistake], []) for mistake in FEED_FORWARD},
}


@pytest.fixture(scope="module")
def graded() -> dict[str, ExerciseResult]:
    """The cases, each a notebook that is right but for its mistakes; its functions share their globals."""
    sources, found = build.answers(ROOT, "unet", "solved"), {}

    def grade_all(suites: dict[str, Suite]) -> None:
        setting = Setting(suites["unet"], load_reference(ROOT, "unet"), 3, torch.device("cpu"))
        for case, (exercise, mistakes, failed) in CASES.items():
            line = InProcess({})
            for number, id in enumerate(UNET.exercises):
                wrong = [m.source for m in map(UNET.mistake, mistakes) if m.exercise == id]
                whole = "\n\n".join([PREAMBLE, sources[id], *wrong])
                assert line.session.do_load(number, whole) is None
            before = [UNET.exercises[id] for id in failed]
            one = grade_exercise(setting, line, UNET.exercises[exercise], before)
            name_mistakes(setting, UNET.exercises[exercise], one)
            found[case] = one.result

    with_suites({"unet": ROOT.suite("unet")}, grade_all)
    return found


@pytest.mark.slow
def test_a_right_unet_of_a_wrong_block_gets_full_marks(graded: dict[str, ExerciseResult]) -> None:
    helped = graded["helped"]
    assert [test.id for test in helped.tests if not test.passed] == []
    assert helped.points == helped.max_points
    assert helped.followed_through == ["ResBlock"]  # alone it would have had fewer points


def test_all_that_a_unet_is_made_of_may_be_wrong_at_once(graded: dict[str, ExerciseResult]) -> None:
    helped = graded["all wrong"]
    assert helped.points == helped.max_points
    assert helped.followed_through == list(ALL_WRONG)


def test_a_right_spatial_transformer_of_a_wrong_block_gets_full_marks(
    graded: dict[str, ExerciseResult],
) -> None:
    helped = graded["spatial"]
    assert helped.points == helped.max_points
    assert helped.followed_through == ["TransformerBlock"]


def test_a_wrong_transformer_of_a_wrong_block_gets_its_mistake_named(
    graded: dict[str, ExerciseResult],
) -> None:
    better = graded["better"]
    assert [named.id for named in better.mistakes] == ["LargeEps"]
    assert better.followed_through == ["TransformerBlock"]
    # Here help changes no test's outcome. The points are the student's own; the name is found all the same.
    no_better = graded["no better"]
    assert [named.id for named in no_better.mistakes] == ["ImageNotAdded"]
    assert no_better.followed_through == []


@pytest.mark.parametrize("mistake", FEED_FORWARD)
def test_a_wrong_feed_forward_makes_the_block_wrong_and_is_named(
    mistake: str, graded: dict[str, ExerciseResult]
) -> None:
    result = graded[mistake]
    failed = [test.id for test in result.tests if not test.passed]
    assert {"TransformerBlock.feed_forward", "TransformerBlock.agrees_with_the_reference"} <= set(failed)
    assert [named.id for named in result.mistakes] == [mistake]
