import tomllib
import zipfile
from pathlib import Path

import pytest

from autograder.build import render
from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError, UsageError
from autograder.handout.leaks import files_below, find_leaks, secrets
from autograder.handout.release import release
from tests.build.tiny_course import SOLUTION, SUITE


@pytest.fixture
def bundle(tiny: CourseRoot, tmp_path: Path) -> Path:
    destination = tmp_path / "bundle"
    release(tiny, destination)
    return destination


def test_the_bundle_has_the_notebooks_the_package_and_how_to_start(bundle: Path, tiny: CourseRoot) -> None:
    files = dict(files_below(bundle))

    assert sorted(files) == [
        "LICENSE",
        "README.md",
        "course/__init__.py",
        "course/modules/tiny/lesson.md",
        "course/modules/tiny/module.yaml",
        "course/modules/tiny/quiz.yaml",
        "course/syllabus.yaml",
        "exercises/tiny.ipynb",
        "pyproject.toml",
    ]
    assert files["exercises/tiny.ipynb"] == render(tiny, "tiny")


def test_the_bundle_holds_no_secret(bundle: Path, tiny: CourseRoot) -> None:
    assert find_leaks(files_below(bundle), secrets(tiny)) == []


def test_the_readme_has_the_two_commands_and_links_the_notebooks(bundle: Path) -> None:
    text = (bundle / "README.md").read_text()

    assert text.startswith("# A tiny course\n")
    assert '    python -m pip install ".[lab]"\n    course start\n' in text
    assert "| [Tiny](exercises/tiny.ipynb) | Two exercises and a quiz. | 2 | 17.5 |" in text


def test_the_project_file_is_the_courses_own_without_what_its_developers_need(bundle: Path) -> None:
    project = tomllib.loads((bundle / "pyproject.toml").read_text())

    assert project["project"]["name"] == "tiny-course"
    assert project["project"]["dependencies"] == ["torch>=2.4,<3"]
    assert project["project"]["optional-dependencies"] == {"lab": ["jupyterlab>=4.2"]}
    assert project["project"]["readme"] == "README.md"
    assert project["project"]["urls"] == {"Homepage": "https://example.org"}
    assert list(project["tool"]) == ["hatch"]


def test_a_course_without_a_licence_is_released_without(tiny: CourseRoot, tmp_path: Path) -> None:
    (tiny.path / "LICENSE").unlink()

    release(tiny, tmp_path / "bundle")

    assert not (tmp_path / "bundle" / "LICENSE").exists()
    assert (
        "license-files" not in tomllib.loads((tmp_path / "bundle" / "pyproject.toml").read_text())["project"]
    )


def test_leftovers_of_python_and_editors_stay_behind(tiny: CourseRoot, tmp_path: Path) -> None:
    for name in (
        "course/__pycache__/x.cpython-311.pyc",
        "course/.ipynb_checkpoints/x.md",
        "course/modules/.x.swp",
    ):
        (tiny.path / name).parent.mkdir(exist_ok=True)
        (tiny.path / name).write_text("")

    names = release(tiny, tmp_path / "bundle")

    assert [name for name in names if "x." in name] == []


def test_hints_can_be_switched_off(tiny: CourseRoot, tmp_path: Path, bundle: Path) -> None:
    release(tiny, tmp_path / "strict", hints=False)

    strict, usual = dict(files_below(tmp_path / "strict")), dict(files_below(bundle))
    assert strict.pop("exercises/course-settings.toml").endswith(b"\nhints = false\n")
    assert strict == usual


def test_an_empty_folder_is_taken(tiny: CourseRoot, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()

    release(tiny, tmp_path / "bundle")

    assert (tmp_path / "bundle" / "README.md").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "course"]


def test_a_folder_that_is_not_empty_is_refused_and_left_as_it_was(tiny: CourseRoot, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "thesis.tex").write_text("mine")

    with pytest.raises(UsageError, match=r"bundle is not empty \(it has 'thesis.tex'\)"):
        release(tiny, tmp_path / "bundle")

    assert dict(files_below(tmp_path / "bundle")) == {"thesis.tex": b"mine"}


@pytest.mark.parametrize("name", ["file", "bundle.zip"])
def test_a_file_that_is_there_is_refused(tiny: CourseRoot, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")

    with pytest.raises(UsageError, match="is there already"):
        release(tiny, tmp_path / name)

    assert (tmp_path / name).read_text() == "mine"


def test_a_place_that_cannot_be_written_is_one_clear_sentence(tiny: CourseRoot, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="cannot be written"):
        release(tiny, tmp_path / "file" / "bundle")


@pytest.mark.parametrize("secret", [SOLUTION, SUITE], ids=["solution", "suite"])
def test_a_bundle_with_a_secret_is_not_written(tiny: CourseRoot, tmp_path: Path, secret: str) -> None:
    (tiny.path / "course" / "examples.py").write_text(secret)

    with pytest.raises(ContentError, match=r"course/examples\.py gives away a"):
        release(tiny, tmp_path / "bundle")

    assert not (tmp_path / "bundle").exists()


def test_a_zip_has_the_same_files_and_is_the_same_each_time(
    tiny: CourseRoot, tmp_path: Path, bundle: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        release(tiny, tmp_path / name / "tiny.zip")

    one, two = ((tmp_path / name / "tiny.zip") for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert {name.removeprefix("tiny/"): archive.read(name) for name in archive.namelist()} == dict(
            files_below(bundle)
        )
    assert [path.name for path in one.parent.iterdir()] == ["tiny.zip"]
