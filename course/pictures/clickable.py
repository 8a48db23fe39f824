"""A picture whose pixels can be asked, with the pointer or the arrow keys, where their attention goes.

Everything is in the page: no server, no widget to install. Where scripts do not run (a notebook shown on
GitHub), a sentence stands in its place, and `gallery.pixel_attention` draws the same for chosen pixels.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from course.pictures.picture import show_below_cell

_PAGE = """
<figure id="ID" style="margin:0.5em 0; max-width:720px; font-family:sans-serif">
  <div class="live" style="display:none; flex-wrap:wrap; gap:12px">
    <canvas class="picture" width="W" height="H" tabindex="0" role="img" aria-label="LABEL"
      style="flex:1 1 240px; min-width:0; image-rendering:pixelated; cursor:crosshair; touch-action:pan-y;
        box-sizing:border-box; border:1px solid #888"></canvas>
    <canvas class="heat" width="W" height="H" role="img" aria-label="where the chosen pixel looks"
      style="flex:1 1 240px; min-width:0; image-rendering:pixelated; box-sizing:border-box;
        border:1px solid #888"></canvas>
  </div>
  <figcaption aria-live="polite" style="font-size:0.9em; margin-top:0.4em">
    Run this cell to point at pixels.
  </figcaption>
</figure>
<script>
(() => {
  const {width, height, row, column, picture, weights, colours} = DATA;
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const pixels = bytes(picture), heat = bytes(weights), ramp = bytes(colours), count = width * height;
  const figure = document.getElementById("ID");
  const [left, right] = figure.querySelectorAll("canvas"), caption = figure.querySelector("figcaption");
  figure.querySelector(".live").style.display = "flex";
  let r = row, c = column;

  const paint = (canvas, colour) => {
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    for (let i = 0; i < count; i++) {
      image.data.set(colour(i), 4 * i);
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  };
  const draw = () => {
    const asking = r * width + c, start = asking * count;
    const bright = i => 3 * heat[start + i];
    paint(left, i => i === asking ? [255, 255, 255] : pixels.subarray(3 * i, 3 * i + 3));
    paint(right, i => i === asking ? [86, 180, 233] : ramp.subarray(bright(i), bright(i) + 3));
    caption.textContent = `Where the pixel in row ${r}, column ${c} looks. ` +
      "Point at the first picture, or click it and use the arrow keys.";
  };
  const point = event => {
    const box = left.getBoundingClientRect();
    c = Math.min(width - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * width)));
    r = Math.min(height - 1, Math.max(0, Math.floor((event.clientY - box.top) / box.height * height)));
    draw();
  };
  left.addEventListener("pointermove", point);
  left.addEventListener("pointerdown", point);  // a finger that only taps
  left.addEventListener("keydown", event => {
    const step = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();  // or the notebook would move to another cell
    r = Math.min(height - 1, Math.max(0, r + step[0]));
    c = Math.min(width - 1, Math.max(0, c + step[1]));
    draw();
  });
  draw();
})();
</script>
"""


@dataclass(frozen=True)
class Clickable:
    """A page that shows itself as the last line of a cell; inside a block, call `show()`."""

    html: str
    description: str

    def show(self) -> None:
        """Show it below the cell; outside a notebook, say what would be seen."""
        show_below_cell(self, otherwise=self.description)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.description}


def point_at_pixels(
    picture: Float[Tensor, "3 H W"], weights: Float[Tensor, "H*W H*W"], start: tuple[int, int] = (0, 0)
) -> Clickable:
    """The picture on the left; on the right, where the pixel under the pointer looks (bright = much)."""
    _, height, width = picture.shape
    count = height * width
    if weights.shape != (count, count):
        raise ValueError(
            f"the attention should have the shape {[count, count]}; it has {list(weights.shape)}"
        )
    from matplotlib import colormaps

    # Each row up to its brightest but a few: a pixel's weight on itself may be far above the rest.
    heat = weights / weights.quantile(0.99, dim=1, keepdim=True).clamp(min=1e-9)
    data = json.dumps(
        {
            "width": width,
            "height": height,
            "row": start[0],
            "column": start[1],
            "picture": _encoded(picture.permute(1, 2, 0)),
            "weights": _encoded(heat),
            "colours": base64.b64encode(colormaps["magma"](range(256), bytes=True)[:, :3].tobytes()).decode(),
        }
    )
    description = "A picture to point at: beside it, where the pixel under the pointer looks."
    name = "attention-" + hashlib.sha256(data.encode()).hexdigest()[:12]
    page = _PAGE.replace("ID", name).replace('"W"', f'"{width}"').replace('"H"', f'"{height}"')
    return Clickable(page.replace("LABEL", description).replace("DATA", data), description)


def _encoded(values: Tensor) -> str:
    """Numbers from 0 to 1 as bytes, in base64."""
    steps = (values.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    return base64.b64encode(steps.contiguous().numpy().tobytes()).decode()
