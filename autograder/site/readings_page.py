"""The readings as the pages show them: all with filters, in the path's order, an hour's worth, a module's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import get_args

from course.catalogue.readings import Kind, Level, Reading, Readings, When
from course.catalogue.syllabus import Syllabus

from .html import attributes
from .placeholders import Placeholder


def all_of_them(readings: Readings, syllabus: Syllabus) -> str:
    """Every reading, module by module, with controls that choose among them."""
    parts = [_controls(readings, syllabus)]
    for module in syllabus.road:
        if found := readings.of_module(module.id):
            parts.append(f"## {module.title} {{ #{module.id.replace('_', '-')} .reading-group }}")
            parts.append(_list(found))
    return "\n\n".join(parts)


def in_the_order_of_the_path(readings: Readings) -> str:
    """The learning path, section by section; a reading that stands in it twice is shown twice."""
    parts: list[str] = []
    above = ""
    for section in readings.path:
        if section.under and section.under != above:
            parts.append(f"## {section.under}")
        above = section.under or section.heading
        parts.append(f"{'###' if section.under else '##'} {section.heading}")
        if section.note:
            parts.append(section.note)
        if section.readings:
            parts.append(_list([readings.of(id) for id in section.readings], numbered=True))
    return "\n\n".join(parts)


def in_an_hour(readings: Readings) -> str:
    """The few to take when there is only an hour, in order, and how long they take together."""
    chosen = [readings.of(id) for id in readings.hour]
    minutes = sum(reading.minutes or 0 for reading in chosen)
    return f"{_list(chosen, numbered=True)}\n\nTogether about {minutes} minutes."


def of_module(readings: Readings, module: str, placeholder: Placeholder) -> str:
    """What to read before a module's notebook, or after it."""
    when: When = "before" if placeholder.only("before", "after") == "before" else "after"
    found = readings.of_module(module, when, shared=True)
    if not found:
        raise placeholder.error(f"no reading of {module!r} is for {when} the notebook (course/readings.yaml)")
    return _list(found)


def counts(readings: Readings) -> str:
    """How many there are, in a sentence."""
    added = sum(reading.added for reading in readings.readings)
    return (
        f"{len(readings.readings) - added} from the learning path and {added} that this course adds, for the "
        "gaps that the path leaves."
    )


def _list(readings: Sequence[Reading], *, numbered: bool = False) -> str:
    tag = "ol" if numbered else "ul"
    items = "\n".join(_item(reading) for reading in readings)
    return f'<{tag} class="readings" markdown="1">\n{items}\n</{tag}>'


def _item(reading: Reading) -> str:
    data = attributes(
        class_="reading",
        data_kind=reading.kind,
        data_level=reading.level,
        data_module=reading.module,
        data_origin="added" if reading.added else "path",
    )
    by = f" · {reading.author}" if reading.author else ""
    chips = "".join(f'<span class="chip {kind}">{text}</span>' for kind, text in _chips(reading))
    return f"""\
<li{data} markdown="1">
[{reading.title}]({reading.url}){{ .title }}<span class="by">{by}</span>
<span class="chips">{chips}</span>
<span class="remark" markdown="span">{reading.remark}</span>
</li>"""


def _chips(reading: Reading) -> Iterable[tuple[str, str]]:
    yield "kind", reading.kind
    if reading.minutes:
        yield "length", f"{reading.minutes} min"
    if reading.length:
        yield "length", reading.length
    yield "level", reading.level
    if reading.added:
        yield "added", "added by this course"
    elif reading.reviewed is False:
        yield "unreviewed", "not reviewed by the path"


def _controls(readings: Readings, syllabus: Syllabus) -> str:
    kinds = [kind for kind in get_args(Kind) if any(each.kind == kind for each in readings.readings)]
    modules = [(module.id, module.title) for module in syllabus.road if readings.of_module(module.id)]
    selects = (
        _select("kind", "Kind", [(kind, kind) for kind in kinds])
        + _select("level", "Level", [(level, level) for level in get_args(Level)])
        + _select("module", "Module", modules)
        + _select("origin", "From", [("path", "the learning path"), ("added", "this course")])
    )
    return (
        f'<form class="filters" id="filters" hidden>{selects}'
        '<button type="reset" class="md-button">Show all</button>'
        '<output id="filtered" aria-live="polite"></output></form>'
    )


def _select(name: str, label: str, choices: Iterable[tuple[str, str]]) -> str:
    options = "".join(f'<option value="{value}">{text}</option>' for value, text in choices)
    return f'<label>{label} <select name="{name}"><option value="">any</option>{options}</select></label>'
