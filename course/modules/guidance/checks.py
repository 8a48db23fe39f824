"""Public checks of the module `guidance`: small examples, worked out by hand."""

import torch
from torch import Tensor, tensor

from course.checking.expect import Broken, Work, close, exercise, holds, ordinary
from course.modules.guidance.checks_of_bonus import IntervalGuidedEps, MyScale

# All that a student is checked with, found here by their marks.
__all__ = [
    "ClassEmbedding",
    "DropCondition",
    "Guide",
    "GuidedEps",
    "IntervalGuidedEps",
    "MyScale",
    "NegativePromptEps",
    "RescaleGuidance",
]

TABLE = tensor([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0], [30.0, 31.0]])  # the tens are the label


@exercise("ClassEmbedding")
class ClassEmbedding:
    def parameters(self, student: Work) -> None:
        """It has one table, `weight`, with a row for each class and one more for the null label."""
        student.ClassEmbedding(3, 2).has_parameters({"weight": (4, 2)})

    def rows(self, student: Work) -> None:
        """Each label gets its own row; the null label, one above the last class, gets the last one."""
        layer = student.ClassEmbedding(3, 2).set({"weight": TABLE})
        labels = [2, 0, 3, 2, 1]
        close(
            layer(tensor(labels)),
            TABLE[labels],
            symptoms={
                "Here the rows are shifted by one: row i belongs to label i.": TABLE[[3, 1, 0, 3, 2]],
                "Here the null label got the row of the last class.": TABLE[[2, 0, 2, 2, 1]],
                "Here the null label got zeros instead of its own row.": (
                    [[20.0, 21.0], [0.0, 1.0], [0.0, 0.0], [20.0, 21.0], [10.0, 11.0]]
                ),
            },
        )

    def learned(self, student: Work) -> None:
        """The rows that are asked for can learn, the null label's too: gradients reach them."""
        layer = student.ClassEmbedding(3, 2).set({"weight": TABLE})
        answer = layer(tensor([3, 1, 3]))
        ordinary(answer)
        holds(
            answer.requires_grad, "no gradient can flow back: is the table an nn.Parameter, and not detached?"
        )
        with torch.enable_grad():
            answer.sum().backward()
        gradient = layer.module.weight.grad
        holds(gradient is not None, "no gradient reaches `weight`")
        expected = tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [2.0, 2.0]])
        holds(
            torch.equal(ordinary(gradient), expected),
            "the gradient reaches other rows than those of the labels 3, 1 and 3 that were asked for",
        )

    def start(self, student: Work) -> None:
        """At the start all rows are different: standard normal numbers."""
        table = ordinary(student.ClassEmbedding(99, 40)(torch.arange(100)))
        holds(len(set(map(tuple, table.tolist()))) == 100, "some rows are the same")
        mean, deviation = float(table.mean()), float(table.std())
        holds(
            abs(mean) < 0.1 and abs(deviation - 1) < 0.1,
            f"their mean is {mean:.2f} and their standard deviation {deviation:.2f}; torch.randn has 0 and 1",
        )


@exercise("drop_condition")
class DropCondition:
    def none_and_all(self, student: Work) -> None:
        """With p = 0 every label stays, with p = 1 every label becomes null."""
        labels, null = tensor([2, 0, 1, 2, 1]), tensor(3)
        wrong = "Here p is the probability to keep: it should be the probability to drop."
        close(
            student.drop_condition(labels, null, 0.0, _seeded(0)),
            labels,
            symptoms={wrong: [3, 3, 3, 3, 3]},
        )
        close(
            student.drop_condition(labels, null, 1.0, _seeded(0)),
            [3, 3, 3, 3, 3],
            symptoms={wrong: labels, "Here zeros were put in, not null.": [0, 0, 0, 0, 0]},
        )

    def rate(self, student: Work) -> None:
        """Of many labels, about the share p becomes null."""
        labels, null = torch.arange(4000) % 5, tensor(5)
        answer = ordinary(student.drop_condition(labels, null, 0.2, _seeded(1)))
        holds(answer.shape == labels.shape, f"the shape is {tuple(answer.shape)}, it should be (4000,)")
        holds(((answer == labels) | (answer == 5)).all(), "some labels are neither kept nor null")
        share = float((answer == 5).double().mean())
        holds(
            abs(share - 0.2) < 0.04,  # more than six standard deviations
            f"of 4000 labels a share of {share:.2f} became null, for p = 0.2"
            + (": all at once. Each sample has its own chance" if share in (0, 1) else ""),
        )

    def whole_samples(self, student: Work) -> None:
        """An embedding is kept whole or becomes null whole."""
        cond, null = torch.ones(60, 3, 4), torch.full((3, 4), -1.0)
        answer = ordinary(student.drop_condition(cond, null, 0.5, _seeded(2)))
        holds(answer.shape == cond.shape, f"the shape is {tuple(answer.shape)}, it should be (60, 3, 4)")
        per_sample = answer.flatten(1)
        holds((per_sample.abs() == 1).all(), "some numbers are neither cond's nor null's, exactly")
        mixed = (per_sample != per_sample[:, :1]).any(1)
        if mixed.any():
            raise Broken(
                f"in {int(mixed.sum())} of 60 samples part was kept and part became null",
                "Decide once for each sample, and line the decisions up with the first dimension.",
            )
        dropped = int((per_sample[:, 0] == -1).sum())
        holds(0 < dropped < 60, f"{dropped} of 60 samples were dropped, for p = 0.5")

    def lone_samples(self, student: Work) -> None:
        """Also a sample that is alone in its batch is sometimes kept and sometimes dropped."""
        labels, null = tensor([0]), tensor(1)
        answers = [ordinary(student.drop_condition(labels, null, 0.5, _seeded(seed))) for seed in range(40)]
        dropped = sum(int(answer.sum()) for answer in answers)
        holds(0 < dropped < 40, f"of 40 batches of one sample, {dropped} were dropped, for p = 0.5")

    def generator(self, student: Work) -> None:
        """The generator decides: the same seed drops the same samples, and the next call drops others."""
        cond, null, generator = torch.ones(60, 2), torch.zeros(2), _seeded(3)
        first = student.drop_condition(cond, null, 0.5, generator)
        second = student.drop_condition(cond, null, 0.5, generator)
        again = student.drop_condition(cond, null, 0.5, _seeded(3))
        holds(torch.equal(ordinary(first), ordinary(again)), "the same seed did not drop the same samples")
        holds(
            not torch.equal(ordinary(first), ordinary(second)),
            "two calls in a row dropped the same samples: do not seed the generator yourself",
        )

    def dtypes(self, student: Work) -> None:
        """Labels stay integers, and embeddings keep their dtype."""
        for kind in (torch.int64, torch.float64, torch.float16):
            cond, null = tensor([[1], [2]]).to(kind), tensor([3]).to(kind)
            close(student.drop_condition(cond, null, 1.0, _seeded(0)), tensor([[3], [3]]).to(kind))


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@exercise("guide")
class Guide:
    def by_hand(self, student: Work) -> None:
        """From 1 towards 3 and beyond: w = 3 goes three times the way, to 7."""
        close(
            student.guide(tensor([1.0]), tensor([3.0]), 3.0),
            [7.0],
            symptoms={
                "This is the formula of the paper, whose scale is one less: w = 1 should give cond.": [9.0],
                "This is what comes out with the two predictions exchanged.": [-3.0],
                "This goes away from the condition: the difference has the wrong sign.": [-5.0],
                "This adds w cond itself instead of w times the difference.": [10.0],
                "This stops at the conditional prediction: w may be larger than 1.": [3.0],
            },
        )

    def nought_and_one(self, student: Work) -> None:
        """w = 0 gives the unconditional prediction, w = 1 the conditional one, w = -1 its mirror image."""
        uncond, cond = tensor([[1.0, -2.0]]), tensor([[3.0, 0.5]])
        for w, expected in ((0.0, uncond), (1.0, cond), (-1.0, [[-1.0, -4.5]])):
            close(student.guide(uncond, cond, w), expected)

    def any_shape(self, student: Work) -> None:
        """Predictions may have any shape, and every number is guided by itself."""
        for shape in ((2, 3, 1, 4), (3, 2), (5,)):
            cond = torch.arange(float(torch.Size(shape).numel())).reshape(shape)
            close(student.guide(torch.zeros(shape), cond, 2.5), 2.5 * cond)

    def dtype(self, student: Work) -> None:
        """The result has the dtype of the predictions."""
        for kind in (torch.float64, torch.float16):
            uncond, cond = tensor([1.0], dtype=kind), tensor([3.0], dtype=kind)
            close(student.guide(uncond, cond, 3), tensor([7.0], dtype=kind))


class _Model:
    """eps = x + 10 t + 100 cond^2 for each sample, which tells at a glance what was put together.

    It notes how many samples it was given at each call, and refuses what does not fit together.
    """

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __repr__(self) -> str:
        return "a model with eps = x + 10 t + 100 cond^2"

    def __call__(self, x: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        self.batches.append(len(x))
        for what, given in (("t", t), ("cond", cond)):
            if given.dim() == 0 or len(given) != len(x):
                raise ValueError(
                    f"the model got x of shape {tuple(x.shape)}, but {what} of shape {tuple(given.shape)}"
                )
        own = (-1, *[1] * (x.dim() - 1))
        told = cond.to(x.dtype).flatten(1).square().sum(1) if cond.dim() > 1 else cond.to(x.dtype).square()
        return x + 10 * t.to(x.dtype).reshape(own) + 100 * told.reshape(own)

    def asked_once_for(self, rows: int) -> None:
        calls = len(self.batches)
        holds(calls == 1, f"the model was called {calls} times; both predictions fit into one call")
        holds(
            self.batches == [rows],
            f"the model got {self.batches[0]} samples; the call is to have both halves, {rows} samples",
        )


X, T = tensor([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]), tensor([0, 1, 2])
CLASSES, NULL = tensor([1, 2, 4]), tensor(3)


def _told(strength: list[float]) -> Tensor:
    """What the model gives for X and T when 100 cond^2 is replaced by these."""
    return X + 10 * T[:, None] + tensor(strength)[:, None]


@exercise("guided_eps")
class GuidedEps:
    def by_hand(self, student: Work) -> None:
        """It gives what `guide` gives for two separate predictions, each sample with its own t and cond."""
        # 100 cond^2 is 100, 400, 1600, and 900 for null: guided by w = 2 it is 900 + 2 (that - 900).
        mixed = X.repeat_interleave(2, 0) + 10 * T.repeat_interleave(2)[:, None]
        mixed = -mixed[:3] + 2 * mixed[3:] + tensor([[-700.0], [-100.0], [2300.0]])
        close(
            student.guided_eps(_Model(), X, T, CLASSES, NULL, 2.0),
            _told([-700.0, -100.0, 2300.0]),
            symptoms={
                "Here the halves are exchanged: which one was put first?": _told([1700.0, 1400.0, 200.0]),
                "Here the pairs are mixed up: row i and row B + i should be the same sample, with different "
                "conditions (repeat_interleave makes another order than torch.cat).": mixed,
                "Here samples were given one another's times: t is to be doubled in the order of x.": (
                    _told([-680.0, -70.0, 2310.0])
                ),
                "This is the scale of the paper: (1 + w) cond - w uncond.": _told([-1500.0, -600.0, 3000.0]),
                "Here zeros stand in for null.": _told([200.0, 800.0, 3200.0]),
                "Here the conditions were guided, instead of the predictions.": _told([100.0, 100.0, 2500.0]),
            },
        )

    def one_call(self, student: Work) -> None:
        """The model is called once, with 2B samples, whatever w is."""
        for w in (3.0, 1.0, 0.0):
            model = _Model()
            ordinary(student.guided_eps(model, X, T, CLASSES, NULL, w))
            model.asked_once_for(6)

    def embeddings(self, student: Work) -> None:
        """Conditions may be embeddings, with one null for all; pictures need not be square."""
        x, t = torch.zeros(2, 3, 2, 4), tensor([0, 0])
        cond, null = tensor([[[1.0, 1.0]], [[0.0, 2.0]]]), tensor([[1.0, 0.0]])
        # The sum of squares is 2 and 4, and 1 for null: 100 (1 + 2 (2 - 1)) and 100 (1 + 2 (4 - 1)).
        expected = tensor([300.0, 700.0])[:, None, None, None].expand(2, 3, 2, 4)
        for empty in (null, null[0], null.expand(2, 1, 2)):
            close(student.guided_eps(_Model(), x, t, cond, empty, 2.0), expected)

    def dtype(self, student: Work) -> None:
        """The result has the dtype of x."""
        x = X.double()
        close(
            student.guided_eps(_Model(), x, T, CLASSES, NULL, 2.0), _told([-700.0, -100.0, 2300.0]).double()
        )


@exercise("negative_prompt_eps")
class NegativePromptEps:
    def by_hand(self, student: Work) -> None:
        """Guidance starts from the prediction for the negative, and leads to the one for the condition."""
        # With the negative 2 in place of null: 400 + 3 (100 cond^2 - 400).
        close(
            student.negative_prompt_eps(_Model(), X, T, CLASSES, NULL, 3.0, tensor(2)),
            _told([-500.0, 400.0, 4000.0]),
            symptoms={
                "The negative had no effect: this is plain guidance.": _told([-1500.0, -600.0, 3000.0]),
                "Here condition and negative are exchanged.": _told([1000.0, 400.0, -2000.0]),
                "This starts from the prediction for null: three predictions, where two are enough.": (
                    _told([0.0, 900.0, 4500.0])
                ),
                "Here the negative is subtracted from plain guidance: three predictions, where two are "
                "enough.": _told([-1000.0, -100.0, 3500.0]),
                "Here the negative is subtracted twice.": _told([-1400.0, 400.0, 7600.0]),
            },
        )

    def without(self, student: Work) -> None:
        """Without a negative it is guided_eps; with null as the negative, too."""
        for given in ((), (None,), (NULL,)):
            close(
                student.negative_prompt_eps(_Model(), X, T, CLASSES, NULL, 2.0, *given),
                _told([-700.0, -100.0, 2300.0]),
            )

    def label_nought(self, student: Work) -> None:
        """Label 0 is a negative like any other, and each sample may have its own."""
        close(
            student.negative_prompt_eps(_Model(), X, T, CLASSES, NULL, 2.0, tensor(0)),
            _told([200.0, 800.0, 3200.0]),
        )
        close(
            student.negative_prompt_eps(_Model(), X, T, CLASSES, NULL, 2.0, tensor([0, 2, 3])),
            _told([200.0, 400.0, 2300.0]),
        )

    def one_call(self, student: Work) -> None:
        """The model is called once, with 2B samples, with a negative and without."""
        for negative in (tensor(2), None):
            model = _Model()
            ordinary(student.negative_prompt_eps(model, X, T, CLASSES, NULL, 3.0, negative))
            model.asked_once_for(6)


GUIDED, PLAIN = tensor([[6.0, -2.0], [2.0, -2.0]]), tensor([[1.0, -1.0], [3.0, -5.0]])


@exercise("rescale_guidance")
class RescaleGuidance:
    def by_hand(self, student: Work) -> None:
        """With phi = 1, each sample is scaled so as to have the standard deviation of its conditional one."""
        # Biased standard deviations: 4 and 2 of the guided, 1 and 4 of the conditional samples.
        ratio = PLAIN.std() / GUIDED.std()
        close(
            student.rescale_guidance(GUIDED, PLAIN, 1.0),
            [[1.5, -0.5], [4.0, -4.0]],
            symptoms={
                "Here the whole batch has one standard deviation: take each sample's own.": ratio * GUIDED,
                "Here the ratio is upside down.": [[24.0, -8.0], [1.0, -1.0]],
                "This is the ratio of variances, not of standard deviations.": [[0.375, -0.125], [8.0, -8.0]],
                "Nothing changed: is phi the wrong way round?": GUIDED,
                "Here the conditional prediction came back: the guided one should, rescaled.": PLAIN,
                "Here the mean was kept out of it: multiply the sample as it is.": [[3.0, 1.0], [4.0, -4.0]],
            },
        )

    def in_between(self, student: Work) -> None:
        """phi mixes the rescaled and the guided prediction; with phi = 0 nothing changes."""
        for phi, expected in ((0.0, GUIDED), (0.5, [[3.75, -1.25], [3.0, -3.0]])):
            close(student.rescale_guidance(GUIDED, PLAIN, phi), expected)

    def any_shape(self, student: Work) -> None:
        """The standard deviation is taken over all the numbers of a sample, however they are arranged."""
        guided = torch.arange(48.0).square().reshape(2, 24)  # its parts are spread very differently
        for shape in ((2, 24), (2, 2, 12), (2, 2, 3, 4), (2, 1, 2, 3, 4)):
            close(
                student.rescale_guidance(guided.reshape(shape), 3 * guided.flip(1).reshape(shape), 1.0),
                3 * guided.reshape(shape),
            )

    def any_size(self, student: Work) -> None:
        """Tiny predictions are rescaled as exactly as others, and the dtype is kept."""
        for scale in (1e-4, 1.0, 1e4):
            guided, plain = scale * GUIDED.double(), scale * PLAIN.double()
            expected = scale * tensor([[1.5, -0.5], [4.0, -4.0]], dtype=torch.float64)
            close(student.rescale_guidance(guided, plain, 1.0) / scale, expected / scale)
