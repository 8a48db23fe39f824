"""All that an author of hidden tests needs.

    @exercise("double")
    class Double:
        @value(weight=2)
        def is_twice_the_input(self, student, draw):
            \"\"\"Gives twice the input.\"\"\"
            x = draw.normal(3, 5)
            assert_close(student.double(x), 2 * x)

A docstring is what a student reads when the test fails: the property, never inputs or expected values.
`value` tests compare values; `rule` tests state a property and count only once a value test passes.
`student` is `Student`, `draw` is `Draw`. A suite imports this and the reference, and nothing else of the
grader's. Mistakes and variants live in files of their own, as ordinary functions and classes:

    @mistake("double", title="squared", hint="...")
    def squared(x): ...

    @variant("double", title="as a sum")
    def as_a_sum(x): ...
"""

from ..contract.line import Kept, differentiable
from ..contract.student import Handle, Part, Student, part
from ..errors import StudentError
from .assertions import Mismatch, assert_close, assert_holds, assert_tensor
from .draw import Draw
from .marks import Answer, exercise, mistake, rule, value, variant
from .modules import assert_gradients, assert_parameters, copy_weights, twins
from .promises import (
    Example,
    any_layout,
    as_torch_initialises,
    by_position_and_name,
    dtypes,
    gradients,
    new_tensor,
    promises,
    same_in_eval,
    untouched,
)

__all__ = [
    "Answer",
    "Draw",
    "Example",
    "Handle",
    "Kept",
    "Mismatch",
    "Part",
    "Student",
    "StudentError",
    "any_layout",
    "as_torch_initialises",
    "assert_close",
    "assert_gradients",
    "assert_holds",
    "assert_parameters",
    "assert_tensor",
    "by_position_and_name",
    "copy_weights",
    "differentiable",
    "dtypes",
    "exercise",
    "gradients",
    "mistake",
    "new_tensor",
    "part",
    "promises",
    "rule",
    "same_in_eval",
    "twins",
    "untouched",
    "value",
    "variant",
]
