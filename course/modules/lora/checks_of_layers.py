"""Public checks of the layers of the module `lora`: small examples, worked out by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn, tensor

from course.checking import show
from course.checking.expect import Broken, Call, Layer, Raised, Work, close, exercise, holds, ordinary

# For x = (1, 2): W x + b = (12, 22, 31), and by way of r = 2 channels A x = (3, -2), B A x = (3, -2, 1).
X = tensor([[1.0, 2.0]])
WEIGHT, BIAS = [[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [10.0, 20.0, 30.0]
DOWN, UP = [[1.0, 1.0], [0.0, -1.0]], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
PLAIN, UPDATE = tensor([[12.0, 22.0, 31.0]]), tensor([[3.0, -2.0, 1.0]])


def linear(dtype: torch.dtype = torch.float32) -> nn.Linear:
    base = nn.Linear(2, 3, dtype=dtype)
    with torch.no_grad():
        base.weight.copy_(tensor(WEIGHT))
        base.bias.copy_(tensor(BIAS))
    return base


def _by_hand(layer: Layer) -> Layer:
    return layer.set({"lora_A.weight": DOWN, "lora_B.weight": UP})


@exercise("LoRALinear")
class LoRALinear:
    def parameters(self, student: Work) -> None:
        """It keeps the base, and has two weights of its own with peft's names."""
        layer = student.LoRALinear(nn.Linear(5, 3), 2, 8.0)
        layer.has_parameters(
            {
                "base_layer.weight": (3, 5),
                "base_layer.bias": (3,),
                "lora_A.weight": (2, 5),
                "lora_B.weight": (3, 2),
            }
        )
        _attributes(layer, r=2, alpha=8.0)
        _attributes(student.LoRALinear(nn.Linear(5, 3), 4, 6.0), r=4, alpha=6.0)

    def start(self, student: Work) -> None:
        """At the start it does what the base does: B is all zeros. A is not."""
        base = nn.Linear(5, 3)
        _starts_from(student.LoRALinear(base, 2, 8.0), base, torch.randn(4, 5))

    def by_hand(self, student: Work) -> None:
        """The update goes through A, then B, and is scaled by alpha / r."""
        layer = _by_hand(student.LoRALinear(linear(), 2, 6.0))
        close(layer(X), PLAIN + 3 * UPDATE, symptoms=_mistaken_scales(PLAIN, UPDATE, r=2, alpha=6.0))

    def any_dimensions(self, student: Work) -> None:
        """Before the channels there may be any dimensions, or none."""
        layer = _by_hand(student.LoRALinear(linear(), 2, 6.0))
        for shape in ((), (1,), (2, 1, 3)):
            close(layer(X[0].expand(*shape, 2)), (PLAIN + 3 * UPDATE)[0].expand(*shape, 3))

    def base_shows_through(self, student: Work) -> None:
        """The base is kept, not copied: whoever changes its weight changes the result."""
        base = linear()
        layer = _by_hand(student.LoRALinear(base, 2, 6.0))
        _is_kept(layer, base)
        with torch.no_grad():
            base.bias.zero_()
        close(
            layer(X),
            [[11.0, -4.0, 4.0]],
            symptoms={"The base's old bias is still in it: it was copied.": PLAIN + 3 * UPDATE},
        )

    def while_merged(self, student: Work) -> None:
        """While `merged` is True, only the base counts; afterwards the update does again."""
        layer = _by_hand(student.LoRALinear(linear(), 2, 6.0))
        for merged, expected in ((True, PLAIN), (False, PLAIN + 3 * UPDATE)):
            _set_merged(layer.module, merged)
            close(
                layer(X),
                expected,
                symptoms={"The update was added, although `merged` is True.": PLAIN + 3 * UPDATE},
            )

    def gradients(self, student: Work) -> None:
        """Gradients reach A, B and the input."""
        layer = _by_hand(student.LoRALinear(linear(), 2, 6.0))
        _gradients(layer, X.clone().requires_grad_())

    def base_dtype(self, student: Work) -> None:
        """A and B have the base's dtype and device, whatever torch's default is."""
        for kind in (torch.float64, torch.float16):
            answer = _made_and_called(student, "LoRALinear", linear(kind), X.to(kind))
            close(answer, PLAIN.to(kind))


# The kernel (1, 2) on the row (1, 4, 2), with and without what lies around it.
ROW = tensor([[[[1.0, 4.0, 2.0]]]])


@exercise("LoRAConv2d")
class LoRAConv2d:
    def parameters(self, student: Work) -> None:
        """A has the base's kernel size and r channels out; B is 1 x 1."""
        layer = student.LoRAConv2d(nn.Conv2d(5, 4, (3, 2), padding=1), 2, 8.0)
        layer.has_parameters(
            {
                "base_layer.weight": (4, 5, 3, 2),
                "base_layer.bias": (4,),
                "lora_A.weight": (2, 5, 3, 2),
                "lora_B.weight": (4, 2, 1, 1),
            }
        )
        _attributes(layer, r=2, alpha=8.0)

    def start(self, student: Work) -> None:
        """At the start it does what the base does: B is all zeros. A is not."""
        base = nn.Conv2d(3, 4, 3, padding=1)
        _starts_from(student.LoRAConv2d(base, 2, 8.0), base, torch.randn(3, 3, 4, 6))

    def by_hand(self, student: Work) -> None:
        """A looks at the picture as the base does, and B mixes what it found, place by place."""
        base = nn.Conv2d(1, 2, (1, 2), padding=(0, 1))
        layer = student.LoRAConv2d(base, 1, 3.0).set({"base_layer.weight": 0, "base_layer.bias": [10, 20]})
        layer.set({"lora_A.weight": [[[[1, 2]]]], "lora_B.weight": [[[[1]]], [[[-1]]]]})
        found = tensor([2.0, 9.0, 8.0, 2.0])  # 0 + 2·1, 1 + 2·4, 4 + 2·2, 2 + 0
        plain, update = tensor([10.0, 20.0]).view(1, 2, 1, 1).expand(1, 2, 1, 4), torch.stack((found, -found))
        close(
            layer(ROW),
            plain + 3 * update[None, :, None],
            symptoms=_mistaken_scales(plain, update[None, :, None], r=1, alpha=3.0),
        )

    def geometry(self, student: Work) -> None:
        """Stride, padding and dilation are those of the base, for any kernel, and also padding="same"."""
        for options in (
            {"kernel_size": 3, "stride": 2, "padding": 1},
            {"kernel_size": (3, 2), "stride": (1, 2), "padding": (0, 1)},
            {"kernel_size": 3, "padding": 2, "dilation": 2},
            {"kernel_size": (1, 2), "dilation": (1, 2)},
            {"kernel_size": 3, "padding": "same"},
        ):
            base = nn.Conv2d(2, 3, **options, bias=False)
            x = torch.randn(1, 2, 5, 7)
            # With A a copy of the base's kernel, and a B that passes everything on, the update is alpha / r
            # times what the base gives.
            layer = student.LoRAConv2d(base, 3, 6.0)
            layer.set({"lora_A.weight": base.weight, "lora_B.weight": torch.eye(3)[:, :, None, None]})
            said = ", ".join(f"{name}={value!r}" for name, value in options.items())
            try:
                close(layer(x), 3 * base(x).detach())
            except Broken as broken:
                raise Broken(f"for {said}: {broken.sentence}", *broken.lines) from None
            except Raised as raised:
                if "must match the size" in str(raised.error):
                    raise Broken(
                        f"for {said} the update has another height or width than what the base gives"
                    ) from None
                raise

    def while_merged(self, student: Work) -> None:
        """The base is kept, not copied; while `merged` is True, only the base counts."""
        base = nn.Conv2d(1, 1, 1, bias=False)
        layer = student.LoRAConv2d(base, 1, 1.0)
        layer.set({"base_layer.weight": 2, "lora_A.weight": 1, "lora_B.weight": 5})
        _is_kept(layer, base)
        for merged, expected in ((True, 2 * ROW), (False, 7 * ROW)):
            _set_merged(layer.module, merged)
            close(
                layer(ROW), expected, symptoms={"The update was added, although `merged` is True.": 7 * ROW}
            )

    def gradients(self, student: Work) -> None:
        """Gradients reach A, B and the input."""
        layer = student.LoRAConv2d(nn.Conv2d(1, 2, 3, padding=1), 2, 2.0).set({"lora_B.weight": 1})
        _gradients(layer, ROW.clone().requires_grad_())

    def base_dtype(self, student: Work) -> None:
        """A and B have the base's dtype and device, whatever torch's default is."""
        base = nn.Conv2d(1, 1, 1, bias=False, dtype=torch.float64)
        with torch.no_grad():
            base.weight.fill_(2)
        close(_made_and_called(student, "LoRAConv2d", base, ROW.double()), 2 * ROW.double())


def _attributes(layer: Layer, r: int, alpha: float) -> None:
    for name in ("scaling", "merged"):
        holds(hasattr(layer.module, name), f"there is no attribute `{name}`")
    own: Any = layer.module.scaling
    if isinstance(own, Tensor) or not isinstance(own, int | float):
        raise Broken(f"`scaling` is {show.a(own)}; it is to be a Python number")
    holds(
        abs(own - alpha / r) < 1e-9,
        f"`scaling` is {own:g}; for r = {r} and alpha = {alpha:g} it should be {alpha / r:g}",
    )
    merged: Any = layer.module.merged
    holds(merged is False, "`merged` should be False at the start")


def _starts_from(layer: Layer, base: nn.Module, x: Tensor) -> None:
    down, up = (ordinary(getattr(layer.module, name).weight) for name in ("lora_A", "lora_B"))
    if not down.any():
        raise Broken("lora_A is all zeros: with both zero, no gradient would ever reach either")
    if up.any():
        raise Broken("lora_B is not zero: the layer would change what a trained network does")
    close(layer(x), base(x).detach())


def _set_merged(module: Any, merged: bool) -> None:
    module.merged = merged


def _is_kept(layer: Layer, base: nn.Module) -> None:
    holds(layer.module.base_layer is base, "`base_layer` is not the layer that was given, but another one")


def _mistaken_scales(plain: Tensor, update: Tensor, r: int, alpha: float) -> dict[str, Any]:
    """What the usual mistakes give in place of plain + alpha / r * update."""
    of = {
        "This is what comes out without the scale: alpha / r times the update is to be added.": 1.0,
        "The scale is alpha here, not yet divided by r.": alpha,
        "The scale is 1 / r here: alpha is missing.": 1 / r,
        "The scale is upside down: it is alpha / r.": r / alpha,
        "The scale is alpha divided by the root of r; that is another paper's. Here it is alpha / r.": (
            alpha / r**0.5
        ),
    }
    wrong: dict[str, Any] = {sentence: plain + scale * update for sentence, scale in of.items()}
    wrong["This is the update alone: what the base gives is missing."] = alpha / r * update
    wrong["What the base gives was scaled, too: only the update is."] = alpha / r * (plain + update)
    wrong["The update has no effect: is it added?"] = plain
    return wrong


def _gradients(layer: Layer, x: Tensor) -> None:
    module: Any = layer.module.requires_grad_(True)
    answer = layer(x)
    holds(
        isinstance(answer, Tensor) and answer.requires_grad,
        "no gradient can flow back through what it returns",
    )
    answer.square().sum().backward()
    for name, parameter in (
        ("lora_A", module.lora_A.weight),
        ("lora_B", module.lora_B.weight),
        ("the input", x),
    ):
        reached = isinstance(parameter, Tensor) and parameter.grad is not None and parameter.grad.any()
        holds(reached, f"no gradient reaches {name}: does `.data` or `.detach()` cut it off?")


def _made_and_called(student: Work, name: str, base: nn.Module, x: Tensor) -> Any:
    """What a new layer gives; as one call, so that it is both made and used on the pretended GPU."""

    def made_and_called(base: nn.Module, x: Tensor) -> Any:
        return student._names[name](base, 2, 6.0)(x)

    return student._call(Call(name, made_and_called, (base, x), {}))
