"""What the search reads of a page: words, and neither the source of formulas nor a notebook's code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from material.plugins.search.plugin import Parser

from autograder.site.search import words_only

STUB = """<div class="cell yours highlight"><pre><span></span><code><span>def softmax(x):</span>
<span>    raise NotImplementedError(&quot;write softmax&quot;)</span></code></pre></div>"""
PAGE = f"""<h1 id="top">Attention, <span class="arithmatex">\\(\\frac{{1}}{{d}}\\)</span></h1>
<p>Scores become <em>weights</em>, <span class="arithmatex">\\(\\sqrt d\\)</span> and all.</p>
<div class="arithmatex">\\[\\frac{{q k}}{{\\sqrt d}}\\]</div>
{STUB}
<div class="output highlight"><pre><code>tensor(4.)</code></pre></div>
<p>Put your code in the place of <code>raise NotImplementedError</code>.</p>
<div class="language-console highlight"><pre><code>course start</code></pre></div>"""


def searched(html: str) -> str:
    """All that Material's search takes of a page."""
    parser = Parser()
    parser.feed(html)
    parser.close()
    return " ".join(text for section in parser.data for text in [*section.title, *section.text])


def test_words_stay_and_formulas_and_cells_go() -> None:
    found = searched(words_only(PAGE))
    for word in ("Attention", "weights", "and all", "place of", "course start"):
        assert word in found
    for source in ("frac", "sqrt", "write softmax", "tensor(4.)"):
        assert source in searched(PAGE)
        assert source not in found


def test_nothing_else_of_the_page_changes() -> None:
    assert words_only(PAGE).replace(" data-search-exclude", "") == PAGE


@pytest.mark.slow
def test_the_whole_site_is_searched_for_words(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text())
    texts = {entry["location"]: f"{entry['title']} {entry['text']}" for entry in index["docs"]}

    def found(words: str) -> set[str]:
        return {place for place, text in texts.items() if words in text}

    assert any(place.startswith("modules/attention/notebook") for place in found("divided"))
    assert found("\\frac") == found("\\bar\\alpha") == set()
    # Of a stub there is nothing; what to do about the error is told in words.
    assert found("NotImplementedError(") == set()
    assert "student.html#when-something-does-not-work" in found("NotImplementedError")
