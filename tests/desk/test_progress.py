"""The student's own record: written whole or not at all, and never in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from course.checking.report import Report
from course.desk import progress
from course.desk.progress import Entry

pytestmark = pytest.mark.usefixtures("own_folder")


def file(folder: Path = Path()) -> Path:
    return folder / ".course" / "progress.json"


def test_nothing_is_recorded_at_first_and_reading_makes_no_file() -> None:
    assert progress.load().entries == {}
    assert progress.load().of("attention/stable_softmax") == Entry()
    assert not file().exists()


def test_checks_and_hints_are_recorded_side_by_side() -> None:
    progress.record_hint("a/one")
    progress.record_check("a/one", "failed")
    progress.record_check("a/two", "passed")
    progress.record_hint("a/one")
    recorded = progress.load()
    assert (recorded.of("a/one").state, recorded.of("a/one").hints) == ("failed", 2)
    assert recorded.of("a/two").state == "passed"
    assert recorded.of("a/two").checked.startswith("20")
    assert json.loads(file().read_text())["schema"] == 1


def test_what_a_check_found_is_kept_until_it_holds() -> None:
    progress.record_checks([Report("", "a/one", "failed", problem="x" * 1000, check="shares")])
    progress.record_hint("a/one", told="no_scale")
    kept = progress.load().of("a/one")
    assert (kept.check, kept.problem, kept.told) == ("shares", "x" * 300, ["no_scale"])
    progress.record_checks([Report("", "a/one", "passed")])
    kept = progress.load().of("a/one")
    assert (kept.check, kept.problem, kept.told, kept.hints) == ("", "", ["no_scale"], 1)


def test_where_nothing_was_checked_no_file_is_made() -> None:
    progress.record_checks([])
    assert not file().exists()


def test_a_record_of_an_earlier_version_is_read() -> None:
    file().parent.mkdir()
    old = {"state": "failed", "checked": "2026-01-01T00:00:00+00:00", "hints": 2}
    file().write_text(json.dumps({"schema": 1, "exercises": {"a/one": old}}))
    assert progress.load().of("a/one") == Entry(**old)


def test_the_last_check_counts() -> None:
    for state in ("failed", "passed", "untouched"):
        progress.record_check("a/one", state)
    assert progress.load().of("a/one").state == "untouched"


def test_every_folder_has_a_record_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    progress.record_check("a/one", "passed")
    progress.record_check("a/two", "passed", tmp_path / "inside")
    assert set(progress.load().entries) == {"a/one"}
    assert set(progress.load(tmp_path / "inside").entries) == {"a/two"}


def test_the_records_of_the_folders_inside_count_with_a_folders_own(tmp_path: Path) -> None:
    """As nbgrader's assignments have it: one folder for each, and a record in it."""
    for place, entries in {
        ".": {"a/one": Entry("passed", "2030-01-02T00:00:00+00:00", 1), "b/one": Entry("", "", 1)},
        "a": {"a/one": Entry("failed", "2030-01-01T00:00:00+00:00", 3)},
        "b": {"b/one": Entry("failed", "2030-01-01T00:00:00+00:00", 0), "b/two": Entry("passed", "2030", 0)},
        "b/deeper": {"c/one": Entry("passed", "2030", 0)},
    }.items():
        file(Path(place)).parent.mkdir(parents=True)
        content = {"schema": 1, "exercises": {key: vars(entry) for key, entry in entries.items()}}
        file(Path(place)).write_text(json.dumps(content))
    (tmp_path / "c").mkdir()

    assert progress.gather().entries == {
        "a/one": Entry("passed", "2030-01-02T00:00:00+00:00", 3),
        "b/one": Entry("failed", "2030-01-01T00:00:00+00:00", 1),
        "b/two": Entry("passed", "2030", 0),
    }
    assert progress.gather(tmp_path / "c").entries == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"exercises": 3}', b'{"exercises": {"a": 3}}', b"\xff\xfe", b"[" * 100_000,
     b'{"exercises": {"a": {"told": 3}}}',
     b'{"exercises": {"a": {"hints": "many"}}}', b'{"exercises": {"a": {"hints": []}}}'],
    ids=lambda content: repr(content[:30]),
)  # fmt: skip
def test_a_broken_file_is_kept_aside_and_work_goes_on(content: bytes) -> None:
    file().parent.mkdir()
    file().write_bytes(content)
    assert progress.load().entries == {}
    progress.record_check("a/one", "passed")
    assert progress.load().of("a/one").state == "passed"
    (aside,) = file().parent.glob("progress-unreadable-*.json")
    assert aside.read_bytes() == content


def test_what_a_later_version_keeps_in_the_file_survives() -> None:
    file().parent.mkdir()
    file().write_text(json.dumps({"schema": 1, "exercises": {}, "started": "2030-01-01"}))
    progress.record_check("a/one", "passed")
    assert json.loads(file().read_text())["started"] == "2030-01-01"


def test_no_other_file_is_left_behind() -> None:
    for _ in range(3):
        progress.record_hint("a/one")
    assert [path.name for path in file().parent.iterdir()] == ["progress.json"]


def test_a_writer_that_is_killed_leaves_the_old_file_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    progress.record_check("a/one", "passed")
    source = (
        "import os, course.desk.progress as p\n"
        "os.replace = lambda *_: os._exit(9)\n"  # killed after writing, before renaming
        "p.record_check('a/one', 'failed')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(progress.__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", source], env=environment, check=False).returncode == 9
    assert progress.load().of("a/one").state == "passed"


def test_where_nothing_can_be_written_it_is_remembered_by_the_process(tmp_path: Path) -> None:
    (tmp_path / ".course").write_text("a file where the folder should be")
    progress.record_hint("a/one")
    progress.record_hint("a/one")
    assert progress.load().of("a/one").hints == 2
    (tmp_path / ".course").unlink()
    progress.record_hint("a/one")
    assert json.loads(file().read_text())["exercises"]["a/one"]["hints"] == 3
