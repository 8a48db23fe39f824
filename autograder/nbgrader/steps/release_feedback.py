"""Putting feedback into the exchange: the instructor's, which stays, and public results, which give way."""

from __future__ import annotations

import os
from pathlib import Path

from nbgrader.exchange.default import ExchangeReleaseFeedback
from nbgrader.utils import notebook_hash

from ...reports.public import is_public
from ..lock import FEEDBACK, locked


class ReleaseFeedback(ExchangeReleaseFeedback):
    """nbgrader's own, never at the very moment in which a public result is put there."""

    dest_path: str

    def copy_files(self) -> None:
        with locked(Path(self.coursedir.root), FEEDBACK):
            super().copy_files()

    def place(self, secret: str, notebook: str) -> Path:
        """Where a submission's feedback lies in the exchange; only its author knows the name."""
        return Path(self.dest_path, f"{notebook_hash(secret=secret, notebook_id=notebook)}.html")


class ReleasePublicResult(ReleaseFeedback):
    """Leaves alone what has been released for a submission; `gave_way` says that there was something."""

    gave_way = False

    def copy_files(self) -> None:
        with locked(Path(self.coursedir.root), FEEDBACK):
            if any(map(self._is_released, Path(self.src_path).glob("*.html"))):
                self.gave_way = True
            else:
                ExchangeReleaseFeedback.copy_files(self)

    def _is_released(self, page: Path) -> bool:
        place = self.place((page.parent / "submission_secret.txt").read_text(), page.stem)
        return os.path.lexists(place) and not is_public(place)
