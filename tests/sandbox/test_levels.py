"""Which isolation this machine can do, and which folders a worker may read."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.errors import SandboxUnavailable, UsageError
from autograder.sandbox import levels
from autograder.sandbox.levels import Isolation
from autograder.worker.kernel import landlock, seccomp

REPOSITORY = Path(__file__).resolve().parents[2]
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="isolation needs Linux")


def set_probe(monkeypatch: pytest.MonkeyPatch, full: str = "", landlock: str = "") -> None:
    answer = {Isolation.FULL: full, Isolation.LANDLOCK: landlock, Isolation.NONE: ""}
    monkeypatch.setattr(levels, "probe", lambda: answer)


def test_auto_takes_the_strongest(monkeypatch: pytest.MonkeyPatch) -> None:
    set_probe(monkeypatch)
    assert levels.strongest("auto") is Isolation.FULL
    set_probe(monkeypatch, full="bubblewrap is not installed")
    assert levels.strongest("auto") is Isolation.LANDLOCK


def test_auto_never_gives_up_isolation(monkeypatch: pytest.MonkeyPatch) -> None:
    set_probe(monkeypatch, full="no bubblewrap", landlock="no Landlock")
    with pytest.raises(
        SandboxUnavailable, match=r"full: no bubblewrap; landlock: no Landlock.*--sandbox none"
    ):
        levels.strongest("auto")
    assert levels.strongest("none") is Isolation.NONE


def test_a_level_asked_for_by_name_is_had_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    set_probe(monkeypatch, full="no bubblewrap")
    assert levels.strongest("landlock") is Isolation.LANDLOCK
    with pytest.raises(
        SandboxUnavailable, match="--sandbox full does not work on this machine: no bubblewrap"
    ):
        levels.strongest("full")


def test_an_unknown_level_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'docker' is none of auto, full, landlock, none"):
        levels.strongest("docker")


@ON_LINUX
def test_the_probe_locks_a_process_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only whoever cannot lock a process is told so; what it says must agree with the kernel."""
    answer = levels.probe()
    assert answer[Isolation.NONE] == ""
    if landlock.abi() == 0:
        assert "Landlock" in answer[Isolation.LANDLOCK]
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    levels.probe.cache_clear()
    try:
        assert "needs Linux 5.13 or later" in levels.probe()[Isolation.LANDLOCK]
    finally:
        levels.probe.cache_clear()


def test_elsewhere_it_says_what_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    levels.probe.cache_clear()
    try:
        monkeypatch.setattr(sys, "platform", "darwin")
        answer = levels.probe()
    finally:
        levels.probe.cache_clear()
    for level in (Isolation.FULL, Isolation.LANDLOCK):
        assert answer[level].startswith("isolation needs Linux, this is macOS: use a Linux machine")


@pytest.mark.parametrize(("platform", "name"), [("darwin", "macOS"), ("win32", "Windows")])
def test_elsewhere_whoever_grades_their_own_code_is_offered_to_in_one_sentence(
    platform: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels.probe.cache_clear()
    try:
        monkeypatch.setattr(sys, "platform", platform)
        with pytest.raises(SandboxUnavailable) as error:
            levels.strongest("auto")
        assert levels.strongest("none") is Isolation.NONE
    finally:
        levels.probe.cache_clear()
    assert str(error.value) == (
        f"code can be locked in on Linux only, and this is {name}: for your own add --sandbox none, "
        "for anybody else's use a Linux machine, a container or WSL 2"
    )


@ON_LINUX
def test_a_machine_without_a_filter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    levels.probe.cache_clear()
    try:
        monkeypatch.setattr(seccomp, "MACHINES", {"vax": seccomp.MACHINES["x86_64"]})
        assert (
            f"no system call filter for {os.uname().machine}, only for vax" in levels.probe()[Isolation.FULL]
        )
    finally:
        levels.probe.cache_clear()


@ON_LINUX
def test_an_ordinary_user_can_lock_a_process_too() -> None:
    if os.geteuid() != 0:
        pytest.skip("these tests already run as an ordinary user")
    python = "/usr/bin/python3"
    code = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); assert sys.version_info >= (3, 11)\n"
        "from autograder.sandbox import levels\n"
        "print(*(level for level, reason in levels.probe().items() if not reason))"
    )
    done = subprocess.run(
        [python, "-B", "-c", code], capture_output=True, text=True, user="nobody", extra_groups=[], cwd="/"
    )
    if done.returncode:
        pytest.skip(f"the user nobody cannot read {REPOSITORY}, or {python} is older than 3.11")
    assert done.stdout.split() == [level for level, reason in levels.probe().items() if not reason]


# What may be read


def test_python_and_torch_may_be_read() -> None:
    granted = [Path(path).resolve() for path in levels.read_only_paths([])]
    torch = importlib.util.find_spec("torch")
    assert torch is not None
    assert torch.origin is not None
    for needed in (torch.origin, os.__file__, os.path.realpath(sys.executable)):
        assert any(Path(needed).resolve().is_relative_to(path) for path in granted), needed


def test_nothing_of_the_course_may_be_read() -> None:
    for path in levels.read_only_paths([REPOSITORY]):
        assert not REPOSITORY.is_relative_to(path), path
        if Path(path).is_relative_to(REPOSITORY):  # an environment inside the repository
            assert Path(path).is_relative_to(sys.prefix)


def test_every_path_exists() -> None:
    assert all(os.path.exists(path) for path in levels.read_only_paths([]))


def test_of_an_environment_inside_the_course_only_its_libraries_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".venv" / "lib").mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    granted = levels.read_only_paths([tmp_path])
    assert [path for path in granted if Path(path).is_relative_to(tmp_path)] == [
        str(tmp_path / ".venv" / "lib")
    ]


def test_a_course_inside_what_is_read_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = tmp_path / "lib" / "python" / "src" / "course"
    course.mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(
        SandboxUnavailable, match=r"lies inside .*lib, which student code must be able to read: move"
    ):
        levels.read_only_paths([course])


def test_links_do_not_hide_that_a_course_would_be_read(tmp_path: Path) -> None:
    (tmp_path / "course").mkdir()
    (tmp_path / "granted").symlink_to(tmp_path)
    with pytest.raises(SandboxUnavailable, match="lies inside"):
        levels.read_only_paths([tmp_path / "course"], [tmp_path / "granted"])


def test_what_is_extra_may_be_read_too(tmp_path: Path) -> None:
    assert str(tmp_path) in levels.read_only_paths([], [tmp_path])
