"""LoRA: a small, trainable update beside a large, frozen weight; put in, trained, merged, saved and loaded.

Letters in shapes:
  B    batch                              r  rank of the update
  ...  any dimensions, or none            C, D  channels, in and out

An adapted layer computes base(x) + (alpha / r) * B(A(x)), where A leads from C to r channels and B from r
to D. `lora_A`, `lora_B` and `base_layer` are peft's names, so that files move between the two.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LoRALinear(nn.Module):
    """A linear layer and a low-rank update beside it: base(x) + (alpha / r) * lora_B(lora_A(x)).

    base   the layer to adapt. It is kept as it is, not copied: change its weights, and the result changes.
    r      rank of the update, at least 1.
    alpha  the update is scaled by alpha / r.

    Attributes, named as in peft:
      base_layer   base itself
      lora_A       nn.Linear(C, r, bias=False), as torch initialises it (random)
      lora_B       nn.Linear(r, D, bias=False), all zeros: at the start the layer does what base does
      scaling      alpha / r, a Python number
      merged       a bool, False at the start. While it is True, forward is base_layer(x) alone, since the
                   update is in base_layer's weights by then (the exercise `merge` sees to that)
    lora_A and lora_B have base's dtype and device. No other parameters; which of them are trained is not
    decided here.
    Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021), section 4.1.
    """

    def __init__(self, base: nn.Linear, r: int, alpha: float) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.base_layer = base
        self.lora_A = nn.Linear(base.in_features, r, bias=False).to(base.weight)  # its dtype and device
        self.lora_B = nn.Linear(r, base.out_features, bias=False).to(base.weight)
        # One of the two must be random: with both zero, neither would ever get a gradient.
        nn.init.zeros_(self.lora_B.weight)
        self.scaling = alpha / r
        self.merged = False
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "... C"]) -> Float[Tensor, "... D"]:
        """x is not modified. Returns a new tensor with x's dtype and device."""
        ### BEGIN SOLUTION
        out: Tensor = self.base_layer(x)
        if not self.merged:
            # Through r channels: A and B are never multiplied with one another, which would cost C * D.
            out = out + self.scaling * self.lora_B(self.lora_A(x))
        return out
        ### END SOLUTION


class LoRAConv2d(nn.Module):
    """A convolution and a low-rank update beside it: base(x) + (alpha / r) * lora_B(lora_A(x)).

    base   the layer to adapt, with groups=1 and padding_mode="zeros". It is kept as it is, not copied.
    r      rank of the update, at least 1. alpha: the update is scaled by alpha / r.

    Attributes, named as in peft:
      base_layer   base itself
      lora_A       nn.Conv2d(C, r, ...) without bias, with base's kernel size, stride, padding and dilation;
                   as torch initialises it
      lora_B       nn.Conv2d(r, D, 1) without bias: 1 x 1, stride 1, no padding; all zeros
      scaling      alpha / r, a Python number
      merged       a bool, False at the start. While it is True, forward is base_layer(x) alone
    lora_A and lora_B have base's dtype and device. No other parameters.
    """

    def __init__(self, base: nn.Conv2d, r: int, alpha: float) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.base_layer = base
        # A looks at the picture as base does; B only mixes, at each place, what A has found there.
        self.lora_A = nn.Conv2d(
            base.in_channels,
            r,
            base.kernel_size,  # type: ignore[arg-type]
            stride=base.stride,  # type: ignore[arg-type]
            padding=base.padding,  # type: ignore[arg-type]
            dilation=base.dilation,  # type: ignore[arg-type]
            bias=False,
        ).to(base.weight)
        self.lora_B = nn.Conv2d(r, base.out_channels, 1, bias=False).to(base.weight)
        nn.init.zeros_(self.lora_B.weight)
        self.scaling = alpha / r
        self.merged = False
        ### END SOLUTION

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """x is not modified. Returns a new tensor with x's dtype and device."""
        ### BEGIN SOLUTION
        out: Tensor = self.base_layer(x)
        if not self.merged:
            out = out + self.scaling * self.lora_B(self.lora_A(x))
        return out
        ### END SOLUTION


def inject_lora(model: nn.Module, targets: Sequence[str], r: int, alpha: float) -> list[str]:
    """Put a LoRA layer around every linear layer and convolution of the model that a target names.

    model    changed in place. Its own nn.Linear become LoRALinear, its nn.Conv2d become LoRAConv2d.
    targets  a layer is meant if its name in model.named_modules() equals a target, or ends with "." and a
             target: "to_q" means "mid_block.attn.to_q", but not "mid_block.into_q". Names may lead through
             lists: "to_out.0". What is neither nn.Linear nor nn.Conv2d is left alone; so is what lies
             inside a LoRA layer, whatever its name.
    r, alpha as in LoRALinear.

    Returns the names of the layers that were replaced, in the order of model.named_modules(). A second call
    with the same targets finds nothing left to replace.
    Source: Hu et al. (2021), section 4.2, for which layers to choose.
    """
    ### BEGIN SOLUTION
    adapted = [name for name, module in model.named_modules() if isinstance(module, LoRALinear | LoRAConv2d)]
    # The list is made before anything is replaced: named_modules walks the tree that we are about to change.
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and any(name == target or name.endswith("." + target) for target in targets)
        and not any(name.startswith(layer + ".") for layer in adapted)
    ]
    for name, module in found:
        parent, _, own_name = name.rpartition(".")
        layer = LoRALinear if isinstance(module, nn.Linear) else LoRAConv2d
        # setattr finds the entries of lists, too: they are registered under "0", "1", ...
        setattr(model.get_submodule(parent), own_name, layer(module, r, alpha))  # type: ignore[arg-type]
    return [name for name, _ in found]
    ### END SOLUTION


def mark_trainable(model: nn.Module) -> list[nn.Parameter]:
    """Let the weights of all lora_A and lora_B be trained, and nothing else in the model.

    model  a model with LoRA layers in it, or a single LoRA layer. requires_grad of every parameter is set.

    Returns the parameters to be trained, in the order of model.parameters().
    """
    ### BEGIN SOLUTION
    model.requires_grad_(False)
    trainable: list[nn.Parameter] = []
    for layer in model.modules():
        if isinstance(layer, LoRALinear | LoRAConv2d):
            for part in (layer.lora_A, layer.lora_B):
                part.requires_grad_(True)
                trainable += part.parameters()
    return trainable
    ### END SOLUTION


@torch.no_grad()
def merge(model: nn.Module) -> None:
    """Add every LoRA layer's update to the weight of its base layer, and set its `merged` to True.

    model  a model with LoRA layers in it, or a single LoRA layer; changed in place. It computes the same
           as before, without the cost of the update. lora_A and lora_B stay as they are.

    The weight of a convolution's update is that of lora_B after lora_A, as one kernel [D, C, kh, kw].
    A layer that is merged already is not merged again: raise RuntimeError, or leave it alone.
    """
    ### BEGIN SOLUTION
    for layer in model.modules():
        if isinstance(layer, LoRALinear | LoRAConv2d) and not layer.merged:
            # For a convolution B is [D, r, 1, 1] and A is [r, C, kh, kw]; flat, both cases are B @ A.
            update = layer.lora_B.weight.flatten(1) @ layer.lora_A.weight.flatten(1)
            layer.base_layer.weight += layer.scaling * update.view_as(layer.base_layer.weight)
            layer.merged = True
    ### END SOLUTION


@torch.no_grad()
def unmerge(model: nn.Module) -> None:
    """Undo `merge`: take the update out of the base layers' weights again, and set `merged` to False.

    model  as for merge; changed in place. The base layers' weights are those from before `merge`, up to
           rounding. Layers that are not merged are left alone.
    """
    ### BEGIN SOLUTION
    for layer in model.modules():
        if isinstance(layer, LoRALinear | LoRAConv2d) and layer.merged:
            update = layer.lora_B.weight.flatten(1) @ layer.lora_A.weight.flatten(1)
            layer.base_layer.weight -= layer.scaling * update.view_as(layer.base_layer.weight)
            layer.merged = False
    ### END SOLUTION


def lora_state_dict(model: nn.Module, prefix: str = "unet.") -> dict[str, Tensor]:
    """What was trained, and nothing else, as diffusers loads it.

    model   a model with LoRA layers in it.
    prefix  stands before each name.

    Returns, for each LoRA layer, whose name in model.named_modules() is NAME:
      PREFIX + NAME + ".lora_A.weight"   lora_A's weight
      PREFIX + NAME + ".lora_B.weight"   lora_B's weight, multiplied by the layer's scaling: such a file has
                                         no place for alpha, and its readers take alpha for r
    Each tensor is a copy of its own, detached, with the weight's dtype and device. The model is not changed.
    """
    ### BEGIN SOLUTION
    state = {}
    for name, layer in model.named_modules():
        if isinstance(layer, LoRALinear | LoRAConv2d):
            state[f"{prefix}{name}.lora_A.weight"] = layer.lora_A.weight.detach().clone()
            state[f"{prefix}{name}.lora_B.weight"] = layer.lora_B.weight.detach() * layer.scaling
    return state
    ### END SOLUTION


@torch.no_grad()
def load_lora(
    model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "unet.", scaling: float = 1.0
) -> None:
    """Give the model's LoRA layers the weights of a file, so that it computes what the saved model did.

    model       its LoRA layers have the names and ranks of the file's, but perhaps another alpha: lora_B is
                set so that the *product* of the layer's own scaling and lora_B is what the file says.
    state_dict  as lora_state_dict returns it, with the same prefix; not modified, and no tensor of it is
                shared with the model.
    scaling     alpha / r of a file that keeps it apart, as peft's do: its lora_B counts `scaling` times.

    Raises an error (ValueError, KeyError or RuntimeError) if a LoRA layer finds no weights in the file, if
    the file has a name that belongs to no LoRA layer, or if a shape does not fit.
    """
    ### BEGIN SOLUTION
    layers = {
        f"{prefix}{name}": layer
        for name, layer in model.named_modules()
        if isinstance(layer, LoRALinear | LoRAConv2d)
    }
    expected = {f"{name}.{part}.weight" for name in layers for part in ("lora_A", "lora_B")}
    # Loading what fits and skipping the rest would load nothing at all where the prefix is wrong.
    if wrong := sorted(expected ^ state_dict.keys()):
        raise KeyError(f"missing or unexpected: {', '.join(wrong[:4])}")
    for name, layer in layers.items():
        for part, factor in (("lora_A", 1.0), ("lora_B", scaling / layer.scaling)):
            weight = getattr(layer, part).weight
            saved = state_dict[f"{name}.{part}.weight"]
            if saved.shape != weight.shape:
                raise ValueError(
                    f"{name}.{part} is {list(saved.shape)} in the file, not {list(weight.shape)}"
                )
            weight.copy_(factor * saved)
    ### END SOLUTION
