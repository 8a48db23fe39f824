"""Notebooks that a proof has graded as a student's is, from file to result: solved, untouched, mistaken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from course.catalogue.syllabus import Exercise, Module

from .. import build
from ..atomic import write_atomically
from ..content.course_root import CourseRoot
from ..contract.jobs import Job
from ..results import ExerciseResult, Result, Status
from .finding import Finding, KnownMistake, not_full, not_named, not_zero


@dataclass(frozen=True)
class Notebook:
    """A notebook with these answers (exercise → source of its cell), and what it is to prove."""

    module: str
    kind: str  # reference, stub, mistake
    id: str
    answers: Mapping[str, str]
    about: tuple[str, ...]

    def write(self, root: CourseRoot, folder: Path, level: str) -> Job:
        """The job of grading it."""
        path = folder / f"{self.module}-{self.kind}-{self.id}.ipynb"
        write_atomically(path, build.dump(build.compose(root, self.module, self.answers)))
        return Job("verify", self.module, str(path), path.name, "", level)

    def findings(self, result: Result) -> Iterator[Finding]:
        """What its result says of the exercises that it is about."""
        graded = {exercise.id: exercise for exercise in result.exercises}
        for id in self.about:
            problem = self._problem(graded[id]) if result.status is Status.GRADED else result.reason
            yield Finding(
                self.module, id, self.kind, self.id, result.run_seed, result.isolation, not problem, problem
            )

    def _problem(self, exercise: ExerciseResult) -> str:
        if self.kind == "mistake":
            return not_named(exercise, self.id)
        return not_full(exercise) if self.kind == "reference" else not_zero(exercise)


def notebooks(root: CourseRoot, module: Module, mistakes: Mapping[str, KnownMistake]) -> Iterator[Notebook]:
    """The reference's, an untouched one, and one for each of these mistakes (exercise → mistake)."""
    solved = build.answers(root, module.id, "solved")
    everything = tuple(exercise.id for exercise in module.graded)
    yield Notebook(module.id, "reference", "reference", solved, everything)
    yield Notebook(module.id, "stub", "stub", {}, everything)
    for id, mistake in mistakes.items():
        exercise = module.exercise(id)
        below = {each: solved[each] for each in _needed(module, exercise)}
        alone = exercise.defines == (mistake.defines,)
        source = mistake.source if alone else f"{solved[id]}\n\n{mistake.source}"
        yield Notebook(module.id, "mistake", mistake.id, {**below, id: source}, (id,))


def _needed(module: Module, exercise: Exercise) -> set[str]:
    """What an exercise builds on, and what that does; whatever else there is may stay untouched."""
    direct = set(exercise.depends_on)
    return direct.union(*(_needed(module, module.exercise(id)) for id in direct))
