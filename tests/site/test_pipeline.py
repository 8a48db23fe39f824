"""All modules as one picture of the pipeline."""

from __future__ import annotations

import pytest

from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError
from autograder.site.pipeline import FILE, parse, picture
from course.catalogue.syllabus import Module


def text(root: CourseRoot) -> str:
    return root.read(root.path / FILE)


def test_each_module_is_a_link_and_each_planned_one_is_shown_as_planned(course_root: CourseRoot) -> None:
    made = picture(course_root)
    for module in course_root.syllabus.road:
        if isinstance(module, Module):
            assert f'<a href="{module.id}/index.html" title="' in made
            assert f">{module.title}</a>" in made
        else:
            assert f'>{module.title} <span class="chip">to come</span>' in made
    assert made.count("<a ") == len(course_root.syllabus.modules)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[noise]", "[noise, lora]", "'lora' has two places: keep one"),
        ("[lora, ", "[", "the module 'lora' has no place: put it into a part"),
        ("[noise]", "[noise, painting]", "'painting' is no module of the syllabus"),
        ("title: A network learns", "titel: A network learns", "line "),
    ],
)
def test_a_slip_is_one_sentence(course_root: CourseRoot, old: str, new: str, message: str) -> None:
    changed = text(course_root).replace(old, new, 1)
    assert changed != text(course_root)
    with pytest.raises(ContentError, match=message):
        parse(changed, course_root.syllabus, "docs/pipeline.yaml")
