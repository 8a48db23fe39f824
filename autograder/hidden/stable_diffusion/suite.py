"""Hidden tests of the module `stable_diffusion`; the letters are those of its solution."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder.testing import (
    Draw,
    Example,
    Handle,
    Mismatch,
    Student,
    StudentError,
    any_layout,
    as_torch_initialises,
    assert_close,
    assert_holds,
    assert_tensor,
    by_position_and_name,
    differentiable,
    dtypes,
    exercise,
    gradients,
    new_tensor,
    part,
    promises,
    rule,
    same_in_eval,
    twins,
    untouched,
    value,
)
from course.lab import schedulers
from solutions import stable_diffusion as reference

RTOL = 1e-5
RTOL_SINGLE = 1e-4
RTOL_HALF = 2e-2
ROUNDED = {torch.float32: RTOL_SINGLE, torch.float16: RTOL_HALF}
IN_ANY_DTYPE = dtypes(torch.float64, torch.float32, torch.float16, rtol=ROUNDED)
BESIDE_A_TABLE = dtypes(torch.float32, torch.float16, keep=["alphas_cumprod"], rtol=ROUNDED)
# Two right ways to the small network of a text encoder; a wrong eps or gelu is off by more on faint tokens.
RTOL_LAYERS = 1e-6


def _near(answer: Any, expected: Tensor, rtol: float = RTOL) -> None:
    """Right to some digits, in whatever dtype: `dtypes` asks for that."""
    assert_close(answer, expected, rtol=rtol, check_dtype=False)


def _checked(answer: Any, like: Tensor) -> Tensor:
    """An answer that other answers may be compared with: finite, of this shape, dtype and device."""
    tensor = assert_tensor(answer, shape=tuple(like.shape), dtype=like.dtype)
    assert_holds(tensor.device == like.device, f"the result is on the wrong device: {tensor.device}")
    assert_holds(torch.isfinite(tensor).all(), "the result contains NaN or infinity")
    return tensor


def _abar(draw: Draw, T: int = 12) -> Tensor:
    """A schedule of few, large steps, of its own in each test."""
    return (1 - draw.uniform(T, low=0.1, high=0.4)).cumprod(0)


def _carries_no_graph(answers: Any, *args: Any) -> None:
    """Nothing can be differentiated: torch refuses to go backwards."""
    try:
        answers.gradients(*args)
    except StudentError as error:
        if "grad" in str(error):
            return
        raise
    raise Mismatch("the result carries a graph, although nothing is to be learned through it")


# --- reparameterize ---------------------------------------------------------------------------------------


def _of_posterior(draw: Draw) -> Iterator[Example]:
    shape = (3, 2, 4, 5)
    mean, log_variance, noise = draw.normal(*shape), draw.normal(*shape), draw.normal(*shape)
    yield Example(reference.reparameterize, mean, log_variance, noise)
    yield Example(reference.kl_to_standard_normal, mean, log_variance)


def _of_posterior_that_changes_nothing(draw: Draw) -> Iterator[Example]:
    mean, noise = draw.normal(3, 4), draw.normal(3, 4)
    yield Example(reference.reparameterize, mean, draw.normal(3, 4), 0 * noise)
    yield Example(reference.reparameterize, 0 * mean, 0 * mean, noise)
    yield Example(reference.kl_to_standard_normal, mean, draw.normal(3, 4))


@exercise("reparameterize")
@promises(
    _of_posterior,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_of_posterior_that_changes_nothing),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    IN_ANY_DTYPE,
    gradients(weight=6, rtol=RTOL),
)
class Reparameterize:
    @value(weight=3)
    def samples(self, student: Student, draw: Draw) -> None:
        """Makes of the noise a sample with the given mean and variance, for any shape."""
        for shape in [(3, 2, 4, 5), (2, 7), (1, 3, 2)]:
            mean, log_variance, noise = (draw.normal(*shape) for _ in range(3))
            expected = mean + log_variance.exp().sqrt() * noise
            _near(student.reparameterize(mean, log_variance, noise), expected)

    @value(weight=3)
    def divergence(self, student: Student, draw: Draw) -> None:
        """Gives each sample's divergence from the standard normal distribution, summed, in nats."""
        for shape in [(3, 2, 4, 5), (2, 7), (1, 3, 2)]:
            mean, log_variance = draw.normal(*shape), draw.normal(*shape)
            here = torch.distributions.Normal(mean, (log_variance / 2).exp())
            there = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
            each = torch.distributions.kl_divergence(here, there)
            _near(student.kl_to_standard_normal(mean, log_variance), each.flatten(1).sum(1))

    @value()
    def narrow_and_wide(self, student: Student, draw: Draw) -> None:
        """Is right for variances far below 1 and far above it."""
        for size in (-6.0, 5.0):
            mean, noise = draw.normal(3, 4, 2), draw.normal(3, 4, 2)
            log_variance = size + draw.uniform(3, 4, 2)
            expected = mean + (log_variance / 2).exp() * noise
            _near(student.reparameterize(mean, log_variance, noise), expected)
            expected = reference.kl_to_standard_normal(mean, log_variance)
            _near(student.kl_to_standard_normal(mean, log_variance), expected)

    @rule()
    def middle(self, student: Student, draw: Draw) -> None:
        """Without noise the sample is the mean."""
        mean = draw.normal(3, 4, 2)
        _near(student.reparameterize(mean, draw.normal(3, 4, 2), 0 * mean), mean)

    @rule()
    def nothing_to_say(self, student: Student, draw: Draw) -> None:
        """The standard normal distribution is 0 away from itself, and every other one is further."""
        zero = torch.zeros_like(draw.normal(3, 4))
        _near(student.kl_to_standard_normal(zero, zero.clone()), zero[:, 0])
        found = _checked(student.kl_to_standard_normal(draw.normal(3, 4), draw.normal(3, 4)), zero[:, 0])
        assert_holds((found > 0).all(), "a divergence is not above 0")


# --- encode_latents ---------------------------------------------------------------------------------------


class Autoencoder:
    """Stands for both halves: smooth functions that halve the picture and double it; each is asked once."""

    def __init__(self) -> None:
        self.used_up = False

    def _once(self) -> None:
        if self.used_up:
            raise RuntimeError("the autoencoder was asked a second time; once is enough")
        self.used_up = True

    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        self._once()
        small = F.avg_pool2d(pictures, 2)
        return torch.cat([small, small[:, :1] ** 2], 1), torch.sin(torch.cat([small[:, 1:], small[:, :2]], 1))

    def decode(self, latents: Tensor) -> Tensor:
        self._once()
        large = F.interpolate(latents, scale_factor=2.0)
        return large[:, :3] + torch.sin(large[:, 3:])


def _pictures(draw: Draw, B: int, H: int, W: int) -> tuple[Tensor, Tensor]:
    return draw.uniform(B, 3, H, W, low=-1.0), draw.normal(B, 4, H // 2, W // 2)


def _latents(pictures: Tensor, noise: Tensor, scale: float, shift: float) -> Tensor:
    mean, log_variance = Autoencoder().encode(pictures)
    return (mean + (log_variance / 2).exp() * noise - shift) * scale


def _decoded(latents: Tensor, scale: float, shift: float) -> Tensor:
    return Autoencoder().decode(latents / scale + shift).clamp(-1, 1)


def _of_latents(draw: Draw) -> Iterator[Example]:
    pictures, noise = _pictures(draw, 3, 4, 6)
    encode, decode = _Again(Autoencoder().encode), _Again(Autoencoder().decode)
    yield Example(reference.encode_latents, encode, pictures, noise, 0.5, 0.25)
    yield Example(reference.decode_latents, decode, 0.3 * noise, 0.5, 0.25)


class _Again:
    """One half of a fresh autoencoder at each call."""

    def __init__(self, half: Any) -> None:
        self.name = half.__name__

    def __call__(self, given: Tensor) -> Any:
        return getattr(Autoencoder(), self.name)(given)


class _Plain:
    """Decodes nothing, so that what is done around it shows."""

    def __call__(self, unchanged: Tensor) -> Tensor:
        return unchanged


class _Standard:
    """Encodes every picture as the standard normal distribution."""

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(pictures), torch.zeros_like(pictures)


def _of_latents_that_change_nothing(draw: Draw) -> Iterator[Example]:
    pictures = draw.uniform(3, 3, 4, 6, low=-0.9, high=0.9)
    yield Example(reference.encode_latents, _Standard(), pictures, draw.normal(3, 3, 4, 6), 1.0, 0.0)
    yield Example(reference.decode_latents, _Plain(), pictures, 1.0, 0.0)


@exercise("encode_latents")
@promises(
    _of_latents,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_of_latents_that_change_nothing),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float64, torch.float32, rtol=ROUNDED),
)
class EncodeLatents:
    @value(weight=3)
    def encodes(self, student: Student, draw: Draw) -> None:
        """Gives a sample of what the encoder says, shifted first and then scaled."""
        for scale, shift in ((0.4, 0.7), (1.5305, 0.0609)):
            pictures, noise = _pictures(draw, 3, 4, 6)
            found = student.encode_latents(Autoencoder().encode, pictures, noise, scale, shift)
            _near(found, _latents(pictures, noise, scale, shift))

    @value(weight=3)
    def decodes(self, student: Student, draw: Draw) -> None:
        """Undoes the scaling, then the shift, decodes, and limits the pictures to -1 ... 1."""
        for scale, shift in ((0.4, 0.3), (1.5305, 0.0609)):
            latents = draw.normal(3, 4, 3, 2)
            found = student.decode_latents(Autoencoder().decode, latents, scale, shift)
            _near(found, _decoded(latents, scale, shift))

    @value(weight=2)
    def stable_diffusions_own(self, student: Student, draw: Draw) -> None:
        """Has Stable Diffusion's scale and no shift where none are given."""
        pictures, noise = _pictures(draw, 2, 4, 2)
        found = student.encode_latents(Autoencoder().encode, pictures, noise)
        _near(found, _latents(pictures, noise, 0.18215, 0.0))
        latents = 0.1 * draw.normal(2, 4, 2, 3)
        found = student.decode_latents(Autoencoder().decode, latents)
        _near(found, _decoded(latents, 0.18215, 0.0))

    @rule()
    def no_graph(self, student: Student, draw: Draw) -> None:
        """Neither what is encoded nor what is decoded carries a graph."""
        pictures, noise = _pictures(draw, 2, 4, 2)
        _carries_no_graph(student.encode_latents, Autoencoder().encode, pictures, noise, 0.5)
        _carries_no_graph(student.decode_latents, differentiable(_Plain()), noise, 0.5)

    @rule()
    def there_and_back(self, student: Student, draw: Draw) -> None:
        """What was encoded without noise, an exact decoder turns into the picture again."""
        pictures, _ = _pictures(draw, 3, 4, 6)
        whole = torch.zeros_like(pictures)
        latents = student.encode_latents(lambda x: (x, whole), pictures, whole, 0.3, 0.6)
        found = student.decode_latents(lambda z: z, _checked(latents, pictures), 0.3, 0.6)
        _near(found, pictures)


# --- TextEncoder ------------------------------------------------------------------------------------------

SMALL = (9, 6, 8, 2, 2, 12)  # vocabulary, length, dim, heads, layers, hidden
END = 8


def _of_text(draw: Draw) -> Iterator[Example]:
    tokens = draw.integers(3, 5, high=9)
    yield Example(reference.TextEncoder, tokens, made_with=SMALL)
    tokens = tokens.clone()
    tokens[:, 3] = END
    yield Example(reference.last_token, draw.normal(3, 5, 4), tokens, END)


def _of_text_with_a_mask(draw: Draw) -> Iterator[Example]:
    mask = torch.ones(3, 4, dtype=torch.bool, device=draw.device)
    yield Example(reference.TextEncoder, draw.integers(3, 4, high=9), mask, made_with=SMALL)
    yield from list(_of_text(draw))[1:]


@exercise("TextEncoder")
@promises(
    _of_text,
    untouched(rtol=RTOL_SINGLE, examples=_of_text_with_a_mask),
    new_tensor(rtol=RTOL_SINGLE),
    any_layout(rtol=RTOL_SINGLE),
    by_position_and_name(rtol=RTOL_SINGLE, examples=_of_text_with_a_mask),
    dtypes(torch.float32, rtol=ROUNDED),
    gradients(weight=9, rtol=RTOL_SINGLE),
    same_in_eval(rtol=RTOL_SINGLE),
    as_torch_initialises(reference.TextEncoder, 40, 20, 24, 2, 1, 32, weight=2),
)
class TextEncoder:
    @value(weight=4)
    def agrees(self, student: Student, draw: Draw) -> None:
        """With the same weights it gives what CLIP's text transformer gives."""
        for made_with, S in (((7, 6, 8, 2, 2, 12), 6), ((5, 4, 6, 3, 1, 10), 4)):
            handle, module = twins(student, draw, reference.TextEncoder, *made_with)
            tokens = draw.integers(3, S, high=made_with[0])
            _near(handle(tokens), module(tokens).detach(), RTOL_LAYERS)

    @value(weight=2)
    def shorter_texts(self, student: Student, draw: Draw) -> None:
        """Takes texts that are shorter than the longest, down to a single token."""
        handle, module = twins(student, draw, reference.TextEncoder, *SMALL)
        for S in (4, 1):
            tokens = draw.integers(2, S, high=9)
            _near(handle(tokens), module(tokens).detach(), RTOL_LAYERS)

    @value(weight=3)
    def masked(self, student: Student, draw: Draw) -> None:
        """Real tokens get what they get where nobody looks at those that only fill up."""
        handle, module = twins(student, draw, reference.TextEncoder, *SMALL)
        for B, S in ((3, 5), (5, 5)):
            tokens, mask = draw.integers(B, S, high=9), draw.mask(B, S)
            mask[:, 0] = True
            found = assert_tensor(handle(tokens, mask), shape=(B, S, 8))
            _near(found[mask], module(tokens, mask).detach()[mask], RTOL_LAYERS)

    @value(weight=2)
    def faint_tokens(self, student: Student, draw: Draw) -> None:
        """Is right for weights so faint that the eps of the norms shows, and so strong that the gelu does."""
        handle, module = twins(student, draw, reference.TextEncoder, *SMALL)
        tokens = draw.integers(3, 5, high=9)
        for factor, names in ((3e-3, ("embeddings",)), (6.0, ("encoder.layers.0.mlp.fc1",))):
            state = {
                name: factor * each for name, each in module.state_dict().items() if name.startswith(names)
            }
            handle.load_state_dict(state, strict=False)
            module.load_state_dict(state, strict=False)
            _near(handle(tokens), module(tokens).detach(), RTOL_LAYERS)

    @value(weight=3)
    def last(self, student: Student, draw: Draw) -> None:
        """With `last_token`, gives what stands at each row's first end token, wherever that is."""
        hidden, tokens = draw.normal(4, 6, 3), draw.integers(4, 6, high=END)
        places = [2, 5, 0, 3]
        for row, place in enumerate(places):
            tokens[row, place] = END
        tokens[0, 3:] = END
        expected = torch.stack([hidden[row, place] for row, place in enumerate(places)])
        _near(student.last_token(hidden, tokens, END), expected)

    @value()
    def another_end(self, student: Student, draw: Draw) -> None:
        """The end token is the one that it is told, and need not be the largest number."""
        hidden, tokens = draw.normal(2, 5, 3), draw.integers(2, 5, low=3, high=9)
        tokens[0, 1], tokens[1, 4] = 2, 2
        _near(student.last_token(hidden, tokens, 2), torch.stack([hidden[0, 1], hidden[1, 4]]))

    @rule()
    def nobody_looks_ahead(self, student: Student, draw: Draw) -> None:
        """Another token at the end changes nothing before it."""
        handle, module = twins(student, draw, reference.TextEncoder, *SMALL)
        tokens = draw.integers(3, 5, high=8)
        before = _checked(handle(tokens), module(tokens).detach())
        changed = tokens.clone()
        changed[:, 3:] = 8
        _near(_checked(handle(changed), before)[:, :3], before[:, :3])

    @rule()
    def padding_says_nothing(self, student: Student, draw: Draw) -> None:
        """Which token stands where mask is False makes no difference to the real ones."""
        handle, module = twins(student, draw, reference.TextEncoder, *SMALL)
        tokens, mask = draw.integers(3, 5, high=8), draw.mask(3, 5)
        mask[:, 0] = True
        like = module(tokens).detach()
        before = assert_tensor(handle(tokens, mask), shape=tuple(like.shape), dtype=like.dtype)
        after = assert_tensor(handle(tokens.where(mask, 8), mask), shape=tuple(like.shape))
        _near(after[mask], before[mask])


# --- blend_prompts ----------------------------------------------------------------------------------------


def _of_blends(draw: Draw) -> Iterator[Example]:
    yield Example(reference.blend_prompts, draw.normal(3, 4, 5), draw.uniform(3, low=0.5, high=2.0))
    yield Example(reference.slerp, draw.normal(3, 2, 4), draw.normal(3, 2, 4), 0.3)


def _of_blends_to_learn_from(draw: Draw) -> Iterator[Example]:
    yield Example(reference.blend_prompts, draw.normal(3, 4, 5), draw.uniform(3, low=0.5, high=2.0))


def _of_blends_that_change_nothing(draw: Draw) -> Iterator[Example]:
    yield Example(reference.blend_prompts, draw.normal(1, 4, 5), draw.uniform(1, low=0.5))
    a, b = draw.normal(3, 2, 4), draw.normal(3, 2, 4)
    for w in (0.0, 1.0):
        yield Example(reference.slerp, a, b, w)


def _arc(a: Tensor, b: Tensor, w: float) -> Tensor:
    """Sample by sample, with the angle of Python's own numbers."""
    made = []
    for one, other in zip(a, b, strict=True):
        x, y = one.flatten(), other.flatten()
        angle = math.acos(max(-1.0, min(1.0, float(x @ y / x.norm() / y.norm()))))
        made.append((math.sin((1 - w) * angle) * one + math.sin(w * angle) * other) / math.sin(angle))
    return torch.stack(made)


@exercise("blend_prompts")
@promises(
    _of_blends,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_of_blends_that_change_nothing),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    dtypes(torch.float32, keep=["weights"], rtol=ROUNDED),
    gradients(weight=7, rtol=RTOL, to=["embeddings"], examples=_of_blends_to_learn_from),
)
class BlendPrompts:
    @value(weight=3)
    def blends(self, student: Student, draw: Draw) -> None:
        """Gives the mean of the prompts under weights of which only the ratios count."""
        for N, S, D in ((3, 4, 5), (2, 3, 3), (4, 4, 4)):
            embeddings, weights = draw.normal(N, S, D), draw.uniform(N, low=0.2, high=3.0)
            expected = sum(float(w) * e for w, e in zip(weights, embeddings, strict=True))
            assert isinstance(expected, Tensor)
            _near(student.blend_prompts(embeddings, weights), expected / float(weights.sum()))

    @value()
    def away_from_one(self, student: Student, draw: Draw) -> None:
        """Takes a negative weight, and weights whose sum is negative."""
        embeddings = draw.normal(2, 3, 4)
        for weights in ([3.0, -1.0], [-3.0, 1.0]):
            expected = 1.5 * embeddings[0] - 0.5 * embeddings[1]
            given = torch.tensor(weights, dtype=torch.float64, device=draw.device)
            _near(student.blend_prompts(embeddings, given), expected)

    @value(weight=4)
    def along_the_arc(self, student: Student, draw: Draw) -> None:
        """With `slerp`, shares out the angle between two samples, each pair with its own, for any shape."""
        for shape, w in (((3, 2, 4, 5), 0.3), ((2, 3), 0.5), ((1, 4, 2), 0.8)):
            a, b = draw.normal(*shape), draw.normal(*shape)
            _near(student.slerp(a, b, w), _arc(a, b, w))

    @value(weight=2)
    def of_other_lengths(self, student: Student, draw: Draw) -> None:
        """Measures the angle between directions, however long the two are."""
        a, b = 0.02 * draw.normal(3, 2, 5), 30 * draw.normal(3, 2, 5)
        _near(student.slerp(a, b, 0.4), _arc(a, b, 0.4))

    @value(weight=2)
    def parallel(self, student: Student, draw: Draw) -> None:
        """Two of one direction are joined by a straight line, beside others that are not."""
        a, b = draw.normal(3, 2, 4), draw.normal(3, 2, 4)
        b[1] = 2 * a[1]
        expected = torch.stack([_arc(a[:1], b[:1], 0.25)[0], 1.25 * a[1], _arc(a[2:], b[2:], 0.25)[0]])
        _near(student.slerp(a, b, 0.25), expected)
        b[1] = a[1]
        expected[1] = a[1]
        _near(student.slerp(a, b, 0.25), expected)

    @value()
    def many_parallel(self, student: Student, draw: Draw) -> None:
        """Two of one direction, or of opposite ones, are joined by a straight line, however they round."""
        a = draw.normal(60, 7)
        for factor in (2.0, -2.0):
            _near(student.slerp(a, factor * a, 0.25), (0.75 + 0.25 * factor) * a)

    @rule()
    def ends(self, student: Student, draw: Draw) -> None:
        """w = 0 gives the first, and w = 1 the second."""
        a, b = draw.normal(3, 2, 4), draw.normal(3, 2, 4)
        for w, expected in ((0.0, a), (1.0, b)):
            _near(student.slerp(a, b, w), expected)

    @rule()
    def keeps_its_length(self, student: Student, draw: Draw) -> None:
        """Between two of one length all have that length."""
        a, b = F.normalize(draw.normal(3, 5), dim=1), F.normalize(draw.normal(3, 5), dim=1)
        for w in (0.2, 0.5):
            found = _checked(student.slerp(a, b, w), a)
            _near(found.norm(dim=1), a.norm(dim=1))

    @rule()
    def factors_do_not_matter(self, student: Student, draw: Draw) -> None:
        """Weights that are all multiplied by one number give the same prompt."""
        embeddings, weights = draw.normal(3, 4, 5), draw.uniform(3, low=0.2, high=3.0)
        found = _checked(student.blend_prompts(embeddings, weights), embeddings[0])
        _near(student.blend_prompts(embeddings, 5 * weights), found)


# --- denoising_loop ---------------------------------------------------------------------------------------


class Network:
    """Stands for a UNet: a smooth function of each sample, the time and each sample's context.

    rows   refuses another number of samples. calls: refuses to be asked more often.
    """

    def __init__(self, rows: int | None = None, calls: int | None = None) -> None:
        self.rows, self.calls, self.asked = rows, calls, 0

    def __call__(self, x: Tensor, t: Any, context: Tensor) -> Tensor:
        self.asked += 1
        if self.calls is not None and self.asked > self.calls:
            raise RuntimeError(f"the network was asked more than {self.calls} times for so many timesteps")
        if self.rows is not None and len(x) != self.rows:
            raise RuntimeError(f"the network is to get {self.rows} samples at once; it was given {len(x)}")
        if len(context) != len(x):
            raise RuntimeError(f"the network was given {len(x)} samples, but {len(context)} contexts")
        time = torch.as_tensor(t, device=x.device)
        if time.dim() and len(time) != len(x):
            raise RuntimeError(f"the network was given {len(x)} samples, but {len(time)} timesteps")
        own = [-1, *[1] * (x.dim() - 1)]
        time = time.reshape(own).to(x) / 20
        told = (context * torch.linspace(0.5, 1.5, context.shape[-1]).to(context)).sum((1, 2)).to(x)
        return torch.sin(x * (1 + time)) + torch.cos(x + told.reshape(own)) * (0.3 + time)


def _loop(
    student: Student, draw: Draw, kind: str, unet: Network | None = None, **changed: Any
) -> tuple[Any, Tensor, dict[str, Any]]:
    """The student's answer with a scheduler of this kind, ours, and what it was asked with."""
    B = changed.pop("batch", 3)
    abar = _abar(draw, 20)
    asked: dict[str, Any] = {
        "cond": draw.normal(B, 4, 5),
        "null": draw.normal(B, 4, 5),
        "latents": draw.normal(B, 2, 3, 4),
        "w": 2.5,
        "steps": 5,
    } | changed
    scheduler = student.build(f"course.lab.schedulers.{kind}", abar)
    found = student.denoising_loop(unet or Network(), scheduler, *asked.values())
    ours = getattr(schedulers, kind)(abar)
    return found, reference.denoising_loop(Network(), ours, *asked.values()), asked


@exercise("denoising_loop")
class DenoisingLoop:
    @value(weight=4)
    def with_ddim(self, student: Student, draw: Draw) -> None:
        """With a DDIM scheduler, gives what guided steps from one timestep to the next give."""
        for w in (2.5, -0.5):
            found, expected, _ = _loop(student, draw, "DDIM", w=w)
            _near(found, expected)

    @value(weight=4)
    def with_euler(self, student: Student, draw: Draw) -> None:
        """Is right with a scheduler that has noise of its own size, and scales what the network sees."""
        for steps in (5, 4):
            found, expected, _ = _loop(student, draw, "Euler", steps=steps)
            _near(found, expected)

    @value(weight=2)
    def with_heun(self, student: Student, draw: Draw) -> None:
        """Is right with a scheduler that asks twice at a timestep and remembers what it was told."""
        found, expected, _ = _loop(student, draw, "Heun", steps=3)
        _near(found, expected)

    @value(weight=3)
    def one_call_a_timestep(self, student: Student, draw: Draw) -> None:
        """Asks the network once at each timestep, for both predictions at once."""
        for B, steps, w in ((3, 4, 2.0), (1, 3, 1.0)):
            unet = Network(rows=2 * B, calls=steps)
            found, expected, _ = _loop(student, draw, "DDIM", unet, batch=B, steps=steps, w=w)
            _near(found, expected)
            assert_holds(
                unet.asked == steps, f"the network was asked {unet.asked} times, not at each timestep"
            )

    @value(weight=3)
    def from_the_middle(self, student: Student, draw: Draw) -> None:
        """With a start, leaves out the first timesteps and takes the latents as they are."""
        for kind, start in (("Euler", 2), ("DDIM", 3), ("Euler", 4)):
            found, expected, _ = _loop(student, draw, kind, start=start)
            _near(found, expected)

    @value()
    def single_precision(self, student: Student, draw: Draw) -> None:
        """Takes float32 and returns float32."""
        numbers: dict[str, Any] = {
            name: draw.normal(3, *shape, dtype=torch.float32)
            for name, shape in (("cond", (4, 5)), ("null", (4, 5)), ("latents", (2, 3, 4)))
        }
        found, expected, _ = _loop(student, draw, "Euler", steps=3, **numbers)
        assert_close(found, expected, rtol=RTOL_SINGLE)

    @value()
    def called_again(self, student: Student, draw: Draw) -> None:
        """Called again with other numbers of the same shapes it gives another result."""
        abar = _abar(draw, 20)
        scheduler = student.build("course.lab.schedulers.Euler", abar)
        for _ in range(2):
            given = draw.normal(2, 4, 5), draw.normal(2, 4, 5), draw.normal(2, 2, 3, 4)
            expected = reference.denoising_loop(Network(), schedulers.Euler(abar), *given, 3.0, 3)
            _near(student.denoising_loop(Network(), scheduler, *given, 3.0, 3), expected)

    @value()
    def any_layout(self, student: Student, draw: Draw) -> None:
        """Takes tensors that are not contiguous in memory."""
        numbers: dict[str, Any] = {
            name: draw.normal(3, *shape).transpose(-1, -2)
            for name, shape in (("cond", (5, 4)), ("null", (5, 4)), ("latents", (2, 4, 3)))
        }
        found, expected, _ = _loop(student, draw, "Euler", steps=3, **numbers)
        _near(found, expected)

    @value(weight=2)
    def untouched(self, student: Student, draw: Draw) -> None:
        """Leaves what it is given as it is, and gives the same again with the same scheduler."""
        abar, latents = _abar(draw, 20), draw.normal(3, 2, 3, 4)
        cond, null = draw.normal(3, 4, 5), draw.normal(3, 4, 5)
        scheduler = student.build("course.lab.schedulers.Euler", abar)
        seen = student.denoising_loop.observe(Network(), scheduler, cond, null, latents, 3.0, 4)
        expected = reference.denoising_loop(Network(), schedulers.Euler(abar), cond, null, latents, 3.0, 4)
        for name, at, given in (("cond", 2, cond), ("null", 3, null), ("latents", 4, latents)):
            after = seen.inputs[at]
            same = isinstance(after, Tensor) and torch.equal(after, given)
            assert_holds(same, f"`{name}` is not what it was before the call: it was changed in place")
        _near(seen.again, expected)

    @rule()
    def nothing_left_to_do(self, student: Student, draw: Draw) -> None:
        """With all timesteps left out the latents come back as they were, and the network is not asked."""
        unet = Network(calls=0)
        found, _, asked = _loop(student, draw, "Euler", unet, start=5)
        _near(found, asked["latents"])

    @rule()
    def nothing_to_guide_by(self, student: Student, draw: Draw) -> None:
        """If the prompt is the empty one, the scale makes no difference."""
        same = draw.normal(3, 4, 5)
        abar, latents = _abar(draw, 20), draw.normal(3, 2, 3, 4)
        found = []
        for w in (0.5, 6.0):
            scheduler = student.build("course.lab.schedulers.DDIM", abar)
            found.append(student.denoising_loop(Network(), scheduler, same, same.clone(), latents, w, 3))
        _near(found[1], _checked(found[0], latents))

    @rule()
    def samples_are_separate(self, student: Student, draw: Draw) -> None:
        """A sample's answer does not depend on the other samples of the batch."""
        abar, latents = _abar(draw, 20), draw.normal(4, 2, 3, 4)
        cond, null = draw.normal(4, 4, 5), draw.normal(4, 4, 5)
        found = []
        for part_of in (slice(None), slice(1, 3)):
            scheduler = student.build("course.lab.schedulers.Euler", abar)
            given = (cond[part_of], null[part_of], latents[part_of])
            found.append(student.denoising_loop(Network(), scheduler, *given, 3.0, 3))
        _near(found[1], _checked(found[0], latents)[1:3])

    @rule()
    def no_graph(self, student: Student, draw: Draw) -> None:
        """What comes out carries no graph."""
        scheduler: Handle = student.build("course.lab.schedulers.DDIM", _abar(draw, 20))
        cond, null, latents = draw.normal(2, 4, 5), draw.normal(2, 4, 5), draw.normal(2, 2, 3, 4)
        _carries_no_graph(student.denoising_loop, Network(), scheduler, cond, null, latents, 2.0, 2)


# --- img2img_start ----------------------------------------------------------------------------------------


def _of_img2img(draw: Draw) -> Iterator[Example]:
    latents, noise = draw.normal(3, 2, 4, 5), draw.normal(3, 2, 4, 5)
    yield Example(reference.img2img_latents, latents, noise, [9, 6, 3, 0], 1, _abar(draw))


def _of_img2img_that_changes_nothing(draw: Draw) -> Iterator[Example]:
    yield from _of_img2img(draw)
    latents, noise = draw.normal(3, 2, 4, 5), draw.normal(3, 2, 4, 5)
    yield Example(reference.img2img_latents, latents, noise, [9, 6, 3, 0], 4, _abar(draw))


def _is(found: Any, expected: int) -> None:
    assert_holds(
        isinstance(found, int) and not isinstance(found, bool),
        f"a whole number was expected, not {type(found).__name__}",
    )
    assert_holds(found == expected, "the number is wrong")


def _of_img2img_with_timesteps_in_a_tensor(draw: Draw) -> Iterator[Example]:
    yield from _of_img2img(draw)
    timesteps = torch.tensor([9, 6, 3, 0], device=draw.device)
    latents, noise = draw.normal(2, 1, 3, 2), draw.normal(2, 1, 3, 2)
    yield Example(reference.img2img_latents, latents, noise, timesteps, 2, _abar(draw))


@exercise("img2img_start")
@promises(
    _of_img2img,
    untouched(rtol=RTOL, examples=_of_img2img_with_timesteps_in_a_tensor),
    new_tensor(rtol=RTOL, examples=_of_img2img_that_changes_nothing),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    BESIDE_A_TABLE,
    gradients(weight=6, rtol=RTOL, to=["latents", "noise"]),
)
class Img2ImgStart:
    @value(weight=3)
    def leaves_out(self, student: Student, draw: Draw) -> None:
        """Leaves out the steps that a change of this strength does not need."""
        for strength in (0.3, 0.75, 0.5, 0.1):
            steps = draw.integer(30, 60)
            _is(student.img2img_start(steps, strength), steps - int(steps * strength))

    @value(weight=2)
    def rounds_down(self, student: Student, draw: Draw) -> None:
        """Takes int(steps * strength) steps, as Python rounds that."""
        for steps, strength in ((50, 0.58), (7, 0.5), (10, 0.99), (100, 0.29), (3, 0.9)):
            _is(student.img2img_start(steps, strength), steps - int(steps * strength))

    @value()
    def none_and_all(self, student: Student, draw: Draw) -> None:
        """Strength 1 takes all steps, and strength 0 none."""
        steps = draw.integer(5, 40)
        for strength, expected in ((1.0, 0), (0.0, steps), (0.5 / steps, steps)):
            _is(student.img2img_start(steps, strength), expected)

    @value(weight=4)
    def with_noise(self, student: Student, draw: Draw) -> None:
        """Gives the latents the noise of the timestep with which the loop goes on."""
        abar, timesteps = _abar(draw), [11, 8, 4, 1]
        for start in (0, 1, 3):
            latents, noise = draw.normal(3, 2, 4, 5), draw.normal(3, 2, 4, 5)
            share = abar[timesteps[start]]
            expected = share.sqrt() * latents + (1 - share).sqrt() * noise
            _near(student.img2img_latents(latents, noise, timesteps, start, abar), expected)

    @value()
    def timesteps_in_a_tensor(self, student: Student, draw: Draw) -> None:
        """Takes the timesteps as a scheduler has them, in a tensor."""
        abar, timesteps = _abar(draw), torch.tensor([10, 7, 2], device=draw.device)
        latents, noise = draw.normal(2, 1, 3, 2), draw.normal(2, 1, 3, 2)
        expected = abar[2].sqrt() * latents + (1 - abar[2]).sqrt() * noise
        _near(student.img2img_latents(latents, noise, timesteps, 2, abar), expected)

    @rule()
    def no_step_no_noise(self, student: Student, draw: Draw) -> None:
        """Where all timesteps are left out the latents stay as they are."""
        latents, noise = draw.normal(3, 2, 4, 5), draw.normal(3, 2, 4, 5)
        _near(student.img2img_latents(latents, noise, [9, 5, 1], 3, _abar(draw)), latents)

    @rule()
    def stronger_leaves_out_less(self, student: Student, draw: Draw) -> None:
        """The stronger the change, the fewer steps are left out: from all of them down to none."""
        steps = draw.integer(8, 20)
        found = [student.img2img_start(steps, tenth / 10) for tenth in range(11)]
        for left_out in found:
            whole = isinstance(left_out, int) and not isinstance(left_out, bool)
            assert_holds(whole, f"a whole number was expected, not {type(left_out).__name__}")
        assert_holds(found == sorted(found, reverse=True), "a stronger change left out more steps")
        assert_holds((found[0], found[-1]) == (steps, 0), "it does not go from all of the steps to none")


# --- paste_known ------------------------------------------------------------------------------------------


def _of_inpainting(draw: Draw) -> Iterator[Example]:
    x, known, noise = (draw.normal(3, 2, 4, 5) for _ in range(3))
    mask = draw.mask(3, 1, 4, 5)
    yield Example(reference.paste_known, x, known, mask, noise, 5, _abar(draw))
    yield Example(reference.renoise, x, 3, 8, noise, _abar(draw))


def _of_inpainting_that_changes_nothing(draw: Draw) -> Iterator[Example]:
    yield from _of_inpainting(draw)
    x, known, noise = (draw.normal(3, 2, 4, 5) for _ in range(3))
    everything = torch.ones(3, 1, 4, 5, dtype=torch.bool, device=draw.device)
    for mask in (everything, ~everything):
        yield Example(reference.paste_known, x, known, mask, noise, -1, _abar(draw))
    yield Example(reference.renoise, 0 * x, 3, 8, 0 * noise, _abar(draw))


@exercise("paste_known")
@promises(
    _of_inpainting,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL, examples=_of_inpainting_that_changes_nothing),
    any_layout(rtol=RTOL),
    by_position_and_name(rtol=RTOL),
    BESIDE_A_TABLE,
    gradients(weight=8, rtol=RTOL, to=["x", "known", "noise"]),
)
class PasteKnown:
    @value(weight=4)
    def pastes(self, student: Student, draw: Draw) -> None:
        """Puts the known in its place, with the noise of the next timestep, and leaves the rest as it is."""
        abar = _abar(draw)
        for t_next in (7, 0, 11):
            x, known, noise = (draw.normal(3, 2, 4, 5) for _ in range(3))
            mask = draw.mask(3, 1, 4, 5)
            noised = abar[t_next].sqrt() * known + (1 - abar[t_next]).sqrt() * noise
            found = student.paste_known(x, known, mask, noise, t_next, abar)
            _near(found, torch.where(mask, x, noised))

    @value(weight=2)
    def clean_at_last(self, student: Student, draw: Draw) -> None:
        """After the last step the known is put back without noise."""
        x, known, noise = (draw.normal(3, 2, 4, 5) for _ in range(3))
        mask = draw.mask(3, 1, 4, 5)
        found = student.paste_known(x, known, mask, noise, -1, _abar(draw))
        _near(found, torch.where(mask, x, known))

    @value(weight=4)
    def renoises(self, student: Student, draw: Draw) -> None:
        """Goes from one timestep up to a later one, by any number of steps at once."""
        abar = _abar(draw)
        for t, later in ((2, 9), (4, 5), (0, 11)):
            x, noise = draw.normal(3, 2, 4, 5), draw.normal(3, 2, 4, 5)
            share = abar[later] / abar[t]
            _near(student.renoise(x, t, later, noise, abar), share.sqrt() * x + (1 - share).sqrt() * noise)

    @value(weight=2)
    def from_clean(self, student: Student, draw: Draw) -> None:
        """From the clean picture, -1, it is the forward process itself."""
        abar, x, noise = _abar(draw), draw.normal(2, 3, 2, 4), draw.normal(2, 3, 2, 4)
        for later in (6, 0):
            expected = abar[later].sqrt() * x + (1 - abar[later]).sqrt() * noise
            _near(student.renoise(x, -1, later, noise, abar), expected)

    @rule()
    def step_by_step(self, student: Student, draw: Draw) -> None:
        """Without noise, two jumps one after the other shrink as one jump does."""
        abar, x = _abar(draw), draw.normal(3, 2, 4, 5)
        half = _checked(student.renoise(x, 1, 4, 0 * x, abar), x)
        _near(student.renoise(half, 4, 9, 0 * x, abar), _checked(student.renoise(x, 1, 9, 0 * x, abar), x))

    @rule()
    def everything_is_new(self, student: Student, draw: Draw) -> None:
        """Where all is to be new, nothing of the known is left."""
        x, known, noise = (draw.normal(3, 2, 4, 5) for _ in range(3))
        mask = torch.ones(3, 1, 4, 5, dtype=torch.bool, device=draw.device)
        _near(student.paste_known(x, known, mask, noise, 4, _abar(draw)), x)


# --- Controlled -------------------------------------------------------------------------------------------

BLOCK = part("torch.nn.Conv2d", 4, 4, 3, padding=1)
TOLD = part("course.lab.tiny_sd.network.Residual", 8, 8)  # block(x, time [B, 128])


def _of_control(draw: Draw) -> Iterator[Example]:
    x, hint = draw.normal(3, 4, 3, 5), draw.normal(3, 4, 3, 5)
    yield Example(reference.Controlled, x, hint, made_with=(BLOCK, 4))


def _of_control_and_zeros(draw: Draw) -> Iterator[Example]:
    yield from _of_control(draw)
    yield Example(reference.ZeroConv, draw.normal(3, 4, 3, 5), made_with=(4,))


LEARNS = [f"{layer}.{name}" for layer in ("copy", "zero_in", "zero_out") for name in ("weight", "bias")]

GRADIENTS_OF_CONTROL = replace(
    gradients(weight=8, rtol=RTOL, to=["x", "hint", *LEARNS]),
    says="Lets the right gradients flow back to picture, hint and all that is to learn.",
)


@exercise("Controlled")
@promises(
    _of_control,
    untouched(rtol=RTOL, examples=_of_control_and_zeros),
    new_tensor(rtol=RTOL, examples=_of_control_and_zeros),
    same_in_eval(rtol=RTOL),
    any_layout(rtol=RTOL),
    dtypes(torch.float32, rtol=ROUNDED),
    GRADIENTS_OF_CONTROL,
)
class Controlled:
    @value(weight=2)
    def zero_conv(self, student: Student, draw: Draw) -> None:
        """A `ZeroConv` is a 1 x 1 convolution with weight and bias."""
        handle, module = twins(student, draw, reference.ZeroConv, 4)
        for shape in ((3, 4, 2, 5), (1, 4, 3, 1)):
            x = draw.normal(*shape)
            _near(handle(x), F.conv2d(x, module.weight, module.bias).detach())

    @value(weight=4)
    def adds_the_copys_answer(self, student: Student, draw: Draw) -> None:
        """With the same weights, adds to the block's answer what the copy makes of picture and hint."""
        for shape in ((3, 4, 3, 5), (2, 4, 4, 2)):
            handle, module = twins(student, draw, reference.Controlled, BLOCK, 4)
            x, hint = draw.normal(*shape), draw.normal(*shape)
            _near(handle(x, hint), module(x, hint).detach())

    @value(weight=2)
    def passes_on(self, student: Student, draw: Draw) -> None:
        """What else a block is told, such as the time, block and copy are both told."""
        handle, module = twins(student, draw, reference.Controlled, TOLD, 8)
        x, hint, time = draw.normal(2, 8, 3, 2), draw.normal(2, 8, 3, 2), draw.normal(2, 128)
        _near(handle(x, hint, time), module(x, hint, time).detach())

    @value(weight=3)
    def starts_as_the_block(self, student: Student, draw: Draw) -> None:
        """Before it has learned anything it does what the block does, bit for bit, whatever the hint."""
        handle = student.build("Controlled", BLOCK, 4)
        weight, bias = draw.normal(4, 4, 3, 3, dtype=torch.float32), draw.normal(4, dtype=torch.float32)
        handle.load_state_dict({"block.weight": weight, "block.bias": bias}, strict=False)
        for _ in range(2):
            x, hint = (draw.normal(3, 4, 3, 5, dtype=torch.float32) for _ in range(2))
            assert_close(handle(x, hint), F.conv2d(x, weight, bias, padding=1))

    @rule(weight=2)
    def starts_as_a_copy(self, student: Student, draw: Draw) -> None:
        """The copy starts with the block's numbers, and the two convolutions around it with zeros."""
        state = student.build("Controlled", BLOCK, 4).state_dict()
        for name in ("weight", "bias"):
            wanted = assert_tensor(state.get(f"block.{name}"))
            assert_holds((wanted != 0).any(), "the block's own numbers are lost")
            assert_close(state.get(f"copy.{name}"), wanted)
            for layer in ("zero_in", "zero_out"):
                zeros = assert_tensor(state.get(f"{layer}.{name}"))
                assert_holds((zeros == 0).all(), f"`{layer}.{name}` does not start as zeros")

    @rule(weight=2)
    def who_learns(self, student: Student, draw: Draw) -> None:
        """The block is frozen; the copy and both convolutions learn."""
        known = student.build("Controlled", BLOCK, 4).parameters()
        for name, each in known.items():
            frozen = name.startswith("block.")
            said = "should be frozen" if frozen else "is frozen, and should learn"
            assert_holds(each.requires_grad is not frozen, f"`{name}` {said}")

    @rule()
    def copies_learn_from_what_is_frozen(self, student: Student, draw: Draw) -> None:
        """Of a block that is frozen already, the copy learns all the same."""
        outer = student.build("Controlled", part("Controlled", BLOCK, 4), 4)
        for name, each in outer.parameters().items():
            if name.startswith("copy."):
                assert_holds(each.requires_grad, f"`{name}` is frozen, as the block was, and should learn")

    @rule()
    def block_and_copy_are_apart(self, student: Student, draw: Draw) -> None:
        """What the copy learns changes nothing in the block."""
        handle, module = twins(student, draw, reference.Controlled, BLOCK, 4)
        state = module.state_dict()
        handle.load_state_dict({"copy.weight": 2 * state["copy.weight"]}, strict=False)
        assert_close(handle.state_dict().get("block.weight"), state["block.weight"])
