"""What tests/conftest.py and tests/made_once.py promise for `pytest -n`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest

from tests.conftest import group_of
from tests.made_once import made_once

ROOT = Path(__file__).parents[1]
FILES = (
    "sandbox/test_levels.py",
    "worker/kernel/test_bpf.py",
    "reports/test_text.py",
    "reports/test_tables.py",
)


@pytest.mark.slow
def test_the_tests_of_a_group_run_in_one_process_and_those_of_others_elsewhere() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "3", "-v", "-p", "no:cacheprovider"]
        + [str(ROOT / "tests" / file) for file in FILES],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.findall(r"^\[(gw\d)\].* (tests/\S+?)::", done.stdout, re.MULTILINE)
    assert {file.removeprefix("tests/") for _, file in ran} == set(FILES)
    processes: dict[str, set[str]] = {}
    for process, file in ran:
        processes.setdefault(group_of(file), set()).add(process)
    assert processes.keys() == {"alone", "reports/test_text.py", "reports/test_tables.py"}
    assert all(len(each) == 1 for each in processes.values())
    assert len(set().union(*processes.values())) == 3


def test_it_is_made_by_one_of_those_who_come_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    together, two_of_them, made = Barrier(4), Barrier(2), []
    tmp_path_factory.getbasetemp()  # which is not made for several threads

    def make(folder: Path) -> None:
        made.append(folder)
        with suppress(BrokenBarrierError):
            two_of_them.wait(0.3)
        folder.mkdir(exist_ok=True)

    def ask(_: int) -> Path:
        together.wait(60)
        return made_once(tmp_path_factory, f"at-once-{os.getpid()}", make)

    with ThreadPoolExecutor(4) as threads:
        got = list(threads.map(ask, range(4)))

    assert len(made) == 1
    assert set(got) == set(made)


def test_what_could_not_be_made_is_made_by_the_next(tmp_path_factory: pytest.TempPathFactory) -> None:
    def fail(folder: Path) -> None:
        folder.mkdir()
        raise OSError("half of it")

    name = f"failed-{os.getpid()}"
    with pytest.raises(OSError, match="half of it"):
        made_once(tmp_path_factory, name, fail)

    assert list(made_once(tmp_path_factory, name, Path.mkdir).iterdir()) == []
