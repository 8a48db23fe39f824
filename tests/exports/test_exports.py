"""Exports of Gradescope, Canvas and Moodle: whose each submission is, and which attempt counts."""

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
    (
        "Chloé",
        None,
        "It has report.pdf (a PDF), and no notebook (.ipynb) or .py file: "
        "hand in a notebook named after its module (attention, unet).",
    ),
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
            "    :email: ada@example.edu\n"
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

    @pytest.mark.parametrize("place", ["", "x/", "submission_1001/"])
    @pytest.mark.parametrize("others", [{"bob/attention.ipynb": "{}"}, {}])
    def test_a_list_in_a_students_folder_makes_no_export(self, place: str, others: dict[str, str]) -> None:
        files = {f"ada/{place}{name}": content for name, content in GRADESCOPE.items()}
        folder("class", files | others)
        assert {one[0] for one in found(Path("class"))} == {"ada", *(["bob"] if others else [])}
        zipped("class.zip", files | others)
        assert "Ada Lindqvist" not in {one[0] for one in found(Path("class.zip"))}

    def test_a_list_in_a_folder_that_is_called_as_gradescope_does_makes_no_export(self) -> None:
        files = {f"submission_7/{name}": content for name, content in GRADESCOPE.items()}
        folder("class", files | {"submission_8/attention.ipynb": "{}"})
        assert {one[0] for one in found(Path("class"))} == {"submission_7", "submission_8"}

    def test_a_list_in_a_submission_of_an_export_is_a_file_like_others(self) -> None:
        files = GRADESCOPE | {"submission_1003/submission_metadata.yml": METADATA}
        assert [one[:2] for one in found(folder("export", files))] == [one[:2] for one in WHOSE]

    def test_a_students_folder_that_is_named_among_others_is_no_export(self) -> None:
        folder("class/eve", GRADESCOPE)
        folder("class/ada", {"attention.ipynb": "{}"})
        here = find([Path("class/ada"), Path("class/eve")], None, MODULES, Path("s"), EXPORTS)
        assert "Ada Lindqvist" not in {one.student for one in here}

    def test_an_export_among_folders_is_known_by_its_name(self) -> None:
        folder("assignment_7_export", GRADESCOPE)
        folder("late", {"zoe/attention.ipynb": "{}"})
        paths = [Path("assignment_7_export"), Path("late")]
        here = find(paths, None, MODULES, Path("s"), EXPORTS)
        assert {"Ada Lindqvist", "zoe"} <= {one.student for one in here}

    @pytest.mark.parametrize(
        ("people", "names"),
        [
            ([("Ada", "1", "a@x"), ("Bo", "2", "b@x")], ["Ada", "Bo"]),
            ([("Ada", "1", "a@x"), ("Ada", "2", "b@x")], ["Ada (1)", "Ada (2)"]),
            ([("Ada", "1", "a@x"), ("Ada\\n", "1", "e@x")], ["Ada (a@x)", "Ada (e@x)"]),
            ([("Ada", "", ""), ("Ada", "", "")], ["Ada (submission_0)", "Ada (submission_1)"]),
            (
                [("Ada", "1", "a@x"), ("Ada", "2", "b@x"), ("Ada (1)", "3", "c@x")],
                ["Ada (1) (3)", "Ada (2)", "Ada (a@x)"],
            ),
            ([("Ada", "1", "a@x"), ("Ada L.", "1", "a@x")], ["Ada"]),
        ],
    )
    def test_people_are_told_apart_by_number_and_address(
        self, people: list[tuple[str, str, str]], names: list[str]
    ) -> None:
        listed = "".join(
            f'submission_{n}:\n  :submitters:\n  - :name: "{name}"\n    :sid: "{sid}"\n    :email: "{mail}"\n'
            for n, (name, sid, mail) in enumerate(people)
        )
        files = {f"submission_{n}/attention.ipynb": str(n) for n in range(len(people))}
        assert [
            one[0] for one in found(folder("export", files | {"submission_metadata.yml": listed}))
        ] == names

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
    (
        "okaforemile_1238",
        "attention",
        "It is a text that was typed into Canvas, not a file: hand in the notebook (.ipynb) itself.",
    ),
    ("wangwei_1235", "attention", "Wei's second"),
    ("wangwei_1236", "attention", "another Wei's"),
    ("đặnglan_1237", "attention", "The file is not a zip, or it is damaged."),
]


class TestCanvas:
    @pytest.mark.parametrize("top", ["", "submissions/"])
    def test_a_zip(self, top: str) -> None:
        here = found(zipped("submissions.zip", {top + n: c for n, c in CANVAS.items()}), "attention")
        assert here == NAMES

    def test_what_a_student_calls_a_file_changes_nobodys_name(self) -> None:
        odd = ["a\nb.ipynb", "_1_9_attention.ipynb", "submission_metadata.yml", "x_1234_9001_y.ipynb"]
        files = {f"eve_66_{n}_{name}": "{}" for n, name in enumerate(odd)}
        names = {one[0] for one in found(folder("submissions", CANVAS | files), "attention")}
        assert names == {who for who, _, _ in NAMES} | {"eve_66"}

    def test_everybody_has_a_row_that_says_what_it_was(self) -> None:
        files = {
            "lindqvistada_1234_9001_attention.pdf": "",
            "wangwei_1235_9002_attention.ipynb.txt": "{}",
            "okaforemile_1238_9003_attention-1.docx": "",
        }
        assert [
            (who, which, said.partition(", and no")[0]) for who, which, said in found(folder("s", files))
        ] == [
            ("lindqvistada_1234", "attention", "It has attention.pdf (a PDF)"),
            ("okaforemile_1238", "attention", "It has attention.docx (a Word document)"),
            ("wangwei_1235", "attention", "It has attention.ipynb.txt (a text file)"),
        ]

    def test_a_table_beside_the_files_is_nobodys(self) -> None:
        here = found(
            folder("submissions", CANVAS | {"grades.csv": "", "graded/report.html": ""}), "attention"
        )
        assert [who for who, _, _ in here] == [who for who, _, _ in NAMES]

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


MOODLE = {
    "Ada Lindqvist_1000001_assignsubmission_file/attention.ipynb": "Ada's",
    "Wei Wang_1000002_assignsubmission_file_/unet (1).ipynb": "Wei's",
    "Wei Wang_1000003_assignsubmission_file/week 1/unet.ipynb": "another Wei's",
    "Chloé_1000004_assignsubmission_onlinetext/onlinetext.html": "<p>",
    "Zoe O'Neil_1000005_assignsubmission_file/attention.docx": "",
}
MOODLES = [
    ("Ada Lindqvist", "attention", "Ada's"),
    (
        "Chloé",
        None,
        "It is a text that was typed into Moodle, not a file: hand in the notebook (.ipynb) itself.",
    ),
    ("Wei Wang (1000002)", "unet", "Wei's"),
    ("Wei Wang (1000003)", "unet", "another Wei's"),
    (
        "Zoe O'Neil",
        "attention",
        "It has attention.docx (a Word document), and no notebook (.ipynb) or .py file: "
        "hand in attention.ipynb.",
    ),
]


class TestMoodle:
    def test_a_folder_each(self) -> None:
        assert found(folder("CS101-Attention-77", MOODLE)) == MOODLES
        assert found(zipped("CS101-Attention-77.zip", MOODLE)) == MOODLES

    def test_a_file_each(self) -> None:
        flat = {name.replace("_/", "/").replace("/", "_", 1): content for name, content in MOODLE.items()}
        assert "Ada Lindqvist_1000001_assignsubmission_file_attention.ipynb" in flat
        assert found(zipped("all.zip", flat)) == MOODLES
        assert found(folder("all", flat)) == MOODLES

    def test_a_folder_in_a_zip_of_that_name(self) -> None:
        assert (
            found(zipped("all (1).zip", {f"all/{name}": content for name, content in MOODLE.items()}))
            == MOODLES
        )

    def test_a_file_and_a_text_of_one_student(self) -> None:
        files = MOODLE | {"Ada Lindqvist_1000001_assignsubmission_onlinetext/onlinetext.html": "done"}
        assert found(folder("all", files)) == MOODLES

    def test_what_was_given_back_is_nobodys_work(self) -> None:
        files = MOODLE | {"Ada Lindqvist_1000001_assignfeedback_file/unet.ipynb": "corrected"}
        assert found(folder("all", files)) == MOODLES

    def test_what_a_student_calls_a_file_changes_nobodys_name(self) -> None:
        odd = "Ada Lindqvist_1000001_assignsubmission_file_attention.ipynb"
        files = MOODLE | {
            f"Eve_1000006_assignsubmission_file_{odd}": "eve's",
            f"Eve_1000006_assignsubmission_file_/{odd}": "eve's",
            "Eve_1000006_assignsubmission_file/a\nb.ipynb": "eve's",
        }
        names = [one[0] for one in found(folder("all", files))]
        assert [name for name in dict.fromkeys(names) if name != "Eve"] == [who for who, _, _ in MOODLES]

    def test_such_a_name_in_a_students_folder_is_a_name(self) -> None:
        folder("class", {f"eve/{name}": content for name, content in MOODLE.items()})
        folder("class", {"ada/attention.ipynb": "{}"})
        assert {one[0] for one in found(Path("class"))} == {"ada", "eve"}


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
    assert [one[0] for one in found(zipped("export.zip", files))] == ["export", "submission_1001"]
