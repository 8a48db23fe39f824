"""`check(...)` on the unet module: right answers pass, usual mistakes are named in a sentence.

A mistake is the reference with one piece of its source replaced.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

import solutions.unet as reference
from autograder.testing import Answer
from autograder.testing.marks import answers_in
from course import check
from course.catalogue.syllabus import load
from course.checking import examine, expect

UNET = load().module("unet")
EXERCISE_OF = {name: exercise for exercise in UNET.exercises for name in exercise.defines}
SOURCE = Path(reference.__file__).read_text()
HIDDEN = Path(__file__).parents[3] / "autograder" / "hidden"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def report_of(id: str, answers: dict[str, Any]) -> str:
    """What is printed for the exercise; names that `answers` lacks are the reference's."""
    exercise = next(exercise for exercise in UNET.exercises if exercise.id == id)
    functions = []
    for name in exercise.defines:
        function = answers.get(name, getattr(reference, name))
        function.__name__ = name
        functions.append(function)
    (report,) = examine.reports_on(functions, None)
    return report.text()


def with_mistake(right: str, wrong: str) -> dict[str, Any]:
    """The reference's names, with one piece of its source replaced wherever it stands."""
    assert right in SOURCE, right
    names: dict[str, Any] = {}
    exec(SOURCE.replace(right, wrong), names)
    return names


@pytest.mark.parametrize("exercise", UNET.exercises, ids=lambda exercise: exercise.id)
def test_the_reference_passes_and_would_run_on_a_gpu(
    exercise: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    check(*(getattr(reference, name) for name in exercise.defines))
    printed = capsys.readouterr().out
    assert printed.startswith(f"{exercise.id} · {exercise.title}\n")
    assert "✗" not in printed
    assert "!" not in printed


@pytest.mark.parametrize("exercise", UNET.exercises, ids=lambda exercise: exercise.id)
def test_every_exercise_has_several_checks_with_a_rule_each(exercise: Any) -> None:
    from course.modules.unet import checks as unet

    checks = expect.checks_of(unet, exercise.id)
    assert len(checks) >= 4
    assert all(len(each.rule) > 20 for each in checks)


NAMED: dict[str, list[tuple[str, str, str]]] = {
    "conv2d": [
        ("weight.flatten(1)", "weight.flip(-1, -2).flatten(1)", "The kernel was flipped"),
        ("weight.flatten(1)", "weight.mT.flatten(1)", "The kernel was transposed"),
        ("out = out + bias[:, None]", "out = out + bias", "The size of tensor a (4) must match the size of"),
        (
            "    return out.reshape(B, D, h, w)",
            "    return F.conv2d(x, weight, None, stride, padding) + (0 if bias is None else bias)",
            "Here the bias runs along the width",
        ),
        ("out = out + bias[:, None]", "pass", "The bias was left out."),
        ("stride=stride, padding", "stride=1, padding", "it raised RuntimeError: shape '[1, 1, 2, 3]' is"),
        (
            "columns = F.unfold(x, (kh, kw), stride=stride, padding=padding)",
            "columns = F.unfold(F.pad(x, [padding] * 4, 'replicate'), (kh, kw), stride=stride)",
            "Here the image was continued at its edges",
        ),
        ("(H + 2 * padding - kh)", "(H + 2 * padding - kw)", "✗ Kernels and images need not be square"),
        ("return out.reshape(B, D, h, w)", "return out.detach().reshape(B, D, h, w)", "no gradient can flow"),
        ("return out.reshape", "return out.float().reshape", "the dtype is float32, it should be float64"),
    ],
    "group_norm": [
        ("correction=0, ", "", "with the variance divided by the count minus 1"),
        ("torch.sqrt(variance + eps)", "(torch.sqrt(variance) + eps)", "eps was added after the root"),
        ("torch.sqrt(variance + eps)", "torch.sqrt(variance + 1e-5)", "Here eps was not used"),
        ("torch.sqrt(variance + eps)", "(variance + eps)", "divided by the variance, not by its root"),
        ("(grouped - mean)", "grouped", "The mean was not taken away."),
        ("x.reshape(B, groups, -1)", "x.reshape(B, C, -1)", "Here each channel was normalised by itself"),
        ("x.reshape(B, groups, -1)", "x.reshape(B, 1, -1)", "Here all channels made one group."),
        (
            "    mean = grouped.mean(-1, keepdim=True)\n",
            "    grouped = grouped.transpose(0, 1).reshape(1, groups, -1) if groups == 1 else grouped\n"
            "    mean = grouped.mean(-1, keepdim=True)\n",
            "mean and variance were taken over the whole batch",
        ),
        ("    if weight is not None:\n        out = out * weight[:, None, None]\n", "", "by its weight"),
        ("out * weight[:, None, None]", "(out + bias[:, None, None]) * weight[:, None, None]", "bias"),
        (
            "mean = grouped.mean(-1, keepdim=True)",
            "mean = grouped.mean(-1)",
            "The size of tensor a (30) must",
        ),
        ("variance = grouped", "variance = grouped.detach()", "the gradient of x is wrong"),
    ],
    "timestep_embedding": [
        ("[angles.cos(), angles.sin()]", "[angles.sin(), angles.cos()]", "Here the sines come first"),
        (
            "torch.cat([angles.cos(), angles.sin()], dim=1)",
            "torch.stack([angles.cos(), angles.sin()], dim=2).flatten(1)",
            "Here cosines and sines take turns",
        ),
        (
            "torch.cat([angles.cos(), angles.sin()], dim=1)",
            "torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)",
            "Here they take turns, the sine first",
        ),
        (
            "dtype=torch.float32) / half",
            "dtype=torch.float32) / max(half - 1, 1)",
            "the last frequency is 1/10",
        ),
        ("-math.log(10_000)", "math.log(10_000)", "Here t was multiplied by 100 instead of 0.01"),
        ("t.float()[:, None]", "t.float()", "The size of tensor a (3) must match the size of tensor b (2)"),
        ("F.pad(embedding, (0, dim % 2))", "embedding", "for dim = 5 the shape is (2, 4)"),
        ("F.pad(embedding, (0, dim % 2))", "F.pad(embedding, (dim % 2, 0))", "✗ An odd dim"),
        ("t.float()", "t.long().float()", "t was rounded to whole numbers"),
        ("t.float()[:, None]", "t[:, None]", "the dtype is torch.float64, it should be torch.float32"),
    ],
    "ResBlock": [
        (
            "if in_channels != out_channels else None",
            "",
            "as many channels out as in there is a conv_shortcut",
        ),
        (
            "nn.GroupNorm(groups, in_channels)",
            "nn.GroupNorm(groups, in_channels, eps=1e-6)",
            "eps=1e-06, 1e-05",
        ),
        (
            "nn.GroupNorm(groups, out_channels)",
            "nn.GroupNorm(4 * groups // 2 // 2 * 2 // 4, out_channels)",
            "groups; groups=4 was asked for",
        ),
        ("return shortcut + h", "return h", "What came in was not added."),
        (
            "shortcut: Tensor = x if self.conv_shortcut is None else self.conv_shortcut(x)",
            "x = self.norm1(x); shortcut = x if self.conv_shortcut is None else self.conv_shortcut(x)",
            "Here x was added as norm1 left it",
        ),
        ("self.time_emb_proj(F.silu(time))", "self.time_emb_proj(time)", "SiLU comes first"),
        (
            "h = h + self.time_emb_proj(F.silu(time))[:, :, None, None]\n",
            "pass\n",
            "The time made no difference",
        ),
        (
            "h = self.conv2(F.silu(self.norm2(h)))",
            "h = self.conv2(self.norm2(h))",
            "There is no SiLU between norm2 and conv2.",
        ),
        (
            "        h = h + self.time_emb_proj(F.silu(time))[:, :, None, None]\n"
            "        h = self.conv2(F.silu(self.norm2(h)))",
            "        h = self.norm2(h) + self.time_emb_proj(F.silu(time))[:, :, None, None]\n"
            "        h = self.conv2(F.silu(h))",
            "Here the time was added after norm2",
        ),
        (
            "[:, :, None, None]\n        h = self.conv2",
            "\n        h = self.conv2",
            "The size of tensor a (3) must match the size of tensor b (2)",
        ),
        (
            "self.conv1(F.silu(self.norm1(x)))",
            "self.conv1(self.norm1(x))",
            "✗ With the same weights it agrees",
        ),
        (
            "self.time_emb_proj(F.silu(time))[:",
            "self.time_emb_proj(F.silu(time[:1]))[:",
            "other times gave the same",
        ),
    ],
    "Downsample": [
        (
            "self.conv(x)",
            "F.conv2d(F.pad(x, (0, 1, 0, 1)), self.conv.weight, self.conv.bias, stride=2)",
            "stands on the pixels 1, 3",
        ),
        ("3, stride=2, padding=1)", "3, padding=1)", "The stride is 1"),
        (
            "3, stride=2, padding=1)",
            "3, stride=2, padding=1, bias=False)",
            "there is no parameter `conv.bias`",
        ),
        ('mode="nearest"', 'mode="bilinear"', "Here pixels were mixed"),
        (
            'F.interpolate(x, scale_factor=2.0, mode="nearest")',
            "x.repeat(1, 1, 2, 2)",
            "the whole image stands",
        ),
        ('F.interpolate(x, scale_factor=2.0, mode="nearest")', "x", "The size stayed as it was."),
        (
            'self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))',
            'F.interpolate(self.conv(x), scale_factor=2.0, mode="nearest")',
            "Here the convolution came first",
        ),
        (
            "nn.Conv2d(channels, channels, 3, padding=1)",
            "nn.Conv2d(channels, channels, 3)",
            "the shape is (1, 1, 2, 2), it should be (1, 1, 4, 4)",
        ),
    ],
    "TransformerBlock": [
        ("hidden * F.gelu(gate)", "F.gelu(hidden) * gate", "Here the first half was the gate"),
        ("F.gelu(gate)", "F.gelu(gate, approximate='tanh')", "This is the approximate gelu"),
        ("F.gelu(gate)", "F.silu(gate)", "Here the gate is SiLU"),
        ("F.gelu(gate)", "gate.sigmoid()", "Here the gate is a sigmoid"),
        (
            "self.attn2(self.norm2(x), context)",
            "self.attn2(self.norm2(x))",
            "mat1 and mat2 shapes cannot be multiplied (12x32 and 64x32)",
        ),
        ("x = x + self.attn1(self.norm1(x))", "x = self.attn1(self.norm1(x))", "was not added to x"),
        ("self.attn1(self.norm1(x))", "self.attn1(x)", "the step was given x without norm1"),
        ("self.norm3(x)", "self.norm2(x)", "Here norm2 was used in the place of norm3"),
        ("x = x + self.attn2(self.norm2(x), context)", "pass", "Nothing was added to x"),
        (
            "        x = x + self.attn1(self.norm1(x))\n        x = x + self.attn2(self.norm2(x), context)",
            "        x = x + self.attn1(self.norm1(x)) + self.attn2(self.norm2(x), context)",
            "✗ All three, one after the other",
        ),
        (
            "nn.ModuleList([gate, nn.Identity(), nn.Linear(4 * dim, dim)])",
            "nn.ModuleList([gate, nn.Linear(4 * dim, dim), nn.Linear(4 * dim, dim)])",
            "there is a parameter too many, `net.1.weight`",
        ),
    ],
    "SpatialTransformer": [
        ("nn.GroupNorm(groups, channels, eps=1e-6)", "nn.GroupNorm(groups, channels)", "eps=1e-05, 1e-06 is"),
        ("x + self.proj_out(tokens", "self.proj_out(tokens", "The image was not added."),
        (
            "        tokens = self.proj_in(self.norm(x))",
            "        x = self.norm(x)\n        tokens = self.proj_in(x)",
            "The normalised image was added",
        ),
        (
            "tokens.transpose(1, 2).reshape(x.shape)",
            "tokens.reshape(x.shape)",
            "On the way back the channels were not moved to the front first.",
        ),
        (
            "tokens.transpose(1, 2).reshape(x.shape)",
            "tokens.transpose(1, 2).reshape(*x.shape[:2], x.shape[3], x.shape[2]).mT",
            "On the way back height and width were swapped.",
        ),
        (
            ".flatten(2).transpose(1, 2)",
            ".flatten(2)",
            "expected input with shape [*, 4], but got input of size[2",
        ),
        (
            "nn.ModuleList([TransformerBlock(channels, context_dim, heads)])",
            "nn.ModuleList()",
            "`transformer_blocks` should have one TransformerBlock",
        ),
        (
            "self.transformer_blocks[0](tokens, context)",
            "self.transformer_blocks[0](tokens, 0 * context)",
            "✗ With the same weights it agrees",
        ),
    ],
    "UNet": [
        (
            "torch.cat([h, skips.pop()], dim=1)",
            "torch.cat([skips.pop(), h], dim=1)",
            "the skip stands before",
        ),
        (
            "torch.cat([h, skips.pop()], dim=1)",
            "torch.cat([h, skips.pop(0)], dim=1)",
            "Sizes of tensors must match except in dimension 1. Expected size 2 but got size 8",
        ),
        ("torch.cat([h, skips.pop()], dim=1)", "torch.cat([h, 0 * skips.pop()], dim=1)", "through the skips"),
        ("[angles.cos(), angles.sin()]", "[angles.sin(), angles.cos()]", "sines come before their cosines"),
        ("self.time_emb_proj(F.silu(time))", "self.time_emb_proj(time)", "into time_emb_proj without SiLU"),
        ("hidden * F.gelu(gate)", "F.gelu(hidden) * gate", "the first half of the feed-forward's channels"),
        (
            "t = torch.as_tensor(t, device=x.device).expand(x.shape[0])",
            "t = torch.as_tensor(t)[:1].expand(len(x))",
            "told the first sample's time",
        ),
        ("t = torch.as_tensor(t, device=x.device).expand(x.shape[0])", "pass", "it raised"),
        (
            "level.attentions[number](h, context) if len(level.attentions) else h",
            "h",
            "given to each Spatial",
        ),
        (
            "h = self.mid_block.attentions[0](h, context)\n",
            "pass\n",
            "✗ With the trained weights it gives what",
        ),
        (
            "self.conv_out(F.silu(self.conv_norm_out(h)))",
            "self.conv_out(self.conv_norm_out(h))",
            "✗ With the trai",
        ),
        (
            "                skips.append(h)\n            for downsample",
            "                pass\n            for downsample",
            "it raised",
        ),
        (
            "            if number > 0:\n",
            "            if True:\n",
            "0 parameters are missing and 2 are too many",
        ),
        ("range(layers_per_block + 1)", "range(layers_per_block)", "parameters are missing"),
        ("range(layers_per_block + 1)", "range(2)", "there is no `up_blocks.0.resnets.2`"),
        ("if number < len(levels) - 1:", "if number < 1:", "it raised IndexError: pop from empty list"),
        (
            "if number > 0:",
            "if number == 1:",
            "`upsamplers` should have entries in up_blocks.0, up_blocks.1; yours has some in up_blocks.1",
        ),
        (
            'self.time_embedding["linear_2"](F.silu(',
            'self.time_embedding["linear_2"]((',
            "✗ With the trained",
        ),
        (
            "level.resnets.append(ResBlock(width + skips.pop(), channels",
            "level.resnets.append(ResBlock(width + channels, channels",
            "`up_blocks.0.resnets.1.norm1.weight` has shape (128,), (96,)",
        ),
    ],
}


@pytest.mark.parametrize(
    ("exercise", "right", "wrong", "said"),
    [(exercise, *mistake) for exercise, mistakes in NAMED.items() for mistake in mistakes],
)
def test_a_mistake_is_named(exercise: str, right: str, wrong: str, said: str) -> None:
    text = report_of(exercise, with_mistake(right, wrong))
    assert "✗" in text
    assert said in text, text


def test_groups_that_take_turns_are_named() -> None:
    def group_norm(x: Tensor, groups: int, *rest: Any, **options: Any) -> Tensor:
        order = torch.arange(x.shape[1]).reshape(-1, groups).T.flatten()
        return reference.group_norm(x[:, order], groups, *rest, **options)[:, order.argsort()]

    assert "Here the groups take turns" in report_of("group_norm", {"group_norm": group_norm})


def test_an_untouched_class_is_not_written_yet() -> None:
    stub = {"ResBlock": type("ResBlock", (torch.nn.Module,), {"__init__": _stub})}
    assert "Not written yet" in report_of("ResBlock", stub)


def _stub(self: torch.nn.Module, *args: int, **options: int) -> None:
    raise NotImplementedError("write ResBlock.__init__")


def test_frequencies_left_on_the_cpu_would_fail_on_a_gpu() -> None:
    text = report_of("timestep_embedding", with_mistake("half, device=t.device,", "half,"))
    assert "✗" not in text
    assert "! This would fail on a GPU." in text


def test_a_time_made_on_the_cpu_would_fail_on_a_gpu() -> None:
    wrong = "t = torch.as_tensor(t).expand(x.shape[0])"
    text = report_of(
        "UNet", with_mistake("t = torch.as_tensor(t, device=x.device).expand(x.shape[0])", wrong)
    )
    assert "✗" not in text
    assert "! This would fail on a GPU." in text


def test_checking_the_whole_network_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from course.checking import examine; import solutions.unet as r\n"
        "assert examine.reports_on([r.UNet], None)[0].passed\n"
        "assert not {'diffusers', 'peft', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    root = str(Path(__file__).parents[3])
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{code}"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


# --- The bank of the hidden suite --------------------------------------------------------------------------


def _answers(kind: str) -> list[Answer]:
    path = HIDDEN / "unet" / f"{kind}.py"
    spec = importlib.util.spec_from_file_location(f"{kind}_of_unet_in_checks", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return answers_in(module)


def _names_of(answer: Answer) -> dict[str, Any]:
    return {answer.defines: answer.object}


@pytest.mark.parametrize("variant", _answers("variants"), ids=lambda variant: variant.id)
def test_what_is_written_differently_passes(variant: Answer) -> None:
    text = report_of(EXERCISE_OF[variant.defines].id, _names_of(variant))
    assert "✗" not in text
    assert "GPU" not in text


@pytest.mark.parametrize("mistake", _answers("mistakes"), ids=lambda mistake: mistake.id)
def test_a_known_mistake_does_not_pass(mistake: Answer) -> None:
    left_to_the_hidden_tests = {"EmbeddingNotCast"}
    text = report_of(EXERCISE_OF[mistake.defines].id, _names_of(mistake))
    assert ("✗" in text) == (mistake.id not in left_to_the_hidden_tests), text
