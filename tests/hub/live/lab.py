"""JupyterLab as a student uses it: by its menus, buttons and keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nbformat
from playwright.sync_api import Browser, FrameLocator, Locator, Page

from tests.hub.live.running import Running
from tests.jupyterlab import run_cell

ARTEFACTS = Path(__file__).parents[3] / "artefacts" / "hub"
MINUTE = 60_000.0  # in Playwright's milliseconds
COURSE, MODULE = "diffusion", "attention"


def take_picture(page: Page, name: str) -> None:
    """Kept, so that a person can look at it: make test-all, then open artefacts/hub/."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / f"{name}.png")


@dataclass(frozen=True)
class Lab:
    """Somebody's JupyterLab."""

    running: Running
    name: str
    page: Page

    @property
    def home(self) -> Path:
        return self.running.hub.homes / self.name

    @property
    def notebook_file(self) -> Path:
        return self.home / COURSE / MODULE / f"{MODULE}.ipynb"

    def status(self, path: str) -> int:
        """What the hub answers for a page of it."""
        return self.page.request.get(self.running.address + path).status

    def menu(self) -> list[str]:
        """The entries of the menu Nbgrader."""
        self.page.click(".lm-MenuBar-item:has-text('Nbgrader')")
        self.page.wait_for_selector(".lm-Menu-item >> visible=true")
        entries = [entry.strip() for entry in self.page.locator(".lm-Menu-itemLabel").all_inner_texts()]
        self.page.keyboard.press("Escape")
        return [entry for entry in entries if entry]

    def choose(self, entry: str) -> None:
        """An entry of the menu Nbgrader."""
        self.page.click(".lm-MenuBar-item:has-text('Nbgrader')")
        self.page.click(f".lm-Menu-item:has-text('{entry}')")

    def fetch(self) -> None:
        """Fetches the module from the assignment list, which is open."""
        self.page.click("#released_assignments_list button:has-text('Fetch')")
        self.page.wait_for_selector("#fetched_assignments_list >> text=attention")

    def submit(self) -> None:
        self.page.click("#fetched_assignments_list button:has-text('Submit')")
        self.page.wait_for_selector("#submitted_assignments_list >> text=UTC")

    def open_notebook(self) -> Notebook:
        """From the assignment list, which is open; ready when the kernel is."""
        self.page.click("a.assignment-notebooks-link:has-text('attention')")
        self.page.click("#nbgrader-diffusion-attention a:has-text('attention')")
        self.page.wait_for_selector("text=Python 3 (ipykernel) | Idle")
        written = nbformat.read(self.notebook_file, as_version=4)
        places = {
            cell.metadata["nbgrader"]["grade_id"]: number
            for number, cell in enumerate(written.cells)
            if "nbgrader" in cell.metadata
        }
        first = next(number for number, cell in enumerate(written.cells) if cell.cell_type == "code")
        return Notebook(self.page, {"imports": first, **places})

    def open_feedback(self) -> FrameLocator:
        """Fetches it from the assignment list, which is open, and opens the page in JupyterLab."""
        self.page.click("#submitted_assignments_list button:has-text('Fetch Feedback')")
        self.page.click("#submitted_assignments_list a:has-text('view feedback')")
        self.page.locator(".jp-DirListing-item:has-text('attention.html')").dblclick()
        return self.page.frame_locator(".jp-HTMLViewer iframe")


@dataclass(frozen=True)
class Notebook:
    """An open notebook; cells are called as nbgrader calls them, and the first one `imports`."""

    page: Page
    places: dict[str, int]

    def cell(self, name: str) -> Locator:
        return self.page.locator(f".jp-NotebookPanel [data-windowed-list-index='{self.places[name]}']")

    def type(self, name: str, source: str) -> None:
        """Key by key, in place of what is there."""
        self._empty(name)
        for number, line in enumerate(source.splitlines()):
            if number:
                self.page.keyboard.press("Enter")
                # The editor indents by itself.
                self.page.keyboard.press("Shift+Home")
                self.page.keyboard.press("Delete")
            self.page.keyboard.type(line)

    def paste(self, name: str, source: str) -> None:
        self._empty(name)
        self.page.keyboard.insert_text(source)

    def run(self, name: str, *awaited: str) -> None:
        """Runs the cell; these words are then shown below it."""
        run_cell(self.cell(name), *awaited, patience=2 * MINUTE)

    def save(self) -> None:
        self.page.keyboard.press("Control+s")
        self.page.wait_for_selector(".jp-mod-current.jp-mod-dirty", state="detached")

    def validate(self) -> str:
        """What nbgrader's Validate says; it runs the whole notebook anew."""
        self.page.click(".jp-NotebookPanel-toolbar >> text=Validate")
        said: str = self.page.locator(".jp-Dialog-content").inner_text(timeout=4 * MINUTE)
        return said

    def close_dialog(self) -> None:
        self.page.click(".jp-Dialog button:has-text('Ok')")

    def _empty(self, name: str) -> None:
        self.cell(name).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.press("Delete")


def log_in(browser: Browser, running: Running, name: str) -> Lab:
    """In a window of their own, up to JupyterLab."""
    context = browser.new_context(viewport={"width": 1500, "height": 950})
    context.set_default_timeout(2 * MINUTE)
    page = context.new_page()
    page.goto(f"{running.address}/hub/login")
    page.fill("#username_input", name)
    page.fill("#password_input", running.password(name))
    page.click("#login_submit")
    # The last that comes takes the keyboard: for students, the page that says where the assignments are.
    page.wait_for_selector(".jp-MarkdownViewer:focus, .jp-Launcher:focus")
    return Lab(running, name, page)
