"""Words as a few numbers that one can read, for the demos: made by hand, where a network learns its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from course.lab.scene import COLOURS, KINDS

TRAITS = ("article", "noun", "verb", "link", "pronoun", "she", "he", "it")

_WORDS_BY_TRAITS: dict[tuple[str, ...], str] = {
    ("article",): "a an the",
    ("link",): "and because but so that to when while",
    ("noun", "she"): "girl mother queen sister woman",
    ("noun", "he"): "boy brother father king man",
    ("noun", "it"): "ball book crown house kite window",
    ("verb",): "broke flew found gave lost met saved saw thanked threw was",
    ("pronoun", "she"): "she her",
    ("pronoun", "he"): "he him his",
    ("pronoun", "it"): "it its",
}
LEXICON = {word: traits for traits, words in _WORDS_BY_TRAITS.items() for word in words.split()}

# What a word of each kind asks for. A pronoun asks, besides, for its own trait: "her" for a "she".
ASKS = {"article": "noun", "noun": "verb", "verb": "noun", "link": "verb", "pronoun": "noun"}

PLACES = (*KINDS, "background")


def offers(sentence: Sequence[str]) -> Float[Tensor, "words 8"]:
    """What each word is, one column for each of TRAITS: the keys."""
    rows = [[float(trait in _traits(word)) for trait in TRAITS] for word in sentence]
    return torch.tensor(rows)


def looks_for(sentence: Sequence[str]) -> Float[Tensor, "words 8"]:
    """What each word asks the others for, one column for each of TRAITS: the queries."""
    rows = []
    for word in sentence:
        kind, *more = _traits(word)
        wanted = {ASKS[kind], *(more if kind == "pronoun" else ())}
        rows.append([float(trait in wanted) for trait in TRAITS])
    return torch.tensor(rows)


def positions(count: int, frequencies: int = 4) -> Float[Tensor, "count 2*frequencies"]:
    """Where a word stands: a cosine and a sine of its position for each frequency, each half the last one."""
    angle = torch.arange(count)[:, None] * (math.pi / 2) * 0.5 ** torch.arange(frequencies)
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def embed(sentence: Sequence[str]) -> Float[Tensor, "words 24"]:
    """What a word carries into a layer: 8 numbers for what it is, 8 for what it looks for, 8 for where."""
    return torch.cat([offers(sentence), looks_for(sentence), positions(len(sentence))], dim=1)


def embed_prompt(prompt: Sequence[str]) -> Float[Tensor, "words 7"]:
    """A prompt such as "red circle blue square on black", as a text encoder might hand it on.

    Four columns say which of PLACES a word speaks of, three are the red, green and blue that it should be.
    A colour and the shape that follows it know of one another, as after a layer of self-attention; a colour
    without a shape speaks of the background, and other words of nothing.
    """
    rows = []
    for at, word in enumerate(prompt):
        before, after = (prompt[i] if 0 <= i < len(prompt) else "" for i in (at - 1, at + 1))
        place = colour = None
        if word in COLOURS:
            place, colour = (after if after in KINDS else "background"), word
        elif word in KINDS:
            place, colour = word, (before if before in COLOURS else "grey")
        rows.append([*(float(place == name) for name in PLACES), *COLOURS.get(colour or "", (0.0, 0.0, 0.0))])
    return torch.tensor(rows)


def _traits(word: str) -> tuple[str, ...]:
    try:
        return LEXICON[word.lower()]
    except KeyError:
        raise ValueError(
            f"the demo does not know the word {word!r}; it knows {', '.join(sorted(LEXICON))}"
        ) from None
