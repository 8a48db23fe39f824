"""A picture in a notebook, its words for who cannot see it, and patience with what is not written yet."""

from __future__ import annotations

import struct

import pytest
import torch
from torch import nn

from course.pictures.picture import needs
from course.pictures.strips import strips


def test_it_is_a_png_of_twice_the_size_that_is_shown_with_a_description() -> None:
    picture = strips({"noise": [torch.zeros(3, 4, 6)]}, [""])
    data, metadata = picture._repr_mimebundle_()
    (width,) = struct.unpack(">I", data["image/png"][16:20])
    assert data["image/png"].startswith(b"\x89PNG")
    assert metadata["image/png"]["width"] == width // 2
    assert metadata["image/png"]["alt"] == data["text/plain"] == picture.description


def test_outside_a_notebook_it_says_what_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    picture = strips({"": [torch.zeros(3, 4, 6)]}, [""])
    picture.show()
    assert capsys.readouterr().out == f"{picture.description}\n"


class TestNeeds:
    def test_says_what_to_write_first(self, capsys: pytest.CaptureFixture[str]) -> None:
        with needs("CrossAttention"):
            raise NotImplementedError("write CrossAttention.forward")
        assert capsys.readouterr().out == (
            "Write `CrossAttention.forward` first: this picture is drawn with it.\n"
        )

    def test_says_which_cell_to_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        with needs("split_heads"):
            split_heads  # type: ignore[name-defined]  # noqa: B018
        assert capsys.readouterr().out == (
            "Run the cell that defines `split_heads` first: this picture is drawn with it.\n"
        )

    def test_leaves_other_missing_names_alone(self) -> None:
        with pytest.raises(NameError, match="sentense"), needs("split_heads"):
            sentense  # type: ignore[name-defined]  # noqa: B018

    def test_shortens_any_other_error_and_points_to_the_check(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with needs("scaled_dot_product_attention"):
            torch.zeros(2, 3) @ torch.zeros(2, 3)
        first, second = capsys.readouterr().out.splitlines()
        assert first.startswith(
            "No picture yet. With your `scaled_dot_product_attention` came RuntimeError: mat1"
        )
        assert second == "The check above says more."

    def test_does_not_take_torchs_not_implemented_error_for_an_untouched_stub(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with needs("MultiHeadSelfAttention"):
            nn.ModuleList([nn.Linear(2, 2)])(torch.zeros(2))
        assert capsys.readouterr().out.startswith("No picture yet.")

    def test_lets_an_interrupt_through(self) -> None:
        with pytest.raises(KeyboardInterrupt), needs("split_heads"):
            raise KeyboardInterrupt
