"""What a worker may use up, and what it gives up."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from autograder.worker.kernel import limits

from .conftest import FULL, Host

MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
    "bomb",
    ["bytearray(300 << 20)", "[bytearray(1 << 20) for _ in range(300)]", "mmap.mmap(-1, 300 << 20)"],
)
def test_memory_beyond_the_limit_is_an_error_of_its_own(locked: Host, bomb: str) -> None:
    outcome = locked(f"{bomb}\nNone", memory=256 * MEBIBYTE)
    assert outcome.error in {"MemoryError", "OSError"}
    assert "Errno 12" in outcome.printed or outcome.error == "MemoryError"


def test_memory_within_the_limit_is_there(locked: Host) -> None:
    assert locked("len(bytearray(200 << 20))", memory=256 * MEBIBYTE).value == 200 * MEBIBYTE


def test_cpu_time_ends_it_whatever_it_swallows(locked: Host) -> None:
    code = """
signal.signal(signal.SIGXCPU, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True:
    try:
        while True: pass
    except BaseException: pass
"""
    outcome = locked(code, cpu=1)
    assert outcome.signal == signal.SIGKILL
    assert outcome.cpu == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize(
    "attempt",
    [
        "resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))",
        "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))",
        "resource.prlimit(0, resource.RLIMIT_NOFILE, (9, 9))",
        "resource.prlimit(1, resource.RLIMIT_NOFILE)",
        "os.nice(1)",
        "os.setpriority(os.PRIO_PROCESS, 0, 5)",
        "os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))",
        "os.sched_setaffinity(1, {0})",
        "mmap.mmap(-1, 4096)\nctypes.CDLL(None).mlockall(3) and os.strerror(ctypes.get_errno()) and 1 / 0",
    ],
)
def test_limits_stay_as_they_are(locked: Host, attempt: str) -> None:
    assert locked(attempt).error in {"PermissionError", "ValueError", "ZeroDivisionError"}


def test_limits_can_be_read(locked: Host) -> None:
    assert locked("resource.getrlimit(resource.RLIMIT_NOFILE)").value == [64, 64]
    assert locked(
        "[resource.getrlimit(r) for r in (resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK)]"
    ).value == [
        [0, 0],
        [0, 0],
    ]


@pytest.mark.parametrize("locked", FULL, indirect=True)
def test_a_file_is_capped(locked: Host) -> None:
    code = "file = open('big', 'wb')\nfor _ in range(40): file.write(bytes(1 << 20))"
    assert locked(code, scratch_bytes=64 * MEBIBYTE).printed == "[Errno 27] File too large"


def test_descriptors_are_capped(locked: Host) -> None:
    assert locked("kept = [os.pipe() for _ in range(64)]").printed == "[Errno 24] Too many open files"


def test_threads_are_capped(locked: Host) -> None:
    code = """
wait = threading.Lock()
wait.acquire()
started = 0
threading.stack_size(65536)
try:
    while started < 5000:
        threading.Thread(target=wait.acquire, daemon=True).start()
        started += 1
    signal.pause()
except RuntimeError:
    pass
started
"""
    exempt = locked("os.getuid()").value == 0
    outcome = locked(code, memory=32 << 30)
    if outcome.signal:  # its monitor saw them and killed it
        assert exempt or locked.level == "landlock"  # where room is left for the user's other programs
        assert outcome.signal == signal.SIGKILL
    else:
        assert 200 <= outcome.value < 5000


def test_the_limit_on_threads_leaves_room_for_the_users_others_only_where_they_count(locked: Host) -> None:
    before = limits.threads_on_this_machine()
    soft, hard = locked("resource.getrlimit(resource.RLIMIT_NPROC)").value
    assert soft == hard
    assert (hard == 256) is (locked.level == "full")
    assert hard < 256 + 2 * max(before, limits.threads_on_this_machine())


def test_only_the_descriptors_that_it_was_given_are_open(locked: Host) -> None:
    code = """
def is_open(number):
    try: os.fstat(number)
    except OSError: return False
    return True
[n for n in range(3, 4096) if is_open(n)] == sorted([says, line.fileno(), peer.fileno()])
"""
    assert locked(code).value is True


def test_only_the_variables_that_it_was_given_are_set(locked: Host) -> None:
    assert locked("dict(os.environ)").value.keys() == {"HOME", "TORCHINDUCTOR_CACHE_DIR"}


def test_it_has_no_capability_and_gains_none(locked: Host) -> None:
    code = """
header = (0x20080522).to_bytes(4, "little") + bytes(4)
data = (ctypes.c_uint32 * 6)()
libc.call("read capabilities", "capget", header, ctypes.cast(data, ctypes.c_char_p))
list(data), libc.call("ask", "prctl", 39, 0, 0, 0, 0)
"""
    assert locked(code).value == [[0] * 6, 1]


def test_as_root_even_the_bounding_set_is_empty(locked: Host) -> None:
    if locked.level != "full" and locked("os.getuid()").value != 0:
        pytest.skip("an ordinary user cannot change the bounding set, and has no use for it")
    assert not any(locked("[libc.call('ask', 'prctl', 23, n, 0, 0, 0) for n in range(40)]").value)


def test_it_stays_undumpable_and_tied_to_its_monitor(locked: Host) -> None:
    assert locked("libc.call('ask', 'prctl', 3, 0, 0, 0, 0)").value == 0
    for option in (1, 4, 35, 0x59616D61):  # PR_SET_PDEATHSIG, _DUMPABLE, _MM, _PTRACER
        outcome = locked(f"libc.call('change', 'prctl', {option}, 1, 0, 0, 0)")
        assert outcome.error == "KernelRefused", option


def test_it_dies_with_its_monitor(locked: Host) -> None:
    """The call returns only when the worker's end of the pipe is closed: when the worker is gone."""
    outcome = locked("os.write(says, b'running\\n')\nsignal.pause()", kill_monitor=True)
    assert outcome.status is None


def test_threads_are_counted() -> None:
    wait = threading.Event()
    before = limits.threads_of(os.getpid())
    for _ in range(3):
        threading.Thread(target=wait.wait).start()
    assert limits.threads_of(os.getpid()) == before + 3 == len(os.listdir("/proc/self/task"))
    assert limits.threads_on_this_machine() >= before + 3
    wait.set()


def test_a_process_that_is_gone_has_no_threads() -> None:
    assert limits.threads_of(1 << 30) == 0
