"""The weights and features made by hand do what the lesson says that one will see."""

import pytest
import torch

from course.lab import handmade, scene, words
from course.lab.probe import attention_weights
from solutions.attention import (
    CrossAttention,
    MultiHeadSelfAttention,
    SpatialSelfAttention,
    scaled_dot_product_attention,
)
from solutions.unet import Upsample

SENTENCE = ["the", "queen", "thanked", "the", "king", "because", "he", "saved", "her", "crown"]


def test_pronouns_find_their_nouns() -> None:
    q, k = 8 * words.looks_for(SENTENCE)[None, None], words.offers(SENTENCE)[None, None]
    weights = scaled_dot_product_attention(q, k, torch.eye(len(SENTENCE))[None, None])[0, 0]
    for pronoun, noun in (("he", "king"), ("her", "queen")):
        assert weights[SENTENCE.index(pronoun), SENTENCE.index(noun)] > 0.7


def test_each_head_sees_its_relation() -> None:
    layer = MultiHeadSelfAttention(24, 3)
    layer.load_state_dict(handmade.three_relations())
    before, same_kind, asks = attention_weights(layer, words.embed(SENTENCE)[None], heads=3)[0]
    assert before.argmax(1).tolist() == [0, *range(len(SENTENCE) - 1)]
    articles = [at for at, word in enumerate(SENTENCE) if word == "the"]
    assert same_kind[articles[0], articles].sum() > 0.9
    assert SENTENCE[asks[SENTENCE.index("her")].argmax()] == "queen"


def test_an_unknown_word_is_named_together_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"does not know the word 'dragon'; it knows a, an, and"):
        words.looks_for(["the", "dragon"])


def test_a_prompt_binds_colours_to_shapes() -> None:
    red_circle, black = words.embed_prompt(["red", "circle", "on", "black"]), scene.COLOURS["black"]
    assert torch.equal(red_circle[0], red_circle[1])
    assert red_circle[0].tolist() == pytest.approx([1, 0, 0, 0, *scene.COLOURS["red"]])
    assert red_circle[2].tolist() == [0.0] * 7
    assert red_circle[3].tolist() == pytest.approx([0, 0, 0, 1, *black])


@pytest.mark.parametrize(
    "colours", [("red", "blue", "yellow", "black"), ("green", "pink", "purple", "white")]
)
def test_words_paint_the_places_that_they_speak_of(colours: tuple[str, ...]) -> None:
    layer = CrossAttention(7, 7, heads=1, head_dim=8)
    layer.load_state_dict(handmade.painting())
    circle, square, triangle, background = colours
    prompt = f"{circle} circle {square} square {triangle} triangle on {background}".split()
    kinds = scene.kinds(height=25, width=37)
    x = torch.cat([kinds, torch.zeros(3, 25, 37)]).flatten(1).T[None]
    painted = (x + layer(x, words.embed_prompt(prompt)[None]))[0, :, 4:]
    for kind, colour in zip(kinds.flatten(1), colours, strict=True):
        inside = painted[kind == 1]
        assert len(inside) > 20
        torch.testing.assert_close(
            inside, torch.tensor(scene.COLOURS[colour]).expand_as(inside), atol=0.05, rtol=0
        )


def test_attention_between_like_pixels_denoises() -> None:
    noisy, clean = scene.draw(noise=0.2), scene.draw()
    patches = scene.patches(noisy)
    layer = SpatialSelfAttention(27, groups=1)
    layer.load_state_dict(handmade.like_to_like(patches))
    with torch.no_grad():
        added = layer(patches[None])[0] - patches
    denoised = scene.centre_of_patches(added * patches.std(correction=0) + patches.mean())
    errors = [float((picture - clean).square().mean().sqrt()) for picture in (noisy, denoised)]
    assert errors[1] < errors[0] / 2


def test_pixels_look_at_their_like_wherever_it_is() -> None:
    patches = scene.patches(scene.draw(noise=0.2))
    layer = SpatialSelfAttention(27, groups=1)
    layer.load_state_dict(handmade.like_to_like(patches))
    weights = attention_weights(layer, patches[None])[0, 0].view(20, 30, 600)
    first, square, second = (scene.coverage(shape, 20, 30).flatten() == 1 for shape in scene.TWO_CIRCLES)
    from_circle, from_background = weights[8, 10], weights[16, 4]
    assert from_circle[first].mean() > from_circle[second].mean() > 20 * from_circle[square].mean()
    assert from_background[first | square | second].sum() < 0.05


class TestScene:
    def test_a_picture_has_the_size_and_the_colours_asked_for(self) -> None:
        picture = scene.draw((scene.Shape("square", "green", 0.5, 0.5, 0.25),), 8, 12, background="white")
        assert picture.shape == (3, 8, 12)
        assert picture[:, 4, 4].tolist() == pytest.approx(scene.COLOURS["green"])
        assert picture[:, 0, 11].tolist() == pytest.approx(scene.COLOURS["white"])

    def test_noise_has_the_deviation_asked_for_and_is_the_same_every_time(self) -> None:
        noise = scene.draw(noise=0.2) - scene.draw()
        assert float(noise.std()) == pytest.approx(0.2, rel=0.05)
        assert torch.equal(scene.draw(noise=0.2), scene.draw(noise=0.2))
        assert not torch.equal(scene.draw(noise=0.2, seed=1), scene.draw(noise=0.2))

    @pytest.mark.parametrize(("kind", "area"), [("circle", 3.1416), ("square", 4.0), ("triangle", 2.0)])
    def test_a_shape_covers_its_area(self, kind: str, area: float) -> None:
        covered = scene.coverage(scene.Shape(kind, "red", 1.0, 0.5, 0.3), 100, 200)
        assert float(covered.sum()) / 100**2 == pytest.approx(area * 0.3**2, rel=0.01)

    def test_the_kinds_at_a_place_add_up_to_one(self) -> None:
        kinds = scene.kinds(height=9, width=14)
        assert kinds.shape == (4, 9, 14)
        torch.testing.assert_close(kinds.sum(0), torch.ones(9, 14))

    def test_the_centres_of_the_patches_are_the_picture(self) -> None:
        picture = scene.draw(height=5, width=7, noise=0.3)
        patches = scene.patches(picture)
        assert patches.shape == (27, 5, 7)
        assert torch.equal(scene.centre_of_patches(patches), picture)
        assert torch.equal(patches[0, 1:, 1:], picture[0, :-1, :-1])  # the neighbour up and to the left

    def test_an_unknown_shape_or_colour_is_named(self) -> None:
        with pytest.raises(
            ValueError, match="there is no shape 'star'; take one of circle, square, triangle"
        ):
            scene.Shape("star", "red", 0, 0, 1)
        with pytest.raises(ValueError, match="there is no colour 'mauve'; take one of black"):
            scene.Shape("circle", "mauve", 0, 0, 1)


def test_a_kernel_for_each_colour_mixes_no_colours() -> None:
    weight = handmade.for_each_colour(torch.arange(6.0).reshape(2, 3))
    assert weight.shape == (3, 3, 2, 3)
    torch.testing.assert_close(weight[1, 1], torch.arange(6.0).reshape(2, 3))
    assert float(weight[0, 1].abs().sum()) == 0


def test_averaging_keeps_an_even_colour() -> None:
    layer = Upsample(3)
    layer.load_state_dict(handmade.averaging())
    torch.testing.assert_close(layer(torch.ones(1, 3, 4, 4))[:, :, 1:-1, 1:-1], torch.ones(1, 3, 6, 6))
