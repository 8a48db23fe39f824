"""Known mistakes of the module `stable_diffusion`: code that students write, and what to tell them."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import mistake

# --- What is right in the mistakes ------------------------------------------------------------------------


def _sample(mean, log_variance, noise):
    return mean + torch.exp(log_variance / 2) * noise


def _slerp(a, b, w):
    x, y = a.flatten(1), b.flatten(1)
    theta = (F.normalize(x, dim=1) * F.normalize(y, dim=1)).sum(1, keepdim=True).clamp(-1, 1).acos()
    sine = theta.sin()
    arc = (((1 - w) * theta).sin() * x + (w * theta).sin() * y) / sine.masked_fill(sine < 1e-6, 1)
    return torch.where(sine < 1e-6, (1 - w) * x + w * y, arc).reshape(a.shape)


@torch.no_grad()
def _loop(unet, scheduler, cond, null, latents, w, steps, start=0, always=False):
    scheduler.set_timesteps(steps)
    x = latents if start and not always else latents * scheduler.init_noise_sigma
    for t in scheduler.timesteps[start:]:
        x = scheduler.step(
            _guided(unet, scheduler.scale_model_input(x, t), t, cond, null, w), t, x
        ).prev_sample
    return x


def _guided(unet, x, t, cond, null, w):
    without, wanted = unet(torch.cat([x, x]), t, torch.cat([null, cond])).chunk(2)
    return without + w * (wanted - without)


def _zero_conv(channels):
    layer = nn.Conv2d(channels, channels, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


# --- reparameterize ---------------------------------------------------------------------------------------


@mistake(
    "reparameterize",
    title="the variance stands where the standard deviation belongs",
    hint="With a log variance of ln 4 the variance is 4. By how much should a noise of 1 move the sample?",
    stakes="trap",
)
def variance_for_deviation(mean, log_variance, noise):
    return mean + log_variance.exp() * noise


@mistake(
    "reparameterize",
    title="the logarithm is taken for the standard deviation itself",
    hint="Give it a log variance of 0. The variance is 1 then, and the noise should come through whole.",
)
def logarithm_for_deviation(mean, log_variance, noise):
    return mean + log_variance * noise


@mistake(
    "reparameterize",
    title="the root of the logarithm",
    hint="A log variance may be negative, and then has no root. Halve it before exp, or take the root after "
    "it.",
)
def root_of_the_logarithm(mean, log_variance, noise):
    return mean + log_variance.sqrt().exp() * noise


@mistake(
    "reparameterize",
    defines="kl_to_standard_normal",
    title="the divergence is averaged over a sample, not summed",
    hint="Repeat each number of a sample, so that it has twice as many. The divergence should double.",
)
def divergence_averaged(mean, log_variance):
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).flatten(1).mean(1)


@mistake(
    "reparameterize",
    defines="kl_to_standard_normal",
    title="one half is missing in the divergence",
    hint="For mean 2 and variance 1 the divergence is 2: half of the mean's square.",
)
def half_missing(mean, log_variance):
    return (mean**2 + log_variance.exp() - 1 - log_variance).flatten(1).sum(1)


@mistake(
    "reparameterize",
    defines="kl_to_standard_normal",
    title="the divergence has the wrong sign",
    hint="A divergence is never negative. What Kingma and Welling maximise is minus the divergence.",
)
def negative(mean, log_variance):
    return 0.5 * (1 + log_variance - mean**2 - log_variance.exp()).flatten(1).sum(1)


@mistake(
    "reparameterize",
    defines="kl_to_standard_normal",
    title="the logarithm of the variance is added instead of subtracted",
    hint="For mean 0 and a very small variance the divergence should grow. Does yours?",
)
def logarithm_added(mean, log_variance):
    return 0.5 * (mean**2 + log_variance.exp() - 1 + log_variance).flatten(1).sum(1)


@mistake(
    "reparameterize",
    defines="kl_to_standard_normal",
    title="one divergence for the whole batch",
    hint="Print the shape of the result: there should be a number for each sample.",
)
def over_the_batch(mean, log_variance):
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()


@mistake(
    "reparameterize",
    defines="kl_to_standard_normal",
    title="the divergence from the standard normal to this one, the other way round",
    hint="KL(p || q) and KL(q || p) differ. The expectation is taken under the encoder's distribution, so "
    "nothing is "
    "divided by its variance.",
)
def other_way_round(mean, log_variance):
    return 0.5 * ((1 + mean**2) / log_variance.exp() - 1 + log_variance).flatten(1).sum(1)


# --- encode_latents ---------------------------------------------------------------------------------------


@mistake(
    "encode_latents",
    title="divided by the scale instead of multiplied",
    hint="Stable Diffusion's raw latents have a standard deviation of about 5. With a scale of 0.18 they "
    "should have 1.",
)
def divides(encode, pictures, noise, scale=0.18215, shift=0.0):
    with torch.no_grad():
        return (_sample(*encode(pictures), noise) - shift) / scale


@mistake(
    "encode_latents",
    title="scaled first and shifted after",
    hint="With scale 2 and shift 1 a sample of 3 becomes (3 - 1) * 2 = 4. What does yours become?",
)
def shifts_last(encode, pictures, noise, scale=0.18215, shift=0.0):
    with torch.no_grad():
        return _sample(*encode(pictures), noise) * scale - shift


@mistake(
    "encode_latents",
    title="the mean is taken, and no sample",
    hint="Call it twice for the same pictures, with different noise. The latents should differ as well.",
)
def mean_for_sample(encode, pictures, noise, scale=0.18215, shift=0.0):
    with torch.no_grad():
        return (encode(pictures)[0] - shift) * scale


@mistake(
    "encode_latents",
    title="the noise is drawn inside",
    hint="The noise is an argument, so that a run can be repeated. Call it twice with the same noise.",
)
def own_noise(encode, pictures, noise, scale=0.18215, shift=0.0):
    with torch.no_grad():
        return (_sample(*encode(pictures), torch.randn_like(noise)) - shift) * scale


@mistake(
    "encode_latents",
    title="the graph is kept",
    hint="Print requires_grad of the result where the noise requires gradients. Nothing is learned here, "
    "and a graph "
    "of the whole autoencoder takes a lot of memory.",
    only_hidden=True,
)
def keeps_the_graph(encode, pictures, noise, scale=0.18215, shift=0.0):
    return (_sample(*encode(pictures), noise) - shift) * scale


@mistake(
    "encode_latents",
    defines="decode_latents",
    title="decoding multiplies again",
    hint="Encode and decode with functions that change nothing. Do you get back what you gave?",
)
def multiplies_again(decode, latents, scale=0.18215, shift=0.0):
    with torch.no_grad():
        return decode(latents * scale + shift).clamp(-1, 1)


@mistake(
    "encode_latents",
    defines="decode_latents",
    title="decoding undoes the shift before the scaling",
    hint="What was done last is undone first: latents were scaled after they were shifted.",
)
def shift_undone_first(decode, latents, scale=0.18215, shift=0.0):
    with torch.no_grad():
        return decode((latents + shift) / scale).clamp(-1, 1)


@mistake(
    "encode_latents",
    defines="decode_latents",
    title="pictures are not limited to -1 ... 1",
    hint="Print the smallest and the largest number of the picture. A decoder may go beyond what a screen "
    "can show.",
)
def no_clamp(decode, latents, scale=0.18215, shift=0.0):
    with torch.no_grad():
        return decode(latents / scale + shift)


@mistake(
    "encode_latents",
    defines="decode_latents",
    title="the latents are limited, not the picture",
    hint="Latents have no limits: they are about normally distributed. Which numbers should lie in -1 ... 1?",
)
def latents_clamped(decode, latents, scale=0.18215, shift=0.0):
    with torch.no_grad():
        return decode(latents.clamp(-1, 1) / scale + shift)


# --- TextEncoder ------------------------------------------------------------------------------------------


class _Encoder(nn.Module):
    """The text encoder with each of its steps to be changed."""

    def __init__(self, vocabulary, length, dim, heads, layers, hidden):
        super().__init__()
        self.heads = heads
        self.embeddings = nn.ModuleDict(
            {
                "token_embedding": nn.Embedding(vocabulary, dim),
                "position_embedding": nn.Embedding(length, dim),
            }
        )
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList()})
        for _ in range(layers):
            names = ("q_proj", "k_proj", "v_proj", "out_proj")
            attention = nn.ModuleDict({name: nn.Linear(dim, dim) for name in names})
            mlp = nn.ModuleDict({"fc1": nn.Linear(dim, hidden), "fc2": nn.Linear(hidden, dim)})
            layer = {"self_attn": attention, "mlp": mlp}
            layer |= {"layer_norm1": nn.LayerNorm(dim), "layer_norm2": nn.LayerNorm(dim)}
            self.encoder["layers"].append(nn.ModuleDict(layer))
        self.final_layer_norm = nn.LayerNorm(dim)

    def places(self, S: int) -> Tensor:
        return self.embeddings["position_embedding"].weight[:S]

    def sees(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        S = tokens.shape[1]
        causal = torch.ones(S, S, dtype=torch.bool, device=tokens.device).tril()
        return causal if mask is None else causal & mask[:, None, None, :]

    def gelu(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)

    def attend(self, attention: nn.ModuleDict, x: Tensor, sees: Tensor) -> Tensor:
        q, k, v = (
            attention[name](x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for name in ("q_proj", "k_proj", "v_proj")
        )
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=sees)
        return attention["out_proj"](out.transpose(1, 2).flatten(2))

    def layer(self, layer: nn.ModuleDict, x: Tensor, sees: Tensor) -> Tensor:
        x = x + self.attend(layer["self_attn"], layer["layer_norm1"](x), sees)
        mlp = layer["mlp"]
        return x + mlp["fc2"](self.gelu(mlp["fc1"](layer["layer_norm2"](x))))

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.embeddings["token_embedding"](tokens) + self.places(tokens.shape[1])
        for layer in self.encoder["layers"]:
            x = self.layer(layer, x, self.sees(tokens, mask))
        return self.final_layer_norm(x)


@mistake(
    "TextEncoder",
    title="tokens see what comes after them",
    hint="Change the last token of a text. The answers for all tokens before it should stay as they are.",
    stakes="trap",
)
class NotCausal(_Encoder):
    def sees(self, tokens, mask):
        S = tokens.shape[1]
        all_of_them = torch.ones(S, S, dtype=torch.bool, device=tokens.device)
        return all_of_them if mask is None else all_of_them & mask[:, None, None, :]


@mistake(
    "TextEncoder",
    title="the causal mask is turned round: tokens see what comes after them",
    hint="Row i of the mask belongs to the token that asks. Print your mask for three tokens; its first row "
    "should "
    "have one True.",
)
class CausalTurned(_Encoder):
    def sees(self, tokens, mask):
        S = tokens.shape[1]
        later = torch.ones(S, S, dtype=torch.bool, device=tokens.device).triu()
        return later if mask is None else later & mask[:, None, None, :]


@mistake(
    "TextEncoder",
    title="a token does not see itself",
    hint="The first token has nothing before it. If it does not see itself, it sees nothing at all.",
)
class NotItself(_Encoder):
    def sees(self, tokens, mask):
        S = tokens.shape[1]
        before = torch.ones(S, S, dtype=torch.bool, device=tokens.device).tril(-1)
        before[0, 0] = True
        return before if mask is None else before & mask[:, None, None, :]


@mistake(
    "TextEncoder",
    title="the mask hides the real tokens",
    hint="mask is True for a real token. In scaled_dot_product_attention True means: may be looked at.",
)
class MaskTurned(_Encoder):
    def sees(self, tokens, mask):
        S = tokens.shape[1]
        causal = torch.ones(S, S, dtype=torch.bool, device=tokens.device).tril()
        if mask is None:
            return causal
        return (causal & ~mask[:, None, None, :]) | torch.eye(S, dtype=torch.bool, device=tokens.device)


@mistake(
    "TextEncoder",
    title="the mask is left out",
    hint="Put another token where mask is False. Does anything change at the real tokens after it?",
)
class MaskIgnored(_Encoder):
    def sees(self, tokens, mask):
        return super().sees(tokens, None)


@mistake(
    "TextEncoder",
    title="another gelu than CLIP's",
    hint="CLIP's gelu is x * sigmoid(1.702 x). torch's own is near, and not the same.",
    only_hidden=False,
)
class OtherGelu(_Encoder):
    def gelu(self, x):
        return F.gelu(x)


@mistake(
    "TextEncoder",
    title="the norms come after instead of before",
    hint="CLIP is pre-norm: layer_norm1 is applied to what goes into attention, not to the sum that comes "
    "out.",
)
class PostNorm(_Encoder):
    def layer(self, layer, x, sees):
        x = layer["layer_norm1"](x + self.attend(layer["self_attn"], x, sees))
        mlp = layer["mlp"]
        return layer["layer_norm2"](x + mlp["fc2"](self.gelu(mlp["fc1"](x))))


@mistake(
    "TextEncoder",
    title="the final norm is missing",
    hint="Print the mean and the standard deviation of each token's answer. With a fresh final_layer_norm "
    "they are 0 "
    "and 1.",
)
class NoFinalNorm(_Encoder):
    def forward(self, tokens, mask=None):
        x = self.embeddings["token_embedding"](tokens) + self.places(tokens.shape[1])
        for layer in self.encoder["layers"]:
            x = self.layer(layer, x, self.sees(tokens, mask))
        return x


@mistake(
    "TextEncoder",
    title="the places of the tokens are left out",
    hint="Set the position embeddings to other numbers. The answer should change.",
)
class NoPlaces(_Encoder):
    def places(self, S):
        return 0 * super().places(S)


@mistake(
    "TextEncoder",
    title="the way past attention is missing",
    hint="Set out_proj to zeros. Then attention adds nothing, and the token itself has to be left.",
)
class NoShortcut(_Encoder):
    def layer(self, layer, x, sees):
        x = self.attend(layer["self_attn"], layer["layer_norm1"](x), sees)
        mlp = layer["mlp"]
        return x + mlp["fc2"](self.gelu(mlp["fc1"](layer["layer_norm2"](x))))


@mistake(
    "TextEncoder",
    title="one head instead of several",
    hint="Each head has dim // heads numbers and shares of its own. Print the shape of your scores: [B, "
    "heads, S, S].",
)
class OneHead(_Encoder):
    def attend(self, attention, x, sees):
        q, k, v = (attention[name](x)[:, None] for name in ("q_proj", "k_proj", "v_proj"))
        return attention["out_proj"](F.scaled_dot_product_attention(q, k, v, attn_mask=sees)[:, 0])


@mistake(
    "TextEncoder",
    defines="last_token",
    title="the last place instead of the first end token",
    hint="A text of three words does not end at place 77. Print the places where tokens == end.",
)
def last_place(hidden, tokens, end):
    return hidden[:, -1] + 0


@mistake(
    "TextEncoder",
    defines="last_token",
    title="the largest token instead of the end token",
    hint="CLIP's end token happens to have the largest number. Here `end` says which it is.",
    only_hidden=True,
)
def largest_token(hidden, tokens, end):
    return hidden[torch.arange(len(tokens), device=tokens.device), tokens.argmax(1)]


@mistake(
    "TextEncoder",
    defines="last_token",
    title="the last end token instead of the first",
    hint="Where texts are filled up with end tokens, the first one counts.",
)
def last_end(hidden, tokens, end):
    S = tokens.shape[1]
    place = S - 1 - (tokens == end).flip(1).int().argmax(1)
    return hidden[torch.arange(len(tokens), device=tokens.device), place]


# --- blend_prompts ----------------------------------------------------------------------------------------


@mistake(
    "blend_prompts",
    title="the weights are not divided by their sum",
    hint="Blend a prompt with itself, with weights 1 and 3. It should come out as it was.",
)
def weights_as_they_are(embeddings, weights):
    return torch.einsum("n,nsd->sd", weights.to(embeddings.dtype), embeddings)


@mistake(
    "blend_prompts",
    title="the weights go through a softmax",
    hint="Weights 1 and 3 should give shares of 1/4 and 3/4. Print yours.",
)
def softmaxed(embeddings, weights):
    return torch.einsum("n,nsd->sd", weights.softmax(0).to(embeddings.dtype), embeddings)


@mistake(
    "blend_prompts",
    title="the plain mean, whatever the weights",
    hint="Give one of the prompts the weight 0, and change that prompt. Nothing should change in the blend.",
)
def plain_mean(embeddings, weights):
    return embeddings.mean(0)


@mistake(
    "blend_prompts",
    defines="slerp",
    title="a straight line instead of an arc",
    hint="Half-way between two unit noises a straight line has a standard deviation of 0.71. Print yours.",
    stakes="trap",
)
def straight_line(a, b, w):
    return (1 - w) * a + w * b


@mistake(
    "blend_prompts",
    defines="slerp",
    title="w runs the other way",
    hint="Call it with w = 0, then with w = 1. The first should give a back, and the second b.",
)
def reversed_way(a, b, w):
    return _slerp(b, a, w)


@mistake(
    "blend_prompts",
    defines="slerp",
    title="one angle for the whole batch",
    hint="Print the shape of your angle: there should be one for each pair of samples. Is a pair's arc the "
    "same when it "
    "is alone?",
)
def one_angle(a, b, w):
    cosine = (F.normalize(a.flatten(), dim=0) * F.normalize(b.flatten(), dim=0)).sum().clamp(-1, 1)
    theta = cosine.acos()
    if theta.sin() < 1e-6:
        return (1 - w) * a + w * b
    return (((1 - w) * theta).sin() * a + (w * theta).sin() * b) / theta.sin()


@mistake(
    "blend_prompts",
    defines="slerp",
    title="0 divided by 0 where both have one direction",
    hint="Call it with b = 2 a, and print angle and sine. Both are 0 there, and by one of them you divide.",
)
def divides_by_nothing(a, b, w):
    x, y = a.flatten(1), b.flatten(1)
    theta = (F.normalize(x, dim=1) * F.normalize(y, dim=1)).sum(1, keepdim=True).clamp(-1, 1).acos()
    theta = torch.where(theta < 1e-6, 0 * theta, theta)
    return ((((1 - w) * theta).sin() * x + (w * theta).sin() * y) / theta.sin()).reshape(a.shape)


@mistake(
    "blend_prompts",
    defines="slerp",
    title="unit vectors come back",
    hint="Lengths are not touched: only for the angle are directions needed. With w = 0 the answer should "
    "be a itself.",
)
def unit_vectors(a, b, w):
    x, y = (F.normalize(each.flatten(1), dim=1).reshape(a.shape) for each in (a, b))
    return _slerp(x, y, w)


@mistake(
    "blend_prompts",
    defines="slerp",
    title="an angle for each row instead of for each sample",
    hint="A sample is one vector of all its numbers. Over which dimensions do you sum?",
)
def along_the_last(a, b, w):
    cosine = (F.normalize(a, dim=-1) * F.normalize(b, dim=-1)).sum(-1, keepdim=True).clamp(-1, 1)
    theta = cosine.acos()
    sine = theta.sin()
    arc = (((1 - w) * theta).sin() * a + (w * theta).sin() * b) / sine.masked_fill(sine < 1e-6, 1)
    return torch.where(sine < 1e-6, (1 - w) * a + w * b, arc)


# --- denoising_loop ---------------------------------------------------------------------------------------


@mistake(
    "denoising_loop",
    title="the first noise is not multiplied by init_noise_sigma",
    hint="Print scheduler.init_noise_sigma for DDIM and for Euler. With which of the two are your pictures "
    "wrong?",
    stakes="trap",
)
@torch.no_grad()
def no_initial_sigma(unet, scheduler, cond, null, latents, w, steps, start=0):
    scheduler.set_timesteps(steps)
    x = latents
    for t in scheduler.timesteps[start:]:
        eps = _guided(unet, scheduler.scale_model_input(x, t), t, cond, null, w)
        x = scheduler.step(eps, t, x).prev_sample
    return x


@mistake(
    "denoising_loop",
    title="the network sees x as it is",
    hint="Euler's x is up to 157 times as large as what the network was trained on. Which method of the "
    "scheduler "
    "brings it into range?",
    stakes="trap",
)
@torch.no_grad()
def input_not_scaled(unet, scheduler, cond, null, latents, w, steps, start=0):
    scheduler.set_timesteps(steps)
    x = latents if start else latents * scheduler.init_noise_sigma
    for t in scheduler.timesteps[start:]:
        x = scheduler.step(_guided(unet, x, t, cond, null, w), t, x).prev_sample
    return x


@mistake(
    "denoising_loop",
    title="the step starts from the scaled x",
    hint="scale_model_input is for the network's eyes only; the step goes on from x as it was.",
)
@torch.no_grad()
def steps_from_scaled(unet, scheduler, cond, null, latents, w, steps, start=0):
    scheduler.set_timesteps(steps)
    x = latents if start else latents * scheduler.init_noise_sigma
    for t in scheduler.timesteps[start:]:
        x = scheduler.scale_model_input(x, t)
        x = scheduler.step(_guided(unet, x, t, cond, null, w), t, x).prev_sample
    return x


@mistake(
    "denoising_loop",
    title="prompt and empty prompt are exchanged",
    hint="Which half of the answer belongs to which half of the context? With w = 1 only the prompt should "
    "matter.",
)
@torch.no_grad()
def halves_exchanged(unet, scheduler, cond, null, latents, w, steps, start=0):
    return _loop(unet, scheduler, null, cond, latents, w, steps, start)


@mistake(
    "denoising_loop",
    title="the scale is the paper's, one less than here",
    hint="Call it with w = 1. The guided prediction should then be the prompt's own, whatever null says.",
)
@torch.no_grad()
def scale_of_the_paper(unet, scheduler, cond, null, latents, w, steps, start=0):
    return _loop(unet, scheduler, cond, null, latents, w + 1, steps, start)


@mistake(
    "denoising_loop",
    title="the network is asked twice at each timestep",
    hint="Both predictions fit into one call: torch.cat for the samples and for the contexts, chunk for the "
    "answer.",
)
@torch.no_grad()
def two_calls(unet, scheduler, cond, null, latents, w, steps, start=0):
    scheduler.set_timesteps(steps)
    x = latents if start else latents * scheduler.init_noise_sigma
    for t in scheduler.timesteps[start:]:
        seen = scheduler.scale_model_input(x, t)
        without, wanted = unet(seen, t, null), unet(seen, t, cond)
        x = scheduler.step(without + w * (wanted - without), t, x).prev_sample
    return x


@mistake(
    "denoising_loop",
    title="init_noise_sigma is applied to a picture as well",
    hint="With start > 0 the latents are no pure noise: they are what stands at that timestep already.",
)
@torch.no_grad()
def sigma_always(unet, scheduler, cond, null, latents, w, steps, start=0):
    scheduler.set_timesteps(steps)
    return _loop(
        unet,
        scheduler,
        cond,
        null,
        latents * scheduler.init_noise_sigma if start else latents,
        w,
        steps,
        start,
    )


@mistake(
    "denoising_loop",
    title="the start is ignored",
    hint="With start = 3 the first three timesteps are left out. How many calls does the network get?",
)
@torch.no_grad()
def start_ignored(unet, scheduler, cond, null, latents, w, steps, start=0):
    scheduler.set_timesteps(steps)
    x = latents if start else latents * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        eps = _guided(unet, scheduler.scale_model_input(x, t), t, cond, null, w)
        x = scheduler.step(eps, t, x).prev_sample
    return x


@mistake(
    "denoising_loop",
    title="the last step is left out",
    hint="After the last timestep there is no noise left. How often is step called for five timesteps?",
)
@torch.no_grad()
def last_step_missing(unet, scheduler, cond, null, latents, w, steps, start=0):
    scheduler.set_timesteps(steps)
    x = latents if start else latents * scheduler.init_noise_sigma
    for t in scheduler.timesteps[start:-1]:
        eps = _guided(unet, scheduler.scale_model_input(x, t), t, cond, null, w)
        x = scheduler.step(eps, t, x).prev_sample
    return x


@mistake(
    "denoising_loop",
    title="no guidance: only the prompt is asked",
    hint="Call it with w = 1 and with w = 7. The results should differ: null matters to the second.",
)
@torch.no_grad()
def not_guided(unet, scheduler, cond, null, latents, w, steps, start=0):
    return _loop(unet, scheduler, cond, null, latents, 1.0, steps, start)


@mistake(
    "denoising_loop",
    title="the first guess is drawn upwards: timesteps in rising order",
    hint="Print the timesteps in your loop. The first one should be the noisiest.",
)
@torch.no_grad()
def rising(unet, scheduler, cond, null, latents, w, steps, start=0):
    scheduler.set_timesteps(steps)
    x = latents if start else latents * scheduler.init_noise_sigma
    for t in scheduler.timesteps[start:].flip(0):
        eps = _guided(unet, scheduler.scale_model_input(x, t), t, cond, null, w)
        x = scheduler.step(eps, t, x).prev_sample
    return x


# --- img2img_start ----------------------------------------------------------------------------------------


@mistake(
    "img2img_start",
    title="the strength is the share that is left out",
    hint="Strength 1 changes everything: then no step may be left out. What does yours give?",
)
def strength_turned(steps, strength):
    return min(int(steps * strength), steps)


@mistake(
    "img2img_start",
    title="rounded to the nearest whole number",
    hint="int rounds down: 7 steps at strength 0.5 are 3 steps to take, so 4 are left out.",
)
def rounded(steps, strength):
    return steps - min(round(steps * strength), steps)


@mistake(
    "img2img_start",
    title="what is left out is rounded, instead of what is taken",
    hint="For 7 steps at strength 0.5, 3.5 steps would be taken: rounded down 3, and so 4 are left out.",
)
def left_out_rounded(steps, strength):
    return int(steps * (1 - strength))


@mistake(
    "img2img_start",
    title="at least one step is always taken",
    hint="Call it with strength 0. Nothing is to be changed then, so that all the steps are left out.",
)
def at_least_one(steps, strength):
    return steps - max(min(int(steps * strength), steps), 1)


@mistake(
    "img2img_start",
    title="one too many is left out",
    hint="At strength 1 the first timestep counts, too: nothing is left out.",
)
def one_off(steps, strength):
    return steps - min(int(steps * strength), steps) + 1


@mistake(
    "img2img_start",
    defines="img2img_latents",
    title="the noise of the place in the list, not of the timestep there",
    hint="Print start beside timesteps[start]. Which of the two is a place in the table alphas_cumprod?",
)
def place_for_timestep(latents, noise, timesteps, start, alphas_cumprod):
    if start >= len(timesteps):
        return latents.clone()
    abar = alphas_cumprod[start].to(latents.dtype)
    return abar.sqrt() * latents + (1 - abar).sqrt() * noise


@mistake(
    "img2img_start",
    defines="img2img_latents",
    title="no roots",
    hint="Variances add up, not standard deviations. For alphas_cumprod 0.64 the latents are multiplied by "
    "0.8.",
)
def no_roots(latents, noise, timesteps, start, alphas_cumprod):
    if start >= len(timesteps):
        return latents.clone()
    abar = alphas_cumprod[timesteps[start]].to(latents.dtype)
    return abar * latents + (1 - abar) * noise


@mistake(
    "img2img_start",
    defines="img2img_latents",
    title="the noise is added to latents that do not shrink",
    hint="The picture's share of the variance is alphas_cumprod: print the standard deviation of what comes "
    "out.",
)
def not_shrunk(latents, noise, timesteps, start, alphas_cumprod):
    if start >= len(timesteps):
        return latents.clone()
    abar = alphas_cumprod[timesteps[start]].to(latents.dtype)
    return latents + (1 - abar).sqrt() * noise


@mistake(
    "img2img_start",
    defines="img2img_latents",
    title="an error where no step is taken",
    hint="start may be the number of timesteps. There is no timestep at that place, and there is no noise "
    "to add.",
)
def out_of_range(latents, noise, timesteps, start, alphas_cumprod):
    abar = alphas_cumprod[timesteps[start]].to(latents.dtype)
    return abar.sqrt() * latents + (1 - abar).sqrt() * noise


# --- paste_known ------------------------------------------------------------------------------------------


@mistake(
    "paste_known",
    title="the mask is turned round",
    hint="mask is True where something is to be drawn. There x has to stay.",
)
def mask_turned(x, known, mask, noise, t_next, alphas_cumprod):
    abar = 1.0 if t_next < 0 else float(alphas_cumprod[t_next])
    return torch.where(mask, abar**0.5 * known + (1 - abar) ** 0.5 * noise, x)


@mistake(
    "paste_known",
    title="the known is put back without noise",
    hint="Around a clean known part the noisy rest looks wrong to the network. Both need the noise of "
    "t_next.",
    stakes="trap",
)
def known_left_clean(x, known, mask, noise, t_next, alphas_cumprod):
    return torch.where(mask, x, known)


@mistake(
    "paste_known",
    title="after the last step the known gets the most noise of all",
    hint="t_next = -1 means: no noise. What does Python make of alphas_cumprod[-1]?",
)
def wraps(x, known, mask, noise, t_next, alphas_cumprod):
    abar = float(alphas_cumprod[t_next])
    return torch.where(mask, x, abar**0.5 * known + (1 - abar) ** 0.5 * noise)


@mistake(
    "paste_known",
    title="x is given noise as well",
    hint="Print the result where mask is True. It should be x itself, which has the noise of t_next already.",
)
def x_noised(x, known, mask, noise, t_next, alphas_cumprod):
    abar = 1.0 if t_next < 0 else float(alphas_cumprod[t_next])
    return abar**0.5 * torch.where(mask, x, known) + (1 - abar) ** 0.5 * noise


@mistake(
    "paste_known",
    title="pasting without roots",
    hint="For alphas_cumprod 0.64 the known is multiplied by 0.8 and the noise by 0.6.",
)
def pasted_without_roots(x, known, mask, noise, t_next, alphas_cumprod):
    abar = 1.0 if t_next < 0 else float(alphas_cumprod[t_next])
    return torch.where(mask, x, abar * known + (1 - abar) * noise)


@mistake(
    "paste_known",
    defines="renoise",
    title="noised as if x were clean",
    hint="x has the noise of t in it already. From 0.64 to 0.16 it should shrink by the root of a quarter, "
    "not of 0.16.",
)
def as_if_clean(x, t, t_later, noise, alphas_cumprod):
    abar = float(alphas_cumprod[t_later])
    return abar**0.5 * x + (1 - abar) ** 0.5 * noise


@mistake(
    "paste_known",
    defines="renoise",
    title="the noise has the difference of both variances",
    hint="x shrinks, and its noise with it. Then more has to be added than the difference: 1 minus the "
    "ratio.",
)
def difference_of_variances(x, t, t_later, noise, alphas_cumprod):
    now, then = 1.0 if t < 0 else float(alphas_cumprod[t]), float(alphas_cumprod[t_later])
    return (then / now) ** 0.5 * x + (now - then) ** 0.5 * noise


@mistake(
    "paste_known",
    defines="renoise",
    title="only the last of the steps",
    hint="From t to t_later there may be many steps. Is the result different for an earlier t?",
)
def one_step_only(x, t, t_later, noise, alphas_cumprod):
    before = 1.0 if t_later == 0 else float(alphas_cumprod[t_later - 1])
    ratio = float(alphas_cumprod[t_later]) / before
    return ratio**0.5 * x + (1 - ratio) ** 0.5 * noise


@mistake(
    "paste_known",
    defines="renoise",
    title="renoising without roots",
    hint="Call it with x of variance 1. The result should have variance 1, too: what multiplies x is a root.",
)
def renoised_without_roots(x, t, t_later, noise, alphas_cumprod):
    ratio = float(alphas_cumprod[t_later]) / (1.0 if t < 0 else float(alphas_cumprod[t]))
    return ratio * x + (1 - ratio) * noise


@mistake(
    "paste_known",
    defines="renoise",
    title="from clean it starts at the last timestep",
    hint="t = -1 means: no noise yet, alphas_cumprod is 1. What does Python make of alphas_cumprod[-1]?",
)
def clean_wraps(x, t, t_later, noise, alphas_cumprod):
    ratio = float(alphas_cumprod[t_later]) / float(alphas_cumprod[t])
    return ratio**0.5 * x + abs(1 - ratio) ** 0.5 * noise


# --- Controlled -------------------------------------------------------------------------------------------


class _Controlled(nn.Module):
    def __init__(self, block, channels):
        super().__init__()
        self.copy = copy.deepcopy(block).requires_grad_(True)
        self.block = block.requires_grad_(False)
        self.zero_in, self.zero_out = _zero_conv(channels), _zero_conv(channels)

    def forward(self, x, hint, *rest):
        return self.block(x, *rest) + self.zero_out(self.copy(x + self.zero_in(hint), *rest))


@mistake(
    "Controlled",
    defines="Controlled",
    title="the copy is the block itself",
    hint="Print whether layer.copy is layer.block. Assigning a module gives it a second name, and no second "
    "life.",
    stakes="trap",
)
class Shared(_Controlled):
    def __init__(self, block, channels):
        super().__init__(block, channels)
        self.copy = self.block


@mistake(
    "Controlled",
    defines="Controlled",
    title="the block learns, too",
    hint="Print requires_grad of the block's parameters. What has been trained at great cost is to stay as "
    "it is.",
)
class NotFrozen(_Controlled):
    def __init__(self, block, channels):
        super().__init__(block, channels)
        self.block.requires_grad_(True)


@mistake(
    "Controlled",
    defines="Controlled",
    title="the copy is frozen, too",
    hint="Print requires_grad of the copy's parameters. A copy of something frozen is frozen as well.",
)
class CopyFrozen(_Controlled):
    def __init__(self, block, channels):
        super().__init__(block, channels)
        self.copy.requires_grad_(False)


@mistake(
    "Controlled",
    defines="ZeroConv",
    title="the bias does not start as zeros",
    hint="Call a fresh ZeroConv with anything. Everything that comes out should be 0.",
)
class BiasAsTorchHasIt(nn.Conv2d):
    def __init__(self, channels):
        super().__init__(channels, channels, 1)
        nn.init.zeros_(self.weight)


@mistake(
    "Controlled",
    defines="Controlled",
    title="the hint goes in without zero_in",
    hint="Set zero_out to ones and zero_in to zeros: then no hint should make a difference.",
)
class HintUngated(_Controlled):
    def forward(self, x, hint, *rest):
        return self.block(x, *rest) + self.zero_out(self.copy(x + hint, *rest))


@mistake(
    "Controlled",
    defines="Controlled",
    title="the copy does not see the picture",
    hint="The copy was trained on pictures. It gets x with the hint added to it, and not the hint alone.",
)
class WithoutPicture(_Controlled):
    def forward(self, x, hint, *rest):
        return self.block(x, *rest) + self.zero_out(self.copy(self.zero_in(hint), *rest))


@mistake(
    "Controlled",
    defines="Controlled",
    title="the copy's answer is added without zero_out",
    hint="A fresh layer should do exactly what the block does. Compare the two.",
)
class OutputUngated(_Controlled):
    def forward(self, x, hint, *rest):
        return self.block(x, *rest) + self.copy(x + self.zero_in(hint), *rest)


@mistake(
    "Controlled",
    defines="Controlled",
    title="the block's answer is missing",
    hint="A fresh layer gives zeros. It should give what the block gives.",
)
class BlockMissing(_Controlled):
    def forward(self, x, hint, *rest):
        return self.zero_out(self.copy(x + self.zero_in(hint), *rest))


@mistake(
    "Controlled",
    defines="Controlled",
    title="the copy is not told the rest",
    hint="Take a block that is told the time. Block and copy both need it.",
)
class CopyNotTold(_Controlled):
    def forward(self, x, hint, *rest):
        return self.block(x, *rest) + self.zero_out(self.copy(x + self.zero_in(hint)))
