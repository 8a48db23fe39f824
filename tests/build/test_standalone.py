from pathlib import Path

import pytest

from autograder.build.standalone import check_standalone
from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError

from .tiny_course import LESSON, SOLUTION, write_tiny_course


def test_a_notebook_that_makes_all_its_names_stands_alone(tiny: CourseRoot) -> None:
    check_standalone(tiny, "tiny")


def test_what_a_solution_imports_at_its_top_must_be_imported_in_the_lesson(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, lesson=LESSON.replace("import math", "import mathematics as math_"))

    with pytest.raises(
        ContentError, match=r"solutions/tiny\.py, line 6: the name 'math' is made by no code cell"
    ):
        check_standalone(root, "tiny")


def test_names_in_signatures_count_for_a_cell_is_run_without_the_solutions_imports(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, solution=SOLUTION.replace("(word: str)", "(word: Word)"))

    with pytest.raises(ContentError, match=r"solutions/tiny\.py, line 14: the name 'Word'"):
        check_standalone(root, "tiny")


def test_names_inside_methods_count(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, solution=SOLUTION.replace("return left +", "return prefix + left +"))

    with pytest.raises(ContentError, match="the name 'prefix'"):
        check_standalone(root, "tiny")


def test_a_check_cell_needs_check(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, lesson=LESSON.replace("from course import check", ""))

    with pytest.raises(ContentError, match=r"course/modules/tiny/lesson\.md, line \d+: the name 'check'"):
        check_standalone(root, "tiny")


def test_graded_code_may_not_rely_on_a_demo_which_grading_leaves_out(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, lesson=LESSON.replace("math.isclose(1, 1)", "picture"))

    with pytest.raises(
        ContentError, match="'picture' is made by no code cell of the lesson outside the demos"
    ):
        check_standalone(root, "tiny")


def test_a_demo_may_use_what_it_and_other_demos_make(tmp_path: Path) -> None:
    more = LESSON.replace("The end.", '```python tags=["demo"]\nsum(picture for _ in range(3))\n```')

    check_standalone(write_tiny_course(tmp_path, lesson=more), "tiny")


def test_magics_are_ipythons_and_no_syntax_error(tmp_path: Path) -> None:
    root = write_tiny_course(
        tmp_path, lesson=LESSON.replace("import math\n", "import math\n%matplotlib inline\n")
    )

    check_standalone(root, "tiny")


def test_a_cell_that_is_no_python_is_named_by_its_line(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path, lesson=LESSON.replace("import math\n", "import math as\n"))

    with pytest.raises(ContentError, match=r"course/modules/tiny/lesson\.md, line 5: .* no valid Python"):
        check_standalone(root, "tiny")
