"""A zip of anybody's: nothing leaves the scratch folder, nothing grows without end, nothing else breaks."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder import errors
from autograder.submission import unzip as unzipping
from autograder.submission.file import File
from autograder.submission.unzip import Archive
from course.cells.notebook import MAX_BYTES


def archive(
    path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, data in members:
            made.writestr(name, data)
    return path


def special(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o644) << 16
    return info


@pytest.fixture
def zip_path(tmp_path: Path) -> Path:
    return tmp_path / "class.zip"


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


def unzip(path: Path, scratch: Path) -> list[File]:
    """All notebooks of a zip, unpacked."""
    with Archive(path, scratch) as opened:
        notebooks = [file for file in opened.files if file.place.suffix == ".ipynb" or not file.parts]
        return [file.unpacked(MAX_BYTES) for file in notebooks]


def only(path: Path, scratch: Path) -> File:
    (entry,) = unzip(path, scratch)
    return entry


def test_what_is_asked_for_is_unpacked_and_nothing_else(zip_path: Path, scratch: Path) -> None:
    inner = io.BytesIO()
    archive_bytes = zipfile.ZipFile(inner, "w")
    archive_bytes.writestr("eve/attention.ipynb", b"nested")
    archive_bytes.close()
    archive(
        zip_path, ("ada/attention.ipynb", b"hers"), ("ada/data.csv", b"1"), ("inner.zip", inner.getvalue())
    )
    entry = only(zip_path, scratch)
    assert (entry.parts, entry.path.read_bytes(), entry.problem) == (("ada", "attention.ipynb"), b"hers", "")
    assert [path for path in scratch.rglob("*") if path.is_file()] == [entry.path]


def test_folders_are_known_also_where_they_hold_no_notebook(zip_path: Path, scratch: Path) -> None:
    archive(zip_path, ("ada/", b""), ("bob/x/notes.txt", b""), (".git/config", b""))
    with Archive(zip_path, scratch) as opened:
        assert opened.folders == {("ada",), ("bob",), ("bob", "x")}


def test_names_of_windows_are_read(zip_path: Path, scratch: Path) -> None:
    archive(zip_path, ("class\\ada\\attention.ipynb", b"x"))
    assert only(zip_path, scratch).parts == ("class", "ada", "attention.ipynb")


def test_a_backslash_in_a_students_name_leads_into_nobodys_folder(zip_path: Path, scratch: Path) -> None:
    archive(zip_path, ("ada\\x/attention.ipynb", b"eve's"), ("ada/attention.ipynb", b"hers"))
    assert [entry.parts[0] for entry in unzip(zip_path, scratch)] == ["ada\\x", "ada"]


@pytest.mark.parametrize("end", ["/.", "/./."])
def test_a_name_that_ends_as_no_file_does(zip_path: Path, scratch: Path, end: str) -> None:
    archive(zip_path, (f"ada/attention.ipynb{end}", b"x"), ("bob/attention.ipynb", b"y"))
    assert [entry.parts[0] for entry in unzip(zip_path, scratch)] == ["ada", "bob"]


class TestRefusedEntries:
    @pytest.mark.parametrize(
        "name",
        [
            "../attention.ipynb",
            "ada/../../attention.ipynb",
            "ada/..\\..\\attention.ipynb",
            "/etc/attention.ipynb",
            "\\\\server\\attention.ipynb",
            "C:\\attention.ipynb",
            "c:attention.ipynb",
            "bob/../ada/attention.ipynb",
        ],
    )
    def test_a_place_that_leads_out(self, zip_path: Path, scratch: Path, name: str) -> None:
        archive(zip_path, (name, b"evil"), ("bob/attention.ipynb", b"good"))
        refused, good = unzip(zip_path, scratch)
        assert refused.parts == ()
        assert "whose place is not within it" in refused.problem
        assert good.path.read_bytes() == b"good"
        assert len([path for path in zip_path.parent.rglob("*.ipynb") if path.is_file()]) == 1

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            (b"ada_attention.txt\0.ipynb", "ada_attention.txt\\x00.ipynb"),
            (b"\0ada_attention.ipynb", "\\x00ada_attention.ipynb"),
        ],
    )
    def test_a_name_with_a_zero_byte(self, zip_path: Path, scratch: Path, name: bytes, shown: str) -> None:
        plain = name.replace(b"\0", b"+")
        archive(zip_path, (plain.decode(), b"x"))
        zip_path.write_bytes(zip_path.read_bytes().replace(plain, name))
        assert f"`{shown}`" in only(zip_path, scratch).problem

    @pytest.mark.parametrize(
        ("kind", "says"),
        [
            (stat.S_IFLNK, "symbolic link"),
            (stat.S_IFCHR, "ordinary"),
            (stat.S_IFIFO, "ordinary"),
            (stat.S_IFDIR, "ordinary"),
        ],
    )
    def test_links_and_devices(self, zip_path: Path, scratch: Path, kind: int, says: str) -> None:
        archive(zip_path, (special("ada/attention.ipynb", kind), b"/etc/passwd"))
        entry = only(zip_path, scratch)
        assert (entry.parts, entry.path) == (("ada", "attention.ipynb"), zip_path)
        assert says in entry.problem

    def test_an_encrypted_one(self, zip_path: Path, scratch: Path) -> None:
        archive(zip_path, ("attention.ipynb", b"x"))
        data = bytearray(zip_path.read_bytes())
        data[data.index(b"PK\x01\x02") + 8] |= 1
        data[6] |= 1
        zip_path.write_bytes(data)
        assert (
            only(zip_path, scratch).problem
            == "The zip is encrypted: zip the notebook again without a password."
        )

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_an_unusual_compression(self, zip_path: Path, scratch: Path, method: int) -> None:
        archive(zip_path, ("attention.ipynb", b"x" * 100), method=method)
        assert f"compression method {method}" in only(zip_path, scratch).problem

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_two_of_one_name(self, zip_path: Path, scratch: Path) -> None:
        archive(zip_path, ("ada/attention.ipynb", b"one"), ("ada/attention.ipynb", b"two"))
        assert {entry.problem for entry in unzip(zip_path, scratch)} == {
            "The zip has 2 files of the same name (`ada/attention.ipynb`)."
        }

    def test_a_damaged_one(self, zip_path: Path, scratch: Path) -> None:
        archive(
            zip_path,
            ("ada/attention.ipynb", b"hers" * 100),
            ("bob/attention.ipynb", b"his"),
            method=zipfile.ZIP_STORED,
        )
        zip_path.write_bytes(zip_path.read_bytes().replace(b"hershers", b"hersHERS", 1))
        ada, bob = unzip(zip_path, scratch)
        assert ada.problem == "The file in the zip is damaged: zip it again."
        assert bob.path.read_bytes() == b"his"


class TestBombs:
    def test_a_large_one_among_small_ones(self, zip_path: Path, scratch: Path) -> None:
        archive(zip_path, ("ada/attention.ipynb", bytes(MAX_BYTES + 1)), ("bob/attention.ipynb", b"his"))
        ada, bob = unzip(zip_path, scratch)
        assert (
            ada.problem
            == "The file in the zip is larger than 20 MB: clear the notebook's outputs and zip it again."
        )
        assert bob.path.read_bytes() == b"his"

    def test_one_that_lies_about_its_size(self, zip_path: Path, scratch: Path) -> None:
        """The size stated is 1,000 bytes, in both places; what comes out is counted."""
        archive(zip_path, ("attention.ipynb", bytes(MAX_BYTES * 2)))
        true, lie = struct.pack("<I", MAX_BYTES * 2), struct.pack("<I", 1000)
        zip_path.write_bytes(zip_path.read_bytes().replace(true, lie))
        assert "damaged" in only(zip_path, scratch).problem
        assert sum(path.stat().st_size for path in scratch.rglob("*.ipynb")) <= MAX_BYTES

    def test_entries_that_share_their_bytes(self, zip_path: Path, scratch: Path) -> None:
        """Fifield's bomb: every entry of the list points at the same compressed bytes."""
        archive(zip_path, ("a.ipynb", bytes(5_000_000)), ("b.ipynb", b"x"), ("c.ipynb", b"y"))
        data = bytearray(zip_path.read_bytes())
        first = data.index(b"PK\x01\x02")
        second = data.index(b"PK\x01\x02", first + 1)
        data[second + 16 : second + 28] = data[first + 16 : first + 28]  # checksum and sizes
        data[second + 42 : second + 46] = data[first + 42 : first + 46]  # where it begins
        zip_path.write_bytes(data)
        problems = {entry.parts: entry.problem for entry in unzip(zip_path, scratch)}
        assert "zip bomb" in problems[("a.ipynb",)]
        assert "zip bomb" in problems[("b.ipynb",)]
        assert problems[("c.ipynb",)] == ""

    def test_more_files_than_one_student_hands_in(self, zip_path: Path, scratch: Path) -> None:
        archive(zip_path, *((f"{number}.ipynb", b"x") for number in range(4)))
        with pytest.raises(errors.Unreadable, match="more than 3 files"):
            Archive(zip_path, scratch, 3)

    def test_a_list_of_files_too_long_to_read(
        self, zip_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(unzipping, "MAX_DIRECTORY", 100_000)
        archive(zip_path, *((f"{number:050}.txt", b"") for number in range(1_500)))
        with pytest.raises(errors.Unreadable, match="lists too many files"):
            unzip(zip_path, scratch)


class TestWholeArchives:
    @pytest.mark.parametrize(
        "data", [b"", b"not a zip", b"PK\x05\x06" + bytes(10), b"PK\x05\x06" + b"\xff" * 18]
    )
    def test_what_is_no_zip(self, zip_path: Path, scratch: Path, data: bytes) -> None:
        zip_path.write_bytes(data)
        with pytest.raises(errors.Unreadable, match="not a zip"):
            unzip(zip_path, scratch)

    def test_one_that_points_before_its_beginning(self, zip_path: Path, scratch: Path) -> None:
        end = b"PK\x05\x06" + bytes(18)
        zip_path.write_bytes(b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 1) + end)
        with pytest.raises(errors.Unreadable, match="not a zip"):
            unzip(zip_path, scratch)

    def test_one_whose_files_begin_before_it(self, zip_path: Path, scratch: Path) -> None:
        archive(zip_path, ("attention.ipynb", b"x"))
        data = bytearray(zip_path.read_bytes())
        at = data.index(b"PK\x05\x06") + 16
        data[at : at + 4] = struct.pack("<I", struct.unpack("<I", data[at : at + 4])[0] + 50)
        zip_path.write_bytes(data)
        assert "damaged" in only(zip_path, scratch).problem

    @pytest.mark.parametrize("broken", ["ZipFile", "ZipFile.open"])
    def test_a_disk_that_fails_is_no_students_fault(
        self, zip_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, broken: str
    ) -> None:
        archive(zip_path, ("attention.ipynb", b"x"))

        def failing(*_: object) -> object:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(f"zipfile.{broken}", failing)
        with pytest.raises(errors.Fault, match="Input/output error"):
            unzip(zip_path, scratch)

    def test_one_without_anything(self, zip_path: Path, scratch: Path) -> None:
        assert unzip(archive(zip_path), scratch) == []

    def test_a_scratch_that_cannot_be_written_is_no_students_fault(
        self, zip_path: Path, scratch: Path
    ) -> None:
        archive(zip_path, ("attention.ipynb", b"x"))
        scratch.write_bytes(b"a file where a folder should be")
        with pytest.raises(errors.Fault, match="could not be unpacked"):
            unzip(zip_path, scratch)

    def test_a_full_disk_is_no_students_fault(
        self, zip_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        archive(zip_path, ("attention.ipynb", b"x"))
        real = os.open

        def full(path: str | Path, flags: int, mode: int = 0o777) -> int:
            if str(path).endswith(".ipynb"):
                raise OSError(28, "No space left on device")
            return real(path, flags, mode)

        monkeypatch.setattr(os, "open", full)
        with pytest.raises(errors.Fault, match="No space left"):
            unzip(zip_path, scratch)


@given(st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_damaged_zip_is_unpacked_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = archive(
        tmp_path / "class.zip",
        ("ada/attention.ipynb", b"hers" * 20),
        ("../x.ipynb", b"evil"),
        (special("bob/attention.ipynb", stat.S_IFLNK), b"/etc/passwd"),
    )
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)) | st.just(len(whole)))])
    try:
        entries = unzip(path, tmp_path / "scratch")
    except errors.Unreadable:
        return
    for entry in entries:
        assert entry.problem or entry.path.is_relative_to(tmp_path / "scratch")
        assert entry.problem == "" or entry.problem.endswith(".")
