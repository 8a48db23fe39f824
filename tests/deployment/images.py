"""Dockerfiles, as far as the tests need to understand them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.deployment.files import IMAGES, REPOSITORY

NAMES = ("student", "grading")


def dockerfile(name: str) -> Path:
    return IMAGES / f"{name}.Dockerfile"


def instructions(name: str) -> list[tuple[str, str]]:
    """Each instruction and its arguments, continued lines joined, comments left out."""
    text = dockerfile(name).read_text(encoding="utf-8")
    text = re.sub(r"(?m)^\s*#.*\n", "", text)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    found = [line.partition(" ") for line in lines if line.strip()]
    return [(word.upper(), rest.strip()) for word, _, rest in found]


def copied(name: str) -> Iterator[tuple[str, Path]]:
    """What the image gets from the repository: where it lies there, and the file."""
    here = "/"
    for word, rest in instructions(name):
        if word == "WORKDIR":
            here = rest
        if word in ("COPY", "ADD"):
            *sources, target = json.loads(rest) if rest.startswith("[") else rest.split()
            place = Path(here, target)
            for source in sources:
                path = REPOSITORY / source
                assert path.exists(), f"{name}: {source} is not in the repository"
                for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                    if file.is_file() and "__pycache__" not in file.parts:
                        below = file.relative_to(path) if path.is_dir() else Path(path.name)
                        one = path.is_file() and not target.endswith("/")
                        yield str(place if one else place / below), file
