"""The memory of a container, as the kernel states it."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.gradescope.memory import LEAST, OURS, for_workers

GIB = 1 << 30
USUAL = 2 * GIB


def allowed(tmp_path: Path, group: str, limits: dict[str, str]) -> int:
    files = {"proc/self/cgroup": group, **{f"cgroup/{name}": text for name, text in limits.items()}}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return for_workers(USUAL, tmp_path / "proc", tmp_path / "cgroup")


@pytest.mark.parametrize(
    ("group", "limits"),
    [
        ("0::/", {"memory.max": str(2 * GIB)}),  # version 2, in a container
        ("0::/a/b", {"memory.max": "max", "a/b/memory.max": str(2 * GIB)}),
        ("3:cpu:/x\n5:memory:/docker/1f", {"memory/memory.limit_in_bytes": str(2 * GIB)}),  # version 1
        (
            "5:memory:/x",
            {"memory/memory.limit_in_bytes": str(1 << 62), "memory/x/memory.limit_in_bytes": str(2 * GIB)},
        ),
    ],
)
def test_what_the_container_has_left(tmp_path: Path, group: str, limits: dict[str, str]) -> None:
    assert allowed(tmp_path, group, limits) == 2 * GIB - OURS


def test_in_a_large_one_it_is_as_everywhere(tmp_path: Path) -> None:
    assert allowed(tmp_path, "0::/", {"memory.max": str(64 * GIB)}) == USUAL
    assert allowed(tmp_path, "0::/", {"memory.max": "max"}) == USUAL


def test_honest_answers_always_have_enough(tmp_path: Path) -> None:
    assert allowed(tmp_path, "0::/", {"memory.max": str(GIB // 2)}) == LEAST


def test_without_groups_it_is_as_everywhere(tmp_path: Path) -> None:
    assert for_workers(USUAL, tmp_path / "proc", tmp_path / "cgroup") == USUAL
