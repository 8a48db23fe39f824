"""Wall time is the machine's as much as the student's: what it ends is tried again before it counts."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.end_to_end import processes
from tests.end_to_end.small_class import NAMES, POINTS, SLOW_CELL, SLOWER_CELL, Graders, write
from tests.sample_class import Material

SLEEPS = "    import time\n    time.sleep(1000)\n"


@pytest.mark.slow
def test_waiting_is_given_a_second_chance_alone_before_it_counts(
    impatient: Graders, material: Material, tmp_path: Path
) -> None:
    write(tmp_path, "Ann", material, split_heads=SLEEPS)
    for name in NAMES[1:4]:
        write(tmp_path, name, material, SLOW_CELL)
    results = impatient.grade(tmp_path)
    assert [student for student, _ in impatient.given] == ["Ann", "Ben", "Cem", "Dov", "Ann"]
    assert impatient.given[-1] == ("Ann", 0), "nothing else is graded meanwhile"
    assert [results[name].points for name in NAMES[1:4]] == [POINTS] * 3
    assert [flag.kind for flag in results["Ann"].flags] == ["wall-timeout"]
    split_heads = results["Ann"].exercises[2]
    assert 0 < split_heads.points < POINTS, "merge_heads is right"
    messages = {test.message for test in split_heads.tests if not test.passed}
    assert "your code waited too long without an answer" in messages
    assert split_heads.mistakes == []


@pytest.mark.slow
def test_a_machine_that_stood_still_costs_nobody_points(
    impatient: Graders, material: Material, tmp_path: Path
) -> None:
    write(tmp_path, "Ann", material, SLOWER_CELL)
    with ThreadPoolExecutor(1) as thread:
        stopped = thread.submit(processes.send, signal.SIGSTOP, processes.busy, os.getpid())
        results = impatient.grade(tmp_path)
        assert stopped.result()
    assert impatient.given == [("Ann", 0), ("Ann", 0)]
    assert (results["Ann"].points, results["Ann"].flags) == (POINTS, [])
