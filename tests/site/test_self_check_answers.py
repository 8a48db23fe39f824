"""The self-check's answers are right: each is worked out by the course's own code."""

from __future__ import annotations

import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from autograder.content.course_root import CourseRoot
from autograder.content.self_check import SelfCheckQuestion, load
from course.lab import probe
from solutions import attention, lora, noise, score, training, unet, vision_transformers


@pytest.fixture(scope="module")
def questions(course_root: CourseRoot) -> dict[str, SelfCheckQuestion]:
    """All of them by their ids."""
    checks = [load(course_root, module.id) for module in course_root.syllabus.modules]
    return {question.id: question for check in checks for question in check.questions}


def test_no_two_questions_have_the_same_id(
    questions: dict[str, SelfCheckQuestion], course_root: CourseRoot
) -> None:
    folder = course_root.path / "course" / "modules"
    assert len(questions) == sum(
        len(load(course_root, path.parent.name).questions) for path in folder.glob("*/self_check.yaml")
    )


def three_weights_in_float16() -> str:
    terms = torch.exp(torch.tensor([0.0, 5.0, 20.0], dtype=torch.float16))
    first, second, third = (terms / terms.sum()).tolist()
    return f"{first:g}, {second:g} and {'NaN' if math.isnan(third) else third}"


def a_weight_beside_a_mask() -> str:
    q, k = torch.tensor([1.0]).view(1, 1, 1, 1), torch.tensor([math.log(2), 0, math.log(3)]).view(1, 1, 3, 1)
    mask = torch.tensor([True, True, False])
    weight = attention.scaled_dot_product_attention(q, k, torch.eye(3)[None, None], mask)[0, 0, 0, 0]
    return {1 / 3: "1/3", 2 / 3: "2/3", 1 / 2: "1/2", 1.0: "1"}[round(3 * float(weight), 5) / 3]


def the_table_of_a_cross_attention() -> str:
    layer = attention.CrossAttention(query_dim=16, context_dim=12, heads=8, head_dim=2)
    q = attention.split_heads(layer.to_q(torch.zeros(1, 32 * 32, 16)), 8)
    k = attention.split_heads(layer.to_k(torch.zeros(1, 77, 12)), 8)
    return f"{(q @ k.transpose(-2, -1)).numel():,}"


def what_a_silent_layer_returns() -> str:
    layer, x = attention.SpatialSelfAttention(12, groups=3), torch.randn(2, 12, 3, 4)
    for parameter in layer.to_out[0].parameters():
        nn.init.zeros_(parameter)
    return "$x$" if torch.equal(layer(x), x) else "something else"


def the_numbers_of_a_convolution() -> str:
    return f"{sum(parameter.numel() for parameter in nn.Conv2d(32, 64, 3).parameters()):,}"


def the_largest_of_four() -> str:
    return f"{float(unet.group_norm(torch.tensor([2.0, 4, 4, 6]).view(1, 4, 1, 1), 1)[0, 3, 0, 0]):.2f}"


def the_times_that_one_hand_confuses() -> str:
    pairs = {
        "$t = 100$ from $t = 101$": (100, 101),
        "$t = 0$ from $t = 3$": (0, 3),
        "$t = 100$ from $t = 144$": (100, 144),
    }
    hand = unet.timestep_embedding(torch.arange(1000), 2)
    return min(pairs, key=lambda pair: float((hand[pairs[pair][0]] - hand[pairs[pair][1]]).norm()))


def the_things_on_the_pile() -> str:
    network = unet.UNet(block_out_channels=(32,) * 4, attention=(True, True, True, False), layers_per_block=2)
    return str(sum(len(level.resnets) for level in network.up_blocks))  # each takes one off


def what_a_closed_gate_adds() -> str:
    layer = unet.FeedForward(8)
    with torch.no_grad():
        layer.net[0].proj.weight.zero_()
        layer.net[0].proj.bias[:32], layer.net[0].proj.bias[32:] = 3.0, -20.0
    added = layer(torch.randn(1, 2, 8))
    return (
        "It adds the bias of `net.2`, and nothing else."
        if torch.equal(added, layer.net[2].bias.expand_as(added))
        else ""
    )


def the_middle_of_three() -> str:
    return f"{float(noise.scaled_linear_betas(3, 0.01, 0.25)[1]):g}"


def the_variance_of_a_wrapped_index() -> str:
    betas = noise.linear_betas(1000)
    abar = torch.cumprod(1 - betas, 0)
    return f"{float((1 - abar[0 - 1]) / (1 - abar[0]) * betas[0]):.3g}"


def the_chance_that_nothing_is_dropped() -> str:
    return f"{0.9**8:.2f}"


def the_factor_on_loading() -> str:
    model = nn.Module()
    model.layer = lora.LoRALinear(nn.Linear(6, 6), 4, 2.0)
    file = {"unet.layer.lora_A.weight": torch.ones(4, 6), "unet.layer.lora_B.weight": torch.ones(6, 4)}
    lora.load_lora(model, file)
    return f"{float(model.layer.lora_B.weight.detach().mean()):g}"


def the_share_that_rank_one_misses() -> str:
    turned, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))
    wanted = turned @ torch.diag(torch.tensor([8.0, 4, 1])) @ turned.T
    u, s, v = torch.linalg.svd(wanted)
    return f"{float((wanted - s[0] * torch.outer(u[:, 0], v[0])).norm() / wanted.norm()):.2f}"


def the_loss_of_a_batch_with_weights() -> str:
    wrong = torch.tensor([1.0, 1, 1, 5]).sqrt()[:, None]  # what each answer is off by
    x0, noise, t, abar = (
        torch.zeros(4, 1),
        torch.zeros(4, 1),
        torch.zeros(4, dtype=torch.long),
        torch.ones(1) / 2,
    )
    found = training.ddpm_loss(lambda x, t: wrong, x0, t, noise, abar, weights=torch.tensor([1.0, 1, 1, 0]))
    return f"{float(found):g}"


def the_pairs_that_latents_save() -> str:
    network = nn.Conv2d(1, 1, 8, stride=8)  # an eighth of height and width
    latents = network(torch.zeros(1, 1, 512, 512))
    return f"{(512 * 512) ** 2 // latents[0, 0].numel() ** 2}"


def the_numbers_in_a_token() -> str:
    return str(vision_transformers.patchify(torch.zeros(1, 4, 32, 32), 2).shape[2])


WORKED_OUT = {
    "nan_weight": three_weights_in_float16,
    "weight_beside_a_mask": a_weight_beside_a_mask,
    "table_of_weights": the_table_of_a_cross_attention,
    "silent_layer": what_a_silent_layer_returns,
    "numbers_of_a_convolution": the_numbers_of_a_convolution,
    "largest_of_four": the_largest_of_four,
    "fastest_hand_alone": the_times_that_one_hand_confuses,
    "things_on_the_pile": the_things_on_the_pile,
    "closed_gate": what_a_closed_gate_adds,
    "middle_of_three": the_middle_of_three,
    "weights_of_the_batch": the_loss_of_a_batch_with_weights,
    "why_latents": the_pairs_that_latents_save,
    "wrapped_index": the_variance_of_a_wrapped_index,
    "nothing_dropped": the_chance_that_nothing_is_dropped,
    "into_another_scaling": the_factor_on_loading,
    "share_that_is_missing": the_share_that_rank_one_misses,
    "numbers_in_a_token": the_numbers_in_a_token,
}


@pytest.mark.parametrize("id", WORKED_OUT)
def test_the_answer_is_what_the_code_gives(id: str, questions: dict[str, SelfCheckQuestion]) -> None:
    question = questions[id]
    assert question.choices[question.answer[0]] == WORKED_OUT[id]()


def test_every_question_with_numbers_as_choices_is_worked_out(
    questions: dict[str, SelfCheckQuestion],
) -> None:
    numbers = {
        question.id
        for question in questions.values()
        if all(re.fullmatch(r"[\d.,/]+", choice) for choice in question.choices.values())
    }
    assert numbers
    assert numbers <= set(WORKED_OUT)


def right(question: SelfCheckQuestion) -> dict[str, bool]:
    """The choices, without backquotes, and whether each is right."""
    return {choice.strip("`"): letter in question.answer for letter, choice in question.choices.items()}


def test_the_shapes_that_raise_no_error(questions: dict[str, SelfCheckQuestion]) -> None:
    for shape, fits in right(questions["missing_dimensions"]).items():
        B, D, H, W = map(int, shape.strip("[]").split(", "))
        try:
            torch.zeros(B, D, H, W) + torch.zeros(B, D)
        except RuntimeError:
            assert not fits, shape
        else:
            assert fits, shape


def test_the_names_that_a_target_means(questions: dict[str, SelfCheckQuestion]) -> None:
    names = right(questions["names_that_are_meant"])
    model = nn.Module()
    for name in names:
        place = model
        *parents, last = name.split(".")
        for parent in parents:
            if parent not in dict(place.named_children()):
                place.add_module(parent, nn.Module())
            place = place.get_submodule(parent)
        place.add_module(last, nn.Linear(4, 4))
    injected = lora.inject_lora(model, ["to_q"], 2, 2.0)
    assert set(injected) == {name for name, meant in names.items() if meant}


def divisor(layer: attention.MultiHeadSelfAttention, x: torch.Tensor, weights: torch.Tensor) -> float:
    """By what the layer divides q · k: a difference of scores over that of the weights' logarithms."""
    q, k = (attention.split_heads(project(x), layer.heads)[0, 0] for project in (layer.to_q, layer.to_k))
    scores, logs = (q @ k.T)[0], weights[0, 0, 0].log()
    return round(float((scores[0] - scores[1]) / (logs[0] - logs[1])), 2)


def test_what_more_heads_leave_as_it_was(questions: dict[str, SelfCheckQuestion]) -> None:
    torch.manual_seed(0)  # where two scores are nearly equal, the divisor is lost in rounding
    layers = [attention.MultiHeadSelfAttention(64, heads=heads).requires_grad_(False) for heads in (4, 8)]
    few, many = layers
    many.load_state_dict(few.state_dict(), strict=True)
    x = torch.randn(1, 7, 64, generator=torch.Generator().manual_seed(0))
    weights = [probe.attention_weights(layer, x, heads=layer.heads) for layer in layers]
    divisors = [divisor(layer, x, each) for layer, each in zip(layers, weights, strict=True)]
    assert divisors == [4.0, 2.83]
    assert right(questions["more_heads"]) == {
        "what the layer returns, if it is given the old weights": torch.allclose(few(x), many(x), atol=1e-3),
        "the number of parameters": few.state_dict().keys() == many.state_dict().keys(),
        "the number that the scores are divided by": divisors[0] == divisors[1],
        "that the old state dict can be loaded": True,  # as above
        "the number of attention weights for a sentence": weights[0].numel() == weights[1].numel(),
    }


def test_adamw_refuses_the_list_of_a_model_without_lora(questions: dict[str, SelfCheckQuestion]) -> None:
    question = questions["called_too_early"]
    assert question.choices[question.answer[0]] == "AdamW refuses, as the list is empty."
    with pytest.raises(ValueError) as refused:
        torch.optim.AdamW(lora.mark_trainable(nn.Sequential(nn.Linear(4, 4))))
    assert f"`{refused.value}`" in question.explanation


def test_an_update_comes_out_as_it_went_in_only_with_its_own_scaling() -> None:
    """What the explanation of `half_of_what_is_merged` says of the tempting answers."""
    layer = lora.LoRALinear(nn.Linear(6, 6), 2, 4.0).requires_grad_(False)
    layer.lora_B.weight.normal_()
    x, base = torch.randn(3, 6), layer.base_layer.weight.clone()
    whole = layer(x)
    lora.merge(layer)
    layer.scaling /= 2
    torch.testing.assert_close(layer(x), whole)  # forward does not look at it
    lora.unmerge(layer)
    update = 2 * layer.scaling * layer.lora_B.weight @ layer.lora_A.weight
    torch.testing.assert_close(layer.base_layer.weight, base + update / 2)  # half of it has stayed


def test_two_orders_are_right_for_a_single_sample_alone() -> None:
    """What `two_orders` asks: samples in one order, conditions in the other."""

    def model(x: torch.Tensor, cond: torch.Tensor) -> torch.Tensor:
        return x + 10 * cond

    def mixed(x: torch.Tensor, null: torch.Tensor, cond: torch.Tensor) -> torch.Tensor:
        u, c = model(x.repeat_interleave(2, 0), torch.cat([null, cond])).chunk(2)
        return u + 3 * (c - u)

    x, null, same = torch.tensor([1.0, 2.0, 5.0, 7.0]), torch.zeros(4), torch.ones(4)
    for count in (1, 2, 4):
        n = slice(count)
        u, c = model(x[n], null[n]), model(x[n], same[n])
        assert torch.equal(mixed(x[n], null[n], same[n]), u + 3 * (c - u)) == (count == 1)


def test_half_way_between_two_points_tweedie_gives_their_mean() -> None:
    """What `mean_of_two` asks."""
    points, sigma = torch.tensor([[-1.0, 2.0], [3.0, 0.0]]), torch.tensor([0.7])
    x = points.mean(0, keepdim=True)
    slope = score.mixture_score(x, points, sigma.expand(2), torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(score.tweedie(x, slope, sigma), x)


def test_one_probe_is_exact_where_nothing_is_off_the_diagonal() -> None:
    """What `cheaper_than_exact` asks: also for what is not linear, and not for what is symmetric."""
    x, signs = torch.tensor([[1.0, 2.0, -0.5]]), torch.tensor([[1.0, -1.0, 1.0]])
    exact = score.divergence(torch.sin, x)
    torch.testing.assert_close(score.hutchinson(torch.sin, x, signs), exact)
    symmetric = torch.ones(3, 3)
    assert float(score.divergence(lambda z: z @ symmetric, x)) == 3
    assert float(score.hutchinson(lambda z: z @ symmetric, x, signs)) == 1


def test_the_weight_of_an_arm_does_not_show_on_it() -> None:
    """What `weight_of_an_arm` asks."""
    x, means, deviations = torch.tensor([[0.3, 0.0]]), torch.tensor([[0.0, 0.0], [9.0, 0.0]]), torch.ones(2)
    even, heavy = (
        score.mixture_score(x, means, deviations, torch.tensor([w, 1 - w])) for w in (1 / 3, 2 / 3)
    )
    torch.testing.assert_close(even, heavy)


def test_with_a_scale_of_minus_one_every_token_gets_the_same_vector() -> None:
    """What `scale_of_minus_one` asks."""
    block = vision_transformers.DiTBlock(4, 2, 8)
    zero = torch.zeros(4)
    with torch.no_grad():
        block.modulation.bias.copy_(torch.cat([zero, zero - 1, zero + 5, zero, zero, zero]))
    x = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0))
    expected = x + 5 * block.attn.to_out[0].bias
    torch.testing.assert_close(block(x, torch.zeros(1, 4)), expected)


def test_twice_as_long_keys_have_twice_the_scores() -> None:
    """What `longer_keys` asks."""
    q, k = torch.randn(2, 1, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    places = torch.arange(5)
    q, long = vision_transformers.rotate(q, places), vision_transformers.rotate(2 * k, places)
    torch.testing.assert_close(q @ long.mT, 2 * (q @ vision_transformers.rotate(k, places).mT))


def test_the_gelu_of_a_gate_goes_no_lower_than_the_explanation_says(
    questions: dict[str, SelfCheckQuestion],
) -> None:
    lowest = float(F.gelu(torch.linspace(-5, 0, 5001)).min())
    assert f"{lowest:.2f}" in questions["closed_gate"].explanation


def test_the_figures_of_other_explanations(questions: dict[str, SelfCheckQuestion]) -> None:
    hand = unet.timestep_embedding(torch.arange(1000), 2)
    near, far = (float((hand[100] - hand[t]).norm()) for t in (144, 101))
    for figure in (f"{near:.3f}", f"{far:.2f}", f"{44 / (2 * math.pi):.3f}"):
        assert figure in questions["fastest_hand_alone"].explanation
    betas = noise.linear_betas(1000)
    abar = torch.cumprod(1 - betas, 0)
    factor = float((1 - betas[0]).sqrt() * (1 - abar[-1]) / (1 - abar[0]))
    assert 9_900 < factor < 10_000
    assert "nearly 10,000" in questions["wrapped_index"].explanation
    assert math.exp(11.1) > torch.finfo(torch.float16).max == 65_504
