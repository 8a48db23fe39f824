"""`course progress` as a screen: a line with a bar for each module, and the one a student is in unfolded."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from course.catalogue.syllabus import Exercise, Module, Quiz, Syllabus, Task
from course.checking.shown import GREEN, RED, bar
from course.desk.progress import Entry, Progress

_BAR = 16  # characters
_MARKS = {"passed": ("✓", GREEN), "failed": ("✗", RED)}


def next_exercise(syllabus: Syllabus, recorded: Progress) -> tuple[Module, Exercise] | None:
    """The first exercise that does not pass yet in the module where something was checked last.

    If all pass there: in the modules after it, then in those before it. None if all pass everywhere.
    """
    modules = list(syllabus.modules)
    last = max(modules, key=lambda module: max(entry.checked for entry in _entries(module, recorded)))
    at = modules.index(last)  # where nothing was checked, the first
    for module in (*modules[at:], *modules[:at]):
        for exercise in module.graded:
            if _of(module, exercise, recorded).state != "passed":
                return module, exercise
    return None


def draw(
    console: Console, syllabus: Syllabus, recorded: Progress, *, unfolded: Module | None, hints: bool
) -> None:
    """Draws the screen; `unfolded` is the module whose exercises are shown, `hints` whether they are told."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column(Text(syllabus.title, "bold"), no_wrap=True)
    table.add_column("Checks", no_wrap=True)
    table.add_column("Points", justify="right", no_wrap=True)
    if hints:
        table.add_column("Hints", justify="right", no_wrap=True)
    for module in syllabus.modules:
        entries = _entries(module, recorded)
        done = sum(entry.state == "passed" for entry in entries)
        here = module is unfolded
        of = bar(done, len(entries), _BAR).append(f"  {done} of {len(entries)}")
        name = Text(("▾ " if here else "▸ ") + module.id, "bold" if here else "")
        read = sum(entry.hints for entry in entries)
        table.add_row(name, of, f"{module.points:g}", *([str(read or "")] if hints else []))
        if here:
            for task in (*module.graded, *module.bonus):
                table.add_row(*_row(task, _of(module, task, recorded), hints))
    console.print(table)


def _row(exercise: Task, entry: Entry, hints: bool) -> list[Text | str]:
    mark, colour = _MARKS.get(entry.state, ("·", ""))
    name = Text("    ").append(mark, colour).append(f" {exercise.id}")
    worth = f"{exercise.points:g}" if isinstance(exercise, Exercise) else "bonus"
    row: list[Text | str] = [name, Text(_state(exercise, entry)), worth]
    return [*row, str(entry.hints or "")] if hints else row


def _state(exercise: Task, entry: Entry) -> str:
    day = entry.checked[:10]
    if entry.state == "passed":
        # Whether a quiz's answers are right, nobody knows here.
        return f"{'answered' if isinstance(exercise, Quiz) else 'passes'}, {day}"
    return f"not yet, {day}" if entry.state == "failed" else "to do"


def _entries(module: Module, recorded: Progress) -> list[Entry]:
    return [_of(module, exercise, recorded) for exercise in module.graded]


def _of(module: Module, exercise: Task, recorded: Progress) -> Entry:
    return recorded.of(f"{module.id}/{exercise.id}")
