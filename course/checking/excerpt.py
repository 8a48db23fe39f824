"""Takes an answer out of a notebook: the cell that it stands in, and what it uses of the other cells.

Nothing is run. What is taken out can stand in a file of its own: `course/desk/mine.py` keeps it there.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from course.cells import names
from course.cells.python import Cell, is_stub
from course.checking.references import Source, walk

_FUTURE = "__future__"


class NotByItself(ValueError):
    """The answer uses what cannot be taken along; the message says what, in a clause."""


@dataclass(frozen=True)
class Excerpt:
    """An answer as Python source.

    source   the answering cells, whole but for what only tries something out (calls, checks, magics)
    helpers  what other cells define and the answer uses, by name, in the order in which it was defined
    imports  one line for each name that the two above take from an import of another cell
    others   names that it uses and that are answers of their own
    """

    source: str
    helpers: dict[str, str] = field(default_factory=dict)
    imports: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()

    @property
    def fingerprint(self) -> str:
        """Changes with the code, whatever its comments and layout."""
        code = (ast.dump(names.parsed(each)) for each in (*self.helpers.values(), self.source))
        return _hash([*sorted(self.imports), *code])


def excerpt(cells: Sequence[Cell], defines: Sequence[str], answers: Iterable[str] = ()) -> Excerpt:
    """What defines these names, where `answers` are all names that are exercises' answers.

    Of several definitions the last one counts. Raises NotByItself; KeyError if none of the cells defines one.
    """
    book = _Book(cells)
    foreign = set(answers) - set(defines)
    needed = book.followed(defines, foreign)
    home = {(cell.number, book.outer(cell, one)) for name in defines for cell, one in book.definition(name)}
    numbers = {number for number, _ in home}
    whole = {cell.number: book.whole(cell, needed, set(defines), foreign) for cell in book.of(numbers)}
    source = "\n\n".join(
        text for number in sorted(whole) if (text := book.text(number, sorted(whole[number])))
    )
    taken = {(number, place) for number, places in whole.items() for place in places}
    helpers: dict[str, str] = {}
    for number, place in sorted(needed - taken, key=lambda one: (book.order[one[0]], one[1])):
        name, text = book.name_of(number, place), book.text(number, [place])
        if name in defines:  # `CrossAttention.forward = faster`, in another cell
            source += f"\n\n\n{text}"
            continue
        helpers[name] = f"{helpers[name]}\n\n{text}" if name in helpers else text
    used = book.names_used(needed | taken)
    inside = {name for number, place in taken for name in book.imports_at(number, place)}
    return Excerpt(source, helpers, book.import_lines(used - inside), frozenset(used & foreign))


def fingerprint(cells: Sequence[Cell], defines: Sequence[str]) -> str:
    """Of all code that makes these names what they are, other answers too. Raises as `excerpt` does."""
    book = _Book(cells)
    for name in defines:
        book.definition(name)
    needed = book.followed(defines, set())
    code = sorted(ast.dump(book.bodies[number][place]) for number, place in needed)
    return _hash([*sorted(book.import_lines(book.names_used(needed))), *code])


class _Book:
    """The cells of a notebook; a place is a top-level statement's index in its cell."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.source = Source(cells)
        self.order = {cell.number: place for place, cell in enumerate(cells)}
        self.cells = {cell.number: cell for cell in cells}
        self.bodies: dict[int, list[ast.stmt]] = {}
        for cell, statement in self.source.statements:
            body = self.bodies.setdefault(cell.number, [])
            if not body or statement.lineno > (body[-1].end_lineno or 0) or _apart(body[-1], statement):
                body.append(statement)

    def of(self, numbers: Iterable[int]) -> Iterator[Cell]:
        return (self.cells[number] for number in sorted(numbers, key=self.order.__getitem__))

    def outer(self, cell: Cell, statement: ast.stmt) -> int:
        """The place of the top-level statement that this one is, or stands in."""
        body = self.bodies[cell.number]
        return next(
            place
            for place, one in enumerate(body)
            if one is statement or any(inner is statement for inner in names.statements(_tree(one)))
        )

    def definition(self, name: str) -> list[tuple[Cell, ast.stmt]]:
        """What defines the name last; raises KeyError."""
        found = [
            (cell, statement)
            for cell, statement in self.source.in_force(name, True)
            if names.binds_anew(statement, name)
        ]
        if not found:
            raise KeyError(name)
        return found

    def followed(self, defines: Iterable[str], foreign: set[str]) -> set[tuple[int, int]]:
        """The places of all that the definitions are made of, but for what is `foreign`."""
        waiting = list(defines)
        seen, places = set(waiting) | foreign, set()
        while waiting:
            name = waiting.pop()
            for cell, statement in self.source.in_force(name, True):
                place = cell.number, self.outer(cell, statement)
                whole = self.bodies[cell.number][place[1]]
                if isinstance(whole, ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith):
                    kind = type(whole).__name__.removeprefix("Async").lower()
                    raise NotByItself(
                        f"it uses `{name}`, which a `{kind}` block makes: make it in the answer's cell"
                    )
                if place not in places:
                    places.add(place)
                    more = self.names_used([place]) - seen
                    seen |= more
                    waiting += more
        return places

    def whole(
        self, cell: Cell, needed: set[tuple[int, int]], defines: set[str], foreign: set[str]
    ) -> set[int]:
        """The places of an answering cell that are kept: all that is code, if it answers nothing else."""
        body = self.bodies[cell.number]
        bound = [names.all_changed(one) for one in body]
        if any(each & foreign for each in bound):
            return {place for place in range(len(body)) if (cell.number, place) in needed}
        return {
            place
            for place, one in enumerate(body)
            if (cell.number, place) in needed
            or (_is_code(one) and (_is_import(one) or not bound[place] & defines))  # none that was replaced
        }

    def text(self, number: int, places: Sequence[int]) -> str:
        """These statements as they are written, with the comments above them, and those at the cell's end."""
        lines = self.cells[number].source.split("\n")
        body = self.bodies[number]
        kept: set[int] = set()
        for place in places:
            before = body[place - 1].end_lineno or 0 if place else 0
            kept.update(range(min(before, body[place].lineno - 1), body[place].end_lineno or 0))
            if place == len(body) - 1:
                kept.update(range(body[place].end_lineno or 0, len(lines)))
        return "\n".join(lines[line].rstrip() for line in sorted(kept)).strip("\n")

    def name_of(self, number: int, place: int) -> str:
        """What to call a helper: the first name that its statement binds."""
        return min(names.all_changed(self.bodies[number][place]), default="code")

    def names_used(self, places: Iterable[tuple[int, int]]) -> set[str]:
        """The names of the notebook's top level, or of nobody, that stand in these statements."""
        found = set()
        for number, place in places:
            for statement in names.statements(_tree(self.bodies[number][place])):
                for node, scope in walk(statement, self.source.top):
                    if isinstance(node, ast.Name) and scope.home(node.id) in (self.source.top, None):
                        found.add(node.id)
        return found

    def imports_at(self, number: int, place: int) -> set[str]:
        one = self.bodies[number][place]
        return names.changed(one) if _is_import(one) else set()

    def import_lines(self, wanted: set[str]) -> tuple[str, ...]:
        """A line for each of the `wanted` names that an import has bound, and for stars and the future."""
        lines: dict[str, None] = {}
        unknown = wanted - self.source.top.bound.keys() - set(dir(builtins))
        for _, statement in self.source.statements:
            match statement:
                case ast.Import(names=aliases):
                    for alias in aliases:
                        bound = alias.asname or alias.name.partition(".")[0]
                        if bound in wanted and self.source.imported(bound):
                            lines[f"import {_aliased(alias)}"] = None
                case ast.ImportFrom(module=str() as module, names=aliases, level=0):
                    for alias in aliases:
                        if module == _FUTURE or (alias.name == "*" and unknown):
                            lines[f"from {module} import {alias.name}"] = None
                        elif (alias.asname or alias.name) in wanted:
                            path = f"{module}.{alias.name}"
                            last = self.source.imported(alias.asname or alias.name)
                            if last and last[0] == path:
                                lines[f"from {module} import {_aliased(alias)}"] = None
        return tuple(lines)


def _aliased(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _tree(statement: ast.stmt) -> ast.Module:
    return ast.Module([statement], [])


def _apart(last: ast.stmt, statement: ast.stmt) -> bool:
    """Whether a statement that begins on the last one's last line stands beside it: `a = 1; b = 2`."""
    return statement.lineno == last.end_lineno and not any(
        inner is statement for inner in names.statements(_tree(last))
    )


def _is_import(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _is_code(statement: ast.stmt) -> bool:
    """Whether it only makes something that is there to be used: a definition, an import, a plain value."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return not is_stub(statement)
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(value=value) | ast.AnnAssign(value=value) if value:
            return not any(isinstance(node, ast.Call | ast.Await) for node in ast.walk(value))
    return False


def _hash(code: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(code).encode()).hexdigest()[:32]
