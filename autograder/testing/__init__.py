"""All that an author of hidden tests needs.

    @exercise("stable_softmax")
    class StableSoftmax:
        @value(weight=2)
        def agrees_with_pytorch(self, student, draw):
            \"\"\"Agrees with PyTorch's softmax on random scores.\"\"\"
            x = draw.normal(3, 5)
            assert_close(student.stable_softmax(x, dim=-1), torch.softmax(x, -1))

A docstring is what a student reads when the test fails: the property, never inputs or expected values.
`value` tests compare values; `rule` tests state a property and count only once a value test passes.
`student` is `autograder.grading.student.Student`, `draw` is `Draw`. Mistakes and variants live in files
of their own, as ordinary functions and classes:

    @mistake("stable_softmax", title="no maximum subtracted", hint="...")
    def no_maximum(x, dim): ...

    @variant("stable_softmax", title="through logsumexp")
    def through_logsumexp(x, dim): ...
"""

from .assertions import Mismatch, assert_close, assert_holds, assert_tensor
from .draw import Draw
from .marks import Answer, exercise, mistake, rule, value, variant
from .modules import assert_gradients, assert_parameters, twins

__all__ = [
    "Answer",
    "Draw",
    "Mismatch",
    "assert_close",
    "assert_gradients",
    "assert_holds",
    "assert_parameters",
    "assert_tensor",
    "exercise",
    "mistake",
    "rule",
    "twins",
    "value",
    "variant",
]
