"""Scoring, follow-through, odd answers and broken tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.contract.line import InProcess
from autograder.contract.student import Student
from autograder.errors import ContentError, Fault
from autograder.grading.suite import Suite, run_test, with_suites

from .small_course import double, grade


def outcome(result: Any) -> dict[str, bool]:
    return {test.id.split(".")[1]: test.passed for test in result.tests}


def test_the_reference_gets_full_marks(tmp_path: Path) -> None:
    result = grade(tmp_path, "double").result
    assert result.points == result.max_points == 8
    assert all(outcome(result).values())


def test_weights_share_out_the_points(tmp_path: Path) -> None:
    def only_double_precision(x: Tensor) -> Tensor:
        return 2 * x.double()

    result = grade(tmp_path, "double", double=only_double_precision).result
    assert outcome(result) == {
        "is_twice_the_input": True,
        "keeps_single_precision": False,
        "gives_zero_for_zero": False,
    }
    assert result.points == 8 * 2 / 4


def test_a_rule_counts_only_once_a_value_test_passes(tmp_path: Path) -> None:
    result = grade(tmp_path, "double", double=torch.zeros_like).result
    rule = next(test for test in result.tests if test.kind == "rule")
    assert (rule.passed, rule.counts, result.points) == (True, False, 0)


def test_a_students_error_is_told_with_their_own_lines_only(tmp_path: Path) -> None:
    def raises(x: Tensor) -> Tensor:
        raise ValueError("my own words")

    test = grade(tmp_path, "double", double=raises).result.tests[0]
    assert test.error is not None
    assert (test.error.type, test.error.message) == ("ValueError", "my own words")
    assert "student.py" not in test.error.trace
    assert "hidden_small" not in test.error.trace


def test_a_stub_of_another_edition_counts_as_untouched(tmp_path: Path) -> None:
    def stub(x: Tensor) -> Tensor:
        raise NotImplementedError("write double")

    result = grade(tmp_path, "double", double=stub).result
    assert (result.state, result.points) == ("untouched", 0)
    assert grade(tmp_path, "double", double=lambda x: x).result.state == "answered"


def test_a_missing_name_fails_the_tests_and_says_so(tmp_path: Path) -> None:
    test = grade(tmp_path, "double", double=None).result.tests[0]
    assert not test.passed
    assert test.error is not None


def test_the_reference_stands_in_for_what_failed_before(tmp_path: Path) -> None:
    helped = grade_in_one_namespace(tmp_path)
    assert helped.points == helped.max_points
    assert helped.followed_through == ["double"]


def test_help_is_chosen_by_points_and_takes_none_away(tmp_path: Path) -> None:
    """With the reference's `double` two rules would pass where one did, but the value test would fail."""
    alone = grade_in_one_namespace(tmp_path, "much", "def much(x): return double(x)")
    assert outcome(alone) == {
        "is_more_than_twice_the_input": True,
        "is_twice_one": False,
        "is_twice_two": False,
    }
    assert alone.points == round(8 * 4 / 6, 2)
    assert alone.followed_through == []


def grade_in_one_namespace(
    folder: Path,
    exercise: str = "quadruple",
    answer: str = "def quadruple(x): return double(double(x))",
) -> Any:
    """Follow-through replaces a global of the student's, so both functions must share their globals."""
    from autograder.contract.line import InProcess
    from autograder.grading.exercise import grade_exercise

    from .small_course import EXERCISES, within_suite

    line = InProcess({"torch": torch})
    line.session.do_load(1, f"def double(x): return 3 * x\n{answer}")
    return within_suite(
        folder,
        lambda setting: grade_exercise(setting, line, EXERCISES[exercise], [EXERCISES["double"]]).result,
    )


def test_nobody_stands_in_where_nothing_failed_before(tmp_path: Path) -> None:
    result = grade(tmp_path, "quadruple", quadruple=lambda x: 9 * x).result
    assert result.followed_through == []
    assert result.points == 0


def test_an_odd_answer_is_the_students_and_is_flagged(tmp_path: Path) -> None:
    graded = grade(tmp_path, "odd", odd=lambda x: 3)
    assert graded.result.points == 0
    assert [flag.kind for flag in graded.flags] == ["odd-answer"]


def test_a_broken_test_is_a_fault_of_ours(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"broken\.is_wrong_itself is broken: KeyError"):
        grade(tmp_path, "broken")


def test_a_device_mismatch_is_told_and_costs_nothing(tmp_path: Path) -> None:
    def on_the_cpu(x: Tensor) -> Tensor:
        return x + x * torch.ones(x.shape, dtype=x.dtype)

    result = grade(tmp_path, "double", double=on_the_cpu).result
    assert result.points == result.max_points
    assert result.portability is not None
    assert not result.portability.ok


def test_an_honest_function_has_no_portability_message(tmp_path: Path) -> None:
    result = grade(tmp_path, "double", double=double).result
    assert result.portability is not None
    assert result.portability.ok


def test_a_suite_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    path = tmp_path / "hidden_bad.py"
    path.write_text("import nothing_of_this_name")
    with pytest.raises(ContentError, match="nothing_of_this_name"):
        with_suites({"bad": path}, lambda suites: None)


def test_a_missing_suite_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="there is no hidden suite"):
        with_suites({"bad": tmp_path / "no.py"}, lambda suites: None)


def test_what_the_body_raises_comes_out(tmp_path: Path) -> None:
    path = tmp_path / "hidden_empty.py"
    path.write_text("")

    def body(suites: Any) -> None:
        raise RuntimeError("from within")

    with pytest.raises(RuntimeError, match="from within"):
        with_suites({"empty": path}, body)


ONE_TEST = """
from autograder.testing import exercise, value


@exercise("it")
class It:
    @value()
    def {name}(self, student, draw):
        'Holds.'
"""


def test_two_suites_of_one_name_are_not_taken_for_each_other(tmp_path: Path) -> None:
    seen: list[str] = []

    def body(suites: dict[str, Suite]) -> None:
        seen.extend(test.id for suite in suites.values() for test in suite.tests["it"])

    for name in ("first", "second"):
        path = tmp_path / name / "suite.py"
        path.parent.mkdir()
        path.write_text(ONE_TEST.format(name=name))
        with_suites({name: path}, body)
    assert seen == ["it.first", "it.second"]


WITH_PYTEST = '''
import pytest
from autograder.testing import exercise, value


@exercise("it")
class It:
    @value()
    def plain(self, student, draw):
        """It is called with the two."""
        assert not hasattr(self, "made"), "an instance of its own"
        self.made = draw.integer(1, 2)

    @value()
    def plain_again(self, draw):
        """It is called with one of them."""
        assert not hasattr(self, "made"), "an instance of its own"

    @value()
    @pytest.mark.parametrize("n", [3])
    def with_a_parameter(self, student, draw, n):
        """It has a parameter."""
        assert n == 3

    @value()
    def with_a_fixture(self, student, tmp_path):
        """It uses a fixture of pytest's."""
        assert tmp_path.is_dir()


@exercise("set_up")
class SetUp:
    def setup_method(self):
        self.made = True

    @value()
    def is_set_up(self, student):
        """Its class is set up."""
        assert self.made

    @value()
    def fails(self, student):
        """It fails."""
        assert not self.made, "as it must"
'''


def test_a_hidden_test_may_use_what_pytest_has(tmp_path: Path) -> None:
    """Most are called directly, which costs less; the others by pytest."""
    (tmp_path / "suite.py").write_text(WITH_PYTEST)
    found: dict[str, tuple[bool, str]] = {}

    def body(suites: dict[str, Suite]) -> None:
        suite = suites["small"]
        for test in (each for tests in suite.tests.values() for each in tests):
            raised = run_test(suite, test, Student(InProcess({})), 0, torch.device("cpu"))
            found[test.id.partition(".")[2]] = test.plain, str(raised or "").partition("\n")[0]

    with_suites({"small": tmp_path / "suite.py"}, body)
    assert found == {
        "plain": (True, ""),
        "plain_again": (True, ""),
        "with_a_parameter[3]": (False, ""),
        "with_a_fixture": (False, ""),
        "is_set_up": (False, ""),
        "fails": (False, "as it must"),
    }
