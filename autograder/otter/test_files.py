"""The test files, one an exercise, in Otter's exception format.

A student's runs the public checks, as `check(...)` does. The one in the autograder's zip runs nothing: the
plugin puts our result in its place, and where there is no plugin it says so.
"""

from __future__ import annotations

from functools import partial

from course.catalogue.syllabus import Exercise, Module

from ..exports.otter_cells import question

__test__ = False  # not for pytest, whatever it thinks of the name

_PUBLIC = '''\
"""The public checks of this exercise: what `check(...)` says. Grading tests more."""

from course.check import CheckFailed
from course.checking.examine import on_answer
from course.checking.shown import say
from course.desk.progress import record_checks
from course.catalogue.syllabus import load
from otter.test_files import test_case

OK_FORMAT = False

name = "{question}"
points = {points}


@test_case(name="public checks")
def public_checks(env):
    module = load().module("{module}")
    report = on_answer(module, module.exercise("{exercise}"), env)
    say(report)
    record_checks([report])
    if not report.passed:
        raise CheckFailed(report.summary())
'''

_GRADING = '''\
"""Holds the place of a result that the plugin `{plugin}` puts here."""

from otter.test_files import test_case

OK_FORMAT = False

name = "{question}"
points = {points}


@test_case(name="not graded")
def not_graded():
    raise RuntimeError("not graded: name the plugin {plugin} in otter_config.json")
'''

PLUGIN = "autograder.otter.plugin.GradeInWorker"


def file_name(module: Module, exercise: Exercise) -> str:
    return f"{question(module.id, exercise.id)}.py"


def _filled(template: str, module: Module, exercise: Exercise) -> str:
    return template.format(
        question=question(module.id, exercise.id),
        module=module.id,
        exercise=exercise.id,
        points=repr(plain(exercise.points)),
        plugin=PLUGIN,
    )


public_test = partial(_filled, _PUBLIC)  # what `grader.check` runs for a student
grading_test = partial(_filled, _GRADING)  # what is in the autograder's zip


def plain(points: float) -> int | float:
    """Points as people write them: 10, 2.5."""
    return int(points) if points == int(points) else points
