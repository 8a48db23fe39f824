"""The lines with which every notebook begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.build import compose
from autograder.content.course_root import CourseRoot
from course.catalogue.syllabus import SyllabusError, load, parse
from course.cells.magics import to_python

from .tiny_course import SYLLABUS, write_tiny_course

LINE = "git+https://example.org/course"
ADDRESSES = {"colab": "https://example.org/{module}.ipynb"}


def set_up(root: CourseRoot) -> str:
    cells = {cell.id: cell.source for cell in compose(root, "tiny").cells}
    source: str = cells["tiny-code-1"]
    return source


def test_the_course_is_imported_before_all_else_and_the_lessons_own_imports_follow(tiny: CourseRoot) -> None:
    source = set_up(tiny)
    assert source.splitlines()[1:3] == ["try:", "    import course"]
    assert source.endswith("\nimport math\n\nfrom course import check")
    assert "%pip" not in source  # nobody has said from where: then nothing is installed


def test_only_the_set_up_of_a_lesson_has_these_lines(tiny: CourseRoot) -> None:
    assert [cell.id for cell in compose(tiny, "tiny").cells if "import course\n" in cell.source] == [
        "tiny-code-1"
    ]


def test_where_the_course_is_missing_a_sentence_says_what_to_do(tiny: CourseRoot) -> None:
    source = set_up(tiny).replace("import course\n", "import no_such_course\n")
    with pytest.raises(
        ModuleNotFoundError, match=r"no 'no_such_course' in .*python.*choose the kernel"
    ) as said:
        exec(source, {})
    assert said.value.__suppress_context__  # one sentence, not two tracebacks


def test_the_syllabus_says_from_where_the_course_is_installed(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, syllabus=f"{SYLLABUS}start: {{install: '{LINE}'}}\n")
    source = set_up(root)
    assert f"    %pip install --quiet {LINE}\n    import course" in source
    compile(to_python(source), "cell", "exec")  # as grading and `course check` read it


@pytest.mark.parametrize("line", ["a\\nb", "course; rm x", "{name}", "$HOME", ""])
def test_what_a_shell_would_take_for_its_own_is_refused(line: str) -> None:
    with pytest.raises(SyllabusError, match=r"line \d"):
        parse(f'{SYLLABUS}start: {{install: "{line}"}}\n')


@pytest.mark.parametrize(
    "address", ["https://example.org/attention.ipynb", "{module}", "https://example.org/{module}/{x}"]
)
def test_an_address_without_the_module_is_refused(address: str) -> None:
    with pytest.raises(SyllabusError, match=r"is no address of a notebook"):
        parse(f"{SYLLABUS}start: {{colab: '{address}'}}\n")


def test_a_button_for_each_address_that_is_set(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, syllabus=f"{SYLLABUS}start: {{colab: '{ADDRESSES['colab']}'}}\n")
    assert root.syllabus.start.buttons("tiny") == {"Colab": "https://example.org/tiny.ipynb"}
    assert load().start.buttons("attention") == {}
