"""Every exception that the autograder raises on purpose.

Three branches, because three people have to act on them:

* `UsageError`: whoever typed the command (exit code 2);
* `Fault`: whoever runs the machine (exit code 3). Never a student's zero;
* `StudentFailure`: the student whose code failed. Costs the test it happened in, nothing else.

`Unreadable` stands beside them: a submission that cannot be read gets a result that says so.
"""

from __future__ import annotations


class AutograderError(Exception):
    """Parent of all; its message is one sentence: what is wrong, where, and what to do."""

    exit_code = 3


class UsageError(AutograderError):
    """The command, its arguments, or the course's own content is wrong."""

    exit_code = 2


class ContentError(UsageError):
    """A syllabus, lesson, solution, suite or key is not as it must be; names file and line."""


class Fault(AutograderError):
    """Something of ours or the machine's failed: the run must say so, nobody gets points for it."""


class Ended(Fault):
    """A process that graded or was being graded came to its end, and nobody knows whose doing that was.

    It is tried once more, alone; if that ends in the same way, a person has to look at the submission.
    """


class SandboxUnavailable(Fault):
    """The isolation level that was asked for cannot be had on this machine."""


class Unreadable(AutograderError):
    """A submission that cannot be read; the message is the reason that the student is shown."""


class StudentFailure(AutograderError):
    """Whatever a student's code did instead of giving a right answer."""


class StudentError(StudentFailure):
    """The student's code raised an exception.

    `type` and `message` are the exception's; `trace` holds only lines of the student's own code.
    """

    def __init__(self, type: str, message: str, trace: str = "") -> None:
        super().__init__(f"{type}: {message}" if message else type)
        self.type, self.message, self.trace = type, message, trace


class StudentTimeout(StudentFailure):
    """A call used up its time."""


class BudgetSpent(StudentFailure):
    """The submission used up its CPU time, memory, bytes, callbacks or restarts, in a worker or with us."""


class WorkerDied(StudentFailure):
    """The student's code ended its own process (`os._exit`, a crash in C, out of memory)."""


class ProtocolViolation(StudentFailure):
    """The worker sent something that the protocol does not allow: only tampering does that."""
