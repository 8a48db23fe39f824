"""Exports of Gradescope and Canvas: whose each submission is, and which attempt counts."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from autograder import errors
from autograder.adapters import EXPORTS
from autograder.submission.find import find

MODULES = ("attention", "unet")

# As Ruby writes it: symbols for keys, an object for a date, an alias.
METADATA = """\
---
submission_1001:
  :submitters:
  - :name: Ada Lindqvist
    :sid: '7001'
    :email: ada@example.edu
  :created_at: !ruby/object:ActiveSupport::TimeWithZone
    utc: &1 2026-11-03 10:00:00.000000000 Z
    time: *1
  :score: 3.0
  :results:
    tests:
    - name: ':submitters:'
submission_1002:
  :submitters:
  - :name: Wei Wang
    :sid: '7002'
    :email: wei@example.edu
  - :name: Wei Wang
    :sid: '7003'
    :email: wei2@example.edu
submission_1003:
  :submitters:
  - :name: Chloé
    :sid:
    :email: chloe@example.edu
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def folder(top: str, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = Path(top, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return Path(top)


def zipped(name: str, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(name, "w") as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    return Path(name)


def found(path: Path, module: str | None = None) -> list[tuple[str, str | None, str]]:
    return [
        (one.student, one.module, one.problem or one.path.read_text())
        for one in find([path], module, MODULES, Path("scratch"), EXPORTS)
    ]


GRADESCOPE = {
    "submission_metadata.yml": METADATA,
    "submission_1001/attention.ipynb": "Ada's",
    "submission_1002/homework/attention.py": "a group's",
    "submission_1003/report.pdf": "",
}
WHOSE = [
    ("Ada Lindqvist", "attention", "Ada's"),
    ("Chloé", None, "There is no notebook (.ipynb) and no .py file in it."),
    ("Wei Wang (7002)", "attention", "a group's"),
    ("Wei Wang (7003)", "attention", "a group's"),
]


class TestGradescope:
    def test_a_folder(self) -> None:
        assert found(folder("export", GRADESCOPE)) == WHOSE

    def test_the_folder_above_it(self) -> None:
        folder("downloads/assignment_55_export", GRADESCOPE)
        assert found(Path("downloads")) == WHOSE

    def test_a_zip(self) -> None:
        files = {f"assignment_55_export/{name}": content for name, content in GRADESCOPE.items()}
        files["__MACOSX/assignment_55_export/._submission_metadata.yml"] = "\0"
        assert found(zipped("export.zip", files)) == WHOSE

    def test_a_group_shares_one_file(self) -> None:
        group = [
            one for one in find([folder("e", GRADESCOPE)], None, MODULES, Path("s"), EXPORTS) if one.shared
        ]
        assert [one.student for one in group] == ["Wei Wang (7002)", "Wei Wang (7003)"]
        assert len({one.path for one in group}) == 1

    def test_of_two_submissions_of_a_student_the_later_one_counts(self) -> None:
        later = (
            "submission_999:\n  :submitters:\n  - :name: Ada Lindqvist\n    :sid: '7001'\n"
            "submission_1004:\n  :submitters:\n  - :name: Chloé\n    :email: chloe@example.edu\n"
        )
        files = GRADESCOPE | {
            "submission_metadata.yml": METADATA + later,
            "submission_999/attention.ipynb": "Ada's first",
            "submission_1004/attention.ipynb": "Chloé's second",
        }
        assert found(folder("export", files)) == [
            WHOSE[0],
            ("Chloé", "attention", "Chloé's second"),
            *WHOSE[2:],
        ]

    def test_a_folder_that_the_list_does_not_name_is_kept(self) -> None:
        files = GRADESCOPE | {"submission_1005/attention.ipynb": "whose?"}
        assert ("submission_1005", "attention", "whose?") in found(folder("export", files))

    def test_a_students_zip_is_looked_into(self, here: Path) -> None:
        folder("export", GRADESCOPE)
        Path("export/submission_1001/attention.ipynb").unlink()
        zipped("export/submission_1001/lab_2026.zip", {"attention.ipynb": "Otter's", "attention.pdf": ""})
        assert found(Path("export"))[0] == ("Ada Lindqvist", "attention", "Otter's")

    def test_a_list_in_a_submission_makes_no_export(self) -> None:
        folder("class", {"ada/x/submission_metadata.yml": METADATA, "ada/attention.ipynb": "{}"})
        assert found(Path("class")) == [("ada", "attention", "{}")]

    @pytest.mark.parametrize("text", ["a: [", "- 1\n", "'\\x'", "[" * 5_000])
    def test_a_broken_list_is_named(self, text: str) -> None:
        files = GRADESCOPE | {"submission_metadata.yml": text}
        with pytest.raises(errors.UsageError, match=r"^export: its submission_metadata.yml .*again$"):
            find([folder("export", files)], None, MODULES, Path("scratch"), EXPORTS)


CANVAS = {
    "lindqvistada_1234_9001_attention.ipynb": "Ada's",
    "wangwei_LATE_1235_9002_attention-1.ipynb": "Wei's second",
    "wangwei_1236_9004_solution.py": "another Wei's",
    "đặnglan_1237_9003_lab_2026_11_24.zip": "no zip",
    "okaforemile_1238_text.html": "",
    "LATE_anon_aB3xY_9005_attention-2.ipynb": "somebody's",
}
NAMES = [
    ("anon_aB3xY", "attention", "somebody's"),
    ("lindqvistada_1234", "attention", "Ada's"),
    ("okaforemile_1238", "attention", "There is no notebook (.ipynb) and no .py file in it"),
    ("wangwei_1235", "attention", "Wei's second"),
    ("wangwei_1236", "attention", "another Wei's"),
    ("đặnglan_1237", "attention", "The file is not a zip, or it is damaged."),
]


class TestCanvas:
    @pytest.mark.parametrize("top", ["", "submissions/"])
    def test_a_zip(self, top: str) -> None:
        here = found(zipped("submissions.zip", {top + n: c for n, c in CANVAS.items()}), "attention")
        assert [(who, module, said.partition(";")[0]) for who, module, said in here] == NAMES

    def test_a_folder(self) -> None:
        here = found(folder("submissions", CANVAS), "attention")
        assert [who for who, _, _ in here] == [who for who, _, _ in NAMES]

    def test_the_newest_attempt_counts(self) -> None:
        files = {
            "lindqvistada_1234_9010_attention-2.ipynb": "third",
            "lindqvistada_1234_9009_attention-1.ipynb": "second",
            "lindqvistada_1234_900_attention.ipynb": "first",
        }
        assert found(folder("submissions", files)) == [("lindqvistada_1234", "attention", "third")]

    @pytest.mark.parametrize(
        "files",
        [
            {"ada_2026_11_attention.ipynb": "1", "bob_2026_12_attention.ipynb": "2"},
            {"ada_2025_11_attention.ipynb": "1", "bob_2026_11_attention.ipynb": "2"},
            {"lindqvistada_1234_9001_attention.ipynb": "1", "bob.ipynb": "2"},
            {"ada/x_1234_9001_attention.ipynb": "1", "bob/y_1235_9002_attention.ipynb": "2"},
        ],
    )
    def test_other_names_with_numbers_are_no_export(self, files: dict[str, str]) -> None:
        names = {one[0] for one in found(folder("class", files))}
        assert not {name for name in names if name.endswith(("_1234", "_2025", "_2026"))}


def test_who_is_told_of_no_exports_finds_notebooks_alone() -> None:
    export = folder("export", GRADESCOPE)

    known, unknown = (
        {one.student for one in find([export], None, MODULES, Path("scratch"), exports)}
        for exports in (EXPORTS, ())
    )

    assert "Ada Lindqvist" in known
    assert "submission_1001" in unknown


def test_a_list_whose_place_is_a_lie_is_not_read() -> None:
    files = {"/submission_metadata.yml": METADATA, "submission_1001/attention.ipynb": "{}"}
    with pytest.raises(errors.UsageError, match="damaged"):
        found(zipped("export.zip", files))
