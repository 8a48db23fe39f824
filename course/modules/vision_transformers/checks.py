"""Public checks of the module `vision_transformers`: the whole network; its parts have files of their own."""

from functools import cache

import torch
from torch import Tensor, nn, tensor

from course.checking.expect import Broken, Layer, Work, close, exercise, holds, ordinary
from course.lab import tiny_dit
from course.modules.vision_transformers.checks_of_blocks import DiTBlock, ViT, waves
from course.modules.vision_transformers.checks_of_bonus import Multiplications, MyPlan
from course.modules.vision_transformers.checks_of_patches import PatchEmbed, Patchify
from course.modules.vision_transformers.checks_of_tokens import JointAttention, Rotate

# All that a student is checked with, found here by their marks.
__all__ = [
    "DiT",
    "DiTBlock",
    "JointAttention",
    "Multiplications",
    "MyPlan",
    "PatchEmbed",
    "Patchify",
    "Rotate",
    "ViT",
]

# Two right ways to the waves of a late time differ in the last digits of float32.
TOLERANCE = 1e-3


@exercise("DiT")
class DiT:
    def parameters(self, student: Work) -> None:
        """Its parameters have the stated names and shapes; without `hidden` it is four times dim."""
        for hidden, given in ((32, {}), (6, {"hidden": 6})):
            block = {
                **{f"attn.{name}.weight": (8, 8) for name in ("to_q", "to_k", "to_v", "to_out.0")},
                "attn.to_out.0.bias": (8,),
                **linear("fc1", 8, hidden),
                **linear("fc2", hidden, 8),
                **linear("modulation", 8, 48),
            }
            student.DiT(3, 2, 8, 2, 2, 5, **given).has_parameters(
                {
                    "patch_embed.proj.weight": (8, 3, 2, 2),
                    "patch_embed.proj.bias": (8,),
                    **linear("time_mlp.0", 8, 8),
                    **linear("time_mlp.2", 8, 8),
                    "label_embed.weight": (6, 8),
                    **{f"blocks.{i}.{name}": shape for i in (0, 1) for name, shape in block.items()},
                    **linear("modulation_out", 8, 16),
                    **linear("proj_out", 8, 12),
                }
            )

    def starts_at_zero(self, student: Work) -> None:
        """A new network answers 0: proj_out, and modulation_out with it, start as zeros."""
        layer = student.DiT(2, 2, 8, 2, 1, 5)
        answer = ordinary(layer(waves(2, 2, 4, 6), tensor([3, 900]), tensor([1, 5])))
        holds(answer.shape == (2, 2, 4, 6), f"the shape is {tuple(answer.shape)}, it should be (2, 2, 4, 6)")
        holds(not answer.any(), "a new network should answer 0 everywhere: does proj_out start as zeros?")
        own = dict(layer.module.named_parameters())
        for name in ("proj_out", "modulation_out"):
            for kind in ("weight", "bias"):
                holds(not own[f"{name}.{kind}"].any(), f"`{name}.{kind}` should start as zeros")

    def places(self, student: Work) -> None:
        """Equal patches in other places get other answers: each token is told its row and its column."""
        _, layer = _trained(student)
        x = waves(1, 3, 2, 2).repeat(1, 1, 2, 2)
        answer = ordinary(layer(x, tensor([400.0]), tensor([3])))
        for what, own, other in (
            ("columns", answer[..., :2, :2], answer[..., :2, 2:]),
            ("rows", answer[..., :2, :2], answer[..., 2:, :2]),
        ):
            holds((own - other).abs().max() > 1e-4, f"equal patches in two {what} get the same answer")

    def trained_network(self, student: Work) -> None:
        """With the trained weights it says what the trained network says, of a wide picture."""
        theirs, layer = _trained(student)
        given = waves(2, 3, 4, 8), tensor([30.0, 400.0]), tensor([3, tiny_dit.ANY])
        answer, expected = layer(*given), theirs(*given)
        try:
            close(answer, expected, tolerance=TOLERANCE)
        except Broken:  # only now is it worth while to run all the wrong ones
            close(answer, expected, symptoms=_symptoms(theirs, *given), tolerance=TOLERANCE)
        double = student.DiT(**tiny_dit.CONFIG)
        double.module.double().load_state_dict(layer.module.state_dict())
        wide = ordinary(double(given[0].double(), *given[1:]))
        holds(wide.dtype == torch.float64, "with float64 weights and pictures the answer should be float64")


def linear(name: str, channels_in: int, channels_out: int) -> dict[str, tuple[int, ...]]:
    """The parameters of an nn.Linear, by their names."""
    return {f"{name}.weight": (channels_out, channels_in), f"{name}.bias": (channels_out,)}


@cache
def _network() -> nn.Module:
    return tiny_dit.load().network


def _trained(student: Work) -> tuple[nn.Module, Layer]:
    """The trained network, and the student's with its weights."""
    theirs = _network()
    return theirs, student.DiT(**tiny_dit.CONFIG).set(theirs.state_dict())


@torch.no_grad()
def _symptoms(theirs: nn.Module, x: Tensor, t: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """What a network gives that does one thing wrong: with other weights the trained one does so."""
    state = theirs.state_dict()

    def altered(names: list[str], change: str) -> Tensor:
        other = tiny_dit.TinyDiT()
        changed = dict(state)
        for name in names:
            weight = state[name]
            changed[name] = (
                weight.roll(len(weight) // 2, 0) if change == "halves" else torch.zeros_like(weight)
            )
        other.load_state_dict(changed)
        answer: Tensor = other(x, t, labels)
        return answer

    last = ["modulation_out.weight", "modulation_out.bias"]
    pieces = theirs(x, t, labels).unfold(2, 2, 2).unfold(3, 2, 2)  # [B, 3, rows, columns, 2, 2]
    turned = pieces.flatten(2, 3).unflatten(2, (pieces.shape[3], -1)).transpose(3, 4)
    return {
        "Here the label makes no difference.": altered(["label_embed.weight"], "zero"),
        "Here the time makes no difference.": altered(["time_mlp.2.weight", "time_mlp.2.bias"], "zero"),
        "Here the last scale came before the last shift.": altered(last, "halves"),
        "Here the last norm was not modulated.": altered(last, "zero"),
        "Here the whole batch was told the first sample's time.": theirs(x, t[:1].expand(2), labels),
        "Here the whole batch was told the first sample's label.": theirs(x, t, labels[:1].expand(2)),
        "Here the pieces were put together by reshape: unpatchify has their order.": (
            pieces.permute(0, 2, 3, 4, 5, 1).reshape(x.shape)
        ),
        "Here height and width were exchanged where the pieces were put together.": turned.reshape(x.shape),
    }
