"""KaTeX, which sets the mathematics in the reader's browser, as `make docs` installs it with npm."""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import UsageError

FOLDER = Path(sys.prefix, "lib", "node_modules", "katex", "dist")


def installed() -> bool:
    return (FOLDER / "katex.min.js").is_file()


def files() -> dict[str, Path]:
    """Name → file, of those that a browser asks for: of the fonts, the one format that all of them read."""
    if not installed():
        raise UsageError(
            "KaTeX, which sets the mathematics, is not installed: run `make docs`, which does that."
        )
    found = [FOLDER / "katex.min.js", FOLDER / "katex.min.css", *sorted(FOLDER.glob("fonts/*.woff2"))]
    return {path.relative_to(FOLDER).as_posix(): path for path in found}
