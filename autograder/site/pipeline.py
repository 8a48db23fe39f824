"""`docs/pipeline.yaml`, the parts of a diffusion pipeline with their modules, and the picture made of it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from course.catalogue import yaml_lines
from course.catalogue.syllabus import Module, Planned, Syllabus

from ..content.course_root import CourseRoot
from ..errors import ContentError
from .drawn import FOLDER
from .html import attributes

FILE = Path("docs", "pipeline.yaml")

Text = Annotated[str, Field(min_length=1)]


class Part(BaseModel, extra="forbid", frozen=True):
    """One part: the ids of its modules in order, and pictures of `docs/drawn` (name → words) that show it."""

    title: Text
    text: Text
    modules: tuple[str, ...] = Field(min_length=1)
    shows: dict[str, Text] = {}


class Pipeline(BaseModel, extra="forbid", frozen=True):
    parts: tuple[Part, ...] = Field(min_length=1)


def parse(text: str, syllabus: Syllabus, source: str = "pipeline.yaml") -> Pipeline:
    """The parts of the pipeline; raises ContentError, with file and line where it is of no such form.

    Every module of the syllabus, written or planned, stands in one part and no more.
    """
    pipeline = yaml_lines.parse(Pipeline, text, source, ContentError)
    placed = [id for part in pipeline.parts for id in part.modules]
    known = [module.id for module in syllabus.road]
    if strange := [id for id in placed if id not in known]:
        raise ContentError(f"{source}: {strange[0]!r} is no module of the syllabus: take it out.")
    if twice := [id for id in placed if placed.count(id) > 1]:
        raise ContentError(f"{source}: {twice[0]!r} has two places: keep one.")
    if missing := [id for id in known if id not in placed]:
        raise ContentError(f"{source}: the module {missing[0]!r} has no place: put it into a part.")
    return pipeline


def picture(root: CourseRoot) -> str:
    """HTML of the picture, for `docs/modules/index.md`: a list, which a style sheet makes a picture of.

    Raises ContentError, also for a picture that is not in `docs/drawn`.
    """
    path = root.path / FILE
    pipeline = parse(root.read(path), root.syllabus, root.relative(path))
    for part in pipeline.parts:
        for name in part.shows:
            if not (root.path / FOLDER / f"{name}.png").is_file():
                raise ContentError(f"{root.relative(path)}: docs/drawn has no {name}.png: name another.")
    modules = {module.id: module for module in root.syllabus.road}
    parts = "".join(_part(part, modules) for part in pipeline.parts)
    return f'<ol class="pipeline">{parts}</ol>'


def _part(part: Part, modules: dict[str, Module | Planned]) -> str:
    items = "".join(_module(modules[id]) for id in part.modules)
    images = "".join(
        f"<img{attributes(src=f'../drawn/{name}.png', alt=words, width=16, height=16)}>"
        for name, words in part.shows.items()
    )
    shown = f'<div class="shows">{images}</div>' if images else ""
    text = f"<strong>{escape(part.title)}</strong><p>{escape(part.text)}</p>"
    return f"<li>{text}{shown}<ul>{items}</ul></li>"


def _module(module: Module | Planned) -> str:
    title, about = escape(module.title), attributes(title=module.summary)
    if isinstance(module, Planned):
        return f'<li class="planned"{about}>{title} <span class="chip">to come</span></li>'
    return f'<li><a href="{module.id}/index.html"{about}>{title}</a></li>'
