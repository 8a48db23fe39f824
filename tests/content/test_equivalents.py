"""The list of mutants that may survive."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.content.equivalents import read_equivalents
from autograder.errors import ContentError


@pytest.fixture
def root(tmp_path: Path) -> CourseRoot:
    (tmp_path / "autograder" / "hidden" / "small").mkdir(parents=True)
    return CourseRoot(tmp_path)


def test_each_has_its_reason(root: CourseRoot) -> None:
    root.equivalents("small").write_text("\"f 'dim=0' -> 'dim=-1'\": There is one dimension.\n")
    assert read_equivalents(root, "small") == {"f 'dim=0' -> 'dim=-1'": "There is one dimension."}


def test_a_module_needs_no_list(root: CourseRoot) -> None:
    assert read_equivalents(root, "small") == {}


@pytest.mark.parametrize(
    "text", ["'f 1': Because.\n'f 2':\n", "'f 1': Because.\n'f 2': '  '\n", "'f 1': Because.\n'f 2': 3\n"]
)
def test_one_without_a_reason_is_named_with_its_line(root: CourseRoot, text: str) -> None:
    root.equivalents("small").write_text(text)
    with pytest.raises(ContentError, match=r"^autograder/hidden/small/equivalents\.yaml, line 2: f 2: "):
        read_equivalents(root, "small")


def test_a_list_without_names_is_refused(root: CourseRoot) -> None:
    root.equivalents("small").write_text("- f 1\n")
    with pytest.raises(ContentError, match="line 1: expected a mapping"):
        read_equivalents(root, "small")
