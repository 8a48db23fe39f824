"""A quiz however it is answered: `course check` and grading say the same, and one slip costs one answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autograder.content.course_root import CourseRoot
from autograder.content.quiz import KeyedQuestion, read_quiz
from autograder.contract.line import InProcess
from autograder.contract.student import Student
from autograder.errors import ProtocolViolation, StudentError
from autograder.grading.quiz import grade_quiz
from autograder.results import ExerciseResult
from course.catalogue.syllabus import Module, Quiz
from course.checking.examine import on_answer
from course.desk.notebook import _run_cell

RIGHT = {"q1": "12", "q2": "2", "q3": '"c"', "q4": "36", "q5": "17504"}
RIGHT |= {"q6": '["a", "c", "e"]', "q7": '"b"', "q8": '"d"'}


@pytest.fixture(scope="module")
def module(course_root: CourseRoot) -> Module:
    return course_root.module("attention")


@pytest.fixture(scope="module")
def questions(course_root: CourseRoot, module: Module) -> tuple[KeyedQuestion, ...]:
    return read_quiz(course_root, module)


def cell(**changed: str) -> str:
    entries = {json.dumps(id): answer for id, answer in {**RIGHT, **changed}.items()}
    return "answers = {\n" + "".join(f"    {key}: {answer},\n" for key, answer in entries.items()) + "}\n"


class Graded:
    """What grading and `course check` say of a notebook with these cells."""

    def __init__(self, cells: tuple[str, ...], module: Module, questions: tuple[KeyedQuestion, ...]) -> None:
        assert isinstance(module.quiz, Quiz)
        student = Student(InProcess({}))
        self.raised = [student.ask("load", "load", cell=n, source=cell) for n, cell in enumerate(cells)]
        self.result: ExerciseResult = grade_quiz(module.quiz, questions, student)
        namespace: dict[str, Any] = {}
        for n, source in enumerate(cells):
            _run_cell(n, source, namespace)
        self.report = on_answer(module, module.quiz, namespace)
        self.wrong = [test.id.split(".")[-1] for test in self.result.tests if not test.passed]
        self.said = {test.id.split(".")[-1]: test.message for test in self.result.tests if test.message}

    def checked(self) -> dict[str, str]:
        """What check says of each question."""
        lines = [line.removeprefix("✗ ") for line in self.report.lines if line.startswith("✗ ")]
        return {line.partition(": ")[0]: line.partition(": ")[2] for line in lines}


MEANT = {
    "fraction": ("from fractions import Fraction\n", {"q2": "Fraction(4, 2)"}),
    "decimal": ("from decimal import Decimal\n", {"q4": 'Decimal("36.0")'}),
    "numpy's": ("import numpy as np\n", {"q1": "np.sqrt(144)", "q5": "np.array([17504])"}),
    "torch's": ("import torch\n", {"q1": "torch.full((144,), 1.0).sum().sqrt()", "q4": "torch.tensor([36])"}),
    "numpy's letters": (
        "import numpy as np\n",
        {"q3": 'np.array(["C"])[0]', "q6": 'np.array(["a", "c", "e"])'},
    ),
    "a set": ("", {"q6": '{"a", "c", "e"}'}),
    "a class of dictionary": ("from collections import defaultdict\nclass Mine(dict): pass\n", {}),
}


@pytest.mark.parametrize("kind", MEANT)
def test_what_means_the_answer_is_right_for_both(
    kind: str, module: Module, questions: tuple[KeyedQuestion, ...]
) -> None:
    imports, changed = MEANT[kind]
    source = imports + cell(**changed)
    if "defaultdict" in imports:
        source += "answers = defaultdict(None, answers)\nanswers = Mine(answers)\n"
    found = Graded((source,), module, questions)
    assert (found.wrong, found.said) == ([], {})
    assert found.report.passed


ODD = {
    "q1": [
        "'12'",
        "True",
        "[12]",
        "1j",
        "lambda: 12",
        "torch.ones(3)",
        "np.arange(2)",
        "10**30",
        "10**400",
        "object()",
    ],
    "q3": ["3", "['c']", "'z'", "torch", "str", "torch.tensor(3)"],
    "q6": ["'ace'", "[]", "['a', 1]", "{'a': 1}", "np.zeros(2)", "None"],
}


@pytest.mark.parametrize(("id", "answer"), [(id, answer) for id in ODD for answer in ODD[id]])
def test_what_cannot_be_the_answer_is_refused_in_the_same_words(
    id: str, answer: str, module: Module, questions: tuple[KeyedQuestion, ...]
) -> None:
    found = Graded(("import numpy as np, torch\n" + cell(**{id: answer}),), module, questions)
    assert found.wrong == [id]
    if answer != "10**30":  # a number in the right form, and wrong
        assert found.said == found.checked()
        assert found.said[id]
    assert not {"Token", "Handle", "Other"} & set(found.said.get(id, "").split())


SLIPS = {
    "a letter": (cell(q3="c"), ["q3"], "this is `c`, which is not defined"),
    "a letter of a list": (
        cell(q6='["a", c, "e"]'),
        ["q6"],
        'this is `["a", c, "e"]`, in which c is not defined',
    ),
    "a sum": (cell(q1="12 / 0"), ["q1"], "this is `12 / 0`, which raises ZeroDivisionError"),
    "two": (cell(q3="c", q7="B"), ["q3", "q7"], "this is `c`, which is not defined"),
    "dict(...)": (
        f"answers = dict({', '.join(f'{id}={answer}' for id, answer in {**RIGHT, 'q8': 'd'}.items())})",
        ["q8"],
        "this is `d`, which is not defined",
    ),
    "one by one": (
        cell(q3="None", q7="None") + 'answers["q3"] = c\nanswers["q7"] = "b"\n',
        ["q3"],
        "this is `c`, which is not defined",
    ),
    "an update": (
        cell(q3="None") + 'answers.update({"q3": c})\nletter = "b"\nanswers |= {"q7": letter}\n',
        ["q3"],
        "this is `c`, which is not defined",
    ),
    "below other work": ("x = 2\ny = x * 6\n" + cell(q1="y", q3="c"), ["q3"], "this is `c`, which is not"),
    "on one line": ("x = 12; " + cell(q1="x", q3="c"), ["q3"], "this is `c`, which is not defined"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_costs_its_own_answer_and_no_other(
    slip: str, module: Module, questions: tuple[KeyedQuestion, ...]
) -> None:
    source, lost, said = SLIPS[slip]
    found = Graded((source,), module, questions)
    assert found.wrong == lost
    assert said in found.said[lost[0]]
    assert found.said == found.checked()
    assert found.raised[0] is not None  # and the cell's error is told as that of any cell


def test_a_key_without_quotes_costs_its_own_answer(
    module: Module, questions: tuple[KeyedQuestion, ...]
) -> None:
    found = Graded((cell().replace('"q4"', "q4"),), module, questions)
    assert found.wrong == ["q4"]
    assert found.result.note.startswith(
        "`q4`, which is not defined: there is no such question; there are q1, "
    )


def test_cells_before_a_slip_are_not_what_is_graded(
    module: Module, questions: tuple[KeyedQuestion, ...]
) -> None:
    found = Graded((cell(**dict.fromkeys(RIGHT, "None")), cell(q3="c")), module, questions)
    assert found.wrong == ["q3"]


def test_an_error_elsewhere_in_the_cell_changes_no_answer(
    module: Module, questions: tuple[KeyedQuestion, ...]
) -> None:
    early = cell() + "undefined\nanswers['q1'] = 13\n"  # Jupyter would not have come to the last line
    assert Graded((early,), module, questions).wrong == []


def test_a_key_that_is_no_question_is_named(module: Module, questions: tuple[KeyedQuestion, ...]) -> None:
    found = Graded((cell() + 'answers["Q3"] = answers.pop("q3")\nanswers[len] = 1',), module, questions)
    assert found.wrong == ["q3"]
    assert found.said == {"q3": "not answered yet"}
    assert "'Q3': there is no such question; there are q1, q2, q3" in found.result.note
    assert "a function: there is no such question" in found.result.note


@pytest.mark.parametrize("answers", ["None", "[1, 2]", "len", "'c'"])
def test_what_is_no_dictionary_is_named_for_both(
    answers: str, module: Module, questions: tuple[KeyedQuestion, ...]
) -> None:
    found = Graded((f"answers = {answers}",), module, questions)
    (said,) = set(found.said.values())
    assert said.startswith("`answers` is ")
    assert found.report.lines == [f"✗ {said}"]


def test_a_rounded_answer_is_told_what_it_lacks(module: Module, questions: tuple[KeyedQuestion, ...]) -> None:
    found = Graded((cell(q5="17500"),), module, questions)
    assert found.said == {"q5": "17500 is near, but rounded: the exact number is asked for"}


def test_no_answers_at_all_are_the_same_for_both(
    module: Module, questions: tuple[KeyedQuestion, ...]
) -> None:
    assert module.quiz is not None
    with pytest.raises(StudentError) as error:
        grade_quiz(module.quiz, questions, Student(InProcess({})))
    assert on_answer(module, module.quiz, {}).lines == [f"✗ {error.value.message}"]


@pytest.mark.parametrize(
    "said", [None, 3, "ab", [["q1"]], [["q1", True]], [["q1", {}]], {"x": 1}, [["q1", (1,)]]]
)
def test_what_no_worker_of_ours_says_is_a_violation(
    said: Any, module: Module, questions: tuple[KeyedQuestion, ...]
) -> None:
    line = InProcess({})
    line.session.do_answers = lambda **_: said  # type: ignore[method-assign]
    assert module.quiz is not None
    with pytest.raises(ProtocolViolation):
        grade_quiz(module.quiz, questions, Student(line))
