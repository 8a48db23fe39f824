"""The files of docs/deployment/, as the tests read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "docs" / "deployment"
GUIDE = FOLDER.with_suffix(".md")
IMAGES = FOLDER / "images"
KUBERNETES = FOLDER / "kubernetes"


def values() -> dict[str, Any]:
    """What is given to the chart."""
    found: dict[str, Any] = yaml.safe_load((KUBERNETES / "values.yaml").read_text(encoding="utf-8"))
    return found


def manifests(name: str = "course.yaml") -> list[dict[str, Any]]:
    """The Kubernetes objects of a file."""
    return list(yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8")))


def manifest(kind: str, name: str) -> dict[str, Any]:
    """One of course.yaml's."""
    (found,) = (one for one in manifests() if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def formgrader_pod() -> dict[str, Any]:
    """The specification of the formgrader's pod."""
    found: dict[str, Any] = manifest("Deployment", "formgrader-diffusion")["spec"]["template"]["spec"]
    return found


def watch_container() -> dict[str, Any]:
    """The container that watch.yaml adds to it."""
    (patch,) = manifests("watch.yaml")
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def found_below(tree: Any, key: str) -> Iterator[Any]:
    """Every value that stands under this key, anywhere."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name == key:
                yield value
            yield from found_below(value, key)
    elif isinstance(tree, list):
        for value in tree:
            yield from found_below(value, key)


def secrets_used() -> set[tuple[str, str]]:
    """Name and key of each secret that the files take something from."""
    from tests.deployment.hub import profiles_of_an_instructor

    trees = [values(), manifests(), watch_container(), profiles_of_an_instructor()]
    return {(one["name"], one["key"]) for one in found_below(trees, "secretKeyRef")}
