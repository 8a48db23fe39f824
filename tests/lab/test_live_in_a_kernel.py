"""A training in a notebook: a picture that is replaced, a stop from outside, and going on in a new kernel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.kernels import without_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PATIENCE = 280  # seconds for a cell

TRAINING = """
import torch
from IPython.display import HTML
from course.lab import live

torch.manual_seed(0)
net = torch.nn.Linear(2, 1)
adam = torch.optim.Adam(net.parameters(), 0.01)

def step(n):
    adam.zero_grad()
    loss = net(torch.ones(4, 2)).square().mean()
    loss.backward()
    adam.step()
    return {"line": float(loss.detach())}

run = live.Run("line.safetensors", networks={"net": net}, optimizers={"adam": adam})
run.go(%d, step, show=lambda: HTML(f"drawn after {run.done}"), every=0.05)
"""

Message = dict[str, Any]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[KernelManager]:
    with without_ports() as config:
        manager = KernelManager(config=config, kernel_name="python3")
        manager.start_kernel(cwd=str(tmp_path))
        try:
            yield manager
        finally:
            manager.shutdown_kernel(now=True)


def client_of(manager: KernelManager) -> BlockingKernelClient:
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE)
    return client


def run(client: BlockingKernelClient, source: str, seen: Callable[[Message], None]) -> Message:
    reply = client.execute_interactive(source, timeout=PATIENCE, output_hook=seen)
    content: Message = reply["content"]
    return content


def shown(messages: list[Message]) -> str:
    """All texts, streams and outputs, in their order."""
    texts = [
        message["content"].get("text") or "".join(map(str, message["content"].get("data", {}).values()))
        for message in messages
        if message["msg_type"] in ("stream", "display_data", "update_display_data")
    ]
    return " ".join(" ".join(texts).split()) + " "


def test_it_is_stopped_while_it_is_watched_and_goes_on_in_a_new_kernel(
    manager: KernelManager, tmp_path: Path
) -> None:
    messages: list[Message] = []

    def stop_at_the_second_picture(message: Message) -> None:
        messages.append(message)
        pictures = [each for each in messages if "drawn after" in str(each["content"].get("data"))]
        if len(pictures) == 2 and message is pictures[-1]:
            assert message["msg_type"] == "update_display_data"  # in the place of the first
            manager.interrupt_kernel()

    client = client_of(manager)
    assert run(client, TRAINING % 10**6, stop_at_the_second_picture)["status"] == "ok"
    stopped = re.search(r"Stopped after (\d+) of 1000000 steps", shown(messages))
    assert stopped is not None
    done = int(stopped[1])
    assert f"drawn after {done} " in shown(messages)  # the last picture is of the last step
    assert (tmp_path / "line.safetensors").is_file()

    client.stop_channels()
    manager.restart_kernel(now=True)
    client = client_of(manager)
    messages.clear()
    assert run(client, TRAINING % (done + 3), messages.append)["status"] == "ok"
    assert f"Going on after step {done}, from line.safetensors." in shown(messages)
    assert f"training: {done + 3} of {done + 3} steps" in shown(messages)
    assert f"drawn after {done + 3}" in shown(messages)
    assert "Stopped" not in shown(messages)
    client.stop_channels()
