"""A path becomes a notebook, and nothing but an ordinary file is opened."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder import errors
from autograder.submission.read import BrokenNotebook, read
from tests.submission.examples import notebook_bytes


class TestFromTheDisk:
    def test_the_hash_is_of_the_bytes_that_were_parsed(self, tmp_path: Path) -> None:
        path = tmp_path / "ada.ipynb"
        path.write_bytes(notebook_bytes("x = 1"))
        assert read(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

    def test_a_broken_file_has_its_hash_too(self, tmp_path: Path) -> None:
        path = tmp_path / "ada.ipynb"
        path.write_bytes(b"nonsense")
        with pytest.raises(BrokenNotebook) as raised:
            read(path)
        assert raised.value.sha256 == hashlib.sha256(b"nonsense").hexdigest()

    def test_a_huge_file_is_not_read_at_all(self, tmp_path: Path) -> None:
        path = tmp_path / "ada.ipynb"
        with open(path, "wb") as file:
            file.truncate(10**12)
        with pytest.raises(BrokenNotebook, match=r"too large \(1,000,000\.0 MB"):
            read(path)

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(BrokenNotebook, match="folder"):
            read(tmp_path)

    def test_a_pipe_does_not_block(self, tmp_path: Path) -> None:
        path = tmp_path / "ada.ipynb"
        os.mkfifo(path)
        with pytest.raises(BrokenNotebook, match="pipe"):
            read(path)

    def test_a_device(self) -> None:
        with pytest.raises(BrokenNotebook, match="device"):
            read(Path("/dev/zero"))

    def test_a_link_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "bob.ipynb").write_bytes(notebook_bytes("x = 1"))
        (tmp_path / "ada.ipynb").symlink_to(tmp_path / "bob.ipynb")
        with pytest.raises(BrokenNotebook, match="symbolic link"):
            read(tmp_path / "ada.ipynb")

    def test_a_file_that_is_swapped_for_a_pipe_after_the_look_at_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "ada.ipynb"
        os.mkfifo(path)
        ordinary = os.stat(__file__)
        monkeypatch.setattr(os, "lstat", lambda _: ordinary)
        with pytest.raises(BrokenNotebook, match="pipe"):
            read(path)

    def test_a_file_that_vanished_is_no_students_fault(self, tmp_path: Path) -> None:
        with pytest.raises(errors.Fault, match="vanished"):
            read(tmp_path / "ada.ipynb")


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder of root's that everyone may look into, seen by somebody who is not root."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_read_is_no_students_fault(as_nobody: Path, what: str) -> None:
    user, path = os.geteuid(), as_nobody / "ada.ipynb"
    if os.getuid() == 0:
        os.seteuid(0)
    if what == "file":
        path.write_bytes(notebook_bytes("x = 1"))
    else:
        path.mkdir()
    path.chmod(0)
    os.seteuid(user)
    with pytest.raises(errors.Fault, match="permission denied"):
        read(path)
