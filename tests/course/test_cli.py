"""`course check` and `course progress`, as a student runs them."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import course
from course.catalogue.quiz import quiz_of
from course.catalogue.syllabus import load
from course.desk import progress, settings
from course.hint import next_hint

ROOT = Path(course.__path__[0]).parent
MODULE = load().module("attention")

IMPORTS = """\
import math
import torch
from torch import Tensor, nn
import torch.nn.functional as F
from jaxtyping import Bool, Float
from course import check, hint
"""
SOLUTION = (ROOT / "solutions" / "attention.py").read_text(encoding="utf-8")
ANSWERS = {
    question.id: {"number": 2.5, "single": "a", "multiple": ["a", "b"]}[question.kind]
    for question in quiz_of("attention").questions
}


def run(*arguments: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "course.cli", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=280,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "120",
             "PYTHONIOENCODING": "utf-8", "TERM": "dumb", **environment},
    )  # fmt: skip


def write(path: Path, *cells: Any, metadata: dict[str, Any] | None = None) -> Path:
    made = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    nbformat.write(new_notebook(cells=made, metadata=metadata or {}), path)
    return path


def rows(output: str) -> dict[str, str]:
    """The first line of the row of each exercise, with its mark; of what stands below the table, nothing."""
    ids = [exercise.id for exercise in MODULE.graded]
    found: dict[str, str] = {}
    for line in output.splitlines():
        if named := [word for word in line.split()[:2] if word in ids]:
            found.setdefault(named[0], line)
    return found


def bars(output: str) -> dict[str, str]:
    """The row of each module."""
    ids = [module.id for module in load().modules]
    words = [(line, line.split()) for line in output.splitlines()]
    return {found[1]: line for line, found in words if found[1:] and found[1] in ids}


def test_a_solved_notebook_passes(tmp_path: Path) -> None:
    notebook = write(
        tmp_path / "attention.ipynb",
        IMPORTS,
        SOLUTION,
        "check(stable_softmax)",
        f"answers = {ANSWERS!r}",
        'check(answers, quiz="attention_quiz")',
    )
    result = run("check", notebook, folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    states = rows(result.stdout)
    assert set(states) == {exercise.id for exercise in MODULE.graded}
    assert all("✓" in row for row in states.values())
    assert "7 of 7 pass." in result.stdout
    recorded = json.loads((tmp_path / ".course" / "progress.json").read_text())["exercises"]
    assert {entry["state"] for entry in recorded.values()} == {"passed"}

    after = run("progress", folder=tmp_path)
    assert after.returncode == 0
    assert "━━  7 of 7" in bars(after.stdout)["attention"]
    assert rows(after.stdout) == {}  # it is done: the next one is unfolded
    assert "▾" in bars(after.stdout)[load().modules[1].id]
    assert "in attention.ipynb" not in after.stdout
    named = run("progress", "attention", folder=tmp_path).stdout
    assert "✓ attention_quiz" in rows(named)["attention_quiz"]
    assert "answered, 20" in rows(named)["attention_quiz"]

    for module in load().modules:
        for exercise in module.graded:
            progress.record_check(f"{module.id}/{exercise.id}", "passed", tmp_path)
    assert "All exercises pass their checks." in run("progress", folder=tmp_path).stdout


def test_a_bonus_is_named_apart_and_counts_for_nothing(tmp_path: Path) -> None:
    wrong = "def emphasise(weights, word, strength):\n    return weights"
    notebook = write(tmp_path / "attention.ipynb", IMPORTS, SOLUTION, f"answers = {ANSWERS!r}", wrong)
    result = run("check", notebook, folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "7 of 7 pass." in result.stdout
    assert "Bonus, no points: attention_in_blocks · to do, emphasise ✗ not yet" in result.stdout
    assert "emphasise · Say one word louder · bonus" in result.stdout  # what its check says
    after = run("progress", "attention", folder=tmp_path)
    told = [" ".join(line.split()) for line in after.stdout.splitlines()]
    assert "· attention_in_blocks to do bonus" in told
    assert any(re.fullmatch(r"✗ emphasise not yet, [\d-]+ bonus", row) for row in told)


def test_a_forbidden_call_is_said_as_grading_says_it(tmp_path: Path) -> None:
    torchs = "def stable_softmax(x, dim):\n    return soft(x, dim)"
    cells = (IMPORTS, SOLUTION, "soft = F.softmax", torchs, "F.softmax(torch.ones(3), 0)")
    result = run("check", write(tmp_path / "attention.ipynb", *cells), folder=tmp_path)
    assert result.returncode == 1, result.stderr
    assert "✗ not yet" in rows(result.stdout)["stable_softmax"]
    assert (
        "✗ this exercise asks you to write `stable_softmax` yourself: `torch.nn.functional.softmax` "
        "(cell 4, line 2; cell 3, line 1) does it for you"
    ) in result.stdout
    assert "5 of 7 pass" in result.stdout  # the quiz has no answers here


def test_what_is_wrong_is_said_and_every_cell_has_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numbers.txt").write_text("3")
    demo = new_code_cell("open('demo ran', 'w')", metadata={"tags": ["demo"]})
    write(
        tmp_path / "mine.ipynb",
        IMPORTS + "%matplotlib inline\n!ls /\nfiles = !ls\nprint('✓ {\"report\": {}}')\ndisplay(3)",
        new_markdown_cell("Words"),
        "%%timeit\n1 + 1",
        SOLUTION,
        demo,
        "1 / 0",
        "assert open('numbers.txt').read() == '3'",
        "raise SystemExit('enough')",
        "def stable_softmax(x, dim):\n    return x.exp() / x.exp().sum(dim, keepdim=True)",
        "def merge_heads(x):\n    raise NotImplementedError('write merge_heads')",
        "del CrossAttention",
        "check(stable_softmax)",
        "hint('stable_softmax')",
        "answers = {'q1': 3}",
        metadata={"course": {"module": "attention"}},
    )
    result = run("check", "mine.ipynb", folder=tmp_path)
    assert result.returncode == 1, result.stderr
    states = rows(result.stdout)
    assert "✗ not yet" in states["stable_softmax"]
    assert "NaN" in states["stable_softmax"]
    assert "✓ passes" in states["MultiHeadSelfAttention"]
    assert "this part is not written yet" in states["split_heads"]
    assert "`CrossAttention` is not defined" in states["CrossAttention"]
    assert "q2: not answered yet" in states["attention_quiz"]
    problems = [line for line in result.stdout.splitlines() if line.startswith("!")]
    assert problems == [
        "! cell 6 raised ZeroDivisionError: division by zero",
        "! cell 8 raised SystemExit: enough",
    ]
    assert not (tmp_path / "demo ran").exists()
    # Of the first that fails, all that its check says.
    below = result.stdout.partition("stable_softmax · ")[2]
    assert re.search(r"\n {6}you returned  \[nan, .*\(shape \(3,\), float64\)\n", below)
    assert re.search(r"\n {6}expected      \[0.25, 0.75, 0\]\n", below)
    assert "split_heads ·" not in below
    recorded = json.loads((tmp_path / ".course" / "progress.json").read_text())["exercises"]
    assert recorded["attention/stable_softmax"]["state"] == "failed"
    assert recorded["attention/stable_softmax"]["hints"] == 0
    # In a pipe, neither colours nor a bar.
    assert "\x1b" not in result.stdout + result.stderr
    assert "━" not in result.stdout + result.stderr
    # What the terminal has found, a notebook in the same folder has the hint for.
    assert "\nhint() in the notebook has a hint for this.\n" in result.stdout
    monkeypatch.chdir(tmp_path)
    said = next_hint()
    assert said.startswith(
        "stable_softmax · for what check found\n  ✗ there is NaN in the result, first at [0]"
    )
    assert "which one makes the largest of them harmless?" in " ".join(said.split())


def test_the_released_stub_is_to_do(tmp_path: Path) -> None:
    stub = "def stable_softmax(x, dim):\n    raise NotImplementedError('write stable_softmax')"
    unanswered = f"answers = {dict.fromkeys(ANSWERS)!r}"
    result = run("check", write(tmp_path / "attention.ipynb", IMPORTS, stub, unanswered), folder=tmp_path)
    assert result.returncode == 1
    assert "· to do" in rows(result.stdout)["stable_softmax"]
    assert "· to do" in rows(result.stdout)["attention_quiz"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("last", "seconds", "said"),
    [
        # To come to this cell takes four seconds, and several times that on a busy machine.
        ("import time; time.sleep(1000)", 40, "! Cell 3 did not finish within 40 seconds."),
        ("import os; os._exit(7)", 240, "! Cell 3 ended its own process (exit code 7)."),
        (
            "def stable_softmax(x, dim):\n    import os\n    os._exit(0)",
            240,
            "! The check of stable_softmax ended its own process (exit code 0).",
        ),
    ],
    ids=["too slow", "exit in a cell", "exit in a function"],
)
def test_a_notebook_that_does_not_come_to_its_end_says_where(
    tmp_path: Path, last: str, seconds: int, said: str
) -> None:
    notebook = write(tmp_path / "attention.ipynb", IMPORTS, "x = 1", last)
    result = run("check", notebook, "--timeout", str(seconds), folder=tmp_path)
    assert result.returncode == 1
    assert said in result.stdout
    assert "not reached" in result.stdout
    assert "0 of 7 pass." in result.stdout


def not_a_notebook(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


BAD = {
    "nothing there": lambda folder: folder / "none.ipynb",
    "a folder": lambda folder: folder,
    "empty": lambda folder: not_a_notebook(folder / "a.ipynb", b""),
    "text": lambda folder: not_a_notebook(folder / "a.ipynb", b"print(1)"),
    "other JSON": lambda folder: not_a_notebook(folder / "a.ipynb", b'{"cells": 3}'),
    "cells without a type": lambda folder: not_a_notebook(
        folder / "a.ipynb", b'{"cells": [{}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    ),
    "a source that is none": lambda folder: not_a_notebook(
        folder / "attention.ipynb",
        b'{"cells": [{"cell_type": "code", "source": 3, "metadata": {}}], "metadata": {}, "nbformat": 4}',
    ),
    "not UTF-8": lambda folder: not_a_notebook(folder / "a.ipynb", b"\xff\xfe{}"),
    "nested": lambda folder: not_a_notebook(folder / "a.ipynb", b"[" * 200_000),
    "of odd metadata": lambda folder: write(
        folder / "other.ipynb",
        new_code_cell("x = 1", metadata={"nbgrader": [1]}),
        new_code_cell("x = 1", metadata={"nbgrader": {"grade_id": [1]}}),
        metadata={"course": "cooking"},
    ),
    "of nothing": lambda folder: write(folder / "other.ipynb", "x = 1"),
    "of another course": lambda folder: write(
        folder / "attention.ipynb", "x = 1", metadata={"course": {"module": "cooking"}}
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_notebook_of_the_course_gets_one_clear_sentence(tmp_path: Path, bad: str) -> None:
    path = BAD[bad](tmp_path)
    result = run("check", path, folder=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    (sentence,) = result.stderr.strip().splitlines()
    assert sentence.startswith(f"course: {path} ")
    assert sentence.endswith(".")
    assert not (tmp_path / ".course").exists()


@pytest.mark.slow
def test_a_notebook_is_known_by_its_cells_too(tmp_path: Path) -> None:
    cell = new_code_cell("x = 1", metadata={"nbgrader": {"grade_id": "stable_softmax"}})
    result = run("check", write(tmp_path / "homework 1.ipynb", cell), folder=tmp_path)
    assert result.returncode == 1
    assert "`stable_softmax` is not defined" in rows(result.stdout)["stable_softmax"]


@pytest.mark.slow
def test_cells_are_run_and_named_as_jupyter_would_and_as_grading_does(tmp_path: Path) -> None:
    cells = [
        "    import asyncio\n    x = await asyncio.sleep(0, 3)",
        "%%time\ny = x + 1",
        "assert y == 4",
        new_markdown_cell("def stable_softmax(x, dim):\n    return x"),
        "def split_heads(x)\n    return x",
    ]
    result = run("check", write(tmp_path / "attention.ipynb", *cells), folder=tmp_path)
    told = " ".join(result.stdout.split())
    assert told.count("! cell") == 2
    assert "cell 4 is a markdown cell, though it has code" in told
    assert "cell 5 raised SyntaxError in line 1: expected ':' (read by Python 3." in told


@pytest.mark.slow
def test_a_notebook_of_an_older_format_or_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    new = new_notebook(cells=[new_code_cell("%matplotlib inline\nx = 1"), new_code_cell("y = x + 1")])
    old = tmp_path / "old" / "attention.ipynb"
    old.parent.mkdir()
    old.write_text(nbformat.writes(new, version=3), encoding="utf-8")
    paths = [old]
    for encoding in ("utf-8-sig", "utf-16"):
        paths.append(tmp_path / encoding / "attention.ipynb")
        paths[-1].parent.mkdir()
        paths[-1].write_text(nbformat.writes(new), encoding=encoding)
    paths.append(tmp_path / "attention.py")
    paths[-1].write_text("# %%\n# %matplotlib inline\nx = 1\n# %%\ny = x + 1\n", encoding="utf-8")
    for path in paths:
        result = run("check", path, folder=tmp_path)
        assert result.returncode == 1
        assert "! cell" not in result.stdout
        assert "0 of 7 pass." in result.stdout


def test_a_notebook_too_large_to_be_one_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "attention.ipynb"
    with path.open("wb") as file:
        file.truncate(30_000_000)
    result = run("check", path, folder=tmp_path)
    assert result.returncode == 2
    assert "is larger than 20 MB: clear its outputs and save it again" in result.stderr


def test_progress_starts_with_the_first_exercise(tmp_path: Path) -> None:
    result = run("progress", folder=tmp_path, COLUMNS="80")
    assert result.returncode == 0
    assert set(rows(result.stdout)) == {exercise.id for exercise in MODULE.graded}
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    assert "Nothing is recorded here yet." in result.stdout
    assert "Next: A softmax that survives large numbers" in result.stdout
    assert len(result.stdout.splitlines()) <= 32  # a screen, with all twelve modules
    assert list(bars(result.stdout)) == [module.id for module in load().modules]
    assert not (tmp_path / ".course").exists()


def test_progress_counts_hints_and_says_what_comes_next(tmp_path: Path) -> None:
    source = (
        "from course import hint\nfrom course.desk import progress\n"
        "hint('split_heads')\nhint('split_heads')\n"
        "progress.record_check('attention/stable_softmax', 'passed')"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    subprocess.run([sys.executable, "-c", source], cwd=tmp_path, env=environment, check=True)
    (tmp_path / "inside").mkdir()
    result = run("progress", "--folder", "..", folder=tmp_path / "inside")
    assert rows(result.stdout)["split_heads"].split()[-1] == "2"
    assert re.search(r"✓ stable_softmax +passes, 20\d\d-\d\d-\d\d ", rows(result.stdout)["stable_softmax"])
    assert "Next: Scaled dot-product attention" in result.stdout


def test_progress_counts_a_modules_hints_together_and_the_folders_inside_too(tmp_path: Path) -> None:
    (tmp_path / "attention").mkdir()
    for exercise in ("split_heads", "split_heads", "CrossAttention"):
        progress.record_hint(f"attention/{exercise}", tmp_path / "attention")
    result = run("progress", folder=tmp_path)
    assert rows(result.stdout)["CrossAttention"].split()[-1] == "1"
    total = bars(result.stdout)["attention"].replace("·", "").split()
    assert total == ["▾", "attention", "0", "of", "7", f"{MODULE.points:g}", "3"]
    assert "Nothing is recorded here yet." not in result.stdout


def test_next_is_in_the_module_one_is_in(tmp_path: Path) -> None:
    first, second = load().modules[2].graded[:2]
    record = tmp_path / ".course" / "progress.json"
    progress.record_check(f"{MODULE.id}/{MODULE.graded[0].id}", "passed", tmp_path)
    progress.record_check(f"{load().modules[2].id}/{first.id}", "passed", tmp_path)
    kept = json.loads(record.read_text())
    kept["exercises"][f"{MODULE.id}/{MODULE.graded[0].id}"]["checked"] = "2026-01-01T00:00:00+00:00"
    record.write_text(json.dumps(kept))
    result = run("progress", folder=tmp_path)
    assert f"Next: {second.title}, {second.id} in {load().modules[2].id}.ipynb" in result.stdout
    assert [id for id, row in bars(result.stdout).items() if "▾" in row] == [load().modules[2].id]


def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = run("progress", "atention", folder=tmp_path)
    known = ", ".join(module.id for module in load().modules)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"course: there is no module 'atention': choose one of {known}.\n"


def on_a_terminal(*arguments: str | Path, folder: Path) -> str:
    """What a command writes to a terminal of 100 columns, escape sequences and all."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    without = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    environment = {**without, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TERM": "xterm-256color",
                   "PYTHONIOENCODING": "utf-8"}  # fmt: skip
    command = [sys.executable, "-m", "course.cli", *map(str, arguments)]
    with subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        written = b""
        with suppress(OSError):  # EIO: the command has ended
            while part := os.read(ours, 65536):
                written += part
    os.close(ours)
    return written.decode()


def test_on_a_terminal_check_shows_that_it_works_and_its_findings_in_colours(tmp_path: Path) -> None:
    wrong = "def stable_softmax(x, dim):\n    return x.exp() / x.exp().sum(dim, keepdim=True)"
    notebook = write(tmp_path / "attention.ipynb", IMPORTS, SOLUTION, wrong)
    written = on_a_terminal("check", notebook, folder=tmp_path)
    assert "The check of MultiHeadSelfAttention" in written or "Cell 1" in written  # the bar names its work
    assert "\x1b[1;31m✗\x1b[0m" in written
    assert re.search(r"\x1b\[1m +there is NaN in the result", written)
    assert re.search(r"4 of 6 checks hold\.  \x1b\[32m━+\x1b\[0m\x1b\[90m·+", written)


def test_where_hints_are_switched_off_progress_does_not_count_them(tmp_path: Path) -> None:
    (tmp_path / settings.FILE).write_text(settings.NO_HINTS)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / settings.FILE).write_text("hints")
    for folder in (tmp_path, tmp_path / "broken"):
        result = run("progress", folder=folder)
        assert result.returncode == 0, result.stderr
        assert "Hints" not in result.stdout
    assert "Hints" in run("progress", "--folder", "..", folder=tmp_path, COURSE_HINTS="on").stdout


def test_the_command_is_also_had_as_a_module(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "course", "--help"], cwd=tmp_path, capture_output=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}, check=True,
    )  # fmt: skip
    assert "Usage: course [OPTIONS]" in result.stdout
    assert [name for name in ("start", "check", "progress") if name not in result.stdout] == []


def test_progress_of_a_folder_that_is_none(tmp_path: Path) -> None:
    result = run("progress", "--folder", "none", folder=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "course: none is no folder.\n"


def test_a_terminal_that_knows_no_ticks_gets_a_table_all_the_same(tmp_path: Path) -> None:
    result = run("progress", folder=tmp_path, PYTHONIOENCODING="ascii")
    assert result.returncode == 0, result.stderr
    assert "stable_softmax" in result.stdout
