"""Stable Diffusion out of its parts: latents, a text encoder, the loop, and what is done with them.

Letters in shapes:
  B     batch                           C, H, W  channels, height, width of a picture or of its latents
  S     tokens of a caption             T        timesteps of the noise schedule
  N     prompts that are blended        dim, D   numbers of a token

    alphas_cumprod   [T], the share of the picture's variance that is left at each timestep
    encode, decode   the two halves of an autoencoder, as functions
    unet             any callable unet(x, t, context) -> prediction, of x's shape

A batch stands at one time here, so timesteps are ints; -1 is the time before the first one, where there is no
noise and alphas_cumprod counts as 1.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


def reparameterize(
    mean: Float[Tensor, "B ..."], log_variance: Float[Tensor, "B ..."], noise: Float[Tensor, "B ..."]
) -> Float[Tensor, "B ..."]:
    """A sample of the normal distribution with this mean and variance, made from standard normal noise.

    mean, log_variance, noise  of one shape and dtype; none is modified. log_variance is the natural logarithm
                               of the variance of each number.

    Returns a new tensor. Gradients flow through it.
    Source: Kingma & Welling, "Auto-Encoding Variational Bayes" (2013), section 2.4.
    """
    ### BEGIN SOLUTION
    return mean + torch.exp(log_variance / 2) * noise  # half the logarithm is that of the standard deviation
    ### END SOLUTION


def kl_to_standard_normal(
    mean: Float[Tensor, "B ..."], log_variance: Float[Tensor, "B ..."]
) -> Float[Tensor, " B"]:
    """How far each sample's normal distribution is from the standard one: KL(N(mean, variance) || N(0, 1)).

    mean, log_variance  of one shape and dtype, with at least one dimension after B; none is modified.

    Summed over all the numbers of a sample, in nats. Returns a new tensor [B] of mean's dtype. Gradients flow
    through it.
    Source: Kingma & Welling (2013), appendix B, with the sign turned.
    """
    ### BEGIN SOLUTION
    each = (mean**2 + log_variance.exp() - 1 - log_variance) / 2
    return each.flatten(1).sum(1)
    ### END SOLUTION


def encode_latents(
    encode: Callable[[Tensor], tuple[Tensor, Tensor]],
    pictures: Float[Tensor, "B 3 H W"],
    noise: Float[Tensor, "B C h w"],
    scale: float = 0.18215,
    shift: float = 0.0,
) -> Float[Tensor, "B C h w"]:
    """Pictures as the latents that a UNet works on: a sample of what the encoder says, shifted and scaled.

    encode    encode(pictures) -> (mean, log_variance), each [B, C, h, w]; asked exactly once, with the
              pictures.
    pictures  from -1 to 1. noise: standard normal, for `reparameterize`. Neither is modified.

    latents = (sample - shift) * scale. The defaults are Stable Diffusion 1's; version 3 has 1.5305 and
    0.0609.
    Returns a new tensor that carries no graph, whatever encode has computed.
    Source: Rombach et al. (2022), section 3.1 and appendix G.
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        mean, log_variance = encode(pictures)
        return (reparameterize(mean, log_variance, noise) - shift) * scale
    ### END SOLUTION


def decode_latents(
    decode: Callable[[Tensor], Tensor],
    latents: Float[Tensor, "B C h w"],
    scale: float = 0.18215,
    shift: float = 0.0,
) -> Float[Tensor, "B 3 H W"]:
    """Latents as pictures again: scaling and shift undone, decoded, limited to -1 ... 1.

    decode   decode(sample) -> pictures [B, 3, H, W]; asked exactly once, with what `encode_latents` had
             before it shifted and scaled.
    latents  not modified.

    Returns a new tensor that carries no graph.
    """
    ### BEGIN SOLUTION
    with torch.no_grad():
        return decode(latents / scale + shift).clamp(-1, 1)
    ### END SOLUTION


class TextEncoder(nn.Module):
    """CLIP's text transformer: tokens to vectors, each of which knows of the tokens before it.

    vocabulary   number of different tokens. length: tokens of the longest text.
    dim          numbers of a token; a multiple of heads. hidden: numbers in the middle of each mlp.

    The embedding of each token plus that of its place, then the layers, then final_layer_norm. A layer is
    x = x + self_attn(layer_norm1(x)), then x = x + mlp(layer_norm2(x)). In self_attn a token sees itself and
    those before it, heads of dim // heads numbers each, scores divided by the root of that. mlp is fc1, then
    x * sigmoid(1.702 x) (the "quick gelu"), then fc2.

    Parameters, named as in transformers' CLIPTextModel:
      embeddings.token_embedding      nn.Embedding(vocabulary, dim)
      embeddings.position_embedding   nn.Embedding(length, dim)
      encoder.layers                  nn.ModuleList of `layers` modules, each with
        layer_norm1, layer_norm2      nn.LayerNorm(dim), eps 1e-5 (torch's own)
        self_attn.q_proj, k_proj, v_proj, out_proj   nn.Linear(dim, dim), with bias
        mlp.fc1, mlp.fc2              nn.Linear(dim, hidden), nn.Linear(hidden, dim)
      final_layer_norm                nn.LayerNorm(dim)
    embeddings, encoder, self_attn and mlp are modules without parameters of their own. No other parameters.
    Leave them as torch initialises them.
    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021),
    2.4.
    """

    def __init__(self, vocabulary: int, length: int, dim: int, heads: int, layers: int, hidden: int) -> None:
        super().__init__()

        ### BEGIN SOLUTION
        def layer() -> nn.ModuleDict:
            projections = {name: nn.Linear(dim, dim) for name in ("q_proj", "k_proj", "v_proj", "out_proj")}
            mlp = {"fc1": nn.Linear(dim, hidden), "fc2": nn.Linear(hidden, dim)}
            return nn.ModuleDict(
                {
                    "layer_norm1": nn.LayerNorm(dim),
                    "self_attn": nn.ModuleDict(projections),
                    "layer_norm2": nn.LayerNorm(dim),
                    "mlp": nn.ModuleDict(mlp),
                }
            )

        self.heads = heads
        self.embeddings = nn.ModuleDict(
            {
                "token_embedding": nn.Embedding(vocabulary, dim),
                "position_embedding": nn.Embedding(length, dim),
            }
        )
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(layer() for _ in range(layers))})
        self.final_layer_norm = nn.LayerNorm(dim)
        ### END SOLUTION

    def forward(
        self, tokens: Int[Tensor, "B S"], mask: Bool[Tensor, "B S"] | None = None
    ) -> Float[Tensor, "B S dim"]:
        """tokens  0 ... vocabulary - 1, with S <= length; not modified.
        mask    True where a token is real, False where it only fills up: nobody looks there. None: all are
                real. Not modified.
                The first token of a row is always real. What is returned where mask is False is up to you.

        Returns a new tensor, in the dtype and on the device of the parameters.
        """
        ### BEGIN SOLUTION
        S = tokens.shape[1]
        positions: Any = self.embeddings["position_embedding"]
        x = self.embeddings["token_embedding"](tokens) + positions.weight[:S]
        sees = torch.ones(S, S, dtype=torch.bool, device=tokens.device).tril()  # [asking, asked]
        if mask is not None:
            sees = sees & mask[:, None, None, :]  # [B, 1, S, S]: for all heads and all who ask
        layers: Any = self.encoder["layers"]
        for layer in layers:
            attention, mlp = layer["self_attn"], layer["mlp"]
            normed = layer["layer_norm1"](x)
            q, k, v = (
                attention[name](normed).unflatten(2, (self.heads, -1)).transpose(1, 2)
                for name in ("q_proj", "k_proj", "v_proj")
            )  # [B, heads, S, dim // heads]
            seen = F.scaled_dot_product_attention(q, k, v, attn_mask=sees)
            x = x + attention["out_proj"](seen.transpose(1, 2).flatten(2))
            wide = mlp["fc1"](layer["layer_norm2"](x))
            x = x + mlp["fc2"](wide * torch.sigmoid(1.702 * wide))
        out: Tensor = self.final_layer_norm(x)
        return out
        ### END SOLUTION


def last_token(
    hidden: Float[Tensor, "B S dim"], tokens: Int[Tensor, "B S"], end: int
) -> Float[Tensor, "B dim"]:
    """Each text as one vector: what stands at its end token, which has seen all the others.

    hidden  what a `TextEncoder` made of these tokens; neither is modified.
    end     the number of the end token. Each row has it at least once; where it also fills up, the first
            counts.

    Returns a new tensor of hidden's dtype. Gradients flow through it.
    """
    ### BEGIN SOLUTION
    first = (tokens == end).int().argmax(1)  # of equal ones argmax gives the first
    return hidden[torch.arange(len(tokens), device=tokens.device), first]
    ### END SOLUTION


def blend_prompts(embeddings: Float[Tensor, "N S D"], weights: Float[Tensor, " N"]) -> Float[Tensor, "S D"]:
    """One prompt out of several: their weighted mean.

    embeddings  encoded prompts of one length. weights: any numbers whose sum is not 0; only their ratios
                count. Neither is modified.

    Returns a new tensor of the embeddings' dtype. Gradients flow through it.
    """
    ### BEGIN SOLUTION
    shares = (weights / weights.sum()).to(embeddings.dtype)
    return torch.einsum("n,nsd->sd", shares, embeddings)
    ### END SOLUTION


def slerp(a: Float[Tensor, "B ..."], b: Float[Tensor, "B ..."], w: float) -> Float[Tensor, "B ..."]:
    """From a (w = 0) to b (w = 1) along an arc, each sample by itself.

    a, b  of one shape and dtype, with at least one dimension after B; no sample is all zeros. Neither is
          modified.
    w     from 0 to 1.

    Let theta be the angle between a sample's a and b, taken as directions of all its numbers. Then the result
    is (sin((1 - w) theta) a + sin(w theta) b) / sin(theta): lengths are not touched before. Where
    sin(theta) < 1e-6 it is the straight line, (1 - w) a + w b.

    Returns a new tensor.
    Source: Shoemake, "Animating Rotation with Quaternion Curves" (1985); White, "Sampling Generative
    Networks" (2016), section 2.1.
    """
    ### BEGIN SOLUTION
    one, other = a.flatten(1), b.flatten(1)
    cosine = F.cosine_similarity(one, other).clamp(-1, 1)  # rounding leads beyond
    theta = cosine.acos()[:, None]  # [B, 1]
    sine = theta.sin()
    arc = (((1 - w) * theta).sin() * one + (w * theta).sin() * other) / sine
    return torch.where(sine < 1e-6, (1 - w) * one + w * other, arc).reshape(a.shape)
    ### END SOLUTION


@torch.no_grad()
def denoising_loop(
    unet: Callable[..., Tensor],
    scheduler: Any,
    cond: Float[Tensor, "B S D"],
    null: Float[Tensor, "B S D"],
    latents: Float[Tensor, "B C H W"],
    w: float,
    steps: int,
    start: int = 0,
) -> Float[Tensor, "B C H W"]:
    """From noise to latents of a picture, under guidance, with any scheduler.

    unet       unet(x, t, context) -> prediction of x's shape, for 2B samples at once; t is an entry of the
               scheduler's timesteps, and both halves of x are the same. The order of the halves is free.
    scheduler  has set_timesteps(steps), which the loop calls once; then `timesteps`, `init_noise_sigma`,
               scale_model_input(x, t), and step(prediction, t, x).prev_sample, as those of diffusers.
    cond, null the encoded prompts, and the encoded empty ones (or negatives).
    latents    start = 0: noise of standard deviation 1, to be multiplied by init_noise_sigma. Otherwise what
               stands at timesteps[start], and is taken as it is. Not modified.
    w          guidance scale: null's prediction + w times (cond's - null's).
    start      how many of the timesteps are left out at the beginning. All: the latents come back unchanged.

    At each timestep unet is asked exactly once, with scale_model_input(x, t); step gets x as it was before.
    Returns a tensor of the latents' shape and dtype. No gradients are kept.
    Source: diffusers' StableDiffusionPipeline, its denoising loop.
    """
    ### BEGIN SOLUTION
    scheduler.set_timesteps(steps)
    x = latents if start else latents * scheduler.init_noise_sigma
    context = torch.cat([null, cond])
    for t in scheduler.timesteps[start:]:
        seen = scheduler.scale_model_input(x, t)
        without, wanted = unet(torch.cat([seen, seen]), t, context).chunk(2)
        x = scheduler.step(without + w * (wanted - without), t, x).prev_sample
    return x
    ### END SOLUTION


def img2img_start(steps: int, strength: float) -> int:
    """How many of the steps are left out when a picture is to be changed by so much.

    steps     at least 1. strength: from 0 (nothing is changed) to 1 (nothing is left of it).

    int(steps * strength) steps are taken; the others, at the beginning, are left out.
    Source: diffusers' StableDiffusionImg2ImgPipeline.get_timesteps.
    """
    ### BEGIN SOLUTION
    return steps - int(steps * strength)
    ### END SOLUTION


def img2img_latents(
    latents: Float[Tensor, "B C H W"],
    noise: Float[Tensor, "B C H W"],
    timesteps: Sequence[int] | Int[Tensor, " steps"],
    start: int,
    alphas_cumprod: Float[Tensor, " T"],
) -> Float[Tensor, "B C H W"]:
    """A picture's latents with the noise of timesteps[start], from which the loop is to go on.

    latents, noise   of one shape and dtype; they, timesteps and alphas_cumprod are not modified.
    timesteps        falling. start: from 0 to their number, which stands for no noise: the latents come back
                     as they are.
    alphas_cumprod   may be float64; the result has the latents' dtype.

    Returns a new tensor. Gradients flow through it.
    Source: Meng et al., "SDEdit" (2021), algorithm 1, with variance preserved.
    """
    ### BEGIN SOLUTION
    abar: Tensor | float = alphas_cumprod[timesteps[start]] if start < len(timesteps) else 1.0
    out: Tensor = abar**0.5 * latents + (1 - abar) ** 0.5 * noise
    return out
    ### END SOLUTION


def paste_known(
    x: Float[Tensor, "B C H W"],
    known: Float[Tensor, "B C H W"],
    mask: Bool[Tensor, "B 1 H W"],
    noise: Float[Tensor, "B C H W"],
    t_next: int,
    alphas_cumprod: Float[Tensor, " T"],
) -> Float[Tensor, "B C H W"]:
    """After a step: what is known is put in place again, with as much noise as the rest has.

    x        what the step has led to, at t_next. known: clean latents. noise: standard normal. None is
             modified.
    mask     True where something is to be drawn; elsewhere the known stands, at t_next.
    t_next   -1: no noise.
    alphas_cumprod   may be float64; the result has x's dtype.

    Returns a new tensor. Gradients flow through it.
    Source: Lugmayr et al., "RePaint" (2022), equation 8.
    """
    ### BEGIN SOLUTION
    abar: Tensor | float = alphas_cumprod[t_next] if t_next >= 0 else 1.0  # [-1] would be the noisiest
    return torch.where(mask, x, abar**0.5 * known + (1 - abar) ** 0.5 * noise)
    ### END SOLUTION


def renoise(
    x: Float[Tensor, "B C H W"],
    t: int,
    t_later: int,
    noise: Float[Tensor, "B C H W"],
    alphas_cumprod: Float[Tensor, " T"],
) -> Float[Tensor, "B C H W"]:
    """From t up to a noisier t_later, in one go: what all the steps of the forward process in between would
    do.

    x        at timestep t, -1 for clean. noise: standard normal. None is modified.
    t_later  above t.
    alphas_cumprod   may be float64; the result has x's dtype.

    Returns a new tensor. Gradients flow through it.
    Source: Lugmayr et al. (2022), section 4.2.
    """
    ### BEGIN SOLUTION
    before: Tensor | float = alphas_cumprod[t] if t >= 0 else 1.0
    ratio = alphas_cumprod[t_later] / before
    out: Tensor = ratio**0.5 * x + (1 - ratio) ** 0.5 * noise
    return out
    ### END SOLUTION


class ZeroConv(nn.Conv2d):
    """A 1 x 1 convolution that starts as zeros, weight and bias; both are learned.

    channels  in and out. Parameters: weight [channels, channels, 1, 1], bias [channels]; no others.
    Source: Zhang et al., "Adding Conditional Control to Text-to-Image Diffusion Models" (2023), section 3.1.
    """

    def __init__(self, channels: int) -> None:
        ### BEGIN SOLUTION
        super().__init__(channels, channels, 1)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
        ### END SOLUTION


class Controlled(nn.Module):
    """A trained block that is to obey a hint as well: block(x) + zero_out(copy(x + zero_in(hint))).

    block     a module, block(x, *rest) -> of x's shape. It is kept as it is, and frozen: none of its
              parameters requires gradients any more.
    channels  of x, and of the hint.

    Modules:
      block               the given one
      copy                a copy of it with parameters of its own, which all learn, even if the block's were
                          frozen before
      zero_in, zero_out   ZeroConv(channels)
    Source: Zhang et al. (2023), equation 2.
    """

    def __init__(self, block: nn.Module, channels: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.copy = copy.deepcopy(block).requires_grad_()
        self.block = block.requires_grad_(False)
        self.zero_in, self.zero_out = ZeroConv(channels), ZeroConv(channels)
        ### END SOLUTION

    def forward(
        self, x: Float[Tensor, "B C H W"], hint: Float[Tensor, "B C H W"], *rest: Any
    ) -> Float[Tensor, "B C H W"]:
        """x and hint are not modified; the rest goes to block and copy as it is. Returns a new tensor."""
        ### BEGIN SOLUTION
        out: Tensor = self.block(x, *rest) + self.zero_out(self.copy(x + self.zero_in(hint), *rest))
        return out
        ### END SOLUTION
