"""docs/authoring.md: an author who does what the page says gets what the page shows."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from autograder.build.stub import read_solution
from autograder.content import fences
from autograder.content.course_root import CourseRoot
from course.catalogue import syllabus

PAGE = Path("docs", "authoring.md")
MODULE = "thresholding"
EXERCISE = "dynamic_threshold"
SYLLABUS = "course/syllabus.yaml"
# What an author's clone has, as far as the page's commands need it.
CLONE = (
    "autograder",
    "course",
    "exercises",
    "solutions",
    "pyproject.toml",
    "tests/__init__.py",
    "tests/conftest.py",
    "tests/where_time_went.py",
    "tests/modules",
)

_COMMAND = re.compile(r"\$ (?P<command>.+)\n?(?P<output>(?:.*\n?)*)")


@dataclass(frozen=True)
class Block:
    """A fenced block of the page; `title` says which file it is for."""

    language: str
    title: str
    text: str


@dataclass(frozen=True)
class Step:
    """A command of the page, what it prints there, and the change that is tried with it, if one is."""

    command: str
    output: str
    trial: Block | None


def text_of(root: CourseRoot) -> str:
    return (root.path / PAGE).read_text(encoding="utf-8")


def blocks(root: CourseRoot) -> list[Block]:
    found = list(fences.blocks(text_of(root).splitlines()))
    titles = [re.search(r'title="([^"]+)"', block.info) for block in found]
    return [
        Block(block.language, title[1] if title else "", block.text)
        for block, title in zip(found, titles, strict=True)
    ]


def new_files(root: CourseRoot) -> dict[str, str]:
    """What the page puts into files of its own, by their names."""
    written = [block for block in blocks(root) if block.title and block.language != "diff"]
    return {block.title: block.text for block in written if not block.title.startswith(SYLLABUS)}


def steps(root: CourseRoot) -> list[Step]:
    found: list[Step] = []
    trial: Block | None = None
    for block in blocks(root):
        if block.language == "console":
            shown = _COMMAND.fullmatch(block.text)
            assert shown, block.text
            found.append(Step(shown["command"], shown["output"], trial))
        trial = block if block.language == "diff" else None
    return found


def with_the_module(root: CourseRoot) -> str:
    """The syllabus as it is after step 1: the new module stands where the page has it."""
    (block,) = [block for block in blocks(root) if block.title.startswith(SYLLABUS)]
    shown = re.fullmatch(r"modules: \[\.\.\., (\w+), (\w+), \.\.\.\]\n", block.text)
    assert shown, block.text
    before = re.compile(rf"^modules: .*\b{shown[1]}\b", re.MULTILINE)
    text, count = before.subn(rf"\g<0>, {shown[2]}", root.read(root.path / SYLLABUS))
    assert count == 1, shown[1]
    return text


def changed(text: str, change: Block) -> str:
    """The text with the lines that begin with `-` taken out, and those that begin with `+` put in."""
    lines = change.text.splitlines(keepends=True)
    old = "".join(line[1:] or "\n" for line in lines if line[0] != "+")
    new = "".join(line[1:] or "\n" for line in lines if line[0] != "-")
    assert text.count(old) == 1, f"this is not in {change.title}, or more than once:\n{old}"
    return text.replace(old, new)


# --- what can be told without running anything ------------------------------------------------------------


def test_the_blocks_have_a_place(course_root: CourseRoot) -> None:
    files = new_files(course_root)
    owned = (
        course_root.entry(MODULE),
        course_root.solution(MODULE),
        course_root.lesson(MODULE),
        course_root.suite(MODULE),
        course_root.mistakes(MODULE),
        course_root.variants(MODULE),
    )
    assert {course_root.relative(path) for path in owned} < files.keys()
    for name in files:
        assert (course_root.path / name).parent.name == MODULE or name == f"solutions/{MODULE}.py"
        assert not (course_root.path / name).exists(), f"the course has {name} now: take another example"


def test_the_module_fits_into_the_syllabus(course_root: CourseRoot) -> None:
    before = [module.id for module in course_root.syllabus.modules]
    after = syllabus.parse(with_the_module(course_root)).modules
    assert [id for id in after if id != MODULE] == before
    assert before[after.index(MODULE) - 1] == "guidance"
    entry = course_root.relative(course_root.entry(MODULE))
    (exercise,) = syllabus.parse_module(MODULE, new_files(course_root)[entry]).exercises
    assert exercise.id == EXERCISE


def test_the_changes_can_be_made(course_root: CourseRoot) -> None:
    files = new_files(course_root)
    trials = [step.trial for step in steps(course_root) if step.trial]
    assert len(trials) == 4
    for trial in trials:
        compile(changed(files[trial.title], trial), trial.title, "exec")


def test_every_file_and_heading_that_is_named_is_there(course_root: CourseRoot) -> None:
    lines = text_of(course_root).splitlines()
    prose = "\n".join(line for line, code in zip(lines, fences.in_code(lines), strict=True) if not code)
    named = re.findall(r"`((?:autograder|course|docs|solutions|tests)/[\w./-]*)`", prose)
    assert len(named) > 8
    for name in named:
        if "MODULE" not in name:
            assert (course_root.path / name).exists(), name
    headings = {line.strip("# ").lower().replace(" ", "-") for line in prose.splitlines() if line[:1] == "#"}
    for anchor in re.findall(r"\]\(#([\w-]+)\)", prose):
        assert anchor in headings, anchor


# --- what an author does ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Author:
    """Works in a clone of the course's own, with the environment that the tests run in."""

    clone: Path

    def follow(self, step: Step) -> tuple[int, str]:
        """Exit code and output of a step's command, with its change made for as long as it runs."""
        if step.trial is None:
            return self.run(step.command)
        file = self.clone / step.trial.title
        before = file.read_text(encoding="utf-8")
        file.write_text(changed(before, step.trial), encoding="utf-8")
        try:
            return self.run(step.command)
        finally:
            file.write_text(before, encoding="utf-8")

    def run(self, command: str) -> tuple[int, str]:
        program, *words = shlex.split(command)
        program = program.replace(".venv/bin", str(Path(sys.executable).parent))
        # The clone's own `course` and `solutions`, not those that are installed here.
        environment = {**os.environ, "PYTHONPATH": str(self.clone), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [program, *words], cwd=self.clone, env=environment, capture_output=True, text=True, timeout=200
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def author(course_root: CourseRoot, tmp_path_factory: pytest.TempPathFactory) -> Author:
    """An author who has written all that the page says to write, and run nothing yet."""
    clone = tmp_path_factory.mktemp("clone")
    for name in CLONE:
        source, target = course_root.path / name, clone / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (clone / "course" / "syllabus.yaml").write_text(with_the_module(course_root), encoding="utf-8")
    for folder in ("course/modules", "tests/modules", "autograder/hidden"):
        (clone / folder / MODULE).mkdir()
    for folder in ("course/modules", "tests/modules"):
        (clone / folder / MODULE / "__init__.py").touch()
    for name, text in new_files(course_root).items():
        (clone / name).write_text(text, encoding="utf-8")
    return Author(clone)


def comparable(output: str) -> list[str]:
    """The lines without what differs between two machines: rounding, spacing, the sandbox's name."""
    output = re.sub(r"\d\.\de-\d\d", "SMALL", output)
    output = re.sub(r", (?:full|landlock|none)\)", ", WORKER)", output)
    return [line for each in output.splitlines() if (line := " ".join(each.split())) and set(line) != {"─"}]


def assert_shown(shown: str, printed: str) -> None:
    """What the page shows is what was printed; `...` on the page stands for any lines."""
    left = comparable(printed)
    for number, part in enumerate(re.split(r"^\.\.\.$", shown, flags=re.MULTILINE)):
        lines = comparable(part)
        starts = [at for at in range(len(left) + 1) if left[at : at + len(lines)] == lines]
        assert starts, f"the page shows\n{part}\nand this was printed:\n{printed}"
        assert number or starts[0] == 0, f"more was printed than the page shows:\n{printed}"
        left = left[starts[0] + len(lines) :]
    assert not left or shown.rstrip().endswith("\n..."), f"more was printed than the page shows:\n{printed}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_commands_print_what_the_page_shows(course_root: CourseRoot, author: Author) -> None:
    followed = steps(course_root)
    assert [step.command.split()[1] for step in followed if not step.trial] == [
        "build",
        "verify",
        "-m",
        "grade",
    ]
    for step in followed:
        if " grade " in step.command:
            hand_in(author.clone)
        code, printed = author.follow(step)
        assert code == (1 if step.trial else 0), printed
        assert step.output or "-m" in step.command, "the page does not show what this prints"
        if step.output:
            assert_shown(step.output, printed)
        else:  # the comparison of step 2 makes eight, the rest is what is asked of every hidden suite
            (passed,) = re.findall(r"^(\d+) passed", printed, re.MULTILINE)
            assert int(passed) > 8, printed
    assert_graded(author.clone / "graded")


def hand_in(clone: Path) -> None:
    """Three notebooks: as it was built, with the solution of the page, and with one of its mistakes."""
    solution = read_solution((clone / "solutions" / f"{MODULE}.py").read_text(encoding="utf-8"), MODULE)
    right = solution.solved([EXERCISE])
    wrong = right.replace(", p, dim=1)", ", 0.995, dim=1)")
    assert wrong != right
    for name, answer in {"untouched": "", "right": right, "wrong": wrong}.items():
        notebook = nbformat.read(clone / "exercises" / f"{MODULE}.ipynb", as_version=4)
        (cell,) = [cell for cell in notebook.cells if f"def {EXERCISE}(" in cell.source]
        assert f'raise NotImplementedError("write {EXERCISE}")' in cell.source
        cell.source = answer or cell.source
        target = clone / "submitted" / name / f"{MODULE}.ipynb"
        target.parent.mkdir(parents=True)
        nbformat.write(notebook, target)


def assert_graded(folder: Path) -> None:
    with (folder / "grades.csv").open(encoding="utf-8", newline="") as file:
        points = {row["student"]: (row["status"], float(row["points"])) for row in csv.DictReader(file)}
    assert points == {"untouched": ("graded", 0), "right": ("graded", 10), "wrong": ("graded", 0)}
    named = {
        path.parent.name.rpartition("-")[0]: [mistake["id"] for mistake in exercise["mistakes"]]
        for path in (folder / "results").glob(f"*/{MODULE}.json")
        for exercise in json.loads(path.read_text(encoding="utf-8"))["exercises"]
    }
    assert named == {"untouched": [], "right": [], "wrong": ["share_written_in"]}
    (page,) = (folder / "feedback").glob(f"wrong/{MODULE}.html")
    assert "The default value belongs in the signature" in " ".join(page.read_text(encoding="utf-8").split())


@pytest.mark.slow
def test_the_solved_notebook_draws_and_its_checks_hold(course_root: CourseRoot, author: Author) -> None:
    (command,) = re.findall(r"`(\S+ -m autograder.site.record) MODULE`", text_of(course_root))
    code, printed = author.run(f"{command} {MODULE}")
    assert code == 0, printed
    recorded = author.clone / "docs" / "demos"
    assert "All 3 checks hold." in (recorded / f"{MODULE}.json").read_text(encoding="utf-8")
    light, dark = sorted(path.name for path in (recorded / MODULE).glob("*.png"))[::-1]
    assert dark == light.replace(".png", "-dark.png")
