"""Nobody uses up the grader: what it computes and holds for a submission is charged to it; at both levels.

The student's class asks a function that the reference stands in for: that one is computed by the grader.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from textwrap import dedent, indent

import pytest

from autograder import build
from autograder.processes.pool import Pool, Setup
from autograder.results import Result, Status
from autograder.sandbox.levels import Isolation, probe

from .conftest import LIMITS, ROOT, Graders

# Wrong answers, so that the reference stands in for them once more is wrong.
WRONG = {
    "stable_softmax": "def stable_softmax(x, dim): return x",
    "scaled_dot_product_attention": "def scaled_dot_product_attention(q, k, v, mask=None): return q",
    "split_heads": "def split_heads(x, h): return x\ndef merge_heads(x): return x",
}
ASKS = """
_right = MultiHeadSelfAttention.forward

def forward(self, *args):
    attention = scaled_dot_product_attention
    if not hasattr(attention, "_session"):
        return args[0] * 0
    ask = attention._session.question
    many = torch.zeros(2_500_000, dtype=torch.uint8)
    nest = many
    for _ in range(20):
        nest = [nest]
{}
    return _right(self, *args)

MultiHeadSelfAttention.forward = forward
"""
SHAPELESS = {
    "arguments": 'ask("callback", {"callback": attention.id, "args": many, "kwargs": {}})',
    "named arguments": 'ask("callback", {"callback": attention.id, "args": [], "kwargs": many})',
    "names": 'ask("callback", {"callback": attention.id, "args": [], "kwargs": {5: many}})',
    "a function": 'ask("callback_with_grad", {"callback": many, "args": [], "kwargs": {}})',
    "a question": 'ask("callback", many)',
    "a cotangent": """
        with torch.enable_grad():
            attention(*[torch.ones(2, 2, requires_grad=True)] * 3)
        ask("vector_jacobian", {"token": 0, "cotangent": nest})
        """,
    "a graph": 'ask("vector_jacobian", {"token": many, "cotangent": torch.ones(1)})',
}
COSTLY = {
    "one that is too large": "attention(*[torch.ones(40_000, 1)] * 3)",
    "graphs that are kept": """
        with torch.enable_grad():
            for _ in range(4000):
                attention(*[torch.ones(4000, 1, requires_grad=True)] * 3)
        """,
    "many of them": """
        for _ in range(4000):
            attention(*[torch.ones(1500, 1)] * 3)
        """,
    "parts without end": """
        for _ in range(4000):
            try:
                attention([[]] * 40_000)
            except RuntimeError:
                pass
        """,
}


def asks(attack: str) -> dict[str, str]:
    right = build.answers(ROOT, "attention", "solved")["MultiHeadSelfAttention"]
    asking = ASKS.format(indent(dedent(attack), " " * 4))
    return WRONG | {"MultiHeadSelfAttention": f"import torch\n{right}\n{asking}"}


def most_memory(graders: Graders) -> int:
    """Bytes that the grader has had at most, resident."""
    (grader,) = graders.pool.pids["grader"]
    status = Path(f"/proc/{grader}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def flags(result: Result, kind: str) -> list[str]:
    return [flag.message for flag in result.flags if flag.kind == kind]


LEVELS = pytest.mark.parametrize("level", [Isolation.FULL, Isolation.LANDLOCK], ids=["full", "landlock"])


@contextmanager
def graders_at(level: Isolation, folder: Path, **limits: float) -> Iterator[Graders]:
    """With so much wall time that a busy machine is not what is tested."""
    if reason := probe()[level]:
        pytest.skip(reason)
    patient = replace(LIMITS, wall_factor=200.0, submission_wall=300.0, **limits)  # type: ignore[arg-type]
    with Pool(Setup(ROOT.path, ["attention"], 7, "cpu", level, jobs=1, limits=patient)) as pool:
        yield Graders(level, pool, folder)


@pytest.fixture(scope="module", params=[Isolation.FULL, Isolation.LANDLOCK], ids=["full", "landlock"])
def graders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graders]:
    with graders_at(request.param, tmp_path_factory.mktemp("submissions")) as graders:
        yield graders


@pytest.mark.parametrize("attack", SHAPELESS.values(), ids=list(SHAPELESS))
def test_a_message_of_another_shape_is_refused_before_it_takes_memory(graders: Graders, attack: str) -> None:
    before = most_memory(graders)
    result = graders.grade(asks(attack))
    assert any("never handed to it" in message for message in flags(result, "tampering")), result.flags
    assert most_memory(graders) - before < 200 << 20


@pytest.mark.parametrize("attack", COSTLY.values(), ids=list(COSTLY))
def test_what_the_grader_computes_and_holds_is_charged_and_flagged(graders: Graders, attack: str) -> None:
    (before,) = graders.pool.pids["grader"]
    result = graders.grade(asks(attack))
    assert result.status is Status.GRADED
    assert flags(result, "exhausting"), result.flags
    assert graders.points_of_an_honest_student() == 10
    assert graders.pool.pids["grader"] == [before], "it has not ended the grader"


@LEVELS
@pytest.mark.slow
def test_who_ends_the_grader_twice_has_a_result_for_a_person(level: Isolation, tmp_path: Path) -> None:
    """One call into C, which no clock of ours can end."""
    with graders_at(level, tmp_path, grader_cpu=2.0) as graders:
        result = graders.grade(asks("attention(*[torch.ones(11_000, 1500)] * 3)"))
        assert result.status is Status.NOT_GRADED
        assert flags(result, "not-graded") == [result.reason]
        assert "its grader died" in result.reason
        assert result.max_points == 110
        assert graders.points_of_an_honest_student() == 10
