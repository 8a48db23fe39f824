"""Links to the outside: which there are, whether their form is right, what a real server makes of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from typer import Typer
from typer.testing import CliRunner

from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError, Fault
from autograder.site import links
from autograder.site.links import Answer, Link, ask, ask_all, fault, find
from course.catalogue.readings import load

ROOT = CourseRoot(Path(__file__).parents[2])


# --- which addresses there are


def addresses(text: str, file: str = "page.md") -> list[str]:
    return [link.address for link in find(text, file)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see [it](https://a.org/b) and ![p](http://c.org/d.png)", ["https://a.org/b", "http://c.org/d.png"]),
        ("[with\na line break](https://a.org)", ["https://a.org"]),
        ('[title](https://a.org "A title") [angles](<https://b.org>)', ["https://a.org", "https://b.org"]),
        ("[brackets](https://a.org/B_(c))", ["https://a.org/B_(c)"]),
        ("[twice](https://a.org) [twice](https://a.org)", ["https://a.org", "https://a.org"]),
        ("[by name][n]\n\n[n]: https://a.org 'Title'", ["https://a.org"]),
        ("<https://a.org/b>", ["https://a.org/b"]),
        ('<a class="x" href="https://a.org"><img src=\'https://b.org/p.png\'></a>', None),
        ("a [page](other.md#part), a [mail](mailto:me@a.org), an [anchor](#here)", []),
        ("not a link: https://a.org", []),
        ("`[code](https://a.org)` and ``[`code`](https://b.org)``", []),
        ("a lone ` here\n\n[still a link](https://a.org) and another ` there", ["https://a.org"]),
        ("<!-- [later](https://a.org) -->[now](https://b.org)", ["https://b.org"]),
        ("```\n[code](https://a.org)\n```\n[text](https://b.org)", ["https://b.org"]),
        ("````\n```\n[code](https://a.org)\n```\n````\n[text](https://b.org)", ["https://b.org"]),
        ("- item\n\n    ~~~python\n    [code](https://a.org)\n    ~~~\n", []),
        ('!!! note\n\n    [inside](https://a.org "t")', ["https://a.org"]),
        ("[a space](https://a.org/b c) [old](ftp://a.org)", ["https://a.org/b c", "ftp://a.org"]),
        (
            "[me](http://localhost:8000) [me](http://127.0.0.1/x) [me](http://[::1]/) [all](http://0.0.0.0)",
            [],
        ),
        ("[e](https://example.org) [e](https://hub.example.com/x) [e](http://my.test)", []),
        ("[not one](https://example.org.uk)", ["https://example.org.uk"]),
    ],
)
def test_links_of_markdown_are_those_that_a_reader_can_click(text: str, expected: list[str] | None) -> None:
    assert addresses(text) == (["https://a.org", "https://b.org/p.png"] if expected is None else expected)


def test_a_link_knows_its_file_and_line() -> None:
    text = (
        "one\n\n```\n[code](https://a.org)\n```\n`x`\n[a](https://b.org) [wide\n](https://c.org\n'Title')\n"
    )
    assert find(text, "docs/page.md") == [
        Link("https://b.org", "docs/page.md", 7),
        Link("https://c.org", "docs/page.md", 8),
    ]


def test_links_of_yaml_are_addresses_and_links_inside_its_strings() -> None:
    text = (
        "a:\n  - url: https://a.org/b?c=d&e=f\n    note: >-\n      See\n      [it](https://b.org).\nb: []\n"
    )
    assert find(text, "course/some.yaml") == [
        Link("https://a.org/b?c=d&e=f", "course/some.yaml", 2),
        Link("https://b.org", "course/some.yaml", 3),
    ]
    with pytest.raises(ContentError, match=r"some\.yaml is not YAML"):
        find("a: [", "course/some.yaml")


def test_the_links_of_the_course_are_found_in_readings_lessons_and_pages() -> None:
    found = links.of_course(ROOT)
    readings = [link.address for link in found if link.file == "course/readings.yaml"]
    assert readings == [reading.url for reading in load().readings]
    lines = (ROOT.path / "course/readings.yaml").read_text(encoding="utf-8").splitlines()
    assert all(link.address in lines[link.line - 1] for link in found if link.file == "course/readings.yaml")
    assert {"course/modules/attention/lesson.md", "docs/deployment.md"} <= {link.file for link in found}


# --- their form


def test_every_link_of_the_course_has_the_right_form() -> None:
    wrong = [
        f"{link}: {link.address} {fault(link.address)}"
        for link in links.of_course(ROOT)
        if fault(link.address)
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ftp://a.org/b", "does not begin with https:// or http://"),
        ("htps://a.org", "does not begin with"),
        ("//a.org/b", "does not begin with"),
        ("https://intranet/b", "has no host with a dot in it, but 'intranet'"),
        ("https:///b", "has no host with a dot in it, but ''"),
        ("https://a..org", "has no host with a dot"),
        ("https://a.org/b c", "has a space in it"),
        ("https://a.org\n/b", "has a space in it"),
        ("https://a.org:port/", "cannot be read"),
        ("https://[a.org/", "cannot be read"),
        ("https://a.org/?utm_source=x&b=1", "follows its readers: take 'utm_source' out"),
        ("https://a.org/?b=1&fbclid=", "follows its readers: take 'fbclid' out"),
        ("https://a.org/b.", "ends in '.'"),
        ("https://a.org/b,", "ends in ','"),
        ("https://a.org/b)", "ends in ')'"),
    ],
)
def test_a_wrong_form_is_named(address: str, said: str) -> None:
    assert fault(address).startswith(said)


@pytest.mark.parametrize(
    "address",
    [
        "https://www.youtube.com/watch?v=_7rMfsA24Ls&t=5s",
        "https://colab.research.google.com/drive/1roZ?usp=sharing",
        "https://github.com/Maks-s/sd-akashic#studies-toc",
        "http://yang-song.net/blog/2021/score/",
        "https://a.org/B_(c)",
        "https://a.org:8443/b",
    ],
)
def test_a_right_form_is_left_alone(address: str) -> None:
    assert fault(address) == ""


# --- a server to ask


class _Site(ThreadingHTTPServer):
    """Pages by path; `asked` has each request's method and path, `closing` ends the one without answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.asked: list[tuple[str, str]] = []
        self.agents: set[str] = set()
        self.closing = threading.Event()

    @property
    def at(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


_VIDEOS = {"there": 200, "removed": 404, "nonsense": 400, "private": 403, "alone": 401, "later": 500}


class _Page(BaseHTTPRequestHandler):
    server: _Site

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        address = urlsplit(self.path)  # absolute when we are somebody's proxy
        self.server.asked.append((self.command, address.path))
        self.server.agents.add(self.headers["User-Agent"])
        path, head = address.path, self.command == "HEAD"
        if path == "/oembed":
            watched = urlsplit(parse_qs(address.query)["url"][0])
            return self._say(_VIDEOS[parse_qs(watched.query)["v"][0]])
        if path == "/slow":
            self.server.closing.wait(30)
        if path == "/hangs-up" and head:
            return self.connection.close()
        if path.startswith("/status/"):
            return self._say(int(path.rpartition("/")[2]))
        if path.startswith("/no-head/"):
            return self._say(int(path.rpartition("/")[2]) if head else 200)
        redirects = {
            "/moved": (301, "/moved-on"),
            "/moved-on": (308, f"{self.server.at}/page"),
            "/moved-then-found": (301, "/found"),
            "/found": (302, "/page"),
            "/found-then-moved": (302, "/moved"),
            "/moved-away": (301, "/status/404"),
            "/circle": (302, "/circle"),
            "/file": (302, "file:///etc/hostname"),
        }
        if path in redirects:
            return self._say(*redirects[path])
        return self._say(200)

    def _say(self, status: int, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _serving() -> Iterator[_Site]:
    site = _Site()
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.closing.set()
        site.shutdown()
        thread.join()
        site.server_close()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Site]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with _serving() as running:
        yield running


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nothing listens, and nobody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


# --- what it answers


@pytest.mark.parametrize(
    ("path", "state", "said"),
    [
        ("/page", "ok", ""),
        ("/page#part", "ok", ""),
        ("/found", "ok", ""),
        ("/found-then-moved", "ok", ""),
        ("/moved", "moved", "{at}/page"),
        ("/moved#part", "moved", "{at}/page#part"),
        ("/moved-then-found", "moved", "{at}/found"),
        ("/moved-away", "gone", "404 Not Found (at {at}/status/404)"),
        ("/status/404", "gone", "404 Not Found"),
        ("/status/410", "gone", "410 Gone"),
        ("/status/500", "silent", "500 Internal Server Error"),
        ("/status/403", "look", "403 Forbidden"),
        ("/status/429", "look", "429 Too Many Requests"),
        ("/status/999", "look", "999"),
        ("/circle", "look", "leads from one address to the next, 10 times and more"),
        ("/file", "silent", "leads to file:///etc/hostname"),
        ("/no-head/405", "ok", ""),
        ("/no-head/404", "ok", ""),
        ("/no-head/403", "ok", ""),
        ("/hangs-up", "ok", ""),
    ],
)
def test_what_a_server_says_of_a_page(site: _Site, path: str, state: str, said: str) -> None:
    answer = ask(site.at + path, timeout=60)
    assert answer == Answer(site.at + path, state, said.format(at=site.at))  # type: ignore[arg-type]


def test_a_page_is_asked_for_its_head_alone_and_by_our_name(site: _Site) -> None:
    ask(f"{site.at}/moved#part", timeout=60)
    assert site.asked == [("HEAD", "/moved"), ("HEAD", "/moved-on"), ("HEAD", "/page")]
    assert len(site.agents) == 1
    assert "diffusion-course" in site.agents.pop()


def test_a_bad_answer_to_head_is_asked_for_again(site: _Site) -> None:
    ask(f"{site.at}/status/404", timeout=60)
    assert site.asked == [("HEAD", "/status/404"), ("GET", "/status/404")]


def test_a_server_that_takes_too_long_is_silent(site: _Site) -> None:
    answer = ask(f"{site.at}/slow", timeout=0.2)
    assert (answer.state, answer.said) == ("silent", "timed out")


def test_nobody_there_is_silent(site: _Site, nobody: str) -> None:
    answer = ask(f"{nobody}/page", timeout=60)
    assert answer.state == "silent"
    assert "refused" in answer.said


@pytest.mark.parametrize(
    ("address", "state", "said"),
    [
        ("https://www.youtube.com/watch?v=there&t=5s", "ok", ""),
        ("https://youtu.be/there?t=5", "ok", ""),
        ("https://www.youtube.com/embed/there", "ok", ""),
        ("https://m.youtube.com/watch?v=removed", "gone", "YouTube has no video 'removed' (404 Not Found)"),
        ("https://www.youtube.com/watch?v=nonsense", "gone", "YouTube has no video 'nonsense'"),
        ("https://www.youtube.com/watch?v=later", "silent", "YouTube says 500 Internal Server Error"),
        ("https://www.youtube.com/watch?v=private", "look", "YouTube says 403 Forbidden"),
        ("https://www.youtube.com/watch?v=alone", "look", "YouTube says 401 Unauthorized"),
    ],
)
def test_a_video_is_asked_for_by_oembed(site: _Site, address: str, state: str, said: str) -> None:
    answer = ask(address, timeout=60, oembed=f"{site.at}/oembed")
    assert answer.state == state
    assert answer.said.startswith(said)
    assert bool(answer.said) == bool(said)
    assert site.asked == [("GET", "/oembed")]


def test_answers_come_in_the_order_of_the_questions(site: _Site, nobody: str) -> None:
    paths = [f"{site.at}/status/{status}" for status in (200, 404, 403)] * 5
    answers = ask_all([*paths, nobody], timeout=60, jobs=4)
    assert [answer.address for answer in answers] == [*paths, nobody]
    assert [answer.state for answer in answers] == [*(["ok", "gone", "look"] * 5), "silent"]


def test_when_nothing_at_all_is_reached_the_fault_is_this_machines(site: _Site, nobody: str) -> None:
    with pytest.raises(Fault, match="None of 2 addresses could be reached: this machine has no network"):
        ask_all([nobody, f"{nobody}/page"], timeout=60)
    with pytest.raises(Fault, match="None of 2 addresses"):  # a proxy may refuse http and not connect https
        ask_all([nobody, f"{site.at}/status/403"], timeout=60)
    refused = ask_all([f"{site.at}/status/403"], timeout=60)
    assert [answer.state for answer in refused] == ["look"]


# --- the command, with the server as its proxy, so that the names may be anybody's


@pytest.fixture
def command(site: _Site, monkeypatch: pytest.MonkeyPatch) -> Typer:
    monkeypatch.setenv("http_proxy", site.at)
    monkeypatch.chdir(ROOT.path)
    app = Typer()
    app.command()(links.main)
    return app


def test_the_command_says_what_is_not_as_it_should_be(command: Typer, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "[a](http://a.org/page)\n[b](http://b.org/status/404)\n[c](http://c.org/status/403)\n"
        "[d](http://d.org/moved-then-found)\n[e](http://e.org/page.)\n[b](http://b.org/status/404)\n",
        encoding="utf-8",
    )
    result = CliRunner().invoke(command, [str(page), "--timeout", "60", "--jobs", "2"])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"wrong   http://e.org/page. ends in '.'; {page}, line 5",
        f"gone    http://b.org/status/404 (404 Not Found); {page}, line 2; {page}, line 6",
        f"look    http://c.org/status/403 (403 Forbidden); {page}, line 3",
        f"moved   http://d.org/moved-then-found to http://d.org/found; {page}, line 4",
        "4 asked: 1 answer, 1 moved for good, 1 to look at yourself, 1 gone, 0 silent; 1 misspelt",
    ]


def test_a_move_or_a_refusal_is_no_failure(command: Typer, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "[a](http://a.org/page) [c](http://c.org/status/403) [d](http://d.org/moved)", encoding="utf-8"
    )
    result = CliRunner().invoke(command, [str(page), "--timeout", "60"])
    assert (result.exit_code, len(result.output.splitlines())) == (0, 3)


def test_without_files_it_asks_for_the_courses_own(
    command: Typer, site: _Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "SOURCES", ("course/modules/attention/lesson.md",))
    monkeypatch.setenv("https_proxy", site.at)  # it refuses to connect, as the proxy of a closed network does
    result = CliRunner().invoke(command, ["--timeout", "60"])
    assert result.exit_code == 3
    assert result.output.startswith("None of 6 addresses could be reached: this machine has no network")
    assert len(result.output.splitlines()) == 1


def test_a_file_that_is_not_there_is_the_callers_mistake(command: Typer, tmp_path: Path) -> None:
    assert CliRunner().invoke(command, [str(tmp_path / "no.md")]).exit_code == 2
