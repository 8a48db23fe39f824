"""Each solution of the training module against the library that everyone uses, or against a closed form."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, EDMEulerScheduler
from diffusers.training_utils import EMAModel, compute_snr
from torch import Tensor, nn

from course.modules.training import lent
from solutions import training
from solutions.noise import q_posterior, q_sample

from ..oracles import DTYPES, agree, agree_in_scale

BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
ABAR = torch.cumprod(1 - BETAS, 0)
T = torch.tensor([0, 500, 999])


def batch(dtype: torch.dtype = torch.float64, *shape: int) -> tuple[Tensor, Tensor, Tensor]:
    """Samples, noise, and both mixed."""
    generator = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(shape or (3, 2, 5, 4), generator=generator).to(dtype) for _ in range(2))
    return x0, noise, q_sample(x0, T, noise, ABAR)


class TestPredictions:
    @pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
    def test_the_picture_and_the_noise_are_those_of_a_diffusers_scheduler(self, kind: str) -> None:
        _, answer, xt = batch()
        build: Any = DDIMScheduler
        scheduler = build(1000, trained_betas=BETAS.numpy(), clip_sample=False, prediction_type=kind)
        scheduler.alphas_cumprod = ABAR
        scheduler.set_timesteps(1000)
        for i, t in enumerate(T):
            x, told, at = xt[i : i + 1], answer[i : i + 1], t[None]
            theirs = scheduler.step(told, int(t), x).pred_original_sample
            if kind == "epsilon":
                ours = training.x0_from_eps(x, told, at, ABAR)
            elif kind == "v_prediction":
                ours = training.from_velocity(x, told, at, ABAR)[0]
            else:
                ours = training.x0_from_eps(x, training.eps_from_x0(x, told, at, ABAR), at, ABAR)
            agree_in_scale(ours, theirs)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_velocity_is_diffusers_own(self, dtype: torch.dtype) -> None:
        x0, noise, _ = batch(dtype)
        scheduler: Any = DDPMScheduler(1000)
        scheduler.alphas_cumprod = ABAR
        theirs = scheduler.get_velocity(x0, noise, T)
        agree(training.velocity(x0, noise, T, ABAR), theirs.to(dtype))

    def test_there_and_back(self) -> None:
        x0, noise, xt = batch()
        picture, eps = training.from_velocity(xt, training.velocity(x0, noise, T, ABAR), T, ABAR)
        agree(picture, x0)
        agree(eps, noise)
        agree_in_scale(training.eps_from_x0(xt, x0, T, ABAR), noise)


class TestDdpmLoss:
    @pytest.mark.parametrize("prediction", ["eps", "x0", "v"])
    def test_of_a_model_that_is_right_and_of_one_that_says_nothing(self, prediction: str) -> None:
        x0, noise, _ = batch()
        target = {"eps": noise, "x0": x0, "v": training.velocity(x0, noise, T, ABAR)}[prediction]
        assert training.ddpm_loss(lambda x, t: target, x0, T, noise, ABAR, prediction) == 0
        nothing = training.ddpm_loss(lambda x, t: 0 * x, x0, T, noise, ABAR, prediction)
        agree(nothing, nn.functional.mse_loss(0 * target, target))
        weights = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
        weighted = training.ddpm_loss(lambda x, t: 0 * x, x0, T, noise, ABAR, prediction, weights)
        agree(weighted, (weights * target.square().flatten(1).mean(1)).mean())

    def test_one_over_abar_on_the_loss_of_the_noise_is_the_loss_of_the_velocity(self) -> None:
        x0, noise, _ = batch()

        def of_v(x: Tensor, t: Tensor) -> Tensor:
            return x.tanh()

        def of_eps(x: Tensor, t: Tensor) -> Tensor:
            return training.from_velocity(x, of_v(x, t), t, ABAR)[1]

        one = training.ddpm_loss(of_v, x0, T, noise, ABAR, "v")
        other = training.ddpm_loss(of_eps, x0, T, noise, ABAR, "eps", 1 / ABAR[T])
        agree_in_scale(one, other)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("prediction", ["eps", "x0", "v"])
    def test_what_the_course_lends_is_the_same(self, prediction: str, dtype: torch.dtype) -> None:
        x0, noise, _ = batch(dtype)
        for weights in (None, torch.tensor([1.0, 0.0, 3.0], dtype=dtype)):
            ours, lent_one = (
                loss(lambda x, t: 2 * x + t.view(-1, 1, 1, 1) / 500, x0, T, noise, ABAR, prediction, weights)
                for loss in (training.ddpm_loss, lent.ddpm_loss)
            )
            agree(ours, lent_one)
        with pytest.raises(ValueError, match="epsilon"):
            lent.ddpm_loss(lambda x, t: x, x0, T, noise, ABAR, "epsilon")


class TestTrainStep:
    @pytest.mark.parametrize("max_norm", [None, 0.05])
    def test_is_a_loop_written_out_with_adamw(self, max_norm: float | None) -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.linear = nn.Linear(4, 4)

            def forward(self, x: Tensor, t: Tensor) -> Tensor:
                out: Tensor = self.linear(x)
                return out

        ours = Net().double()
        theirs = copy.deepcopy(ours)
        adams = [torch.optim.AdamW(each.parameters(), 1e-2) for each in (ours, theirs)]
        for _ in range(3):
            x0, noise = torch.randn(2, 5, 4, dtype=torch.float64).unbind(0)
            t = torch.randint(1000, (5,))
            said = training.train_step(ours, adams[0], x0, t, noise, ABAR, "eps", max_norm)
            loss = nn.functional.mse_loss(theirs(q_sample(x0, t, noise, ABAR), t), noise)
            adams[1].zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            if max_norm is not None:
                nn.utils.clip_grad_norm_(theirs.parameters(), max_norm)
            adams[1].step()
            assert said == pytest.approx(loss.item(), rel=1e-12)
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            agree(one, other)


class TestEmaUpdate:
    def test_is_that_of_diffusers_and_of_torch(self) -> None:
        average = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        model = copy.deepcopy(average)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += torch.randn(parameter.shape)
        model(torch.randn(8, 3))  # so that buffers differ
        build: Any = EMAModel
        of_diffusers = build(average.parameters(), decay=0.9, use_ema_warmup=False)
        of_diffusers.get_decay = lambda step: 0.9
        of_diffusers.step(model.parameters())
        utils: Any = torch.optim.swa_utils
        of_torch = utils.AveragedModel(average, multi_avg_fn=utils.get_ema_multi_avg_fn(0.9))
        of_torch.update_parameters(average)
        of_torch.update_parameters(model)
        training.ema_update(average, model, 0.9)
        for ours, one, other in zip(
            average.parameters(), of_diffusers.shadow_params, of_torch.module.parameters(), strict=True
        ):
            agree(ours, one)
            agree(ours, other)
        for kept, current in zip(average.buffers(), model.buffers(), strict=True):
            assert torch.equal(kept, current)
            assert kept is not current


class TestMinSnrWeight:
    def test_the_ratio_is_diffusers_own_and_one_slip_costs_the_same_however_it_is_read(self) -> None:
        scheduler: Any = DDPMScheduler(1000)
        scheduler.alphas_cumprod = ABAR
        snr = ABAR / (1 - ABAR)
        torch.testing.assert_close(
            snr, compute_snr(scheduler, torch.arange(1000)).double(), rtol=1e-5, atol=0
        )
        x0, noise, xt = batch()
        eps = noise + torch.randn(noise.shape, dtype=noise.dtype)
        guess = training.x0_from_eps(xt, eps, T, ABAR)
        read = {
            "eps": (eps, noise),
            "x0": (guess, x0),
            "v": (training.velocity(guess, eps, T, ABAR), training.velocity(x0, noise, T, ABAR)),
        }
        costs = [
            training.min_snr_weight(snr[T], prediction) * (one - other).square().flatten(1).sum(1)
            for prediction, (one, other) in read.items()
        ]
        agree_in_scale(costs[0], costs[1], single=0)
        agree_in_scale(costs[2], costs[1], single=0)

    def test_is_finite_everywhere(self) -> None:
        ends = torch.tensor([0.0, 5.0, 1e9])
        for prediction in ("eps", "x0", "v"):
            assert training.min_snr_weight(ends, prediction).isfinite().all()


class TestElboTerm:
    def test_is_torchs_divergence_of_the_two_posteriors(self) -> None:
        betas = torch.linspace(0.05, 0.4, 10, dtype=torch.float64)
        x0, guess, xt = torch.randn(3, 5, 2, 3, dtype=torch.float64).unbind(0)
        t = torch.tensor([1, 3, 9, 4, 2])

        def back(picture: Tensor) -> Any:
            mean, variance = q_posterior(picture, xt, t, betas)
            return torch.distributions.Normal(mean, variance.sqrt().expand_as(mean))

        theirs = torch.distributions.kl_divergence(back(x0), back(guess)).flatten(1).sum(1)
        agree(training.elbo_term(x0, guess, t, betas), theirs)


class TestEdm:
    def test_are_diffusers_preconditioning(self) -> None:
        scheduler: Any = EDMEulerScheduler(sigma_data=0.5)
        sigma = torch.tensor([0.002, 0.5, 80.0], dtype=torch.float64)
        x, answer = torch.randn(2, 3, 2, 4, 4, dtype=torch.float64).unbind(0)
        _, _, c_in, c_noise = training.edm_scalings(sigma)
        for i in range(3):
            agree(c_in[i] * x[i], scheduler.precondition_inputs(x[i], sigma[i]))
            agree(c_noise[i], scheduler.precondition_noise(sigma[i]))
        ours = training.edm_denoise(lambda x, c: answer, x, sigma)
        theirs = [scheduler.precondition_outputs(x[i], answer[i], sigma[i]) for i in range(3)]
        agree(ours, torch.stack(theirs))

    def test_for_data_of_variance_one_the_network_is_asked_for_minus_the_velocity(self) -> None:
        x0, noise, xt = batch()
        abar = ABAR[T]
        sigma = ((1 - abar) / abar).sqrt()
        x = xt / abar.sqrt().view(-1, 1, 1, 1)  # x0 + sigma noise
        v = training.velocity(x0, noise, T, ABAR)
        agree_in_scale(training.edm_denoise(lambda x, c: -v, x, sigma, 1.0), x0)


def test_none_of_them_changes_what_it_is_given() -> None:
    x0, noise, xt = batch()
    given = [x0, noise, xt, ABAR, T]
    before = [each.clone() for each in given]
    training.x0_from_eps(xt, noise, T, ABAR)
    training.eps_from_x0(xt, x0, T, ABAR)
    training.velocity(x0, noise, T, ABAR)
    training.from_velocity(xt, noise, T, ABAR)
    training.ddpm_loss(lambda x, t: x, x0, T, noise, ABAR, "v")
    assert all(torch.equal(one, other) for one, other in zip(given, before, strict=True))
