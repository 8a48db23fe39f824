"""What `check` says of usual mistakes in the guidance module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import solutions.guidance as reference

from ..bank import bank

GUIDANCE = bank("guidance")

SAID = {
    "OneRowShort": "`weight` has shape (3, 2), (4, 2) is expected",
    "NullFirst": "Here the rows are shifted by one",
    "Clamped": "got the row of the last class.",
    "ZerosForNull": "Here the null label got zeros instead of its own row.",
    "Padding": "the gradient reaches other rows than those of the labels 3, 1 and 3",
    "keeps_with_p": "Here p is the probability to keep: it should be the probability to drop.",
    "zeros_for_null": "Here zeros were put in, not null.",
    "whole_batch": "of 4000 labels a share of 0.00 became null, for p = 0.2: all at once. Each sample has",
    "each_number": "of 60 samples part was kept and part became null",
    "exact_number": "of 40 batches of one sample, 0 were dropped, for p = 0.5",
    "generator_ignored": "the same seed did not drop the same samples",
    "seeded_anew": "two calls in a row dropped the same samples: do not seed the generator yourself",
    "floats": "the dtype is float32, it should be int64, as that of the input",
    "last_dimension": "it raised RuntimeError: The size of tensor a (60) must match the size of tensor b (4)",
    "of_the_paper": "This is the formula of the paper, whose scale is one less: w = 1 should give cond.",
    "exchanged": "This is what comes out with the two predictions exchanged.",
    "wrong_sign": "This goes away from the condition: the difference has the wrong sign.",
    "in_place_difference": "it changed its argument cond: make a new tensor instead",
    "two_calls": "the model was called 2 times; both predictions fit into one call",
    "halves_exchanged": "Here the halves are exchanged: which one was put first?",
    "pairs_mixed": "Here the pairs are mixed up: row i and row B + i should be the same sample",
    "times_mixed": "Here samples were given one another's times",
    "time_not_doubled": "it raised ValueError: the model got x of shape (6, 2), but t of shape (3,)",
    "skipped": "the model got 3 samples; the call is to have both halves, 6 samples",
    "conditions_mixed": "Here the conditions were guided, instead of the predictions.",
    "negative_ignored": "The negative had no effect: this is plain guidance.",
    "roles_exchanged": "Here condition and negative are exchanged.",
    "added_to_plain": "This starts from the prediction for null: three predictions, where two are enough.",
    "asked_for_truth": "✗ Label 0 is a negative like any other, and each sample may have its own.",
    "whole_batch_deviation": "Here the whole batch has one standard deviation: take each sample's own.",
    "upside_down": "Here the ratio is upside down.",
    "variances": "This is the ratio of variances, not of standard deviations.",
    "phi_reversed": "Nothing changed: is phi the wrong way round?",
    "mean_removed": "Here the mean was kept out of it: multiply the sample as it is.",
    "pictures_only": "it raised IndexError: Dimension out of range",
}


class Detached(reference.ClassEmbedding):
    """no gradient can flow back"""

    def forward(self, labels: Tensor) -> Tensor:
        return super().forward(labels).detach()


class StartsAtZero(reference.ClassEmbedding):
    """some rows are the same"""

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__(classes, dim)
        nn.init.zeros_(self.weight)


ALSO_NAMED = [("ClassEmbedding", answer) for answer in (Detached, StartsAtZero)]


def test_a_subclass_of_torchs_embedding_is_right() -> None:
    class OfTorch(nn.Embedding):
        def __init__(self, classes: int, dim: int) -> None:
            super().__init__(classes + 1, dim)

    assert "✗" not in GUIDANCE.report("ClassEmbedding", ClassEmbedding=OfTorch)


def test_the_report_shows_models_and_generators_in_words() -> None:
    assert "model = a model with eps = x + 10 t + 100 cond^2" in GUIDANCE.said_of("halves_exchanged")
    assert "generator = a torch.Generator with the seed 0" in GUIDANCE.said_of("zeros_for_null")


def drawn_on_the_cpu(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    out = cond.clone()
    out[torch.rand(len(cond), generator=generator) < p] = null.clone()
    return out


def test_a_generator_that_draws_elsewhere_would_fail_on_a_gpu() -> None:
    text = GUIDANCE.report("drop_condition", drop_condition=drawn_on_the_cpu)
    assert "! This would fail on a GPU. Torch.rand: the generator is on the GPU, but it is to draw" in text
    assert "All 6 checks hold." in text


def drawn_where_the_generator_is(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    dropped = torch.rand(len(cond), generator=generator, device=generator.device) < p
    return torch.where(dropped.view(-1, *[1] * (cond.dim() - 1)), null, cond)


def test_drawing_where_the_generator_is_would_not() -> None:
    text = GUIDANCE.report("drop_condition", drop_condition=drawn_where_the_generator_is)
    assert "✗" not in text
    assert "GPU" not in text
