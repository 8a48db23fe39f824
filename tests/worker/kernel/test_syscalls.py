"""The numbers are the kernel's, and every call that its headers know has been decided on."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from autograder.worker.kernel import syscalls

X86_64 = [Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")]
GENERIC = Path("/usr/include/asm-generic/unistd.h")
# What arm64's own <asm/unistd.h> defines before it includes the generic one.
OF_ARM64 = ["RENAMEAT", "NEW_STAT", "SET_GET_RLIMIT", "TIME32_SYSCALLS", "SYS_CLONE3", "MEMFD_SECRET"]
DECIDED = {**syscalls.ALLOWED, **syscalls.CHECKED, **syscalls.REFUSED}

# As if the kernel did not have them (ENOSYS).
ABSENT = {
    "its arguments lie in memory, where no filter looks": {"clone3", "openat2"},
    "a lock on a lock: nobody honest needs it": {
        *{"seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"},
        *{"lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules"},
    },
    "not there in any kernel that has Landlock": {
        *{"_sysctl", "afs_syscall", "create_module", "epoll_ctl_old", "epoll_wait_old", "get_kernel_syms"},
        *{"getpmsg", "nfsservctl", "putpmsg", "query_module", "security", "tuxcall", "uselib", "vserver"},
        *{"sysfs", "ustat", "set_thread_area", "get_thread_area"},
    },
    "no library of ours calls it": {
        *{"get_robust_list", "pkey_alloc", "pkey_free", "pkey_mprotect", "set_mempolicy_home_node"},
        *{"cachestat", "map_shadow_stack", "futex_wake", "futex_wait", "futex_requeue", "mseal"},
        *{"getxattrat", "listxattrat", "file_getattr", "uretprobe", "uprobe", "rseq_slice_yield"},
    },
    "younger sisters of refused ones": {
        *{"fchmodat2", "setxattrat", "removexattrat", "file_setattr"},
        *{"statmount", "listmount", "open_tree_attr", "listns"},
    },
}
ALL_ABSENT = {name for names in ABSENT.values() for name in names}


def x86_64() -> dict[str, int]:
    """Names and numbers from the kernel's header for x86_64."""
    for header in X86_64:
        if header.exists():
            found = re.findall(r"^#define __NR_(\w+) (\d+)$", header.read_text(), re.MULTILINE)
            return {name: int(number) for name, number in found}
    pytest.skip("no kernel headers for x86_64 (apt install linux-libc-dev)")


def aarch64() -> dict[str, int]:
    """Names and numbers that the kernel's generic header gives when included as arm64 includes it."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not GENERIC.exists() or compiler is None:
        pytest.skip("no kernel headers or no C compiler (apt install linux-libc-dev gcc)")
    wanted = "".join(f"#define __ARCH_WANT_{feature}\n" for feature in OF_ARM64)
    source = f"{wanted}#define __BITS_PER_LONG 64\n#include <asm-generic/unistd.h>\n"
    done = subprocess.run([compiler, "-E", "-dM", "-xc", "-"], input=source, capture_output=True, text=True)
    defined = dict(re.findall(r"^#define (__NR\w+) (\w+)$", done.stdout, re.MULTILINE))
    numbers = {}
    for name, value in defined.items():
        while value in defined:
            value = defined[value]
        if name.startswith("__NR_") and value.isdigit():
            numbers[name.removeprefix("__NR_")] = int(value)
    return {
        name: number for name, number in numbers.items() if name not in {"syscalls", "arch_specific_syscall"}
    }


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    header = x86_64() if machine == "x86_64" else aarch64()
    assert len(header) > 300
    ours = {name: getattr(call, machine) for name, call in DECIDED.items()}
    wrong = {name: (number, header.get(name)) for name, number in ours.items() if number != header.get(name)}
    assert not wrong, "ours, the header's"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_call_of_the_headers_has_been_decided_on(machine: str) -> None:
    header = x86_64() if machine == "x86_64" else aarch64()
    assert set(header) - set(DECIDED) - ALL_ABSENT == set()


def test_no_call_is_in_two_tables() -> None:
    tables = [syscalls.ALLOWED, syscalls.CHECKED, syscalls.REFUSED]
    assert len(DECIDED) == sum(map(len, tables))
    assert not ALL_ABSENT & set(DECIDED)
    for machine in ("x86_64", "aarch64"):
        numbers = [getattr(call, machine) for call in DECIDED.values()]
        known = [number for number in numbers if number is not None]
        assert len(known) == len(set(known))
