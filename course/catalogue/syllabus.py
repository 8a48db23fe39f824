"""Reads `syllabus.yaml` and each module's `module.yaml`: which exercises there are, and what each is worth.

An error names the file and the line, for the people who write exercises.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from course.catalogue import yaml_lines

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Policy = Literal[
    "withhold", "flag"
]  # what a forbidden call does: it takes the exercise's points, or it does not
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


_PLAIN = r"[^\s\"'<>{}]*"
_ADDRESS = re.compile(rf"https?://{_PLAIN}\{{module\}}{_PLAIN}(?:\{{module\}}{_PLAIN})*")


class SyllabusError(ValueError):
    """The syllabus is not as it must be; the message names the file and the line."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Task(_Entry):
    """What a student answers in one cell and has checked.

    `defines` are the names that the answer must define (by default the task's own id),
    `depends_on` the earlier exercises of the module that it builds on, and `forbidden` the calls
    that would answer it without work: a dotted name, or `.name` for a tensor's method.
    """

    id: Identifier
    title: str
    minutes: int = Field(gt=0)
    difficulty: int = Field(ge=1, le=5)
    defines: tuple[Identifier, ...] = ()
    depends_on: tuple[Identifier, ...] = ()
    forbidden: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _define_own_id(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("defines"):
            return {**data, "defines": (data.get("id"),)}
        return data


class Exercise(Task):
    """One exercise, or one quiz: a task that earns points."""

    points: float = Field(gt=0)


class Bonus(Task):
    """A task for who wants more: checked in the notebook, never graded, and worth no points.

    `open` says that there is no one answer: its check asks only for what any good one has.
    """

    open: bool = False


class Quiz(Exercise):
    """A cell with `answers = {...}`; its questions stand in `quiz.yaml` beside it."""

    @model_validator(mode="before")
    @classmethod
    def _define_answers(cls, data: Any) -> Any:
        return {**data, "defines": ("answers",)} if isinstance(data, dict) else data


class Module(_Entry):
    """One notebook: what a `module.yaml` says; the id is the folder's name.

    `bonus` are the tasks without points: what counts or is graded goes over `exercises` and `graded`, and so
    never meets them.
    `forbidden` tells what a forbidden call does, where that is not as in the rest of the course. `takes`
    names the parts of earlier modules that its notebook builds on, by module.
    """

    id: Identifier
    title: str
    summary: str
    exercises: tuple[Exercise, ...] = Field(min_length=1)
    quiz: Quiz | None = None
    bonus: tuple[Bonus, ...] = ()
    forbidden: Policy = "withhold"
    takes: dict[Identifier, tuple[Identifier, ...]] = {}

    @property
    def graded(self) -> tuple[Exercise, ...]:
        """All that earns points, in the notebook's order, the quiz last."""
        return (*self.exercises, self.quiz) if self.quiz else self.exercises

    @property
    def points(self) -> float:
        return sum(exercise.points for exercise in self.graded)

    @property
    def minutes(self) -> int:
        return sum(exercise.minutes for exercise in self.graded)

    def exercise(self, id: str) -> Exercise:
        """The exercise with this id; raises KeyError."""
        for exercise in self.graded:
            if exercise.id == id:
                return exercise
        raise KeyError(id)

    @model_validator(mode="after")
    def _ids_are_unique_and_point_backwards(self) -> Module:
        seen: set[str] = set()
        for exercise in self.graded:
            if exercise.id in seen:
                raise ValueError(f"exercise id {exercise.id!r} stands twice in module {self.id!r}")
            if unknown := [name for name in exercise.depends_on if name not in seen]:
                raise ValueError(f"{exercise.id!r} depends on {unknown[0]!r}, which is no earlier exercise")
            seen.add(exercise.id)
        names = {name for exercise in self.exercises for name in exercise.defines}
        for bonus in self.bonus:
            if bonus.id in seen:
                raise ValueError(f"exercise id {bonus.id!r} stands twice in module {self.id!r}")
            if unknown := [name for name in bonus.depends_on if name not in seen]:
                raise ValueError(f"{bonus.id!r} depends on {unknown[0]!r}, which is no exercise")
            if asked := [name for name in bonus.defines if name in names]:
                raise ValueError(f"the bonus {bonus.id!r} defines {asked[0]!r}, as another task does")
            seen.add(bonus.id)
            names |= set(bonus.defines)
        return self


class Planned(_Entry):
    """A module that is still to be written; its place is after the module `after`, built or planned."""

    id: Identifier
    title: str
    summary: str
    after: Identifier


class Allowances(_Entry):
    """`limits:` in `syllabus.yaml`: what a submission may use, where that is not as usual.

    Times are seconds of CPU time, but for `submission_wall`, of waiting; `memory` and `messages` are MiB,
    `stdout` KiB. `slower` makes all times so many times as long, for a slower machine.
    """

    call_cpu: Seconds | None = None
    cell_cpu: Seconds | None = None
    submission_cpu: Seconds | None = None
    submission_wall: Seconds | None = None
    memory: Annotated[int, Field(ge=256, le=1 << 20)] | None = None
    messages: Annotated[int, Field(ge=16, le=1 << 16)] | None = None
    stdout: Annotated[int, Field(ge=0, le=1 << 10)] | None = None
    slower: Annotated[float, Field(ge=1, le=100)] | None = None

    @property
    def asked(self) -> dict[str, float]:
        """What is not left out, by its name."""
        return self.model_dump(exclude_none=True)


class Start(_Entry):
    """`start:` in `syllabus.yaml`: where a class gets the course, and where it can open a notebook.

    `install` is what follows `pip install`: the first cell of each notebook installs the course with it where
    it is missing. The others are addresses with `{module}` in them, each a button on the module's page.
    """

    install: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    colab: str | None = None
    binder: str | None = None
    hub: str | None = None

    @field_validator("install")
    @classmethod
    def _is_one_line_for_pip(cls, install: str | None) -> str | None:
        if install and (odd := re.search(r"[^\x20-\x7e]|[{}$;&|<>`\\]", install)):
            raise ValueError(
                f"has {odd[0]!r}, which a notebook or a shell would take for its own: write what follows "
                "`pip install`, on one line, e.g. 'diffusion-course' or 'git+https://github.com/OWNER/REPOSITORY'"
            )
        return install

    @field_validator("colab", "binder", "hub")
    @classmethod
    def _is_an_address_of_each_module(cls, address: str | None) -> str | None:
        if address is not None and not _ADDRESS.fullmatch(address):
            raise ValueError(
                f"{address!r} is no address of a notebook: write https://... with {{module}} where the "
                "module's name stands"
            )
        return address

    def buttons(self, module: str) -> dict[str, str]:
        """What the button says → where it leads, for the module's notebook; only of what is set."""
        named = {"Colab": self.colab, "Binder": self.binder, "JupyterHub": self.hub}
        return {name: address.replace("{module}", module) for name, address in named.items() if address}


class Syllabus(_Entry):
    title: str
    modules: tuple[Module, ...]
    planned: tuple[Planned, ...] = ()
    limits: Allowances = Allowances()
    start: Start = Start()

    def module(self, id: str) -> Module:
        """The module with this id; raises KeyError."""
        for module in self.modules:
            if module.id == id:
                return module
        raise KeyError(id)

    @property
    def road(self) -> tuple[Module | Planned, ...]:
        """All modules in the order in which they are meant to be taken, the planned ones in their places."""
        road: list[Module | Planned] = list(self.modules)
        for planned in self.planned:
            place = [module.id for module in road].index(planned.after)
            road.insert(place + 1, planned)
        return tuple(road)


class Order(_Entry):
    """`syllabus.yaml` itself: the ids of the modules in order, what is planned, what grading may use.

    `forbidden: flag` leaves an exercise's points where a forbidden call is certain, too, and only flags it; a
    module may say otherwise for itself.
    """

    title: str
    modules: tuple[Identifier, ...] = Field(min_length=1)
    planned: tuple[Planned, ...] = ()
    limits: Allowances = Allowances()
    start: Start = Start()
    forbidden: Policy = "withhold"

    @model_validator(mode="after")
    def _module_ids_are_unique_and_known(self) -> Order:
        ids = list(self.modules)
        for planned in self.planned:
            if planned.after not in ids:
                raise ValueError(
                    f"{planned.id!r} is planned after {planned.after!r}, which stands nowhere above"
                )
            ids.append(planned.id)
        if twice := [id for id in ids if ids.count(id) > 1]:
            raise ValueError(f"module id {twice[0]!r} stands twice")
        return self


def parse(text: str, source: str = "syllabus.yaml") -> Order:
    """The order of a course, validated; raises SyllabusError with file and line."""
    return yaml_lines.parse(Order, text, source, SyllabusError)


def parse_module(id: str, text: str, source: str = "module.yaml") -> Module:
    """A validated module; raises SyllabusError with file and line."""
    return yaml_lines.parse(Module, text, source, SyllabusError, id=id)


@cache
def load(path: Path | None = None) -> Syllabus:
    """The syllabus at `path`, by default the one shipped with the course, with its modules beside it."""
    folder: Traversable = files("course") if path is None else path.parent
    shown = "course" if path is None else str(path.parent)
    name = "syllabus.yaml" if path is None else path.name
    order = parse(_read(folder / name, f"{shown}/{name}"), f"{shown}/{name}")
    modules: list[Module] = []
    for id in order.modules:
        source = f"{shown}/modules/{id}/module.yaml"
        module = parse_module(id, _read(folder / "modules" / id / "module.yaml", source), source)
        own = "forbidden" in module.model_fields_set
        if strange := _not_from_before(module, modules):
            raise SyllabusError(f"{source}: it takes {strange}, which no earlier module defines")
        modules.append(module if own else module.model_copy(update={"forbidden": order.forbidden}))
    return Syllabus(
        title=order.title,
        modules=tuple(modules),
        planned=order.planned,
        limits=order.limits,
        start=order.start,
    )


def _not_from_before(module: Module, before: list[Module]) -> str:
    """The first part that a module takes, and that no exercise of one before it defines; '' if all are."""
    there = {f"{one.id}.{name}" for one in before for exercise in one.exercises for name in exercise.defines}
    taken = [f"{id}.{name}" for id, names in module.takes.items() for name in names]
    return next((part for part in taken if part not in there), "")


def _read(file: Traversable, source: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise SyllabusError(f"{source} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise SyllabusError(f"{source}: byte {error.start} is not UTF-8") from None
