from pathlib import Path

import pytest

from autograder.build.standalone import check_standalone
from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError

from .tiny_course import LESSON, SOLUTION, write_tiny_course


def test_a_notebook_that_makes_all_its_names_stands_alone(tiny: CourseRoot) -> None:
    check_standalone(tiny, "tiny")


BAD = {
    "what a solution imports at its top, but the lesson does not": (
        {"lesson": LESSON.replace("import math", "import mathematics as math_")},
        r"solutions/tiny\.py, line 6: the name 'math' is made by no code cell",
    ),
    "a name in a signature, for a cell is run without the solution's imports": (
        {"solution": SOLUTION.replace("(word: str)", "(word: Word)")},
        r"solutions/tiny\.py, line 14: the name 'Word'",
    ),
    "a name inside a method": (
        {"solution": SOLUTION.replace("return left +", "return prefix + left +")},
        "the name 'prefix'",
    ),
    "a check cell without check": (
        {"lesson": LESSON.replace("from course import check", "")},
        r"course/modules/tiny/lesson\.md, line \d+: the name 'check'",
    ),
    "graded code that relies on a demo, which grading leaves out": (
        {"lesson": LESSON.replace("math.isclose(1, 1)", "picture")},
        "'picture' is made by no code cell of the lesson outside the demos",
    ),
    "a cell that is no Python": (
        {"lesson": LESSON.replace("import math\n", "import math as\n")},
        r"course/modules/tiny/lesson\.md, line 5: .* no valid Python",
    ),
}


@pytest.mark.parametrize(("course", "message"), BAD.values(), ids=BAD)
def test_refused_with_file_and_line(course: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=message):
        check_standalone(write_tiny_course(tmp_path, **course), "tiny")


def test_a_demo_may_use_what_it_and_other_demos_make(tmp_path: Path) -> None:
    more = LESSON.replace("The end.", '```python tags=["demo"]\nsum(picture for _ in range(3))\n```')

    check_standalone(write_tiny_course(tmp_path, lesson=more), "tiny")


def test_magics_are_ipythons_and_no_syntax_error(tmp_path: Path) -> None:
    root = write_tiny_course(
        tmp_path, lesson=LESSON.replace("import math\n", "import math\n%matplotlib inline\n")
    )

    check_standalone(root, "tiny")
