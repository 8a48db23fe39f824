"""What an instructor sets for a course, in a file beside the notebooks that students get.

    hints = false

nbgrader's release has the file where `autograder nbgrader init --no-hints` made the course directory, and a
bundle has it from `autograder release --no-hints`. It is looked for where the notebook runs and in the
folders above. A student who means to can remove it, as they can read the package: it is a rule, not a lock.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

FILE = "course-settings.toml"
SWITCH = "COURSE_HINTS"  # for a whole machine, such as a JupyterHub's image: COURSE_HINTS=off
NO_HINTS = """\
# Set by your instructors: hint(...) gives no hints in this course.
hints = false
"""


class SettingsError(ValueError):
    """The file cannot be understood; the message says why, in a sentence."""


def hints_allowed(start: Path | None = None) -> bool:
    """Whether `hint` gives hints in this folder (by default where we are). Raises SettingsError."""
    if os.environ.get(SWITCH, "").strip().lower() in ("off", "0", "no", "false"):
        return False
    path = _find((start or Path.cwd()).resolve())
    if path is None:
        return True
    try:
        allowed = tomllib.loads(path.read_text(encoding="utf-8")).get("hints", True)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise SettingsError(f"{path} cannot be understood: {error}") from None
    if not isinstance(allowed, bool):
        raise SettingsError(f"{path} has hints = {allowed!r}, which must be true or false")
    return allowed


def _find(folder: Path) -> Path | None:
    return next((path for here in (folder, *folder.parents) if (path := here / FILE).is_file()), None)
