"""The first cell of a notebook where the course is missing, with a package index that the test makes."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager

from autograder.build.first_cell import opened
from course.catalogue.syllabus import Start
from tests.course.installed import Installed, build_wheel, without_the_course
from tests.kernels import execute

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="environments are put together with symbolic links"),
]


class Index(http.server.ThreadingHTTPServer):
    """A folder as a package index; `asked` are the paths that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/simple/"


class _Handler(http.server.SimpleHTTPRequestHandler):
    server: Index

    def log_message(self, format: str, *args: object) -> None:
        self.server.asked.append(self.path)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index with the students' wheel and nothing else."""
    project = tmp_path / "index" / "simple" / "diffusion-course"
    project.mkdir(parents=True)
    wheel = build_wheel(project)
    (project / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    with Index(tmp_path / "index") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """As Colab, Kaggle, VS Code or JupyterLab Desktop have it: Jupyter's kernel, pip, PyTorch, no course."""
    return without_the_course(tmp_path_factory.mktemp("bare"))


def run(source: str, python: Installed, folder: Path) -> list[Any]:
    """The outputs of one cell, in a fresh kernel of that environment."""

    class Manager(AsyncKernelManager):
        @property
        def kernel_spec(self):  # type: ignore[no-untyped-def]
            spec = super().kernel_spec
            spec.argv[0] = str(python.python)
            return spec

    cell = nbformat.v4.new_code_cell(source)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    environment = {**python.environment, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_RETRIES": "0"}
    execute(notebook, folder, env=environment, kernel_manager_class=Manager, allow_errors=True)
    outputs: list[Any] = cell.outputs
    return outputs


REST = "from course import check, hint\nprint(check.__module__, course.__file__)"


def test_without_an_install_line_it_says_what_to_do(bare: Installed, tmp_path: Path) -> None:
    (error,) = run(opened(REST, Start()), bare, tmp_path)

    assert error.ename == "ModuleNotFoundError"
    assert error.evalue.startswith(f"no 'course' in this notebook's Python, {bare.python}: choose the kernel")
    assert f"`{bare.python} -m pip install FOLDER`" in error.evalue


def test_an_index_without_the_course_leaves_pips_reason_and_what_to_look_at(
    bare: Installed, index: Index, tmp_path: Path
) -> None:
    line = f"--index-url {index.address} no-such-course"
    outputs = run(opened(REST, Start(install=line)), bare, tmp_path)

    said = "".join(output.get("text", "") for output in outputs)
    assert "No matching distribution found for no-such-course" in said
    error = outputs[-1]
    assert (error.ename, error.evalue) == ("ModuleNotFoundError", "No module named 'course'")
    assert "still missing? pip says why, above" in "".join(error.traceback)


def test_it_installs_the_course_once_and_goes_on(bare: Installed, index: Index, tmp_path: Path) -> None:
    cell = opened(REST, Start(install=f"--index-url {index.address} diffusion-course"))

    *_, said = run(cell, bare, tmp_path)
    assert said.output_type == "stream", said
    assert f"course.check {bare.path}" in said.text
    assert any(path.endswith(".whl") for path in index.asked)

    before = len(index.asked)
    (said,) = run(cell, bare, tmp_path)  # a new kernel: nothing is asked for, nothing but the rest is said
    assert f"course.check {bare.path}" in said.text
    assert len(index.asked) == before
