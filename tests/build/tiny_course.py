"""A whole course, small, with one of everything that a build reads; tests write it into a folder."""

from __future__ import annotations

from pathlib import Path

from autograder.content.course_root import CourseRoot

SYLLABUS = """\
title: A tiny course
modules: [tiny]
"""

MODULE = """\
title: Tiny
summary: Two exercises and a quiz.
exercises:
  - {id: double, title: Doubling, points: 10, minutes: 5, difficulty: 1}
  - {id: pair, title: Pairs, defines: [split, merge], points: 2.5, minutes: 20, difficulty: 3}
quiz: {id: tiny_quiz, title: Three questions, points: 5, minutes: 3, difficulty: 2}
"""

WITH_BONUS = f"""\
{MODULE}
bonus:
  - {{id: treble, title: Trebling, minutes: 4, difficulty: 2, open: true, depends_on: [double]}}
"""

LESSON = """\
# Tiny

Welcome.

```python
import math

from course import check
```

## Doubling

Twice as much. <!-- rating: double -->

<details><summary>My result is half of what it should be</summary>

```py
double(1) == 2
```

</details>

<!-- exercise: double -->

```python tags=["demo"]
picture = double(4)
picture
```

## Pairs

<!-- rating: pair -->

Split, then merge.

<!-- exercise: pair -->

```python
assert math.isclose(1, 1)
```

## Questions

<!-- rating: tiny_quiz -->

<!-- quiz: tiny_quiz -->

The end.
"""

LESSON_WITH_BONUS = LESSON.replace(
    "## Questions", "## More\n\n<!-- rating: treble -->\n\n<!-- bonus: treble -->\n\n## Questions"
)

SOLUTION = '''\
"""Tiny solutions."""

import math


def double(x: float) -> float:
    """Twice x."""
    ### BEGIN SOLUTION
    secret_factor_of_two = math.sqrt(4.0)
    return secret_factor_of_two * x
    ### END SOLUTION


def split(word: str) -> tuple[str, str]:
    """The two halves of a word of even length."""
    ### BEGIN SOLUTION
    secret_middle_of_word = len(word) // 2
    return word[:secret_middle_of_word], word[secret_middle_of_word:]
    ### END SOLUTION


class merge:
    """Calls like a function: the inverse of split."""

    def __init__(self, glue: str = "") -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.secret_glue_between_halves = glue
        ### END SOLUTION

    def __call__(self, left: str, right: str) -> str:
        """The word of which left and right are the halves."""
        ### BEGIN SOLUTION
        return left + self.secret_glue_between_halves + right
        ### END SOLUTION
'''

BONUS = '''\
"""More tiny solutions."""


def treble(x: float) -> float:
    """Three times x."""
    ### BEGIN SOLUTION
    secret_factor_of_three = 3.0
    return secret_factor_of_three * x
    ### END SOLUTION
'''

QUIZ = """\
id: tiny_quiz
questions:
  - {id: q1, kind: single, text: "Which is even?", choices: {a: one, b: two, c: three}}
  - {id: q2, kind: number, text: "Half of one?", form: "one number, e.g. 2.5"}
  - {id: q3, kind: multiple, text: "Which are odd?", choices: {a: one, b: two, c: three}}
"""

KEYS = """\
q1: {answer: b, explanation: Two is the only one of these that two divides.}
q2: {answer: 0.5, tolerance: 0.01, explanation: One divided by two is what half of it means.}
q3: {answer: [a, c], explanation: Neither one nor three is divided by two.}
"""

SUITE = '''\
"""The hidden suite of the tiny course."""


class Double:
    def agrees_with_the_sum_of_two(self, student, draw):
        """Gives the same number as adding its input to itself, for small and large inputs."""
        number_that_was_drawn = draw.normal(1).item() * 1000
        assert student.double(number_that_was_drawn) == number_that_was_drawn + number_that_was_drawn
'''

MISTAKES = '''\
def double_squares(x: float) -> float:
    """Squares its input where it should double it, which agrees at zero and two only."""
    squared_by_mistake = x * x
    return float(squared_by_mistake)
'''

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.24"]
build-backend = "hatchling.build"

[project]
name = "tiny-course"
version = "0.1.0"
description = "A tiny course."
license = "MIT"
license-files = ["LICENSE"]
requires-python = ">=3.11"
dependencies = ["torch>=2.4,<3"]

[project.readme]
content-type = "text/markdown"
text = "What a package index shows."

[project.optional-dependencies]
lab = ["jupyterlab>=4.2"]

[project.urls]
Homepage = "https://example.org"

[tool.hatch.build.targets.wheel]
packages = ["course"]

[tool.mypy]
strict = true
"""

FILES = {
    "pyproject.toml": PYPROJECT,
    "LICENSE": "Do what you like.\n",
    "course/__init__.py": '"""The students\' package."""\n',
    "course/syllabus.yaml": SYLLABUS,
    "course/modules/tiny/module.yaml": MODULE,
    "course/modules/tiny/lesson.md": LESSON,
    "course/modules/tiny/quiz.yaml": QUIZ,
    "solutions/tiny.py": SOLUTION,
    "autograder/hidden/tiny/suite.py": SUITE,
    "autograder/hidden/tiny/mistakes.py": MISTAKES,
    "autograder/hidden/tiny/keys.yaml": KEYS,
}


def write_tiny_course(folder: Path, **changed: str) -> CourseRoot:
    """A tiny course in `folder`; `changed` are other contents for files, by the part of their name given.

    >>> write_tiny_course(folder, lesson=LESSON.replace("Welcome", "Hello"))
    """
    names = {
        "lesson": "course/modules/tiny/lesson.md",
        "solution": "solutions/tiny.py",
        "syllabus": "course/syllabus.yaml",
        "module": "course/modules/tiny/module.yaml",
        "quiz": "course/modules/tiny/quiz.yaml",
        "keys": "autograder/hidden/tiny/keys.yaml",
        "bonus": "solutions/bonus/tiny.py",
    }
    contents = FILES | {names[part]: text for part, text in changed.items()}
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return CourseRoot(folder)
