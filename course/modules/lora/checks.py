"""Public checks of the module `lora`: what is saved; layers and networks have files of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn, tensor

from course.checking import show
from course.checking.expect import Broken, Work, close, exercise, holds, ordinary
from course.modules.lora.checks_of_bonus import ExtractLora, MyTargets
from course.modules.lora.checks_of_layers import DOWN, PLAIN, UP, UPDATE, LoRAConv2d, LoRALinear, X, linear
from course.modules.lora.checks_of_networks import (
    InjectLora,
    MarkTrainable,
    Merge,
    Refusal,
    lora_weights,
    pair,
)

# All that a student is checked with, found here by their marks.
__all__ = [
    "ExtractLora",
    "InjectLora",
    "LoRAConv2d",
    "LoRALinear",
    "LoraStateDict",
    "MarkTrainable",
    "Merge",
    "MyTargets",
]


@exercise("lora_state_dict")
class LoraStateDict:
    def without_lora(self, student: Work) -> None:
        """A network without LoRA layers has nothing to save."""
        state = student.lora_state_dict(nn.Sequential(linear()))
        holds(state == {}, f"the dictionary should be empty, it has {', '.join(state)}")

    def names(self, student: Work) -> None:
        """It has two tensors for each LoRA layer: prefix, name, and ".lora_A.weight" or ".lora_B.weight"."""
        network = pair(student)
        for options, prefix in (({}, "unet."), ({"prefix": "x."}, "x."), ({"prefix": ""}, "")):
            state = student.lora_state_dict(network, **options)
            wanted = [f"{prefix}{name}" for name in lora_weights(network)]
            if not isinstance(state, dict):
                raise Broken(f"a dictionary is expected, {show.a(state)} was returned")
            if extra := [name for name in state if name not in wanted]:
                raise Broken(f"it has an entry too many, {extra[0]!r}", f"expected      {', '.join(wanted)}")
            if lacking := [name for name in wanted if name not in state]:
                raise Broken(f"it has no entry {lacking[0]!r}", f"you returned  {', '.join(map(str, state))}")

    def scaled(self, student: Work) -> None:
        """lora_A is saved as it is, lora_B multiplied by the scaling: readers know nothing of alpha."""
        state = student.lora_state_dict(pair(student))
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
        network = pair(student)
        state = student.lora_state_dict(network)
        kept = {name: ordinary(value).clone() for name, value in state.items()}
        close(network.first.lora_B.weight, tensor(UP))
        for name, value in state.items():
            holds(not value.requires_grad, f"{name!r} still asks for gradients: detach it")
        with torch.no_grad():
            for each in lora_weights(network).values():
                each.add_(1)
        for name, value in state.items():
            holds(torch.equal(value, kept[name]), f"{name!r} changed together with the model's own weight")

    def round_trip(self, student: Work) -> None:
        """Loaded into a network with another alpha, it does what it did in the first."""
        saved = pair(student, alpha=6.0)
        state = student.lora_state_dict(saved)
        for alpha in (6.0, 8.0):
            network = pair(student, alpha=alpha)
            with torch.no_grad():
                for each in lora_weights(network).values():
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
        state = {f"x.{name}": value.detach().clone() for name, value in lora_weights(pair(student)).items()}
        network = pair(student, alpha=4.0)
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
        network, state = pair(student, alpha=4.0), student.lora_state_dict(pair(student))
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
        state = student.lora_state_dict(pair(student))
        lacking = {name: value for name, value in state.items() if name != "unet.conv.lora_B.weight"}
        smaller = student.lora_state_dict(pair(student, r=1))
        extra = {**state, "unet.other.lora_A.weight": torch.zeros(2, 2)}
        files: dict[str, Callable[[], tuple[Any, ...]]] = {
            "names that have another prefix": lambda: (pair(student), state, "model."),
            "a name missing": lambda: (pair(student), lacking),
            "a name too many": lambda: (pair(student), extra),
            "weights of a larger rank": lambda: (pair(student, r=1), state),
            "weights of a smaller rank": lambda: (pair(student, r=2), smaller),
        }
        for what, arguments in files.items():
            given = arguments()
            with Refusal(ValueError, KeyError, RuntimeError) as refusal:
                student.in_place("load_lora")(*given)
            holds(refusal.raised, f"a file with {what} was loaded without a word")
