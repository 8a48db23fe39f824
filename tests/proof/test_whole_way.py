"""Which notebooks travel the whole way, and what is read from their results."""

from __future__ import annotations

from autograder.content.course_root import CourseRoot
from autograder.proof.finding import KnownMistake
from autograder.proof.whole_way import Notebook, notebooks
from tests.reports import examples


def test_a_mistakes_notebook_has_what_it_builds_on_and_no_more(course_root: CourseRoot) -> None:
    module = course_root.module("unet")
    wrong = KnownMistake("wrong", "Upsample", "class Upsample: ...\n")
    solved, untouched, mistaken = notebooks(course_root, module, {"Downsample": wrong})
    everything = {exercise.id for exercise in module.graded}
    assert set(solved.about) == set(untouched.about) == everything
    assert set(solved.answers) == everything | {bonus.id for bonus in module.bonus}
    assert untouched.answers == {}
    assert mistaken.about == ("Downsample",)
    assert set(mistaken.answers) == {"Downsample", *module.exercise("Downsample").depends_on}
    # The other name of the exercise is the reference's.
    assert mistaken.answers["Downsample"].startswith(solved.answers["Downsample"])
    assert mistaken.answers["Downsample"].endswith(wrong.source)


def test_what_builds_on_others_has_all_that_they_build_on(course_root: CourseRoot) -> None:
    module = course_root.module("unet")
    wrong = KnownMistake("wrong", "UNet", "class UNet: ...\n")
    *_, mistaken = notebooks(course_root, module, {"UNet": wrong})
    for id in mistaken.answers:
        assert set(module.exercise(id).depends_on) <= set(mistaken.answers)


def test_a_notebook_that_could_not_be_graded_proves_nothing() -> None:
    unreadable = next(each for each in examples.small_class() if each.status.value == "unreadable")
    (finding,) = Notebook(unreadable.module, "stub", "stub", {}, ("double",)).findings(unreadable)
    assert not finding.ok
    assert finding.said == unreadable.reason
