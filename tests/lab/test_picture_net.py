"""The network that is trained while one watches, and its pictures."""

from __future__ import annotations

import torch

from course.lab import picture_net


def test_pictures_are_large_shapes_on_black_and_never_the_same() -> None:
    drawn = picture_net.pictures(64, torch.Generator().manual_seed(0))
    assert drawn.shape == (64, 3, picture_net.SIZE, picture_net.SIZE)
    assert drawn.abs().max() <= 1
    assert (drawn[:, :, 0, 0] < -0.5).all()
    assert len({tuple(each.flatten().tolist()) for each in drawn}) == 64
    assert torch.equal(drawn, picture_net.pictures(64, torch.Generator().manual_seed(0)))


def test_it_is_narrower_than_a_picture_and_begins_with_nothing() -> None:
    net = picture_net.PictureNet()
    x, t = torch.randn(2, 3, 12, 12), torch.tensor([0, 999])
    assert not net(x, t).any()
    assert max(each.shape[0] for name, each in net.named_parameters() if "blocks" in name) < 3 * 12 * 12


def test_it_is_told_the_time_and_can_be_trained() -> None:
    net = picture_net.PictureNet(width=16, blocks=1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.3)
    x = torch.randn(1, 3, 12, 12).expand(2, 3, 12, 12)
    answer = net(x, torch.tensor([10, 700]))
    assert not torch.allclose(answer[0], answer[1])
    answer.square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())
