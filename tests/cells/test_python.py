"""What is still a stub, what of it was left behind, and what a Python says that cannot read a cell."""

from __future__ import annotations

import sys

import pytest

from course.cells.python import explained, is_stub, parsed, raise_left_behind

THIS = f"Python {sys.version_info.major}.{sys.version_info.minor}"
LEFT = "raise NotImplementedError"


@pytest.mark.parametrize(
    "source",
    [
        f"def f(x): {LEFT}",
        f'@torch.no_grad()\ndef f(x):\n    """What f owes."""\n    {LEFT}("write f")',
        f'class A(nn.Module):\n    """A."""\n    def forward(self, x): {LEFT}',
        f"class A:\n    def __init__(s):\n        super().__init__()\n        {LEFT}\n    def g(s): {LEFT}",
    ],
)
def test_what_does_nothing_but_say_so_is_a_stub(source: str) -> None:
    (statement,) = parsed(source).body
    assert is_stub(statement)
    assert raise_left_behind(statement) is None


@pytest.mark.parametrize(
    "source",
    [
        "def f(x): return x",
        "def f(x): raise ValueError",
        f"def f(x):\n    y = x\n    {LEFT}",
        f"class A:\n    def g(self): {LEFT}\n    def h(self): return 1",
        "class A: pass",
        "f = None",
    ],
)
def test_whatever_else_it_does_makes_it_none(source: str) -> None:
    assert not is_stub(parsed(source).body[0])


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (f"def f(x):\n    {LEFT}\n    return x", 2),
        (f'def f(x):\n    """What."""\n    y = x\n    {LEFT}("write f")', 4),
        (f"class A:\n    def g(self): return 1\n    def h(self):\n        {LEFT}\n        return 2", 4),
        (f"class A:\n    def __init__(self): self.x = 1\n    def h(self): {LEFT}", 3),
        (f"def f(x):\n    def inner(): return x\n    {LEFT}\n    return inner()", 3),
    ],
)
def test_the_line_left_behind_is_found(source: str, line: int) -> None:
    left = raise_left_behind(parsed(source).body[0])
    assert left is not None
    assert left.lineno == line


@pytest.mark.parametrize(
    "source",
    [
        f"def f(x):\n    return x\n    {LEFT}",
        f"def f(x):\n    if x is None:\n        {LEFT}\n    return x",
        f"def f(x):\n    if x:\n        return 1\n    else:\n        return 2\n    {LEFT}",
        f"def f(x):\n    def inner(): {LEFT}\n    return inner",
        "def f(x): raise ValueError",
        "x = 1",
    ],
)
def test_a_line_that_does_not_run_or_is_meant_is_none_left_behind(source: str) -> None:
    assert raise_left_behind(parsed(source).body[0]) is None


def said(source: str, written_with: tuple[int, ...] = ()) -> str:
    with pytest.raises(SyntaxError) as raised:
        parsed(source)
    return explained(raised.value, source, written_with)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python reads them")
@pytest.mark.parametrize(
    ("source", "what"),
    [
        ('x = 1\ns = f"{d["key"]}"', "an f-string"),
        ("print(f'{', '.join(a)}')", "an f-string"),
        ("f'{\"\\n\".join(a)}'", "an f-string"),
        ("type Pair = tuple[int, int]", "`type X = ...`"),
        ("type Box[T] = list[T]", "`type X = ...`"),
        ("def f[T](x: T) -> T: return x", "type parameters"),
        ("class A[T: int]: pass", "type parameters"),
    ],
)
def test_syntax_of_3_12_is_called_so(source: str, what: str) -> None:
    assert what in said(source)
    assert f"read by {THIS}: " in said(source)
    assert said(source).endswith("understood from 3.12 on)")


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python reads them")
@pytest.mark.parametrize("source", ['x = t"{y}"', "try:\n    pass\nexcept ValueError, TypeError:\n    pass"])
def test_syntax_of_3_14_is_called_so(source: str) -> None:
    assert said(source).endswith("understood from 3.14 on)")


@pytest.mark.parametrize("source", ["x = (1", "def f(x)\n    pass", "print(f'{x}'", "1 = x"])
def test_of_any_other_error_it_says_which_python_read_it(source: str) -> None:
    assert said(source).endswith(f"(read by {THIS})")
    assert f"(read by {THIS}, and written with 3.99: use what both understand)" in said(source, (3, 99, 1))
    assert said(source, (3, 8)).endswith(f"(read by {THIS})")


@pytest.mark.parametrize("mark", ["<<<<<<< HEAD", "=======", ">>>>>>> theirs"])
def test_the_marks_of_an_unfinished_merge_are_called_what_they_are(mark: str) -> None:
    assert "unfinished git merge" in said(f"x = 1\n{mark}\ny = 2")
