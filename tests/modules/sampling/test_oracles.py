"""Each solution of the sampling module against diffusers' schedulers, or against a closed form.

diffusers keeps its tables in float32; where it lets itself be given one, it gets ours, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMInverseScheduler,
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
)
from torch import Tensor

from course.lab import ddim, ddpm
from solutions import sampling
from solutions.bonus.sampling import ancestral_step

from ..oracles import DTYPES, agree

# diffusers makes NumPy arrays out of tensors.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
ABAR = torch.cumprod(1 - BETAS, 0)
SHAPE = (3, 2, 5, 4)
MEAN, DEVIATION = 0.7, 0.2  # of the data of a world whose network is a formula


def normal(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape or SHAPE, dtype=dtype)


def scheduler(kind: Any, **options: Any) -> Any:
    """One of diffusers', with our table in float64."""
    made = kind(1000, trained_betas=BETAS.numpy(), **options)
    made.alphas_cumprod, made.betas = ABAR, BETAS
    made.one = made.final_alpha_cumprod = made.initial_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    return made


def gaussian_eps(x: Tensor, t: Tensor) -> Tensor:
    """The best prediction of the noise, for data from a normal distribution."""
    abar = ABAR[t].reshape(-1, *[1] * (x.dim() - 1)).to(x.dtype)
    eps: Tensor = (1 - abar).sqrt() * (x - abar.sqrt() * MEAN) / (abar * DEVIATION**2 + 1 - abar)
    return eps


def gaussian_flow(x: Tensor, t: int, t_next: int) -> Tensor:
    """Where the flow leads, exactly: as many standard deviations off the mean as before."""
    now, after = ABAR[t], ABAR[t_next] if t_next >= 0 else torch.tensor(1.0, dtype=torch.float64)
    spread = [(abar * DEVIATION**2 + 1 - abar).sqrt() for abar in (now, after)]
    return after.sqrt() * MEAN + (x - now.sqrt() * MEAN) * spread[1] / spread[0]


def ddim_along(x: Tensor, times: list[int]) -> Tensor:
    return sampling.sample(
        gaussian_eps, x, times, lambda x, eps, t, t_next: sampling.ddim_step(x, eps, t, t_next, ABAR)
    )


class TestDdpmStep:
    @pytest.mark.parametrize("clip", [False, True])
    @pytest.mark.parametrize(
        ("t", "t_next", "steps"),
        [
            (999, 998, 1000),
            (500, 499, 1000),
            (1, 0, 1000),
            (0, -1, 1000),
            (950, 900, 20),
            (50, 0, 20),
            (0, -1, 20),
        ],
    )
    def test_is_diffusers_step(
        self, t: int, t_next: int, steps: int, clip: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        xt, eps, noise = 2 * normal(), normal(), normal()
        import diffusers.schedulers.scheduling_ddpm as theirs

        monkeypatch.setattr(theirs, "randn_tensor", lambda *_, **__: noise)
        oracle = scheduler(DDPMScheduler, clip_sample=clip, variance_type="fixed_small")
        oracle.set_timesteps(steps)
        # Their variance is clamped at 1e-20, which is 1e-10 of the noise at a step where ours is 0.
        expected = oracle.step(eps, t, xt).prev_sample
        torch.testing.assert_close(
            sampling.ddpm_step(xt, eps, t, t_next, noise, ABAR, clip), expected, rtol=1e-9, atol=1e-9
        )

    def test_many_steps_give_the_mean_and_the_variance_that_an_affine_recursion_gives(self) -> None:
        betas = torch.linspace(0.01, 0.35, 20, dtype=torch.float64)
        abar = torch.cumprod(1 - betas, 0)
        x, generator = normal(20_000, 1), torch.Generator().manual_seed(1)
        mean, variance = 0.0, 1.0
        for t in range(19, -1, -1):
            now, after = float(abar[t]), float(abar[t - 1]) if t else 1.0

            def step(x: Tensor, noise: Tensor, now: float = now, t: int = t) -> Tensor:
                eps = (1 - now) ** 0.5 * (x - now**0.5 * MEAN) / (now * DEVIATION**2 + 1 - now)
                return sampling.ddpm_step(x, eps, t, t - 1, noise, abar)

            x = step(x, torch.randn(x.shape, generator=generator, dtype=x.dtype))
            at = [float(step(torch.full((1, 1), each), torch.zeros(1, 1))) for each in (0.0, 1.0)]
            mean = at[0] + (at[1] - at[0]) * mean
            fresh = (1 - now / after) * (1 - after) / (1 - now)
            variance = (at[1] - at[0]) ** 2 * variance + fresh
        assert float(x.mean()) == pytest.approx(mean, abs=5 * (variance / 20_000) ** 0.5)
        assert float(x.std()) == pytest.approx(variance**0.5, rel=5 / 40_000**0.5)


class TestSample:
    @pytest.mark.parametrize("n", [1, 20, 50])
    def test_with_ddim_it_is_the_courses_own_sampler(self, n: int) -> None:
        x = normal(7, 2)
        times = sampling.ddim_timesteps(1000, n)
        agree(ddim_along(x, times), ddim.sample(gaussian_eps, x, ABAR, n))

    def test_with_ddpm_it_is_the_courses_own_sampler(self) -> None:
        x, generators = normal(7, 2), [torch.Generator().manual_seed(4) for _ in range(2)]

        def step(x: Tensor, eps: Tensor, t: int, t_next: int) -> Tensor:
            noise = torch.randn(x.shape, generator=generators[0], dtype=x.dtype)
            return sampling.ddpm_step(x, eps, t, t_next, noise, ABAR, clip=True)

        ours = sampling.sample(gaussian_eps, x, sampling.ddim_timesteps(1000, 20), step)
        agree(ours, ddpm.sample(gaussian_eps, x, ABAR, 20, generator=generators[1], clip=True))


class TestDdimTimesteps:
    @pytest.mark.parametrize("spacing", ["leading", "trailing"])
    @pytest.mark.parametrize("n", [1, 2, 4, 5, 8, 10, 20, 25, 50, 100])
    def test_are_diffusers(self, n: int, spacing: Any) -> None:
        oracle: Any = DDIMScheduler(1000, timestep_spacing=spacing)
        oracle.set_timesteps(n)
        assert sampling.ddim_timesteps(1000, n, spacing) == oracle.timesteps.tolist()


class TestDdimStep:
    @pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("clip", [False, True])
    @pytest.mark.parametrize(("t", "t_next"), [(950, 900), (50, 0), (0, -1)])
    def test_is_diffusers_step(self, t: int, t_next: int, clip: bool, eta: float) -> None:
        xt, eps, noise = 2 * normal(), normal(), normal()
        oracle = scheduler(DDIMScheduler, clip_sample=clip)
        oracle.set_timesteps(20)
        theirs = oracle.step(
            eps, t, xt, eta=eta, use_clipped_model_output=clip, variance_noise=noise
        ).prev_sample
        agree(sampling.ddim_step(xt, eps, t, t_next, ABAR, eta, noise, clip), theirs)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize(("t", "t_next"), [(999, 998), (600, 300), (1, 0), (0, -1)])
    def test_with_eta_1_it_is_ddpm(self, t: int, t_next: int, dtype: torch.dtype) -> None:
        xt, eps, noise = normal(dtype=dtype), normal(dtype=dtype), normal(dtype=dtype)
        ours = sampling.ddim_step(xt, eps, t, t_next, ABAR, 1.0, noise)
        theirs = sampling.ddpm_step(xt, eps, t, t_next, noise, ABAR)
        torch.testing.assert_close(ours, theirs, rtol=1e-4 if dtype == torch.float32 else 1e-10, atol=1e-4)

    def test_it_comes_nearer_to_the_exact_flow_with_each_step_more(self) -> None:
        x, errors = normal(200, 1), []
        for n in (20, 40, 80):
            times = sampling.ddim_timesteps(1000, n, "trailing")
            errors.append(float((ddim_along(x, times) - gaussian_flow(x, 999, -1)).abs().max()))
        assert errors[0] > 1.7 * errors[1] > 2.9 * errors[2]


class TestDdimInvert:
    @pytest.mark.parametrize("n", [1, 7, 20])
    def test_is_diffusers_inverse_scheduler(self, n: int) -> None:
        x0 = MEAN + DEVIATION * normal(50, 2)
        oracle = scheduler(DDIMInverseScheduler, clip_sample=False)
        oracle.set_timesteps(n)
        x = x0
        for t in oracle.timesteps.tolist():
            x = oracle.step(gaussian_eps(x, torch.full((50,), t)), t, x).prev_sample
        agree(sampling.ddim_invert(gaussian_eps, x0, sampling.ddim_timesteps(1000, n), ABAR), x)

    def test_the_way_back_is_off_by_an_error_that_falls_with_the_steps(self) -> None:
        x0, errors = MEAN + DEVIATION * normal(50, 2), []
        for n in (20, 50, 100):
            times = sampling.ddim_timesteps(1000, n)
            back = ddim_along(sampling.ddim_invert(gaussian_eps, x0, times, ABAR), times)
            errors.append(float((back - x0).abs().max()))
        assert errors[0] > 1.7 * errors[1] > 2.9 * errors[2]


class TestDpmSolverStep:
    @pytest.mark.parametrize(("spacing", "n"), [("leading", 20), ("trailing", 10)])
    def test_a_whole_way_is_diffusers(self, spacing: Any, n: int) -> None:
        make: Any = DPMSolverMultistepScheduler
        oracle = make(
            1000,
            trained_betas=BETAS.numpy(),
            algorithm_type="dpmsolver++",
            solver_order=2,
            solver_type="midpoint",
            timestep_spacing=spacing,
            final_sigmas_type="zero",
        )
        oracle.set_timesteps(n)
        times = oracle.timesteps.tolist()
        x = theirs = normal(50, 2)
        before, t_before = None, None
        for t, t_next in zip(times, [*times[1:], -1], strict=True):
            theirs = oracle.step(gaussian_eps(theirs, torch.full((50,), t)), t, theirs).prev_sample
            x0 = (x - (1 - ABAR[t]).sqrt() * gaussian_eps(x, torch.full((50,), t))) / ABAR[t].sqrt()
            x, before, t_before = sampling.dpm_solver_step(x, x0, before, t_before, t, t_next, ABAR), x0, t
        torch.testing.assert_close(x, theirs, rtol=3e-6, atol=3e-6)  # its sigmas are in float32

    @pytest.mark.parametrize(("t", "t_next"), [(900, 850), (40, 3)])
    def test_its_first_order_is_ddim(self, t: int, t_next: int) -> None:
        xt, eps = normal(), normal()
        x0 = (xt - (1 - ABAR[t]).sqrt() * eps) / ABAR[t].sqrt()
        ours = sampling.dpm_solver_step(xt, x0, None, None, t, t_next, ABAR)
        agree(ours, sampling.ddim_step(xt, eps, t, t_next, ABAR))

    def test_its_second_order_is_seen_where_the_steps_are_even_in_lambda(self) -> None:
        errors = [two_m_and_ddim(n) for n in (20, 40, 80)]
        for (of_two_m, of_ddim), (next_two_m, next_ddim) in pairwise(errors):
            assert of_two_m / next_two_m > 2.6
            assert 1.6 < of_ddim / next_ddim < 2.4
        assert errors[-1][0] < errors[-1][1] / 20


def two_m_and_ddim(n: int) -> tuple[float, float]:
    """Errors of both on the Gaussian flow from t = 999 to t = 0, with n timesteps even in lambda."""
    level = (ABAR / (1 - ABAR)).log() / 2
    wanted = torch.linspace(float(level[999]), float(level[0]), n, dtype=torch.float64)
    times = sorted({int((level - each).abs().argmin()) for each in wanted}, reverse=True)
    start = normal(50, 2)
    x, z, before, t_before = start, start, None, None
    for t, t_next in pairwise(times):
        at = torch.full((50,), t)
        x0 = (x - (1 - ABAR[t]).sqrt() * gaussian_eps(x, at)) / ABAR[t].sqrt()
        x, before, t_before = sampling.dpm_solver_step(x, x0, before, t_before, t, t_next, ABAR), x0, t
        z = sampling.ddim_step(z, gaussian_eps(z, at), t, t_next, ABAR)
    exact = gaussian_flow(start, 999, 0)
    return float((x - exact).abs().max()), float((z - exact).abs().max())


class TestKarrasSigmas:
    @pytest.mark.parametrize("n", [1, 2, 5, 18, 50])
    def test_are_diffusers(self, n: int) -> None:
        oracle: Any = EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0, rho=7.0)
        oracle.set_timesteps(n)
        agree(sampling.karras_sigmas(n, 0.002, 80.0).float(), oracle.sigmas)


def gaussian_denoise(x: Tensor, sigma: float) -> Tensor:
    """The best prediction of x0, for data from a normal distribution."""
    return (x * DEVIATION**2 + MEAN * sigma**2) / (DEVIATION**2 + sigma**2)


def heun_along(x: Tensor, sigmas: list[float], denoise: Callable[[Tensor, float], Tensor]) -> Tensor:
    for sigma, sigma_next in pairwise(sigmas):
        x = sampling.heun_step(denoise, x, sigma, sigma_next)
    return x


class TestHeunStep:
    def test_a_whole_way_is_diffusers(self) -> None:
        oracle: Any = HeunDiscreteScheduler(1000, trained_betas=BETAS.numpy(), use_karras_sigmas=True)
        oracle.set_timesteps(10)
        x = normal(50, 2) * oracle.sigmas[0].double()
        sigmas = [float(oracle.sigmas[0]), *map(float, oracle.sigmas[1::2])]
        ours = heun_along(x, sigmas, gaussian_denoise)
        for t in oracle.timesteps:
            sigma = float(oracle.sigmas[oracle.step_index or 0])
            x = oracle.step((x - gaussian_denoise(x, sigma)) / sigma, t, x).prev_sample
        torch.testing.assert_close(ours, x, rtol=1e-6, atol=1e-6)  # its sigmas are in float32

    def test_half_the_step_is_a_quarter_of_the_error(self) -> None:
        start, errors = 80 * normal(50, 2), []
        exact = MEAN + (start - MEAN) * DEVIATION / math.hypot(DEVIATION, 80.0)
        for n in (20, 40, 80):
            x = heun_along(start, sampling.karras_sigmas(n, 0.002, 80.0).tolist(), gaussian_denoise)
            errors.append(float((x - exact).abs().max()))
        assert errors[0] / errors[1] > 3
        assert errors[1] / errors[2] > 3


def test_the_bonus_ancestral_step_is_diffusers(monkeypatch: pytest.MonkeyPatch) -> None:
    import diffusers.schedulers.scheduling_euler_ancestral_discrete as theirs

    noise = normal(50, 2)
    monkeypatch.setattr(theirs, "randn_tensor", lambda *_, **__: noise)
    oracle: Any = EulerAncestralDiscreteScheduler(1000, trained_betas=BETAS.numpy())
    oracle.set_timesteps(10)
    ours = x = 10 * normal(50, 2)
    for t, sigma, sigma_next in zip(
        oracle.timesteps, oracle.sigmas.tolist()[:-1], oracle.sigmas.tolist()[1:], strict=True
    ):
        oracle.is_scale_input_called = True
        ours = ancestral_step(ours, gaussian_denoise(ours, sigma), sigma, sigma_next, noise)
        x = oracle.step((x - gaussian_denoise(x, sigma)) / sigma, t, x).prev_sample
    torch.testing.assert_close(ours, x, rtol=1e-5, atol=1e-5)  # its sigmas are in float32


class TestFlowMatching:
    def test_the_pair_is_diffusers_and_leads_back_in_one_step(self) -> None:
        oracle: Any = FlowMatchEulerDiscreteScheduler(1000)
        x0, noise, times = normal(), normal(), oracle.timesteps[[0, 400, 999]]
        sigma = (times / 1000).double()
        xt, velocity = sampling.flow_matching_pair(x0, noise, sigma)
        agree(xt, oracle.scale_noise(x0, times, noise), single=1e-6)
        for one, v, share, clean in zip(xt, velocity, sigma.tolist(), x0, strict=True):
            agree(sampling.flow_matching_step(one, v, share, 0.0), clean)

    @pytest.mark.parametrize("shift", [1.0, 3.0])
    def test_steps_and_shift_are_diffusers(self, shift: float) -> None:
        oracle: Any = FlowMatchEulerDiscreteScheduler(1000, shift=shift)
        plain: Any = FlowMatchEulerDiscreteScheduler(1000)
        agree(sampling.shift_sigmas(plain.sigmas, shift), oracle.sigmas)
        oracle.set_timesteps(10)
        x = theirs = normal(dtype=torch.float32)
        sigmas = oracle.sigmas.tolist()
        for t, sigma, sigma_next in zip(oracle.timesteps, sigmas, sigmas[1:], strict=False):
            v = torch.sin(3 * theirs)
            theirs = oracle.step(v, t, theirs).prev_sample
            x = sampling.flow_matching_step(x, v, sigma, sigma_next)
        agree(x, theirs, single=1e-5)

    @pytest.mark.parametrize("m", [2, 4])
    def test_a_shift_of_m_divides_the_signal_to_noise_ratio_by_m_squared(self, m: int) -> None:
        sigma = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
        before, after = (((1 - each) / each) ** 2 for each in (sigma, sampling.shift_sigmas(sigma, m)))
        agree(after, before / m**2)


def test_none_of_them_changes_what_it_is_given() -> None:
    xt, eps, noise = normal(), normal(), normal()
    before = [each.clone() for each in (xt, eps, noise, ABAR)]
    sampling.ddpm_step(xt, eps, 9, 4, noise, ABAR, clip=True)
    sampling.ddim_step(xt, eps, 9, 4, ABAR, 0.5, noise, clip=True)
    sampling.ddim_invert(gaussian_eps, xt, [9, 4], ABAR)
    sampling.dpm_solver_step(xt, eps, noise, 9, 5, 2, ABAR)
    sampling.dpm_solver_step(xt, eps, noise, 9, 5, -1, ABAR)
    sampling.heun_step(gaussian_denoise, xt, 2.0, 1.0)
    sampling.flow_matching_pair(xt, eps, torch.tensor([0.1, 0.2, 0.3]))
    assert all(torch.equal(each, kept) for each, kept in zip((xt, eps, noise, ABAR), before, strict=True))
