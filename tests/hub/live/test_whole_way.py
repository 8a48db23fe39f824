"""One student and one instructor, from logging in to reading the feedback, in Chromium."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser

from tests.hub.live.formgrader import open_formgrader
from tests.hub.live.lab import Notebook, log_in, take_picture
from tests.hub.live.running import running
from tests.nbgrader.directory import Directory
from tests.sample_class import Draft, Material

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

SOFTMAX, ATTENTION = "stable_softmax", "scaled_dot_product_attention"
OVERFLOWS = """\
def stable_softmax(x, dim):
    weights = torch.exp(x)
    return weights / weights.sum(dim, keepdim=True)"""
RIGHT = """\
def stable_softmax(x, dim):
    weights = torch.exp(x - x.amax(dim, keepdim=True))
    return weights / weights.sum(dim, keepdim=True)"""


def fill_in(notebook: Notebook, draft: Draft, exercises: list[str]) -> None:
    for exercise in exercises:
        notebook.paste(exercise, draft.cell(exercise).source)
        notebook.run(exercise)
        notebook.run(f"check_{exercise}")


def test_a_student_hands_in_and_reads_what_an_instructor_gives_back(
    tmp_path: Path, browser: Browser, material: Material
) -> None:
    draft = material.draft()
    draft.solve()
    draft.mistake("divided_by_d")
    with running(tmp_path / "hub") as hub:
        ada = log_in(browser, hub, "ada")
        assert "Nbgrader, then Assignment List" in ada.page.locator(".jp-MarkdownViewer").inner_text()
        take_picture(ada.page, "00 student: the first page")
        assert ada.menu() == ["Assignment List"]
        assert ada.status("/services/diffusion/lab") == 403
        assert ada.status("/user/ada/formgrader") == 404
        ada.choose("Assignment List")
        ada.page.wait_for_selector("#released_assignments_list button")
        take_picture(ada.page, "01 student: the assignment list")
        ada.fetch()

        notebook = ada.open_notebook()
        notebook.run("imports")
        notebook.type(SOFTMAX, OVERFLOWS)
        notebook.run(SOFTMAX)
        notebook.run(f"check_{SOFTMAX}", "✗ Scores as large as 10,000 do not overflow.", "CheckFailed")
        take_picture(ada.page, "02 student: a check that fails")
        notebook.type(SOFTMAX, RIGHT)
        notebook.run(SOFTMAX)
        notebook.run(f"check_{SOFTMAX}", "All 6 checks hold.")
        take_picture(ada.page, "03 student: a check that passes")
        fill_in(notebook, draft, [exercise for exercise in material.solved if exercise != SOFTMAX])
        notebook.save()
        written = nbformat.read(ada.notebook_file, as_version=4)
        assert written.cells[notebook.places[SOFTMAX]].source == RIGHT

        said = notebook.validate()
        take_picture(ada.page, "04 student: Validate")
        assert f"check({ATTENTION})" in said
        assert "divided by d instead of sqrt(d)" in said
        assert "check(split_heads)" not in said
        notebook.close_dialog()
        ada.choose("Assignment List")
        ada.submit()
        take_picture(ada.page, "05 student: handed in")

        irene = log_in(browser, hub, "irene")
        assert irene.menu() == ["Assignment List", "Course List"]
        formgrader = open_formgrader(irene, picture="06 instructor: the course list")
        take_picture(formgrader.page, "07 instructor: the formgrader")
        assert "Successfully collected" in formgrader.press("collect")
        formgrader.open_submissions()
        assert formgrader.row("ada")["status"] == "needs autograding"
        said = formgrader.press("autograde", "ada", picture="08 instructor: autograded")
        assert "Successfully autograded 'attention' for student 'ada'" in said
        assert formgrader.row("ada") == {"status": "graded", "score": "93.12 / 110"}
        take_picture(formgrader.page, "09 instructor: the submissions")

        formgrader.open_manual_grading()
        formgrader.open_submission()
        shown = formgrader.frame.locator("body").inner_text()
        assert "Scaled dot-product attention: 3.12 of 20 points from the automatic tests" in shown
        assert "This looks like a known mistake: divided by d instead of its square root." in shown
        formgrader.give(ATTENTION, "12")
        take_picture(formgrader.page, "10 instructor: a score changed by hand")
        entry = Directory(hub.hub.course).entries()["ada"]
        assert entry.grades[ATTENTION] == (pytest.approx(3.12, abs=0.01), 12.0, False)
        assert entry.score == 102

        formgrader.frame.locator("a:has-text('Manual Grading')").click()
        formgrader.go_to("Manage Assignments")
        assert "Successfully generated feedback" in formgrader.press("generate-feedback")
        said = formgrader.press("release-feedback", picture="11 instructor: feedback released")
        assert "Successfully released feedback" in said

        feedback = ada.open_feedback()
        feedback.locator("text=(Score: 102.0 / 110.0)").first.wait_for()
        take_picture(ada.page, "12 student: the feedback")
        check = feedback.locator(
            "text=Scaled dot-product attention: 3.12 of 20 points from the automatic tests"
        ).first
        check.scroll_into_view_if_needed()
        take_picture(ada.page, "13 student: the feedback on an exercise")
        assert "divided by d instead of its square root" in feedback.locator("body").inner_text()

        assert hub.listening() == {"127.0.0.1"}
        assert hub.stop()[-1] == "The hub has stopped; the same command starts it again as it was."
        assert hub.process.returncode == 0
        assert hub.processes() == []
