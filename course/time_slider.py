"""Pictures on a slider: the same one under several schedules, from clean to noise, moved by hand.

Everything is in the page: no server, no widget to install. Where scripts do not run (a notebook shown on
GitHub), a sentence stands in its place, and `figures_noise.strips` draws the same for chosen timesteps.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from course.clickable import Clickable

_PAGE = """
<figure id="ID" style="margin:0.5em 0; max-width:960px; font-family:sans-serif">
  <div class="live" style="display:none">
    <div style="display:flex; gap:10px">PANELS</div>
    <label style="display:block; margin-top:0.6em">
      <input type="range" min="0" max="LAST" value="START" style="width:100%" aria-label="timestep">
    </label>
  </div>
  <figcaption aria-live="polite" style="font-size:0.9em; margin-top:0.2em">
    Run this cell to move the slider.
  </figcaption>
</figure>
<script>
(() => {
  const {width, height, steps, frames, notes} = DATA;
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const size = 3 * width * height, films = frames.map(bytes);
  const figure = document.getElementById("ID"), caption = figure.querySelector("figcaption");
  const slider = figure.querySelector("input"), panels = figure.querySelectorAll(".panel");
  figure.querySelector(".live").style.display = "block";
  const draw = () => {
    const at = Number(slider.value);
    panels.forEach((panel, row) => {
      const context = panel.querySelector("canvas").getContext("2d");
      const image = context.createImageData(width, height);
      for (let i = 0; i < width * height; i++) {
        image.data.set(films[row].subarray(at * size + 3 * i, at * size + 3 * i + 3), 4 * i);
        image.data[4 * i + 3] = 255;
      }
      context.putImageData(image, 0, 0);
      panel.querySelector(".note").textContent = notes[row][at];
    });
    caption.textContent = `t = ${steps[at]}. Move the slider, with the pointer or the arrow keys.`;
  };
  slider.addEventListener("input", draw);
  slider.addEventListener("keydown", event => event.stopPropagation());  // not for the notebook
  draw();
})();
</script>
"""

_PANEL = """<div class="panel" style="flex:1">
      <div style="font-weight:bold; font-size:0.9em">NAME</div>
      <canvas width="W" height="H" role="img" aria-label="the picture under the schedule NAME"
        style="width:100%; image-rendering:pixelated; border:1px solid #888"></canvas>
      <div class="note" style="font-size:0.85em; color:#666"></div>
    </div>"""


def time_slider(
    films: Mapping[str, Float[Tensor, "n 3 H W"]],
    steps: Sequence[int],
    notes: Mapping[str, Sequence[str]] | None = None,
    start: int = 0,
) -> Clickable:
    """A slider over `steps`; above it, for each name, the picture at that step (numbers from -1 to 1).

    `notes` are lines to stand below the pictures, one for each name and step.
    """
    _, _, height, width = next(iter(films.values())).shape
    for name, film in films.items():
        if film.shape != (len(steps), 3, height, width):
            expected = [len(steps), 3, height, width]
            raise ValueError(
                f"the pictures of {name!r} should have the shape {expected}; they have {list(film.shape)}"
            )
    data = json.dumps(
        {
            "width": width,
            "height": height,
            "steps": list(steps),
            "frames": [_encoded(film) for film in films.values()],
            "notes": [list((notes or {}).get(name, [""] * len(steps))) for name in films],
        }
    )
    panels = "".join(
        _PANEL.replace("NAME", html.escape(name)).replace('"W"', f'"{width}"').replace('"H"', f'"{height}"')
        for name in films
    )
    description = f"A slider over time: the same picture, noised step by step, under {', '.join(films)}."
    name = "time-" + hashlib.sha256(data.encode()).hexdigest()[:12]
    page = _PAGE.replace("ID", name).replace("LAST", str(len(steps) - 1)).replace("START", str(start))
    return Clickable(page.replace("PANELS", panels).replace("DATA", data), description)


def _encoded(film: Float[Tensor, "n 3 H W"]) -> str:
    """Pictures of numbers from -1 to 1 as bytes, in base64: red, green and blue, pixel after pixel."""
    steps = ((film.detach() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return base64.b64encode(steps.permute(0, 2, 3, 1).contiguous().cpu().numpy().tobytes()).decode()
