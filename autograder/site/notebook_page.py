"""A module's notebook as a page: the students' cells, with what they show once the exercises are solved."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbformat import NotebookNode

from course.catalogue.syllabus import Module, Quiz

from .. import build
from ..content.course_root import CourseRoot
from . import recording
from .html import picture
from .markdown import for_mkdocs, with_anchors

PAGES = re.compile(r'<div class="output page" data-file="(?P<module>\w+)/(?P<file>[\w.-]+)"></div>')


def page(root: CourseRoot, module: Module) -> str:
    """The Markdown of `modules/MODULE/notebook.md`; raises ContentError if its recording is amiss."""
    recorded = recording.load(root, module.id)
    cells = build.compose(root, module.id).cells
    anchors = _anchors(module, cells)
    parts: list[str] = []
    for cell in cells:
        if cell.cell_type == "markdown":
            text = with_anchors(cell.source, anchors[cell.id]) if cell.id in anchors else cell.source
            if not parts:
                title, _, text = text.partition("\n")
                parts += [title, _introduction(module)]
            parts.append(for_mkdocs(text))
        else:
            parts += _code(cell, module, recorded.cells[cell.id].outputs)
    return "\n\n".join(parts) + "\n"


def anchor(exercise: str) -> str:
    """Where on the page an exercise begins: the heading of its section."""
    return f"exercise-{exercise}"


def _introduction(module: Module) -> str:
    return f"""\
<p class="notebook-note" markdown="1">This is how the notebook reads, with the pictures that it draws once
every exercise is solved. To work in it, [download it](../../notebooks/{module.id}.ipynb) or run
`course start`; the module's page is [{module.title}](index.md).</p>
"""


def _anchors(module: Module, cells: list[NotebookNode]) -> dict[str, str]:
    """Cell id → anchor, for the last heading before each exercise."""
    found: dict[str, str] = {}
    heading = ""
    solutions = {exercise.id for exercise in module.graded}
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            heading = cell.id
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in solutions and heading:
            found.setdefault(heading, anchor(grade_id))
    return found


def _code(cell: NotebookNode, module: Module, outputs: tuple[recording.Output, ...]) -> Iterator[str]:
    grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
    if grade_id in {exercise.id for exercise in module.graded}:
        exercise = module.exercise(grade_id)
        what = "Your answers" if isinstance(exercise, Quiz) else "You write this"
        yield f'<p class="cell-label yours">{what}</p>'
        kind = ".cell .yours"
    elif "bonus" in cell.metadata.get("tags", []) and "demo" not in cell.metadata.tags:
        yield '<p class="cell-label yours">A bonus: you write this</p>'
        kind = ".cell .yours"
    elif grade_id or "bonus" in cell.metadata.get("tags", []):
        yield '<p class="cell-label">You check it</p>'
        kind = ".cell .check"
    else:
        kind = ".cell"
    yield _fence(cell.source, f".python {kind}")
    for output in outputs:
        yield _shown(output, module.id)


def _shown(output: recording.Output, module: str) -> str:
    match output.kind:
        case "picture":
            return recorded_picture(module, output, output.text)
        case "page":
            return f'<div class="output page" data-file="{module}/{output.file}"></div>'
        case "text":
            return _fence(output.text.rstrip("\n"), ".text .output")


def recorded_picture(module: str, output: recording.Output, alt: str, caption: str = "") -> str:
    """A picture of a module's recording, for a page in `docs/modules/MODULE/`."""
    source, dark = (f"../../demos/{module}/{file}" if file else "" for file in (output.file, output.dark))
    return picture(source, alt, output.width, caption, dark)


def _fence(source: str, classes: str) -> str:
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", source)), default=0))
    return f"{ticks} {{ {classes} }}\n{source}\n{ticks}"


def put_pages_in(html: str, root: CourseRoot) -> str:
    """The page's HTML with the interactive outputs in their places, which no Markdown could carry."""

    def recorded(found: re.Match[str]) -> str:
        content = root.read(recording.folder(root, found["module"]) / found["file"])
        # A line that is longer than a phone is wide is reached by the keyboard, too.
        content = content.replace("<pre style=", '<pre tabindex="0" style=')
        return f'<div class="output page">{content}</div>'

    return PAGES.sub(recorded, html)
