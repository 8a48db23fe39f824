"""The whole site, built as `make docs` builds it: complete, without a broken link, and without a secret."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.handout.leaks import files_below, find_leaks, secrets
from autograder.site import katex
from course.catalogue import readings
from tests.site import pages as built
from tests.site.conftest import build
from tests.site.pages import Page

ROOT = CourseRoot.find(Path(__file__))
MODULES = [module.id for module in ROOT.syllabus.modules]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return built.read(site)


def test_every_module_has_its_page_its_notebook_and_its_download(site: Path, pages: dict[str, Page]) -> None:
    for module in ROOT.syllabus.modules:
        page = pages[f"modules/{module.id}/index.html"]
        for exercise in module.graded:
            assert f"notebook.html#exercise-{exercise.id}" in page.links
            assert f"exercise-{exercise.id}" in pages[f"modules/{module.id}/notebook.html"].ids
        download = site / "notebooks" / f"{module.id}.ipynb"
        assert download.read_bytes() == ROOT.exercise_notebook(module.id).read_bytes()
        assert f"../../notebooks/{module.id}.ipynb" in page.links
        for reading in readings.load().of_module(module.id):
            assert reading.url in page.links


def test_the_pictures_of_a_notebook_are_on_its_page(pages: dict[str, Page]) -> None:
    for module in ROOT.syllabus.modules:
        shown = pages[f"modules/{module.id}/notebook.html"].alts
        assert len(shown) >= len(module.exercises)


def test_every_link_and_file_within_the_site_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    assert len(pages) > 2 * len(MODULES) + 10
    assert list(built.broken(site, pages)) == []


def test_no_page_loads_anything_from_elsewhere(site: Path, pages: dict[str, Page]) -> None:
    assert {
        name: loads for name, page in pages.items() if (loads := [*filter(built.external, page.loads)])
    } == {}
    for style in site.rglob("*.css"):
        addresses = re.findall(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)", style.read_text())
        assert [each for each in sum(addresses, ()) if each.startswith(("http", "//"))] == [], style


def test_the_readings_stand_in_the_order_of_the_path(pages: dict[str, Page]) -> None:
    known = readings.load()
    expected = [known.of(id).url for section in known.path for id in section.readings]
    addresses = {reading.url for reading in known.readings}

    on_the_page = [link for link in pages["readings/path.html"].links if link in addresses]
    assert on_the_page == expected
    assert Counter(link for link in pages["readings/index.html"].links if link in addresses) == Counter(
        addresses
    )
    assert [link for link in pages["readings/hour.html"].links if link in addresses] == [
        known.of(id).url for id in known.hour
    ]


def test_every_picture_has_words_for_who_cannot_see_it(pages: dict[str, Page]) -> None:
    assert [
        f"{name}: {src}" for name, page in pages.items() for src, alt in page.alts.items() if not alt
    ] == []


def test_no_placeholder_is_left(site: Path) -> None:
    left = re.compile(r"<!--\s*(?:module|readings|exercises|picture|glossary|self-check|modules|drawn)\b")

    assert [page for page in site.rglob("*.html") if left.search(page.read_text())] == []


def test_ids_are_unique_within_a_page(pages: dict[str, Page]) -> None:
    twice = {
        name: [id for id, count in Counter(page.ids).items() if count > 1] for name, page in pages.items()
    }
    # Material gives both of its search forms' parts the ids that its script looks for.
    assert {name: ids for name, ids in twice.items() if ids} == {}


def test_the_site_gives_nothing_away(site: Path) -> None:
    files = [each for each in files_below(site) if not each[0].endswith((".png", ".woff2", ".map"))]

    assert [str(leak) for leak in find_leaks(files, secrets(ROOT))] == []


def test_a_solution_on_a_page_would_be_found(site: Path) -> None:
    """So that the test above cannot pass by finding nothing anywhere."""
    module = MODULES[0]
    page = (site / "modules" / module / "notebook.html").read_text()
    solution = "".join(f"<span>{line}</span>\n" for line in ROOT.read(ROOT.solution(module)).splitlines())

    found = find_leaks([("page.html", (page + solution).encode())], secrets(ROOT))
    assert "solution" in {leak.secret.kind for leak in found}


def test_what_is_searched_is_all_pages(site: Path, pages: dict[str, Page]) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text())
    searched = {entry["location"].partition("#")[0] or "index.html" for entry in index["docs"]}

    assert searched == set(pages) - {"404.html"}


def copy_of_the_course(folder: Path) -> Path:
    for name in ("docs", "course", "solutions", "exercises", "autograder"):
        ignored = shutil.ignore_patterns("__pycache__", "deployment")
        shutil.copytree(ROOT.path / name, folder / name, ignore=ignored)
    for name in ("mkdocs.yml", "pyproject.toml"):
        shutil.copy(ROOT.path / name, folder / name)
    return folder


@pytest.mark.parametrize(
    ("page", "line", "message"),
    [
        ("docs/student.md", "[x](nowhere.md)", "nowhere.md"),
        ("docs/student.md", "[x](instructor.md#no-such-place)", "no-such-place"),
        ("docs/readings/path.md", "<!-- readings: befor -->", "takes one of all, path, hour, counts"),
        ("course/readings.yaml", "hours: []", "line "),
    ],
    ids=["no page", "no place on a page", "a placeholder that asks for nothing", "a field that is not there"],
)
def test_a_slip_in_a_page_fails_the_build(page: str, line: str, message: str, tmp_path: Path) -> None:
    if not katex.installed():
        pytest.skip("KaTeX is not installed: make katex")
    course = copy_of_the_course(tmp_path / "course")
    shutil.rmtree(course / "docs" / "reference")  # which takes half of the time
    settings = (course / "mkdocs.yml").read_text()
    (course / "mkdocs.yml").write_text(re.sub(r"\n +- reference/.*", "", settings))
    with open(course / page, "a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")

    failed = build(course, tmp_path / "site", PYTHONPATH=str(course))

    assert failed.returncode != 0
    assert message in failed.stderr
    assert Path(page).name in failed.stderr
    assert "Traceback" not in failed.stderr
