"""The results of a submission that is not graded, or not yet: valid, our fault, and nobody's zero if we can.

Gradescope takes a file without any score for a broken one, so a score must be in it. Gradescope tells us what
the student's last submission got, and that is kept; without one it is 0, with an entry that says why.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from .settings import Settings

MARK = "not_graded"
_NOTE = (
    "This submission has not been graded, through no fault of yours: the autograder did not get to its end. "
    "Your instructor can run it again, and need not ask you for anything."
)
_KEPT = "Until then you keep the score of your submission before this one."
_NONE = "The 0 in its place is no grade."


def not_graded(settings: Settings, previous: float | None = None) -> dict[str, Any]:
    """What results.json says then. `previous` is the score of the student's submission before."""
    note = f"{_NOTE} {_NONE if previous is None else _KEPT}"
    entry = {"name": "Not graded", "status": "failed", "output": note}
    # Twice, so that the score of a test that is still hidden does not show through this one.
    shown = dict.fromkeys(("visible", settings.visibility))
    return {
        "score": 0.0 if previous is None else previous,
        "output": note,
        "stdout_visibility": "hidden",
        "extra_data": {MARK: True},
        "tests": [{**entry, "visibility": visibility} for visibility in shown],
    }


def attempt_of(tree: Path) -> int:
    """Which of the student's submissions this is, from 1; where nothing says so, the first."""
    try:
        return 1 + len(json.loads((tree / "submission_metadata.json").read_bytes())["previous_submissions"])
    except (OSError, ValueError, LookupError, TypeError):
        return 1


def previous_score(tree: Path) -> float | None:
    """The score of the submission before this one; None where there is none, or nothing that can be read."""
    try:
        metadata = json.loads((tree / "submission_metadata.json").read_bytes())
        before = metadata["previous_submissions"]
        latest = max(before, key=lambda one: str(one.get("submission_time", "")))
        score = float(latest["score"])
        mark = (latest.get("results") or {}).get("extra_data") or {}
        never = bool(mark.get(MARK)) and score == 0
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return None if never or not math.isfinite(score) or score < 0 else score
