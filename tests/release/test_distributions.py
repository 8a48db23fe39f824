"""What pip installs for students and for instructors, built as pip does: complete, and without secrets."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from autograder.content.course_root import CourseRoot
from autograder.handout.leaks import Secret, files_below, find_leaks, secrets
from autograder.handout.release import bundle

ROOT = CourseRoot.find(Path(__file__))


@pytest.fixture(scope="module")
def hidden() -> list[Secret]:
    return secrets(ROOT)


def build(project: Path, destination: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-t",
        "wheel",
        "-t",
        "sdist",
        "-d",
        str(destination),
    ]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=120)
    return destination


@pytest.fixture(scope="module")
def students(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT.path, tmp_path_factory.mktemp("students"))


@pytest.fixture(scope="module")
def instructors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT.path / "autograder", tmp_path_factory.mktemp("instructors"))


def in_wheel(folder: Path) -> list[str]:
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def in_sdist(folder: Path) -> list[str]:
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        return [name.partition("/")[2] for name in archive.getnames()]


def sources(folder: Path) -> set[str]:
    """Every file of a package, from the folder above it."""
    return {
        path.relative_to(folder.parent).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


def test_the_course_has_secrets_of_every_kind(hidden: list[Secret]) -> None:
    kinds = {secret.kind for secret in hidden}

    assert kinds == {"solution", "hidden suite", "known mistake", "variant", "quiz key"}


def test_the_students_wheel_is_the_package_course_with_the_notebooks_and_nothing_else(students: Path) -> None:
    packed = {name for name in in_wheel(students) if ".dist-info/" not in name}

    notebooks = {f"course/exercises/{module.id}.ipynb" for module in ROOT.syllabus.modules}
    assert packed == sources(ROOT.path / "course") | notebooks


def test_the_students_sdist_has_no_more_than_course_and_its_papers(students: Path) -> None:
    top = {name.partition("/")[0] for name in in_sdist(students)}

    assert top <= {
        "course",
        "exercises",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "pyproject.toml",
        "PKG-INFO",
        ".gitignore",
    }


def test_the_instructors_wheel_has_all_of_the_machine_and_nothing_hidden(instructors: Path) -> None:
    packed = {name for name in in_wheel(instructors) if ".dist-info/" not in name}
    machine = {
        name for name in sources(ROOT.path / "autograder") if not name.startswith("autograder/hidden/")
    }

    assert packed == machine - {"autograder/pyproject.toml"}


def test_the_instructors_sdist_has_nothing_hidden(instructors: Path) -> None:
    names = in_sdist(instructors)

    assert "build/stub.py" in names
    assert [name for name in names if name.startswith("hidden")] == []


def test_no_distribution_gives_anything_away(students: Path, instructors: Path, hidden: list[Secret]) -> None:
    built = [*files_below(students), *files_below(instructors)]

    assert len(built) == 4
    assert [str(leak) for leak in find_leaks(built, hidden)] == []


def test_the_bundle_of_the_course_gives_nothing_away(hidden: list[Secret]) -> None:
    assert [str(leak) for leak in find_leaks(bundle(ROOT).items(), hidden)] == []


def test_the_bundle_of_the_course_installs_with_its_notebooks(tmp_path: Path) -> None:
    for name, content in bundle(ROOT).items():
        (tmp_path / "bundle" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bundle" / name).write_bytes(content)

    packed = in_wheel(build(tmp_path / "bundle", tmp_path / "built"))

    assert {name for name in packed if name.endswith(".ipynb")} == {
        f"course/exercises/{module.id}.ipynb" for module in ROOT.syllabus.modules
    }


def test_a_solution_in_a_wheel_would_be_found(students: Path, hidden: list[Secret], tmp_path: Path) -> None:
    """So that the two tests above cannot pass by finding nothing anywhere."""
    (wheel,) = students.glob("*.whl")
    (tmp_path / wheel.name).write_bytes(wheel.read_bytes())
    module = ROOT.syllabus.modules[0].id
    with zipfile.ZipFile(tmp_path / wheel.name, "a") as archive:
        archive.write(ROOT.solution(module), "course/planted.py")
        archive.write(ROOT.keys(module), "course/planted.yaml")

    leaks = find_leaks(files_below(tmp_path), hidden)

    assert {leak.file for leak in leaks} == {
        f"{wheel.name}!course/planted.py",
        f"{wheel.name}!course/planted.yaml",
    }
