"""The tiny latent model: it is what its card says, draws emoji from their names, fits others' networks."""

from __future__ import annotations

import json
import struct
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from course.lab import emoji, tiny_latent
from course.lab.tiny_latent import evaluate, polish, train
from course.lab.tiny_latent.captions import END, LENGTH, PAD, START, tokenize, vocabulary
from course.lab.tiny_latent.network import LATENT, Autoencoder, CaptionEncoder
from course.lab.tiny_sd.network import CONFIG, TinyUNet
from course.modules.unet import lent
from solutions.stable_diffusion import TextEncoder
from solutions.unet import UNet

ROOT = Path(__file__).parents[2]
NAMES = ["fox face", "octopus", "pizza", "red heart"]


@cache
def tiny() -> tiny_latent.TinyLatent:
    return tiny_latent.load()


def some_input() -> tuple[Tensor, Tensor, Tensor]:
    x = torch.randn(3, LATENT, 8, 8, generator=torch.Generator().manual_seed(3))
    return x, torch.tensor([0, 421, 999]), tiny().encode_text(["", "fox face", "blue apple"])


def test_the_file_is_small_and_holds_half_precision_numbers_only() -> None:
    content = tiny_latent.WEIGHTS.read_bytes()
    assert len(content) < 3_000_000
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"F16"}


def test_it_draws_names_and_colours_that_it_has_never_seen_together() -> None:
    new = sorted(emoji.NEVER_SHOWN)
    captions = [*emoji.names()[::11], *new]
    right = emoji.is_drawn(tiny().draw(captions), captions)
    assert right[: -len(new)].double().mean() > 0.9
    assert right[-len(new) :].double().mean() > 0.7


def test_without_a_caption_it_draws_none_of_these() -> None:
    assert not emoji.is_drawn(tiny().draw([""] * 4), NAMES).any()


@pytest.mark.slow
def test_the_accuracy_that_was_promised() -> None:
    accuracy = {
        name: emoji.is_drawn(evaluate.drawn(tiny(), captions), captions).double().mean()
        for name, captions in evaluate.groups().items()
    }
    assert min(accuracy.values()) > 0.8, accuracy


def test_it_has_learned_its_pictures_by_heart() -> None:
    """Two noises lead to pictures that are much more alike than those of two captions."""
    first, second = (tiny().draw(NAMES, seed=seed) for seed in (0, 1))
    assert evaluate.likeness(first, second) > evaluate.likeness(first, first.roll(1, 0)) + 6


def test_the_autoencoder_gives_back_what_it_was_given() -> None:
    pictures = emoji.pictures(NAMES)
    latents = tiny().latents(pictures)
    assert latents.shape == (4, LATENT, 8, 8)
    assert evaluate.likeness(tiny().pictures(latents), pictures) > 25
    assert tiny().pictures(latents).abs().max() <= 1


def test_its_latents_have_mean_0_and_standard_deviation_1_in_each_channel() -> None:
    latents = tiny().latents(emoji.pictures(emoji.every_caption()[::9]))
    assert latents.mean((0, 2, 3)).abs().max() < 0.15
    assert (latents.std((0, 2, 3)) - 1).abs().max() < 0.15


def test_larger_pictures_have_larger_latents() -> None:
    with torch.no_grad():
        mean, log_variance = tiny().autoencoder.encode(torch.zeros(2, 3, 48, 40))
    assert mean.shape == log_variance.shape == (2, LATENT, 12, 10)
    assert tiny().pictures(mean).shape == (2, 3, 48, 40)


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    one, same, other = (tiny().draw(["pizza"], steps=3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.shape == (1, 3, 32, 32)


def test_a_students_unet_and_text_encoder_take_the_weights_and_draw_the_same() -> None:
    own = tiny_latent.load(UNet, TextEncoder)
    assert isinstance(own.unet, UNet)
    assert isinstance(own.text_encoder, TextEncoder)
    x, t, context = some_input()
    torch.testing.assert_close(own.unet(x, t, context), tiny().unet(x, t, context), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(own.encode_text(NAMES), tiny().encode_text(NAMES))
    torch.testing.assert_close(own.draw(NAMES, steps=4), tiny().draw(NAMES, steps=4), rtol=1e-2, atol=1e-2)
    assert not any(each.requires_grad for each in own.unet.parameters())
    assert not own.unet.training


def test_the_unet_that_the_course_lends_takes_them_and_has_no_other_size() -> None:
    x, t, context = some_input()
    own = tiny_latent.load(lent.UNet)
    torch.testing.assert_close(own.unet(x, t, context), tiny().unet(x, t, context))
    with pytest.raises(ValueError, match=r"for another size write your own in unet\.ipynb"):
        lent.UNet(block_out_channels=(8, 16))


class WithoutItsLastNorm(TextEncoder):
    def __init__(self, **figures: Any) -> None:
        super().__init__(**figures)
        del self.final_layer_norm


class WithAnother(UNet):
    def __init__(self, **figures: Any) -> None:
        super().__init__(**figures)
        self.another = nn.Linear(2, 2)


def test_what_does_not_fit_strictly_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"Unexpected key.*final_layer_norm"):
        tiny_latent.load(text_encoder=WithoutItsLastNorm)
    with pytest.raises(RuntimeError, match=r"Missing key.*another"):
        tiny_latent.load(unet=WithAnother)


def test_diffusers_network_takes_the_unets_weights_and_agrees() -> None:
    build: Any = UNet2DConditionModel
    theirs = build(**CONFIG | {"sample_size": 8, "in_channels": LATENT, "out_channels": LATENT})
    theirs.load_state_dict(tiny_latent.weights("unet"), strict=True)
    x, t, context = some_input()
    with torch.no_grad():
        found = theirs(x, t, context).sample
    torch.testing.assert_close(tiny().unet(x, t, context), found, rtol=1e-4, atol=1e-4)


def test_transformers_clip_takes_the_text_encoders_weights_and_agrees() -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    figures = tiny_latent.TEXT
    config = CLIPTextConfig(
        vocab_size=len(vocabulary()),
        hidden_size=figures["dim"],
        intermediate_size=figures["hidden"],
        num_hidden_layers=figures["layers"],
        num_attention_heads=figures["heads"],
        max_position_embeddings=figures["length"],
        eos_token_id=END,
        bos_token_id=START,
        pad_token_id=PAD,
    )
    theirs = CLIPTextModel(config).eval()
    prefix = "text_model." if any(name.startswith("text_model.") for name in theirs.state_dict()) else ""
    stored = {prefix + name: value for name, value in tiny_latent.weights("text_encoder").items()}
    missing, unexpected = theirs.load_state_dict(stored, strict=False)
    assert unexpected == []
    assert all("position_ids" in name for name in missing)
    with torch.no_grad():
        found = theirs(tokenize(NAMES)).last_hidden_state
    torch.testing.assert_close(tiny().encode_text(NAMES), found, rtol=1e-4, atol=1e-4)


def test_every_word_of_every_caption_has_a_number() -> None:
    words = vocabulary()
    assert len(set(words)) == len(words)
    tokens = tokenize([*emoji.every_caption(), ""])
    assert tokens.shape == (len(emoji.every_caption()) + 1, LENGTH)
    assert [words[n] for n in tokenize(["Blue Fox face"])[0][:5]] == [
        "<start>",
        "blue",
        "fox",
        "face",
        "<end>",
    ]
    assert tokens[-1].tolist() == [START, END, *[PAD] * 8]


@pytest.mark.parametrize(
    ("caption", "said"),
    [
        ("octopuss", "does not know the word 'octopuss'; did you mean octopus"),
        ("<pad>", "does not know the word '<pad>'"),
        ("xyzzy", r"does not know the word 'xyzzy'; emoji.names\(\) has all that it was taught"),
        ("red " * 9, "9 words; the most are 8"),
    ],
)
def test_a_caption_that_it_cannot_read_is_refused_in_a_sentence(caption: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tiny().draw([caption])


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"or train them with `python -m course\.lab\."):
        tiny_latent.load(path=tmp_path / "tiny_latent.safetensors")


def test_saved_and_loaded_it_is_the_same_up_to_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = {
        "unet": TinyUNet(LATENT),
        "text_encoder": CaptionEncoder(len(vocabulary()), **tiny_latent.TEXT),
        "autoencoder": Autoencoder(),
    }
    tiny_latent.save(tmp_path / "mine.safetensors", 0.5, **made)
    loaded = tiny_latent.load(path=tmp_path / "mine.safetensors")
    x, t, context = some_input()
    assert loaded.scale == 0.5
    assert torch.allclose(loaded.unet(x, t, context), made["unet"](x, t, context), atol=5e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.safetensors"]


def test_what_is_held_out_is_never_shown() -> None:
    names, coloured = train.shown()
    assert names == list(emoji.names())
    assert not any(emoji.held_out(caption) for caption in coloured)
    assert len(coloured) > 800
    assert not set(evaluate.groups()["a colour and a name, never seen together"]) & {*names, *coloured}


def test_settling_the_latents_leaves_the_pictures_as_they_were() -> None:
    torch.manual_seed(0)
    autoencoder, pictures = Autoencoder().eval(), emoji.pictures(NAMES)
    with torch.no_grad():
        before = autoencoder.decode(autoencoder.encode(pictures)[0])
        scale = train.settle(autoencoder)
        mean, _ = autoencoder.encode(pictures)
        torch.testing.assert_close(autoencoder.decode(mean), before, rtol=1e-3, atol=1e-3)
    assert 0.5 < float((mean * scale).std()) < 2


def test_the_decoder_alone_is_polished_and_becomes_better() -> None:
    own = tiny_latent.load()
    before = {name: value.clone() for name, value in own.autoencoder.state_dict().items()}
    with torch.no_grad():
        own.autoencoder.post_quant_conv.weight.mul_(0.5)
    losses = [loss for _, loss in polish.polish(own.autoencoder, own.scale, 4)]
    assert losses[-1] < losses[0]
    changed = {
        name for name, value in own.autoencoder.state_dict().items() if not torch.equal(value, before[name])
    }
    assert all(name.startswith(("decoder.", "post_quant_conv.")) for name in changed)


@pytest.mark.slow
def test_training_is_reproducible_and_begins_to_learn() -> None:
    for trained in (
        lambda: train.train_autoencoder(12),
        lambda: train.train_unet(tiny().autoencoder, 1.0, 12),
    ):
        runs = [[step[1] for step in trained()] for _ in range(2)]
        assert runs[0] == runs[1]
        assert len(runs[0]) == 12
        assert sum(runs[0][8:]) < sum(runs[0][:4])


def test_likeness_is_in_decibels_and_does_not_mind_which_way_round() -> None:
    pictures = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert evaluate.likeness(pictures + 0.02, pictures) == pytest.approx(40, abs=0.01)
    assert evaluate.likeness(pictures.flip(3) + 0.02, pictures) == pytest.approx(40, abs=0.01)


def test_its_card_gives_the_figures_of_its_file() -> None:
    card = (ROOT / "docs" / "tiny-latent.md").read_text(encoding="utf-8")
    assert f"{tiny_latent.WEIGHTS.stat().st_size:,} bytes" in card
    for part in ("unet", "text_encoder", "autoencoder"):
        assert f"{sum(each.numel() for each in getattr(tiny(), part).parameters()):,}" in card
