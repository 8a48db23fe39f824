"""The emoji: their names and colours, what is held out, and the judge that tells which one was drawn."""

from __future__ import annotations

import pytest
import torch

from course.lab import emoji

FOX = emoji.pictures(["fox face"])


def test_each_has_a_picture_and_a_name_of_its_own() -> None:
    assert len(emoji.names()) == len(set(emoji.names())) == len(emoji.sprites()) == 131
    pictures = emoji.pictures(emoji.names())
    assert pictures.shape == (131, 3, 32, 32)
    assert (pictures.min(), pictures.max()) == (-1, 1)
    assert (torch.cdist(pictures.flatten(1), pictures.flatten(1)) + torch.eye(131) * 100).min() > 1


def test_they_are_small_and_come_with_their_licence() -> None:
    assert emoji.SHEET.stat().st_size < 400_000
    notice = (emoji.HERE / "NOTICE.md").read_text("utf-8")
    for named in ("Noto Emoji", "Apache License 2.0", "SIL Open Font License 1.1", "16.0.0"):
        assert named in notice


def test_around_them_is_white() -> None:
    corners = emoji.pictures(emoji.names())[:, :, ::31, ::31]
    assert (corners == 1).all(1).double().mean() > 0.9


@pytest.mark.parametrize(("colour", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_a_colour_is_that_colour(colour: str, channel: int) -> None:
    picture = (emoji.pictures([f"{colour} fox face"])[0] + 1) / 2
    seen = picture[:, (picture < 0.99).any(0)].mean(1)
    assert int(seen.argmax()) == channel
    assert seen[channel] - seen.median() > 0.1


def test_grey_has_no_colour_and_keeps_light_and_dark() -> None:
    picture = emoji.pictures(["grey fox face"])[0]
    assert torch.allclose(picture[0], picture[2])
    assert torch.allclose(picture.amax(0), FOX[0].amax(0), atol=1e-6)


def test_a_name_with_a_colour_gives_it_up_for_another() -> None:
    assert emoji.recoloured("blue", "red apple") == "blue apple"
    assert emoji.parse("blue apple") == (emoji.names().index("red apple"), "blue")
    assert emoji.parse("red apple") == (emoji.names().index("red apple"), "")
    assert emoji.plain("fox face") == "fox face"


@pytest.mark.parametrize("caption", ["", "fox", "mauve fox face", "blue blue fox face", "face fox"])
def test_a_caption_of_no_emoji_is_refused_in_a_sentence(caption: str) -> None:
    with pytest.raises(ValueError, match=r"there is no emoji .*take one of emoji.names\(\)"):
        emoji.pictures([caption])


def test_every_caption_is_one() -> None:
    captions = emoji.every_caption()
    assert len(captions) == 131 * 9
    assert [emoji.parse(name)[0] for name in captions[:131]] == list(range(131))
    assert {emoji.parse(caption)[1] for caption in captions[131:]} >= {*emoji.COLOURS}
    for number, caption in enumerate(captions[-131:]):  # a heart in grey is that of any heart
        assert emoji.plain(emoji.names()[emoji.parse(caption)[0]]) == emoji.plain(emoji.names()[number])


def test_a_sixth_of_the_colours_is_held_out_and_no_name() -> None:
    captions = emoji.every_caption()
    assert not any(emoji.held_out(name) for name in emoji.names())
    assert 0.14 < sum(map(emoji.held_out, captions[131:])) / (8 * 131) < 0.2
    assert all(emoji.held_out(caption) for caption in emoji.NEVER_SHOWN)


def test_both_words_of_what_is_held_out_are_shown_with_others() -> None:
    shown = [caption for caption in emoji.every_caption() if not emoji.held_out(caption)]
    for caption in emoji.NEVER_SHOWN:
        number, colour = emoji.parse(caption)
        own = [emoji.parse(each) for each in shown]
        assert any(each == number and tint not in ("", colour) for each, tint in own)
        assert any(each != number and tint == colour for each, tint in own)


def test_the_judge_tells_each_from_each_other_either_way_round() -> None:
    captions = [*emoji.names()[::5], *sorted(emoji.NEVER_SHOWN)]
    pictures = emoji.pictures(captions)
    noisy = pictures + 0.1 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
    assert emoji.is_drawn(noisy, captions).all()
    assert emoji.is_drawn(noisy.flip(3), captions).all()


@pytest.mark.parametrize("caption", ["blue fox face", "panda face", "cat face"])
def test_the_judge_is_not_content_with_another_emoji(caption: str) -> None:
    assert not emoji.is_drawn(FOX, [caption]).any()


def test_what_two_captions_may_share_counts_for_both() -> None:
    assert emoji.is_drawn(emoji.pictures(["yellow heart"]), ["yellow heart"]).all()
