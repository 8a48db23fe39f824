"""`autograder verify --mutants`: which changes of the solutions no hidden test notices.

Each mutant of an exercise (`proof/mutate.py`) is graded as a known mistake is, up to the first failed test.
One that gets full marks survives: a test is missing, or none can tell it from the solution. Then it stands in
`equivalents.yaml` with the reason, and has to survive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from ..content.course_root import CourseRoot
from ..content.equivalents import read_equivalents
from ..contract.jobs import Finished, Job, Proof
from ..errors import Fault
from ..proof.finding import Finding, Proven
from ..proof.mutate import UNCHANGED, Mutant, of_exercise
from ..sandbox.levels import Isolation
from .verify import OnFinding, running


@dataclass
class _Tried:
    """A mutant with one seed, and what came of it so far: a helper's in each exercise that uses it."""

    mutant: Mutant
    waiting: int = 0
    findings: list[Finding] = field(default_factory=list)


def verify_mutants(
    root: CourseRoot,
    modules: Sequence[str],
    seeds: Sequence[int],
    level: Isolation,
    device: str,
    on_finding: OnFinding,
    jobs: int = 1,
) -> dict[str, float]:
    """Tries every mutant; `on_finding` gets each outcome. Returns the CPU seconds of each module.

    Raises ContentError for a module or a list of equivalents that cannot be loaded, Fault for a broken test.
    """
    equivalents = {id: read_equivalents(root, id) for id in modules}
    tried: dict[tuple[str, str, int], _Tried] = {}
    planned = []
    for seed in seeds:
        for module, exercise, mutant in _mutants(root, modules):
            tried.setdefault((module, mutant.id, seed), _Tried(mutant)).waiting += 1
            proof = Proof(exercise, seed, quick=True, mutant=mutant.id)
            # As if it were the second attempt: what ends its grader is dead, and is not tried again.
            planned.append(Job("verify", module, "", "", "", level.value, attempt=2, proof=proof))
    for id, listed in equivalents.items():
        for gone in listed.keys() - {mutant for module, mutant, _ in tried if module == id}:
            said = f"is gone: take it out of {root.relative(root.equivalents(id))}"
            first = root.module(id).exercises[0].id
            on_finding(Finding(id, first, "equivalent", gone, seeds[0], "process", False, said))
    seconds = dict.fromkeys(modules, 0.0)

    def on_finished(job: Job, finished: Finished) -> None:
        assert job.proof is not None
        seconds[job.module] += finished.seconds
        finding = _finding(job, finished)
        if finding.id == UNCHANGED:
            _must_survive(finding)
            return
        one = tried[job.module, finding.id, finding.seed]
        one.findings.append(finding)
        one.waiting -= 1
        if not one.waiting:
            on_finding(_together(one, equivalents[job.module].get(job.proof.mutant, "")))

    with running(root, modules, seeds[0], level, device, jobs) as run:
        run(planned, on_finished)
    return seconds


def _mutants(root: CourseRoot, modules: Sequence[str]) -> Iterator[tuple[str, str, Mutant]]:
    for id in modules:
        module, solution = root.module(id), root.read(root.solution(id))
        for exercise in reversed(module.exercises):  # the last ones, of whole networks, take longest
            for mutant in of_exercise(module, exercise.id, solution).values():
                yield id, exercise.id, mutant


def _finding(job: Job, finished: Finished) -> Finding:
    assert job.proof is not None
    if not finished.fault:
        return Proven.from_json(finished.result).findings[0]
    if finished.ended:
        of, said = job.proof, finished.fault
        return Finding(job.module, of.exercise, "mutant", of.mutant, of.seed, "process", True, said)
    raise Fault(f"{job.module}, mutant {job.proof.mutant}: {finished.fault}")


def _must_survive(unchanged: Finding) -> None:
    if unchanged.ok:
        raise Fault(
            f"{unchanged.module}.{unchanged.exercise}: the solution's own source, run in its own names, "
            f"{unchanged.said}, so nothing can be said of mutants: let it need no more than these."
        )


def _together(tried: _Tried, reason: str) -> Finding:
    """What is said of a mutant: dead if any exercise's tests notice it; `reason` is why it may survive."""
    dead = next((finding for finding in tried.findings if finding.ok), None)
    finding, mutant = dead or tried.findings[0], tried.mutant
    if reason:
        said = f"{dead.said}: it is no equivalent, take it from the list" if dead else reason
        return replace(finding, kind="equivalent", ok=not dead, said=said)
    if dead:
        return dead
    return replace(finding, said=f"survives, line {mutant.line}: {mutant.before}  ->  {mutant.after}")
