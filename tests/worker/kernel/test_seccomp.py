"""Which calls the kernel still takes from a locked worker: tried for real, then both programs simulated."""

from __future__ import annotations

import platform
import signal

import pytest

from autograder.worker.kernel import seccomp, syscalls
from autograder.worker.kernel.libc import KernelRefused

from .bpf_interpreter import verdict
from .conftest import Host

REPORT_ERRORS = """
def answer(number, *arguments):
    try: libc.call("do", "syscall", number, *arguments)
    except libc.KernelRefused as error: return error.errno
    return 0
"""


def test_every_refused_call_is_refused(locked: Host) -> None:
    code = f"""{REPORT_ERRORS}
machine = os.uname().machine
numbers = {{name: getattr(call, machine) for name, call in syscalls.REFUSED.items()}}
[name for name, n in numbers.items() if n is not None and answer(n, -1, -1, -1, -1, -1, -1) != errno.EPERM]
"""
    assert locked(code).value == []


@pytest.mark.parametrize("number", [435, 437, 600, 5000, 0x40000000 + 39, 0x7FFFFFFF])
def test_a_call_that_it_does_not_know_does_not_exist(locked: Host, number: int) -> None:
    assert locked(f"{REPORT_ERRORS}\nanswer({number}, 0, 0, 0, 0, 0, 0)").value == 38  # ENOSYS


def test_a_32_bit_call_ends_it(locked: Host) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("int 0x80 is an instruction of x86_64")
    code = """
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b814000000" "cd80" "c3"))  # mov eax, 20 (getpid); int 0x80; ret
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""
    assert locked(code).signal in {
        signal.SIGSYS,
        signal.SIGSEGV,
    }  # the latter where the kernel has no 32 bits


@pytest.mark.parametrize(
    "attempt",
    [
        "os.fork()",
        "os.posix_spawn('/usr/bin/true', ['true'], {})",
        "os.execv('/usr/bin/true', ['true'])",
        "subprocess.run(['true'])",
        "os.system('true') == 0 or int('x')",
        "os.popen('true')",
        "os.kill(os.getppid() or 1, signal.SIGTERM)",
        "os.kill(-1, 0)",
        "os.killpg(0, 0)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "signal.raise_signal(signal.SIGKILL)",
        "signal.pthread_kill(threading.get_ident(), signal.SIGKILL)",
        "signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)",
        "signal.pthread_kill(threading.get_ident(), signal.SIGXCPU)",
        "os.setsid()",
        "os.pidfd_open(1)",
        "os.setuid(65534)",
        "os.chroot('/')",
        "os.memfd_create('outside')",
    ],
)
def test_it_starts_and_reaches_no_process_and_takes_no_hidden_memory(locked: Host, attempt: str) -> None:
    outcome = locked(attempt)
    assert outcome.error in {"PermissionError", "ValueError"}, outcome
    assert locked.process.poll() is None


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "socket.create_connection(('127.0.0.1', 1), 1)",
        "socket.getaddrinfo('localhost', 80)",
        "line.sendto(b'x', '/run/elsewhere')",
        "line.bind('name')",
        "line.connect('name')",
        "line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)",
    ],
)
def test_it_has_no_network(locked: Host, attempt: str) -> None:
    assert locked(attempt).error in {"PermissionError", "gaierror"}


def test_the_connection_that_it_was_given_works(locked: Host) -> None:
    code = """
line.sendall(b"a"); line.sendmsg([b"b"]); os.write(line.fileno(), b"c"); line.send(b"d")
got = peer.recv(1) + peer.recvmsg(1)[0] + os.read(peer.fileno(), 2)
line.settimeout(1)
again = socket.socket(fileno=os.dup(line.fileno()))
got.decode(), again.type == socket.SOCK_STREAM
"""
    assert locked(code).value == ["abcd", True]


def test_threads_work(locked: Host) -> None:
    code = """
from threading import Thread
done = []
threads = [Thread(target=done.append, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sorted(done)
"""
    assert locked(code).value == list(range(8))


def test_it_can_signal_itself(locked: Host) -> None:
    code = """
got = []
for number in (signal.SIGUSR1, signal.SIGALRM):
    signal.signal(number, lambda number, frame: got.append(int(number)))
signal.raise_signal(signal.SIGUSR1)
signal.setitimer(signal.ITIMER_REAL, 0.001)
until = time.monotonic() + 30
while len(got) < 2 and time.monotonic() < until: time.sleep(0.001)
got
"""
    assert locked(code).value == [signal.SIGUSR1, signal.SIGALRM]


def test_no_timer_sends_a_signal_of_its_choice(locked: Host) -> None:
    """timer_create(2) takes SIGKILL, too, in a structure that no filter can read."""
    code = """
number = getattr({**syscalls.ALLOWED, **syscalls.REFUSED}["timer_create"], os.uname().machine)
event = bytes(8) + signal.SIGKILL.to_bytes(4, sys.byteorder) + bytes(52)
libc.call("make a timer", "syscall", number, time.CLOCK_MONOTONIC, event, bytes(8))
"""
    assert locked(code).error == "KernelRefused"


@pytest.mark.parametrize("attempt", ["os.abort()", "ctypes.string_at(0)", "os._exit(3)"])
def test_it_can_end_itself(locked: Host, attempt: str) -> None:
    outcome = locked(f"signal.signal(signal.SIGABRT, signal.SIG_IGN)\n{attempt}")
    assert outcome.value is None
    assert outcome.signal or outcome.status == 3 << 8


@pytest.mark.parametrize("command", seccomp.FCNTL_REFUSED.values(), ids=seccomp.FCNTL_REFUSED)
def test_no_descriptor_signals_somebody_else(locked: Host, command: int) -> None:
    assert locked(f"import fcntl\nfcntl.fcntl(line, {command}, 1)").error == "PermissionError"


# The programs, simulated: aarch64's cannot run here.

OURS = 1234
AUDIT = {name: machine.audit for name, machine in seccomp.MACHINES.items()}
ANYTHING = (0xFFFFFFFF_FFFFFFFF,) * 6
PTHREAD, FORK, VFORK = 0x3D0F00, 0x01200011, 0x4111


@pytest.fixture(params=sorted(seccomp.MACHINES))
def machine(request: pytest.FixtureRequest) -> str:
    """x86_64 and aarch64."""
    return str(request.param)


def ask(machine: str, name: str, *arguments: int) -> int:
    """What the machine's filter answers to a call by name."""
    tables = {**syscalls.ALLOWED, **syscalls.REFUSED, **syscalls.CHECKED}
    number = getattr(tables[name], machine)
    return verdict(seccomp.build(machine, OURS), AUDIT[machine], number, arguments)


def test_every_number_has_the_answer_of_its_table(machine: str) -> None:
    program = seccomp.build(machine, OURS)
    expected: dict[int, int] = {}
    for table, answer in ((syscalls.ALLOWED, seccomp.ALLOW), (syscalls.REFUSED, seccomp.NOT_PERMITTED)):
        expected |= {getattr(call, machine): answer for call in table.values()}
    checked = {getattr(call, machine) for call in syscalls.CHECKED.values()}
    for number in set(range(1000)) - checked:
        answer = verdict(program, AUDIT[machine], number, ANYTHING)
        assert answer == expected.get(number, seccomp.NO_SUCH_CALL), number


def test_a_foreign_architecture_is_fatal(machine: str) -> None:
    program = seccomp.build(machine, OURS)
    others = {0x40000003, 0x40000028, *AUDIT.values()} - {AUDIT[machine]}  # i386, arm
    for audit in others:
        assert verdict(program, audit, 39, ()) == seccomp.KILL_PROCESS


def test_x32_and_numbers_of_the_future_do_not_exist(machine: str) -> None:
    program = seccomp.build(machine, OURS)
    for number in (0x40000000, 0x40000000 + 39, 451, 452, 470, 1000, 1 << 31, 0xFFFFFFFF):
        assert verdict(program, AUDIT[machine], number, ANYTHING) == seccomp.NO_SUCH_CALL


@pytest.mark.parametrize(
    ("flags", "allowed"),
    [
        (PTHREAD, True),
        (PTHREAD | 0x400000, True),  # musl's, detached
        (FORK, False),
        (VFORK, False),
        (0, False),
        (PTHREAD & ~0x10000, False),  # shares all, but is a process
        (PTHREAD & ~0x400, False),  # has descriptors of its own
        (PTHREAD | 0x10000000, False),  # CLONE_NEWUSER
        (PTHREAD | 0x20000, False),  # CLONE_NEWNS
        (PTHREAD | 0x2000, False),  # CLONE_PTRACE
        (PTHREAD | 0x8000, False),  # CLONE_PARENT
        (PTHREAD | 0x800000, False),  # CLONE_UNTRACED
        (PTHREAD | 17, False),  # SIGCHLD
    ],
)
def test_clone_makes_threads_only(machine: str, flags: int, allowed: bool) -> None:
    assert (ask(machine, "clone", flags) == seccomp.ALLOW) is allowed


@pytest.mark.parametrize(
    ("name", "arguments", "allowed"),
    [
        ("prlimit64", (0, 9, 0, 1), True),
        ("prlimit64", (0, 9, 1, 1), False),
        ("prlimit64", (0, 9, 1 << 32, 1), False),
        ("prlimit64", (OURS + 1, 9, 0, 1), False),
        ("prctl", (15, 1), True),
        ("prctl", (4, 1), False),
        ("prctl", (1, 0), False),
        ("prctl", (22, 2), False),
        ("prctl", (35, 1), False),
        ("prctl", (0x59616D61, -1 % 2**64), False),
        ("prctl", (15 | 1 << 32, 1), True),  # the kernel, too, takes 32 bits
        ("tgkill", (OURS, OURS, 6), True),
        ("tgkill", (OURS + 1, OURS + 1, 6), False),
        ("tgkill", (1, 1, 0), False),
        ("tgkill", (OURS, OURS + 1, 10), True),  # a thread of its own
        ("tgkill", (OURS, OURS, 9), False),
        ("tgkill", (OURS, OURS + 1, 9 | 1 << 32), False),
        ("tgkill", (OURS, OURS, 19), False),
        ("tgkill", (OURS, OURS, 24), False),
        ("sendto", (5, 1, 1, 0, 0, 0), True),
        ("sendto", (5, 1, 1, 0, 1, 16), False),
        ("sendto", (5, 1, 1, 0, 1 << 40, 16), False),
        ("ioctl", (5, 0x5421), True),  # FIONBIO
        ("ioctl", (0, 0x5412), False),
        ("ioctl", (0, 0x5412 | 1 << 32), False),
        ("ioctl", (5, 0x8901), False),
        ("fcntl", (5, 3), True),  # F_GETFL
        ("fcntl", (5, 8), False),
        ("fcntl", (5, 1031), False),
        ("sched_setaffinity", (0, 8), True),
        ("sched_setaffinity", (OURS + 1, 8), False),
        ("openat", (-100 % 2**64, 1, 0), True),
        ("openat", (-100 % 2**64, 1, 0o1000 | 1), True),
        ("openat", (-100 % 2**64, 1, 0o1000 | 2), True),
        ("openat", (-100 % 2**64, 1, 0o1000), False),
        ("openat", (-100 % 2**64, 1, 0o1000 | 3), False),
    ],
)
def test_arguments_are_checked(machine: str, name: str, arguments: tuple[int, ...], allowed: bool) -> None:
    answer = ask(machine, name, *arguments)
    assert answer == (seccomp.ALLOW if allowed else seccomp.NOT_PERMITTED)


@pytest.mark.parametrize(("flags", "allowed"), [(0, True), (0o1001, True), (0o1000, False), (0o1003, False)])
def test_open_is_checked_where_it_exists(flags: int, allowed: bool) -> None:
    assert syscalls.CHECKED["open"].aarch64 is None
    assert (ask("x86_64", "open", 1, flags) == seccomp.ALLOW) is allowed


def test_every_checked_call_has_its_check() -> None:
    assert set(seccomp.CHECKS) == set(syscalls.CHECKED)


def test_another_machine_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(KernelRefused, match="no filter for riscv64"):
        seccomp.install()
