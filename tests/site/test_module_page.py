"""What stands on a module's page that comes from the syllabus."""

from __future__ import annotations

import re

import pytest

from autograder.content.course_root import CourseRoot
from autograder.site import recording
from autograder.site.module_page import card
from course.catalogue.syllabus import Start, load

GIT = "repo=https%3A%2F%2Fexample.org%2Fcourse&branch=main&urlpath=lab/tree/course/exercises/{module}.ipynb"


def buttons(text: str) -> dict[str, str]:
    return {found[1]: found[2] for found in re.finditer(r"\[([^\]]+)\]\(([^)]+)\)\{ ?\.md-button", text)}


def test_no_address_is_set_and_no_button_leads_away(course_root: CourseRoot) -> None:
    module = course_root.syllabus.module("noise")
    assert set(buttons(card(module, Start()))) == {"Read the notebook", "Download it"}


def test_each_address_of_the_syllabus_is_a_button(course_root: CourseRoot) -> None:
    module = course_root.syllabus.module("noise")
    start = Start(
        colab="https://colab.research.google.com/github/example/course/blob/main/exercises/{module}.ipynb",
        binder="https://mybinder.org/v2/gh/example/course/main?labpath=exercises/{module}.ipynb",
        hub=f"https://hub.example.edu/hub/user-redirect/git-pull?{GIT}",
    )
    found = buttons(card(module, start))
    assert [name for name in found if name.startswith("Start in")] == [
        "Start in Colab",
        "Start in Binder",
        "Start in JupyterHub",
    ]
    assert found["Start in Colab"].endswith("/course/blob/main/exercises/noise.ipynb")
    assert found["Start in Binder"].endswith("labpath=exercises/noise.ipynb")
    assert "git-pull?repo=" in found["Start in JupyterHub"]
    assert found["Start in JupyterHub"].endswith("lab/tree/course/exercises/noise.ipynb")


@pytest.mark.parametrize("module", [module.id for module in load().modules])
def test_each_picture_that_a_page_shows_is_recorded(module: str, course_root: CourseRoot) -> None:
    """A cell's name changes with the cells before it; the site's build would say so, after minutes."""
    page = (course_root.path / "docs" / "modules" / module / "index.md").read_text(encoding="utf-8")
    named = re.findall(r"<!-- picture: (\S+)", page)
    cells = recording.load(course_root, module).cells
    assert named
    assert [id for id in named if "picture" not in [output.kind for output in cells[id].outputs]] == []
