"""A module's autograder zip: what `otter generate` makes, and all that our plugin needs inside a container.

run_autograder, run_otter.py, setup.sh, environment.yml, otter_config.json, tests/    Otter's layout
course_root/      this module's hidden suite, mistakes, keys and reference: what only graders may see
wheels/           `course` and `autograder`; constraints.txt has the versions that they were tested with
not-graded.json   the results for as long as there are none
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from otter.generate import main as otter_generate

from course.catalogue.syllabus import Module

from ..content.course_root import CourseRoot
from ..content.module import GradedModule
from ..errors import UsageError
from ..gradescope.not_graded import not_graded
from ..gradescope.settings import COURSE
from ..handout.archive import zipped
from . import test_files
from .container import NOTE, shown

AUTOGRADER = "/autograder"  # where a container has it
TESTED = "constraints.txt"

_RUN_OTTER = '''\
"""Grades the submission of this container."""

import sys
from pathlib import Path

from autograder.otter.container import main

sys.exit(main(Path(__file__).resolve().parent.parent))
'''

# Before anything that could fail. A rename, so that the file is never half there.
_FIRST = f"""\
mkdir -p {AUTOGRADER}/results
cp {AUTOGRADER}/source/{NOTE} {AUTOGRADER}/results/.{NOTE}
mv {AUTOGRADER}/results/.{NOTE} {AUTOGRADER}/results/results.json
"""

_LOCK = f"""
# What locks students' code in, and what this machine makes of it.
apt-get install -y bubblewrap
mamba run -n otter-env autograder doctor --course-root {AUTOGRADER}/source/{COURSE} || true
"""


def config(module: Module, seed: int) -> dict[str, Any]:
    """otter_config.json: students see the tests once the grades are published."""
    return {
        "show_hidden": True,
        "force_public_test_summary": False,
        "plugins": [{test_files.PLUGIN: {"module": module.id, "seed": seed, "course_root": COURSE}}],
    }


def build_wheels(root: CourseRoot) -> dict[str, bytes]:
    """The two distributions, file name → content; raises UsageError where they cannot be built."""
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        for project in (root.path, root.path / "autograder"):
            command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
            done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
            if done.returncode:
                said = done.stderr.strip().splitlines() or ["no reason given"]
                raise UsageError(f"{project}: its wheel cannot be built: {said[-1]}")
        return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.whl"))}


def archive(
    root: CourseRoot, module: Module, notebook: bytes, seed: int, wheels: Mapping[str, bytes], index: str
) -> bytes:
    """The zip. `notebook` is what students are given, `index` where else pip looks for PyTorch."""
    files = _generated(root, module, seed, wheels, index)
    first, newline, rest = files["run_autograder"].partition(b"\n")
    files["run_autograder"] = first + newline + _FIRST.encode() + rest
    files["run_otter.py"] = _RUN_OTTER.encode()
    files["setup.sh"] += _LOCK.encode()
    files[NOTE] = json.dumps(not_graded(shown(module.id)), indent=1).encode()
    files |= {f"wheels/{name}": content for name, content in wheels.items()}
    if (pins := root.path / TESTED).is_file():
        # Otter's own version is the one that wrote environment.yml.
        lines = pins.read_text(encoding="utf-8").splitlines(keepends=True)
        files[TESTED] = "".join(line for line in lines if not line.startswith("otter-grader==")).encode()
    for name, path in GradedModule.load(root, module.id).files_to_grade_with().items():
        files[f"{COURSE}/{name}"] = path.read_bytes()
    files[f"{COURSE}/exercises/{module.id}.ipynb"] = notebook
    return zipped(files, ("run_autograder", "setup.sh"))


def _generated(
    root: CourseRoot, module: Module, seed: int, wheels: Mapping[str, bytes], index: str
) -> dict[str, bytes]:
    """What `otter generate` makes of our tests, configuration and requirements."""
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        tests, made = Path(folder, "tests"), Path(folder, "made.zip")
        tests.mkdir()
        for exercise in module.graded:
            text = test_files.grading_test(module, exercise)
            (tests / test_files.file_name(module, exercise)).write_text(text, encoding="utf-8")
        settings, requirements = Path(folder, "otter_config.json"), Path(folder, "requirements.txt")
        settings.write_text(json.dumps(config(module, seed)), encoding="utf-8")
        requirements.write_text("\n".join(_requirements(root, wheels, index)), encoding="utf-8")
        otter_generate(
            tests_dir=str(tests),
            output_path=str(made),
            config=str(settings),
            requirements=str(requirements),
            no_environment=True,
            python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
        )
        with zipfile.ZipFile(made) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def _requirements(root: CourseRoot, wheels: Mapping[str, bytes], index: str) -> Iterator[str]:
    """Lines for pip inside the container."""
    if index:
        yield f"--extra-index-url {index}"
    if (root.path / TESTED).is_file():
        yield f"--constraint {AUTOGRADER}/source/{TESTED}"
    for name in wheels:
        yield f"{AUTOGRADER}/source/wheels/{name}"
