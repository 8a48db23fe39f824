"""What `run_autograder` calls in Gradescope's container: grades the one submission and writes results.json.

    python -I -m autograder.gradescope.run TREE [--trial]

Until there are results, the file says that there are none (`not_graded`), so that nothing can take a valid
one away. With --trial the exercise notebook itself is graded, into nowhere: `setup.sh` ends with it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

from ..atomic import write_atomically
from ..errors import AutograderError, Fault
from ..results import Status
from .memory import for_workers
from .not_graded import attempt_of, not_graded, previous_score
from .settings import COURSE, Settings

STUDENT = "the student"  # whose it is, Gradescope knows
ATTEMPTS = 2  # a fault of the machine is often gone the second time


def main(arguments: list[str]) -> int:
    """0: results.json has the grade; 1: it says that there is none."""
    tree, trial = Path(arguments[0]), "--trial" in arguments[1:]
    try:
        settings = Settings.read(tree / "source")
        if trial:
            return _trial(tree, settings)
        results = tree / "results" / "results.json"
        if (previous := previous_score(tree)) is not None:
            _write(results, not_graded(settings, previous))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                graded = _graded(tree, settings, tree / "submission")
            except Fault as fault:
                print(f"Attempt {attempt} of {ATTEMPTS}: {fault}", flush=True)
            else:
                _write(results, graded)
                return 0
    except AutograderError as error:
        print(f"Not graded: {error}", flush=True)
    except Exception:  # a bug of ours: instructors see where, students that it is not theirs
        traceback.print_exc(file=sys.stdout)
    return 1


def _trial(tree: Path, settings: Settings) -> int:
    """Whether this container can grade: the untouched notebook gets nothing, and nothing goes wrong."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="autograder-") as place:
        name = f"{settings.module}.ipynb"
        notebook = tree / "source" / COURSE / "exercises" / name
        Path(place, name).write_bytes(notebook.read_bytes())
        graded = _graded(tree, settings, Path(place))
    about = graded["extra_data"]
    assert isinstance(about, dict)
    if about["status"] != "graded" or graded["score"] != 0:
        print(
            f"The untouched notebook of {settings.module} is not graded as it should be: {graded['output']}"
        )
        return 1
    seconds = time.perf_counter() - began
    print(f"{settings.module} can be graded here, isolation {about['isolation']}, in {seconds:.1f} s.")
    return 0


def _graded(tree: Path, settings: Settings, submission: Path) -> dict[str, object]:
    """Grades what lies in `submission`; raises Fault, and UsageError where the zip is broken."""
    began = time.perf_counter()
    from ..adapters import FRONT_ENDS
    from ..content.course_root import CourseRoot
    from ..contract.budget import limits_of
    from ..run.rounds import seed_of_diagnosis, seed_of_submission
    from ..run.run import Options, Progress, grade_found
    from ..run.store import Store
    from ..submission.find import files_below, the_one
    from .results import results_json

    root = CourseRoot(tree / "source" / COURSE)
    module = root.module(settings.module)
    limits = limits_of(root.syllabus.limits.asked)
    with tempfile.TemporaryDirectory(prefix="autograder-") as place:
        out, scratch = Path(place, "graded"), Path(place, "unpacked")
        found = the_one(files_below(submission), STUDENT, module.id, scratch)
        options = Options(
            out=out,
            jobs=1,
            device="cpu",
            sandbox=settings.sandbox,
            seed=seed_of_submission(settings.seed, found.path, attempt_of(tree)),
            diagnosis=seed_of_diagnosis(str(settings.seed)),
            examine=settings.public_first,
            views=False,
            limits=replace(limits, memory=for_workers(limits.memory)),
            front_ends=FRONT_ENDS,
        )
        report = grade_found(root, [found], options, Progress())
        for _, _, reason in report.faults:
            raise Fault(reason)
        for _, _, reason in report.unexamined:
            print(f"The public checks could not be run: {reason}")
        store = Store(out)
        result = store.read(STUDENT, module.id)
        if result is None:
            raise Fault("the result cannot be read back")
        if result.status is Status.NOT_GRADED:
            raise Fault(result.reason)
        examined = store.examined(STUDENT, module.id, result.key) if settings.public_first else None
    seconds = time.perf_counter() - began
    print(
        f"{module.id}: {result.status.value}, {result.points:g} of {result.max_points:g} points, "
        f"isolation {result.isolation}, {seconds:.1f} s"
    )
    return results_json(result, module, settings, examined, seconds)


def _write(path: Path, content: dict[str, object]) -> None:
    write_atomically(path, json.dumps(content, ensure_ascii=True, allow_nan=False, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
