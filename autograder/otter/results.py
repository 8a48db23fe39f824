"""Our result in Otter's terms: a TestFile an exercise, with the feedback as its message.

Only Otter's own classes are used: `otter grade` unpickles them where this package need not be installed.
"""

from __future__ import annotations

import re

from otter.test_files import TestFile
from otter.test_files.abstract_test import TestCase, TestCaseResult
from otter.test_files.exception_test import ExceptionTestFile

from course.catalogue.syllabus import Module

from ..exports.otter_cells import question
from ..reports.feedback import ExerciseView, exercise_views
from ..reports.lines import as_text, raised, receipt, stopped, whole
from ..reports.text import count, number, sentence
from ..results import Result, Status
from .test_files import plain

# Otter's HTML view of a TestFile does not escape its message.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def files_for_otter(result: Result, module: Module) -> dict[str, TestFile]:
    """Otter's name of an exercise → its TestFile, in the notebook's order."""
    made = (_test_file(result, view, module.id) for view in exercise_views(result, module))
    return {file.name: file for file in made}


def _test_file(result: Result, view: ExerciseView, module: str) -> TestFile:
    answer = view.result
    text = _TAG.sub("‹", as_text(whole(result, view)))
    passed = answer.points == answer.max_points
    # Nothing in it is a hidden test's: whether students see it is for otter_config.json to say.
    case = TestCase(
        name=answer.title,
        body=None,
        hidden=False,
        points=plain(answer.max_points),
        success_message=f"\n{text}" if passed else None,
        failure_message=None,
    )
    name = question(module, answer.id)
    file = ExceptionTestFile(name, f"tests/{name}.py", [case], all_or_nothing=False)
    file.test_case_results = [TestCaseResult(test_case=case, message=text, passed=passed)]
    file.update_score(plain(answer.points))
    return file


def summary(result: Result) -> str:
    """What is said of the submission as a whole."""
    lines = [
        f"{number(result.points)} of {number(result.max_points)} points.",
        _TAG.sub("‹", sentence(receipt(result))),
    ]
    if result.status is not Status.GRADED:
        lines += [_TAG.sub("‹", str(line)) for line in stopped(result)]
    if result.note:
        lines.append(_TAG.sub("‹", sentence(result.note)))
    for error in result.cell_errors:
        lines.append(_TAG.sub("‹", f"Cell {error.cell} raised {sentence(raised(error.error))}"))
    return "\n".join(lines)


def report(result: Result) -> str:
    """What is for whoever grades, not for students."""
    lines = [f"Graded at isolation level {result.isolation}, on {result.device}, seed {result.run_seed}."]
    if result.flags:
        lines.append(f"{count(len(result.flags), 'thing')} for a person to look at:")
        lines += [f"- {flag.kind}: {sentence(flag.message)}" for flag in result.flags]
    return "\n".join(lines)
