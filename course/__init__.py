"""Write the parts of a diffusion model yourself, and have each one checked.

    from course import check, hint, parts

Content is what an author of a module writes: `modules/` and `lab/`. All else is engine, and would serve a
course on another subject: `catalogue/`, `checking/`, `desk/`, `pictures/` and the commands.
Importing it is quick: torch, the syllabus and matplotlib are loaded by what needs them.
"""

from course.check import CheckFailed, check
from course.hint import hint
from course.parts import parts
from course.predict import predict, predicted

__all__ = ["CheckFailed", "check", "hint", "parts", "predict", "predicted"]
