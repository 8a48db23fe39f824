"""Takes pictures out of the npm package `emoji-datasource-google`: the script that made `emoji.png`.

    npm pack emoji-datasource-google@16.0.0 && tar xzf emoji-datasource-google-16.0.0.tgz
    python -m course.lab.emoji.make package

The package's own names are long; `names.txt` has, for each picture, the name that captions use and, after a
tab, the characters of the emoji, by which it is found in the package.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from course.lab.emoji import COLUMNS, NAMES_FILE, SHEET, SIDE

STEP = SIDE + 2  # in the package's sheet each picture has a pixel of nothing around it


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Take the pictures of names.txt out of emoji-datasource-google."
    )
    parser.add_argument("package", type=Path, help="the unpacked package")
    parser.add_argument("--out", type=Path, default=SHEET, help="the file to write")
    arguments = parser.parse_args()
    from PIL import Image  # comes with matplotlib

    known = {each["unified"]: each for each in json.loads((arguments.package / "emoji.json").read_text())}
    theirs = np.array(Image.open(arguments.package / "img/google/sheets-clean/32.png").convert("RGBA"))
    wanted = [line.split("\t")[1] for line in NAMES_FILE.read_text("utf-8").splitlines()]
    sheet = np.zeros((-(-len(wanted) // COLUMNS) * SIDE, COLUMNS * SIDE, 4), np.uint8)
    for number, unified in enumerate(wanted):
        top, left = known[unified]["sheet_y"] * STEP + 1, known[unified]["sheet_x"] * STEP + 1
        picture = theirs[top : top + SIDE, left : left + SIDE]
        y, x = divmod(number, COLUMNS)
        # What nobody sees is black: it packs better.
        sheet[y * SIDE : (y + 1) * SIDE, x * SIDE : (x + 1) * SIDE] = picture * (picture[..., 3:] > 0)
    Image.fromarray(sheet).save(arguments.out, "PNG", optimize=True)
    print(f"{arguments.out}: {len(wanted)} pictures, {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
