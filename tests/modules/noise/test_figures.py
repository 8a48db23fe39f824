"""The pictures of the noise module's demos, the album that they draw from, and the slider."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable

import torch
from torch import Tensor

from course.lab import album, scene
from course.modules.noise import figures as figures_noise
from course.pictures.picture import Picture
from solutions.noise import (
    linear_betas,
    q_posterior,
    q_sample,
    scaled_linear_betas,
    signal_to_noise,
    zero_terminal_snr,
)

PICTURE = album.to_signed(scene.draw(height=4, width=6))
BETAS = linear_betas(10, 0.05, 0.5)


def left(betas: Tensor) -> Tensor:
    return torch.cumprod(1 - betas, dim=0)


DRAWINGS: dict[str, Callable[[], Picture]] = {
    "schedules": lambda: figures_noise.schedules({"one": BETAS, "two": BETAS / 2}),
    "towards_the_bell": lambda: figures_noise.towards_the_bell(torch.stack([PICTURE, PICTURE]), ["a", "b"]),
    "snr_curves": lambda: figures_noise.snr_curves({"one": signal_to_noise(left(BETAS))}),
    "pure_noise": lambda: figures_noise.pure_noise(
        q_sample, {"one": left(BETAS)}, sizes=(4, 8), shown=8, count=10
    ),
    "two_gaussians": lambda: figures_noise.two_gaussians(q_posterior, BETAS, (1, 9)),
    "lights": lambda: figures_noise.lights(
        {"one": album.in_every_light(6, 6), "two": album.in_every_light(6, 6)}, album.in_every_light(6, 6)
    ),
}
NO_DRAWINGS = {"strips", "time_slider"}
OF_A_WRONG_SHAPE: list[tuple[Callable[[], object], str]] = [
    (
        lambda: figures_noise.schedules({"mine": torch.ones(2, 3)}),
        "the schedule 'mine' should have the shape [6]; it has [2, 3]",
    ),
    (
        lambda: figures_noise.snr_curves({"mine": torch.ones(3, 1)}),
        "the ratio of 'mine' should have the shape [3]; it has [3, 1]",
    ),
    (
        lambda: figures_noise.towards_the_bell(PICTURE, ["a"]),
        "one picture for each of 1 titles is expected; got [3, 4, 6]",
    ),
    (
        lambda: figures_noise.pure_noise(lambda x0, t, noise, abar: x0[:1], {"one": left(BETAS)}, (4,), 4, 3),
        "what q_sample returned should have the shape [6, 3, 4, 4]; it has [1, 3, 4, 4]",
    ),
    (
        lambda: figures_noise.two_gaussians(lambda x0, xt, t, betas: (x0, x0[0]), BETAS, (1,)),
        "the variance should have the shape [1, 1]; it has [1]",
    ),
    (
        lambda: figures_noise.time_slider({"mine": PICTURE[None]}, [0, 1]),
        "there are 1 pictures of 'mine' and 2 captions: one each",
    ),
]


class TestWhatTheLessonSaysOneWillSee:
    def test_pure_noise_gives_the_background_away_and_after_the_repair_it_does_not(self) -> None:
        betas = scaled_linear_betas(1000)
        tables = {"scaled": left(betas), "rescaled": left(zero_terminal_snr(betas))}
        description = figures_noise.pure_noise(q_sample, tables, sizes=(16, 64), count=100).description
        found = re.search(r"scaled, (\d+)%, (\d+)%; rescaled, (\d+)%, (\d+)%", description)
        assert found
        small, large, *repaired = (int(share) for share in found.groups())
        assert 85 <= small < 98 < large
        assert all(38 <= share <= 62 for share in repaired)

    def test_a_perfect_guesser_draws_pictures_of_the_album(self) -> None:
        pictures = album.pictures(20, 8, 12)
        drawn = self.drawn(zero_terminal_snr(scaled_linear_betas(100, 0.0085, 0.12)), pictures, 5)
        distance = (drawn[:, None] - pictures).abs().amax((2, 3, 4)).amin(1)
        assert float(distance.max()) < 1e-3

    def test_only_the_repaired_schedule_draws_the_dark_and_the_bright(self) -> None:
        known = album.in_every_light(32, 32)
        spread = {}
        for name, betas in {
            "leaky": scaled_linear_betas(100, 0.0085, 0.12),
            "repaired": zero_terminal_snr(scaled_linear_betas(100, 0.0085, 0.12)),
        }.items():
            spread[name] = float(self.drawn(betas, known, 80)[:, :, 0, 0].std())
        assert spread["leaky"] < 0.5 < spread["repaired"]

    @staticmethod
    def drawn(betas: Tensor, pictures: Tensor, count: int) -> Tensor:
        chance, abar = torch.Generator().manual_seed(0), left(betas)
        x = torch.randn(count, *pictures.shape[1:], generator=chance)
        for t in reversed(range(len(betas))):
            guess = album.best_guess(x, abar[t], pictures)
            mean, variance = q_posterior(guess, x, torch.full((count,), t), betas)
            x = mean + variance.sqrt() * torch.randn(x.shape, generator=chance)
        return x


def test_the_slider_has_a_panel_for_each_film_and_a_caption_for_each_step() -> None:
    film = torch.stack([PICTURE, -PICTURE, PICTURE * 0])
    page = figures_noise.time_slider({"one": film}, [0, 5, 9], {"one": ["a", "b", "c"]}, start=1).html
    found = re.search(r"= (\{.*\});", page)
    assert found
    data = json.loads(found[1])
    assert [caption.split(".")[0] for caption in data["captions"]] == ["t = 0", "t = 5", "t = 9"]
    (panel,) = data["panels"]
    assert panel["notes"] == ["a", "b", "c"]
    frames = torch.tensor(list(base64.b64decode(panel["pictures"]))).view(3, 4, 6, 3)
    expected = ((film.permute(0, 2, 3, 1) + 1) * 127.5).round()
    assert (frames.float() - expected).abs().max() <= 1  # halves may be rounded either way
    assert 'max="2" value="1"' in page


def test_a_ratio_of_zero_is_marked_and_not_drawn() -> None:
    ratio = signal_to_noise(left(zero_terminal_snr(BETAS)))
    axis = figures_noise.snr_curves({"one": ratio}).figure.axes[0]
    assert "exactly 0" in [text.get_text() for text in axis.texts]
    assert all(float(y) > 0 for y in axis.lines[0].get_ydata())


def test_the_posterior_that_is_drawn_is_the_one_that_is_given() -> None:
    def always_half(x0: Tensor, xt: Tensor, t: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full_like(x0, 0.5), torch.full_like(x0, 0.01)

    axis = figures_noise.two_gaussians(always_half, BETAS, (4,)).figure.axes[0]
    yours = next(line for line in axis.lines if str(line.get_label()).startswith("from both"))
    peak = max(zip(yours.get_ydata(), yours.get_xdata(), strict=True))[1]
    assert abs(float(peak) - 0.5) < 0.01
    assert axis.get_title() == "t = 4: variance 0.01"
