"""Public checks of the module `lora`: small examples, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
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


def _linear(dtype: torch.dtype = torch.float32) -> nn.Linear:
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
        layer = _by_hand(student.LoRALinear(_linear(), 2, 6.0))
        close(layer(X), PLAIN + 3 * UPDATE, symptoms=_mistaken_scales(PLAIN, UPDATE, r=2, alpha=6.0))

    def any_dimensions(self, student: Work) -> None:
        """Before the channels there may be any dimensions, or none."""
        layer = _by_hand(student.LoRALinear(_linear(), 2, 6.0))
        for shape in ((), (1,), (2, 1, 3)):
            close(layer(X[0].expand(*shape, 2)), (PLAIN + 3 * UPDATE)[0].expand(*shape, 3))

    def base_shows_through(self, student: Work) -> None:
        """The base is kept, not copied: whoever changes its weight changes the result."""
        base = _linear()
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
        layer = _by_hand(student.LoRALinear(_linear(), 2, 6.0))
        for merged, expected in ((True, PLAIN), (False, PLAIN + 3 * UPDATE)):
            _set_merged(layer.module, merged)
            close(
                layer(X),
                expected,
                symptoms={"The update was added, although `merged` is True.": PLAIN + 3 * UPDATE},
            )

    def gradients(self, student: Work) -> None:
        """Gradients reach A, B and the input."""
        layer = _by_hand(student.LoRALinear(_linear(), 2, 6.0))
        _gradients(layer, X.clone().requires_grad_())

    def base_dtype(self, student: Work) -> None:
        """A and B have the base's dtype and device, whatever torch's default is."""
        for kind in (torch.float64, torch.float16):
            answer = _made_and_called(student, "LoRALinear", _linear(kind), X.to(kind))
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


# --- In a network -----------------------------------------------------------------------------------------


class _Attend(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.to_q, self.into_q = nn.Linear(4, 3), nn.Linear(4, 3)
        self.to_out = nn.ModuleList([nn.Linear(3, 4), nn.Dropout(0.1)])
        self.conv = nn.Conv2d(2, 2, 3)


class _Network(nn.Module):
    """Layers whose names are easily mistaken for one another."""

    def __init__(self) -> None:
        super().__init__()
        self.to_q = nn.Linear(4, 4)
        self.blocks = nn.ModuleList([_Attend(), _Attend()])
        self.to_v = nn.LayerNorm(4)
        self.conv_in = nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        block: Any  # torch takes its attributes for tensors or modules
        for block in self.blocks:
            x = block.to_out[0](block.to_q(x)) + block.to_out[0](block.into_q(x))
        answer: Tensor = self.to_q(self.to_v(x))
        return answer


@exercise("inject_lora")
class InjectLora:
    def none_meant(self, student: Work) -> None:
        """Where a target names no linear layer and no convolution, nothing changes, and the list is empty."""
        network = _Network()
        _names(student.inject_lora(network, ["to_k", "to_v", "to_out", "blocks.0"], 2, 4.0), [])
        holds(type(network.to_q) is nn.Linear, "a layer was replaced that no target names")

    def names(self, student: Work) -> None:
        """It returns the names of the layers that it replaced, in the network's order."""
        found = student.inject_lora(_Network(), ["conv", "to_q"], 2, 4.0)
        _names(found, ["to_q", "blocks.0.to_q", "blocks.0.conv", "blocks.1.to_q", "blocks.1.conv"])

    def lists(self, student: Work) -> None:
        """A target may lead into a list: "to_out.0" is its first entry."""
        network = _Network()
        _names(student.inject_lora(network, ["to_out.0"], 2, 4.0), ["blocks.0.to_out.0", "blocks.1.to_out.0"])
        entries: Any = network.blocks[0].to_out
        holds(isinstance(entries, nn.ModuleList), "`to_out` is no longer the ModuleList that it was")
        holds(len(entries) == 2, f"`to_out` had 2 entries, now it has {len(entries)}")

    def replaced(self, student: Work) -> None:
        """The layers meant are LoRA layers around the old ones; all others are the same as before."""
        network = _Network()
        before = dict(network.named_modules())
        student.inject_lora(network, ["to_q", "to_out.0", "conv"], 2, 6.0)
        after = dict(network.named_modules())
        for name, old in before.items():
            meant = name.endswith(("to_q", "to_out.0", "conv")) and not name.endswith("into_q")
            if not meant:
                holds(
                    after.get(name) is old,
                    f"`{name}` is another object than before, and no target names it",
                )
                continue
            new, kind = after[name], "LoRALinear" if isinstance(old, nn.Linear) else "LoRAConv2d"
            wanted = student.beside(kind)
            holds(isinstance(new, wanted), f"`{name}` is {show.a(new)}, it should be a {kind}")
            holds(
                getattr(new, "base_layer", None) is old,
                f"the base_layer of `{name}` is not the layer that was there",
            )
            weight = ordinary(new.lora_A.weight)
            holds(len(weight) == 2, f"lora_A of `{name}` has {len(weight)} channels out, r is 2")
            holds(new.scaling == 3, f"`{name}` has the scaling {new.scaling}, alpha / r is 3")

    def same_function(self, student: Work) -> None:
        """The network does at first what it did before."""
        network, x = _Network().eval(), torch.randn(5, 4)
        before = network(x).detach()
        student.inject_lora(network, ["to_q", "to_out.0"], 2, 4.0)
        close(network(x), before)

    def twice(self, student: Work) -> None:
        """A second call with the same targets finds nothing left to replace, nor does one for `lora_A`."""
        network = _Network()
        student.inject_lora(network, ["to_q", "conv"], 2, 4.0)
        _names(student.inject_lora(network, ["to_q", "conv"], 2, 4.0), [])
        _names(student.inject_lora(network, ["lora_A", "base_layer"], 2, 4.0), [])


def _names(found: Any, expected: list[str]) -> None:
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise Broken(f"a list of names is expected, {show.a(found)} was returned")
    if found == expected:
        return
    shown = [f"you returned  {', '.join(found) or '[]'}", f"expected      {', '.join(expected) or '[]'}"]
    if inside := [name for name in found if "lora_" in name or "base_layer" in name]:
        raise Broken(f"`{inside[0]}` lies inside a LoRA layer, and is to be left alone", *shown)
    if extra := [name for name in found if name not in expected]:
        why = (
            "it only contains, or ends like, a target: before it there must be a dot, or nothing"
            if "into_q" in extra[0]
            else "no target names it, or it is neither nn.Linear nor nn.Conv2d"
        )
        raise Broken(f"`{extra[0]}` was replaced: {why}", *shown)
    if missing := [name for name in expected if name not in found]:
        raise Broken(f"`{missing[0]}` was not replaced", *shown)
    raise Broken("these are the right names in another order than that of named_modules()", *shown)


def _pair(student: Work, r: int = 2, alpha: float = 6.0) -> Any:
    """A network with one LoRA layer of each kind, made by the student's own classes.

    Any, as torch takes every attribute of a module for a tensor or a module.
    """
    layers = {
        "first": _made(student, "LoRALinear", _linear(), r, alpha),
        "plain": nn.Linear(3, 3),
        "conv": _made(student, "LoRAConv2d", nn.Conv2d(2, 3, (1, 2), bias=False), r, alpha),
    }
    network = nn.Module()
    for name, layer in layers.items():
        network.add_module(name, layer)
    with torch.no_grad():
        for layer, up in ((layers["first"], tensor(UP)), (layers["conv"], tensor(UP)[:, :, None, None])):
            # For a rank other than 2, as often as it takes.
            layer.lora_B.weight.copy_(torch.cat([up] * r, 1)[:, :r])
        layers["first"].lora_A.weight.copy_(torch.cat([tensor(DOWN)] * r)[:r])
    return network


def _made(student: Work, name: str, base: nn.Module, r: int, alpha: float) -> Any:
    kind = student.beside(name)
    try:
        layer: nn.Module = kind(base, r, alpha)
        whole = {"lora_A.weight", "lora_B.weight", "base_layer.weight"} <= layer.state_dict().keys()
    except Exception:
        whole = False
    if not whole:
        raise Broken(f"this needs a {name} that works: see that its own check passes first")
    return layer


def _lora_weights(network: nn.Module) -> dict[str, nn.Parameter]:
    return {name: each for name, each in network.named_parameters() if ".lora_" in f".{name}"}


@exercise("mark_trainable")
class MarkTrainable:
    def nothing_to_train(self, student: Work) -> None:
        """A network without LoRA layers has nothing to train: all of it is frozen, and the list is empty."""
        network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        _listed(student.mark_trainable(network), [])
        for name, each in network.named_parameters():
            holds(not each.requires_grad, f"`{name}` would still be trained")

    def marked(self, student: Work) -> None:
        """The weights of all lora_A and lora_B are trained, and nothing else is."""
        for before in (True, False):
            network = _pair(student)
            network.requires_grad_(before)
            student.mark_trainable(network)
            wanted = _lora_weights(network)
            for name, each in network.named_parameters():
                if name in wanted:
                    holds(
                        each.requires_grad,
                        f"`{name}` would not be trained: its requires_grad is False"
                        + ("" if before else ", as it was before"),
                    )
                else:
                    holds(not each.requires_grad, f"`{name}` would be trained, too")

    def returned(self, student: Work) -> None:
        """It returns these parameters themselves, each once, in the network's order."""
        network = _pair(student)
        _listed(student.mark_trainable(network), list(_lora_weights(network).values()))

    def single_layer(self, student: Work) -> None:
        """A single LoRA layer will do as well."""
        layer = _made(student, "LoRALinear", _linear(), 2, 6.0)
        _listed(student.mark_trainable(layer), list(_lora_weights(layer).values()))

    def one_step(self, student: Work) -> None:
        """A step of an optimiser leaves everything but A and B as it is, to the last bit."""
        network = _pair(student)
        before = {name: each.detach().clone() for name, each in network.named_parameters()}
        parameters = student.mark_trainable(network)
        holds(parameters, "there is nothing to train in the list")
        network.first(X).sum().backward()
        with torch.no_grad():
            for each in parameters:
                if each.is_leaf and each.grad is not None:
                    each -= 0.1 * each.grad
        changed = [name for name, each in network.named_parameters() if not torch.equal(each, before[name])]
        wanted = ["first.lora_A.weight", "first.lora_B.weight"]
        holds(
            changed == wanted, f"what changed is {', '.join(changed) or 'nothing'}, not {', '.join(wanted)}"
        )


def _listed(found: Any, expected: list[nn.Parameter]) -> None:
    if not isinstance(found, list):
        raise Broken(f"a list of parameters is expected, {show.a(found)} was returned")
    holds(
        len(found) == len(expected),
        f"the list has {len(found)} entries; {len(expected)} weights are to be trained",
    )
    same = [own is each for own, each in zip(found, expected, strict=True)]
    if all(same):
        return
    if {id(own) for own in found} == {id(each) for each in expected}:
        raise Broken("these are the right parameters in another order than that of model.parameters()")
    at = same.index(False)
    raise Broken(f"entry {at} of the list is not the model's own parameter, but {show.a(found[at])}")


# W + 3 B A, written out.
SUM = tensor([[5.0, 3.0], [0.0, -2.0], [4.0, 0.0]])


@exercise("merge")
class Merge:
    def without_lora(self, student: Work) -> None:
        """A network without LoRA layers is left as it is."""
        network = nn.Sequential(_linear())
        for name in ("merge", "unmerge"):
            student.in_place(name)(network)
            close(network[0].weight, tensor(WEIGHT))

    def into_the_weight(self, student: Work) -> None:
        """After `merge` the base's weight is W + alpha / r * B A, and `merged` is True."""
        network = _pair(student)
        first = network.first
        student.in_place("merge")(network)
        weight, update = tensor(WEIGHT), (SUM - tensor(WEIGHT)) / 3
        close(
            first.base_layer.weight,
            SUM,
            symptoms={
                "The weight has not changed.": weight,
                "This is what comes out without the scaling.": weight + update,
                "The update was added twice.": weight + 6 * update,
                "Here the update was subtracted.": weight - 3 * update,
            },
        )
        _merged(network, True)

    def square_layers(self, student: Work) -> None:
        """B A it is, not A B, nor its transpose: for square layers the shapes do not tell."""
        base = nn.Linear(2, 2)
        layer = _made(student, "LoRALinear", base, 2, 2.0)
        with torch.no_grad():
            base.weight.zero_()
            layer.lora_A.weight.copy_(tensor([[1.0, 2.0], [0.0, 1.0]]))
            layer.lora_B.weight.copy_(tensor([[1.0, 0.0], [3.0, 1.0]]))
        student.in_place("merge")(layer)
        close(
            base.weight,
            [[1.0, 2.0], [3.0, 7.0]],
            symptoms={
                "This is A B: first A is applied, so it stands on the right.": [[7.0, 2.0], [3.0, 1.0]],
                "This is the transpose of B A.": [[1.0, 3.0], [2.0, 7.0]],
            },
        )

    def same_function(self, student: Work) -> None:
        """Merged and not merged, linear layers and convolutions give the same; A and B stay as they are."""
        network = _pair(student)
        own = {name: each.detach().clone() for name, each in _lora_weights(network).items()}
        inputs = {"first": torch.randn(4, 2), "conv": torch.randn(1, 2, 3, 4)}
        before = {name: _output(network, name, x) for name, x in inputs.items()}
        student.in_place("merge")(network)
        for name, x in inputs.items():
            close(_output(network, name, x), before[name])
        for name, each in _lora_weights(network).items():
            holds(torch.equal(each, own[name]), f"`{name}` has changed")

    def twice(self, student: Work) -> None:
        """A second `merge` changes nothing more, or is refused with a RuntimeError."""
        network = _pair(student)
        student.in_place("merge")(network)
        with _Refusal(RuntimeError):
            student.in_place("merge")(network)
        close(
            network.first.base_layer.weight,
            SUM,
            symptoms={"The update is in it twice.": 2 * SUM - tensor(WEIGHT)},
        )

    def out_again(self, student: Work) -> None:
        """`unmerge` takes the update out again, and only where it is in."""
        network = _pair(student)
        kernel = network.conv.base_layer.weight.detach().clone()
        student.in_place("unmerge")(network)
        close(network.first.base_layer.weight, tensor(WEIGHT))
        student.in_place("merge")(network)
        student.in_place("unmerge")(network)
        close(network.first.base_layer.weight, tensor(WEIGHT))
        close(network.conv.base_layer.weight, kernel)
        _merged(network, False)

    def single_layer(self, student: Work) -> None:
        """A single LoRA layer can be merged, too, whether its base is to be trained or frozen."""
        for trained in (True, False):
            layer = _made(student, "LoRALinear", _linear().requires_grad_(trained), 2, 6.0)
            with torch.no_grad():
                layer.lora_A.weight.copy_(tensor(DOWN))
                layer.lora_B.weight.copy_(tensor(UP))
            student.in_place("merge")(layer)
            close(layer.base_layer.weight, SUM)


def _output(network: Any, name: str, x: Tensor) -> Tensor:
    answer: Tensor = network.get_submodule(name)(x)
    return answer.detach()


def _merged(network: Any, expected: bool) -> None:
    for name in ("first", "conv"):
        own = network.get_submodule(name).merged
        holds(own is expected, f"`merged` of `{name}` is {own} afterwards, it should be {expected}")


class _Refusal(AbstractContextManager["_Refusal"]):
    """Lets the student's code raise these; a stub is still a stub."""

    def __init__(self, *kinds: type[Exception]) -> None:
        self.kinds, self.raised = kinds, False

    def __enter__(self) -> _Refusal:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if not isinstance(error, Raised) or isinstance(error.error, NotImplementedError):
            return False
        self.raised = isinstance(error.error, self.kinds)
        return self.raised


@exercise("lora_state_dict")
class LoraStateDict:
    def without_lora(self, student: Work) -> None:
        """A network without LoRA layers has nothing to save."""
        state = student.lora_state_dict(nn.Sequential(_linear()))
        holds(state == {}, f"the dictionary should be empty, it has {', '.join(state)}")

    def names(self, student: Work) -> None:
        """It has two tensors for each LoRA layer: prefix, name, and ".lora_A.weight" or ".lora_B.weight"."""
        network = _pair(student)
        for options, prefix in (({}, "unet."), ({"prefix": "x."}, "x."), ({"prefix": ""}, "")):
            state = student.lora_state_dict(network, **options)
            wanted = [f"{prefix}{name}" for name in _lora_weights(network)]
            if not isinstance(state, dict):
                raise Broken(f"a dictionary is expected, {show.a(state)} was returned")
            if extra := [name for name in state if name not in wanted]:
                raise Broken(f"it has an entry too many, {extra[0]!r}", f"expected      {', '.join(wanted)}")
            if lacking := [name for name in wanted if name not in state]:
                raise Broken(f"it has no entry {lacking[0]!r}", f"you returned  {', '.join(map(str, state))}")

    def scaled(self, student: Work) -> None:
        """lora_A is saved as it is, lora_B multiplied by the scaling: readers know nothing of alpha."""
        state = student.lora_state_dict(_pair(student))
        close(
            state["unet.first.lora_A.weight"],
            tensor(DOWN),
            symptoms={"The scaling belongs to lora_B.": 3 * tensor(DOWN)},
        )
        wrong = {
            "lora_B is as it was. A file without alpha is read as if alpha were r, and a third of the update "
            "would be left.": tensor(UP),
            "lora_B was divided by the scaling.": tensor(UP) / 3,
            "lora_B was multiplied by alpha; it should be alpha / r.": 6 * tensor(UP),
        }
        close(state["unet.first.lora_B.weight"], 3 * tensor(UP), symptoms=wrong)

    def copies(self, student: Work) -> None:
        """The tensors are copies: training on does not change them, and the model stays as it is."""
        network = _pair(student)
        state = student.lora_state_dict(network)
        kept = {name: ordinary(value).clone() for name, value in state.items()}
        close(network.first.lora_B.weight, tensor(UP))
        for name, value in state.items():
            holds(not value.requires_grad, f"{name!r} still asks for gradients: detach it")
        with torch.no_grad():
            for each in _lora_weights(network).values():
                each.add_(1)
        for name, value in state.items():
            holds(torch.equal(value, kept[name]), f"{name!r} changed together with the model's own weight")

    def round_trip(self, student: Work) -> None:
        """Loaded into a network with another alpha, it does what it did in the first."""
        saved = _pair(student, alpha=6.0)
        state = student.lora_state_dict(saved)
        for alpha in (6.0, 8.0):
            network = _pair(student, alpha=alpha)
            with torch.no_grad():
                for each in _lora_weights(network).values():
                    each.zero_()
            student.in_place("load_lora")(network, state)
            plain, update = PLAIN, 3 * UPDATE
            close(
                network.first(X),
                plain + update,
                symptoms={
                    "Nothing was loaded: the update is zero.": plain,
                    "lora_B was loaded as it stands in the file. With this layer's own scaling it counts for "
                    "more, or less, than it should.": plain + update * alpha / 2,
                    "lora_B was multiplied by this layer's scaling, it should be divided by it.": (
                        plain + update * (alpha / 2) ** 2
                    ),
                },
            )

    def of_others(self, student: Work) -> None:
        """`scaling` is alpha / r of a file that keeps it apart: its lora_B counts so many times."""
        state = {f"x.{name}": value.detach().clone() for name, value in _lora_weights(_pair(student)).items()}
        network = _pair(student, alpha=4.0)
        student.in_place("load_lora")(network, state, prefix="x.", scaling=5.0)
        close(
            network.first(X),
            PLAIN + 5 * UPDATE,
            symptoms={
                "`scaling` had no effect.": PLAIN + UPDATE,
                "`scaling` was divided by, instead of multiplied with.": PLAIN + UPDATE / 5,
                "Here it counts with the layer's own scaling as well.": PLAIN + 10 * UPDATE,
            },
        )

    def left_alone(self, student: Work) -> None:
        """The file stays as it is, and what becomes of it later does not change the model."""
        network, state = _pair(student, alpha=4.0), student.lora_state_dict(_pair(student))
        kept = {name: ordinary(value).clone() for name, value in state.items()}
        student.in_place("load_lora")(network, state)
        same = state.keys() == kept.keys() and all(torch.equal(state[name], kept[name]) for name in kept)
        holds(same, "it changed the dictionary that it was given, or a tensor in it")
        for value in state.values():
            value.zero_()
        close(
            network.first(X),
            PLAIN + 3 * UPDATE,
            symptoms={"The model shares its tensors with the file: copy them.": PLAIN},
        )

    def refuses(self, student: Work) -> None:
        """What does not fit raises an error: a wrong prefix, a missing name, one too many, another rank."""
        state = student.lora_state_dict(_pair(student))
        lacking = {name: value for name, value in state.items() if name != "unet.conv.lora_B.weight"}
        smaller = student.lora_state_dict(_pair(student, r=1))
        extra = {**state, "unet.other.lora_A.weight": torch.zeros(2, 2)}
        files: dict[str, Callable[[], tuple[Any, ...]]] = {
            "names that have another prefix": lambda: (_pair(student), state, "model."),
            "a name missing": lambda: (_pair(student), lacking),
            "a name too many": lambda: (_pair(student), extra),
            "weights of a larger rank": lambda: (_pair(student, r=1), state),
            "weights of a smaller rank": lambda: (_pair(student, r=2), smaller),
        }
        for what, arguments in files.items():
            given = arguments()
            with _Refusal(ValueError, KeyError, RuntimeError) as refusal:
                student.in_place("load_lora")(*given)
            holds(refusal.raised, f"a file with {what} was loaded without a word")
