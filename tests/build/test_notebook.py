import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder.build import answers, check_source, compose, dump, render
from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError, UsageError

from .tiny_course import LESSON, MODULE, SOLUTION, write_tiny_course


def sources(notebook: Any) -> dict[str, str]:
    return {cell.id: cell.source for cell in notebook.cells}


def read(content: bytes) -> Any:
    return nbformat.reads(content.decode(), as_version=4)  # type: ignore[no-untyped-call]


def test_the_students_notebook_has_stubs_solution_cells_first_and_their_checks_next(tiny: CourseRoot) -> None:
    cells = list(sources(compose(tiny, "tiny")).items())
    stubs = answers(tiny, "tiny", "stub")

    place = cells.index(("tiny-pair-solution", stubs["pair"]))
    assert cells[place + 1] == ("tiny-pair-check", "check(split, merge)")
    assert ("tiny-double-solution", stubs["double"]) in cells
    assert ("tiny-tiny_quiz-check", 'check(answers, quiz="tiny_quiz")') in cells


def test_answers_replace_the_stubs_of_their_exercises_and_change_nothing_else(tiny: CourseRoot) -> None:
    stubs = sources(compose(tiny, "tiny"))
    answered = sources(compose(tiny, "tiny", {"double": "double = 'mine'"}))

    assert {id for id in stubs if stubs[id] != answered[id]} == {"tiny-double-solution"}
    assert answered["tiny-double-solution"] == "double = 'mine'"


def test_an_answer_to_no_exercise_is_refused(tiny: CourseRoot) -> None:
    with pytest.raises(UsageError, match="no exercise 'dubble' in module 'tiny'"):
        compose(tiny, "tiny", {"dubble": ""})


def test_a_solved_notebook_runs_and_its_answers_are_right(tiny: CourseRoot) -> None:
    notebook = compose(tiny, "tiny", answers(tiny, "tiny", "solved"))
    names: dict[str, Any] = {"check": lambda *_, quiz="": None}

    for cell in notebook.cells:
        if cell.cell_type == "code":
            exec(cell.source.replace("from course import check", ""), names)

    assert names["picture"] == 8
    assert names["merge"]()(*names["split"]("even")) == "even"
    assert names["answers"]["q3"] == ["a", "c"]


def test_marked_sources_turn_into_solved_ones_by_taking_the_markers_out(tiny: CourseRoot) -> None:
    marked, solved = answers(tiny, "tiny", "marked"), answers(tiny, "tiny", "solved")

    unmarked = {
        id: "\n".join(line for line in source.splitlines() if "SOLUTION" not in line)
        for id, source in marked.items()
    }
    assert unmarked == solved
    assert all(source.count("### BEGIN SOLUTION") >= 1 for source in marked.values())


def test_it_validates_has_no_outputs_and_says_what_it_is(tiny: CourseRoot) -> None:
    notebook = read(render(tiny, "tiny"))

    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata["course"] == {"module": "tiny", "title": "A tiny course"}
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_demos_and_nothing_else_are_tagged(tiny: CourseRoot) -> None:
    tags = {cell.id: cell.metadata.get("tags", []) for cell in compose(tiny, "tiny").cells}

    assert {id: tag for id, tag in tags.items() if tag} == {"tiny-double-demo-1": ["demo"]}


def test_the_file_is_sorted_indented_by_one_plain_unicode_and_ends_in_a_newline(tiny: CourseRoot) -> None:
    text = render(tiny, "tiny").decode()

    assert text == json.dumps(json.loads(text), sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    assert "●○○○○" in text


def test_the_same_course_gives_the_same_bytes_in_any_process(tiny: CourseRoot) -> None:
    here = render(tiny, "tiny")
    code = (
        "import sys, pathlib; from autograder.build import render;"
        "from autograder.content.course_root import CourseRoot;"
        "sys.stdout.buffer.write(render(CourseRoot(pathlib.Path(sys.argv[1])), 'tiny'))"
    )

    assert render(tiny, "tiny") == here
    for hash_seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", code, str(tiny.path)]
        assert subprocess.run(command, env=env, capture_output=True, check=True).stdout == here


def test_a_new_paragraph_renumbers_the_cells_of_its_own_section_only(tmp_path: Path) -> None:
    old = sources(compose(write_tiny_course(tmp_path / "old"), "tiny"))
    edited = LESSON.replace("Split, then merge.", "Split, then merge.\n\n```python\nx = 1\n```\n\nNow you.")
    new = sources(compose(write_tiny_course(tmp_path / "new", lesson=edited), "tiny"))

    added = {id for id in new if id not in old}
    assert added == {"tiny-double-code-1", "tiny-double-prose-2"}
    assert {id: new[id] for id in old} == old


def test_a_long_exercise_id_still_makes_valid_and_distinct_cell_ids(tmp_path: Path) -> None:
    long = "a_name_of_more_than_sixty_four_characters_that_goes_on_and_on_for_ever"
    root = write_tiny_course(
        tmp_path,
        module=MODULE.replace("{id: double,", f"{{id: {long}, defines: [double],"),
        lesson=LESSON.replace(": double -->", f": {long} -->"),
    )

    ids = [cell.id for cell in read(render(root, "tiny")).cells]

    assert all(len(id) <= 64 for id in ids)
    assert len(set(ids)) == len(ids)


def test_a_region_that_no_exercise_owns_is_refused(tmp_path: Path) -> None:
    orphan = SOLUTION + "\n\ndef orphan():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n"
    root = write_tiny_course(tmp_path, solution=orphan)

    with pytest.raises(ContentError, match=r"solutions/tiny\.py, line 39: 'orphan' .* no exercise"):
        compose(root, "tiny")


@pytest.mark.parametrize("part", ["lesson", "solution", "quiz"])
def test_a_file_that_is_missing_is_named(tiny: CourseRoot, part: str) -> None:
    path = getattr(tiny, part)("tiny")
    path.unlink()

    with pytest.raises(ContentError, match=tiny.relative(path)):
        compose(tiny, "tiny")


def test_check_cells_hold_names_only(tiny: CourseRoot) -> None:
    module = tiny.module("tiny")

    assert [check_source(exercise) for exercise in module.graded] == [
        "check(double)",
        "check(split, merge)",
        'check(answers, quiz="tiny_quiz")',
    ]


def test_dump_does_not_change_the_notebook(tiny: CourseRoot) -> None:
    notebook = compose(tiny, "tiny")

    assert dump(notebook) == dump(notebook)
    assert notebook == compose(tiny, "tiny")
