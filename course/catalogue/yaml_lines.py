"""Reads a YAML file into a pydantic model, so that every error names the file and the line."""

from __future__ import annotations

from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, RootModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], text: str, source: str, error: type[Exception], **given: Any) -> Model:
    """`text` as a `model`; raises `error` with `source`, the line and what is wrong there.

    `given` are fields that are known from elsewhere, such as the file's own name.
    """
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as found:
        at = found.problem_mark or found.context_mark
        raise error(f"{source}, line {at.line + 1 if at else 1}: {found.problem}") from None
    except yaml.YAMLError as found:  # a character that YAML does not allow
        raise error(f"{source}: not YAML: {' '.join(str(found).split())}") from None
    if (twice := _key_that_stands_twice(tree)) is not None:
        raise error(
            f"{source}, line {twice.start_mark.line + 1}: {twice.value!r} stands twice in one mapping"
        )
    if not isinstance(data, dict):
        fields = " and ".join(f"`{name}`" for name in model.model_fields if name not in given)
        with_fields = "" if issubclass(model, RootModel) else f" with {fields}"
        raise error(f"{source}, line 1: expected a mapping{with_fields}")
    try:
        return model.model_validate({**data, **given})
    except ValidationError as found:
        first = found.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        message = f"{where}: {what}" if where else what
        raise error(f"{source}, line {line_of(tree, first['loc'])}: {message}") from None


def line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """The 1-based line of the deepest node on the way to `location`."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                return line
            key, node = found[0]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _key_that_stands_twice(node: yaml.Node | None) -> yaml.Node | None:
    """YAML forbids it, PyYAML takes the last one and says nothing."""
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                return key
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
            children.append(value)
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    return next((found for child in children if (found := _key_that_stands_twice(child)) is not None), None)
