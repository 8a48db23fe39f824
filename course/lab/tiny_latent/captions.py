"""Captions of emoji as numbers: every word of their names and colours has one, and there are no others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Int
from torch import Tensor

from course.lab import emoji

PAD, START, END = 0, 1, 2
LENGTH = 10  # <start>, at most eight words, <end>


@cache
def vocabulary() -> tuple[str, ...]:
    """All words, by their numbers. The order is part of the trained weights."""
    words = dict.fromkeys(word for name in emoji.names() for word in name.split())
    return ("<pad>", "<start>", "<end>", *emoji.COLOURS, *(w for w in words if w not in emoji.COLOURS))


def tokenize(captions: Sequence[str]) -> Int[Tensor, "B 10"]:
    """The captions as numbers, between <start> and <end>, filled up with <pad>; "" is the empty caption.

    Raises ValueError for a word that the model has never seen, with those that are spelled alike.
    """
    numbers = {word: number for number, word in enumerate(vocabulary())}
    tokens = torch.full((len(captions), LENGTH), PAD)
    for row, caption in enumerate(captions):
        words = caption.lower().split()
        if len(words) > LENGTH - 2:
            raise ValueError(f"the caption {caption!r} has {len(words)} words; the most are {LENGTH - 2}")
        for word in words:
            if word not in numbers or word.startswith("<"):
                raise ValueError(f"the tiny latent model does not know the word {word!r}{_alike(word)}")
        row_of = [START, *(numbers[word] for word in words), END]
        tokens[row, : len(row_of)] = torch.tensor(row_of)
    return tokens


def _alike(word: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, vocabulary()[3:], 3)
    return f"; did you mean {' or '.join(close)}?" if close else "; emoji.names() has all that it was taught"
