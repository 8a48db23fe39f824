"""Runs a filter as the kernel's classic BPF does, to see what it answers on a machine that is not here."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from autograder.worker.kernel.bpf import Instruction


def verdict(program: Sequence[Instruction], architecture: int, number: int, arguments: Sequence[int]) -> int:
    """The value that the program returns for a call. Opcodes as in <linux/bpf_common.h>."""
    six = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, architecture, 0, *six)
    at, accumulator = 0, 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x20:  # BPF_LD | BPF_W | BPF_ABS
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x54:  # BPF_ALU | BPF_AND | BPF_K
            accumulator &= value
        elif code == 0x05:  # BPF_JMP | BPF_JA
            at += value
        elif code == 0x15:  # BPF_JMP | BPF_JEQ | BPF_K
            at += if_true if accumulator == value else if_false
        elif code == 0x35:  # BPF_JMP | BPF_JGE | BPF_K
            at += if_true if accumulator >= value else if_false
        elif code == 0x45:  # BPF_JMP | BPF_JSET | BPF_K
            at += if_true if accumulator & value else if_false
        elif code == 0x06:  # BPF_RET | BPF_K
            return value
        else:
            raise ValueError(f"no such instruction: {code:#x}")
