"""Which device a run grades on."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from ..errors import Fault, UsageError

DEVICES = ("cpu", "cuda", "auto")


@cache
def cuda_problem() -> str:
    """Empty when torch can use a CUDA device here, else why not. Asked in a subprocess: torch is heavy."""
    if (
        sys.platform == "linux"
        and not any(Path("/dev").glob("nvidia[0-9]*"))
        and not Path("/dev/dxg").exists()
    ):
        return "this machine shows no NVIDIA device (/dev/nvidia0)"
    code = "import torch; print(torch.cuda.is_available() and torch.ones(2, device='cuda').sum().item() == 2)"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"torch could not be asked ({type(error).__name__})"
    if done.stdout.strip() == "True":
        return ""
    said = done.stderr.strip().splitlines()
    return said[-1] if said else "torch finds no usable CUDA device (a CPU build of torch?)"


def choose_device(asked: str) -> str:
    """The device for `--device asked`; raises UsageError for no such word, Fault when it is not there."""
    if asked not in DEVICES:
        raise UsageError(f"--device {asked!r} is none of {', '.join(DEVICES)}")
    if asked == "cpu" or (asked == "auto" and cuda_problem()):
        return "cpu"
    if problem := cuda_problem():
        raise Fault(f"--device cuda cannot be used: {problem}")
    return "cuda"
