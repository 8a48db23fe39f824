"""A lesson, `course/modules/MODULE/lesson.md`, as a row of pieces: prose, code, and places for exercises.

The text is jupytext's Markdown, with a cell of its own for each heading. Three comments are ours:

    <!-- exercise: ID -->    alone on its line: the exercise's solution cell and check cell stand here
    <!-- quiz: ID -->        alone on its line: the questions, the answers and their check stand here
    <!-- bonus: ID -->       alone on its line: a bonus's cell and its check stand here
    <!-- rating: ID -->      anywhere in the prose: points, minutes and difficulty, from the syllabus
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn, get_args

import jupytext

from course.catalogue.syllabus import Bonus, Exercise, Module, Quiz, Task

from ..content.fences import Block, blocks, in_code
from ..errors import ContentError

Kind = Literal["exercise", "quiz", "bonus"]


@dataclass(frozen=True)
class Prose:
    source: str


@dataclass(frozen=True)
class Code:
    """A code cell. A demo shows something, and is left out in grading; any other is run."""

    line: int
    source: str
    demo: bool


@dataclass(frozen=True)
class Placeholder:
    """Where an exercise, a quiz or a bonus stands."""

    line: int
    kind: Kind
    id: str


Piece = Prose | Code | Placeholder

_DIRECTIVE = re.compile(r"<!--\s*(?P<kind>\w+)\s*:\s*(?P<id>[^\s>]+)\s*-->")
_REGION = re.compile(r"<!--\s*#(?P<end>end)?(?:region|md|markdown|raw)\b.*-->")
_FORMAT = {"extension": ".md", "split_at_heading": True}  # Jupyter folds away what is below a heading
_HEADING = re.compile(r"#{1,6} ")
_OPTIONS = {"": False, 'tags=["demo"]': True}
# Languages whose blocks stay in the prose. Of many others (bash, html, ...) jupytext makes a code cell.
_SHOWN = ("", "console", "json", "py", "pycon", "text", "yaml")


def parse(text: str, module: Module, source: str) -> tuple[Piece, ...]:
    """The pieces of a lesson, in order. `source` is the file as error messages name it.

    Raises ContentError, naming file and line: a comment that names no exercise of the module, or one twice,
    out of the syllabus's order, or not alone on its line; an exercise without its place or its rating;
    a fence that would become another cell than its author meant.
    """
    lesson = _Lesson(module, source)
    pieces = tuple(piece for chunk in lesson.chunks(text) for piece in lesson.pieces(chunk))
    lesson.check_complete(last_line=text.count("\n") + 1)
    return pieces


def rating(task: Task) -> str:
    """The line that tells a student what to expect of an exercise or a bonus."""
    if isinstance(task, Exercise):
        worth = "1 point" if task.points == 1 else f"{task.points:g} points"
    else:
        worth = "Open bonus, no points" if isinstance(task, Bonus) and task.open else "Bonus, no points"
    return f"**{worth} · about {task.minutes} minutes · difficulty {circles(task)}**"


def circles(task: Task) -> str:
    """The difficulty for the eye: as many of five circles are full."""
    return "●" * task.difficulty + "○" * (5 - task.difficulty)


def kind_of(task: Task) -> Kind:
    """The comment that makes a place for it in a lesson."""
    return "quiz" if isinstance(task, Quiz) else "bonus" if isinstance(task, Bonus) else "exercise"


@dataclass(frozen=True)
class _Chunk:
    """The text between two placeholders, the fences in it that become code cells, and what follows it."""

    line: int
    text: str
    fences: Sequence[Code]  # without their source, which jupytext finds
    placeholder: Placeholder | None


class _Lesson:
    """One pass over the lines of one lesson."""

    def __init__(self, module: Module, source: str) -> None:
        self.module, self.source = module, source
        self.expected: dict[str, Task] = {task.id: task for task in (*module.graded, *module.bonus)}
        self.placed: dict[str, int] = {}
        self.rated: dict[str, int] = {}

    def fail(self, line: int, message: str) -> NoReturn:
        raise ContentError(f"{self.source}, line {line}: {message}")

    def chunks(self, text: str) -> Iterator[_Chunk]:
        start, lines, fences = 1, list[str](), list[Code]()
        region = 0  # the line where the open one begins
        details: list[int] = []  # likewise, and those around it
        given = text.splitlines()
        opening = {block.first: block for block in blocks(given)}
        for number, (line, code) in enumerate(zip(given, in_code(given), strict=True), start=1):
            if code:
                block = opening.get(number)
                if block and not region and (found := self._fence(block, bool(details))):
                    fences.append(found)
            elif marker := _REGION.fullmatch(line.strip()):
                region = 0 if marker["end"] else number
            else:
                for tag in re.findall(r"<(/?)details\b", line):
                    details = details[:-1] if tag else [*details, number]
                if details and _HEADING.match(line):
                    self.fail(
                        number, "a heading would begin a cell and cut <details> in two: write it in bold."
                    )
                if placeholder := self._placeholder(number, line):
                    if opened := region or (details and details[0]):
                        self.fail(
                            number, f"a place for {placeholder.id!r} inside what begins in line {opened}."
                        )
                    yield _Chunk(start, "\n".join(lines), fences, placeholder)
                    start, lines, fences = number + 1, [], []
                    continue
                line = self._with_ratings(number, line)
            lines.append(line)
        if opened := region or (details and details[0]):
            self.fail(opened, "this region or <details> is never closed.")
        for block in opening.values():
            if not block.closed:
                self.fail(block.last, f"a code block is never closed: end it with {block.fence}.")
        yield _Chunk(start, "\n".join(lines), fences, None)

    def _fence(self, block: Block, details: bool) -> Code | None:
        """The code cell that jupytext makes of a block, if it makes one."""
        number, (language, _, options) = block.first, block.info.partition(" ")
        if language in _SHOWN or block.indent or block.fence[0] != "`":
            return None
        if language != "python":
            self.fail(number, f"a block of {language!r} may become a code cell: write ```python or ```text.")
        if details:
            self.fail(number, "a ```python block would become a cell and cut <details> in two: write ```py.")
        if options not in _OPTIONS:
            known = " or ".join(f"```python {option}".rstrip() for option in _OPTIONS)
            self.fail(number, f"unknown options {options!r} of a code cell: write {known}.")
        return Code(number, "", _OPTIONS[options])

    def _placeholder(self, number: int, line: str) -> Placeholder | None:
        for directive in _DIRECTIVE.finditer(line):
            kind, id = directive["kind"], directive["id"]
            if kind not in (*get_args(Kind), "rating"):
                self.fail(number, f"unknown comment {directive[0]!r}: write exercise, quiz, bonus or rating.")
            exercise = self.expected.get(id)
            if exercise is None:
                known = ", ".join(self.expected)
                self.fail(number, f"{directive[0]!r}: module {self.module.id!r} has only {known}.")
            if kind == "rating":
                continue
            if line.strip() != directive[0]:
                self.fail(number, f"{directive[0]!r} must stand alone on its line.")
            if kind != (right := kind_of(exercise)):
                article = "an" if right == "exercise" else "a"
                self.fail(number, f"{id!r} is {article} {right} in the syllabus: write `{right}: {id}`.")
            self._place(number, id)
            return Placeholder(number, right, id)
        return None

    def _place(self, number: int, id: str) -> None:
        if id in self.placed:
            self.fail(number, f"{id!r} has its place in line {self.placed[id]} already: remove one.")
        kinds = [isinstance(self.expected[other], Bonus) for other in (id, *self.placed)]
        order = list(self.expected)
        beside = [other for other, bonus in zip(self.placed, kinds[1:], strict=True) if bonus == kinds[0]]
        if later := [other for other in beside if order.index(other) > order.index(id)]:
            self.fail(
                number,
                f"{id!r} comes after {later[0]!r}, but the syllabus has it before: use the syllabus's order.",
            )
        self.placed[id] = number

    def _with_ratings(self, number: int, line: str) -> str:
        def replace(directive: re.Match[str]) -> str:
            if directive["kind"] != "rating":
                return directive[0]
            self.rated[directive["id"]] = number
            return rating(self.expected[directive["id"]])

        return _DIRECTIVE.sub(replace, line)

    def pieces(self, chunk: _Chunk) -> Iterator[Piece]:
        cells = [cell for cell in self._cells(chunk) if cell.source.strip()]
        code = sum(cell.cell_type == "code" for cell in cells)
        if code != len(chunk.fences):
            blocks = f"{len(chunk.fences)} ```python blocks that are not empty"
            self.fail(chunk.line, f"jupytext finds {code} code cells from here on, but there are {blocks}.")
        fences = iter(chunk.fences)
        for cell in cells:
            if cell.cell_type == "code":
                yield replace(next(fences), source=cell.source)
            else:
                yield Prose(cell.source.strip("\n"))
        if chunk.placeholder:
            yield chunk.placeholder

    def _cells(self, chunk: _Chunk) -> list[Any]:
        if not chunk.text.strip():
            return []
        try:
            return list(jupytext.reads(chunk.text, fmt=_FORMAT).cells)
        except Exception as error:  # jupytext has no exception of its own
            self.fail(chunk.line, f"jupytext cannot read the text from here on: {str(error).splitlines()[0]}")

    def check_complete(self, last_line: int) -> None:
        for id, exercise in self.expected.items():
            kind = kind_of(exercise)
            if id not in self.placed:
                self.fail(last_line, f"the lesson has no place for {id!r}: add `<!-- {kind}: {id} -->`.")
            if id not in self.rated:
                self.fail(
                    self.placed[id], f"{id!r} has no rating line: add `<!-- rating: {id} -->` before it."
                )
