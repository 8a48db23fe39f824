"""`check(...)`: what holds passes, what is wrong is named, and nothing that an answer does breaks it."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import course
import solutions.attention as reference
from course import CheckFailed, check
from course.catalogue.syllabus import load
from course.checking import examine, expect

ATTENTION = load().module("attention")


pytestmark = pytest.mark.usefixtures("own_folder")


def report_of(*functions: Any, quiz: str | None = None) -> str:
    """What is printed; CheckFailed must be raised exactly when something is crossed."""
    (report,) = examine.reports_on(functions, quiz)
    text = report.text()
    assert report.passed == ("✗" not in text and report.state != "untouched")
    assert report.passed == (not report.problem)
    return text


def named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    function.__name__ = name
    return function


def test_a_stubs_line_left_in_an_answer_is_named(tmp_path: Path) -> None:
    source = (
        "def stable_softmax(x, dim):\n    e = (x - x.amax(dim, keepdim=True)).exp()\n"
        '    raise NotImplementedError("write stable_softmax")\n    return e / e.sum(dim, keepdim=True)\n'
    )
    namespace: dict[str, Any] = {}
    file = tmp_path / "answer.py"
    file.write_text(source, encoding="utf-8")
    exec(compile(source, str(file), "exec"), namespace)
    text = report_of(namespace["stable_softmax"])
    assert "the line `raise NotImplementedError` is still there, in your line 3: delete it" in text


# --- Right answers -----------------------------------------------------------------------------------------


def test_a_right_answer_passes_under_the_title_of_its_exercise(capsys: pytest.CaptureFixture[str]) -> None:
    check(reference.stable_softmax)
    printed = capsys.readouterr().out
    assert printed.startswith(f"stable_softmax · {ATTENTION.exercise('stable_softmax').title}\n")
    assert "✗" not in printed
    assert "!" not in printed


def softmax_with_item(x: Tensor, dim: int) -> Tensor:
    e = torch.exp(x - x.max(dim, keepdim=True).values)
    return torch.where(e > -1, e, e.max().item()) / e.sum(dim, keepdim=True)


def attention_of_torch(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, mask)


@pytest.mark.parametrize(
    "function",
    [
        named("stable_softmax", softmax_with_item),
        named("stable_softmax", lambda x, dim: torch.softmax(x, dim)),
        named("scaled_dot_product_attention", attention_of_torch),
    ],
)
def test_what_is_written_differently_passes(function: Callable[..., Any]) -> None:
    text = report_of(function)
    assert "✗" not in text
    assert "GPU" not in text


# --- Typical mistakes, and what is said about them ---------------------------------------------------------


def softmax_without_keepdim(x: Tensor, dim: int) -> Tensor:
    """e = (x - x.amax(dim)).exp()"""
    e = (x - x.amax(dim)).exp()
    return e / e.sum(dim, keepdim=True)


def softmax_in_float32(x: Tensor, dim: int) -> Tensor:
    """the dtype is float32, it should be float64, as that of the input"""
    return torch.softmax(x.float(), dim)


def softmax_without_return(x: Tensor, dim: int) -> None:
    """it returned None: does it end with `return ...`?"""
    torch.softmax(x, dim)


def softmax_a_little_off(x: Tensor, dim: int) -> Tensor:
    """the largest error is 0.01, at [1]: 0.74 instead of 0.75"""
    out = torch.softmax(x, dim)
    return out - 0.01 * (out == out.amax(dim, keepdim=True))


def softmax_of_another_shape(x: Tensor, dim: int) -> Tensor:
    """the shape is (1, 2), it should be (2,)"""
    return torch.softmax(x, dim)[None]


@pytest.mark.parametrize(
    "function",
    [
        softmax_without_keepdim,
        softmax_in_float32,
        softmax_without_return,
        softmax_a_little_off,
        softmax_of_another_shape,
    ],
)
def test_a_mistake_is_told_with_what_came_out_and_what_went_in(function: Callable[..., Any]) -> None:
    text = report_of(named("stable_softmax", function))
    assert str(function.__doc__) in text
    assert "you returned" in text or "called with" in text


def test_only_the_first_problem_is_shown_in_full() -> None:
    text = report_of(named("stable_softmax", lambda x, dim: x))
    assert text.count("you returned") == 1
    assert text.count("✗") == 6
    assert text.endswith("0 of 6 checks hold.")


# --- On a GPU ----------------------------------------------------------------------------------------------


def softmax_with_a_table_on_the_cpu(x: Tensor, dim: int) -> Tensor:
    return torch.softmax(x + torch.zeros(x.shape, dtype=x.dtype), dim)


def test_what_would_fail_on_a_gpu_is_said_and_still_passes(capsys: pytest.CaptureFixture[str]) -> None:
    check(named("stable_softmax", softmax_with_a_table_on_the_cpu))
    printed = capsys.readouterr().out
    assert (
        "! This would fail on a GPU. +: a tensor of shape (2,) on the CPU met a tensor of shape (2,)"
        in printed
    )
    assert "All 6 checks hold." in printed


def test_a_module_that_would_fail_on_a_gpu_is_found_and_left_on_the_cpu() -> None:
    made: list[nn.Module] = []

    class SpatialSelfAttention(reference.SpatialSelfAttention):
        def __init__(self, channels: int, groups: int = 32) -> None:
            super().__init__(channels, groups)
            self.shift = torch.zeros(channels, 1, 1)  # no buffer: stays behind
            made.append(self)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x + self.shift)

    assert "fail on a GPU. +: a tensor of shape (2, 1, 1) on the CPU met" in report_of(SpatialSelfAttention)
    assert {parameter.device.type for module in made for parameter in module.parameters()} == {"cpu"}


# --- Stubs, odd answers, misuse ----------------------------------------------------------------------------


def test_a_stub_gets_one_kind_line(capsys: pytest.CaptureFixture[str]) -> None:
    def stable_softmax(x: Tensor, dim: int) -> Tensor:
        raise NotImplementedError("write the softmax")

    with pytest.raises(CheckFailed, match=r"^stable_softmax: not written yet$"):
        check(stable_softmax)
    assert examine.reports_on([stable_softmax], None)[0].state == "untouched"
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  Not written yet. Have a go: this cell tells you how far you have come."
    ]


def test_a_module_of_which_only_the_half_is_written_says_which_checks_hold() -> None:
    class MultiHeadSelfAttention(reference.MultiHeadSelfAttention):
        def forward(self, x: Tensor) -> Tensor:
            raise NotImplementedError("write the forward pass")

    text = report_of(MultiHeadSelfAttention)
    assert "✓ Its parameters have diffusers' names and shapes" in text
    assert "this part is not written yet" in text
    assert "1 of 4 checks hold." in text


def test_a_not_implemented_error_of_torchs_own_is_an_error() -> None:
    def stable_softmax(x: Tensor, dim: int) -> Tensor:
        return torch.empty(2, device="meta").cpu()

    assert "it raised NotImplementedError: Cannot copy out of meta tensor" in report_of(stable_softmax)


class Odd(Tensor):
    @classmethod
    def __torch_function__(cls, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("I am odd")


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no")

    __str__ = __repr__


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "it returned None"),
        (0.5, "a tensor is expected, a float was returned"),
        ([0.25, 0.75], "a tensor is expected, a list was returned"),
        (np.array([0.25, 0.75]), "a tensor is expected, an ndarray was returned"),
        ((torch.ones(2),), "a tensor is expected, a tuple was returned"),
        (Unprintable(), "a tensor is expected, an Unprintable was returned"),
        (nn.Linear(2, 2), "a tensor is expected, a Linear was returned"),
        (torch.full((2,), math.nan), "there is NaN in the result, first at [0]"),
        (torch.tensor([math.inf, 0.75]), "there is infinity in the result, first at [0]"),
        (torch.tensor([1e38, 1e38]), "the largest error is 1e+38, at [0]"),
        (torch.zeros(0), "the shape is (0,), it should be (2,)"),
        (torch.tensor(1.0), "the shape is (), it should be (2,)"),
        (torch.zeros(300, 300), "the shape is (300, 300), it should be (2,)"),
        (torch.tensor([1, 3]), "the dtype is int64, it should be float32"),
        (torch.tensor([True, False]), "the dtype is bool, it should be float32"),
        (torch.tensor([0.25, 0.75j]), "the dtype is complex64, it should be float32"),
        (torch.ones(2, device="meta"), "that cannot be read"),
        (torch.eye(2).to_sparse(), "a Tensor was returned that cannot be read"),
        (torch.ones(2).as_subclass(Odd), "an Odd was returned that cannot be read"),
        (nn.Parameter(torch.ones(2)), "the largest error is 0.75"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_is_returned_is_answered_in_a_sentence(answer: Any, said: str) -> None:
    assert said in report_of(named("stable_softmax", lambda x, dim: answer))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("wrong\n  shape"), "it raised ValueError: wrong shape"),
        (UnprintableError(), "it raised UnprintableError"),
        (SystemExit(3), "it raised SystemExit: 3"),
        (RecursionError("deep"), "it raised RecursionError: deep"),
        (StopIteration(), "it raised StopIteration"),
        (expect.Broken("forged"), "it raised Broken: forged"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_is_raised_is_answered_with_the_students_own_line(error: BaseException, said: str) -> None:
    def stable_softmax(x: Tensor, dim: int) -> Tensor:
        raise error  # the line to show

    text = report_of(stable_softmax)
    assert said in text
    assert ": raise error  # the line to show" in text
    assert "site-packages" not in text
    assert "examine.py" not in text


def test_an_error_inside_of_torch_is_shown_at_the_students_line() -> None:
    def stable_softmax(x: Tensor, dim: int) -> Tensor:
        return F.linear(x, torch.ones(7, 7))  # the line to show

    assert "return F.linear(x, torch.ones(7, 7))  # the line to show" in report_of(stable_softmax)


def test_wrong_parameters_are_said_without_a_line() -> None:
    text = report_of(named("stable_softmax", lambda x: x))
    assert "it raised TypeError" in text
    assert "in your line" not in text


def test_a_class_that_is_no_module_is_said_to_be_none() -> None:
    class CrossAttention:
        def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
            pass

    assert "CrossAttention must be a subclass of nn.Module" in report_of(CrossAttention)


@pytest.mark.parametrize(
    ("things", "options", "said"),
    [
        ((), {}, "Nothing to check: pass the function that you wrote"),
        ((len,), {}, "No exercise asks for 'len'. Exercises ask for stable_softmax, scaled_dot"),
        (("stable_softmax",), {}, "without quotes: check(stable_softmax)"),
        ((3,), {}, "this is an int"),
        (({},), {}, 'Then check(answers, quiz="...")'),
        ((lambda x, dim: x,), {}, "No exercise asks for '<lambda>'"),
        (
            (reference.split_heads,),
            {},
            "merge_heads is missing: this is checked with check(split_heads, merge_heads)",
        ),
        (({},), {"quiz": "no_quiz"}, "There is no quiz 'no_quiz'. There are: attention_quiz"),
        ((), {"quiz": "attention_quiz"}, 'check(answers, quiz="attention_quiz")'),
        ((None,), {"quiz": "attention_quiz"}, "`answers` is None: keep the dictionary"),
        ((Unprintable(),), {"quiz": "attention_quiz"}, "`answers` is an Unprintable"),
    ],
)
def test_a_misunderstanding_is_answered_in_a_sentence(things: Any, options: Any, said: str) -> None:
    with pytest.raises(CheckFailed) as error:
        check(*things, **options)
    assert said in str(error.value)


# --- A quiz ------------------------------------------------------------------------------------------------

QUIZ = examine.quiz_of("attention").questions
RIGHT_IN_FORM = {
    question.id: {"number": 2.5, "single": "a", "multiple": ["a", "b"]}[question.kind] for question in QUIZ
}


def test_a_quiz_in_the_right_form_passes_whatever_the_answers(capsys: pytest.CaptureFixture[str]) -> None:
    check(RIGHT_IN_FORM, quiz="attention_quiz")
    assert f"{len(QUIZ)} of {len(QUIZ)} questions are answered." in capsys.readouterr().out


def test_a_quiz_says_what_is_missing_or_malformed_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(CheckFailed, match="attention_quiz: q1: not answered yet"):
        check({**RIGHT_IN_FORM, "q1": None, "q2": "2.5", "qq": 1}, quiz="attention_quiz")
    printed = capsys.readouterr().out
    assert "✗ q1: not answered yet" in printed
    assert "✗ q2: a plain number is expected, without quotes; this is the text '2.5'" in printed
    assert "✗ 'qq': there is no such question" in printed
    assert printed.count("✗") == 3
    assert f"{len(QUIZ) - 2} of {len(QUIZ)} questions are answered." in printed


def test_an_untouched_quiz_gets_one_kind_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckFailed, match="not answered yet"):
        check(dict.fromkeys(RIGHT_IN_FORM), quiz="attention_quiz")
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  Not answered yet: put your answers in place of None."
    ]


# --- Where it runs -----------------------------------------------------------------------------------------


def test_the_notebooks_random_numbers_stay_as_they_were() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check(reference.CrossAttention)
    assert torch.equal(torch.rand(2), expected)


def test_ipython_shows_one_line_instead_of_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.run_cell("from course import check\ndef stable_softmax(x, dim):\n    return x.foo()")
    result = shell.run_cell("check(stable_softmax)")
    assert isinstance(result.error_in_exec, CheckFailed)
    lines = result.error_in_exec._render_traceback_()
    assert lines == [
        "CheckFailed: stable_softmax: it raised AttributeError: 'Tensor' object has no attribute 'foo'"
    ]
    assert "in your line 3: return x.foo()" in report_of(shell.user_ns["stable_softmax"])


def test_a_terminal_without_ticks_gets_letters() -> None:
    source = (
        "import torch\nfrom course import check\ndef stable_softmax(x, dim): return torch.softmax(x, dim)\n"
    )
    environment = {
        **os.environ,
        "PYTHONIOENCODING": "ascii",
        "PYTHONPATH": str(Path(course.__path__[0]).parent),
    }
    run = subprocess.run(
        [sys.executable, "-c", source + "check(stable_softmax)"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "  + Scores become shares" in run.stdout
