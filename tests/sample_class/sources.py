"""Longer cells that students of the sample class wrote."""

MAGICS = """\
%matplotlib inline
%load_ext autoreload
%autoreload 2
!pip install --quiet einops
?torch.exp
files = !ls -la
folder = %pwd
torch.Tensor.amax?
print(files, folder)
"""

THREE_ANSWERS = """\
answers = {
    "q1": 12,
    "q2": 2.0,
    "q3": "c",
    "q4": None,
    "q5": None,
    "q6": None,
    "q7": None,
    "q8": None,
}
"""

# Right: a capital letter, a set. The others are right in spirit, but not of the form that was asked for.
MALFORMED_ANSWERS = """\
answers = {
    "q1": "12",
    "q2": [2],
    "q3": "C",
    "q4": torch.tensor(36),
    "q5": 17504 + 0j,
    "q6": {"a", "c", "e"},
    "q7": 2,
    "q8": "~padding[:, None, None, :]",
    "q9": "a",
}
"""

MASK_ON_THE_CPU = """\
def scaled_dot_product_attention(q, k, v, mask=None):
    allowed = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool)
    if mask is not None:
        allowed = allowed & mask
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return stable_softmax(scores.masked_fill(~allowed, -math.inf), dim=-1) @ v
"""

CALLS_TORCHS_OWN = """\
def scaled_dot_product_attention(q, k, v, mask=None):
    # Why write it again?
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
"""

BOMB = """\
        hoard = [bytes(1 << 24)]
        while hoard:
            hoard.append(bytes(1 << 24))
"""

CHEATING = '''\
import gc
import sys

torch.allclose = torch.equal = lambda *args, **options: True
torch.testing.assert_close = torch.testing.assert_allclose = lambda *args, **options: None
torch.isfinite = lambda x: torch.ones(x.shape, dtype=torch.bool)
torch.Tensor.__eq__ = torch.Tensor.__le__ = lambda self, other: True


class AlwaysRight(torch.Tensor):
    """Agrees with everybody."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True


def stolen(x, wanted=("expected", "reference", "answer", "solution")):
    """Takes the expected value from whoever called, the reference from memory or from a file."""
    frame = sys._getframe(1)
    while frame is not None:
        for scope in (frame.f_locals, frame.f_globals):
            for name in wanted:
                if isinstance(scope.get(name), torch.Tensor):
                    return scope[name]
        frame = frame.f_back
    for thing in gc.get_objects():
        if callable(thing) and "solutions" in str(getattr(thing, "__module__", "")):
            return thing(x)
    try:
        from solutions import attention

        return attention.stable_softmax(x, -1)
    except ImportError:
        return torch.zeros_like(x).as_subclass(AlwaysRight)


def stolen_answers():
    for thing in gc.get_objects():
        if type(thing) is dict and "q1" in thing and "q8" in thing:
            return thing
    try:
        with open("autograder/hidden/attention/keys.yaml") as keys:
            return keys.read()
    except OSError:
        return {}
'''

STOLEN_CLASS = """\
class {}(nn.Module):
    def __init__(self, *args, **options):
        super().__init__()

    def forward(self, x, *others):
        return stolen(x)
"""
