"""Bad input: one clear sentence each, and the others are graded all the same."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from autograder.results import Status
from tests.end_to_end.conftest import Grade
from tests.end_to_end.small_class import POINTS, write
from tests.sample_class import Material


def notebook(cells: list[dict[str, object]]) -> bytes:
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def cell(source: str) -> dict[str, object]:
    return {
        "cell_type": "code",
        "id": "a",
        "metadata": {},
        "outputs": [],
        "source": source,
        "execution_count": None,
    }


BROKEN = {
    "Fifty megabytes": (notebook([cell("x" * 50_000_000)]), "too large"),
    "Ten thousand cells": (notebook([cell("x = 1")] * 10_000), "10,000 cells"),
    "Deeply nested": (b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
    "Not UTF-8": (notebook([cell("x = 1")]).replace(b"x = 1", b"x = \xff\xfe"), "UTF-8"),
    "Empty": (b"", "empty"),
    "A picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not valid UTF-8"),
    "A list": (b"[]", "notebook"),
}


def test_what_cannot_be_read_is_told_in_a_sentence_and_the_others_are_graded(
    tmp_path: Path, grade: Grade, material: Material
) -> None:
    folder = tmp_path / "class"
    for name, (content, _) in BROKEN.items():
        path = folder / name / "attention.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    elsewhere = tmp_path / "elsewhere.ipynb"
    elsewhere.write_text("{}")
    (folder / "A link").mkdir()
    (folder / "A link" / "attention.ipynb").symlink_to(elsewhere)
    write(folder, "Good", material)

    graded = grade(folder, out=tmp_path / "out")
    assert graded.code == 0, graded.complained
    assert graded.results["Good"].points == POINTS
    for name, (_, said) in BROKEN.items():
        result = graded.results[name]
        assert result.status is Status.UNREADABLE
        assert result.points == 0
        assert said.lower() in result.reason.lower(), result.reason
        assert "\n" not in result.reason
    assert "link" in graded.results["A link"].reason
    assert "Traceback" not in graded.said + graded.complained


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return path


@pytest.mark.slow
def test_a_zip_that_climbs_out_of_its_folder_writes_nothing_there(
    tmp_path: Path, grade: Grade, material: Material
) -> None:
    write(tmp_path / "class", "Good", material)
    good = (tmp_path / "class" / "Good" / "attention.ipynb").read_bytes()
    zipped = archive(
        tmp_path / "handed-in.zip", {"Good/attention.ipynb": good, "../../Evil/attention.ipynb": b"{}"}
    )
    graded = grade(zipped, out=tmp_path / "out")
    assert not list(tmp_path.parent.rglob("Evil"))
    assert "Traceback" not in graded.said + graded.complained
    if graded.code == 0:
        assert graded.results["Good"].points == POINTS
    else:
        assert graded.code == 2
        assert ".." in graded.complained


@pytest.mark.slow
def test_a_zip_bomb_is_refused_in_a_sentence(tmp_path: Path, grade: Grade) -> None:
    zipped = archive(tmp_path / "bomb.zip", {f"s{n}/attention.ipynb": bytes(19_000_000) for n in range(8)})
    graded = grade(zipped, out=tmp_path / "out")
    assert "Traceback" not in graded.said + graded.complained
    assert graded.code == 2 or all(r.status is Status.UNREADABLE for r in graded.results.values())


@pytest.mark.parametrize("what", ["nothing", "empty folder"])
def test_nothing_to_grade_is_a_mistake_of_usage(tmp_path: Path, grade: Grade, what: str) -> None:
    path = tmp_path / "class"
    if what == "empty folder":
        path.mkdir()
    graded = grade(path, out=tmp_path / "out")
    assert graded.code == 2
    assert str(path) in graded.complained.replace("\n", "")
    assert graded.complained.count("\n") <= 2
    assert not (tmp_path / "out").exists()
