"""Correct answers to the module `lora`, written otherwise than the reference: all earn full marks."""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import variant
from solutions.lora import LoRAConv2d, LoRALinear

# --- LoRALinear -----------------------------------------------------------------------------------------


@variant("LoRALinear", title="einsum, with base frozen at once and dtype and device given to the layers")
class WithEinsum(nn.Module):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__()
        self.merged = False
        self.alpha, self.r = alpha, r
        self.base_layer = base.requires_grad_(False)
        where = {"dtype": base.weight.dtype, "device": base.weight.device}
        self.lora_A = nn.Linear(base.in_features, r, bias=False, **where)
        self.lora_B = nn.Linear(r, base.out_features, bias=False, **where)
        self.lora_B.weight.data.fill_(0)

    @property
    def scaling(self) -> float:
        return self.alpha / self.r

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base_layer(x)
        if self.merged:
            return y
        return y + self.scaling * torch.einsum("...c,rc,dr->...d", x, self.lora_A.weight, self.lora_B.weight)


@variant("LoRALinear", title="one weight made on the fly, A drawn by hand")
class OneWeight(nn.Module):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__()
        features, channels = base.weight.shape
        self.lora_B = nn.Linear(r, features, False)
        self.lora_A = nn.Linear(channels, r, False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        with torch.no_grad():
            self.lora_B.weight.copy_(torch.zeros(features, r))
        self.lora_A.to(device=base.weight.device, dtype=base.weight.dtype)
        self.lora_B.to(device=base.weight.device, dtype=base.weight.dtype)
        self.base_layer, self.scaling, self.merged = base, float(alpha) / float(r), False

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.base_layer.weight
        if not self.merged:
            weight = weight + (self.scaling * self.lora_B.weight) @ self.lora_A.weight
        return F.linear(x, weight, self.base_layer.bias)


@variant("LoRALinear", title="x scaled instead of the update, with a buffer that nobody needs")
class ScaledInput(nn.Module):
    rank: Tensor

    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__()
        self.register_buffer("rank", torch.tensor(r))
        self.base_layer = base
        self.lora_A = nn.Linear(base.in_features, r, bias=False).to(base.weight.device, base.weight.dtype)
        self.lora_B = nn.Linear(r, base.out_features, bias=False).to(base.weight.device, base.weight.dtype)
        self.lora_B.weight = nn.Parameter(torch.zeros_like(self.lora_B.weight))
        self.scaling = alpha / r
        self.merged = False

    def forward(self, x: Tensor) -> Tensor:
        update = self.lora_B(self.lora_A(self.scaling * x)) if not self.merged else 0
        out: Tensor = self.base_layer(x) + update
        return out


@variant("LoRALinear", title="modules added by name, the update added in place to what base gives")
class AddedInPlace(nn.Module):
    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__()
        self.base_layer, self.scaling, self.merged = base, alpha / r, False
        for name, sizes in (("lora_A", (base.in_features, r)), ("lora_B", (r, base.out_features))):
            self.add_module(name, nn.Linear(*sizes, bias=False).to(base.weight))
        nn.init.zeros_(self.get_parameter("lora_B.weight"))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        if not self.merged:
            down, up = self.get_submodule("lora_A"), self.get_submodule("lora_B")
            out += up(down(x)).mul_(self.scaling)
        return out


# --- LoRAConv2d -----------------------------------------------------------------------------------------


@variant("LoRAConv2d", title="B as an einsum over the channels")
class ChannelsByEinsum(nn.Module):
    def __init__(self, base: nn.Conv2d, r: int, alpha: float) -> None:
        super().__init__()
        settings: dict[str, Any] = {
            name: getattr(base, name) for name in ("kernel_size", "stride", "padding", "dilation")
        }
        where: dict[str, Any] = {"dtype": base.weight.dtype, "device": base.weight.device}
        self.base_layer = base
        self.lora_A = nn.Conv2d(base.in_channels, r, bias=False, **settings, **where)
        self.lora_B = nn.Conv2d(r, base.out_channels, kernel_size=(1, 1), bias=False, **where)
        self.lora_B.weight.data.zero_()
        self.scaling, self.merged = alpha / r, False

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        if not self.merged:
            hidden = self.lora_A(x)
            out = out + self.scaling * torch.einsum("brhw,dr->bdhw", hidden, self.lora_B.weight[..., 0, 0])
        return out


@variant("LoRAConv2d", title="one kernel made on the fly")
class OneKernel(nn.Module):
    def __init__(self, base: nn.Conv2d, r: int, alpha: float) -> None:
        super().__init__()
        self.base_layer = base
        kh, kw = base.kernel_size
        self.lora_A = nn.Conv2d(base.in_channels, r, (kh, kw), bias=False)
        self.lora_A.stride, self.lora_A.padding = base.stride, base.padding
        self.lora_A.dilation = base.dilation
        self.lora_B = nn.Conv2d(r, base.out_channels, 1, bias=False)
        nn.init.constant_(self.lora_B.weight, 0.0)
        for layer in (self.lora_A, self.lora_B):
            layer.to(base.weight)
        self.scaling = alpha / r
        self.merged = False

    def forward(self, x: Tensor) -> Tensor:
        base = self.base_layer
        kernel: Tensor = base.weight
        if not self.merged:
            kernel = kernel + self.scaling * torch.tensordot(
                self.lora_B.weight[:, :, 0, 0], self.lora_A.weight, 1
            )
        return F.conv2d(x, kernel, base.bias, base.stride, base.padding, base.dilation)


@variant("LoRAConv2d", title="two convolutions by hand, with a dropout of nothing")
class ByHand(nn.Module):
    def __init__(self, base: nn.Conv2d, r: int, alpha: float) -> None:
        super().__init__()
        self.base_layer, self.dropout = base, nn.Dropout(0.0)
        self.how: dict[str, Any] = {
            "stride": base.stride,
            "padding": base.padding,
            "dilation": base.dilation,
        }
        size: Any = base.kernel_size
        self.lora_A = nn.Conv2d(base.in_channels, r, size, bias=False, **self.how).to(base.weight)
        self.lora_B = nn.Conv2d(r, base.out_channels, 1, bias=False).to(base.weight)
        self.lora_B.weight.data *= 0
        self.scaling, self.merged = alpha * (1 / r), False

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x)
        if self.merged is False:
            found = F.conv2d(self.dropout(x), self.lora_A.weight, **self.how)
            out = torch.add(out, F.conv2d(found, self.lora_B.weight), alpha=self.scaling)
        return out


# --- inject_lora ----------------------------------------------------------------------------------------


@variant("inject_lora", title="recursively, from the children on")
def recursively(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    def replaced_in(parent: nn.Module, above: str) -> list[str]:
        replaced = []
        for own_name, child in list(parent.named_children()):
            name = above + own_name
            meant = any(("." + name).endswith("." + target) for target in targets)
            if isinstance(child, (LoRALinear, LoRAConv2d)):
                continue
            if meant and isinstance(child, nn.Linear):
                parent._modules[own_name] = LoRALinear(child, r, alpha)
                replaced.append(name)
            elif meant and isinstance(child, nn.Conv2d):
                parent._modules[own_name] = LoRAConv2d(child, r, alpha)
                replaced.append(name)
            else:
                replaced += replaced_in(child, name + ".")
        return replaced

    return replaced_in(model, "")


@variant("inject_lora", title="by parts of names, from the last layer to the first")
def from_the_last(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    wanted = [tuple(target.split(".")) for target in targets]
    modules = dict(model.named_modules())
    names = []
    for name in reversed(list(modules)):
        parts = tuple(name.split("."))
        layer = modules[name]
        above = [modules[".".join(parts[:n])] for n in range(1, len(parts))]
        if any(type(module).__name__.startswith("LoRA") for module in above):
            continue
        if type(layer) not in (nn.Linear, nn.Conv2d) or not any(parts[-len(w) :] == w for w in wanted):
            continue
        parent: nn.Module = modules[".".join(parts[:-1])]
        made = (LoRALinear if type(layer) is nn.Linear else LoRAConv2d)(layer, r=r, alpha=alpha)
        if parts[-1].isdigit():
            parent[int(parts[-1])] = made
        else:
            setattr(parent, parts[-1], made)
        names.append(name)
    return names[::-1]


@variant("inject_lora", title="by a pattern, and by the layers met on the way")
def by_pattern(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    wanted = re.compile(rf"(.*\.)?({'|'.join(map(re.escape, targets)) or '(?!)'})")
    names: list[str] = []
    inside: tuple[str, ...] = ()
    for name, layer in list(model.named_modules()):
        if isinstance(layer, (LoRALinear, LoRAConv2d)):
            inside += (f"{name}.",)
        elif name.startswith(inside) or not wanted.fullmatch(name):
            continue
        elif isinstance(layer, (nn.Linear, nn.Conv2d)):
            kind: Any = LoRAConv2d if isinstance(layer, nn.Conv2d) else LoRALinear
            model.set_submodule(name, kind(layer, r, alpha))
            names.append(name)
    return names


# --- mark_trainable -------------------------------------------------------------------------------------


@variant("mark_trainable", title="by the names of parameters")
def by_names(model: nn.Module) -> list[nn.Parameter]:
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_" in name
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


@variant("mark_trainable", title="by the identity of parameters")
def by_identity(model: nn.Module) -> list[nn.Parameter]:
    ids = set()
    for module in model.modules():
        if isinstance(module, (LoRALinear, LoRAConv2d)):
            ids |= {id(module.lora_A.weight), id(module.lora_B.weight)}
    chosen = []
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in ids)
        if id(parameter) in ids:
            chosen.append(parameter)
    return chosen


# --- merge and unmerge ----------------------------------------------------------------------------------


@variant("merge", title="refused the second time, convolutions by einsum")
def refuses(model: nn.Module) -> None:
    layers = [module for module in model.modules() if isinstance(module, (LoRALinear, LoRAConv2d))]
    if any(layer.merged for layer in layers):
        raise RuntimeError("merged already")
    for layer in layers:
        A, B = layer.lora_A.weight.data, layer.lora_B.weight.data
        if isinstance(layer, LoRALinear):
            layer.base_layer.weight.data += layer.scaling * (B @ A)
        else:
            kernel = torch.einsum("dr,rchw->dchw", B.squeeze(3).squeeze(2), A)
            layer.base_layer.weight.data += layer.scaling * kernel
        layer.merged = True


@variant("merge", title="the kernel of B after A, made by a convolution; add_ with an alpha")
def by_convolution(model: nn.Module) -> None:
    with torch.no_grad():
        for layer in filter(lambda m: isinstance(m, (LoRALinear, LoRAConv2d)), model.modules()):
            if layer.merged:
                continue
            A, B = layer.lora_A.weight, layer.lora_B.weight
            update = B @ A if A.dim() == 2 else F.conv2d(A.transpose(0, 1), B).transpose(0, 1)
            layer.base_layer.weight.add_(update, alpha=layer.scaling)
            layer.merged = True


@variant("merge", defines="unmerge", title="one row at a time")
def row_by_row(model: nn.Module) -> None:
    for layer in model.modules():
        if isinstance(layer, (LoRALinear, LoRAConv2d)) and layer.merged:
            with torch.no_grad():
                for d, row in enumerate(layer.lora_B.weight.reshape(len(layer.lora_B.weight), -1)):
                    update = torch.tensordot(row, layer.lora_A.weight, dims=1)
                    layer.base_layer.weight[d].sub_(layer.scaling * update)
            layer.merged = False


@variant("merge", defines="unmerge", title="a new parameter instead of a changed one")
def new_parameter(model: nn.Module) -> None:
    for layer in model.modules():
        if isinstance(layer, (LoRALinear, LoRAConv2d)) and layer.merged:
            old = layer.base_layer.weight
            update = layer.lora_B.weight.flatten(1) @ layer.lora_A.weight.flatten(1)
            weight = old.detach() - (layer.scaling * update.detach()).reshape(old.shape)
            layer.base_layer.weight = nn.Parameter(weight, requires_grad=old.requires_grad)
            layer.merged = False


# --- lora_state_dict and load_lora ----------------------------------------------------------------------


@variant("lora_state_dict", title="picked out of the model's state dict")
def from_the_state_dict(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    picked = {}
    for name, weight in model.state_dict().items():
        owner, _, rest = name.rpartition(".lora_")
        if rest not in ("A.weight", "B.weight"):
            continue
        factor = model.get_submodule(owner).scaling if rest == "B.weight" else 1
        picked[prefix + name] = weight.clone() * factor
    return picked


@variant("lora_state_dict", title="layer by layer, first all of A and then all of B")
def first_A_then_B(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    layers = [(n, m) for n, m in model.named_modules() if isinstance(m, (LoRALinear, LoRAConv2d))]
    with torch.no_grad():
        state = {prefix + name + ".lora_A.weight": torch.clone(layer.lora_A.weight) for name, layer in layers}
        for name, layer in layers:
            state[prefix + name + ".lora_B.weight"] = layer.scaling * layer.lora_B.weight
    return state


@variant("lora_state_dict", title="an ordered dictionary, and the mode as it was before")
def ordered(model: nn.Module, prefix: str = "unet.") -> OrderedDict[str, Tensor]:
    training = model.training
    model.eval()
    state: OrderedDict[str, Tensor] = OrderedDict()
    for name, layer in model.named_modules():
        if isinstance(layer, (LoRALinear, LoRAConv2d)):
            state[f"{prefix}{name}.lora_A.weight"] = layer.lora_A.weight.data.clone()
            state[f"{prefix}{name}.lora_B.weight"] = torch.mul(layer.lora_B.weight.data, layer.scaling)
    model.train(training)
    return state


@variant("lora_state_dict", defines="load_lora", title="name by name through the file")
def through_the_file(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    layers = {n: m for n, m in model.named_modules() if isinstance(m, (LoRALinear, LoRAConv2d))}
    missing = {(name, part) for name in layers for part in ("lora_A", "lora_B")}
    for key, saved in state_dict.items():
        if not key.startswith(prefix) or not key.endswith(".weight"):
            raise ValueError(f"{key} is no weight of an adapter")
        name, _, part = key[len(prefix) : -len(".weight")].rpartition(".")
        missing.remove((name, part))
        layer = layers[name]
        weight = getattr(layer, part).weight
        if list(saved.shape) != list(weight.shape):
            raise RuntimeError(f"{key} has the wrong shape")
        weight.data.copy_(saved if part == "lora_A" else saved * (scaling / layer.scaling))
    if missing:
        raise KeyError(str(missing))


@variant("lora_state_dict", defines="load_lora", title="with load_state_dict of each part")
def part_by_part(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    left = dict(state_dict)
    for name, layer in model.named_modules():
        if isinstance(layer, (LoRALinear, LoRAConv2d)):
            A = left.pop(f"{prefix}{name}.lora_A.weight")
            B = left.pop(f"{prefix}{name}.lora_B.weight")
            layer.lora_A.load_state_dict({"weight": A}, strict=True)
            layer.lora_B.load_state_dict({"weight": B * scaling / layer.scaling}, strict=True)
    if left:
        raise ValueError(f"unexpected: {sorted(left)}")
