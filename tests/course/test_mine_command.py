"""`course mine`: what one owns, lit in a terminal, a line a part in a pipe; `course check` keeps answers."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from course.catalogue.syllabus import load
from course.desk import lent, pipeline, progress
from tests.course.test_cli import IMPORTS, SOLUTION, run, write
from tests.desk.answers import keep_all


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lent, "_for_good", [])
    monkeypatch.delenv("COURSE_MINE", raising=False)


def drawn(width: int = 80) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    pipeline.show(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_an_empty_course_says_how_it_begins() -> None:
    said = drawn()
    assert (
        "Nothing is yours yet. It begins with a check that passes: open attention.ipynb, write "
        "stable_softmax, and run the cell below it. It is kept in mine/attention.py."
    ) in said
    assert "● " not in said.replace("● yours", "")
    for module in load().road:
        assert module.id in said


def test_ones_own_parts_are_lit_and_what_is_borrowed_shows() -> None:
    keep_all(Path(), "attention")
    said = drawn()
    assert "attention 7/7" in said
    assert "● scaled_dot_product_attention" in said
    assert "from attention:" in said
    assert "○ UNet" in said
    assert "· conv2d" in said
    parts = sum(len(exercise.defines) for module in load().modules for exercise in module.exercises)
    assert f"7 of {parts} parts are yours. They lie in mine/" in said
    assert max(map(len, said.split("parts are yours")[0].splitlines())) <= 80


def test_what_is_not_used_is_named_and_what_passed_before_answers_were_kept() -> None:
    keep_all(Path(), "attention")
    file = Path("mine/attention.py")
    file.write_text(file.read_text(encoding="utf-8").replace("inner = heads", "inner = 2 * heads"), "utf-8")
    progress.record_check("noise/extract", "passed")
    said = drawn()
    assert "! CrossAttention in mine/attention.py is not used: " in said
    assert "extract passed, and is not kept yet: run `course check noise.ipynb`." in said


def test_a_pipe_gets_a_line_a_part(tmp_path: Path) -> None:
    keep_all(Path(), "attention")
    done = run("mine", folder=tmp_path)
    first = done.stdout.splitlines()[0].split("\t")
    assert first[:3] == ["attention.stable_softmax", "yours", "mine/attention.py"]
    assert "─" not in done.stdout
    assert run("mine", "--folder", "nowhere", folder=tmp_path).returncode == 2


def test_settings_that_keep_nothing_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_MINE", "off")
    assert drawn() == "Answers are not kept in this course: its settings say so, or cannot be read.\n"


@pytest.mark.slow
def test_course_check_keeps_what_passes(tmp_path: Path) -> None:
    wrong = "def merge_heads(x):\n    return x"
    notebook = write(tmp_path / "homework one.ipynb", IMPORTS, SOLUTION, wrong, "del stable_softmax")
    done = run("check", notebook, folder=tmp_path)
    assert "Kept in mine/attention.py.\n" in done.stdout
    kept = (tmp_path / "mine" / "attention.py").read_text(encoding="utf-8")
    assert "class CrossAttention" in kept
    assert "# %% split_heads" not in kept
    again = run("check", notebook, folder=tmp_path)
    assert "Kept" not in again.stdout
