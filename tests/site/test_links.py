"""Links to the outside: which there are, whether their form is right, what a real server makes of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from urllib3 import Retry

from autograder.content.course_root import CourseRoot
from autograder.errors import ContentError
from autograder.site import links
from autograder.site.links import ask, find
from course.catalogue.readings import load

ROOT = CourseRoot(Path(__file__).parents[2])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](https://a.org/b) ![i](https://c.org/d.png)", {"https://a.org/b": 1, "https://c.org/d.png": 1}),
        ("one\n\nand [with\na line break](https://a.org/B_(c) 'Title')", {"https://a.org/B_(c)": 4}),
        ("[by name][n]\n\n[n]: https://a.org\n\n<https://b.org>", {"https://a.org": 3, "https://b.org": 5}),
        ("<a href=\"https://a.org\"><img src='https://b.org'></a>", {"https://a.org": 1, "https://b.org": 1}),
        ('!!! note\n\n    [inside](https://a.org "t")\n[again](https://a.org)', {"https://a.org": 3}),
        ("````\n```\n[code](https://a.org)\n```\n````\n`[c](https://b.org)` <!-- [l](https://c.org) -->", {}),
        ("- item\n\n    ~~~python\n    [code](https://a.org)\n    ~~~\n", {}),
        ("a [page](other.md), a [mail](mailto:me@a.org), an [anchor](#here), no link: https://a.org", {}),
        ("[me](http://localhost:8000) [me](http://127.0.0.1/x) [me](http://[::1]/) [me](http://my.test)", {}),
        ("[e](https://example.org) [e](https://hub.example.com/x) [not](https://my-example.org)",
         {"https://my-example.org": 1}),
    ],
)  # fmt: skip
def test_links_of_markdown_are_those_that_a_reader_can_click(text: str, expected: dict[str, int]) -> None:
    assert find(text, "page.md") == expected


def test_links_of_yaml_are_addresses_and_links_inside_its_strings() -> None:
    text = (
        "a:\n  - url: https://a.org/b?c=d&e=f\n    note: >-\n      See\n      [it](https://b.org).\nb: []\n"
    )
    assert find(text, "some.yaml") == {"https://a.org/b?c=d&e=f": 2, "https://b.org": 3}
    with pytest.raises(ContentError, match=r"some\.yaml is not YAML"):
        find("a: [", "some.yaml")


def test_the_links_of_the_course_are_found_in_readings_lessons_and_pages() -> None:
    found = links.addresses(ROOT)
    named = {place.split(",")[0] for places in found.values() for place in places}
    assert {"course/readings.yaml", "course/modules/attention/lesson.md", "docs/deployment.md"} <= named
    assert {reading.url for reading in load().readings} <= found.keys()
    wrong = [(address, places) for address, places in found.items() if not links.FORM.fullmatch(address)]
    assert wrong == []


@pytest.mark.parametrize(
    "address",
    ["ftp://a.org/b", "htps://a.org", "https://intranet/b", "https:///b", "https://a..org",
     "https://a.org/b c", "https://a.org/?utm_source=x&b=1", "https://a.org/?b=1&fbclid=",
     "https://a.org/b.", "https://a.org/b,"],
)  # fmt: skip
def test_a_wrong_form_is_said_without_asking_anybody(address: str) -> None:
    assert ask(address)[0] == "wrong"


# --- a server to ask


VIDEOS = {"there": 200, "removed": 404, "private": 403, "later": 500}
REDIRECTS = {
    "/moved": (301, "/moved-on"),
    "/moved-on": (308, "/page"),
    "/moved-then-found": (301, "/found"),
    "/found": (302, "/page"),
    "/found-then-moved": (302, "/moved"),
    "/moved-away": (301, "/404"),
    "/circle": (302, "/circle"),
    "/file": (302, "file:///etc/hostname"),
}


class Page(BaseHTTPRequestHandler):
    """Answers with the status that is a page's name; `server.asked` has the paths."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)  # absolute when we are somebody's proxy
        self.server.asked.append(address.path)
        status, location = REDIRECTS.get(address.path, (200, ""))
        if address.path == "/oembed":
            watched = urlsplit(parse_qs(address.query)["url"][0])
            status = VIDEOS[parse_qs(watched.query)["v"][0]]
        elif address.path[1:].isdigit():
            status = int(address.path[1:])
        elif address.path == "/busy":
            status = 429 if self.server.asked.count("/busy") == 1 else 200
        elif address.path == "/slow":
            self.server.closing.wait(60)
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """The server is everybody's proxy, so that names may be anybody's, and we ask again at once."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.asked, server.closing = [], threading.Event()
    at = f"http://127.0.0.1:{server.server_address[1]}"
    for name in ("https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("http_proxy", at)
    monkeypatch.setattr(links, "RETRY", Retry(2, status_forcelist=(429, 503), raise_on_status=False))
    monkeypatch.setattr(links, "TIMEOUT", 60)
    monkeypatch.setattr(links, "OEMBED", "http://video.org/oembed")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://a.org/page#part", ("ok", "")),
        ("http://a.org/found-then-moved", ("ok", "")),
        ("http://a.org/moved#part", ("moved", "to http://a.org/page#part")),
        ("http://a.org/moved-then-found", ("moved", "to http://a.org/found")),
        ("http://a.org/moved-away", ("gone", "404 Not Found")),
        ("http://a.org/410", ("gone", "410 Gone")),
        ("http://a.org/403", ("look", "403 Forbidden")),
        ("http://a.org/429", ("look", "429 Too Many Requests")),
        ("http://a.org/999", ("look", "999")),
        ("http://a.org/500", ("silent", "500 Internal Server Error")),
        ("http://a.org/circle", ("silent", "Exceeded 30 redirects.")),
        ("http://a.org/file", ("silent", "No connection adapters were found for 'file:///etc/hostname'")),
        ("https://www.youtube.com/watch?v=there&t=5s", ("ok", "")),
        ("https://youtu.be/removed", ("gone", "404 Not Found")),
        ("https://www.youtube.com/embed/private", ("look", "403 Forbidden")),
        ("https://m.youtube.com/watch?a=b&v=later", ("silent", "500 Internal Server Error")),
    ],
)
def test_what_a_server_says(site: ThreadingHTTPServer, address: str, expected: tuple[str, str]) -> None:
    assert ask(address) == expected


def test_a_server_that_is_busy_is_asked_again_and_a_slow_one_is_silent(
    site: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask("http://a.org/busy") == ("ok", "")
    assert site.asked == ["/busy", "/busy"]
    monkeypatch.setattr(links, "TIMEOUT", 0.2)
    state, why = ask("http://a.org/slow")
    assert state == "silent"
    assert "timed out" in why
    assert site.asked.count("/slow") == 3


# --- the command


def test_the_command_says_what_is_not_as_it_should_be_and_where(
    site: ThreadingHTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT.path)
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    page.write_text(
        "[a](http://a.org/page)\n[b](http://b.org/404)\n[c](http://c.org/403)\n"
        "[d](http://d.org/moved)\n[e](http://e.org/page.)\n"
    )
    other.write_text("[b](http://b.org/404)\n")
    assert links.main(str(page), str(other)) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"gone    http://b.org/404 (404 Not Found); {page}, line 2; {other}, line 1",
        f"look    http://c.org/403 (403 Forbidden); {page}, line 3",
        f"moved   http://d.org/moved (to http://d.org/page); {page}, line 4",
        f"wrong   http://e.org/page. (misspelt, or follows its readers); {page}, line 5",
        "5 addresses: 1 ok, 1 gone, 1 look, 1 moved, 1 wrong",
    ]
    page.write_text("[a](http://a.org/page) [c](http://c.org/403) [d](http://d.org/moved)\n")
    assert links.main(str(page)) == 0


def test_when_nothing_at_all_is_reached_the_fault_is_this_machines(
    site: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT.path)
    monkeypatch.setattr(links, "SOURCES", ("course/modules/attention/lesson.md",))
    monkeypatch.setattr(links, "OEMBED", "https://video.org/oembed")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{site.server_address[1]}")  # it does not CONNECT
    assert links.main() == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("None of 6 addresses could be reached: this machine has no network")
