"""Where an answer stands, and what stands beside it, cost no points and are named."""

from __future__ import annotations

import pytest

from tests.submission.examples import DEMO, LONG_DEMO, SET_UP, STUBS, Draft

ANSWER = "def softmax(x, dim):\n    return x.exp() / x.exp().sum(dim, keepdim=True)"
QUIZ = 'answers = {"q1": "b", "q2": 3}'


def run(draft: Draft) -> str:
    return "\n".join(cell.source for cell in draft.extract().cells)


class TestCellsThatAreNoCode:
    @pytest.mark.parametrize("kind", ["markdown", "raw"])
    def test_an_answer_in_one_is_graded_and_named(self, draft: Draft, kind: str) -> None:
        cell = draft.write("softmax", ANSWER)
        cell["cell_type"] = kind
        found = draft.extract()
        number = draft.number(cell)
        assert (number, ANSWER, "softmax") in [(one.number, one.source, one.exercise) for one in found.cells]
        assert found.states["softmax"] == "answered"
        (note,) = found.notes["softmax"]
        assert f"cell {number}, which is a {'Markdown' if kind == 'markdown' else 'raw'} cell" in note
        assert [(flag.kind, flag.exercise) for flag in found.flags] == [("edited-cell", "softmax")]

    def test_one_without_any_mark_is_known_by_what_it_defines(self, draft: Draft) -> None:
        draft.remove("softmax-solution")
        draft.add(f"```python\n{ANSWER}\n```", after="title")["cell_type"] = "markdown"
        assert draft.extract().states["softmax"] == "answered"

    def test_the_quiz_too(self, draft: Draft) -> None:
        draft.write("quiz", QUIZ)["cell_type"] = "raw"
        assert draft.extract().states["quiz"] == "answered"

    def test_a_code_cell_that_answers_counts_before_it(self, draft: Draft) -> None:
        draft.write("softmax", ANSWER)
        draft.add("def softmax(x, dim): return 'my first try'", after="quiz-check")["cell_type"] = "raw"
        assert "my first try" not in run(draft)
        assert draft.extract().notes == {}

    def test_prose_and_helpers_stay_what_they_are(self, draft: Draft) -> None:
        draft.write("softmax", ANSWER)
        for text in ("softmax is\na function", "def helper(): pass", "x = 1"):
            draft.add(text)["cell_type"] = "markdown"
        assert [cell.source for cell in draft.run()] == [
            SET_UP,
            ANSWER,
            *(stub for id, stub in STUBS.items() if id != "softmax"),
        ]

    def test_a_stub_in_one_is_still_to_be_written(self, draft: Draft) -> None:
        draft.cell("softmax-solution")["cell_type"] = "raw"
        found = draft.extract()
        assert (found.states["softmax"], found.notes) == ("untouched", {})

    def test_an_answer_that_is_no_python_is_an_attempt(self, draft: Draft) -> None:
        draft.write("softmax", "def softmax(x, dim)\n    return x")["cell_type"] = "markdown"
        found = draft.extract()
        assert found.states["softmax"] == "answered"
        assert [error.error.type for error in found.cell_errors] == ["SyntaxError"]


def test_a_magic_that_keeps_an_answer_from_being_run_is_named(draft: Draft) -> None:
    cell = draft.write("softmax", f"\n%%writefile softmax.py\n{ANSWER}")
    found = draft.extract()
    ((number, error),) = [(one.cell, one.error) for one in found.cell_errors]
    assert (number, error.type) == (draft.number(cell), "NotRun")
    assert (
        error.message
        == "`%%writefile softmax.py` keeps this cell from being run as Python: take that line out"
    )
    assert found.states["softmax"] == "answered"


class TestStubsBelowAnAnswer:
    @pytest.mark.parametrize(
        "stub",
        [
            STUBS["softmax"],
            STUBS["softmax"].replace("The softmax of x along dim.", "As an earlier edition had it."),
            "def softmax(x, dim): raise NotImplementedError",
        ],
    )
    @pytest.mark.parametrize("same_cell", [True, False])
    def test_they_replace_nothing(self, draft: Draft, stub: str, same_cell: bool) -> None:
        if same_cell:
            cell = draft.write("softmax", f"{ANSWER}\n\n{stub}\n\nhelper = 1")
        else:
            draft.write("softmax", ANSWER)
            cell = draft.add(stub, after="heads-demo")
        found = draft.extract()
        assert found.states["softmax"] == "answered"
        assert ANSWER in run(draft)
        assert stub not in run(draft)
        assert ("helper = 1" in run(draft)) is same_cell
        (note,) = found.notes["softmax"]
        line = 4 if same_cell else 1
        assert (
            f"once more below its answer, not yet written, in cell {draft.number(cell)}, line {line}" in note
        )

    def test_the_second_half_of_a_notebook_that_was_copied_into_itself(self, draft: Draft) -> None:
        answered = [draft.write("softmax", ANSWER), draft.write("quiz", QUIZ)]
        copies = Draft().cells
        draft.cells.extend(copies)
        found = draft.extract()
        assert found.states == {
            "softmax": "answered",
            "heads": "untouched",
            "Attention": "untouched",
            "quiz": "answered",
        }
        assert run(draft).count("answers =") == 1
        assert DEMO not in run(draft)
        assert LONG_DEMO.splitlines()[-1] not in run(draft)
        assert [cell.exercise for cell in found.cells if cell.source in (ANSWER, QUIZ)] == ["softmax", "quiz"]
        assert len(answered) == 2

    def test_what_fills_a_stub_in_needs_it(self, draft: Draft) -> None:
        draft.add('answers["q1"] = "b"', after="quiz-solution")
        assert STUBS["quiz"] in run(draft)
        assert draft.extract().notes == {}

    def test_a_stub_on_the_line_of_something_else_stays(self, draft: Draft) -> None:
        draft.write("softmax", "softmax = torch.softmax")
        draft.add("x = 1; answers = {'q1': None, 'q2': None}", after="quiz-solution")
        draft.write("quiz", QUIZ)
        assert "x = 1; answers" in run(draft)


class TestARaiseLeftBehind:
    def test_it_is_named_with_its_cell_and_line(self, draft: Draft) -> None:
        source = ANSWER.replace(
            "    return", '    raise NotImplementedError("write the softmax")\n    return'
        )
        cell = draft.write("softmax", f"%matplotlib inline\n\n{source}")
        found = draft.extract()
        assert found.notes == {
            "softmax": [
                "The line `raise NotImplementedError` is still there, in "
                f"cell {draft.number(cell)}, line 4: delete it."
            ]
        }
        assert found.states["softmax"] == "answered"

    def test_of_two_definitions_the_last_counts(self, draft: Draft) -> None:
        draft.write("softmax", "def softmax(x, dim):\n    y = x\n    raise NotImplementedError")
        draft.add(ANSWER, after="softmax-solution")
        assert draft.extract().notes == {}


class TestSeveralCellsInOne:
    def merged(self, draft: Draft) -> str:
        return "\n\n".join(cell["source"] for cell in draft.cells if cell["cell_type"] == "code")

    def alone(self, draft: Draft, source: str) -> Draft:
        draft.json["cells"] = draft.cells[:1]
        draft.add(source, after="title")
        return draft

    def test_each_is_run_by_itself_where_it_stood(self, draft: Draft) -> None:
        draft.write("softmax", ANSWER)
        source = self.merged(draft)
        found = self.alone(draft, source).extract()
        assert {cell.number for cell in found.cells} == {2}
        assert [cell.exercise for cell in found.cells if cell.exercise] == [
            "softmax",
            *["heads"] * 2,
            "Attention",
            "quiz",
        ]
        lines = source.split("\n")
        for cell in found.cells:
            for number, line in enumerate(cell.source.split("\n")):
                assert line in ("", lines[number])
        assert DEMO not in run(draft)

    def test_an_import_that_fails_is_apart_from_the_others(self, draft: Draft) -> None:
        found = self.alone(draft, self.merged(draft)).extract()
        assert [cell.source.strip() for cell in found.cells][:5] == [
            *SET_UP.replace("\n\n", "\n").split("\n"),
            STUBS["softmax"],
        ]

    def test_an_ordinary_cell_stays_in_one_piece_but_for_its_imports(self, draft: Draft) -> None:
        code = "'a remark'\nx = 1\n\n\ndef softmax(x, dim):\n    return x"
        cell = draft.write("softmax", f"from google.colab import drive\nimport math\n\n{code}")
        assert [found.source for found in draft.extract().cells if found.number == draft.number(cell)] == [
            "from google.colab import drive",
            "\nimport math",
            f"\n\n\n{code}",
        ]

    def test_a_demo_on_the_line_of_something_else_runs(self, draft: Draft) -> None:
        draft.add(f"x = 1; {DEMO}")
        assert f"x = 1; {DEMO}" in run(draft)

    @pytest.mark.parametrize(
        "broken",
        [
            "def split_heads(x, heads)\n    return x",
            "This was prose, once:\n    indented",
            "scores = (1,\n  2",
            "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> theirs",
        ],
    )
    def test_what_is_no_python_in_one_does_not_cost_the_others(self, draft: Draft, broken: str) -> None:
        draft.write("softmax", ANSWER)
        draft.write("heads", broken)
        draft.write("quiz", QUIZ)
        source = self.merged(draft)
        found = self.alone(draft, f'"""# Title\n\nA module\'s text.\n"""\n\n{source}').extract()
        assert (found.states["softmax"], found.states["quiz"]) == ("answered", "answered")
        assert [error.error.type for error in found.cell_errors] == ["SyntaxError"]
        assert ANSWER in run(draft)
        assert DEMO not in run(draft)
        assert LONG_DEMO.splitlines()[-1] not in run(draft)

    def test_a_cell_of_very_many_parts_stays_in_one_piece(self, draft: Draft) -> None:
        draft.add("check(softmax)\n" * 3000 + "import a\n" * 6000)
        found = draft.extract()
        assert sum(len(cell.source) for cell in found.cells) < 10_000_000
