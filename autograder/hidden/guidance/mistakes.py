"""Known mistakes of the module `guidance`: code that students write, and what to tell them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from autograder.testing import mistake

# --- ClassEmbedding -------------------------------------------------------------------------------------


class _Table(nn.Module):
    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes + 1, dim))

    def forward(self, labels: Tensor) -> Tensor:
        return self.weight[labels]


@mistake(
    "ClassEmbedding",
    title="the table is one row short",
    hint="With 10 classes the labels are 0 to 9, and the null label is one more. How many rows does that "
    "take?",
)
class OneRowShort(_Table):
    def __init__(self, classes: int, dim: int) -> None:
        super().__init__(classes, dim)
        self.weight = nn.Parameter(torch.randn(classes, dim))


@mistake(
    "ClassEmbedding",
    title="the null label is never learned",
    hint="padding_idx keeps a row at zero and shuts out its gradient: made for tokens that mean nothing. "
    'The null label does mean something, "any class", and has to be learned like the others.',
)
class Padding(nn.Embedding):
    def __init__(self, classes: int, dim: int) -> None:
        super().__init__(classes + 1, dim, padding_idx=classes)


@mistake(
    "ClassEmbedding",
    title="the null row stands first instead of last",
    hint="Row i of the table belongs to label i. Which row does your layer give for label 0, and which "
    "for the null label?",
)
class NullFirst(_Table):
    def forward(self, labels: Tensor) -> Tensor:
        return self.weight[(labels + 1) % len(self.weight)]


@mistake(
    "ClassEmbedding",
    title="the table has another name",
    hint="Print the names of your parameters. A layer inside a layer puts its own name before a dot; the "
    "exercise asks for `weight` itself.",
)
class NestedTable(nn.Module):
    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes + 1, dim)

    def forward(self, labels: Tensor) -> Tensor:
        out: Tensor = self.embedding(labels)
        return out


@mistake(
    "ClassEmbedding",
    title="the null row is a parameter of its own",
    hint="It would learn just as well, but the weights of others would not fit. One table has room for "
    "all the rows.",
)
class NullApart(nn.Module):
    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, dim))
        self.null = nn.Parameter(torch.randn(dim))

    def forward(self, labels: Tensor) -> Tensor:
        return torch.cat([self.weight, self.null[None]])[labels]


@mistake(
    "ClassEmbedding",
    title="rows and columns are exchanged",
    hint="Print the shape of your table. A label picks a row; how many numbers should stand in one?",
)
class Transposed(nn.Module):
    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(dim, classes + 1))

    def forward(self, labels: Tensor) -> Tensor:
        return self.weight.T[labels]


@mistake(
    "ClassEmbedding",
    title="the null label gives zeros",
    hint="A vector of zeros says something too, and nothing can learn what. The last row of the table is "
    "the null label's own.",
)
class ZerosForNull(_Table):
    def forward(self, labels: Tensor) -> Tensor:
        named = (labels < len(self.weight) - 1)[:, None]
        return torch.where(named, self.weight[labels], torch.zeros_like(self.weight[labels]))


@mistake(
    "ClassEmbedding",
    title="the null label becomes the last class",
    hint="Feed it the null label and the last class, and compare. Limiting labels to the classes hides "
    "the one that is meant to stand beside them.",
)
class Clamped(_Table):
    def forward(self, labels: Tensor) -> Tensor:
        return self.weight[labels.clamp(max=len(self.weight) - 2)]


@mistake(
    "ClassEmbedding",
    title="the rows are multiplied by the root of dim",
    hint="Some transformers do this to words before they add positions. Here the row is wanted as it is.",
)
class ScaledRows(_Table):
    def forward(self, labels: Tensor) -> Tensor:
        return self.weight[labels] * self.weight.shape[1] ** 0.5


@mistake(
    "ClassEmbedding",
    title="no gradient reaches the table",
    hint="`.data` and `.detach()` cut the way back: what is looked up that way can never be learned.",
)
class Detached(_Table):
    def forward(self, labels: Tensor) -> Tensor:
        return self.weight.data[labels].requires_grad_()


@mistake(
    "ClassEmbedding",
    title="the null row starts at zero",
    hint="Print the last row of a new table. Whether it is to mean nothing is for training to find out; it "
    "starts like any other row.",
    only_hidden=True,
)
class NullStartsAtZero(_Table):
    def __init__(self, classes: int, dim: int) -> None:
        super().__init__(classes, dim)
        with torch.no_grad():
            self.weight[-1] = 0


@mistake(
    "ClassEmbedding",
    title="the rows are looked up in training mode only",
    hint="Call .eval() on your layer and ask it again. A table has nothing that differs between training "
    "and use.",
    only_hidden=True,
)
class LooksUpInTraining(_Table):
    def forward(self, labels: Tensor) -> Tensor:
        return self.weight[labels] if self.training else torch.zeros_like(self.weight[labels])


# --- drop_condition -------------------------------------------------------------------------------------


def _lined_up(mask: Tensor, cond: Tensor) -> Tensor:
    return mask.view(-1, *[1] * (cond.dim() - 1))


@mistake(
    "drop_condition",
    title="the whole batch is dropped or kept together",
    hint="Call it a few times with p = 0.5 and look: all or nothing. How many random numbers do you draw, "
    "and how many samples are there to decide about?",
)
def whole_batch(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    if torch.rand((), generator=generator, device=cond.device) < p:
        return null.expand_as(cond).clone()
    return cond.clone()


@mistake(
    "drop_condition",
    title="keeps with probability p instead of dropping",
    hint="With p = 0.1, how many of a thousand labels are left? p is the share that becomes null.",
)
def keeps_with_p(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    kept = torch.rand(len(cond), generator=generator, device=cond.device) < p
    return torch.where(_lined_up(kept, cond), cond, null)


@mistake(
    "drop_condition",
    title="zeros stand in for null",
    hint="With labels, 0 is the name of a class. What is to be put in is the argument `null`, whatever it "
    "is.",
)
def zeros_for_null(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    dropped = torch.rand(len(cond), generator=generator, device=cond.device) < p
    return torch.where(_lined_up(dropped, cond), torch.zeros_like(cond), cond)


@mistake(
    "drop_condition",
    title="the generator is not used",
    hint="Call it twice with generators of the same seed: should it not drop the same samples? Hand the "
    "generator to whatever draws.",
)
def generator_ignored(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    dropped = torch.rand(len(cond), device=cond.device) < p
    return torch.where(_lined_up(dropped, cond), null, cond)


@mistake(
    "drop_condition",
    title="the generator is seeded anew on each call",
    hint="Call it twice with the same generator: the very same samples are dropped again, in each step of "
    "a training. The generator knows where it stands; leave that to it.",
)
def seeded_anew(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    generator.manual_seed(generator.initial_seed())
    dropped = torch.rand(len(cond), generator=generator, device=cond.device) < p
    return torch.where(_lined_up(dropped, cond), null, cond)


@mistake(
    "drop_condition",
    title="each number is dropped by itself",
    hint="Look at one sample of a batch of embeddings: part of it is its condition, part is null. One "
    "decision a sample: how many random numbers is that?",
)
def each_number(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    dropped = torch.rand(cond.shape, generator=generator, device=cond.device) < p
    return torch.where(dropped, null, cond)


@mistake(
    "drop_condition",
    title="the decisions line up with the last dimension",
    hint="Broadcasting lines up shapes from the right: [B] meets the last dimension of the embeddings, "
    "and not the batch. Which shape would meet the first?",
)
def last_dimension(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    dropped = torch.rand(len(cond), generator=generator, device=cond.device) < p
    return torch.where(dropped, null, cond)


@mistake(
    "drop_condition",
    title="the conditions are changed in place",
    hint="Print cond before and after the call: the caller's labels are gone, and the next epoch has "
    "fewer of them. Make a new tensor.",
)
def in_place(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    dropped = torch.rand(len(cond), generator=generator, device=cond.device) < p
    cond[dropped] = null.expand_as(cond)[dropped]
    return cond


@mistake(
    "drop_condition",
    title="always the same number of samples is dropped",
    hint="A batch of one, p = 0.5: does it ever drop, does it ever keep? Each sample has a chance of its "
    "own; how many it comes to varies.",
)
def exact_number(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    order = torch.randperm(len(cond), generator=generator, device=cond.device)
    dropped = order < int(p * len(cond))
    return torch.where(_lined_up(dropped, cond), null, cond)


@mistake(
    "drop_condition",
    title="the kept conditions are scaled up as in dropout",
    hint="Dropout makes up for what it drops by dividing the rest by 1 - p. A condition that is kept "
    "should be exactly what it was.",
)
def as_dropout(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    dropped = torch.rand(len(cond), generator=generator, device=cond.device) < p
    return torch.where(_lined_up(dropped, cond), null, cond / max(1 - p, 1e-6))


@mistake(
    "drop_condition",
    title="labels come back as floating-point numbers",
    hint="Print the dtype of what you return. A mask of 0.0 and 1.0 turns labels into floats, which no "
    "table can be asked with. Is there a way to choose without multiplying?",
)
def floats(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    dropped = torch.rand(len(cond), generator=generator, device=cond.device) < p
    share = _lined_up(dropped, cond).float()
    return share * null + (1 - share) * cond


@mistake(
    "drop_condition",
    title="the first sample is never dropped",
    hint="Call it a hundred times on a batch of four, and count for each place how often it was dropped. All "
    "of them should come to about p.",
)
def first_never(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    dropped = torch.rand(len(cond), generator=generator, device=cond.device) < p
    dropped[0] &= p == 1
    return torch.where(_lined_up(dropped, cond), null, cond)


@mistake(
    "drop_condition",
    title="neighbouring samples share a decision",
    hint="Print which of ten samples are dropped, a few times. How many random numbers do you draw, and how "
    "many samples are there to decide about?",
    only_hidden=True,
)
def in_pairs(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    drawn = torch.rand((len(cond) + 1) // 2, generator=generator, device=cond.device)
    dropped = (drawn < p).repeat_interleave(2)[: len(cond)]
    return torch.where(_lined_up(dropped, cond), null, cond)


@mistake(
    "drop_condition",
    title="the conditions themselves come back where none is dropped",
    hint="A new tensor is promised. With p = 0, write into what you returned, and print cond: has it "
    "changed?",
    only_hidden=True,
)
def cond_itself(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    dropped = torch.rand(len(cond), generator=generator, device=cond.device) < p
    return torch.where(_lined_up(dropped, cond), null, cond) if dropped.any() else cond


@mistake(
    "drop_condition",
    title="no gradient gets through",
    hint="@torch.no_grad() above a function, or .detach() inside it, cuts the way back: nothing that this is "
    "a part of can be trained. It belongs around a call that needs no gradients, not into the function.",
    only_hidden=True,
)
@torch.no_grad()
def dropped_without_gradient(cond: Tensor, null: Tensor, p: float, generator: torch.Generator) -> Tensor:
    dropped = torch.rand(len(cond), generator=generator, device=cond.device) < p
    return torch.where(_lined_up(dropped, cond), null, cond)


# --- guide ----------------------------------------------------------------------------------------------


@mistake(
    "guide",
    title="the scale of the paper, one less than here",
    hint="Try w = 1: here it is to give the conditional prediction. The paper's (1 + w) cond - w uncond "
    "is the same line, with a scale that starts elsewhere.",
)
def of_the_paper(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    return (1 + w) * cond - w * uncond


@mistake(
    "guide",
    title="the two predictions are exchanged",
    hint="Try w = 0: that should give the prediction without a condition. Where does your line start, and "
    "which way does it go?",
)
def exchanged(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    return cond + w * (uncond - cond)


@mistake(
    "guide",
    title="the sign of the difference is wrong",
    hint="Try w = 1: you get away from the condition instead of to it. From where to where does an arrow "
    "point that is written b - a?",
)
def wrong_sign(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    return uncond - w * (cond - uncond)


@mistake(
    "guide",
    title="the scale is kept between 0 and 1",
    hint="torch.lerp would take it, and so should you: guidance is what happens beyond 1. What does your "
    "function give for w = 3?",
)
def never_beyond(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    return uncond + min(max(w, 0.0), 1.0) * (cond - uncond)


@mistake(
    "guide",
    title="the difference is left out",
    hint="If both predictions agree, no scale should change them. What does yours give for uncond = cond?",
)
def added(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    return uncond + w * cond


@mistake(
    "guide",
    title="a prediction is changed in place",
    hint="`-=`, `+=` and methods whose name ends in `_` write into what you were given. Print uncond and "
    "cond before and after the call.",
)
def in_place_difference(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    cond -= uncond
    return uncond + w * cond


@mistake(
    "guide",
    title="a prediction itself comes back where the scale is 0 or 1",
    hint="A new tensor is promised. With w = 0, write into what you returned, and print uncond: has it "
    "changed? The formula needs no special cases.",
    only_hidden=True,
)
def one_of_them(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    if w in (0, 1):
        return cond if w else uncond
    return uncond + w * (cond - uncond)


@mistake(
    "guide",
    title="no gradient gets through",
    hint="@torch.no_grad() above a function, or .detach() inside it, cuts the way back: nothing that this is "
    "a part of can be trained. It belongs around a call that needs no gradients, not into the function.",
    only_hidden=True,
)
@torch.no_grad()
def guided_without_gradient(uncond: Tensor, cond: Tensor, w: float) -> Tensor:
    return uncond + w * (cond - uncond)


# --- guided_eps -----------------------------------------------------------------------------------------

_Model = Callable[..., Tensor]


@mistake(
    "guided_eps",
    title="the model is called twice",
    hint="The numbers are right. But the model is by far the most expensive part, and a GPU does a batch "
    "of 2B in less time than two of B. torch.cat puts the two questions into one batch.",
)
def two_calls(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    uncond = model(x, t, null.expand_as(cond))
    return uncond + w * (model(x, t, cond) - uncond)


@mistake(
    "guided_eps",
    title="the halves are taken in the wrong order",
    hint="Which half did you put first into torch.cat, and which one do you take out first? With w = 0 "
    "the result should be the prediction for null.",
)
def halves_exchanged(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    both = torch.cat([cond, null.expand_as(cond)])
    uncond, conditional = model(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
    return uncond + w * (conditional - uncond)


@mistake(
    "guided_eps",
    title="the timesteps are not doubled",
    hint="Print the shapes of all that the model is given. It gets 2B samples: how many timesteps?",
)
def time_not_doubled(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    both = torch.cat([null.expand_as(cond), cond])
    uncond, conditional = model(torch.cat([x, x]), t, both).chunk(2)
    return uncond + w * (conditional - uncond)


@mistake(
    "guided_eps",
    title="samples are repeated one by one, conditions in blocks",
    hint="repeat_interleave makes a, a, b, b; torch.cat makes a, b, a, b. Row i and row B + i should be "
    "the same sample. Number the samples and look.",
)
def pairs_mixed(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    both = torch.cat([null.expand_as(cond), cond])
    uncond, conditional = model(x.repeat_interleave(2, 0), t.repeat_interleave(2), both).chunk(2)
    return uncond + w * (conditional - uncond)


@mistake(
    "guided_eps",
    title="only the timesteps are repeated one by one",
    hint="Is each sample told its own time? repeat_interleave makes a, a, b, b, where your samples stand "
    "as a, b, a, b.",
)
def times_mixed(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    both = torch.cat([null.expand_as(cond), cond])
    uncond, conditional = model(torch.cat([x, x]), t.repeat_interleave(2), both).chunk(2)
    return uncond + w * (conditional - uncond)


@mistake(
    "guided_eps",
    title="the answer is cut along another dimension than the batch",
    hint="The two predictions were stacked along the batch, dimension 0. Along which one do you cut them "
    "apart?",
)
def cut_elsewhere(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    both = torch.cat([null.expand_as(cond), cond])
    uncond, conditional = model(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2, dim=1)
    return uncond + w * (conditional - uncond)


@mistake(
    "guided_eps",
    title="one prediction is skipped where the scale is 0 or 1",
    hint="The numbers are right, and it saves time. But whoever counts on one call with 2B samples is "
    "surprised, and code with special cases is tested for most scales and fails for some. Here: "
    "always both.",
)
def skipped(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    if w == 1:
        return model(x, t, cond)
    if w == 0:
        return model(x, t, null.expand_as(cond))
    both = torch.cat([null.expand_as(cond), cond])
    uncond, conditional = model(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
    return uncond + w * (conditional - uncond)


@mistake(
    "guided_eps",
    title="null is not repeated for each sample",
    hint="Print the shapes of all that the model is given. `null` is what one sample is told, and B "
    "samples are to be told it. expand makes as many as you need.",
)
def one_null(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    null = null if null.dim() == cond.dim() else null[None]
    both = torch.cat([null, cond])
    uncond, conditional = model(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
    return uncond + w * (conditional - uncond)


@mistake(
    "guided_eps",
    title="zeros stand in for null",
    hint="A condition of zeros is one that the model has never seen in training, or a class of its own. "
    "`null` is the one it has learned to take for no condition.",
)
def zeros_instead(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    both = torch.cat([torch.zeros_like(cond), cond])
    uncond, conditional = model(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
    return uncond + w * (conditional - uncond)


@mistake(
    "guided_eps",
    title="combined with the scale of the paper",
    hint="With w = 1 you should get the conditional prediction. (1 + w) cond - w uncond counts from "
    "another zero; your `guide` has the formula for this course.",
)
def combined_as_the_paper(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float
) -> Tensor:
    both = torch.cat([null.expand_as(cond), cond])
    uncond, conditional = model(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
    return (1 + w) * conditional - w * uncond


@mistake(
    "guided_eps",
    title="the conditions are mixed instead of the predictions",
    hint="Going beyond a condition in its own space gives one that the model has never seen. Guidance "
    "asks the model for both conditions, and goes beyond its answer.",
)
def conditions_mixed(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    return model(x, t, (null + w * (cond - null)).to(cond.dtype))


@mistake(
    "guided_eps",
    title="the result is written into the samples",
    hint="Print x before and after the call: whoever gave you the samples still needs them, for the step "
    "that follows. Return a new tensor.",
)
def written_into_x(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    both = torch.cat([null.expand_as(cond), cond])
    uncond, conditional = model(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
    return x.copy_(uncond + w * (conditional - uncond))


@mistake(
    "guided_eps",
    title="no gradient gets through",
    hint="@torch.no_grad() above a function, or .detach() inside it, cuts the way back: nothing that this is "
    "a part of can be trained. It belongs around a call that needs no gradients, not into the function.",
    only_hidden=True,
)
@torch.no_grad()
def asked_without_gradient(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float
) -> Tensor:
    both = torch.cat([null.expand_as(cond), cond])
    uncond, conditional = model(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
    return uncond + w * (conditional - uncond)


@mistake(
    "guided_eps",
    title="the unconditional half gets no gradient",
    hint="The prediction for null depends on x as much as the other one does, and on null itself. What "
    "do you cut off when you detach it?",
    only_hidden=True,
)
def half_detached(model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float) -> Tensor:
    both = torch.cat([null.expand_as(cond), cond])
    uncond, conditional = model(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
    return uncond.detach() + w * (conditional - uncond.detach())


# --- negative_prompt_eps --------------------------------------------------------------------------------


def _ask(model: _Model, x: Tensor, t: Tensor, *conditions: Tensor) -> tuple[Tensor, ...]:
    """A prediction for each condition, from one call."""
    n = len(conditions)
    out = model(torch.cat([x] * n), torch.cat([t] * n), torch.cat(conditions))
    return out.chunk(n)


@mistake(
    "negative_prompt_eps",
    title="the negative is added to plain guidance",
    hint="Three predictions, three times the cost, and with a scale of 1 the result is not the prediction "
    "for the condition. What is the starting point of guidance, and what could you start from "
    "instead?",
)
def added_to_plain(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    if negative is None:
        uncond, wanted = _ask(model, x, t, null.expand_as(cond), cond)
        return uncond + w * (wanted - uncond)
    uncond, wanted, unwanted = _ask(model, x, t, null.expand_as(cond), cond, negative.expand_as(cond))
    return uncond + w * (wanted - uncond) - w * (unwanted - uncond)


@mistake(
    "negative_prompt_eps",
    title="the negative is subtracted twice",
    hint="With a scale of 1 no negative should make a difference. Starting from it, the step w (cond - "
    "negative) has it subtracted already.",
)
def subtracted_twice(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    start = null if negative is None else negative
    unwanted, wanted = _ask(model, x, t, start.expand_as(cond), cond)
    guided = unwanted + w * (wanted - unwanted)
    return guided if negative is None else guided - w * (unwanted - wanted)


@mistake(
    "negative_prompt_eps",
    title="condition and negative are exchanged",
    hint="With a scale of 1 you should get the prediction for the condition. Which one do you start from, "
    "and towards which one do you go?",
)
def roles_exchanged(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    start = null if negative is None else negative
    unwanted, wanted = _ask(model, x, t, start.expand_as(cond), cond)
    if negative is None:
        return unwanted + w * (wanted - unwanted)
    return wanted + w * (unwanted - wanted)


@mistake(
    "negative_prompt_eps",
    title="the negative is ignored",
    hint="Give it two different negatives and compare the results. Where in your code does `negative` "
    "matter?",
)
def negative_ignored(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    uncond, wanted = _ask(model, x, t, null.expand_as(cond), cond)
    return uncond + w * (wanted - uncond)


@mistake(
    "negative_prompt_eps",
    title="fails without a negative",
    hint="Call it without the last argument. `negative` is None then, and None has no shape: what is to "
    "take its place?",
)
def none_forgotten(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    unwanted, wanted = _ask(model, x, t, negative.expand_as(cond), cond)
    return unwanted + w * (wanted - unwanted)


@mistake(
    "negative_prompt_eps",
    title="the negative is asked whether it is true",
    hint="`negative or null` and `if negative:` ask a tensor for its truth: an error for several numbers, "
    "and False for the label 0. Ask whether it is None.",
)
def asked_for_truth(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    unwanted, wanted = _ask(model, x, t, (negative or null).expand_as(cond), cond)
    return unwanted + w * (wanted - unwanted)


@mistake(
    "negative_prompt_eps",
    title="the negative is subtracted without the scale",
    hint="Three predictions, and a push away that is weak beside the pull of w. What is the starting "
    "point of guidance, and what could you start from instead?",
)
def subtracted_without_scale(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    if negative is None:
        negative = null
    uncond, unwanted, wanted = _ask(model, x, t, null.expand_as(cond), negative.expand_as(cond), cond)
    return uncond + w * (wanted - uncond) - (unwanted - uncond)


@mistake(
    "negative_prompt_eps",
    title="the negative is subtracted from the condition",
    hint="Embeddings are no quantities: condition minus negative is a point that the model has never "
    "seen. Subtract predictions.",
)
def subtracted_from_the_condition(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    wanted = cond if negative is None else cond - negative
    uncond, wanted = _ask(model, x, t, null.expand_as(cond), wanted)
    return uncond + w * (wanted - uncond)


@mistake(
    "negative_prompt_eps",
    title="no gradient reaches null or the negative",
    hint="Both may be embeddings that somebody wants to learn. What do detach() and no_grad() cut off, and "
    "what for?",
    only_hidden=True,
)
def start_detached(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    start = (null if negative is None else negative).detach()
    unwanted, wanted = _ask(model, x, t, start.expand_as(cond), cond)
    return unwanted + w * (wanted - unwanted)


@mistake(
    "negative_prompt_eps",
    title="no gradient gets through",
    hint="@torch.no_grad() above a function, or .detach() inside it, cuts the way back: nothing that this is "
    "a part of can be trained. It belongs around a call that needs no gradients, not into the function.",
    only_hidden=True,
)
@torch.no_grad()
def negative_without_gradient(
    model: _Model, x: Tensor, t: Tensor, cond: Tensor, null: Tensor, w: float, negative: Tensor | None = None
) -> Tensor:
    start = null if negative is None else negative
    unwanted, wanted = _ask(model, x, t, start.expand_as(cond), cond)
    return unwanted + w * (wanted - unwanted)


# --- rescale_guidance -----------------------------------------------------------------------------------


def _own(x: Tensor) -> tuple[int, ...]:
    return tuple(range(1, x.dim()))


@mistake(
    "rescale_guidance",
    title="one standard deviation for the whole batch",
    hint="Put a strongly guided sample beside a mild one: the one decides how much the other shrinks. "
    "Each sample has a standard deviation of its own; over which dimensions is it taken?",
)
def whole_batch_deviation(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    return phi * guided * (cond.std() / guided.std()) + (1 - phi) * guided


@mistake(
    "rescale_guidance",
    title="phi works the wrong way round",
    hint="With phi = 0 nothing should change. Which of your two terms is left then?",
)
def phi_reversed(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    rescaled = guided * cond.std(_own(guided), keepdim=True) / guided.std(_own(guided), keepdim=True)
    return (1 - phi) * rescaled + phi * guided


@mistake(
    "rescale_guidance",
    title="the ratio is upside down",
    hint="With phi = 1, compare the standard deviation of your result with that of cond. Guidance makes it "
    "larger; does your factor make it smaller again?",
)
def upside_down(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    ratio = guided.std(_own(guided), keepdim=True) / cond.std(_own(cond), keepdim=True)
    return phi * ratio * guided + (1 - phi) * guided


@mistake(
    "rescale_guidance",
    title="variances instead of standard deviations",
    hint="With phi = 1, compare the standard deviation of your result with that of cond. What multiplies x "
    "by r multiplies its variance by what?",
)
def variances(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    ratio = cond.var(_own(cond), keepdim=True) / guided.var(_own(guided), keepdim=True)
    return phi * ratio * guided + (1 - phi) * guided


@mistake(
    "rescale_guidance",
    title="each channel has a standard deviation of its own",
    hint="Rescaling the channels one by one shifts the colours against each other. One factor for each "
    "sample: over all of its dimensions but the batch.",
)
def channel_by_channel(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    own = _own(guided)[1:] or (1,)
    ratio = cond.std(own, keepdim=True) / guided.std(own, keepdim=True)
    return phi * ratio * guided + (1 - phi) * guided


@mistake(
    "rescale_guidance",
    title="works for pictures only",
    hint='dim=(1, 2, 3) counts on four dimensions. How can you name "all but the first" for any number of '
    "them?",
)
def pictures_only(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    ratio = cond.std((1, 2, 3), keepdim=True) / guided.std((1, 2, 3), keepdim=True)
    return phi * ratio * guided + (1 - phi) * guided


@mistake(
    "rescale_guidance",
    title="the mean is taken away too",
    hint="A sample's mean is its brightness, which is to be scaled along with the rest. What the formula "
    "asks for is one multiplication.",
)
def mean_removed(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    ratio = cond.std(_own(cond), keepdim=True) / guided.std(_own(guided), keepdim=True)
    mean = guided.mean(_own(guided), keepdim=True)
    return phi * ((guided - mean) * ratio + mean) + (1 - phi) * guided


@mistake(
    "rescale_guidance",
    title="a number is added to the standard deviation",
    hint="Compare the standard deviations for a prediction multiplied by 1e-4: your number is no longer "
    "small beside it. Is there a division by zero to guard against?",
)
def epsilon_added(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    ratio = cond.std(_own(cond), keepdim=True) / (guided.std(_own(guided), keepdim=True) + 1e-6)
    return phi * ratio * guided + (1 - phi) * guided


@mistake(
    "rescale_guidance",
    title="the conditional prediction is rescaled instead of the guided one",
    hint="With phi = 1 your result is cond times something: the guidance is gone. Keep where the guided "
    "prediction points, and change its size.",
)
def wrong_one_rescaled(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    ratio = guided.std(_own(guided), keepdim=True) / cond.std(_own(cond), keepdim=True)
    return phi * ratio * cond + (1 - phi) * guided


@mistake(
    "rescale_guidance",
    title="the guided prediction is changed in place",
    hint="`*=` writes into what you were given, and the second term of the sum reads it afterwards. Make "
    "a new tensor.",
)
def guided_changed(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    before = guided.clone()
    guided *= cond.std(_own(cond), keepdim=True) / guided.std(_own(guided), keepdim=True)
    return phi * guided + (1 - phi) * before


@mistake(
    "rescale_guidance",
    title="the guided prediction itself comes back where phi is 0",
    hint="A new tensor is promised. With phi = 0, write into what you returned, and print guided: has it "
    "changed? The formula needs no special case.",
    only_hidden=True,
)
def guided_itself(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    if phi == 0:
        return guided
    ratio = cond.std(_own(cond), keepdim=True) / guided.std(_own(guided), keepdim=True)
    return phi * ratio * guided + (1 - phi) * guided


@mistake(
    "rescale_guidance",
    title="no gradient goes through the ratio",
    hint="The factor depends on both predictions, and so its gradient is a part of theirs: none at all "
    "reaches cond any other way. What do detach() and no_grad() cut off?",
    only_hidden=True,
)
def ratio_detached(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    ratio = cond.std(_own(cond), keepdim=True) / guided.std(_own(guided), keepdim=True)
    return phi * ratio.detach() * guided + (1 - phi) * guided


@mistake(
    "rescale_guidance",
    title="no gradient gets through",
    hint="@torch.no_grad() above a function, or .detach() inside it, cuts the way back: nothing that this is "
    "a part of can be trained. It belongs around a call that needs no gradients, not into the function.",
    only_hidden=True,
)
@torch.no_grad()
def rescaled_without_gradient(guided: Tensor, cond: Tensor, phi: float) -> Tensor:
    ratio = cond.std(_own(cond), keepdim=True) / guided.std(_own(guided), keepdim=True)
    return phi * ratio * guided + (1 - phi) * guided
