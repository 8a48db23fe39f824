"""The assembler resolves labels, and says so when it cannot."""

from __future__ import annotations

import pytest

from autograder.worker.kernel.bpf import IF_EQUAL, NUMBER, Assembler, packed

from .bpf_interpreter import verdict


def test_jumps_go_to_their_labels() -> None:
    program = Assembler()
    program.load(NUMBER)
    program.test(IF_EQUAL, 7, yes="seven")
    program.test(IF_EQUAL, 8, no="other")
    program.answer(80)
    program.label("seven")
    program.answer(70)
    program.label("other")
    program.answer(90)
    done = program.assemble()
    assert [verdict(done, 0, number, ()) for number in (7, 8, 9)] == [70, 80, 90]
    assert len(packed(done)) == 8 * len(done)


def test_a_long_jump_is_no_conditional_one() -> None:
    def assemble(distance: int, *, conditional: bool) -> None:
        program = Assembler()
        if conditional:
            program.test(IF_EQUAL, 1, yes="far")
        else:
            program.jump("far")
        for _ in range(distance):
            program.answer(0)
        program.label("far")
        program.answer(1)
        program.assemble()

    assemble(255, conditional=True)
    assemble(3000, conditional=False)
    with pytest.raises(ValueError, match="jumps 256 instructions"):
        assemble(256, conditional=True)


def test_a_label_is_set_once_and_ahead() -> None:
    program = Assembler()
    program.label("here")
    with pytest.raises(ValueError, match="'here' is set twice"):
        program.label("here")
    program.jump("here")
    with pytest.raises(ValueError, match="jumps back to 'here'"):
        program.assemble()
    nowhere = Assembler()
    nowhere.jump("nowhere")
    with pytest.raises(ValueError, match="'nowhere', which is set nowhere"):
        nowhere.assemble()
