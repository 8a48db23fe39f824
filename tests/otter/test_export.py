"""What `autograder otter export` writes: complete, the same each time, and secrets for instructors only."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError, UsageError
from autograder.handout.leaks import files_below, find_leaks, secrets
from autograder.otter import export as exporting
from autograder.otter.export import export
from autograder.otter.plugin import PLUGIN
from tests.otter.conftest import SEED
from tests.sample_class import Material


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def without_the_slow_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which have tests of their own."""
    monkeypatch.setattr(exporting.archive, "build_wheels", lambda root: {"a-1-py3-none-any.whl": b"a"})
    monkeypatch.setattr(exporting, "secrets", lambda root: [])


def test_students_get_a_notebook_and_a_test_file_an_exercise(exported: Path, material: Material) -> None:
    assert below(exported / "students") == sorted(
        [
            "attention/attention.ipynb",
            *(f"attention/tests/attention.{exercise.id}.py" for exercise in material.module.graded),
        ]
    )


def test_students_get_no_secret_and_instructors_do(
    exported: Path, archive: Path, course_root: CourseRoot
) -> None:
    hidden = secrets(course_root)

    assert find_leaks(files_below(exported / "students"), hidden) == []
    with zipfile.ZipFile(archive) as members:
        kept = [(name, members.read(name)) for name in members.namelist() if name.endswith((".py", ".yaml"))]
    found = find_leaks(kept, [secret for secret in hidden if re.search(r"/attention[./]", secret.where)])
    assert {leak.secret.kind for leak in found} == {
        "solution",
        "hidden suite",
        "known mistake",
        "quiz key",
    }


def test_a_test_file_that_gives_a_secret_away_stops_it(
    course_root: CourseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    solution = course_root.solution("attention").read_text()
    monkeypatch.setattr(exporting.test_files, "public_test", lambda module, exercise: solution)

    with pytest.raises(ContentError, match="gives away a solution"):
        export(course_root, tmp_path / "leaky", ["attention"])
    assert not (tmp_path / "leaky").exists()


def test_the_zip_has_all_that_a_container_needs_and_no_other_modules_secrets(
    archive: Path, course_root: CourseRoot
) -> None:
    with zipfile.ZipFile(archive) as members:
        names = members.namelist()
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in members.infolist()}

    assert {"setup.sh", "run_autograder", "run_otter.py", "environment.yml", "otter_config.json"} <= set(
        names
    )
    assert sum(name.startswith("wheels/") and name.endswith(".whl") for name in names) == 2
    assert modes["setup.sh"] == modes["run_autograder"] == 0o755
    course = [name.removeprefix("course_root/") for name in names if name.startswith("course_root/")]
    assert sorted(course) == sorted(
        [
            "autograder/hidden/attention/suite.py",
            "autograder/hidden/attention/keys.yaml",
            "autograder/hidden/attention/mistakes.py",
            "course/modules/attention/quiz.yaml",
            *(f"course/modules/{module.id}/module.yaml" for module in course_root.syllabus.modules),
            "course/syllabus.yaml",
            "exercises/attention.ipynb",
            "solutions/__init__.py",
            "solutions/attention.py",
        ]
    )


def test_otter_copies_nothing_hidden_beside_the_submission(archive: Path) -> None:
    """Otter copies `files/` there, where a kernel runs."""
    with zipfile.ZipFile(archive) as members:
        assert not [name for name in members.namelist() if name.startswith("files/")]


def test_the_configuration_is_in_the_zip_and_beside_it(exported: Path, archive: Path) -> None:
    beside = json.loads((exported / "instructors/attention/otter_config.json").read_text())
    with zipfile.ZipFile(archive) as members:
        assert json.loads(members.read("otter_config.json")) == beside
    assert beside["plugins"][0][PLUGIN]["seed"] == SEED


def test_pip_is_asked_for_the_wheels_and_the_tested_versions(
    archive: Path, course_root: CourseRoot, tmp_path: Path
) -> None:
    with zipfile.ZipFile(archive) as members:
        members.extractall(tmp_path / "source")
    lines = [
        line.strip().removeprefix("- ")
        for line in (tmp_path / "source" / "environment.yml").read_text().splitlines()
        if "/autograder/" in line
    ]
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("\n".join(lines).replace("/autograder/", f"{tmp_path}/"))

    # What they need is here already, so that nothing is looked up and nothing installed.
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-deps", "-r"]
    done = subprocess.run([*command, str(requirements)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "otter-grader==" not in (tmp_path / "source" / "constraints.txt").read_text()
    assert len(lines) == 3


@pytest.mark.parametrize("script", ["setup.sh", "run_autograder"])
def test_its_scripts_are_shell(script: str, archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as members:
        text = members.read(script).decode()
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)

    assert text.startswith("#!")


def test_an_export_without_a_seed_draws_one(
    course_root: CourseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_the_slow_steps(monkeypatch)
    seeds = set()
    for name in ("one", "two"):
        export(course_root, tmp_path / name, ["attention"])
        config = json.loads((tmp_path / name / "instructors/attention/otter_config.json").read_text())
        seeds.add(config["plugins"][0][PLUGIN]["seed"])

    assert len(seeds) == 2


def test_the_same_course_and_seed_make_the_same_zip(
    course_root: CourseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_the_slow_steps(monkeypatch)
    for name in ("one", "two"):
        export(course_root, tmp_path / name, ["attention"], seed=1)

    first, second = (dict(files_below(tmp_path / name)) for name in ("one", "two"))
    assert first == second


def test_a_folder_that_is_in_use_is_left_alone(course_root: CourseRoot, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("")

    with pytest.raises(UsageError, match="is not empty"):
        export(course_root, tmp_path, ["attention"])


def test_the_command_names_a_module_that_there_is_not(course_root: CourseRoot, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app,
        ["otter", "export", str(tmp_path / "out"), "atention", "--course-root", str(course_root.path)],
    )

    assert done.exit_code == 2
    assert not os.path.exists(tmp_path / "out")
