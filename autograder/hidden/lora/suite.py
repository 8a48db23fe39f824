"""Hidden tests of the module `lora`. Shapes use the letters of `solutions/lora.py`.

A model is made twice: here, of torch's layers and the reference's, and in the worker, of torch's layers and
the student's. What is expected is computed here. From `inject_lora` on nothing depends on what a student's
LoRA layer computes, only on what it holds: whoever has its `forward` wrong loses no more points for it.
"""

from __future__ import annotations

import builtins
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import (
    Draw,
    Example,
    Handle,
    Mismatch,
    Part,
    Student,
    StudentError,
    any_layout,
    as_torch_initialises,
    assert_close,
    assert_holds,
    assert_parameters,
    assert_tensor,
    copy_weights,
    dtypes,
    exercise,
    gradients,
    new_tensor,
    part,
    promises,
    rule,
    same_in_eval,
    twins,
    untouched,
    value,
)
from course.lab.layers import Attention
from solutions import lora as reference

RTOL = 1e-5  # whatever is worked out in float32 is right to so many digits: one test asks for all of them
RTOL_HALF = 2e-2  # float16: base, A and B each add their errors
IN_ANY_DTYPE = dtypes(torch.float64, torch.float16, rtol={torch.float16: RTOL_HALF})

LoRA = reference.LoRALinear | reference.LoRAConv2d


# --- The same model here and in the worker --------------------------------------------------------------


def _named(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def _lora(base: nn.Linear | nn.Conv2d, r: int, alpha: float) -> LoRA:
    """The reference's layer around `base`."""
    if isinstance(base, nn.Conv2d):
        return reference.LoRAConv2d(base, r, alpha)
    return reference.LoRALinear(base, r, alpha)


def _name_of_class(base: nn.Module) -> str:
    return "LoRAConv2d" if isinstance(base, nn.Conv2d) else "LoRALinear"


def _build(student: Student, module: nn.Module) -> Handle:
    """A module of the same build in the worker, with weights of its own; LoRA layers are the student's."""
    made = _part(module)
    return student.build(made.path, *made.args, **made.kwargs)


def _part(module: nn.Module) -> Part:
    match module:
        case reference.LoRALinear() | reference.LoRAConv2d():
            base, r = module.base_layer, module.lora_A.weight.shape[0]
            return part(_name_of_class(base), _part(base), r, _number(module.scaling * r))
        case nn.Linear():
            bias = module.bias is not None
            return part("torch.nn.Linear", module.in_features, module.out_features, bias=bias)
        case nn.Conv2d():
            return part(
                "torch.nn.Conv2d",
                *(module.in_channels, module.out_channels, module.kernel_size),
                stride=module.stride,
                padding=module.padding,
                dilation=module.dilation,
                bias=module.bias is not None,
            )
        case Attention():
            return part("course.lab.layers.Attention", module.to_q.in_features, module.heads)
        case nn.Sequential():
            layers = {name: _part(layer) for name, layer in module.named_children()}
            return part("torch.nn.Sequential", layers)
    kind, made_with = next(entry for entry in OTHERS.items() if isinstance(module, entry[0]))
    return part(f"torch.nn.{kind.__name__}", *made_with(module))


# Layers that no LoRA layer is made of, and the arguments that they are made with.
OTHERS: dict[type[nn.Module], Callable[[Any], Sequence[Any]]] = {
    nn.LayerNorm: lambda layer: [layer.normalized_shape[0]],
    nn.Embedding: lambda layer: [layer.num_embeddings, layer.embedding_dim],
    nn.Conv1d: lambda layer: [layer.in_channels, layer.out_channels, layer.kernel_size[0]],
    nn.ConvTranspose2d: lambda layer: [layer.in_channels, layer.out_channels, layer.kernel_size],
    nn.SiLU: lambda layer: [],
}


def _number(exactly: float) -> float:
    """alpha out of alpha / r * r, without what was rounded on the way."""
    return round(exactly, 9)


def _tell(handle: Handle, model: nn.Module) -> None:
    """Sees to attributes that a student's class has forgotten; what is right already may be a property."""
    wanted = {
        f"{name}.{own}".lstrip("."): getattr(layer, own)
        for name, layer in _lora_layers(model).items()
        for own in ("scaling", "merged")
    }
    if not wanted:
        return
    try:
        found = handle.attributes(*wanted)
    except StudentError:
        found = {}
    for path, to in wanted.items():
        value = found.get(path)
        if not (isinstance(value, float | int) and abs(value - to) < 1e-9):
            name, _, own = path.rpartition(".")
            (handle.submodule(name) if name else handle).set_attribute(own, to)


def _filled(student: Student, draw: Draw, model: nn.Module, dtype: torch.dtype = torch.float64) -> Handle:
    """The same module in the worker, with the same fresh weights. Its LoRA layers are the student's."""
    draw.weights(model, dtype)
    handle = _build(student, model)
    copy_weights(handle, model, dtype)  # a weight without a place shows where it is asked for
    return handle


def _twin(student: Student, draw: Draw, model: nn.Module, dtype: torch.dtype = torch.float64) -> Handle:
    """As `_filled`; its layers have their attributes, too."""
    handle = _filled(student, draw, model, dtype)
    _tell(handle, model)
    return handle


def _lora_layers(model: nn.Module) -> dict[str, LoRA]:
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, LoRA)}


def _update(layer: LoRA) -> Tensor:
    """The layer's update as one weight of its base's shape, each entry written out."""
    A, B = layer.lora_A.weight, layer.lora_B.weight
    if isinstance(layer, reference.LoRALinear):
        return layer.scaling * torch.einsum("dr,rc->dc", B, A)
    return layer.scaling * torch.einsum("dr,rckl->dckl", B[:, :, 0, 0], A)


def _adapted(layer: LoRA, x: Tensor) -> Tensor:
    """base with the update in its weight, in one step."""
    base = layer.base_layer
    weight = base.weight if layer.merged else base.weight + _update(layer)
    if isinstance(base, nn.Conv2d):
        return F.conv2d(x, weight, base.bias, base.stride, base.padding, base.dilation)
    return F.linear(x, weight, base.bias)


# --- One LoRA layer -------------------------------------------------------------------------------------

TRAINED = ["x", "lora_A.weight", "lora_B.weight"]  # whether base is frozen at once is not said


def _linear(*args: Any, **kwargs: Any) -> Part:
    return part("torch.nn.Linear", *args, **kwargs)


def _conv(*args: Any, **kwargs: Any) -> Part:
    return part("torch.nn.Conv2d", *args, **kwargs)


def _near(answer: Any, expected: Tensor) -> None:
    """Right to some digits, in whatever dtype: `dtypes` asks for all digits and for the dtype."""
    assert_close(answer, expected, rtol=RTOL, check_dtype=False)


def _agrees(
    student: Student,
    draw: Draw,
    base: Part,
    r: int,
    alpha: float,
    *shapes: Sequence[int],
    training: bool = True,
) -> None:
    """Gives what base gives with the update in its weight, for inputs of these shapes."""
    of: Any = reference.LoRAConv2d if base.path.endswith("Conv2d") else reference.LoRALinear
    handle, layer = twins(student, draw, of, base, r, alpha)
    if not training:
        handle.eval()
    for shape in shapes:
        x = draw.normal(*shape)
        _near(handle(x), _adapted(layer, x))


def _follows(student: Student, draw: Draw, base: nn.Linear | nn.Conv2d, x: Tensor) -> None:
    """First with the weights that base has when it is adapted, then with others."""
    layer, there = _lora(base, 2, 3.0), _build(student, base)
    handle = student.new(_name_of_class(base), there, 2, 3.0)
    for _ in range(2):
        draw.weights(layer)
        own = {name: weight for name, weight in layer.state_dict().items() if name.startswith("lora_")}
        handle.load_state_dict(own, strict=False, dtype=torch.float64, wait=False)
        there.load_state_dict(base.state_dict(), dtype=torch.float64, wait=False)
        _near(handle(x), _adapted(layer, x))


def _new(student: Student, draw: Draw, base: nn.Linear | nn.Conv2d, *given: str) -> tuple[Handle, LoRA]:
    """A new layer of the student's, and the reference's, alike in those weights whose names begin so."""
    layer, handle = draw.weights(_lora(base, 2, 3.0)), student.new(_name_of_class(base), _part(base), 2, 3.0)
    state = {name: weight for name, weight in layer.state_dict().items() if name.startswith(given)}
    handle.load_state_dict(state, strict=False, dtype=torch.float64, wait=False)
    return handle, layer


def _starts_as_base(student: Student, draw: Draw, base: nn.Linear | nn.Conv2d, x: Tensor) -> None:
    handle, _ = _new(student, draw, base, "base_layer", "lora_A")
    _near(handle(x), base(x))


def _first_step(student: Student, draw: Draw, base: nn.Linear | nn.Conv2d, x: Tensor) -> None:
    """With lora_A and lora_B as they start."""
    handle, layer = _new(student, draw, base, "base_layer")
    found = handle.gradients(x, cotangent=draw.normal(*base(x).shape)).parameters
    reached, behind = (found.get(f"lora_{each}.weight") for each in "BA")
    assert_holds(reached is not None and reached.any(), "no gradient reaches lora_B, or it is zero")
    assert_tensor(reached, shape=tuple(layer.lora_B.weight.shape))
    assert_holds(behind is None or not behind.any(), "a gradient reaches lora_A, past a lora_B of zeros")


def _while_merged(student: Student, draw: Draw, base: nn.Linear | nn.Conv2d, x: Tensor) -> None:
    handle, layer = _new(student, draw, base, "")
    for merged in (True, False):
        layer.merged = merged
        handle.set_attribute("merged", merged)
        _near(handle(x), _adapted(layer, x))


def _attributes(student: Student, kind: str, base: Part) -> None:
    for r, alpha in ((4, 2.0), (3, 5.0)):
        found = student.new(kind, base, r, alpha).attributes("scaling", "merged")
        assert_holds(type(found["scaling"]) in (int, float), "`scaling` is not a Python number")
        assert_holds(abs(found["scaling"] - alpha / r) < 1e-6, "`scaling` is wrong")
        assert_holds(found["merged"] is False, "`merged` is not False at the start")


def _as_base_is(student: Student, draw: Draw, kind: str, *made_with: Any) -> None:
    # A base without numbers stands for one on a GPU. Where there is one, the grader moves all to it anyway.
    gpu = "meta" if draw.device.type == "cpu" else draw.device.type
    for dtype, device in ((torch.float64, None), (torch.float16, gpu)):
        base = part(f"torch.nn.{kind}", *made_with, dtype=dtype, device=device)
        found = student.new(f"LoRA{kind}", base, 2, 4.0).parameters()
        assert_holds(len(found) > 2, "lora_A or lora_B is missing")
        for name, parameter in found.items():
            assert_holds(parameter.dtype == dtype, f"`{name}` has not the dtype of base's weight")
        devices = {parameter.device for parameter in found.values()}
        assert_holds(len(devices) == 1, "lora_A or lora_B is not on the device of base's weight")


def _of_linear(draw: Draw) -> Iterator[Example]:
    yield Example(reference.LoRALinear, draw.normal(3, 2, 5), made_with=(_linear(5, 4), 2, 3.0))


@exercise("LoRALinear")
@promises(
    _of_linear,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL),
    same_in_eval(weight=6, rtol=RTOL),
    any_layout(rtol=RTOL),
    IN_ANY_DTYPE,
    gradients(weight=12, rtol=RTOL, to=TRAINED),
    as_torch_initialises(reference.LoRALinear, _linear(90, 2, bias=False), 4, 6.0, weight=4),
)
class LoRALinear:
    @value(weight=4)
    def agrees_with_the_formula(self, student: Student, draw: Draw) -> None:
        """Adds alpha / r times B(A(x)) to base(x), whatever the rank and alpha, with a bias or without."""
        for C, D, r, alpha, bias in ((5, 7, 3, 1.5, True), (6, 1, 1, 4.0, False)):
            _agrees(student, draw, _linear(C, D, bias=bias), r, alpha, (3, C))

    @value()
    def any_dimensions(self, student: Student, draw: Draw) -> None:
        """Takes any number of dimensions before the channels, or none, and does so in eval mode, too."""
        # With gradients: `same_in_eval` does not tell eval mode from no_grad, and they have other names.
        _agrees(student, draw, _linear(4, 6), 2, 3.0, (4,), (2, 1, 3, 4), training=False)

    @value(weight=2)
    def base_is_no_copy(self, student: Student, draw: Draw) -> None:
        """Keeps base itself, not a copy: when any of the weights is changed, the result follows."""
        _follows(student, draw, nn.Linear(4, 5), draw.normal(3, 4))

    @rule(weight=2)
    def starts_as_base(self, student: Student, draw: Draw) -> None:
        """At the start it does what base does: lora_B is all zeros."""
        _starts_as_base(student, draw, nn.Linear(5, 4), draw.normal(3, 5))

    @rule(weight=8)
    def first_step(self, student: Student, draw: Draw) -> None:
        """It can be trained: at the start lora_B gets a gradient; lora_A, behind zeros, gets none yet."""
        _first_step(student, draw, nn.Linear(5, 4), draw.normal(3, 5))

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Has base's parameters and two more, lora_A.weight and lora_B.weight, in the right shapes."""
        for base in (nn.Linear(5, 7), nn.Linear(6, 4, bias=False)):
            handle = student.new("LoRALinear", _part(base), r=3, alpha=2.0)
            assert_parameters(handle, _lora(base, 3, 2.0))

    @rule()
    def merged(self, student: Student, draw: Draw) -> None:
        """While `merged` is True, it gives what base gives alone; when it is False again, the sum again."""
        _while_merged(student, draw, nn.Linear(5, 4), draw.normal(3, 5))

    @rule()
    def attributes(self, student: Student, draw: Draw) -> None:
        """Its `scaling` is alpha / r, a Python number, and its `merged` is False at the start."""
        _attributes(student, "LoRALinear", _linear(4, 3))

    @rule(weight=2)
    def dtype_and_device_of_base(self, student: Student, draw: Draw) -> None:
        """lora_A and lora_B have the dtype and the device of base's weight."""
        _as_base_is(student, draw, "Linear", 4, 3)


def _of_conv(draw: Draw) -> Iterator[Example]:
    base = _conv(3, 4, 3, padding=1)
    yield Example(reference.LoRAConv2d, draw.normal(2, 3, 4, 5), made_with=(base, 2, 3.0))


@exercise("LoRAConv2d")
@promises(
    _of_conv,
    untouched(rtol=RTOL),
    new_tensor(rtol=RTOL),
    same_in_eval(weight=8, rtol=RTOL),
    any_layout(rtol=RTOL),
    IN_ANY_DTYPE,
    gradients(weight=17, rtol=RTOL, to=TRAINED),
    as_torch_initialises(reference.LoRAConv2d, _conv(8, 2, 7, bias=False), 4, 3.0, weight=4),
)
class LoRAConv2d:
    @value(weight=4)
    def agrees_with_one_kernel(self, student: Student, draw: Draw) -> None:
        """Gives what one convolution gives whose kernel is base's plus alpha / r times the update's."""
        _agrees(student, draw, _conv(3, 5, 3, padding=1), 2, 3.0, (3, 3, 4, 5))
        _agrees(student, draw, _conv(4, 1, 1, bias=False), 1, 1.5, (3, 4, 4, 5))

    @value(weight=3)
    def stride(self, student: Student, draw: Draw) -> None:
        """Takes the stride from base, also one that differs between height and width."""
        _agrees(student, draw, _conv(3, 4, 3, stride=(2, 3), padding=1), 2, 3.0, (1, 3, 7, 6))

    @value(weight=3)
    def padding(self, student: Student, draw: Draw) -> None:
        """Takes the padding from base: one for height and one for width, or the word "same"."""
        for base in (_conv(3, 2, 3, padding=(2, 1)), _conv(3, 2, 3, padding="same", dilation=2)):
            _agrees(student, draw, base, 2, 3.0, (1, 3, 4, 5))

    @value(weight=3)
    def dilation(self, student: Student, draw: Draw) -> None:
        """Takes the dilation from base, also one that differs between height and width."""
        _agrees(student, draw, _conv(2, 3, 3, padding=2, dilation=(2, 3)), 2, 3.0, (1, 2, 5, 6))

    @value(weight=3)
    def kernel_size(self, student: Student, draw: Draw) -> None:
        """Takes the size of the kernel from base, also one that is not square, and in eval mode, too."""
        _agrees(student, draw, _conv(3, 4, (3, 2)), 2, 3.0, (1, 3, 4, 5), training=False)

    @value()
    def base_is_no_copy(self, student: Student, draw: Draw) -> None:
        """Keeps base itself, not a copy: when any of the weights is changed, the result follows."""
        _follows(student, draw, nn.Conv2d(2, 3, 3), draw.normal(3, 2, 4, 3))

    @rule(weight=2)
    def starts_as_base(self, student: Student, draw: Draw) -> None:
        """At the start it does what base does: lora_B is all zeros."""
        _starts_as_base(student, draw, nn.Conv2d(3, 4, 3, padding=1), draw.normal(1, 3, 4, 5))

    @rule(weight=8)
    def first_step(self, student: Student, draw: Draw) -> None:
        """It can be trained: at the start lora_B gets a gradient; lora_A, behind zeros, gets none yet."""
        _first_step(student, draw, nn.Conv2d(2, 4, 3), draw.normal(1, 2, 3, 4))

    @rule()
    def two_convolutions(self, student: Student, draw: Draw) -> None:
        """lora_A alone looks at the images as base does; lora_B alone mixes the channels of each pixel."""
        base = _conv(2, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2))
        handle, layer = twins(student, draw, reference.LoRAConv2d, base, 3, 2.0)
        x = draw.normal(1, 2, 6, 5)
        for name, given in (("lora_A", x), ("lora_B", layer.lora_A(x).detach())):
            _near(handle.submodule(name)(given), getattr(layer, name)(given))

    @rule()
    def parameters(self, student: Student, draw: Draw) -> None:
        """Has base's parameters and two more, lora_A.weight and lora_B.weight, in the right shapes."""
        for base in (nn.Conv2d(3, 5, (3, 2)), nn.Conv2d(4, 2, 3, bias=False)):
            handle = student.new("LoRAConv2d", _part(base), r=3, alpha=2.0)
            assert_parameters(handle, _lora(base, 3, 2.0))

    @rule()
    def merged(self, student: Student, draw: Draw) -> None:
        """While `merged` is True, it gives what base gives alone; when it is False again, the sum again."""
        _while_merged(student, draw, nn.Conv2d(3, 4, 3), draw.normal(3, 3, 4, 5))

    @rule()
    def attributes(self, student: Student, draw: Draw) -> None:
        """Its `scaling` is alpha / r, a Python number, and its `merged` is False at the start."""
        _attributes(student, "LoRAConv2d", _conv(2, 3, 1))

    @rule(weight=2)
    def dtype_and_device_of_base(self, student: Student, draw: Draw) -> None:
        """lora_A and lora_B have the dtype and the device of base's weight."""
        _as_base_is(student, draw, "Conv2d", 2, 3, 3)


# --- inject_lora ----------------------------------------------------------------------------------------

Shapes = dict[str, tuple[int, ...]]


def _shapes(module: nn.Module) -> Shapes:
    return {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}


def _adapted_shapes(student: Student, model: nn.Module, ranks: Mapping[str, int]) -> Shapes:
    """The model's parameters once the layers of these names are the student's LoRA layers, of these ranks."""
    expected, names = _shapes(model), list(ranks)
    layers: dict[str, nn.Module] = {}
    for number, (name, r) in enumerate(ranks.items()):
        base = model.get_submodule(name)
        assert isinstance(base, nn.Linear | nn.Conv2d)
        for own, _ in base.named_parameters():
            del expected[f"{name}.{own}"]
        layers[str(number)] = _lora(base, r, 4.0)
    # As the student has written them, right or wrong: that was another exercise.
    for path, parameter in _build(student, _named(**layers)).parameters().items():
        entry, _, own = path.partition(".")
        expected[f"{names[int(entry)]}.{own}"] = parameter.shape
    return expected


def _assert_shapes(handle: Handle, expected: Shapes) -> None:
    """As assert_parameters, without telling a student the names in the hidden tests."""
    found: Mapping[str, Any] = {name: parameter.shape for name, parameter in handle.parameters().items()}
    if str(sorted(found.items(), key=str)) != str(sorted(expected.items(), key=str)):
        raise Mismatch(
            "the model's parameters afterwards are not those of one whose LoRA layers are exactly the layers "
            f"that were meant: it has {len(found)}, and should have {len(expected)}"
            if len(found) != len(expected)
            else "the model's parameters afterwards have other names or shapes than they should"
        )


def _assert_names(answer: Any, expected: Sequence[str]) -> None:
    assert_holds(isinstance(answer, list | tuple), "a list of names was expected")
    assert_holds(sorted(map(str, answer)) == sorted(expected), "the names returned are not the right ones")
    assert_holds(list(answer) == list(expected), "the names returned are in the wrong order")


def _assert_injected(
    student: Student, model: nn.Module, targets: Sequence[str], expected: Sequence[str]
) -> None:
    """inject_lora replaces the layers called `expected`, says so, and leaves everything else."""
    handle = _build(student, model)
    _assert_names(student.inject_lora(handle, targets, 2, 4.0), expected)
    _assert_shapes(handle, _adapted_shapes(student, model, dict.fromkeys(expected, 2)))


@exercise("inject_lora")
class InjectLora:
    @value(weight=4)
    def named_layers(self, student: Student, draw: Draw) -> None:
        """Replaces the layers that the targets name, deep in the model too, and no others."""
        model = _named(
            block=_named(attn=Attention(4, 2), norm=nn.LayerNorm(4), out=nn.Linear(4, 3)),
            head=nn.Linear(3, 2),
        )
        targets = ["to_v", "to_q", "head"]
        _assert_injected(student, model, targets, ["block.attn.to_q", "block.attn.to_v", "head"])

    @value(weight=2)
    def whole_names(self, student: Student, draw: Draw) -> None:
        """A target is a layer's whole name, or its whole end after a dot; never a part of a longer word."""
        model = _named(
            into_q=nn.Linear(4, 4),
            to_q=nn.Linear(4, 3),
            to_q_norm=nn.Linear(3, 3),
            to_q2=_named(proj=nn.Linear(3, 3), to_q=nn.Linear(3, 2)),
            to_q2_to_q=nn.Linear(2, 3),
        )
        _assert_injected(student, model, ["to_q", "to", "pro", "to_q2.to_q"], ["to_q", "to_q2.to_q"])

    @value(weight=2)
    def entries_of_lists(self, student: Student, draw: Draw) -> None:
        """Targets may lead through lists, to an entry with a number for its name."""
        model = nn.Sequential(Attention(4, 2), Attention(4, 2), nn.Linear(4, 3))
        _assert_injected(student, model, ("1.to_out.0", "2"), ["1.to_out.0", "2"])
        _assert_injected(student, model, ["to_out.0"], ["0.to_out.0", "1.to_out.0"])

    @value(weight=2)
    def convolutions(self, student: Student, draw: Draw) -> None:
        """A convolution becomes a LoRAConv2d, a linear layer a LoRALinear."""
        model = _named(
            conv_in=nn.Conv2d(2, 3, 3, padding=1),
            down=_named(conv=nn.Conv2d(3, 4, (3, 1))),
            proj=nn.Linear(4, 5),
        )
        _assert_injected(student, model, ["proj", "conv", "conv_in"], ["conv_in", "down.conv", "proj"])

    @value(weight=2)
    def other_kinds_of_layers(self, student: Student, draw: Draw) -> None:
        """Leaves alone what is neither nn.Linear nor nn.Conv2d, even if a target names it."""
        model = _named(
            norm=nn.LayerNorm(4),
            block=_named(act=nn.SiLU(), proj=nn.Linear(4, 3)),
            embed=nn.Embedding(3, 4),
            up=nn.ConvTranspose2d(2, 2, 2),
            line=nn.Conv1d(2, 2, 3),
        )
        _assert_injected(student, model, [*dict(model.named_children()), "act", "proj"], ["block.proj"])

    @value(weight=2)
    def keeps_the_weights(self, student: Student, draw: Draw) -> None:
        """The weights and biases of the model are the old ones, in the replaced layers as well."""
        model = _named(
            proj=nn.Linear(4, 5), deep=_named(proj=nn.Linear(5, 3, bias=False), out=nn.Linear(3, 2))
        )
        handle = _filled(student, draw, model)
        _assert_names(student.inject_lora(handle, ["proj"], 2, 4.0), ["proj", "deep.proj"])
        places = {name: name.replace("proj.", "proj.base_layer.") for name, _ in model.named_parameters()}
        found = handle.attributes(*places.values())
        for name, weight in model.named_parameters():
            assert_close(found[places[name]], weight, rtol=0)

    @value()
    def rank_and_alpha(self, student: Student, draw: Draw) -> None:
        """The new layers have the rank and the alpha that were asked for."""
        r, alpha, names = 3, 1.5, ["first", "then.first"]
        model = _named(first=nn.Linear(5, 4), then=_named(first=nn.Linear(4, 6)))
        handle = _build(student, model)
        _assert_names(student.inject_lora(handle, alpha=alpha, r=r, targets=["first"]), names)
        _assert_shapes(handle, _adapted_shapes(student, model, dict.fromkeys(names, r)))
        scaling = _scaling_of(_build(student, _lora(nn.Linear(2, 2), r, alpha)))
        if scaling is not None:
            for found in handle.attributes("first.scaling", "then.first.scaling").values():
                assert_holds(found == scaling, "`scaling` of a new layer is wrong")

    @value(weight=2)
    def second_call(self, student: Student, draw: Draw) -> None:
        """Called again with the same targets, it finds nothing left to replace, and changes nothing."""
        model = _named(attn=Attention(4, 2), proj=nn.Linear(4, 3))
        names = ["attn.to_q", "attn.to_out.0", "proj"]
        targets = ["to_out.0", "to_q", "proj"]
        handle = _build(student, model)
        _assert_names(student.inject_lora(handle, targets, 2, 4.0), names)
        _assert_names(student.inject_lora(handle, targets, 2, 4.0), [])
        _assert_shapes(handle, _adapted_shapes(student, model, dict.fromkeys(names, 2)))

    @value(weight=2)
    def inside_of_lora_layers(self, student: Student, draw: Draw) -> None:
        """What lies inside a LoRA layer, of either kind, is left alone, and nothing else for its name."""
        block = _named(proj=nn.Linear(4, 3), base_layer=nn.Linear(3, 2))
        model = _named(block=block, conv=nn.Conv2d(2, 3, 1))
        handle = _build(student, model)
        _assert_names(student.inject_lora(handle, ["proj", "conv"], 2, 4.0), ["block.proj", "conv"])
        # Not "lora_A" alone: whoever wraps the inside of what was just put there would never come to an end.
        inside = ["proj.base_layer", "block.proj.lora_A", "proj.lora_B", "conv.base_layer", "conv.lora_B"]
        found = student.inject_lora(handle, [*inside, "block.base_layer"], 2, 4.0)
        _assert_names(found, ["block.base_layer"])
        ranks = dict.fromkeys(["block.proj", "block.base_layer", "conv"], 2)
        _assert_shapes(handle, _adapted_shapes(student, model, ranks))

    @value(weight=2)
    def second_round(self, student: Student, draw: Draw) -> None:
        """A second call replaces only what is new, also where a name begins like that of a LoRA layer."""
        model = _named(
            proj=nn.Linear(4, 3), proj_out=nn.Linear(3, 2), conv=nn.Conv2d(2, 3, 1), conv2=nn.Conv2d(3, 2, 1)
        )
        handle = _build(student, model)
        _assert_names(student.inject_lora(handle, ["proj", "conv"], 2, 4.0), ["proj", "conv"])
        again = ["conv", "conv2", "proj_out", "proj"]
        _assert_names(student.inject_lora(handle, again, 1, 4.0), ["proj_out", "conv2"])
        ranks = {"proj": 2, "conv": 2, "proj_out": 1, "conv2": 1}
        _assert_shapes(handle, _adapted_shapes(student, model, ranks))

    @rule()
    def nothing_to_find(self, student: Student, draw: Draw) -> None:
        """Without a layer that a target names, it returns an empty list, and the model is as before."""
        model = _named(block=_named(proj=nn.Linear(4, 3)), norm=nn.LayerNorm(3))
        handle = _build(student, model)
        for targets in ([], ["to_q", "block"], ["ck.proj", "proj.weight"]):
            _assert_names(student.inject_lora(handle, targets, 2, 4.0), [])
        _assert_shapes(handle, _shapes(model))

    @rule()
    def order_of_targets(self, student: Student, draw: Draw) -> None:
        """In whatever order targets are listed, and however often, layers are replaced once, in one order."""
        model = _named(second=nn.Linear(3, 4), first=_named(a=nn.Linear(4, 2), b=nn.Linear(2, 3)))
        names = ["second", "first.a", "first.b"]
        for targets in (["b", "a", "second"], ["first.a", "second", "b", "a", "second"]):
            handle = _build(student, model)
            _assert_names(student.inject_lora(handle, targets, 2, 4.0), names)
        _assert_shapes(handle, _adapted_shapes(student, model, dict.fromkeys(names, 2)))


def _scaling_of(layer: Handle) -> Any:
    """None where a student's class has forgotten it: that was another exercise."""
    try:
        return layer.attribute("scaling")
    except StudentError:
        return None


# --- mark_trainable, merge and unmerge ------------------------------------------------------------------


def _new_model() -> nn.Sequential:
    """Two adapted linear layers, one of them deeper down and square, beside one that is not."""
    return _named(
        proj=_lora(nn.Linear(4, 5), 2, 3.0),
        block=_named(plain=nn.Linear(5, 3), out=_lora(nn.Linear(3, 3, bias=False), 3, 4.5)),
    )


def _new_convolutions() -> nn.Sequential:
    """An adapted convolution, another that is not square and deeper down, and a plain one."""
    return _named(
        conv=_lora(nn.Conv2d(3, 4, 3, padding=1), 2, 3.0),
        plain=nn.Conv2d(4, 2, 1),
        block=_named(conv=_lora(nn.Conv2d(2, 3, (1, 3), bias=False), 1, 0.5)),
    )


def _new_single() -> nn.Sequential:
    """A single adapted layer, where that is enough."""
    return _named(block=_named(proj=_lora(nn.Linear(4, 5), 2, 3.0)))


# Put together once: each test draws their weights anew. Whoever changes more than weights takes a new one.
_model, _convolutions, _single = cache(_new_model), cache(_new_convolutions), cache(_new_single)


def _trained(model: nn.Module) -> dict[str, Tensor]:
    """lora_A and lora_B of all the model's LoRA layers, in the order of parameters()."""
    return {
        name: parameter.detach()
        for name, parameter in model.named_parameters()
        if name.endswith(("lora_A.weight", "lora_B.weight"))
    }


def _assert_marked(handle: Handle, model: nn.Module) -> None:
    """Of the model's parameters exactly those of the updates are trainable."""
    found, trained = handle.parameters(), _trained(model)
    for name, _ in model.named_parameters():
        assert_holds(name in found, "the model does not have the parameters any more that it had")
        what = "lora_A or lora_B" if name in trained else "something else than lora_A and lora_B"
        state = "cannot" if name in trained else "can"
        assert_holds(
            found[name].requires_grad == (name in trained), f"{what} {state} be trained: see requires_grad"
        )


def _assert_returned(answer: Any, model: nn.Module) -> None:
    expected = list(_trained(model).values())
    assert_holds(isinstance(answer, list | tuple), "a list of parameters was expected")
    assert_holds(
        len(answer) == len(expected), f"{len(answer)} parameters were returned: too many, or too few"
    )
    for found, wanted in zip(answer, expected, strict=True):
        assert_close(found, wanted, rtol=0)


@exercise("mark_trainable")
class MarkTrainable:
    @value(weight=3)
    def only_the_updates(self, student: Student, draw: Draw) -> None:
        """Where all could be trained before, afterwards only lora_A and lora_B can be."""
        model = _model()
        handle = _build(student, model)
        handle.method("requires_grad_", True)
        student.mark_trainable.keep(handle)
        _assert_marked(handle, model)

    @value(weight=2)
    def mixed_before(self, student: Student, draw: Draw) -> None:
        """Where some could be trained before and some were frozen, all are set right."""
        model = _model()
        handle = _build(student, model)
        handle.method("requires_grad_", False)
        handle.submodule("block").method("requires_grad_", True)
        student.mark_trainable.keep(handle)
        _assert_marked(handle, model)

    @value()
    def convolutions(self, student: Student, draw: Draw) -> None:
        """Does the same for convolutions, and returns their lora_A and lora_B."""
        model = _convolutions()
        handle = _filled(student, draw, model)
        handle.method("requires_grad_", True)
        _assert_returned(student.mark_trainable(handle), model)
        _assert_marked(handle, model)

    @value()
    def single_layer(self, student: Student, draw: Draw) -> None:
        """Takes a single LoRA layer for a model, too."""
        model = _lora(nn.Linear(4, 3), 2, 3.0)
        handle = _filled(student, draw, model)
        handle.method("requires_grad_", True)
        _assert_returned(student.mark_trainable(handle), model)
        _assert_marked(handle, model)

    @value(weight=2)
    def returns_the_updates(self, student: Student, draw: Draw) -> None:
        """Returns the weights of all lora_A and lora_B, in the order of parameters(), and nothing else."""
        model = _model()
        handle = _filled(student, draw, model)
        _assert_returned(student.mark_trainable(handle), model)

    @value(weight=4)
    def one_step(self, student: Student, draw: Draw) -> None:
        """An optimiser step with what is returned changes lora_A and lora_B, and no bit of anything else."""
        model = _new_model()
        handle = _filled(student, draw, model)
        handle.method("requires_grad_", True)
        chosen = student.mark_trainable.keep(handle)
        # Layer by layer, so that it is not the student's forward that is put to the test.
        for name in ("block.plain", "proj.lora_A", "proj.lora_B"):
            here = model.get_submodule(name)
            here.requires_grad_("lora_" in name)
            x = draw.normal(3, here.get_parameter("weight").shape[-1]).requires_grad_()
            output = here(x)
            cotangent = draw.normal(*output.shape)
            output.backward(cotangent)
            handle.submodule(name).gradients(x, cotangent=cotangent)
        student.step(chosen, lr=0.5)
        found = handle.state_dict()
        for name, weight in model.named_parameters():
            assert_holds(name in found, "the model does not have the weights any more that it had")
            if weight.grad is None:
                assert_close(found[name], weight.detach(), rtol=0)
            else:
                assert_close(found[name], weight.detach() - 0.5 * weight.grad)

    @rule(weight=2)
    def again(self, student: Student, draw: Draw) -> None:
        """Called again, it returns the same, and the same can be trained; no weight has changed by it."""
        model = _model()
        handle = _filled(student, draw, model)
        _assert_returned(student.mark_trainable.twice(handle), model)
        _assert_marked(handle, model)
        _assert_weights(handle, dict(model.named_parameters()), rtol=0)

    @rule()
    def no_update_at_all(self, student: Student, draw: Draw) -> None:
        """In a model without LoRA layers, nothing can be trained afterwards, and the list is empty."""
        model = _named(proj=nn.Linear(4, 3), block=_named(norm=nn.LayerNorm(3)))
        handle = _build(student, model)
        answer = student.mark_trainable(handle)
        assert_holds(isinstance(answer, list | tuple) and len(answer) == 0, "an empty list was expected")
        _assert_marked(handle, model)


def _assert_weights(
    handle: Handle, expected: Mapping[str, Tensor], rtol: float | None = RTOL, check_dtype: bool = False
) -> None:
    """The named weights of the model have these values; `rtol` 0 where nothing may have touched them."""
    found = handle.state_dict()
    for name, wanted in expected.items():
        assert_holds(name in found, "the model does not have the weights any more that it had")
        assert_close(found[name], wanted.detach(), rtol=rtol, check_dtype=check_dtype)


def _with_updates(model: nn.Module) -> dict[str, Tensor]:
    """The weights of the base layers with their updates added."""
    return {
        f"{name}.base_layer.weight".lstrip("."): (layer.base_layer.weight + _update(layer)).detach()
        for name, layer in _lora_layers(model).items()
    }


def _of_bases(model: nn.Module) -> dict[str, Tensor]:
    """The same weights without them."""
    return {name: model.get_parameter(name).detach() for name in _with_updates(model)}


def _assert_flags(handle: Handle, model: nn.Module, merged: bool) -> None:
    flags = handle.attributes(*(f"{name}.merged" for name in _lora_layers(model)))
    assert_holds(all(flag is merged for flag in flags.values()), f"`merged` is not {merged} afterwards")


def _attempt(call: Callable[..., Any], *args: Any) -> bool:
    """Whether it was done; False if it was refused by a RuntimeError."""
    try:
        call(*args)
    except StudentError as error:
        if error.type != "RuntimeError":
            raise
        return False
    return True


@exercise("merge")
class Merge:
    @value(weight=4)
    def linear_layers(self, student: Student, draw: Draw) -> None:
        """merge adds alpha / r times B A to the weight of every adapted linear layer, square ones, too."""
        model = _model()
        handle = _twin(student, draw, model)
        student.merge(handle)
        _assert_weights(handle, _with_updates(model))

    @value(weight=3)
    def convolutions(self, student: Student, draw: Draw) -> None:
        """merge adds the kernel of lora_B after lora_A to every convolution's; unmerge takes it out again."""
        model = _convolutions()
        handle = _twin(student, draw, model)
        student.merge(handle)
        _assert_weights(handle, _with_updates(model))
        student.unmerge(handle)
        _assert_weights(handle, _of_bases(model))

    @value(weight=2)
    def takes_updates_out(self, student: Student, draw: Draw) -> None:
        """After merge and unmerge the weights of linear layers are the old ones, up to rounding."""
        model = _model()
        handle = _twin(student, draw, model)
        student.merge(handle)
        merged, old = handle.state_dict(), _of_bases(model)
        for name, weight in old.items():
            found = assert_tensor(merged.get(name), shape=tuple(weight.shape))
            assert_holds(not torch.allclose(found, weight.to(found)), "merge changes nothing")
        student.unmerge(handle)
        _assert_weights(handle, old)

    @value(weight=2)
    def says_so(self, student: Student, draw: Draw) -> None:
        """merge sets `merged` of every layer to True, unmerge to False, in eval mode as in training."""
        model = _model()
        handle = _twin(student, draw, model).eval()
        student.merge(handle)
        _assert_flags(handle, model, True)
        student.unmerge(handle)
        _assert_flags(handle, model, False)

    @value()
    def single_layer(self, student: Student, draw: Draw) -> None:
        """Both take a single LoRA layer for a model, too."""
        layer = _lora(nn.Linear(4, 3), 2, 3.0)
        handle = _twin(student, draw, layer)
        student.merge(handle)
        _assert_weights(handle, _with_updates(layer))
        student.unmerge(handle)
        _assert_weights(handle, _of_bases(layer))

    @value()
    def frozen_base(self, student: Student, draw: Draw) -> None:
        """Both work whether base is frozen or not, and leave that as it is: no graph hangs on its weight."""
        model = _model()
        handle = _twin(student, draw, model)
        handle.submodule("block.out.base_layer").method("requires_grad_", False)
        student.merge(handle)
        _assert_weights(handle, _with_updates(model))
        student.unmerge(handle)
        found = handle.parameters()
        for name, frozen in (("proj.base_layer.weight", False), ("block.out.base_layer.weight", True)):
            assert_holds(name in found, "base_layer.weight is no parameter any more")
            assert_holds(
                found[name].requires_grad is not frozen, "requires_grad of base's weight has changed"
            )

    @value()
    def any_precision(self, student: Student, draw: Draw) -> None:
        """Both are as exact as base's weight allows, which keeps its dtype: float64, or float16."""
        for dtype, rtol in ((torch.float64, None), (torch.float16, RTOL_HALF)):
            model = _single()
            handle = _twin(student, draw, model, dtype)
            student.merge(handle)
            _assert_weights(handle, _with_updates(model), rtol, check_dtype=True)
            student.unmerge(handle)
            _assert_weights(handle, _of_bases(model), rtol, check_dtype=True)

    @rule(weight=2)
    def merged_once(self, student: Student, draw: Draw) -> None:
        """A second merge in a row is refused with a RuntimeError, or changes nothing."""
        model = _single()
        handle = _twin(student, draw, model)
        student.merge(handle)
        _attempt(student.merge, handle)
        _assert_weights(handle, _with_updates(model))

    @rule()
    def one_of_them_merged(self, student: Student, draw: Draw) -> None:
        """Where one layer is merged already, it is left alone: the others are merged, or it is an error."""
        model = _model()
        handle = _twin(student, draw, model)
        student.merge(handle.submodule("proj"))
        refused = not _attempt(student.merge, handle)
        found, expected = handle.state_dict(), _with_updates(model)
        for name, wanted in expected.items():
            old = model.get_parameter(name).detach()
            left = name.startswith("block") and torch.equal(found.get(name, wanted), old)
            _near(found.get(name), old if left and refused else wanted)

    @rule()
    def nothing_to_take_out(self, student: Student, draw: Draw) -> None:
        """unmerge leaves layers alone that are not merged, beside others that are."""
        model = _model()
        handle = _twin(student, draw, model)
        student.merge(handle.submodule("block.out"))
        student.unmerge(handle)
        _assert_weights(handle, _of_bases(model))

    @rule()
    def again(self, student: Student, draw: Draw) -> None:
        """What was merged and taken out can be merged again."""
        model = _single()
        handle = _twin(student, draw, model)
        for change in (student.merge, student.unmerge, student.merge):
            change(handle)
        _assert_weights(handle, _with_updates(model))

    @rule()
    def the_rest_stays(self, student: Student, draw: Draw) -> None:
        """Neither touches lora_A, lora_B, a bias, or a layer that is not adapted."""
        model = _model()
        handle = _twin(student, draw, model)
        student.merge(handle)
        student.unmerge(handle)
        changed = _with_updates(model)
        rest = {name: weight for name, weight in model.state_dict().items() if name not in changed}
        _assert_weights(handle, rest, rtol=0)


# --- lora_state_dict and load_lora ----------------------------------------------------------------------


def _saved(model: nn.Module, prefix: str) -> dict[str, Tensor]:
    """What the file of the model's adapter holds."""
    state: dict[str, Tensor] = {}
    for name, layer in _lora_layers(model).items():
        state[f"{prefix}{name}.lora_A.weight"] = layer.lora_A.weight.detach()
        state[f"{prefix}{name}.lora_B.weight"] = layer.lora_B.weight.detach() * layer.scaling
    return state


def _assert_file(
    answer: Any, expected: Mapping[str, Tensor], rtol: float | None = RTOL, check_dtype: bool = False
) -> None:
    assert_holds(isinstance(answer, dict), "a dictionary was expected")
    assert_holds(
        sorted(map(str, answer)) == sorted(expected),
        f"the names are not the right ones: there are {len(answer)}, and should be {len(expected)}"
        if len(answer) != len(expected)
        else "the names are not the right ones",
    )
    for name, wanted in expected.items():
        assert_close(answer[name], wanted, rtol=rtol, check_dtype=check_dtype)


def _file_for(draw: Draw, model: nn.Module, prefix: str) -> dict[str, Tensor]:
    """A file that fits the model, with other numbers."""
    return {name: draw.normal(*weight.shape).to(weight) for name, weight in _saved(model, prefix).items()}


def _assert_loaded(
    handle: Handle,
    model: nn.Module,
    file: Mapping[str, Tensor],
    prefix: str,
    scaling: float,
    rtol: float | None = RTOL,
    check_dtype: bool = False,
) -> None:
    """Every layer's lora_A is the file's, and so is its scaling times lora_B."""
    for name, (A, B) in _held(handle, model).items():
        for found, own, factor in ((A, "lora_A", 1.0), (B, "lora_B", scaling)):
            wanted = factor * file[f"{prefix}{name}.{own}.weight"]
            assert_close(found, wanted, rtol=rtol, check_dtype=check_dtype)


def _held(handle: Handle, model: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """Every layer's lora_A, and its lora_B times its scaling, whatever that is by now."""
    held, layers = {}, _lora_layers(model)
    parts = ("lora_A.weight", "lora_B.weight", "scaling")
    found = handle.attributes(*(f"{name}.{own}" for name in layers for own in parts))
    for name, layer in layers.items():
        A, B, own = (found[f"{name}.{own}"] for own in parts)
        assert_holds(type(own) in (int, float), "`scaling` is not a Python number any more")
        A = assert_tensor(A, shape=tuple(layer.lora_A.weight.shape))
        B = assert_tensor(B, shape=tuple(layer.lora_B.weight.shape))
        held[name] = A, own * B
    return held


def _assert_in_training(handle: Handle) -> None:
    """As a new model is."""
    modes = handle.attributes("training", "block.training").values()
    assert_holds(all(mode is True for mode in modes), "the model has changed to eval mode")
    trained = (parameter.requires_grad for parameter in handle.parameters().values())
    assert_holds(all(trained), "requires_grad of a parameter has changed")


def _assert_refused(student: Student, handle: Handle, file: Mapping[str, Tensor], **kwargs: Any) -> None:
    try:
        student.load_lora(handle, dict(file), **kwargs)
    except StudentError as error:
        # Another error that Python has itself is one that nobody raised on purpose.
        if error.type not in ("ValueError", "KeyError", "RuntimeError") and hasattr(builtins, error.type):
            raise
        return
    raise Mismatch("no error was raised")


@exercise("lora_state_dict")
class LoraStateDict:
    @value(weight=4)
    def what_is_saved(self, student: Student, draw: Draw) -> None:
        """lora_state_dict gives each layer's lora_A, and lora_B times scaling, under their names."""
        model = _model()
        handle = _twin(student, draw, model)
        _assert_file(student.lora_state_dict(handle), _saved(model, "unet."))

    @value()
    def prefixes(self, student: Student, draw: Draw) -> None:
        """The prefix stands before each name just as it is given, and may be empty."""
        model = _single()
        handle = _twin(student, draw, model)
        _assert_file(student.lora_state_dict(handle, prefix=""), _saved(model, ""))
        _assert_file(student.lora_state_dict(handle, "a/"), _saved(model, "a/"))

    @value()
    def saves_convolutions(self, student: Student, draw: Draw) -> None:
        """lora_state_dict gives the weights of adapted convolutions in their own shapes."""
        model = _convolutions()
        handle = _twin(student, draw, model)
        _assert_file(student.lora_state_dict(handle), _saved(model, "unet."))

    @value(weight=2)
    def model_stays(self, student: Student, draw: Draw) -> None:
        """lora_state_dict gives the same when it is called again, and nothing of the model has changed."""
        model = _single()
        handle = _twin(student, draw, model)
        _assert_file(student.lora_state_dict.twice(handle), _saved(model, "unet."))
        _assert_weights(handle, model.state_dict(), rtol=0)
        _assert_in_training(handle)

    @value(weight=2)
    def copies(self, student: Student, draw: Draw) -> None:
        """What was saved stays as it was when the model is trained on: its tensors are copies, detached."""
        model = _single()
        handle = _twin(student, draw, model)
        file, expected = student.lora_state_dict.keep(handle), _saved(model, "unet.")
        expected = {name: weight.clone() for name, weight in expected.items()}
        handle.load_state_dict(draw.weights(model).state_dict(), strict=False, wait=False)
        _assert_file(file.method("copy"), expected)
        entry = file.submodule("get")
        for name in ("unet.block.proj.lora_A.weight", "unet.block.proj.lora_B.weight"):
            assert_holds(
                entry.keep(name).attribute("requires_grad") is False, "a tensor of it asks for gradients"
            )

    @value()
    def saves_what_is_there_now(self, student: Student, draw: Draw) -> None:
        """Saved a second time, after more training, the model gives its new weights."""
        model = _single()
        handle = _twin(student, draw, model)
        _assert_file(student.lora_state_dict(handle), _saved(model, "unet."))
        handle.load_state_dict(draw.weights(model).state_dict(), strict=False, wait=False)
        _assert_file(student.lora_state_dict(handle), _saved(model, "unet."))

    @value()
    def saves_any_precision(self, student: Student, draw: Draw) -> None:
        """What is saved is as exact as the weights are, and has their dtype: float64, or float16."""
        for dtype, rtol in ((torch.float64, None), (torch.float16, RTOL_HALF)):
            model = _single()
            handle = _twin(student, draw, model, dtype)
            _assert_file(student.lora_state_dict(handle), _saved(model, "unet."), rtol, check_dtype=True)

    @value(weight=4)
    def what_is_loaded(self, student: Student, draw: Draw) -> None:
        """After load_lora, lora_A is the file's, and so is scaling times lora_B, in every layer."""
        model = _model()
        handle = _twin(student, draw, model)
        file = _file_for(draw, model, "unet.")
        student.load_lora(handle, file)
        _assert_loaded(handle, model, file, "unet.", 1.0)

    @value()
    def scaling_of_the_file(self, student: Student, draw: Draw) -> None:
        """load_lora counts the file's lora_B `scaling` times, and lora_A once."""
        model = _single()
        handle = _twin(student, draw, model)
        file = _file_for(draw, model, "unet.")
        student.load_lora(handle, file, scaling=2.5)
        _assert_loaded(handle, model, file, "unet.", 2.5)

    @value()
    def prefixes_of_files(self, student: Student, draw: Draw) -> None:
        """load_lora finds the names behind any prefix, an empty one too."""
        model = _single()
        handle = _twin(student, draw, model)
        for prefix in ("", "a/"):
            file = _file_for(draw, model, prefix)
            student.load_lora(handle, file, prefix, 1.0)
            _assert_loaded(handle, model, file, prefix, 1.0)

    @value()
    def loads_convolutions(self, student: Student, draw: Draw) -> None:
        """load_lora gives adapted convolutions their weights."""
        model = _convolutions()
        handle = _twin(student, draw, model)
        file = _file_for(draw, model, "unet.")
        student.load_lora(handle, file)
        _assert_loaded(handle, model, file, "unet.", 1.0)

    @value(weight=2)
    def untouched(self, student: Student, draw: Draw) -> None:
        """load_lora leaves the file as it is, and copies: when the model is trained on, it stays so."""
        model = _single()
        handle = _twin(student, draw, model)
        expected = _file_for(draw, model, "unet.")
        file = student.build("builtins.dict", expected)
        student.load_lora(handle, file, scaling=0.5)
        _assert_loaded(handle, model, expected, "unet.", 0.5)
        handle.load_state_dict(draw.weights(model).state_dict(), strict=False, wait=False)
        _assert_file(file.method("copy"), expected, rtol=0)

    @rule()
    def the_rest_stays(self, student: Student, draw: Draw) -> None:
        """load_lora leaves all else of the model as it is: base layers, what is trained, training mode."""
        model = _model()
        handle = _twin(student, draw, model)
        student.load_lora(handle, _file_for(draw, model, "unet."))
        _assert_in_training(handle)
        rest = {name: weight for name, weight in model.state_dict().items() if name not in _trained(model)}
        _assert_weights(handle, rest, rtol=0)

    @value()
    def loads_any_precision(self, student: Student, draw: Draw) -> None:
        """What is loaded is as exact as the file is, in float64, and in float16."""
        for dtype, rtol in ((torch.float64, None), (torch.float16, RTOL_HALF)):
            model = _single()
            handle = _twin(student, draw, model, dtype)
            file = _file_for(draw, model, "unet.")
            student.load_lora(handle, file)
            _assert_loaded(handle, model, file, "unet.", 1.0, rtol, check_dtype=True)

    @rule(weight=2)
    def round_trip(self, student: Student, draw: Draw) -> None:
        """What one model saves makes another model compute the same, even if that one has another alpha."""
        model, other = _model(), _new_model()
        for layer in _lora_layers(other).values():
            layer.scaling *= 3
        source, target = _twin(student, draw, model), _twin(student, draw, other)
        student.load_lora(target, student.lora_state_dict.keep(source))
        for name, (A, B) in _held(target, other).items():
            _near(B @ A, _update(_lora_layers(model)[name]).detach())

    @rule(weight=2)
    def refuses_a_wrong_prefix(self, student: Student, draw: Draw) -> None:
        """load_lora raises an error if the names have another prefix: it would load nothing."""
        model = _single()
        handle = _twin(student, draw, model)
        _assert_refused(student, handle, _file_for(draw, model, ""))
        _assert_refused(student, handle, _file_for(draw, model, "unet."), prefix="text_encoder.")

    @rule()
    def refuses_what_is_missing(self, student: Student, draw: Draw) -> None:
        """load_lora raises an error if a LoRA layer finds only one of its weights in the file, or none."""
        model = _model()
        handle = _twin(student, draw, model)
        for gone in ("proj.lora_A", "block.out.lora_B", "block.out"):
            file = _file_for(draw, model, "unet.")
            _assert_refused(student, handle, {name: w for name, w in file.items() if gone not in name})

    @rule()
    def refuses_what_is_left_over(self, student: Student, draw: Draw) -> None:
        """load_lora raises an error if the file has a name that belongs to no LoRA layer."""
        model = _model()
        handle = _twin(student, draw, model)
        for name in ("unet.block.plain.lora_A.weight", "unet.proj.alpha", "unet.proj.base_layer.weight"):
            weight = draw.normal(5, 4)
            _assert_refused(student, handle, {**_file_for(draw, model, "unet."), name: weight})

    @rule()
    def refuses_another_rank(self, student: Student, draw: Draw) -> None:
        """load_lora raises an error if a weight has another shape, even one that could be broadcast."""
        model = _single()
        handle = _twin(student, draw, model)
        for rank in (1, 3):
            file = _file_for(draw, model, "unet.")
            file["unet.block.proj.lora_A.weight"] = draw.normal(rank, 4)
            file["unet.block.proj.lora_B.weight"] = draw.normal(5, rank)
            _assert_refused(student, handle, file)
