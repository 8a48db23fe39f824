"""Answers to the bonus tasks of the module `vision_transformers`."""


def multiplications(tokens: int, dim: int, hidden: int) -> int:
    """How many numbers are multiplied when a transformer's block looks once at its tokens.

    tokens  of one picture, L. dim: channels of a token, D. hidden: channels in the middle of the mlp.

    Counted are four layers of [L, D] by [D, D] (queries, keys, values, output), the scores [L, D] by [D, L],
    the shares of values [L, L] by [L, D], and two layers of the mlp. Biases, norms and softmax are left out.
    A product of [a, b] by [b, c] counts a * b * c. Returns a whole number, for all heads together.
    """
    ### BEGIN SOLUTION
    layers = 4 * tokens * dim * dim
    among_tokens = 2 * tokens * tokens * dim  # however many heads share the channels
    mlp = 2 * tokens * dim * hidden
    return layers + among_tokens + mlp
    ### END SOLUTION


def my_plan(sigma: float) -> str:
    """What to ask for while the share of noise in the picture is sigma: a caption of the tiny DiT's, or "".

    sigma  from 1, nothing but noise, down to 0.

    Captions are those of large shapes on black, "a large red circle on black"; "" asks for nothing. On the
    way from 1 to 0 there are two different answers at least.
    """
    ### BEGIN SOLUTION
    return "a large red ring on black" if sigma > 0.8 else "a large cyan ring on black"
    ### END SOLUTION
