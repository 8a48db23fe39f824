"""Hidden inputs belong to a round: all that one command grades meets the same ones, the next command others.

So what was learnt of one round's inputs is worth nothing in the next, and classmates of a round are equal.
Mistakes are named by other draws, which never change in an output folder; no points hang on these.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from .plan import content_of
from .store import Store


@dataclass(frozen=True)
class Round:
    """`number` counts from 1 in its output folder, and is 0 where the seed was given.

    `diagnosis` is the seed by which mistakes are named, the folder's in all its rounds.
    """

    number: int
    seed: int
    diagnosis: int


def seed_of(secret: str, which: str) -> int:
    """The seed of one round among those of a secret, from 0 to 2**63 - 1."""
    return int.from_bytes(hmac.digest(secret.encode(), which.encode(), "sha256")[:8], "big") >> 1


def seed_of_submission(secret: int, path: Path, attempt: int) -> int:
    """Where each submission is graded by itself, as in a container, it is a round of its own."""
    return seed_of(str(secret), f"submission {content_of(path)}, attempt {attempt}")


def seed_of_diagnosis(secret: str) -> int:
    """The seed of what mistakes are named by."""
    return seed_of(secret, "diagnosis")


def begin(store: Store, seed: int | None, diagnosis: int | None = None) -> tuple[Round, dict[str, object]]:
    """The next round of an output folder, and what of it belongs into the folder's settings.

    `diagnosis` is for a folder that does not last, as in a container: the zip's in place of its own.
    """
    before = store.settings()
    secret, last = before.get("secret"), before.get("round")
    secret = secret if isinstance(secret, str) and secret else secrets.token_hex(32)
    number = (last if isinstance(last, int) else 0) + (seed is None)
    diagnosis = seed_of_diagnosis(secret) if diagnosis is None else diagnosis
    if seed is not None:
        return Round(0, seed, diagnosis), {"secret": secret, "round": number, "seed": seed}
    drawn = seed_of(secret, f"round {number}")
    return Round(number, drawn, diagnosis), {"secret": secret, "round": number, "seed": drawn}
