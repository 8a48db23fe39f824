"""Rows of pictures: each with its name, its titles and its note."""

from __future__ import annotations

import pytest
import torch

from course.pictures.strips import strips

PICTURES = [torch.full((3, 4, 6), value) for value in (-1.0, 0.0, 1.0)]


def test_every_picture_is_in_its_row_below_its_title() -> None:
    axes = strips({"one": PICTURES, "two": PICTURES[::-1]}, ["a", "b", "c"]).figure.axes
    shown = [round(float(axis.images[0].get_array()[0, 0, 0]), 2) for axis in axes]
    assert shown == [0, 0.5, 1, 1, 0.5, 0]
    assert [axis.get_title() for axis in axes] == ["a", "b", "c", "", "", ""]
    assert [axis.get_ylabel() for axis in axes] == ["one", "", "", "two", "", ""]


def test_long_titles_are_wrapped_and_a_row_can_have_a_note() -> None:
    rows = {"one": PICTURES, "two": PICTURES}
    picture = strips(rows, ["a large yellow triangle on grey", "b", "c"], {"two": "1 of 3\nright"}, width=3)
    axes = picture.figure.axes
    assert axes[0].get_title().count("\n") >= 2
    assert [[text.get_text() for text in axis.texts] for axis in axes] == [*[[]] * 5, ["1 of 3\nright"]]
    assert picture.description == (
        "Rows of pictures, one, two: a large yellow triangle on grey, b, c. two: 1 of 3 right."
    )


def test_a_row_without_a_name_or_titles_says_how_many_there_are() -> None:
    assert strips({"": PICTURES}, [""] * 3).description == "A row of 3 pictures."


def test_a_picture_too_few_is_told_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"the row 'mine' should have 2 pictures; it has 3"):
        strips({"mine": PICTURES}, ["a", "b"])
