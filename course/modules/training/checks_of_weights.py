"""Public checks of the module `training`: weights, the bound, and the wrapping of EDM."""

from __future__ import annotations

import math

import torch
from torch import Tensor, tensor

from course.checking.expect import Broken, Raised, Work, close, exercise, holds


def _doubles(*numbers: float) -> Tensor:
    return tensor(numbers, dtype=torch.float64)


@exercise("min_snr_weight")
class MinSnrWeight:
    def of_eps(self, student: Work) -> None:
        """For the noise, ratios of 1, 4 and 20 get the weights 1, 1 and 5 / 20."""
        close(
            student.min_snr_weight(_doubles(1.0, 4.0, 20.0), "eps"),
            _doubles(1.0, 1.0, 0.25),
            symptoms={
                "Here the larger of ratio and gamma counts; it should be the smaller.": _doubles(
                    5.0, 1.25, 1.0
                ),
                "This is the weight for the picture.": _doubles(1.0, 4.0, 5.0),
                "The smallest of all the ratios counts here for all of them.": _doubles(1.0, 0.25, 0.05),
            },
        )

    def of_x0(self, student: Work) -> None:
        """For the picture they get 1, 4 and 5: the ratio itself, capped."""
        close(
            student.min_snr_weight(_doubles(1.0, 4.0, 20.0), "x0"),
            _doubles(1.0, 4.0, 5.0),
            symptoms={"This is the weight for the noise.": _doubles(1.0, 1.0, 0.25)},
        )

    def of_v(self, student: Work) -> None:
        """For the velocity they get 1 / 2, 4 / 5 and 5 / 21."""
        close(
            student.min_snr_weight(_doubles(1.0, 4.0, 20.0), "v"),
            _doubles(0.5, 0.8, 5 / 21),
            symptoms={
                "This is divided by the ratio; for v it is the ratio plus 1.": _doubles(1.0, 1.0, 0.25),
                "The cap counts below the line too, and belongs above it alone.": _doubles(0.5, 0.8, 5 / 6),
            },
        )

    def nought(self, student: Work) -> None:
        """Where the ratio is 0 the weight for the noise is 1, its limit, and the others are 0."""
        for prediction, expected in (("eps", 1.0), ("x0", 0.0), ("v", 0.0)):
            found = student.min_snr_weight(_doubles(0.0, 1.0), prediction)
            holds(
                not bool(torch.as_tensor(found).isnan().any()),
                f"for {prediction!r} and a ratio of 0 it is NaN: 0 / 0",
            )
            close(
                found[:1],
                _doubles(expected),
                symptoms={"A small number below the line makes it 0 there.": _doubles(0.0)}
                if prediction == "eps"
                else None,
            )

    def own_cap(self, student: Work) -> None:
        """gamma is the cap: with gamma = 2 a ratio of 4 gets the weights 0.5, 2 and 0.4."""
        for prediction, expected in (("eps", 0.5), ("x0", 2.0), ("v", 0.4)):
            close(student.min_snr_weight(_doubles(4.0), prediction, 2.0), _doubles(expected))

    def other_words(self, student: Work) -> None:
        """Any other prediction raises ValueError."""
        for prediction in ("epsilon", "velocity"):
            try:
                student.min_snr_weight(_doubles(1.0), prediction)
            except Raised as raised:
                if not isinstance(raised.error, ValueError):
                    raise
            else:
                raise Broken(f"prediction={prediction!r} was taken without a word")


BETAS = _doubles(0.5, 0.5, 0.5)  # abar is 0.5, 0.25 and 0.125; the ratios are 1, 1/3 and 1/7


@exercise("elbo_term")
class ElboTerm:
    def by_hand(self, student: Work) -> None:
        """With betas of 0.5 the ratio falls from 1 to 1/3; a guess that is 3 off costs a third of 9."""
        close(
            student.elbo_term(_doubles(3.0).view(1, 1), _doubles(0.0).view(1, 1), tensor([1]), BETAS),
            _doubles(3.0),
            symptoms={
                "The half is missing.": _doubles(6.0),
                "This is negative: which of the two ratios is the larger?": _doubles(-3.0),
                "This is half the ratio itself; it should be half of how much it falls.": _doubles(1.5),
                "This is how much the ratio falls one step later.": _doubles(6 / 7),
                "The error is not squared.": _doubles(1.0),
                "This is divided by beta; the variance of the step back is smaller.": _doubles(2.0),
                "This is divided by a standard deviation instead of a variance.": _doubles(math.sqrt(3)),
                "Here the betas were taken for alphas_cumprod.": _doubles(0.0),
            },
        )

    def summed_over_a_sample(self, student: Work) -> None:
        """Over the numbers of a sample it is a sum, and each sample has its own: 3 and 6."""
        x0 = _doubles(3.0, 0.0, 3.0, 3.0).view(2, 1, 2)
        close(
            student.elbo_term(x0, torch.zeros_like(x0), tensor([1, 1]), BETAS),
            _doubles(3.0, 6.0),
            symptoms={
                "This is the mean over each sample; it should be the sum.": _doubles(1.5, 3.0),
                "This is one number for the whole batch.": tensor(9.0),
            },
        )

    def each_its_own(self, student: Work) -> None:
        """Each sample has its own timestep: with betas 0.5, 0.5, 0.5 the ratio falls by 2/3, then by 4/21."""
        x0 = _doubles(1.0, 1.0).view(2, 1)
        close(student.elbo_term(x0, torch.zeros_like(x0), tensor([1, 2]), BETAS), _doubles(1 / 3, 2 / 21))

    def truth(self, student: Work) -> None:
        """Whoever guesses the picture itself pays nothing."""
        x0 = _doubles(3.0, -1.0).view(1, 2)
        close(student.elbo_term(x0, x0.clone(), tensor([1]), BETAS), _doubles(0.0))

    def dtype(self, student: Work) -> None:
        """Samples in float32 make a result in float32, also beside betas in float64."""
        close(student.elbo_term(tensor([[3.0]]), tensor([[0.0]]), tensor([1]), BETAS), tensor([3.0]))


class _Told:
    """A network that answers with one number everywhere, and notes what it was asked."""

    def __init__(self, always: float) -> None:
        self.always = always
        self.asked: list[tuple[Tensor, Tensor]] = []

    def __repr__(self) -> str:
        return f"a network that answers {self.always:g}"

    def __call__(self, x: Tensor, c_noise: Tensor) -> Tensor:
        self.asked.append((x, c_noise))
        return torch.zeros_like(x) + self.always


NAMES = ("c_skip", "c_out", "c_in", "c_noise")


@exercise("edm_scalings")
class EdmScalings:
    def by_hand(self, student: Work) -> None:
        """With sigma = 3 and data of standard deviation 4: 16 / 25, 12 / 5, 1 / 5 and ln(3) / 4."""
        found = _four(student.edm_scalings(_doubles(3.0), 4.0))
        wrong = {
            "c_skip": {
                "c_skip: this is c_out; the order is c_skip, c_out, c_in, c_noise.": 2.4,
                "c_skip: the variance of the noise stands above the line.": 0.36,
                "c_skip: sigma_data is not squared.": 0.16,
                "c_skip: this is that of sigma_data = 0.5; use the one that is given.": 0.25 / 9.25,
            },
            "c_out": {"c_out: a root is missing below the line.": 12 / 25},
            "c_in": {"c_in: a root is missing.": 1 / 25},
            "c_noise": {
                "c_noise: this is a logarithm to the base of 10.": math.log10(3) / 4,
                "c_noise: this is sigma itself.": 3.0,
            },
        }
        expected = (0.64, 2.4, 0.2, math.log(3) / 4)
        for name, own, number in zip(NAMES, found, expected, strict=True):
            symptoms = {words: _doubles(value) for words, value in wrong[name].items()}
            close(own, _doubles(number), symptoms=symptoms)

    def each_level(self, student: Work) -> None:
        """Several levels at once, each with its own; by default the data have the standard deviation 0.5."""
        found = _four(student.edm_scalings(_doubles(0.5, 1.2)))
        for own, numbers in zip(
            found,
            (
                (0.5, 0.25 / 1.69),
                (0.5**0.5 / 2, 0.6 / 1.3),
                (2**0.5, 1 / 1.3),
                (math.log(0.5) / 4, math.log(1.2) / 4),
            ),
            strict=True,
        ):
            close(own, _doubles(*numbers))

    def wrapped(self, student: Work) -> None:
        """A network that always says 1, x = 10, sigma = 3, data 4: 0.64 * 10 + 2.4, and it sees 2."""
        network, x = _Told(1.0), torch.full((1, 1, 2), 10.0).double()
        close(
            student.edm_denoise(network, x, _doubles(3.0), 4.0),
            torch.full_like(x, 8.8),
            symptoms={
                "What goes past the network was scaled by c_in as well.": torch.full_like(x, 3.68),
                "c_skip x is missing: only what the network says came out.": torch.full_like(x, 2.4),
                "These are the scalings of sigma_data = 0.5: hand on the one that is given.": (
                    torch.full_like(x, 0.25 / 9.25 * 10 + 1.5 / 9.25**0.5)
                ),
            },
        )
        holds(len(network.asked) == 1, f"the network was asked {len(network.asked)} times; once is enough")
        seen, told = network.asked[0]
        holds(torch.allclose(seen, torch.full_like(x, 2.0)), "the network saw another x than c_in x")
        holds(
            isinstance(told, Tensor) and torch.allclose(told, _doubles(math.log(3) / 4)),
            "the network was told another noise level than c_noise",
        )

    def each_its_own(self, student: Work) -> None:
        """Two samples with different noise levels, and a network that says 0: each keeps its own share."""
        x = torch.ones(2, 3, 2, dtype=torch.float64)
        expected = torch.stack([torch.full((3, 2), 0.64), torch.full((3, 2), 0.8)]).double()
        close(
            student.edm_denoise(_Told(0.0), x, _doubles(3.0, 2.0), 4.0),
            expected,
            symptoms={
                "Both samples got the scalings of the first one's noise level.": torch.full_like(x, 0.64)
            },
        )

    def dtype(self, student: Work) -> None:
        """What is in float32 stays in float32."""
        for own, number in zip(
            _four(student.edm_scalings(tensor([3.0]), 4.0)), (0.64, 2.4, 0.2, math.log(3) / 4), strict=True
        ):
            close(own, tensor([number]))
        close(student.edm_denoise(_Told(1.0), tensor([[10.0]]), tensor([3.0]), 4.0), tensor([[8.8]]))


def _four(answer: object) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if isinstance(answer, tuple | list) and len(answer) == 4:
        skip, out, into, noise = answer
        return skip, out, into, noise
    raise Broken("four tensors are expected: `return c_skip, c_out, c_in, c_noise`")
