"""The network for points depends on all that it is given."""

from __future__ import annotations

import torch

from course.lab.point_net import PointNet


def test_the_network_for_points_depends_on_the_time_and_on_what_it_is_told() -> None:
    torch.manual_seed(0)
    network, x, t, told = PointNet(3), torch.randn(5, 2), torch.arange(5) * 100, torch.randn(5, 3)
    there = network(x, t, told)
    assert there.shape == x.shape
    assert not torch.allclose(there, network(x, t + 1, told))
    assert not torch.allclose(there, network(x, t, told + 1))
    torch.testing.assert_close(network(x[2:3], t[2:3], told[2:3]), there[2:3])  # each sample by itself
