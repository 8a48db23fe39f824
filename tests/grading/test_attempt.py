"""A test meets answers that were asked for ahead, and comes to what it comes to when it asks by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.contract.line import Ahead, InProcess
from autograder.contract.student import Student
from autograder.contract.trace import same_behaviour
from autograder.errors import StudentError, StudentTimeout, WorkerDied
from autograder.grading import attempt as attempts
from autograder.grading.attempt import attempt, portability
from autograder.grading.exercise import grade_exercise
from autograder.grading.setting import Attempt, Setting
from tests.grading.small_course import EXERCISES, MISTAKES, NAMESPACE, Scale, by_product, within_suite


class Counting(InProcess):
    """A line that counts how it is asked."""

    def __init__(self, **names: Any) -> None:
        super().__init__({**NAMESPACE, **names})
        self.live = self.at_once = 0

    def _put(self, kind: str, payload: dict[str, Any]) -> Any:
        self.live += 1
        return super()._put(kind, payload)

    def together(self, frames: bytes, count: int) -> Ahead:
        self.at_once += 1
        return super().together(frames, count)


def rehearsed(folder: Path, use: Callable[[Setting], None]) -> None:
    """Calls `use` when the small course's reference has been graded, but for what is broken on purpose."""

    def body(setting: Setting) -> None:
        for name in ("double", "tenfold", "Scale"):
            grade_exercise(replace(setting, rehearsing=True), InProcess(dict(NAMESPACE)), EXERCISES[name], [])
        use(setting)

    within_suite(folder, body)


def tried(setting: Setting, exercise: str, line: InProcess) -> list[Attempt]:
    return attempt(setting, Student(line), EXERCISES[exercise])


KNOWN = [
    ("double", {"double": by_product}),
    *((each.exercise, {each.defines: each.object}) for bank in MISTAKES.values() for each in bank),
    ("Scale", {}),
    ("Scale", {"Scale": lambda n: torch.zeros(n)}),
    ("double", {"double": lambda x: [1 / 0]}),
    ("double", {"double": lambda x: object()}),
    ("double", {"double": lambda x: "words"}),
]


@pytest.mark.parametrize(("exercise", "names"), KNOWN)
def test_it_comes_to_the_same(tmp_path: Path, exercise: str, names: dict[str, Any]) -> None:
    def compare(setting: Setting) -> None:
        live = tried(replace(setting, transcripts={}), exercise, Counting(**names))
        line = Counting(**names)
        for one, other in zip(live, tried(setting, exercise, line), strict=True):
            assert (one.passed, repr(one.raised)) == (other.passed, repr(other.raised))
            assert same_behaviour(one.trace, other.trace)
            assert [request.kind for request in one.requests] == [request.kind for request in other.requests]
        assert line.at_once == len(live)

    rehearsed(tmp_path, compare)


def test_all_that_a_test_asks_is_put_at_once(tmp_path: Path) -> None:
    def count(setting: Setting) -> None:
        line = Counting()
        assert all(one.passed for one in tried(setting, "Scale", line))
        assert (line.at_once, line.live) == (2, 0)

    rehearsed(tmp_path, count)


def test_the_same_answers_pass_without_the_test_being_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(setting: Setting) -> None:
        first = tried(setting, "double", Counting())
        run: list[str] = []
        monkeypatch.setattr(attempts, "run_test", lambda suite, test, *rest: run.append(test.id))
        again = tried(setting, "double", Counting())
        assert run == []
        assert [one.passed for one in again] == [True] * 3
        assert [len(one.requests) for one in again] == [len(one.requests) for one in first]
        tried(setting, "double", Counting(double=lambda x: 3 * x))
        assert run == ["double.is_twice_the_input", "double.keeps_single_precision"]  # 3 * 0 is 0

    rehearsed(tmp_path, count)


def test_a_wrong_answer_is_not_remembered_as_a_right_one(tmp_path: Path) -> None:
    def twice(setting: Setting) -> None:
        for _ in range(2):
            wrong = tried(setting, "double", Counting(double=lambda x: x * x))
            assert [one.passed for one in wrong] == [False, False, True]

    rehearsed(tmp_path, twice)


def test_where_it_is_led_another_way_it_asks_by_itself(tmp_path: Path) -> None:
    """A test that goes by the answer, asked of one whose answer is another."""
    suite = tmp_path / "suite"
    suite.mkdir()

    class Doubly(Scale):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    def go(setting: Setting) -> None:
        (test, *_) = setting.suite.tests["Scale"]

        def by_the_answer(student: Student, draw: object) -> None:
            first = student.double(torch.ones(2))
            assert torch.equal(student.double(first), 2 * first)

        test.item = type("Item", (), {})()  # type: ignore[assignment]
        test.__dict__["plain"] = True
        test.item.fixturenames = ["student", "draw"]  # type: ignore[misc]
        test.item.originalname = "by_the_answer"
        test.item.cls = type("Cls", (), {"by_the_answer": staticmethod(by_the_answer)})  # type: ignore[misc]
        setting.suite.tests["Scale"] = [test]
        tried(replace(setting, rehearsing=True), "Scale", InProcess(dict(NAMESPACE)))
        line = Counting(double=lambda x: 2 * x + 0)
        (same,) = tried(setting, "Scale", line)
        assert (same.passed, line.live) == (True, 0)
        line = Counting(double=lambda x: 2 * x + 1)
        (other,) = tried(setting, "Scale", line)
        assert (other.passed, line.live) == (False, 2)

    within_suite(suite, go)


def test_a_name_that_ran_out_of_time_is_not_asked_ahead(tmp_path: Path) -> None:
    def go(setting: Setting) -> None:
        line = Counting()
        line.given_up.add("double")
        assert all(isinstance(one.raised, StudentTimeout) for one in tried(setting, "double", line))
        assert (line.at_once, line.live) == (0, 0)

    rehearsed(tmp_path, go)


@pytest.mark.parametrize("failure", [WorkerDied("ended"), StudentTimeout("late"), StudentError("A", "b")])
def test_what_ended_a_worker_is_the_answer_to_what_ended_it(tmp_path: Path, failure: Exception) -> None:
    class Ending(Counting):
        def together(self, frames: bytes, count: int) -> Ahead:
            ahead = super().together(frames, count)
            ahead.answers[-1:] = [failure]
            ahead._seen -= 1
            self.one_by_one = True
            return ahead

    def go(setting: Setting) -> None:
        line = Ending()
        first, *others = tried(setting, "double", line)
        assert first.raised is failure
        assert line.live == (0 if isinstance(failure, StudentTimeout) else len(others))
        assert line.at_once == 1

    rehearsed(tmp_path, go)


def test_where_no_worker_can_be_had_the_test_itself_meets_that(tmp_path: Path) -> None:
    class None_(Counting):
        def together(self, frames: bytes, count: int) -> Ahead:
            raise WorkerDied("too often")

        def _put(self, kind: str, payload: dict[str, Any]) -> Any:
            raise WorkerDied("too often")

    def go(setting: Setting) -> None:
        assert all(isinstance(one.raised, WorkerDied) for one in tried(setting, "double", None_()))

    rehearsed(tmp_path, go)


def test_a_stand_in_is_asked_live(tmp_path: Path) -> None:
    """What is replaced by the reference stays with the grader, and answers while the worker asks."""

    def go(setting: Setting) -> None:
        line = Counting(double=lambda x: 3 * x, tenfold=lambda x: 9 * x)
        graded = grade_exercise(setting, line, EXERCISES["tenfold"], [EXERCISES["double"]])
        assert graded.result.points < 8
        assert line.at_once == 3
        assert line.live >= 6  # each test's replacement and its call

    rehearsed(tmp_path, go)


def test_where_other_calls_are_to_be_tried_on_the_pretended_accelerator_they_are_asked_live(
    tmp_path: Path,
) -> None:
    def go(setting: Setting) -> None:
        line = Counting()
        first, *others = tried(setting, "double", line)
        first.requests = [replace(request, label="other") for request in first.requests * 2]
        first.requests[1].payload = {**first.requests[1].payload, "args": [torch.ones(1)]}
        found = portability(setting, EXERCISES["double"], line, [first, *others])
        assert found is not None
        assert found.ok
        assert line.live > 0

    rehearsed(tmp_path, go)


def test_calls_on_the_pretended_accelerator_are_put_at_once_too(tmp_path: Path) -> None:
    def go(setting: Setting) -> None:
        line = Counting()
        done = tried(setting, "double", line)
        found = portability(setting, EXERCISES["double"], line, done)
        assert found is not None
        assert found.ok
        assert line.live == 0
        line = Counting(double=lambda x: x * torch.full((1,), 2.0, dtype=x.dtype))
        found = portability(setting, EXERCISES["double"], line, tried(setting, "double", line))
        assert found is not None
        assert not found.ok
        assert "torch.full" in found.message or "device" in found.message

    rehearsed(tmp_path, go)
