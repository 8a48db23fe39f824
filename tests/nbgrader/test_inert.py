"""Nothing that a student wrote is active in a page of formgrader's or in feedback.

Everything that they smuggle in says `pwned`: it may be read as text, and nowhere else.
"""

from __future__ import annotations

import logging

import pytest
from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from nbgrader.server_extensions.formgrader import handlers

from autograder.nbgrader.apps import nbgrader_in
from tests.nbgrader.conftest import graded_directory
from tests.nbgrader.directory import ASSIGNMENT, Directory
from tests.nbgrader.hostile import EVE, OSCAR, hand_in_both
from tests.sample_class import Material

ACTIVE = ("href", "src", "srcset", "action", "formaction", "style", "data", "xlink:href")


@pytest.fixture(scope="module")
def attacked(
    everything: Directory, material: Material, tmp_path_factory: pytest.TempPathFactory
) -> Directory:
    return graded_directory(
        everything, tmp_path_factory.mktemp("graded") / "directory", lambda here: hand_in_both(here, material)
    )


def formgrader_page(directory: Directory, student: str) -> str:
    """The page as formgrader's handler makes it."""
    with nbgrader_in(directory.path, logging.CRITICAL) as app:
        config = app.config.copy()
        config.HTMLExporter.template_name = "formgrade"
        config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
        resources = {
            "assignment_id": ASSIGNMENT,
            "notebook_id": ASSIGNMENT,
            "submission_id": "1",
            "index": 0,
            "total": 1,
            "base_url": "",
            "student": student,
            "last_name": None,
            "first_name": None,
            "notebook_path": "x",
        }
        path = directory.path / "autograded" / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        page: str = HTMLExporter(config=config).from_filename(str(path), resources=resources)[0]
        return page


def active(page: str) -> list[str]:
    """Where `pwned` stands in a page as anything else than text."""
    found = []
    for element in BeautifulSoup(page, "html.parser").find_all(True):
        if element.name in ("script", "style", "iframe", "object", "embed", "svg", "form") and "pwned" in str(
            element
        ):
            found.append(str(element)[:200])
        for name, value in element.attrs.items():
            if "pwned" in str(value) and (name.startswith("on") or name in ACTIVE):
                found.append(f"{element.name}[{name}]")
    return found


@pytest.mark.parametrize("student", [EVE, OSCAR])
def test_formgraders_page_runs_nothing_of_a_students(attacked: Directory, student: str) -> None:
    page = formgrader_page(attacked, student)

    assert active(page) == []
    assert student != EVE or "&lt;script&gt;pwned()" in page, "it is there to be read"


@pytest.mark.parametrize("student", [EVE, OSCAR])
def test_feedback_runs_nothing_of_a_students(attacked: Directory, student: str) -> None:
    attacked.generate_feedback(student)

    page = attacked.feedback(student)
    assert active(page) == []
    assert student != EVE or "&lt;script&gt;pwned()" in page


def test_the_test_would_find_it(attacked: Directory) -> None:
    """The same notebook through nbgrader's templates without our configuration."""
    path = attacked.path / "autograded" / EVE / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    exporter = HTMLExporter(
        template_name="formgrade", extra_template_basedirs=[handlers.template_path], sanitize_html=True
    )

    page = exporter.from_filename(str(path), resources={"base_url": "", "index": 0, "total": 1})[0]

    assert active(page), "nbgrader's templates show Markdown as it is"


def test_pictures_and_plain_text_are_kept(attacked: Directory) -> None:
    notebook = attacked.autograded(EVE)
    kinds = {
        (output.output_type, *sorted(output.get("data", {"name": 0})))
        for cell in notebook.cells
        if cell.cell_type == "code" and not cell.metadata.get("nbgrader", {}).get("grade")
        for output in cell.outputs
    }

    assert kinds == {("display_data", "image/png"), ("stream", "name")}


def test_the_lessons_own_html_is_shown(attacked: Directory) -> None:
    page = BeautifulSoup(formgrader_page(attacked, EVE), "html.parser")

    assert page.find("details") is not None
    assert page.find("summary") is not None
