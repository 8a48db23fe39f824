"""What `course start` brings: everybody gets the notebooks, and nobody's work is ever overwritten."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from course.desk import atomic, start
from course.desk.start import Brought, StartError, bring, course_notebooks
from tests.desk.updates import FIRST, MODULES, OTHERS, answer, edit, names, new_lesson, newer_lesson

pytestmark = pytest.mark.usefixtures("own_folder")


def states(brought: list[Brought]) -> dict[str, str]:
    return {one.module: one.state for one in brought}


def test_a_new_folder_gets_every_notebook_as_it_is() -> None:
    brought = bring(Path("a/b/mine"))

    assert states(brought) == dict.fromkeys(MODULES, "copied")
    assert names(Path("a/b/mine")) == {f"{module}.ipynb" for module in MODULES} | {".course"}
    for module in MODULES:
        released = course_notebooks() / f"{module}.ipynb"
        assert Path("a/b/mine", released.name).read_bytes() == released.read_bytes()


def test_a_folder_that_has_other_things_keeps_them() -> None:
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("mine")

    bring(Path("mine"))

    assert Path("mine/thesis.tex").read_text() == "mine"


def test_a_second_time_nothing_changes_not_even_a_date() -> None:
    bring(Path("mine"))
    before = {path: path.stat().st_mtime_ns for path in Path("mine").glob("*.ipynb")}

    assert states(bring(Path("mine"))) == dict.fromkeys(MODULES, "current")
    assert {path: path.stat().st_mtime_ns for path in Path("mine").glob("*.ipynb")} == before


def test_one_that_is_older_than_the_last_given_is_untouched_too(source: Path) -> None:
    bring(Path("mine"))
    path = Path("mine", f"{FIRST}.ipynb")
    oldest = path.read_bytes()
    edit(source / path.name, new_lesson)
    bring(Path("mine"))
    path.write_bytes(oldest)
    newest = edit(source / path.name, newer_lesson)

    assert bring(Path("mine"))[0].state == "updated"
    assert path.read_bytes() == newest


def opened(notebook: Any) -> None:
    notebook.metadata.language_info["version"] = "3.11.7"
    for cell in notebook.cells:
        cell.metadata["trusted"] = True


def test_an_untouched_notebook_is_updated(source: Path) -> None:
    bring(Path("mine"))
    edit(Path("mine", f"{FIRST}.ipynb"), opened)
    new = edit(source / f"{FIRST}.ipynb", new_lesson)

    assert states(bring(Path("mine"))) == {**dict.fromkeys(MODULES, "current"), FIRST: "updated"}
    assert Path("mine", f"{FIRST}.ipynb").read_bytes() == new


def a_result(notebook: Any) -> None:
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    cell.outputs = [nbformat.v4.new_output("stream", text="0.13")]


def no_cell(notebook: Any) -> None:
    del notebook.cells[3]


def a_cell(notebook: Any) -> None:
    notebook.cells.append(nbformat.v4.new_markdown_cell("My notes"))


def another_kind(notebook: Any) -> None:
    notebook.cells[0].cell_type = "raw"


def another_order(notebook: Any) -> None:
    notebook.cells[0], notebook.cells[1] = notebook.cells[1], notebook.cells[0]


def a_picture(notebook: Any) -> None:
    notebook.cells[0].attachments = {"cat.png": {"image/png": "aGVsbG8="}}


@pytest.mark.parametrize(
    "work",
    [answer, a_result, no_cell, a_cell, another_kind, another_order, a_picture],
    ids=lambda f: f.__name__,
)
def test_beside_work_of_any_kind_the_new_version_is_put(work: Callable[[Any], None], source: Path) -> None:
    bring(Path("mine"))
    path = Path("mine", f"{FIRST}.ipynb")
    mine = edit(path, work)
    new = edit(source / f"{FIRST}.ipynb", new_lesson)

    (first, *_) = bring(Path("mine"))

    assert first == Brought(FIRST, "beside", Path("mine", f"{FIRST}-new.ipynb"))
    assert path.read_bytes() == mine
    assert first.file.read_bytes() == new


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cells": 3}', b"\xff\xfe", b"[" * 100_000])
def test_a_notebook_that_cannot_be_read_is_work_too(content: bytes, source: Path) -> None:
    bring(Path("mine"))
    path = Path("mine", f"{FIRST}.ipynb")
    path.write_bytes(content)
    edit(source / f"{FIRST}.ipynb", new_lesson)

    assert bring(Path("mine"))[0].state == "beside"
    assert path.read_bytes() == content


def test_without_a_new_version_work_is_kept_and_nothing_put_beside_it() -> None:
    bring(Path("mine"))
    edit(Path("mine", f"{FIRST}.ipynb"), answer)

    assert bring(Path("mine"))[0].state == "kept"
    assert f"{FIRST}-new.ipynb" not in names(Path("mine"))


def test_a_new_version_is_offered_once(source: Path) -> None:
    bring(Path("mine"))
    edit(Path("mine", f"{FIRST}.ipynb"), answer)
    edit(source / f"{FIRST}.ipynb", new_lesson)
    bring(Path("mine"))[0].file.unlink()

    assert bring(Path("mine"))[0].state == "kept"
    assert f"{FIRST}-new.ipynb" not in names(Path("mine"))


def test_an_offer_that_nobody_took_makes_way_for_the_next(source: Path) -> None:
    bring(Path("mine"))
    edit(Path("mine", f"{FIRST}.ipynb"), answer)
    edit(source / f"{FIRST}.ipynb", new_lesson)
    bring(Path("mine"))
    newest = edit(source / f"{FIRST}.ipynb", newer_lesson)

    assert bring(Path("mine"))[0].file.name == f"{FIRST}-new.ipynb"
    assert Path("mine", f"{FIRST}-new.ipynb").read_bytes() == newest


def test_an_offer_that_is_worked_in_is_work(source: Path) -> None:
    bring(Path("mine"))
    edit(Path("mine", f"{FIRST}.ipynb"), answer)
    edit(source / f"{FIRST}.ipynb", new_lesson)
    mine = edit(bring(Path("mine"))[0].file, answer)
    edit(source / f"{FIRST}.ipynb", newer_lesson)

    assert bring(Path("mine"))[0].file.name == f"{FIRST}-new-2.ipynb"
    assert Path("mine", f"{FIRST}-new.ipynb").read_bytes() == mine


def test_who_moves_to_the_new_version_gets_the_next_in_its_place(source: Path) -> None:
    bring(Path("mine"))
    path = Path("mine", f"{FIRST}.ipynb")
    edit(path, answer)
    edit(source / f"{FIRST}.ipynb", new_lesson)
    bring(Path("mine"))[0].file.replace(path)
    newest = edit(source / f"{FIRST}.ipynb", newer_lesson)

    assert bring(Path("mine"))[0].state == "updated"
    assert path.read_bytes() == newest


def test_a_notebook_that_was_put_away_comes_anew() -> None:
    bring(Path("mine"))
    Path("mine", f"{FIRST}.ipynb").rename("away.ipynb")

    assert states(bring(Path("mine"))) == {**dict.fromkeys(MODULES, "current"), FIRST: "copied"}


def test_what_was_there_before_the_course_stays(source: Path) -> None:
    Path("mine").mkdir()
    path = Path("mine", f"{FIRST}.ipynb")
    path.write_text("not the course's")

    assert states(bring(Path("mine"))) == {**dict.fromkeys(MODULES, "copied"), FIRST: "stranger"}
    assert states(bring(Path("mine")))[FIRST] == "kept"
    edit(source / f"{FIRST}.ipynb", new_lesson)
    assert states(bring(Path("mine")))[FIRST] == "beside"
    assert path.read_text() == "not the course's"


@pytest.mark.parametrize("record", [b"{", b"[]", b'{"given": 3}', b'{"given": {"attention": 3}}', b"\xff"])
def test_without_its_record_nothing_is_lost(record: bytes, source: Path) -> None:
    bring(Path("mine"))
    Path("mine/.course/notebooks.json").write_bytes(record)
    mine = edit(Path("mine", f"{FIRST}.ipynb"), answer)
    edit(source / f"{FIRST}.ipynb", new_lesson)

    assert states(bring(Path("mine"))) == {**dict.fromkeys(MODULES, "current"), FIRST: "stranger"}
    assert Path("mine", f"{FIRST}.ipynb").read_bytes() == mine


def test_killed_before_it_was_noted_down_an_update_is_completed(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(Path("mine"))
    edit(Path("mine", f"{OTHERS[0]}.ipynb"), answer)
    for module in MODULES:
        edit(source / f"{module}.ipynb", new_lesson)

    class Killed(BaseException):
        pass

    def die(_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(start._Record, "save", die)
        with pytest.raises(Killed):
            bring(Path("mine"))

    assert states(bring(Path("mine"))) == {
        **dict.fromkeys(MODULES, "updated"),
        FIRST: "current",
        OTHERS[0]: "beside",
    }


def test_a_full_disk_leaves_the_old_notebook_whole(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(Path("mine"))
    path = Path("mine", f"{FIRST}.ipynb")
    old = path.read_bytes()
    edit(source / f"{FIRST}.ipynb", new_lesson)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(StartError, match=r"attention\.ipynb cannot be .* No space left on device"):
            bring(Path("mine"))

    assert path.read_bytes() == old
    assert names(Path("mine")) == {f"{module}.ipynb" for module in MODULES} | {".course"}


def test_the_courses_own_folder_is_nobodys_to_work_in() -> None:
    with pytest.raises(
        StartError, match="is where the course keeps its own notebooks: name a folder of yours"
    ):
        bring(course_notebooks())


def test_an_installation_without_notebooks_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(start, "files", lambda _: tmp_path / "site-packages" / "course")
    with pytest.raises(StartError, match="came without its notebooks: install it again"):
        course_notebooks()


def test_the_rule_of_a_course_without_hints_comes_along(source: Path) -> None:
    (source / "course-settings.toml").write_text("hints = false\n")
    bring(Path("mine"))

    assert Path("mine/course-settings.toml").read_text() == "hints = false\n"


def test_a_file_is_written_whole_and_readable_by_others(tmp_path: Path) -> None:
    atomic.write(tmp_path / "a" / "b", b"one")
    atomic.write(tmp_path / "a" / "b", b"two")

    assert (tmp_path / "a" / "b").read_bytes() == b"two"
    assert names(tmp_path / "a") == {"b"}
    if os.name == "posix":
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o644
