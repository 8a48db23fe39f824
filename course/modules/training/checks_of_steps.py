"""Public checks of the module `training`: the loss, a step, and the average of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn, tensor

from course.checking.expect import Broken, Raised, Work, close, exercise, holds, ordinary
from course.lab.descent import Descent, Line

ABAR = tensor([0.64, 0.36], dtype=torch.float64)


class _Model:
    """Answers with one number everywhere, or with a multiple of what it sees; notes what it was asked."""

    def __init__(self, always: float | None = None, times: float = 0.0) -> None:
        self.always, self.times = always, times
        self.asked: list[tuple[Tensor, Tensor]] = []

    def __repr__(self) -> str:
        return f"a model that answers {self.always:g}" if self.times == 0 else f"a model: {self.times:g} x"

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        self.asked.append((x, t))
        return self.times * x + (self.always or 0.0)


def _column(*numbers: float) -> Tensor:
    return tensor(numbers, dtype=torch.float64).view(-1, 1)


@exercise("ddpm_loss")
class DdpmLoss:
    def by_hand(self, student: Work) -> None:
        """A model that always says 0, noise (1, 2), (3, 0), (1, 3): the mean of the squares is 4."""
        noise = tensor([[1.0, 2.0], [3.0, 0.0], [1.0, 3.0]], dtype=torch.float64)
        x0, t = torch.zeros_like(noise), tensor([0, 1, 0])
        close(
            student.ddpm_loss(_Model(0.0), x0, t, noise, ABAR),
            tensor(4.0, dtype=torch.float64),
            symptoms={
                "The errors of each sample are summed up; their mean is asked for.": tensor(8.0),
                "The samples are summed up; over the batch, too, it is a mean.": tensor(12.0),
                "The errors are not squared.": tensor(10 / 6),
                "A root was taken: the mean of the squares is asked for as it is.": tensor(2.0),
            },
        )

    def asked(self, student: Work) -> None:
        """The model is asked once, about the noised samples, with the timesteps as they are given."""
        model, x0, noise, t = _Model(0.0), _column(1.0, 1.0), _column(2.0, 2.0), tensor([0, 1])
        answer, again = (ordinary(student.ddpm_loss(model, x0, t, noise, ABAR)) for _ in range(2))
        calls = len(model.asked)
        holds(calls == 2, f"the model was asked {calls / 2:g} times; once is enough, about all samples")
        x, times = model.asked[0]
        holds(isinstance(times, Tensor) and torch.equal(times, t), "the model was asked with other timesteps")
        holds(x.shape == x0.shape, f"the model was asked about samples of shape {tuple(x.shape)}")
        holds(not torch.allclose(x, x0), "the model was shown the clean samples: it has to see noised ones")
        holds(
            torch.equal(x, model.asked[1][0]),
            "called again with the same arguments, it noised the samples otherwise: use the noise that is "
            "given",
        )
        close(x, _column(2.0, 2.2))
        holds(torch.equal(answer, again), "called again with the same arguments it gave another loss")

    def targets(self, student: Work) -> None:
        """A model that says 1 has no error in the picture 1, 0.4 less in v at t = 1, and 1 in the noise 2."""
        x0, noise, t = _column(1.0), _column(2.0), tensor([1])
        for prediction, expected in (("x0", 0.0), ("v", 0.36), ("eps", 1.0)):
            close(
                student.ddpm_loss(_Model(1.0), x0, t, noise, ABAR, prediction),
                tensor(expected, dtype=torch.float64),
                symptoms={
                    f"For {prediction!r} the answer was compared with the noise.": tensor(1.0),
                },
            )

    def weights(self, student: Work) -> None:
        """Weights of 1 and 3 on squared errors of 2.5 and 4.5 give (2.5 + 13.5) / 2 = 8."""
        noise = tensor([[1.0, 2.0], [3.0, 0.0]], dtype=torch.float64)
        x0, t, weights = torch.zeros_like(noise), tensor([0, 1]), tensor([1.0, 3.0], dtype=torch.float64)
        close(
            student.ddpm_loss(_Model(0.0), x0, t, noise, ABAR, "eps", weights),
            tensor(8.0, dtype=torch.float64),
            symptoms={
                "The weights had no effect.": tensor(3.5),
                "The weights came after the mean: each belongs to its sample's error.": tensor(7.0),
                "The weights were normalised: they count as they are.": tensor(4.0),
            },
        )

    def other_words(self, student: Work) -> None:
        """Any other prediction raises ValueError."""
        x0, noise, t = _column(1.0), _column(2.0), tensor([1])
        for prediction in ("epsilon", "velocity"):
            try:
                student.ddpm_loss(_Model(0.0), x0, t, noise, ABAR, prediction)
            except Raised as raised:
                if not isinstance(raised.error, ValueError):
                    raise
            else:
                raise Broken(f"prediction={prediction!r} was taken without a word")

    def trains(self, student: Work) -> None:
        """Gradients flow from the loss to the model's parameters."""
        line = Line().double()
        answer = student.ddpm_loss(line, _column(1.0), tensor([1]), _column(2.0), ABAR)
        ordinary(answer)
        holds(answer.requires_grad, "no gradient can flow back: is there a no_grad, a detach, an item()?")
        answer.backward()
        # The line answers 2.2 where 2 is right: 2 * 0.2 * 2.2.
        gradient = line.weight.grad
        holds(gradient is not None, "no gradient reaches the model's weight")
        close(gradient, tensor([[0.88]], dtype=torch.float64))


def _training(lr: float = 0.1, momentum: float = 0.0) -> tuple[Line, Descent]:
    line = Line().double()
    return line, Descent(line.parameters(), lr, momentum)


BATCH = (_column(1.0), tensor([1]), _column(2.0), ABAR)  # the line answers 2.2 where 2 is right


@exercise("train_step")
class TrainStep:
    def one_step(self, student: Work) -> None:
        """The line answers 2.2 for 2: loss 0.04. A gradient of 0.88 and lr 0.1 make it 0.912."""
        line, descent = _training()
        loss = student.train_step(line, descent, *BATCH)
        _is_loss(loss, 0.04)
        close(
            line.weight,
            tensor([[0.912]], dtype=torch.float64),
            symptoms={
                "The weight has not changed: the optimizer took no step, or had no gradients.": tensor(
                    [[1.0]]
                )
            },
        )

    def three_steps(self, student: Work) -> None:
        """In three steps each goes with its own gradients: those of before are set back."""
        line, descent = _training()
        for _ in range(3):
            student.train_step(line, descent, *BATCH)
        close(
            line.weight,
            tensor([[_after(3, set_back=True)]], dtype=torch.float64),
            symptoms={
                "The gradients of all steps so far have been added up: who sets them back?": (
                    tensor([[_after(3, set_back=False)]])
                ),
                "The weight has not changed.": tensor([[1.0]]),
            },
        )

    def kinds(self, student: Work) -> None:
        """The prediction is handed on: as a picture, the answer 2.2 for 1 costs 1.44; as v, for 0.4, 3.24."""
        for prediction, expected in (("x0", 1.44), ("v", 3.24)):
            line, descent = _training()
            _is_loss(student.train_step(line, descent, *BATCH, prediction), expected)

    def clipped(self, student: Work) -> None:
        """With max_norm the step is at most that long: all gradients together, and before the step."""
        line, descent = _training(lr=1.0)
        before = [parameter.detach().clone() for parameter in line.parameters()]
        student.train_step(line, descent, *BATCH, max_norm=0.5)
        moved = [new.detach() - old for new, old in zip(line.parameters(), before, strict=True)]
        length = float(torch.cat([step.flatten() for step in moved]).norm())
        if abs(length - 0.5) < 1e-6:
            return
        lengths = [float(step.norm()) for step in moved]
        raise Broken(
            f"with max_norm = 0.5 and a learning rate of 1 the step was {length:.3f} long",
            f"the weight, the bias and the slope moved by {', '.join(f'{each:.3f}' for each in lengths)}",
        )

    def not_stretched(self, student: Work) -> None:
        """Gradients shorter than max_norm stay as they are."""
        line, descent = _training()
        student.train_step(line, descent, *BATCH, max_norm=1000.0)
        close(line.weight, tensor([[0.912]], dtype=torch.float64))

    def number(self, student: Work) -> None:
        """What comes back is a Python float; the model is asked once, and one step is taken."""
        line, descent = _training()
        loss = student.train_step(line, descent, *BATCH)
        holds(type(loss) is float, f"a Python float is expected, {type(loss).__name__} was returned")
        asked = int(line.seen)
        holds(asked == 1, f"the model was asked {asked} times in one step")
        holds(descent.steps == 1, f"the optimizer took {descent.steps} steps")


def _after(steps: int, *, set_back: bool) -> float:
    """Where the line's weight is after so many steps of 0.1, along with its bias and slope."""
    weight, bias, slope = 1.0, 0.0, 0.0
    total = [0.0, 0.0, 0.0]
    for _ in range(steps):
        off = 2 * (2.2 * weight + bias + slope - 2)
        new = [2.2 * off, off, off]
        total = new if set_back else [old + one for old, one in zip(total, new, strict=True)]
        weight, bias, slope = weight - 0.1 * total[0], bias - 0.1 * total[1], slope - 0.1 * total[2]
    return weight


def _is_loss(answer: object, expected: float) -> None:
    if isinstance(answer, Tensor) and answer.numel() == 1:
        answer = float(answer.detach())
    if isinstance(answer, bool) or not isinstance(answer, float | int):
        raise Broken(f"a number is expected, the loss; {type(answer).__name__} was returned")
    holds(abs(answer - expected) < 1e-6, f"the loss is {answer:.4g}, it should be {expected:g}")


class _Pair(nn.Module):
    """A weight inside a layer inside a layer, a number kept beside it, and a count."""

    kept: Tensor
    count: Tensor

    def __init__(self, weight: float, kept: float, count: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(layer := nn.Linear(1, 1, bias=False))
        self.scale = nn.Parameter(tensor([weight, -weight]))
        nn.init.constant_(layer.weight, weight)
        self.register_buffer("kept", tensor([kept]))
        self.register_buffer("count", tensor(count))


@exercise("ema_update")
class EmaUpdate:
    def by_hand(self, student: Work) -> None:
        """Average 1, model 3, decay 0.9: the average becomes 1.2, in inner layers too."""
        average, model = _Pair(1.0, 0.0, 0), _Pair(3.0, 0.0, 0)
        student.in_place("ema_update")(average, model, 0.9)
        names = {
            "The decay counts for the model here, and should count for the average.": 2.8,
            "The model's share was added, and the average did not fade.": 1.3,
            "The average has not changed.": 1.0,
        }
        for found in (average.scale[:1], next(average.inner.parameters())[0]):
            close(found, [1.2], symptoms={words: [number] for words, number in names.items()})

    def model(self, student: Work) -> None:
        """The model stays as it is."""
        average, model = _Pair(1.0, 0.0, 0), _Pair(3.0, 5.0, 7)
        student.in_place("ema_update")(average, model, 0.9)
        close(model.scale, [3.0, -3.0])
        close(model.kept, [5.0])

    def buffers(self, student: Work) -> None:
        """What is kept beside the weights is copied: the number 5, and the count 7."""
        average, model = _Pair(1.0, 2.0, 3), _Pair(3.0, 5.0, 7)
        student.in_place("ema_update")(average, model, 0.9)
        close(
            average.kept,
            [5.0],
            symptoms={
                "The buffers stayed as they were; they are to be copied.": [2.0],
                "The buffers were averaged; they are to be copied.": [2.3],
            },
        )
        close(average.count, tensor(7))

    def ends(self, student: Work) -> None:
        """With decay 0 the average equals the model, with decay 1 its weights stay."""
        for decay, expected in ((0.0, 3.0), (1.0, 1.0)):
            average, model = _Pair(1.0, 0.0, 0), _Pair(3.0, 0.0, 0)
            student.in_place("ema_update")(average, model, decay)
            close(average.scale, [expected, -expected])

    def nothing_shared(self, student: Work) -> None:
        """When the model goes on learning, the average does not follow, after decay 0 either."""
        average, model = _Pair(1.0, 0.0, 0), _Pair(3.0, 5.0, 7)
        student.in_place("ema_update")(average, model, 0.0)
        with torch.no_grad():
            model.scale.add_(10.0)
            model.kept.add_(10.0)
        holds(
            torch.allclose(average.scale, tensor([3.0, -3.0])),
            "the average's weights change with the model's: they are one tensor now",
        )
        holds(
            torch.allclose(average.kept, tensor([5.0])),
            "the average's buffers change with the model's: they are one tensor now",
        )

    def same_parameters(self, student: Work) -> None:
        """The average keeps its own parameters, as trainable as before."""
        average, model = _Pair(1.0, 0.0, 0), _Pair(3.0, 0.0, 0)
        own = dict(average.named_parameters())
        student.in_place("ema_update")(average, model, 0.9)
        now = dict(average.named_parameters())
        holds(own.keys() == now.keys(), "the average does not have the parameters any more that it had")
        holds(
            all(now[name] is parameter for name, parameter in own.items()),
            "the average has new parameters in place of its own: change the numbers in them",
        )
        holds(
            all(each.requires_grad and each.is_leaf for each in now.values()),
            "requires_grad of the average's parameters is not what it was, or a graph hangs on them",
        )
