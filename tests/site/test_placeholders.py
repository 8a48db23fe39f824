"""Pages say where something of the course's belongs; a slip is an error that names page and line."""

from __future__ import annotations

import re

import pytest

from autograder.errors import ContentError
from autograder.site.placeholders import Placeholder, alone, fill


def told(placeholder: Placeholder) -> str:
    return f"[{placeholder.name}({'; '.join(placeholder.arguments)}) line {placeholder.line}]"


WRITERS = {"readings": told, "self-check": told}


def filled(text: str) -> str:
    return fill(text, "page.md", WRITERS)


def test_a_placeholder_gives_way_to_what_its_writer_writes() -> None:
    assert filled("Before.\n<!-- readings: one | two  words -->\nAfter.\n") == (
        "Before.\n\n[readings(one; two  words) line 2]\n\nAfter.\n"
    )


def test_a_name_alone_is_enough() -> None:
    assert "[self-check() line 1]" in filled("<!-- self-check -->")


@pytest.mark.parametrize(
    "text",
    [
        "In a sentence `<!-- readings: one -->` it is text.",
        "```\n<!-- readings: one -->\n```",
        "````md\n```\n<!-- readings: one -->\n```\n````",
        "<!-- A comment for authors, whatever it says. -->",
    ],
)
def test_code_and_comments_are_left_alone(text: str) -> None:
    assert filled(text) == f"{text}\n"


def test_after_a_block_of_code_placeholders_count_again() -> None:
    assert "[readings(one) line 4]" in filled("```\ncode\n```\n<!-- readings: one -->")


def test_an_unknown_name_is_an_error_that_says_where_and_what_there_is() -> None:
    with pytest.raises(
        ContentError,
        match=re.escape(
            "docs/page.md, line 3: nothing is called 'reading' here; there are readings, self-check"
        ),
    ):
        filled("\n\n<!-- reading: before -->")


def test_an_argument_that_is_not_offered_is_an_error() -> None:
    placeholder = Placeholder("page.md", 7, "readings", ("befor",))

    with pytest.raises(ContentError, match=re.escape("docs/page.md, line 7") + ".*before, after"):
        placeholder.only("before", "after")
    with pytest.raises(ContentError, match="takes nothing"):
        alone(str)(placeholder)
