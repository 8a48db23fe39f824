"""What a student hands in becomes cells to run, however they moved, copied, split or broke them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from autograder import errors
from autograder.submission.extract import MAX_CELL, extract
from course.cells.ipynb import parse
from course.cells.python import Cell
from tests.submission.examples import (
    DEMO,
    LONG_DEMO,
    MODULE,
    OTHER,
    SET_UP,
    STUBS,
    Draft,
    as_notebook,
    code,
    notebook_bytes,
    released_json,
)

ANSWER = "def softmax(x, dim):\n    return x.exp() / x.exp().sum(dim, keepdim=True)"


def sources(draft: Draft) -> list[str]:
    return [cell.source for cell in draft.run()]


class TestWhichCellsRun:
    def test_of_an_untouched_notebook_all_but_checks_and_demos(self, draft: Draft) -> None:
        assert sources(draft) == [SET_UP, *STUBS.values()]

    def test_in_the_notebooks_order_with_the_numbers_that_the_reader_counts(self, draft: Draft) -> None:
        draft.write("softmax", ANSWER)
        helper = draft.add("helper = 1", after="title")
        cells = draft.run()
        assert cells[:3] == [
            Cell(2, "helper = 1"),
            Cell(3, SET_UP),
            Cell(draft.number(draft.cell("softmax-solution")), ANSWER, "softmax"),
        ]
        assert draft.number(helper) == 2

    def test_what_was_added_to_a_demo_runs_since_a_helper_may_be_in_it(self, draft: Draft) -> None:
        draft.cell("softmax-demo")["source"] = DEMO + "\nscale = 2"
        assert "\nscale = 2" in sources(draft)

    def test_a_demo_whose_own_names_are_used_below_it_runs_with_what_uses_them(self, draft: Draft) -> None:
        more = LONG_DEMO + "\nprint(scores + 1)"
        draft.cell("heads-demo")["source"] = more
        assert more in sources(draft)

    def test_a_demo_that_was_changed_runs(self, draft: Draft) -> None:
        draft.cell("softmax-demo")["source"] = DEMO.replace("3.0", "5.0", 1)
        assert DEMO.replace("3.0", "5.0", 1) in sources(draft)

    @pytest.mark.parametrize("id", ["of-my-own", ""])
    def test_a_demo_and_a_check_are_known_by_their_source_whatever_their_ids(
        self, draft: Draft, id: str
    ) -> None:
        for source in (DEMO, LONG_DEMO, "check(softmax)  # once more"):
            draft.add(source, id=id)
        for cell in draft.cells:
            cell.update(id=f"{id}{draft.number(cell)}" if id else "")
            if cell["metadata"].get("nbgrader", {}).get("grade"):
                cell["metadata"] = {}
        assert sources(draft) == [SET_UP, *STUBS.values()]
        assert draft.extract().flags == []

    def test_blanks_at_line_ends_are_no_edit(self, draft: Draft) -> None:
        draft.cell("softmax-demo")["source"] = DEMO + "  \n\n"
        draft.cell("softmax-check")["source"] = "check(softmax)\n"
        assert sources(draft) == [SET_UP, *STUBS.values()]
        assert draft.extract().flags == []

    def test_a_cell_tagged_demo_by_the_student_runs(self, draft: Draft) -> None:
        draft.add("hidden_helper = 1", tags=["demo"])
        assert "hidden_helper = 1" in sources(draft)

    def test_markdown_turned_code_runs_and_code_turned_raw_does_not(self, draft: Draft) -> None:
        text, helper = draft.cell("softmax-text"), draft.add("three = 3")
        text.update(cell_type="code", source="two = 2", outputs=[], execution_count=None)
        helper["cell_type"] = "raw"
        assert "two = 2" in sources(draft)
        assert "three = 3" not in sources(draft)

    def test_cells_without_a_statement_are_left_out(self, draft: Draft) -> None:
        draft.add("")
        draft.add("# only a comment")
        assert len(sources(draft)) == 5

    def test_magics_become_no_ops_and_lines_stay_where_they_were(self, draft: Draft) -> None:
        draft.write("softmax", "%%time\n!pip install x\n" + ANSWER)
        (cell,) = [cell for cell in draft.extract().cells if cell.exercise == "softmax"]
        assert cell.source == "\npass\n" + ANSWER


class TestStates:
    def test_untouched_answered_missing(self, draft: Draft) -> None:
        draft.write("softmax", ANSWER)
        draft.remove("Attention-solution")
        assert draft.extract().states == {
            "softmax": "answered",
            "heads": "untouched",
            "Attention": "missing",
            "quiz": "untouched",
        }

    def test_comments_and_layout_are_no_answer(self, draft: Draft) -> None:
        draft.write(
            "softmax",
            "# I will do this later\n\n" + STUBS["softmax"].replace("    raise", "    # hm\n    raise"),
        )
        draft.write("quiz", 'answers = {"q1": None, "q2": None}')
        assert set(draft.extract().states.values()) == {"untouched"}

    def test_one_of_two_names_is_an_answer(self, draft: Draft) -> None:
        stub = STUBS["heads"].partition("\n\n\n")[2]
        draft.write("heads", "def split_heads(x, heads): return x\n" + stub)
        assert draft.extract().states["heads"] == "answered"

    @pytest.mark.parametrize(
        "elsewhere",
        [
            ANSWER,
            "softmax = lambda x, dim: x",
            "from mine import softmax",
            "if True:\n    def softmax(x, dim): return x",
            "try:\n    import mine as softmax\nexcept ImportError:\n    pass",
            "with torch.no_grad():\n    softmax, other = f, g",
            "print(softmax := f)",
            "softmax.forward = f",
            "setattr(softmax, 'x', f)",
            "def patch():\n    global softmax\n    softmax = f",
        ],
    )
    def test_an_answer_in_another_cell_counts(self, draft: Draft, elsewhere: str) -> None:
        draft.add(elsewhere, after="softmax-solution")
        assert draft.extract().states["softmax"] == "answered"
        draft.remove("softmax-solution")
        assert draft.extract().states["softmax"] == "answered"

    @pytest.mark.parametrize(
        "way", ['answers["q1"] = "b"', 'answers.update(q1="b")', 'answers |= {"q1": "b"}']
    )
    def test_a_quiz_may_be_answered_line_by_line(self, draft: Draft, way: str) -> None:
        draft.add(way, after="quiz-solution")
        assert draft.extract().states["quiz"] == "answered"

    def test_trying_a_stub_out_is_no_answer(self, draft: Draft) -> None:
        draft.add("y = softmax(torch.ones(3), 0)\nprint(Attention(3).eval())", after="quiz-solution")
        assert set(draft.extract().states.values()) == {"untouched"}

    def test_a_split_cell_is_still_untouched(self, draft: Draft) -> None:
        split, merge = STUBS["heads"].split("\n\n\n")
        draft.write("heads", split)
        draft.add(merge, after="heads-solution", grade_id="heads")
        assert draft.extract().states["heads"] == "untouched"

    def test_an_answer_with_a_syntax_error_was_an_attempt(self, draft: Draft) -> None:
        draft.write("softmax", "def softmax(x, dim)\n    return x")
        draft.remove("heads-solution")
        draft.add("def merge_heads(x:")
        states = draft.extract().states
        assert (states["softmax"], states["heads"]) == ("answered", "answered")

    def test_lost_metadata_does_not_lose_the_answer(self, draft: Draft) -> None:
        draft.write("softmax", ANSWER)
        for cell in draft.cells:
            cell["metadata"] = {}
            del cell["id"]
        extracted = draft.extract()
        assert extracted.states["softmax"] == "answered"
        assert extracted.states["heads"] == "untouched"
        assert Cell(4, ANSWER, "softmax") in extracted.cells


class TestFlags:
    def flags(self, draft: Draft) -> list[tuple[str, str, str]]:
        return [(flag.kind, flag.exercise, flag.message) for flag in draft.extract().flags]

    def test_an_untouched_notebook_has_none(self, draft: Draft) -> None:
        assert self.flags(draft) == []

    def test_an_edited_check_runs_and_is_flagged(self, draft: Draft) -> None:
        draft.cell("heads-check")["source"] = "def split_heads(x, h): return x\ncheck(split_heads)"
        ((kind, exercise, message),) = self.flags(draft)
        number = draft.number(draft.cell("heads-check"))
        assert (kind, exercise) == ("edited-cell", "heads")
        assert f"cell {number}" in message
        assert draft.extract().states["heads"] == "answered"

    def test_a_copied_cell_is_flagged_and_both_run_in_order(self, draft: Draft) -> None:
        draft.add(ANSWER, after="softmax-solution", id="copy", grade_id="softmax")
        ((kind, exercise, message),) = self.flags(draft)
        first = draft.number(draft.cell("softmax-solution"))
        assert (kind, exercise) == ("duplicate-id", "softmax")
        assert f"cells {first}, {first + 1}" in message
        assert [cell.source for cell in draft.extract().cells if cell.exercise == "softmax"] == [
            STUBS["softmax"],
            ANSWER,
        ]

    def test_two_thousand_copies_are_one_flag(self, draft: Draft) -> None:
        draft.cells.extend(code("check()", grade_id="check_softmax") for _ in range(1900))
        assert sorted(kind for kind, _, _ in self.flags(draft)) == ["duplicate-id", "edited-cell"]
        assert all(len(message) < 200 for _, _, message in self.flags(draft))

    def test_reordered_and_deleted_cells_are_none_of_it(self, draft: Draft) -> None:
        draft.cells.reverse()
        draft.remove("softmax-check")
        assert self.flags(draft) == []

    def test_a_notebook_that_says_it_is_another_ones_but_has_ours(self, draft: Draft) -> None:
        draft.json["metadata"]["course"]["module"] = "unet"
        ((kind, _, message),) = self.flags(draft)
        assert kind == "other-course"
        assert "'unet'" in message


class TestCellErrors:
    def test_a_syntax_error_is_reported_and_the_others_go_on(self, draft: Draft) -> None:
        cell = draft.write("heads", "%matplotlib inline\n\ndef split_heads(x, heads)\n    return x")
        extracted = draft.extract()
        (error,) = extracted.cell_errors
        number = draft.number(cell)
        assert (error.cell, error.error.type, error.error.message) == (
            number,
            "SyntaxError",
            f"expected ':' (read by Python {sys.version_info.major}.{sys.version_info.minor})",
        )
        assert error.error.trace.splitlines() == [
            f"cell {number}, line 3:",
            "    def split_heads(x, heads)",
            "                             ^",
        ]
        assert [cell.exercise for cell in draft.run()] == [None, "softmax", "Attention", "quiz"]

    @pytest.mark.parametrize(
        ("source", "kind", "says"),
        [
            ("x = 1\n  y = 2", "IndentationError", "unexpected indent"),
            ("return 5", "SyntaxError", "'return' outside function"),
            ("class A:\n    yield 1", "SyntaxError", "'yield' outside function"),
            ("This was prose.", "SyntaxError", "invalid syntax"),
            ("x = '\x00'", "SyntaxError", "null bytes"),
            ("x = " + "9" * 5000, "SyntaxError", "4300 digits"),
            ("(" * 500, "SyntaxError", "too many nested parentheses"),
            ("not " * 20_000 + "1", "SyntaxError", "nested too deeply"),
            pytest.param(
                *("x = 1" + "+1" * 45_000, "SyntaxError", "nested too deeply"),
                marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python compiles it"),
            ),
            ("x = '" + "a" * MAX_CELL + "'", "TooLong", "100,006 characters (the limit is 100,000)"),
        ],
    )
    def test_each_has_a_sentence(self, draft: Draft, source: str, kind: str, says: str) -> None:
        cell = draft.add(source)
        extracted = draft.extract()
        (error,) = extracted.cell_errors
        assert (error.cell, error.error.type) == (draft.number(cell), kind)
        assert says in error.error.message
        assert len(error.error.message + error.error.trace) < 700
        assert len(draft.run()) == 5

    @pytest.mark.parametrize(
        "source",
        ["await f()", "x = [i async for i in f()]", "async with f(): pass", "class A:\n    await f()"],
    )
    def test_await_is_code_as_it_is_in_jupyter(self, draft: Draft, source: str) -> None:
        draft.add(source)
        assert source in sources(draft)

    def test_what_a_function_yields_is_its_own(self, draft: Draft) -> None:
        draft.add("async def f():\n    return await g()\nh = lambda: (yield)")
        assert draft.extract().cell_errors == []

    def test_a_notebook_of_a_newer_python_hears_which_one_read_it(self, draft: Draft) -> None:
        draft.json["metadata"]["language_info"] = {"name": "python", "version": "3.99.1"}
        draft.add("x = 1 +")
        (error,) = draft.extract().cell_errors
        assert "and written with 3.99: use what both understand" in error.error.message

    def test_code_that_ends_pythons_compiler_does_not_end_this_process(self) -> None:
        """A comprehension with 80,000 `for` overflows the stack of `compile` in C [3.11]."""
        program = """if True:
            from autograder.submission import extract
            extract.MAX_CELL = 10**7
            print(type(extract._parsed("[x " + "for x in y " * 80_000 + "]", 1)).__name__)
            """
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
        assert (ran.returncode, ran.stdout) == (0, b"Module\n")

    @pytest.mark.filterwarnings("error::SyntaxWarning", "error::DeprecationWarning")
    def test_warnings_of_the_parser_go_nowhere(self, draft: Draft, capfd: pytest.CaptureFixture[str]) -> None:
        draft.add("x = '\\d'\ny = 1 is 1\n%time '\\d'")
        assert draft.extract().cell_errors == []
        assert capfd.readouterr().err == ""


class TestOtherNotebooks:
    def refused(self, *sources: str, module: str | None = None) -> str:
        notebook = parse(notebook_bytes(*sources), sha256="f" * 64)
        if module:
            made = released_json()
            made["cells"] = [code(source) for source in sources]
            made["metadata"]["course"]["module"] = module
            notebook = as_notebook(made)
        with pytest.raises(
            errors.Unreadable, match="This is not the notebook of module 'attention'"
        ) as raised:
            extract(notebook, as_notebook(released_json()), MODULE, (MODULE, OTHER))
        return str(raised.value)

    def test_one_of_another_course(self) -> None:
        assert "none of its cells" in self.refused("import pandas", "answers = {}")

    def test_an_empty_one(self) -> None:
        assert "none of its cells" in self.refused()

    def test_one_of_another_module_by_what_it_says(self) -> None:
        assert "it says that it is the one of module 'unet'" in self.refused("x = 1", module="unet")

    def test_one_of_another_module_by_what_it_defines(self) -> None:
        assert "it answers exercises of module 'unet'" in self.refused("def conv2d(x): ...", "answers = {}")

    def test_ours_with_every_answer_deleted_is_ours(self, draft: Draft) -> None:
        for exercise in STUBS:
            draft.remove(f"{exercise}-solution")
            draft.remove(f"{exercise}-check")
        assert set(draft.extract().states.values()) == {"missing"}
        draft.json["metadata"]["course"]["module"] = "unet"
        with pytest.raises(errors.Unreadable, match="'unet'"):
            draft.extract()

    def test_the_answers_alone_are_ours(self) -> None:
        extracted = extract(parse(notebook_bytes(ANSWER)), as_notebook(released_json()), MODULE)
        assert extracted.states["softmax"] == "answered"


def test_nothing_heavy_is_imported() -> None:
    program = """if True:
        import sys
        from autograder.submission import extract, find, lint, read
        print([name for name in ("torch", "IPython", "nbformat", "numpy") if name in sys.modules])
        """
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout == b"[]\n"
