"""A worker under a budget: nothing is had by spreading it over many calls or over many workers."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer

import psutil
import pytest
import torch

from autograder.contract.budget import Budget, Limits
from autograder.contract.line import InProcess, differentiable
from autograder.contract.student import Student
from autograder.errors import BudgetSpent, ProtocolViolation, StudentError, StudentTimeout, WorkerDied
from autograder.sandbox import zygote as zygotes
from autograder.sandbox.levels import Isolation, strongest
from autograder.sandbox.line import DYING_SECONDS, Worker, WorkerLine
from autograder.sandbox.locked import LockedWorker
from autograder.sandbox.plain import PlainWorker
from autograder.worker.zygote import WorkerOrder
from tests.end_to_end import processes

ROOT = Path(__file__).resolve().parents[2]
LEVEL = strongest("auto")

SOURCE = """
import os, time
import torch

def twice(x): return 2 * x

def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until: pass

def leave(): os._exit(3)

def large(n): return torch.zeros(n, dtype=torch.uint8)

def consult(model, times):
    for _ in range(times): model(torch.ones(1))

def slope(f, x):
    x = x.clone().requires_grad_(True)
    f(x).sum().backward()
    return x.grad

def in_place(x):
    x += 1
    return x

def shown(x): print("seen", x)
"""

Open = Callable[..., WorkerLine]


@pytest.fixture(scope="module")
def connection() -> Iterator[tuple[socket.socket, zygotes.Zygote]]:
    zygote = zygotes.start(LEVEL, ROOT)
    zygote.wait_until_ready()
    with zygote.connect() as line:
        yield line, zygote
    zygote.close()


# A plain worker is a Python of its own, which takes seconds to start.
@pytest.fixture(params=["locked", pytest.param("plain", marks=pytest.mark.slow)])
def open_line(request: pytest.FixtureRequest) -> Iterator[Open]:
    opened: list[WorkerLine] = []

    def start() -> Worker:
        if request.param == "plain":
            return PlainWorker()
        line, zygote = request.getfixturevalue("connection")
        limits = Limits()
        asked = WorkerOrder(
            LEVEL.value, "cpu", limits.memory, limits.scratch, tuple(zygote.read), zygote.home
        )
        return LockedWorker(line, asked, 100)

    def open_one(*cells: str, **limits: float) -> WorkerLine:
        patient = {"cell_cpu": 60.0, "wall_factor": 100.0}  # a busy machine is not what is tested
        budget = Budget(Limits(**patient | limits))  # type: ignore[arg-type]
        line = WorkerLine(start, budget, list(enumerate((SOURCE, *cells), start=1)))
        opened.append(line)
        return line

    yield open_one
    for line in opened:
        line.close()


def repeat(what: Callable[[], object]) -> None:
    for _ in range(20):
        what()


def locked_only(request: pytest.FixtureRequest) -> None:
    if "plain" in request.node.callspec.id:
        pytest.skip("without a lock there is no clock of CPU time: wall time alone ends a call")


def test_a_function_is_called_and_answers(open_line: Open) -> None:
    assert torch.equal(Student(open_line()).twice(torch.ones(3)), 2 * torch.ones(3))


def test_a_cell_that_raises_is_noted_and_the_rest_go_on(open_line: Open) -> None:
    line = open_line("1 / 0", "def later(): return 7")
    assert Student(line).later() == 7
    assert line.cell_errors[2].type == "ZeroDivisionError"
    assert "cell 2, line 1" in line.cell_errors[2].trace


def test_a_cell_that_ends_the_process_is_left_out_of_the_next_one(open_line: Open) -> None:
    line = open_line("leave()", "def later(): return 7")
    assert Student(line).later() == 7
    assert list(line.cell_errors) == [2]


def test_parts_of_a_cell_are_run_each_by_itself_and_keep_their_lines(open_line: Open) -> None:
    line = open_line()
    parts = [(2, "def early(): return 1 / 0"), (2, "\n1 / 0"), (2, "\n\nunknown")]
    line._cells = [(1, SOURCE), *parts, (3, "leave()"), (3, "\ndef late(): return 7")]
    student = Student(line)
    assert student.late() == 7
    assert [(number, error.type) for number, error in line.cell_errors.items()] == [
        (2, "ZeroDivisionError"),  # the first of them
        (3, "WorkerDied"),
    ]
    with pytest.raises(StudentError) as raised:
        student.early()
    assert raised.value.trace == "cell 2, line 1, in early: def early(): return 1 / 0"


def test_a_cell_may_await_what_needs_no_network(open_line: Open) -> None:
    line = open_line(
        "import asyncio\n"
        "async def soon(x):\n    await asyncio.sleep(0.01)\n    return x\n"
        "both = await asyncio.gather(soon(3), asyncio.to_thread(lambda: 4))",
        "def seen(): return both",
        "await soon(1 / 0)",
    )
    assert Student(line).seen() == [3, 4]
    assert list(line.cell_errors) == [4]
    assert line.cell_errors[4].trace.startswith("cell 4, line 1")


def test_what_is_imported_from_the_future_holds_for_the_cells_after_it(open_line: Open) -> None:
    line = open_line("from __future__ import annotations", "def seen(x: no_such_name = 5): return x")
    assert Student(line).seen() == 5


def test_what_nbconvert_made_of_magics_does_nothing(open_line: Open) -> None:
    line = open_line(
        "get_ipython().run_line_magic('matplotlib', 'inline')\nx = get_ipython().getoutput('ls')"
    )
    line.load()
    assert line.cell_errors == {}


def test_what_one_python_warns_of_is_not_printed(open_line: Open) -> None:
    line = open_line("x = 1 is 1\ny = '\\d'\nprint('printed')")
    line.load()
    assert line.cell_errors == {}
    assert bytes(line.printed) == b"printed\n"


def test_an_error_tells_the_students_own_lines(open_line: Open) -> None:
    with pytest.raises(StudentError) as caught:
        Student(open_line()).twice("a", 3)
    assert caught.value.type == "TypeError"


def test_what_changes_its_input_answers_otherwise_the_second_time(open_line: Open) -> None:
    student = Student(open_line())
    assert torch.equal(student.twice.twice(torch.ones(1)), torch.tensor([2.0]))
    assert torch.equal(student.in_place.twice(torch.ones(1)), torch.tensor([3.0]))


def test_gradients_flow_through_a_callable_that_stays_with_the_grader(open_line: Open) -> None:
    x = torch.randn(4, dtype=torch.float64)
    assert torch.allclose(Student(open_line()).slope(differentiable(torch.sin), x), x.cos())


def test_what_cells_print_is_kept_up_to_its_limit(open_line: Open) -> None:
    line = open_line("for number in range(50): shown(number)", "shown('more')", stdout=100)
    line.load()
    line.close()
    assert line.printed.startswith(b"seen 0")
    assert len(line.printed) == 100


def test_what_was_printed_before_an_answer_is_there_after_it(open_line: Open) -> None:
    """However late the thread is that takes it: others do not let it run."""
    line = open_line("shown('in a cell')")
    line.load()
    assert bytes(line.printed) == b"seen in a cell\n"
    student, stop = Student(line), threading.Event()
    for _ in range(2):
        threading.Thread(target=lambda: all(not stop.is_set() for _ in itertools.count())).start()
    try:
        for number in range(30):
            student.shown(number)
            assert line._last_words == f": seen {number}"
    finally:
        stop.set()


def test_what_is_printed_in_a_test_could_be_its_inputs_and_is_not_kept(open_line: Open) -> None:
    line = open_line("shown('in a cell')")
    student = Student(line)
    student.shown("a secret")
    with pytest.raises(WorkerDied):
        student.leave()
    student.shown("a secret")  # by a second worker, in which the cells are run once more
    line.close()
    assert bytes(line.printed) == b"seen in a cell\n"


def noted(*calls: tuple[str, object]) -> tuple[bytes, int]:
    """Calls of functions as they are put together."""
    line = InProcess({name: lambda *_: None for name, _ in calls})
    with line.noting() as frames:
        for name, argument in calls:
            Student(line).function(name)(argument)
    return b"".join(frames), len(frames)


def test_requests_that_are_put_together_are_answered_each(open_line: Open) -> None:
    line = open_line()
    ahead = line.together(*noted(("twice", torch.ones(2)), ("in_place", "text"), ("twice", 4)))
    first, refused, last = ahead.answers
    assert torch.equal(first, 2 * torch.ones(2))
    assert isinstance(refused, StudentError)
    assert refused.type == "TypeError"
    assert (last, len(ahead.digest), line.one_by_one) == (8, 32, False)


def test_equal_answers_have_one_digest_whatever_their_numbers(open_line: Open) -> None:
    line = open_line()
    one, again, other = (line.together(*noted(("twice", x), ("twice", 4))).digest for x in (1, 1, 2))
    assert one == again != other


def test_what_ends_a_worker_is_the_last_answer_and_the_rest_is_asked_for_anew(open_line: Open) -> None:
    line = open_line("def end(_): leave()")
    ahead = line.together(*noted(("twice", 1), ("end", 0), ("twice", 2)))
    assert ahead.answers[0] == 2
    assert isinstance(ahead.answers[1], WorkerDied)
    assert (len(ahead.answers), ahead.digest, line.one_by_one) == (2, b"", True)
    assert Student(line).twice(3) == 6


def test_each_request_has_the_time_of_one_call(open_line: Open, request: pytest.FixtureRequest) -> None:
    locked_only(request)
    line = open_line(call_cpu=0.6)
    ahead = line.together(*noted(*[("burn", 0.3)] * 4, ("burn", 60), ("twice", 1)))
    assert ahead.answers[:4] == [None] * 4
    assert isinstance(ahead.answers[4], StudentTimeout)
    assert not ahead.digest
    assert not line.wall_timeout


def test_what_is_put_together_is_counted_like_any_other(open_line: Open) -> None:
    line = open_line(submission_bytes=5 << 20)
    ahead = line.together(*noted(*[("large", 2 << 20)] * 4))
    assert [type(one).__name__ for one in ahead.answers] == ["Tensor", "Tensor", "BudgetSpent"]
    assert "MiB" in line.exhausting


def test_an_answer_with_another_number_is_forged(open_line: Open) -> None:
    forging = """
import gc
def forge(_):
    (session,) = [one for one in gc.get_objects() if type(one).__name__ == "Session"]
    encode = type(session)._answer.__globals__["wire"].encode
    type(session)._answer = lambda self, message: encode("answer", 7, "mine")
"""
    line = open_line(forging)
    ahead = line.together(*noted(("forge", 0), ("twice", 1)))
    assert ahead.answers[0] is None
    assert isinstance(ahead.answers[1], ProtocolViolation)
    assert line.tampered is not None


def test_cpu_time_is_counted_over_all_calls(open_line: Open, request: pytest.FixtureRequest) -> None:
    locked_only(request)
    student = Student(open_line(call_cpu=1.0, submission_cpu=1.2))
    with pytest.raises(BudgetSpent, match=r"1\.2 s of CPU time"):
        repeat(lambda: student.burn(0.3))


def test_cpu_time_is_counted_over_all_workers(open_line: Open, request: pytest.FixtureRequest) -> None:
    locked_only(request)
    line = open_line(call_cpu=1.0, submission_cpu=1.2, workers=100)

    def burn_and_leave() -> None:
        Student(line).burn(0.3)
        with pytest.raises(WorkerDied):
            Student(line).leave()

    with pytest.raises(BudgetSpent, match="CPU time"):
        repeat(burn_and_leave)


def test_a_call_has_its_own_limit_and_is_not_made_again(
    open_line: Open, request: pytest.FixtureRequest
) -> None:
    locked_only(request)
    line = open_line(call_cpu=0.3)
    student = Student(line)
    with pytest.raises(StudentTimeout, match=r"0\.3 s"):
        student.burn(60)
    with pytest.raises(StudentTimeout, match="not called again"):
        student.burn(0)
    assert not line.wall_timeout
    assert torch.equal(student.twice(torch.ones(1)), torch.tensor([2.0]))


def test_waiting_ends_by_wall_time(open_line: Open) -> None:
    line = open_line("def sleep(): time.sleep(1000)", call_cpu=0.2, wall_factor=2.0)
    with pytest.raises(StudentTimeout, match="waited too long"):
        Student(line).sleep()
    assert line.wall_timeout


def test_a_cell_that_waits_ends_by_wall_time(open_line: Open) -> None:
    line = open_line("time.sleep(1000)", cell_cpu=0.2, wall_factor=5.0)
    line.load()
    assert "waited too long" in line.cell_errors[2].message
    assert line.wall_timeout


def test_waiting_is_counted_over_all_calls(open_line: Open) -> None:
    cells = [f"def sleep{n}(): time.sleep(1000)" for n in range(6)]
    line = open_line(*cells, call_cpu=0.2, wall_factor=2.0, submission_wall=1.0)
    student = Student(line)
    numbers = iter(range(6))

    def sleep() -> None:
        with pytest.raises(StudentTimeout):
            getattr(student, f"sleep{next(numbers)}")()

    with pytest.raises(BudgetSpent, match="waiting"):
        repeat(sleep)


def test_workers_are_counted(open_line: Open) -> None:
    line = open_line(workers=3)
    for _ in range(3):
        with pytest.raises(WorkerDied, match="exit code 3"):
            Student(line).leave()
    with pytest.raises(BudgetSpent, match="too often"):
        Student(line).leave()


def test_how_it_ended_is_told_even_by_a_monitor_that_comes_late(
    open_line: Open, request: pytest.FixtureRequest
) -> None:
    locked_only(request)
    line = open_line()
    line.load()
    monitor = processes.send(signal.SIGSTOP, monitors_at_work, os.getpid())
    late = Timer(1.5 * DYING_SECONDS, os.kill, (monitor, signal.SIGCONT))
    late.start()
    with pytest.raises(WorkerDied, match="exit code 3"):
        Student(line).leave()
    late.join()


def monitors_at_work(run: int) -> list[psutil.Process]:
    return [psutil.Process(worker.ppid()) for worker in processes.workers(run)]


def test_bytes_are_counted_over_all_workers(open_line: Open) -> None:
    line = open_line(submission_bytes=10 << 20, workers=100)

    def answer_and_leave() -> None:
        assert Student(line).large(2 << 20).numel() == 2 << 20
        with pytest.raises(WorkerDied):
            Student(line).leave()

    with pytest.raises(BudgetSpent, match="MiB"):
        repeat(answer_and_leave)


def test_callbacks_are_counted_over_all_calls(open_line: Open) -> None:
    student = Student(open_line(submission_callbacks=50))
    with pytest.raises(BudgetSpent, match="far too often"):
        repeat(lambda: student.consult(torch.sin, 20))


def test_an_answer_too_large_for_a_message_is_the_students_error(open_line: Open) -> None:
    with pytest.raises(StudentError, match="too large"):
        Student(open_line()).large(100 << 20)


def test_who_breaks_the_protocol_gets_no_second_worker(
    open_line: Open, request: pytest.FixtureRequest
) -> None:
    if LEVEL is Isolation.NONE or "plain" in request.node.callspec.id:
        pytest.skip("the line of a plain worker is not among its descriptors")
    forge = """
import socket
def forge():
    for number in range(3, 64):
        try: socket.socket(fileno=os.dup(number)).sendall(b"EVIL" * 10)
        except OSError: pass
"""
    line = open_line(forge)
    with pytest.raises(ProtocolViolation):
        Student(line).forge()
    with pytest.raises(ProtocolViolation):
        Student(line).twice(torch.ones(1))


def test_an_answer_that_was_sent_before_its_question_is_refused(
    open_line: Open, request: pytest.FixtureRequest
) -> None:
    if LEVEL is Isolation.NONE or "plain" in request.node.callspec.id:
        pytest.skip("the line of a plain worker is not among its descriptors")
    forge = """
import json, socket, struct
def early():
    header = json.dumps({"kind": "answer", "id": 7, "value": 42, "tensors": []}).encode()
    for number in range(3, 64):
        try: line = socket.socket(fileno=os.dup(number))
        except OSError: continue
        line.sendall(struct.pack("<4sIQ", b"DCG1", len(header), 0) + header)
    return 1
"""
    with pytest.raises(ProtocolViolation, match="not asked"):
        Student(open_line(forge)).early()
