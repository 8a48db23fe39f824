"""`course start --solutions`: for who learns alone in a clone, and for nobody else."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from autograder.build import answers
from autograder.content.course_root import CourseRoot
from autograder.handout.leaks import find_leaks, secrets
from course.catalogue.syllabus import load
from course.desk import last_fold, settings, start
from course.desk.notebook import read
from course.desk.start import StartError, bring

from .updates import FIRST, edit, new_lesson

ROOT = CourseRoot.find(Path(__file__))
pytestmark = pytest.mark.usefixtures("own_folder")


def texts(path: Path) -> list[str]:
    cells: list[Any] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


@pytest.mark.parametrize("module", load().modules, ids=lambda module: module.id)
def test_each_solution_is_the_last_fold_before_its_cell_and_the_code_is_as_it_was(module: Any) -> None:
    bring(Path("mine"), solutions=True)
    path = Path("mine", f"{module.id}.ipynb")
    plain = json.loads((start.course_notebooks() / path.name).read_bytes())["cells"]
    cells = json.loads(path.read_bytes())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code == [cell for cell in plain if cell["cell_type"] == "code"]
    found = [text.rpartition("<details>")[2] for text in texts(path) if "<summary>Solution" in text]
    assert len(found) == len(module.exercises) + len(module.bonus)
    solved = answers(ROOT, module.id, "solved")
    for task, fold in zip((*module.exercises, *module.bonus), found, strict=True):
        assert fold.rstrip().endswith("</details>")
        quoted = "\n".join(line.removeprefix(">").removeprefix(" ") for line in fold.splitlines())
        (source,) = re.findall(r"```py\n(.*)\n```", quoted, re.DOTALL)
        assert ast.dump(ast.parse(source)) == ast.dump(ast.parse(solved[task.id]))


def test_no_fold_is_taken_for_an_answer_that_is_no_code() -> None:
    bring(Path("mine"), solutions=True)
    assert read(Path("mine", f"{FIRST}.ipynb"))[2] == []


def test_a_folder_remembers_and_work_in_it_stays(source: Path) -> None:
    bring(Path("mine"), solutions=True)
    assert {one.state for one in bring(Path("mine"))} == {"current"}
    edit(source / f"{FIRST}.ipynb", new_lesson)
    assert bring(Path("mine"))[0].state == "updated"
    assert any("<summary>Solution" in text for text in texts(Path("mine", f"{FIRST}.ipynb")))


def test_who_asks_later_gets_them_in_what_is_untouched() -> None:
    bring(Path("mine"))
    assert {one.state for one in bring(Path("mine"), solutions=True)} == {"updated"}


def test_without_a_clone_there_is_a_sentence_and_nothing_is_brought(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(last_fold, "files", lambda _: tmp_path / "site-packages" / "course")
    with pytest.raises(StartError, match="there are no solutions here"):
        bring(Path("mine"), solutions=True)
    assert not Path("mine").exists()


def test_none_where_hints_are_off_or_on_a_hub(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    (source / settings.FILE).write_text(settings.NO_HINTS)
    with pytest.raises(StartError, match="hints are switched off"):
        bring(Path("mine"), solutions=True)
    (source / settings.FILE).unlink()
    monkeypatch.setenv(last_fold.HUB, "ada")
    with pytest.raises(StartError, match="on a JupyterHub there are none"):
        bring(Path("mine"), solutions=True)


def test_what_is_brought_without_them_holds_no_secret_and_with_them_is_found_to() -> None:
    known = secrets(ROOT)
    bring(Path("plain"))
    bring(Path("mine"), solutions=True)
    name = f"{FIRST}.ipynb"
    assert find_leaks([(name, Path("plain", name).read_bytes())], known) == []
    found = {leak.secret for leak in find_leaks([(name, Path("mine", name).read_bytes())], known)}
    of_it = {secret for secret in known if f"/{FIRST}.py" in secret.where and secret.kind == "solution"}
    assert len(found & of_it) > 0.9 * len(of_it)
