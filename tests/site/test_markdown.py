"""What Jupyter shows of a notebook's text, the site shows too, though another Markdown reads it."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import markdown
import pytest
import yaml
from markdown_it import MarkdownIt

from autograder import build
from autograder.content.course_root import CourseRoot
from autograder.site.markdown import for_mkdocs, with_anchors

ROOT = CourseRoot.find(Path(__file__))
MODULES = [module.id for module in ROOT.syllabus.modules]
COUNTED = {
    "h1",
    "h2",
    "h3",
    "h4",
    "ul",
    "ol",
    "li",
    "table",
    "tr",
    "td",
    "th",
    "blockquote",
    "details",
    "summary",
}


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] += tag in COUNTED


FORMULA = re.compile(r"\$\$[^$]+\$\$")


def in_jupyter(text: str) -> Counter[str]:
    read = MarkdownIt("commonmark", {"html": True}).enable("table")
    return +Elements(read.render(FORMULA.sub("FORMULA", text))).count  # as Jupyter takes them out first


def on_the_site(text: str) -> Counter[str]:
    return +Elements(site_html(text)).count


def site_html(text: str) -> str:
    wanted = yaml.load((ROOT.path / "mkdocs.yml").read_text(), Loader=yaml.SafeLoader)["markdown_extensions"]
    names = [next(iter(each)) if isinstance(each, dict) else each for each in wanted]
    options = {name: each[name] for each in wanted if isinstance(each, dict) for name in each}
    return markdown.markdown(for_mkdocs(text), extensions=names, extension_configs=options)


@pytest.mark.parametrize("module", MODULES)
def test_lists_tables_headings_and_hints_of_a_lesson_are_all_there(module: str) -> None:
    texts = [cell.source for cell in build.compose(ROOT, module).cells if cell.cell_type == "markdown"]

    assert sum(in_jupyter(text)["details"] for text in texts) > 5
    for text in texts:
        assert on_the_site(text) == in_jupyter(text), text
        assert site_html(text).count('<div class="arithmatex">') == len(FORMULA.findall(text)), text


def test_a_list_may_follow_its_paragraph_at_once() -> None:
    assert on_the_site("These:\n- one\n  and its second line\n- two\n\nThose:\n1. one")["li"] == 3


def test_formulas_may_follow_one_another_at_once() -> None:
    html = site_html("Two:\n$$a = b$$\n$$c = d$$\nand words.")

    assert html.count('<div class="arithmatex">') == 2
    assert "<p>and words.</p>" in html


def test_lines_of_code_are_no_list() -> None:
    text = "```\ntext\n- no item\n```"

    assert for_mkdocs(text) == f"{text}\n"


def test_hints_fold_within_hints_with_code_and_formulas_in_them() -> None:
    text = """\
<details>
<summary>Hint: it says "no"</summary>

First:
- $x^2$

<details>
<summary>Nearly `the` line</summary>

```python
y = x**2

z = y
```

</details>
</details>

After.
"""
    html = site_html(text)

    assert on_the_site(text) == Counter({"details": 2, "summary": 2, "ul": 1, "li": 1})
    assert "<summary>Hint: it says &quot;no&quot;</summary>" in html or 'it says "no"' in html
    assert "<code>the</code>" in html
    assert html.index("</details>") < html.index("<p>After.")
    assert html.rindex("</details>") < html.index("<p>After.")


def test_a_hint_may_begin_on_one_line() -> None:
    text = "<details><summary>Short</summary>\n\nHelp.\n\n</details>\n\nAfter."

    assert on_the_site(text) == Counter({"details": 1, "summary": 1})


def test_a_heading_gets_the_anchor_that_others_link_to() -> None:
    assert with_anchors("## 1. Softmax\n\nText", "here") == "## 1. Softmax { #here }\n\nText"
    assert with_anchors("Text\n## 1. Softmax", "here") == "Text\n## 1. Softmax"
