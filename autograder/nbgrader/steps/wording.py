"""What a student and whoever grades read below a check cell: as plain text, and as HTML that survives.

nbconvert's sanitiser lets few elements through (no paragraphs, no table bodies); only such are used here.
Everything that comes from a student is escaped by markupsafe.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from ...reports.feedback import ExerciseView
from ...reports.lines import STATES, Remark, ended
from ...reports.text import prose
from ...results import Result, Status


def as_html(lines: Iterable[Remark]) -> str:
    """The lines for `text/html`; `reports.lines.as_text` gives the same for `text/plain`."""
    return str(Markup('<div class="autograder">{}</div>').format(Markup("\n").join(map(_html, lines))))


def comment(result: Result, view: ExerciseView) -> str | None:
    """One line for the answer's cell: the named mistake with its hint, and the first property that fails.

    None where nothing is to be said. Nothing in it was written by the student.
    """
    if result.status is not Status.GRADED:
        return "This notebook could not be graded as it is: see the note on top or below the check."
    if view.result.state == "untouched":
        return "No response."
    if view.result.state == "missing":
        return STATES["missing"]
    said = [
        f"This looks like a known mistake: {ended(mistake.title)} {mistake.hint.strip()}"
        for mistake in view.result.mistakes
    ]
    failed = [] if view.is_quiz else [row for row in view.properties if row.verdict == "fails"]
    said += [f"What does not hold yet: {ended(row.test.title)}" for row in failed[:1]]
    return "\n\n".join(said) or None


def _html(line: Remark) -> Markup:
    match line.kind:
        case "code":
            return Markup("<pre>{}</pre>").format(line.text)
        case "indented":
            return Markup("<ul><li>{}</li></ul>").format(prose(line.joined))
        case "bold":
            return Markup("<div><b>{}</b></div>").format(prose(line.joined))
        case "plain":
            return Markup("<div>{}</div>").format(prose(line.joined))
