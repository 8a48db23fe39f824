"""At level `full` a worker has processes, mounts and a scratch folder of its own."""

from __future__ import annotations

import pytest

from .conftest import FULL, Host

# The level `landlock` is for where namespaces are refused.
pytestmark = pytest.mark.parametrize("locked", FULL, indirect=True)


def test_it_is_the_first_process_and_sees_no_other(locked: Host) -> None:
    assert locked("os.getpid(), os.getppid()").value == [1, 0]
    proc = locked("locked.proc").value
    assert proc in {"own", "hidden"}
    seen = locked("os.path.exists('/proc/2'), os.path.exists('/proc/1')").value
    assert seen == [False, proc == "own"]


def test_it_has_no_network_interface_but_loopback(locked: Host) -> None:
    assert locked("[name for _, name in socket.if_nameindex()]").error == "PermissionError"
    assert locked("os.uname().nodename != ''").value is True


def test_scratch_can_be_used(locked: Host) -> None:
    code = """
os.mkdir("folder")
with open("folder/name", "w") as file: file.write("text")
os.rename("folder/name", "folder/other")
text = open("folder/other").read()
os.unlink("folder/other")
os.rmdir("folder")
os.getcwd(), text, os.listdir(".")
"""
    assert locked(code).value == ["/scratch", "text", []]


def test_scratch_is_gone_with_its_worker(locked: Host) -> None:
    assert locked("open('left', 'w').close()\nos.listdir('.')").value == ["left"]
    assert locked("os.listdir('.')").value == []


def test_scratch_is_capped_in_bytes(locked: Host) -> None:
    code = "block = bytes(1 << 20)\nfile = open('big', 'wb')\nfor _ in range(9): file.write(block)"
    outcome = locked(code, scratch_bytes=8 << 20)
    assert outcome.error == "OSError"
    assert outcome.printed == "[Errno 28] No space left on device"


def test_scratch_is_capped_in_files(locked: Host) -> None:
    outcome = locked("for number in range(2000): open(str(number), 'w').close()")
    assert outcome.printed.startswith("[Errno 28] No space left on device")


@pytest.mark.parametrize(
    "attempt",
    [
        "os.symlink('/etc/passwd', 'link')",
        "os.mkfifo('pipe')",
        "os.mknod('device', 0o20666, os.makedev(1, 3))",
    ],
)
def test_scratch_takes_only_files_and_folders(locked: Host, attempt: str) -> None:
    assert locked(attempt).error == "PermissionError"


def test_nothing_in_scratch_is_mapped_as_a_program(locked: Host) -> None:
    code = """
with open("code", "wb") as file: file.write(bytes(4096))
descriptor = os.open("code", os.O_RDONLY)
mmap.mmap(descriptor, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
"""
    assert locked(code).error == "PermissionError"
