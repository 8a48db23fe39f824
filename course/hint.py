"""`hint(...)`: the hint for what check has found, then by degrees: the symptom, the principle, the line.

Light to import. Instructors can switch hints off for their course: `course/desk/settings.py`.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from course.checking.shown import say

if TYPE_CHECKING:
    from course.catalogue.hints import Hints
    from course.desk.progress import Entry, Progress

WIDTH = 88


def hint(exercise: Any = None) -> None:
    """Prints the next hint for an exercise, named as text or by its function.

    hint()                    for what failed in the last check
    hint("stable_softmax")

    After a check that failed, the first hint is for what it found. Each call gives one hint more; when all
    are read, all again. `course progress` counts them.
    """
    say(next_hint(exercise))


def next_hint(exercise: Any = None) -> str:
    """The text that `hint` prints; counts the hint as read."""
    from course.catalogue.hints import HintError, hints_of
    from course.desk import progress, settings

    try:
        if not settings.hints_allowed():
            return "Hints are switched off in this course."
    except settings.SettingsError as error:
        return f"There are no hints: {error}. Ask your instructors."
    recorded = progress.load()
    if exercise is None:
        key = _last_not_passed(recorded)
        if not key:
            return "No check has failed here. Name an exercise for its hints, as in " + _an_example()
    else:
        name = exercise if isinstance(exercise, str) else getattr(exercise, "__name__", "")
        key = _key_of(name)
        if not key:
            return f"There are no hints for {str(name or exercise)[:60]!r}. There are some for {_known()}."
    module, id = key.split("/")
    try:
        hints = hints_of(module).get(id)
    except HintError as error:
        return f"The hints cannot be read: {error}."
    if hints is None:
        return f"There are no hints for {id}."
    return _next(key, id, hints, recorded.of(key))


def _next(key: str, id: str, hints: Hints, entry: Entry) -> str:
    """The hint for what was found, if it has not been read; or the next degree; or all of them again."""
    from course.desk import progress

    for_found = hints.for_found(entry.check, entry.problem) if entry.problem else None
    if for_found and for_found[0] not in entry.told:
        progress.record_hint(key, told=for_found[0])
        return "\n".join(
            [f"{id} · for what check found", _wrapped(f"✗ {entry.problem}"), _wrapped(for_found[1])]
        )
    degrees = hints.degrees
    used = entry.hints - len(entry.told)
    if used >= len(degrees):
        again = [for_found[1], *degrees] if for_found else degrees
        return "\n\n".join([f"{id} · all {len(again)} hints again", *map(_wrapped, again)])
    progress.record_hint(key)
    end = (
        "\n  That was the last one. The next call shows all of them again."
        if used + 1 == len(degrees)
        else ""
    )
    return f"{id} · hint {used + 1} of {len(degrees)}\n{_wrapped(degrees[used])}{end}"


def _last_not_passed(recorded: Progress) -> str:
    """The exercise that last did not pass; of those that one command checked, the first that failed."""
    from course.catalogue.syllabus import load

    order = [f"{module.id}/{each.id}" for module in load().modules for each in module.exercises]
    waiting = [key for key in order if recorded.of(key).state in ("failed", "untouched")]
    return max(
        waiting,
        key=lambda key: (recorded.of(key).checked, recorded.of(key).state == "failed", -order.index(key)),
        default="",
    )


def _key_of(name: str) -> str:
    """`module/exercise` of the exercise that has this id, or asks for this name; '' if none does."""
    from course.catalogue.syllabus import load

    return next(
        (
            f"{module.id}/{each.id}"
            for module in load().modules
            for each in module.exercises
            if name == each.id or name in each.defines
        ),
        "",
    )


def _known() -> str:
    from course.catalogue.syllabus import load

    return ", ".join(each.id for module in load().modules for each in module.exercises)


def _an_example() -> str:
    return f'hint("{_known().split(",")[0]}").'


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
