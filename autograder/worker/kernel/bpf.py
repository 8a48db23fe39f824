"""An assembler for the kernel's classic BPF, with labels instead of counted jumps.

Only what a seccomp filter needs. A filter reads a `struct seccomp_data`: the call's number, the
architecture, the instruction pointer and six 64-bit arguments (<linux/seccomp.h>).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

LOAD, AND, JUMP, IF_EQUAL, IF_AT_LEAST, IF_ANY_BIT, RETURN = 0x20, 0x54, 0x05, 0x15, 0x35, 0x45, 0x06

NUMBER, ARCHITECTURE = 0, 4
FARTHEST_CONDITIONAL_JUMP = 255


def argument(index: int) -> int:
    """Where the low half of an argument lies (little-endian machines); the high half is 4 further."""
    return 16 + 8 * index


class Instruction(NamedTuple):
    code: int
    if_true: int
    if_false: int
    value: int


class _Unresolved(NamedTuple):
    code: int
    value: int
    if_true: str
    if_false: str


class Assembler:
    """Collects instructions; an empty label means the next instruction."""

    def __init__(self) -> None:
        self._lines: list[Instruction | _Unresolved] = []
        self._labels: dict[str, int] = {}

    def load(self, offset: int) -> None:
        """Loads 32 bits of the call's description."""
        self._lines.append(Instruction(LOAD, 0, 0, offset))

    def keep_bits(self, mask: int) -> None:
        """Clears every bit of what was loaded that is not in `mask`."""
        self._lines.append(Instruction(AND, 0, 0, mask & 0xFFFFFFFF))

    def test(self, code: int, value: int, yes: str = "", no: str = "") -> None:
        """Jumps to `yes` or `no`, by comparing what was loaded with `value`."""
        self._lines.append(_Unresolved(code, value, yes, no))

    def jump(self, label: str) -> None:
        """Jumps, however far."""
        self._lines.append(_Unresolved(JUMP, 0, label, ""))

    def answer(self, value: int) -> None:
        """Ends the filter with this verdict."""
        self._lines.append(Instruction(RETURN, 0, 0, value))

    def label(self, name: str) -> None:
        """Names the place of the next instruction. Raises `ValueError` for a name already used."""
        if name in self._labels:
            raise ValueError(f"the label {name!r} is set twice")
        self._labels[name] = len(self._lines)

    def assemble(self) -> list[Instruction]:
        """The program. Raises `ValueError` for a label that is missing, behind or too far away."""
        return [
            line if isinstance(line, Instruction) else self._resolve(here, line)
            for here, line in enumerate(self._lines)
        ]

    def _resolve(self, here: int, line: _Unresolved) -> Instruction:
        if line.code == JUMP:
            return Instruction(JUMP, 0, 0, self._distance(here, line.if_true))
        distances = [self._distance(here, label) for label in (line.if_true, line.if_false)]
        if max(distances) > FARTHEST_CONDITIONAL_JUMP:
            raise ValueError(f"instruction {here} jumps {max(distances)} instructions: farther than it can")
        return Instruction(line.code, distances[0], distances[1], line.value)

    def _distance(self, here: int, label: str) -> int:
        if not label:
            return 0
        if label not in self._labels:
            raise ValueError(f"instruction {here} jumps to {label!r}, which is set nowhere")
        distance = self._labels[label] - here - 1
        if distance < 0:
            raise ValueError(f"instruction {here} jumps back to {label!r}: BPF only goes forward")
        return distance


def packed(program: list[Instruction]) -> bytes:
    """The program as an array of `struct sock_filter`."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
