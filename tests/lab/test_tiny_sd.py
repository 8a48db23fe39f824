"""The tiny model: it is what its card says, draws what it is asked for, and fits diffusers' network."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from course.lab import judge, shapes, tiny_sd
from course.lab.tiny_sd import evaluate, train
from course.lab.tiny_sd.captions import LENGTH, VOCABULARY, tokenize
from course.lab.tiny_sd.network import CaptionEncoder, TinyUNet
from solutions.unet import UNet

from .tiny import tiny

ROOT = Path(__file__).parents[2]


def some_input(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(3, 3, 8, 12, generator=generator, dtype=dtype)
    return (
        x,
        torch.tensor([0, 421, 999]),
        tiny().encode(["", "a circle", "a large red ring on white"]).to(dtype),
    )


def test_the_file_is_small_and_holds_half_precision_numbers_only() -> None:
    content = tiny_sd.WEIGHTS.read_bytes()
    assert len(content) < 3_000_000
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"F16"}


def test_it_has_a_million_parameters_and_draws_without_gradients() -> None:
    count = sum(parameter.numel() for parameter in tiny().unet.parameters())
    assert count == 1_001_251
    assert not any(parameter.requires_grad for parameter in tiny().unet.parameters())
    assert not tiny().unet.training


def test_it_draws_what_it_is_asked_for() -> None:
    scores = evaluate.scores_of(tiny(), 3.0, [0])
    assert scores.all > 0.9


@pytest.mark.slow
def test_without_guidance_it_draws_anything() -> None:
    assert evaluate.scores_of(tiny(), 0.0, [0]).all < 0.1


@pytest.mark.slow
@pytest.mark.timeout(900)  # 192 pictures, each in 20 steps
def test_the_accuracy_that_was_promised() -> None:
    assert evaluate.scores_of(tiny(), 3.0, range(2), sampler="ddpm", steps=20).all >= 0.95


@pytest.mark.slow
def test_a_caption_that_leaves_things_open_is_obeyed_in_what_it_says() -> None:
    pictures = tiny().draw(["a blue cross"] * 24, seed=4)
    seen = judge.load().attributes(pictures)
    assert (seen.colour == list(shapes.COLOURS).index("blue")).double().mean() > 0.9
    assert (seen.shape == shapes.SHAPES.index("cross")).double().mean() > 0.9
    assert len(seen.background.unique()) > 1


@pytest.mark.slow
def test_a_negative_caption_keeps_away() -> None:
    pictures = tiny().draw(["a circle on white"] * 24, negative="a small circle on white", seed=1)
    assert (judge.load().attributes(pictures).size == shapes.SIZES.index("large")).double().mean() > 0.8


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    one, same, other = (tiny().draw("a red ring", steps=4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.shape == (1, 3, 16, 16)


def test_other_sizes() -> None:
    assert tiny().draw(["a red ring"], steps=2, height=12, width=20).shape == (1, 3, 12, 20)


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_guidance_is_u_plus_w_times_c_minus_u(scale: float) -> None:
    x, t, context = some_input()
    unet = tiny().unet
    u, c = unet(x, t, tiny().encode([""]).expand_as(context)), unet(x, t, context)
    found = tiny().guided(context, scale)(x, t)
    assert torch.allclose(found, u + scale * (c - u), atol=1e-5)


def test_another_network_draws_in_its_place() -> None:
    asked: list[int] = []

    def mine(x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        asked.append(int(t[0]))
        return tiny().unet(x, t, context)

    mine_drew = tiny().draw("a red ring", steps=4, unet=mine)
    assert torch.equal(mine_drew, tiny().draw("a red ring", steps=4))
    assert asked == [750, 500, 250, 0]


def test_diffusers_network_takes_its_weights_and_agrees() -> None:
    build: Any = UNet2DConditionModel
    theirs = build(**tiny_sd.CONFIG).double()
    theirs.load_state_dict(tiny_sd.weights())
    ours = TinyUNet().double()
    ours.load_state_dict(tiny_sd.weights())
    x, t, context = some_input(torch.float64)
    assert torch.allclose(ours(x, t, context), theirs(x, t, context).sample, atol=1e-10)


def test_the_solutions_unet_takes_its_weights_and_agrees() -> None:
    mine, ours = UNet().double(), TinyUNet().double()
    for network in (mine, ours):
        network.load_state_dict(tiny_sd.weights())
    x, t, context = some_input(torch.float64)
    assert torch.allclose(mine(x, t, context), ours(x, t, context), atol=1e-10)


def test_one_timestep_for_all() -> None:
    x, _, context = some_input()
    unet = tiny().unet
    assert torch.equal(unet(x, 7, context), unet(x, torch.tensor([7, 7, 7]), context))


def test_every_word_has_a_number() -> None:
    assert sorted(set(VOCABULARY)) == sorted(VOCABULARY)
    tokens = tokenize(["", "a large red circle on black", "A RING ON GRAY."])
    assert tokens.shape == (3, LENGTH)
    assert [VOCABULARY[n] for n in tokens[1]] == ["<start>", "a", "large", "red", "circle", "on", "black"]
    assert [VOCABULARY[n] for n in tokens[2][:5]] == ["<start>", "a", "ring", "on", "grey"]
    assert tokens[0].tolist() == [1, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("caption", "said"),
    [
        ("a large red cat on black", "does not know the word 'cat'; it knows a, on, small"),
        ("<pad>", "does not know the word '<pad>'"),
        ("a large red circle on black on white", "8 words; the most are 6"),
    ],
)
def test_a_caption_that_it_cannot_read_is_refused_in_a_sentence(caption: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tiny().draw(caption)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="install it again, or train them with"):
        tiny_sd.load(path=tmp_path / "tiny_sd.safetensors")


def test_saved_and_loaded_it_is_the_same_up_to_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet, encoder = TinyUNet(), CaptionEncoder(len(VOCABULARY), LENGTH)
    tiny_sd.save(tmp_path / "mine.safetensors", unet, encoder)
    loaded = tiny_sd.load(path=tmp_path / "mine.safetensors")
    x, t, context = some_input()
    assert torch.allclose(loaded.unet(x, t, context), unet(x, t, context), atol=5e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.safetensors"]


@pytest.mark.slow
def test_training_is_reproducible_and_begins_to_learn() -> None:
    short = (train.Stage(12, 1, 2e-3), train.Stage(4, 30, 1e-3))
    runs = [[loss for _, loss, *_ in train.train(short)] for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(runs[0]) == 16
    assert sum(runs[0][8:12]) < sum(runs[0][:4])


def test_its_card_gives_the_figures_of_its_file() -> None:
    card = (ROOT / "docs" / "tiny-sd.md").read_text(encoding="utf-8")
    assert f"{tiny_sd.WEIGHTS.stat().st_size:,} bytes" in card
    assert "1,001,251" in card
