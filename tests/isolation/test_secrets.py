"""A worker searches everything it can read for solutions, hidden tests and keys, and finds none."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.sandbox.levels import Isolation, probe

ROOT = CourseRoot.find(Path(__file__).parent)
# No secret, and in every worker's standard library: a search that does not find it finds nothing.
KNOWN = inspect.getsource(json.decoder.py_scanstring).splitlines()[0]
EVERY = 12  # of the lines, to be done in seconds; a file that leaks has more than one
LIBRARIES = (
    *("torch", "nvidia", "numpy", "scipy", "sympy", "matplotlib", "pip"),
    *("transformers", "diffusers", "peft", "accelerate"),
)


def search(places: list[str], lines: list[str], libraries: list[str]) -> list[str]:
    """Runs inside the worker: files that hold one of these lines, but for those of known libraries."""
    import itertools
    import os
    import re
    import sys

    # A line can only be in a file that has the longest word within it, and words are quickly looked up: this
    # takes a third of the time of looking for each line.
    word = re.compile(rb"\w{6,}")
    by_word: dict[bytes, list[bytes]] = {}
    for line in map(str.encode, lines):
        within = [at.group() for at in word.finditer(line) if at.start() > 0 and at.end() < len(line)]
        by_word.setdefault(max(within, key=len, default=b""), []).append(line)

    found, looked_at = [], 0
    # At "landlock" the root cannot be listed, what is granted below it can.
    places += ["/", "/opt/autograder", "/usr", "/tmp", "/home", "/root"]
    places += [*sys.path, sys.prefix, sys.base_prefix]
    visited = set()
    for folder, folders, files in itertools.chain.from_iterable(map(os.walk, dict.fromkeys(places))):
        if folder in visited:
            folders[:] = []
            continue
        visited.add(folder)
        folders[:] = [
            name
            for name in folders
            if not os.path.islink(os.path.join(folder, name))
            and os.path.join(folder, name) not in ("/proc", "/sys", "/usr/share/zoneinfo")
            and name not in libraries
        ]
        for name in files:
            path = os.path.join(folder, name)
            try:
                if os.path.getsize(path) > 3_000_000 or name.endswith((".so", ".a", ".exe")):
                    continue
                with open(path, "rb") as file:
                    content = file.read()
            except OSError:
                continue
            looked_at += 1
            there = by_word.keys() & {b"", *word.findall(content)}
            found += [f"{path}: {line.decode()}" for one in there for line in by_word[one] if line in content]
    assert looked_at > 1000, "the search itself does not work"
    return found


# Run by the Python of another environment, in which the distributions are installed as users install them.
DRIVER = """
import json, sys
from pathlib import Path
from autograder.contract.student import Student
from autograder.sandbox import zygote as zygotes
from autograder.contract.budget import Budget, Limits
from autograder.sandbox.levels import Isolation
from autograder.sandbox.line import WorkerLine
from autograder.sandbox.locked import LockedWorker
from autograder.worker.zygote import WorkerOrder

asked = json.load(sys.stdin)
zygote = zygotes.start(Isolation(asked["level"]), Path(asked["root"]))
zygote.wait_until_ready()
limits = Limits(call_cpu=200, submission_cpu=400, submission_wall=1000)
request = WorkerOrder(
    asked["level"], "cpu", limits.memory, limits.scratch, tuple(zygote.read), zygote.home)
with zygote.connect() as connection:
    line = WorkerLine(lambda: LockedWorker(connection, request, 400), Budget(limits), [(1, asked["source"])])
    places = [asked["root"], asked["root"] + "/course"]
    print(json.dumps(Student(line).search(places, asked["lines"], asked["libraries"])))
    line.close()
zygote.close()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with both distributions, not editable; the libraries are shared."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "env", with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "env")}))
    for project in (ROOT.path, ROOT.path / "autograder"):
        wheels = folder / project.name
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
        subprocess.run(build, cwd=project, check=True, capture_output=True)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site)]
        subprocess.run([*install, *map(str, wheels.glob("*.whl"))], check=True, capture_output=True)
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env" / "bin" / "python"


def lines_to_look_for() -> list[str]:
    """Long lines of solutions, hidden tests, mistakes, variants and keys that nothing public has."""
    hidden = [*ROOT.hidden.rglob("*.py"), *ROOT.hidden.rglob("*.yaml")]
    lines = {line.strip() for file in hidden for line in file.read_text().splitlines()}
    for file in ROOT.path.glob("solutions/*.py"):
        regions = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", file.read_text(), re.DOTALL)
        lines |= {line.strip() for region in regions for line in region.splitlines()}
    public = [*(ROOT.path / "course").rglob("*.*"), *ROOT.exercises.glob("*.ipynb")]
    known = "\n".join(file.read_text() for file in public if file.suffix in (".py", ".md", ".yaml", ".ipynb"))
    found = sorted(line for line in lines if len(line) > 44 and line not in known and "import" not in line)
    return found[::EVERY]


@pytest.mark.slow
@pytest.mark.timeout(600)  # every file of an environment is read
@pytest.mark.parametrize("level", [Isolation.FULL, Isolation.LANDLOCK], ids=["full", "landlock"])
@pytest.mark.parametrize("how", ["installed", "editable"])
def test_nothing_that_a_worker_can_read_is_secret(
    level: Isolation, how: str, request: pytest.FixtureRequest
) -> None:
    if reason := probe()[level]:
        pytest.skip(f"isolation {level.value} does not work on this machine: {reason}")
    python = request.getfixturevalue("installed") if how == "installed" else Path(sys.executable)
    asked = {
        "level": level.value,
        "root": str(ROOT.path),
        "source": inspect.getsource(search),
        "lines": [*lines_to_look_for(), KNOWN],
        "libraries": [*LIBRARIES],
    }
    assert len(asked["lines"]) > 50
    done = subprocess.run(
        [str(python), "-c", DRIVER], input=json.dumps(asked), capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    assert any(one.endswith(f"/json/decoder.py: {KNOWN}") for one in found)
    assert [one for one in found if not one.endswith(f": {KNOWN}")] == []
