"""The pictures of the unet module, and what they are drawn from: looking inside, and doing damage."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import solutions.unet as reference
from course.lab import damage, handmade, tiny_sd
from course.lab.tiny_sd import inside
from course.lab.tiny_sd.network import Resize, TinyUNet
from course.modules.unet import figures
from course.pictures.picture import Picture

torch.set_num_threads(1)

PICTURES = torch.linspace(-1, 1, 4 * 3 * 4 * 6).reshape(4, 3, 4, 6)
CAPTIONS = ["one", "two", "three", ""]
TIMES = [950, 600, 300, 0]


@pytest.fixture(scope="module")
def tiny() -> tiny_sd.TinySD:
    return tiny_sd.load()


DRAWINGS: dict[str, Callable[[], Picture]] = {
    "drawn": lambda: figures.drawn(PICTURES, CAPTIONS, columns=3),
    "film": lambda: figures.film(PICTURES, PICTURES, TIMES, shown=3),
    "kernels": lambda: figures.kernels(PICTURES[:1], {"k": (torch.eye(3) - 0.5, PICTURES[:1])}),
    "clock": lambda: figures.clock(reference.timestep_embedding(torch.arange(50), 8), t=20),
    "feature_maps": lambda: figures.feature_maps(
        {"a": PICTURES[0], "b": PICTURES[1]}, {"a": torch.rand(9, 5, 5), "b": torch.rand(9, 5, 5)}
    ),
    "heat_maps": lambda: figures.heat_maps(PICTURES[0], {"w": torch.rand(2, 3)}, "weight"),
    "plan": figures.plan,
    "where_the_numbers_are": lambda: figures.where_the_numbers_are({"tiny": TinyUNet()}),
}


class TestFigures:
    @pytest.mark.parametrize("name", DRAWINGS)
    def test_every_drawing_is_a_png_with_a_description(self, name: str) -> None:
        picture = DRAWINGS[name]()
        assert picture.png().startswith(b"\x89PNG")
        assert picture.description.endswith(".")

    def test_every_public_drawing_is_drawn_here(self) -> None:
        assert set(figures.__all__) == set(DRAWINGS) | {
            "Picture",
            "needs",
            "pixel_attention",
            "slide_film",
            "strips",
        }

    @pytest.mark.parametrize(
        ("draw", "sentence"),
        [
            (
                lambda: figures.drawn(PICTURES, ["one"]),
                "what was drawn for these captions should have the shape [1, 3, 4, 6]; it has [4, 3, 4, 6]",
            ),
            (
                lambda: figures.film(PICTURES, PICTURES[:2], TIMES),
                "the guesses should have the shape [4, 3, 4, 6]; it has [2, 3, 4, 6]",
            ),
            (
                lambda: figures.kernels(PICTURES[:1], {"k": (torch.eye(3), PICTURES[:1, :2])}),
                "'k' should make a picture [1, 3, h, w]; it made [1, 2, 4, 6]",
            ),
        ],
    )
    def test_a_wrong_shape_is_told_in_a_sentence(self, draw: Callable[[], object], sentence: str) -> None:
        with pytest.raises(ValueError, match=re.escape(sentence)):
            draw()

    def test_the_slider_has_both_sides_of_the_film(self) -> None:
        page = figures.slide_film(PICTURES, PICTURES, TIMES).html
        assert "what it is given" in page
        assert "what it sees in it" in page
        assert '"step 1 of 4, t = 950"' in page

    def test_the_plan_is_that_of_the_network(self) -> None:
        texts = [text.get_text() for text in figures.plan().figure.axes[0].texts]
        said = [text.split(" → ") for text in texts if "+" in text]
        drawn = sorted((sum(map(int, image.split(" + "))), int(out)) for image, out in said)
        shapes = {name: own.shape for name, own in reference.UNet().named_parameters()}
        up = [shape for name, shape in shapes.items() if name.startswith("up") and "conv1.w" in name]
        assert drawn == sorted((shape[1], shape[0]) for shape in up)

    def test_parameters_are_counted_by_part(self) -> None:
        said = figures.where_the_numbers_are({"tiny": TinyUNet()}).description
        assert said.endswith("tiny, 1,001,251.")

    def test_importing_them_loads_no_matplotlib(self) -> None:
        code = "import sys, course.modules.unet.figures; sys.exit('matplotlib' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestInside:
    def test_the_weights_of_a_block_fit_a_block_of_ones_own(self) -> None:
        reference.ResBlock(32, 64, 128, groups=8).load_state_dict(
            inside.weights_of("down_blocks.1.resnets.0")
        )
        with pytest.raises(ValueError, match="has no module 'nowhere' with weights"):
            inside.weights_of("nowhere")

    def test_what_arrives_at_a_module_makes_it_return_what_it_returned(self, tiny: tiny_sd.TinySD) -> None:
        example = inside.example(tiny, "a large red circle on black", [100, 700])
        arrived = inside.arrives_at(tiny.unet, "conv_out", *example)
        torch.testing.assert_close(tiny.unet.conv_out(*arrived), tiny.unet(*example))
        with pytest.raises(ValueError, match="Sequential does not call its '0'"):
            inside.arrives_at(_Idle(nn.Linear(1, 1)), "0", torch.ones(1))

    def test_noise_is_taken_away_again(self) -> None:
        t = torch.tensor([10, 400, 999, 0])
        noise = torch.randn(PICTURES.shape[1:], generator=torch.Generator().manual_seed(5))
        noisy = inside.noised(PICTURES, t, seed=5)
        torch.testing.assert_close(
            inside.cleaned(noisy, t, noise.expand_as(noisy)), PICTURES, atol=1e-4, rtol=0
        )

    @pytest.mark.parametrize(
        "name", ["ResBlock", "Downsample", "Upsample", "TransformerBlock", "SpatialTransformer"]
    )
    def test_blocks_of_ones_own_in_the_place_of_the_trained_ones(
        self, name: str, tiny: tiny_sd.TinySD
    ) -> None:
        unet = inside.with_yours(tiny.unet, **{name: getattr(reference, name)})
        example = inside.example(tiny, "a small cyan ring on white", [300])
        torch.testing.assert_close(unet(*example), tiny.unet(*example))
        theirs = [type(block).__name__ for block in tiny.unet.modules()]
        own = [type(block).__name__ for block in unet.modules()]
        assert own.count(name) > theirs.count(name)
        assert not any(isinstance(block, getattr(reference, name)) for block in tiny.unet.modules())

    def test_no_other_blocks_can_be_put_in(self, tiny: tiny_sd.TinySD) -> None:
        with pytest.raises(ValueError, match="no block of the tiny UNet is a 'Resize'"):
            inside.with_yours(tiny.unet, Resize=Resize)

    def test_a_film_begins_with_noise_and_ends_with_a_picture(self, tiny: tiny_sd.TinySD) -> None:
        stations, guesses, times = inside.on_the_way(tiny, tiny.unet, "a large red circle on black", steps=4)
        assert times == [750, 500, 250, 0]
        assert stations.shape == guesses.shape == (4, 3, 16, 16)
        assert float(stations[0].std()) == pytest.approx(1, abs=0.1)
        drawn = tiny.draw("a large red circle on black", sampler="ddim", steps=4)
        torch.testing.assert_close(guesses[-1:], drawn)


class _Idle(nn.Sequential):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.__class__.__name__ = "Sequential"

    def forward(self, x: Tensor) -> Tensor:
        return x


# What each kind of damage is in the source of the reference.
IN_THE_SOURCE = {
    "skip_first": ("torch.cat([h, skips.pop()], dim=1)", "torch.cat([skips.pop(), h], dim=1)"),
    "without_skips": ("skips.pop()], dim=1)", "0 * skips.pop()], dim=1)"),
    "without_image": ("torch.cat([h, skips", "torch.cat([0 * h, skips"),
    "sine_first": ("[angles.cos(), angles.sin()]", "[angles.sin(), angles.cos()]"),
    "timeless": ("timestep_embedding(t, self", "timestep_embedding(0 * t, self"),
    "one_time_for_all": ("timestep_embedding(t, self", "timestep_embedding(t[:1].expand(len(x)), self"),
    "other_frequencies": ("dtype=torch.float32) / half", "dtype=torch.float32) / (half - 1)"),
    "without_silu_on_time": ("self.time_emb_proj(F.silu(time))", "self.time_emb_proj(time)"),
    "gate_swapped": ("hidden * F.gelu(gate)", "F.gelu(hidden) * gate"),
    "deaf": ("self.attn2(self.norm2(x), context)", "0"),
    "blinkered": ("self.attn1(self.norm1(x))", "0"),
}


class TestDamage:
    @pytest.mark.parametrize("name", IN_THE_SOURCE)
    def test_it_does_what_the_mistake_in_the_code_does(self, name: str, tiny: tiny_sd.TinySD) -> None:
        names: dict[str, type[nn.Module]] = {}
        with open(reference.__file__) as file:
            source = file.read()
        right, wrong = IN_THE_SOURCE[name]
        assert right in source
        exec(source.replace(right, wrong), names)
        mistaken, mine = names["UNet"](), reference.UNet()
        mistaken.load_state_dict(tiny.unet.state_dict())
        mine.load_state_dict(tiny.unet.state_dict())
        example = inside.example(tiny, "a large red circle on black", [300, 800])
        with torch.no_grad():
            expected, whole = mistaken(*example), mine(*example)
            for network in (mine, tiny.unet):
                torch.testing.assert_close(getattr(damage, name)(network)(*example), expected)
                torch.testing.assert_close(network(*example), whole)  # and it is whole again

    def test_the_scale_is_that_of_all_channels(self, tiny: tiny_sd.TinySD) -> None:
        example = inside.example(tiny, "a large red circle on black", [300])
        name = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
        damaged, seen = damage.wrong_scale(tiny.unet), []
        hook = tiny.unet.get_submodule(name).register_forward_hook(lambda m, i, output: seen.append(output))
        try:
            tiny.unet(*example)
            assert not torch.allclose(damaged(*example), tiny.unet(*example), atol=1e-3)
        finally:
            hook.remove()
        assert len(seen) == 3

    def test_the_skips_are_counted_as_they_were_kept(self, tiny: tiny_sd.TinySD) -> None:
        example = inside.example(tiny, "a large red circle on black", [300])
        for number, name in enumerate(
            [
                "up_blocks.1.resnets.1",
                "up_blocks.1.resnets.0",
                "up_blocks.0.resnets.1",
                "up_blocks.0.resnets.0",
            ]
        ):
            whole = inside.arrives_at(tiny.unet, name, *example)[0]
            lost = _arrives_damaged(tiny.unet, name, number, example)
            zeros = (lost == 0).all((0, 2, 3)) & (whole != 0).any(0).any(-1).any(-1)
            assert int(zeros.sum()) == (32, 32, 32, 64)[number]
            assert bool(zeros[-int(zeros.sum()) :].all())


def _arrives_damaged(unet: nn.Module, name: str, number: int, example: tuple[Tensor, ...]) -> Tensor:
    seen: list[Tensor] = []
    block = unet.get_submodule(name)
    plain = block.forward
    block.forward = lambda *args: (seen.append(args[0]), plain(*args))[1]  # type: ignore[func-returns-value]
    try:
        damage.without_skip(unet, number)(*example)
    finally:
        del block.forward
    return seen[0]


def test_a_kernel_for_each_colour_mixes_no_colours() -> None:
    weight = handmade.for_each_colour(torch.arange(6.0).reshape(2, 3))
    assert weight.shape == (3, 3, 2, 3)
    torch.testing.assert_close(weight[1, 1], torch.arange(6.0).reshape(2, 3))
    assert float(weight[0, 1].abs().sum()) == 0


def test_averaging_keeps_an_even_colour() -> None:
    layer = reference.Upsample(3)
    layer.load_state_dict(handmade.averaging())
    torch.testing.assert_close(layer(torch.ones(1, 3, 4, 4))[:, :, 1:-1, 1:-1], torch.ones(1, 3, 6, 6))
