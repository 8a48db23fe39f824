"""A locked worker has the files that it was given, to read, and no others."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from autograder.worker.kernel import landlock
from autograder.worker.kernel.libc import KernelRefused

from .conftest import Host

# What a name that must not be there answers: outside bubblewrap it is, and Landlock refuses it.
REFUSED = {"PermissionError", "FileNotFoundError", "OSError"}
OLDER_KERNELS = [1, 2, 3, 4, 5, 6]
CHANGES = [
    "open(FILE, 'w')",
    "open(FILE, 'r+')",
    "open(FILE, 'a')",
    "os.open(FILE, os.O_RDONLY | os.O_TRUNC)",
    "os.open(FILE, os.O_ACCMODE | os.O_TRUNC)",
    "os.truncate(FILE, 0)",
    "os.unlink(FILE)",
    "os.rename(FILE, FILE + '2')",
    "os.link(FILE, FILE + '2')",
    "os.symlink(FILE, FILE + '2')",
    "os.mkdir(FILE + '2')",
    "os.mkfifo(FILE + '2')",
    "os.open(os.path.dirname(FILE), os.O_RDWR | os.O_TMPFILE)",
    "os.chmod(FILE, 0o777)",
    "os.fchmod(os.open(FILE, os.O_RDONLY), 0o777)",
    "os.chown(FILE, os.getuid(), os.getgid())",
    "os.utime(FILE, (0, 0))",
    "os.setxattr(FILE, 'user.name', b'value')",
]


def state(path: Path) -> tuple[str, int, float, list[str]]:
    """What a worker could have changed about a file."""
    found = path.stat()
    return path.read_text(), found.st_mode, found.st_mtime, sorted(os.listdir(path.parent))


def test_reads_what_it_was_given(locked: Host) -> None:
    file = locked.granted / "file"
    assert locked(f"open({str(file)!r}).read()").value == "contents"
    assert locked(f"os.listdir({str(locked.granted)!r})").value == ["file"]


def test_reads_nothing_else(locked: Host) -> None:
    for path in (locked.secret / "file", "/etc/passwd", "/proc/1/environ", "/proc/self/mem", __file__):
        assert locked(f"open({str(path)!r}, 'rb').read()").error in REFUSED, path
    for folder in (locked.secret, Path(__file__).parent, "/etc", "/root", "/home", "/"):
        outcome = locked(f"os.listdir({str(folder)!r})")
        assert outcome.error in REFUSED, (folder, outcome)


def test_a_link_leads_to_nothing_else(locked: Host) -> None:
    (locked.granted / "link").symlink_to(locked.secret / "file")
    try:
        assert locked(f"open({str(locked.granted / 'link')!r}).read()").error in REFUSED
        assert locked(f"open({str(locked.granted / '..' / 'secret' / 'file')!r}).read()").error in REFUSED
    finally:
        (locked.granted / "link").unlink()


@pytest.mark.parametrize("version", [None, 1])
@pytest.mark.parametrize("folder", ["granted", "secret"])
def test_changes_nothing_that_it_may_read_or_not(locked: Host, folder: str, version: int | None) -> None:
    file: Path = getattr(locked, folder) / "file"
    before = state(file)
    code = f"""
FILE, answers = {str(file)!r}, {{}}
for change in {CHANGES}:
    try: exec(change)
    except BaseException as error: answers[change] = type(error).__name__
answers
"""
    answers = locked(code, abi=version).value
    assert {change for change in CHANGES if answers.get(change) not in REFUSED} == set()
    assert state(file) == before


def test_writes_to_the_null_device(locked: Host) -> None:
    assert locked("open('/dev/null', 'w').write('anything')").value == len("anything")


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm", "/var/tmp", "/", "/dev", "/opt/autograder/worker"])
def test_makes_no_file_anywhere_else(locked: Host, folder: str) -> None:
    name = f"{folder}/made-by-a-worker-{time.time_ns()}"
    assert locked(f"open({name!r}, 'w')").error in REFUSED
    assert not os.path.exists(name)


@pytest.mark.parametrize("version", OLDER_KERNELS)
def test_an_older_landlock_is_used_as_far_as_it_goes(locked: Host, version: int) -> None:
    if version > landlock.abi():
        pytest.skip(f"this kernel has version {landlock.abi()} of Landlock")
    assert locked("locked.landlock", abi=version).value == version
    assert locked(f"open({str(locked.secret / 'file')!r})", abi=version).error in REFUSED


def test_mounts_alone_hide_and_keep_every_file_where_there_is_no_landlock(locked: Host) -> None:
    if locked.level != "full":
        outcome = locked("locked", abi=0)
        assert outcome.error == "KernelRefused"
        assert "Landlock" in outcome.printed
        return
    assert locked("locked.landlock", abi=0).value == 0
    assert locked(f"open({str(locked.secret / 'file')!r})", abi=0).error == "FileNotFoundError"
    places = "/", "/tmp", "/dev", "/dev/shm", "/opt", "/opt/autograder/worker", str(locked.granted)
    for place in (*places, str(locked.granted.parent)):
        outcome = locked(f"open({place + '/made'!r}, 'w')", abi=0)
        assert outcome.printed.startswith("[Errno 30] Read-only file system"), (place, outcome)


def test_libraries_can_still_be_loaded(locked: Host) -> None:
    assert locked("ctypes.CDLL('libm.so.6').abs(-3)").value == 3


def test_rights_by_version() -> None:
    assert [landlock.known_rights(version) for version in (1, 2, 3, 4, 5, 6, 7, 99)] == [
        0x1FFF,
        0x3FFF,
        0x7FFF,
        0x7FFF,
        0xFFFF,
        0xFFFF,
        0xFFFF,
        0xFFFF,
    ]


def test_without_landlock_restrict_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    with pytest.raises(
        KernelRefused, match="the kernel refused to restrict files with Landlock: Function not"
    ):
        landlock.restrict([], [])
