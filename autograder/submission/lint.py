"""Reads a student's source, before any of it runs, for what a person should look at.

`forbidden_calls` finds an exercise answered by the library call that it asks to be written, and
`suspicious` finds code that reaches for the grader's machinery. Both flag; neither touches points.

Names are followed to where they come from: `import torch.nn.functional as F`, `from torch import softmax as
s`, `F = torch.nn.functional`, star imports, `getattr(F, "softmax")`, `F.__dict__["softmax"]`,
`importlib.import_module("torch")`, in the notebook and inside of functions.

What this cannot catch, and a person or the sandbox must: a name put together while the code runs
(`getattr(F, "soft" + suffix)`, a loop over `dir(torch)`); text given to `exec` and `eval` (their use is
flagged, their text is not read); a function kept in a list, a dictionary or another object's attribute, or a
module given as an argument (`f(x, torch)`); the same function in a library under another name; and the same
mathematics in other calls (`torch.exp(x - x.logsumexp(-1, True))` is half the work).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from course.catalogue.syllabus import Exercise

from ..results import Flag
from .extract import Cell
from .references import Reference, Source

_MOST_NAMED = 3  # names or places in one sentence
_MOST_FLAGS = 20  # for one exercise; a person reads no more
_LONGEST_NAME = 80


@lru_cache(maxsize=1)  # a module's exercises are asked for one after another, of the same notebook
def _source(cells: tuple[Cell, ...]) -> Source:
    return Source(cells)


def forbidden_calls(cells: Sequence[Cell], exercise: Exercise, others: Iterable[Exercise] = ()) -> list[Flag]:
    """The exercise's forbidden calls in the names it defines and in all that they use in the notebook.

    One flag for each call, naming cells and lines. What the `others` define is their own matter and is not
    looked into; neither is code that no answer uses, such as a demo that compares with the library.
    """
    if not exercise.forbidden:
        return []
    foreign = {name for other in others if other.id != exercise.id for name in other.defines}
    places: dict[str, list[Reference]] = {}
    for reference in _source(tuple(cells)).references_of(exercise.defines, foreign):
        if name := _forbidden(exercise.forbidden, reference):
            places.setdefault(name, []).append(reference)
    return [
        Flag(
            kind="forbidden-call",
            exercise=exercise.id,
            message=f"{exercise.id!r} uses `{name}` in {_listed(found)}: it was to be written by hand.",
        )
        for name, found in list(places.items())[:_MOST_FLAGS]
    ]


def _forbidden(entries: Sequence[str], reference: Reference) -> str:
    """What to call the reference if it is forbidden, else ''.

    Of an import it is the function's own name that counts: `torch.ops.aten.softmax` and
    `scipy.special.softmax` are `torch.softmax` from another shelf. Of an object nobody knows, such as `x` in
    `x.softmax(-1)`, only the entries that begin with a dot count, or a name spelled out as a string.
    """
    if reference.stored:
        return ""
    last_parts = {entry.rpartition(".")[2] for entry in entries}
    for path in sorted(reference.paths):
        if not path.startswith("builtins.") and last_parts & set(path.split(".")[1:]):
            return path[:_LONGEST_NAME]
    name = reference.attribute
    if not reference.paths and (f".{name}" in entries or (reference.literal and name in last_parts)):
        return f".{name}"
    return ""


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
    for reference in _source(tuple(cells)).references():
        for what, name in _tampering(reference):
            found.setdefault(what, []).append((f"`{name[:_LONGEST_NAME]}`", reference))
    flags = []
    for what, mentions in found.items():
        exercises = {reference.cell.exercise for _, reference in mentions}
        shown = _first([name for name, _ in mentions], ", ")
        places = _listed(reference for _, reference in mentions)
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
    if _INSIDES.fullmatch(reference.attribute):
        yield "Looks inside of functions and frames", f".{reference.attribute}"
    node = reference.node
    if isinstance(node, ast.Name) and node.id == "__builtins__":
        yield "Touches the builtins", node.id
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"/proc(/|$)", node.value):
        yield "Names files of the running system", "/proc"
    if isinstance(node, ast.FunctionDef) and node.name in ("__torch_function__", "__torch_dispatch__"):
        yield "Intercepts torch's functions", node.name


def _listed(found: Iterable[Reference]) -> str:
    places = [f"cell {reference.cell.number}, line {reference.line}" for reference in found]
    return _first(places, "; ")


def _first(words: list[str], separator: str) -> str:
    """The first few different ones, and how many more there are."""
    different = list(dict.fromkeys(words))
    more = [f"{len(different) - _MOST_NAMED} more"] if len(different) > _MOST_NAMED else []
    return separator.join([*different[:_MOST_NAMED], *more])
