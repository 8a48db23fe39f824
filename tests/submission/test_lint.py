"""Forbidden calls are found under every name they go by, and only where an answer uses them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.submission.extract import Cell
from autograder.submission.lint import forbidden_calls, suspicious
from course.catalogue.syllabus import Exercise
from tests.submission.examples import MODULE, SET_UP

SOFTMAX, ATTENTION = MODULE.exercise("softmax"), MODULE.exercise("Attention")


def cells(*sources: str) -> list[Cell]:
    """Cells with the numbers 1, 2, ..., the first of which is the set-up."""
    return [Cell(number, source) for number, source in enumerate((SET_UP, *sources), start=1)]


def flagged(*sources: str, exercise: Exercise = SOFTMAX) -> str:
    """The one flag's message; '' if there is none."""
    flags = forbidden_calls(cells(*sources), exercise, MODULE.graded)
    assert all((flag.kind, flag.exercise) == ("forbidden-call", exercise.id) for flag in flags)
    assert len(flags) <= 1
    return flags[0].message if flags else ""


def answer(expression: str, *before: str) -> tuple[str, str]:
    """Cells in which the answer to `softmax` gives back this expression."""
    return "\n".join(before) or "pass", f"def softmax(x, dim):\n    return {expression}"


def test_the_sentence_names_the_call_the_cell_and_the_line() -> None:
    assert flagged("x = 1", "def softmax(x, dim):\n    # hm\n    return F.softmax(x, dim)") == (
        "'softmax' uses `torch.nn.functional.softmax` in cell 3, line 3: it was to be written by hand."
    )


class TestEveryNameOfACall:
    @pytest.mark.parametrize(
        "expression",
        [
            "torch.softmax(x, dim)",
            "F.softmax(x, dim)",
            "nn.Softmax(dim)(x)",
            "torch.nn.functional.softmax(x, dim)",
            "x.softmax(dim)",
            "(x * 2).softmax(dim)",
            "torch.Tensor.softmax(x, dim)",
            "torch.ops.aten.softmax(x, dim)",
            'getattr(F, "softmax")(x, dim)',
            'getattr(F, "soft" + "max")(x, dim)',
            'getattr(x, "softmax")(dim)',
            'F.__dict__["softmax"](x, dim)',
            'vars(F)["softmax"](x, dim)',
            'operator.attrgetter("nn.functional.softmax")(torch)(x, dim)',
            'operator.methodcaller("softmax", dim)(x)',
            '__import__("torch").softmax(x, dim)',
            'importlib.import_module("torch.nn.functional").softmax(x, dim)',
            'sys.modules["torch"].softmax(x, dim)',
            "list(map(partial(F.softmax, dim=dim), [x]))[0]",
            "(F if dim else torch).softmax(x, dim)",
            "(lambda t: torch.softmax(t, dim))(x)",
            "[F.softmax(row, 0) for row in x]",
            "(G := F).softmax(x, dim) if x else G.softmax(x, dim)",
        ],
    )
    def test_by_the_modules_that_the_set_up_imports(self, expression: str) -> None:
        assert "softmax`" in flagged(*answer(expression, "import importlib, operator, sys")).lower()

    @pytest.mark.parametrize(
        ("before", "expression"),
        [
            ("from torch import softmax as s", "s(x, dim)"),
            ("import torch as t", "t.softmax(x, dim)"),
            ("import torch.nn.functional as G", "G.softmax(x, dim)"),
            ("from torch.nn import functional as G", "G.softmax(x, dim)"),
            ("from torch.nn import *", "Softmax(dim)(x)"),
            ("G = torch.nn.functional", "G.softmax(x, dim)"),
            ("G = H = F\nJ = G", "J.softmax(x, dim)"),
            ("a, b = torch, F", "b.softmax(x, dim)"),
            ("s: object = torch.softmax", "s(x, dim)"),
            ("s = getattr(torch, 'softmax')", "s(x, dim)"),
            ("get = getattr", "get(torch, 'softmax')(x, dim)"),
            ("import scipy.special", "torch.tensor(scipy.special.softmax(x, dim))"),
            ("try:\n    import fast as G\nexcept ImportError:\n    G = F", "G.softmax(x, dim)"),
        ],
    )
    def test_by_names_given_in_the_notebook(self, before: str, expression: str) -> None:
        assert "softmax`" in flagged(before, f"def softmax(x, dim):\n    return {expression}").lower()

    @pytest.mark.parametrize(
        "body",
        [
            "import torch.nn.functional as G; return G.softmax(x, dim)",
            "from torch import softmax as s; return s(x, dim)",
            "G = torch.nn.functional; return G.softmax(x, dim)",
            "t = torch; s = t.softmax; return s(x, dim)",
            "def inner(y): return F.softmax(y, dim)\n    return inner(x)",
        ],
    )
    def test_by_names_given_in_the_function(self, body: str) -> None:
        assert "softmax`" in flagged(f"def softmax(x, dim):\n    {body}")

    def test_on_an_argument_if_it_is_spelled_out(self) -> None:
        source = "def Attention(x, lib):\n    return getattr(lib, 'scaled_dot_product_attention')(x, x, x)"
        assert "`.scaled_dot_product_attention`" in flagged(source, exercise=ATTENTION)

    def test_a_classs_own_names_are_not_its_methods(self) -> None:
        source = """class Attention(nn.Module):
    F = 1

    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x)"""
        assert "cell 2, line 5" in flagged(source, exercise=ATTENTION)

    def test_a_builtin_of_the_same_name_is_another_function(self) -> None:
        no_sum = SOFTMAX.model_copy(update={"forbidden": ("torch.sum",)})
        assert flagged("def softmax(x, dim):\n    return sum(x)", exercise=no_sum) == ""
        assert flagged("def softmax(x, dim):\n    return torch.sum(x)", exercise=no_sum)

    def test_a_class_is_read_whole(self) -> None:
        source = """class Attention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.inner = nn.MultiheadAttention(dim, 1)

    def forward(self, x):
        return self.inner(x, x, x)[0]"""
        assert "`torch.nn.MultiheadAttention` in cell 2, line 4" in flagged(source, exercise=ATTENTION)


class TestWhereItCounts:
    def test_in_a_helper_that_the_answer_calls_through_another(self) -> None:
        message = flagged(
            "def inner(x, d):\n    return torch.softmax(x, d)",
            "def outer(x, d):\n    return inner(x, d)",
            "def softmax(x, dim):\n    return outer(x, dim)",
        )
        assert "cell 2, line 2" in message

    def test_in_an_object_made_outside_of_the_answer(self) -> None:
        assert "cell 2, line 1" in flagged(
            "layer = nn.Softmax(-1)", "def softmax(x, dim):\n    return layer(x)"
        )

    def test_in_an_answer_that_is_a_name_for_it(self) -> None:
        assert flagged("softmax = F.softmax")
        assert flagged("softmax = lambda x, dim: F.softmax(x, dim)")

    def test_in_a_method_added_later(self) -> None:
        later = "def forward(self, x):\n    return F.scaled_dot_product_attention(x, x, x)"
        for way in ("Attention.forward = forward", "setattr(Attention, 'forward', forward)"):
            assert "cell 3, line 2" in flagged(
                "class Attention(nn.Module): ...", later, way, exercise=ATTENTION
            )

    def test_in_a_base_class(self) -> None:
        assert flagged("class Attention(nn.MultiheadAttention): ...", exercise=ATTENTION)

    def test_not_in_a_demo_that_compares(self) -> None:
        demo = "torch.testing.assert_close(softmax(x, 0), torch.softmax(x, 0))\nprint(F.softmax(x, 0))"
        loop = "for dim in range(2):\n    print(softmax(x, dim) - torch.softmax(x, dim))"
        answer = "def softmax(x, dim):\n    return torch.exp(x) / torch.exp(x).sum(dim, True)"
        assert flagged(answer, demo, loop) == ""

    def test_not_where_it_is_imported_for_a_comparison(self) -> None:
        imports = "from torch import softmax as theirs, exp"
        assert flagged(imports, "def softmax(x, dim):\n    return exp(x) / exp(x).sum(dim, True)") == ""

    def test_not_in_a_helper_that_no_answer_calls(self) -> None:
        assert (
            flagged("def reference(x):\n    return F.softmax(x, 0)", "def softmax(x, dim):\n    return x")
            == ""
        )

    def test_not_in_another_exercises_answer(self) -> None:
        """Attention may use the library's softmax; softmax may use split_heads, whatever that is made of."""
        attention = (
            "class Attention(nn.Module):\n    def forward(self, x):\n        return F.softmax(x, -1) @ x"
        )
        assert flagged(attention, "def softmax(x, dim):\n    return x", exercise=ATTENTION) == ""
        assert flagged(attention, "def softmax(x, dim):\n    return x") == ""
        heads = "def split_heads(x, heads):\n    return F.softmax(x, -1)"
        assert flagged(heads, "def softmax(x, dim):\n    return split_heads(x, dim)") == ""

    def test_not_in_an_earlier_attempt(self) -> None:
        assert (
            flagged(
                "def softmax(x, dim):\n    return F.softmax(x, dim)", "def softmax(x, dim):\n    return x"
            )
            == ""
        )

    def test_not_in_an_earlier_attempt_at_a_function_that_calls_itself(self) -> None:
        first = "def softmax(x, dim):\n    return F.softmax(x, dim)"
        assert flagged(first, "def softmax(x, dim):\n    return softmax(x, dim - 1) if dim else x") == ""

    def test_but_in_an_earlier_attempt_that_was_kept_under_another_name(self) -> None:
        assert "cell 2" in flagged(
            "def softmax(x, dim):\n    return F.softmax(x, dim)",
            "kept = softmax",
            "def softmax(x, dim):\n    return kept(x, dim)",
        )

    @pytest.mark.parametrize(
        "source",
        [
            "def softmax(x, dim):\n    '''Like torch.softmax.'''\n    return x  # not F.softmax(x)",
            "def softmax(x, F):\n    return F.exp(x)",
            "def softmax(x, dim):\n    x.softmax = 1\n    return x",
            "def softmax(x, dim):\n    raise ValueError('softmax')",
            "def softmax(x, dim):\n    return torch.exp(x) / torch.exp(x).sum(dim, keepdim=True)",
            "def softmax(x, dim):\n    return softmax(x, dim - 1) if dim else x",
            "class Ops:\n    def softmax(self, x): return x\n    def run(self, x): return self.softmax(x)\n"
            "def softmax(x, dim):\n    return Ops().run(x)",
            "class O:\n    def __init__(self): self.softmax = len\n"
            "    def run(self, x): return self.softmax(x)\n"
            "def softmax(x, dim):\n    return O().run(x)",
        ],
    )
    def test_not_in_what_only_looks_like_it(self, source: str) -> None:
        assert flagged(source) == ""

    def test_an_exercise_that_forbids_nothing(self) -> None:
        heads = MODULE.exercise("heads")
        assert forbidden_calls(cells("def split_heads(x, heads):\n    return F.softmax(x, 0)"), heads) == []

    def test_two_on_one_line_are_one_place(self) -> None:
        message = flagged("def softmax(x, dim):\n    return F.softmax(F.softmax(x, dim), dim)")
        assert "in cell 2, line 2: it was" in message

    def test_many_places_are_one_sentence(self) -> None:
        lines = "\n".join("    x = F.softmax(x, dim)" for _ in range(500))
        assert "cell 2, line 2; cell 2, line 3; cell 2, line 4; 497 more" in flagged(
            f"def softmax(x, dim):\n{lines}"
        )


class TestTampering:
    @pytest.mark.parametrize(
        ("source", "says"),
        [
            (
                "import sys\nf = sys._getframe(1)",
                "stack of whoever called (`sys._getframe`) in cell 2, line 2",
            ),
            ("from inspect import stack\nstack()[1]", "`inspect.stack`"),
            ("import inspect\ninspect.currentframe().f_back", "`.f_back`"),
            ("import gc\ngc.get_objects()", "Searches the memory"),
            ("import ctypes", "Goes around Python"),
            ("__builtins__['abs'] = None", "Touches the builtins"),
            ("__builtins__.abs = None", "`builtins.abs`"),
            ("import builtins\nbuiltins.isinstance = lambda *a: True", "`builtins.isinstance`"),
            ("torch.allclose = lambda *a: True", "Replaces parts of a library (`torch.allclose`)"),
            ("torch.Tensor.__eq__ = lambda *a: True", "`torch.Tensor.__eq__`"),
            ("F.softmax = lambda *a: a", "`torch.nn.functional.softmax`"),
            ("setattr(torch, 'allclose', print)", "`torch.allclose`"),
            ("t = torch\nfor name in names:\n    setattr(t, name, print)", "`torch.*`"),
            ("torch.__dict__['allclose'] = print", "`torch.allclose`"),
            ("torch.__dict__.update(allclose=print)", "own dictionary"),
            ("import sys\nsys.modules['torch'] = print", "`torch`"),
            ("del torch.allclose", "`torch.allclose`"),
            (
                "def f():\n    import numpy as np\n    np.testing.assert_allclose = print",
                "`numpy.testing.assert_allclose`",
            ),
            (
                "class T(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, *a): ...",
                "Intercepts",
            ),
            ("import os\nos._exit(0)", "Ends processes"),
            ("from pickle import loads", "Uses pickles"),
            ("open('/proc/self/maps')", "`/proc`"),
            ("import socket", "Uses the network"),
            ("import subprocess as sp\nsp.run('ls')", "Starts processes"),
            ("import os\nos.system('ls')", "`os.system`"),
            ("import atexit", "when the process is ended"),
            ("import signal\nsignal.signal(2, print)", "`signal.signal`"),
            ("from course.check import _registry", "inside of the checks"),
            ("check.__globals__", "inside of the checks"),
            ("check.results = {}", "`course.check.results`"),
            ("import autograder.hidden", "grader or the solutions"),
            ("from solutions.attention import stable_softmax", "grader or the solutions"),
            ("exec('x = 1')", "`builtins.exec`"),
            ("from unittest import mock", "Replaces parts of other modules"),
            ("import sys\nsys.settrace(print)", "how Python runs"),
            ("object.__subclasses__()", "`.__subclasses__`"),
        ],
    )
    def test_what_reaches_for_the_machinery_is_one_sentence(self, source: str, says: str) -> None:
        messages = [flag.message for flag in suspicious(cells(source))]
        assert any(says in message for message in messages), messages
        assert all(message.endswith(".") and "in cell 2" in message for message in messages)

    @pytest.mark.parametrize(
        "source",
        [
            "torch.manual_seed(0)\ntorch.set_default_dtype(torch.float64)",
            "torch.backends.cuda.matmul.allow_tf32 = False",
            "import gc\ngc.collect()",
            "import os\nos.environ['OMP_NUM_THREADS'] = '1'",
            "import sys\nprint(sys.version, 'google.colab' in sys.modules)",
            "import inspect\ninspect.signature(print)",
            "from scipy import signal\nsignal.convolve(a, b)",
            "model = nn.Linear(3, 3)\nmodel.eval()\nmodel.weight.data[0] = 1\nmodel.bias = None",
            "check(softmax)",
            "import numpy as np\nnp.random.seed(0)\nx = np.zeros(3)\nx[0] = 1",
            "class A:\n    def __eq__(self, other): return True",
            "torch.compile(model)",
            "from torch import softmax\nsoftmax = lambda x, dim: x",
            "print('see /process')",
        ],
    )
    def test_honest_code_is_not_flagged(self, source: str) -> None:
        assert suspicious(cells(source)) == []

    def test_each_kind_is_told_once_with_its_places(self) -> None:
        (flag,) = suspicious(
            cells("import ctypes", "import ctypes", *["x = 1"] * 3, "import ctypes\nimport ctypes")
        )
        assert (
            flag.message
            == "Goes around Python (`ctypes`) in cell 2, line 1; cell 3, line 1; cell 7, line 1; 1 more."
        )
        assert flag.kind == "tampering"

    def test_names_of_one_kind_are_told_together(self) -> None:
        (flag,) = suspicious(cells("torch.equal = torch.allclose = print\ntorch.a = torch.b = print"))
        assert flag.message == (
            "Replaces parts of a library (`torch.equal`, `torch.allclose`, `torch.a`, 1 more) "
            "in cell 2, line 1; cell 2, line 2."
        )

    def test_the_exercise_is_told_if_it_is_one(self) -> None:
        (flag,) = suspicious([Cell(1, "import ctypes", "softmax")])
        assert flag.exercise == "softmax"
        (flag,) = suspicious([Cell(1, "import ctypes", "softmax"), Cell(2, "import ctypes")])
        assert flag.exercise == ""


ALIASES = {
    "a chain": "".join(f"a{n + 1} = a{n}\n" for n in range(5_000)),
    "a circle": "a = b\nb = a\n" * 3_000,
    "doubling": "a0 = torch\n" + "".join(f"a{n + 1} = a{n}.x\na{n + 1} = a{n}.y\n" for n in range(2_000)),
    "growing itself": "a = torch\na = a.b\n" * 3_000,
    "many bindings of one name": "a = torch.x\n" * 5_000 + "a(a)\n" * 5_000,
    "functions that call each other": "".join(
        f"def f{n}(): return f{n - 1}() + f{n + 1}()\n" for n in range(2_500)
    ),
    "nested classes": "\n".join(" " * n + f"class A{n}:" for n in range(90)) + " x = torch.y\n",
    "nested functions": "\n".join(" " * n + f"def f{n}():" for n in range(90)) + " x = torch.y\n",
    "nested lambdas": "x = " + "lambda a: " * 400 + "torch.y",
    "an attribute chain": "x = a" + ".b" * 800,
    "a sum": "x = " + "+".join(["torch.a"] * 800),
    "alternatives": "x = " + " or ".join(["torch.a"] * 9_000),
    "choices": "x = " + "".join(f"torch.a{n} if y else " for n in range(300)) + "z",
    "choices of choices": "x = " + "(" * 60 + "a" + " if b else torch)" * 60 + ".x" * 60,
}


@pytest.mark.parametrize("name", ALIASES)
def test_no_source_takes_more_than_a_moment(name: str) -> None:
    source = ALIASES[name]
    used = "def softmax(x, dim):\n    return f9(a, a9, x)"
    began = time.process_time()
    forbidden_calls(cells(source, used), SOFTMAX, MODULE.graded)
    suspicious(cells(source, used))
    assert time.process_time() - began < 5


PIECES = """\
import torch as {a}
from {a} import *
{a} = {b}
{a}: {b} = {b}
{a} = {b}.softmax
{a}[{b}] = {a}
{a}.{b} = {a}
getattr({a}, '{b}')
setattr({a}, '{b}', {b})
lambda {a}, *{b}: {a}
({a} := {b})
[{a} for {a} in {b} if {a}.softmax]
def {a}({b}): return {a}.{b}({b})
async def {a}(): await {b}
def {a}():\\n    global {a}\\n    {a} = {b}
class {a}({b}):\\n    {a} = {b}\\n    def {b}(self): return self.{a}
for {a} in {b}: {b}({a})
with {a} as {b}: pass
try:\\n    {a}\\nexcept {b} as {a}:\\n    del {a}
match {a}:\\n    case {b}(): {a} = {b}
"""
piece = st.sampled_from([line.replace("\\n", "\n") + "\n" for line in PIECES.splitlines()])
name = st.sampled_from(["a", "b", "torch", "softmax"])
statement = st.builds(lambda piece, a, b: piece.format(a=a, b=b), piece, name, name)


@given(st.lists(st.lists(statement, max_size=5).map("".join), max_size=5))
@settings(max_examples=200)
def test_any_code_can_be_read(sources: list[str]) -> None:
    forbidden_calls(cells(*sources), SOFTMAX, MODULE.graded)
    suspicious(cells(*sources))
