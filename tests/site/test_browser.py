"""The site in Chromium, as its readers meet it: on a desk and on a phone, in light and dark, by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from autograder.content.course_root import CourseRoot
from course.catalogue import readings
from tests.chromium import chromium

ROOT = CourseRoot.find(Path(__file__))
ARTEFACTS = ROOT.path / "artefacts" / "site"
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
SERIOUS = ("serious", "critical")
PATIENCE = 60_000  # milliseconds: a busy machine may stand still for a while

# The first one opens every page.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with chromium() as browser:
        yield browser


def new_page(browser: Browser, **options: Any) -> Page:
    """A page in a context of its own."""
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(PATIENCE)
    return page


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = new_page(browser, viewport=DESK, color_scheme="light")
    yield page
    page.context.close()


@dataclass
class Visit:
    """What was seen of a page while it was open."""

    console: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    too_wide: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    formulas: tuple[int, int, int] = (0, 0, 0)  # marked, set, refused


@pytest.fixture(scope="module")
def visits(browser: Browser, site: Path, address: str) -> dict[str, Visit]:
    """Every page of the site, opened at the width of a desk and of a phone, half of them in the dark."""
    found = {}
    for number, path in enumerate(sorted(site.rglob("*.html"))):
        name = path.relative_to(site).as_posix()
        if name == "404.html":  # its addresses are those of a site at the root of a host
            continue
        dark = number % 2 == 1
        page = new_page(browser, viewport=DESK, color_scheme="dark" if dark else "light")
        found[name] = look(page, address, name)
        page.context.close()
    return found


def look(page: Page, address: str, name: str) -> Visit:
    visit = Visit()
    page.on(
        "console", lambda said: visit.console.append(said.text) if said.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: visit.console.append(str(error)))
    page.on("requestfailed", lambda request: visit.console.append(f"{request.url} failed"))
    page.on(
        "request",
        lambda request: (
            visit.outside.append(request.url)
            if not request.url.startswith((address, "data:", "blob:"))
            else None
        ),
    )
    page.goto(address + name)  # with its scripts run, which an idle network does not say
    page.wait_for_load_state("networkidle")
    count = "names => names.map(name => document.querySelectorAll(name).length)"
    marked, done, refused = page.evaluate(
        count, [".arithmatex", ".arithmatex > :is(.katex, .katex-display)", ".katex-error"]
    )
    visit.formulas = marked, done, refused
    results = Axe().run(page, options={"resultTypes": ["violations"]})
    visit.faults = [
        f"{fault['id']}: {node['html'][:120]}"
        for fault in results.response["violations"]
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]
    for size in (DESK, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > size["width"]:
            visit.too_wide.append(f"{wide} pixels of {size['width']}")
    return visit


def told(visits: dict[str, Visit], what: str) -> dict[str, list[str]]:
    return {name: seen for name, visit in visits.items() if (seen := getattr(visit, what))}


def test_no_page_asks_anything_of_another_site(visits: dict[str, Visit]) -> None:
    assert len(visits) > 20
    assert told(visits, "outside") == {}


def test_no_page_complains_in_the_console(visits: dict[str, Visit]) -> None:
    assert told(visits, "console") == {}


def test_no_page_scrolls_sideways_on_a_desk_or_a_phone(visits: dict[str, Visit]) -> None:
    assert told(visits, "too_wide") == {}


def test_axe_finds_no_serious_fault(visits: dict[str, Visit]) -> None:
    assert told(visits, "faults") == {}


def test_every_formula_is_set(visits: dict[str, Visit]) -> None:
    assert sum(visit.formulas[0] for visit in visits.values()) > 100
    for name, (marked, done, refused) in ((name, visit.formulas) for name, visit in visits.items()):
        assert marked == done, name
        assert refused == 0, name


def test_one_walks_through_all_modules(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("link", name="All modules").click()
    for module in ROOT.syllabus.modules:
        page.get_by_role("table").get_by_role("link", name=module.title, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile(module.title, re.I))
        expect(page.get_by_role("article")).to_contain_text(f"{module.points:g} points")
        page.get_by_role("link", name="Read the notebook").click()
        expect(page.get_by_role("article")).to_contain_text("raise NotImplementedError")
        expect(page.locator("figure.output.picture img").nth(len(module.exercises) - 1)).to_be_attached()
        page.go_back()
        page.get_by_role("navigation", name="Tabs").get_by_role("link", name="Modules").click()
    expect(page.get_by_role("article")).to_contain_text("to come")


def test_an_exercise_of_the_table_is_where_its_link_leads(page: Page, address: str) -> None:
    page.goto(f"{address}modules/noise/index.html")
    page.get_by_role("link", name="All the noise in one go").click()

    expect(page).to_have_url(re.compile("notebook.html#exercise-q_sample$"))
    heading = page.locator("#exercise-q_sample")
    expect(heading).to_be_in_viewport()
    expect(heading).to_contain_text("All the noise in one go")


def test_the_download_is_the_students_notebook(page: Page, address: str) -> None:
    page.goto(f"{address}modules/lora/index.html")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it").click()

    assert download.value.path().read_bytes() == ROOT.exercise_notebook("lora").read_bytes()


def test_the_search_finds_classifier_free_guidance(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("textbox", name="Search").fill("classifier-free guidance")
    page.keyboard.press("End")  # the search looks again at a key, not at what is filled in

    results = page.locator(".md-search-result__item")
    expect(results.first).to_be_visible()
    assert any(
        "modules/guidance" in link for link in results.locator("a").evaluate_all("a => a.map(a => a.href)")
    )
    results.first.locator("a").first.click()
    expect(page.get_by_role("article")).to_contain_text(re.compile("classifier-free guidance", re.I))


def test_filters_filter(page: Page, address: str) -> None:
    everything = readings.load().readings
    page.goto(f"{address}readings/index.html")
    shown = page.locator("li.reading:visible")
    expect(shown).to_have_count(len(everything))

    page.get_by_role("combobox", name="Kind").select_option("video")
    videos = [reading for reading in everything if reading.kind == "video"]
    expect(shown).to_have_count(len(videos))
    expect(page.locator("#filtered")).to_have_text(f"{len(videos)} of {len(everything)} readings")
    page.get_by_role("combobox", name="Level").select_option("introductory")
    both = [reading for reading in videos if reading.level == "introductory"]
    expect(shown).to_have_count(len(both))
    assert {*shown.locator("a.title").evaluate_all("a => a.map(a => a.href)")} == {each.url for each in both}

    page.reload()  # the choice stands in the address
    expect(shown).to_have_count(len(both))
    page.get_by_role("button", name="Show all").click()
    expect(shown).to_have_count(len(everything))
    page.get_by_role("combobox", name="Module").select_option("vision_transformers")
    expect(page.locator("h2.reading-group:visible")).to_have_count(1)


def test_a_quiz_lets_one_try_again_before_it_shows_the_answer(page: Page, address: str) -> None:
    page.goto(f"{address}modules/attention/index.html")
    quiz = page.locator(".quiz:has(input[type=radio])").first
    explanation, feedback = quiz.locator("section.content"), quiz.locator(".quiz-feedback")
    show = quiz.get_by_role("button", name="Show the answer")
    right, wrong = quiz.locator("input[data-correct]"), quiz.locator("input:not([data-correct])")
    expect(right).to_have_count(1)
    expect(explanation).to_be_hidden()
    expect(show).to_have_count(0)

    for again in (wrong.first, wrong.nth(1)):
        again.check()
        expect(feedback).to_contain_text("Incorrect answer. Please try again.")
        expect(show).to_be_visible()
        expect(explanation).to_be_hidden()
        expect(quiz.locator(".correct")).to_have_count(0)
    right.check()
    expect(feedback).to_contain_text("Correct")
    expect(show).to_have_count(0)
    expect(explanation).to_be_visible()
    assert len(explanation.inner_text()) > 20

    quiz.get_by_role("button", name="Try Again").click()
    expect(explanation).to_be_hidden()
    wrong.first.check()
    page.reload()  # what was answered is kept, and so is the answer's secret
    expect(show).to_be_visible()
    expect(explanation).to_be_hidden()
    show.click()
    expect(explanation).to_be_focused()
    expect(quiz.locator("fieldset > .correct input")).to_have_attribute("data-correct", "true")
    expect(show).to_have_count(0)


def test_of_several_right_choices_none_is_told_before_one_asks(page: Page, address: str) -> None:
    page.goto(f"{address}modules/noise/index.html")
    quiz = page.locator(".quiz:has(input[type=checkbox])").first
    quiz.locator("input:not([data-correct])").first.check()
    quiz.get_by_role("button", name="Submit").click()
    expect(quiz.locator("section.content")).to_be_hidden()
    expect(quiz.locator(".correct")).to_have_count(0)

    quiz.get_by_role("button", name="Show the answer").click()
    count = quiz.locator("input[data-correct]").count()
    assert count > 1
    expect(quiz.locator("fieldset > .correct")).to_have_count(count)
    expect(quiz.locator("section.content")).to_be_visible()


def test_the_search_finds_words_and_neither_formulas_nor_stubs(page: Page, address: str) -> None:
    def found(words: str) -> list[str]:
        page.goto(address)
        page.get_by_role("textbox", name="Search").fill(words)
        page.keyboard.press("End")
        expect(page.locator(".md-search-result__meta")).to_have_text(re.compile(r"\d+ matching|No matching"))
        links = page.locator(".md-search-result__item a").evaluate_all("a => a.map(a => a.href)")
        return [link.removeprefix(address).partition("?")[0] for link in links]

    assert any(link.startswith("modules/attention/notebook.html") for link in found("softmax"))
    assert [*found("mathrm"), *found("mathcal"), *found("qquad")] == []
    help = found("NotImplementedError")
    assert any(link.startswith("student.html") for link in help)
    # In a notebook only where it is told in words what to do about it.
    in_notebooks = {link for link in help if "/notebook.html#" in link}
    assert all(link.endswith("#how-this-notebook-works") for link in in_notebooks), in_notebooks


@pytest.mark.parametrize("module", [module.id for module in ROOT.syllabus.modules])
def test_no_line_of_code_is_cut_on_a_desk(module: str, page: Page, address: str) -> None:
    page.goto(f"{address}modules/{module}/notebook.html")
    cut = page.evaluate(
        """[...document.querySelectorAll(".highlight > pre > code")]
        .filter(code => code.scrollWidth > code.clientWidth).map(code => code.textContent)"""
    )
    assert cut == []


def test_what_is_copied_has_the_lines_that_were_written(page: Page, address: str) -> None:
    page.goto(f"{address}modules/attention/notebook.html")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    block = page.locator(".highlight.yours").first
    block.hover()
    block.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied to clipboard")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == block.locator("code").text_content().strip()  # type: ignore[union-attr]


@pytest.mark.parametrize("module", ["attention", "noise", "lora"])
def test_live_pictures_are_used_with_a_finger(module: str, browser: Browser, address: str) -> None:
    page = new_page(browser, viewport=PHONE, has_touch=True, is_mobile=True)
    page.goto(f"{address}modules/{module}/notebook.html")
    for slider in page.locator(".output.page input[type=range]").all():
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box
        assert box["height"] >= 44
        assert box["width"] >= 0.7 * PHONE["width"]
        before = slider.input_value()
        page.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + box["height"] - 4)
        assert slider.input_value() != before
    for picture in page.locator(".output.page canvas.picture").all():
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        assert box
        assert box["width"] >= 0.7 * PHONE["width"]
        page.touchscreen.tap(box["x"] + 2, box["y"] + 2)
        expect(page.locator(".output.page figcaption").first).to_contain_text("row 0, column 0")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_pipeline_leads_to_every_module(
    size: dict[str, int], scheme: str, browser: Browser, address: str
) -> None:
    page = new_page(browser, viewport=size, color_scheme=scheme)
    page.goto(f"{address}modules/index.html")
    pipeline = page.locator("ol.pipeline")
    for module in ROOT.syllabus.modules:
        link = pipeline.get_by_role("link", name=module.title, exact=True)
        box = link.bounding_box()
        assert box
        assert box["height"] >= 44
    expect(pipeline.locator(".planned")).to_have_count(len(ROOT.syllabus.planned))
    parts = [part.bounding_box() for part in pipeline.locator("> li").all()]
    beside = {part["y"] for part in parts if part}
    assert len(beside) == (1 if size == DESK else len(parts))
    axe = Axe().run(page, context="ol.pipeline", options={"resultTypes": ["violations"]})
    assert axe.response["violations"] == []
    pipeline.get_by_role("link", name="UNet").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("UNet"))
    page.context.close()


def test_dark_mode_stays(page: Page, address: str) -> None:
    scheme = "document.body.getAttribute('data-md-color-scheme')"
    page.goto(address)
    assert page.evaluate(scheme) == "default"
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.get_by_title("Switch to dark").click()
    assert page.evaluate(scheme) == "slate"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.goto(f"{address}modules/unet/index.html")
    assert page.evaluate(scheme) == "slate"


def test_the_readers_system_chooses_between_light_and_dark(browser: Browser, address: str) -> None:
    page = new_page(browser, color_scheme="dark")
    page.goto(address)

    assert page.evaluate("document.body.getAttribute('data-md-color-scheme')") == "slate"
    page.context.close()


def test_the_keyboard_is_enough(page: Page, address: str) -> None:
    page.goto(f"{address}modules/attention/notebook.html")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    expect(skip).not_to_be_focused()  # which happens a frame later, and would take the focus from the next

    hint = page.locator("details").first
    hint.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(hint).to_have_attribute("open", "")

    page.keyboard.press("/")
    expect(page.get_by_role("textbox", name="Search")).to_be_focused()


def test_a_live_picture_of_the_notebook_is_live_here_too(page: Page, address: str) -> None:
    page.goto(f"{address}modules/noise/notebook.html")
    slider = page.locator(".output.page input[type=range]").first
    slider.scroll_into_view_if_needed()
    picture = page.locator(".output.page").first
    before = picture.screenshot()
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")

    assert picture.screenshot() != before


def test_paper_gets_the_page_without_what_one_clicks(page: Page, address: str) -> None:
    page.goto(f"{address}readings/index.html")
    page.emulate_media(media="print")

    for gone in (".md-header", ".md-tabs", "#filters", ".md-sidebar--primary"):
        expect(page.locator(gone).first).to_be_hidden()
    expect(page.locator("li.reading").first).to_be_visible()


SHOTS = (
    "index",
    "modules/index",
    "modules/attention/index",
    "modules/unet/notebook",
    "readings/index",
    "instructor",
)


@pytest.mark.parametrize("name", SHOTS)
def test_screenshots_to_look_at(name: str, browser: Browser, address: str) -> None:
    """In artefacts/site/, for a person: at a desk in light and in dark, and on a phone."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    for label, size, scheme in (("light", DESK, "light"), ("dark", DESK, "dark"), ("phone", PHONE, "light")):
        page = new_page(browser, viewport=size, color_scheme=scheme)
        page.goto(f"{address}{name}.html", wait_until="networkidle")
        file = ARTEFACTS / f"{name.replace('/', '-')}-{label}.png"
        page.screenshot(path=file)
        assert file.stat().st_size > 10_000
        page.context.close()
