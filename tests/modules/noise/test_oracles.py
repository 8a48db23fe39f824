"""Each solution of the noise module against the library that everyone uses, or against a closed form."""

import math
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr
from torch import Tensor

from solutions import noise

from ..oracles import DTYPES, agree

T = 10  # few steps and large betas: with a thousand small ones an error of one step hides below 1e-2
LARGE = {"beta_start": 0.05, "beta_end": 0.6}
SHAPES = [(3,), (3, 5), (3, 2, 4, 6), (1, 2, 5, 3), (3, 2, 3, 4, 5)]


def scheduler(betas: Tensor | None = None, **options: Any) -> Any:
    """diffusers' scheduler, with its tables in float64 where betas are given."""
    build: Any = DDPMScheduler
    if betas is None:
        return build(clip_sample=False, **options)
    made = build(len(betas), clip_sample=False, **options)
    made.betas, made.alphas = betas, 1 - betas
    made.alphas_cumprod = torch.cumprod(1 - betas, dim=0)
    made.one = torch.ones((), dtype=betas.dtype)
    return made


class TestBetas:
    @pytest.mark.parametrize("steps", [1, 2, T, 1000])
    @pytest.mark.parametrize(
        ("ours", "name"),
        [
            (noise.linear_betas, "linear"),
            (noise.scaled_linear_betas, "scaled_linear"),
            (noise.sigmoid_betas, "sigmoid"),
        ],
    )
    def test_are_those_of_diffusers(self, ours: Any, name: str, steps: int) -> None:
        theirs = scheduler(num_train_timesteps=steps, beta_schedule=name, **LARGE).betas
        agree(ours(steps, **LARGE, dtype=torch.float32), theirs)
        agree(ours(steps, **LARGE).float(), theirs)

    @pytest.mark.parametrize("steps", [1, 2, T, 1000])
    def test_the_cosine_is_that_of_diffusers(self, steps: int) -> None:
        theirs = scheduler(num_train_timesteps=steps, beta_schedule="squaredcos_cap_v2").betas
        assert torch.equal(noise.cosine_betas(steps, dtype=torch.float32), theirs)

    def test_the_defaults_are_those_of_the_papers(self) -> None:
        ddpm = scheduler(num_train_timesteps=1000).betas
        stable_diffusion = scheduler(
            num_train_timesteps=1000, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012
        ).betas
        assert torch.equal(noise.linear_betas(1000, dtype=torch.float32), ddpm)
        agree(noise.scaled_linear_betas(1000, dtype=torch.float32), stable_diffusion)

    @pytest.mark.parametrize("s", [0.0, 0.008, 0.3])
    def test_the_cosine_undone_is_the_cosine_of_the_paper(self, s: float) -> None:
        abar = torch.cumprod(1 - noise.cosine_betas(T, s), dim=0)
        for step in range(T - 1):  # the last one is capped
            angle = ((step + 1) / T + s) / (1 + s) * math.pi / 2
            start = s / (1 + s) * math.pi / 2
            assert float(abar[step]) == pytest.approx(math.cos(angle) ** 2 / math.cos(start) ** 2, rel=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
class TestZeroTerminalSnr:
    @pytest.mark.parametrize("steps", [2, T, 1000])
    def test_is_that_of_diffusers(self, dtype: torch.dtype, steps: int) -> None:
        betas = noise.scaled_linear_betas(steps, dtype=dtype)
        agree(noise.zero_terminal_snr(betas), rescale_zero_terminal_snr(betas))

    def test_the_end_is_exact_and_the_start_is_kept(self, dtype: torch.dtype) -> None:
        betas = torch.rand(T, dtype=dtype) * 0.5 + 0.01
        ours = noise.zero_terminal_snr(betas)
        assert ours[-1] == 1
        assert torch.cumprod(1 - ours, dim=0)[-1] == 0
        agree(ours[:1], betas[:1])

    def test_a_second_time_changes_nothing(self, dtype: torch.dtype) -> None:
        once = noise.zero_terminal_snr(noise.linear_betas(T, **LARGE, dtype=dtype))
        agree(noise.zero_terminal_snr(once), once)


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float16, torch.int64])
@pytest.mark.parametrize("ndim", [1, 2, 3, 4, 5])
def test_extract_is_indexing(dtype: torch.dtype, ndim: int) -> None:
    values, t = (100 * torch.rand(T)).to(dtype), torch.tensor([9, 0, 4, 4, 1])
    ours = noise.extract(values, t, ndim)
    assert ours.shape == (5, *[1] * (ndim - 1))
    assert ours.dtype == dtype
    assert ours.flatten().tolist() == [values.tolist()[step] for step in t.tolist()]


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float16])
@pytest.mark.parametrize("shape", SHAPES)
class TestQSample:
    def test_is_add_noise(self, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        betas = noise.linear_betas(T, **LARGE)
        x0, eps = torch.randn(shape).to(dtype), torch.randn(shape).to(dtype)
        t = torch.randint(T, shape[:1])
        ours = noise.q_sample(x0, t, eps, torch.cumprod(1 - betas, dim=0))
        assert ours.dtype == dtype
        theirs = scheduler(betas).add_noise(x0.double(), eps.double(), t)
        tolerance = 5e-3 if dtype == torch.float16 else 2e-6
        torch.testing.assert_close(ours.double(), theirs, rtol=tolerance, atol=tolerance)

    def test_is_what_the_single_steps_make_together(self, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        """Each step is linear and its noise independent: mean and variance of the chain say it all."""
        betas = noise.linear_betas(T, **LARGE)
        abar = torch.cumprod(1 - betas, dim=0)
        mean, variance = 1.0, 0.0
        for step, beta in enumerate(betas.tolist()):
            mean, variance = mean * math.sqrt(1 - beta), variance * (1 - beta) + beta
            t, one, none = (
                torch.full(shape[:1], step),
                torch.ones(shape).to(dtype),
                torch.zeros(shape).to(dtype),
            )
            of_x0, of_noise = noise.q_sample(one, t, none, abar), noise.q_sample(none, t, one, abar)
            tolerance = 5e-3 if dtype == torch.float16 else 1e-6
            assert float(of_x0.min()) == pytest.approx(mean, rel=tolerance)
            assert float(of_noise.max()) ** 2 == pytest.approx(variance, rel=tolerance)


def test_a_sum_of_many_small_steps_has_the_distribution_of_one_jump() -> None:
    """Not a formula this time: 40,000 numbers go through ten steps each."""
    betas = noise.linear_betas(T, **LARGE)
    x = x0 = torch.full((40_000,), 3.0, dtype=torch.float64)
    for beta in betas.tolist():
        x = math.sqrt(1 - beta) * x + math.sqrt(beta) * torch.randn_like(x)
    t = torch.full((40_000,), T - 1)
    jump = noise.q_sample(x0, t, torch.randn_like(x0), torch.cumprod(1 - betas, dim=0))
    assert float(x.mean()) == pytest.approx(float(jump.mean()), abs=0.03)
    assert float(x.var()) == pytest.approx(float(jump.var()), abs=0.04)


class TestSignalToNoise:
    def test_is_the_ratio_of_what_add_noise_multiplies_with(self) -> None:
        betas = noise.linear_betas(T, **LARGE)
        one, none, t = torch.ones(T, 1).double(), torch.zeros(T, 1).double(), torch.arange(T)
        add_noise = scheduler(betas).add_noise
        theirs = (add_noise(one, none, t) / add_noise(none, one, t)).square()[:, 0]
        agree(noise.signal_to_noise(torch.cumprod(1 - betas, dim=0)), theirs)

    def test_is_zero_at_the_end_of_a_schedule_of_zero_terminal_snr(self) -> None:
        abar = torch.cumprod(1 - noise.zero_terminal_snr(noise.scaled_linear_betas(1000)), dim=0)
        assert noise.signal_to_noise(abar)[-1] == 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
class TestQPosterior:
    def test_is_the_step_of_diffusers(self, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        """Its step takes the noise in xt from a network: given the true one, it is the posterior."""
        betas = noise.linear_betas(T, **LARGE)
        abar = torch.cumprod(1 - betas, dim=0)
        x0, eps = torch.randn(shape, dtype=dtype), torch.randn(shape, dtype=dtype)
        theirs = scheduler(betas, variance_type="fixed_small")
        theirs.set_timesteps(T)
        for step in range(T):
            t = torch.full(shape[:1], step)
            xt = noise.q_sample(x0, t, eps, abar)
            mean, variance = noise.q_posterior(x0, xt, t, betas)
            assert variance.shape == (shape[0], *[1] * (len(shape) - 1))
            assert mean.dtype == variance.dtype == dtype
            drawn = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(step))
            generator = torch.Generator().manual_seed(step)
            columns = (shape[0], -1)  # it looks at a second dimension
            expected = theirs.step(
                eps.reshape(columns), step, xt.reshape(columns), generator=generator
            ).prev_sample
            ours = (mean + variance.sqrt() * drawn).reshape(columns)
            torch.testing.assert_close(ours, expected.to(dtype), rtol=1e-5, atol=1e-5)

    def test_is_what_conditioning_the_joint_gaussian_gives(
        self, dtype: torch.dtype, shape: tuple[int, ...]
    ) -> None:
        """x_0 ... x_{T-1} given x0 are jointly Gaussian: condition on x_t through the covariance matrix."""
        betas = torch.rand(T, dtype=torch.float64) * 0.5 + 0.05
        transfer = torch.zeros(T + 1, T + 1, dtype=torch.float64)  # of the noise drawn at each step to each x
        for step, beta in enumerate(betas.tolist()):
            transfer[step + 1] = math.sqrt(1 - beta) * transfer[step]
            transfer[step + 1, step + 1] = math.sqrt(beta)
        covariance = transfer @ transfer.T  # row 0 is x0 itself, which is known
        means = torch.cat([betas.new_ones(1), torch.cumprod(1 - betas, dim=0).sqrt()])  # times x0

        t = torch.randint(T, shape[:1])
        x0, xt = torch.randn(shape, dtype=dtype), torch.randn(shape, dtype=dtype)
        mean, variance = noise.q_posterior(x0, xt, t, betas)
        for sample, step in enumerate(t.tolist()):
            before, now = step, step + 1
            gain = covariance[before, now] / covariance[now, now]
            expected = means[before] * x0[sample] + gain * (xt[sample] - means[now] * x0[sample])
            agree(mean[sample], expected.to(dtype))
            left = covariance[before, before] - gain * covariance[before, now]
            agree(variance[sample].flatten(), left.to(dtype)[None])

    def test_at_the_end_of_a_schedule_of_zero_terminal_snr_all_is_finite(
        self, dtype: torch.dtype, shape: tuple[int, ...]
    ) -> None:
        betas = noise.zero_terminal_snr(noise.linear_betas(T, **LARGE))
        x0, xt = torch.randn(shape, dtype=dtype), torch.randn(shape, dtype=dtype)
        mean, variance = noise.q_posterior(x0, xt, torch.full(shape[:1], T - 1), betas)
        previous = torch.cumprod(1 - betas, dim=0)[-2]
        agree(mean, (previous.sqrt() * x0).to(dtype))
        agree(variance.flatten(), torch.full(shape[:1], float(1 - previous), dtype=dtype))


def test_no_function_changes_its_inputs() -> None:
    betas = noise.linear_betas(T, **LARGE)
    abar = torch.cumprod(1 - betas, dim=0)
    x, t = torch.randn(3, 2, 4, 5), torch.tensor([0, 9, 4])
    given = [betas, abar, x, t]
    before = [tensor.clone() for tensor in given]
    noise.extract(abar, t, 4)
    noise.q_sample(x, t, x, abar)
    noise.signal_to_noise(abar)
    noise.zero_terminal_snr(betas)
    noise.q_posterior(x, x, t, betas)
    assert all(torch.equal(one, other) for one, other in zip(given, before, strict=True))
