"""Every other command of the README and the docs, as a person types it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.proof.finding import KINDS


def autograder(*arguments: object, root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autograder.cli", *map(str, arguments), "--course-root", str(root)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8", timeout=280)


@pytest.fixture
def copy(course_root: CourseRoot, tmp_path: Path) -> Path:
    """A copy of the course that a test may break."""
    for name in ("course", "solutions", "exercises", "autograder/hidden"):
        shutil.copytree(
            course_root.path / name, tmp_path / "copy" / name, ignore=shutil.ignore_patterns("__pyc*")
        )
    return tmp_path / "copy"


def test_doctor_says_what_this_machine_has(course_root: CourseRoot) -> None:
    done = autograder("doctor", root=course_root.path)
    assert done.returncode == 0, done.stdout
    for subject in ("isolation", "GPU", "cores", "Python", "versions", "course"):
        assert subject in done.stdout


def test_build_check_names_a_stale_notebook(copy: Path) -> None:
    lesson = copy / "course" / "modules" / "attention" / "lesson.md"
    lesson.write_text(lesson.read_text() + "\nOne more sentence.\n")
    stale = autograder("build", "--check", "attention", root=copy)
    assert stale.returncode == 1
    assert "attention.ipynb" in stale.stdout
    assert autograder("build", "attention", root=copy).returncode == 0
    assert autograder("build", "--check", "attention", root=copy).returncode == 0


def test_release_writes_the_students_bundle(course_root: CourseRoot, tmp_path: Path) -> None:
    done = autograder("release", tmp_path / "bundle", root=course_root.path)
    assert done.returncode == 0, done.stderr
    names = {path.relative_to(tmp_path / "bundle").as_posix() for path in (tmp_path / "bundle").rglob("*")}
    assert {"exercises/attention.ipynb", "course/check.py"} <= names
    assert not any("solutions" in name or "hidden" in name for name in names)
    again = autograder("release", tmp_path / "bundle", root=course_root.path)
    assert again.returncode == 2
    assert str(tmp_path / "bundle") in again.stderr


@pytest.mark.slow
def test_verify_proves_a_suite(course_root: CourseRoot) -> None:
    done = autograder("verify", "attention", "--quick", "--json", root=course_root.path)
    assert done.returncode == 0, done.stderr
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert {finding["kind"] for finding in findings} == set(KINDS) - {"source", "public"}
    assert {finding["through"] for finding in findings} > {"process"}
    assert all(finding["ok"] for finding in findings)


@pytest.mark.slow
def test_verify_finds_a_suite_that_lets_a_mistake_pass(copy: Path) -> None:
    suite = copy / "autograder" / "hidden" / "attention" / "suite.py"
    text = suite.read_text()
    first = text.index("@exercise(")
    second = (
        text.index("\ndef ", text.index("class StableSoftmax")) + 1
    )  # what the next exercise's tests need
    blind = """@exercise("stable_softmax")
class StableSoftmax:
    @value()
    def sums_to_one(self, student, draw):
        \"\"\"The weights add up to one.\"\"\"
        x = draw.normal(3, 5)
        assert_close(student.stable_softmax(x, dim=-1).sum(-1), torch.ones(3, dtype=x.dtype))


"""
    suite.write_text(text[:first] + blind + text[second:])
    done = autograder("verify", "attention", root=copy)
    assert done.returncode == 1
    assert "WRONG  attention.stable_softmax  mistake" in done.stdout
    assert "gets full marks" in done.stdout


def test_a_suite_whose_reference_fails_stops_the_run_before_anyone_is_graded(
    copy: Path, tmp_path: Path
) -> None:
    solution = copy / "solutions" / "attention.py"
    solution.write_text(solution.read_text().replace("exponentials.sum(dim, keepdim=True)", "2"))
    done = autograder("grade", copy / "exercises" / "attention.ipynb", "--out", tmp_path / "out", root=copy)
    assert done.returncode in (2, 3)
    assert "the reference fails its own hidden test" in done.stderr
    assert not list((tmp_path / "out").glob("results/*/*"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify", "alchemy"], "alchemy"),
        (["verify", "--mutants", "--quick"], "leave out --quick and --shares"),
        (["grade", "no-such-file.ipynb"], "no-such-file.ipynb"),
        (["grade", "exercises", "--device", "abacus"], "abacus"),
        (["grade", "exercises", "--sandbox", "paper"], "paper"),
        (["grade", "exercises", "--module", "alchemy"], "alchemy"),
    ],
)
def test_a_wrong_word_is_named_in_one_sentence(
    course_root: CourseRoot, arguments: list[str], said: str
) -> None:
    done = autograder(*arguments, root=course_root.path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (course_root.path / "graded").exists()


def test_a_folder_that_is_no_course_is_told_so(tmp_path: Path) -> None:
    done = autograder("verify", root=tmp_path)
    assert done.returncode == 2
    assert "--course-root" in done.stderr
