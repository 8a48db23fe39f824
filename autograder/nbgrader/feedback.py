"""What a student and whoever grades read below a check cell: as plain text, and as HTML that survives.

nbconvert's sanitiser lets few elements through (no paragraphs, no table bodies); only such are used here.
Everything that comes from a student is escaped by markupsafe.
"""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from ..reports.feedback import ExerciseView
from ..reports.text import excerpt, number, prose, sentence
from ..results import ErrorExcerpt, Result, Status

_VERDICTS = {"holds": "✓", "fails": "✗", "waits": "○", "untested": "·"}
_STATES = {
    "missing": "Nothing of this name was found in the notebook.",
    "untouched": "Not begun.",
}


def as_text(result: Result, view: ExerciseView) -> str:
    """The feedback on one exercise, for `text/plain`."""
    return "\n".join(line for line, _ in _lines(result, view))


def as_html(result: Result, view: ExerciseView) -> str:
    """The same for `text/html`."""
    return str(
        Markup('<div class="autograder">{}</div>').format(
            Markup("\n").join(html for _, html in _lines(result, view))
        )
    )


def comment(result: Result, view: ExerciseView) -> str | None:
    """One line for the answer's cell: the named mistake with its hint, and the first property that fails.

    None where nothing is to be said. Nothing in it was written by the student.
    """
    if result.status is not Status.GRADED:
        return "This notebook could not be graded as it is: see the note on top or below the check."
    if view.result.state == "untouched":
        return "No response."
    if view.result.state == "missing":
        return _STATES["missing"]
    said = [
        f"This looks like a known mistake: {_ended(mistake.title)} {mistake.hint.strip()}"
        for mistake in view.result.mistakes
    ]
    failed = [] if view.is_quiz else [row for row in view.properties if row.verdict == "fails"]
    said += [f"What does not hold yet: {_ended(row.test.title)}" for row in failed[:1]]
    return "\n\n".join(said) or None


def _lines(result: Result, view: ExerciseView) -> Iterator[tuple[str, Markup]]:
    """Each line of the feedback as text and as HTML."""
    answer = view.result
    # Where an instructor gave other points, nbgrader shows those above, and these must not contradict them.
    yield _bold(
        f"{answer.title}: {number(answer.points)} of {number(answer.max_points)} points "
        "from the automatic tests"
    )
    if result.status is not Status.GRADED:
        yield _line(result.reason)
        yield _line("It counts as 0 points until somebody has looked at it.")
        return
    if answer.state in _STATES:
        yield _line(_STATES[answer.state])
    for mistake in answer.mistakes:
        yield _bold(f"This looks like a known mistake: {_ended(mistake.title)}")
        yield _line(mistake.hint)
    if answer.state == "answered":
        yield from _properties(view)
    if view.stand_ins:
        yield _line(f"Ours took the place of what is not right yet: {', '.join(view.stand_ins)}.")
    if answer.note:
        yield _line(answer.note)
    if answer.portability and not answer.portability.ok:
        yield _bold("Would fail on a GPU (no points are lost by this)")
        yield _line(answer.portability.message)


def _properties(view: ExerciseView) -> Iterator[tuple[str, Markup]]:
    for row in view.properties:
        if view.is_quiz:
            yield _line(f"{_VERDICTS[row.verdict]} {row.test.id.replace('::', '.').split('.')[-1]}")
            continue
        yield _line(f"{_VERDICTS[row.verdict]} {row.test.title}")
        if row.verdict == "fails" and row.test.message:
            yield _line(row.test.message, indent=True)
        if row.verdict == "fails" and row.test.error:
            yield from _error(row.test.error)
    if view.waiting:
        yield _line("○ holds, and will count as soon as the values are right.")


def _error(error: ErrorExcerpt) -> Iterator[tuple[str, Markup]]:
    yield _line(f"{error.type}: {error.message}" if error.message else error.type, indent=True)
    if error.trace.strip():
        trace = excerpt(error.trace, lines=40)
        yield trace, Markup("<pre>{}</pre>").format(trace)


def _line(text: str, *, indent: bool = False) -> tuple[str, Markup]:
    text = " ".join(text.split())
    if indent:
        return "    " + sentence(text), Markup("<ul><li>{}</li></ul>").format(prose(text))
    return sentence(text), Markup("<div>{}</div>").format(prose(text))


def _bold(text: str) -> tuple[str, Markup]:
    text = " ".join(text.split())
    return sentence(text), Markup("<div><b>{}</b></div>").format(prose(text))


def _ended(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."
