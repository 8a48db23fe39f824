"""The zip: complete for its module, empty of all other modules' secrets, the same bytes each time."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.content.course_root import CourseRoot
from autograder.gradescope.export import export
from autograder.gradescope.settings import Settings
from autograder.handout.leaks import find_leaks, secrets
from tests.gradescope.container import check


def names(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as opened:
        return set(opened.namelist())


def settings(archive: Path) -> Settings:
    with zipfile.ZipFile(archive) as opened:
        return Settings.model_validate_json(opened.read("settings.json"))


def test_the_scripts_are_at_the_top_and_can_be_run(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        for name in ("setup.sh", "run_autograder"):
            info = opened.getinfo(name)
            assert stat.S_IMODE(info.external_attr >> 16) == 0o755
            assert opened.read(name).startswith(b"#!/usr/bin/env bash\n")


def test_it_has_what_grading_the_module_needs_and_no_more(archive: Path, course_root: CourseRoot) -> None:
    inside = {name for name in names(archive) if name.startswith("course_root/")}
    assert inside == {
        "course_root/course/syllabus.yaml",
        "course_root/course/modules/attention/quiz.yaml",
        *(f"course_root/course/modules/{module.id}/module.yaml" for module in course_root.syllabus.modules),
        "course_root/exercises/attention.ipynb",
        "course_root/solutions/__init__.py",
        "course_root/solutions/attention.py",
        "course_root/autograder/hidden/attention/suite.py",
        "course_root/autograder/hidden/attention/mistakes.py",
        "course_root/autograder/hidden/attention/keys.yaml",
    }


@pytest.mark.slow  # ten seconds: each file is searched for each secret
def test_outside_of_it_nothing_is_secret(archive: Path, course_root: CourseRoot) -> None:
    with zipfile.ZipFile(archive) as opened:
        outside = [
            (name, opened.read(name)) for name in opened.namelist() if not name.startswith("course_root/")
        ]
    assert not find_leaks(outside, secrets(course_root))


def test_the_first_results_are_valid_and_say_whose_fault_it_is(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        found = json.loads(opened.read("not_graded.json"))
    check(found)
    assert "no fault of yours" in found["output"]


def test_the_same_course_makes_the_same_bytes(archive: Path, course_root: CourseRoot, tmp_path: Path) -> None:
    (again,) = export(course_root, tmp_path, ["attention"], sandbox="landlock", seed=1)
    assert again.read_bytes() == archive.read_bytes()
    assert stat.S_IMODE(again.stat().st_mode) == 0o600


@pytest.mark.slow
def test_a_seed_is_drawn_once_and_stays(course_root: CourseRoot, tmp_path: Path) -> None:
    (first,) = export(course_root, tmp_path / "a", ["noise"])
    seed = settings(first).seed
    (other,) = export(course_root, tmp_path / "b", ["noise"])
    (again,) = export(course_root, tmp_path / "a", ["noise"])
    assert settings(again).seed == seed != settings(other).seed


def test_on_the_command_line(course_root: CourseRoot, tmp_path: Path) -> None:
    asked = ["gradescope", "export", str(tmp_path / "zips"), "--course-root", str(course_root.path)]
    done = CliRunner().invoke(
        app, [*asked, "attention", "--visibility", "visible", "--details", "properties"]
    )
    assert done.exit_code == 0, done.output
    assert settings(tmp_path / "zips" / "attention.zip").model_dump(exclude={"seed"}) == {
        "module": "attention",
        "visibility": "visible",
        "details": "properties",
        "sandbox": "auto",
    }
    refused = CliRunner().invoke(app, [*asked, "nothing"])
    assert refused.exit_code == 2
    assert "no module 'nothing'" in refused.output
    assert CliRunner().invoke(app, [*asked, "attention", "--sandbox", "none"]).exit_code == 2
