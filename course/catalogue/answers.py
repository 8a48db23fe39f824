"""A quiz's answers as plain values, however a notebook has them: `check` and grading read them alike.

Light: a locked worker does this for every submission, and torch and numpy are known by what they can do.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

MOST = 100  # letters of one answer that are looked at, and keys that are no question's
LONGEST = 60  # characters of an answer that are kept
_NAMES: dict[type, str] = {
    dict: "a dictionary",
    type: "a class",
    FunctionType: "a function",
    BuiltinFunctionType: "a function",
    ModuleType: "a module",
}


@dataclass(frozen=True)
class Other:
    """What cannot be an answer, in words that follow "this is": "a function", "`c`, which is not defined"."""

    what: str


def plain_answers(answers: Any, kinds: Mapping[str, str]) -> dict[str | Other, Any] | Other:
    """By question: a number, a text, a list of texts, None, or `Other` for what is none of them.

    `kinds` has the questions' kinds by their ids. A key that is no question's is an `Other` and stands last.
    `Other` for what is no dictionary. Plain answers stay as they are.
    """
    if not isinstance(answers, dict):
        return answers if isinstance(answers, Other) else Other(in_words(answers))
    found: dict[str | Other, Any] = {}
    strange: dict[str | Other, Any] = {}
    for key, value in dict.items(answers):
        id = str.__str__(key) if isinstance(key, str) else ""
        if id in kinds:
            found[id] = plain(value, kinds[id])
        elif len(strange) < MOST:
            strange[Other(quoted(id) if isinstance(key, str) else in_words(key))] = None
    return {**found, **strange}


def plain(answer: Any, kind: str) -> Any:
    """One answer to a question of a `kind`: its plain value, None where there is none, or `Other`.

    A Fraction, a Decimal, a number of numpy's, an array or tensor of one number: all mean the number. Truth
    values and texts mean none.
    """
    if answer is None or isinstance(answer, Other):
        return answer
    read = {"number": _number, "single": _letter, "multiple": _letters}[kind]
    try:
        value = read(answer)
    except Exception:  # whatever its own methods raise: it is no such answer
        value = None
    return Other(in_words(answer)) if value is None else value


def in_words(value: Any) -> str:
    """'a list', 'the text "2.5"', 'a tensor of 3 numbers': what a value is."""
    if isinstance(value, Other):
        return value.what
    if value is None:
        return "None"
    if type(value) is bool:
        return f"the truth value {value}"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if type(value) is int and value.bit_length() > 128:
        return "a number that is far too large"
    if type(value) in (int, float, complex):
        return f"the number {value!r}"
    if (known := _NAMES.get(type(value))) is not None:
        return known
    name = "".join(c for c in type(value).__name__[:40] if c.isprintable())
    if _is_array(value):
        return _array_in_words(value, "a tensor" if hasattr(value, "numel") else "an array")
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def quoted(text: str) -> str:
    """A text as Python writes it, at most 40 characters of it."""
    shown = repr(str.__str__(text[:LONGEST]))
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def _is_array(value: Any) -> bool:
    return isinstance(getattr(value, "shape", None), tuple) and hasattr(value, "item")


def _array_in_words(value: Any, name: str) -> str:
    if (count := math.prod(value.shape)) != 1:
        return f"{name} of {count} values"
    inside = value.item()
    return name if _is_array(inside) else in_words(inside)


def _number(answer: Any) -> int | float | None:
    if _is_array(answer):
        answer = answer.item()
    if isinstance(answer, bool | str | bytes):
        return None
    if isinstance(answer, numbers.Integral) and abs(whole := int(answer)) < 1 << 62:
        return whole
    return float(answer)


def _letter(answer: Any) -> str | None:
    if _is_array(answer):
        answer = answer.item()
    return str.__str__(answer[:LONGEST]) if isinstance(answer, str) else None


def _letters(answer: Any) -> list[str | Other] | None:
    if _is_array(answer):
        answer = answer.tolist()
    if not isinstance(answer, list | tuple | set | frozenset):
        return None
    items = islice(answer, MOST)
    return [item if isinstance(item, Other) else _letter(item) or Other(in_words(item)) for item in items]
