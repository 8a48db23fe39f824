"""A submission with every attack on Otter in it: each leaves a mark where its code ran."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import dill
import nbformat

from autograder.build import dump
from autograder.otter.notebook import with_grader
from tests.sample_class import Material

# In a cell: test cases that pass, a result that is full, a log and a pickle; and the end of the process.
CELLS = """
import pickle, sys
from pathlib import Path
Path({mark!r}, "cell").touch()
from otter.execute import Checker
from otter.test_files import abstract_test, exception_test
exception_test.test_case.call_func = lambda self, environment: None
exception_test.ExceptionTestFile.run = lambda self, environment: None
abstract_test.TestFile.score = abstract_test.TestFile.possible
for name in ("results.json", "results.pkl", "../results/results.json", ".OTTER_LOG"):
    Path(name).write_text("forged")
"""

EXIT = "import os\n\nos._exit(0)"

TEST = """
from pathlib import Path
from otter.test_files import test_case

Path({mark!r}, "test").touch()
OK_FORMAT = False
name = "attention.stable_softmax"
points = 10


@test_case()
def passes():
    pass
"""

SHADOWS = ("otter", "torch", "json", "ipykernel_launcher", "sitecustomize", "IPython")


class Log:
    """What runs when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark / "log",)


def notebook(material: Material, mark: Path) -> bytes:
    """One exercise answered, and the rest tried by force."""
    draft = material.draft()
    draft.solve("split_heads")
    draft.insert_before("split_heads", CELLS.format(mark=str(mark)))
    made = with_grader(draft.notebook, material.module)
    made.cells[3].metadata["otter"] = {"tests": ["attention.stable_softmax"]}
    made.cells.append(nbformat.v4.new_code_cell(EXIT, id="the-end"))
    return dump(made)


def submission(material: Material, mark: Path) -> bytes:
    """The zip, as `grader.export` makes it and with more in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("attention.ipynb", notebook(material, mark))
        archive.writestr(".OTTER_LOG", dill.dumps(Log(mark)))
        archive.writestr("results.json", '{"score": 110, "tests": []}')
        archive.writestr("tests/attention.stable_softmax.py", TEST.format(mark=str(mark)))
        for name in SHADOWS:
            source = f"from pathlib import Path\nPath({str(mark)!r}, {name!r}).touch()\n"
            archive.writestr(f"{name}.py", source)
    return buffer.getvalue()
