"""One submission in a faked container: the scripts of the zip, real workers, and whatever may end them."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from autograder.content.course_root import CourseRoot
from autograder.gradescope.export import export
from autograder.sandbox.levels import Isolation, probe
from tests.gradescope.container import Container, seen
from tests.sample_class import Material

pytestmark = pytest.mark.skipif(bool(probe()[Isolation.LANDLOCK]), reason="needs Landlock")

ATTACKS = """\
import os, signal, sys
from pathlib import Path
tree = Path({tree!r})
forged = '{{"score": 110, "tests": []}}'
done = []
def tried(what):
    try:
        done.append(what() or what)
    except BaseException:
        pass
places = "results/results.json", "source/not_graded.json", "submission/attention.ipynb", "/tmp/results.json"
for name in places:
    tried(lambda: (tree / name).write_text(forged))
    tried(lambda: os.replace(tree / name, tree / "results" / "results.json"))
tried(lambda: (tree / "source/course_root/solutions/attention.py").read_text())
tried(lambda: (tree / "source/course_root/autograder/hidden/attention/keys.yaml").read_text())
tried(os.fork)
tried(lambda: os.kill(os.getppid(), signal.SIGKILL))
tried(lambda: os.system("true") and 1 / 0)
print("DONE", done)
"""


def solved(material: Material) -> bytes:
    draft = material.draft()
    draft.solve()
    return draft.bytes()


def test_a_submission_that_attacks_gets_what_its_answers_deserve(
    container: Container, material: Material
) -> None:
    draft = material.draft()
    draft.solve()
    draft.insert_before("stable_softmax", ATTACKS.format(tree=str(container.tree)))
    # In its own folder, too, nothing of the student's is imported.
    poison = b"raise SystemExit('imported')"
    container.hand_in({"attention.ipynb": draft.bytes(), "autograder.py": poison, "torch.py": poison})
    done = container.run()
    found = container.results()
    assert found["score"] == 110, done.stdout
    assert found["extra_data"]["isolation"] == "landlock"
    printed = next(test["output"] for test in found["tests"] if "printed" in test["name"])
    assert printed.strip() == "DONE []"


# A user namespace that may make no other, without the capabilities that Docker withholds.
WITHOUT_PRIVILEGES = (
    "echo 0 > /proc/sys/user/max_user_namespaces && "
    "exec setpriv --bounding-set=-sys_admin,-sys_ptrace,-sys_resource "
    "--inh-caps=-sys_admin,-sys_ptrace,-sys_resource "
)


@pytest.mark.slow
def test_without_privileges_the_level_is_landlock(
    course_root: CourseRoot, material: Material, tmp_path: Path
) -> None:
    wrapped = ["unshare", "--user", "--map-root-user", "bash", "-c"]
    if subprocess.run([*wrapped, f"{WITHOUT_PRIVILEGES} true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let user namespaces be made")
    (archive,) = export(course_root, tmp_path, ["attention"], seed=1)
    container = Container.of(archive, tmp_path / "autograder")
    container.hand_in({"attention.ipynb": solved(material)})
    run = f"{WITHOUT_PRIVILEGES} {shlex.join(container.command())}"
    subprocess.run([*wrapped, run], check=True, cwd=container.tree, capture_output=True)
    found = container.results()
    assert (found["score"], found["extra_data"]["isolation"]) == (110, "landlock")


@pytest.mark.slow
def test_a_zip_of_otters_and_a_script_in_it(container: Container, material: Material) -> None:
    draft = material.draft()
    draft.solve()
    cells = [cell for cell in draft.notebook.cells if cell.cell_type == "code"]
    script = "".join(f"# %%\n{cell.source}\n\n" for cell in cells)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("attention.py", script)
        archive.writestr(".OTTER_LOG", "never unpickled")
    container.hand_in({"attention_2026_11_24.zip": buffer.getvalue()})
    container.run()
    assert container.results()["score"] == 110


@pytest.mark.slow
def test_several_notebooks_are_one_clear_sentence(container: Container, material: Material) -> None:
    container.hand_in({"a.ipynb": solved(material), "b.ipynb": material.draft().bytes()})
    container.run()
    found = container.results()
    assert found["score"] == 0
    told = seen(found, published=False)[0]["output"]
    assert "It has 2 files for 'attention' (a.ipynb, b.ipynb): hand in one of them" in told


BEFORE = {"previous_submissions": [{"submission_time": "2026-11-01", "score": "97.5", "results": {}}]}


def signal_session(leader: int, number: signal.Signals, name: str = "") -> None:
    """Sends it to all processes of a session, or to those of this name. (pkill is not on every machine.)"""
    for process in psutil.process_iter(["name"]):
        with suppress(ProcessLookupError):  # it has just ended
            if os.getsid(process.pid) == leader and name in ("", process.info["name"]):
                os.kill(process.pid, number)


class TestWhateverEndsIt:
    """results.json stays valid, says that it is no fault of the student's, and keeps the score before."""

    @pytest.fixture(autouse=True)
    def handed_in(self, container: Container, material: Material) -> Iterator[None]:
        draft = material.draft()
        draft.solve()
        for _ in range(3):  # each is waited for until its wall time is over
            draft.insert_before("stable_softmax", "import time\ntime.sleep(1000)\n")
        container.hand_in({"attention.ipynb": draft.bytes()}, BEFORE)
        yield
        assert container.results()["score"] == 97.5
        assert "no fault of yours" in seen(container.results(), published=False)[0]["output"]

    @pytest.fixture
    def grading(self, container: Container) -> Iterator[subprocess.Popen[str]]:
        """Has come as far as the score before, and will not end by itself for a minute."""
        with subprocess.Popen(
            container.command(),
            cwd=container.tree,
            env={**os.environ, "AUTOGRADER_SECONDS": "599"},
            start_new_session=True,
            stdout=subprocess.PIPE,
            text=True,
        ) as running:
            results = container.tree / "results" / "results.json"
            until = time.monotonic() + 120
            while not (results.is_file() and b"97.5" in results.read_bytes()):
                assert time.monotonic() < until, "no results before grading starts"
                time.sleep(0.01)
            yield running

    def test_its_time_is_up(self, grading: subprocess.Popen[str]) -> None:
        # As its own clock does it: a limit of a second or two is sometimes over before Python has started.
        signal_session(grading.pid, signal.SIGALRM, name="timeout")
        said, _ = grading.communicate(timeout=120)
        assert "not graded: exit code 124" in said
        assert "longer than 599 s" in said

    def test_it_is_killed(self, grading: subprocess.Popen[str]) -> None:
        signal_session(grading.pid, signal.SIGKILL)
        assert grading.wait(60) == -signal.SIGKILL

    @pytest.mark.slow
    def test_the_course_is_broken(self, container: Container) -> None:
        suite = container.tree / "source/course_root/autograder/hidden/attention/suite.py"
        whole = suite.read_bytes()
        try:
            suite.write_bytes(whole + b"\nraise RuntimeError('broken')\n")
            done = container.run()
        finally:
            suite.write_bytes(whole)
        assert "broken" in done.stdout


def test_without_python_the_first_results_stay(archive: Path, tmp_path: Path) -> None:
    container = Container.of(archive, tmp_path / "autograder", ready=False)
    container.hand_in({"attention.ipynb": b"{}"})
    done = container.run()
    assert "not graded: exit code 127" in done.stdout
    found = container.results()
    assert found["extra_data"] == {"not_graded": True}
    assert json.loads((container.tree / "source/not_graded.json").read_text()) == found
