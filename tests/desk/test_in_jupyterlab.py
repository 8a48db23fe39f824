"""A self-learner's first hour in JupyterLab, in Chromium: a wrong answer, hints, the right one, progress.

Screenshots are kept in artefacts/, for a person to look at.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from course.desk.start import FOLDER
from tests.chromium import chromium
from tests.jupyterlab import run_cell

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "artefacts"
NOTEBOOK = "attention.ipynb"
STUB = 'raise NotImplementedError("write stable_softmax")'
WRONG = "w = torch.exp(x); return w / w.sum(dim, keepdim=True)"
RIGHT = "w = torch.exp(x - x.amax(dim, keepdim=True)); return w / w.sum(dim, keepdim=True)"

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
PATIENCE = 90_000  # milliseconds


@dataclass
class Lab:
    process: subprocess.Popen[str]
    address: str
    home: Path


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """`course start --no-browser`, in a home where nothing of Jupyter's is."""
    pytest.importorskip("jupyterlab")
    settings = tmp_path / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # Cells far below are then there for the test to find, too.
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    (tmp_path / "config").mkdir()
    config = {"ServerApp": {"allow_root": True, "ip": "127.0.0.1", "port": 0}}
    (tmp_path / "config" / "jupyter_server_config.json").write_text(json.dumps(config))
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    log = tmp_path / "lab.log"
    with log.open("w") as file, subprocess.Popen(
        [sys.executable, "-m", "course", "start", "--no-browser"],
        cwd=tmp_path, env=environment, stdout=file, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            yield Lab(process, _address(process, log), tmp_path)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _address(process: subprocess.Popen[str], log: Path) -> str:
    for _ in range(600):
        if found := re.search(r"http://127\.0\.0\.1:\d+/lab/\S*token=\w+(?=\s)", log.read_text()):
            return found[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.2)
    raise AssertionError(log.read_text())


class Page:
    """JupyterLab with one notebook in it, by what a student does there."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def cell(self, text: str) -> Any:
        """The code cell that has this text."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").filter(
            has=self.page.locator(".jp-Editor", has_text=text)
        ).first  # fmt: skip

    def run(self, text: str, *awaited: str) -> str:
        """Runs a cell and waits for the kernel, and for these words; all that it puts out."""
        shown = run_cell(self.cell(text), *awaited, patience=PATIENCE)
        self.page.wait_for_timeout(300)  # for what should not be there
        return str(shown.inner_text())

    def replace_line(self, old: str, new: str) -> None:
        self.page.locator(".cm-line", has_text=old).first.click()
        self.page.keyboard.press("End")
        self.page.keyboard.press("Shift+Home")
        self.page.keyboard.insert_text(new)

    def insert_below(self, text: str, source: str) -> None:
        self.cell(text).locator(".jp-Editor").first.click()
        for key in ("Escape", "b", "Enter"):
            self.page.keyboard.press(key)
        expect(self.page.locator(".jp-Notebook .jp-mod-active .cm-content")).to_be_focused(timeout=PATIENCE)
        self.page.keyboard.insert_text(source)

    def keep(self, name: str, text: str) -> None:
        """A screenshot with this cell at the top."""
        self.cell(text).evaluate("cell => cell.scrollIntoView({block: 'start'})")
        self.page.wait_for_timeout(300)
        ARTEFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"self-learner-{name}.png")


def test_the_first_hour(lab: Lab) -> None:
    assert f"/lab/tree/{NOTEBOOK}" in lab.address
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.set_default_timeout(PATIENCE)
        tab.goto(lab.address)
        tab.wait_for_selector(".jp-Notebook .jp-CodeCell")
        tab.wait_for_selector('.jp-NotebookPanel-toolbar [data-status="idle"]')
        page = Page(tab)
        page.keep("1-opened", "from course import check")

        assert page.run("from course import check") == ""
        page.run("def stable_softmax(")
        page.run("check(stable_softmax)", "Not written yet. Have a go")

        page.replace_line(STUB, WRONG)
        page.run("def stable_softmax(")
        said = page.run(
            "check(stable_softmax)",
            "there is NaN in the result",
            "(shape (3,), float64)",
            "CheckFailed: stable_softmax: ",
        )
        assert "Traceback" not in said
        page.keep("2-wrong", "check(stable_softmax)")

        page.insert_below("check(stable_softmax)", 'hint("stable_softmax")')
        said = page.run('hint("stable_softmax")', "stable_softmax · for what check found")
        assert "which one makes the largest of them harmless?" in " ".join(said.split())
        for number in (1, 2, 3):
            said = page.run('hint("stable_softmax")', f"stable_softmax · hint {number} of 3")
        assert "That was the last one." in said
        page.run('hint("stable_softmax")', "all 4 hints again")
        page.keep("3-hint", "check(stable_softmax)")

        page.replace_line(WRONG, RIGHT)
        page.run("def stable_softmax(")
        said = page.run("check(stable_softmax)", "All 6 checks hold. Grading tests more.")
        assert "CheckFailed" not in said
        page.run("softmax_under_shift")
        drawn = page.cell("softmax_under_shift").locator("img, svg, canvas")
        drawn.first.wait_for()
        page.keep("4-right", "check(stable_softmax)")

        page.insert_below('hint("stable_softmax")', "!course progress")
        said = page.run("!course progress", "Next: Scaled dot-product attention")
        assert re.search(r"✓ stable_softmax +passes, 20\d\d-\d\d-\d\d +10 +4", said)
        page.keep("5-progress", "!course progress")
        with tab.expect_response(lambda saved: saved.request.method == "PUT" and NOTEBOOK in saved.url):
            tab.keyboard.press("Control+s")
    assert RIGHT in json.dumps(json.loads((lab.home / FOLDER / NOTEBOOK).read_text())["cells"])
    lab.process.send_signal(signal.SIGTERM)
    assert lab.process.wait(60) is not None
