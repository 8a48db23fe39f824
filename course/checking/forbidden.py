"""Finds the calls that an exercise asks to be written by hand, in the source, before any of it runs.

A student's `check` and grading both ask here, so that they say the same. What is found is **certain** where
code that the answer reaches names the call: through imports under any name, star imports, assignments, helper
functions, a class's attributes, or as a method (`x.softmax(-1)`). The rest is for a person to judge: a name
given as a string (`getattr`, a bare literal) or put together while the code runs, text given to `eval`, twins
(`torch._softmax`, `torch.ops`, another library's function of that name), code that may never be come to.

What this cannot catch, and a person must: text that is decoded and run, the library's own source copied, and
the same mathematics in other calls (`torch.exp(x - x.logsumexp(-1, True))` is half the work).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

from course.catalogue.syllabus import Module, Task
from course.cells.python import Cell
from course.checking import session
from course.checking.references import Reference, Source

MOST_NAMED = 3  # names or places in one sentence
_MOST_FOUND = 20  # of one exercise; a person reads no more
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Found:
    """A forbidden call in the code that an exercise reaches; `places` are cells' numbers and lines."""

    name: str
    places: tuple[tuple[int, int], ...]
    certain: bool


def forbidden_calls(cells: Iterable[Cell], module: Module, exercise: Task) -> list[Found]:
    """The forbidden calls in the names that an exercise defines and in all that they use, certain ones first.

    What exercises that it builds on define is their own matter and is not looked into; neither is code that
    no answer uses, such as a demo that compares with the library.
    """
    rules, given = _Rules(exercise, module), tuple(cells)
    if not (exercise.forbidden or rules.lent):
        return []
    certain = _certain(given, rules, module)
    places = {place for one in certain for place in one.places}
    return [*certain, *_uncertain(given, rules, module, places)][:_MOST_FOUND]


def sentence(exercise: Task, found: Sequence[Found], cell: str = "cell {}") -> str:
    """What to tell the student of the certain ones; '' if there are none. `cell` names one by its number."""
    certain = [one for one in found if one.certain]
    if not certain:
        return ""
    asked = " and ".join(f"`{name}`" for name in exercise.defines)
    uses = [f"`{one.name}` ({listed(one.places, cell)})" for one in certain[:MOST_NAMED]]
    does = "does" if len(uses) == 1 else "do"
    return f"this exercise asks you to write {asked} yourself: {' and '.join(uses)} {does} it for you"


def listed(places: Iterable[tuple[int, int]], cell: str = "cell {}") -> str:
    """The first few places, and how many more there are."""
    return first([f"{cell.format(number)}, line {line}" for number, line in places], "; ")


def first(words: Sequence[str], separator: str) -> str:
    """The first few different ones, and how many more there are."""
    different = list(dict.fromkeys(words))
    more = [f"{len(different) - MOST_NAMED} more"] if len(different) > MOST_NAMED else []
    return separator.join([*different[:MOST_NAMED], *more])


# ------------------------------------------------------------------------------------- a notebook at work


def said_here(module: Module, exercise: Task) -> str:
    """The sentence on what has been run in this Jupyter kernel; '' where there is none."""
    return sentence(exercise, forbidden_calls(session.cells(), module, exercise), "In [{}]")


# ------------------------------------------------------------------------------------------- what is what


class _Rules:
    """What an exercise forbids: whole names, and in `names` the functions' own.

    Also what the course lends of its module to later ones. What is the course's own goes by no other name.
    """

    def __init__(self, exercise: Task, module: Module) -> None:
        self.exercise = exercise
        lent = f"course.modules.{module.id}.lent"
        lending = find_spec("course.modules." + module.id) and find_spec(lent)
        doors = (f"course.parts.{module.id}.", f"course.parts.parts.{module.id}.", f"{lent}.")
        self.lent = doors if lending else ()
        self.methods = {entry for entry in exercise.forbidden if entry.startswith(".")}
        self.paths = [entry for entry in exercise.forbidden if not entry.startswith(".")]
        theirs = [entry for entry in exercise.forbidden if not entry.startswith("course.")]
        self.names = {entry.rpartition(".")[2] for entry in theirs}
        self.packages = {entry.partition(".")[0] for entry in theirs} - {""}
        self._words = [_words(name) for name in self.names]

    def is_forbidden(self, path: str) -> bool:
        """Whether an import is one of these, also where its library has it under another public name."""
        if any(f"{path}.".startswith(f"{entry}.") for entry in self.paths) or path.startswith(self.lent):
            return True
        package, *parts = path.split(".")
        hidden = any(part.startswith("_") or part == "ops" for part in parts)
        return package in self.packages and not hidden and not self.names.isdisjoint(parts)

    def is_twin(self, name: str) -> bool:
        """Whether a dotted name has one of these in it, such as `torch._softmax` or `.log_softmax`."""
        parts = [_words(part) for part in name.split(".")]
        return any(
            part[start : start + len(words)] == words
            for words in self._words
            for part in parts
            for start in range(len(part))
        )


def _words(name: str) -> list[str]:
    return [word for word in name.lower().split("_") if word]


@lru_cache(maxsize=2)  # a module's exercises are asked for one after another, of the same notebook
def _source(cells: tuple[Cell, ...], strict: bool) -> Source:
    return Source(cells, strict=strict)


def _certain(cells: tuple[Cell, ...], rules: _Rules, module: Module) -> list[Found]:
    source, exercise = _source(cells, True), rules.exercise
    foreign = {name for other in module.graded if other.id != exercise.id for name in other.defines}
    references = list(source.references_of(exercise.defines, foreign))
    mentioned = {one.attribute or getattr(one.node, "id", "") for one in references}
    found: dict[str, list[tuple[int, int]]] = {}
    for one in references:
        if one.stored or one.own or isinstance(one.node, ast.Import | ast.ImportFrom):
            continue  # an import by itself calls nothing
        if _is_used(*one.method, mentioned, exercise) and (name := _certainly(one, rules, source)):
            found.setdefault(name, []).append((one.cell.number, one.line))
    for name in exercise.defines:  # `from torch import softmax as mine` is an answer, too
        if (bound := source.imported(name)) and rules.is_forbidden(bound[0]):
            found.setdefault(bound[0], []).append(bound[1:])
    return [Found(name, tuple(dict.fromkeys(places)), True) for name, places in found.items()]


def _is_used(owner: str, method: str, mentioned: set[str], exercise: Task) -> bool:
    """Whether a method may be called: Python calls `__x__`, torch `forward`, hidden tests what is public."""
    special = not method or method.startswith("__") or method == "forward"
    public = owner in exercise.defines and not method.startswith("_")
    return special or public or method in mentioned


def _certainly(reference: Reference, rules: _Rules, source: Source) -> str:
    """What to call a reference that is a forbidden call, else ''."""
    paths = sorted(path for path in reference.paths if not path.startswith("builtins."))
    if paths:
        return paths[0][:_LONGEST_NAME] if all(map(rules.is_forbidden, paths)) else ""
    name = f".{reference.attribute}"
    if name not in rules.methods or reference.attribute in source.own_attributes:
        return ""
    match reference.node:
        case ast.Attribute(value=ast.Name(id=owner)):
            name = owner + name
    return name[:_LONGEST_NAME]


def _uncertain(
    cells: tuple[Cell, ...], rules: _Rules, module: Module, but_for: set[tuple[int, int]]
) -> Iterator[Found]:
    source, exercise = _source(cells, False), rules.exercise
    foreign = {name for other in _built_on(module, exercise) for name in other.defines}
    found: dict[str, list[tuple[int, int]]] = {}
    for one in source.references_of(exercise.defines, foreign):
        place = one.cell.number, one.line
        if place not in but_for and not one.stored and not one.own and (name := _perhaps(one, rules, source)):
            but_for.add(place)
            found.setdefault(name[:_LONGEST_NAME], []).append(place)
    for name, places in found.items():
        yield Found(name, tuple(dict.fromkeys(places)), False)


def _built_on(module: Module, exercise: Task) -> set[Task]:
    """The exercises that this one depends on, and those that they do."""
    direct: set[Task] = {module.exercise(id) for id in exercise.depends_on}
    return direct.union(*(_built_on(module, one) for one in direct))


def _perhaps(reference: Reference, rules: _Rules, source: Source) -> str:
    """What to call a reference that may be a forbidden call, else ''."""
    for path in sorted(reference.paths):
        package, _, name = path.partition(".")
        if path in ("builtins.eval", "builtins.exec"):
            return name
        if package != "builtins" and (rules.is_forbidden(path) or rules.is_twin(name)):
            return path
        if package in rules.packages and path.endswith(".__dict__"):
            return path
    attribute, node = reference.attribute, reference.node
    if attribute and not reference.paths:
        known = reference.literal or f".{attribute}" in rules.methods
        return (
            f".{attribute}"
            if (known or attribute not in source.own_attributes) and rules.is_twin(attribute)
            else ""
        )
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        named = node.value.rpartition(".")[2] in rules.names and node not in source.only_said
        return repr(node.value) if named else ""
    among = {path.partition(".")[0] for path in reference.among}
    for by in sorted(reference.looks_up):
        unknown = by.startswith("operator.") or (not among and by.endswith(("getattr", "getattr_static")))
        if (
            among & rules.packages
            or by.endswith(("__import__", "import_module"))
            or (unknown and rules.methods)
        ):
            return f"{by.rpartition('.')[2]}({', '.join([*sorted(reference.among)[:1], '...'])})"
    return ""
