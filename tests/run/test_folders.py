"""What students' folders are called: legible, one for each, and none that some file system would not take."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.run.folders import feedback_folders, folder_name


def test_a_folder_name_is_named_after_what_is_legible_of_a_student() -> None:
    assert folder_name("Émile Okafor").startswith("emile-okafor-")
    assert folder_name("김혜진").startswith("student-")


@pytest.mark.parametrize(
    ("one", "other"), [("Ada", "ada"), ("Ada L", "Ada-L"), ("Émile", "Emile"), ("김혜진", "陈晨曦")]
)
def test_students_whose_names_look_alike_have_results_of_their_own(one: str, other: str) -> None:
    assert folder_name(one) != folder_name(other)


@given(st.text(alphabet=st.characters(), max_size=300))
def test_any_name_makes_a_plain_folder_name(name: str) -> None:
    made = folder_name(name)
    assert made == folder_name(name)
    assert len(made) <= 80
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(made.rpartition("-")[2]) * 4 >= 64


def folder(name: str, *others: str) -> str:
    return feedback_folders([*others, name])[name]


@pytest.mark.parametrize(
    "name",
    [
        "Ada Lovelace",
        "Zoë",
        "김혜진",
        "陈 晨曦",
        "Γιώργος Παππάς",
        "محمد",
        "راه\u200cآهن",
        "नमस्ते",
        "O'Neil",
        "J. Smith",
        "ada_1234",
        "Wei Wang (7002)",
        "ß",
        "👩🏽\u200d🔬",
        "50% off; #1 & co",
    ],
)
def test_a_name_in_any_script_is_kept_as_it_is(name: str) -> None:
    assert folder(name) == name


@pytest.mark.parametrize(
    ("name", "legible"),
    [
        ("a/b", "a_b"),
        ("..", "_"),
        ("../../x", "_.._x"),
        ("", "_"),
        (" ada ", "ada"),
        ("ada.", "ada"),
        (".ada", "ada"),
        ('what? <"x">|*:\\', "what_ __x______"),
        ("a\nb\x1b", "a_b_"),
        ("\u202egnorw", "_gnorw"),
        ("half \ud83d", "half _"),
        ("CON", "_CON"),
        ("aux.txt", "_aux.txt"),
        ("Zoe\u0308", "Zoë"),
        ("ada-0123456789abcdef", "ada-0123456789abcdef"),
        ("a" * 300, "a" * 120),
        ("김" * 100, "김" * 40),
    ],
)
def test_what_a_file_system_would_not_take_is_replaced_and_a_hash_follows(name: str, legible: str) -> None:
    shown, _, hash = folder(name).rpartition("-")
    assert shown == legible
    assert len(hash) == 16


@pytest.mark.parametrize(
    "names",
    [("Ada", "ada"), ("STRASSE", "straße"), ("ﬁ", "fi"), ("Zoë", "Zoe\u0308"), ("K", "\u212a"), ("ı", "I")],
)
def test_two_that_some_file_system_takes_for_one_have_a_hash_each(names: tuple[str, str]) -> None:
    made = feedback_folders(names)
    assert all(len(made[name].rpartition("-")[2]) == 16 for name in names)
    assert feedback_folders(reversed(names)) == made
    assert feedback_folders([names[0]])[names[0]] in (names[0], made[names[0]])


def test_nobody_can_be_called_what_another_is_with_a_hash() -> None:
    taken = feedback_folders(["Ada", "ada"])["Ada"]
    assert feedback_folders(["Ada", "ada", taken])[taken] != taken


@given(st.lists(st.text(alphabet=st.characters(), max_size=40), unique=True, max_size=6))
def test_folders_are_different_everywhere_and_do_not_depend_on_the_order(names: list[str]) -> None:
    made = feedback_folders(names)
    assert made == feedback_folders(reversed(names))
    assert len({unicodedata.normalize("NFD", name.upper().casefold()) for name in made.values()}) == len(
        names
    )
    for name in made.values():
        assert len(name.encode()) <= 140
        assert name == name.strip(" .")
        assert not set(name) & set('<>:"/\\|?*')
