"""Any bytes become a notebook or one clear sentence, within bounds of time and memory."""

# nbformat has no types.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from typing import Any

import nbformat
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from course.cells.ipynb import parse
from course.cells.notebook import MAX_BYTES, MAX_CELLS, MAX_CODE, MAX_PROSE, BrokenNotebook, Notebook
from tests.submission.examples import encoded, released_json


def cell(**fields: Any) -> dict[str, Any]:
    return {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "source": "x = 1", **fields}


def notebook(*cells: Any, **fields: Any) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **fields}


def reason(data: bytes) -> str:
    with pytest.raises(BrokenNotebook) as raised:
        parse(data)
    sentence = str(raised.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 300
    return sentence


class TestWhatIsRead:
    def test_code_is_kept_with_its_number_among_all_cells(self) -> None:
        found = parse(
            encoded(notebook({"cell_type": "markdown", "source": "# hi"}, cell(source=["a = 1\n", "b"])))
        )
        assert [(one.number, one.kind, one.source) for one in found.cells] == [
            (1, "markdown", "# hi"),
            (2, "code", "a = 1\nb"),
        ]

    def test_long_prose_is_not_kept_and_much_of_it_is_no_code(self) -> None:
        long = {"cell_type": "markdown", "source": "x" * (MAX_PROSE + 1)}
        some = {"cell_type": "raw", "source": "é" * MAX_PROSE}
        found = parse(
            encoded(notebook(long, {"cell_type": "markdown", "source": 5}, *[some] * 60, cell()))
        ).cells
        assert [len(one.source) for one in found[:3]] == [0, 0, MAX_PROSE]
        assert sum(len(one.source) for one in found) == MAX_CODE + len("x = 1")

    @pytest.mark.parametrize(
        ("version", "read"),
        [("3.12.1", (3, 12, 1)), ("3.13", (3, 13)), ("2.7", ()), (3.12, ()), ("3.x" * 99, ())],
    )
    def test_the_python_that_it_was_run_with(self, version: object, read: tuple[int, ...]) -> None:
        metadata = {"language_info": {"name": "python", "version": version}}
        assert parse(encoded(notebook(metadata=metadata))).python == read

    def test_the_marks_of_nbgrader_and_jupyter_are_kept(self) -> None:
        nbgrader = {"grade_id": "softmax", "grade": False, "solution": True}
        (found,) = parse(encoded(notebook(cell(metadata={"nbgrader": nbgrader, "tags": ["demo"]})))).cells
        assert (found.id, found.grade_id, found.grade, found.solution) == ("a", "softmax", False, True)
        assert found.tags == {"demo"}

    def test_the_notebook_says_which_module_it_is_of(self) -> None:
        assert parse(encoded(notebook(metadata={"course": {"module": "attention"}}))).module == "attention"

    def test_a_notebook_of_nbformat_is_read_as_nbformat_reads_it(self) -> None:
        data = encoded(released_json())
        cells = nbformat.reads(data.decode(), as_version=4).cells
        assert [(one.kind, one.id) for one in parse(data).cells] == [(one.cell_type, one.id) for one in cells]
        assert [one.source for one in parse(data).cells if one.kind == "code"] == [
            one.source for one in cells if one.cell_type == "code"
        ]

    def test_format_3_is_read_as_nbformat_upgrades_it(self) -> None:
        old = nbformat.v3.new_notebook(
            worksheets=[
                nbformat.v3.new_worksheet(
                    cells=[
                        nbformat.v3.new_heading_cell("Title", level=2),
                        nbformat.v3.new_code_cell("x = 1\ny = 2"),
                        nbformat.v3.new_text_cell("markdown", "text"),
                    ]
                ),
                nbformat.v3.new_worksheet(cells=[nbformat.v3.new_code_cell("z = 3")]),
            ]
        )
        upgraded = nbformat.convert(old, 4).cells
        found = parse(json.dumps(old).encode()).cells
        assert [one.kind for one in found] == [one.cell_type for one in upgraded]
        assert [one.source for one in found if one.kind == "code"] == ["x = 1\ny = 2", "z = 3"]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_encodings_that_editors_write(self, encoding: str) -> None:
        text = json.dumps(notebook(cell(source="s = 'Schrödinger 🐈'")), ensure_ascii=False)
        assert parse(text.encode(encoding)).cells[0].source == "s = 'Schrödinger 🐈'"

    @pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"])
    def test_every_newline_is_one_newline(self, newline: str) -> None:
        assert parse(encoded(notebook(cell(source=f"a{newline}b")))).cells[0].source == "a\nb"

    def test_numbers_that_are_no_json_in_the_outputs_of_a_plot(self) -> None:
        output = {"data": {"application/json": [float("nan"), float("inf"), -float("inf"), "NaN"]}}
        assert parse(encoded(notebook(cell(outputs=[output])))).cells[0].source == "x = 1"

    def test_a_lone_surrogate_becomes_a_replacement_character(self) -> None:
        source = "s = '\ud83d' # 🐈 \\ud83d"
        (found,) = parse(encoded(notebook(cell(source=source)))).cells
        assert found.source == "s = '\N{REPLACEMENT CHARACTER}' # 🐈 \\ud83d"
        found.source.encode()

    def test_of_repeated_keys_the_last_counts_as_in_jupyter(self) -> None:
        twice = (
            b'{"nbformat": 4, "cells": [], "cells": [{"cell_type": "code", "source": "a", "source": "b"}]}'
        )
        assert [one.source for one in parse(twice).cells] == ["b"]
        assert json.loads(twice)["cells"][0]["source"] == "b"

    def test_integers_of_thousands_of_digits_are_not_looked_at(self) -> None:
        huge = int("9" * 4000)
        found = parse(
            encoded(notebook(cell(execution_count=huge, metadata={"n": huge}), metadata={"n": huge}))
        )
        assert found.cells[0].source == "x = 1"

    @pytest.mark.parametrize(
        "marks",
        [
            {"id": 5},
            {"id": "x" * 1000},
            {"metadata": []},
            {"metadata": {"tags": "demo"}},
            {"metadata": {"tags": [["demo"], None, 1]}},
            {"metadata": {"nbgrader": "softmax"}},
            {"metadata": {"nbgrader": {"grade_id": {"a": 1}, "grade": "yes", "solution": 1}}},
            {"metadata": {"x": "y" * 200_000, "tags": ["demo"]}},
        ],
    )
    def test_marks_of_a_wrong_kind_count_as_absent(self, marks: dict[str, Any]) -> None:
        (found,) = parse(encoded(notebook(cell(**marks)))).cells
        assert (found.grade_id, found.grade, found.solution, found.tags) == ("", False, False, frozenset())
        assert found.id in ("a", "")
        assert found.source == "x = 1"


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (b"", "empty"),
            (b" \n\t ", "empty"),
            (b"print('hello')", "not JSON"),
            (encoded(notebook())[:-2], "not JSON (the file was truncated)"),
            (b"<!DOCTYPE html><html><body>", "web page"),
            (b'{\n "cells": [\n<<<<<<< HEAD\n {},\n=======\n', "an unfinished git merge (line 3)"),
            (b"\n <html>", "web page"),
            (b"PK\x03\x04aaaa", "zip"),
            (b"%PDF-1.7", "PDF"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
            (b"[1, 2]", "not a notebook"),
            (b"{}", "`nbformat`"),
            (b'{"nbformat": 4}', "no cells"),
            (b'{"nbformat": "4", "cells": []}', "`nbformat`"),
            (b'{"nbformat": 4, "cells": {}}', "`cells`"),
            (b'{"nbformat": 2, "worksheets": []}', "format 2"),
            (b'{"nbformat": 5, "cells": []}', "format 5"),
            (b'{"nbformat": ' + b"9" * 5000 + b', "cells": []}', "out of range"),
        ],
    )
    def test_one_sentence_says_what_it_is(self, data: bytes, says: str) -> None:
        assert says in reason(data)

    @pytest.mark.parametrize(
        ("broken", "says"),
        [
            (7, "cell 2"),
            ({"source": "x"}, "cell 2: object missing required field `cell_type`"),
            (cell(cell_type="script"), "cell 2 (`cell_type`)"),
            (cell(source=5), "cell 2's source"),
            (cell(source=["x", 5]), "cell 2's source"),
            (cell(source={"a": "b"}), "cell 2's source"),
            ({"cell_type": "code"}, "cell 2 has no source"),
        ],
    )
    def test_a_broken_cell_is_named(self, broken: object, says: str) -> None:
        assert says in reason(encoded(notebook(cell(), broken)))

    def test_the_byte_that_is_not_utf_8_is_named(self) -> None:
        data = encoded(notebook(cell(source="Schrodinger")))
        at = data.index(b"o", data.index(b"Schr"))
        assert f"byte {at} (0xff)" in reason(data[:at] + b"\xff" + data[at + 1 :])

    def test_a_notebook_of_50_mb(self) -> None:
        assert "too large" in reason(encoded(notebook(cell(outputs=["x" * 50_000_000]))))

    def test_one_of_20_mb_is_not_too_large(self) -> None:
        data = encoded(notebook(cell(outputs=[])))
        filled = data.replace(b'"outputs": []', b'"outputs": ["' + b"x" * (MAX_BYTES - len(data) - 2) + b'"]')
        assert len(filled) == MAX_BYTES
        assert parse(filled).cells[0].source == "x = 1"

    def test_10_000_cells(self) -> None:
        sentence = reason(encoded(notebook(*[cell()] * 10_000)))
        assert sentence == f"The notebook has 10,000 cells; the limit is {MAX_CELLS:,}."

    def test_too_much_code(self) -> None:
        assert "characters of code" in reason(encoded(notebook(*[cell(source="x" * 1000)] * 501)))
        assert "characters of code" in reason(encoded(notebook(cell(source=["xy"] * 2_000_000))))

    @pytest.mark.parametrize("levels", [97, 98, 5_000, 5_000_000])
    def test_nesting_has_one_limit_on_every_python(self, levels: int) -> None:
        data = encoded(notebook(cell(outputs="HERE"))).replace(b'"HERE"', b"[" * levels + b"]" * levels)
        if levels == 97:  # the file, its cells and the cell are three more
            assert parse(data).cells[0].source == "x = 1"
        else:
            assert "levels deep" in reason(data)

    def test_brackets_in_strings_are_no_nesting(self) -> None:
        assert parse(encoded(notebook(cell(source='"\\"' + "[" * 500)))).cells


HOSTILE = {
    "brackets": b"[" * 2_500_000 + b"]" * 2_500_000,
    "open brackets": b"[" * 5_000_000,
    "an escaped quote after another": b'"' + b'\\"' * 2_500_000,
    "backslashes after a surrogate": b'{"a": "\\ud800' + b"\\\\" * 2_500_000 + b'",}',
    "lone surrogates": b'{"a": "' + b"\\ud800" * 800_000 + b'",}',
    "many small strings": b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [' + b'"",' * 1_600_000,
    "many NaN": b'{"nbformat": 4, "cells": [], "x": [' + b"NaN," * 1_200_000,
    "many small objects": b'{"nbformat": 4, "metadata": [' + b'{"":0},' * 700_000 + b'0], "cells": [0]}',
    "code in small pieces": b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": ['
    + b'"ab",' * 3_600_000
    + b'"a"]}]}',
    "many small cells": b'{"nbformat": 4, "cells": [' + b'{"cell_type":"raw"},' * 250_000 + b"0]}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_built_to_take_long_takes_seconds_and_little_memory(name: str) -> None:
    """5 MB are enough to tell: quadratic time would be hours."""
    code = """if True:
        import resource, sys, time
        from course.cells.notebook import BrokenNotebook
        from course.cells.ipynb import parse
        data = sys.stdin.buffer.read()
        resource.setrlimit(resource.RLIMIT_AS, (300_000_000, 300_000_000))
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        try:
            parse(data)
        except BrokenNotebook as error:
            print(error)
        """
    ran = subprocess.run([sys.executable, "-c", code], input=HOSTILE[name], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr[-500:]
    assert ran.stdout.endswith(b".\n")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
nearly_a_cell = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw", "heading", "x"]) | anything,
        "source": st.text() | st.lists(st.text()) | anything,
        "input": anything,
        "id": anything,
        "metadata": st.fixed_dictionaries({}, optional={"tags": anything, "nbgrader": anything}) | anything,
        "outputs": anything,
    },
)
nearly_a_notebook = st.fixed_dictionaries(
    {"nbformat": st.sampled_from([3, 4, 5]) | anything},
    optional={
        "cells": st.lists(nearly_a_cell | anything, max_size=4) | anything,
        "worksheets": st.lists(st.fixed_dictionaries({"cells": st.lists(nearly_a_cell)})) | anything,
        "metadata": st.fixed_dictionaries({"course": anything}) | anything,
    },
)


def parsed_or_refused(data: bytes) -> Notebook | None:
    began = time.process_time()
    found = None
    with contextlib.suppress(BrokenNotebook):
        found = parse(data)
    assert time.process_time() - began < 5
    for one in found.cells if found else ():
        one.source.encode()
    return found


@given(st.binary())
@example(b"\x00")
@example(b"\xff\xfe")
@example(b'{"nbformat":4,"cells":[]}\x00')
def test_any_bytes_are_a_notebook_or_a_sentence(data: bytes) -> None:
    parsed_or_refused(data)


@given(nearly_a_notebook)
def test_anything_that_looks_like_a_notebook_is_one_or_a_sentence(made: dict[str, Any]) -> None:
    parsed_or_refused(json.dumps(made).encode())


@given(st.data())
def test_a_damaged_notebook_is_one_or_a_sentence(data: st.DataObject) -> None:
    whole = encoded(released_json())
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, min(start + 50, len(whole))))
    parsed_or_refused(whole[:start] + data.draw(st.binary(max_size=20)) + whole[stop:])


@given(st.lists(st.text(), max_size=5))
def test_code_survives_whatever_characters_it_has(sources: list[str]) -> None:
    found = parsed_or_refused(encoded(notebook(*[cell(source=source) for source in sources])))
    assert found is not None
    expected = [source.replace("\r\n", "\n").replace("\r", "\n") for source in sources]
    lone = dict.fromkeys(range(55296, 57344), "�")
    assert [one.source for one in found.cells] == [source.translate(lone) for source in expected]
