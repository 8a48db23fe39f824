"""`autograder verify`: proves a module's hidden suite against the reference, known mistakes and variants.

    the reference                 full marks
    untouched stubs               0 points
    trivial answers               0 points (zeros, ones, the input, None, NaN, a number, a wrong shape, ...)
    every known mistake           loses points, and is named, and nothing else is
    every correct variant         full marks, and no false alarm about GPUs

Mistakes and variants run in this process, on their own exercise's tests; the reference, the stubs and one
mistake an exercise also travel the whole way, as notebooks through a worker.
"""

from __future__ import annotations

import inspect
import multiprocessing
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course.catalogue.syllabus import Exercise, Module, Quiz

from .. import build
from ..atomic import write_atomically
from ..content.course_root import CourseRoot
from ..content.module import GradedModule
from ..contract.budget import Limits
from ..contract.jobs import Job
from ..contract.line import InProcess
from ..errors import Fault
from ..grading.exercise import grade_exercise
from ..grading.setting import Setting
from ..grading.suite import Suite, with_suites
from ..processes.answering import Answering, StartWorker, settings_of
from ..results import ExerciseResult, Result
from ..sandbox import zygote as zygotes
from ..sandbox.levels import Isolation
from ..sandbox.locked import LockedWorker, WorkerConditions
from ..sandbox.plain import PlainWorker


@dataclass(frozen=True)
class Finding:
    """One thing that was tried, and whether it came out as it must."""

    module: str
    exercise: str
    kind: str  # reference, stub, trivial, mistake, variant
    id: str
    seed: int
    through: str  # "process" or the worker's isolation level
    ok: bool
    said: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


OnFinding = Callable[[Finding], None]


def verify(
    root: CourseRoot,
    modules: Sequence[str],
    seeds: Sequence[int],
    level: Isolation,
    device: str,
    on_finding: OnFinding,
    jobs: int = 1,
) -> None:
    """Tries everything; `on_finding` gets each outcome. Raises ContentError for an unreadable suite.

    jobs  how many processes share the work, by modules and seeds.
    """
    parts = [(module, seed, number == 0) for module in modules for number, seed in enumerate(seeds)]
    if jobs == 1 or len(parts) == 1:
        for part in parts:
            for finding in _findings(root, *part, level, device):
                on_finding(finding)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would inherit torch's threads
    with ProcessPoolExecutor(min(jobs, len(parts)), spawn, _end_with_parent) as pool:
        shares = [pool.submit(_findings, root, *part, level, device) for part in parts]
        try:
            for share in shares:
                for finding in share.result():
                    on_finding(finding)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """A process of the pool would otherwise outlive a command that was killed."""
    if sys.platform == "linux":
        from ..worker.kernel.limits import die_with_parent

        die_with_parent()


def _findings(
    root: CourseRoot, module: str, seed: int, the_whole_way: bool, level: Isolation, device: str
) -> list[Finding]:
    """What comes of one module with one seed; through a worker as well, if asked for the whole way."""
    torch.set_num_threads(1)
    found: list[Finding] = []

    def body(suites: dict[str, Suite]) -> None:
        graded, setting = settings_of(root, suites, seed, device)[module]
        found.extend(in_process(graded.entry, setting))
        if the_whole_way:
            found.extend(through_worker(graded, setting, level, device))

    with_suites({module: root.suite(module)}, body)
    return found


def in_process(module: Module, setting: Setting) -> Iterator[Finding]:
    """The reference, stubs, trivial answers, mistakes and variants of a module, in this process."""

    def finding(exercise: Exercise, kind: str, id: str, problem: str) -> Finding:
        return Finding(module.id, exercise.id, kind, id, setting.run_seed, "process", not problem, problem)

    for exercise in module.exercises:
        reference = setting.reference
        result = _grade(setting, exercise, reference.namespace)
        yield finding(exercise, "reference", "reference", _not_full(result))
        for name, namespace in trivial(reference.namespace, exercise):
            result = _grade(setting, exercise, namespace)
            yield finding(exercise, "trivial", name, _not_zero(result))
        for mistake in reference.mistakes[exercise.id]:
            result = _grade(setting, exercise, reference.with_answer(mistake))
            yield finding(exercise, "mistake", mistake.id, _not_named(result, mistake.id))
        for variant in reference.variants[exercise.id]:
            result = _grade(setting, exercise, reference.with_answer(variant))
            yield finding(exercise, "variant", variant.id, _not_full(result))


def _grade(setting: Setting, exercise: Exercise, namespace: dict[str, Any]) -> ExerciseResult:
    return grade_exercise(setting, InProcess(namespace, setting.device), exercise, []).result


def _not_full(result: ExerciseResult) -> str:
    failed = [test for test in result.tests if not test.passed]
    if failed:
        said = failed[0].error.message if failed[0].error else failed[0].message
        return f"fails {failed[0].id}: {said or failed[0].title}"
    if result.points != result.max_points:
        return f"{result.points:g} of {result.max_points:g} points"
    if result.portability is not None and not result.portability.ok:
        return f"a false alarm about GPUs: {result.portability.message}"
    return ""


def _not_zero(result: ExerciseResult) -> str:
    passed = ", ".join(test.id for test in result.tests if test.passed and test.counts)
    return f"{result.points:g} points, for {passed}" if result.points else ""


def _not_named(result: ExerciseResult, id: str) -> str:
    if result.points == result.max_points:
        return "gets full marks"
    named = [mistake.id for mistake in result.mistakes]
    return "" if named == [id] else f"is named {', '.join(named) or 'nothing'}"


# Trivial answers


def trivial(reference: dict[str, Any], exercise: Exercise) -> Iterator[tuple[str, dict[str, Any]]]:
    """Namespaces in which the exercise is answered without any work."""
    for name, answer in TRIVIAL.items():
        made = {}
        for defined in exercise.defines:
            original = reference[defined]
            made[defined] = _trivial_class(original, answer) if inspect.isclass(original) else answer
        yield name, {**reference, **made}
    if any(inspect.isclass(reference[defined]) for defined in exercise.defines):
        yield "no parameters", {**reference, **dict.fromkeys(exercise.defines, _Empty)}


def _first(args: tuple[Any, ...]) -> Tensor:
    return next((arg for arg in args if isinstance(arg, Tensor)), torch.zeros(1))


def _last(args: tuple[Any, ...]) -> Tensor:
    return _first(args[::-1])


TRIVIAL: dict[str, Callable[..., Any]] = {
    "the input": lambda *args, **kwargs: _first(args),
    "the last input": lambda *args, **kwargs: _last(args),
    "zeros": lambda *args, **kwargs: torch.zeros_like(_first(args)),
    "ones": lambda *args, **kwargs: torch.ones_like(_first(args)),
    "the mean": lambda *args, **kwargs: torch.full_like(_first(args), _first(args).double().mean().item()),
    "NaN": lambda *args, **kwargs: torch.full_like(_first(args), torch.nan),
    "random numbers": lambda *args, **kwargs: torch.randn_like(_first(args)),
    "nothing": lambda *args, **kwargs: None,
    "a number": lambda *args, **kwargs: 1.0,
    "a text": lambda *args, **kwargs: "attention",
    "a list": lambda *args, **kwargs: [_first(args)],
    "an empty list": lambda *args, **kwargs: [],
    "an empty dictionary": lambda *args, **kwargs: {},
    "an empty tensor": lambda *args, **kwargs: torch.empty(0),
    "a NumPy array": lambda *args, **kwargs: _first(args).detach().cpu().numpy(),
    "a class": lambda *args, **kwargs: nn.Module,
}


def _trivial_class(original: type, answer: Callable[..., Any]) -> type:
    """The reference's parameters and none of its work."""
    return type(
        original.__name__, (original,), {"forward": lambda self, *args, **kwargs: answer(*args, **kwargs)}
    )


class _Empty(nn.Module):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Tensor, *args: Any) -> Tensor:
        return x


# Through a worker


def through_worker(
    graded: GradedModule, setting: Setting, level: Isolation, device: str
) -> Iterator[Finding]:
    """The reference, the stubs and one mistake an exercise, each as a notebook graded from file to result."""
    module, root = graded.entry, graded.root

    def finding(exercise: str, kind: str, id: str, problem: str) -> Finding:
        return Finding(module.id, exercise, kind, id, setting.run_seed, level.value, not problem, problem)

    solved = build.solved_sources(root, module.id)
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder, _Workers(root, level, device) as start:

        def grade(answers: dict[str, str]) -> dict[str, ExerciseResult]:
            path = Path(folder, f"{module.id}.ipynb")
            write_atomically(path, build.dump(build.compose(root, module.id, answers)))
            job = Job("verify", module.id, str(path), path.name, "", level.value)

            finished = Answering({module.id: (graded, setting)}, start, device, Limits()).answer(job)
            if finished.fault:
                raise Fault(finished.fault)
            return {exercise.id: exercise for exercise in Result.from_json(finished.result).exercises}

        for id, result in grade(solved).items():
            yield finding(id, "reference", "reference", _not_full(result))
        for id, result in grade({}).items():
            yield finding(id, "stub", "stub", _not_zero(result))
        for exercise in module.exercises:
            mistakes = setting.reference.mistakes[exercise.id]
            if isinstance(exercise, Quiz) or not mistakes:
                continue
            mistake = mistakes[0]
            others = [solved_name for solved_name in exercise.defines if solved_name != mistake.defines]
            source = solved[exercise.id] + "\n\n" + mistake.source if others else mistake.source
            result = grade({**solved, exercise.id: source})[exercise.id]
            yield finding(exercise.id, "mistake", mistake.id, _not_named(result, mistake.id))


class _Workers:
    """Starts workers of a level, for as long as the context lasts."""

    def __init__(self, root: CourseRoot, level: Isolation, device: str) -> None:
        self._root, self._level, self._device = root, level, device
        self._zygote: zygotes.Zygote | None = None
        self._line: socket.socket | None = None

    def __enter__(self) -> StartWorker:
        if self._level is Isolation.NONE:
            return lambda _: PlainWorker(self._device)
        zygote = self._zygote = zygotes.start(self._level, self._root.path, device=self._device)
        zygote.wait_until_ready()
        line = self._line = zygote.connect()
        limits = Limits()
        request = WorkerConditions(
            self._level.value, self._device, limits.memory, limits.scratch, tuple(zygote.read), zygote.home
        )
        return lambda _: LockedWorker(line, request, int(limits.submission_cpu))

    def __exit__(self, *exception: object) -> None:
        if self._line is not None:
            self._line.close()
        if self._zygote is not None:
            self._zygote.close()
