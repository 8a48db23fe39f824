"""The tiny model's attention: other layers in the place of its own, lies to one of them, where they look."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from course.lab import judge, shapes, tiny_sd
from course.lab.probe import attention_weights
from course.lab.tiny_sd import attentions
from solutions.attention import CrossAttention, MultiHeadSelfAttention
from solutions.unet import UNet

from .tiny import tiny

TRUTH, LIE = "a large red circle on black", "a large blue square on white"
THEIRS: dict[str, Any] = {
    "attn1": lambda dim: MultiHeadSelfAttention(dim, heads=4),
    "attn2": lambda dim: CrossAttention(dim, 64, heads=4, head_dim=dim // 4),
}


def some_input() -> tuple[Tensor, Tensor, Tensor]:
    x = torch.randn(3, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    return x, torch.tensor([0, 421, 999]), tiny().encode(["", TRUTH, "a small cyan ring"])


def kinds_of(network: nn.Module, name: str) -> set[type[nn.Module]]:
    return {
        type(network.get_submodule(f"{place}.transformer_blocks.0.{name}")) for place in attentions.PLACES
    }


class TestWithLayers:
    def test_other_layers_draw_the_same(self) -> None:
        mine = attentions.with_layers(tiny().unet, THEIRS)
        assert kinds_of(mine, "attn1") == {MultiHeadSelfAttention}
        assert kinds_of(mine, "attn2") == {CrossAttention}
        torch.testing.assert_close(mine(*some_input()), tiny().unet(*some_input()))

    def test_the_network_itself_stays_as_it_was(self) -> None:
        attentions.with_layers(tiny().unet, THEIRS)
        assert kinds_of(tiny().unet, "attn1") & {MultiHeadSelfAttention} == set()

    def test_it_is_the_given_layers_that_work(self) -> None:
        class Silent(CrossAttention):
            def forward(self, x: Tensor, context: Tensor) -> Tensor:
                return torch.zeros_like(x)

        mine = attentions.with_layers(tiny().unet, {"attn2": lambda dim: Silent(dim, 64, 4, dim // 4)})
        x, t, context = some_input()
        torch.testing.assert_close(mine(x, t, context), mine(x, t, context.flip(0)))

    def test_a_network_of_ones_own_is_as_good(self) -> None:
        unet = UNet()
        unet.load_state_dict(tiny_sd.weights())
        mine = attentions.with_layers(unet, THEIRS)
        with torch.no_grad():
            torch.testing.assert_close(mine(*some_input()), tiny().unet(*some_input()), rtol=1e-4, atol=1e-5)

    def test_wrong_names_do_not_load(self) -> None:
        with pytest.raises(RuntimeError, match="Missing key"):
            attentions.with_layers(tiny().unet, {"attn1": lambda dim: nn.MultiheadAttention(dim, 4)})

    def test_a_layer_that_there_is_not_is_told_in_a_sentence(self) -> None:
        with pytest.raises(ValueError, match="no layers called 'attn3'; it has attn1 and attn2"):
            attentions.with_layers(tiny().unet, {"attn3": nn.Identity})


class TestToldOtherwise:
    @pytest.mark.parametrize("place", attentions.PLACES)
    def test_only_rows_that_are_told_so_are_misled(self, place: str) -> None:
        x, t, context = some_input()
        misled = attentions.told_otherwise(tiny().unet, place, tiny().encode([TRUTH]), tiny().encode([LIE]))
        after, before = misled(x, t, context), tiny().unet(x, t, context)
        changed = (after - before).abs().amax((1, 2, 3)) > 1e-4
        assert changed.tolist() == [False, True, False]
        assert torch.equal(tiny().unet(x, t, context), before)

    def test_a_lie_to_all_four_is_another_caption(self) -> None:
        """Nothing reaches the picture but through these four."""

        class Misled(nn.Module):
            """A network inside a network, so that one lie can be told on top of another."""

            def __init__(self, inner: tiny_sd.UNet) -> None:
                super().__init__()
                self.inner = inner

            def get_submodule(self, target: str) -> nn.Module:
                return tiny().unet.get_submodule(target)

            def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
                return self.inner(x, t, context)

        x, t, _ = some_input()
        truth, lie = tiny().encode([TRUTH]), tiny().encode([LIE])
        network: tiny_sd.UNet = tiny().unet
        for place in attentions.PLACES:
            network = attentions.told_otherwise(Misled(network), place, truth, lie)
        torch.testing.assert_close(
            network(x, t, truth.expand(3, -1, -1)), tiny().unet(x, t, lie.expand(3, -1, -1))
        )

    def test_no_place_with_attention_is_told_in_a_sentence(self) -> None:
        with pytest.raises(ValueError, match="'conv_in' is no place with attention; there are down_blocks"):
            attentions.told_otherwise(tiny().unet, "conv_in", torch.zeros(1, 7, 64), torch.zeros(1, 7, 64))


class TestLooks:
    def test_they_are_the_weights_of_the_layers_averaged(self) -> None:
        """With one step there is one call: the layer's weights for what it was given in it."""
        seen: list[tuple[Tensor, Tensor]] = []
        place = attentions.PLACES[1]
        layer = tiny().unet.get_submodule(f"{place}.transformer_blocks.0.attn2")

        def write_down(_: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
            if kwargs:  # the network's own call, and not the probe's
                seen.append((args[0], kwargs["context"]))

        hook = layer.register_forward_pre_hook(write_down, with_kwargs=True)
        try:
            _, looked = attentions.looks(tiny(), [TRUTH, "a ring"], steps=1, height=8, width=12)
        finally:
            hook.remove()
        ((x, context),) = seen
        weights = attention_weights(layer, x[2:], context[2:], heads=4).mean(1)  # [B, h*w, S]
        assert looked[place].shape == (2, 7, 4, 6)
        torch.testing.assert_close(looked[place], weights.mT.reshape(2, 7, 4, 6))
        torch.testing.assert_close(looked[place].sum(1), torch.ones(2, 4, 6))

    def test_the_pictures_are_those_that_draw_draws(self) -> None:
        pictures, _ = attentions.looks(tiny(), [TRUTH], steps=2, seed=3)
        assert torch.equal(pictures, tiny().draw([TRUTH], steps=2, seed=3))

    def test_the_inside_is_where_the_shape_is(self) -> None:
        asked = shapes.attributes_of([TRUTH, "a small cyan square on black"])
        pictures = shapes.draw(asked, generator=torch.Generator().manual_seed(0))
        large, small = attentions.inside(pictures).double().mean((1, 2)).tolist()
        assert 0.3 < large < 0.6
        assert 0.03 < small < 0.25


@pytest.mark.slow
class TestWhatTheLessonSays:
    """Of 24 noises, all show what the lesson reads off six."""

    def test_which_layer_knows_the_colour(self) -> None:
        seen = {}
        for place in attentions.PLACES:
            unet = attentions.told_otherwise(tiny().unet, place, tiny().encode([TRUTH]), tiny().encode([LIE]))
            found = judge.load().attributes(tiny().draw([TRUTH] * 24, unet=unet))
            seen[place] = {
                name: dict(Counter(shapes.CHOICES[name][i] for i in getattr(found, name).tolist()))
                for name in shapes.ATTRIBUTES
            }
        down, middle, first, second = (seen[place] for place in attentions.PLACES)
        truth = {
            "size": {"large": 24},
            "colour": {"red": 24},
            "shape": {"circle": 24},
            "background": {"black": 24},
        }
        assert down == truth
        assert middle == truth | {"shape": {"square": 24}}
        assert first["background"] == {"white": 24}
        assert "red" not in second["colour"]
        assert second["background"] == {"black": 24}

    def test_where_the_layers_look(self) -> None:
        pictures, looked = attentions.looks(tiny(), [TRUTH] * 24)
        inside = attentions.inside(pictures)
        words = ["<start>", *TRUTH.split()]

        def weight(place: str, word: str, where: Tensor) -> float:
            return looked[place][:, words.index(word)][where].mean().item()

        _, middle, first, second = attentions.PLACES
        for place, word in ((middle, "circle"), (first, "red"), (second, "red")):
            assert weight(place, word, inside) > 0.3
            assert weight(place, word, inside) > 1.8 * weight(place, word, ~inside)
        assert weight(first, "black", ~inside) > 2 * weight(first, "black", inside)
