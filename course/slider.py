"""Pictures to go through with a slider, for what changes with a number: a scale, a timestep, a rank.

Everything is in the page: no server, no widget to install. Where scripts do not run (a notebook shown on
GitHub), the first picture's caption stands in its place.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from course.clickable import Clickable

_PAGE = """
<figure id="ID" style="margin:0.5em 0; max-width:560px; font-family:sans-serif">
  <canvas width="W" height="H" role="img" aria-label="LABEL"
    style="display:none; width:100%; image-rendering:pixelated; border:1px solid #888"></canvas>
  <input type="range" min="0" max="LAST" value="START" step="1" aria-label="LABEL"
    style="display:none; width:100%; margin:0.6em 0 0">
  <figcaption aria-live="polite" style="font-size:0.95em; margin-top:0.3em">
    Run this cell to move the slider.
  </figcaption>
</figure>
<script>
(() => {
  const {width, height, pictures, captions} = DATA;
  const bytes = Uint8Array.from(atob(pictures), c => c.charCodeAt(0)), count = width * height;
  const figure = document.getElementById("ID");
  const canvas = figure.querySelector("canvas"), slider = figure.querySelector("input");
  const caption = figure.querySelector("figcaption");
  canvas.style.display = slider.style.display = "block";
  const draw = () => {
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    const start = 3 * count * slider.value;
    for (let i = 0; i < count; i++) {
      image.data.set(bytes.subarray(start + 3 * i, start + 3 * i + 3), 4 * i);
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    caption.textContent = captions[slider.value];
    slider.setAttribute("aria-valuetext", captions[slider.value]);
  };
  slider.addEventListener("input", draw);
  // The notebook would take the arrow keys for itself.
  slider.addEventListener("keydown", event => event.stopPropagation());
  draw();
})();
</script>
"""


def slide(
    pictures: Float[Tensor, "N 3 H W"], captions: Sequence[str], what: str, start: int = 0
) -> Clickable:
    """The pictures, one at a time, with a slider below; `what` names the number that it sets.

    Colours from 0 to 1; what lies outside is cut off. Raises ValueError if there is not a caption for each.
    """
    if len(pictures) != len(captions):
        raise ValueError(f"there are {len(pictures)} pictures and {len(captions)} captions: one each")
    count, _, height, width = pictures.shape
    steps = (pictures.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    data = json.dumps(
        {
            "width": width,
            "height": height,
            "pictures": base64.b64encode(steps.numpy().tobytes()).decode(),
            "captions": list(captions),
        }
    ).replace("</", "<\\/")
    description = f"A slider for {what}, and a picture for each of its {count} places."
    name = "slider-" + hashlib.sha256(data.encode()).hexdigest()[:12]
    page = _PAGE.replace("ID", name).replace('"W"', f'"{width}"').replace('"H"', f'"{height}"')
    page = page.replace('"LAST"', f'"{count - 1}"').replace('"START"', f'"{start}"')
    page = page.replace("LABEL", html.escape(description, quote=True))
    return Clickable(page.replace("DATA", data), description)
