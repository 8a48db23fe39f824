"""Which lines of a Markdown text are code."""

from __future__ import annotations

import pytest

from autograder.content.fences import blocks, in_code


def test_a_block_knows_its_lines_and_what_stands_behind_its_fence() -> None:
    text = 'a\n```python tags=["demo"]\nx = 1\n\n```\nb\n    ~~~\n    c\n    ~~~'
    demo, plain = blocks(text.splitlines())
    assert (demo.language, demo.info, demo.text) == ("python", 'python tags=["demo"]', "x = 1\n\n")
    assert (demo.first, demo.last, demo.indent, demo.closed) == (2, 5, "", True)
    assert (plain.fence, plain.info, plain.indent) == ("~~~", "", "    ")
    assert in_code(text.splitlines()) == [False, True, True, True, True, False, True, True, True]


@pytest.mark.parametrize("inside", ["```", "~~~~", "````python", "x ````", "`` ````"])
def test_only_a_bare_fence_of_its_own_kind_closes_a_block(inside: str) -> None:
    (block,) = blocks(["````md", inside, "`````"])
    assert (block.lines, block.closed) == ((inside,), True)


def test_a_block_that_is_never_closed_goes_to_the_end_and_says_so() -> None:
    (block,) = blocks(["```", "a"])
    assert (block.last, block.lines, block.closed) == (2, ("a",), False)


def test_ticks_in_a_line_of_prose_open_nothing() -> None:
    assert not list(blocks(["```x``` is code in a line", "``two``"]))
