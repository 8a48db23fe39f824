"""Makes the pictures of a feedback page in docs/images anew: `python -m tests.site.screenshots`.

Grades the student of `example_course` with `autograder grade`, opens the page in Chromium and cuts two pieces
out of it. Needs Chromium, and Pillow, which Matplotlib brings; CI makes no screenshots. Look at what it has
made, and commit it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from tests.site import example_course

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WIDTH, SCALE = 800, 1.5  # 1200 pixels wide
COLOURS = 128  # the page has few, and a palette makes small files
MARGIN = 28
# name: the first and the last element that the picture has
PIECES = {
    "feedback-top.png": (".masthead", ".contents"),
    "feedback-exercise.png": ("#exercise-1", "#exercise-2"),
}


def graded(folder: Path) -> Path:
    """The example's student, graded; their feedback page."""
    course, submissions = example_course.write(folder)
    out = folder / "graded"
    command = [sys.executable, "-m", "autograder.cli", "grade", str(submissions), "--out", str(out)]
    subprocess.run(
        [*command, "--seed", "1", "--course-root", str(course)],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
    )
    (page,) = (out / "feedback").rglob("*.html")
    return page


def cut(page: Page, first: str, last: str) -> bytes:
    """A picture of all that stands between the top of `first` and the end of `last`, with a palette."""
    top, end = (page.locator(selector).bounding_box() for selector in (first, last))
    if not top or not end:
        raise SystemExit(f"The page has no {first} or no {last}: PIECES names what is cut out of it.")
    y, bottom = max(0, top["y"] - MARGIN), end["y"] + end["height"] + MARGIN
    picture = page.screenshot(
        full_page=True, clip={"x": 0, "y": y, "width": WIDTH, "height": bottom - y}, animations="disabled"
    )
    return smaller(picture, COLOURS)


def main() -> None:
    if program() is None:
        raise SystemExit(
            "No Chromium on this machine: install it (`apt install chromium`) and run this again."
        )
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        page = browser.new_page(
            viewport={"width": WIDTH, "height": 900}, device_scale_factor=SCALE, color_scheme="light"
        )
        page.goto(graded(Path(folder)).as_uri())
        for name, (first, last) in PIECES.items():
            content = cut(page, first, last)
            (IMAGES / name).write_bytes(content)
            print(f"docs/images/{name}: {len(content) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
