"""Nothing secret in `docs/`, of which the site is made; tests/site/test_built.py searches what is made."""

from __future__ import annotations

from autograder.content.course_root import CourseRoot
from autograder.handout.leaks import files_below, find_leaks, secrets


def test_no_page_recording_or_list_gives_anything_away(course_root: CourseRoot) -> None:
    files = [each for each in files_below(course_root.path / "docs") if not each[0].endswith(".png")]

    assert len(files) > 40
    assert [str(leak) for leak in find_leaks(files, secrets(course_root))] == []
