"""Collecting from the exchange, without what was handed in under another's name."""

from __future__ import annotations

import os
import sys
from typing import Any

from nbgrader.exchange.default import ExchangeCollect


class CollectOwned(ExchangeCollect):
    """Leaves a submission in the exchange that another account's owner put there.

    `nbgrader submit --student OTHER` is accepted by the file exchange, and the stock collector takes the
    latest submission under a name, with no more than a warning. Here the latest of those counts that the
    named student owns. Where all accounts are one, as in some JupyterHubs, owners say nothing: what belongs
    to whoever collects is taken.
    """

    src_records: list[dict[str, Any]]

    def init_src(self) -> None:
        super().init_src()
        chosen = self.src_records
        self.src_records = [record for record in chosen if self._owned(record)]
        foreign = [record for record in chosen if not self._owned(record)]
        for record in foreign:
            self.log.error(
                "Not collected: %s was handed in for %s by %s",
                os.path.join(self.inbound_path, record["filename"]),
                record["username"],
                owner(os.path.join(self.inbound_path, record["filename"])),
            )

    def _sort_by_timestamp(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        latest: list[dict[str, Any]] = super()._sort_by_timestamp(records)
        return [record for record in latest if self._owned(record)] or latest

    def _owned(self, record: dict[str, Any]) -> bool:
        if not self.check_owner or sys.platform == "win32":
            return True
        path = os.path.join(self.inbound_path, record["filename"])
        return owner(path) == record["username"] or os.stat(path).st_uid == own_id()


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
