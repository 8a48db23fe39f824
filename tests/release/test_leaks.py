import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pygments
import pytest
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from autograder.build import answers, compose, dump
from autograder.build.stub import read_solution
from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError
from autograder.handout.leaks import DISTINCTIVE, Leak, Secret, files_below, find_leaks, secrets
from tests.build.tiny_course import KEYS, MISTAKES, QUIZ, SOLUTION, SUITE, write_tiny_course


@pytest.fixture
def hidden(tiny: CourseRoot) -> list[Secret]:
    return secrets(tiny)


def found(leaks: list[Leak]) -> set[str]:
    return {leak.secret.kind for leak in leaks}


def test_the_students_notebook_gives_nothing_away(tiny: CourseRoot, hidden: list[Secret]) -> None:
    assert find_leaks([("tiny.ipynb", dump(compose(tiny, "tiny")))], hidden) == []


PLANTED = {
    "a solution": (SOLUTION, "solution"),
    "a solution in another indentation": (SOLUTION.replace("    ", "\t\t"), "solution"),
    "a solution without its comments": (
        "    return left+self.secret_glue_between_halves  +  right",
        "solution",
    ),
    "a solution with comments of another": (
        "secret_factor_of_two = math.sqrt(4.0)  # mine\nreturn secret_factor_of_two * x",
        "solution",
    ),
    "a region of one short line": ("self.secret_glue_between_halves = glue  # kept", "solution"),
    "a hidden test": (SUITE, "hidden suite"),
    "what a hidden test says": (
        "Gives the same number as adding its input to itself, for small and large inputs.",
        "hidden suite",
    ),
    "what a hidden test is called": ("- agrees_with_the_sum_of_two", "hidden suite"),
    "a known mistake": (MISTAKES.replace("def double_squares", "def renamed"), "known mistake"),
    "the reason of an answer": ("One divided by two is what half of it means.", "quiz key"),
    "the answers as Python": ("answers = {'q1': 'b', 'q2': 0.5, 'q3': ['a', 'c']}", "quiz key"),
    "the answers in a comment": ('# {"q1": "b", "q2": 0.5, "q3": ["a", "c"]}', "quiz key"),
    "the file of keys": (KEYS, "quiz key"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(name: str, hidden: list[Secret]) -> None:
    text, kind = PLANTED[name]

    assert kind in found(find_leaks([("course/modules/attention/figures.py", text.encode())], hidden))


INNOCENT = {
    "the stubs": read_solution(SOLUTION, "tiny.py").stub(["double", "split", "merge"]),
    "the questions": QUIZ,
    "other answers": 'answers = {"q1": "a", "q2": 0.5, "q3": ["a", "c"]}',
    "answers that begin like the right ones": 'answers = {"q1": "both", "q2": 0.55, "q3": ["a", "c"]}',
    "a hint that quotes one line": "`return word[:secret_middle_of_word], word[secret_middle_of_word:]`",
    "the imports of a solution": "import math\n\n\ndef other(x: float) -> float:\n    return x",
}


@pytest.mark.parametrize("name", INNOCENT)
def test_what_is_public_is_no_leak(name: str, hidden: list[Secret]) -> None:
    assert find_leaks([("course/modules/attention/figures.py", INNOCENT[name].encode())], hidden) == []


def notebook_of(tiny: CourseRoot) -> bytes:
    return dump(compose(tiny, "tiny", answers(tiny, "tiny", "solved")))


def zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def tarred(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "a.whl!tiny.ipynb": lambda content: zipped("tiny.ipynb", content),
    "a.tar.gz!a.tar!tiny.ipynb": lambda content: tarred("tiny.ipynb", content),
    "a.zip!b.zip!tiny.ipynb": lambda content: zipped("b.zip", zipped("tiny.ipynb", content)),
    "a.ipynb.gz!a.ipynb": gzip.compress,
}


@pytest.mark.parametrize("path", PACKED)
def test_archives_and_notebooks_are_looked_into(path: str, tiny: CourseRoot, hidden: list[Secret]) -> None:
    content = PACKED[path](notebook_of(tiny))

    leaks = find_leaks([(path.partition("!")[0], content)], hidden)

    assert {leak.file for leak in leaks} == {path}
    assert found(leaks) == {"solution", "quiz key"}


def test_notebook_metadata_is_looked_into(tiny: CourseRoot, hidden: list[Secret]) -> None:
    notebook = compose(tiny, "tiny")
    notebook.metadata["course"]["reference"] = answers(tiny, "tiny", "marked")["double"]

    assert found(find_leaks([("tiny.ipynb", dump(notebook))], hidden)) == {"solution"}


def test_a_broken_archive_is_searched_as_it_stands(hidden: list[Secret]) -> None:
    for magic in (b"PK\x03\x04", b"\x1f\x8b", b"\0" * 257 + b"ustar"):
        assert found(find_leaks([("a.zip", magic + b"\n" + SOLUTION.encode())], hidden)) == {"solution"}


def test_a_leak_says_where_and_what(tiny: CourseRoot, hidden: list[Secret]) -> None:
    leak = find_leaks(
        [("course/x.py", b"    secret_factor_of_two = math.sqrt(4.0)\n    return secret_factor_of_two * x")],
        hidden,
    )

    assert str(leak[0]) == "course/x.py gives away a solution (solutions/tiny.py, line 9)"


def test_what_a_mistake_shares_with_the_stub_is_public(tmp_path: Path) -> None:
    root = write_tiny_course(tmp_path)
    stub = read_solution(SOLUTION, "tiny.py").stub(["merge"])
    root.mistakes("tiny").write_text(
        stub.replace('raise NotImplementedError("write merge.__init__")', "self.glue = 1")
    )

    assert find_leaks([("stub.py", stub.encode())], secrets(root)) == []


def test_every_region_test_mistake_and_key_of_the_course_yields_a_secret(hidden: list[Secret]) -> None:
    regions = read_solution(SOLUTION, "solutions/tiny.py").regions
    places = [secret.where for secret in hidden]

    for region in regions:
        lines = range(region.begin, region.end + 1)
        assert any(place == f"solutions/tiny.py, line {line}" for place in places for line in lines)
    assert {secret.kind for secret in hidden} == {"solution", "hidden suite", "known mistake", "quiz key"}


def test_files_below_a_folder_are_named_from_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.txt").write_bytes(b"c")

    assert list(files_below(tmp_path)) == [("a/b/c.txt", b"c")]


@pytest.mark.parametrize(
    ("part", "broken", "message"),
    [
        ("suite", "def f(:", "line 1: invalid syntax"),
        ("keys", "q1: [", "is not YAML"),
        ("keys", "- q1", "expected"),
    ],
)
def test_a_hidden_file_that_cannot_be_read_is_an_error_and_not_an_empty_list(
    tiny: CourseRoot, part: str, broken: str, message: str
) -> None:
    path = getattr(tiny, part)("tiny")
    path.write_text(broken)

    with pytest.raises(ContentError, match=rf"{tiny.relative(path)}.* {message}"):
        secrets(tiny)


@pytest.mark.parametrize("as_index", [False, True], ids=["a page", "the index of a search"])
def test_web_pages_are_read_as_a_browser_shows_them(as_index: bool, hidden: list[Secret]) -> None:
    page = pygments.highlight(SOLUTION, PythonLexer(), HtmlFormatter())
    assert "secret_factor_of_two = math" not in page
    name, content = "site/page.html", page
    if as_index:
        name, content = "site/search_index.json", json.dumps({"docs": [{"location": "", "text": page}]})

    assert found(find_leaks([(name, content.encode())], hidden)) == {"solution"}


@pytest.mark.parametrize("length", [DISTINCTIVE - 1, DISTINCTIVE, DISTINCTIVE + 1, 300])
def test_a_secret_is_found_wherever_it_stands(length: int) -> None:
    text = "".join(f"{number:04}" for number in range(length))[:length]
    secret = Secret("solution", "somewhere", ((text,),))

    for before in range(2 * DISTINCTIVE):
        assert found(find_leaks([("a", f"{'x' * before}{text}x".encode())], [secret])) == {"solution"}
        assert not find_leaks([("a", f"{'x' * before}{text[:-1]}".encode())], [secret])
