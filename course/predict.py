"""`predict(...)` before a demo, `predicted(...)` after it: what was expected, beside what came.

Light to import. Plain text, no widget. Who skips it goes on as if it were not there.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from course.checking.shown import say

WIDTH = 88


def predict(key: str, question: str, yours: str = "", *, choose: Sequence[str] = ()) -> None:
    """Notes down what you expect, to be shown again beside what comes.

    predict("guidance/w=7", "Will the cloud be wider at w = 7 than at w = 1, or narrower?", "narrower")

    key     of the prediction; a later one of the same key takes its place
    yours   a sentence of yours, or one of those to `choose` from; left empty, nothing is noted
    """
    from course.desk import predictions

    text = " ".join(str(yours).split())
    if choose and text and text not in choose:
        listed = ", ".join(f'"{one}"' for one in choose)
        say(_wrapped(f'"{text}" is none of those to choose from: {listed}. Nothing was noted.'))
    elif text:
        predictions.record(key, text)
        say(_wrapped(f'Noted: "{text}"'))
    else:
        how = f"one of {', '.join(choose)}" if choose else "a sentence"
        say(_wrapped(f"{question} Write {how} between the last quotes and run this cell, or go on without."))


def predicted(key: str, came: str) -> None:
    """Shows what you expected, if you wrote it down, and beside it what `came`."""
    from course.desk import predictions

    if text := predictions.load().get(key):
        say(_wrapped(text, "You wrote:  "))
    say(_wrapped(came, "It came:    "))


def _wrapped(text: str, first: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
