"""Forbidden calls are found under every name they go by, and only where an answer uses them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from autograder import build
from autograder.content.course_root import CourseRoot
from autograder.submission.lint import suspicious
from course.catalogue.syllabus import Exercise, Module, load
from course.cells.magics import to_python
from course.cells.python import Cell
from course.checking.examine import on_exercise
from course.checking.forbidden import Found, forbidden_calls, listed, sentence
from tests.submission.examples import MODULE, SET_UP

SOFTMAX, ATTENTION = MODULE.exercise("softmax"), MODULE.exercise("Attention")


def cells(*sources: str) -> list[Cell]:
    """Cells with the numbers 1, 2, ..., the first of which is the set-up."""
    return [Cell(number, source) for number, source in enumerate((SET_UP, *sources), start=1)]


def found(*sources: str, exercise: Exercise = SOFTMAX, certain: bool = True) -> str:
    """What is found that is (not) certain, and where; '' if there is nothing."""
    calls = forbidden_calls(cells(*sources), MODULE, exercise)
    return "; ".join(f"{one.name} in {listed(one.places)}" for one in calls if one.certain is certain)


def flagged(*sources: str, exercise: Exercise = SOFTMAX) -> str:
    """The same, certain or not."""
    both = (found(*sources, exercise=exercise, certain=certain) for certain in (True, False))
    return "; ".join(filter(None, both))


def answer(expression: str, *before: str) -> tuple[str, str]:
    """Cells in which the answer to `softmax` gives back this expression."""
    return "\n".join(before) or "pass", f"def softmax(x, dim):\n    return {expression}"


def test_the_sentence_names_the_call_the_cell_and_the_line() -> None:
    source = "def softmax(x, dim):\n    # hm\n    return F.softmax(x, dim)"
    calls = forbidden_calls(cells("x = 1", source), MODULE, SOFTMAX)
    assert sentence(SOFTMAX, calls) == (
        "this exercise asks you to write `softmax` yourself: `torch.nn.functional.softmax` (cell 3, line 3) "
        "does it for you"
    )
    assert sentence(SOFTMAX, []) == ""


class TestEveryNameOfACall:
    @pytest.mark.parametrize(
        "expression",
        [
            "torch.softmax(x, dim)",
            "F.softmax(x, dim)",
            "nn.Softmax(dim)(x)",
            "torch.nn.modules.activation.Softmax(dim)(x)",
            "x.softmax(dim)",
            "(x * 2).softmax(dim)",
            "torch.Tensor.softmax(x, dim)",
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
    def test_is_certain_by_the_modules_that_the_set_up_imports(self, expression: str) -> None:
        assert "softmax in" in found(*answer(expression, "import importlib, operator, sys")).lower()

    @pytest.mark.parametrize(
        "expression",
        [
            "torch.ops.aten.softmax(x, dim)",
            "torch._softmax(x, dim, False)",
            "torch._C._nn.softmax(x, dim)",
            "F.gumbel_softmax(x)",
            "x._softmax(dim)",
            "scipy.special.softmax(x, dim)",
            'getattr(F, "softmax")(x, dim)',
            'getattr(F, "soft" + "max")(x, dim)',
            'getattr(F, "".join(["soft", "max"]))(x, dim)',
            "getattr(torch, name)(x, dim)",
            'getattr(x, "softmax")(dim)',
            "getattr(x, name)(dim)",
            'F.__dict__["softmax"](x, dim)',
            "F.__dict__[name](x, dim)",
            'vars(F)["softmax"](x, dim)',
            "[f for f in dir(torch)]",
            'operator.attrgetter("nn.functional.softmax")(torch)(x, dim)',
            'operator.methodcaller("softmax", dim)(x)',
            "operator.methodcaller(name, dim)(x)",
            "importlib.import_module(name)(x, dim)",
            'eval("torch.softmax(x, dim)")',
            'call("softmax", x)',
            'call("torch.nn.functional.softmax", x)',
        ],
    )
    def test_is_for_a_person_where_it_is_no_plain_name(self, expression: str) -> None:
        sources = answer(expression, "import importlib, operator, sys, scipy.special")
        assert found(*sources) == ""
        assert found(*sources, certain=False)

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
            ("calls = {'a': [torch.softmax]}", "calls['a'][0](x, dim)"),
            ("class Calls:\n    s = staticmethod(F.softmax)", "Calls.s(x, dim)"),
            ("class Calls: pass\nit = Calls()\nit.s = F.softmax", "it.s(x, dim)"),
            ("torch.mine = torch.softmax", "torch.mine(x, dim)"),
            ("try:\n    import fast as G\nexcept ImportError:\n    G = F", "G.softmax(x, dim)"),
        ],
    )
    def test_is_certain_by_names_given_in_the_notebook(self, before: str, expression: str) -> None:
        assert "softmax in" in found(before, f"def softmax(x, dim):\n    return {expression}").lower()

    @pytest.mark.parametrize(
        ("before", "expression"),
        [
            ("s = getattr(torch, 'softmax')", "s(x, dim)"),
            ("get = getattr", "get(torch, 'softmax')(x, dim)"),
            ("names = ['exp', 'softmax']", "getattr(torch, names[1])(x, dim)"),
            ("def helper(x, lib):\n    return lib.softmax_(x, -1)", "helper(x, torch)"),
            ("class It:\n    def softmax(self, x): return x\nit = It()", "it.softmax(x)"),
            ("s = F.softmax\ns = len", "s(x, dim)"),
        ],
    )
    def test_is_for_a_person_where_the_name_leaves_a_doubt(self, before: str, expression: str) -> None:
        sources = before, f"def softmax(x, dim):\n    return {expression}"
        assert found(*sources) == ""
        assert found(*sources, certain=False)

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
        assert "softmax in" in found(f"def softmax(x, dim):\n    {body}")

    def test_on_an_argument_if_it_is_spelled_out(self) -> None:
        source = "def Attention(x, lib):\n    return getattr(lib, 'scaled_dot_product_attention')(x, x, x)"
        assert ".scaled_dot_product_attention in" in found(source, exercise=ATTENTION, certain=False)

    def test_a_classs_own_names_are_not_its_methods(self) -> None:
        source = """class Attention(nn.Module):
    F = 1

    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x)"""
        assert "cell 2, line 5" in found(source, exercise=ATTENTION)

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
        assert "torch.nn.MultiheadAttention in cell 2, line 4" in found(source, exercise=ATTENTION)


class TestWhereItCounts:
    def test_in_a_helper_that_the_answer_calls_through_another(self) -> None:
        message = found(
            "def inner(x, d):\n    return torch.softmax(x, d)",
            "def outer(x, d):\n    return inner(x, d)",
            "def softmax(x, dim):\n    return outer(x, dim)",
        )
        assert "cell 2, line 2" in message

    def test_in_an_object_made_outside_of_the_answer(self) -> None:
        assert "cell 2, line 1" in found(
            "layer = nn.Softmax(-1)", "def softmax(x, dim):\n    return layer(x)"
        )

    def test_in_an_answer_that_is_a_name_for_it(self) -> None:
        assert found("softmax = F.softmax")
        assert found("softmax = lambda x, dim: F.softmax(x, dim)")

    def test_in_a_method_added_later(self) -> None:
        later = "def forward(self, x):\n    return F.scaled_dot_product_attention(x, x, x)"
        for way in ("Attention.forward = forward", "setattr(Attention, 'forward', forward)"):
            assert "cell 3, line 2" in found(
                "class Attention(nn.Module): ...", later, way, exercise=ATTENTION
            )

    def test_in_a_base_class(self) -> None:
        assert found("class Attention(nn.MultiheadAttention): ...", exercise=ATTENTION)

    def test_in_an_answer_that_was_imported(self) -> None:
        imported = "from torch import softmax as softmax"
        assert "cell 2, line 1" in found(imported)
        assert flagged(imported, "def softmax(x, dim):\n    return x") == ""

    def test_in_what_an_answer_was_made_of(self) -> None:
        first = "def softmax(x, dim):\n    return F.softmax(x, dim)"
        assert "cell 2, line 2" in found(first, "softmax = torch.compile(softmax)")
        assert flagged(first, "@torch.compile\ndef softmax(x, dim):\n    return x") == ""

    def test_for_a_person_in_a_method_that_nothing_calls(self) -> None:
        source = """class Attention(nn.Module):
    def forward(self, x):
        return {}

    def _compare(self, x):
        return F.scaled_dot_product_attention(x, x, x)"""
        assert found(source.format("x"), exercise=ATTENTION) == ""
        assert found(source.format("x"), exercise=ATTENTION, certain=False)
        assert "cell 2, line 6" in found(source.format("self._compare(x)"), exercise=ATTENTION)

    def test_for_a_person_in_an_exercise_that_it_does_not_build_on(self) -> None:
        heads = "def split_heads(x, heads):\n    return F.softmax(x, -1)"
        sources = heads, "def softmax(x, dim):\n    return split_heads(x, dim)"
        assert found(*sources) == ""
        assert "cell 2, line 2" in found(*sources, certain=False)

    def test_for_a_person_where_it_only_tells_a_type(self) -> None:
        source = "def softmax(x: nn.Softmax, dim):\n    return x if isinstance(x, nn.Softmax) else x.exp()"
        assert found(source) == ""

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
        """Attention may use the library's softmax, and builds on softmax, whatever that is made of."""
        attention = (
            "class Attention(nn.Module):\n    def forward(self, x):\n        return F.softmax(x, -1) @ x"
        )
        assert flagged(attention, "def softmax(x, dim):\n    return x", exercise=ATTENTION) == ""
        assert flagged(attention, "def softmax(x, dim):\n    return x") == ""
        library = "def softmax(x, dim):\n    return F.scaled_dot_product_attention(x, x, x)"
        assert flagged(library, "def Attention(x):\n    return softmax(x, 0)", exercise=ATTENTION) == ""

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
            "def softmax(x, dim):\n    assert x.ndim, 'softmax'\n    print('softmax')\n    return x",
            "def softmax(x, dim):\n    # torch.softmax(x, dim)\n    'softmax'\n    return x",
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
        assert (
            forbidden_calls(cells("def split_heads(x, heads):\n    return F.softmax(x, 0)"), MODULE, heads)
            == []
        )

    def test_two_on_one_line_are_one_place(self) -> None:
        message = flagged("def softmax(x, dim):\n    return F.softmax(F.softmax(x, dim), dim)")
        assert message == "torch.nn.functional.softmax in cell 2, line 2"

    def test_many_places_are_one_sentence(self) -> None:
        lines = "\n".join("    x = F.softmax(x, dim)" for _ in range(500))
        assert "cell 2, line 2; cell 2, line 3; cell 2, line 4; 497 more" in flagged(
            f"def softmax(x, dim):\n{lines}"
        )


IN_A_NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
mine = (
    "def stable_softmax(x, dim):\\n    e = (x - x.amax(dim, keepdim=True)).exp()\\n"
    "    return e / e.sum(dim, keepdim=True)"
)
torchs = "def stable_softmax(x, dim):\\n    return x.softmax(dim)"
for source in (
    "import torch\\nfrom course import check",
    torchs,
    "check(stable_softmax)",
    "def stable_softmax(x, dim)",
    "%time\\n" + mine,
    "torch.allclose(stable_softmax(torch.ones(3), 0), torch.softmax(torch.ones(3), 0))",
    "check(stable_softmax)",
    torchs,
    "check(stable_softmax)",
):
    shell.run_cell(source, store_history=True)
"""


@pytest.mark.slow
def test_check_says_it_at_once_in_the_notebook(tmp_path: Path) -> None:
    """And nothing any more as soon as the answer is written anew, whatever was tried before."""
    done = subprocess.run(
        [sys.executable, "-c", IN_A_NOTEBOOK],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    said = "asks you to write `stable_softmax` yourself: `x.softmax` (In [{}], line 2) does it for you\n"
    first, second, third = done.stdout.split("stable_softmax · ")[1:]
    assert said.format(2) in first
    assert "6 of 7 checks hold." in first
    assert "All 6 checks hold. Grading tests more." in second
    assert said.format(8) in third


class TestWhatAReportSays:
    @pytest.mark.parametrize(
        ("policy", "state", "sign"), [("withhold", "failed", "✗"), ("flag", "passed", "!")]
    )
    def test_a_forbidden_call_is_red_or_a_remark(self, policy: str, state: str, sign: str) -> None:
        module = load().module("attention").model_copy(update={"forbidden": policy})
        answer = {"stable_softmax": torch.softmax}
        report = on_exercise(module, module.exercise("stable_softmax"), answer, "you call it")
        assert (report.state, report.lines[0]) == (state, f"{sign} you call it")

    def test_what_is_not_written_yet_is_just_that(self) -> None:
        def stub(x: Tensor, dim: int) -> Tensor:
            raise NotImplementedError("write stable_softmax")

        module = load().module("attention")
        report = on_exercise(
            module, module.exercise("stable_softmax"), {"stable_softmax": stub}, "you call it"
        )
        assert report.state == "untouched"


@pytest.mark.parametrize("module", load().modules, ids=lambda module: module.id)
def test_no_cell_of_a_lesson_is_accused(module: Module) -> None:
    """With the demos, which a kernel has run, too."""
    root = CourseRoot.find(Path(__file__).parent)
    notebook = build.compose(root, module.id, build.answers(root, module.id, "solved"))
    code = [(number, cell) for number, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
    run = [Cell(number, to_python(cell.source)) for number, cell in code]
    for exercise in module.exercises:
        assert forbidden_calls(run, module, exercise) == []


ALIASES = {
    "a chain": "".join(f"a{n + 1} = a{n}\n" for n in range(2_500)),
    "a circle": "a = b\nb = a\n" * 1_500,
    "doubling": "a0 = torch\n" + "".join(f"a{n + 1} = a{n}.x\na{n + 1} = a{n}.y\n" for n in range(1_000)),
    "growing itself": "a = torch\na = a.b\n" * 1_500,
    "many bindings of one name": "a = torch.x\n" * 2_500 + "a(a)\n" * 2_500,
    "functions that call each other": "".join(
        f"def f{n}(): return f{n - 1}() + f{n + 1}()\n" for n in range(1_200)
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
    forbidden_calls(cells(source, used), MODULE, SOFTMAX)
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
    forbidden_calls(cells(*sources), MODULE, SOFTMAX)
    suspicious(cells(*sources))


@pytest.mark.parametrize(
    ("before", "layer"),
    [
        ("from course import check, parts", "parts.attention.CrossAttention"),
        ("from course import parts as given", "given.attention.CrossAttention"),
        ("import course", "course.parts.attention.CrossAttention"),
        ("from course.parts import parts", "parts.attention.CrossAttention"),
        ("from course.modules.attention import lent", "lent.CrossAttention"),
        ("from course.modules.attention.lent import CrossAttention as Theirs", "Theirs"),
        ("from course.lab.layers import Attention", "Attention"),
    ],
)
def test_what_the_course_lends_of_a_module_answers_nothing_in_it(before: str, layer: str) -> None:
    """It is a part of the module `unet`, and no answer to the module that it is lent from."""
    source = [Cell(1, before), Cell(2, f"class CrossAttention({layer}):\n    pass")]
    attention, unet = load().module("attention"), load().module("unet")
    assert sentence(*_asked(source, attention, "CrossAttention")).endswith("does it for you")
    block = [Cell(1, before), Cell(2, f"class TransformerBlock:\n    made = {layer}")]
    assert forbidden_calls(block, unet, unet.exercise("TransformerBlock")) == []


def _asked(source: list[Cell], module: Module, id: str) -> tuple[Exercise, list[Found]]:
    return module.exercise(id), forbidden_calls(source, module, module.exercise(id))
