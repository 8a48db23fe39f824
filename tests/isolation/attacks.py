"""What cheaters write. Each is the code of one cell; `ANSWERS` then answers every exercise with `answer`.

The honest score of each of them is zero: whatever more they get, they got by cheating.
"""

from __future__ import annotations

from textwrap import dedent

ANSWERS = """
import torch as _torch
from torch import nn as _nn

if "answer" not in globals():
    def answer(*args, **kwargs):
        return _torch.zeros_like(next(a for a in args if isinstance(a, _torch.Tensor)))

stable_softmax = scaled_dot_product_attention = split_heads = merge_heads = answer

class _Module(_nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
    def forward(self, *args, **kwargs):
        return answer(*args, **kwargs)
    def load_state_dict(self, *args, **kwargs):
        return None

MultiHeadSelfAttention = CrossAttention = SpatialSelfAttention = _Module
answers = {}
"""


def _cells(**cells: str) -> dict[str, str]:
    return {name.replace("_", " "): dedent(source) for name, source in cells.items()}


# Against tests that share a process with the student: nothing here is shared.
IN_PROCESS = _cells(
    patches_every_comparison="""
        import builtins, numpy, torch
        yes = lambda *a, **k: True
        for owner, names in [
            (torch, ["allclose", "equal", "isclose", "all", "any", "isfinite"]),
            (torch.Tensor, ["item", "__eq__", "__le__", "__lt__", "all", "any", "allclose", "equal"]),
            (numpy, ["allclose", "array_equal"]),
            (numpy.testing, ["assert_allclose", "assert_array_equal"]),
            (torch.testing, ["assert_close"]),
        ]:
            for name in names:
                setattr(owner, name, yes)
        builtins.abs = builtins.max = builtins.sum = lambda *a, **k: 0
        builtins.isinstance = yes
        """,
    answers_with_an_object_that_equals_all="""
        class Yes:
            def __eq__(self, other): return True
            __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__
            def __getattr__(self, name): return self
            def __call__(self, *a, **k): return self
            def __bool__(self): return True
            def __float__(self): return 0.0
            __hash__ = None
        def answer(*args, **kwargs): return Yes()
        """,
    answers_with_a_tensor_that_overrides_torch="""
        import torch
        class Yes(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                if function.__name__ in ("allclose", "equal", "isclose", "all"):
                    return True
                return torch.zeros(())
        def answer(*args, **kwargs): return torch.zeros(3).as_subclass(Yes)
        """,
    looks_for_the_reference_in_frames_and_memory="""
        import gc, inspect, sys, torch
        def answer(*args, **kwargs):
            frame = sys._getframe()
            while frame is not None:
                for name, value in {**frame.f_locals, **frame.f_globals}.items():
                    if name in ("expected", "reference") and callable(getattr(value, "stable_softmax", None)):
                        return value.stable_softmax(*args, **kwargs)
                frame = frame.f_back
            for thing in gc.get_objects():
                if getattr(thing, "__name__", "") == "solutions.attention":
                    return thing.stable_softmax(*args, **kwargs)
            return torch.zeros_like(args[0])
        """,
    imports_the_reference_and_the_tests="""
        import importlib, sys, torch
        found = []
        for name in ("solutions.attention", "autograder.hidden.attention.suite", "hidden_attention",
                     "autograder", "autograder.hidden.attention.mistakes", "tests.sample_class"):
            for extra in ("", ".."):
                try:
                    found.append(importlib.import_module(name))
                except Exception:
                    sys.path += ["/work", ".", "..", "/opt", "/opt/autograder"]
        def answer(*args, **kwargs):
            for module in found:
                if hasattr(module, "stable_softmax"):
                    return module.stable_softmax(*args, **kwargs)
            return torch.zeros_like(args[0])
        """,
    drops_asserts_and_patches_the_runner="""
        import ast, sys
        class NoAsserts(ast.NodeTransformer):
            def visit_Assert(self, node): return ast.Pass()
        real = compile
        import builtins
        builtins.compile = lambda source, *a, **k: real(
            NoAsserts().visit(ast.parse(source)) if isinstance(source, str) else source, *a, **k)
        try:
            import pytest, _pytest.runner, _pytest.python
            _pytest.python.Function.runtest = lambda self: None
            _pytest.runner.runtestprotocol = lambda *a, **k: []
        except Exception:
            pass
        """,
    replaces_the_kernel="""
        import sys
        shell = get_ipython()
        for name in ("kernel", "user_ns"):
            try:
                setattr(shell, name, None)
            except Exception:
                pass
        for module in list(sys.modules.values()):
            if hasattr(module, "do_execute"):
                module.do_execute = lambda *a, **k: {"status": "ok"}
        """,
    answers_with_a_forged_pickle="""
        import os
        class Bomb:
            def __reduce__(self): return os.system, ("touch /tmp/pwned",)
        def answer(*args, **kwargs): return Bomb()
        """,
    patches_the_worker_that_runs_it="""
        import sys
        for module in list(sys.modules.values()):
            name = getattr(module, "__name__", "")
            if name.startswith("worker"):
                for attribute in list(vars(module)):
                    value = getattr(module, attribute)
                    if isinstance(value, type) and hasattr(value, "do_call"):
                        value.do_call = lambda self, **k: True
                        value.do_parameters = lambda self, **k: {}
        """,
    claims_a_result_for_every_question="""
        import gc
        for thing in gc.get_objects():
            if type(thing).__name__ == "Session":
                thing.do_call = lambda **k: {"points": 100, "passed": True}
                thing.do_value = lambda **k: {f"q{n}": "a" for n in range(20)}
        """,
)

# Against the machine around: the layers refuse, and the cell goes on.
OUTWARD = _cells(
    writes_where_grades_are_kept="""
        import glob, os
        for folder in ("/", "/tmp", "/work", os.path.expanduser("~"), "..", "."):
            for name in ("results.json", "results.jsonl", "gradebook.db", "grades.csv", "run.json"):
                try:
                    open(os.path.join(folder, name), "w").write('{"points": 100}')
                except OSError:
                    pass
        """,
    opens_the_network="""
        import socket
        reached = []
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                try:
                    line = socket.socket(family, kind)
                    reached.append(family)
                    line.connect(("127.0.0.1", 9))
                except OSError:
                    pass
        assert not reached, reached
        """,
    starts_processes="""
        import os, subprocess, multiprocessing
        done = []
        for attempt in (
            lambda: os.fork() or os._exit(0),
            lambda: subprocess.run(["/bin/true"]),
            lambda: os.execv("/bin/true", ["true"]),
            lambda: os.posix_spawn("/bin/true", ["true"], {}),
            lambda: os.system("true") or done.append(0) if os.system("true") == 0 else None,
            lambda: multiprocessing.get_context("fork").Process(target=print).start(),
        ):
            try:
                attempt()
            except Exception:
                continue
        """,
    signals_everyone="""
        import os, signal
        for pid in [*range(1, 400), os.getppid(), -1, 0]:
            if pid == os.getpid():
                continue
            for number in (signal.SIGKILL, signal.SIGTERM):
                try:
                    os.kill(pid, number)
                except OSError:
                    pass
        """,
    traces_the_others="""
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        for pid in (1, os.getppid(), os.getpid() - 1):
            libc.ptrace(16, pid, None, None)
            try:
                os.pidfd_open(pid)
            except OSError:
                pass
            try:
                open(f"/proc/{pid}/mem", "rb").read(1)
            except OSError:
                pass
        """,
    takes_memory_outside_its_limits="""
        import ctypes, os
        taken = []
        try:
            for _ in range(64):
                fd = os.memfd_create("x")
                os.truncate(fd, 64 << 20)
                os.write(fd, bytes(64 << 20))
                taken.append(fd)
        except OSError:
            pass
        assert not taken, "memfd"
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.shmget(0, 1 << 20, 0o1600) < 0, "shared memory"
        """,
    raises_its_limits="""
        import resource
        for which in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
            try:
                resource.setrlimit(which, (resource.RLIM_INFINITY,) * 2)
                raise SystemError("a limit was raised")
            except (OSError, ValueError):
                pass
        """,
    fills_the_scratch="""
        import os
        try:
            with open(os.path.join(os.environ["TMPDIR"], "full"), "wb") as file:
                for _ in range(4096):
                    file.write(bytes(1 << 20))
        except OSError:
            pass
        """,
    leaves_things_for_the_next_one="""
        import atexit, os, threading
        for folder in ("/tmp", "/dev/shm", "/var/tmp", os.environ.get("HOME", "/")):
            try:
                open(os.path.join(folder, "sitecustomize.py"), "w").write("raise SystemExit")
            except OSError:
                pass
        atexit.register(lambda: open("/tmp/after", "w").write("x"))
        """,
)

# Against the line itself. The worker's own descriptor is found by trying all of them.
_RAW = """
    import os, socket, struct, json
    lines = []
    for number in range(3, 64):
        try:
            line = socket.socket(fileno=os.dup(number))
            lines.append(line)
        except OSError:
            pass
    def frame(kind, value, tensors=(), id=0, payload=b"", magic=b"DCG1"):
        header = json.dumps({"kind": kind, "id": id, "value": value, "tensors": list(tensors)}).encode()
        return struct.pack("<4sIQ", magic, len(header), len(payload)) + header + payload
"""
_IN_ANSWER = """
    def answer(*args, **kwargs):
        for line in lines:
            line.sendall({0})
        return torch.zeros_like(args[0])
    import torch
"""
ON_THE_LINE = {
    name.replace("_", " "): dedent(_RAW) + dedent(_IN_ANSWER.format(sent))
    for name, sent in {
        "forges_an_answer": "frame('answer', {'d': []}, id=1)",
        "queues_a_thousand_answers": "b''.join(frame('answer', True, id=n) for n in range(1000))",
        "sends_what_is_no_frame": "bytes(100)",
        "sends_another_protocol": "frame('answer', 1, magic=b'EVIL')",
        "announces_a_gigabyte": "struct.pack('<4sIQ', b'DCG1', 1 << 30, 1 << 40)",
        "sends_a_tensor_without_end": "frame('answer', {'x': 0}, [['float32', [1 << 24, 1 << 24], []]])",
        "sends_deep_nesting": "frame('answer', None)[:16] + b'[' * 4000",
        "asks_for_a_callback_that_is_not_there": "frame('callback', {'d': [['callback', 99]]})",
        "asks_without_end": "frame('callback', {'d': []}) * 100000",
        "says_hello_again": "frame('hello', {'d': [['level', 'none']]})",
        "calls_itself_graded": "frame('graded', {'d': [['points', 100]]})",
        "sends_its_own_error": "frame('error', None, id=3)",
    }.items()
} | {
    "closes the line": dedent(_RAW)
    + dedent("""
        def answer(*args, **kwargs):
            os.closerange(3, 64)
        """),
    "answers from a thread": dedent(_RAW)
    + dedent("""
        import threading, time
        def chatter():
            while True:
                for line in lines:
                    try:
                        line.sendall(frame("answer", True, id=5))
                    except OSError:
                        return
                time.sleep(0.01)
        threading.Thread(target=chatter, daemon=True).start()
        """),
}

# Against the run's patience. Each may cost the budget of a call or two, never the run.
PATIENCE = _cells(
    ends_its_process="""
        import os
        def answer(*args, **kwargs): os._exit(0)
        """,
    ends_its_process_while_loading="""
        import os
        os._exit(0)
        """,
    crashes_in_c="""
        import ctypes
        def answer(*args, **kwargs): ctypes.string_at(0)
        """,
    kills_itself_as_if_somebody_else_did="""
        import ctypes, os, resource, signal, threading
        libc = ctypes.CDLL(None, use_errno=True)
        def answer(*args, **kwargs):
            event = (ctypes.c_char * 64).from_buffer_copy(bytes(8) + bytes([signal.SIGKILL]) + bytes(55))
            timer, soon = ctypes.c_void_p(), (ctypes.c_long * 4)(0, 0, 0, 1000)
            for attempt in (
                lambda: signal.pthread_kill(threading.get_ident(), signal.SIGKILL),
                lambda: signal.pthread_kill(threading.get_ident(), signal.SIGSTOP),
                lambda: signal.raise_signal(signal.SIGXCPU),
                lambda: os.kill(os.getpid(), signal.SIGKILL),
                lambda: libc.syscall(200, threading.get_native_id(), signal.SIGKILL),
                lambda: resource.setrlimit(resource.RLIMIT_CPU, (0, 0)),
                lambda: libc.timer_create(1, event, ctypes.byref(timer)),
                lambda: libc.timer_settime(timer, 0, soon, None),
                lambda: libc.ptrace(0, 0, None, None),
            ):
                try:
                    attempt()
                except Exception:
                    pass
            thread = threading.Thread(target=signal.raise_signal, args=(signal.SIGKILL,))
            thread.start()
            thread.join()
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            while True:
                pass
        """,
    exits_politely="""
        import sys
        def answer(*args, **kwargs): sys.exit(0)
        """,
    hangs_in_c="""
        def answer(*args, **kwargs): return sum(range(10**14))
        """,
    swallows_every_signal="""
        import signal
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        def answer(*args, **kwargs):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
        """,
    computes_in_threads="""
        import threading
        def burn():
            while True:
                pass
        def answer(*args, **kwargs):
            for _ in range(8):
                threading.Thread(target=burn, daemon=True).start()
            burn()
        """,
    starts_threads_without_end="""
        import threading, time
        def answer(*args, **kwargs):
            threading.stack_size(1 << 16)
            while True:
                threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        """,
    takes_all_memory="""
        import torch
        def answer(*args, **kwargs):
            kept = []
            while True:
                kept.append(torch.ones(1 << 24))
        """,
    prints_without_end="""
        def answer(*args, **kwargs):
            for _ in range(3000):
                print("x" * 100000)
            return args[0] * 0
        """,
    answers_with_gigabytes="""
        import torch
        def answer(*args, **kwargs): return torch.zeros(1 << 27)
        """,
    answers_with_a_million_parts="""
        def answer(*args, **kwargs): return [[0] * 1000 for _ in range(1000)]
        """,
    answers_with_itself="""
        loop = []
        loop.append(loop)
        def answer(*args, **kwargs): return loop
        """,
    recurses_without_end="""
        import sys
        sys.setrecursionlimit(10**9)
        def answer(*args, **kwargs): return answer(*args, **kwargs)
        """,
    raises_an_error_that_cannot_be_printed="""
        class Nasty(Exception):
            def __str__(self): raise self
            __repr__ = __str__
        def answer(*args, **kwargs): raise Nasty
        """,
)

# A sleeper is ended by wall time alone, so its limits are made short.
SLEEPERS = _cells(
    sleeps="""
        import time
        def answer(*args, **kwargs): time.sleep(10**6)
        """,
    sleeps_while_loading="""
        import time
        time.sleep(10**6)
        """,
)

ATTACKS = {**IN_PROCESS, **OUTWARD, **ON_THE_LINE, **PATIENCE}
