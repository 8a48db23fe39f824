"""All layers together: torch, and what a student honestly does with it, works behind them."""

from __future__ import annotations

import signal

import pytest

from .conftest import Host


def test_torch_trains_a_small_network(locked_torch: Host) -> None:
    code = """
from torch import nn
torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.SiLU(), nn.Flatten(),
    nn.Linear(256, 1))
optimiser = torch.optim.Adam(net.parameters(), 1e-2)
x = torch.randn(8, 1, 8, 8)
losses = []
for _ in range(3):
    loss = (net(x) - x.mean((1, 2, 3))[:, None]).square().mean()
    optimiser.zero_grad(); loss.backward(); optimiser.step()
    losses.append(loss.item())
losses[-1] < losses[0]
"""
    assert locked_torch(code).value is True


def test_torch_may_use_more_threads(locked_torch: Host) -> None:
    code = """
torch.set_num_threads(2)
a = torch.randn(300, 300)
bool(torch.allclose((a @ a).softmax(-1).sum(-1), torch.ones(300), atol=1e-4)), torch.get_num_threads()
"""
    assert locked_torch(code).value == [True, 2]


@pytest.mark.parametrize(
    "code",
    [
        "torch.linalg.svd(torch.randn(20, 20)).S.shape == (20,)",
        "torch.fft.fft(torch.ones(8))[0].real.item() == 8",
        "torch.nn.functional.scaled_dot_product_attention(*torch.ones(3, 1, 4, 8)).shape == (1, 4, 8)",
        "torch.einsum('ij,jk->ik', torch.ones(2, 3), torch.ones(3, 2)).sum().item() == 12",
        "torch.vmap(torch.sin)(torch.zeros(3)).sum().item() == 0",
        "torch.func.grad(lambda x: x ** 2)(torch.tensor(3.0)).item() == 6",
        "int(numpy.linalg.inv(numpy.eye(3)).sum()) == 3",
        "import decimal, fractions, statistics, dataclasses, json\nstatistics.mean([1, 3]) == 2",
        "import glob\n[b for b in os.listdir('/usr/lib') if b] != []",
        "os.cpu_count() >= 1 and os.getloadavg is not None",
        "time.sleep(0.001) is None and time.time() > 0",
        "import random, uuid, secrets\nlen(str(uuid.uuid4())) == 36",
    ],
)
def test_honest_code_works(locked_torch: Host, code: str) -> None:
    outcome = locked_torch(code)
    assert outcome.value is True, outcome


def test_modules_that_nobody_loaded_yet_can_be_imported(locked_torch: Host) -> None:
    assert locked_torch("import sqlite3, torch.fft, wave, torch.distributions.beta\nTrue").value is True


def test_looking_for_the_temporary_folder_is_no_error(locked: Host) -> None:
    folder = "/scratch" if locked.level == "full" else "/"
    assert locked("import tempfile\ntempfile.gettempdir()").value == folder


def test_tensors_can_be_saved_and_loaded(locked_torch: Host) -> None:
    code = (
        "torch.save(torch.arange(3), 'x.pt')\nnumpy.save('x.npy', numpy.ones(2))\ntorch.load('x.pt').tolist()"
    )
    outcome = locked_torch(code)
    if locked_torch.level == "full":
        assert outcome.value == [0, 1, 2]
    else:  # no folder to write to, and an error that the student can read
        assert outcome.error in {"PermissionError", "RuntimeError"}


def test_a_tensor_beyond_the_limit_is_an_error_of_the_students(locked_torch: Host) -> None:
    outcome = locked_torch("torch.ones(1 << 28)", memory=512 << 20)
    assert outcome.error == "RuntimeError"
    assert "memory" in outcome.printed


def test_a_hang_inside_torch_is_ended_by_its_cpu_time(locked_torch: Host) -> None:
    code = "a = torch.ones(1500, 1500)\nwhile True: a = a @ a"
    assert locked_torch(code, cpu=1).signal == signal.SIGKILL


def test_a_crash_inside_torch_ends_only_the_worker(locked_torch: Host) -> None:
    assert locked_torch(
        "torch.frombuffer((ctypes.c_char * 4).from_address(8), dtype=torch.int32).sum().item()"
    ).signal
    assert locked_torch("1 + 1").value == 2
