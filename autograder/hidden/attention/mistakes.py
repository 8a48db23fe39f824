"""Known mistakes of the module `attention`: code that students write, and what to tell them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder.testing import mistake

# --- stable_softmax -------------------------------------------------------------------------------------


@mistake(
    "stable_softmax",
    title="no maximum subtracted",
    hint="exp(1000) is infinity in floating point, and inf / inf is NaN. What can you subtract from all the "
    "scores of a slice without changing its weights?",
    stakes="trap",
)
def no_maximum(x: Tensor, dim: int) -> Tensor:
    exponentials = torch.exp(x)
    return exponentials / exponentials.sum(dim, keepdim=True)


@mistake(
    "stable_softmax",
    title="one maximum for the whole tensor",
    hint="Put one row of scores near 0 under a row of scores near 10,000. What is left of the first row "
    "once your maximum is subtracted from it? Each slice needs a maximum of its own.",
)
def one_maximum_for_all(x: Tensor, dim: int) -> Tensor:
    exponentials = torch.exp(x - x.max())
    return exponentials / exponentials.sum(dim, keepdim=True)


@mistake(
    "stable_softmax",
    title="always along the last dimension",
    hint="Call it on a square matrix with dim=0 and add up the columns. Does every step of yours look at "
    "dim?",
)
def always_the_last_dimension(x: Tensor, dim: int) -> Tensor:
    exponentials = torch.exp(x - x.amax(-1, keepdim=True))
    return exponentials / exponentials.sum(-1, keepdim=True)


@mistake(
    "stable_softmax",
    title="the reduced dimension is lost",
    hint="Print the shapes of x, of its maximum and of the sum. Which dimension has gone, and what does "
    "broadcasting line up instead? Reductions can be asked to keep it, with size 1.",
)
def dimension_dropped(x: Tensor, dim: int) -> Tensor:
    exponentials = torch.exp(x - x.amax(dim))
    return exponentials / exponentials.sum(dim)


@mistake(
    "stable_softmax",
    title="a tensor is changed in place",
    hint="`x -= ...`, and methods whose name ends in `_`, write into a tensor that somebody still needs: "
    "the caller, or autograd for the gradients. Print x before and after the call, and make new tensors "
    "instead.",
)
def changed_in_place(x: Tensor, dim: int) -> Tensor:
    x -= x.amax(dim, keepdim=True)
    exponentials = torch.exp(x)
    return exponentials / exponentials.sum(dim, keepdim=True)


@mistake(
    "stable_softmax",
    title="a small number is added to the sum",
    hint="Do the weights add up to exactly 1? Once the maximum is subtracted, how small can the sum get: is "
    "there a division by zero to guard against?",
)
def epsilon_in_the_sum(x: Tensor, dim: int) -> Tensor:
    exponentials = torch.exp(x - x.amax(dim, keepdim=True))
    return exponentials / (exponentials.sum(dim, keepdim=True) + 1e-6)


@mistake(
    "stable_softmax",
    title="divided by the sum over the whole tensor",
    hint="With two rows, what does each row add up to? Every slice along dim has to be a set of weights of "
    "its own.",
)
def one_sum_for_all(x: Tensor, dim: int) -> Tensor:
    exponentials = torch.exp(x - x.amax(dim, keepdim=True))
    return exponentials / exponentials.sum()


@mistake(
    "stable_softmax",
    title="large scores are cut off instead of shifted",
    hint="Two scores above your limit become equal, though one should win by far. Is there a way to make "
    "all scores small that keeps their differences?",
)
def clamped(x: Tensor, dim: int) -> Tensor:
    exponentials = torch.exp(x.clamp(-80, 80))
    return exponentials / exponentials.sum(dim, keepdim=True)


@mistake(
    "stable_softmax",
    title="NaN is replaced instead of avoided",
    hint="The NaN is gone, but what became of the weight that belonged there? Repairing inf / inf "
    "afterwards comes too late: keep the exponentials from overflowing.",
)
def nan_replaced(x: Tensor, dim: int) -> Tensor:
    exponentials = torch.exp(x)
    return torch.nan_to_num(exponentials / exponentials.sum(dim, keepdim=True))


@mistake(
    "stable_softmax",
    title="no gradient gets through",
    hint="@torch.no_grad() above a function, or .detach() inside it, cuts the way back: nothing that this is "
    "a part of can be trained. It belongs around a call that needs no gradients, not into the function.",
    only_hidden=True,
)
@torch.no_grad()
def softmax_without_gradient(x: Tensor, dim: int) -> Tensor:
    exponentials = torch.exp(x - x.amax(dim, keepdim=True))
    return exponentials / exponentials.sum(dim, keepdim=True)


@mistake(
    "stable_softmax",
    title="the weights come back in float32",
    hint="Print the dtype of what you return for scores in float16 and in float64. What was worked out in "
    "another dtype has to be cast back at the end.",
    stakes="slip",
)
def left_in_single(x: Tensor, dim: int) -> Tensor:
    exponentials = torch.exp(x.float() - x.float().amax(dim, keepdim=True))
    return exponentials / exponentials.sum(dim, keepdim=True)


@mistake(
    "stable_softmax",
    title="scores in float64 are rounded to float32 first",
    hint="float32 has seven digits: of a score near 10,000 only three are left after the point, and exp "
    "makes the error one of the weight. float64 is there for more; work in the dtype that you were given.",
)
def rounded_first(x: Tensor, dim: int) -> Tensor:
    single = x.float()
    exponentials = torch.exp(single - single.amax(dim, keepdim=True))
    return (exponentials / exponentials.sum(dim, keepdim=True)).to(x.dtype)


# --- scaled_dot_product_attention -----------------------------------------------------------------------


@mistake(
    "scaled_dot_product_attention",
    title="the scores are not scaled",
    hint="The dot product of two random vectors grows with their length d, as the root of it. What does the "
    "formula divide by, so that the scores stay near 1?",
)
def no_scale(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="divided by d instead of its square root",
    hint="The variance of a dot product of d random terms is d. What is its standard deviation?",
)
def divided_by_d(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / q.shape[-1]
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="scaled by the width of the values",
    hint="It is right as long as d and e are equal. Which of the two does a score sum over?",
)
def scaled_by_the_values(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(v.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="softmax over the queries",
    hint="The scores are [..., L, S]. Add up your weights along each dimension: which sum should be 1, if "
    "every query shares out its attention among the keys?",
)
def softmax_over_queries(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-2) @ v


@mistake(
    "scaled_dot_product_attention",
    title="the mask is read the wrong way round",
    hint="Here True means: this query may attend to this key. Which of the two does masked_fill overwrite? "
    "(In nn.MultiheadAttention it is the other way round.)",
)
def mask_reversed(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(mask, -math.inf)
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="masked after the softmax",
    hint="Add up each query's weights once the mask is applied. Are they still 1? The softmax shared some "
    "weight out to forbidden keys, and then it was thrown away.",
)
def masked_after_the_softmax(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    weights = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)
    if mask is not None:
        weights = weights * mask
    return weights @ v


@mistake(
    "scaled_dot_product_attention",
    title="masked after the softmax, then divided by the sum",
    hint="Correct on paper. But if a forbidden key has by far the largest score, what is left for the "
    "allowed ones before you divide? Take the forbidden keys out before anything is rounded away.",
    only_hidden=True,
)
def renormalised(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    weights = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1)
    if mask is not None:
        weights = weights * mask
        weights = weights / weights.sum(dim=-1, keepdim=True)
    return weights @ v


@mistake(
    "scaled_dot_product_attention",
    title="the number for forbidden keys does not fit into float16",
    hint="The largest float16 is 65504. Which number lies below every other one, and exists in every "
    "floating-point dtype?",
)
def minus_a_billion(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e9)
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="the number for forbidden keys is not low enough",
    hint="What if the allowed scores are just as low as the number that you fill in? Only one number is "
    "below every score there can be.",
    only_hidden=True,
)
def minus_ten_thousand(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e4)
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="forbidden keys get the score 0",
    hint="exp(0) is 1: a score of 0 is an ordinary score, not the absence of one. Which score has weight 0?",
)
def score_of_zero(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores * mask
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="the boolean mask is added to the scores",
    hint="Added to a number, True counts as 1 and False as 0. How large is the difference that this makes, "
    "and how large would it have to be?",
)
def mask_added(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores + mask
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="a mask of two dimensions is taken for one of [B, S]",
    hint="Broadcasting lines up the last dimensions: against scores of [B, h, L, S], what do the two "
    "dimensions of a flat mask stand for?",
)
def padding_mask(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        if mask.dim() == 2:
            mask = mask[:, None, None, :]
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="an input is changed in place",
    hint="Print q and k before and after the call. `q /= ...` writes into the tensor that the caller still "
    "holds; if q and k are one and the same tensor, into both.",
)
def inputs_changed_in_place(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    q /= math.sqrt(q.shape[-1])
    scores = q @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="a softmax that overflows",
    hint="Small scores work, huge ones give NaN: exp overflows. You have written a softmax that survives "
    "this.",
)
def overflowing_softmax(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    exponentials = torch.exp(scores)
    return exponentials / exponentials.sum(dim=-1, keepdim=True) @ v


@mistake(
    "scaled_dot_product_attention",
    title="causal without a mask where there are as many keys as queries",
    hint="Without a mask every query attends to every key, the later ones too. That a sequence may only look "
    "back is for whoever makes the mask to say, not for the sizes.",
    only_hidden=True,
)
def always_causal(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is None and q.shape[-2] == k.shape[-2]:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="the values themselves come back where there is one key",
    hint="A new tensor is promised. With one key, write into what you returned, and print v: has it changed?",
    only_hidden=True,
)
def value_of_one_key(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    if k.shape[-2] == 1:
        return v.expand(*q.shape[:-1], v.shape[-1])
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="no gradient gets through",
    hint="@torch.no_grad() above a function, or .detach() inside it, cuts the way back: nothing that this is "
    "a part of can be trained. It belongs around a call that needs no gradients, not into the function.",
    only_hidden=True,
)
@torch.no_grad()
def attended_without_gradient(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1) @ v


@mistake(
    "scaled_dot_product_attention",
    title="no gradient goes through the weights",
    hint="Values get their gradient, and queries and keys none: what they attend to could never be learned. "
    "Where does your code detach the weights?",
    only_hidden=True,
)
def weights_detached(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, dim=-1).detach() @ v


# --- split_heads and merge_heads ------------------------------------------------------------------------


@mistake(
    "split_heads",
    title="split_heads cuts the tokens instead of the channels",
    hint="Number the entries of a small tensor with torch.arange and look at head 0: it has all the "
    "channels of the first tokens. Cut the last dimension in two first; only then bring the heads forward.",
)
def split_without_transpose(x: Tensor, heads: int) -> Tensor:
    B, L, C = x.shape
    return x.reshape(B, heads, L, C // heads)


@mistake(
    "split_heads",
    title="split_heads deals the channels out in turn",
    hint="The round trip works, but pretrained weights will not. Head 0 should have channels 0, 1, 2, ...; "
    "which ones does yours have?",
)
def split_interleaved(x: Tensor, heads: int) -> Tensor:
    B, L, C = x.shape
    return x.reshape(B, L, C // heads, heads).permute(0, 3, 1, 2)


@mistake(
    "split_heads",
    title="split_heads leaves the heads behind the tokens",
    hint="Attention works on the last two dimensions. Compare your result's shape with the one in the "
    "signature: which dimensions should those two be?",
)
def split_heads_last(x: Tensor, heads: int) -> Tensor:
    B, L, C = x.shape
    return x.reshape(B, L, heads, C // heads)


@mistake(
    "split_heads",
    title="split_heads takes the number of heads for the channels of a head",
    hint="With 12 channels and 3 heads, how many heads does your result have, and of how many channels each?",
)
def split_by_width(x: Tensor, heads: int) -> Tensor:
    B, L, C = x.shape
    return x.reshape(B, L, C // heads, heads).transpose(1, 2)


@mistake(
    "split_heads",
    defines="merge_heads",
    title="merge_heads does not bring the tokens forward",
    hint="reshape keeps the numbers in the order in which it finds them: first all tokens of head 0. What "
    "has to stand next to each other before the last two dimensions can become one?",
)
def merge_without_transpose(x: Tensor) -> Tensor:
    B, heads, L, d = x.shape
    return x.reshape(B, L, heads * d)


@mistake(
    "split_heads",
    defines="merge_heads",
    title="merge_heads uses view where the numbers must move",
    hint="It works on what split_heads returned, and on nothing else. view never moves a number in memory; "
    "once dimensions are swapped, what can you use instead?",
)
def merge_by_view(x: Tensor) -> Tensor:
    B, heads, L, d = x.shape
    return x.transpose(1, 2).view(B, L, heads * d)


@mistake(
    "split_heads",
    defines="merge_heads",
    title="merge_heads deals the heads' channels out in turn",
    hint="The first channels of the result should be those of head 0, all of them. Which heads do your "
    "first two channels come from?",
)
def merge_interleaved(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).flatten(2)


@mistake(
    "split_heads",
    title="no gradient gets through split_heads",
    hint="Numbers that are only moved have gradients like others. What do detach(), .data and no_grad() cut "
    "off, and what for?",
    only_hidden=True,
)
@torch.no_grad()
def split_without_gradient(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


@mistake(
    "split_heads",
    defines="merge_heads",
    title="no gradient gets through merge_heads",
    hint="Numbers that are only moved have gradients like others. What do detach(), .data and no_grad() cut "
    "off, and what for?",
    only_hidden=True,
)
@torch.no_grad()
def merge_without_gradient(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


# --- MultiHeadSelfAttention -----------------------------------------------------------------------------


class _SelfAttention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim, dim, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])

    def split(self, x: Tensor) -> Tensor:
        B, L, C = x.shape
        return x.view(B, L, self.heads, C // self.heads).transpose(1, 2)

    def merge(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.split(self.to_q(x)), self.split(self.to_k(x)), self.split(self.to_v(x))
        out: Tensor = self.to_out[0](self.merge(F.scaled_dot_product_attention(q, k, v)))
        return out


@mistake(
    "MultiHeadSelfAttention",
    title="scaled by all channels instead of those of a head",
    hint="Each head is an attention of its own. Over how many channels does one head's dot product sum?",
)
class ScaledByAllChannels(_SelfAttention):
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.split(self.to_q(x)), self.split(self.to_k(x)), self.split(self.to_v(x))
        weights = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(x.shape[-1]), dim=-1)
        out: Tensor = self.to_out[0](self.merge(weights @ v))
        return out


@mistake(
    "MultiHeadSelfAttention",
    title="scaled twice",
    hint="F.scaled_dot_product_attention has the scale in its name. What is left for you to divide?",
)
class ScaledTwice(_SelfAttention):
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.split(self.to_q(x)), self.split(self.to_k(x)), self.split(self.to_v(x))
        attended = F.scaled_dot_product_attention(q / math.sqrt(q.shape[-1]), k, v)
        out: Tensor = self.to_out[0](self.merge(attended))
        return out


@mistake(
    "MultiHeadSelfAttention",
    title="no output projection",
    hint="Which of your layers gets no gradient? The heads have been put side by side, but nothing has "
    "mixed them yet.",
)
class NoOutputProjection(_SelfAttention):
    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.split(self.to_q(x)), self.split(self.to_k(x)), self.split(self.to_v(x))
        return self.merge(F.scaled_dot_product_attention(q, k, v))


@mistake(
    "MultiHeadSelfAttention",
    title="the heads are cut out of the tokens",
    hint="A view straight to [B, heads, L, d] gives head 0 the first tokens instead of the first channels "
    "of every token. split_heads has the two steps that it takes.",
)
class HeadsOfTokens(_SelfAttention):
    def split(self, x: Tensor) -> Tensor:
        B, L, C = x.shape
        return x.view(B, self.heads, L, C // self.heads)


@mistake(
    "MultiHeadSelfAttention",
    title="the heads attend to one another",
    hint="Attention works on the last two dimensions. Print the shape of q just before: are these tokens "
    "and channels, or heads and channels?",
)
class AttendsAcrossHeads(_SelfAttention):
    def split(self, x: Tensor) -> Tensor:
        B, L, C = x.shape
        return x.view(B, L, self.heads, C // self.heads)

    def merge(self, x: Tensor) -> Tensor:
        return x.flatten(2)


@mistake(
    "MultiHeadSelfAttention",
    title="the heads are merged without bringing the tokens forward",
    hint="What comes out of attention is [B, heads, L, d]. Which swap has to come before heads and d can "
    "become one dimension? merge_heads is the pattern.",
)
class MergedWithoutTranspose(_SelfAttention):
    def merge(self, x: Tensor) -> Tensor:
        B, heads, L, d = x.shape
        return x.reshape(B, L, heads * d)


@mistake(
    "MultiHeadSelfAttention",
    title="all heads work as one",
    hint="heads changes nothing in your result. Each head is to have weights of its own, from its own share "
    "of the channels.",
)
class OneBigHead(_SelfAttention):
    def forward(self, x: Tensor) -> Tensor:
        attended = F.scaled_dot_product_attention(self.to_q(x), self.to_k(x), self.to_v(x))
        out: Tensor = self.to_out[0](attended)
        return out


@mistake(
    "MultiHeadSelfAttention",
    title="the channels are dealt out to the heads in turn",
    hint="It trains as well as the right one, but pretrained weights do not fit. Head 0 should have the "
    "first d channels; which ones does yours have?",
)
class InterleavedHeads(_SelfAttention):
    def split(self, x: Tensor) -> Tensor:
        B, L, C = x.shape
        return x.view(B, L, C // self.heads, self.heads).permute(0, 3, 1, 2)

    def merge(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(2)


@mistake(
    "MultiHeadSelfAttention",
    title="to_q, to_k and to_v have a bias",
    hint="Print the names of your parameters. Which of them are not in the list? nn.Linear adds one unless "
    "it is told not to.",
)
class BiasedProjections(_SelfAttention):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads)
        self.to_q, self.to_k, self.to_v = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)


@mistake(
    "MultiHeadSelfAttention",
    title="to_out is a bare layer",
    hint="Print the names of your parameters: diffusers has `to_out.0.weight`. What kind of module numbers "
    "what it holds?",
)
class BareOutput(_SelfAttention):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads)
        self.to_out = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.split(self.to_q(x)), self.split(self.to_k(x)), self.split(self.to_v(x))
        out: Tensor = self.to_out(self.merge(F.scaled_dot_product_attention(q, k, v)))
        return out


@mistake(
    "MultiHeadSelfAttention",
    title="all weights start at zero",
    hint="A layer of zeros gives zeros, and most of the others get no gradient from it. The exercise "
    "wants them as torch initialises them: leave them alone.",
    only_hidden=True,
)
class AllZero(_SelfAttention):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)


@mistake(
    "MultiHeadSelfAttention",
    title="the output projection starts at zero",
    hint="A layer of zeros gives zeros, and most of the others get no gradient from it. The exercise "
    "wants them as torch initialises them: leave them alone.",
    only_hidden=True,
)
class OutputStartsAtZero(_SelfAttention):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads)
        nn.init.zeros_(self.to_out[0].weight)


@mistake(
    "MultiHeadSelfAttention",
    title="the weights start from a wider distribution than torch's",
    hint="It is a good start for many networks, and another one than torch's. Print the standard deviation "
    "of to_q.weight beside that of a new nn.Linear: the exercise wants them alike.",
    only_hidden=True,
)
class Xavier(_SelfAttention):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__(dim, heads)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)


@mistake(
    "MultiHeadSelfAttention",
    title="it attends in training mode only",
    hint="Call .eval() on your layer and ask it again. Attention has nothing that differs between training "
    "and use.",
    only_hidden=True,
)
class InTraining(_SelfAttention):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else torch.zeros_like(x)


@mistake(
    "MultiHeadSelfAttention",
    title="no gradient gets through",
    hint="Print what requires_grad says of your result. no_grad() and detach() cut the way back: neither the "
    "projections nor what comes before this layer could learn.",
    only_hidden=True,
)
class WithoutGradient(_SelfAttention):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


# --- CrossAttention -------------------------------------------------------------------------------------


class _CrossAttention(nn.Module):
    def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        inner = heads * head_dim
        self.heads = heads
        self.to_q = nn.Linear(query_dim, inner, bias=False)
        self.to_k = nn.Linear(context_dim, inner, bias=False)
        self.to_v = nn.Linear(context_dim, inner, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(inner, query_dim)])

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def merge(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = self.split(self.to_q(x)), self.split(self.to_k(context)), self.split(self.to_v(context))
        out: Tensor = self.to_out[0](self.merge(F.scaled_dot_product_attention(q, k, v)))
        return out


@mistake(
    "CrossAttention",
    title="keys and values come from x",
    hint="This is self-attention: change the context, and nothing happens. Who asks, and who is asked?",
)
class KeysFromX(_CrossAttention):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = self.split(self.to_q(x)), self.split(self.to_k(x)), self.split(self.to_v(x))
        out: Tensor = self.to_out[0](self.merge(F.scaled_dot_product_attention(q, k, v)))
        return out


@mistake(
    "CrossAttention",
    title="the context asks, and x answers",
    hint="The result should have one row for each token of x. How many rows has yours? Each query gets one "
    "answer.",
)
class RolesSwapped(_CrossAttention):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = self.split(self.to_q(context)), self.split(self.to_k(x)), self.split(self.to_v(x))
        out: Tensor = self.to_out[0](self.merge(F.scaled_dot_product_attention(q, k, v)))
        return out


@mistake(
    "CrossAttention",
    title="to_q, to_k and to_v have a bias",
    hint="Print the names of your parameters. Which of them are not in the list? nn.Linear adds one unless "
    "it is told not to.",
)
class BiasedCrossProjections(_CrossAttention):
    def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
        super().__init__(query_dim, context_dim, heads, head_dim)
        self.to_q = nn.Linear(query_dim, heads * head_dim)
        self.to_k = nn.Linear(context_dim, heads * head_dim)
        self.to_v = nn.Linear(context_dim, heads * head_dim)


@mistake(
    "CrossAttention",
    title="the projection out has no bias",
    hint="Of the four layers, three have no bias. Compare the names of your parameters with the list.",
)
class UnbiasedOutput(_CrossAttention):
    def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
        super().__init__(query_dim, context_dim, heads, head_dim)
        self.to_out = nn.ModuleList([nn.Linear(heads * head_dim, query_dim, bias=False)])


@mistake(
    "CrossAttention",
    title="head_dim is not used",
    hint="The heads share out heads * head_dim channels, which need not be as many as x has. Print the "
    "shape of to_q.weight for a layer where the two differ.",
)
class HeadsShareTheQueryChannels(_CrossAttention):
    def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
        super().__init__(query_dim, context_dim, heads, query_dim // heads)


@mistake(
    "CrossAttention",
    title="scaled by all heads together",
    hint="Each head is an attention of its own. Over how many channels does one head's dot product sum?",
)
class ScaledByAllHeads(_CrossAttention):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        scale = 1 / math.sqrt(q.shape[-1])
        q, k, v = self.split(q), self.split(k), self.split(v)
        out: Tensor = self.to_out[0](self.merge(F.scaled_dot_product_attention(q, k, v, scale=scale)))
        return out


@mistake(
    "CrossAttention",
    title="softmax over the queries",
    hint="Every query shares out a weight of 1 among the tokens of the context. Along which dimension of "
    "the scores [B, heads, L, S] do yours add up to 1?",
)
class SoftmaxOverQueries(_CrossAttention):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = self.split(self.to_q(x)), self.split(self.to_k(context)), self.split(self.to_v(context))
        weights = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-2)
        out: Tensor = self.to_out[0](self.merge(weights @ v))
        return out


@mistake(
    "CrossAttention",
    title="the heads are cut out of the tokens",
    hint="A view straight to [B, heads, L, head_dim] gives head 0 the first tokens instead of the first "
    "channels of every token. split_heads has the two steps that it takes.",
)
class CrossHeadsOfTokens(_CrossAttention):
    def split(self, x: Tensor) -> Tensor:
        B, L, C = x.shape
        return x.view(B, self.heads, L, C // self.heads)


@mistake(
    "CrossAttention",
    title="the heads are merged without bringing the tokens forward",
    hint="What comes out of attention is [B, heads, L, head_dim]. Which swap has to come before heads and "
    "head_dim can become one dimension? merge_heads is the pattern.",
)
class CrossMergedWithoutTranspose(_CrossAttention):
    def merge(self, x: Tensor) -> Tensor:
        B, heads, L, d = x.shape
        return x.reshape(B, L, heads * d)


@mistake(
    "CrossAttention",
    title="every sample gets the first one's context",
    hint="Give it two samples with different contexts, and then each by itself: the answers should be the "
    "same. context[0] is one prompt for the whole batch.",
)
class FirstContextForAll(_CrossAttention):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return super().forward(x, context[:1].expand_as(context))


@mistake(
    "CrossAttention",
    title="the output projection starts at zero",
    hint="A layer of zeros gives zeros, and most of the others get no gradient from it. The exercise "
    "wants them as torch initialises them: leave them alone.",
    only_hidden=True,
)
class CrossOutputStartsAtZero(_CrossAttention):
    def __init__(self, query_dim: int, context_dim: int, heads: int, head_dim: int) -> None:
        super().__init__(query_dim, context_dim, heads, head_dim)
        nn.init.zeros_(self.to_out[0].weight)


@mistake(
    "CrossAttention",
    title="it attends in training mode only",
    hint="Call .eval() on your layer and ask it again. Attention has nothing that differs between training "
    "and use.",
    only_hidden=True,
)
class CrossInTraining(_CrossAttention):
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return super().forward(x, context) if self.training else torch.zeros_like(x)


@mistake(
    "CrossAttention",
    title="no gradient gets through",
    hint="Print what requires_grad says of your result. no_grad() and detach() cut the way back: neither the "
    "projections nor what comes before this layer could learn.",
    only_hidden=True,
)
class CrossWithoutGradient(_CrossAttention):
    @torch.no_grad()
    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return super().forward(x, context)


# --- SpatialSelfAttention -------------------------------------------------------------------------------


class _SpatialAttention(nn.Module):
    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def to_tokens(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)

    def to_image(self, tokens: Tensor, shape: torch.Size) -> Tensor:
        return tokens.transpose(1, 2).reshape(shape)

    def attend(self, normed: Tensor) -> Tensor:
        tokens = self.to_tokens(normed)
        q, k, v = self.to_q(tokens), self.to_k(tokens), self.to_v(tokens)
        attended = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return self.to_image(self.to_out[0](attended), normed.shape)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attend(self.group_norm(x))


@mistake(
    "SpatialSelfAttention",
    title="the image is reshaped into tokens without moving the channels",
    hint="A token is all the channels of one pixel. In memory an image has all pixels of channel 0 first: "
    "what has to be swapped, and when, so that row i of your tokens is pixel i?",
)
class ReshapedIntoTokens(_SpatialAttention):
    def to_tokens(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        return x.reshape(B, H * W, C)


@mistake(
    "SpatialSelfAttention",
    title="the tokens are reshaped into an image without moving the channels",
    hint="The way back is the way there in reverse. You have [B, H*W, C]; which dimension has to come "
    "second before H*W is cut into H and W?",
)
class ReshapedIntoImage(_SpatialAttention):
    def to_image(self, tokens: Tensor, shape: torch.Size) -> Tensor:
        return tokens.reshape(shape)


@mistake(
    "SpatialSelfAttention",
    title="height and width are swapped on the way back",
    hint="On a square image the shape looks right. Feed a tall one: the tokens come row by row, each row W "
    "long.",
)
class SidesSwapped(_SpatialAttention):
    def to_image(self, tokens: Tensor, shape: torch.Size) -> Tensor:
        B, C, H, W = shape
        return tokens.reshape(B, W, H, C).permute(0, 3, 2, 1)


@mistake(
    "SpatialSelfAttention",
    title="the image is not added",
    hint="With to_out all zeros, what does your layer return, and what should it? The block adds to the "
    "image; it does not replace it.",
)
class NoResidual(_SpatialAttention):
    def forward(self, x: Tensor) -> Tensor:
        return self.attend(self.group_norm(x))


@mistake(
    "SpatialSelfAttention",
    title="the normalised image is added",
    hint="With to_out all zeros the image should come back as it went in. Which tensor do you add: the one "
    "before the norm or the one after?",
)
class NormalisedResidual(_SpatialAttention):
    def forward(self, x: Tensor) -> Tensor:
        x = self.group_norm(x)
        return x + self.attend(x)


@mistake(
    "SpatialSelfAttention",
    title="no norm before the attention",
    hint="Your group_norm gets no gradient. Which of your tensors should have gone through it?",
)
class NoNorm(_SpatialAttention):
    def forward(self, x: Tensor) -> Tensor:
        return x + self.attend(x)


@mistake(
    "SpatialSelfAttention",
    title="the norm has torch's own eps",
    hint="Only images of low contrast come out wrong. eps is added to the variance: what is nn.GroupNorm's "
    "default, and what does the exercise ask for?",
)
class DefaultEps(_SpatialAttention):
    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__(channels, groups)
        self.group_norm = nn.GroupNorm(groups, channels)


@mistake(
    "SpatialSelfAttention",
    title="to_q, to_k and to_v have no bias",
    hint="Compare the names of your parameters with the list: in this layer, unlike the two before, all "
    "four projections have one.",
)
class UnbiasedProjections(_SpatialAttention):
    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__(channels, groups)
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(channels, channels, bias=False)
        self.to_v = nn.Linear(channels, channels, bias=False)


@mistake(
    "SpatialSelfAttention",
    title="the scores are not scaled",
    hint="There is one head, of all C channels. What does a dot product of C random terms have to be "
    "divided by?",
)
class UnscaledScores(_SpatialAttention):
    def attend(self, normed: Tensor) -> Tensor:
        tokens = self.to_tokens(normed)
        weights = torch.softmax(self.to_q(tokens) @ self.to_k(tokens).transpose(1, 2), dim=-1)
        return self.to_image(self.to_out[0](weights @ self.to_v(tokens)), normed.shape)


@mistake(
    "SpatialSelfAttention",
    title="the output projection starts at zero",
    hint="Many networks start such a block so that it changes nothing. This one is to start as torch "
    "initialises it: leave the parameters alone.",
    only_hidden=True,
)
class SpatialOutputStartsAtZero(_SpatialAttention):
    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__(channels, groups)
        nn.init.zeros_(self.to_out[0].weight)


@mistake(
    "SpatialSelfAttention",
    title="it attends in training mode only",
    hint="Call .eval() on your layer and ask it again. Attention has nothing that differs between training "
    "and use.",
    only_hidden=True,
)
class SpatialInTraining(_SpatialAttention):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else x.clone()


@mistake(
    "SpatialSelfAttention",
    title="no gradient gets through",
    hint="Print what requires_grad says of your result. no_grad() and detach() cut the way back: neither the "
    "projections nor what comes before this layer could learn.",
    only_hidden=True,
)
class SpatialWithoutGradient(_SpatialAttention):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


@mistake(
    "SpatialSelfAttention",
    title="the result is written into the image",
    hint="`x += ...` writes into the tensor that the caller still holds. Print the image before and after "
    "the call, and return a new one.",
)
class WrittenIntoTheImage(_SpatialAttention):
    def forward(self, x: Tensor) -> Tensor:
        x += self.attend(self.group_norm(x))
        return x
