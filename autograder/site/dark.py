"""A figure of the course as it suits a dark page: while a notebook is recorded, each is drawn a second time.

Lightness is turned round, hues stay: ink becomes light, white becomes the page, and Okabe and Ito's colours,
which are of medium lightness, become a little lighter. What lies on an image stays, and so do images.
"""

from __future__ import annotations

import base64
import colorsys
import pickle
from typing import Any

from course.pictures.picture import Picture

MIME = "application/vnd.course.dark"  # in the outputs of a notebook that is being recorded
GROUND = "#1e2129"  # Material's slate
_DARKEST, _LIGHTEST = 0.139, 0.9  # lightness of the ground and of what was black


def both() -> None:
    """From now on a picture that shows itself is in the notebook twice, light and dark."""
    light = Picture._repr_mimebundle_

    def bundle(self: Picture, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = light(self)
        return {**data, MIME: base64.b64encode(in_the_dark(self).png()).decode()}, metadata

    Picture._repr_mimebundle_ = bundle  # type: ignore[method-assign]


def in_the_dark(picture: Picture) -> DarkPicture:
    """The picture on a dark ground; its own figure is left as it is."""
    figure = pickle.loads(pickle.dumps(picture.figure))
    figure.canvas.draw()  # there are no ticks before
    for artist in figure.findobj(lambda artist: not _on_an_image(artist)):
        _turn(artist)
    return DarkPicture(figure, picture.description)


class DarkPicture(Picture):
    """Drawn on the ground of a dark page."""

    ground = GROUND


def turned(colour: Any) -> tuple[float, float, float, float]:
    """The colour with its lightness turned round, as red, green, blue and opacity to 1."""
    from matplotlib.colors import to_rgba

    *rgb, alpha = to_rgba(colour)
    hue, lightness, saturation = colorsys.rgb_to_hls(*rgb)
    # The power lifts what is in the middle, which would be too near to a ground that is not quite black.
    light = _DARKEST + (1 - lightness) ** 0.65 * (_LIGHTEST - _DARKEST)
    if light <= _DARKEST + 0.01:
        return (*_ground(), alpha)
    return (*colorsys.hls_to_rgb(hue, light, saturation), alpha)


def _ground() -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(GROUND)


def _on_an_image(artist: Any) -> bool:
    """Whether it is a mark or a word at a place of an image."""
    from matplotlib.axes import Axes

    axes = artist.axes
    if not isinstance(axes, Axes) or not axes.images:
        return False
    return artist in [*axes.texts, *axes.lines, *axes.patches, *axes.collections] and (
        artist.get_transform().contains_branch(axes.transData)
    )


def _turn(artist: Any) -> None:
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    if isinstance(artist, Text):
        artist.set_color(turned(artist.get_color()))
    elif isinstance(artist, Line2D):
        for part in ("color", "markerfacecolor", "markeredgecolor"):
            colour = getattr(artist, f"get_{part}")()
            if not (isinstance(colour, str) and colour in ("none", "auto")):
                getattr(artist, f"set_{part}")(turned(colour))
    elif isinstance(artist, Patch):
        face, edge = artist.get_facecolor(), artist.get_edgecolor()
        artist.set_facecolor(turned(face))
        artist.set_edgecolor(turned(edge))
    elif isinstance(artist, Collection) and artist.get_array() is None:
        artist.set_facecolor([turned(each) for each in artist.get_facecolor()])
        artist.set_edgecolor([turned(each) for each in artist.get_edgecolor()])
