"""The pretended accelerator: code that runs on a GPU runs on it, code that would fail there fails on it."""

from __future__ import annotations

import copy
import math
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.checking.portability import DeviceMismatch, PretendedAccelerator

Put = Callable[[Any], Any]
Case = Callable[[Put], Any]

CORRECT: dict[str, Case] = {}
WRONG: dict[str, Case] = {}


def correct(case: Case) -> Case:
    CORRECT[case.__name__] = case
    return case


def wrong(case: Case) -> Case:
    WRONG[case.__name__] = case
    return case


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def queries_keys_values(put: Put) -> Any:
    return put((normal(2, 3, 5, 8), normal(2, 3, 7, 8, seed=1), normal(2, 3, 7, 4, seed=2)))


CAUSAL = torch.ones(5, 5, dtype=torch.bool).tril()
ALPHAS = torch.linspace(0.99, 0.1, 10)
STEPS = torch.tensor([0, 3, 9])

# --- Attention ---------------------------------------------------------------------------------------------


@correct
def attention_with_a_mask(put: Put) -> Tensor:
    q, k, v = queries_keys_values(put)
    scores = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(~put(CAUSAL).any(), -math.inf)
    return scores.softmax(-1) @ v


@correct
def a_scale_made_of_a_tensor_without_dimensions(put: Put) -> Tensor:
    q, k, v = queries_keys_values(put)
    return (q @ k.mT / torch.sqrt(torch.tensor(8.0))) @ v


@correct
def a_branch_on_a_mask(put: Put) -> Tensor:
    q, mask = put((normal(2, 5, 8), CAUSAL))
    scores = q @ q.mT
    if not mask.all():
        scores = scores.masked_fill(mask == 0, -1e9)
    return scores.softmax(-1) @ q


@correct
def a_number_assigned_where_a_mask_says(put: Put) -> Tensor:
    q, mask = put((normal(2, 5, 8), CAUSAL.expand(2, 5, 5)))
    scores = q @ q.mT
    scores[~mask] = -math.inf
    return scores.softmax(-1) @ q


@correct
def a_loop_over_heads_into_zeros_like(put: Put) -> Tensor:
    q = put(normal(2, 3, 5, 8))
    out = torch.zeros_like(q)
    for head in range(3):
        out[:, head] = (q[:, head] @ q[:, head].mT).softmax(-1) @ q[:, head]
    return out


@correct
def a_softmax_by_hand_and_einsum(put: Put) -> Tensor:
    x, y = put((normal(3, 4, 5), normal(3, 5, 2)))
    weights = (x - x.amax(-1, keepdim=True)).exp()
    return torch.einsum("bij,bjk->bik", weights / weights.sum(-1, keepdim=True), y)


@correct
def a_guard_against_infinities(put: Put) -> Tensor:
    x = put(normal(3, 4))
    if torch.isinf(x).any():
        x = x.clamp(-1e4, 1e4)
    return x.softmax(-1)


@correct
def torchs_own_attention_with_gradients(put: Put) -> Tensor:
    q = put(normal(1, 2, 5, 4).requires_grad_())
    out = F.scaled_dot_product_attention(q, q, q, attn_mask=put(CAUSAL))
    out.sum().backward()
    return q.grad


@correct
def a_mask_made_on_the_inputs_device(put: Put) -> Tensor:
    scores = put(normal(2, 5, 5))
    mask = torch.ones(5, 5, dtype=torch.bool, device=scores.device).tril()
    return torch.where(mask, scores, -math.inf).softmax(-1)


@correct
def a_module_with_a_mask_as_buffer(put: Put) -> Tensor:
    class Causal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mask", CAUSAL.clone())

        def forward(self, scores: Tensor) -> Tensor:
            return scores.masked_fill(~self.mask, -math.inf).softmax(-1)

    return put(Causal())(put(normal(2, 5, 5)))


@correct
def torchs_multihead_attention_in_eval(put: Put) -> Tensor:
    layer, x = put(nn.MultiheadAttention(8, 2, batch_first=True)).eval(), put(normal(2, 3, 8))
    with torch.no_grad():
        return layer(x, x, x)[0]


# --- Noise, sampling, guidance -----------------------------------------------------------------------------


@correct
def a_table_indexed_by_timesteps(put: Put) -> Tensor:
    x, t, alphas = put((normal(3, 2, 4, 6), STEPS, ALPHAS))
    return alphas[t].view(-1, 1, 1, 1).sqrt() * x


@correct
def a_table_moved_then_gathered(put: Put) -> Tensor:
    x, t = put((normal(3, 2, 4, 6), STEPS))
    return ALPHAS.to(t.device).gather(0, t).view(-1, 1, 1, 1) * x


@correct
def a_cpu_table_indexed_by_cpu_timesteps(put: Put) -> Tensor:
    t = put(STEPS)
    return ALPHAS.gather(-1, t.cpu()).reshape(3, 1, 1, 1).to(t.device) * put(normal(3, 2, 4, 4))


@correct
def a_table_indexed_by_one_timestep_at_a_time(put: Put) -> Tensor:
    x, t, alphas = put((normal(3, 2, 4), STEPS, ALPHAS))
    return torch.stack([alphas[t[i]].sqrt() * x[i] for i in range(3)])


@correct
def timesteps_read_as_integers(put: Put) -> Tensor:
    x, t, alphas = put((normal(3, 2, 4), STEPS, ALPHAS))
    return torch.stack([alphas[int(t[i])].sqrt() * x[i] for i in range(3)])


@correct
def timesteps_read_with_item(put: Put) -> Tensor:
    t, alphas = put((STEPS, ALPHAS))
    one = torch.ones((), device=alphas.device)
    return torch.stack([one if step.item() == 0 else alphas[step - 1] for step in t])


@correct
def where_with_ones_like(put: Put) -> Tensor:
    t, alphas = put((STEPS, ALPHAS))
    return torch.where(t > 0, alphas[(t - 1).clamp(min=0)], torch.ones_like(alphas[t]))


@correct
def cat_with_a_tensor_moved_to_the_other(put: Put) -> Tensor:
    t, alphas = put((STEPS, ALPHAS))
    return torch.cat([torch.ones(1).to(alphas), alphas[:-1]])[t]


@correct
def an_embedding_of_time_on_its_device(put: Put) -> Tensor:
    t = put(STEPS)
    frequencies = torch.exp(-math.log(1e4) * torch.arange(4, device=t.device) / 4)
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], -1)


@correct
def frequencies_made_on_the_cpu_then_moved(put: Put) -> Tensor:
    t = put(STEPS)
    return t[:, None] * torch.exp(-torch.arange(4) / 4.0).to(t.device)


@correct
def a_cpu_index_into_a_tensor_on_the_device(put: Put) -> Tensor:
    x = put(normal(5, 2))
    return x[torch.tensor([0, 2])] + x[[1, 3]]


@correct
def a_loop_over_timesteps(put: Put) -> Tensor:
    alphas, x = put((ALPHAS, normal(2, 3)))
    for t in put(torch.tensor([8, 4, 0])):
        x = x * alphas[t] + (0 if t.item() == 0 else 1)
    return x


@correct
def guidance_with_a_scale_without_dimensions(put: Put) -> Tensor:
    unconditional, conditional = put((normal(2, 3), normal(2, 3, seed=1)))
    return unconditional + torch.tensor(3.0) * (conditional - unconditional)


@correct
def guidance_in_one_call(put: Put) -> Tensor:
    layer, x, t = put(nn.Linear(4, 4)), put(normal(2, 4)), put(torch.tensor([1, 2]))
    unconditional, conditional = (layer(torch.cat([x, x])) + torch.cat([t, t])[:, None]).chunk(2)
    return unconditional + 2 * (conditional - unconditional)


@correct
def a_shortcut_when_a_tensor_equals_one(put: Put) -> Tensor:
    scale, x = put((torch.tensor(1.0), normal(2, 4)))
    return x if scale == 1 else scale * x


@correct
def random_numbers_from_the_cpu_then_moved(put: Put) -> Tensor:
    condition = put(normal(4, 3))
    keep = (torch.rand(4, generator=torch.Generator().manual_seed(0)) >= 0.5).to(condition.device)
    return torch.where(keep[:, None], condition, torch.zeros_like(condition))


@correct
def rows_replaced_where_a_mask_says(put: Put) -> Tensor:
    condition, null = put((normal(4, 3), torch.zeros(3)))
    out = condition.clone()
    out[torch.rand(4, device=condition.device) < 0.5] = null
    return out


@correct
def a_slice_filled_from_the_cpu(put: Put) -> Tensor:
    x = put(normal(4, 3))
    x[:2] = torch.ones(2, 3)  # a copy: CUDA allows it
    return x


# --- Layers, gradients, optimisers -------------------------------------------------------------------------


@correct
def a_group_norm_by_hand(put: Put) -> Tensor:
    x, weight = put((normal(2, 4, 3, 5), normal(4)))
    h = x.reshape(2, 2, -1)
    h = (h - h.mean(-1, keepdim=True)) / torch.sqrt(h.var(-1, unbiased=False, keepdim=True) + 1e-5)
    return h.view(x.shape) * weight[None, :, None, None]


@correct
def a_convolution_by_unfold(put: Put) -> Tensor:
    x, weight = put((normal(2, 3, 5, 6), normal(4, 3, 3, 3)))
    return (weight.flatten(1) @ F.unfold(x, 3, padding=1)).view(2, 4, 5, 6)


@correct
def a_convolution_by_loops_into_new_zeros(put: Put) -> Tensor:
    x, weight = put((normal(1, 2, 4, 4), normal(3, 2, 3, 3)))
    out = x.new_zeros(1, 3, 2, 2)
    for i in range(2):
        for j in range(2):
            out[:, :, i, j] = torch.einsum("bcij,ocij->bo", x[:, :, i : i + 3, j : j + 3], weight)
    return out


class LowRank(nn.Module):
    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.base_layer = layer
        self.a = nn.Parameter(normal(2, layer.in_features))
        self.b = nn.Parameter(torch.zeros(layer.out_features, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.base_layer(x) + x @ self.a.T @ self.b.T


@correct
def a_module_around_a_module(put: Put) -> Tensor:
    return put(LowRank(nn.Linear(4, 4)))(put(normal(3, 4)))


@correct
def weights_merged_in_place(put: Put) -> Tensor:
    layer = put(LowRank(nn.Linear(4, 4)))
    with torch.no_grad():
        layer.base_layer.weight += 2 * layer.b @ layer.a
    return layer(put(normal(3, 4)))


class Network(nn.Module):
    """Convolutions, norms, a buffer of frequencies, attention and a resize: a UNet in the small."""

    def __init__(self, buffer: bool = True) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.down = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.time = nn.Linear(8, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.conv_out = nn.Conv2d(16, 3, 3, padding=1)
        frequencies = torch.exp(-torch.arange(4) / 4.0)
        if buffer:
            self.register_buffer("frequencies", frequencies, persistent=False)
        else:
            self.frequencies = frequencies

    def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        angles = t[:, None] * self.frequencies
        embedding = self.time(torch.cat([angles.cos(), angles.sin()], -1))
        skip = F.silu(self.norm(self.conv_in(x) + embedding[:, :, None, None]))
        h = self.down(skip)
        tokens = h.flatten(2).transpose(1, 2)
        tokens = tokens + self.attention(tokens, context, context, need_weights=False)[0]
        h = F.interpolate(tokens.transpose(1, 2).reshape(h.shape), scale_factor=2.0)
        return self.conv_out(torch.cat([skip, h], 1))


def network_inputs(put: Put) -> Any:
    return put((normal(3, 3, 6, 10), STEPS, normal(3, 4, 8)))


@correct
def a_network_forward(put: Put) -> Tensor:
    return put(Network())(*network_inputs(put))


@correct
def a_network_forward_and_backward(put: Put) -> Any:
    network = put(Network())
    network(*network_inputs(put)).square().mean().backward()
    return {name: parameter.grad for name, parameter in network.named_parameters()}


@correct
def a_timestep_made_on_the_inputs_device(put: Put) -> Tensor:
    x, _, context = network_inputs(put)
    return put(Network())(x, torch.tensor([5], device=x.device).expand(3), context)


@correct
def gradients_of_assignments_in_place(put: Put) -> Tensor:
    x = put(normal(2, 3).requires_grad_())
    out = x.new_zeros(2, 3)
    for column in range(3):
        out[:, column] = x[:, column] ** 2
    out.sum().backward()
    return x.grad


@correct
def gradients_of_gradients(put: Put) -> Tensor:
    x = put(normal(3).requires_grad_())
    (first,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    return torch.autograd.grad(first.sum(), x)[0]


@correct
def an_exponential_average_of_weights(put: Put) -> Tensor:
    average, layer = put((nn.Linear(4, 4), nn.Linear(4, 4)))
    with torch.no_grad():
        for a, b in zip(average.parameters(), layer.parameters(), strict=True):
            a.lerp_(b, 0.1)
    return average(put(normal(2, 4)))


@correct
def weights_loaded_from_the_cpu(put: Put) -> Tensor:
    layer = put(nn.Linear(4, 4))
    layer.load_state_dict(nn.Linear(4, 4).state_dict())
    return layer(put(normal(2, 4)))


@correct
def a_step_of_adamw(put: Put) -> Tensor:
    layer, x = put(nn.Linear(4, 4)), put(normal(2, 4))
    optimiser = torch.optim.AdamW(layer.parameters())
    for _ in range(2):
        optimiser.zero_grad()
        layer(x).sum().backward()
        nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
        optimiser.step()
    return layer(x)


@correct
def a_copy_of_a_module(put: Put) -> Tensor:
    return copy.deepcopy(put(nn.Linear(4, 4)))(put(normal(2, 4)))


@correct
def results_written_to_out(put: Put) -> Tensor:
    x = put(normal(2, 3))
    out = torch.empty(0, device=x.device)
    assert torch.mul(x, x, out=out) is out
    assert out.shape == (2, 3)
    return out


@correct
def shapes_changed_in_place(put: Put) -> Tensor:
    x = put(normal(2, 3))
    x.unsqueeze_(0).transpose_(1, 2)
    assert x.shape == (1, 3, 2)
    return x + 1


@correct
def tensors_made_from_lists(put: Put) -> Tensor:
    x = put(normal(2))
    same = torch.tensor([x[0], x[1]], device=x.device) + torch.as_tensor(x.tolist(), device=x.device)
    return same + x.new_tensor([1.0, 2.0])


@correct
def lists_and_numbers_in_brackets(put: Put) -> Any:
    x = put(normal(5, 3))
    taken = [x[[0, 2]], x[[True, False, True, False, False]], x[:, [0, 1]], x[1:3, None, ..., -1], x[2][0]]
    x[[1, 3]] = 0.0
    x[range(2)] += 1
    x[0, [1, 2]] = 7
    return [*taken, x]


@correct
def weights_given_through_data(put: Put) -> Tensor:
    layer = put(nn.Linear(3, 3))
    layer.weight.data = layer.weight.data + 1
    layer.bias.data.zero_()
    return layer(put(normal(2, 3)))


@correct
def numbers_in_texts(put: Put) -> Tensor:
    x = put(normal(3))
    assert f"{x.mean():.3f}" == f"{normal(3).mean():.3f}"
    return x


@correct
def a_condition_in_float16(put: Put) -> Tensor:
    x = put(normal(3).half())
    return x.masked_fill(x > 0, torch.tensor(1.0)).type(torch.float64).type_as(x)


# --- What would fail on a GPU, and what the student is told ------------------------------------------------


@wrong
def an_arange_on_the_cpu(put: Put) -> Tensor:
    """*: a tensor of shape (4,) on the CPU met a tensor of shape (3, 1) on the GPU"""
    return put(STEPS).float()[:, None] * torch.exp(-torch.arange(4) / 4.0)


@wrong
def frequencies_as_a_plain_attribute(put: Put) -> Tensor:
    """a tensor of shape (4,) on the CPU met a tensor of shape (3, 1) on the GPU"""
    return put(Network(buffer=False))(*network_inputs(put))


@wrong
def a_table_of_the_functions_own(put: Put) -> Tensor:
    """indexing with [...]: the tensor of shape (10,) is on the CPU, what indexes it"""
    return ALPHAS[put(STEPS)]


@wrong
def adapters_that_are_no_parameters(put: Put) -> Tensor:
    """@: a tensor of shape (4, 2) on the CPU met a tensor of shape (3, 4) on the GPU"""
    return put(normal(3, 4)) @ normal(2, 4).T


@wrong
def a_causal_mask_on_the_cpu(put: Put) -> Tensor:
    """.masked_fill(): a tensor of shape (5, 5) on the CPU met a tensor of shape (2, 5, 5) on the GPU"""
    return put(normal(2, 5, 5)).masked_fill(~torch.ones(5, 5).bool().tril(), -1e9)


@wrong
def zeros_on_the_cpu_filled_from_the_gpu(put: Put) -> Tensor:
    """the result is on the CPU, the input was on the GPU (the result has shape (2, 3))"""
    x, out = put(normal(2, 3)), torch.zeros(2, 3)
    out[:, 0] = x[:, 0]
    return out


@wrong
def a_null_embedding_on_the_cpu(put: Put) -> Tensor:
    """torch.where: a tensor of shape (4, 1) on the CPU met a tensor of shape (4, 3) on the GPU"""
    return torch.where((torch.rand(4) < 0.5)[:, None], put(normal(4, 3)), torch.zeros(4, 3))


@wrong
def a_kernel_on_the_cpu(put: Put) -> Tensor:
    """conv2d: a tensor of shape (2, 3, 3, 3) on the CPU met a tensor of shape (1, 3, 5, 5) on the GPU"""
    return F.conv2d(put(normal(1, 3, 5, 5)), torch.ones(2, 3, 3, 3))


@wrong
def noise_on_the_cpu_added_in_place(put: Put) -> Tensor:
    """+: a tensor of shape (2, 3) on the CPU met a tensor of shape (2, 3) on the GPU"""
    x = put(normal(2, 3)).clone()
    x += torch.randn(2, 3)
    return x


@wrong
def einsum_with_a_weight_on_the_cpu(put: Put) -> Tensor:
    """torch.einsum: a tensor of shape (2, 4) on the CPU met a tensor of shape (3, 4) on the GPU"""
    return torch.einsum("ij,kj->ik", put(normal(3, 4)), normal(2, 4))


@wrong
def stack_with_a_number_on_the_cpu(put: Put) -> Tensor:
    """torch.stack: a tensor of shape () on the CPU met a tensor of shape () on the GPU"""
    return torch.stack([put(normal(3))[0], torch.tensor(1.0)])


@wrong
def a_loss_summed_up_on_the_cpu(put: Put) -> Tensor:
    """+: a tensor of shape () on the CPU met a tensor of shape () on the GPU"""
    total = torch.tensor(0.0)
    total += put(normal(3)).sum()
    return total


@wrong
def values_on_the_cpu_where_a_mask_says(put: Put) -> Tensor:
    """assigning with [...] = ...: a tensor of shape (3,) on the CPU met"""
    x = put(torch.ones(3))
    x[x > 0] = torch.zeros(3)
    return x


@wrong
def a_way_through_numpy(put: Put) -> Tensor:
    """numpy cannot read a tensor of shape (3,) that is on the GPU"""
    return torch.from_numpy(put(normal(3)).numpy())


@wrong
def another_way_through_numpy(put: Put) -> Tensor:
    """numpy cannot read a tensor of shape (3,) that is on the GPU"""
    return torch.from_numpy(np.sqrt(np.asarray(put(torch.ones(3)))))


@wrong
def a_sequence_of_layers_in_a_plain_list(put: Put) -> Tensor:
    """linear: a tensor of shape (2, 4) on the CPU met a tensor of shape (3, 4) on the GPU"""

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = [nn.Linear(4, 2, bias=False) for _ in range(2)]  # not a ModuleList

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([head(x) for head in self.heads], -1)

    return put(Heads())(put(normal(3, 4)))


@wrong
def one_of_several_results_on_the_cpu(put: Put) -> Any:
    """the result['keep'][1] is on the CPU, the input was on the GPU"""
    x = put(normal(2))
    return {"keep": [x, x.cpu()]}


# --- Generators of random numbers --------------------------------------------------------------------------


def numbers(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@correct
def drawn_where_the_generator_is(put: Put) -> Tensor:
    x, generator = put((normal(3), numbers()))
    return x + torch.rand(3, generator=generator, device=generator.device)


@correct
def drawn_where_the_input_is_which_is_where_the_generator_is(put: Put) -> Tensor:
    x, generator = put((normal(3), numbers()))
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    return x + noise + torch.empty_like(x).uniform_(generator=generator)


@correct
def a_coin_for_each_element(put: Put) -> Tensor:
    x, generator = put((normal(9), numbers()))
    return torch.where(torch.bernoulli(torch.full_like(x, 0.5), generator=generator).bool(), x, -x)


@correct
def drawn_on_the_cpu_and_moved(put: Put) -> Tensor:
    x = put(normal(3))
    return x + torch.rand(3, generator=numbers()).to(x.device)


@wrong
def drawn_on_the_cpu_by_a_generator_on_the_gpu(put: Put) -> Tensor:
    """torch.rand: the generator is on the GPU, but it is to draw on the CPU; say where, with device="""
    x, generator = put((normal(3), numbers()))
    x = x.clone()
    x[torch.rand(3, generator=generator) < 0.5] = 0  # a mask on the CPU is nothing to complain about
    return x


@wrong
def drawn_on_the_gpu_by_a_generator_of_the_cpu(put: Put) -> Tensor:
    """torch.randn: the generator is on the CPU, but it is to draw on the GPU; make it with"""
    x = put(normal(3))
    return x + torch.randn(3, generator=numbers(), device=x.device)


def test_a_generator_that_was_put_leaves_the_original_as_it_was() -> None:
    generator = numbers()
    before = generator.get_state()
    with PretendedAccelerator() as gpu:
        one, same = gpu.put((generator, generator))
        torch.rand(3, generator=one, device=one.device)
    assert torch.equal(generator.get_state(), before)
    assert torch.equal(same.get_state(), one.get_state())  # one generator stays one


@pytest.mark.parametrize("name", CORRECT)
def test_what_runs_on_a_gpu_runs_here(name: str) -> None:
    torch.manual_seed(0)
    expected = CORRECT[name](lambda tree: tree)
    torch.manual_seed(0)
    with PretendedAccelerator() as gpu:
        received = gpu.take(CORRECT[name](gpu.put))
    torch.testing.assert_close(received, expected)
    several = received.values() if isinstance(received, dict) else received
    for tensor in [several] if isinstance(several, Tensor) else several:
        assert type(tensor) is Tensor
        assert tensor.device.type == "cpu"


@pytest.mark.parametrize("name", WRONG)
def test_what_fails_on_a_gpu_fails_here(name: str) -> None:
    WRONG[name](lambda tree: tree)  # and on the CPU nobody would have noticed
    with pytest.raises(DeviceMismatch) as error, PretendedAccelerator() as gpu:
        gpu.take(WRONG[name](gpu.put))
    assert str(WRONG[name].__doc__) in str(error.value)


def test_at_least_the_cases_of_the_experiment_are_covered() -> None:
    assert len(CORRECT) >= 35
    assert len(WRONG) >= 10


# --- put, take, call ---------------------------------------------------------------------------------------


def test_put_copies_and_keeps_what_a_tensor_is() -> None:
    x = normal(3, 4).T.requires_grad_()
    with PretendedAccelerator() as gpu:
        (a, b), named = gpu.put(([x, x], {"x": x, "n": 3, "f": len}))
        assert a is b
        assert named["x"] is a
        assert (named["n"], named["f"]) == (3, len)
        assert a.device != x.device
        assert "on the GPU" in repr(a)
        assert (a.shape, a.stride(), a.dtype, a.requires_grad) == (x.shape, x.stride(), x.dtype, True)
        with torch.no_grad():
            a.zero_()
    assert x.abs().min() > 0


def test_moving_a_module_keeps_its_parameters_and_ties() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].weight = module[0].weight
    before, weight = list(module.parameters()), module[0].weight.detach().clone()
    with PretendedAccelerator() as gpu:
        assert gpu.put(module) is module
        assert all(parameter.device.type != "cpu" for parameter in module.parameters())
        assert module[1].weight is module[0].weight
        gpu.take(module)
    assert all(after is parameter for after, parameter in zip(module.parameters(), before, strict=True))
    assert type(module[0].weight) is nn.Parameter
    assert torch.equal(module[0].weight, weight)
    assert module[0].weight.device.type == "cpu"


def test_a_module_whose_parameters_cannot_be_swapped_is_moved_all_the_same() -> None:
    layer = nn.Linear(3, 3)
    held = layer(normal(2, 3))  # a graph holds the weights, and so does a weak reference
    reference = weakref.ref(layer.weight)
    with PretendedAccelerator() as gpu:
        gpu.put(layer)
        received = gpu.take(layer(gpu.put(normal(2, 3))))
    torch.testing.assert_close(received, held.detach())
    assert reference is not None


def test_a_result_on_the_cpu_is_right_without_an_input_on_the_gpu() -> None:
    gpu = PretendedAccelerator()
    assert torch.equal(gpu.call(torch.linspace, 0, 1, 3), torch.linspace(0, 1, 3))
    with gpu:
        assert gpu.take(torch.ones(2)).sum() == 2
        gpu.put(normal(2))
        with pytest.raises(DeviceMismatch):
            gpu.take(torch.ones(2))
        assert gpu.take(torch.ones(2), had_inputs=False).sum() == 2
    with gpu:  # a new beginning
        assert gpu.take(torch.ones(2)).sum() == 2


def test_call_moves_a_module_for_the_call_alone() -> None:
    layer, x = nn.Linear(3, 3), normal(2, 3)
    gpu = PretendedAccelerator()
    expected = layer(x)
    torch.testing.assert_close(gpu.call(layer, x), expected.detach())
    torch.testing.assert_close(gpu.call(layer.forward, input=x), expected.detach())
    assert layer.weight.device.type == "cpu"
    with pytest.raises(DeviceMismatch):
        gpu.call(lambda x: layer(x), x)  # this one's weights stay behind
    assert layer.weight.device.type == "cpu"


def test_call_moves_a_module_among_the_arguments_for_the_call_alone() -> None:
    gpu, model, x = PretendedAccelerator(), nn.Sequential(nn.Linear(3, 2)), torch.randn(4, 3)
    weight = model[0].weight.detach().clone()

    def change(model: nn.Sequential, x: Tensor) -> Tensor:
        with torch.no_grad():
            model[0].weight += torch.ones(2, 3, device=x.device)
        model.append(nn.Linear(2, 2).to(x))
        return model(x)

    answer = gpu.call(change, model, x)
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
    assert torch.equal(model[0].weight, weight + 1)
    torch.testing.assert_close(answer, model(x).detach())


def test_an_exception_leaves_nothing_behind() -> None:
    gpu = PretendedAccelerator()
    for _ in range(2):
        with pytest.raises(DeviceMismatch), gpu:
            gpu.put(torch.ones(2)) + torch.ones(2)
        assert type(torch.ones(2) + 1) is Tensor
        with pytest.raises(ZeroDivisionError), gpu:
            1 / 0  # noqa: B018
    with pytest.raises(DeviceMismatch, match=r"^add: "):  # outside nobody knows what was called
        torch.ops.aten.add(_left_over(gpu), torch.ones(2))


def _left_over(gpu: PretendedAccelerator) -> Tensor:
    with gpu:
        return gpu.put(torch.ones(2))


# --- Where it runs -----------------------------------------------------------------------------------------

RUN_IN_A_FORK = """
import os, sys, threading, torch
torch.set_num_threads(1)
torch.ones(2, requires_grad=True).sum().backward()   # autograd's engine is awake before we are
from course.checking.portability import PretendedAccelerator, prepare
prepare()
threads = lambda: len(os.listdir("/proc/self/task"))
modules = set(sys.modules)
child = os.fork()
if child == 0:
    with PretendedAccelerator() as gpu:
        layer = gpu.put(torch.nn.Conv2d(2, 3, 3))
        layer(gpu.put(torch.ones(1, 2, 4, 4))).sum().backward()
        gradient = gpu.take(layer.weight.grad)
        gpu.take(gpu.put(torch.nn.LSTM(2, 2)))  # which is moved in its own way
        try:
            gpu.put(torch.ones(2)) + torch.ones(2)
        except RuntimeError as error:
            print(type(error).__name__)
    print(gradient.sum().item(), threads(), sorted(set(sys.modules) - modules))
    sys.stdout.flush()
    os._exit(0)
_, status = os.waitpid(child, 0)
print(status, threads(), "torch._dynamo" in sys.modules)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_it_works_after_a_fork_and_needs_neither_threads_nor_late_imports() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", RUN_IN_A_FORK], capture_output=True, text=True, env=environment, check=False
    )
    assert run.stdout.splitlines() == ["DeviceMismatch", "216.0 1 []", "0 1 False"], run.stderr


def test_it_imports_torch_and_the_standard_library_alone() -> None:
    source = (
        "import sys, torch; before = set(sys.modules); import course.checking.portability; "
        "print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    third_party = [name for name in run.stdout.split() if name.split(".")[0] not in sys.stdlib_module_names]
    assert [name for name in third_party if name.split(".")[0] not in {"torch", "course"}] == []


@pytest.fixture
def private_parts() -> Iterator[list[str]]:
    missing: list[str] = []
    yield missing
    assert not missing, (
        f"torch {torch.__version__} no longer has {', '.join(missing)}, which "
        "course/checking/device_tensor.py builds on: adapt it there, then these names here"
    )


def test_the_private_parts_of_torch_that_it_builds_on_are_there(private_parts: list[str]) -> None:
    needed: dict[Any, list[str]] = {
        Tensor: ["_make_wrapper_subclass"],
        torch._C: ["_disabled_torch_function_impl", "_DisableTorchDispatch"],
        torch.utils: ["_python_dispatch"],
        nn.Module: ["_apply"],
        torch.ops.aten: [
            "_to_copy",
            "_index_put_impl_",
            "_foreach_copy_",
            "_has_compatible_shallow_copy_type",
        ],
        torch.ops.aten.add_.Tensor: ["_schema"],
    }
    private_parts += [
        f"{owner}.{name}" for owner, names in needed.items() for name in names if not hasattr(owner, name)
    ]
    assert torch.ops.aten.add_.Tensor._schema.is_mutable
    assert not torch.ops.aten.add.Tensor._schema.is_mutable
