"""Whose notebook is whose, from the layout alone; one bad submission never stops the others."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from autograder import errors
from autograder.submission import find as finding
from autograder.submission.find import Found, find, settle
from autograder.submission.read import read

MODULES = ("attention", "unet")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Paths are typed relative to a fresh folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def put(*names: str) -> None:
    """Files with some bytes in them; folders where the name ends with a slash."""
    for name in names:
        path = Path(name)
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"{}")


def zipped(name: str, *members: str) -> Path:
    with zipfile.ZipFile(name, "w") as archive:
        for member in members:
            archive.writestr(member, "{}")
    return Path(name)


def submissions(*typed: str, module: str | None = None) -> list[tuple[str, str | None, str]]:
    found = find([Path(path) for path in typed], module, MODULES, Path("scratch"))
    assert all(one.problem or read_bytes(one) == b"{}" for one in found)
    return [
        (one.student, one.module, one.shown if not one.problem else f"{one.shown}: {one.problem}")
        for one in found
    ]


def read_bytes(found: Found) -> bytes:
    return found.path.read_bytes()


def refused(*typed: str, module: str | None = None) -> str:
    with pytest.raises(errors.UsageError) as raised:
        submissions(*typed, module=module)
    assert "\n" not in str(raised.value)
    return str(raised.value)


class TestLayouts:
    def test_a_folder_of_students(self) -> None:
        put("class/ada/attention.ipynb", "class/ada/unet.ipynb", "class/bob/attention.ipynb")
        assert submissions("class") == [
            ("ada", "attention", "class/ada/attention.ipynb"),
            ("ada", "unet", "class/ada/unet.ipynb"),
            ("bob", "attention", "class/bob/attention.ipynb"),
        ]

    def test_a_flat_folder(self) -> None:
        put("class/ada.ipynb", "class/Bob Smith_1234.ipynb")
        assert submissions("class") == [
            ("Bob Smith_1234", None, "class/Bob Smith_1234.ipynb"),
            ("ada", None, "class/ada.ipynb"),
        ]

    def test_one_students_folder(self) -> None:
        put("class/ada/attention.ipynb", "class/ada/unet.ipynb")
        assert [one[:2] for one in submissions("class/ada")] == [("ada", "attention"), ("ada", "unet")]

    def test_one_notebook_named_after_its_student(self) -> None:
        put("ada.ipynb")
        assert submissions("ada.ipynb") == [("ada", None, "ada.ipynb")]

    def test_one_notebook_named_after_its_module(self) -> None:
        put("ada/attention.ipynb")
        assert submissions("ada/attention.ipynb") == [("ada", "attention", "ada/attention.ipynb")]

    def test_the_folder_one_is_in(self, here: Path) -> None:
        put("attention.ipynb")
        assert submissions(".") == [(here.name, "attention", "attention.ipynb")]

    @pytest.mark.parametrize(
        "typed",
        ["course", "course/submitted", "course/submitted/ada", "course/submitted/ada/ps1", "NOTEBOOK"],
    )
    def test_nbgraders_submitted_folder_from_any_level(self, typed: str) -> None:
        notebook = "course/submitted/ada/ps1/attention.ipynb"
        put(notebook, "course/source/ps1/attention.ipynb", "course/feedback/ada/ps1/attention.ipynb")
        assert submissions(typed.replace("NOTEBOOK", notebook)) == [("ada", "attention", notebook)]

    def test_a_students_deeper_folders_are_the_students(self) -> None:
        put("class/ada/week 1/attention.ipynb", "class/bob/attention.ipynb")
        assert [one[0] for one in submissions("class")] == ["ada", "bob"]

    def test_what_is_nobodys_work(self) -> None:
        put("class/ada/attention.ipynb", "class/ada/.ipynb_checkpoints/attention-checkpoint.ipynb")
        put(
            "class/.hidden/attention.ipynb",
            "class/ada/._attention.ipynb",
            "class/__MACOSX/ada/attention.ipynb",
        )
        put("class/ada/data.csv", "class/ada/attention.html")
        assert [one[2] for one in submissions("class")] == ["class/ada/attention.ipynb"]

    def test_a_capital_suffix(self) -> None:
        put("class/ada/attention.IPYNB")
        assert submissions("class") == [("ada", "attention", "class/ada/attention.IPYNB")]

    def test_the_same_name_is_the_same_however_it_was_typed_on_a_mac(self) -> None:
        put("mac/Zoe\u0308/attention.ipynb")
        assert submissions("mac")[0][0] == "Zoë"

    def test_control_characters_and_bytes_that_are_no_text_are_spelled_out(self) -> None:
        folder = os.fsencode("class") + b"/ada\x1b[2J\xff"
        os.makedirs(folder)
        Path(os.fsdecode(folder), "attention.ipynb").write_bytes(b"{}")
        (found,) = find([Path("class")], None, MODULES, Path("scratch"))
        assert found.student == "ada\\x1b[2J\\udcff"
        assert found.shown == "class/ada\\x1b[2J\\udcff/attention.ipynb"
        assert found.path.read_bytes() == b"{}"


class TestModules:
    def test_a_module_that_is_asked_for_is_everyones(self) -> None:
        put("class/ada.ipynb", "class/bob/homework.ipynb")
        assert {one[1] for one in submissions("class", module="attention")} == {"attention"}

    def test_notebooks_named_after_another_module_are_left_out(self) -> None:
        put("class/ada/attention.ipynb", "class/ada/unet.ipynb")
        assert [one[1] for one in submissions("class", module="unet")] == ["unet"]

    def test_but_not_one_that_was_typed(self) -> None:
        put("ada/unet.ipynb")
        assert [one[:2] for one in submissions("ada/unet.ipynb", module="attention")] == [
            ("ada", "attention")
        ]

    def test_an_unknown_module_is_refused_with_the_known_ones(self) -> None:
        put("class/ada.ipynb")
        assert (
            refused("class", module="atention")
            == "there is no module 'atention'; the course has attention, unet"
        )


class TestMistakesInTheCommand:
    def test_no_such_path(self) -> None:
        assert refused("nowhere") == "nowhere: there is no such file or folder"

    def test_a_path_through_a_file(self) -> None:
        put("ada.ipynb")
        assert "ada.ipynb/x cannot be looked at" in refused("ada.ipynb/x")

    def test_an_empty_folder(self) -> None:
        put("class/")
        assert refused("class").startswith("no notebook (.ipynb) in class: looked for STUDENT/MODULE.ipynb")

    def test_a_zip_without_a_notebook(self) -> None:
        zipped("class.zip", "ada/readme.txt", "inner.zip")
        assert refused("class.zip").startswith("no notebook (.ipynb) in class.zip")

    def test_another_kind_of_file(self) -> None:
        put("grades.csv")
        assert refused("grades.csv") == "grades.csv is neither a notebook (.ipynb), nor a zip, nor a folder"

    def test_two_notebooks_of_one_student_for_one_module(self) -> None:
        put("class/ada/attention.ipynb", "class/ada/old/attention.ipynb")
        message = refused("class")
        assert "'ada' for 'attention'" in message
        assert "class/ada/attention.ipynb and class/ada/old/attention.ipynb" in message

    def test_also_over_several_paths(self) -> None:
        put("a/ada/attention.ipynb")
        zipped("b.zip", "ada/attention.ipynb")
        assert "a/ada/attention.ipynb and b.zip/ada/attention.ipynb" in refused("a", "b.zip")

    def test_the_same_file_named_twice_is_one(self) -> None:
        put("class/ada/attention.ipynb")
        assert len(submissions("class", "class/ada/attention.ipynb", str(Path("class").resolve()))) == 1

    def test_a_folder_that_was_surely_not_meant(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(finding, "MAX_FILES", 3)
        put("class/a.ipynb", "class/b.ipynb", "class/c.ipynb", "class/d.ipynb")
        assert "more than 3 files" in refused("class")


class TestBadSubmissionsAmongGoodOnes:
    GOOD = ("bob", "attention", "class/bob/attention.ipynb")

    @pytest.fixture(autouse=True)
    def good(self) -> None:
        put("class/bob/attention.ipynb", "secret/attention.ipynb", "class/ada/")

    def test_a_link_to_elsewhere(self) -> None:
        Path("class/ada/attention.ipynb").symlink_to("../../secret/attention.ipynb")
        assert submissions("class") == [
            (
                "ada",
                "attention",
                "class/ada/attention.ipynb: It is a symbolic link, which is not followed: "
                "hand in the notebook itself.",
            ),
            self.GOOD,
        ]

    def test_a_link_to_a_classmates_notebook(self) -> None:
        Path("class/ada/attention.ipynb").symlink_to("../bob/attention.ipynb")
        assert "symbolic link" in submissions("class")[0][2]

    def test_a_link_that_leads_nowhere(self) -> None:
        Path("class/ada/attention.ipynb").symlink_to("nowhere.ipynb")
        assert "symbolic link" in submissions("class")[0][2]

    def test_a_linked_folder(self) -> None:
        Path("class/eve").symlink_to("bob")
        Path("class/ada/more").symlink_to("../bob")
        assert [one[:2] for one in submissions("class")] == [
            ("ada", None),
            ("bob", "attention"),
            ("eve", None),
        ]
        assert "symbolic link" in submissions("class")[2][2]

    def test_a_linked_folder_that_leads_back(self) -> None:
        put("class/ada/attention.ipynb")
        Path("class/ada/loop").symlink_to("..")
        assert [one[0] for one in submissions("class")] == ["ada", "bob"]

    def test_a_pipe(self) -> None:
        os.mkfifo("class/ada/attention.ipynb")
        assert "pipe" in submissions("class")[0][2]

    def test_a_folder_named_like_a_notebook(self) -> None:
        put("class/ada/attention.ipynb/")
        assert submissions("class") == [
            ("ada", None, "class/ada: There is no notebook (.ipynb) in the folder."),
            self.GOOD,
        ]

    def test_a_student_who_handed_in_something_else(self) -> None:
        put("class/ada/attention.docx")
        assert submissions("class") == [
            ("ada", None, "class/ada: There is no notebook (.ipynb) in the folder."),
            self.GOOD,
        ]

    def test_a_broken_zip(self) -> None:
        Path("ada.zip").write_bytes(b"PK nonsense")
        assert submissions("ada.zip", "class")[0] == (
            "ada",
            None,
            "ada.zip: The file is not a zip, or it is damaged.",
        )

    def test_an_empty_folder_beside_a_full_one(self) -> None:
        put("group 2/")
        assert ("group 2", None, "group 2: There is no notebook (.ipynb) in it.") in submissions(
            "class", "group 2"
        )

    def test_a_problem_is_forgotten_where_the_student_has_a_sound_one(self) -> None:
        put("class/ada/attention.ipynb")
        Path("class/ada/notes.ipynb").symlink_to("attention.ipynb")
        assert [one[0] for one in submissions("class")] == ["ada", "bob"]

    def test_a_folder_that_may_not_be_looked_into_is_found_for_reading_to_refuse(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look = os.scandir

        def refuse(path: os.PathLike[str]) -> object:
            if Path(path).name == "ada":
                raise PermissionError(13, "Permission denied")
            return look(path)

        monkeypatch.setattr(os, "scandir", refuse)
        ada = find([Path("class")], None, MODULES, Path("scratch"))[0]
        assert (ada.student, ada.problem) == ("ada", "")
        with pytest.raises(errors.Fault, match="permission denied"):
            read(ada.path)


class TestZips:
    def test_of_students_folders(self) -> None:
        zipped("class.zip", "ada/attention.ipynb", "bob/attention.ipynb", "bob/notes.txt")
        assert submissions("class.zip") == [
            ("ada", "attention", "class.zip/ada/attention.ipynb"),
            ("bob", "attention", "class.zip/bob/attention.ipynb"),
        ]

    def test_of_a_folder_of_students_folders(self) -> None:
        zipped("class (1).zip", "class/", "class/ada/attention.ipynb", "__MACOSX/class/ada/._attention.ipynb")
        assert submissions("class (1).zip") == [
            ("ada", "attention", "class (1).zip/class/ada/attention.ipynb")
        ]

    def test_of_a_flat_folder(self) -> None:
        zipped("class.zip", "ada.ipynb", "bob.ipynb")
        assert [one[0] for one in submissions("class.zip")] == ["ada", "bob"]

    def test_of_one_student(self) -> None:
        zipped("ada.zip", "attention.ipynb", "unet.ipynb")
        assert [one[:2] for one in submissions("ada.zip")] == [("ada", "attention"), ("ada", "unet")]

    @pytest.mark.parametrize("top", ["", "course/"])
    def test_of_nbgraders_folders(self, top: str) -> None:
        zipped("all.zip", f"{top}submitted/ada/ps1/attention.ipynb", f"{top}source/ps1/attention.ipynb")
        assert [one[:2] for one in submissions("all.zip")] == [("ada", "attention")]

    def test_a_refused_entry_is_the_zips_own_problem_and_the_others_are_found(self) -> None:
        zipped("class.zip", "../ada/attention.ipynb", "bob/attention.ipynb")
        found = submissions("class.zip")
        assert [one[:2] for one in found] == [("bob", "attention"), ("class", None)]
        assert "`../ada/attention.ipynb`" in found[1][2]

    def test_a_student_without_a_notebook(self) -> None:
        zipped("class.zip", "ada/homework.docx", "bob/attention.ipynb")
        assert submissions("class.zip")[0] == (
            "ada",
            None,
            "class.zip/ada: There is no notebook (.ipynb) in the folder.",
        )

    def test_two_zips_of_the_same_names(self) -> None:
        Path("1").mkdir()
        zipped("1/ada.zip", "attention.ipynb")
        zipped("bob.zip", "attention.ipynb")
        assert [one[0] for one in submissions("1/ada.zip", "bob.zip")] == ["ada", "bob"]


def test_settling_again_once_the_notebooks_said_their_modules() -> None:
    one = Found("ada", "attention", Path("a.ipynb"), "a.ipynb")
    broken = Found("ada", "attention", Path("b.ipynb"), "b.ipynb", "It is empty.")
    assert settle([broken, one]) == [one]
    assert settle([broken]) == [broken]
    with pytest.raises(errors.UsageError, match=r"a\.ipynb and c\.ipynb"):
        settle([one, Found("ada", "attention", Path("c.ipynb"), "c.ipynb")])
