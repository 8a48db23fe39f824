"""Whether a suite notices a mutant, and what `verify --mutants` makes of those that it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder.content.course_root import CourseRoot
from autograder.content.module import GradedModule
from autograder.content.reference import Reference
from autograder.contract.jobs import Proof
from autograder.grading.setting import Setting
from autograder.grading.suite import with_suites
from autograder.proof import mutants
from autograder.proof.finding import Finding
from autograder.proof.mutants import try_mutant
from autograder.proof.mutate import UNCHANGED

SOLUTION = """\
import torch


def _scaled(x, by=2):
    return x * by


def double(x, whole=False):
    if whole:
        return _scaled(x.round())
    return _scaled(x)


def tripled(x):
    return _scaled(x, 3)


def counted(x):
    return torch.arange(len(x), device=x.device) + x.cumsum(dim=0)
"""

SUITE = '''\
from autograder.testing import assert_close, exercise, rule, value


@exercise("double")
class Double:
    @value()
    def is_twice_the_input(self, student, draw):
        """Gives twice the input."""
        x = draw.normal(3, 5)
        assert_close(student.double(x), 2 * x)


@exercise("tripled")
class Tripled:
    @value()
    def is_thrice_the_input(self, student, draw):
        """Gives three times the input."""
        x = draw.normal(3, 5)
        assert_close(student.tripled(x), 3 * x)


@exercise("counted")
class Counted:
    @value()
    def has_the_first_sum(self, student, draw):
        """Begins with the first number."""
        x = draw.normal(6)
        assert_close(student.counted(x)[:1], x[:1])

    @rule()
    def grows(self, student, draw):
        """Grows by one more than the numbers."""
        x = draw.normal(6)
        assert_close(student.counted(x).diff(), 1 + x[1:])
'''

# What these tests do not see.
NOT_TESTED = {
    "double 'whole' -> 'False'",
    "double '_scaled(x.round())' -> 'x.round()'",
    "double 'x.round()' -> 'x'",
}
EQUIVALENT = {"tripled 'x, 3' -> '3, x'": "A product.", "counted 'dim=0' -> 'dim=-1'": "One dimension."}
THE_MISSING_TEST = '''
    @value()
    def whole_numbers(self, student, draw):
        """Rounds first where whole numbers are asked for."""
        x = draw.normal(3, 5)
        assert_close(student.double(x, whole=True), 2 * x.round())
'''

FILES = {
    "course/syllabus.yaml": "title: Small\nmodules: [small]\n",
    "course/modules/small/module.yaml": """\
title: Small
summary: Three exercises.
exercises:
  - {id: double, title: Doubling, points: 8, minutes: 5, difficulty: 1}
  - {id: tripled, title: Tripling, points: 8, minutes: 5, difficulty: 1}
  - {id: counted, title: Counting, points: 8, minutes: 5, difficulty: 1}
""",
    "solutions/__init__.py": "",
    "solutions/small.py": SOLUTION,
    "autograder/hidden/small/suite.py": SUITE,
}


@pytest.fixture
def root(tmp_path: Path) -> CourseRoot:
    """A course whose suite leaves some mutants alive."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return CourseRoot(tmp_path)


Tried = Callable[..., list[Finding]]


@pytest.fixture
def tried(root: CourseRoot, tmp_path: Path) -> Tried:
    """Tries mutants, by exercise and id, in this process; `solution` in place of the small one."""
    suite = tmp_path / f"suite_of_{tmp_path.name}.py"  # pytest keeps what it has imported, by name
    suite.write_text(SUITE)

    def run(*asked: tuple[str, str], solution: str = SOLUTION) -> list[Finding]:
        root.solution("small").write_text(solution)
        names: dict[str, Any] = {}
        exec(compile(solution, "small.py", "exec"), names)
        module, reference = GradedModule.load(root, "small"), Reference("small", names, {}, {})
        found: list[Finding] = []

        def body(suites: dict[str, Any]) -> None:
            setting = Setting(suites["small"], reference, 99, torch.device("cpu"))
            for exercise, id in asked:
                (finding,) = try_mutant(module, setting, Proof(exercise, 0, True, id)).findings
                assert (finding.exercise, finding.id, finding.kind) == (exercise, id, "mutant")
                found.append(finding)

        with_suites({"small": suite}, body)
        return found

    return run


def test_the_first_test_that_fails_is_named(tried: Tried) -> None:
    found = tried(
        ("double", "double '_scaled(x)' -> 'x'"),
        ("counted", "counted 'x.cumsum(dim=0)' -> 'x'"),
        ("double", "_scaled 'x * by' -> 'x / by'"),
        ("double", "double 'x.round()' -> 'x'"),
        ("double", UNCHANGED),
    )
    assert [finding.said for finding in found] == [
        "fails double.is_twice_the_input",
        "fails counted.grows",
        "fails double.is_twice_the_input",
        "",
        "",
    ]
    assert [finding.ok for finding in found] == [True, True, True, False, False]


def test_one_that_would_fail_on_a_gpu_alone_is_dead(tried: Tried) -> None:
    (finding,) = tried(("counted", "counted 'device=x.device' -> ''"))
    assert finding.ok
    assert finding.said.startswith("would fail on a GPU: ")


def test_one_without_an_end_is_dead(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "TEST_CPU", 0.5)
    loop = "def double(x):\n    n = 1\n    while n < 2:\n        n = n + 1\n    return n * x\n"
    solution = loop + SOLUTION[SOLUTION.index("\n\ndef tripled") :]
    body, defined = tried(
        ("double", "double 'n = n + 1' -> 'pass'"), ("double", "double 'n < 2' -> 'True'"), solution=solution
    )
    assert (body.ok, body.said) == (defined.ok, defined.said) == (True, "fails double.is_twice_the_input")


def test_what_has_no_end_while_it_is_defined_is_dead(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "TEST_CPU", 0.5)
    solution = SOLUTION.replace("by=2", "by=sum([2 for _ in iter(lambda: _READY, True)] or [2])")
    (finding,) = tried(("double", "_READY 'True' -> 'False'"), solution=f"_READY = True\n{solution}")
    assert (finding.ok, finding.said) == (True, "has no end in 0.5 s of CPU time")


# The command


def verify(root: CourseRoot, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autograder", "verify", "--mutants", "--sandbox", "none", *options]
    return subprocess.run(
        [*command, "--course-root", str(root.path)],
        cwd=root.path,
        capture_output=True,
        text=True,
        timeout=280,
    )


def list_as_equivalent(root: CourseRoot, listed: dict[str, str]) -> None:
    root.equivalents("small").write_text(json.dumps(listed))  # which is YAML


@pytest.mark.slow
def test_survivors_and_what_is_wrongly_listed_are_told(root: CourseRoot) -> None:
    dead, gone = "counted 'x.cumsum(dim=0)' -> 'x'", "counted 'x' -> 'y'"
    list_as_equivalent(root, {**EQUIVALENT, dead: "It is right.", gone: "It was right."})
    done = verify(root, "--json")
    assert done.returncode == 1, done.stderr
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = {each["id"]: each["said"] for each in findings if not each["ok"]}
    assert wrong.keys() == {*NOT_TESTED, dead, gone}
    assert wrong["double 'x.round()' -> 'x'"] == (
        "survives, line 10: return _scaled(x.round())  ->  return _scaled(x)"
    )
    assert wrong[dead] == "fails counted.grows: it is no equivalent, take it from the list"
    assert wrong[gone] == "is gone: take it out of autograder/hidden/small/equivalents.yaml"
    # A helper's mutant that one exercise's tests do not see dies by another's.
    (by_default,) = (each for each in findings if each["id"] == "_scaled '2' -> '3'")
    assert by_default["said"] == "fails double.is_twice_the_input"


@pytest.mark.slow
def test_a_suite_that_sees_all_that_can_be_seen_has_nothing_wrong(root: CourseRoot) -> None:
    list_as_equivalent(root, EQUIVALENT)
    first, rest = SUITE.split('\n\n@exercise("tripled")')
    root.suite("small").write_text(f'{first}{THE_MISSING_TEST}\n\n@exercise("tripled"){rest}')
    done = verify(root)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.strip().startswith("small.")]
    assert [(name, survivors, spared) for name, _, _, survivors, spared in rows] == [
        ("small.double", "0", "0"),
        ("small.tripled", "0", "1"),
        ("small.counted", "0", "1"),
    ]
    assert ", 0 survivors, 2 equivalents" in done.stdout


@pytest.mark.slow
def test_a_solution_that_cannot_be_run_anew_is_told_and_proves_nothing(root: CourseRoot) -> None:
    once = """\
import builtins


def _once(function):
    if hasattr(builtins, "made"):
        raise RuntimeError("made twice")
    builtins.made = True
    return function


@_once
def tripled("""
    root.solution("small").write_text(SOLUTION.replace("def tripled(", once))
    done = verify(root)
    assert done.returncode == 3
    assert "small.tripled: the solution's own source, run in its own names, cannot be defined" in done.stderr
