"""Code that reaches for the grader's machinery is flagged, and nothing else is."""

from __future__ import annotations

import pytest

from autograder.submission.lint import forbidden, suspicious
from course.cells.python import Cell
from tests.checking.test_forbidden import cells
from tests.submission.examples import MODULE

SOFTMAX = MODULE.exercise("softmax")


class TestForbidden:
    def test_a_certain_call_takes_the_points_and_says_so_in_its_flag(self) -> None:
        found = forbidden(cells("def softmax(x, dim):\n    return x.softmax(dim)"), MODULE, SOFTMAX)
        assert found.withheld == (
            "this exercise asks you to write `softmax` yourself: `x.softmax` (cell 2, line 2) does it for you"
        )
        assert [flag.message for flag in found.flags] == [
            "'softmax' uses `x.softmax` in cell 2, line 2: it was to be written by hand, "
            "no points are given for it."
        ]

    def test_a_course_can_ask_for_flags_alone(self) -> None:
        module = MODULE.model_copy(update={"forbidden": "flag"})
        found = forbidden(cells("def softmax(x, dim):\n    return x.softmax(dim)"), module, SOFTMAX)
        assert not found.withheld
        assert "by hand, its points stand." in found.flags[0].message

    def test_an_uncertain_one_is_a_flag_and_takes_nothing(self) -> None:
        found = forbidden(
            cells("def softmax(x, dim):\n    return torch._softmax(x, dim, False)"), MODULE, SOFTMAX
        )
        assert not found.withheld
        assert [flag.message for flag in found.flags] == [
            "'softmax' may use a call that it forbids (`torch._softmax` in cell 2, line 2): "
            "its points stand, somebody has to look."
        ]


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
