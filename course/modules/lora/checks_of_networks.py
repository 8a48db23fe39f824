"""Public checks of what the module `lora` does to a network: put in, trained, merged."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn, tensor

from course.checking import show
from course.checking.expect import Broken, Raised, Work, close, exercise, holds, ordinary
from course.modules.lora.checks_of_layers import DOWN, UP, WEIGHT, X, linear


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


def pair(student: Work, r: int = 2, alpha: float = 6.0) -> Any:
    """A network with one LoRA layer of each kind, made by the student's own classes.

    Any, as torch takes every attribute of a module for a tensor or a module.
    """
    layers = {
        "first": made(student, "LoRALinear", linear(), r, alpha),
        "plain": nn.Linear(3, 3),
        "conv": made(student, "LoRAConv2d", nn.Conv2d(2, 3, (1, 2), bias=False), r, alpha),
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


def made(student: Work, name: str, base: nn.Module, r: int, alpha: float) -> Any:
    kind = student.beside(name)
    try:
        layer: nn.Module = kind(base, r, alpha)
        whole = {"lora_A.weight", "lora_B.weight", "base_layer.weight"} <= layer.state_dict().keys()
    except Exception:
        whole = False
    if not whole:
        raise Broken(f"this needs a {name} that works: see that its own check passes first")
    return layer


def lora_weights(network: nn.Module) -> dict[str, nn.Parameter]:
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
            network = pair(student)
            network.requires_grad_(before)
            student.mark_trainable(network)
            wanted = lora_weights(network)
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
        network = pair(student)
        _listed(student.mark_trainable(network), list(lora_weights(network).values()))

    def single_layer(self, student: Work) -> None:
        """A single LoRA layer will do as well."""
        layer = made(student, "LoRALinear", linear(), 2, 6.0)
        _listed(student.mark_trainable(layer), list(lora_weights(layer).values()))

    def one_step(self, student: Work) -> None:
        """A step of an optimiser leaves everything but A and B as it is, to the last bit."""
        network = pair(student)
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
        network = nn.Sequential(linear())
        for name in ("merge", "unmerge"):
            student.in_place(name)(network)
            close(network[0].weight, tensor(WEIGHT))

    def into_the_weight(self, student: Work) -> None:
        """After `merge` the base's weight is W + alpha / r * B A, and `merged` is True."""
        network = pair(student)
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
        layer = made(student, "LoRALinear", base, 2, 2.0)
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
        network = pair(student)
        own = {name: each.detach().clone() for name, each in lora_weights(network).items()}
        inputs = {"first": torch.randn(4, 2), "conv": torch.randn(1, 2, 3, 4)}
        before = {name: _output(network, name, x) for name, x in inputs.items()}
        student.in_place("merge")(network)
        for name, x in inputs.items():
            close(_output(network, name, x), before[name])
        for name, each in lora_weights(network).items():
            holds(torch.equal(each, own[name]), f"`{name}` has changed")

    def twice(self, student: Work) -> None:
        """A second `merge` changes nothing more, or is refused with a RuntimeError."""
        network = pair(student)
        student.in_place("merge")(network)
        with Refusal(RuntimeError):
            student.in_place("merge")(network)
        close(
            network.first.base_layer.weight,
            SUM,
            symptoms={"The update is in it twice.": 2 * SUM - tensor(WEIGHT)},
        )

    def out_again(self, student: Work) -> None:
        """`unmerge` takes the update out again, and only where it is in."""
        network = pair(student)
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
            layer = made(student, "LoRALinear", linear().requires_grad_(trained), 2, 6.0)
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


class Refusal(AbstractContextManager["Refusal"]):
    """Lets the student's code raise these; a stub is still a stub."""

    def __init__(self, *kinds: type[Exception]) -> None:
        self.kinds, self.raised = kinds, False

    def __enter__(self) -> Refusal:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if not isinstance(error, Raised) or isinstance(error.error, NotImplementedError):
            return False
        self.raised = isinstance(error.error, self.kinds)
        return self.raised
