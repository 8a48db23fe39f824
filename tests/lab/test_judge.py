"""The judge: right on true pictures, and unmoved by pictures that are not what they say."""

from __future__ import annotations

import pytest
import torch

from course.lab import judge, shapes
from course.lab.judge import train


def pictures_and_attributes(count: int = 2000) -> tuple[torch.Tensor, shapes.Attributes]:
    generator = torch.Generator().manual_seed(7)
    asked = shapes.sample_attributes(count, generator)
    return shapes.draw(asked, generator=generator), asked


def test_it_is_right_on_pictures_that_it_never_saw() -> None:
    pictures, asked = pictures_and_attributes()
    scores = judge.load().scores(pictures, asked.captions())
    assert scores.count == 2000
    assert scores.all > 0.995


def test_it_is_right_on_pictures_with_a_little_noise() -> None:
    pictures, asked = pictures_and_attributes()
    noise = 0.05 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
    assert judge.load().scores(pictures + noise, asked.captions()).all > 0.99


@pytest.mark.parametrize("name", shapes.ATTRIBUTES)
def test_a_wrong_attribute_counts_as_wrong_and_no_other_does(name: str) -> None:
    pictures, asked = pictures_and_attributes(500)
    changed = (getattr(asked, name) + 1) % len(shapes.CHOICES[name])
    claimed = shapes.Attributes(**{**{key: getattr(asked, key) for key in shapes.ATTRIBUTES}, name: changed})
    scores = judge.load().scores(pictures, claimed.captions())
    assert scores.all < 0.01
    for other in shapes.ATTRIBUTES:
        assert (getattr(scores, other) > 0.99) == (other != name)


def test_noise_gets_what_chance_gets() -> None:
    noise = torch.randn(2000, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    captions = shapes.sample_attributes(2000, torch.Generator().manual_seed(1)).captions()
    assert judge.load().scores(noise, captions).all < 0.03


def test_scores_read_as_a_sentence() -> None:
    pictures, asked = pictures_and_attributes(10)
    said = str(judge.load().scores(pictures, asked.captions()))
    assert said.startswith("all four right: 100% of 10 (size 100%, colour 100%")


def test_a_caption_is_needed_for_each_picture() -> None:
    pictures, asked = pictures_and_attributes(3)
    with pytest.raises(ValueError, match="3 pictures and 2 captions"):
        judge.load().scores(pictures, asked.captions()[:2])


def test_the_palette_needs_no_network_and_agrees() -> None:
    pictures, asked = pictures_and_attributes()
    seen = judge.palette(pictures)
    assert (seen.colour == asked.colour).double().mean() > 0.995
    assert (seen.background == asked.background).all()


def test_the_palette_says_which_colour_in_numbers() -> None:
    asked = shapes.attributes_of(["a large red circle on black"] * 200)
    generator = torch.Generator().manual_seed(0)
    for style, expected in (("plain", (220, 40, 40)), ("pastel", (230, 140, 140))):
        seen = judge.palette(shapes.draw(asked, style=style, generator=generator))  # type: ignore[arg-type]
        assert torch.allclose(seen.shape.mean(0), torch.tensor(expected).float(), atol=4)


def test_training_begins_as_it_should() -> None:
    torch.manual_seed(0)
    pictures, asked = pictures_and_attributes(500)
    judged = judge.Judge(train.train(steps=40))
    assert judged.scores(pictures, asked.captions()).background > 0.8
