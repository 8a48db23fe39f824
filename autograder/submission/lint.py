"""Reads a student's source, before any of it runs, for what a person should look at.

`forbidden` says what to do about library calls that an exercise asks to be written (found by
`course.checking.forbidden`, as in the student's own `check`), `suspicious` finds code that reaches for the
grader's machinery. Both flag; only a certain forbidden call takes points.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from course.catalogue.syllabus import Exercise, Module
from course.cells.python import Cell
from course.checking.forbidden import Found, first, forbidden_calls, listed, sentence
from course.checking.references import Reference, Source

from ..results import Flag

_LONGEST_NAME = 80


@dataclass(frozen=True)
class Forbidden:
    """What is said of an exercise's forbidden calls: `withheld` to the student, whose points it takes."""

    flags: list[Flag]
    withheld: str = ""


def forbidden(cells: Sequence[Cell], module: Module, exercise: Exercise) -> Forbidden:
    """A flag for each call; and, unless the course asks for flags alone, why there are no points."""
    found = forbidden_calls(cells, module, exercise)
    withheld = sentence(exercise, found) if module.forbidden == "withhold" else ""
    flags = [_flag(exercise, one, withheld=bool(withheld)) for one in found]
    return Forbidden(flags, withheld)


def _flag(exercise: Exercise, found: Found, *, withheld: bool) -> Flag:
    where = f"`{found.name}` in {listed(found.places)}"
    message = (
        f"{exercise.id!r} may use a call that it forbids ({where}): its points stand, somebody has to look."
    )
    if found.certain:
        points = "no points are given for it" if withheld else "its points stand"
        message = f"{exercise.id!r} uses {where}: it was to be written by hand, {points}."
    return Flag(kind="forbidden-call", exercise=exercise.id, message=message)


# ------------------------------------------------------------------------------------------- tampering

_REACHES = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (
            r"sys\._(getframe|current_frames)|traceback\.walk_stack"
            r"|inspect\.(stack|trace|currentframe|getouterframes|getinnerframes)",
            "Looks into the stack of whoever called",
        ),
        (r"gc\.get_(objects|referrers|referents)", "Searches the memory for objects"),
        (r"_?ctypes(\..*)?|cffi(\..*)?", "Goes around Python"),
        (r"(os|posix)\.(_exit|abort|kill|killpg)", "Ends processes"),
        (r"(atexit|_?signal)(\..*)?", "Arranges what happens when the process is ended or interrupted"),
        (r"(_?pickle|cPickle|cloudpickle|dill|marshal|shelve)(\..*)?", "Uses pickles"),
        (r"_?socket(\..*)?", "Uses the network"),
        (
            r"(subprocess|_posixsubprocess|multiprocessing|pty)(\..*)?"
            r"|(os|posix)\.(system|popen|fork\w*|exec[lv]\w*|posix_spawn\w*|spawn\w+)",
            "Starts processes",
        ),
        (
            r"sys\.(settrace|setprofile|monitoring|meta_path|path_hooks)(\..*)?",
            "Watches or changes how Python runs",
        ),
        (r"builtins\.(exec|eval|compile)", "Runs text as code, which was not read here"),
        (r"unittest\.mock(\..*)?", "Replaces parts of other modules"),
        (r"(torch|numpy|builtins|math|course)(\.\w+)*\.__dict__", "Opens a module's own dictionary"),
        (r"course\.checks?(\.\w+)+|course\.checks", "Touches the inside of the checks"),
        (r"(autograder|solutions)(\..*)?", "Asks for the grader or the solutions"),
    )
)
_INSIDES = re.compile(
    r"f_(back|locals|globals|builtins)|(tb|gi|cr|ag)_frame|__(subclasses|globals|code|closure)__"
)
_PROTECTED = re.compile(
    r"(torch|numpy|builtins|math|course|random|operator|functools|typing|jaxtyping)(\.|$)"
)
_SETTINGS = re.compile(r"torch\.backends\.|.*\.config(\.|$)")  # switches that are meant to be set


def suspicious(cells: Sequence[Cell]) -> list[Flag]:
    """Code that reaches for the machinery around it, one sentence for each kind, for a person only."""
    found: dict[str, list[tuple[str, Reference]]] = {}
    for reference in Source(cells).references():
        for what, name in _tampering(reference):
            found.setdefault(what, []).append((f"`{name[:_LONGEST_NAME]}`", reference))
    flags = []
    for what, mentions in found.items():
        exercises = {reference.cell.exercise for _, reference in mentions}
        shown = first([name for name, _ in mentions], ", ")
        places = listed((reference.cell.number, reference.line) for _, reference in mentions)
        exercise = exercises.pop() or "" if len(exercises) == 1 else ""
        flags.append(Flag(kind="tampering", exercise=exercise, message=f"{what} ({shown}) in {places}."))
    return flags


def _tampering(reference: Reference) -> Iterator[tuple[str, str]]:
    for path in sorted(reference.paths):
        if reference.stored and _PROTECTED.match(path) and not _SETTINGS.match(path):
            yield "Replaces parts of a library", path
        for pattern, what in _REACHES:
            if pattern.fullmatch(path):
                yield what, path
    if _INSIDES.fullmatch(reference.attribute) and not reference.own:
        yield "Looks inside of functions and frames", f".{reference.attribute}"
    node = reference.node
    if isinstance(node, ast.Name) and node.id == "__builtins__":
        yield "Touches the builtins", node.id
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"/proc(/|$)", node.value):
        yield "Names files of the running system", "/proc"
    if isinstance(node, ast.FunctionDef) and node.name in ("__torch_function__", "__torch_dispatch__"):
        yield "Intercepts torch's functions", node.name
