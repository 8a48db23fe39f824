"""Which mutants a solution has, and what they are called."""

from __future__ import annotations

import ast

import pytest

from autograder.proof.mutate import UNCHANGED, Mutant, mutants

SOLUTION = '''\
"""A solution."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_GAIN = 3


def _scaled(x: Tensor, by: float) -> Tensor:
    return x * by


@torch.no_grad()
def answer(x: Tensor, y: Tensor, dim: int = -1, keep: bool = False) -> Tensor:
    """Not a 7 in it is changed: see 7 + 7."""
    if not keep and dim < 2:
        raise ValueError("never 7")
    total = torch.zeros(2)
    with torch.enable_grad():
        total = total + torch.sqrt(_scaled(x, _GAIN).clone())
    for part in (x, y):
        total += part[1:].sum(dim=dim, keepdim=True)
    result = total
    result += x
    while total.max() > 1e3:
        total = total / 2
    return f"{total} of 7", [each for each in total if each]


class Layer(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.inner = nn.Linear(size, size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(answer(x, x)) - math.pi


def other(x: Tensor) -> Tensor:
    return x + 1
'''


def of(*defines: str, others: tuple[str, ...] = ()) -> dict[str, Mutant]:
    return mutants(SOLUTION, defines, frozenset(others))


@pytest.mark.parametrize(
    "id",
    [
        "answer 'total / 2' -> 'total * 2'",  # an operator
        "answer 'total / 2' -> '2 / total'",
        "answer 'total / 2' -> 'total'",
        "answer 'result += x' -> 'result -= x'",
        "answer 'dim < 2' -> 'dim <= 2'",  # a comparison
        "answer 'dim < 2' -> 'dim >= 2'",
        "answer 'not keep and dim < 2' -> 'not keep or dim < 2'",  # a condition
        "answer 'not keep and dim < 2' -> 'dim < 2'",
        "answer 'not keep' -> 'keep'",
        "answer 'not keep and dim < 2' -> 'True'",
        "answer 'not keep and dim < 2' -> 'False'",
        "answer 'if each' -> ''",
        "answer 'total / 2' -> 'total / 3'",  # a number
        "answer 'total / 2' -> 'total / 1'",
        "answer 'total / 2' -> 'total / 0'",
        "answer 'total / 2' -> 'total / -2'",
        "answer 'total.max() > 1000.0' -> 'total.max() > 1100.0'",
        "answer '-1' -> '0'",  # a default
        "answer '-1' -> '-2'",
        "answer '-1' -> '1'",
        "answer 'False' -> 'True'",
        "answer 'x, y' -> 'y, x'",  # arguments alike
        "answer 'dim=dim' -> ''",  # a keyword
        "answer 'keepdim=True' -> 'keepdim=False'",
        "answer '_scaled(x, _GAIN).clone()' -> '_scaled(x, _GAIN)'",  # a call
        "answer 'torch.sqrt(_scaled(x, _GAIN).clone())' -> '_scaled(x, _GAIN).clone()'",
        "answer '_scaled(x, _GAIN)' -> 'x'",
        "answer 'x, _GAIN' -> '_GAIN, x'",
        "answer 'torch.zeros(2)' -> 'torch.ones(2)'",
        "answer 'total = total / 2' -> 'pass'",  # a statement
        "answer 'with torch.enable_grad():' -> ''",
        "answer '@torch.no_grad()' -> ''",
        "answer '(x, y)' -> 'list((x, y))[1:]'",  # a step left out
        "answer '(x, y)' -> 'list((x, y))[:-1]'",
        "answer '1:' -> ':'",
        "answer '1:' -> '2:'",
    ],
)
def test_a_slip_of_each_kind_is_made(id: str) -> None:
    mutant = of("answer")[id]
    assert mutant.before != mutant.after or id.startswith("answer '@")
    compile(mutant.source, "<mutant>", "exec")


def test_what_makes_no_difference_to_anybody_is_not_made() -> None:
    source = "def f(x, a):\n    return torch.transpose(x, 1, 2) + a.transpose(1, 2) ^ a\n"
    ids = mutants(source, ("f",)).keys()
    assert "f 'x, 1' -> '1, x'" in ids
    assert not {id for id in ids if "2, 1" in id or "-> 'a ^" in id}


def test_a_mutant_says_the_line_and_what_stands_there_before_and_after() -> None:
    mutant = of("answer")["answer 'total / 2' -> 'total'"]
    assert SOLUTION.splitlines()[mutant.line - 1].strip() == mutant.before == "total = total / 2"
    assert mutant.after == "total = total"


def test_the_first_is_the_answer_as_it_is_and_no_two_are_alike() -> None:
    found = list(of("answer").values())
    assert found[0].id == UNCHANGED
    sources = [ast.dump(ast.parse(mutant.source)) for mutant in found]
    assert len(set(sources)) == len(sources) > 80


def test_what_people_read_stays() -> None:
    for mutant in of("answer").values():
        assert "never 7" in mutant.source or "raise" in mutant.id
        assert " of 7" in mutant.source or "of 7'" in mutant.id
        assert mutant.source.count("Tensor") == of("answer")[UNCHANGED].source.count("Tensor")


def test_helpers_of_the_file_belong_to_the_exercise_and_other_exercises_do_not() -> None:
    assert {"_scaled 'x * by' -> 'x / by'", "_GAIN '3' -> '4'"} <= of("answer").keys()
    own = of("Layer", others=("answer", "other"))
    assert {id.split()[0] for id in own} == {UNCHANGED, "Layer.__init__", "Layer.forward", "Layer"}
    assert "Layer.forward 'self.inner(answer(x, x))' -> 'answer(x, x)'" in own
    assert "def answer" not in own[UNCHANGED].source


def test_of_several_names_each_mutant_has_all() -> None:
    found = of("answer", "other")["other 'x + 1' -> 'x'"]
    assert "def answer(" in found.source
    assert found.source.startswith("from __future__ import annotations")


def test_the_same_words_twice_are_told_apart_and_lines_above_change_no_id() -> None:
    twice = "def f(x):\n    y = x + 1\n    return y * (x + 1)\n"
    ids = mutants(twice, ("f",)).keys()
    assert {"f 'x + 1' -> 'x - 1'", "f 'x + 1' -> 'x - 1' (2)"} <= ids
    assert mutants(f"z = 1\n\n\n{twice}", ("f",)).keys() == ids
