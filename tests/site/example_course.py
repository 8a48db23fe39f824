"""A course that is made up for pictures on the site, and a student's notebook of it.

The site is public, so it shows no feedback of the real course: that would give away its hidden tests and
known mistakes. This course has one module of three exercises and a quiz, and its student makes one of
everything that a feedback page speaks of: a known mistake, an error, something that would fail on a GPU, a
wrong answer in the quiz.
"""

from __future__ import annotations

from pathlib import Path

from autograder import build
from autograder.content.course_root import CourseRoot

STUDENT = "Robin Example"
MODULE = "pictures"

SYLLABUS = """\
title: An example
modules: [pictures]
"""

MODULE_YAML = """\
title: Pictures as numbers
summary: Three exercises and a quiz.
exercises:
  - {id: to_bytes, title: From numbers to bytes, points: 10, minutes: 10, difficulty: 1}
  - {id: side_by_side, title: Pictures side by side, points: 10, minutes: 15, difficulty: 2}
  - {id: grey, title: A picture in grey, points: 10, minutes: 10, difficulty: 1}
quiz: {id: pictures_quiz, title: Two questions, points: 4, minutes: 3, difficulty: 1}
"""

LESSON = """\
# Pictures as numbers

```python
import torch
from torch import Tensor

from course import check
```

## Bytes

<!-- rating: to_bytes -->

<!-- exercise: to_bytes -->

## Side by side

<!-- rating: side_by_side -->

<!-- exercise: side_by_side -->

## Grey

<!-- rating: grey -->

<!-- exercise: grey -->

## Questions

<!-- rating: pictures_quiz -->

<!-- quiz: pictures_quiz -->
"""

SOLUTION = '''\
"""Pictures as numbers."""

import torch
from torch import Tensor


def to_bytes(x: Tensor) -> Tensor:
    """Bytes from 0 to 255 for numbers from -1 to 1; what lies beyond counts as the nearest end."""
    ### BEGIN SOLUTION
    return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    ### END SOLUTION


def grey(x: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] in grey [B, 1, H, W]: 0.3 of the red, 0.6 of the green, 0.1 of the blue."""
    ### BEGIN SOLUTION
    return 0.3 * x[:, :1] + 0.6 * x[:, 1:2] + 0.1 * x[:, 2:]
    ### END SOLUTION


def side_by_side(x: Tensor) -> Tensor:
    """Pictures [B, C, H, W] as one [C, H, B * W], from left to right."""
    ### BEGIN SOLUTION
    return torch.cat(list(x), dim=-1)
    ### END SOLUTION
'''

SUITE = '''\
"""Hidden tests of an example."""

import torch

from autograder.testing import assert_close, assert_holds, exercise, rule, value
from solutions import pictures as reference


@exercise("to_bytes")
class ToBytes:
    @value(weight=2)
    def within(self, student, draw):
        """Numbers from -1 to 1 become bytes from 0 to 255, rounded to the nearest."""
        x = draw.uniform(3, 5, low=-1, high=1)
        assert_close(student.to_bytes(x), reference.to_bytes(x))

    @value(weight=2)
    def beyond(self, student, draw):
        """What lies beyond -1 and 1 becomes 0 and 255."""
        x = 3 * draw.normal(4, 6)
        assert_close(student.to_bytes(x), reference.to_bytes(x))

    @rule()
    def keeps_the_shape(self, student, draw):
        """The result has the shape of the input."""
        assert_holds(student.to_bytes(draw.normal(2, 3, 4)).shape == (2, 3, 4))


@exercise("grey")
class Grey:
    @value(weight=2)
    def weighs(self, student, draw):
        """Red, green and blue count with their weights."""
        x = draw.normal(2, 3, 4, 5)
        assert_close(student.grey(x), reference.grey(x))

    @rule()
    def of_grey(self, student, draw):
        """A picture that is grey already stays as bright as it is."""
        x = draw.normal(2, 1, 3, 3)
        assert_close(student.grey(x.expand(2, 3, 3, 3)), x)


@exercise("side_by_side")
class SideBySide:
    @value(weight=2)
    def in_order(self, student, draw):
        """The pictures stand side by side, in their order."""
        x = draw.normal(3, 2, 4, 5)
        assert_close(student.side_by_side(x), reference.side_by_side(x))

    @rule()
    def of_one(self, student, draw):
        """One picture alone comes back as it is."""
        x = draw.normal(1, 2, 3, 4)
        assert_close(student.side_by_side(x), x[0])
'''

MISTAKES = '''\
"""Known mistakes of an example."""

import torch
from torch import Tensor

from autograder.testing import mistake


@mistake(
    "to_bytes",
    title="numbers beyond the range wrap around",
    hint="Look at the bytes of 1.0, 1.01 and 1.1. A byte has no room for 257: what becomes of it, and what "
    "should have been done to the number before?",
)
def wraps_around(x: Tensor) -> Tensor:
    return ((x + 1) * 127.5).round().long().remainder(256).to(torch.uint8)
'''

QUIZ = """\
id: pictures_quiz
questions:
  - {id: q1, kind: single, text: "Which byte is middle grey?", choices: {a: "1", b: "128", c: "256"}}
  - {id: q2, kind: number, text: "How many bytes has a picture of 16 x 16 in colour?", form: "one number"}
"""

KEYS = """\
q1: {answer: b, explanation: It is in the middle between 0 and 255.}
q2: {answer: 768, tolerance: 0.5, explanation: Three bytes for each of the 256 pixels.}
"""

FILES = {
    "course/syllabus.yaml": SYLLABUS,
    f"course/modules/{MODULE}/module.yaml": MODULE_YAML,
    f"course/modules/{MODULE}/lesson.md": LESSON,
    f"course/modules/{MODULE}/quiz.yaml": QUIZ,
    f"solutions/{MODULE}.py": SOLUTION,
    "solutions/__init__.py": '"""The solutions of an example."""\n',
    f"autograder/hidden/{MODULE}/suite.py": SUITE,
    f"autograder/hidden/{MODULE}/mistakes.py": MISTAKES,
    f"autograder/hidden/{MODULE}/keys.yaml": KEYS,
}

ANSWERS = {
    "to_bytes": """\
def to_bytes(x):
    return ((x + 1) * 127.5).round().long().remainder(256).to(torch.uint8)
""",
    "grey": """\
def grey(x):
    weights = torch.tensor([0.3, 0.6, 0.1], dtype=x.dtype).view(1, 3, 1, 1)
    return (weights * x).sum(1, keepdim=True)
""",
    "side_by_side": """\
def side_by_side(x):
    B, C, H, W = x.shape
    rows = x.permute(1, 2, 0, 3)
    return rows.view(C, H, B * W)
""",
    "pictures_quiz": 'answers = {"q1": "b", "q2": 256}\n',
}


def write(folder: Path) -> tuple[Path, Path]:
    """The course in `folder/course`, and its student's notebook in `folder/submissions`; both folders."""
    course, submissions = folder / "course", folder / "submissions"
    for name, text in FILES.items():
        path = course / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    root = CourseRoot(course)
    build.build(root, None)
    notebook = submissions / STUDENT / f"{MODULE}.ipynb"
    notebook.parent.mkdir(parents=True)
    notebook.write_bytes(build.dump(build.compose(root, MODULE, ANSWERS)))
    return course, submissions
