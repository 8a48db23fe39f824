"""What an instructor sets for a course, in a file beside the notebooks that students get.

    hints = false
    mine = "../mine"

nbgrader's release has the file where `autograder nbgrader init --no-hints` made the course directory, and a
bundle has it from `autograder release --no-hints`. It is looked for where the notebook runs and in the
folders above. A student who means to can remove it, as they can read the package: it is a rule, not a lock.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

FILE = "course-settings.toml"
SWITCH = "COURSE_HINTS"  # for a whole machine, such as a JupyterHub's image: COURSE_HINTS=off
MINE = "COURSE_MINE"  # the same for `mine/`: a folder, or off
OFF = ("off", "0", "no", "false")
NO_HINTS = """\
# Set by your instructors: hint(...) gives no hints in this course.
hints = false
"""


class SettingsError(ValueError):
    """The file cannot be understood; the message says why, in a sentence."""


def hints_allowed(start: Path | None = None) -> bool:
    """Whether `hint` gives hints in this folder (by default where we are). Raises SettingsError."""
    if os.environ.get(SWITCH, "").strip().lower() in OFF:
        return False
    path, allowed = _set("hints", start)
    if not (allowed is None or isinstance(allowed, bool)):
        raise SettingsError(f"{path} has hints = {allowed!r}, which must be true or false")
    return allowed is not False


def folder_for_answers(start: Path | None = None) -> Path | Literal[False] | None:
    """Where checked answers are kept, False for nowhere, None where nothing is set. Raises SettingsError."""
    by_machine = os.environ.get(MINE, "").strip()
    if by_machine:
        return False if by_machine.lower() in OFF else Path(by_machine).expanduser().absolute()
    path, chosen = _set("mine", start)
    if path is None or chosen is None or chosen is True:
        return None
    if chosen is False:
        return False
    if not isinstance(chosen, str) or not chosen.strip():
        raise SettingsError(f"{path} has mine = {chosen!r}, which must be a folder, or false")
    return path.parent / Path(chosen).expanduser()


def _set(key: str, start: Path | None) -> tuple[Path | None, Any]:
    """The settings file and what it says of `key`, None for nothing."""
    path = _find((start or Path.cwd()).resolve())
    if path is None:
        return None, None
    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8")).get(key)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise SettingsError(f"{path} cannot be understood: {error}") from None


def _find(folder: Path) -> Path | None:
    return next((path for here in (folder, *folder.parents) if (path := here / FILE).is_file()), None)
