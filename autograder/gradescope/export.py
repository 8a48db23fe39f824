"""Makes the zip that an instructor uploads: one a module, with what grading it needs and no other's secrets.

setup.sh, run_autograder     what Gradescope calls
settings.json                module, seed, who sees what
not_graded.json              the results until there are better ones
packages/                    the sources of `course` and `autograder`, as pip installs them
course_root/                 the module's reference, suite, mistakes, keys, quiz, notebook; the syllabus
"""

from __future__ import annotations

import json
import secrets
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ..atomic import write_atomically
from ..content.course_root import CourseRoot
from ..content.module import GradedModule
from ..errors import ContentError, UsageError
from ..handout.archive import zipped
from ..handout.release import bundle, sources
from .not_graded import not_graded
from .settings import COURSE, FILE, NOT_GRADED, Details, Sandbox, Settings, Visibility

SCRIPTS = ("setup.sh", "run_autograder")
_LARGEST = 100_000_000  # bytes: what Gradescope takes
_LEFT_OUT = frozenset({"hidden", "dist"})


def export(
    root: CourseRoot,
    folder: Path,
    modules: list[str],
    *,
    visibility: Visibility = "after_published",
    details: Details = "exercises",
    sandbox: Sandbox = "auto",
    seed: int | None = None,
) -> list[Path]:
    """Writes FOLDER/MODULE.zip for each module; raises UsageError and ContentError before any is written.

    Without a `seed`, a zip that is there already hands on its own, and a new one gets a fresh one.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder for the zips.")
    packages = dict(_packages(root))
    made: dict[Path, bytes] = {}
    for module in modules:
        path = folder / f"{module}.zip"
        settings = Settings(
            module=module,
            seed=_seed_of(path) if seed is None else seed,
            visibility=visibility,
            details=details,
            sandbox=sandbox,
        )
        made[path] = zipped(packages | dict(_own(root, settings)), SCRIPTS)
        if len(made[path]) > _LARGEST:
            raise ContentError(f"The zip of {module!r} is larger than Gradescope takes (100 MB).")
    for path, content in made.items():
        write_atomically(path, content, mode=0o600)  # it has the solutions
    return list(made)


def _own(root: CourseRoot, settings: Settings) -> Iterator[tuple[str, bytes]]:
    here = Path(__file__).parent / "files"
    for name in SCRIPTS:
        yield name, (here / name).read_bytes()
    yield FILE, (settings.model_dump_json(indent=1) + "\n").encode()
    yield NOT_GRADED, (json.dumps(not_graded(settings), indent=1) + "\n").encode()
    for name, path in GradedModule.load(root, settings.module).files_to_grade_with().items():
        try:
            yield f"{COURSE}/{name}", path.read_bytes()
        except OSError as error:
            raise ContentError(f"{name} cannot be read: {error.strerror}") from None


def _packages(root: CourseRoot) -> Iterator[tuple[str, bytes]]:
    """The students' package as they get it, and the grader without what is hidden."""
    for name, content in bundle(root).items():
        yield f"packages/course/{name}", content
    for name, content in sources(root.path / "autograder"):
        if name.split("/")[0] not in _LEFT_OUT:
            yield f"packages/autograder/{name}", content
    constraints = root.path / "constraints.txt"
    yield "constraints.txt", constraints.read_bytes() if constraints.is_file() else b""


def _seed_of(path: Path) -> int:
    try:
        with zipfile.ZipFile(path) as archive:
            return Settings.model_validate_json(archive.read(FILE)).seed
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return secrets.randbits(63)
