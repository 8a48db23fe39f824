"""Which of the files that a student handed in is graded."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

import pytest

from autograder.submission.choose import Choice, choose
from autograder.submission.file import File

MODULES = ("attention", "unet")


@pytest.fixture
def chosen(tmp_path: Path):  # type: ignore[no-untyped-def]
    """What is chosen of files with these names: module and place, or the problem."""

    def choosing(*names: str, module: str | None = "attention") -> list[tuple[str | None, str]]:
        files = [file_at(tmp_path / name, name) for name in names]
        return [told(choice) for choice in choose(files, module, MODULES, tmp_path / "scratch")]

    return choosing


def file_at(path: Path, name: str = "") -> File:
    return File(tuple((name or path.name).split("/")), path)


def told(choice: Choice) -> tuple[str | None, str]:
    return choice.module, choice.file.problem or str(choice.file.place)


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["attention.ipynb"], "attention.ipynb"),
        (["my homework.ipynb"], "my homework.ipynb"),
        (["attention.py"], "attention.py"),
        (["solution.py"], "solution.py"),
        (["helper.py", "attention.ipynb", "scratch.ipynb"], "attention.ipynb"),
        (["attention.py", "attention.ipynb"], "attention.ipynb"),
        (["attention.py", "plots.ipynb"], "attention.py"),
        (["attention (1).ipynb", "notes.ipynb"], "attention (1).ipynb"),
        (["attention-2.ipynb", "attention.ipynb"], "attention.ipynb"),
        (["old/attention.ipynb", "attention.ipynb"], "attention.ipynb"),
        (["unet.ipynb"], "unet.ipynb"),
    ],
)
def test_the_name_of_the_module_decides_then_being_the_only_one(chosen, names: list[str], taken: str) -> None:  # type: ignore[no-untyped-def]
    assert chosen(*names) == [("attention", taken)]


@pytest.mark.parametrize(
    "name",
    [
        "Attention.ipynb",
        "attention-Copy1.ipynb",
        "attention copy 2.ipynb",
        "Copy of attention.ipynb",
        "attention - Copy (2).ipynb",
        "ATTENTION.PY",
    ],
)
def test_what_systems_make_of_a_name_is_that_name_still(chosen, name: str) -> None:  # type: ignore[no-untyped-def]
    assert chosen(name, module=None) == [("attention", name)]
    assert chosen(name, "attention.ipynb", module=None) == [("attention", "attention.ipynb")]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "It is empty: hand in attention.ipynb."),
        (
            ["report.pdf", "data.csv"],
            "It has report.pdf (a PDF), data.csv, and no notebook (.ipynb) or .py file: "
            "hand in attention.ipynb.",
        ),
        (
            ["attention.ipynb.txt"],
            "It has attention.ipynb.txt (a text file), and no notebook (.ipynb) or .py file: "
            "hand in attention.ipynb.",
        ),
    ],
)
def test_a_refusal_names_what_is_there(chosen, names: list[str], said: str) -> None:  # type: ignore[no-untyped-def]
    assert chosen(*names) == [("attention", said)]


def test_a_name_says_the_module_of_what_is_refused(chosen) -> None:  # type: ignore[no-untyped-def]
    ((module, _),) = chosen("unet.docx", module=None)
    assert module == "unet"


@pytest.mark.parametrize(
    ("names", "candidates"),
    [
        (["a.ipynb", "b.ipynb"], ["a.ipynb", "b.ipynb"]),
        (["a.py", "b.py"], ["a.py", "b.py"]),
        (["x/attention.ipynb", "y/attention.ipynb"], ["x/attention.ipynb", "y/attention.ipynb"]),
    ],
)
def test_what_is_not_clear_is_left_open(chosen, names: list[str], candidates: list[str]) -> None:  # type: ignore[no-untyped-def]
    """Whoever sees all of a student's work decides: see `find.settle`."""
    assert chosen(*names) == [("attention", name) for name in candidates]


def test_more_than_anybody_looks_into_is_a_problem(chosen) -> None:  # type: ignore[no-untyped-def]
    ((_, said),) = chosen(*(f"try {number}.ipynb" for number in range(11)))
    assert said.startswith("It has 11 files that it could be (try 0.ipynb, try 1.ipynb, try 2.ipynb, ...)")
    assert chosen("attention.ipynb", *(f"try {number}.ipynb" for number in range(11)), module=None) == [
        ("attention", "attention.ipynb")
    ]


def test_names_made_to_take_for_ever_take_no_time(chosen, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    began = time.process_time()
    long = [
        "-" * 60_000 + "x.ipynb",
        "a" + ".txt" * 15_000,
        "a" + " (1)" * 15_000,
        "copy of " * 7_000 + ".py",
    ]
    assert len(choose([File((name,), tmp_path) for name in long[:1]], None, MODULES, tmp_path)) == 1
    choose([File((name,), tmp_path) for name in long[1:]], None, MODULES, tmp_path)
    many = [File((f"{number:05}", "attention.ipynb"), tmp_path) for number in range(10_000)]
    assert len(choose(many, None, MODULES, tmp_path)) == 10
    (choice,) = choose([*many, many[0]], None, MODULES, tmp_path)
    assert choice.file.problem == "There are more than 10,000 files in it: hand in the notebook alone."
    assert time.process_time() - began < 10


def test_a_link_named_as_the_module_gives_way_to_a_sound_copy(tmp_path: Path) -> None:
    link = File(("attention.ipynb",), tmp_path, "It is a symbolic link.")
    copy = file_at(tmp_path / "attention (1).ipynb")
    (choice,) = choose([link, copy], "attention", MODULES, tmp_path)
    assert (choice.file, choice.others) == (copy, ("attention.ipynb",))
    assert [one.file for one in choose([link], "attention", MODULES, tmp_path)] == [link]


def test_others_that_could_be_meant_are_mentioned(chosen, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    names = ["attention.ipynb", "old/attention.ipynb", "attention.py", "draft.ipynb", "unet.ipynb", "a.csv"]
    (choice,) = choose([file_at(tmp_path / n, n) for n in names], "attention", MODULES, tmp_path)
    assert choice.others == ("old/attention.ipynb", "attention.py", "draft.ipynb")


def test_without_a_module_each_named_one_is_chosen(chosen) -> None:  # type: ignore[no-untyped-def]
    assert chosen("unet.ipynb", "attention.py", "x.py", module=None) == [
        ("attention", "attention.py"),
        ("unet", "unet.ipynb"),
    ]
    assert chosen("homework.ipynb", module=None) == [(None, "homework.ipynb")]


def test_without_a_module_a_notebook_of_another_name_may_say_its_own(chosen) -> None:  # type: ignore[no-untyped-def]
    assert chosen("unet.ipynb", "homework 3.ipynb", module=None) == [
        ("unet", "unet.ipynb"),
        (None, "homework 3.ipynb"),
    ]


def test_a_zip_is_looked_into_only_where_there_is_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "lab_2026_11_24.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("attention.ipynb", "attention.pdf", ".OTTER_LOG", "__zip_filename__", "../evil.ipynb"):
            archive.writestr(name, "{}")
    (choice,) = choose([file_at(path)], "attention", MODULES, tmp_path / "scratch")
    assert told(choice) == ("attention", "lab_2026_11_24.zip/attention.ipynb")
    assert choice.file.path.read_bytes() == b"{}"
    assert choice.file.path.is_relative_to(tmp_path / "scratch")
    both = [file_at(path), file_at(tmp_path / "attention.py")]
    (choice,) = choose(both, "attention", MODULES, tmp_path / "scratch")
    assert choice.file == both[1]


def test_a_zip_without_a_notebook_is_named_with_what_it_holds(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "lab.zip", "w") as archive:
        archive.writestr("report.pdf", "")
    (choice,) = choose([file_at(tmp_path / "lab.zip")], "attention", MODULES, tmp_path / "scratch")
    assert "It has lab.zip, lab.zip/report.pdf (a PDF), and no notebook" in choice.file.problem


def test_a_broken_zip_is_named(tmp_path: Path) -> None:
    (tmp_path / "lab.zip").write_bytes(b"PK no zip")
    (choice,) = choose([file_at(tmp_path / "lab.zip")], None, MODULES, tmp_path / "scratch")
    assert choice.file.problem == "The file is not a zip, or it is damaged."
