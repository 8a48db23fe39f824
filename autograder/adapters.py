"""What the commands hand to the core, which itself knows no other system."""

from __future__ import annotations

from .contract.front_end import FrontEnd
from .exports import canvas, gradescope, moodle
from .exports.otter_cells import OTTER
from .submission.export import Export

EXPORTS: tuple[Export, ...] = (gradescope, canvas, moodle)  # in the order in which they are tried
FRONT_ENDS: tuple[FrontEnd, ...] = (OTTER,)
