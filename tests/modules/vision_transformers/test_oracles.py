"""The solutions of the module against einops, transformers, diffusers and closed forms."""

from __future__ import annotations

from collections.abc import Iterator

import einops
import pytest
import torch
import torch.nn.functional as F
from diffusers import DiTTransformer2DModel
from diffusers.models.attention_processor import Attention, JointAttnProcessor2_0
from diffusers.models.embeddings import (
    apply_rotary_emb,
    get_1d_rotary_pos_embed,
    get_2d_sincos_pos_embed,
    get_timestep_embedding,
)
from diffusers.models.normalization import RMSNorm
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification

from course.lab import tiny_dit
from course.lab.tiny_dit.network import CONFIG, TinyDiT
from solutions import vision_transformers
from solutions.vision_transformers import (
    DiT,
    DiTBlock,
    JointAttention,
    PatchEmbed,
    ViT,
    modulate,
    patchify,
    rms_norm,
    rotate,
    sincos_2d,
    unpatchify,
)


@pytest.fixture(autouse=True)
def _same_numbers() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)
        yield


def double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def drawn(module: nn.Module) -> nn.Module:
    """The module in float64, with other weights than zeros and ones, in eval mode."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2)
    return module.double().eval()


# --- patches ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "patch"), [((3, 2, 6, 8), 2), ((1, 3, 9, 3), 3), ((2, 1, 4, 4), 4)])
def test_patches_are_those_of_einops(shape: tuple[int, ...], patch: int) -> None:
    x = double(*shape)
    cut = einops.rearrange(x, "b c (h p) (w q) -> b (h w) (p q c)", p=patch, q=patch)
    assert torch.equal(patchify(x, patch), cut)
    assert torch.equal(unpatchify(cut, patch, *shape[2:]), x)


def test_a_patchs_embedding_is_a_linear_layer() -> None:
    embed, x = PatchEmbed(2, 5, 2).double(), double(3, 2, 4, 6)
    linear = embed.proj.weight.permute(0, 2, 3, 1).reshape(5, -1)
    torch.testing.assert_close(embed(x), patchify(x, 2) @ linear.T + embed.proj.bias)


@pytest.mark.parametrize("side", [4, 7])
def test_positions_are_those_of_diffusers(side: int) -> None:
    """Whose `base_size` has to be the grid's: its default of 16 stretches positions."""
    expected = get_2d_sincos_pos_embed(12, side, base_size=side, output_type="pt")
    torch.testing.assert_close(sincos_2d(12, side, side), expected.float(), rtol=0, atol=1e-6)


def test_a_grid_that_is_not_square_is_a_part_of_one_that_is() -> None:
    whole = sincos_2d(8, 5, 5).view(5, 5, 8)
    torch.testing.assert_close(sincos_2d(8, 3, 5).view(3, 5, 8), whole[:3])
    torch.testing.assert_close(sincos_2d(8, 5, 2).view(5, 2, 8), whole[:, :2])


# --- ViT --------------------------------------------------------------------------------------------------

# Names of transformers 4.x, then of 5.x, and ours.
RENAMED = (
    ("vit.embeddings.cls_token", "cls_token"),
    ("vit.embeddings.position_embeddings", "pos_embed"),
    ("vit.embeddings.patch_embeddings.projection", "patch_embed.proj"),
    ("vit.encoder.layer.", "blocks."),
    ("vit.layers.", "blocks."),
    ("attention.attention.query", "attn.to_q"),
    ("attention.attention.key", "attn.to_k"),
    ("attention.attention.value", "attn.to_v"),
    ("attention.output.dense", "attn.to_out.0"),
    ("attention.q_proj", "attn.to_q"),
    ("attention.k_proj", "attn.to_k"),
    ("attention.v_proj", "attn.to_v"),
    ("attention.o_proj", "attn.to_out.0"),
    ("intermediate.dense", "fc1"),
    ("output.dense", "fc2"),
    ("mlp.fc1", "fc1"),
    ("mlp.fc2", "fc2"),
    ("layernorm_before", "norm1"),
    ("layernorm_after", "norm2"),
    ("vit.layernorm", "norm"),
    ("classifier", "head"),
)


def test_a_vit_is_that_of_transformers() -> None:
    config = ViTConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=40,
        image_size=8,
        patch_size=2,
        num_channels=3,
        num_labels=5,
        qkv_bias=False,  # as the module `attention` has it
    )
    theirs, state = drawn(ViTForImageClassification(config)), {}
    for name, weight in theirs.state_dict().items():
        for before, after in RENAMED:
            name = name.replace(before, after)
        state[name] = weight
    ours = ViT(8, 2, 3, 24, 3, 2, 40, 5).double()
    ours.load_state_dict(state)
    x = double(3, 3, 8, 8)
    torch.testing.assert_close(ours(x), theirs(x).logits)


# --- DiT --------------------------------------------------------------------------------------------------


def _diffusers_dit() -> nn.Module:
    return drawn(
        DiTTransformer2DModel(
            num_attention_heads=3,
            attention_head_dim=8,
            in_channels=4,
            out_channels=4,
            num_layers=2,
            sample_size=8,
            patch_size=2,
            num_embeds_ada_norm=10,
            norm_type="ada_norm_zero",
            norm_elementwise_affine=False,
            attention_bias=False,
            activation_fn="gelu-approximate",
        )
    )


def _block_state(block: nn.Module) -> dict[str, Tensor]:
    renamed = (("attn1.", "attn."), ("ff.net.0.proj.", "fc1."), ("ff.net.2.", "fc2."))
    state = {}
    for name, weight in block.state_dict().items():
        if name.startswith("norm1.linear."):
            state[name.replace("norm1.linear.", "modulation.")] = weight
        for before, after in renamed:
            if name.startswith(before):
                state[name.replace(before, after)] = weight
    return state


def test_a_block_is_that_of_diffusers() -> None:
    theirs = _diffusers_dit().transformer_blocks[0]
    ours = DiTBlock(24, 3, 96).double()
    ours.load_state_dict(_block_state(theirs))
    ours.norm2.eps = theirs.norm3.eps  # theirs has 1e-5 there, and the paper's code 1e-6
    assert theirs.norm1.norm.eps == ours.norm1.eps
    x, t, labels = double(3, 16, 24), torch.tensor([0, 10, 999]), torch.tensor([1, 4, 10])
    c = theirs.norm1.emb(t, labels, hidden_dtype=x.dtype)
    torch.testing.assert_close(ours(x, c), theirs(x, timestep=t, class_labels=labels))


def test_the_network_is_that_of_diffusers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its embedder of time and label is another in each block, and 256 wide: here all blocks have one."""
    theirs = _diffusers_dit()
    first, *others = theirs.transformer_blocks
    for block in others:
        block.norm1.emb.load_state_dict(first.norm1.emb.state_dict())
    ours = DiT(4, 2, 24, 3, 2, 10)
    ours.time_mlp[0] = nn.Linear(256, 24)
    ours.double()
    of_all = {
        "pos_embed.proj.": "patch_embed.proj.",
        "proj_out_1.": "modulation_out.",
        "proj_out_2.": "proj_out.",
        "transformer_blocks.0.norm1.emb.class_embedder.embedding_table.": "label_embed.",
        "transformer_blocks.0.norm1.emb.timestep_embedder.linear_1.": "time_mlp.0.",
        "transformer_blocks.0.norm1.emb.timestep_embedder.linear_2.": "time_mlp.2.",
    }
    state = {
        f"blocks.{number}.{name}": weight
        for number, block in enumerate(theirs.transformer_blocks)
        for name, weight in _block_state(block).items()
    }
    for name, weight in theirs.state_dict().items():
        for before, after in of_all.items():
            if name.startswith(before):
                state[name.replace(before, after)] = weight
    ours.load_state_dict(state)
    for ours_block, block in zip(ours.blocks, theirs.transformer_blocks, strict=True):
        ours_block.norm2.eps = block.norm3.eps

    class Waves:
        @staticmethod
        def timestep_embedding(t: Tensor, dim: int) -> Tensor:
            return get_timestep_embedding(t, 256, flip_sin_to_cos=True, downscale_freq_shift=1)

    monkeypatch.setattr(vision_transformers.parts, "unet", Waves, raising=False)
    x, t, labels = double(3, 4, 8, 8), torch.tensor([0, 10, 999]), torch.tensor([1, 4, 10])
    torch.testing.assert_close(ours(x, t, labels), theirs(x, t, labels).sample, rtol=1e-5, atol=1e-6)


def test_the_networks_output_layer_alone_learns_at_the_first_step() -> None:
    network = DiT(3, 2, 24, 3, 2, 10)
    x, t, labels = torch.randn(2, 3, 8, 6), torch.tensor([1, 500]), torch.tensor([3, 10])
    with torch.enable_grad():
        (network(x, t, labels) - 1).square().mean().backward()
    learns = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert learns == {"proj_out.weight", "proj_out.bias"}


def test_it_is_what_the_course_lends_trained() -> None:
    """The tiny DiT's own network and the solution, written apart, are one: for all sizes of pictures."""
    theirs, ours = drawn(TinyDiT()), DiT(**CONFIG).double()
    ours.load_state_dict(theirs.state_dict())
    t, labels = torch.tensor([3.5, 990.0]), torch.tensor([7, tiny_dit.ANY])
    for size in ((16, 16), (4, 10)):
        x = double(2, 3, *size)
        # The time's waves are float32 in both, and computed in different orders.
        torch.testing.assert_close(ours(x, t, labels), theirs(x, t, labels), rtol=1e-2, atol=2e-3)


def test_modulation_is_a_line_for_each_channel() -> None:
    x, shift, scale = double(3, 4, 5), double(3, 5), double(3, 5)
    expected = torch.stack([x[b] * (scale[b] + 1) + shift[b] for b in range(3)])
    torch.testing.assert_close(modulate(x, shift, scale), expected)


# --- RMSNorm, rotary positions, joint attention -----------------------------------------------------------


def test_the_norm_is_torchs_and_diffusers() -> None:
    x, theirs = double(3, 4, 8), RMSNorm(8, eps=1e-6)
    nn.init.normal_(theirs.weight)
    theirs.double()
    torch.testing.assert_close(rms_norm(x, theirs.weight), F.rms_norm(x, (8,), theirs.weight, 1e-6))
    torch.testing.assert_close(rms_norm(x, theirs.weight), theirs(x), rtol=1e-6, atol=1e-6)


def test_turning_is_that_of_diffusers() -> None:
    x, positions = torch.randn(2, 3, 7, 8), torch.arange(7)
    waves = get_1d_rotary_pos_embed(8, positions, use_real=True, repeat_interleave_real=True)
    torch.testing.assert_close(rotate(x, positions), apply_rotary_emb(x, waves))


def test_only_differences_of_positions_count() -> None:
    q, k = double(1, 1, 1, 8), double(1, 1, 1, 8)

    def product(at: int, other: int) -> Tensor:
        return (rotate(q, torch.tensor([at])) * rotate(k, torch.tensor([other]))).sum()

    torch.testing.assert_close(product(3, 10), product(103, 110))


def test_joint_attention_is_that_of_diffusers() -> None:
    theirs = drawn(
        Attention(
            query_dim=24,
            cross_attention_dim=None,
            added_kv_proj_dim=24,
            dim_head=8,
            heads=3,
            out_dim=24,
            context_pre_only=False,
            bias=True,
            processor=JointAttnProcessor2_0(),
        )
    )
    ours = JointAttention(24, 3).double()
    ours.load_state_dict(theirs.state_dict())
    image, text = double(3, 6, 24), double(3, 4, 24)
    for own, expected in zip(ours(image, text), theirs(image, text), strict=True):
        torch.testing.assert_close(own, expected)
