"""The pictures of the home page, drawn by the course's own tiny models: `python -m autograder.site.drawn`.

They are kept in `docs/drawn/` as the models draw them, 16 x 16 or 32 x 32 pixels, at most 3 kB each.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..atomic import write_atomically
from ..content.course_root import CourseRoot
from .html import attributes

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = Path("docs", "drawn")
FIRST = "a large red circle on black"
GALLERY = (
    "a small cyan ring on white",
    "a large yellow triangle on grey",
    "a large green cross on white",
    "a small pink diamond on black",
    "a large blue square on grey",
    "a small orange circle on white",
    "a large purple ring on black",
    "a small red triangle on white",
    "a large cyan diamond on grey",
    "a small green square on black",
    "a large orange cross on black",
    "a large pink circle on grey",
)
EMOJI = (
    *("fox face", "octopus", "pizza", "unicorn face", "strawberry", "robot face"),
    # In these colours the tiny latent model has never seen them.
    *("blue apple", "pink penguin", "purple cat face", "green pig face", "blue strawberry", "yellow octopus"),
)
STATIONS = (0, 8, 13, 16, 18, 19, 20)  # of the twenty steps from noise to a picture
_STEPS, _SCALE, _SEED = 20, 3.0, 4
_EMOJI_SCALE, _EMOJI_SEED = 2.0, 0


def steps() -> str:
    """HTML of the home page: from noise to a picture, in a row."""
    last = STATIONS[-1]
    words = {0: "pure noise", last: f"“{FIRST}”"}
    items = (
        _figure(
            f"step-{at:02d}.png",
            words.get(at, f"after {at} of {last} steps"),
            words.get(at, f"step {at} of {last}"),
        )
        for at in STATIONS
    )
    return f'<div class="drawn steps">{"".join(items)}</div>'


def gallery() -> str:
    """HTML of the home page: captions, and what the model draws for them."""
    items = (_figure(f"{_name(caption)}.png", caption, caption) for caption in GALLERY)
    return f'<div class="drawn gallery">{"".join(items)}</div>'


def emoji() -> str:
    """HTML of the home page: names and colours of emoji, and what the tiny latent model draws for them."""
    items = (_figure(f"emoji-{_name(caption)}.png", caption, caption) for caption in EMOJI)
    return f'<div class="drawn gallery">{"".join(items)}</div>'


def pictures() -> dict[str, bytes]:
    """Name → PNG: all that `docs/drawn/` holds. Loads torch and draws; takes seconds."""
    import torch

    from course.lab import ddim, tiny_latent, tiny_sd

    tiny = tiny_sd.load()
    generator = torch.Generator().manual_seed(_SEED)
    noise = torch.randn(1, 3, 16, 16, generator=generator)
    eps = tiny.guided(tiny.encode([FIRST]), _SCALE)
    way = ddim.trajectory(eps, noise, tiny.alphas_cumprod, _STEPS)
    made = {f"step-{at:02d}.png": _png(way[at, 0]) for at in STATIONS}
    drawn = tiny.draw(GALLERY, guidance_scale=_SCALE, steps=_STEPS, sampler="ddim", seed=_SEED)
    made |= {f"{_name(caption)}.png": _png(each) for caption, each in zip(GALLERY, drawn, strict=True)}
    latent = tiny_latent.load().draw(EMOJI, guidance_scale=_EMOJI_SCALE, steps=_STEPS, seed=_EMOJI_SEED)
    return made | {f"emoji-{_name(name)}.png": _png(each) for name, each in zip(EMOJI, latent, strict=True)}


def write(root: CourseRoot) -> Iterator[str]:
    """Draw them all and write them; the names of those whose bytes have changed."""
    for name, content in pictures().items():
        path = root.path / FOLDER / name
        if not path.is_file() or path.read_bytes() != content:
            write_atomically(path, content)
            yield name


def _name(caption: str) -> str:
    return caption.replace(" ", "-")


def _figure(file: str, alt: str, caption: str) -> str:
    image = f"<img{attributes(src=f'drawn/{file}', alt=alt, width=96, height=96)}>"
    return f'<figure>{image}<figcaption aria-hidden="true">{caption}</figcaption></figure>'


def _png(picture: Tensor) -> bytes:
    """A picture [3, H, W] of numbers from -1 to 1."""
    from PIL import Image

    values = ((picture.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG", optimize=True)
    return file.getvalue()


def main() -> None:
    """Draw the pictures of the home page again."""
    for name in write(CourseRoot.find()):
        typer.echo(name)


if __name__ == "__main__":
    typer.run(main)
