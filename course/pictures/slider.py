"""Pictures to go through with a slider, for what changes with a number: a scale, a timestep, a rank.

One picture at a time (`slide`), or several side by side that change together (`slide_panels`). Everything is
in the page: no server, no widget to install. Where scripts do not run (a notebook shown on GitHub), a
sentence stands in its place.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from course.pictures.clickable import Clickable

_PAGE = """
<figure id="@ID@" style="margin:0.5em 0; max-width:@WIDTH@; font-family:sans-serif">
  <div class="live" style="display:none">
    <div style="display:grid; gap:10px; grid-template-columns:repeat(auto-fit,minmax(100px,1fr))">
      @PANELS@</div>
    <input type="range" min="0" max="@LAST@" value="@START@" step="1" aria-label="@LABEL@"
      style="width:100%; height:44px; margin:0; touch-action:pan-y">
  </div>
  <figcaption aria-live="polite" style="font-size:0.95em; margin-top:0.3em">
    Run this cell to move the slider.
  </figcaption>
</figure>
<script>
(() => {
  const {width, height, captions, panels} = @DATA@;
  const size = 3 * width * height;
  const films = panels.map(panel => Uint8Array.from(atob(panel.pictures), c => c.charCodeAt(0)));
  const figure = document.getElementById("@ID@"), shown = figure.querySelectorAll(".panel");
  const slider = figure.querySelector("input"), caption = figure.querySelector("figcaption");
  figure.querySelector(".live").style.display = "block";
  const draw = () => {
    const at = Number(slider.value);
    shown.forEach((panel, which) => {
      const context = panel.querySelector("canvas").getContext("2d");
      const image = context.createImageData(width, height);
      for (let i = 0; i < width * height; i++) {
        image.data.set(films[which].subarray(at * size + 3 * i, at * size + 3 * i + 3), 4 * i);
        image.data[4 * i + 3] = 255;
      }
      context.putImageData(image, 0, 0);
      panel.querySelector(".note").textContent = panels[which].notes[at];
    });
    caption.textContent = captions[at];
    slider.setAttribute("aria-valuetext", captions[at]);
  };
  slider.addEventListener("input", draw);
  // The notebook would take the arrow keys for itself.
  slider.addEventListener("keydown", event => event.stopPropagation());
  draw();
})();
</script>
"""

_PANEL = """<div class="panel">
      <div style="font-weight:bold; font-size:0.9em">@NAME@</div>
      <canvas width="@W@" height="@H@" role="img" aria-label="@LABEL@"
        style="width:100%; image-rendering:pixelated; border:1px solid #888"></canvas>
      <div class="note" style="font-size:0.85em; opacity:0.8"></div>
    </div>"""


def slide(
    pictures: Float[Tensor, "N 3 H W"], captions: Sequence[str], what: str, start: int = 0
) -> Clickable:
    """The pictures, one at a time, with a slider below; `what` names the number that it sets.

    captions  one for each picture, shown below the slider
    start     where the slider stands at first

    Colours from 0 to 1; what lies outside is cut off. Raises ValueError if there is not a caption for each.
    """
    return slide_panels({"": pictures}, captions, what, start)


def slide_panels(
    panels: Mapping[str, Float[Tensor, "N 3 H W"]],
    captions: Sequence[str],
    what: str,
    start: int = 0,
    notes: Mapping[str, Sequence[str]] | None = None,
) -> Clickable:
    """Several pictures side by side, each below its name, and one slider that moves all of them.

    captions  one for each place of the slider, shown below it
    notes     by the panel's name, a line below its picture for each place; a panel may do without
    Everything else is as in `slide`. Raises ValueError if a panel has not a picture for each caption.
    """
    if not panels:
        raise ValueError("there is no panel to show")
    for name in notes or {}:
        if name not in panels:
            raise ValueError(
                f"there are notes for {name!r}, which is none of the panels: {', '.join(panels)}"
            )
    _, _, height, width = next(iter(panels.values())).shape
    for name, pictures in panels.items():
        if len(pictures) != len(captions):
            of = f" of {name!r}" if name else ""
            raise ValueError(f"there are {len(pictures)} pictures{of} and {len(captions)} captions: one each")
        if pictures.shape[1:] != (3, height, width):
            expected = [len(captions), 3, height, width]
            raise ValueError(
                f"the pictures of {name!r} should have the shape {expected}; they have {list(pictures.shape)}"
            )
    told = {name: list((notes or {}).get(name, [""] * len(captions))) for name in panels}
    for name, lines in told.items():
        if len(lines) != len(captions):
            raise ValueError(
                f"there are {len(lines)} notes for {name!r} and {len(captions)} captions: one each"
            )
    data = json.dumps(
        {
            "width": width,
            "height": height,
            "captions": list(captions),
            "panels": [
                {"pictures": _encoded(pictures), "notes": told[name]} for name, pictures in panels.items()
            ],
        }
    ).replace("</", "<\\/")
    pictures_of = f"pictures side by side ({', '.join(panels)})" if len(panels) > 1 else "a picture"
    description = f"A slider for {what}, and {pictures_of} for each of its {len(captions)} places."
    canvases = [
        _filled(_PANEL, W=width, H=height, NAME=html.escape(name), LABEL=_quoted(name or description))
        for name in panels
    ]
    page = _filled(
        _PAGE,
        ID="slider-" + hashlib.sha256(data.encode()).hexdigest()[:12],
        WIDTH="560px" if len(panels) == 1 else "960px",
        PANELS="".join(canvases),
        LAST=len(captions) - 1,
        START=start,
        LABEL=_quoted(description),
        DATA=data,
    )
    return Clickable(page, description)


def _filled(template: str, **values: object) -> str:
    """The template with each @NAME@ replaced, all in one pass: what is put in is not searched again."""
    return re.sub(r"@(\w+)@", lambda found: str(values[found[1]]), template)


def _quoted(text: str) -> str:
    return html.escape(text, quote=True)


def _encoded(pictures: Float[Tensor, "N 3 H W"]) -> str:
    """Colours from 0 to 1 as bytes, in base64: red, green and blue, pixel after pixel."""
    steps = (pictures.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    return base64.b64encode(steps.permute(0, 2, 3, 1).contiguous().cpu().numpy().tobytes()).decode()
