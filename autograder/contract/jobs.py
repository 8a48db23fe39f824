"""What the parent and the graders tell one another. Both are trusted; JSON all the same."""

from __future__ import annotations

import hashlib

import msgspec


class Proof(msgspec.Struct, frozen=True):
    """What is to be tried of a module: one exercise's known answers, with one seed. See `proof/prove.py`.

    With the id of a `mutant` that alone: see `proof/mutants.py`.
    """

    exercise: str
    seed: int
    quick: bool
    mutant: str = ""


class Job(msgspec.Struct, frozen=True):
    """One submission to grade; with `examine`, to look at with the public checks alone.

    `basis` is what a grade depends on besides the notebook's bytes; `key`, on both, as they were when the run
    was planned. With a `problem`, a sentence, there is nothing to read; with a `proof`, either: the module
    itself is tried.
    """

    student: str
    module: str
    path: str
    shown: str
    key: str
    isolation: str
    basis: str = ""
    problem: str = ""
    attempt: int = 1
    examine: bool = False
    proof: Proof | None = None

    def key_of(self, sha256: str) -> str:
        """The key of a grade of these bytes, which may have changed since the run was planned."""
        return key_of(sha256, self.basis) if sha256 else self.key


class Finished(msgspec.Struct, frozen=True):
    """A grader's answer: a Result, an Examined or a Proven as JSON, or what was not the student's fault.

    `ended`: that fault ended the grader or a worker, which may be the submission's doing. `seconds` of CPU:
    the grader's and its workers'.
    """

    result: str = ""
    fault: str = ""
    ended: bool = False
    wall_timeout: bool = False
    seconds: float = 0.0


def key_of(content: str, basis: str) -> str:
    """What must be equal for a repeated run to keep a result."""
    return hashlib.sha256(f"{content} {basis}".encode()).hexdigest()
