"""Draws what a student owns of the course's parts: a box for each module, its parts in it, one's own lit.

For `course mine`: boxes and colours in a terminal, a line a part in a pipe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from course.catalogue.syllabus import Module, Planned, Syllabus, load
from course.desk import mine_folder, mine_parts, progress
from course.desk.mine_parts import Mine

State = Literal["yours", "not used", "borrowed", "to do"]

_SIGNS: dict[State, tuple[str, str]] = {
    "yours": ("●", "bold green"),
    "not used": ("!", "yellow"),
    "borrowed": ("○", "cyan"),
    "to do": ("·", "dim"),
}
_BOX, _ARROW = 34, 3  # characters across


@dataclass(frozen=True)
class Part:
    """One part: a name that an exercise asks for. `since` is when yours passed; `why` it is not used."""

    module: str
    name: str
    state: State
    since: str = ""
    why: str = ""
    file: str = ""


def parts_of(module: Module, mine: Mine | None, wanted: frozenset[str]) -> list[Part]:
    """A module's parts in their order; `wanted` are those that a later notebook takes."""
    found = []
    for exercise in module.exercises:
        state: State = "to do"
        kept = mine.known.answers.get(exercise.id) if mine else None
        why = mine.why_not(exercise) if mine else ""
        if mine and kept:
            state = "not used" if why else "yours"
        for name in exercise.defines:
            here: State = "borrowed" if state == "to do" and name in wanted else state
            file = mine_folder.shown(mine.file) if mine and kept else ""
            found.append(Part(module.id, name, here, kept.checked if kept else "", why, file))
    return found


def show(console: Console, start: Path | None = None) -> None:
    """Prints the drawing, and below it what it means and what comes next."""
    syllabus, folder = load(), mine_folder.find(start)
    if folder is None:
        console.print("Answers are not kept in this course: its settings say so, or cannot be read.")
        return
    mine = {module.id: mine_parts.of(module, start) for module in syllabus.modules}
    wanted = {
        module.id: frozenset(name for each in syllabus.modules for name in each.takes.get(module.id, ()))
        for module in syllabus.modules
    }
    parts = {each.id: parts_of(each, mine[each.id], wanted[each.id]) for each in syllabus.modules}
    every = [part for each in parts.values() for part in each]
    if console.is_terminal:
        console.print(_drawing(syllabus, parts, console.width))
    else:
        for part in every:
            if part.state in ("yours", "not used"):
                since = mine_folder.on_day(part.since) if part.state == "yours" else part.why
                print("\t".join((f"{part.module}.{part.name}", part.state, part.file, since)))
    for line in _said(every, folder, start):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _said(parts: list[Part], folder: Path, start: Path | None) -> Iterator[str]:
    own = [part for part in parts if part.state == "yours"]
    shown = mine_folder.shown(folder)
    if not own:
        first = load().modules[0]
        yield (
            f"Nothing is yours yet. It begins with a check that passes: open {first.id}.ipynb, write "
            f"{first.exercises[0].id}, and run the cell below it. It is kept in {shown}/{first.id}.py."
        )
    else:
        yield (
            f"{len(own)} of {len(parts)} parts are yours. They lie in {shown}/, to be read and imported: "
            f"from mine import {own[0].module}"
        )
    for why, file, name in dict.fromkeys((one.why, one.file, one.name) for one in parts if one.why):
        yield f"! {name} in {file} is not used: {why}."
    kept = {part.module + part.name for part in parts if part.state in ("yours", "not used")}
    recorded = progress.gather(start)
    for module in load().modules:
        passed = [one for one in module.exercises if recorded.of(f"{module.id}/{one.id}").state == "passed"]
        if lacking := [one.id for one in passed if kept.isdisjoint(module.id + name for name in one.defines)]:
            yield (
                f"{', '.join(lacking)} passed, and {'is' if len(lacking) == 1 else 'are'} not kept yet: "
                f"run `course check {module.id}.ipynb`."
            )


def _drawing(syllabus: Syllabus, parts: dict[str, list[Part]], width: int) -> RenderableType:
    """The modules in their order, as many beside one another as there is room for."""
    across = max(1, (width + _ARROW) // (_BOX + _ARROW))
    road = list(syllabus.road)
    rows = []
    for first in range(0, len(road), across):
        grid = Table.grid()
        cells: list[RenderableType] = []
        for place, module in enumerate(road[first : first + across], start=first):
            grid.add_column(width=_BOX)
            grid.add_column(width=_ARROW)
            arrow = "" if place == len(road) - 1 else " → "
            cells += [_box(module, parts), Text(f"\n{arrow}", style="dim")]
        grid.add_row(*cells)
        rows.append(grid)
    return Group(*rows, _legend())


def _box(module: Module | Planned, parts: dict[str, list[Part]]) -> Panel:
    if isinstance(module, Planned):
        return Panel(Text("to come", style="dim"), title=f"[dim]{module.id}[/]", box=box.SQUARE, style="dim")
    own = sum(part.state == "yours" for part in parts[module.id])
    lines = [_line(part.state, part.name) for part in parts[module.id]]
    for id, names in module.takes.items():
        lines.append(Text(f"from {id}:", style="dim"))
        lines += [_line(part.state, part.name) for part in parts[id] if part.name in names]
    whole = own == len(parts[module.id])
    return Panel(
        Group(*lines),
        title=f"[bold]{module.id}[/] {own}/{len(parts[module.id])}",
        title_align="left",
        box=box.HEAVY if whole else box.SQUARE,
        border_style="green" if whole else "bold" if own else "",
    )


def _line(state: State, name: str) -> Text:
    sign, style = _SIGNS[state]
    line = Text(f"{sign} ", style=style, no_wrap=True, overflow="ellipsis")
    return line.append(name, style=style if state in ("yours", "to do") else "")


def _legend() -> Text:
    said: dict[State, str] = {
        "yours": "yours",
        "borrowed": "borrowed from the course by a later notebook",
        "to do": "to do",
    }
    legend = Text()
    for state, words in said.items():
        sign, style = _SIGNS[state]
        legend.append(f"{sign} ", style=style).append(f"{words}   ")
    return legend
