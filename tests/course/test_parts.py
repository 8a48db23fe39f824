"""`parts`: a student's own once it passes, the course's until then, and the same names for everybody."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

import solutions.attention
import solutions.noise
import solutions.unet
from autograder import build
from autograder.content.course_root import CourseRoot
from course import parts
from course.catalogue.syllabus import SyllabusError, load
from course.desk import lent
from course.parts import _fit, _told, lent_names
from tests.desk.answers import ROOT, keep_all

TAKEN = [(id, name) for module in load().modules for id, names in module.takes.items() for name in names]
SOLUTIONS = {"attention": solutions.attention, "unet": solutions.unet, "noise": solutions.noise}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lent, "_for_good", [])
    monkeypatch.delenv("COURSE_MINE", raising=False)
    _told.clear()
    _fit.clear()


def change(old: str, new: str, module: str = "attention") -> None:
    file = Path("mine", f"{module}.py")
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_parts_are_the_courses_until_ones_own_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert parts.attention.CrossAttention.__module__ == "course.modules.attention.lent"
    assert parts.taken_by("unet").splitlines()[1:] == [
        f"  attention.{name}  borrowed from the course, until yours passes its check in attention.ipynb"
        for name in ("MultiHeadSelfAttention", "CrossAttention        ")
    ]
    keep_all(Path(), "attention")
    own = parts.attention.CrossAttention
    assert own.__module__ == "mine.attention"
    assert parts.attention.CrossAttention is own
    assert "attention.CrossAttention          yours, checked on " in repr(parts)
    assert "(mine/attention.py)" in repr(parts.attention)
    assert capsys.readouterr().out == ""


def test_grading_and_checks_get_the_courses_whatever_lies_in_mine() -> None:
    keep_all(Path(), "attention")
    with lent.for_now():
        assert parts.attention.CrossAttention.__module__ == "course.modules.attention.lent"
        assert "borrowed" in repr(parts.attention)
    assert parts.attention.CrossAttention.__module__ == "mine.attention"
    lent.for_good()
    assert parts.attention.CrossAttention.__module__ == "course.modules.attention.lent"


def test_a_part_that_no_longer_works_gives_way_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    keep_all(Path(), "attention")
    change("inner = heads * head_dim", "inner = 2 * heads * head_dim")
    for _ in range(2):
        assert parts.attention.CrossAttention.__module__ == "course.modules.attention.lent"
        assert parts.attention.MultiHeadSelfAttention.__module__ == "mine.attention"
    said = capsys.readouterr().out
    assert said.startswith("Your CrossAttention in mine/attention.py is not used: ")
    assert said.endswith("The course's takes its place.\n")
    assert said.count("\n") == 1
    assert "borrowed from the course: yours in mine/attention.py is not used, " in repr(parts.attention)

    change("import math", "import maths")
    assert parts.attention.MultiHeadSelfAttention.__module__ == "course.modules.attention.lent"
    assert "No module named 'maths'" in capsys.readouterr().out


@pytest.mark.slow
def test_a_part_that_passes_and_does_not_fit_gives_way(capsys: pytest.CaptureFixture[str]) -> None:
    keep_all(Path(), "unet")
    assert parts.unet.UNet.__module__ == "mine.unet"
    _fit.clear()
    state = torch.random.get_rng_state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts.unet.UNet, "forward", lambda self, x, t, context: x)
        _fit.clear()
        assert parts.unet.UNet.__module__ == "course.modules.unet.lent"
    assert "it does not fit in the place of the course's (ValueError: with the trained" in (
        capsys.readouterr().out
    )
    assert torch.equal(torch.random.get_rng_state(), state)


def test_there_are_the_same_names_for_everybody() -> None:
    keep_all(Path(), "attention")
    with pytest.raises(AttributeError, match="no part 'split_heads' is handed on from attention: there are"):
        _ = parts.attention.split_heads
    with pytest.raises(
        AttributeError, match="no module 'lora' hands parts on: choose one of attention, unet"
    ):
        _ = parts.lora
    assert dir(parts.attention) == ["CrossAttention", "MultiHeadSelfAttention"]
    assert dir(parts) == ["attention", "noise", "taken_by", "unet"]


@pytest.mark.parametrize(("module", "name"), TAKEN)
def test_what_is_taken_is_lent_and_is_called_as_the_exercise_is(module: str, name: str) -> None:
    assert name in lent_names(module)
    ours, asked = (
        getattr(import_module(f"course.modules.{module}.lent"), name),
        getattr(SOLUTIONS[module], name),
    )
    if (module, name) != ("unet", "UNet"):  # in its default size alone
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(asked).parameters)
    if isinstance(asked, type) and (
        fits := getattr(import_module(f"course.modules.{module}.lent"), "fits", None)
    ):
        fits(name, asked)


def test_nothing_is_lent_that_no_module_takes() -> None:
    lent_by_all = {(module.id, name) for module in load().modules for name in lent_names(module.id)}
    assert lent_by_all == set(TAKEN)


@pytest.mark.parametrize("module", [module.id for module in load().modules])
def test_a_lesson_takes_what_its_module_says_and_says_whose_it_is_once(module: str) -> None:
    notebook = build.compose(ROOT, module, build.answers(ROOT, module, "solved"))
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    used = {
        (node.value.attr, node.attr)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and isinstance(node.value.value, ast.Name)
        and node.value.value.id == "parts"
    }
    takes = load().module(module).takes
    assert used == {(id, name) for id, names in takes.items() for name in names}
    assert source.count(f'parts.taken_by("{module}")') == bool(takes)


def test_a_module_takes_from_earlier_ones_alone(tmp_path: Path) -> None:
    (tmp_path / "syllabus.yaml").write_text("title: One\nmodules: [one]\n", encoding="utf-8")
    (tmp_path / "modules" / "one").mkdir(parents=True)
    (tmp_path / "modules" / "one" / "module.yaml").write_text(
        "title: One\nsummary: One.\ntakes: {two: [f]}\n"
        "exercises: [{id: f, title: F, points: 1, minutes: 1, difficulty: 1}]\n",
        encoding="utf-8",
    )
    with pytest.raises(SyllabusError, match=r"it takes two\.f, which no earlier module defines"):
        load(tmp_path / "syllabus.yaml")


def test_the_digest_of_a_module_knows_what_it_borrows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autograder.content.module import GradedModule

    unet = GradedModule.load(CourseRoot(ROOT.path), "unet")
    assert [path.name for path in unet._lent] == ["lent.py"]
    before = unet.digest
    monkeypatch.setattr(GradedModule, "_lent", ())
    assert GradedModule.load(CourseRoot(ROOT.path), "unet").digest != before


@pytest.mark.slow
def test_without_a_notebook_mine_is_a_library() -> None:
    """In a script, too, the student's UNet is made of the student's attention."""
    keep_all(Path(), "attention", "unet")
    source = (
        "from mine.unet import UNet; print(type(UNet().mid_block.attentions[0].transformer_blocks[0].attn2))"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "<class 'mine.attention.CrossAttention'>\n"
