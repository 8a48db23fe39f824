"""A photograph, so that not all pictures are drawn shapes. Nothing is downloaded: matplotlib brings it along.

It shows Grace Hopper, who wrote the first compiler: an official portrait of the US Navy, 1984, by James
S. Davis. As a work of the US government it is in the public domain.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def grace_hopper(height: int = 120) -> Float[Tensor, "3 H W"]:
    """The portrait, colours from 0 to 1, so many pixels high and in its own proportions.

    Raises FileNotFoundError where matplotlib was installed without its sample data, as some systems do.
    """
    from matplotlib import cbook
    from PIL import Image

    path = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    try:
        with Image.open(path) as image:
            width = round(image.width * height / image.height)
            small = image.convert("RGB").resize((width, height), Image.Resampling.BOX)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: this matplotlib came without its sample pictures; "
            "install it with `python -m pip install --force-reinstall matplotlib`."
        ) from None
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255
