"""What a submission may use is said in the syllabus and on the command line, which goes before it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.contract.budget import Limits
from autograder.run import run as running
from course.catalogue.syllabus import Allowances
from tests.build.tiny_course import write_tiny_course


def said(*arguments: object) -> tuple[int, str]:
    """Exit code and words of `autograder grade` with these."""
    done = CliRunner().invoke(app, ["grade", *map(str, arguments)], env={"COLUMNS": "200", "NO_COLOR": "1"})
    return done.exit_code, " ".join(done.output.split())


def test_the_help_names_each_with_its_default() -> None:
    code, text = said("--help")
    assert code == 0
    defaults = {"call_cpu": 4, "cell_cpu": 6, "submission_cpu": 60, "submission_wall": 120}
    defaults |= {"memory": 2048, "messages": 256, "stdout": 64, "slower": 1}
    assert defaults.keys() == Allowances.model_fields.keys()
    for name, usual in defaults.items():
        option = text.partition(f"--{name.replace('_', '-')} ")[2].partition(" --")[0]
        assert f"[default: the syllabus's, or {usual}]" in option, name


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--memory", 10), "--memory 10: input should be greater than or equal to 256."),
        (("--call-cpu", 0), "--call-cpu 0: input should be greater than 0."),
        (("--submission-wall", "nan"), "--submission-wall nan: input should be"),
        (("--slower", 0.5), "--slower 0.5: input should be greater than or equal to 1."),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(options: tuple[object, ...], complaint: str) -> None:
    code, text = said("nowhere", *options)
    assert code == 2
    assert complaint in text


def test_the_command_line_goes_before_the_syllabus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_tiny_course(tmp_path / "course")
    syllabus = root.path / "course" / "syllabus.yaml"
    syllabus.write_text(syllabus.read_text() + "\nlimits: {call_cpu: 8, memory: 4096}\n")
    seen = []

    def grade(root: object, paths: object, options: running.Options, progress: object) -> None:
        seen.append(options.limits)
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "grade", grade)
    said(tmp_path, "--course-root", root.path, "--memory", 1024, "--stdout", 8)
    assert seen == [Limits(call_cpu=8, memory=1 << 30, stdout=8 << 10)]
