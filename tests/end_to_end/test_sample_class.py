"""`autograder grade` over the sample class: from the files handed in to grades, pages and report."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from autograder.content.course_root import CourseRoot
from autograder.handout.leaks import Secret, find_leaks, secrets
from autograder.processes.devices import cuda_problem
from autograder.results import Result
from autograder.run.folders import folder_name
from autograder.run.store import Store
from autograder.sandbox.levels import Isolation, probe
from tests.end_to_end.conftest import SEED, Grade, Graded, named
from tests.sample_class import CLASS, Student, as_expected
from tests.sample_class.outcome import PART

EVERYBODY = pytest.mark.parametrize("student", CLASS, ids=lambda student: student.name)


def page_of(run: Graded, student: Student) -> Path:
    return run.out / "feedback" / student.name / "attention.html"


def as_read(page: Path) -> str:
    """The text of a page as a person reads it."""
    shown = re.sub(r"<style>.*?</style>", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", shown)).split())


def squeezed(text: str) -> str:
    """Without blanks and backticks, which are set as code."""
    return re.sub(r"[\s`]", "", text)


def judgement(result: Result) -> dict[str, Any]:
    """A result without what may differ between two runs: times, and how the worker was isolated."""
    told = result.model_dump(mode="json", by_alias=True)
    return {
        name: told[name] for name in told if name not in ("started", "seconds", "isolation", "key", "path")
    }


# --- each student


@EVERYBODY
def test_everybody_gets_what_the_notebook_deserves(student: Student, class_run: Graded) -> None:
    result = class_run.results[student.name]
    assert as_expected(result, student.expected) == student.expected, student.what
    assert result.points == pytest.approx(sum(exercise.points for exercise in result.exercises))
    assert (result.max_points, result.run_seed) == (110, SEED)


@EVERYBODY
def test_everybody_has_a_feedback_page_of_their_own(student: Student, class_run: Graded) -> None:
    result, text = class_run.results[student.name], as_read(page_of(class_run, student))
    assert student.name in text
    assert not [other.name for other in CLASS if other is not student and other.name in text]
    for exercise in result.exercises if result.status == "graded" else []:
        assert exercise.title in text
        for mistake in exercise.mistakes:
            assert mistake.title in text
    if result.status == "unreadable":
        assert result.reason in text
    assert ("Would fail on a GPU" in text) == bool(student.expected.fails_on_a_gpu)


def test_only_the_file_that_is_broken_is_called_so(class_run: Graded) -> None:
    reasons = {name: result.reason for name, result in class_run.results.items() if result.reason}
    assert set(reasons) == {"Ulrike Brandstätter", "Víctor Ibáñez"}
    assert "not JSON" in reasons["Ulrike Brandstätter"]
    assert "not the notebook of module 'attention'" in reasons["Víctor Ibáñez"]


def test_a_student_sees_only_lines_of_their_own_in_an_error(class_run: Graded) -> None:
    result = class_run.results["Noor van der Meer"]
    (split,) = (exercise for exercise in result.exercises if exercise.id == "split_heads")
    traces = [test.error.trace for test in split.tests if test.error]
    assert traces
    assert all(
        re.fullmatch(r"(cell \d+, line \d+, in (split|merge)_heads: .*\n?)+", trace) for trace in traces
    )
    assert "NameError: name 'friend' is not defined" in as_read(page_of(class_run, named("Noor"))).replace(
        " :", ":"
    )


def test_malformed_answers_are_told_apart_from_wrong_ones(class_run: Graded) -> None:
    quiz = class_run.results["Wiremu Parata"].exercises[-1]
    said = {test.id.rpartition(".")[2]: test.message for test in quiz.tests}
    assert said["q1"] == "a plain number is expected, without quotes; this is the text '12'"
    assert "one letter in quotes is expected (a, b, c, d)" in said["q7"]
    assert said["q3"] == said["q6"] == ""


def test_what_a_notebook_prints_is_kept(class_run: Graded) -> None:
    assert class_run.results["Oluwaseun Adéyẹmí"].stdout == "None None\n"


# --- the class


def test_the_run_ends_well_and_says_where_everything_is(class_run: Graded) -> None:
    assert class_run.code == 0, class_run.complained
    assert class_run.complained == ""
    for student in CLASS:
        assert re.search(rf"\] {re.escape(student.name)}  attention  [\d.]+ of 110", class_run.said)
    for name in ("report.html", "feedback", "grades.csv"):
        assert str(class_run.out / name) in class_run.said


def test_the_tables_agree_with_the_results(class_run: Graded) -> None:
    results = class_run.results
    lines = (class_run.out / "results.jsonl").read_text().splitlines()
    assert {line["student"]: Result.from_json(json.dumps(line)) for line in map(json.loads, lines)} == results
    with (class_run.out / "grades.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows.keys() == results.keys() == {student.name for student in CLASS}
    for name, result in results.items():
        assert float(rows[name]["points"]) == result.points
        assert class_run.out / rows[name]["page"] == page_of(class_run, named(name))
        for exercise in result.exercises:
            assert float(rows[name][f"attention.{exercise.id}"]) == exercise.points


def test_the_report_names_everybody_and_shows_what_a_person_should_look_at(class_run: Graded) -> None:
    page = class_run.out / "report.html"
    text, links = as_read(page), set(re.findall(r'href="(feedback/[^"]+)"', page.read_text(encoding="utf-8")))
    for student in CLASS:
        assert student.name in text
        assert quote(page_of(class_run, student).relative_to(class_run.out).as_posix()) in links
    for result in class_run.results.values():
        for flag in result.flags:
            assert squeezed(flag.message) in squeezed(text)


@pytest.mark.slow
def test_nothing_that_anybody_gets_to_see_gives_a_secret_away(
    class_run: Graded, sample_class: Path, course_root: CourseRoot
) -> None:
    hidden = not_told_by_design(class_run, secrets(course_root))
    assert find_leaks([("suite", course_root.suite("attention").read_bytes())], hidden)
    for student in CLASS:
        notebook = (sample_class / student.path).read_bytes()
        own = {leak.secret for leak in find_leaks([("notebook.ipynb", notebook)], hidden)}
        page = page_of(class_run, student)
        pages = [(page.name, page.read_bytes()), ("as read", as_read(page).encode())]
        assert find_leaks(pages, [secret for secret in hidden if secret not in own]) == [], student.name
    report = class_run.out / "report.html"
    assert find_leaks([("report", report.read_bytes()), ("as read", as_read(report).encode())], hidden) == []


def not_told_by_design(run: Graded, known: list[Secret]) -> list[Secret]:
    """Without the sentences that students read: what is tested, and the mistakes that are named."""
    told = "\n".join(
        text
        for result in run.results.values()
        for exercise in result.exercises
        for text in (
            *(test.title for test in exercise.tests),
            *(f"{mistake.title}\n{mistake.hint}" for mistake in exercise.mistakes),
        )
    )
    public = {leak.secret for leak in find_leaks([("told", told.encode())], known)}
    return [secret for secret in known if secret not in public]


# --- again, elsewhere, in another form


def stored(out: Path) -> dict[str, tuple[bytes, int]]:
    """The stored results, with the time of their last change."""
    found = sorted((out / "results").rglob("*"))
    return {
        str(path.relative_to(out)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in found
        if path.is_file()
    }


def as_folder(class_folder: Path, to: Path) -> Path:
    return class_folder


def as_submitted(class_folder: Path, to: Path) -> Path:
    """nbgrader's layout: submitted/STUDENT/ASSIGNMENT/NOTEBOOK."""
    for notebook in class_folder.glob("*/*.ipynb"):
        place = to / "submitted" / notebook.parent.name / "attention"
        place.mkdir(parents=True)
        shutil.copy(notebook, place)
    return to / "submitted"


def as_zip(class_folder: Path, to: Path) -> Path:
    with zipfile.ZipFile(to / "class.zip", "w") as archive:
        for notebook in class_folder.glob("*/*.ipynb"):
            archive.write(notebook, notebook.relative_to(class_folder))
    return to / "class.zip"


@pytest.mark.parametrize("handed_in", [as_folder, as_submitted, as_zip])
def test_a_second_run_grades_nobody_again_however_the_notebooks_come(
    handed_in: Callable[[Path, Path], Path],
    sample_class: Path,
    class_run: Graded,
    copy_of: Callable[[Graded], Path],
    grade: Grade,
    tmp_path: Path,
) -> None:
    out = copy_of(class_run)
    again = grade(handed_in(sample_class, tmp_path), out=out, options=["--jobs", "3"])
    assert again.code == 0, again.complained
    assert (
        f"Grading 0 submission(s) (cpu, isolation {isolation(class_run)}), {len(CLASS)} graded before"
        in again.said
    )
    assert stored(out) == stored(class_run.out)
    for page in ("report.html", "grades.csv", "results.jsonl"):
        assert (out / page).read_bytes() == (class_run.out / page).read_bytes()


@pytest.mark.slow
def test_only_a_notebook_that_changed_is_graded_again(
    sample_class: Path, class_run: Graded, copy_of: Callable[[Graded], Path], grade: Grade, tmp_path: Path
) -> None:
    out, folder = copy_of(class_run), shutil.copytree(sample_class, tmp_path / "class")
    half_done, complete = (folder / named(name).path for name in ("Nguyễn", "Ada"))
    shutil.copy(complete, half_done)
    before = stored(out)
    again = grade(folder, out=out, options=[])
    assert "Grading 1 submission(s)" in again.said
    assert again.results["Nguyễn Thị Lan"].points == 110
    changed = {name for name, file in stored(out).items() if before.get(name) != file}
    assert changed == {f"results/{folder_name('Nguyễn Thị Lan')}/attention.json"}


TELLS_ITS_INPUT = """
def stable_softmax(x, dim):
    raise ValueError(str(x.double().sum().item()))
"""


@pytest.mark.slow
def test_each_round_draws_other_inputs_and_a_seed_draws_those_of_one_again(
    material: Material, grade: Grade, tmp_path: Path
) -> None:
    draft = material.draft()

    def told(*options: str) -> tuple[int, int, list[str]]:
        draft.answer(
            "stable_softmax", f"{TELLS_ITS_INPUT}# {len(options)}"
        )  # another notebook, to be graded again
        (tmp_path / "attention.ipynb").write_bytes(draft.bytes())
        run = grade(tmp_path / "attention.ipynb", out=tmp_path / "graded", options=options)
        (result,) = run.results.values()
        errors = [test.error.message for e in result.exercises for test in e.tests if test.error]
        assert result.stdout == ""
        return result.round, result.run_seed, errors

    first = told()
    again = told("--seed", str(first[1]))
    second = told("--jobs", "1", "--force")
    assert (first[0], again[0], second[0]) == (1, 0, 2)
    assert again[2] == first[2]
    assert set(second[2]) & set(first[2]) <= {"-inf"}  # that score stands in a test, and is not drawn


@pytest.mark.slow
def test_a_single_notebook(sample_class: Path, class_run: Graded, grade: Grade, tmp_path: Path) -> None:
    notebook = tmp_path / "attention.ipynb"
    shutil.copy(sample_class / named("Dalia").path, notebook)
    run = grade(notebook, out=tmp_path / "graded", options=["--seed", str(SEED)])
    assert run.code == 0, run.complained
    (result,) = run.results.values()
    assert judgement(result) | {"student": ""} == judgement(class_run.results["Dalia Öztürk"]) | {
        "student": ""
    }


def isolation(run: Graded) -> str:
    return next(iter(run.results.values())).isolation


def subset(class_folder: Path, to: Path, names: list[str]) -> Path:
    for name in names:
        path = named(name).path
        (to / path).parent.mkdir(parents=True)
        shutil.copy(class_folder / path, to / path)
    return to


@pytest.mark.parametrize(
    ("level", "names"),
    [
        ("landlock", ["Dalia", "João", "Mateusz", "Quentin"]),
        pytest.param("none", ["Dalia", "Mateusz"], marks=pytest.mark.slow),
    ],
)
def test_no_grade_depends_on_the_isolation_nor_on_who_else_is_graded(
    level: str, names: list[str], sample_class: Path, class_run: Graded, grade: Grade, tmp_path: Path
) -> None:
    assert all(named(name).honest for name in names)
    if level == isolation(class_run):
        pytest.skip(f"the class was graded at level {level} already: this machine cannot do a stronger one")
    if reason := probe()[Isolation(level)]:
        pytest.skip(reason)
    folder = subset(sample_class, tmp_path / "class", names)
    options = ["--seed", str(SEED), "--jobs", "1", "--sandbox", level]
    run = grade(folder, out=tmp_path / "graded", options=options)
    assert run.code == 0, run.complained
    assert {result.isolation for result in run.results.values()} == {level}
    assert list(compared(run, class_run)) == []
    assert len(run.results) == len(names)


@pytest.mark.slow
def test_no_grade_depends_on_how_many_are_graded_at_a_time(
    sample_class: Path, class_run: Graded, grade: Grade, tmp_path: Path
) -> None:
    run = grade(sample_class, out=tmp_path / "graded", options=["--seed", str(SEED), "--jobs", "5"])
    assert run.code == 0, run.complained
    assert run.results.keys() == class_run.results.keys()
    assert list(compared(run, class_run)) == []


@pytest.mark.gpu
def test_the_class_on_a_gpu(sample_class: Path, grade: Grade, tmp_path: Path) -> None:
    if problem := cuda_problem():
        pytest.skip(problem)
    run = grade(sample_class, out=tmp_path / "graded", options=["--seed", str(SEED), "--device", "cuda"])
    assert run.code == 0, run.complained
    for student in CLASS:
        # What was only said of a GPU before now fails on one, so that nothing has to be said any more.
        fails = dict.fromkeys(student.expected.fails_on_a_gpu, PART)
        points = {**student.expected.points, **fails}
        expected = replace(student.expected, points=points, fails_on_a_gpu=frozenset())
        assert as_expected(run.results[student.name], expected) == expected, student.what


def compared(run: Graded, other: Graded) -> Iterator[tuple[str, str]]:
    """Which parts of which results differ."""
    for name, result in run.results.items():
        mine, theirs = judgement(result), judgement(other.results[name])
        yield from ((name, part) for part in mine if mine[part] != theirs[part])


def test_results_are_only_under_the_output_folder(class_run: Graded, sample_class: Path) -> None:
    assert {path.name for path in class_run.out.iterdir()} == {
        "feedback",
        "grades.csv",
        "report.html",
        "results",
        "results.jsonl",
        "run.json",
    }
    handed_in = {path.relative_to(sample_class) for path in sample_class.rglob("*") if path.is_file()}
    assert handed_in == {student.path for student in CLASS}
    assert len(list(Store(class_run.out).results())) == len(CLASS)
