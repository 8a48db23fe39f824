"""What Kubernetes takes: the types of its own API, from its client, checked down to the last key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kubernetes_asyncio.client import models

PLAIN: dict[str, type | tuple[type, ...]] = {
    "str": (str, int, float),  # quantities such as `cpu: 2` are strings that YAML reads as numbers
    "int": int,
    "float": (int, float),
    "bool": bool,
}


def wrong(value: Any, kind: str, where: str = "") -> Iterator[str]:
    """What does not fit, each as `where: what`; `kind` is a class of the API, such as V1Deployment."""
    if kind == "object":  # an integer or a string, mostly; nothing is known of it
        return
    if of_list := re.fullmatch(r"list\[(.+)\]", kind):
        if not isinstance(value, list):
            yield f"{where}: a list is expected"
            return
        for number, item in enumerate(value):
            yield from wrong(item, of_list[1], f"{where}[{number}]")
    elif of_dict := re.fullmatch(r"dict\(str, (.+)\)", kind):
        for key, item in value.items():
            yield from wrong(item, of_dict[1], f"{where}.{key}")
    elif kind in PLAIN:
        if not isinstance(value, PLAIN[kind]) or (isinstance(value, bool) and kind != "bool"):
            yield f"{where}: {value!r} is no {kind}"
    else:
        yield from _wrong_object(value, getattr(models, kind), where)


def _wrong_object(value: Any, model: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {model.__name__} is expected"
        return
    names = {key: attribute for attribute, key in model.attribute_map.items()}
    for key, item in value.items():
        if key not in names:
            yield f"{where}.{key}: {model.__name__} has no such key"
        else:
            yield from wrong(item, model.openapi_types[names[key]], f"{where}.{key}")
