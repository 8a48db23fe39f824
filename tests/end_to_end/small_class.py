"""A class of a few whose notebooks are quick to grade, and a pool that grades them without a command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autograder.contract.jobs import Finished, Job
from autograder.processes.pool import Pool
from autograder.results import Result
from tests.sample_class import Material

NAMES = ["Ann", "Ben", "Cem", "Dov", "Eve", "Fay"]
POINTS = 10  # of split_heads, which is all that they solved

# A cell that takes its time, so that something is at work when a test kills it.
SLOW_CELL = "import time\n\nuntil = time.process_time() + 0.4\nwhile time.process_time() < until:\n    pass\n"
SLOWER_CELL = SLOW_CELL.replace("0.4", "1.2")  # where there is one chance to see it at work


def write(folder: Path, name: str, material: Material, cell: str = "", split_heads: str = "") -> None:
    draft = material.draft()
    draft.solve("split_heads")
    if split_heads:
        draft.replace("split_heads", "B, L, C = x.shape\n", f"B, L, C = x.shape\n{split_heads}")
    draft.insert_before("split_heads", cell)
    path = folder / name / "attention.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(draft.bytes())


@dataclass
class Graders:
    """A pool with little patience, and who was given to a grader, in order, with how many others at work."""

    pool: Pool
    given: list[tuple[str, int]] = field(default_factory=list)
    finished: dict[str, Finished] = field(default_factory=dict)

    def grade(self, folder: Path) -> dict[str, Result]:
        names = sorted(path.name for path in folder.iterdir())
        jobs = [Job(n, "attention", str(folder / n / "attention.ipynb"), n, "key", "any") for n in names]

        def on_finished(job: Job, finished: Finished) -> None:
            assert job.student not in self.finished
            self.finished[job.student] = finished

        self.pool.run(jobs, on_finished)
        return {n: Result.from_json(f.result) for n, f in self.finished.items() if not f.fault}
