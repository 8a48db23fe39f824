"""The generated test files, read and run by Otter's own classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from otter.test_files import TestFile
from otter.test_files.exception_test import ExceptionTestFile

from autograder.otter.test_files import PLUGIN, file_name, grading_test, public_test
from tests.sample_class import Material


def run(text: str, environment: dict[str, Any]) -> TestFile:
    file = ExceptionTestFile.from_string(text)
    file.run(environment)
    return file


@pytest.fixture
def right(material: Material) -> Callable[[str], dict[str, Any]]:
    def answers(exercise: str) -> dict[str, Any]:
        namespace: dict[str, Any] = {}
        exec("import math\nimport torch\nfrom torch import Tensor, nn\nfrom jaxtyping import *", namespace)
        exec(material.solved[exercise], namespace)
        return namespace

    return answers


pytestmark = pytest.mark.usefixtures("own_folder")


def test_a_right_answer_passes_and_the_report_is_printed(
    material: Material, right: Callable[[str], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    text = public_test(material.module, material.module.exercise("stable_softmax"))
    file = run(text, right("stable_softmax"))

    assert file.name == "attention.stable_softmax"
    assert (file.score, file.possible, file.passed_all) == (10, 10, True)
    assert "checks hold. Grading tests more." in capsys.readouterr().out


def test_a_wrong_one_fails_with_one_sentence(material: Material) -> None:
    text = public_test(material.module, material.module.exercise("stable_softmax"))
    file = run(text, {"stable_softmax": lambda x, dim=-1: x})

    assert (file.score, file.passed_all) == (0, False)
    assert "CheckFailed: stable_softmax: " in file.test_case_results[0].message


def test_a_missing_one_is_named(material: Material) -> None:
    text = public_test(material.module, material.module.exercise("split_heads"))
    file = run(text, {"split_heads": lambda x, heads: x})

    assert "`merge_heads` is not defined" in file.test_case_results[0].message


def test_a_quiz_is_looked_at_for_its_form_alone(material: Material) -> None:
    quiz = material.module.quiz
    assert quiz is not None
    text = public_test(material.module, quiz)

    assert "q1: not answered yet" in run(text, {"answers": {"q2": 2.0}}).test_case_results[0].message


def test_every_module_has_a_file_an_exercise_with_its_points(course_root: Any) -> None:
    for module in course_root.syllabus.modules:
        for exercise in module.graded:
            for text in (public_test(module, exercise), grading_test(module, exercise)):
                file = ExceptionTestFile.from_string(text)
                assert f"{file.name}.py" == file_name(module, exercise)
                assert (file.possible, len(file.test_cases)) == (exercise.points, 1)


def test_without_the_plugin_nothing_is_earned_and_the_reason_is_said(
    material: Material, right: Callable[[str], dict[str, Any]]
) -> None:
    text = grading_test(material.module, material.module.exercise("stable_softmax"))
    file = run(text, right("stable_softmax"))

    assert file.score == 0
    assert f"not graded: name the plugin {PLUGIN}" in file.test_case_results[0].message
