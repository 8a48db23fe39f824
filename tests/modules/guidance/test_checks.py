"""`check(...)` on the guidance module: right answers pass, usual mistakes are named in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import solutions.guidance as reference
from course import check
from course.catalogue.syllabus import load
from course.checking import examine, expect

GUIDANCE = load().module("guidance")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def report_of(function: Any) -> str:
    (report,) = examine.reports_on([function], None)
    return report.text()


def named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    function.__name__ = name
    return function


@pytest.mark.parametrize("exercise", GUIDANCE.exercises, ids=lambda exercise: exercise.id)
def test_the_reference_passes(exercise: Any, capsys: pytest.CaptureFixture[str]) -> None:
    check(*(getattr(reference, name) for name in exercise.defines))
    printed = capsys.readouterr().out
    assert printed.startswith(f"{exercise.id} · {exercise.title}\n")
    assert "✗" not in printed
    assert "!" not in printed


def test_every_exercise_has_several_checks_with_a_rule_each() -> None:
    from course.modules.guidance import checks as guidance

    for exercise in GUIDANCE.exercises:
        checks = expect.checks_of(guidance, exercise.id)
        assert len(checks) >= 4
        assert all(len(check.rule) > 20 for check in checks)


# --- ClassEmbedding ----------------------------------------------------------------------------------------


def embedding(
    rows: int = 1, row: Callable[[Tensor, int], Tensor] = lambda labels, null: labels, **options: Any
) -> type[nn.Module]:
    class ClassEmbedding(nn.Module):
        def __init__(self, classes: int, dim: int) -> None:
            super().__init__()
            start = torch.zeros if options.get("zeros") else torch.randn
            self.weight = nn.Parameter(start(classes + rows, dim))
            self.null = classes

        def forward(self, labels: Tensor) -> Tensor:
            found = (self.weight.detach() if options.get("detached") else self.weight)[row(labels, self.null)]
            return found * (labels != self.null)[:, None] if options.get("silent") else found

    return ClassEmbedding


class ClassEmbedding(nn.Embedding):
    """padding_idx leaves the null label without a gradient"""

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__(classes + 1, dim, padding_idx=classes)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (embedding(rows=0), "`weight` has shape (3, 2), (4, 2) is expected"),
        (embedding(row=lambda labels, null: (labels + 1) % (null + 1)), "Here the rows are shifted by one"),
        (embedding(row=lambda labels, null: labels.clamp(max=null - 1)), "got the row of the last class."),
        (embedding(silent=True), "Here the null label got zeros instead of its own row."),
        (embedding(detached=True), "no gradient can flow back"),
        (embedding(zeros=True), "some rows are the same"),
        (ClassEmbedding, "the gradient reaches other rows than those of the labels 3, 1 and 3"),
    ],
    ids=["short", "shifted", "clamped", "silent", "detached", "zeros", "padding"],
)
def test_a_mistake_in_the_embedding_is_named(answer: type[nn.Module], said: str) -> None:
    assert said in report_of(answer)


def test_a_subclass_of_torchs_embedding_is_right() -> None:
    class ClassEmbedding(nn.Embedding):
        def __init__(self, classes: int, dim: int) -> None:
            super().__init__(classes + 1, dim)

    assert "✗" not in report_of(ClassEmbedding)


# --- Functions ---------------------------------------------------------------------------------------------


def coins(cond: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(len(cond), generator=generator)


def lined_up(mask: Tensor, cond: Tensor) -> Tensor:
    return mask.view(-1, *[1] * (cond.dim() - 1))


def keeps_with_p(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """Here p is the probability to keep: it should be the probability to drop."""
    return torch.where(lined_up(coins(cond, generator) < p, cond), cond, null)


def zeros_in(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """Here zeros were put in, not null."""
    return torch.where(lined_up(coins(cond, generator) < p, cond), torch.zeros_like(cond), cond)


def all_at_once(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """of 4000 labels a share of 0.00 became null, for p = 0.2: all at once. Each sample has its own chance"""
    return null.expand_as(cond) if torch.rand((), generator=generator) < p else cond


def number_by_number(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """of 60 samples part was kept and part became null"""
    return torch.where(torch.rand(cond.shape, generator=generator) < p, null, cond)


def always_as_many(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """of 40 batches of one sample, 0 were dropped, for p = 0.5"""
    dropped = torch.randperm(len(cond), generator=generator) < int(p * len(cond))
    return torch.where(lined_up(dropped, cond), null, cond)


def without_the_generator(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """the same seed did not drop the same samples"""
    return torch.where(lined_up(torch.rand(len(cond)) < p, cond), null, cond)


def seeded_anew(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """two calls in a row dropped the same samples: do not seed the generator yourself"""
    generator.manual_seed(generator.initial_seed())
    return torch.where(lined_up(coins(cond, generator) < p, cond), null, cond)


def into_floats(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """the dtype is float32, it should be int64, as that of the input"""
    mask = lined_up(coins(cond, generator) < p, cond).float()
    return mask * null + (1 - mask) * cond


def on_the_last_dimension(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """it raised RuntimeError: The size of tensor a (60) must match the size of tensor b (4)"""
    return torch.where(coins(cond, generator) < p, null, cond)


def as_in_the_paper(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    """This is the formula of the paper, whose scale is one less: w = 1 should give cond."""
    return (1 + w) * cond - w * uncond


def exchanged(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    """This is what comes out with the two predictions exchanged."""
    return cond + w * (uncond - cond)


def away(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    """This goes away from the condition: the difference has the wrong sign."""
    return uncond - w * (cond - uncond)


def in_place(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    """it changed its argument cond: make a new tensor instead"""
    return uncond + cond.sub_(uncond).mul(w)


def ask(model: Any, x: Tensor, t: Tensor, *told: Tensor) -> tuple[Tensor, ...]:
    n = len(told)
    return tuple(model(torch.cat([x] * n), torch.cat([t] * n), torch.cat(told)).chunk(n))


def two_calls(model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    """the model was called 2 times; both predictions fit into one call"""
    return reference.guide(model(x, t, null.expand_as(cond)), model(x, t, cond), w)


def halves_exchanged(model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    """Here the halves are exchanged: which one was put first?"""
    first, second = ask(model, x, t, null.expand_as(cond), cond)
    return reference.guide(second, first, w)


def pairs_mixed(model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    """Here the pairs are mixed up: row i and row B + i should be the same sample"""
    both = torch.cat([null.expand_as(cond), cond])
    out = model(x.repeat_interleave(2, 0), t.repeat_interleave(2), both)
    return reference.guide(*out.chunk(2), w)


def times_mixed(model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    """Here samples were given one another's times"""
    both = torch.cat([null.expand_as(cond), cond])
    return reference.guide(*model(torch.cat([x, x]), t.repeat_interleave(2), both).chunk(2), w)


def one_set_of_times(model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    """it raised ValueError: the model got x of shape (6, 2), but t of shape (3,)"""
    return reference.guide(*model(torch.cat([x, x]), t, torch.cat([null.expand_as(cond), cond])).chunk(2), w)


def only_one_where_one_will_do(
    model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float
) -> Tensor:
    """the model got 3 samples; the call is to have both halves, 6 samples"""
    return model(x, t, cond) if w == 1 else reference.guided_eps(model, x, t, cond, null, w)  # type: ignore[no-any-return]


def conditions_guided(model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    """Here the conditions were guided, instead of the predictions."""
    return model(x, t, (null + w * (cond - null)).to(cond.dtype))  # type: ignore[no-any-return]


Negative = Tensor | None


def ignored(
    model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Negative = None
) -> Tensor:
    """The negative had no effect: this is plain guidance."""
    return reference.guided_eps(model, x, t, cond, null, w)


def roles_exchanged(
    model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Negative = None
) -> Tensor:
    """Here condition and negative are exchanged."""
    first, second = ask(model, x, t, (null if negative is None else negative).expand_as(cond), cond)
    return reference.guide(second, first, w)


def from_null(
    model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Negative = None
) -> Tensor:
    """This starts from the prediction for null: three predictions, where two are enough."""
    away = null if negative is None else negative
    uncond, unwanted, wanted = ask(model, x, t, null.expand_as(cond), away.expand_as(cond), cond)
    return uncond + w * (wanted - unwanted)


def asked_for_truth(
    model: Any, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Negative = None
) -> Tensor:
    """✗ Label 0 is a negative like any other, and each sample may have its own."""
    return reference.guided_eps(model, x, t, cond, negative or null, w)


def whole_batch(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    """Here the whole batch has one deviation: take each sample's own."""
    return phi * guided * cond.std() / guided.std() + (1 - phi) * guided


def own(x: Tensor) -> tuple[int, ...]:
    return tuple(range(1, x.dim()))


def ratio_of(cond: Tensor, guided: Tensor) -> Tensor:
    return cond.std(own(cond), keepdim=True) / guided.std(own(guided), keepdim=True)


def upside_down(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    """Here the ratio is upside down."""
    return phi * guided * ratio_of(guided, cond) + (1 - phi) * guided


def of_variances(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    """This is the ratio of variances, not of deviations."""
    return phi * guided * ratio_of(cond, guided) ** 2 + (1 - phi) * guided


def phi_reversed(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    """Nothing changed: is phi the wrong way round?"""
    return (1 - phi) * guided * ratio_of(cond, guided) + phi * guided


def without_the_mean(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    """Here the mean was kept out of it: multiply the sample as it is."""
    mean = guided.mean(own(guided), keepdim=True)
    return phi * (mean + (guided - mean) * ratio_of(cond, guided)) + (1 - phi) * guided


def pictures_only(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    """it raised IndexError: Dimension out of range"""
    return guided * cond.std((1, 2, 3), keepdim=True) / guided.std((1, 2, 3), keepdim=True)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        *(
            ("drop_condition", function)
            for function in (
                keeps_with_p,
                zeros_in,
                all_at_once,
                number_by_number,
                always_as_many,
                without_the_generator,
                seeded_anew,
                into_floats,
                on_the_last_dimension,
            )
        ),
        *(("guide", function) for function in (as_in_the_paper, exchanged, away, in_place)),
        *(
            ("guided_eps", function)
            for function in (
                two_calls,
                halves_exchanged,
                pairs_mixed,
                times_mixed,
                one_set_of_times,
                only_one_where_one_will_do,
                conditions_guided,
            )
        ),
        *(
            ("negative_prompt_eps", function)
            for function in (ignored, roles_exchanged, from_null, asked_for_truth)
        ),
        *(
            ("rescale_guidance", function)
            for function in (
                whole_batch,
                upside_down,
                of_variances,
                phi_reversed,
                without_the_mean,
                pictures_only,
            )
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_mistake_in_a_function_is_named(name: str, function: Callable[..., Any]) -> None:
    assert str(function.__doc__) in report_of(named(name, function))


def test_the_report_shows_models_and_generators_in_words() -> None:
    assert "model = a model with eps = x + 10 t + 100 cond^2" in report_of(
        named("guided_eps", halves_exchanged)
    )
    assert "generator = a torch.Generator with the seed 0" in report_of(named("drop_condition", zeros_in))


# --- On a GPU ----------------------------------------------------------------------------------------------


def drawn_on_the_cpu(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    out = cond.clone()
    out[torch.rand(len(cond), generator=generator) < p] = null.clone()
    return out


def test_a_generator_that_draws_elsewhere_would_fail_on_a_gpu() -> None:
    text = report_of(named("drop_condition", drawn_on_the_cpu))
    assert "! This would fail on a GPU. Torch.rand: the generator is on the GPU, but it is to draw" in text
    assert "All 6 checks hold." in text


def drawn_where_the_generator_is(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    dropped = torch.rand(len(cond), generator=generator, device=generator.device) < p
    return torch.where(lined_up(dropped, cond), null, cond)


def test_drawing_where_the_generator_is_would_not() -> None:
    text = report_of(named("drop_condition", drawn_where_the_generator_is))
    assert "✗" not in text
    assert "GPU" not in text
