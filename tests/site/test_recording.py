"""The pictures that the site shows are those of the notebooks as they are, and give away no solution."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_output
from PIL import Image

from autograder import build
from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError
from autograder.handout.leaks import find_leaks, secrets
from autograder.site import recording
from autograder.site.notebook_page import page, put_pages_in
from tests.build.tiny_course import write_tiny_course

ROOT = CourseRoot.find(Path(__file__))
MODULES = [module.id for module in ROOT.syllabus.modules]


@pytest.fixture
def tiny(tmp_path: Path) -> CourseRoot:
    return write_tiny_course(tmp_path)


def executed(root: CourseRoot) -> NotebookNode:
    """The tiny course's notebook, solved, as a kernel leaves it: demos show one thing of each kind."""
    notebook = build.compose(root, "tiny", build.answers(root, "tiny", "solved"))
    file = io.BytesIO()
    Image.new("RGB", (64, 32), "red").save(file, "PNG")
    shown = {"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": "A red field."}
    about = {"image/png": {"alt": "A red field.", "width": 32}}
    for cell in notebook.cells:
        if "demo" in cell.metadata.get("tags", []):
            cell.outputs = [
                new_output("stream", text="4."),
                new_output("stream", text="0\n"),
                new_output("display_data", data=shown, metadata=about),
                new_output(
                    "display_data", data={"text/html": "<p>\n\nlive</p>", "text/plain": "A live thing."}
                ),
                new_output("execute_result", data={"text/plain": "tensor(4.)"}),
            ]
    return nbformat.from_dict(notebook)


def demo(root: CourseRoot) -> str:
    cells = build.compose(root, "tiny").cells
    return next(cell.id for cell in cells if "demo" in cell.metadata.get("tags", []))


@pytest.mark.parametrize("module", MODULES)
def test_what_is_recorded_belongs_to_the_notebook_as_it_is(module: str) -> None:
    recorded = recording.load(ROOT, module)  # raises where the lesson has changed since

    shown = [output for cell in recorded.cells.values() for output in cell.outputs if output.kind != "text"]
    assert len(shown) >= len(ROOT.module(module).exercises)
    assert all(output.text for output in shown), "a picture without words for who cannot see it"
    named = {file for output in shown for file in (output.file, output.dark) if file}
    assert named == {path.name for path in recording.folder(ROOT, module).iterdir()}


def test_what_check_says_in_colours_is_recorded_as_if_it_were_printed(tiny: CourseRoot) -> None:
    notebook = executed(tiny)
    (cell,) = [cell for cell in notebook.cells if cell.id == demo(tiny)]
    said = {"text/plain": "twice\n  ✓ It is twice.", "text/html": "<pre>twice</pre>"}
    cell.outputs = [
        nbformat.from_dict(
            new_output("display_data", data=said, metadata={"text/html": {"only_colours": True}})
        ),
        nbformat.from_dict(new_output("stream", text="and more\n")),
    ]
    recording.write(tiny, "tiny", notebook)

    (output,) = recording.load(tiny, "tiny").cells[demo(tiny)].outputs
    assert (output.kind, output.text) == ("text", "twice\n  ✓ It is twice.\nand more\n")
    assert list(recording.folder(tiny, "tiny").glob("*")) == []


def test_outputs_of_every_kind_come_back(tiny: CourseRoot) -> None:
    recording.write(tiny, "tiny", executed(tiny))

    outputs = recording.load(tiny, "tiny").cells[demo(tiny)].outputs
    assert [output.kind for output in outputs] == ["text", "picture", "page", "text"]
    assert outputs[1].text == "A red field."
    assert outputs[1].width == 32
    with Image.open(recording.folder(tiny, "tiny") / outputs[1].file) as image:
        assert image.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_the_page_has_the_students_cells_and_what_the_solved_ones_show(tiny: CourseRoot) -> None:
    recording.write(tiny, "tiny", executed(tiny))

    text = page(tiny, tiny.module("tiny"))

    assert "raise NotImplementedError" in text
    assert find_leaks([("page.html", text.encode())], secrets(tiny)) == []
    assert 'alt="A red field." width="32"' in text
    assert "{ .text .output }\n4.0\n```" in text
    assert "<p>\n\nlive</p>" in put_pages_in(text, tiny)


def test_a_lesson_that_has_changed_asks_for_a_new_recording(tiny: CourseRoot) -> None:
    recording.write(tiny, "tiny", executed(tiny))
    lesson = tiny.lesson("tiny")
    lesson.write_text(
        lesson.read_text().replace('```python tags=["demo"]\n', '```python tags=["demo"]\nx = 1\n')
    )

    with pytest.raises(
        ContentError, match=r"tiny\.json was recorded from another notebook.*site\.record tiny"
    ):
        recording.load(tiny, "tiny")


def test_without_a_recording_the_message_says_how_to_make_one(tiny: CourseRoot) -> None:
    with pytest.raises(ContentError, match=r"docs/demos/tiny\.json is not there: run .*site\.record tiny"):
        recording.load(tiny, "tiny")


def test_a_cell_that_fails_is_not_recorded_and_what_was_there_stays(tiny: CourseRoot) -> None:
    recording.write(tiny, "tiny", executed(tiny))
    broken = executed(tiny)
    code = [cell for cell in broken.cells if cell.cell_type == "code"]
    code[-1].outputs = [new_output("error", ename="ValueError", evalue="no", traceback=[])]

    with pytest.raises(ContentError, match="fails with ValueError: no"):
        recording.write(tiny, "tiny", broken)
    assert recording.load(tiny, "tiny").cells[demo(tiny)].outputs
