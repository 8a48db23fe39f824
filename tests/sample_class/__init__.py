"""A class for the module `attention`, built by code from the exercise notebook: no notebook is kept.

    python -m tests.sample_class DIR        writes DIR/STUDENT/attention.ipynb for everybody

`students.CLASS` has one entry a student, with what grading must make of the notebook.
"""

from tests.sample_class.material import Draft, Material, load_material
from tests.sample_class.outcome import Expected, as_expected
from tests.sample_class.students import CLASS, Student, write_class

__all__ = [
    "CLASS",
    "Draft",
    "Expected",
    "Material",
    "Student",
    "as_expected",
    "load_material",
    "write_class",
]
