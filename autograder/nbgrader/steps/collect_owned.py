"""nbgrader's step that collects from the exchange: each student's own latest work, whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import ExchangeCollect
from nbgrader.utils import parse_utc
from traitlets import Bool

from ...atomic import write_atomically
from ...errors import AutograderError
from .accounts import account_of

_UNDATED = datetime.min


@dataclass
class Collection:
    """Who has something new, and what was left in the exchange: student and reason."""

    new: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


class CollectOwned(ExchangeCollect):
    """Leaves a submission in the exchange that another account's owner put there.

    `nbgrader submit --student OTHER` is accepted by the file exchange, and the stock collector takes the
    latest submission under a name, with no more than a warning. Here the latest of those counts that the
    named student owns. Where all accounts are one, as in some JupyterHubs, owners say nothing: what belongs
    to whoever collects is taken. With `numbered_accounts` a student's account is the number made from the
    name.

    A submission that cannot be copied, or whose folder's name has no date, is left as well, and the others
    are collected. One that was collected before is replaced only by one that has been copied whole.
    """

    numbered_accounts = Bool(
        False,
        help="Whether each student's server runs under the number made from the student's name, as in "
        "docs/deployment.md.",
    ).tag(config=True)

    src_records: list[dict[str, Any]]

    def init_src(self) -> None:
        self.collection = Collection()
        super().init_src()
        chosen = sorted(self.src_records, key=lambda record: str(record["username"]))
        self.src_records = []
        for record in chosen:
            place = os.path.join(self.inbound_path, record["filename"])
            if record["timestamp"] is _UNDATED:
                self._leave(record, f"{place} has no date in its name")
            elif not self._owned(record):
                self._leave(record, f"{place} was handed in for {record['username']} by {owner(place)}")
            else:
                self.src_records.append(record)

    def copy_files(self) -> None:
        if not self.src_records:
            self.log.warning("Nothing of %r to collect", self.coursedir.assignment_id)
        for record in self.src_records:
            place = os.path.join(self.inbound_path, record["filename"])
            try:
                if self._is_wanted(record):
                    self._take(place, record)
                    self.collection.new.append(record["username"])
                    self.log.info("Collected: %s", place)
            except (OSError, RuntimeError, AutograderError) as error:  # RuntimeError: nbgrader's, of the size
                self._leave(record, f"{place} cannot be copied: {error}")

    def _leave(self, record: dict[str, Any], reason: str) -> None:
        self.collection.left.append((record["username"], reason))
        self.log.error("Not collected: %s", reason)

    def _is_wanted(self, record: dict[str, Any]) -> bool:
        """Whether it is to replace what was collected before: nbgrader's own rules."""
        before = self._destination(record)
        if not os.path.isdir(before):
            return True
        known = date_of(before)
        if self.update and (known is None or record["timestamp"] > known):
            return True
        return bool(self.before_duedate) and known != record["timestamp"]

    def _take(self, place: str, record: dict[str, Any]) -> None:
        destination = self._destination(record)
        parent, name = os.path.split(destination)
        new, old = os.path.join(parent, f".{name}.new"), os.path.join(parent, f".{name}.old")
        os.makedirs(parent, exist_ok=True)
        for left_over in (new, old):
            shutil.rmtree(left_over, ignore_errors=True)
        self.do_copy(place, new)
        for folder, _, _ in os.walk(new):  # they keep the rights that their author gave them
            os.chmod(folder, os.stat(folder).st_mode | 0o700)
        self._date(new, record)
        if os.path.isdir(destination):
            os.rename(destination, old)
        os.rename(new, destination)
        shutil.rmtree(old, ignore_errors=True)

    def _date(self, folder: str, record: dict[str, Any]) -> None:
        """Makes timestamp.txt, which its author can write as they like, say what the folder's name says."""
        if date_of(folder) != record["timestamp"]:
            write_atomically(Path(folder, "timestamp.txt"), record["filename"].rsplit("+", 3)[2])

    def _destination(self, record: dict[str, Any]) -> str:
        submitted = self.coursedir.submitted_directory
        path: str = self.coursedir.format_path(submitted, record["username"], self.coursedir.assignment_id)
        return path

    def _path_to_record(self, path: str) -> dict[str, Any]:
        try:
            record: dict[str, Any] = super()._path_to_record(path)
        except (ExchangeError, ValueError, OverflowError):
            name = os.path.basename(path)
            return {"username": name.split("+")[0], "filename": name, "timestamp": _UNDATED}
        return record

    def _sort_by_timestamp(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        latest: list[dict[str, Any]] = super()._sort_by_timestamp(records)
        dated = [record for record in latest if record["timestamp"] is not _UNDATED]
        return [record for record in dated if self._owned(record)] or dated or latest

    def _owned(self, record: dict[str, Any]) -> bool:
        if not self.check_owner or sys.platform == "win32":
            return True
        path = os.path.join(self.inbound_path, record["filename"])
        number = os.stat(path).st_uid
        if number == own_id():
            return True
        if self.numbered_accounts:
            return number == account_of(record["username"])
        return owner(path) == record["username"]


def date_of(folder: str | Path) -> datetime | None:
    """When a submission was handed in, by its timestamp.txt; None if that is missing or says no date."""
    try:
        text = Path(folder, "timestamp.txt").read_text(encoding="utf-8").strip()
        return parse_utc(text) if text else None
    except (OSError, ValueError, OverflowError):
        return None


def owner(path: str) -> str:
    """The account that a file belongs to; `unknown` for one without a name."""
    import pwd

    try:
        return pwd.getpwuid(os.stat(path).st_uid).pw_name
    except KeyError:
        return "unknown"


def own_id() -> int:
    """Whoever collects."""
    return os.getuid()
