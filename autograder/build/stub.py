"""A solution module, taken apart: for each name, its full source, its source with markers, and its stub.

What is to be taken out stands between two comments, indented with the code around them:

    def double(x: Tensor) -> Tensor:
        \"\"\"Twice x.\"\"\"
        ### BEGIN SOLUTION
        return 2 * x
        ### END SOLUTION

Lines are cut, not rewritten, so that signature, docstring and comments reach the student as written.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import ContentError

_MARKER = re.compile(r"(?P<indent>[ ]*)(?:# )?### (?P<which>BEGIN|END) SOLUTION\s*")
_ANY_MARKER = re.compile(r"\b(?:BEGIN|END)\s+SOLUTION", re.IGNORECASE)

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Region:
    """One part that a student writes. `begin` and `end` are the 1-based lines of its markers."""

    begin: int
    end: int
    indent: str
    owner: str  # the function or method it lies in, such as "CrossAttention.forward"

    @property
    def name(self) -> str:
        """The top-level definition it lies in."""
        return self.owner.partition(".")[0]


_Content = Callable[[Region], Sequence[str]]


@dataclass(frozen=True)
class Solution:
    """The source of `solutions/MODULE.py` and where its definitions and regions lie."""

    source: str  # the file, as error messages name it
    lines: tuple[str, ...]
    spans: dict[str, tuple[int, int]]  # top-level name -> first line, decorators included, and last of code
    regions: tuple[Region, ...]

    def line(self, name: str) -> int:
        """The 1-based line where the top-level `name` begins; raises ContentError."""
        if name not in self.spans:
            raise ContentError(
                f"{self.source}, line {len(self.lines)}: there is no top-level function or class {name!r}, "
                "which the syllabus says is to be defined: write it, or correct `defines`."
            )
        return self.spans[name][0]

    def marked(self, names: Iterable[str]) -> str:
        """The definitions with the solution and its markers, as nbgrader's source notebooks have them."""
        return self._join(names, lambda region: self.lines[region.begin - 1 : region.end])

    def solved(self, names: Iterable[str]) -> str:
        """The definitions with the solution, without the markers."""
        return self._join(names, lambda region: self.lines[region.begin : region.end - 1])

    def stub(self, names: Iterable[str]) -> str:
        """The definitions with each region replaced by a NotImplementedError that names what to write."""
        instead = '{0.indent}raise NotImplementedError("write {0.owner}")'
        return self._join(names, lambda region: [instead.format(region)])

    def _join(self, names: Iterable[str], content: _Content) -> str:
        return "\n\n\n".join("\n".join(self._definition(name, content)) for name in names)

    def _definition(self, name: str, content: _Content) -> Iterator[str]:
        line = self.line(name)
        last = self.spans[name][1]
        own = {region.begin: region for region in self.regions if region.name == name}
        if not own:
            raise ContentError(
                f"{self.source}, line {line}: {name!r} has nothing between `### BEGIN SOLUTION` and "
                "`### END SOLUTION`: mark what the student is to write."
            )
        while line <= last:
            if region := own.get(line):
                yield from content(region)
                line = region.end + 1
            else:
                yield self.lines[line - 1]
                line += 1


def read_solution(text: str, source: str) -> Solution:
    """Take a solution module apart.

    Raises ContentError, naming file and line: Python that does not compile; markers that are not balanced,
    not alone on their line or not around whole statements of one function; a region without a statement.
    """
    try:
        tree = ast.parse(text, filename=source)
    except SyntaxError as error:
        raise ContentError(f"{source}, line {error.lineno}: {error.msg}") from None
    lines = tuple(text.splitlines())
    statements = list(_statements(tree, owner="", in_function=False))
    regions = tuple(_owned(begin, end, lines, statements, source) for begin, end in _markers(lines, source))
    spans: dict[str, tuple[int, int]] = {}
    for node in tree.body:
        if not isinstance(node, _Definition):
            continue
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        if node.name in spans:
            raise ContentError(f"{source}, line {first}: {node.name!r} is defined twice: remove one.")
        spans[node.name] = (first, node.end_lineno or first)
    solution = Solution(source, lines, spans, regions)
    for region in regions:
        try:
            compile(solution.stub([region.name]), source, "exec")
        except SyntaxError as error:
            raise ContentError(
                f"{source}, line {solution.line(region.name)}: without its solution, {region.name!r} is no "
                f"valid Python ({error.msg}): move the markers."
            ) from None
    return solution


def _markers(lines: tuple[str, ...], source: str) -> Iterator[tuple[int, int]]:
    """The 1-based lines of each pair of markers."""
    begin = 0
    for number, line in enumerate(lines, start=1):
        if not _ANY_MARKER.search(line):
            continue
        marker = _MARKER.fullmatch(line)
        if marker is None:
            raise ContentError(
                f"{source}, line {number}: {line.strip()!r} is no marker: write `### BEGIN SOLUTION` or "
                "`### END SOLUTION`, alone on its line, indented with spaces."
            )
        if marker["which"] == "BEGIN":
            if begin:
                raise ContentError(
                    f"{source}, line {number}: a solution region begins inside the one of line {begin}: "
                    "end that one first."
                )
            begin = number
        else:
            if not begin:
                raise ContentError(
                    f"{source}, line {number}: a solution region ends that never began: "
                    "add `### BEGIN SOLUTION`."
                )
            yield begin, number
            begin = 0
    if begin:
        raise ContentError(f"{source}, line {begin}: the solution region never ends: add `### END SOLUTION`.")


@dataclass(frozen=True)
class _Statement:
    first: int
    last: int
    column: int
    owner: str
    in_function: bool


def _statements(node: ast.AST, owner: str, in_function: bool) -> Iterator[_Statement]:
    """Every statement below `node`, parents before children, with the definition that it lies in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            last = child.end_lineno or child.lineno
            yield _Statement(child.lineno, last, child.col_offset, owner, in_function)
        if isinstance(child, _Definition):
            name = f"{owner}.{child.name}" if owner else child.name
            yield from _statements(child, name, not isinstance(child, ast.ClassDef))
        else:
            yield from _statements(child, owner, in_function)


def _owned(begin: int, end: int, lines: tuple[str, ...], statements: list[_Statement], source: str) -> Region:
    where = f"{source}, line {begin}: the solution region"
    inside = [each for each in statements if begin < each.first < end]
    if not inside:
        raise ContentError(
            f"{where} holds no statement: put the markers around what the student is to write."
        )
    for each in statements:
        runs_out = begin < each.first < end <= each.last
        runs_in = each.first < begin <= each.last and any(other.first > each.last for other in inside)
        if runs_out or runs_in:
            raise ContentError(
                f"{where} cuts the statement of line {each.first} in two: "
                "put the markers around whole statements."
            )
    first = min(inside, key=lambda each: each.first)
    if not first.in_function:
        raise ContentError(
            f"{where} is not inside a function: its stub would fail when the cell is run. "
            "Put the markers inside the function's or method's body."
        )
    indent = lines[begin - 1][: len(lines[begin - 1]) - len(lines[begin - 1].lstrip(" "))]
    if len(indent) != first.column:
        raise ContentError(
            f"{where} is not indented as the code in it: indent the marker by {first.column} spaces."
        )
    return Region(begin, end, indent, first.owner)
