"""The page that a student gets at once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from autograder.examined import Examined
from autograder.reports.feedback import feedback_html
from autograder.reports.public import is_public, public_html

from . import examples
from .markup import read
from .test_escaping import NASTY

HANDED_IN = datetime(2026, 3, 1, 9, 5)
STATES = {
    "stable_softmax": "passed",
    "scaled_dot_product_attention": "failed",
    "split_heads": "missing",
    "MultiHeadSelfAttention": "untouched",
    "CrossAttention": "untouched",
    "SpatialSelfAttention": "passed",
    "attention_quiz": "failed",
}


def examined(text: str = "harmless", reason: str = "") -> Examined:
    exercises: list[dict[str, Any]] = [
        {"id": id, "title": text, "state": state, "lines": [f"✗ {text}", text]}
        for id, state in STATES.items()
    ]
    error = {"type": text, "message": text, "trace": text}
    return Examined.model_validate(
        {
            "student": text,
            "module": "attention",
            "key": "k",
            "sha256": "a" * 64,
            "reason": reason,
            "exercises": [] if reason else exercises,
            "cell_errors": [{"cell": 3, "error": error}],
        }
    )


def test_it_says_how_far_the_student_has_come() -> None:
    text = read(public_html(examined(), examples.ATTENTION, HANDED_IN)).text

    assert "Handed in on 1 March 2026, 09:05 UTC, and read." in text
    assert (
        "2 of 6 exercises hold all public checks, 1 not right yet, 1 missing, 2 still to be written; "
        "the quiz: not all answered." in text
    )
    assert "points from the automatic tests" not in text
    assert "Cell 3" in text


def test_points_stand_on_it_only_if_given() -> None:
    points = {"stable_softmax": (7.5, 10.0), "split_heads": (0.0, 10.0)}

    text = read(public_html(examined(), examples.ATTENTION, HANDED_IN, points)).text

    assert "7.5 of 20 points from the automatic tests" in text
    assert "public checks hold 7.5 of 10" in text
    assert "the points may still change" in text


def test_a_reason_stands_in_place_of_exercises() -> None:
    page = read(public_html(examined(reason="It is a `folder`."), examples.ATTENTION, None))

    assert "Your notebook could not be checked" in page.text
    assert "It is a folder." in page.text
    assert "hold all public checks" not in page.text
    assert "Handed in." in page.text


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
def test_whatever_a_student_wrote_is_said_and_not_done(text: str) -> None:
    for reason in ("", text):
        page = read(public_html(examined(text, reason), examples.ATTENTION, HANDED_IN))
        harmless = examined("harmless", reason and "harmless")
        tags = [tag for tag, _ in read(public_html(harmless, examples.ATTENTION, HANDED_IN)).skeleton]
        paragraphs = {"p", "code"}  # of which a reason may have several
        assert [tag for tag, _ in page.skeleton if tag not in paragraphs] == [
            tag for tag in tags if tag not in paragraphs
        ]
        assert not {"script", "img", "iframe", "form", "a"} & {tag for tag, _ in page.tags}


def test_it_is_told_from_what_an_instructor_releases(tmp_path: Path) -> None:
    """Also where a student wrote into the notebook what tells our pages."""
    mark = '<meta name="autograder" content="public result">'
    public, released = tmp_path / "public.html", tmp_path / "released.html"
    public.write_text(public_html(examined("x" * 5000), examples.ATTENTION, HANDED_IN), encoding="utf-8")
    result = examples.mixed().model_copy(update={"student": mark})
    released.write_text(feedback_html(result, examples.ATTENTION), encoding="utf-8")

    assert is_public(public)
    assert not is_public(released)
