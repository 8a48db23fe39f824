"""Public checks of the text encoder of the module `stable_diffusion`: by hand, and against a trained one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, tensor

from course.checking.expect import Layer, Work, close, exercise, holds, ordinary
from course.lab.tiny_latent.network import CaptionEncoder

MADE_WITH = (7, 5, 4, 2, 2, 6)  # vocabulary, length, dim, heads, layers, hidden
TOKENS = tensor([[1, 5, 2, 6], [1, 3, 6, 0]])
REAL = tensor([[True, True, True, True], [True, True, True, False]])


def _shapes(vocabulary: int, length: int, dim: int, layers: int, hidden: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "embeddings.token_embedding.weight": (vocabulary, dim),
        "embeddings.position_embedding.weight": (length, dim),
    }
    for at in (f"encoder.layers.{number}" for number in range(layers)):
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            found |= {f"{at}.self_attn.{name}.weight": (dim, dim), f"{at}.self_attn.{name}.bias": (dim,)}
        for name in ("layer_norm1", "layer_norm2"):
            found |= {f"{at}.{name}.weight": (dim,), f"{at}.{name}.bias": (dim,)}
        found |= {f"{at}.mlp.fc1.weight": (hidden, dim), f"{at}.mlp.fc1.bias": (hidden,)}
        found |= {f"{at}.mlp.fc2.weight": (dim, hidden), f"{at}.mlp.fc2.bias": (dim,)}
    return found | {"final_layer_norm.weight": (dim,), "final_layer_norm.bias": (dim,)}


def _with_numbers(student: Work) -> tuple[Layer, CaptionEncoder]:
    """The student's encoder and the trained model's class, both with the same weights."""
    theirs = CaptionEncoder(*MADE_WITH)
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: torch.randn(parameter.shape, generator=generator) * 0.7
        for name, parameter in theirs.named_parameters()
    }
    theirs.load_state_dict(weights)
    return student.TextEncoder(*MADE_WITH).set(weights), theirs


def _silent(student: Work, *names: str) -> Layer:
    """One token (1, 2, 3, 6) at a place (3, 0, 0, -1), in a layer whose parts of these names give zeros."""
    layer = student.TextEncoder(1, 1, 4, 2, 1, 4)
    layer.set({f"encoder.layers.0.{name}.{kind}": 0.0 for name in names for kind in ("weight", "bias")})
    told: Layer = layer.set(
        {
            "embeddings.token_embedding.weight": [[1.0, 2.0, 3.0, 6.0]],
            "embeddings.position_embedding.weight": [[3.0, 0.0, 0.0, -1.0]],
        }
    )
    return told


SUM = tensor([[[4.0, 2.0, 3.0, 5.0]]])


def _normed(x: Tensor) -> Tensor:
    return F.layer_norm(x, (4,))


@exercise("TextEncoder")
class TextEncoder:
    def parameters(self, student: Work) -> None:
        """Its parameters have CLIP's names and shapes, so that trained weights can be loaded."""
        student.TextEncoder(7, 5, 4, 2, 2, 6).has_parameters(_shapes(7, 5, 4, 2, 6))

    def embedded(self, student: Work) -> None:
        """Where attention and mlp add nothing, token plus place is left, with mean 0 and variance 1."""
        layer = _silent(student, "self_attn.out_proj", "mlp.fc2")
        close(
            layer(tensor([[0]])),
            _normed(SUM),
            symptoms={
                "The place of the token had no effect.": _normed(tensor([[[1.0, 2.0, 3.0, 6.0]]])),
                "The final norm is missing.": SUM,
                "Nothing is left of the token: what goes into attention and mlp has to be added to what "
                "they give.": torch.zeros(1, 1, 4),
            },
        )

    def gelu(self, student: Work) -> None:
        """The mlp's gelu is x sigmoid(1.702 x): 2, 0, -1 and 1 become 1.936, 0, -0.154 and 0.846."""
        layer = _silent(student, "self_attn.out_proj", "mlp.fc1", "mlp.fc2").set(
            {
                "encoder.layers.0.mlp.fc1.bias": [2.0, 0.0, -1.0, 1.0],
                "encoder.layers.0.mlp.fc2.weight": torch.eye(4),
            }
        )
        middle = tensor([2.0, 0.0, -1.0, 1.0])
        added = middle * torch.sigmoid(1.702 * middle)
        close(
            layer(tensor([[0]])),
            _normed(SUM + added),
            symptoms={
                "This is torch's gelu: CLIP's is x sigmoid(1.702 x).": _normed(SUM + F.gelu(middle)),
                "This is torch's gelu with tanh: CLIP's is x sigmoid(1.702 x).": (
                    _normed(SUM + F.gelu(middle, approximate="tanh"))
                ),
                "This is a ReLU: CLIP has x sigmoid(1.702 x).": _normed(SUM + F.relu(middle)),
                "This is a SiLU: the 1.702 is missing.": _normed(SUM + F.silu(middle)),
                "The norms came after attention and mlp: they come before.": _normed(_normed(SUM) + added),
            },
        )

    def nobody_looks_ahead(self, student: Work) -> None:
        """Another last token changes nothing before it."""
        layer, _ = _with_numbers(student)
        other = TOKENS.clone()
        other[:, 3] = 4
        before, after = ordinary(layer(TOKENS)), ordinary(layer(other))
        holds(
            torch.allclose(before[:, :3], after[:, :3], atol=1e-5),
            "another last token changed what stands before it: each token sees itself and those before it",
        )

    def as_clip(self, student: Work) -> None:
        """With the same weights it gives what the tiny model's text encoder gives, of CLIP's build."""
        layer, theirs = _with_numbers(student)
        with torch.no_grad():
            close(layer(TOKENS), theirs(TOKENS), tolerance=1e-3)

    def mask(self, student: Work) -> None:
        """Nobody looks at a token where mask is False; elsewhere nothing changes."""
        layer, theirs = _with_numbers(student)
        hole = tensor([[True, False, True, True], [True, True, True, False]])
        other = TOKENS.clone()
        other[0, 1], other[1, 3] = 4, 4
        before, after = (ordinary(layer(tokens, hole)) for tokens in (TOKENS, other))
        holds(before.shape == (2, 4, 4), f"under a mask the shape is {tuple(before.shape)}")
        holds(
            torch.allclose(before[hole], after[hole], atol=1e-5),
            "another token where mask is False changed the answers where it is True",
        )
        with torch.no_grad():
            close(ordinary(layer(TOKENS, REAL))[REAL], theirs(TOKENS)[REAL], tolerance=1e-3)

    def last(self, student: Work) -> None:
        """`last_token` gives what stands at the first end token of each row: here 6, at places 3 and 2."""
        hidden = torch.arange(8.0).view(2, 4, 1)
        tokens = tensor([[1, 5, 2, 6], [1, 3, 6, 6]])
        close(
            student.last_token(hidden, tokens, 6),
            [[3.0], [6.0]],
            symptoms={
                "This is the last end token, or the last place: the first end token counts.": [[3.0], [7.0]],
            },
        )
