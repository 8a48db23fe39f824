"""Captions as numbers: every word of `course.lab.shapes` has one, and there are no others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from course.lab.shapes import CHOICES

# The order is part of the trained weights: never change it.
VOCABULARY = ("<pad>", "<start>", "a", "on", *(word for words in CHOICES.values() for word in words))
LENGTH = 7  # <start> a large red circle on black
_NUMBERS = {word: number for number, word in enumerate(VOCABULARY)}
_ALSO = {"gray": "grey", "an": "a"}


def tokenize(captions: Sequence[str]) -> Int[Tensor, "B 7"]:
    """The captions as numbers, each begun by <start> and filled up with <pad>; "" is the empty caption.

    Raises ValueError, with the words that there are, for a word that the model has never seen.
    """
    tokens = torch.zeros(len(captions), LENGTH, dtype=torch.long)
    for row, caption in enumerate(captions):
        words = [_ALSO.get(word, word) for word in caption.lower().replace(".", " ").split()]
        if unknown := [word for word in words if word not in _NUMBERS or word.startswith("<")]:
            raise ValueError(
                f"the tiny model does not know the word {unknown[0]!r}; it knows {', '.join(VOCABULARY[2:])}"
            )
        if len(words) >= LENGTH:
            raise ValueError(f"the caption {caption!r} has {len(words)} words; the most are {LENGTH - 1}")
        tokens[row, : len(words) + 1] = torch.tensor([_NUMBERS[word] for word in ("<start>", *words)])
    return tokens
