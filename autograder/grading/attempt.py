"""Puts tests to a submission: live, or all that they are known to ask at once.

All submissions of a round are drawn the same inputs, so a test asks each that passes it the same. What it
asks the reference is a transcript: a submission is asked all of it in one message, and the test then meets
the answers that came back. Where it asks anything else, because they lead it another way, it is run again,
live. And a test is a function of its draws and of the answers: with exactly those with which it was passed
before, it is passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from course.catalogue.syllabus import Exercise

from ..contract.line import Ahead, Diverged, Line
from ..contract.student import Request, Student
from ..contract.trace import Trace
from ..errors import Fault, StudentFailure
from ..results import Portability
from .portability import check_portability
from .setting import Attempt, Setting, Transcript
from .suite import Test, run_test

MOST_BYTES = 8 << 20  # of what is put together; a worker has all of it in memory
MOST_REMEMBERED = 2_000  # answers with which one test was passed


def attempt(
    setting: Setting, student: Student, exercise: Exercise, kinds: Sequence[str] = ("value", "rule")
) -> list[Attempt]:
    """The tests of an exercise, one after the other. Raises Fault for what is not the student's."""
    tests = setting.suite.tests.get(exercise.id, [])
    return [attempt_one(setting, student, test, setting.run_seed) for test in tests if test.kind in kinds]


def attempt_one(setting: Setting, student: Student, test: Test, seed: int) -> Attempt:
    """One test, with the draws of this seed. Raises Fault for what is not the student's."""
    if setting.rehearsing:
        with student.line.noting() as noted:
            done = _live(setting, student, test, seed)
        setting.transcripts[test.id, seed] = _transcript(student.line, noted, done.requests)
        return done
    transcript = setting.transcripts.get((test.id, seed)) if student.alone else None
    if transcript is None or not (ahead := _ahead(student.line, transcript)):
        return _live(setting, student, test, seed)
    digest = ahead.digest
    if digest in transcript.passed:
        student.fitting.update(transcript.passed[digest])
        return Attempt(test, None, Trace(), transcript.requests)
    known = set(student.fitting)
    with student.line.answered(ahead):
        done = _live(setting, student, test, seed)
    if ahead.diverged:
        return _live(setting, student, test, seed)
    if digest and done.passed and len(transcript.passed) < MOST_REMEMBERED:
        learned = {key: told for key, told in student.fitting.items() if key not in known}
        transcript.passed[digest] = learned
    return done


def _live(setting: Setting, student: Student, test: Test, seed: int) -> Attempt:
    student.trace = trace = Trace()
    raised = run_test(setting.suite, test, student, seed, setting.device)
    if isinstance(raised, Fault):
        raise raised
    return Attempt(test, raised, trace, list(student.requests))


def portability(
    setting: Setting, exercise: Exercise, line: Line, attempts: Sequence[Attempt]
) -> Portability | None:
    """Whether it would fail on a GPU; None on a real one, where the tests themselves have shown it."""
    if setting.device.type != "cpu":
        return None
    calls = [one.requests for one in attempts if one.passed and one.test.kind == "value"]
    place = f"portability {exercise.id}", setting.run_seed
    if setting.rehearsing:
        with line.noting() as noted:
            found = check_portability(line, calls)
        setting.transcripts[place] = _transcript(line, noted, [])
        return found
    transcript = setting.transcripts.get(place) if all(one.passed for one in attempts) else None
    if transcript and (ahead := _ahead(line, transcript)):
        with line.answered(ahead), suppress(Diverged):
            return check_portability(line, calls)
    return check_portability(line, calls)


def _transcript(line: Line, noted: list[bytes], requests: list[Request]) -> Transcript:
    """What was noted, unless the grader was asked in return: its answers cannot be sent ahead."""
    frames = b"".join(noted)
    if line.callbacks or len(frames) > MOST_BYTES:
        return Transcript(requests=requests)
    return Transcript(frames, len(noted), requests)


def _ahead(line: Line, transcript: Transcript) -> Ahead | None:
    """The answers to all that is asked; None where it is better asked live."""
    again = any(request.label in line.given_up for request in transcript.requests)
    if not transcript.frames or line.one_by_one or again:
        return None
    try:
        return line.together(transcript.frames, transcript.count)
    except StudentFailure:  # no worker can be had: the test is to meet that itself
        return None
