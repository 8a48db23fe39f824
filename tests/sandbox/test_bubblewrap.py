"""Inside bubblewrap there is what was asked for, read-only, and nothing of the course's secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autograder.errors import SandboxUnavailable
from autograder.sandbox import bubblewrap, levels

REPOSITORY = Path(__file__).resolve().parents[2]
needs_bubblewrap = pytest.mark.skipif(
    bool(bubblewrap.available()), reason=f"level full does not work here: {bubblewrap.available()}"
)


@pytest.fixture
def course_folder(tmp_path: Path) -> Path:
    """A students' package, with a secret beside it."""
    folder = tmp_path / "repository" / "course"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("ANSWER = 42")
    (folder.parent / "secret").write_text("secret")
    return folder


def inside(code: str, course_folder: Path | None = None, *extra: Path, **keywords: Any) -> Any:
    """The value of an expression inside bubblewrap."""
    command = bubblewrap.command(
        levels.read_only_paths([], extra), levels.WORKER_FOLDER, course_folder, **keywords
    )
    program = f"import json, os, sys; print(json.dumps({code}))"
    done = subprocess.run(
        [*command, sys.executable, "-S", "-B", "-c", program],
        capture_output=True,
        text=True,
        env={"SECRET": "secret"},
        pass_fds=keywords.get("pass_fds", ()),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_bubblewrap
def test_the_worker_and_the_course_can_be_imported(course_folder: Path) -> None:
    code = "[__import__('worker.kernel').__name__, __import__('course').ANSWER]"
    assert inside(code, course_folder) == ["worker", 42]


@needs_bubblewrap
def test_nothing_else_of_the_repository_is_there(course_folder: Path) -> None:
    assert inside("sorted(os.listdir('/opt/autograder'))", course_folder) == ["course", "worker"]
    assert inside("sorted(os.listdir('/opt/autograder'))") == ["worker"]
    for hidden in (course_folder.parent / "secret", Path(__file__), levels.WORKER_FOLDER.parent / "hidden"):
        assert hidden.exists()
        assert inside(f"os.path.exists({str(hidden)!r})", course_folder) is False


@needs_bubblewrap
def test_there_is_no_home_no_configuration_and_no_program() -> None:
    there = set(inside("os.listdir('/')"))
    assert there.isdisjoint({"home", "mnt", "srv", "var", "run", "boot", "bin", "sbin"})
    assert set(inside("os.listdir('/etc')")) <= {"alternatives", "ld.so.cache", "localtime"}
    assert inside("[os.path.exists(p) for p in ('/bin/sh', '/usr/bin/env', '/etc/passwd')]") == [False] * 3


@needs_bubblewrap
def test_only_the_zygotes_own_tmp_can_be_written() -> None:
    code = "[f for top in TOPS for f, _, _ in os.walk(top) if os.access(f, os.W_OK)]"
    tops = ["/dev", "/etc", "/opt", "/scratch", "/tmp"]
    bound = [Path(path) for path in levels.read_only_paths([])]
    # In a clone below /tmp: the empty folders of the zygote's own /tmp that lead to what is bound there.
    leading = {
        str(parent)
        for path in bound
        for parent in path.parents
        if parent.is_relative_to("/tmp") and not any(map(parent.is_relative_to, bound))
    }
    assert set(inside(code.replace("TOPS", repr(tops)))) == {"/tmp", "/dev/pts"} | leading
    folders = {"/", "/usr", "/usr/lib", sys.prefix, f"{sys.prefix}/lib", str(REPOSITORY)} - leading
    assert inside(f"[f for f in {folders} if os.access(f, os.W_OK)]") == []
    code = "os.statvfs('/scratch').f_flag & os.ST_RDONLY and os.listdir('/scratch')"
    assert inside(code) == []


@needs_bubblewrap
def test_the_environment_is_what_was_asked_for() -> None:
    found = inside("dict(os.environ)", environment={"LANG": "C.UTF-8"})
    found.pop("PWD", None)  # set by bubblewrap itself
    found.pop("LC_CTYPE", None)  # set by Python where there is no LANG
    assert found == {"PYTHONPATH": "/opt/autograder", "LANG": "C.UTF-8"}


@needs_bubblewrap
def test_there_is_no_network_and_no_other_process() -> None:
    assert inside("[name for _, name in __import__('socket').if_nameindex()]") == ["lo"]
    assert len(inside("[name for name in os.listdir('/proc') if name.isdigit()]")) <= 2


@needs_bubblewrap
def test_a_descriptor_that_is_passed_on_arrives() -> None:
    hears, says = os.pipe()
    command = bubblewrap.command(levels.read_only_paths([]), levels.WORKER_FOLDER)
    program = f"import os; os.write({says}, b'here')"
    subprocess.run([*command, sys.executable, "-I", "-S", "-c", program], pass_fds=[says], check=True)
    os.close(says)
    with os.fdopen(hears) as heard:
        assert heard.read() == "here"


@needs_bubblewrap
def test_it_dies_with_its_parent() -> None:
    """The parent runs it and is killed; its end of the pipe closes only when all of it is gone."""
    hears, says = os.pipe()
    command = bubblewrap.command(levels.read_only_paths([]), levels.WORKER_FOLDER)
    sleeper = f"import os, signal; os.write({says}, b'x'); signal.pause()"
    command += [sys.executable, "-I", "-S", "-c", sleeper]
    code = f"import subprocess; subprocess.run({command!r}, pass_fds=[{says}])"
    parent = subprocess.Popen([sys.executable, "-c", code], pass_fds=[says])
    os.close(says)
    with os.fdopen(hears) as heard:
        assert heard.read(1) == "x"
        parent.kill()
        parent.wait()
        assert heard.read() == ""


@needs_bubblewrap
def test_a_path_may_be_missing_or_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("")
    (tmp_path / "link").symlink_to("real")
    command = bubblewrap.command(
        [*levels.read_only_paths([]), str(tmp_path / "link"), str(tmp_path / "missing")], levels.WORKER_FOLDER
    )
    code = f"import os; print(os.listdir({str(tmp_path)!r}), os.listdir({str(tmp_path / 'link')!r}))"
    done = subprocess.run([*command, sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.stdout == "['link'] ['file']\n"


@needs_bubblewrap
def test_a_device_can_be_bound() -> None:
    """CUDA's are bound like this one."""
    assert inside("os.path.exists('/dev/full-of-nothing')", devices=["/dev/full-of-nothing"]) is False
    assert inside("os.path.exists('/dev/kmsg')") is False
    if os.path.exists("/dev/kmsg"):
        assert inside("os.path.exists('/dev/kmsg')", devices=["/dev/kmsg"]) is True


def test_without_bubblewrap_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    bubblewrap.available.cache_clear()
    try:
        assert "bubblewrap is not installed: install it (`apt install bubblewrap`" in bubblewrap.available()
        with pytest.raises(SandboxUnavailable, match="apt install bubblewrap"):
            bubblewrap.command([], levels.WORKER_FOLDER)
    finally:
        bubblewrap.available.cache_clear()


def test_where_it_is_refused_it_says_so_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    bubblewrap.available.cache_clear()
    try:
        reason = bubblewrap.available()
    finally:
        bubblewrap.available.cache_clear()
    assert reason.startswith(
        "bubblewrap is refused here (bwrap: No permissions to create a new namespace): allow"
    )
    assert "--sandbox landlock" in reason


def test_nvidias_devices_are_those_of_this_machine() -> None:
    found = bubblewrap.nvidia_devices()
    assert bool(found) == bool(list(Path("/dev").glob("nvidia*")))
    assert all(os.path.exists(path) for path in found)
