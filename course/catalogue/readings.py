"""Reads `readings.yaml`: what to read and watch beside the notebooks, and the learning path behind it.

An error names the file and the line, for the people who add to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from course.catalogue import yaml_lines
from course.catalogue.syllabus import Identifier

Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Address = Annotated[str, Field(pattern=r"^https?://[^\s/]+\.[^\s]+$")]
Text = Annotated[str, Field(min_length=1)]
Kind = Literal["video", "article", "notebook", "paper", "repository"]
Level = Literal["introductory", "intermediate", "advanced"]
When = Literal["before", "after"]


class ReadingsError(ValueError):
    """The readings are not as they must be; the message names the file and the line."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reading(_Entry):
    """One thing to read, watch or run.

    `reviewed` is what the learning path says of its own links; an addition (`added`) has None. `module` is
    the one whose notebook it goes with, before or after; `also` are others that come back to it. `minutes`
    is None, and `author` and `length` are "", where they are not known.
    """

    id: Slug
    title: Text
    url: Address
    author: str = ""
    kind: Kind
    minutes: int | None = Field(default=None, gt=0)
    length: str = ""
    level: Level
    reviewed: bool | None = None
    added: bool = False
    module: Identifier
    also: tuple[Identifier, ...] = ()
    when: When
    remark: Text


class Section(_Entry):
    """A heading of the learning path, `under` another or "", and the ids that it lists, in its order."""

    heading: Text
    under: str = ""
    note: str = ""
    readings: tuple[str, ...]


class Readings(_Entry):
    """All readings: those of the path in the order of their first mention, then the additions.

    `hour` are the ids of the few to take if there is only an hour, in order.
    """

    readings: tuple[Reading, ...] = Field(min_length=1)
    path: tuple[Section, ...]
    hour: tuple[str, ...]

    def of(self, id: str) -> Reading:
        """The reading with this id; raises KeyError."""
        for reading in self.readings:
            if reading.id == id:
                return reading
        raise KeyError(id)

    def of_module(
        self, module: str, when: When | None = None, *, shared: bool = False
    ) -> tuple[Reading, ...]:
        """A module's readings, all or those for before or after its notebook; the additions come last.

        `shared` adds those of other modules that this one comes back to.
        """
        return tuple(
            reading
            for reading in self.readings
            if (reading.module == module or (shared and module in reading.also))
            and when in (None, reading.when)
        )


def parse(text: str, source: str = "readings.yaml") -> Readings:
    """Validated readings; raises ReadingsError with file and line."""
    readings = yaml_lines.parse(Readings, text, source, ReadingsError)
    for where, fault in _faults(readings):
        line = yaml_lines.line_of(yaml.compose(text, Loader=yaml.SafeLoader), where)
        raise ReadingsError(f"{source}, line {line}: {fault}")
    return readings


@cache
def load(path: Path | None = None) -> Readings:
    """The readings at `path`, by default those shipped with the course."""
    source = files("course") / "readings.yaml" if path is None else path
    return parse(source.read_text(encoding="utf-8"), source=str(path or "course/readings.yaml"))


def _faults(readings: Readings) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Where each thing is that pydantic cannot see in one entry alone, and what is wrong there."""
    yield from _repeated(readings)
    yield from _unknown(readings)
    yield from _origins(readings)


def _repeated(readings: Readings) -> Iterator[tuple[tuple[int | str, ...], str]]:
    ids: set[str] = set()
    urls: dict[str, str] = {}
    for number, reading in enumerate(readings.readings):
        if reading.id in ids:
            yield ("readings", number, "id"), f"the id {reading.id!r} stands twice"
        if reading.url in urls:
            yield (
                ("readings", number, "url"),
                f"{reading.id!r} has the address of {urls[reading.url]!r}: {reading.url}",
            )
        if reading.module in reading.also:
            yield ("readings", number, "also"), f"{reading.id!r} belongs to {reading.module!r} already"
        ids.add(reading.id)
        urls[reading.url] = reading.id
    for number, section in enumerate(readings.path):
        for place, id in enumerate(section.readings):
            if id in section.readings[:place]:
                yield ("path", number, "readings", place), f"{id!r} stands twice under {section.heading!r}"


def _unknown(readings: Readings) -> Iterator[tuple[tuple[int | str, ...], str]]:
    known = {reading.id for reading in readings.readings}
    for number, section in enumerate(readings.path):
        for place, id in enumerate(section.readings):
            if id not in known:
                yield ("path", number, "readings", place), f"{id!r} is the id of no reading"
    for place, id in enumerate(readings.hour):
        if id not in known:
            yield ("hour", place), f"{id!r} is the id of no reading"
        elif id in readings.hour[:place]:
            yield ("hour", place), f"{id!r} stands twice in the hour"


def _origins(readings: Readings) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Of the path is what stands in it; it comes first, in its order, and says whether it was reviewed."""
    path = list(dict.fromkeys(id for section in readings.path for id in section.readings))
    for number, reading in enumerate(readings.readings):
        where = ("readings", number)
        if reading.added and reading.id in path:
            yield where, f"{reading.id!r} is `added`, but stands in the path"
        elif not reading.added and reading.id not in path:
            yield where, f"{reading.id!r} stands nowhere in the path: list it there, or say `added: true`"
        elif reading.added == (reading.reviewed is not None):
            yield where, f"{reading.id!r}: `reviewed` is said of the path's readings, and of those alone"
        elif number < len(path) and reading.id != path[number]:
            yield where, f"{reading.id!r} stands where the path has {path[number]!r}: keep the path's order"
