"""The questions that count for nothing: their form, what mkdocs-quiz makes of them, none a graded one."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from autograder.content.course_root import CourseRoot
from autograder.content.self_check import SelfCheck, SelfCheckQuestion, load, markdown, parse
from autograder.errors import ContentError
from course.catalogue.quiz import load_quiz

QUESTIONS = """\
questions:
  - id: how_many
    kind: single
    text: How many are $2 + 2$?
    choices:
      a: "3"
      b: $2^2$
    answer: b
    explanation: It is $4$.
  - id: which
    kind: multiple
    text: Which are `int`?
    choices:
      a: "`1`"
      b: "`1.0`"
      c: "`True`"
    answer: [a, c]
    explanation: A `bool` is an `int`.
"""


def test_an_answer_is_a_letter_or_a_list_of_letters() -> None:
    one, more = parse(QUESTIONS).questions
    assert (one.answer, more.answer) == (("b",), ("a", "c"))


def test_questions_become_blocks_of_mkdocs_quiz() -> None:
    assert markdown(parse(QUESTIONS)) == (
        "<quiz>\n**1.** How many are $2 + 2$?\n\n- [ ] 3\n- [x] $2^2$\n\nIt is $4$.\n</quiz>\n\n"
        "<quiz>\n**2.** Which are `int`? *(Choose all that apply.)*\n\n"
        "- [x] `1`\n- [ ] `1.0`\n- [x] `True`\n\nA `bool` is an `int`.\n</quiz>"
    )


WRONG = {
    "an answer that is no choice": (
        ("answer: b", "answer: c"),
        2,
        "the answer 'c' of 'how_many' is none of its",
    ),
    "two answers to a single": (("answer: b", "answer: [a, b]"), 2, "'how_many' is single and has 2 answers"),
    "no answer": (("answer: b", "answer: []"), 2, "'how_many' is single and has 0 answers"),
    "one answer to a multiple": (("answer: [a, c]", "answer: [a]"), 10, "'which' is multiple: at least two"),
    "all are right": (("answer: [a, c]", "answer: [a, b, c]"), 10, "'which' is multiple: at least two"),
    "an answer twice": (("answer: [a, c]", "answer: [a, a]"), 10, "'which' names an answer twice"),
    "a single choice": (("      b: $2^2$\n", ""), 5, "Dictionary should have at least 2"),
    "a choice of two letters": (("      b: $2^2$", "      bb: $2^2$"), 7, "String should match"),
    "two choices alike": (('c: "`True`"', 'c: "`1`"'), 13, "two choices have the same text"),
    "a choice of two lines": (('a: "3"', 'a: "3\\n4"'), 5, "choice 'a' has several lines"),
    "a gap": (("How many are $2 + 2$?", "Two and two are [[4]]."), 4, "mkdocs-quiz would misread '[[4]]'"),
    "a gap in a choice": (('a: "3"', 'a: "[[3]]"'), 5, "mkdocs-quiz would misread '[[3]]' in choice 'a'"),
    "a remark": (("It is $4$.", '"> It is $4$."'), 9, "mkdocs-quiz would misread '>'"),
    "the end of the block": (("It is $4$.", "It is </quiz>."), 9, "mkdocs-quiz would misread '</quiz>'"),
    "another kind": (("kind: single", "kind: number"), 3, "Input should be 'single' or 'multiple'"),
    "no explanation": (("    explanation: It is $4$.\n", ""), 2, "Field required"),
    "an id twice": (("id: which", "id: how_many"), 1, "question id 'how_many' stands twice"),
}


@pytest.mark.parametrize(("change", "line", "message"), WRONG.values(), ids=WRONG)
def test_an_error_names_the_file_the_line_and_the_fault(
    change: tuple[str, str], line: int, message: str
) -> None:
    assert change[0] in QUESTIONS
    with pytest.raises(ContentError) as caught:
        parse(QUESTIONS.replace(*change), source="s.yaml")
    assert str(caught.value).startswith(f"s.yaml, line {line}: ")
    assert message in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ContentError, match=r"course/modules/none/self_check\.yaml cannot be read \(No such file"
    ):
        load(CourseRoot(tmp_path), "none")


# --- the course's own


@pytest.fixture(scope="module")
def own(course_root: CourseRoot) -> dict[str, SelfCheck]:
    """Module → its questions."""
    return {module.id: load(course_root, module.id) for module in course_root.syllabus.modules}


def all_of(own: dict[str, SelfCheck]) -> list[SelfCheckQuestion]:
    return [question for check in own.values() for question in check.questions]


def test_every_module_has_a_page_with_all_its_parts(course_root: CourseRoot) -> None:
    parts = [
        "<!-- module: card -->",
        "## What you will be able to do",
        "## Before you start",
        "<!-- readings: before -->",
        "## The exercises",
        "<!-- exercises -->",
        "## A look inside",
        "<!-- picture: ",
        "<!-- picture: ",
        "## Words",
        "<!-- glossary -->",
        "## Check yourself",
        "<!-- self-check -->",
        "## Where next",
        "<!-- readings: after -->",
    ]
    for module in course_root.syllabus.modules:
        page = course_root.read(course_root.path / "docs" / "modules" / f"{module.id}/index.md")
        assert page.startswith(f"# {module.title}\n")
        assert (
            re.findall(r"^(?:## .*|<!-- picture: |<!-- [a-z-]+(?:: [a-z]+)? -->)", page, re.MULTILINE)
            == parts
        )
        goals = page.split("## What you will be able to do")[1].split("## Before you start")[0]
        assert 4 <= goals.count("\n- ") <= 7


def test_every_module_has_six_questions_of_both_kinds(own: dict[str, SelfCheck]) -> None:
    for module, check in own.items():
        assert len(check.questions) == 6, module
        assert {question.kind for question in check.questions} == {"single", "multiple"}, module


def test_the_right_letter_cannot_be_guessed(own: dict[str, SelfCheck]) -> None:
    letters = Counter(question.answer[0] for question in all_of(own) if question.kind == "single")
    assert set(letters) == set("abcd")
    assert max(letters.values()) <= letters.total() / 2
    multiple = [question for question in all_of(own) if question.kind == "multiple"]
    assert len({len(question.answer) for question in multiple}) > 1


def alike(one: str, other: str) -> float:
    """How alike two texts are, from 0 to 1; at most 0.75 where a cheap bound says so already."""
    match = SequenceMatcher(None, one, other, autojunk=False)
    return match.ratio() if min(match.real_quick_ratio(), match.quick_ratio()) > 0.75 else 0.75


def test_a_graded_question_with_other_numbers_counts_as_the_same(course_root: CourseRoot) -> None:
    graded = load_quiz(course_root.quiz("guidance")).questions[5].text
    assert alike(graded, graded.replace("0.15", "0.1").replace("48", "64")) > 0.95
    assert alike(graded, f"In training, {graded[0].lower()}{graded[1:]}") > 0.75


def test_no_question_is_nearly_a_graded_one(own: dict[str, SelfCheck], course_root: CourseRoot) -> None:
    graded = [question for module in own for question in load_quiz(course_root.quiz(module)).questions]
    for mine, theirs in itertools.product(all_of(own), graded):
        assert alike(mine.text, theirs.text) <= 0.75, (mine.id, theirs.id, theirs.text)
    assert not {question.id for question in all_of(own)} & {question.id for question in graded}


def test_texts_are_mathematics_and_code_that_close(own: dict[str, SelfCheck]) -> None:
    for question in all_of(own):
        for text in (question.text, question.explanation, *question.choices.values()):
            assert text.count("$") % 2 == 0, question.id
            assert text.count("`") % 2 == 0, question.id
        assert len(question.explanation) > 100, question.id


def test_no_text_names_a_letter_which_no_reader_sees(own: dict[str, SelfCheck]) -> None:
    for question in all_of(own):
        for text in (question.text, question.explanation):
            assert not re.search(r"(?<![\w$])\([a-e]\)|[Cc]hoice [a-e]\b|[Aa]nswer [a-e]\b", text), (
                question.id
            )


def test_mkdocs_quiz_shows_every_question_as_it_is_meant(own: dict[str, SelfCheck], tmp_path: Path) -> None:
    """Built by mkdocs itself: right choices, mathematics and code arrive in the page."""
    (tmp_path / "docs").mkdir()
    for module, check in {**own, "index": own["attention"]}.items():
        (tmp_path / "docs" / f"{module}.md").write_text(
            f"# {module}\n\n{markdown(check)}\n", encoding="utf-8"
        )
    config = tmp_path / "mkdocs.yml"
    config.write_text(
        "site_name: questions\nuse_directory_urls: false\n"
        "plugins: [mkdocs_quiz: {confetti: false, show_progress: false, embed_source: false}]\n"
        "markdown_extensions: [pymdownx.arithmatex: {generic: true}, pymdownx.superfences]\n",
        encoding="utf-8",
    )
    build(load_config(str(config), strict=True))
    for module, check in own.items():
        page = (tmp_path / "site" / f"{module}.html").read_text(encoding="utf-8")
        blocks = re.findall(r'<div class="quiz".*?</section>', page, re.DOTALL)
        assert len(blocks) == len(check.questions)
        for question, block in zip(check.questions, blocks, strict=True):
            inputs = re.findall(r"<input[^>]*>", block)
            right = [
                letter for letter, tag in zip(question.choices, inputs, strict=True) if "data-correct" in tag
            ]
            assert tuple(right) == question.answer, question.id
            kind = "radio" if question.kind == "single" else "checkbox"
            assert all(f'type="{kind}"' in tag for tag in inputs), question.id
            written = " ".join([question.text, *question.choices.values(), question.explanation])
            code = re.sub(r"\$[^$]*\$", "", written)
            assert block.count('class="arithmatex"') == written.count("$") // 2, question.id
            assert block.count("<code>") == code.count("`") // 2, question.id
            assert "$" not in block, question.id
            assert "`" not in block, question.id
