import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.build.stub import read_solution
from autograder.errors import ContentError


def source(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


HALF = source(
    '''
    """A module."""

    import math

    UNRELATED = 1


    @staticmethod
    def half(
        x: float,
    ) -> float:
        """Half of x."""
        # This comment stays.
        ### BEGIN SOLUTION
        result = (
            x / 2
        )
        return result
        ### END SOLUTION


    class Halver:
        """Halves."""

        steps: int = 1

        def __init__(self) -> None:
            super().__init__()
            ### BEGIN SOLUTION
            self.by = 2
            ### END SOLUTION
            self.after = 3

        def __call__(self, x: float) -> float:
            """Half of x."""
            ### BEGIN SOLUTION
            return x / self.by
            ### END SOLUTION
    '''
)


def test_a_stub_keeps_all_but_the_solution_and_says_what_to_write() -> None:
    assert read_solution(HALF, "half.py").stub(["half"]) == source(
        '''
        @staticmethod
        def half(
            x: float,
        ) -> float:
            """Half of x."""
            # This comment stays.
            raise NotImplementedError("write half")
        '''
    ).rstrip("\n")


def test_a_class_may_have_several_regions_each_named_after_its_method() -> None:
    stub = read_solution(HALF, "half.py").stub(["Halver"])

    assert 'raise NotImplementedError("write Halver.__init__")\n        self.after = 3' in stub
    assert stub.endswith('        raise NotImplementedError("write Halver.__call__")')


def test_the_solved_source_has_the_solution_and_no_marker() -> None:
    solved = read_solution(HALF, "half.py").solved(["half"])

    assert "SOLUTION" not in solved
    assert solved.endswith("    result = (\n        x / 2\n    )\n    return result")


def test_the_marked_source_is_the_file_as_it_stands() -> None:
    marked = read_solution(HALF, "half.py").marked(["half"])

    assert marked in HALF
    assert marked.endswith("### END SOLUTION")


def test_several_definitions_stand_two_blank_lines_apart_in_the_order_asked_for() -> None:
    stub = read_solution(HALF, "half.py").stub(["Halver", "half"])

    assert stub.index("class Halver") < stub.index("def half")
    assert '("write Halver.__call__")\n\n\n@staticmethod' in stub


def function(body: str) -> str:
    return 'def f(x):\n    """Doc."""\n' + textwrap.indent(source(body).rstrip("\n"), "    ") + "\n"


BAD = {
    "Python that does not compile": ("def f(:\n", "line 1: invalid syntax"),
    "a region that never ends": (function("### BEGIN SOLUTION\nreturn x"), "line 3: .* never ends"),
    "a region that never began": (function("return x\n### END SOLUTION"), "line 4: .* never began"),
    "a region in a region": (
        function("### BEGIN SOLUTION\n### BEGIN SOLUTION\nreturn x\n### END SOLUTION"),
        "line 4: .* begins inside the one of line 3",
    ),
    "an empty region": (function("### BEGIN SOLUTION\n# later\n### END SOLUTION"), "line 3: .* no statement"),
    "a marker after code": (
        function("y = x  ### BEGIN SOLUTION\nreturn y\n### END SOLUTION"),
        "line 3: .* is no marker",
    ),
    "a misspelt marker": (
        function("## Begin Solution\nreturn x\n### END SOLUTION"),
        "line 3: '## Begin Solution' is no marker",
    ),
    "a region that cuts a statement at its end": (
        function("### BEGIN SOLUTION\nreturn (\n    x\n### END SOLUTION\n)"),
        "line 3: .* cuts the statement of line 4",
    ),
    "a region that cuts a statement at its start": (
        function("y = (\n### BEGIN SOLUTION\n    x\n)\nreturn y\n### END SOLUTION"),
        "line 4: .* cuts the statement of line 3",
    ),
    "a marker that is not indented with the code": (
        "def f(x):\n### BEGIN SOLUTION\n    return x\n### END SOLUTION\n",
        "line 2: .* indent the marker by 4 spaces",
    ),
    "a region outside of a function": (
        "class C:\n    ### BEGIN SOLUTION\n    x = 1\n    ### END SOLUTION\n",
        "line 2: .* not inside a function",
    ),
    "a definition that stands twice": (
        function("### BEGIN SOLUTION\nreturn x\n### END SOLUTION") * 2,
        "line 6: 'f' is defined twice",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refused_with_file_and_line(name: str) -> None:
    text, message = BAD[name]

    with pytest.raises(ContentError, match=f"half.py, {message}"):
        read_solution(text, "half.py")


def test_without_its_solution_a_definition_must_still_compile() -> None:
    text = function(
        """
        try:
            y = x
        ### BEGIN SOLUTION
        finally:
            y = 1
        ### END SOLUTION
        return y
        """
    )

    with pytest.raises(ContentError, match=r"half\.py, line 1: without its solution, 'f' is no valid Python"):
        read_solution(text.replace("    ### BEGIN", "        ### BEGIN"), "half.py")


def test_a_name_without_a_region_would_be_given_away_and_is_refused() -> None:
    solution = read_solution("x = 1\n\n\ndef f(x):\n    return x\n", "half.py")

    with pytest.raises(ContentError, match=r"half\.py, line 4: 'f' has nothing between"):
        solution.stub(["f"])


def test_a_name_that_is_not_defined_is_refused() -> None:
    with pytest.raises(ContentError, match=r"half\.py, line 2: there is no top-level .* 'g'"):
        read_solution("x = 1\n\n", "half.py").stub(["g"])


names = st.sampled_from(["alpha", "beta", "gamma"])
expressions = st.recursive(
    st.sampled_from(["x", "1", "'### no marker'"]),
    lambda inner: st.builds("{} + (\n{}\n)".format, inner, inner) | st.builds("[{}]".format, inner),
    max_leaves=4,
)
public = st.builds("public_{} = {}".format, names, expressions)
secret = st.builds("secret_{} = {}".format, names, expressions)


@given(
    before=st.lists(public, max_size=2),
    hidden=st.lists(secret, min_size=1),
    after=st.lists(public, max_size=2),
)
def test_whatever_stands_around_it_only_the_region_is_taken_out(
    before: list[str], hidden: list[str], after: list[str]
) -> None:
    body = [*before, "### BEGIN SOLUTION", *hidden, "### END SOLUTION", *after]
    # Continuation lines need no indentation inside brackets, so this is Python whatever was drawn.
    text = "def f(x):\n" + "".join(f"    {statement}\n" for statement in body)

    solution = read_solution(text, "drawn.py")
    stub, solved = solution.stub(["f"]), solution.solved(["f"])

    assert "secret_" not in stub
    assert all(statement in stub for statement in (*before, *after))
    assert all(statement in solved for statement in (*before, *hidden, *after))
    assert solution.marked(["f"]) == text.rstrip("\n")
    compile(stub, "stub", "exec")
    compile(solved, "solved", "exec")
