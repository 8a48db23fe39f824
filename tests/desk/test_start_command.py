"""`course start` as a command: what it says, and how it opens the folder."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from course.catalogue.syllabus import load
from course.cli import app
from course.desk import open_folder, progress
from course.desk.start import FOLDER
from tests.desk.updates import FIRST, MODULES, OTHERS, answer, edit, names, new_lesson

pytestmark = pytest.mark.usefixtures("own_folder")


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A JupyterLab that ends at once, with exit code 7; how it was started."""
    started: list[Any] = []

    def run(folder: Path, notebook: str, *, browser: bool) -> int:
        started.append((folder, notebook, browser))
        return 7

    monkeypatch.setattr(open_folder, "in_lab", run)
    monkeypatch.setattr(open_folder, "has_lab", lambda: True)
    return started


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["start", *arguments])


def test_the_command_brings_the_notebooks_and_opens_the_next_one(lab: list[Any]) -> None:
    done = command()

    assert done.exit_code == 7
    assert f"Copied into {FOLDER}: {FIRST}.ipynb, " in done.stdout
    assert lab == [(Path(FOLDER), f"{FIRST}.ipynb", True)]

    for exercise in load().modules[0].graded:
        progress.record_check(f"{FIRST}/{exercise.id}", "passed", Path(FOLDER))
    done = command("--no-browser")

    assert f"Nothing new: the {len(MODULES)} notebooks in {FOLDER} stay as they are." in done.stdout
    assert lab[1:] == [(Path(FOLDER), f"{OTHERS[0]}.ipynb", False)]


def test_in_the_folder_itself_it_means_that_folder(lab: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    command("mine", "--no-open")
    monkeypatch.chdir("mine")
    command("--no-open")

    assert names(Path()) == {f"{module}.ipynb" for module in MODULES} | {".course"}
    assert lab == []


def test_it_says_what_it_did_with_each(source: Path, lab: list[Any]) -> None:
    command("mine", "--no-open")
    edit(Path("mine", f"{FIRST}.ipynb"), answer)
    for module in (FIRST, OTHERS[0]):
        edit(source / f"{module}.ipynb", new_lesson)
    Path("mine", f"{OTHERS[1]}.ipynb").unlink()
    said = command("mine", "--no-open").stdout.splitlines()

    assert said[:3] == [
        f"Copied into mine: {OTHERS[1]}.ipynb",
        f"A new version, as you had not worked in it: {OTHERS[0]}.ipynb",
        f"{FIRST}.ipynb is yours and stays; its new version is {FIRST}-new.ipynb",
    ]
    assert said[3].startswith("To open them: course start mine; or open the folder ")


def test_without_jupyterlab_it_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_folder, "has_lab", lambda: False)
    done = command("mine")

    assert done.exit_code == 0
    assert done.stdout.splitlines()[1] == (
        f"JupyterLab is not installed: open the folder {Path('mine').absolute()} in VS Code (with its "
        "Python and Jupyter extensions), or install it with `python -m pip install jupyterlab` and "
        "run this again."
    )


def test_bad_input_gets_one_clear_sentence(tmp_path: Path) -> None:
    Path("file").write_text("")
    done = command("file")

    assert done.exit_code == 2
    assert done.stderr == "course: file is a file: name a folder for your notebooks.\n"
    done = command("file/inside")
    assert done.exit_code == 2
    assert done.stderr.startswith("course: file/inside")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("root", "container", "more"),
    [(False, False, []), (False, True, []), (True, False, []), (True, True, ["--allow-root"])],
)
def test_lab_runs_in_the_folder_and_its_exit_code_is_ours(
    root: bool, container: bool, more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for the package `jupyterlab` that notes down how it was called."""
    code = (
        "import os, pathlib, sys\n"
        "pathlib.Path('seen.txt').write_text(f'{os.getcwd()} {sys.argv[1:]}')\n"
        "raise SystemExit(3)"
    )
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "jupyterlab.py").write_text(code)
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fake"))
    monkeypatch.setattr(open_folder, "is_root", lambda: root)
    monkeypatch.setattr(open_folder, "in_a_container", lambda: container)

    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert open_folder.in_lab(tmp_path / "mine", "a.ipynb", browser=False) == 3
    finally:
        signal.signal(signal.SIGTERM, handler)
    seen = (tmp_path / "mine" / "seen.txt").read_text()
    options = ["--LabApp.default_url=/lab/tree/a.ipynb", "--no-browser", *more]
    assert seen == f"{tmp_path / 'mine'} {options}"


@pytest.mark.parametrize("container", [False, True])
def test_root_is_told_what_to_do_where_jupyterlab_refuses(
    container: bool, lab: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_folder, "is_root", lambda: True)
    monkeypatch.setattr(open_folder, "in_a_container", lambda: container)
    done = command("mine")

    assert done.exit_code == 7
    told = "course: JupyterLab does not start for root" in done.stderr
    assert told is not container
    assert container or done.stderr.endswith("`jupyter lab --allow-root mine`.\n")


def test_each_sign_of_a_container_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: False)
    for name in ("container", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    assert not open_folder.in_a_container()
    monkeypatch.setenv("container", "podman")
    assert open_folder.in_a_container()
    monkeypatch.delenv("container")
    monkeypatch.setattr(Path, "exists", lambda path: path == Path("/.dockerenv"))
    assert open_folder.in_a_container()
