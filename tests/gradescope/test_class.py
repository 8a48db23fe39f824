"""The zip gives the score that `autograder grade` gives, cheaters and destroyers included."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from autograder.content.course_root import CourseRoot
from autograder.contract.jobs import Job
from autograder.results import Result
from autograder.run.run import Options, Progress, grade
from autograder.sandbox.levels import Isolation, probe
from tests.gradescope.conftest import SEED
from tests.gradescope.container import Container
from tests.sample_class import CLASS, Draft, Material

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(probe()[Isolation.LANDLOCK]), reason="needs Landlock"),
]


def with_a_cell(source: str) -> Callable[[Draft], None]:
    return lambda draft: draft.insert_before("split_heads", source)


# Each starts a container's run: a sixth of the class, and Otter's tests have another sixth.
STUDENTS = [
    student.name for number, student in enumerate(CLASS) if number % 6 == 0 or "Mallory" in student.name
]

# What can be done to the process instead of to the answers, all of which are right.
HARM: dict[str, Callable[[Draft], None]] = {
    "ends its process": with_a_cell("import os\nos._exit(0)\n"),
    "ends its process when called": lambda draft: draft.answer(
        "split_heads",
        "import os\n\n\ndef split_heads(x, heads):\n    os._exit(0)\n\n\nmerge_heads = split_heads\n",
    ),
    "forks without end": with_a_cell("import os\nwhile True:\n    os.fork()\n"),
    "takes all memory": with_a_cell("hoard = []\nwhile True:\n    hoard.append(bytearray(1 << 26))\n"),
    "prints without end": with_a_cell("print('x' * (1 << 22))\nwhile True:\n    print('x' * (1 << 20))\n"),
    "writes results": with_a_cell(
        "import json, pathlib\n"
        "for place in ('results.json', '/autograder/results/results.json', '../results/results.json'):\n"
        "    try:\n"
        "        pathlib.Path(place).write_text(json.dumps({'score': 110, 'tests': []}))\n"
        "    except OSError:\n"
        "        pass\n"
    ),
    "raises what nobody catches": with_a_cell("raise BaseException('not caught by `except Exception`')\n"),
}


@pytest.fixture(scope="module")
def handed_in(material: Material) -> dict[str, bytes]:
    works = {student.name: student.write(material) for student in CLASS}
    for what, do in HARM.items():
        draft = material.draft()
        draft.solve()
        do(draft)
        works[what] = draft.bytes()
    return works


@pytest.fixture(scope="module")
def by_grade(
    handed_in: dict[str, bytes], course_root: CourseRoot, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, float]:
    folder = tmp_path_factory.mktemp("class")
    for name, content in handed_in.items():
        (folder / "class" / name).mkdir(parents=True)
        (folder / "class" / name / "attention.ipynb").write_bytes(content)
    options = Options(folder / "graded", jobs=2, sandbox="landlock", seed=SEED, device="cpu", views=False)
    scores: dict[str, float] = {}

    def done(job: Job, result: Result | None, fault: str) -> None:
        scores[job.student] = result.points if result else -1

    report = grade(course_root, [folder / "class"], options, Progress(done=done))
    assert not report.faults
    return scores


@pytest.mark.timeout(900)  # the first one has the whole class graded
@pytest.mark.parametrize("name", [*STUDENTS, *HARM])
def test_the_same_score(
    name: str, handed_in: dict[str, bytes], by_grade: dict[str, float], container: Container
) -> None:
    container.hand_in({"attention.ipynb": handed_in[name]})
    done = container.run()
    found = container.results()
    assert "not_graded" not in found["extra_data"], done.stdout
    assert found["score"] == by_grade[name]
    scored = [test for test in found["tests"] if "score" in test]
    assert sum(test["score"] for test in scored) == pytest.approx(found["score"], abs=0.02)
    assert found["extra_data"]["isolation"] == "landlock"


def test_somebody_lost_points_and_somebody_did_not(by_grade: dict[str, float]) -> None:
    assert len(set(by_grade.values())) > 8
    assert max(by_grade.values()) == 110
    assert by_grade["Mallory Quick"] == 10
    assert by_grade["writes results"] == 110
