"""Whose notebook is whose, from the layout alone; one bad submission never stops the others."""

from __future__ import annotations

import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from autograder import errors
from autograder.submission import walk
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

    def test_an_empty_zip(self) -> None:
        zipped("class.zip")
        assert refused("class.zip").startswith("no notebook (.ipynb) in class.zip")

    def test_another_kind_of_file(self) -> None:
        put("grades.csv")
        assert refused("grades.csv") == "grades.csv: name a notebook (.ipynb), a .py file, a zip or a folder"

    def test_the_same_file_named_twice_is_one(self) -> None:
        put("class/ada/attention.ipynb")
        assert len(submissions("class", "class/ada/attention.ipynb", str(Path("class").resolve()))) == 1

    def test_a_folder_that_was_surely_not_meant(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(walk, "MAX_FOLDERS", 3)
        put("class/a.ipynb", "class/b.ipynb", "class/c.ipynb", "class/d.ipynb")
        assert "more than 3 files" in refused("class")


HAND_IN = "hand in a notebook named after its module (attention, unet)."


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
            ("ada", None, f"class/ada: It is empty: {HAND_IN}"),
            self.GOOD,
        ]

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("attention.docx", "attention.docx (a Word document)"),
            ("attention.ipynb.txt", "attention.ipynb.txt (a text file)"),
            ("attention.7z", "attention.7z (an archive of another kind than zip)"),
            ("week 3/attention.pdf", "week 3/attention.pdf (a PDF)"),
        ],
    )
    def test_a_student_who_handed_in_something_else(self, name: str, said: str) -> None:
        put(f"class/ada/{name}")
        (ada, bob) = submissions("class")
        assert bob == self.GOOD
        assert ada[:2] == ("ada", "attention")
        assert ada[2] == (
            f"class/ada/{name}: It has {said}, and no notebook (.ipynb) or .py file: hand in attention.ipynb."
        )

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
        for typed in ("class", "class/ada"):
            ada = find([Path(typed)], None, MODULES, Path("scratch"))[0]
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
            "class.zip/ada/homework.docx: It has homework.docx (a Word document), "
            f"and no notebook (.ipynb) or .py file: {HAND_IN}",
        )

    def test_two_zips_of_the_same_names(self) -> None:
        Path("1").mkdir()
        zipped("1/ada.zip", "attention.ipynb")
        zipped("bob.zip", "attention.ipynb")
        assert [one[0] for one in submissions("1/ada.zip", "bob.zip")] == ["ada", "bob"]


class TestSeveralFilesOfOneStudent:
    """The one with the module's exact name counts; that student alone is told where there is none."""

    @pytest.fixture(autouse=True)
    def good(self) -> None:
        put("class/bob/attention.ipynb")

    @staticmethod
    def of_ada(*typed: str, module: str | None = None) -> Found:
        ada, bob = find([Path(path) for path in typed], module, MODULES, Path("scratch"))
        assert (bob.student, bob.problem, bob.others) == ("bob", "", ())
        assert ada.student == "ada"
        return ada

    @pytest.mark.parametrize("other", ["old/attention.ipynb", "attention (1).ipynb", "Attention.ipynb"])
    def test_the_exact_name_that_lies_highest_counts_and_the_other_is_mentioned(self, other: str) -> None:
        put("class/ada/attention.ipynb", f"class/ada/{other}")
        ada = self.of_ada("class")
        assert (ada.shown, ada.problem) == ("class/ada/attention.ipynb", "")
        assert ada.note == f"Of several files attention.ipynb was graded; not looked at: {other}."

    def test_without_an_exact_name_there_is_a_problem(self) -> None:
        put("class/ada/attention (1).ipynb", "class/ada/attention-2.ipynb")
        Path("class/ada/attention (1).ipynb").write_text("another")
        assert self.of_ada("class").problem == (
            "It has 2 files for 'attention' (attention (1).ipynb, attention-2.ipynb): "
            "hand in one of them, named attention.ipynb."
        )

    def test_two_that_are_the_same_byte_for_byte_are_one(self) -> None:
        put("class/ada/x/attention.ipynb", "class/ada/y/attention.ipynb")
        assert self.of_ada("class").note.startswith("Of several files x/attention.ipynb was graded")

    def test_over_several_paths(self) -> None:
        put("class/ada/attention.ipynb")
        with zipfile.ZipFile("late.zip", "w") as archive:
            archive.writestr("ada/attention.ipynb", "another")
        assert "(class/ada/attention.ipynb, late.zip/ada/attention.ipynb)" in (
            self.of_ada("class", "late.zip").problem
        )

    def test_named_one_by_one(self) -> None:
        put("class/ada/attention.ipynb", "class/ada/attention (1).ipynb")
        typed = ["class/ada/attention (1).ipynb", "class/ada/attention.ipynb", "class/bob/attention.ipynb"]
        assert self.of_ada(*typed).shown == "class/ada/attention.ipynb"

    def test_in_nbgraders_folder(self) -> None:
        put("submitted/ada/ps1/attention.ipynb", "submitted/ada/ps1/attention-Copy1.ipynb")
        put("submitted/bob/ps1/attention.ipynb", "submitted/ada/timestamp.txt")
        assert self.of_ada("submitted").others == ("ps1/attention-Copy1.ipynb",)

    def test_of_a_link_and_a_sound_file_the_sound_one_counts(self) -> None:
        put("class/ada/attention (1).ipynb")
        Path("class/ada/attention.ipynb").symlink_to("../bob/attention.ipynb")
        assert self.of_ada("class").shown == "class/ada/attention (1).ipynb"


class TestOneStudentCannotTouchAnother:
    def names(self, *typed: str) -> set[str]:
        return {one[0] for one in submissions(*typed)}

    def test_one_who_is_called_submitted(self) -> None:
        put("class/ada/attention.ipynb", "class/bob/attention.ipynb", "class/submitted/eve/attention.ipynb")
        assert self.names("class") == {"ada", "bob", "submitted"}

    def test_a_course_folder_is_known_by_its_configuration(self) -> None:
        put("course/submitted/ada/ps1/attention.ipynb", "course/slides/x.ipynb", "course/nbgrader_config.py")
        assert self.names("course") == {"ada"}

    def test_names_that_would_look_the_same_are_told_apart(self) -> None:
        for name in ("ada", "ada ", "Zoë", "Zoe\u0308", "b\x1bo", "b\\x1bo"):
            put(f"class/{name}/attention.ipynb")
        assert self.names("class") == {
            "ada",
            "ada ('ada ')",
            "Zoë",
            "Zoë ('Zoe\\u0308')",
            "b\\x1bo",
            "b\\x1bo ('b\\x1bo')",
        }

    def test_a_name_that_goes_on_and_on_is_cut_and_told_apart(self) -> None:
        zipped("class.zip", f"{'a' * 5_000}/attention.ipynb", f"{'a' * 5_001}/attention.ipynb")
        names = self.names("class.zip")
        assert len(names) == 2
        assert max(map(len, names)) < 200

    def test_a_name_that_is_no_text_is_read_all_the_same(self) -> None:
        put("class/ada/attention.ipynb")
        for name in (b"class/M\xfcller/attention.ipynb", b"class/Zo\xeb.ipynb"):
            path = Path(os.fsdecode(name))
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"{}")
        found = find([Path("class")], None, MODULES, Path("scratch"))
        assert {one.student for one in found} == {"ada", "M\\udcfcller", "Zo\\udceb"}
        for one in found:
            assert one.path.read_bytes() == b"{}"
            assert f"{one.path}{one.shown}{one.student}{one.place}".encode()

    def test_more_files_than_anybody_hands_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(walk, "MAX_FILES", 3)
        put(
            "class/ada/attention.ipynb",
            *(f"class/bob/data/{n}.csv" for n in range(5)),
            "class/cem/unet.ipynb",
        )
        assert [one[:2] for one in submissions("class")] == [
            ("ada", "attention"),
            ("bob", None),
            ("cem", "unet"),
        ]
        assert "more than 3 files" in submissions("class")[1][2]

    def test_folders_without_end(self) -> None:
        put("class/ada/attention.ipynb")
        folder = os.open("class", os.O_RDONLY)
        for _ in range(100):
            os.mkdir("deeper" * 20, dir_fd=folder)
            inner = os.open("deeper" * 20, os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = inner
        os.close(folder)
        assert [one[0] for one in submissions("class")] == ["ada", "deeper" * 20]

    def test_a_zip_in_a_class_is_each_students_own(self) -> None:
        put("class/bob/attention.ipynb")
        zipped("class/ada.zip", "attention.ipynb", "../x.ipynb")
        Path("class/eve.zip").write_bytes(b"PK")
        assert [one[:2] for one in submissions("class")] == [
            ("ada", "attention"),
            ("bob", "attention"),
            ("eve", None),
        ]

    def test_many_files_of_one_in_a_zip_take_nothing_from_the_next(self) -> None:
        zipped("class.zip", *(f"bob/{n}/attention.ipynb" for n in range(2_000)), "cem/attention.ipynb")
        bob, cem = find([Path("class.zip")], None, MODULES, Path("scratch"))
        assert (bob.student, cem.student, cem.problem) == ("bob", "cem", "")
        assert len(os.listdir(cem.path.parent)) < 20

    def test_results_in_the_folder_are_nobodys_work(self) -> None:
        put("class/ada/attention.ipynb", "class/graded/results/ada/attention.json")
        found = find([Path("class")], None, MODULES, Path("scratch"), results=Path("class/graded"))
        assert [one.student for one in found] == ["ada"]


def test_everybody_in_a_flat_folder_has_a_row() -> None:
    put("class/ada.ipynb", "class/bob.pdf", "class/cem.ipynb.txt", "class/dov.py")
    assert [one[0] for one in submissions("class")] == ["ada", "bob", "cem", "dov"]


def test_files_that_are_typed_one_by_one_have_rows_of_their_own() -> None:
    put("in/ada.ipynb", "in/bob.pdf", "in/cem.py")
    zipped("in/dov.zip", "attention.ipynb")
    typed = ["in/ada.ipynb", "in/bob.pdf", "in/cem.py", "in/dov.zip"]
    assert [one[0] for one in submissions(*typed)] == ["ada", "bob", "cem", "dov"]


def test_what_lies_beside_a_students_notebook_is_theirs() -> None:
    put("ada/attention.ipynb", "ada/helpers.py", "ada/picture.png", "ada/data/x.csv")
    assert [one[:2] for one in submissions("ada")] == [("ada", "attention")]


def test_what_lies_beside_the_students_folders_is_nobodys_but_a_notebook() -> None:
    put("class/ada/attention.ipynb", "class/attention.pdf", "class/roster.csv", "class/bob.ipynb")
    assert [one[0] for one in submissions("class")] == ["ada", "bob"]


def test_settling_again_once_the_notebooks_said_their_modules() -> None:
    one = Found("ada", "attention", Path("a.ipynb"), "a.ipynb")
    broken = Found("ada", "attention", Path("b.ipynb"), "b.ipynb", "It is empty.")
    of_none = Found("ada", None, Path("c.ipynb"), "c.ipynb", "It is not clear which module this is.")
    assert settle([broken, of_none, one]) == [replace(one, others=("c.ipynb", "b.ipynb"))]
    assert settle([broken]) == [broken]
    assert settle([of_none]) == [of_none]
    assert "(a.ipynb, d.ipynb)" in settle([one, replace(one, path=Path("d"), shown="d.ipynb")])[0].problem


def test_what_a_check_has_kept_is_nobodys_work() -> None:
    """`mine/` is a copy of what the notebook has: never graded for it, and no student of that name."""
    kept = ("mine/attention.py", "mine/.kept.json", "mine/earlier/attention/a.ipynb")
    put("attention.ipynb", *kept)
    assert [path for _, _, path in submissions(".")] == ["attention.ipynb"]
    os.remove("attention.ipynb")
    put("class/ada/unet.ipynb", *(f"class/ada/{name}" for name in kept), "class/mine/attention.ipynb")
    assert [(who, path) for who, _, path in submissions("class")] == [
        ("ada", "class/ada/unet.ipynb"),
        ("mine", "class/mine/attention.ipynb"),
    ]
    zipped("ben.zip", "attention.ipynb", *kept)
    assert len(submissions("ben.zip")) == 1
