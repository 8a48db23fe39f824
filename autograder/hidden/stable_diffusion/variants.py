"""Correct answers of the module `stable_diffusion`, each written differently from the reference."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from autograder.testing import variant

# --- reparameterize ---------------------------------------------------------------------------------------


@variant("reparameterize", title="the root of the variance, by addcmul")
def by_addcmul(mean, log_variance, noise):
    return torch.addcmul(mean, log_variance.exp().sqrt(), noise)


@variant("reparameterize", title="e to the power of half the logarithm, sample by sample")
def sample_by_sample(mean, log_variance, noise):
    return torch.stack(
        [m + n * math.e ** (0.5 * v) for m, v, n in zip(mean, log_variance, noise, strict=True)]
    )


@variant("reparameterize", defines="kl_to_standard_normal", title="through the standard deviation")
def through_the_deviation(mean, log_variance):
    deviation = (log_variance / 2).exp()
    each = -torch.log(deviation) + (deviation**2 + mean**2) / 2 - 0.5
    return each.reshape(len(mean), -1).sum(-1)


@variant(
    "reparameterize",
    defines="kl_to_standard_normal",
    title="minus the term of the paper, over own dimensions",
)
def minus_the_papers(mean, log_variance):
    own = tuple(range(1, mean.dim()))
    return -0.5 * torch.sum(1 + log_variance - mean.square() - torch.exp(log_variance), dim=own)


# --- encode_latents ---------------------------------------------------------------------------------------


@variant("encode_latents", title="detached at the end, the sample written out")
def detached(encode, pictures, noise, scale=0.18215, shift=0.0):
    mean, log_variance = encode(pictures)
    return (scale * (mean - shift) + scale * torch.exp(0.5 * log_variance) * noise).detach()


@variant("encode_latents", title="in inference mode, in steps")
def in_steps(encode, pictures, noise, scale=0.18215, shift=0.0):
    with torch.no_grad():
        moments = encode(pictures)
        latents = moments[0] + noise * moments[1].exp() ** 0.5
        latents = latents - shift
        return latents * scale


@variant("encode_latents", defines="decode_latents", title="as a decorated function, limited by min and max")
@torch.no_grad()
def decorated(decode, latents, scale=0.18215, shift=0.0):
    picture = decode((latents + shift * scale) * (1 / scale))
    return torch.minimum(torch.maximum(picture, -torch.ones_like(picture)), torch.ones_like(picture))


@variant("encode_latents", defines="decode_latents", title="hardtanh")
def by_hardtanh(decode, latents, scale=0.18215, shift=0.0):
    with torch.no_grad():
        return F.hardtanh(decode(shift + latents / scale))


# --- TextEncoder ------------------------------------------------------------------------------------------


class _Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.v_proj, self.out_proj = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x, hidden):
        B, S, D = x.shape
        d = D // self.heads
        q = self.q_proj(x).reshape(B, S, self.heads, d).permute(0, 2, 1, 3)
        k = self.k_proj(x).reshape(B, S, self.heads, d).permute(0, 2, 3, 1)
        v = self.v_proj(x).reshape(B, S, self.heads, d).permute(0, 2, 1, 3)
        scores = (q @ k / math.sqrt(d)).masked_fill(hidden, float("-inf"))
        return self.out_proj((scores.softmax(-1) @ v).permute(0, 2, 1, 3).reshape(B, S, D))


class _Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        h = self.fc1(x)
        return self.fc2(h / (1 + torch.exp(-1.702 * h)))


class _Layer(nn.Module):
    def __init__(self, dim, heads, hidden):
        super().__init__()
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.self_attn, self.mlp = _Attention(dim, heads), _Mlp(dim, hidden)

    def forward(self, x, hidden):
        x = x + self.self_attn(self.layer_norm1(x), hidden)
        return x + self.mlp(self.layer_norm2(x))


class _Empty(nn.Module):
    pass


class _Encoder(nn.Module):
    def __init__(self, vocabulary, length, dim, heads, layers, hidden):
        super().__init__()
        self.embeddings, self.encoder = _Empty(), _Empty()
        for of, many in (("token", vocabulary), ("position", length)):
            self.embeddings.add_module(f"{of}_embedding", nn.Embedding(many, dim))
        self.encoder.layers = nn.ModuleList([_Layer(dim, heads, hidden) for _ in range(layers)])
        self.final_layer_norm = nn.LayerNorm(dim)


@variant("TextEncoder", defines="TextEncoder", title="a class for each part, the softmax written out")
class OfClasses(_Encoder):
    def forward(self, tokens, mask=None):
        S = tokens.shape[1]
        places = torch.arange(S, device=tokens.device)
        x = self.embeddings.token_embedding(tokens) + self.embeddings.position_embedding(places)
        hidden = places[None, :] > places[:, None]  # [asking, asked]
        if mask is not None:
            hidden = hidden | ~mask[:, None, None, :]
        for layer in self.encoder.layers:
            x = layer(x, hidden)
        return self.final_layer_norm(x)


@variant("TextEncoder", defines="TextEncoder", title="head by head, a mask of numbers, silu for the gelu")
class HeadByHead(_Encoder):
    def forward(self, tokens, mask=None):
        B, S = tokens.shape
        weight = self.embeddings.position_embedding.weight
        x = F.embedding(tokens, self.embeddings.token_embedding.weight) + weight.narrow(0, 0, S)
        forbidden = torch.zeros(B, S, S, dtype=x.dtype, device=x.device)
        later = torch.ones(S, S, dtype=torch.bool, device=x.device).triu(1)
        forbidden = forbidden.masked_fill(later, -1e9)
        if mask is not None:
            forbidden = forbidden.masked_fill(mask.logical_not().unsqueeze(1), -1e9)
        for layer in self.encoder.layers:
            attention, normed = layer.self_attn, layer.layer_norm1(x)
            parts = [
                each.chunk(attention.heads, dim=-1)
                for each in (attention.q_proj(normed), attention.k_proj(normed), attention.v_proj(normed))
            ]
            heads = []
            for q, k, v in zip(*parts, strict=True):
                scores = torch.bmm(q, k.transpose(1, 2)) * q.shape[-1] ** -0.5 + forbidden
                heads.append(torch.bmm(torch.softmax(scores, dim=2), v))
            x = x + attention.out_proj(torch.cat(heads, dim=-1))
            wide = layer.mlp.fc1(layer.layer_norm2(x))
            x = x + layer.mlp.fc2(F.silu(1.702 * wide) / 1.702)
        return self.final_layer_norm(x)


@variant("TextEncoder", defines="last_token", title="row by row")
def row_by_row(hidden, tokens, end):
    return torch.stack([h[t.tolist().index(end)] for h, t in zip(hidden, tokens, strict=True)])


@variant("TextEncoder", defines="last_token", title="a running count of end tokens")
def by_counting(hidden, tokens, end):
    is_end = tokens == end
    first = is_end & (is_end.cumsum(1) == 1)
    return (hidden * first.unsqueeze(-1).to(hidden.dtype)).sum(1)


@variant("TextEncoder", defines="last_token", title="gather")
def by_gather(hidden, tokens, end):
    place = torch.eq(tokens, end).to(torch.uint8).argmax(dim=-1)
    index = place[:, None, None].expand(-1, 1, hidden.shape[-1])
    return hidden.gather(1, index).squeeze(1)


# --- blend_prompts ----------------------------------------------------------------------------------------


@variant("blend_prompts", title="divided at the end, with the weights broadcast")
def divided_at_the_end(embeddings, weights):
    w = weights.to(embeddings)
    return (w[:, None, None] * embeddings).sum(0) / w.sum()


@variant("blend_prompts", title="tensordot")
def by_tensordot(embeddings, weights):
    return torch.tensordot((weights / torch.sum(weights)).to(embeddings.dtype), embeddings, dims=1)


@variant("blend_prompts", defines="slerp", title="sample by sample, with Python's own sines")
def one_by_one(a, b, w):
    made = []
    for one, other in zip(a, b, strict=True):
        x, y = one.flatten().double(), other.flatten().double()
        cosine = max(-1.0, min(1.0, float(x @ y / (x.norm() * y.norm()))))
        theta = math.acos(cosine)
        if math.sin(theta) < 1e-6:
            made.append((1 - w) * one + w * other)
        else:
            made.append((math.sin((1 - w) * theta) * one + math.sin(w * theta) * other) / math.sin(theta))
    return torch.stack(made)


@variant("blend_prompts", defines="slerp", title="cosine_similarity, and weights of both")
def with_weights(a, b, w):
    cosine = F.cosine_similarity(a.flatten(1), b.flatten(1), dim=1, eps=1e-30).clamp(-1, 1)
    theta = torch.arccos(cosine)
    sine = torch.sin(theta)
    flat = sine < 1e-6
    safe = torch.where(flat, torch.ones_like(sine), sine)
    of_a = torch.where(flat, torch.full_like(sine, 1 - w), torch.sin((1 - w) * theta) / safe)
    of_b = torch.where(flat, torch.full_like(sine, w), torch.sin(w * theta) / safe)
    own = (-1,) + (1,) * (a.dim() - 1)
    return of_a.view(own) * a + of_b.view(own) * b


@variant("blend_prompts", defines="slerp", title="the line where needed, by lerp")
def by_lerp(a, b, w):
    own = list(range(1, a.dim()))
    length = [each.square().sum(own, keepdim=True).sqrt() for each in (a, b)]
    theta = ((a / length[0]) * (b / length[1])).sum(own, keepdim=True).clamp(-1.0, 1.0).acos()
    arc = (torch.sin(theta - w * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)
    return torch.lerp(a, b, w).where(theta.sin() < 1e-6, arc)


# --- denoising_loop ---------------------------------------------------------------------------------------


@variant("denoising_loop", title="the prompt first, the input doubled before it is scaled")
def prompt_first(unet, scheduler, cond, null, latents, w, steps, start=0):
    scheduler.set_timesteps(steps)
    context = torch.cat((cond, null), dim=0)
    x = latents.clone()
    if start == 0:
        x = x * scheduler.init_noise_sigma
    with torch.no_grad():
        for t in scheduler.timesteps[start:]:
            both = scheduler.scale_model_input(torch.cat([x] * 2), t)
            out = unet(both, t, context)
            wanted, without = out[: len(x)], out[len(x) :]
            x = scheduler.step((1 - w) * without + w * wanted, t, x).prev_sample
    return x.detach()


@variant("denoising_loop", title="by index, the time for each sample, with lerp")
def by_index(unet, scheduler, cond, null, latents, w, steps, start=0):
    with torch.no_grad():
        scheduler.set_timesteps(steps)
        times = scheduler.timesteps
        x = latents * (scheduler.init_noise_sigma if start < 1 else 1.0)
        B = latents.shape[0]
        for i in range(start, len(times)):
            seen = scheduler.scale_model_input(x, times[i]).repeat(2, 1, 1, 1)
            told = times[i].to(x.device).expand(2 * B)
            out = unet(seen, told, torch.cat([null, cond])).view(2, *x.shape)
            x = scheduler.step(torch.lerp(out[0], out[1], float(w)), times[i], x).prev_sample
        return x


@variant("denoising_loop", title="pairs side by side")
@torch.no_grad()
def side_by_side(unet, scheduler, cond, null, latents, w, steps, start=0):
    scheduler.set_timesteps(steps)
    x = latents + 0 if start else scheduler.init_noise_sigma * latents
    context = torch.stack([null, cond], 1).flatten(0, 1)
    for number, t in enumerate(scheduler.timesteps):
        if number < start:
            continue
        seen = scheduler.scale_model_input(x, t).repeat_interleave(2, dim=0)
        without, wanted = unet(seen, t, context).unflatten(0, (-1, 2)).unbind(1)
        x = scheduler.step(wanted + (w - 1) * (wanted - without), t, x).prev_sample
    return x


# --- img2img_start ----------------------------------------------------------------------------------------


@variant("img2img_start", title="at least 0 are left out")
def at_least_none(steps, strength):
    return max(steps - int(steps * strength), 0)


@variant("img2img_start", title="floor, in a condition")
def by_floor(steps, strength):
    taken = math.floor(steps * strength)
    if taken > steps:
        taken = steps
    return steps - taken


@variant("img2img_start", defines="img2img_latents", title="by the table's own roots, in its dtype")
def in_the_tables_dtype(latents, noise, timesteps, start, alphas_cumprod):
    if start == len(timesteps):
        return latents.clone()
    abar = alphas_cumprod[timesteps[start]]
    return (torch.sqrt(abar) * latents.to(abar) + torch.sqrt(1 - abar) * noise.to(abar)).to(latents.dtype)


@variant("img2img_start", defines="img2img_latents", title="a table with a row for no noise")
def one_row_more(latents, noise, timesteps, start, alphas_cumprod):
    levels = [float(alphas_cumprod[int(t)]) for t in timesteps] + [1.0]
    return math.sqrt(levels[start]) * latents + math.sqrt(1 - levels[start]) * noise


# --- paste_known ------------------------------------------------------------------------------------------


@variant("paste_known", title="a copy, assigned where the mask is False")
def assigned(x, known, mask, noise, t_next, alphas_cumprod):
    abar = float(alphas_cumprod[t_next]) if t_next != -1 else 1.0
    noised = math.sqrt(abar) * known + math.sqrt(1 - abar) * noise
    out = x.clone()
    keep = (~mask).expand_as(x)
    out[keep] = noised[keep]
    return out


@variant("paste_known", title="arithmetic with a mask of numbers")
def by_arithmetic(x, known, mask, noise, t_next, alphas_cumprod):
    m = mask.to(x.dtype)
    if t_next >= 0:
        abar = alphas_cumprod[t_next].to(x.dtype)
        known = abar.sqrt() * known + (1 - abar).sqrt() * noise
    return m * x + (1 - m) * known


@variant("paste_known", defines="renoise", title="the product of all the steps in between")
def product_of_steps(x, t, t_later, noise, alphas_cumprod):
    padded = torch.cat([torch.ones_like(alphas_cumprod[:1]), alphas_cumprod])
    alphas = padded[1:] / padded[:-1]
    keep = alphas[t + 1 : t_later + 1].prod()
    return keep.sqrt().to(x.dtype) * x + (1 - keep).sqrt().to(x.dtype) * noise


@variant("paste_known", defines="renoise", title="through the standard deviations of both times")
def through_deviations(x, t, t_later, noise, alphas_cumprod):
    now = 1.0 if t == -1 else alphas_cumprod[t].item()
    then = alphas_cumprod[t_later].item()
    shrink = math.sqrt(then / now)
    missing = max((1 - then) - shrink**2 * (1 - now), 0.0)  # the variance that is not there yet
    return shrink * x + math.sqrt(missing) * noise


# --- Controlled -------------------------------------------------------------------------------------------


@variant("Controlled", defines="ZeroConv", title="filled with zeros in a loop")
class FilledConv(nn.Conv2d):
    def __init__(self, channels):
        super().__init__(in_channels=channels, out_channels=channels, kernel_size=1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()


@variant("Controlled", defines="ZeroConv", title="parameters of its own, and a sum over channels")
class OwnParameters(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        mixed = torch.einsum("oc,bchw->bohw", self.weight.flatten(1), x)
        return mixed + self.bias[:, None, None]


def _zeros(channels):
    layer = nn.Conv2d(channels, channels, 1)
    nn.init.constant_(layer.weight, 0.0)
    nn.init.constant_(layer.bias, 0.0)
    return layer


@variant("Controlled", defines="Controlled", title="frozen in a loop, the control first")
class FrozenInALoop(nn.Module):
    def __init__(self, block, channels):
        super().__init__()
        self.block, self.copy = block, copy.deepcopy(block)
        for parameter in self.block.parameters():
            parameter.requires_grad = False
        for parameter in self.copy.parameters():
            parameter.requires_grad = True
        self.zero_in = _zeros(channels)
        self.zero_out = _zeros(channels)

    def forward(self, x, hint, *rest):
        control = self.zero_out(self.copy(self.zero_in(hint) + x, *rest))
        return control + self.block(x, *rest)


@variant("Controlled", defines="Controlled", title="the block without a graph where x needs none")
class Called(nn.Module):
    def __init__(self, block, channels):
        super().__init__()
        self.copy = copy.deepcopy(block)
        self.copy.train(block.training)
        for parameter in self.copy.parameters():
            parameter.requires_grad = True
        self.block = block
        self.block.requires_grad_(False)
        self.zero_in, self.zero_out = _zeros(channels), _zeros(channels)

    def forward(self, x, hint, *rest):
        plain = self.block.forward(x, *rest)
        return torch.add(plain, self.zero_out(self.copy(torch.add(x, self.zero_in(hint)), *rest)))
