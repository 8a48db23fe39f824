"""Which of the files that a student handed in is graded."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from autograder.submission.choose import choose
from autograder.submission.file import File

MODULES = ("attention", "unet")


@pytest.fixture
def chosen(tmp_path: Path):  # type: ignore[no-untyped-def]
    """What is chosen of files with these names: module and place, or the problem."""

    def choosing(*names: str, module: str | None = "attention") -> list[tuple[str | None, str]]:
        files = [file_at(tmp_path / name, name) for name in names]
        return [told(*choice) for choice in choose(files, module, MODULES, tmp_path / "scratch")]

    return choosing


def file_at(path: Path, name: str = "") -> File:
    return File(tuple((name or path.name).split("/")), path)


def told(module: str | None, file: File) -> tuple[str | None, str]:
    return module, file.problem or str(file.place)


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
    ("names", "said"),
    [
        ([], "There is no notebook (.ipynb) and no .py file in it."),
        (["report.pdf"], "There is no notebook (.ipynb) and no .py file in it; it has report.pdf."),
        (
            ["a.ipynb", "b.ipynb"],
            "It has 2 files that it could be (a.ipynb, b.ipynb): hand in attention.ipynb.",
        ),
        (["a.py", "b.py"], "It has 2 files that it could be (a.py, b.py): hand in attention.py."),
        (
            ["x/attention.ipynb", "y/attention.ipynb"],
            "It has 2 files for 'attention' (x/attention.ipynb, y/attention.ipynb): hand in one of them.",
        ),
    ],
)
def test_what_is_not_clear_is_said_in_a_sentence(chosen, names: list[str], said: str) -> None:  # type: ignore[no-untyped-def]
    assert chosen(*names) == [("attention", said)]


def test_without_a_module_each_named_one_is_chosen(chosen) -> None:  # type: ignore[no-untyped-def]
    assert chosen("unet.ipynb", "attention.py", "x.py", module=None) == [
        ("attention", "attention.py"),
        ("unet", "unet.ipynb"),
    ]
    assert chosen("homework.ipynb", module=None) == [(None, "homework.ipynb")]


def test_a_zip_is_looked_into_only_where_there_is_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "lab_2026_11_24.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("attention.ipynb", "attention.pdf", ".OTTER_LOG", "__zip_filename__", "../evil.ipynb"):
            archive.writestr(name, "{}")
    ((module, file),) = choose([file_at(path)], "attention", MODULES, tmp_path / "scratch")
    assert told(module, file) == ("attention", "lab_2026_11_24.zip/attention.ipynb")
    assert file.path.read_bytes() == b"{}"
    assert file.path.is_relative_to(tmp_path / "scratch")
    both = [file_at(path), file_at(tmp_path / "attention.py")]
    assert choose(both, "attention", MODULES, tmp_path / "scratch") == [("attention", both[1])]


def test_a_broken_zip_is_named(tmp_path: Path) -> None:
    (tmp_path / "lab.zip").write_bytes(b"PK no zip")
    ((_, file),) = choose([file_at(tmp_path / "lab.zip")], None, MODULES, tmp_path / "scratch")
    assert file.problem == "The file is not a zip, or it is damaged."
