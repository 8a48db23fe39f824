"""An answer is taken out of a notebook with what it needs, and with nothing else."""

from __future__ import annotations

import textwrap

import pytest

from course.cells.magics import to_python
from course.cells.python import Cell
from course.checking.excerpt import Excerpt, NotByItself, excerpt, fingerprint


def cells(*sources: str) -> list[Cell]:
    return [Cell(number, to_python(textwrap.dedent(one).strip())) for number, one in enumerate(sources, 1)]


def taken(*sources: str, of: str = "f", answers: tuple[str, ...] = ("f", "g")) -> Excerpt:
    return excerpt(cells(*sources), [of], answers)


def test_the_whole_cell_is_kept_but_for_what_only_tries_it_out() -> None:
    found = taken(
        """
        # What I thought of first.
        %time 3
        WIDTH = 3  # nobody uses it


        def helper(x):
            return x  # as it is


        def f(x):
            return helper(x)


        print(f(2))
        check(f)
        tried = f(3)
        # the end
        """
    )
    assert found.source == (
        "WIDTH = 3  # nobody uses it\n\n\ndef helper(x):\n    return x  # as it is\n\n\n"
        "def f(x):\n    return helper(x)"
    )
    assert (found.helpers, found.imports, found.others) == ({}, (), frozenset())


def test_what_other_cells_define_comes_along_in_their_order() -> None:
    found = taken(
        "SCALE = 2",
        "picture = load()\nprint(picture)",
        "# twice\ndef twice(x):\n    return SCALE * x\n\nprint(twice(1))",
        "def f(picture):\n    return twice(picture)",  # its own `picture`, not the one above
    )
    assert found.helpers == {"SCALE": "SCALE = 2", "twice": "# twice\ndef twice(x):\n    return SCALE * x"}
    assert found.source == "def f(picture):\n    return twice(picture)"


def test_imports_are_those_that_are_used_in_annotations_and_decorators_too() -> None:
    found = taken(
        "from __future__ import annotations\nimport math, sys\nimport torch\n"
        "import torch.nn.functional as F\nfrom torch import Tensor, nn\nfrom functools import cache",
        "@cache\ndef f(x: Tensor) -> torch.Tensor:\n    from os import path\n    return F.relu(x, math.pi)",
    )
    assert set(found.imports) == {
        "from __future__ import annotations",
        "import math",
        "import torch",
        "import torch.nn.functional as F",
        "from torch import Tensor",
        "from functools import cache",
    }


def test_of_several_definitions_the_last_one_counts() -> None:
    found = taken("def h(x): return 1", "def f(x):\n    return h(x)", "def h(x): return 2",
                  "def f(x):\n    return -h(x)")  # fmt: skip
    assert found.source == "def f(x):\n    return -h(x)"
    assert found.helpers == {"h": "def h(x): return 2"}


def test_a_definition_that_is_replaced_in_its_own_cell_is_left_out() -> None:
    found = taken("def f(x):\n    return 1\n\n\ndef f(x):\n    return 2")
    assert found.source == "def f(x):\n    return 2"


def test_other_answers_are_named_and_left_where_they_are() -> None:
    both = "def g(x):\n    return x\n\n\ndef spare():\n    pass\n\n\ndef f(x):\n    return g(x)"
    found = taken(both)
    assert found.source == "def f(x):\n    return g(x)"
    assert found.others == {"g"}


def test_a_change_in_another_cell_belongs_to_the_answer() -> None:
    found = taken("class f:\n    pass", "f.width = 3", "f.width = 3 if True else 4\nprint(1)")
    assert found.source == "class f:\n    pass\n\n\nf.width = 3\n\n\nf.width = 3 if True else 4"


def test_what_a_loop_or_a_demo_makes_is_not_run_again_elsewhere() -> None:
    with pytest.raises(NotByItself, match="it uses `table`, which a `for` block makes"):
        taken("for i in range(9):\n    table = train(i)", "def f(x):\n    return table[x]")
    with pytest.raises(NotByItself, match="it uses `net`, which a `with` block makes"):
        taken("with needs():\n    net = train()", "def f(x):\n    return net(x)")


def test_what_no_cell_defines_is_an_error() -> None:
    with pytest.raises(KeyError):
        taken("from somewhere import f")


def test_two_statements_on_a_line_come_whole() -> None:
    found = taken("a = 1; b = 2", "def f(x):\n    return b")
    assert found.helpers == {"b": "a = 1; b = 2"}


def test_a_fingerprint_is_of_the_code_and_of_all_that_it_calls() -> None:
    def of(*sources: str) -> str:
        return fingerprint(cells(*sources), ["f"])

    first = of("def g(x):\n    return x", "def f(x):\n    return g(x)")
    assert first == of("def f(x):\n    return g(x)  # mine", "def g(x): return x", "def h(): pass")
    assert first != of("def g(x):\n    return -x", "def f(x):\n    return g(x)")
    assert of("import math", "def f(x): return math.pi") != of("import cmath as math",
                                                             "def f(x): return math.pi")  # fmt: skip
