"""Whatever a student's program writes, a page says it and never does it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.reports.class_report import class_html
from autograder.reports.feedback import feedback_html
from autograder.results import Result, Status

from . import examples
from .markup import read

NASTY = {
    "script": "<script>alert(1)</script>",
    "attribute": '" onmouseover="alert(1)" x=\'',
    "image": "<img src=x onerror=alert(1)>",
    "closing": "</code></pre></td></table></details></main></body></html><h1>fake</h1>",
    "title": "</title><script>alert(1)</script>",
    "style": "</style><script>alert(1)</script>",
    "comment": "<!-- --><!--[if IE]>",
    "cdata": "]]><![CDATA[<script>",
    "template": "{{7*7}}{% raw %}{{ result.key }}{# #}",
    "entity": "&lt;script&gt;&#0;&amp;amp;",
    "uri": "javascript:alert(1)//data:text/html,<script>",
    "bidi": "abc\u202ecba\u2066x",
    "terminal": "\x1b]0;owned\x07\x1b[2J\x9b31m",
    "nul": "a\0b\0",
    "surrogate": "\ud83d\udc00 \udfff",
    "newlines": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "megabyte": "<b>" * 350_000,
}
_TEXTS = {
    "student",
    "path",
    "sha256",
    "key",
    "device",
    "isolation",
    "reason",
    "stdout",
    "title",
    "hint",
    "message",
}
_TEXTS |= {"note", "type", "trace"}


def filled(text: str) -> Result:
    """The mixed result with `text` in every field that holds a string of somebody's."""

    def fill(value: Any, field: str = "") -> Any:
        if isinstance(value, dict):
            named = "mistakes" in field or "tests" in field
            return {k: text if named and k == "id" else fill(v, f"{field}.{k}") for k, v in value.items()}
        if isinstance(value, list):
            return [fill(item, field) for item in value]
        return text if value and isinstance(value, str) and field.rsplit(".", 1)[-1] in _TEXTS else value

    return Result.model_validate(fill(examples.mixed().model_dump(by_alias=True)))


def pages(text: str) -> list[str]:
    result = filled(text)
    stopped = result.model_copy(update={"status": Status.UNREADABLE, "reason": text})
    faults = [(text, text, text)]
    links = {(text, "attention"): "feedback/some-page.html"}
    return [
        feedback_html(result, examples.ATTENTION),
        feedback_html(stopped, examples.ATTENTION),
        class_html([result], examples.SYLLABUS, links, faults),
        class_html([stopped], examples.SYLLABUS, links, faults),
    ]


HARMLESS = [read(page).skeleton for page in pages("harmless")]


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_nasty_text_changes_no_tag_and_no_attribute(text: str) -> None:
    for page, skeleton in zip(pages(text), HARMLESS, strict=True):
        assert read(page).skeleton == skeleton
        assert len(page.encode("utf-8")) < 500_000


@settings(max_examples=40)
@given(st.text(min_size=1).map(lambda text: "x" + text.replace("`", "'").replace("\n", " ")))
def test_no_text_at_all_changes_a_tag(text: str) -> None:
    page = feedback_html(filled(text), examples.ATTENTION)
    assert read(page).skeleton == HARMLESS[0]


def test_text_is_shown_as_it_was_written() -> None:
    page = read(feedback_html(filled("<script>alert(1)</script> {{7*7}}"), examples.ATTENTION))
    assert "<script>alert(1)</script> {{7*7}}" in page.text


@pytest.mark.parametrize("text", [NASTY["bidi"], NASTY["terminal"], NASTY["nul"], NASTY["surrogate"]])
def test_no_control_character_is_left_in_a_page(text: str) -> None:
    for page in pages(text):
        assert not set(page) & set("\u202e\u2066\x1b\x07\x9b\0\ud83d\udc00\udfff")


@pytest.mark.parametrize("page", pages("harmless"))
def test_a_page_loads_and_runs_nothing(page: str) -> None:
    parsed = read(page)
    policy = [
        attrs["content"] for _, attrs in parsed.tags if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policy) == 1
    assert policy[0].startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert "://" not in page
    assert "url(" not in page
    assert "@import" not in page
    assert not {tag for tag, _ in parsed.tags} & {
        "script",
        "link",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
    }
    assert not [name for _, attrs in parsed.tags for name in attrs if name.startswith("on") or name == "src"]


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://example.org/x", "//example.org/x", "file:///etc"]
)
def test_a_link_that_leaves_the_folder_is_refused(link: str) -> None:
    with pytest.raises(ValueError, match="must be relative"):
        class_html(examples.small_class(), examples.SYLLABUS, {("ada-okafor", "attention"): link})
