"""The tiny DiT: labels and captions, its steps from noise to a picture, and what it draws."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from course.lab import judge, looking, tiny_dit
from course.lab.tiny_dit.train import Training, Words


def test_labels_and_captions_are_one_and_the_same() -> None:
    labels = torch.arange(48)
    captions = tiny_dit.attributes(labels).captions()
    assert len(set(captions)) == 48
    assert torch.equal(tiny_dit.labels_of(captions), labels)
    assert tiny_dit.labels_of(["", captions[3]]).tolist() == [tiny_dit.ANY, 3]


@pytest.mark.parametrize("caption", ["a small red circle on black", "a large red circle on grey"])
def test_what_it_has_not_learned_it_says(caption: str) -> None:
    with pytest.raises(ValueError, match="'a large red circle on black'"):
        tiny_dit.labels_of([caption])


def test_times_fall_from_one_to_zero_and_lie_closer_where_there_is_noise() -> None:
    times = tiny_dit.times(4)
    assert times == pytest.approx([1, 6 / 7, 2 / 3, 2 / 5, 0])


def test_guidance_goes_from_no_label_through_the_label() -> None:
    def told(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        return labels.float().view(-1, 1, 1, 1) + 0 * x

    tiny = tiny_dit.Trained(nn.Identity())
    x, labels = torch.zeros(2, 3, 2, 2), torch.tensor([10, 20])
    for w in (0.0, 1.0, 3.0):
        found = tiny.velocity(x, 0.5, labels, w, told)[:, 0, 0, 0]
        assert found.tolist() == pytest.approx([48 + w * (10 - 48), 48 + w * (20 - 48)])


def test_a_straight_flow_is_exact_in_one_step() -> None:
    """The network that knows the picture, a plane of one half: velocity = (x - picture) / sigma."""

    def perfect(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        return (x - 0.5) / (t / 1000).view(-1, 1, 1, 1)

    tiny = tiny_dit.Trained(nn.Identity())
    for steps in (1, 5):
        drawn = tiny.draw("a large red circle on black", steps=steps, guidance_scale=1, network=perfect)
        torch.testing.assert_close(drawn, torch.full((1, 3, 16, 16), 0.5))


def test_the_table_of_labels_is_made_of_words() -> None:
    words = Words()
    labels = torch.tensor([0, 9, 47, tiny_dit.ANY])
    rows = words(labels)
    torch.testing.assert_close(rows[1], words.shape.weight[1] + words.colour.weight[1])
    torch.testing.assert_close(rows[3], words.any[0])
    assert words.table().shape == (49, 96)


def test_training_goes_on_where_it_was_kept() -> None:
    whole, first, second = Training(), Training(), Training()
    for _ in range(2):
        whole.step()
    first.step()
    second.resume(first.state())
    second.step()
    for name, value in whole.table().items():
        torch.testing.assert_close(value, second.table()[name])


def test_it_draws_what_it_is_asked_for() -> None:
    """98 of 100 and more, by the table of its card."""
    labels = torch.arange(0, 48, 2)
    captions = tiny_dit.attributes(labels).captions()
    found = judge.load().scores(tiny_dit.load().draw(captions, steps=8), captions)
    assert found.all >= 0.9


def test_a_network_that_sees_shapes_learns_them() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 256, 6))
    losses = list(looking.learn(network, 30))
    assert losses[-1] < losses[0]
    assert looking.right(network, 100) > 1 / 6
