"""`hint(...)`: the next hint for an exercise, by degrees: the symptom, the principle, nearly the line.

Light to import. Instructors can switch hints off for their course: `course/desk/settings.py`.
"""

from __future__ import annotations

import textwrap
from typing import Any

from course.checking.report import say

WIDTH = 88


def hint(exercise: Any) -> None:
    """Prints the next hint for an exercise, named as text or by its function.

    hint("stable_softmax")

    Each call gives one hint more; when all are read, all again. `course progress` counts them.
    """
    say(next_hint(exercise))


def next_hint(exercise: Any) -> str:
    """The text that `hint` prints; counts the hint as read."""
    from course.catalogue.hints import HintError, hints_of
    from course.catalogue.syllabus import load
    from course.desk import progress, settings

    try:
        if not settings.hints_allowed():
            return "Hints are switched off in this course."
    except settings.SettingsError as error:
        return f"There are no hints: {error}. Ask your instructors."
    name = exercise if isinstance(exercise, str) else getattr(exercise, "__name__", "")
    found = [
        (module.id, each.id)
        for module in load().modules
        for each in module.exercises
        if name == each.id or name in each.defines
    ]
    if not found:
        known = ", ".join(each.id for module in load().modules for each in module.exercises)
        return f"There are no hints for {str(name or exercise)[:60]!r}. There are some for {known}."
    module, id = found[0]
    try:
        hints = hints_of(module).get(id, [])
    except HintError as error:
        return f"The hints cannot be read: {error}."
    if not hints:
        return f"There are no hints for {id}."
    key = f"{module}/{id}"
    used = progress.load().of(key).hints
    if used >= len(hints):
        return "\n\n".join([f"{id} · all {len(hints)} hints again", *map(_wrapped, hints)])
    progress.record_hint(key)
    end = (
        "\n  That was the last one. The next call shows all of them again." if used + 1 == len(hints) else ""
    )
    return f"{id} · hint {used + 1} of {len(hints)}\n{_wrapped(hints[used])}{end}"


def _wrapped(text: str) -> str:
    paragraphs = (line for line in text.strip().splitlines() if line.strip())
    return "\n".join(
        textwrap.fill(
            line,
            WIDTH,
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in paragraphs
    )
