"""`parts`: what a notebook takes from the ones before it, a student's own wherever it passes its check.

    from course import parts

    attention = parts.attention.CrossAttention(64, 64, heads=4, head_dim=16)
    print(parts.taken_by("unet"))  # which are yours, and which are borrowed

The student's come from `mine/`, where a green check keeps them. Until then, or where one no longer works, the
course's own takes its place: `course/modules/MODULE/lent.py`. There are the same names for everybody. In
grading, and while something is checked, all are the course's: `course/desk/lent.py`.

Light to import: syllabus, torch and parts are loaded when one is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from course.checking.shown import say
from course.desk import lent

if TYPE_CHECKING:
    from course.catalogue.syllabus import Module
    from course.desk.mine_parts import Mine

__all__ = ["Parts", "PartsOfModule", "parts"]

_told: set[str] = set()
_fit: dict[str, Any] = {}  # by name, the last one that was found to fit


class PartsOfModule:
    """The parts of one module, as attributes; AttributeError for a name that the course does not lend."""

    def __init__(self, module: Module) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in (known := lent_names(self._module.id)):
            raise AttributeError(
                f"no part {name!r} is handed on from {self._module.id}: there {_are(known)}", name=name
            )
        if not lent.only() and (own := _own(self._module, name)) is not None:
            return own
        return getattr(_home(self._module.id), name)

    def __dir__(self) -> list[str]:
        return lent_names(self._module.id)

    def __repr__(self) -> str:
        return "\n".join(_lines([(self._module, name) for name in lent_names(self._module.id)]))


class Parts:
    """The modules that hand parts on, as attributes; printed, it says of each part whose it is."""

    def __getattr__(self, module: str) -> PartsOfModule:
        if module.startswith("__"):
            raise AttributeError(module)
        for each in _modules():
            if each.id == module:
                return PartsOfModule(each)
        known = ", ".join(each.id for each in _modules())
        raise AttributeError(f"no module {module!r} hands parts on: choose one of {known}", name=module)

    def __dir__(self) -> list[str]:
        return [*(each.id for each in _modules()), "taken_by"]

    def __repr__(self) -> str:
        return "\n".join(_lines([(each, name) for each in _modules() for name in lent_names(each.id)]))

    def taken_by(self, module: str) -> str:
        """What a module's notebook takes from earlier ones, a line each: yours, or borrowed. For `print`."""
        from course.catalogue.syllabus import load

        syllabus = load()
        takes = syllabus.module(module).takes
        lines = _lines([(syllabus.module(id), name) for id, names in takes.items() for name in names])
        return "\n".join(["Parts from earlier notebooks:", *(f"  {line}" for line in lines)])


parts = Parts()


def lent_names(module: str) -> list[str]:
    """The names that the course lends of a module, in their order; none for most."""
    home = _home(module)
    return [] if home is None else list(home.__all__)


def _modules() -> Iterator[Module]:
    from course.catalogue.syllabus import load

    return (module for module in load().modules if _spec(module.id) is not None)


def _spec(module: str) -> Any:
    return importlib.util.find_spec(f"course.modules.{module}.lent")


def _home(module: str) -> Any:
    return importlib.import_module(f"course.modules.{module}.lent") if _spec(module) is not None else None


def _own(module: Module, name: str) -> Any:
    """The student's part, None if there is none to use; says so where there is one that does not work."""
    from course.desk import mine_parts

    mine = mine_parts.of(module)
    exercise = next(one for one in module.exercises if name in one.defines)
    if mine is None:
        return None
    why = mine.why_not(exercise)
    if mine.is_own(exercise):
        try:
            own = getattr(mine_parts.imported(mine.text, mine.file, f"mine.{module.id}"), name)
        except (mine_parts.Unusable, AttributeError) as error:
            why = str(error)
        else:
            why = _misfit(module.id, name, own)
            if not why:
                return own
    if why and (sentence := _fallen_back(module, name, mine, why)) not in _told:
        _told.add(sentence)
        say(sentence)
    return None


def _misfit(module: str, name: str, own: Any) -> str:
    """Why the student's part cannot stand where the course's does, in a clause; '' if it can.

    A `lent.py` may have `fits(name, own)`, which raises if so.
    """
    import torch

    from course.checking.examine import describe

    fits = getattr(_home(module), "fits", None)
    if fits is None or _fit.get(name) is own:
        return ""
    try:
        with torch.random.fork_rng(devices=[]):
            fits(name, own)
    except Exception as error:
        return f"it does not fit in the place of the course's ({describe(error)})"
    _fit[name] = own
    return ""


def _fallen_back(module: Module, name: str, mine: Mine, why: str) -> str:
    from course.desk.mine_folder import shown

    return f"Your {name} in {shown(mine.file)} is not used: {why}. The course's takes its place."


def _lines(wanted: list[tuple[Module, str]]) -> list[str]:
    """`attention.CrossAttention  yours, checked on 30 November 2026 (mine/attention.py)`"""
    width = max((len(f"{module.id}.{name}") for module, name in wanted), default=0)
    return [f"{f'{module.id}.{name}':<{width}}  {_whose(module, name)}" for module, name in wanted]


def _whose(module: Module, name: str) -> str:
    from course.desk import mine_parts
    from course.desk.mine_folder import on_day, shown

    mine = None if lent.only() else mine_parts.of(module)
    exercise = next(one for one in module.exercises if name in one.defines)
    if mine is None or exercise.id not in mine.known.answers:
        return f"borrowed from the course, until yours passes its check in {module.id}.ipynb"
    if why := mine.why_not(exercise):
        return f"borrowed from the course: yours in {shown(mine.file)} is not used, {why}"
    return f"yours, checked on {on_day(mine.known.answers[exercise.id].checked)} ({shown(mine.file)})"


def _are(names: list[str]) -> str:
    return f"is {names[0]}" if len(names) == 1 else f"are {', '.join(names)}"
