"""Public checks of the bonus tasks of the module `vision_transformers`."""

from __future__ import annotations

from course.checking.expect import Broken, Work, exercise, holds
from course.lab import tiny_dit


@exercise("multiplications")
class Multiplications:
    def small(self, student: Work) -> None:
        """Three tokens of two channels, five hidden: 48 in four layers, 36 among tokens, 60 in the mlp."""
        _is(student, 3, 2, 5, 48 + 36 + 60)

    def one_token(self, student: Work) -> None:
        """A single token has one score: 4 + 2 + 2 numbers of one channel each."""
        _is(student, 1, 1, 1, 8)

    def twice_the_tokens(self, student: Work) -> None:
        """Four times the tokens make the attention's two products sixteen times as many."""
        _is(student, 64, 96, 384, 4 * 64 * 96**2 + 2 * 64**2 * 96 + 2 * 64 * 96 * 384)
        _is(student, 256, 96, 384, 4 * 256 * 96**2 + 2 * 256**2 * 96 + 2 * 256 * 96 * 384)


@exercise("my_plan")
class MyPlan:
    def captions(self, student: Work) -> None:
        """For every share of noise from 1 to 0 it names a caption that the tiny DiT knows, or none, ""."""
        for sigma in tiny_dit.times(20):
            caption = student.my_plan(sigma)
            holds(isinstance(caption, str), f"for sigma = {sigma:.2f} it gives no string")
            try:
                tiny_dit.labels_of([caption])
            except ValueError as error:
                raise Broken(
                    f"for sigma = {sigma:.2f} it asks for what the model cannot draw", str(error)
                ) from None

    def a_change(self, student: Work) -> None:
        """On the way it asks for two different things at least."""
        asked = {student.my_plan(sigma) for sigma in tiny_dit.times(20)[:-1]}
        holds(len(asked) > 1, f"it asks for the same all the way: {next(iter(asked))!r}")


def _is(student: Work, tokens: int, dim: int, hidden: int, expected: int) -> None:
    answer = student.multiplications(tokens, dim, hidden)
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise Broken(f"a whole number is expected; for {tokens}, {dim}, {hidden} came {answer!r}")
    if answer != expected:
        raise Broken(
            f"for {tokens} tokens, dim {dim} and hidden {hidden} it is {answer}; {expected} is right"
        )
