"""Nothing secret in what a student gets back: the autograded notebook and the feedback."""

from __future__ import annotations

from autograder.build.stub import Solution, read_solution
from autograder.content.course_root import CourseRoot
from autograder.handout.leaks import find_leaks
from autograder.results import Result
from tests.nbgrader.conftest import DALIA, KWAME, MALLORY
from tests.nbgrader.directory import ASSIGNMENT, Directory, secrets_of


def told(directory: Directory) -> list[str]:
    """What students are told on purpose: the properties' sentences, named mistakes and their hints."""
    lines = (directory.path / ".autograder" / ASSIGNMENT / "results.jsonl").read_text().splitlines()
    exercises = [exercise for line in lines for exercise in Result.from_json(line).exercises]
    return [test.title for exercise in exercises for test in exercise.tests] + [
        text for exercise in exercises for one in exercise.mistakes for text in (one.title, one.hint)
    ]


def test_nothing_secret_is_given_back(graded: Directory, course_root: CourseRoot) -> None:
    """Of those who wrote no right answer themselves, nor took one from a bank of the course's."""
    students = (KWAME, MALLORY)
    graded.generate_feedback(*students)
    secrets = secrets_of(course_root)
    files = []
    for student in students:
        page = graded.feedback(student)
        notebook = (graded.path / "autograded" / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_text(
            encoding="utf-8"
        )
        files += [(f"{student}.html", page.encode()), (f"{student}.ipynb", notebook.encode())]
    # Mallory solved one exercise, with the reference's answer.
    solution = root_solution(course_root)
    first, last = solution.spans["stable_softmax"]
    own = {f"{solution.source}, line {line}" for line in range(first, last + 1)}
    public = {leak.secret for leak in find_leaks([("told.txt", "\n".join(told(graded)).encode())], secrets)}
    hidden = [secret for secret in secrets if secret.where not in own and secret not in public]

    assert len(hidden) > 0.9 * len(secrets)
    assert find_leaks(files, hidden) == []


def root_solution(root: CourseRoot) -> Solution:
    path = root.solution(ASSIGNMENT)
    return read_solution(root.read(path), root.relative(path))


def test_the_search_would_find_it(graded_once: Directory, course_root: CourseRoot) -> None:
    """Dalia's answers are the reference's, but for a mistake."""
    path = graded_once.path / "autograded" / DALIA / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"

    leaks = find_leaks([("dalia.ipynb", path.read_bytes())], secrets_of(course_root))

    assert "solution" in {leak.secret.kind for leak in leaks}
