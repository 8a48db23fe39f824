"""The guides say what is so: files, figures, quotations; and Python-Markdown shows them whole.

The pictures of a feedback page are made anew by `python -m tests.site.screenshots`.
"""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import markdown
import pytest
import torch
from torch import Tensor

from autograder.content.fences import blocks, in_code
from autograder.contract.budget import Limits
from autograder.sandbox.levels import Isolation
from course.catalogue.syllabus import load
from course.cells.python import Cell
from course.checking.examine import on_exercise, on_quiz
from course.checking.forbidden import forbidden_calls, sentence
from course.cli import app as course
from tests.chromium import chromium, contrast
from tests.site import screenshots

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
IMAGES = DOCS / "images"
PICTURE = IMAGES / "architecture.svg"
SVG = "{http://www.w3.org/2000/svg}"
GUIDES = (
    *("student", "self-learner", "instructor", "grading", "nbgrader", "hub", "deployment", "gradescope"),
    *("otter", "isolation", "architecture", "tiny-sd", "tiny-latent"),
)
LARGEST, WIDEST = 150_000, 1200  # bytes and pixels of a picture
EXTENSIONS = ["tables", "fenced_code", "toc", "attr_list", "md_in_html"]


def guide(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def prose(name: str) -> str:
    """The page as one line, so that a sentence is found wherever it is wrapped."""
    return " ".join(guide(name).split())


def block(name: str, beginning: str) -> str:
    """The block of a page, fenced or indented, that begins so; without its margin."""
    found = [
        *(block.text for block in blocks(guide(name).splitlines())),
        *(re.sub("^    ", "", text, flags=re.M) for text in re.findall(r"(?:^    .*\n)+", guide(name), re.M)),
    ]
    (text,) = [text.rstrip("\n") for text in found if text.startswith(beginning)]
    return text


def without_code(text: str) -> str:
    """The page without its blocks of code and what is HTML in it."""
    lines = text.splitlines()
    text = "\n".join(line for line, code in zip(lines, in_code(lines), strict=True) if not code)
    return re.sub(r"^<details.*?^</details>$", "", text, flags=re.MULTILINE | re.DOTALL)


# ------------------------------------------------------------------------------------- the architecture


def picture() -> ET.Element:
    return ET.parse(PICTURE).getroot()


def test_every_file_that_the_architecture_names_is_there() -> None:
    page = guide("architecture")
    named = re.findall(r"`([\w.-]+/[\w./-]*)`", page)
    named += re.findall(r"(?:course|solutions|autograder|exercises)/[\w./-]+\.\w+", page)
    drawn = ["".join(text.itertext()) for text in picture().iter(f"{SVG}text") if text.get("class") == "name"]
    assert len(named) > 40
    assert len(drawn) > 15
    assert [name for name in [*named, *drawn] if not (ROOT / name).exists()] == []


def test_the_picture_says_in_words_what_it_shows_and_needs_nothing_from_elsewhere() -> None:
    root, text = picture(), PICTURE.read_text(encoding="utf-8")
    ids = {element.get("id"): element for element in root.iter() if element.get("id")}
    assert root.get("role") == "img"
    assert (root.get("aria-labelledby") or "").split() == ["title", "desc"]
    for id in ("title", "desc"):
        assert len("".join(ids[id].itertext())) > 20
    assert {element.tag for element in (ids["title"], ids["desc"])} == {f"{SVG}title", f"{SVG}desc"}
    assert text.count("//") == text.count("http://www.w3.org/2000/svg") == 1
    assert set(re.findall(r"url\((.*?)\)", text)) == {"#end"}
    assert "@import" not in text
    assert "@font-face" not in text


INSIDE = """() => {
    const boxes = [...document.querySelectorAll('rect')].map(each => each.getBBox());
    const holds = (box, text) => text.x >= box.x + 4 && text.x + text.width <= box.x + box.width - 4
        && text.y >= box.y && text.y + text.height <= box.y + box.height;
    const meets = (box, text) => text.x < box.x + box.width && box.x < text.x + text.width
        && text.y < box.y + box.height && box.y < text.y + text.height;
    return [...document.querySelectorAll('text')].filter(each => {
        const text = each.getBBox();
        return boxes.some(box => meets(box, text) && !holds(box, text));
    }).map(each => each.textContent);
}"""
COLOURS = """() => [...document.querySelectorAll('text')].map(each => {
    const colour = style => getComputedStyle(style).fill;
    const text = each.getBBox();
    const under = [...document.querySelectorAll('rect')].filter(rect => {
        const box = rect.getBBox();
        return text.x >= box.x && text.x <= box.x + box.width
            && text.y >= box.y && text.y <= box.y + box.height;
    });
    return [each.textContent, colour(each), colour(under[under.length - 1])];
})"""


@pytest.mark.browser
def test_the_pictures_words_lie_in_their_boxes_and_stand_out_light_and_dark() -> None:
    grounds = set()
    with chromium() as browser:
        for scheme in ("light", "dark"):
            page = browser.new_page(color_scheme=scheme)
            page.goto(PICTURE.as_uri())
            assert page.evaluate(INSIDE) == []
            for text, ink, ground in page.evaluate(COLOURS):
                numbers = ([int(part) for part in re.findall(r"\d+", colour)] for colour in (ink, ground))
                assert contrast(*numbers) >= 4.5, (scheme, text)
                grounds.add((scheme, ground))
    assert {ground for scheme, ground in grounds if scheme == "light"}.isdisjoint(
        ground for scheme, ground in grounds if scheme == "dark"
    )


# --------------------------------------------------------------------------------------------- figures


def test_the_budgets_on_the_pages_are_those_of_the_code() -> None:
    limits = Limits()
    isolation, student = prose("isolation"), prose("student")
    assert limits.wall_factor == 5
    for said in (
        f"One call may take {limits.call_cpu:g} s of CPU time, one cell {limits.cell_cpu:g} s, one "
        f"submission {limits.submission_cpu:g} s over all the workers it uses up.",
        "only after five times as long",
        f"a submission after {limits.submission_wall:g} s of waiting",
        f"{limits.memory >> 30} GiB of address space",
        f"a scratch folder of {limits.scratch >> 20} MiB",
    ):
        assert said in isolation
    assert (
        f"{limits.cell_cpu:g} s of CPU time for a cell, {limits.call_cpu:g} s for one call, "
        f"{limits.submission_cpu:g} s for all, if your instructors gave no other."
    ) in student


def test_the_levels_on_the_page_are_those_of_the_code() -> None:
    table = guide("isolation").partition("## The levels")[2]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [level.value for level in Isolation]


def test_the_instructors_are_told_in_a_few_lines_what_is_prevented() -> None:
    section = guide("instructor").partition("## What you can rely on\n")[2].partition("\n## ")[0]
    assert 4 <= len(re.findall(r"^- ", section, re.MULTILINE)) <= 6
    assert "Not prevented:" in section
    assert "](isolation.md)" in section


# --------------------------------------------------------------------- what the student's guide quotes


def overflowing_softmax(x: Tensor, dim: int = -1) -> Tensor:
    return x.exp() / x.exp().sum(dim, keepdim=True)


def test_the_check_says_what_the_guide_quotes() -> None:
    module = load().module("attention")
    exercise = module.exercise("stable_softmax")
    report = on_exercise(module, exercise, {"stable_softmax": overflowing_softmax})
    assert report.text() == block("student", "stable_softmax · ")


def test_a_forbidden_call_is_told_as_the_guide_quotes_it() -> None:
    module = load().module("attention")
    exercise = module.exercise("stable_softmax")
    found = forbidden_calls(
        [Cell(4, "def stable_softmax(x, dim):\n    return x.softmax(dim)")], module, exercise
    )
    assert f"✗ {sentence(exercise, found, 'In [{}]')}" == block("student", "✗ this exercise")


def test_the_quiz_says_what_the_guide_quotes() -> None:
    module = load().module("attention")
    assert module.quiz is not None
    answers: dict[str, Any] = {"q1": "b"}
    said = block("student", "q1: ")
    assert f"✗ {said}" in on_quiz(module, module.quiz, answers).lines


def softmax_for_the_cpu(x: Tensor, dim: int = -1) -> Tensor:
    return torch.softmax(x, dim) + torch.zeros(1, dtype=x.dtype)


def test_the_gpu_message_is_the_one_that_the_guide_quotes() -> None:
    module = load().module("attention")
    exercise = module.exercise("stable_softmax")
    report = on_exercise(module, exercise, {"stable_softmax": softmax_for_the_cpu})
    said = " ".join(block("student", "! This would fail on a GPU.").split())
    assert report.passed
    assert said in report.lines


def test_the_commands_of_the_guide_are_the_courses() -> None:
    known = {command.name or command.callback.__name__ for command in course.registered_commands}  # type: ignore[union-attr]
    named = set(re.findall(r"`course ([a-z]+)", guide("student")))
    assert {"start", "check", "progress"} <= named <= known


def test_words_of_the_feedback_page_are_those_of_its_template() -> None:
    template = (ROOT / "autograder" / "reports" / "templates" / "feedback.html.j2").read_text(
        encoding="utf-8"
    )
    page = prose("student")
    for words in (
        *("Worth", "This looks like", "Would fail on a GPU", "Cells that raised an error"),
        *("What your notebook printed", "Your notebook could not be read"),
        *("What will be tested", "No points:"),
    ):
        assert f"*{words}*" in page
        assert words in template
    verdicts = re.findall(r'"(\w+)": \("(.)", "([^"]+)"\)', template)
    assert len(verdicts) == 4
    for name, symbol, word in verdicts:
        # What was not tested is not in the table: it is what *What will be tested* unfolds.
        assert (f"| {symbol} {word} |" in page) == (name != "untested")


@pytest.mark.slow
def test_the_pictures_show_what_the_guide_says_of_them(tmp_path: Path) -> None:
    """By the page that they are cut from, graded anew; whether the pictures are of today nobody can tell."""
    html = screenshots.graded(tmp_path).read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]+>", " ", html.partition("<body")[2]).split())
    (points,) = re.findall(r"\d+ of \d+ points", guide("student"))
    assert points in text
    for words in (
        *("A good next step", "This looks like", "numbers beyond the range wrap around", "holds, waits"),
        *("your code raised an error", "Would fail on a GPU", "not right yet", "partly right", "complete"),
    ):
        assert words in text
    for first, last in screenshots.PIECES.values():
        for selector in (first, last):
            kind = "id" if selector[0] == "#" else "class"
            assert f'{kind}="{selector[1:]}"' in html


# --------------------------------------------------------------------------- as Python-Markdown shows it


@pytest.mark.parametrize("name", GUIDES)
def test_every_list_and_table_is_shown_as_one(name: str) -> None:
    source = without_code(guide(name))
    html = markdown.markdown(source, extensions=EXTENSIONS)
    assert html.count("<table>") == len(re.findall(r"^\|(?:-+\|)+$", source, re.MULTILINE))
    assert html.count("<li>") == len(re.findall(r"^ {0,3}(?:[-*]|\d+\.) ", source, re.MULTILINE))
    assert "```" not in html
    assert not re.search(r"<p>[^<]*^\|", html, re.MULTILINE)


@pytest.mark.parametrize("name", GUIDES)
def test_pictures_are_described(name: str) -> None:
    for words, file in re.findall(r"!\[(.*?)\]\((.*?)\)", guide(name)):
        assert len(words) > 60, file
        assert (DOCS / file).is_file(), file


def test_pictures_are_small_and_all_are_used() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    for path in IMAGES.iterdir():
        assert f"images/{path.name}" in pages, path
        assert path.stat().st_size < LARGEST, path
        if path.suffix == ".png":
            (width,) = struct.unpack(">I", path.read_bytes()[16:20])
            assert width <= WIDEST, path
