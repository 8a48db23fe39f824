"""The results folder: written by rename, resumed by key, and never made worse by accident."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..atomic import write_atomically
from ..errors import Fault, UsageError
from ..examined import Examined
from ..results import Flag, Result
from .folders import EARLIER, earlier_name, folder_name

LASTING = ("forbidden-call", "tampering")


def _lasting(found: Result, to: Result) -> list[Flag]:
    """The flags of one result that the other one, of another submission, is to have as well."""
    flags = []
    for flag in found.flags:
        if flag.kind in LASTING and (flag.submission or found.sha256 != to.sha256):
            which = flag.submission or found.sha256[:8]
            message = flag.message if flag.submission else f"In another submission ({which}): {flag.message}"
            flags.append(flag.model_copy(update={"submission": which, "message": message}))
    return [flag for flag in flags if flag not in to.flags and flag.submission != to.sha256[:8]]


@dataclass(frozen=True)
class Store:
    """The results of one output folder.

    `results/STUDENT/MODULE.json` is the grade that counts. A later, lower one stands beside it as
    `MODULE.lower.json`, an earlier one that --force replaced as `MODULE.before-N.json`.
    `examined/STUDENT/MODULE.json` is what the public checks say of the notebook examined last.

    A file counts only as the student's and of the module that it names itself and that its place is for.
    """

    folder: Path

    def path(self, student: str, module: str, beside: str = "") -> Path:
        name = f"{module}.{beside}.json" if beside else f"{module}.json"
        return self.folder / "results" / folder_name(student) / name

    def read(self, student: str, module: str, beside: str = "") -> Result | None:
        """The stored result; None if there is none or it is broken (a broken one is graded again)."""
        result = _read(self.path(student, module, beside))
        own = result is not None and (result.student, result.module) == (student, module)
        return result if own else None

    def has(self, student: str, module: str, key: str) -> bool:
        """Whether this very notebook was graded before under the same conditions."""
        stored = (self.read(student, module), self.read(student, module, "lower"))
        return any(result is not None and result.key == key for result in stored)

    def write(self, result: Result, *, force: bool = False) -> bool:
        """Stores a result; False if an earlier, better one goes on counting, with the new one beside it.

        What a person should look at outlives the submission that it was found in: it goes over to the other.
        """
        counting = self.read(result.student, result.module)
        if counting is not None and counting.points > result.points and not force:
            if added := _lasting(result, counting):
                counting.flags += added
                write_atomically(self.path(result.student, result.module), counting.to_json(indent=1) + "\n")
            content = result.to_json(indent=1) + "\n"
            write_atomically(self.path(result.student, result.module, "lower"), content)
            return False
        if counting is not None:
            result.flags += _lasting(counting, result)
        content = result.to_json(indent=1) + "\n"
        if counting is not None and counting.points > result.points:
            write_atomically(self._free_place(counting), counting.to_json(indent=1) + "\n")
        write_atomically(self.path(result.student, result.module), content)
        return True

    def _free_place(self, result: Result) -> Path:
        number = 1
        while (path := self.path(result.student, result.module, f"before-{number}")).exists():
            number += 1
        return path

    # What the public checks say

    def examined_path(self, student: str, module: str) -> Path:
        return self.folder / "examined" / folder_name(student) / f"{module}.json"

    def examined(self, student: str, module: str, key: str) -> Examined | None:
        """What the public checks say of this very notebook; None if they have not been run on it."""
        try:
            found = Examined.from_json(self.examined_path(student, module).read_bytes())
        except (OSError, ValueError):
            return None
        return found if (found.student, found.module, found.key) == (student, module, key) else None

    def write_examined(self, examined: Examined) -> None:
        write_atomically(self.examined_path(examined.student, examined.module), examined.to_json() + "\n")

    def results(self) -> Iterator[Result]:
        """All results that count, by student and module."""
        found = []
        for path in self.folder.glob("results/*/*.json"):
            result = _read(path)
            if result is not None and path == self.path(result.student, result.module):
                found.append(result)
        yield from sorted(found, key=lambda result: (result.student, result.module))

    def adopt(self) -> None:
        """Brings what was stored in folders of earlier names to where it is looked for now; raises Fault."""
        for path in sorted(self.folder.glob("[re]*/*/*.json")):
            kind, folder = path.parent.parent.name, path.parent.name
            if kind not in ("results", "examined") or not EARLIER.fullmatch(folder):
                continue
            try:
                student = str(json.loads(path.read_bytes())["student"])
                target = self.folder / kind / folder_name(student) / path.name
                if folder == earlier_name(student) and not target.exists():
                    target.parent.mkdir(exist_ok=True)
                    path.rename(target)
                path.parent.rmdir()
            except (ValueError, LookupError, TypeError):
                continue  # broken: it never counted
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise Fault(f"{path}: cannot be moved: {error.strerror or error}") from None

    # The run's own settings

    def settings(self) -> dict[str, object]:
        """What `run.json` holds; empty if there is none."""
        path = self.folder / "run.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise Fault(f"{path}: cannot be read: {error.strerror or error}") from None
        except ValueError:
            raise UsageError(
                f"{path}: not readable as JSON; mend it, or choose another --out folder"
            ) from None
        return found if isinstance(found, dict) else {}

    def write_settings(self, settings: dict[str, object]) -> None:
        write_atomically(
            self.folder / "run.json", json.dumps(settings, indent=1, sort_keys=True) + "\n", mode=0o640
        )


def _read(path: Path) -> Result | None:
    try:
        return Result.from_json(path.read_bytes())
    except (OSError, ValueError):
        return None
