"""Known mistakes of the module `lora`: code that students write, and what to tell them."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import mistake
from solutions.lora import LoRAConv2d, LoRALinear

# --- LoRALinear -----------------------------------------------------------------------------------------


class _Linear(nn.Module):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__()
        self.base_layer = base
        self.lora_A = nn.Linear(base.in_features, r, bias=False).to(base.weight)
        self.lora_B = nn.Linear(r, base.out_features, bias=False).to(base.weight)
        self.start()
        self.scaling = alpha / r
        self.merged = False

    def start(self) -> None:
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        return out if self.merged else out + self.scaling * self.lora_B(self.lora_A(x))


@mistake(
    "LoRALinear",
    title="alpha / r is left out",
    hint="Build two layers with the same weights and another alpha: they compute the same. Where does "
    "`scaling` come into the sum?",
)
class WithoutScaling(_Linear):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        return out if self.merged else out + self.lora_B(self.lora_A(x))


@mistake(
    "LoRALinear",
    title="scaled by alpha alone",
    hint="alpha is divided by r, so that one learning rate suits every rank: with more rows in A, more "
    "terms are added up.",
)
class ScaledByAlpha(_Linear):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__(base, r, alpha)
        self.scaling = alpha


@mistake(
    "LoRALinear",
    title="scaled by alpha times r",
    hint="What should `scaling` be for alpha = r? With the formula in the docstring it is 1; what is yours?",
)
class ScaledByAlphaTimesR(_Linear):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__(base, r, alpha)
        self.scaling = alpha * r


@mistake(
    "LoRALinear",
    title="alpha is divided by r without a remainder",
    hint="alpha may be smaller than r, or not a multiple of it. What is 1.5 // 2, and what is 1.5 / 2?",
)
class FloorDivision(_Linear):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__(base, r, alpha)
        self.scaling = alpha // r


@mistake(
    "LoRALinear",
    title="A and B both start at zero",
    hint="The gradient of B is multiplied by what A gives, and that of A by B. If both are zero, which of "
    "the two ever moves?",
)
class BothZero(_Linear):
    def start(self) -> None:
        nn.init.zeros_(self.lora_A.weight)
        nn.init.zeros_(self.lora_B.weight)


@mistake(
    "LoRALinear",
    title="B starts random",
    hint="Before any training the layer should do what base does. Compare the two on some input: what would "
    "B have to be for the update to vanish?",
)
class BRandom(_Linear):
    def start(self) -> None:
        """Leaves both as they are."""


@mistake(
    "LoRALinear",
    title="A starts at zero and B random",
    hint="It would train as well; but whoever reads such files takes lora_B for the one that starts at "
    "zero. Which of the two did you fill with zeros?",
)
class AZero(_Linear):
    def start(self) -> None:
        nn.init.zeros_(self.lora_A.weight)


@mistake(
    "LoRALinear",
    title="base is copied",
    hint="A copy costs the memory that LoRA is there to save, and the model's own layer no longer belongs "
    "to the result. Keep the object that you were given.",
)
class BaseCopied(_Linear):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__(copy.deepcopy(base), r, alpha)


@mistake(
    "LoRALinear",
    title="the bias of base is added twice",
    hint="Put zeros in: what comes out should be the bias, once. base(x) has added it already.",
)
class BiasTwice(_Linear):
    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        bias = self.base_layer.bias
        return out if bias is None else out + bias


@mistake(
    "LoRALinear",
    title="the update has biases of its own",
    hint="Print the names of your parameters: there should be no lora_A.bias. A bias cannot be merged into "
    "a weight, and nn.Linear adds one unless it is told not to.",
)
class BiasedUpdate(_Linear):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__(base, r, alpha)
        self.lora_A = nn.Linear(base.in_features, r).to(base.weight)
        self.lora_B = nn.Linear(r, base.out_features).to(base.weight)
        nn.init.zeros_(self.lora_B.weight)
        nn.init.zeros_(self.lora_B.bias)


@mistake(
    "LoRALinear",
    title="no gradient gets past lora_B",
    hint="After a backward pass lora_A.weight.grad is None, or never changes. `.data` and `.detach()` cut "
    "the graph, and so does torch.no_grad().",
)
class DetachedA(_Linear):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        if not self.merged:
            out = out + self.scaling * self.lora_B(F.linear(x, self.lora_A.weight.data))
        return out


@mistake(
    "LoRALinear",
    title="the weights of lora_A and lora_B are transposed",
    hint="nn.Linear(C, r) keeps its weight as [r, C]: channels out first. Compare the shapes of your "
    "weights with those of an nn.Linear.",
)
class Transposed(_Linear):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__(base, r, alpha)
        for layer in (self.lora_A, self.lora_B):
            layer.weight = nn.Parameter(layer.weight.detach().T.clone())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        return out if self.merged else out + self.scaling * (x @ self.lora_A.weight @ self.lora_B.weight)


@mistake(
    "LoRALinear",
    title="lora_A and lora_B are bare parameters",
    hint="Print the names of your parameters. Files of adapters have `lora_A.weight`: what kind of object "
    "has a weight of that name in it?",
)
class BareParameters(nn.Module):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__()
        self.base_layer = base
        self.lora_A = nn.Parameter(torch.randn(r, base.in_features).to(base.weight))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, r).to(base.weight))
        self.scaling = alpha / r
        self.merged = False

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        return out if self.merged else out + self.scaling * (x @ self.lora_A.T @ self.lora_B.T)


@mistake(
    "LoRALinear",
    title="the dtype and device of base are not taken over",
    hint="torch makes new layers in float32, on the CPU. Adapt a layer in float16 or on a GPU, and A meets "
    "an x that it cannot be multiplied with.",
)
class DefaultDtype(_Linear):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__(base, r, alpha)
        self.lora_A = nn.Linear(base.in_features, r, bias=False)
        self.lora_B = nn.Linear(r, base.out_features, bias=False)
        nn.init.zeros_(self.lora_B.weight)


@mistake(
    "LoRALinear",
    title="forward does not look at `merged`",
    hint="Once the update is in base's weight, adding it again counts it twice. What is forward to do while "
    "`merged` is True?",
)
class IgnoresMerged(_Linear):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        return out + self.scaling * self.lora_B(self.lora_A(x))


@mistake(
    "LoRALinear",
    title="a nonlinearity between A and B",
    hint="The update is to be a matrix, B A, so that it can be added to a weight. With something bent in "
    "between there is no such matrix.",
)
class Nonlinear(_Linear):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        return out if self.merged else out + self.scaling * self.lora_B(F.relu(self.lora_A(x)))


@mistake(
    "LoRALinear",
    title="the update works on what base gives, not on x",
    hint="The update runs beside base, not behind it: base(x) + update(x). What goes into your lora_A?",
)
class BehindBase(_Linear):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__(base, r, alpha)
        self.lora_A = nn.Linear(base.out_features, r, bias=False).to(base.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        return out if self.merged else out + self.scaling * self.lora_B(self.lora_A(out))


@mistake(
    "LoRALinear",
    title="no gradient gets through",
    hint="@torch.no_grad() above forward, or around all of it, cuts the way back: lora_A and lora_B can "
    "never be trained. What is frozen is for mark_trainable to say, with requires_grad.",
)
class WithoutGradient(_Linear):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


@mistake(
    "LoRALinear",
    title="the update counts in training mode only",
    hint="Call .eval() on your layer and ask it again: the style that you have trained is gone. Only "
    "`merged` decides whether the update is added.",
    only_hidden=True,
)
class InTrainingOnly(_Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else self.base_layer(x)


@mistake(
    "LoRALinear",
    title="A starts otherwise than torch initialises it",
    hint="How large A's numbers are decides how fast B learns, and torch has chosen already. Which line of "
    "yours draws them anew?",
    only_hidden=True,
)
class AnotherStart(_Linear):
    def start(self) -> None:
        nn.init.xavier_uniform_(self.lora_A.weight)
        nn.init.zeros_(self.lora_B.weight)


@mistake(
    "LoRALinear",
    title="every layer starts with the same numbers",
    hint="Build two layers and compare their lora_A. What does a seed that is set in __init__ do to all that "
    "is drawn after it, in other people's code, too?",
    only_hidden=True,
)
class Seeded(_Linear):
    def start(self) -> None:
        torch.manual_seed(0)
        self.lora_A.reset_parameters()
        nn.init.zeros_(self.lora_B.weight)


@mistake(
    "LoRALinear",
    title="the update is worked out in float32",
    hint="Adapt a layer in float64: the update has seven digits, and the rest are rounding errors. The "
    "layers are in base's dtype already; what do you convert for?",
    only_hidden=True,
)
class InSingle(_Linear):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        if self.merged:
            return out
        update = x.float() @ self.lora_A.weight.float().T @ self.lora_B.weight.float().T
        return out + self.scaling * update.to(out)


@mistake(
    "LoRALinear",
    title="the input is scaled in place",
    hint="Print x before and after the call: the layers beside yours get the same x, and find other "
    "numbers in it. Scale what comes out, or a copy.",
)
class ScaledInPlace(_Linear):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        if not self.merged:
            x *= self.scaling
            out = out + self.lora_B(self.lora_A(x))
        return out


@mistake(
    "LoRALinear",
    title="the update's matrix is worked out once and kept",
    hint="Call it, change lora_A or lora_B as a step of training does, and call it again: nothing has "
    "changed. What do you keep from the first call?",
    only_hidden=True,
)
class KeptMatrix(_Linear):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        if self.merged:
            return out
        if not hasattr(self, "update"):
            self.update = self.lora_B.weight @ self.lora_A.weight
        return out + self.scaling * F.linear(x, self.update)


@mistake(
    "LoRALinear",
    title="dimensions of size 1 are lost",
    hint="squeeze() takes away every dimension of size 1, also that of a batch of one. Which one did "
    "you mean?",
)
class Squeezed(_Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze()


# --- LoRAConv2d -----------------------------------------------------------------------------------------


class _Conv2d(nn.Module):
    def __init__(self, base: nn.Conv2d, r: int, alpha: float) -> None:
        super().__init__()
        self.base_layer = base
        self.lora_A = self.first(base, r).to(base.weight)
        self.lora_B = self.second(base, r).to(base.weight)
        self.start()
        self.scaling = alpha / r
        self.merged = False

    def start(self) -> None:
        nn.init.zeros_(self.lora_B.weight)

    def first(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(
            base.in_channels,
            r,
            base.kernel_size,
            base.stride,
            base.padding,
            base.dilation,
            bias=False,
        )

    def second(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(r, base.out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        return out if self.merged else out + self.scaling * self.lora_B(self.lora_A(x))


@mistake(
    "LoRAConv2d",
    title="A is 1 x 1 and B has the kernel",
    hint="It has the same rank, but files have it the other way round: lora_A looks at the picture as base "
    "does, and lora_B only mixes channels.",
)
class KernelInB(_Conv2d):
    def first(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(base.in_channels, r, 1, bias=False)

    def second(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(
            r,
            base.out_channels,
            base.kernel_size,
            base.stride,
            base.padding,
            base.dilation,
            bias=False,
        )


@mistake(
    "LoRAConv2d",
    title="B has base's kernel as well",
    hint="Two kernels of 3 x 3 in a row look at 5 x 5 pixels: no single kernel of 3 x 3 can hold that. How "
    "large does B's kernel have to be?",
)
class BothKernels(_Conv2d):
    def second(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(r, base.out_channels, base.kernel_size, padding="same", bias=False)


@mistake(
    "LoRAConv2d",
    title="B pads too",
    hint="A 1 x 1 kernel needs no padding: with one, the result grows at each edge. Compare the shapes of "
    "the two terms.",
)
class PaddingInB(_Conv2d):
    def second(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(r, base.out_channels, 1, padding=base.padding, bias=False)


@mistake(
    "LoRAConv2d",
    title="A and B both take base's stride",
    hint="A stride of 2 twice is a stride of 4. A has jumped over the pixels already; what is left for B?",
)
class StrideTwice(_Conv2d):
    def second(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(r, base.out_channels, 1, stride=base.stride, bias=False)


@mistake(
    "LoRAConv2d",
    title="the stride is forgotten",
    hint="Adapt a convolution with stride 2: what A gives is larger than what base gives. Which of base's "
    "settings has A not got?",
)
class NoStride(_Conv2d):
    def first(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(
            base.in_channels,
            r,
            base.kernel_size,
            padding=base.padding,
            dilation=base.dilation,
            bias=False,
        )


@mistake(
    "LoRAConv2d",
    title="the padding is forgotten",
    hint="Adapt a 3 x 3 convolution with padding 1: what A gives is two pixels smaller than what base "
    "gives. Which of base's settings has A not got?",
)
class NoPadding(_Conv2d):
    def first(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(
            base.in_channels,
            r,
            base.kernel_size,
            base.stride,
            dilation=base.dilation,
            bias=False,
        )


@mistake(
    "LoRAConv2d",
    title="the dilation is forgotten",
    hint="A dilated kernel leaves pixels out between those it looks at. A is to look at the very pixels "
    "that base looks at: which setting is missing?",
)
class NoDilation(_Conv2d):
    def first(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(
            base.in_channels,
            r,
            base.kernel_size,
            base.stride,
            base.padding,
            bias=False,
        )


@mistake(
    "LoRAConv2d",
    title="the kernel's height is taken for its width",
    hint="base.kernel_size is a pair, height and width. You use the first of them for both.",
)
class SquareKernel(_Conv2d):
    def first(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(
            base.in_channels,
            r,
            base.kernel_size[0],
            base.stride,
            base.padding,
            base.dilation,
            bias=False,
        )


@mistake(
    "LoRAConv2d",
    title="stride and padding of the height are taken for the width",
    hint="base.stride, base.padding and base.dilation are pairs, one number for the height and one for the "
    "width. You use the first of them for both.",
)
class FirstOfPairs(_Conv2d):
    def first(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(
            base.in_channels,
            r,
            base.kernel_size,
            base.stride[0],
            base.padding[0],
            base.dilation[0],
            bias=False,
        )


@mistake(
    "LoRAConv2d",
    title="alpha / r is left out",
    hint="Build two layers with the same weights and another alpha: they compute the same. Where does "
    "`scaling` come into the sum?",
)
class ConvWithoutScaling(_Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        return out if self.merged else out + self.lora_B(self.lora_A(x))


@mistake(
    "LoRAConv2d",
    title="B starts random",
    hint="Before any training the layer should do what base does. Compare the two on some picture: what "
    "would B have to be for the update to vanish?",
)
class ConvBRandom(_Conv2d):
    def start(self) -> None:
        """Leaves both as they are."""


@mistake(
    "LoRAConv2d",
    title="the update has biases of its own",
    hint="Print the names of your parameters: there should be no lora_A.bias. A bias cannot be merged into "
    "a kernel, and nn.Conv2d adds one unless it is told not to.",
)
class ConvBiased(_Conv2d):
    def second(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        layer = nn.Conv2d(r, base.out_channels, 1)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
        return layer


@mistake(
    "LoRAConv2d",
    title="base is copied",
    hint="A copy costs the memory that LoRA is there to save, and the model's own layer no longer belongs "
    "to the result. Keep the object that you were given.",
)
class ConvBaseCopied(_Conv2d):
    def __init__(self, base: nn.Conv2d, r: int, alpha: float) -> None:
        super().__init__(copy.deepcopy(base), r, alpha)


@mistake(
    "LoRAConv2d",
    title="forward does not look at `merged`",
    hint="Once the update is in base's kernel, adding it again counts it twice. What is forward to do while "
    "`merged` is True?",
)
class ConvIgnoresMerged(_Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        return out + self.scaling * self.lora_B(self.lora_A(x))


@mistake(
    "LoRAConv2d",
    title="the dtype and device of base are not taken over",
    hint="torch makes new layers in float32, on the CPU. Adapt a layer in float16 or on a GPU, and A meets "
    "an x that it cannot be multiplied with.",
)
class ConvDefaultDtype(_Conv2d):
    def __init__(self, base: nn.Conv2d, r: int, alpha: float) -> None:
        super().__init__(base, r, alpha)
        self.lora_A, self.lora_B = self.first(base, r), self.second(base, r)
        nn.init.zeros_(self.lora_B.weight)


@mistake(
    "LoRAConv2d",
    title="no gradient gets through",
    hint="@torch.no_grad() above forward, or around all of it, cuts the way back: lora_A and lora_B can "
    "never be trained. What is frozen is for mark_trainable to say, with requires_grad.",
)
class ConvWithoutGradient(_Conv2d):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


@mistake(
    "LoRAConv2d",
    title="the update counts in training mode only",
    hint="Call .eval() on your layer and ask it again: the style that you have trained is gone. Only "
    "`merged` decides whether the update is added.",
    only_hidden=True,
)
class ConvInTrainingOnly(_Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else self.base_layer(x)


@mistake(
    "LoRAConv2d",
    title="A starts otherwise than torch initialises it",
    hint="How large A's numbers are decides how fast B learns, and torch has chosen already. Which line of "
    "yours draws them anew?",
    only_hidden=True,
)
class ConvAnotherStart(_Conv2d):
    def start(self) -> None:
        nn.init.xavier_uniform_(self.lora_A.weight)
        nn.init.zeros_(self.lora_B.weight)


@mistake(
    "LoRAConv2d",
    title="every layer starts with the same numbers",
    hint="Build two layers and compare their lora_A. What does a seed that is set in __init__ do to all that "
    "is drawn after it, in other people's code, too?",
    only_hidden=True,
)
class ConvSeeded(_Conv2d):
    def start(self) -> None:
        torch.manual_seed(0)
        self.lora_A.reset_parameters()
        nn.init.zeros_(self.lora_B.weight)


@mistake(
    "LoRAConv2d",
    title="the update is worked out in float32",
    hint="Adapt a layer in float64: the update has seven digits, and the rest are rounding errors. The "
    "layers are in base's dtype already; what do you convert for?",
    only_hidden=True,
)
class ConvInSingle(_Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        if self.merged:
            return out
        found = F.conv2d(
            x.float(),
            self.lora_A.weight.float(),
            None,
            self.base_layer.stride,
            self.base_layer.padding,
            self.base_layer.dilation,
        )
        update = F.conv2d(found, self.lora_B.weight.float())
        return out + self.scaling * update.to(out)


@mistake(
    "LoRAConv2d",
    title="the padding is taken for a pair of numbers",
    hint='base.padding may be the word "same" as well, and its first two letters are no numbers. Hand it on '
    "as it is.",
)
class PaddingTakenApart(_Conv2d):
    def first(self, base: nn.Conv2d, r: int) -> nn.Conv2d:
        return nn.Conv2d(
            base.in_channels,
            r,
            base.kernel_size,
            base.stride,
            (base.padding[0], base.padding[1]),
            base.dilation,
            bias=False,
        )


# --- inject_lora ----------------------------------------------------------------------------------------


def _is_meant(name: str, targets: Sequence[str]) -> bool:
    return any(name == target or name.endswith("." + target) for target in targets)


def _around(module: nn.Module, r: int, alpha: float) -> nn.Module:
    if isinstance(module, nn.Conv2d):
        return LoRAConv2d(module, r, alpha)
    assert isinstance(module, nn.Linear)
    return LoRALinear(module, r, alpha)


def _put(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, own_name = name.rpartition(".")
    setattr(model.get_submodule(parent), own_name, layer)


def _inside(model: nn.Module, name: str) -> bool:
    """Whether the module of this name lies in a LoRA layer."""
    parts = name.split(".")
    above = (model.get_submodule(".".join(parts[:depth])) for depth in range(len(parts)))
    return any(isinstance(module, LoRALinear | LoRAConv2d) for module in above)


def _injected(model: nn.Module, found: list[tuple[str, nn.Module]], r: int, alpha: float) -> list[str]:
    for name, module in found:
        _put(model, name, _around(module, r, alpha))
    return [name for name, _ in found]


@mistake(
    "inject_lora",
    title="a target counts wherever it stands in a name",
    hint='"to_q" in "into_q" is True. A target is a whole name, or what stands behind a dot at the end of '
    "one.",
)
def anywhere_in_the_name(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and any(target in name for target in targets)
        and not _inside(model, name)
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="a target counts at the end of a longer word",
    hint='"into_q" ends with "to_q", too. What has to stand before the target, if it is not the whole name?',
)
def end_of_a_word(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and name.endswith(tuple(targets))
        and not _inside(model, name)
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="a dot in a target stands for any character",
    hint="In a regular expression a dot matches everything: what else does to_out.0 match? re.escape makes a "
    "target stand for itself; names can be compared without any pattern, too.",
    only_hidden=True,
)
def target_as_a_pattern(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and any(re.search(rf"(^|\.){target}$", name) for target in targets)
        and not _inside(model, name)
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="layers at the top of the model are missed",
    hint="A layer that is the model's own attribute has a name without a dot. Which of your conditions can "
    "it fulfil?",
)
def never_at_the_top(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and any(name.endswith("." + target) for target in targets)
        and not _inside(model, name)
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="only the last part of a name is compared",
    hint='A target may have dots in it: the last part of "mid.attn.to_out.0" is "0", which is not '
    '"to_out.0".',
)
def last_part_only(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and name.split(".")[-1] in targets
        and not _inside(model, name)
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="only the model's direct children are looked at",
    hint="Layers lie in blocks, and blocks in blocks. model.named_children() goes one step down; which "
    "method goes all the way?",
)
def children_only(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_children()
        if isinstance(module, nn.Linear | nn.Conv2d) and _is_meant(name, targets)
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="a target that names a block takes all the layers in it",
    hint="A target is a layer's name, or the end of one. What it names besides layers, such as a block, is "
    "left alone, with everything in it that no target names.",
)
def whole_blocks(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    def is_meant(name: str) -> bool:
        parts = name.split(".")
        return any(_is_meant(".".join(parts[:end]), targets) for end in range(1, len(parts) + 1))

    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and is_meant(name) and not _inside(model, name)
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="the new layer is set under a dotted name on the model itself",
    hint='setattr(model, "mid.attn.to_q", layer) does not go down to mid.attn. Get the module that holds '
    "the layer, and set the last part of the name there.",
)
def dotted_name_on_the_root(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and _is_meant(name, targets) and not _inside(model, name)
    ]
    for name, module in found:
        setattr(model, name, _around(module, r, alpha))
    return [name for name, _ in found]


@mistake(
    "inject_lora",
    title="layers in lists are left out",
    hint="An entry of a ModuleList or Sequential is a module like any other, named by its number. Your code "
    "passes such names by.",
)
def no_entries_of_lists(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and _is_meant(name, targets)
        and not name.split(".")[-1].isdigit()
        and not _inside(model, name)
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="a second call wraps what is inside the LoRA layers",
    hint="base_layer is an nn.Linear, and so are lora_A and lora_B. If a target names one of them, your "
    "code puts a LoRA layer into a LoRA layer.",
)
def wraps_the_inside(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and _is_meant(name, targets)
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="injected twice: a LoRA layer is adapted once more",
    hint="Call it twice with the same targets: the second time there should be nothing left to do. What is "
    "at the name now, and what do you take as its base?",
)
def injected_twice(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d | LoRALinear | LoRAConv2d)
        and _is_meant(name, targets)
        and not _inside(model, name)
    ]
    for name, module in found:
        if isinstance(module, LoRALinear | LoRAConv2d):
            module.base_layer = _around(module.base_layer, r, alpha)
        else:
            _put(model, name, _around(module, r, alpha))
    return [name for name, _ in found]


@mistake(
    "inject_lora",
    title="only the last parts of the names are returned",
    hint="There may be twenty layers called to_q. The names to return are those of named_modules(), from "
    "the model down.",
)
def returns_last_parts(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and _is_meant(name, targets) and not _inside(model, name)
    ]
    return [name.split(".")[-1] for name in _injected(model, found, r, alpha)]


@mistake(
    "inject_lora",
    title="the names come in the order of the targets",
    hint="Two loops, targets outside and layers inside, return the layers target by target. The order asked "
    "for is that of model.named_modules().",
)
def in_the_order_of_targets(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    names = []
    for target in targets:
        found = [
            (name, module)
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear | nn.Conv2d)
            and _is_meant(name, [target])
            and not _inside(model, name)
        ]
        names += _injected(model, found, r, alpha)
    return names


@mistake(
    "inject_lora",
    title="convolutions are left out",
    hint="A target may name an nn.Conv2d as well. Which of your LoRA layers is for those?",
)
def linear_only(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and _is_meant(name, targets) and not _inside(model, name)
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="the adapted layers are new, with random weights",
    hint="The model has forgotten what it could: compare a weight before and after. The LoRA layer goes "
    "around the layer that is there, not around a new one of its size.",
)
def new_layers(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and _is_meant(name, targets) and not _inside(model, name)
    ]
    for _, module in found:
        module.reset_parameters()
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="a copy of the model is changed",
    hint="Look at the model after the call: it has no LoRA layers. The caller holds the model that was "
    "handed over, and nothing else.",
)
def changes_a_copy(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    model = copy.deepcopy(model)
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and _is_meant(name, targets) and not _inside(model, name)
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="what lies inside a LoRAConv2d is wrapped",
    hint="There are two kinds of LoRA layers, and the parts of a LoRAConv2d are convolutions themselves. "
    "Which of the two do you look for when you leave out what lies inside?",
)
def wraps_parts_of_convolutions(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    adapted = [name for name, module in model.named_modules() if isinstance(module, LoRALinear)]
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and _is_meant(name, targets)
        and not any(name.startswith(layer + ".") for layer in adapted)
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="what begins like the name of a LoRA layer is left out",
    hint='"proj_out" begins with "proj", and does not lie inside of it. What stands between the name of a '
    "module and that of a part of it?",
    only_hidden=True,
)
def begins_like_a_lora_layer(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    layers = [n for n, module in model.named_modules() if isinstance(module, LoRALinear | LoRAConv2d)]
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and _is_meant(name, targets)
        and not name.startswith(tuple(layers))
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="layers are told by their names to lie inside a LoRA layer",
    hint="A model may have a base_layer of its own, and a target may mean it. What lies inside a LoRA layer "
    "has one above it: look at that, not at the last part of a name.",
    only_hidden=True,
)
def inside_by_name(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and _is_meant(name, targets)
        and name.split(".")[-1] not in ("base_layer", "lora_A", "lora_B")
    ]
    return _injected(model, found, r, alpha)


@mistake(
    "inject_lora",
    title="r and alpha are exchanged",
    hint="LoRALinear takes base, r and alpha in this order, and so does inject_lora. Print lora_A's shape: "
    "its first number is r.",
)
def alpha_for_r(model: nn.Module, targets: Sequence[str], alpha: int, r: float) -> list[str]:
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and _is_meant(name, targets) and not _inside(model, name)
    ]
    return _injected(model, found, int(r), float(alpha))


@mistake(
    "inject_lora",
    title="the tree is changed while it is walked",
    hint="The walk goes on into what you have just put in, and finds base_layer and lora_A there. Make the "
    "list of layers first, and then replace them.",
)
def changed_while_walked(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    names = []
    for name, module in model.named_modules():
        for own_name, child in module.named_children():
            full_name = f"{name}.{own_name}" if name else own_name
            if isinstance(child, nn.Linear | nn.Conv2d) and _is_meant(full_name, targets):
                setattr(module, own_name, _around(child, r, alpha))
                names.append(full_name)
    return names


# --- mark_trainable -------------------------------------------------------------------------------------


def _layers(model: nn.Module) -> list[LoRALinear | LoRAConv2d]:
    return [module for module in model.modules() if isinstance(module, LoRALinear | LoRAConv2d)]


def _updates(model: nn.Module) -> list[nn.Parameter]:
    return [p for layer in _layers(model) for p in (layer.lora_A.weight, layer.lora_B.weight)]


@mistake(
    "mark_trainable",
    title="nothing is frozen",
    hint="Count the parameters that require a gradient, afterwards: they are still all of them. A new "
    "parameter can be trained unless you say otherwise.",
)
def nothing_frozen(model: nn.Module) -> list[nn.Parameter]:
    for parameter in _updates(model):
        parameter.requires_grad_(True)
    return _updates(model)


@mistake(
    "mark_trainable",
    title="only the base layers are frozen",
    hint="A model has more than what LoRA layers are around: norms, embeddings, other layers. They are to "
    "stay as they are, too.",
)
def only_base_layers_frozen(model: nn.Module) -> list[nn.Parameter]:
    for layer in _layers(model):
        layer.requires_grad_(True)
        layer.base_layer.requires_grad_(False)
    return _updates(model)


@mistake(
    "mark_trainable",
    title="the biases can still be trained",
    hint="Print the names of what requires a gradient. A bias is a parameter like any other: it must be "
    "frozen, too.",
)
def biases_trainable(model: nn.Module) -> list[nn.Parameter]:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name or name.endswith("bias"))
    return _updates(model)


@mistake(
    "mark_trainable",
    title="everything is frozen, the updates too",
    hint="Print what requires a gradient: nothing does. In which order do you freeze and thaw?",
)
def all_frozen(model: nn.Module) -> list[nn.Parameter]:
    for parameter in _updates(model):
        parameter.requires_grad_(True)
    model.requires_grad_(False)
    return _updates(model)


@mistake(
    "mark_trainable",
    title="the updates are not thawed",
    hint="If the whole model was frozen before, lora_A and lora_B were frozen with it. Set requires_grad of "
    "every parameter, to True or to False.",
)
def never_thawed(model: nn.Module) -> list[nn.Parameter]:
    for name, parameter in model.named_parameters():
        if "lora_" not in name:
            parameter.requires_grad_(False)
    return _updates(model)


@mistake(
    "mark_trainable",
    title="lora_B is forgotten",
    hint="B starts at zero. If A alone is trained, what does the update stay at, for ever?",
)
def only_A(model: nn.Module) -> list[nn.Parameter]:
    model.requires_grad_(False)
    trained = [layer.lora_A.weight for layer in _layers(model)]
    for parameter in trained:
        parameter.requires_grad_(True)
    return trained


@mistake(
    "mark_trainable",
    title="lora_A is forgotten",
    hint="The paper trains both matrices. If A stays as random as it began, r directions were chosen by "
    "chance.",
)
def only_B(model: nn.Module) -> list[nn.Parameter]:
    model.requires_grad_(False)
    trained = [layer.lora_B.weight for layer in _layers(model)]
    for parameter in trained:
        parameter.requires_grad_(True)
    return trained


@mistake(
    "mark_trainable",
    title="requires_grad is set on modules",
    hint="module.requires_grad = False makes a new attribute, and no parameter looks at it. A module's "
    "method requires_grad_(False), or each parameter's attribute, is what you want.",
)
def set_on_modules(model: nn.Module) -> list[nn.Parameter]:
    for module in model.modules():
        module.requires_grad = False
    for layer in _layers(model):
        layer.lora_A.requires_grad = layer.lora_B.requires_grad = True
    return _updates(model)


@mistake(
    "mark_trainable",
    title="all parameters are returned",
    hint="What you return goes to the optimiser, which keeps two more numbers for each. Return those that "
    "are to be trained.",
)
def returns_all(model: nn.Module) -> list[nn.Parameter]:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    return list(model.parameters())


@mistake(
    "mark_trainable",
    title="copies are returned",
    hint="An optimiser step changes what you return, and the model stays as it was. detach() and clone() "
    "make other tensors; return the model's own parameters.",
)
def returns_copies(model: nn.Module) -> list[nn.Parameter]:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    return [nn.Parameter(parameter.detach().clone()) for parameter in _updates(model)]


@mistake(
    "mark_trainable",
    title="names are returned with the parameters",
    hint="An optimiser takes parameters. model.named_parameters() gives pairs; the second of each is what "
    "is asked for.",
)
def returns_pairs(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


@mistake(
    "mark_trainable",
    title="all of lora_A comes before all of lora_B",
    hint="The order asked for is that of model.parameters(): layer by layer, and in each layer A before B.",
)
def in_another_order(model: nn.Module) -> list[nn.Parameter]:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    layers = _layers(model)
    return [layer.lora_A.weight for layer in layers] + [layer.lora_B.weight for layer in layers]


@mistake(
    "mark_trainable",
    title="convolutions are left out",
    hint="There are two kinds of LoRA layers. Adapt a convolution and print what requires a gradient.",
)
def linear_marked_only(model: nn.Module) -> list[nn.Parameter]:
    model.requires_grad_(False)
    trained: list[nn.Parameter] = []
    for layer in model.modules():
        if isinstance(layer, LoRALinear):
            trained += [layer.lora_A.weight, layer.lora_B.weight]
    for parameter in trained:
        parameter.requires_grad_(True)
    return trained


# --- merge and unmerge ----------------------------------------------------------------------------------


def _update(layer: LoRALinear | LoRAConv2d) -> Tensor:
    update = layer.lora_B.weight.flatten(1) @ layer.lora_A.weight.flatten(1)
    return layer.scaling * update.view_as(layer.base_layer.weight)


@mistake(
    "merge",
    title="merge multiplies in the wrong order",
    hint="Which shape has base.weight, and which have A @ B and B @ A? A layer's weight is [D, C]: channels "
    "out first.",
)
@torch.no_grad()
def merges_A_times_B(model: nn.Module) -> None:
    for layer in _layers(model):
        if not layer.merged:
            A, B = layer.lora_A.weight.flatten(1), layer.lora_B.weight.flatten(1)
            layer.base_layer.weight += layer.scaling * (A @ B).view_as(layer.base_layer.weight)
            layer.merged = True


@mistake(
    "merge",
    title="merge adds the update transposed",
    hint="x @ A.T @ B.T is x @ (B A).T, and a layer computes x @ weight.T. So is it B A or its transpose "
    "that belongs into the weight? Square layers do not complain.",
)
@torch.no_grad()
def merges_transposed(model: nn.Module) -> None:
    for layer in _layers(model):
        if not layer.merged:
            update = (layer.lora_B.weight.flatten(1) @ layer.lora_A.weight.flatten(1)).T
            layer.base_layer.weight += layer.scaling * update.reshape(layer.base_layer.weight.shape)
            layer.merged = True


@mistake(
    "merge",
    title="merge leaves out the scaling",
    hint="For alpha = r it is right. What does forward multiply B(A(x)) with, and what does merge?",
)
@torch.no_grad()
def merges_unscaled(model: nn.Module) -> None:
    for layer in _layers(model):
        if not layer.merged:
            layer.base_layer.weight += _update(layer) / layer.scaling
            layer.merged = True


@mistake(
    "merge",
    title="a second merge adds the update again",
    hint="Call merge twice and compare the weights. The layer knows whether it is merged: ask it.",
)
@torch.no_grad()
def merges_twice(model: nn.Module) -> None:
    for layer in _layers(model):
        layer.base_layer.weight += _update(layer)
        layer.merged = True


@mistake(
    "merge",
    title="merge does not set `merged`",
    hint="The weights are right, but forward still adds the update to what has it already. How is it to "
    "know?",
)
@torch.no_grad()
def merges_without_a_word(model: nn.Module) -> None:
    for layer in _layers(model):
        if not layer.merged:
            layer.base_layer.weight += _update(layer)


@mistake(
    "merge",
    title="merge leaves out convolutions",
    hint="There are two kinds of LoRA layers. The weights of a convolution's update have four dimensions; "
    "flatten them to two, multiply, and put the shape back.",
)
@torch.no_grad()
def merges_linear_only(model: nn.Module) -> None:
    for layer in model.modules():
        if isinstance(layer, LoRALinear) and not layer.merged:
            layer.base_layer.weight += _update(layer)
            layer.merged = True


@mistake(
    "merge",
    title="merge sets lora_B to zero",
    hint="Then nothing is left to take out again. A and B stay as they are; it is `merged` that tells "
    "forward to leave them aside.",
)
@torch.no_grad()
def merges_and_clears(model: nn.Module) -> None:
    for layer in _layers(model):
        if not layer.merged:
            layer.base_layer.weight += _update(layer)
            layer.lora_B.weight.zero_()
            layer.merged = True


@mistake(
    "merge",
    title="merge takes the LoRA layers out of the model",
    hint="That is what peft calls merge_and_unload, and there is no way back from it. Here the layers stay "
    "where they are.",
)
@torch.no_grad()
def merges_and_unloads(model: nn.Module) -> None:
    for name, layer in list(model.named_modules()):
        if isinstance(layer, LoRALinear | LoRAConv2d):
            if not layer.merged:
                layer.base_layer.weight += _update(layer)
            layer.merged = True
            if name:
                _put(model, name, layer.base_layer)


@mistake(
    "merge",
    title="merge looks at direct children only",
    hint="LoRA layers lie in blocks, and blocks in blocks. model.children() goes one step down; which "
    "method goes all the way, and has the model itself in it?",
)
@torch.no_grad()
def merges_children(model: nn.Module) -> None:
    for layer in model.children():
        if isinstance(layer, LoRALinear | LoRAConv2d) and not layer.merged:
            layer.base_layer.weight += _update(layer)
            layer.merged = True


@mistake(
    "merge",
    title="a graph hangs on the merged weight",
    hint="A sum of parameters is a tensor with a history. Merging is bookkeeping, not training: it belongs "
    "under torch.no_grad().",
)
def merges_with_gradients(model: nn.Module) -> None:
    for layer in _layers(model):
        if not layer.merged:
            layer.base_layer.weight += _update(layer)
            layer.merged = True


@mistake(
    "merge",
    title="the merged weight is a new parameter, to be trained",
    hint="Freeze the base, merge, and print its requires_grad: a new nn.Parameter is trained unless it is "
    "told not to. Add to the weight that is there.",
    only_hidden=True,
)
@torch.no_grad()
def merges_into_new_parameters(model: nn.Module) -> None:
    for layer in _layers(model):
        if not layer.merged:
            layer.base_layer.weight = nn.Parameter(layer.base_layer.weight + _update(layer))
            layer.merged = True


@mistake(
    "merge",
    title="merge works the update out in float32",
    hint="Merge a model in float64: what is added has seven digits, and the rest are rounding errors. The "
    "weights have one dtype already; what do you convert for?",
    only_hidden=True,
)
@torch.no_grad()
def merges_in_single(model: nn.Module) -> None:
    for layer in _layers(model):
        if not layer.merged:
            update = layer.lora_B.weight.float().flatten(1) @ layer.lora_A.weight.float().flatten(1)
            layer.base_layer.weight += layer.scaling * update.view_as(layer.base_layer.weight)
            layer.merged = True


@mistake(
    "merge",
    defines="unmerge",
    title="unmerge adds the update",
    hint="Merge, unmerge, and compare with the weights from before: the update is in there twice. Which "
    "sign takes it out?",
)
@torch.no_grad()
def unmerge_adds(model: nn.Module) -> None:
    for layer in _layers(model):
        if layer.merged:
            layer.base_layer.weight += _update(layer)
            layer.merged = False


@mistake(
    "merge",
    defines="unmerge",
    title="unmerge leaves `merged` at True",
    hint="After it, forward gives what base alone gives: the update is in neither place. What has to be set "
    "back?",
)
@torch.no_grad()
def unmerge_without_a_word(model: nn.Module) -> None:
    for layer in _layers(model):
        if layer.merged:
            layer.base_layer.weight -= _update(layer)


@mistake(
    "merge",
    defines="unmerge",
    title="unmerge also takes updates out that were never in",
    hint="Call it on a layer that is not merged: its weights change. The layer knows whether it is merged: "
    "ask it.",
)
@torch.no_grad()
def unmerge_always(model: nn.Module) -> None:
    for layer in _layers(model):
        layer.base_layer.weight -= _update(layer)
        layer.merged = False


@mistake(
    "merge",
    defines="unmerge",
    title="unmerge only sets `merged` back",
    hint="Then forward adds the update to a weight that still has it. What merge has added, unmerge has to "
    "take out.",
)
def unmerge_sets_the_flag_only(model: nn.Module) -> None:
    for layer in _layers(model):
        layer.merged = False


@mistake(
    "merge",
    defines="unmerge",
    title="unmerge leaves out the scaling",
    hint="Merge, unmerge, and compare with the weights from before: for alpha = r they agree. What has "
    "merge multiplied B A with?",
)
@torch.no_grad()
def unmerge_unscaled(model: nn.Module) -> None:
    for layer in _layers(model):
        if layer.merged:
            layer.base_layer.weight -= _update(layer) / layer.scaling
            layer.merged = False


@mistake(
    "merge",
    title="merge does nothing in eval mode",
    hint="Call model.eval(), merge, and print `merged`: it is for using a model that one merges it, not for "
    "training it. What has merging to do with the mode?",
    only_hidden=True,
)
@torch.no_grad()
def merges_in_training_only(model: nn.Module) -> None:
    for layer in _layers(model):
        if layer.training and not layer.merged:
            layer.base_layer.weight += _update(layer)
            layer.merged = True


@mistake(
    "merge",
    defines="unmerge",
    title="unmerge works the update out in float32",
    hint="Merge and unmerge a model in float64: seven digits come back, and the rest are rounding "
    "errors. The weights have one dtype already; what do you convert for?",
    only_hidden=True,
)
@torch.no_grad()
def unmerge_in_single(model: nn.Module) -> None:
    for layer in _layers(model):
        if layer.merged:
            update = layer.lora_B.weight.float().flatten(1) @ layer.lora_A.weight.float().flatten(1)
            layer.base_layer.weight -= layer.scaling * update.view_as(layer.base_layer.weight)
            layer.merged = False


# --- lora_state_dict and load_lora ----------------------------------------------------------------------


def _named_layers(model: nn.Module) -> dict[str, LoRALinear | LoRAConv2d]:
    return {
        name: module for name, module in model.named_modules() if isinstance(module, LoRALinear | LoRAConv2d)
    }


def _file(model: nn.Module, prefix: str) -> dict[str, Tensor]:
    state = {}
    for name, layer in _named_layers(model).items():
        state[f"{prefix}{name}.lora_A.weight"] = layer.lora_A.weight.detach().clone()
        state[f"{prefix}{name}.lora_B.weight"] = layer.lora_B.weight.detach() * layer.scaling
    return state


def _checked(model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str) -> None:
    expected = _file(model, prefix)
    if expected.keys() != state_dict.keys():
        raise KeyError("the names do not fit")
    for name, weight in expected.items():
        if weight.shape != state_dict[name].shape:
            raise ValueError(f"{name} has another shape")


@mistake(
    "lora_state_dict",
    title="the file holds the base layers as well",
    hint="An adapter of a large model fits into an e-mail. How many tensors has yours for each LoRA layer? "
    "Two are asked for.",
)
def base_saved(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    state = {}
    for name, layer in _named_layers(model).items():
        for own, weight in layer.state_dict().items():
            factor = layer.scaling if "lora_B" in own else 1.0
            state[f"{prefix}{name}.{own}"] = weight.clone() * factor
    return state


@mistake(
    "lora_state_dict",
    title="alpha is lost",
    hint="The file has no place for alpha, and whoever loads it takes alpha / r for 1. Where can you put "
    "the factor, so that nobody has to know it?",
)
def alpha_lost(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    return {
        f"{prefix}{name}.{part}.weight": getattr(layer, part).weight.detach().clone()
        for name, layer in _named_layers(model).items()
        for part in ("lora_A", "lora_B")
    }


@mistake(
    "lora_state_dict",
    title="lora_A and lora_B are both scaled",
    hint="Their product counts the factor twice. One of the two takes it, and the docstring says which.",
)
def scaled_twice(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    return {
        f"{prefix}{name}.{part}.weight": getattr(layer, part).weight.detach() * layer.scaling
        for name, layer in _named_layers(model).items()
        for part in ("lora_A", "lora_B")
    }


@mistake(
    "lora_state_dict",
    title="lora_B is divided by the scaling",
    hint="The layer adds scaling * B(A(x)). A reader of the file adds B(A(x)), with the B that it finds: "
    "which B gives the same?",
)
def divided_by_scaling(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    state = {}
    for name, layer in _named_layers(model).items():
        state[f"{prefix}{name}.lora_A.weight"] = layer.lora_A.weight.detach().clone()
        state[f"{prefix}{name}.lora_B.weight"] = layer.lora_B.weight.detach() / layer.scaling
    return state


@mistake(
    "lora_state_dict",
    title="the prefix is forgotten",
    hint="diffusers looks for names that begin with `unet.`; if it finds none, it loads nothing, and says "
    "nothing.",
)
def prefix_forgotten(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    return _file(model, "")


@mistake(
    "lora_state_dict",
    title="a dot is put behind the prefix",
    hint="The prefix comes with its dot, and may be empty. Print the names, for the default and for an "
    "empty prefix.",
)
def dot_behind_the_prefix(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    return _file(model, prefix + ".")


@mistake(
    "lora_state_dict",
    title="the names end without .weight",
    hint="Compare one of your names with the docstring, to the end. It is the name of a parameter of "
    "lora_A, not of lora_A itself.",
)
def without_weight(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    return {name.removesuffix(".weight"): weight for name, weight in _file(model, prefix).items()}


@mistake(
    "lora_state_dict",
    title="what is saved are views, not copies",
    hint="Save, train on, and look at what you have saved: it has changed. detach() gives another tensor "
    "over the same memory.",
)
def views_saved(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    state = _file(model, prefix)
    for name, layer in _named_layers(model).items():
        state[f"{prefix}{name}.lora_A.weight"] = layer.lora_A.weight.detach()
    return state


@mistake(
    "lora_state_dict",
    title="saving changes the model",
    hint="Save twice: the second file is another. `*=` on a detached tensor or on .data writes into the "
    "model's own weight.",
)
@torch.no_grad()
def model_scaled(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    state = {}
    for name, layer in _named_layers(model).items():
        weight = layer.lora_B.weight.data
        weight *= layer.scaling
        state[f"{prefix}{name}.lora_A.weight"] = layer.lora_A.weight.detach().clone()
        state[f"{prefix}{name}.lora_B.weight"] = weight.clone()
    return state


@mistake(
    "lora_state_dict",
    title="convolutions are not saved",
    hint="There are two kinds of LoRA layers. Save a model with an adapted convolution and count the names.",
)
def linear_saved_only(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    state = {}
    for name, layer in _named_layers(model).items():
        if isinstance(layer, LoRALinear):
            state[f"{prefix}{name}.lora_A.weight"] = layer.lora_A.weight.detach().clone()
            state[f"{prefix}{name}.lora_B.weight"] = layer.lora_B.weight.detach() * layer.scaling
    return state


@mistake(
    "lora_state_dict",
    title="what is saved still hangs on the graph",
    hint="Print requires_grad of what you return. A sum or a product of parameters remembers where it came "
    "from, and keeps all of that in memory; detach() cuts it off.",
)
def not_detached(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    state = {}
    for name, layer in _named_layers(model).items():
        state[f"{prefix}{name}.lora_A.weight"] = layer.lora_A.weight.clone()
        state[f"{prefix}{name}.lora_B.weight"] = layer.lora_B.weight * layer.scaling
    return state


@mistake(
    "lora_state_dict",
    title="saving leaves the model in eval mode",
    hint="Print model.training before and after. Whoever saves in the middle of training goes on without "
    "dropout, and does not know it.",
    only_hidden=True,
)
def left_in_eval(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    model.eval()
    return _file(model, prefix)


@mistake(
    "lora_state_dict",
    title="saving freezes the model",
    hint="Print requires_grad of the model's parameters before and after. requires_grad_(False) changes the "
    "model's own parameter; detach() gives another tensor.",
    only_hidden=True,
)
def freezes_the_model(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    model.requires_grad_(False)
    return _file(model, prefix)


@mistake(
    "lora_state_dict",
    title="all is saved in float32",
    hint="Each tensor of the file has the dtype of its weight. What becomes of a model in float64, or in "
    "float16?",
    only_hidden=True,
)
def saved_in_single(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    return {name: weight.float() for name, weight in _file(model, prefix).items()}


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora skips what it does not find",
    hint="Load a file under a wrong prefix: nothing is loaded, and nothing is said. strict=False, `if name "
    "in` and .get() hide such faults.",
)
@torch.no_grad()
def skips_the_unknown(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    for name, layer in _named_layers(model).items():
        for part, factor in (("lora_A", 1.0), ("lora_B", scaling / layer.scaling)):
            saved = state_dict.get(f"{prefix}{name}.{part}.weight")
            weight = getattr(layer, part).weight
            if saved is not None and saved.shape == weight.shape:
                weight.copy_(factor * saved)


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora does not notice what is left over",
    hint="A file with more layers than the model is the file of another model. Which of its names have you "
    "never asked for?",
)
@torch.no_grad()
def ignores_what_is_left_over(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    _checked(model, {name: state_dict[name] for name in _file(model, prefix)}, prefix)
    for name, layer in _named_layers(model).items():
        layer.lora_A.weight.copy_(state_dict[f"{prefix}{name}.lora_A.weight"])
        layer.lora_B.weight.copy_(state_dict[f"{prefix}{name}.lora_B.weight"] * scaling / layer.scaling)


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora lets another rank through",
    hint="copy_ broadcasts: a file of rank 1 fits everywhere, with the same row again and again. Compare "
    "the shapes before you copy.",
)
@torch.no_grad()
def broadcasts(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    if _file(model, prefix).keys() != state_dict.keys():
        raise KeyError("the names do not fit")
    for name, layer in _named_layers(model).items():
        layer.lora_A.weight.copy_(state_dict[f"{prefix}{name}.lora_A.weight"])
        layer.lora_B.weight.copy_(state_dict[f"{prefix}{name}.lora_B.weight"] * scaling / layer.scaling)


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora copies lora_B as it is",
    hint="The layer multiplies it with its own scaling once more. What has lora_B to be, so that scaling * "
    "lora_B is what the file says?",
)
@torch.no_grad()
def ignores_own_scaling(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    _checked(model, state_dict, prefix)
    for name, layer in _named_layers(model).items():
        layer.lora_A.weight.copy_(state_dict[f"{prefix}{name}.lora_A.weight"])
        layer.lora_B.weight.copy_(state_dict[f"{prefix}{name}.lora_B.weight"] * scaling)


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora multiplies by the layer's own scaling",
    hint="Solve scaling * lora_B = what the file says for lora_B. Is the layer's own scaling a factor or a "
    "divisor?",
)
@torch.no_grad()
def multiplies_by_own_scaling(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    _checked(model, state_dict, prefix)
    for name, layer in _named_layers(model).items():
        layer.lora_A.weight.copy_(state_dict[f"{prefix}{name}.lora_A.weight"])
        layer.lora_B.weight.copy_(state_dict[f"{prefix}{name}.lora_B.weight"] * scaling * layer.scaling)


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora does not use `scaling`",
    hint="A file from peft keeps alpha / r apart, and hands it over as `scaling`. What does your result "
    "change by, if it is 2 instead of 1?",
)
@torch.no_grad()
def ignores_scaling(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    _checked(model, state_dict, prefix)
    for name, layer in _named_layers(model).items():
        layer.lora_A.weight.copy_(state_dict[f"{prefix}{name}.lora_A.weight"])
        layer.lora_B.weight.copy_(state_dict[f"{prefix}{name}.lora_B.weight"] / layer.scaling)


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora divides by `scaling`",
    hint="The file's lora_B counts `scaling` times. With a scaling of 2, should the update become larger or "
    "smaller?",
)
@torch.no_grad()
def divides_by_scaling(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    _checked(model, state_dict, prefix)
    for name, layer in _named_layers(model).items():
        layer.lora_A.weight.copy_(state_dict[f"{prefix}{name}.lora_A.weight"])
        layer.lora_B.weight.copy_(state_dict[f"{prefix}{name}.lora_B.weight"] / (scaling * layer.scaling))


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora scales lora_A as well",
    hint="Their product counts the factor twice. One of the two takes it, and the docstring says which.",
)
@torch.no_grad()
def scales_A_as_well(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    _checked(model, state_dict, prefix)
    for name, layer in _named_layers(model).items():
        for part in ("lora_A", "lora_B"):
            saved = state_dict[f"{prefix}{name}.{part}.weight"]
            getattr(layer, part).weight.copy_(saved * scaling / layer.scaling)


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora reads under the default prefix only",
    hint="A file may have been saved under another prefix, or none. Where does the argument come into the "
    "names that you look for?",
)
@torch.no_grad()
def default_prefix_only(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    _checked(model, state_dict, "unet.")
    for name, layer in _named_layers(model).items():
        layer.lora_A.weight.copy_(state_dict[f"unet.{name}.lora_A.weight"])
        layer.lora_B.weight.copy_(state_dict[f"unet.{name}.lora_B.weight"] * scaling / layer.scaling)


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora takes the file's tensors over instead of copying",
    hint="Load, train on, and look at the file's tensors: they are trained, too. Copy the numbers into the "
    "weight that is there.",
)
def shares_tensors(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    _checked(model, state_dict, prefix)
    for name, layer in _named_layers(model).items():
        layer.lora_A.weight.data = state_dict[f"{prefix}{name}.lora_A.weight"]
        layer.lora_B.weight.data = state_dict[f"{prefix}{name}.lora_B.weight"] * scaling / layer.scaling


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora writes into the file's tensors",
    hint="The caller may want to load the same file into a second model. `*=` changes the tensor that the "
    "caller still holds.",
)
@torch.no_grad()
def changes_the_file(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    _checked(model, state_dict, prefix)
    for name, layer in _named_layers(model).items():
        layer.lora_A.weight.copy_(state_dict[f"{prefix}{name}.lora_A.weight"])
        saved = state_dict[f"{prefix}{name}.lora_B.weight"]
        saved *= scaling / layer.scaling
        layer.lora_B.weight.copy_(saved)


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora turns the file into float32",
    hint="Load a file in float64 into a model in float64: seven digits arrive. copy_ converts what has to be "
    "converted by itself.",
    only_hidden=True,
)
@torch.no_grad()
def loaded_in_single(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    _checked(model, state_dict, prefix)
    for name, layer in _named_layers(model).items():
        layer.lora_A.weight.copy_(state_dict[f"{prefix}{name}.lora_A.weight"].float())
        layer.lora_B.weight.copy_(
            state_dict[f"{prefix}{name}.lora_B.weight"].float() * scaling / layer.scaling
        )


@mistake(
    "lora_state_dict",
    defines="load_lora",
    title="load_lora leaves the model in eval mode",
    hint="Print model.training before and after. Whoever loads an adapter to train it on goes on without "
    "dropout, and does not know it.",
    only_hidden=True,
)
@torch.no_grad()
def loaded_for_use(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    _checked(model, state_dict, prefix)
    model.eval()
    for name, layer in _named_layers(model).items():
        layer.lora_A.weight.copy_(state_dict[f"{prefix}{name}.lora_A.weight"])
        layer.lora_B.weight.copy_(state_dict[f"{prefix}{name}.lora_B.weight"] * scaling / layer.scaling)
