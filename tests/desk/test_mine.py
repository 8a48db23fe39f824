"""A check that passes keeps the answer; nothing that is kept is lost, and nothing can break a check."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from course.cells.python import Cell
from course.desk import atomic, lent, lock, mine, mine_folder, mine_parts, progress
from course.desk.start import RECORD as STARTED

from .answers import keep_all, load

IMPORTS = "import math\nimport torch\nfrom torch import Tensor\nfrom course import check, hint"
SOFTMAX = """\
def stable_softmax(x, dim):
    weights = torch.exp(x - x.amax(dim, keepdim=True))
    return weights / weights.sum(dim, keepdim=True)
"""
WITH_HELPER = """\
def stable_softmax(x, dim):
    weights = lowered(x, dim).exp()
    return weights / weights.sum(dim, keepdim=True)
"""
HELPER = "def lowered(x, dim):\n    return x - x.amax(dim, keepdim=True)\n\nlowered(torch.ones(2), 0)"
HEADS = """\
def split_heads(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x):
    return x.transpose(1, 2).flatten(2)
"""
KEY = "attention/stable_softmax"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lent, "_for_good", [])  # other tests load references in this process
    monkeypatch.delenv("COURSE_MINE", raising=False)


def keep(*sources: str, key: str = KEY, start: Path | None = None) -> str:
    return mine.keep(key, [Cell(number, one) for number, one in enumerate((IMPORTS, *sources), 1)], start)


def text(module: str = "attention") -> str:
    return Path("mine", f"{module}.py").read_text(encoding="utf-8")


def earlier() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(Path("mine", "earlier").rglob("*.py"))]


def standing(exercise: str = "stable_softmax", module: str = "attention") -> tuple[bool, str]:
    """Whether the answer is the student's own part, and why it is not."""
    entry = load().module(module)
    found = mine_parts.of(entry)
    assert found is not None
    return found.is_own(entry.exercise(exercise)), found.why_not(entry.exercise(exercise))


# --- What is kept -----------------------------------------------------------------------------------------


def test_an_answer_is_kept_as_it_was_written_in_a_file_that_can_be_imported() -> None:
    assert keep(SOFTMAX) == "Kept in mine/attention.py."
    assert SOFTMAX in text()
    assert standing() == (True, "")
    done = subprocess.run(
        [sys.executable, "-c", "from mine import attention; print(attention.stable_softmax.__module__)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "mine.attention\n"
    assert sorted(path.name for path in Path("mine").iterdir() if path.suffix == ".py") == [
        "__init__.py",
        "attention.py",
    ]


def test_the_same_answer_again_changes_nothing_and_says_nothing() -> None:
    keep(SOFTMAX)
    before = text()
    assert keep("\n\n" + SOFTMAX + "# a remark\n") == ""
    assert (text(), earlier()) == (before, [])


def test_another_answer_that_passes_takes_its_place_and_the_earlier_one_is_kept() -> None:
    keep(SOFTMAX)
    assert keep(HELPER, WITH_HELPER) == (
        "Kept in mine/attention.py; your earlier answer is in mine/earlier/attention/."
    )
    assert WITH_HELPER in text()
    assert "weights = torch.exp" not in text()
    assert [SOFTMAX in one for one in earlier()] == [True]
    assert "lowered(torch.ones(2), 0)" not in text()  # what only tried it out
    assert text().index("def lowered") < text().index("def stable_softmax")


def test_exercises_stand_in_their_order_and_share_what_they_import() -> None:
    keep(HEADS, key="attention/split_heads")
    keep(SOFTMAX)
    assert text().index("def stable_softmax") < text().index("def split_heads")
    assert text().count("import torch\n") == 1


def test_an_answer_brings_along_the_earlier_one_that_it_calls() -> None:
    attention = """\
def scaled_dot_product_attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return stable_softmax(scores, dim=-1) @ v
"""
    assert keep(SOFTMAX, attention, key="attention/scaled_dot_product_attention").startswith("Kept")
    assert SOFTMAX in text()
    assert standing() == standing("scaled_dot_product_attention") == (True, "")


def test_all_of_a_module_in_one_cell_is_kept_in_its_sections() -> None:
    keep(SOFTMAX + "\n\n" + HEADS)
    keep(SOFTMAX + "\n\n" + HEADS, key="attention/split_heads")
    assert text().count("def stable_softmax") == text().count("def merge_heads") == 1


def test_an_answer_that_fails_outside_of_its_notebook_is_not_kept_and_the_good_one_stays() -> None:
    keep(SOFTMAX)
    before = text()
    said = keep(SOFTMAX.replace("x.amax", "gone + x.amax"))
    assert said == (
        "Not kept in mine: outside of the notebook it raised NameError: name 'gone' is not defined. "
        "It stands in your notebook as before."
    )
    assert (text(), earlier()) == (before, [])


def test_what_was_read_from_a_file_of_ones_own_is_not_in_the_notebook() -> None:
    assert keep("from helpers import stable_softmax") == (
        "Not kept in mine: no cell that has run defines `stable_softmax`. "
        "It stands in your notebook as before."
    )
    assert not Path("mine").exists()


def test_a_helper_that_would_break_another_answer_is_refused() -> None:
    keep(HELPER, WITH_HELPER)
    heads = HEADS.replace("x.transpose(1, 2).flatten", "lowered(x, 2).flatten")
    said = keep("def lowered(x, dim):\n    return x.transpose(1, dim)", heads, key="attention/split_heads")
    assert said.startswith("Not kept in mine: `stable_softmax`, which mine/attention.py has, would fail")
    assert "split_heads" not in text()


# --- What a student does to the file ----------------------------------------------------------------------


def test_words_changed_by_hand_stay_and_a_later_answer_says_where_they_went() -> None:
    keep(SOFTMAX)
    Path("mine/attention.py").write_text(
        text().replace("def stable_softmax", "# my pride\ndef stable_softmax").replace("\n", "\r\n"),
        encoding="utf-8",
        newline="",
    )
    assert keep(SOFTMAX) == ""
    assert "# my pride" in text()
    said = keep(HELPER, WITH_HELPER)
    assert said.startswith(
        "Kept in mine/attention.py; what you had changed there by hand is in mine/earlier/"
    )
    assert "# my pride" in earlier()[0]


def test_a_part_broken_by_hand_is_not_used_and_is_again_once_it_is_mended() -> None:
    keep(SOFTMAX)
    good = text()
    Path("mine/attention.py").write_text(good.replace("weights / ", "2 * weights / "), encoding="utf-8")
    own, why = standing()
    assert not own
    assert "1.5 instead of 0.75" in why
    Path("mine/attention.py").write_text(good.replace("return", "return ("), encoding="utf-8")
    line = next(n for n, code in enumerate(text().splitlines(), start=1) if "return (" in code)
    assert standing() == (False, f"it raised SyntaxError: '(' was never closed (line {line})")
    Path("mine/attention.py").write_text(good, encoding="utf-8")
    assert standing() == (True, "")


def test_a_forbidden_call_in_the_file_is_no_part() -> None:
    keep(SOFTMAX)
    lines = text().split("def stable")[0] + "def stable_softmax(x, dim):\n    return torch.softmax(x, dim)\n"
    Path("mine/attention.py").write_text(lines, encoding="utf-8")
    assert "asks you to write `stable_softmax` yourself" in standing()[1]


def test_beside_what_cannot_be_imported_an_answer_is_kept_all_the_same() -> None:
    keep(SOFTMAX)
    Path("mine/attention.py").write_text(text() + "\n# %% my own\n\n1 / 0\n", encoding="utf-8")
    said = keep(HEADS, key="attention/split_heads")
    assert said.startswith("Kept in mine/attention.py. But mine/attention.py as a whole cannot be imported: ")
    assert "ZeroDivisionError" in said
    assert HEADS.rstrip() in text()
    assert "1 / 0" in text()


def test_a_lost_or_broken_record_costs_one_more_check_and_nothing_else() -> None:
    keep(SOFTMAX)
    for broken in ("{", '{"modules": {"attention": 3}}', ""):
        Path("mine/.kept.json").write_text(broken, encoding="utf-8")
        assert standing() == (True, "")
    Path("mine/.kept.json").unlink()
    assert standing() == (True, "")


def test_a_file_of_a_students_own_is_added_to() -> None:
    Path("mine").mkdir()
    Path("mine/attention.py").write_text("ANSWER = 42\n", encoding="utf-8")
    keep(SOFTMAX)
    assert text().startswith("ANSWER = 42\n")
    assert standing() == (True, "")


def test_a_file_that_is_not_utf_8_is_left_alone() -> None:
    Path("mine").mkdir()
    Path("mine/attention.py").write_bytes(b"# \xe9\n")
    assert "mine/attention.py is not UTF-8 (byte 2)" in keep(SOFTMAX)
    assert Path("mine/attention.py").read_bytes() == b"# \xe9\n"


# --- What can go wrong ------------------------------------------------------------------------------------


def test_where_nothing_can_be_written_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write", full)
        assert keep(SOFTMAX) == (
            "Not kept in mine: No space left on device. It stands in your notebook as before."
        )
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", full)
        assert keep(SOFTMAX).startswith("Not kept in mine: No space left on device.")
    Path("mine/.lock").unlink()
    Path("mine").rmdir()
    Path("mine").write_text("a file", encoding="utf-8")
    assert keep(SOFTMAX).startswith("Not kept in mine: that is a file: give it another name.")


def test_two_notebooks_at_once_lose_nothing() -> None:
    """Both wait at the lock; whoever is second finds what the first has written."""
    failed: list[str] = []

    def one(*sources: str, key: str) -> Callable[[], None]:
        return lambda: failed.extend(filter(lambda said: "Not" in said, [keep(*sources, key=key)]))

    threads = [
        threading.Thread(target=one(SOFTMAX, key=KEY)),
        threading.Thread(target=one(HEADS, key="attention/split_heads")),
    ]
    Path("mine").mkdir()
    with lock.held(Path("mine/.lock")):
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert standing() == standing("split_heads") == (True, "")


def test_a_lock_that_is_not_given_up_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine").mkdir()
    waits: list[float] = []
    again = lock.held(Path("mine/.lock"), waits.append)
    busy = pytest.raises(lock.Busy, match="in use by another notebook")
    with lock.held(Path("mine/.lock")), busy, again:
        pass
    assert len(waits) > 10
    with lock.held(Path("mine/.lock"), waits.append):  # given up by now
        pass


# --- Where it is ------------------------------------------------------------------------------------------


def test_on_a_hub_all_assignments_share_the_folder_above_them(tmp_path: Path) -> None:
    for name in ("attention", "unet", "unet old", "other"):
        (tmp_path / name).mkdir()
    shared = tmp_path / "mine"
    assert mine_folder.find(tmp_path / "attention") == shared
    assert mine_folder.find(tmp_path / "other") == tmp_path / "other" / "mine"
    keep(SOFTMAX, start=tmp_path / "attention")
    assert (shared / "attention.py").is_file()
    assert {mine_folder.find(tmp_path / name) for name in ("", "unet", "unet old")} == {shared}


def test_a_folder_that_was_started_has_its_own_whatever_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "attention"
    (folder / progress.FOLDER).mkdir(parents=True)
    (folder / progress.FOLDER / STARTED).write_text("{}", encoding="utf-8")
    keep(SOFTMAX)
    assert mine_folder.find(folder) == folder / "mine"


def test_settings_choose_another_place_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "course-settings.toml"
    inside = tmp_path / "homework 1"
    inside.mkdir()
    for said, place in {'mine = "kept"': tmp_path / "kept", "mine = false": None, "mine = 3": None}.items():
        settings.write_text(said, encoding="utf-8")
        assert mine_folder.find(inside) == place
    assert keep(SOFTMAX) == ""
    monkeypatch.setenv("COURSE_MINE", str(tmp_path / "by machine"))
    assert mine_folder.find(inside) == tmp_path / "by machine"
    monkeypatch.setenv("COURSE_MINE", "off")
    assert mine_folder.find(inside) is None


def test_paths_are_shown_with_slashes_and_from_here() -> None:
    assert mine_folder.shown(Path("mine", "attention.py").absolute()) == "mine/attention.py"
    assert mine_folder.shown(Path("..", "mine").absolute()) == "../mine"
    assert mine_folder.shown(Path("/")).startswith("/")


@pytest.mark.slow
def test_the_solutions_of_every_module_can_be_kept_and_imported(tmp_path: Path) -> None:
    keep_all(tmp_path, *(module.id for module in load().modules))
    for module in load().modules:
        found = mine_parts.of(module)
        assert found is not None
        assert all(found.is_own(exercise) for exercise in module.exercises)
