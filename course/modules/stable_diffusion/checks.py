"""Public checks of the module `stable_diffusion`: the loop, pictures from pictures, and control, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn, tensor

from course.checking.expect import Broken, Work, close, exercise, holds, ordinary
from course.modules.stable_diffusion.checks_of_bonus import MyWalk, WordMaps
from course.modules.stable_diffusion.checks_of_latents import BlendPrompts, EncodeLatents, Reparameterize
from course.modules.stable_diffusion.checks_of_text import TextEncoder

# All that a student is checked with, found here by their marks.
__all__ = [
    "BlendPrompts",
    "Controlled",
    "DenoisingLoop",
    "EncodeLatents",
    "Img2ImgStart",
    "MyWalk",
    "PasteKnown",
    "Reparameterize",
    "TextEncoder",
    "WordMaps",
]


class _Scheduler:
    """Two timesteps, 2 and 1. Noise begins at 3, the network sees half of x, and a step subtracts."""

    init_noise_sigma = 3.0

    def __init__(self) -> None:
        self.timesteps = torch.zeros(0, dtype=torch.long)

    def __repr__(self) -> str:
        return "a scheduler with timesteps 2 and 1, init_noise_sigma 3, and prev_sample = x - prediction"

    def set_timesteps(self, steps: int) -> None:
        self.timesteps = torch.arange(steps, 0, -1)

    def scale_model_input(self, x: Tensor, t: Any) -> Tensor:
        return x / 2

    def step(self, predicted: Tensor, t: Any, x: Tensor) -> Any:
        return type("Step", (), {"prev_sample": x - predicted})()


class _UNet:
    """x / 2 + t + what the context says; it notes how many samples it was given at each call."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __repr__(self) -> str:
        return "a network that predicts x / 2 + t + context"

    def __call__(self, x: Tensor, t: Any, context: Tensor) -> Tensor:
        self.batches.append(len(x))
        if len(context) != len(x):
            raise ValueError(f"the network got x of shape {tuple(x.shape)}, but {len(context)} contexts")
        time = torch.as_tensor(t, dtype=x.dtype, device=x.device).reshape(-1, *[1] * (x.dim() - 1))
        return x / 2 + time + context[:, :1, :1, None].to(x.dtype)


def _asked(student: Work, unet: _UNet, start: int = 0, batch: int = 1, w: float = 3.0) -> Tensor:
    cond, null = torch.full((batch, 1, 1), 4.0), torch.full((batch, 1, 1), 2.0)
    latents = torch.ones(batch, 1, 1, 1)
    answer: Tensor = student.denoising_loop(unet, _Scheduler(), cond, null, latents, w, 2, start)
    return answer


def _one(number: float) -> Tensor:
    return torch.full((1, 1, 1, 1), number)


@exercise("denoising_loop")
class DenoisingLoop:
    def by_hand(self, student: Work) -> None:
        """Noise 1 becomes 3; predictions are guided with w = 3; the two steps lead to -7.75 and -14.8125."""
        close(
            _asked(student, _UNet()),
            _one(-14.8125),
            symptoms={
                "The first noise was not multiplied by init_noise_sigma.": _one(-15.9375),
                "The network saw x as it is: scale_model_input is missing.": _one(-13.25),
                "The step went on from the scaled x: scale_model_input is for the network's eyes only.": (
                    _one(-11.3125)
                ),
                "Prompt and empty prompt are exchanged: which half is which?": _one(2.6875),
                "This is the scale of the paper: w = 1 should give the prompt's prediction.": _one(-18.3125),
                "This is not guided: only the prompt's prediction counts.": _one(-7.8125),
                "The last step is missing.": _one(-7.75),
                "The timesteps were taken in rising order.": _one(-15.0625),
            },
        )

    def calls(self, student: Work) -> None:
        """The network is asked once at each timestep, with both halves in one call, whatever w is."""
        for w in (3.0, 1.0):
            unet = _UNet()
            ordinary(_asked(student, unet, batch=3, w=w))
            holds(
                unet.batches == [6, 6],
                f"for 3 samples and 2 timesteps the network was given batches of {unet.batches}; "
                "both halves fit into one call, so they should be [6, 6]",
            )

    def start(self, student: Work) -> None:
        """With start = 1 the first timestep is left out, and the latents are taken as they are."""
        close(
            _asked(student, _UNet(), start=1),
            _one(-8.25),
            symptoms={
                "The latents were multiplied by init_noise_sigma, although they are no pure noise.": _one(
                    -6.75
                ),
                "All timesteps were taken: start says how many are left out.": _one(-15.9375),
            },
        )

    def nothing_to_do(self, student: Work) -> None:
        """With all timesteps left out the latents come back as they were."""
        close(_asked(student, _UNet(), start=2), _one(1.0))

    def no_graph(self, student: Work) -> None:
        """Nothing is learned in the loop: the result carries no graph."""
        cond, null = torch.ones(1, 1, 1, requires_grad=True), torch.zeros(1, 1, 1)
        found = student.denoising_loop(_UNet(), _Scheduler(), cond, null, _one(1.0), 2.0, 2)
        holds(not found.requires_grad, "the result carries a graph: put torch.no_grad() around the loop")


def _whole(found: Any, expected: int, symptoms: Mapping[str, int]) -> None:
    if not isinstance(found, int) or isinstance(found, bool):
        raise Broken(f"a whole number is expected, {found!r} was returned")
    if found != expected:
        said = [sentence for sentence, value in symptoms.items() if value == found]
        raise Broken(*said[:1], f"you returned  {found}", f"expected      {expected}")


TABLE = tensor([0.64, 0.5, 0.36, 0.16], dtype=torch.float64)


@exercise("img2img_start")
class Img2ImgStart:
    def by_hand(self, student: Work) -> None:
        """Of 50 steps, 15 are taken at strength 0.3: 35 are left out."""
        _whole(
            student.img2img_start(50, 0.3),
            35,
            {
                "This is the number of steps to take: what is asked for is how many are left out.": 15,
                "This leaves out one too many: with all steps to take nothing is left out.": 36,
            },
        )

    def rounded_down(self, student: Work) -> None:
        """Of 7 steps 3.5 would be taken at strength 0.5: 3 are, so that 4 are left out."""
        _whole(student.img2img_start(7, 0.5), 4, {"3.5 steps are 3: the number to take is rounded down.": 3})

    def all_and_none(self, student: Work) -> None:
        """Strength 1 leaves nothing out, and strength 0 everything."""
        _whole(student.img2img_start(20, 1.0), 0, {})
        _whole(student.img2img_start(20, 0.0), 20, {"Strength 0 takes no step at all, not one.": 19})

    def with_noise(self, student: Work) -> None:
        """At timestep 0 alphas_cumprod is 0.64: latents of 1 and noise of 2 become 0.8 + 1.2."""
        close(
            student.img2img_latents(_one(1.0), _one(2.0), [2, 0], 1, TABLE),
            _one(2.0),
            symptoms={
                "This is the noise of entry 1 of the table: which timestep stands at place 1?": _one(2.12132),
                "This is without the roots: alphas_cumprod is a share of the variance.": _one(1.36),
                "Here the latents did not shrink.": _one(2.2),
            },
        )

    def no_noise(self, student: Work) -> None:
        """With all timesteps left out the latents stay as they are."""
        close(student.img2img_latents(_one(1.0), _one(2.0), [2, 0], 2, TABLE), _one(1.0))

    def dtypes(self, student: Work) -> None:
        """The table is float64, and the result has the dtype of the latents."""
        for kind in (torch.float32, torch.float64):
            found = student.img2img_latents(_one(1.0).to(kind), _one(2.0).to(kind), tensor([2, 0]), 1, TABLE)
            close(found, _one(2.0).to(kind), tolerance=1e-5)


def _row(first: float, second: float) -> Tensor:
    return tensor([first, second]).view(1, 1, 1, 2)


@exercise("paste_known")
class PasteKnown:
    def by_hand(self, student: Work) -> None:
        """On the left 5 is drawn and stays; on the right the known 1 gets its noise: 0.8 + 0.6 * 2."""
        close(
            self._pasted(student, 0),
            _row(5.0, 2.0),
            symptoms={
                "The mask is turned round: True is to be drawn.": _row(2.0, 5.0),
                "The known was put back without noise.": _row(5.0, 1.0),
                "x was given noise as well: it has its own already.": _row(5.2, 2.0),
                "This is without the roots: alphas_cumprod is a share of the variance.": _row(5.0, 1.36),
            },
        )

    def clean(self, student: Work) -> None:
        """After the last step, t_next = -1, the known is put back without noise."""
        close(
            self._pasted(student, -1),
            _row(5.0, 1.0),
            symptoms={
                "alphas_cumprod[-1] is the noisiest timestep; -1 stands for no noise.": _row(5.0, 2.23303)
            },
        )

    def renoised(self, student: Work) -> None:
        """From timestep 0 (0.64) to 3 (0.16) a quarter of the variance is left: 0.5 + 0.866."""
        close(
            student.renoise(_one(1.0), 0, 3, _one(1.0), TABLE),
            _one(1.366025),
            symptoms={
                "This noises x as if it were clean: it has the noise of t already.": _one(1.316515),
                "The noise has the difference of both variances; more is needed, as x shrinks.": _one(
                    1.192820
                ),
                "This is the last of the steps only: there are several between t and t_later.": _one(
                    1.412022
                ),
                "This is without the roots: the ratio is one of variances.": _one(1.0),
            },
        )

    def renoised_from_clean(self, student: Work) -> None:
        """From -1, clean, to timestep 0: 0.8 + 0.6."""
        close(
            student.renoise(_one(1.0), -1, 0, _one(1.0), TABLE),
            _one(1.4),
            symptoms={"alphas_cumprod[-1] is the noisiest timestep; -1 stands for no noise.": _one(3.732051)},
        )

    def dtypes(self, student: Work) -> None:
        """The table is float64, and the results have the dtype of x."""
        one = _one(1.0).double()
        close(student.renoise(one, 0, 3, one, TABLE), _one(1.366025).double(), tolerance=1e-5)
        mask = torch.zeros(1, 1, 1, 1, dtype=torch.bool)
        close(student.paste_known(one, one, mask, one, 0, TABLE), _one(1.4).double(), tolerance=1e-5)

    def _pasted(self, student: Work, t_next: int) -> Tensor:
        mask = tensor([True, False]).view(1, 1, 1, 2)
        x, known, noise = _row(5.0, 5.0), _row(1.0, 1.0), _row(2.0, 2.0)
        answer: Tensor = student.paste_known(x, known, mask, noise, t_next, TABLE)
        return answer


class _Times(nn.Module):
    """x times a number that it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, by: Tensor) -> Tensor:
        return self.weight * x * by


NAMES = [f"{layer}.{name}" for layer in ("copy", "zero_in", "zero_out") for name in ("weight", "bias")]


@exercise("Controlled")
class Controlled:
    def parameters(self, student: Work) -> None:
        """Block, copy, zero_in and zero_out have parameters of their own."""
        student.ZeroConv(3).has_parameters({"weight": (3, 3, 1, 1), "bias": (3,)})
        student.Controlled(nn.Conv2d(2, 2, 3, padding=1), 2).has_parameters(
            {
                **{f"{name}.weight": (2, 2, 3, 3) for name in ("block", "copy")},
                **{f"{name}.weight": (2, 2, 1, 1) for name in ("zero_in", "zero_out")},
                **{f"{name}.bias": (2,) for name in ("block", "copy", "zero_in", "zero_out")},
            }
        )

    def zeros(self, student: Work) -> None:
        """A fresh ZeroConv gives zeros, whatever it is given."""
        close(student.ZeroConv(2)(torch.ones(1, 2, 2, 3)), torch.zeros(1, 2, 2, 3))

    def starts_as_the_block(self, student: Work) -> None:
        """A fresh layer does exactly what its block does, and its copy has the block's numbers."""
        block = nn.Conv2d(2, 2, 3, padding=1)
        before = block.weight.detach().clone()
        x, hint = torch.ones(1, 2, 3, 4), torch.full((1, 2, 3, 4), 7.0)
        layer = student.Controlled(block, 2)
        close(
            layer(x, hint),
            block(x),
            symptoms={"The block's own answer is missing.": torch.zeros(1, 2, 3, 4)},
        )
        copied = dict(layer.module.named_parameters())["copy.weight"]
        holds(torch.equal(copied, before), "the copy does not start with the block's numbers")

    def who_learns(self, student: Work) -> None:
        """The block is frozen; the copy and both convolutions learn, even if the block was frozen before."""
        for before in (True, False):
            layer = student.Controlled(nn.Conv2d(1, 1, 1).requires_grad_(before), 1)
            own = dict(layer.module.named_parameters())
            for name in ("block.weight", "block.bias"):
                frozen = not own[name].requires_grad
                holds(frozen, f"`{name}` still requires gradients: the block is to be frozen")
            for name in NAMES:
                holds(own[name].requires_grad, f"`{name}` requires no gradients, and should learn")

    def by_hand(self, student: Work) -> None:
        """Block 2 x, copy 3 x, zero_in 0.5 h + 0.25, zero_out 10 y + 1: for x = 1, h = 2 it is 2 + 68.5."""
        layer = student.Controlled(nn.Conv2d(1, 1, 1), 1).set(
            {
                "block.weight": 2.0,
                "block.bias": 0.0,
                "copy.weight": 3.0,
                "copy.bias": 0.0,
                "zero_in.weight": 0.5,
                "zero_in.bias": 0.25,
                "zero_out.weight": 10.0,
                "zero_out.bias": 1.0,
            }
        )
        close(
            layer(_one(1.0), _one(2.0)),
            _one(70.5),
            symptoms={
                "The hint went in without zero_in.": _one(93.0),
                "The copy saw the hint alone: it gets x, with the hint added.": _one(40.5),
                "The copy's answer was added without zero_out.": _one(8.75),
                "The block's own answer is missing.": _one(68.5),
            },
        )

    def rest(self, student: Work) -> None:
        """What else a block is told, block and copy are both told."""
        layer = student.Controlled(_Times(), 1).set({"zero_out.weight": 1.0})
        close(layer(_one(2.0), _one(0.0), tensor([3.0])), _one(12.0))
