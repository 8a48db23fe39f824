"""What the hook puts into `docs/modules/MODULE/index.md` and into the overview of all modules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from course.catalogue.readings import Readings
from course.catalogue.syllabus import Module, Start, Syllabus, Task

from ..build.lesson import circles
from ..content import self_check
from ..content.course_root import CourseRoot
from . import glossary, notebook_page, readings_page, recording
from .placeholders import Placeholder, Writer, alone, one_of


def writers(root: CourseRoot, module: Module, readings: Readings) -> Mapping[str, Writer]:
    """Placeholder's name → what stands in its place on the page of a module."""
    return {
        "module": one_of(card=lambda: card(module, root.syllabus.start)),
        "readings": lambda placeholder: readings_page.of_module(readings, module.id, placeholder),
        "exercises": alone(lambda: _exercises(module)),
        "picture": lambda placeholder: _picture(root, module, placeholder),
        "glossary": alone(lambda: glossary.of_module(root, module.id)),
        "self-check": alone(lambda: self_check.markdown(self_check.load(root, module.id))),
    }


def overview(syllabus: Syllabus, page: str) -> str:
    """All modules in order, with those to come; `page` is where the table stands."""
    to = "" if page.startswith("modules/") else "modules/"
    rows = ["| | module | what you build | exercises | points | hours |", "|---|---|---|---|---|---|"]
    for number, module in enumerate(syllabus.road, start=1):
        if isinstance(module, Module):
            name = f"[{module.title}]({to}{module.id}/index.md)"
            figures = f"{len(module.exercises)} | {module.points:g} | {_hours(module.minutes)}"
        else:
            name, figures = f"{module.title} <span class='chip'>to come</span>", " | | "
        rows.append(f"| {number} | {name} | {module.summary} | {figures} |")
    return _table("road", rows)


def card(module: Module, start: Start) -> str:
    """How large a module is, and a button for each way to its notebook that the syllabus knows of."""
    count = len(module.exercises)
    quiz = " and a quiz" if module.quiz else ""
    buttons = [
        "[Read the notebook](notebook.md){ .md-button .md-button--primary }",
        f"[Download it](../../notebooks/{module.id}.ipynb){{ .md-button }}",
    ]
    buttons += [
        f"[Start in {name}]({address}){{ .md-button }}" for name, address in start.buttons(module.id).items()
    ]
    return (
        f"**{count} exercises{quiz} · {module.points:g} points · about {_hours(module.minutes)} hours**\n\n"
        f"{' '.join(buttons)}\n\n"
        f"On your own machine `course start` opens the notebooks in JupyterLab, the one that comes next "
        "first: [how](../../self-learner.md)."
    )


def _exercises(module: Module) -> str:
    rows = ["| exercise | points | minutes | difficulty | builds on |", "|---|---|---|---|---|"]
    for exercise in module.graded:
        link = f"[{exercise.title}](notebook.md#{notebook_page.anchor(exercise.id)})"
        earlier = ", ".join(f"`{name}`" for name in exercise.depends_on)
        names = "" if exercise is module.quiz else "<br>" + " ".join(f"`{name}`" for name in exercise.defines)
        figures = f"{exercise.points:g} | {exercise.minutes} | {_difficulty(exercise)}"
        rows.append(f"| {link}{names} | {figures} | {earlier} |")
    for bonus in module.bonus:
        names = " ".join(f"`{name}`" for name in bonus.defines)
        earlier = ", ".join(f"`{name}`" for name in bonus.depends_on)
        kind = "open bonus" if bonus.open else "bonus"
        rows.append(
            f"| {bonus.title}<br>{names} | {kind} | {bonus.minutes} | {_difficulty(bonus)} | {earlier} |"
        )
    return _table("exercises", rows)


def _table(name: str, rows: Sequence[str]) -> str:
    table = "\n".join(rows)
    return f'<div class="{name}" markdown="1">\n\n{table}\n\n</div>'


def _difficulty(exercise: Task) -> str:
    words = f"{exercise.difficulty} of 5"
    return f'<span class="difficulty" role="img" aria-label="{words}">{circles(exercise)}</span>'


def _hours(minutes: int) -> str:
    return f"{math.ceil(2 * minutes / 60) / 2:g}"


def _picture(root: CourseRoot, module: Module, placeholder: Placeholder) -> str:
    if len(placeholder.arguments) != 3:
        raise placeholder.error("expected `<!-- picture: CELL | words for who cannot see it | caption -->`")
    id, alt, caption = placeholder.arguments
    cell = recording.load(root, module.id).cells.get(id)
    shown = next((output for output in cell.outputs if output.kind == "picture"), None) if cell else None
    if shown is None:
        raise placeholder.error(f"the notebook of {module.id!r} has no cell {id!r} that shows a picture")
    return notebook_page.recorded_picture(module.id, shown, alt, caption)
