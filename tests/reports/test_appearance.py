from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from autograder.reports.class_report import class_html
from autograder.reports.feedback import feedback_html
from tests.chromium import chromium, contrast

from . import examples
from .test_escaping import NASTY, filled

CSS = files("autograder.reports").joinpath("templates", "report.css").read_text(encoding="utf-8")
LIGHT, DARK = CSS.split("@media (prefers-color-scheme: dark)", 1)
WIDEST = """[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth)
    .map(e => e.tagName + '.' + e.className).slice(-3).join(' ')"""
TEXT_ON = [
    *[(text, "paper") for text in ("ink", "quiet", "link", "good", "bad")],
    *[(text, "raised") for text in ("ink", "quiet")],
    *[(text, "code-ground") for text in ("ink", "quiet", "bad")],
    *[(text, "hint-ground") for text in ("ink", "quiet", "hint", "bad", "link")],
    *[("ink", f"heat-{shade}") for shade in range(5)],
]


def colours(theme: str) -> dict[str, str]:
    light = {**_names(LIGHT), **_names(re.findall(r"^:root \{.*?\}", DARK, re.M | re.S)[0])}
    dark = _names("".join(re.findall(r"^  :root \{.*?\}", CSS, re.M | re.S)))
    return light if theme == "light" else {**light, **dark}


def _names(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT_ON)
def test_text_stands_out_from_its_ground(theme: str, text: str, ground: str) -> None:
    names = colours(theme)
    assert contrast(*(bytes.fromhex(names[name][1:]) for name in (text, ground))) >= 4.5


def test_both_themes_name_every_colour() -> None:
    dark = set(_names("".join(re.findall(r"^  :root \{.*?\}", CSS, re.M | re.S))))
    assert dark == set(colours("light"))


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1200])
def test_in_a_browser_nothing_runs_nothing_is_fetched_and_nothing_overflows(
    tmp_path: Path, width: int
) -> None:
    results = [filled(text) for text in NASTY.values()]
    written = [(f"nasty-{n}", feedback_html(result, examples.ATTENTION)) for n, result in enumerate(results)]
    written.append(("nasty-class", class_html(results, examples.SYLLABUS, {})))
    written.append(("class", class_html(examples.small_class(), examples.SYLLABUS, {})))
    written.append(("mixed", feedback_html(examples.mixed(), examples.ATTENTION)))
    with chromium() as browser:
        page = browser.new_page(viewport={"width": width, "height": 900})
        requests: list[str] = []
        dialogs: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        for name, html in written:
            path = tmp_path / f"{name}.html"
            path.write_text(html, encoding="utf-8")
            page.goto(path.as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert page.evaluate("document.scripts.length") == 0
            wide = page.evaluate(WIDEST)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name}: {wide}"
        # The second lock: even if some text did become markup, the page's policy lets it do nothing.
        page.evaluate('document.body.innerHTML = \'<img src="data:,x" onerror="document.title = 1">\'')
        page.evaluate("new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
        assert page.title() != "1"
    assert dialogs == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
