import re
import textwrap

import pytest

from autograder.build.lesson import Code, Piece, Placeholder, Prose, parse, rating
from autograder.errors import ContentError
from course.catalogue.syllabus import Module, parse_module

from .tiny_course import LESSON
from .tiny_course import MODULE as MODULE_YAML

MODULE: Module = parse_module("tiny", MODULE_YAML)


def pieces(text: str) -> tuple[Piece, ...]:
    return parse(text, MODULE, "tiny.md")


def lesson(*, start: str = "", double: str = "", after_double: str = "") -> str:
    """A complete lesson, with text of the test's own at its start and around the first exercise."""
    return "\n".join(
        [
            textwrap.dedent(start).strip("\n"),
            "",
            "<!-- rating: double --> <!-- rating: pair --> <!-- rating: tiny_quiz -->",
            "",
            double or "<!-- exercise: double -->",
            "",
            textwrap.dedent(after_double).strip("\n"),
            "",
            "<!-- exercise: pair -->",
            "",
            "<!-- quiz: tiny_quiz -->",
        ]
    )


def test_a_lesson_is_a_row_of_prose_code_demos_and_places() -> None:
    kinds = [
        piece.kind
        if isinstance(piece, Placeholder)
        else ("demo" if isinstance(piece, Code) and piece.demo else type(piece))
        for piece in pieces(LESSON)
    ]

    assert kinds == [Prose, Code, Prose, "exercise", "demo", Prose, "exercise", Code, Prose, "quiz", Prose]


def test_code_and_places_know_their_lines() -> None:
    lines = LESSON.splitlines()

    for piece in pieces(LESSON):
        if isinstance(piece, Code):
            assert lines[piece.line - 1].startswith("```python")
        if isinstance(piece, Placeholder):
            assert lines[piece.line - 1] == f"<!-- {piece.kind}: {piece.id} -->"


def test_a_rating_becomes_a_line_from_the_syllabus_and_does_not_end_the_cell() -> None:
    prose = next(piece for piece in pieces(LESSON) if isinstance(piece, Prose) and "Doubling" in piece.source)

    assert "Twice as much. **10 points · about 5 minutes · difficulty ●○○○○**\n\n<details>" in prose.source
    assert rating(MODULE.exercise("pair")) == "**2.5 points · about 20 minutes · difficulty ●●●○○**"


def test_two_blank_lines_and_regions_end_a_cell_as_jupytext_has_it() -> None:
    text = lesson(
        start="""
        one


        two

        <!-- #region -->
        three

        ```python
        shown = 3
        ```


        still three
        <!-- #endregion -->
        """
    )

    assert [piece.source for piece in pieces(text)[:3] if isinstance(piece, Prose)] == [
        "one",
        "two",
        "three\n\n```python\nshown = 3\n```\n\n\nstill three",
    ]


def test_a_heading_begins_a_cell_but_not_inside_a_region_nor_a_block_of_code() -> None:
    text = lesson(
        start="one\n\n```py\n# two\n```\n\n# three\n\n<!-- #region -->\nfour\n\n# five\n<!-- #endregion -->"
    )

    assert [piece.source for piece in pieces(text)[:3] if isinstance(piece, Prose)] == [
        "one\n\n```py\n# two\n```",
        "# three",
        "four\n\n# five",
    ]


def test_comments_inside_code_blocks_are_shown_and_place_nothing() -> None:
    shown = "```text\n<!-- exercise: nobody -->\n<!-- rating: double -->\n```"

    first = pieces(lesson(start=shown))[0]

    assert isinstance(first, Prose)
    assert shown in first.source


BAD = {
    "an unknown exercise": (
        lesson(double="<!-- exercise: dubble -->"),
        r"line 5: .*dubble.*: module 'tiny' has only double, pair, tiny_quiz",
    ),
    "an unknown rating": (lesson(start="<!-- rating: dubble -->"), "line 1: .*dubble"),
    "an unknown kind of comment": (lesson(start="<!-- excercise: double -->"), "line 1: unknown comment"),
    "an exercise placed twice": (
        lesson(after_double="<!-- exercise: double -->"),
        "line 7: 'double' has its place in line 5 already",
    ),
    "an exercise without a place": (
        lesson(double="(nothing)"),
        "line 11: the lesson has no place for 'double': add `<!-- exercise: double -->`",
    ),
    "an exercise without a rating": (
        lesson().replace("<!-- rating: pair -->", ""),
        "line 9: 'pair' has no rating line",
    ),
    "an order that is not the syllabus's": (
        lesson(start="<!-- exercise: pair -->"),
        "line 5: 'double' comes after 'pair'",
    ),
    "a quiz called an exercise": (
        lesson().replace("<!-- quiz", "<!-- exercise"),
        "line 11: 'tiny_quiz' is a quiz in the syllabus",
    ),
    "an exercise called a quiz": (
        lesson(double="<!-- quiz: double -->"),
        "line 5: 'double' is an exercise in the syllabus",
    ),
    "a place that is not alone on its line": (
        lesson(double="Now you: <!-- exercise: double -->"),
        "line 5: .* must stand alone on its line",
    ),
    "a place inside a region": (
        lesson(start="<!-- #region -->", after_double="<!-- #endregion -->"),
        "line 5: a place for 'double' inside what begins in line 1",
    ),
    "a place inside <details>": (
        lesson(start="<details>", after_double="</details>"),
        "line 5: a place for 'double' inside what begins in line 1",
    ),
    "a place inside the outer of two <details>": (
        lesson(start="<details>\n<details>\n</details>", after_double="</details>"),
        "line 7: a place for 'double' inside what begins in line 1",
    ),
    "a region that is never closed": (lesson() + "\n<!-- #region -->", "line 12: .* never closed"),
    "a code block that is never closed": (lesson() + "\n```python\nx = 1", "line 13: .* never closed"),
    "a python block that would cut <details> in two": (
        lesson(start="<details>\n\n```python\nx = 1\n```\n\n</details>"),
        "line 3: .* cut <details> in two: write ```py",
    ),
    "a heading that would cut <details> in two": (
        lesson(start="<details>\n\n## Hint\n\n</details>"),
        "line 3: a heading would begin a cell",
    ),
    "a block of which jupytext makes a code cell": (
        lesson(start="```bash\nls\n```"),
        "line 1: a block of 'bash' may become a code cell",
    ),
    "a misspelt demo, which would be run in grading": (
        lesson(start='```python tags=["dmeo"]\nx = 1\n```'),
        r"line 1: unknown options 'tags=\[\"dmeo\"\]'",
    ),
    "a region that jupytext does not see, so that its code would be run": (
        lesson(
            after_double="    <!-- #region -->\n\n```python\nx = 1\n```\n\n    <!-- #endregion -->"
        ).replace("<!-- #", "  <!-- #"),
        "line 6: jupytext finds 1 code cells from here on, but there are 0",
    ),
    "an empty code block": (
        lesson(after_double="```python\n```"),
        "line 6: jupytext finds 0 code cells from here on, but there are 1",
    ),
    "front matter that jupytext refuses": (
        "---\njupyter:\n  kernelspec:\n    name: python3\n---\n\n" + lesson(),
        "line 1: jupytext cannot read the text from here on",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refused_with_file_and_line(name: str) -> None:
    text, message = BAD[name]

    with pytest.raises(ContentError) as caught:
        pieces(text)

    assert re.match(f"tiny.md, {message}", str(caught.value))
