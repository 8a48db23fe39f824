"""`check(...)`: what a student runs below an exercise. Prints a short report; raises CheckFailed if need be.

Light to import: torch, the syllabus and the checks are loaded when something is checked.
"""

from __future__ import annotations

from typing import Any

from course.checking.shown import say


class CheckFailed(Exception):
    """Something is not right yet; the message is its first problem, and the report above says the rest."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback: the lines of a traceback would be the course's own."""
        return [f"{type(self).__name__}: {self}"]


def check(*functions: Any, quiz: str | None = None) -> None:
    """Runs the public checks of an exercise on your answer, or looks at the form of your answers to a quiz.

    check(stable_softmax)
    check(split_heads, merge_heads)
    check(answers, quiz="attention_quiz")

    Prints what holds and what does not. Raises CheckFailed if something does not, a bonus excepted: what has
    no points is not to stop a run of all cells.
    """
    from course.checking import session
    from course.checking.examine import reports_on
    from course.desk import lent, mine, progress

    with lent.for_now():
        reports = reports_on(functions, quiz)
    about = [report for report in reports if report.key]
    for report in about:
        say(report)
        if report.passed and (kept := mine.keep(report.key, session.cells())):
            say(f"  {kept}")
    progress.record_checks(about)
    failed = [report for report in reports if not report.passed and not report.bonus]
    if failed:
        raise CheckFailed(failed[0].summary()) from None
