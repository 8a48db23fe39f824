"""Trained weights in files of plain numbers (safetensors): nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by their names, as float32; raises FileNotFoundError and says what to do."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: these trained weights are missing. They come with the package `diffusion-course`: "
            f"install it again, or train them with `python -m course.lab.{path.parent.name}.train`."
        )
    from safetensors.torch import load_file

    return {name: value.float() for name, value in load_file(path).items()}


def write_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Writes the tensors as 16-bit numbers; the file is whole or as it was."""
    from safetensors.torch import save

    partial = path.with_name(path.name + ".part")
    stored = {name: value.half().contiguous() for name, value in state.items()}
    partial.write_bytes(save(stored, {"format": "pt"}))
    partial.replace(path)
