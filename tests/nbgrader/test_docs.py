"""Every command of docs/instructor.md and docs/nbgrader.md, in their order, with a student in between."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from tests.nbgrader.directory import Directory

FOLDER, EXCHANGE = "../diffusion-course-2026", "/srv/nbgrader/exchange"
GUIDES = ("instructor.md", "nbgrader.md")
STUDENT = "dalia"


def blocks(root: CourseRoot, page: str) -> Iterator[str]:
    """The blocks that stand indented by themselves."""
    text = (root.path / "docs" / page).read_text(encoding="utf-8")
    for block in re.findall(r"(?:^    \S.*\n)+", text, re.MULTILINE):
        yield re.sub(r"^    ", "", block, flags=re.MULTILINE)


@dataclass
class Newcomer:
    """Does what the guide says, line by line. `at` is the folder that they are in."""

    root: CourseRoot
    base: Path
    work: bytes
    at: Path = field(init=False)

    def __post_init__(self) -> None:
        self.at = self.root.path
        self.student.mkdir()

    @property
    def course(self) -> Path:
        return self.base / "course"

    @property
    def exchange(self) -> Path:
        return self.base / "exchange"

    @property
    def student(self) -> Path:
        return self.base / "student"

    @property
    def environment(self) -> dict[str, str]:
        """As in an activated environment. HOME has nbgrader's cache of what was handed in."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "HOME": str(self.base), "OMP_NUM_THREADS": "1"}

    def follow(self, block: str) -> None:
        block = block.replace(EXCHANGE, str(self.exchange)).replace(FOLDER, str(self.course))
        if block.startswith("c = get_config()"):
            (self.base / ".jupyter").mkdir()
            (self.base / ".jupyter" / "nbgrader_config.py").write_text(block)
            self.run("nbgrader fetch_assignment attention", self.student)
            self.hand_in()
        elif block.startswith("c."):
            config = self.course / "nbgrader_config.py"
            config.write_text(f"{config.read_text()}\n{block}")
        else:
            for line in block.splitlines():
                self._type(line)

    def _type(self, line: str) -> None:
        if line in ("make demo", "make install"):  # these take long, and whoever runs this test has run them
            self.run(f"{line} --dry-run")
        elif line == "jupyter lab":
            self.run("jupyter lab --version")
        elif line.startswith("cd "):
            self.at = Path(line.removeprefix("cd "))
        elif line != "source .venv/bin/activate":
            assert re.match(r"(autograder|nbgrader|sudo) ", line), f"a line that nobody has tried: {line}"
            if line.startswith("autograder nbgrader watch ") and "--once" not in line:
                self.watch(line)
            else:
                self.run(line.removeprefix("sudo "))

    def hand_in(self) -> None:
        (self.student / "attention" / "attention.ipynb").write_bytes(self.work)
        self.run(f"nbgrader submit attention --student {STUDENT}", self.student)

    def fetched(self) -> list[str]:
        self.run(f"nbgrader fetch_feedback attention --student {STUDENT}", self.student)
        pages = sorted((self.student / "attention" / "feedback").glob("*/attention.html"))
        return [page.read_text(encoding="utf-8") for page in pages]

    def run(self, command: str, where: Path | None = None) -> None:
        done = subprocess.run(
            shlex.split(command),
            cwd=where or self.at,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    def watch(self, command: str) -> None:
        """Until the first round is over; then Ctrl-C."""
        with subprocess.Popen(
            shlex.split(command),
            cwd=self.at,
            env={**self.environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        ) as run:
            assert run.stdout is not None
            for line in run.stdout:
                if line.startswith("watching"):
                    run.send_signal(signal.SIGINT)
        assert run.returncode == 0, command


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_the_guides(
    course_root: CourseRoot, tmp_path: Path, work_of: Callable[[str], bytes]
) -> None:
    newcomer = Newcomer(course_root, tmp_path, work_of("Dalia"))
    graded, shown = Directory(newcomer.course), "autograder nbgrader watch attention noise"
    for block in blocks(course_root, GUIDES[0]):
        if block.strip() == shown:
            (page,) = newcomer.fetched()
            assert "no maximum subtracted" in page
            newcomer.hand_in()
        newcomer.follow(block)
        if block.strip() == shown:
            first, second = newcomer.fetched()
            assert first == page
            assert "Scores as large as 10,000 do not overflow." in second
            assert "no maximum subtracted" not in second
    assert all("no maximum subtracted" in page for page in newcomer.fetched())
    for block in blocks(course_root, GUIDES[1]):
        newcomer.follow(block)

    (entry,) = graded.entries().values()
    # The guide's command draws a fresh seed, and a softmax that overflows is right as long as nothing does.
    assert entry.score == pytest.approx(106, abs=1.5)
    header = (newcomer.course / "canvas.csv").read_text().splitlines()[0]
    assert header == "Student,ID,SIS Login ID,Section,attention (1201),noise"
    assert STUDENT in (newcomer.course / "moodle.csv").read_text()


def test_service_and_cron_run_a_command_of_the_guide(course_root: CourseRoot) -> None:
    text = (course_root.path / "docs" / GUIDES[1]).read_text(encoding="utf-8")
    started = re.findall(r"/\.venv/bin/(autograder nbgrader watch .*)", text)
    tried = [line for block in blocks(course_root, GUIDES[0]) for line in block.splitlines()]

    assert len(started) == 2
    assert set(started) <= set(tried)


@pytest.mark.parametrize("page", GUIDES)
def test_links_lead_somewhere(course_root: CourseRoot, page: str) -> None:
    text = (course_root.path / "docs" / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]*)(#[^)]*)?\)", text)
    assert links
    for file, place in links:
        target = course_root.path / "docs" / (file or page)
        assert target.is_file(), file
        if place:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert place[1:] in [heading.lower().replace(" ", "-") for heading in headings], place
