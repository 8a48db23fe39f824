"""The whole path on a CUDA device: `make test-gpu`. Where there is none it says so and proves nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from autograder.content.course_root import CourseRoot
from autograder.processes.devices import cuda_problem
from autograder.proof.finding import Finding
from autograder.run.run import Options, Progress, grade
from autograder.run.verify import verify
from autograder.sandbox.levels import strongest
from tests.checking.test_portability import CORRECT, WRONG
from tests.sample_class import CLASS, load_material, write_class

ROOT = CourseRoot.find(Path(__file__).parent)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(bool(cuda_problem()), reason=f"no CUDA device: {cuda_problem()}"),
]


def test_verify_on_cuda() -> None:
    findings: list[Finding] = []
    modules = [module.id for module in ROOT.syllabus.modules]
    verify(ROOT, modules, range(2), strongest("auto"), "cuda", findings.append)
    assert [finding for finding in findings if not finding.ok] == []


def to_cuda(tree: Any) -> Any:
    """What the portability cases call to put their inputs on the device."""
    if isinstance(tree, (Tensor, nn.Module)):
        return tree.cuda()
    if isinstance(tree, (list, tuple)):
        return type(tree)(to_cuda(item) for item in tree)
    if isinstance(tree, dict):
        return {name: to_cuda(item) for name, item in tree.items()}
    return tree


@pytest.mark.parametrize("name", CORRECT)
def test_what_the_pretended_accelerator_lets_pass_runs_on_cuda(name: str) -> None:
    CORRECT[name](to_cuda)


@pytest.mark.parametrize("name", WRONG)
def test_what_the_pretended_accelerator_refuses_fails_on_cuda(name: str) -> None:
    """By an error, or by an answer that is left on the CPU."""
    try:
        answer = WRONG[name](to_cuda)
    except (RuntimeError, TypeError):
        return
    tensors = answer if isinstance(answer, (list, tuple)) else [answer]
    assert any(tensor.device.type == "cpu" for tensor in tensors)


def test_the_sample_class_on_cuda(tmp_path: Path) -> None:
    """Points are as on the CPU, but for those whose code the pretended accelerator warned about."""
    write_class(tmp_path / "class", load_material(ROOT))
    points = {}
    for device in ("cpu", "cuda"):
        options = Options(out=tmp_path / device, device=device, seed=1)
        report = grade(ROOT, [tmp_path / "class"], options, Progress())
        assert report.faults == []
        points[device] = {result.student: result for result in report.results}
    for student, on_cpu in points["cpu"].items():
        warned = {e.id for e in on_cpu.exercises if e.portability and not e.portability.ok}
        on_cuda = {exercise.id: exercise.points for exercise in points["cuda"][student].exercises}
        for exercise in on_cpu.exercises:
            if exercise.id in warned:
                assert on_cuda[exercise.id] < exercise.points, (student, exercise.id)
            else:
                assert on_cuda[exercise.id] == exercise.points, (student, exercise.id)
    assert len(points["cpu"]) == len(CLASS)
