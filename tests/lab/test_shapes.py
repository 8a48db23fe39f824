"""Captioned shapes: pictures and captions agree, at any size, and come from the generator alone."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from course.lab import judge, shapes


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def everything() -> shapes.Attributes:
    """Every combination of the four attributes, once."""
    rows = torch.cartesian_prod(*(torch.arange(len(options)) for options in shapes.CHOICES.values()))
    return shapes.Attributes(**dict(zip(shapes.ATTRIBUTES, rows.T, strict=True)))


def test_there_are_six_shapes_eight_colours_two_sizes_and_three_backgrounds() -> None:
    assert len(everything()) == 6 * 8 * 2 * 3


@pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 24), (30, 17), (64, 64)])
def test_any_size_in_the_range_of_diffusion(height: int, width: int) -> None:
    pictures = shapes.draw(everything(), height, width, generator=seeded())
    assert pictures.shape == (288, 3, height, width)
    assert pictures.dtype == torch.float32
    assert pictures.min() >= -1
    assert pictures.max() <= 1


def test_captions_say_what_attributes_are_and_back() -> None:
    asked = everything()
    captions = asked.captions()
    assert "a large red circle on black" in captions
    assert len(set(captions)) == 288
    found = shapes.attributes_of(captions)
    assert all(torch.equal(getattr(asked, name), getattr(found, name)) for name in shapes.ATTRIBUTES)


@pytest.mark.parametrize("spelt", ["A Large Red Circle on GRAY", "a large red circle on grey"])
def test_captions_may_be_spelt_otherwise(spelt: str) -> None:
    assert shapes.attributes_of([spelt]).captions() == ["a large red circle on grey"]


@pytest.mark.parametrize(
    ("caption", "missing"),
    [
        ("a red circle on black", "size"),
        ("a large circle on black", "colour"),
        ("a large red on black", "shape"),
        ("a large red circle", "background"),
        ("a large red blue circle on black", "colour"),
        ("", "size"),
    ],
)
def test_a_caption_that_leaves_something_open_is_refused_by_name(caption: str, missing: str) -> None:
    with pytest.raises(ValueError, match=f"should name one {missing}"):
        shapes.attributes_of([caption])


def test_the_picture_shows_what_the_caption_says() -> None:
    asked = everything()
    for seed in range(3):
        pictures = shapes.draw(asked, generator=seeded(seed))
        seen = judge.palette(pictures)
        assert (seen.background == asked.background).all()
        assert (seen.colour == asked.colour).double().mean() > 0.99


def test_large_is_larger_than_small() -> None:
    asked = everything()
    pictures = shapes.draw(asked, generator=seeded())
    ground = pictures[:, :, :1, :1]
    covered = ((pictures - ground).abs().amax(1) > 0.4).sum((1, 2))
    for shape in range(len(shapes.SHAPES)):
        of_this = asked.shape == shape
        assert covered[of_this & (asked.size == 0)].max() < covered[of_this & (asked.size == 1)].min()


def test_another_resolution_shows_the_same_scene() -> None:
    asked = everything()
    small, large = (shapes.draw(asked, side, side, generator=seeded()) for side in (16, 64))
    shrunk = torch.nn.functional.avg_pool2d(large, 4)
    assert (small - shrunk).abs().mean() < 0.02


def test_the_same_generator_gives_the_same_batch() -> None:
    (one, said), (other, again) = (shapes.batch(20, generator=seeded(3)) for _ in range(2))
    assert torch.equal(one, other)
    assert said == again
    assert not torch.equal(one, shapes.batch(20, generator=seeded(4))[0])


def test_nothing_is_drawn_from_the_global_generator() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    shapes.batch(8, generator=seeded())
    assert torch.equal(torch.get_rng_state(), before)


def test_captions_to_train_on_forget_words_but_never_the_shape() -> None:
    _, captions = shapes.batch(4000, generator=seeded())
    words = [set(caption.split()) for caption in captions]
    assert all(len(said & set(shapes.SHAPES)) == 1 for said in words)
    for name, share in (("size", 0.7), ("colour", 0.9), ("background", 0.7)):
        told = sum(bool(said & set(shapes.CHOICES[name])) for said in words) / len(words)
        assert told == pytest.approx(share, abs=0.05)
    _, whole = shapes.batch(50, forget=False, generator=seeded())
    assert all(len(caption.split()) == 6 for caption in whole)


def test_styles_change_the_shape_and_leave_the_background() -> None:
    asked = everything()
    drawn = {style: shapes.draw(asked, style=style, generator=seeded()) for style in get_args(shapes.Style)}
    plain = judge.palette(drawn["plain"])
    pastel = judge.palette(drawn["pastel"])
    assert torch.allclose(plain.ground, pastel.ground)
    assert (pastel.shape.mean(1) > plain.shape.mean(1) + 10).double().mean() > 0.8  # yellow on white hides
    rows = drawn["striped"] - drawn["striped"][:, :, :1, :1]
    shown = rows.abs().amax((1, 3)) > 0.3  # [N, H]: rows of pixels in which there is a shape
    assert not (shown[:, 1:] & shown[:, :-1]).any()
