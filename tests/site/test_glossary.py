"""The glossary: each term once, in a module that there is, and nothing that refers into the void."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError
from autograder.site.glossary import Glossary, load, parse

GLOSSARY = """\
terms:
  - term: query
    module: attention
    definition: What asks.
    see: [key]
  - term: key
    module: attention
    definition: >-
      What is asked,
      $K$.
  - term: adapter
    module: lora
    definition: What is added.
"""


def test_terms_are_found_by_their_module_in_the_order_of_the_file() -> None:
    glossary = parse(GLOSSARY)
    assert [term.term for term in glossary.terms] == ["query", "key", "adapter"]
    assert [term.term for term in glossary.of_module("attention")] == ["query", "key"]
    assert glossary.of_module("unet") == ()
    query, key = glossary.of_module("attention")
    assert (query.see, key.see) == (("key",), ())
    assert key.definition == "What is asked, $K$."


def test_a_term_may_belong_to_a_module_that_is_planned() -> None:
    assert parse(GLOSSARY.replace("module: lora", "module: distillation")).of_module("distillation")


WRONG = {
    "a module that does not exist": (
        ("module: lora", "module: lorra"),
        "g.yaml, line 11: 'adapter' belongs to module 'lorra': choose one of attention, unet, noise, ",
    ),
    "a term that stands twice, in other capitals": (
        ("term: adapter", "term: Query"),
        "g.yaml, line 11: 'Query' stands above already, as 'query': keep one of the two.",
    ),
    "a reference to nothing": (
        ("see: [key]", "see: [keys]"),
        "g.yaml, line 2: 'query' refers to 'keys', which is no term",
    ),
    "a reference in other capitals": (
        ("see: [key]", "see: [Key]"),
        "g.yaml, line 2: 'query' refers to 'Key'",
    ),
    "a reference to itself": (("see: [key]", "see: [query]"), "g.yaml, line 2: 'query' refers to itself"),
    "an empty definition": (("What asks.", '""'), "g.yaml, line 4: terms.0.definition: String should have"),
    "a missing definition": (
        ("    definition: What is added.\n", ""),
        "g.yaml, line 11: terms.2.definition: Field",
    ),
    "an unknown field": (("see: [key]", "sea: [key]"), "g.yaml, line 5: terms.0.sea: Extra inputs"),
    "no list": ((GLOSSARY, "query: what asks\n"), "g.yaml, line 1: terms: Field required"),
    "no YAML": (("see: [key]", "see: [key"), "g.yaml, line 6: "),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_an_error_names_the_file_the_line_and_the_term(change: tuple[str, str], message: str) -> None:
    assert change[0] in GLOSSARY
    with pytest.raises(ContentError) as caught:
        parse(GLOSSARY.replace(*change), source="g.yaml")
    assert str(caught.value).startswith(message)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"docs/glossary\.yaml cannot be read \(No such file"):
        load(CourseRoot(tmp_path))


# --- the course's own


@pytest.fixture(scope="module")
def own(course_root: CourseRoot) -> Glossary:
    return load(course_root)


def test_every_module_of_the_syllabus_has_eight_words_or_more(own: Glossary, course_root: CourseRoot) -> None:
    few = {module.id: len(own.of_module(module.id)) for module in course_root.syllabus.modules}
    assert {module: count for module, count in few.items() if count < 8} == {}


def test_terms_stand_in_the_order_of_the_modules(own: Glossary, course_root: CourseRoot) -> None:
    order = [module.id for module in course_root.syllabus.road]
    places = [order.index(term.module) for term in own.terms]
    assert places == sorted(places)


def test_a_definition_is_one_or_two_short_sentences_of_mathematics_that_closes(own: Glossary) -> None:
    for term in own.terms:
        assert len(term.definition) <= 330, term.term
        assert "\n" not in term.definition.strip(), term.term
        assert term.definition.count("$") % 2 == 0, term.term
        assert term.definition.count("`") % 2 == 0, term.term
        assert term.definition.endswith("."), term.term
