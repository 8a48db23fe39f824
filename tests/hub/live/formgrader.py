"""The formgrader as an instructor uses it, from the course list on."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from playwright.sync_api import FrameLocator, Locator, Page

from tests.hub.live.lab import COURSE, MINUTE, MODULE, Lab, take_picture


@dataclass(frozen=True)
class Formgrader:
    """The page in JupyterLab of the course that all instructors share."""

    page: Page

    @property
    def frame(self) -> FrameLocator:
        return self.page.frame_locator("iframe[src*='formgrader']")

    def press(self, what: str, student: str = "", *, picture: str = "") -> str:
        """A button of the table's row; the message that appears when it is done."""
        row = f"#main-table tr:has(td.student-id:text-is('{student}'))" if student else "#main-table tr"
        self.frame.locator(f"{row} .{what} a").click()
        message = self.frame.locator(".modal.in")
        said: str = message.inner_text(timeout=3 * MINUTE)
        if message.locator(".modal-title").inner_text() == "Error":
            pytest.fail(said)  # whole: its end says what it was
        if picture:
            # It slides in.
            message.evaluate("it => Promise.all(it.getAnimations({subtree: true}).map(one => one.finished))")
            take_picture(self.page, picture)
        message.locator("button:has-text('OK')").click()
        self.frame.locator(".modal-backdrop").wait_for(state="detached")  # it fades
        return said

    def go_to(self, page: str) -> None:
        """One of the pages that stand on the left."""
        self.frame.locator(f".nav-stacked a:has-text('{page}')").click()

    def open_submissions(self) -> None:
        self.frame.locator("#main-table .num-submissions a").click()
        self.frame.locator("#main-table .autograde a").first.wait_for()

    def row(self, student: str) -> dict[str, str]:
        """A student's status and score in the table of submissions."""
        row = self.frame.locator(f"#main-table tr:has(td.student-id:text-is('{student}'))")
        return {what: row.locator(f".{what}").inner_text().strip() for what in ("status", "score")}

    def open_manual_grading(self) -> None:
        """Down to the list of the module's submissions."""
        self.go_to("Manual Grading")
        for place in (f"gradebook/{MODULE}", f"gradebook/{MODULE}/{MODULE}"):
            self._link(place).click()
        self._link("submissions/").wait_for()

    def open_submission(self) -> None:
        """The first one of that list."""
        self._link("submissions/").click()
        # nbgrader's script marks the fields when it listens to them, with the whole page there.
        self.frame.locator("input.score[placeholder]").first.wait_for()

    def _link(self, place: str) -> Locator:
        return self.frame.locator(f"#main-table a[href*='{place}'] >> visible=true").first

    def give(self, exercise: str, points: str) -> None:
        """Points by hand; they are saved when the field is left."""
        field = self.frame.locator(f"#check_{exercise}")
        field.scroll_into_view_if_needed()
        field.fill(points)
        with self.page.expect_response(lambda answer: "/formgrader/api/grade/" in answer.url):
            field.press("Tab")


def open_formgrader(lab: Lab, *, picture: str = "") -> Formgrader:
    """From the course list of an instructor's own JupyterLab."""
    lab.choose("Course List")
    link = lab.page.locator(f"a:has-text('{COURSE}') >> visible=true")
    link.wait_for()
    if picture:
        take_picture(lab.page, picture)
    with lab.page.context.expect_page() as opened:
        link.click()
    page = opened.value
    page.set_viewport_size({"width": 1900, "height": 1000})
    formgrader = Formgrader(page)
    formgrader.frame.locator("#main-table .name a").first.wait_for()
    return formgrader
