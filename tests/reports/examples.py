"""A class of the attention module with every kind of thing in it, as Results, built in code."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from autograder.results import (
    CellError,
    ErrorExcerpt,
    ExerciseResult,
    Flag,
    NamedMistake,
    Portability,
    Result,
    Status,
    TestResult,
)
from course.catalogue.syllabus import Module, Syllabus, parse_module

# The tests' own syllabus, so that golden files do not change whenever the course does.
ATTENTION: Module = parse_module(
    "attention",
    """
title: Attention
summary: From a softmax that does not overflow to the layer that lets words steer an image.
exercises:
  - {id: stable_softmax, title: A softmax that survives large numbers, points: 10, minutes: 20, difficulty: 1}
  - {id: scaled_dot_product_attention, title: Scaled dot-product attention, points: 20, minutes: 45, difficulty: 2, depends_on: [stable_softmax]}
  - {id: split_heads, title: Splitting and merging heads, points: 10, minutes: 25, difficulty: 2}
  - {id: MultiHeadSelfAttention, title: Multi-head self-attention, points: 20, minutes: 50, difficulty: 3}
  - {id: CrossAttention, title: Cross-attention, points: 20, minutes: 45, difficulty: 3}
  - {id: SpatialSelfAttention, title: Self-attention over an image, points: 15, minutes: 45, difficulty: 3}
quiz: {id: attention_quiz, title: "Attention, eight questions", points: 15, minutes: 20, difficulty: 2}
""",  # noqa: E501 -- an exercise a line reads better than six
)
NOISE: Module = parse_module(
    "noise",
    """
title: Noise
summary: Schedules and the forward process.
exercises:
  - {id: extract, title: One value per image, points: 5, minutes: 10, difficulty: 1}
  - {id: q_sample, title: Noising an image in one step, points: 15, minutes: 30, difficulty: 2}
""",
)
SYLLABUS = Syllabus(title="Diffusion models, from the inside", modules=(ATTENTION, NOISE))

Kind = Literal["value", "rule", "question"]
V: Kind = "value"
R: Kind = "rule"
Q: Kind = "question"

SUITE: dict[str, list[tuple[str, Kind, float, str]]] = {
    "stable_softmax": [
        ("agrees", V, 2, "Agrees with a softmax computed in float64, along whichever `dim` is asked for."),
        ("survives", V, 2, "Stays finite and right for logits of plus and minus ten thousand."),
        ("shift", R, 1, "Adding one number to all logits along `dim` changes nothing."),
        ("sums", R, 1, "Sums to one along `dim`."),
        ("kept", R, 1, "Keeps dtype and device, and leaves its input as it was."),
    ],
    "scaled_dot_product_attention": [
        ("agrees", V, 2, "Agrees with PyTorch on random queries, keys and values of unequal lengths."),
        ("value_width", V, 1, "Values may be wider or narrower than keys."),
        ("mask", V, 2, "A query attends only where the mask is `True`."),
        ("permutation", R, 1, "Keys and values, shuffled together, give the same answer."),
        ("mean", R, 1, "Equal scores give the mean of the values."),
    ],
    "split_heads": [
        ("layout", V, 2, "Channel c belongs to head c // d."),
        ("round_trip", R, 1, "`merge_heads` undoes `split_heads`, also for tensors that are not contiguous."),
    ],
    "MultiHeadSelfAttention": [
        ("ports", V, 2, "With weights copied over, agrees with the attention layer of diffusers."),
        ("names", V, 1, "Loads a checkpoint with `strict=True`: its parameters have the expected names."),
        ("equivariant", R, 1, "Tokens shuffled on the way in come out shuffled alike."),
        ("gradients", R, 1, "Every parameter receives a finite gradient."),
    ],
    "CrossAttention": [
        ("ports", V, 2, "With weights copied over, agrees with the cross-attention of diffusers."),
        ("names", V, 1, "`to_q`, `to_k` and `to_v` have no bias; `to_out.0` has one."),
        ("context", R, 1, "The output depends on the context."),
        ("order", R, 1, "The order of the context's tokens does not matter."),
    ],
    "SpatialSelfAttention": [
        ("ports", V, 2, "With weights copied over, agrees with the VAE attention of diffusers."),
        ("oblong", V, 1, "Works for images that are not square."),
        ("residual", R, 1, "With a zero output projection, returns the image unchanged."),
    ],
    "attention_quiz": [(f"q{n}", Q, 1, f"Question q{n}.") for n in range(1, 9)],
    "extract": [
        ("agrees", V, 1, "Picks one value for each image."),
        ("shape", R, 1, "Broadcasts over any rank."),
    ],
    "q_sample": [
        ("agrees", V, 2, "Agrees with the scheduler of diffusers."),
        ("unit", R, 1, "Keeps unit variance."),
    ],
}

MISTAKES = {
    "no_max_subtracted": NamedMistake(
        id="no_max_subtracted",
        title="The exponential is taken before the largest logit is subtracted",
        hint="`exp(1000)` is infinite in every float there is. Softmax does not care about a constant added "
        "to all logits: which constant would make the largest of them harmless?",
    ),
    "scale_one_over_d": NamedMistake(
        id="scale_one_over_d",
        title="Scores are divided by d instead of its square root",
        hint="Draw q and k from a standard normal with d = 64, and print the standard deviation of "
        "`q @ k.mT`. What must you divide by to make it one?",
    ),
    "scale_by_model_dim": NamedMistake(
        id="scale_by_model_dim",
        title="Scores are scaled by the model's width, not by that of one head",
        hint="Each head compares vectors of `dim // heads` channels.\n\nPrint the last dimension of `q` at "
        "the moment of the product, and compare it with the number under your root.",
    ),
    "heads_not_transposed": NamedMistake(
        id="heads_not_transposed",
        title="The heads are cut out with `view` alone, so tokens and heads are mixed",
        hint="Number the channels of two tokens 0 to 7 and look at what ends up in head 0.",
    ),
    "keys_from_queries": NamedMistake(
        id="keys_from_queries",
        title="Keys and values come from x, not from the context",
        hint="Change the prompt and keep the noise. If the picture is the same, nobody has read the prompt.",
    ),
    "reshape_without_permute": NamedMistake(
        id="reshape_without_permute",
        title="Channels and places are swapped by a `reshape` that should be a `permute`",
        hint="[B, C, H, W] and [B, H*W, C] have as many numbers, so `reshape` does not complain. Put one "
        "bright pixel into an image and see which token has it.",
    ),
}


@dataclass
class Answer:
    """How a student did in one exercise, where it is not plainly right."""

    failed: Mapping[str, str | ErrorExcerpt] = field(default_factory=dict)  # test id: message or exception
    state: Literal["answered", "untouched", "missing"] = "answered"
    mistakes: Sequence[str] = ()
    gpu: str = ""
    followed_through: Sequence[str] = ()
    note: str = ""
    withheld: str = ""


UNTOUCHED = Answer(state="untouched")


def exercise_result(exercise: str, module: Module, answer: Answer) -> ExerciseResult:
    """Scored as the grader does: a rule counts once a value test of its exercise passes."""
    entry = module.exercise(exercise)
    failed = answer.failed if answer.state == "answered" else {id: "" for id, *_ in SUITE[exercise]}
    earned = any(kind == "value" and id not in failed for id, kind, *_ in SUITE[exercise])
    tests = []
    for id, kind, weight, title in SUITE[exercise]:
        problem = failed.get(id, "")
        tests.append(
            TestResult(
                id=f"{exercise}.{id}",
                title=title,
                kind=kind,
                passed=id not in failed,
                counts=kind != "rule" or earned,
                weight=weight,
                message=problem if isinstance(problem, str) else "",
                error=problem if isinstance(problem, ErrorExcerpt) else None,
            )
        )
    share = sum(t.weight for t in tests if t.passed and t.counts) / sum(t.weight for t in tests)
    return ExerciseResult(
        id=exercise,
        title=entry.title,
        points=0 if answer.withheld else round(entry.points * share, 2),
        max_points=entry.points,
        state=answer.state,
        tests=tests,
        mistakes=[MISTAKES[id] for id in answer.mistakes],
        portability=Portability(ok=not answer.gpu, message=answer.gpu)
        if answer.state == "answered"
        else None,
        followed_through=list(answer.followed_through),
        note=answer.note,
        withheld=answer.withheld,
    )


def graded(
    student: str,
    answers: Mapping[str, Answer] | None = None,
    *,
    module: Module = ATTENTION,
    flags: Iterable[Flag] = (),
    cell_errors: Iterable[CellError] = (),
    stdout: str = "",
    isolation: str = "full",
    minute: int = 0,
    note: str = "",
) -> Result:
    """A graded submission: full marks, but for what `answers` says."""
    answers = answers or {}
    exercises = [
        exercise_result(entry.id, module, answers.get(entry.id, Answer())) for entry in module.graded
    ]
    return Result(
        student=student,
        module=module.id,
        path=f"submissions/{student}/{module.id}.ipynb",
        sha256=hashlib.sha256(f"{student}/{module.id}".encode()).hexdigest(),
        key=hashlib.sha256(b"the suite").hexdigest(),
        run_seed=20251103,
        device="cpu",
        isolation=isolation,
        status=Status.GRADED,
        note=note,
        started=datetime(2025, 11, 3, 9, 0, 0, tzinfo=UTC) + timedelta(seconds=7 * minute),
        seconds=0.31,
        points=round(sum(e.points for e in exercises), 2),
        max_points=module.points,
        exercises=exercises,
        cell_errors=list(cell_errors),
        stdout=stdout,
        flags=list(flags),
    )


def stopped(
    student: str, status: Status, reason: str, *, flags: Iterable[Flag] = (), errors: Iterable[CellError] = ()
) -> Result:
    """A submission that could not be read, or of which not one cell could be run."""
    result = graded(student, flags=flags, cell_errors=errors)
    return result.model_copy(update={"status": status, "reason": reason, "points": 0.0, "exercises": []})


DIFFERS = "Differs from the expected values: largest error 0.41 where 1e-05 is allowed."
NOT_FINITE = "64 of 64 numbers are not finite (NaN or infinity)."
TOO_LONG = ErrorExcerpt(type="Timeout", message="The call used up its 5 s of CPU time and was stopped.")

SOFTMAX_OVERFLOWS = Answer({"survives": NOT_FINITE}, mistakes=["no_max_subtracted"])


def mixed(student: str = "lena-fischer") -> Result:
    """One page with nearly everything on it: part marks, mistakes, a GPU message, errors, output."""
    shape_error = ErrorExcerpt(
        type="RuntimeError",
        message="The size of tensor a (5) must match the size of tensor b (7) at non-singleton dimension 3",
        trace="cell 9, line 6, in scaled_dot_product_attention\n"
        "    scores = q @ k.transpose(-2, -1) / d**0.5\n"
        "cell 9, line 9, in scaled_dot_product_attention\n"
        "    scores = scores + mask.log()",
    )
    no_bias = ErrorExcerpt(
        type="RuntimeError",
        message='Error(s) in loading state_dict: Missing key(s): "to_out.0.bias".',
    )
    return graded(
        student,
        {
            "stable_softmax": SOFTMAX_OVERFLOWS,
            "scaled_dot_product_attention": Answer(
                {"mask": shape_error}, followed_through=["stable_softmax"]
            ),
            "MultiHeadSelfAttention": Answer(
                {"ports": DIFFERS, "names": no_bias, "gradients": "`to_out.0.weight` received no gradient."},
                mistakes=["scale_by_model_dim", "heads_not_transposed"],
            ),
            "CrossAttention": Answer(
                gpu="`torch.zeros(B, h, L, S)` makes a tensor on the CPU while x lives on another device. "
                "Make it with `device=x.device`, or with `x.new_zeros`.",
            ),
            "SpatialSelfAttention": UNTOUCHED,
            "attention_quiz": Answer(
                {
                    "q3": "one letter in quotes is expected (a, b, c, d), this is `c`, which is not defined",
                    "q6": "",
                }
            ),
        },
        cell_errors=[
            CellError(
                cell=14,
                error=ErrorExcerpt(
                    type="NameError",
                    message="name 'plt' is not defined",
                    trace="cell 14, line 3\n    plt.imshow(weights[0])",
                ),
            )
        ],
        flags=[
            Flag(
                kind="forbidden-call",
                exercise="stable_softmax",
                message="`torch.softmax` is called in cell 5, line 3.",
            )
        ],
        stdout="torch.Size([2, 3, 5, 8])\ntorch.Size([2, 3, 7, 8])\nscores: -1.72 … 2.05\n"
        + "epoch done\n" * 3,
        minute=11,
    )


def unreadable(student: str = "samir-haddad") -> Result:
    return stopped(
        student,
        Status.UNREADABLE,
        "This file is not a notebook: line 1 begins with `PK`, as a zip archive or a Word document does.",
    )


def small_class() -> list[Result]:
    """Twenty-two students of one module."""
    everything_untouched = {entry.id: UNTOUCHED for entry in ATTENTION.graded}
    half_done = dict.fromkeys(("CrossAttention", "SpatialSelfAttention", "attention_quiz"), UNTOUCHED)
    syntax = ErrorExcerpt(
        type="SyntaxError", message="expected ':'", trace="cell 7, line 2\n    def split_heads(x, heads)"
    )
    died = ErrorExcerpt(
        type="WorkerDied", message="Your code used more than its 2 GB of memory and was stopped."
    )
    wrong_scale = {"agrees": DIFFERS, "value_width": DIFFERS, "mask": DIFFERS, "mean": DIFFERS}
    late_tamper = "Replaced `torch.allclose` in its own process (no effect on the grade)."
    return [
        graded("ada-okafor"),
        graded("bashir-rahimi", {"attention_quiz": Answer({"q6": ""})}),  # einsum
        graded("chen-wei", {"attention_quiz": Answer({"q1": "", "q6": ""})}),  # loops
        graded("dmitri-volkov", {"stable_softmax": SOFTMAX_OVERFLOWS}),
        graded(
            "elif-demir",
            {
                "scaled_dot_product_attention": Answer(wrong_scale, mistakes=["scale_one_over_d"]),
                "attention_quiz": Answer({"q1": "", "q3": "", "q6": ""}),
            },
        ),
        graded(
            "fatima-zahra",
            {
                "split_heads": Answer(
                    {"layout": DIFFERS},
                    mistakes=["heads_not_transposed"],
                    note="It undoes itself, which a wrong layout can do too: see the first property.",
                ),
                "attention_quiz": Answer({"q6": ""}),
            },
        ),
        graded(
            "giulia-conti",
            {
                "MultiHeadSelfAttention": Answer({"ports": DIFFERS}, mistakes=["scale_by_model_dim"]),
                "CrossAttention": Answer({"ports": DIFFERS}, mistakes=["scale_by_model_dim"]),
            },
        ),
        graded(
            "hiro-tanaka",
            {
                "CrossAttention": Answer(
                    {"ports": DIFFERS, "context": "Two contexts gave the same output."},
                    mistakes=["keys_from_queries"],
                )
            },
        ),
        graded(
            "ines-carvalho",
            {
                "SpatialSelfAttention": Answer(
                    {"ports": DIFFERS, "oblong": DIFFERS}, mistakes=["reshape_without_permute"]
                )
            },
        ),
        graded("jonas-lind", everything_untouched),
        graded("kofi-mensah", half_done | {"stable_softmax": SOFTMAX_OVERFLOWS}),
        mixed(),
        graded(
            "mateus-silva",
            {"attention_quiz": Answer({"q6": "", "q8": ""})},
            cell_errors=[
                CellError(
                    cell=2,
                    error=ErrorExcerpt(
                        type="ModuleNotFoundError",
                        message="No module named 'seaborn'",
                        trace="cell 2, line 1\n    import seaborn as sns",
                    ),
                )
            ],
        ),
        graded(
            "nadia-benali",
            flags=[Flag(kind="edited-cell", message="The check cell of `split_heads` was edited.")],
            note="Of several files attention.ipynb was graded; not looked at: attention-old.ipynb.",
        ),
        graded("oskar-nowak", {"CrossAttention": Answer(gpu="`.numpy()` needs a tensor on the CPU.")}),
        graded(
            "priya-raman",
            {"stable_softmax": Answer({id: TOO_LONG for id, *_ in SUITE["stable_softmax"]})},
            flags=[
                Flag(kind="wall-timeout", exercise="stable_softmax", message="Timed out twice, once alone.")
            ],
        ),
        graded(
            "quentin-moreau",
            {"SpatialSelfAttention": Answer({id: died for id, *_ in SUITE["SpatialSelfAttention"]})},
            isolation="landlock",
        ),
        graded(
            "rosa-jimenez",
            {entry.id: Answer({id: DIFFERS for id, *_ in SUITE[entry.id]}) for entry in ATTENTION.exercises},
            flags=[
                Flag(kind="tampering", message=late_tamper),
                Flag(
                    kind="tampering",
                    exercise="CrossAttention",
                    message="Sent a frame that the protocol forbids.",
                ),
                Flag(
                    kind="odd-answer",
                    exercise="CrossAttention",
                    message="The answer was a subclass of Tensor.",
                ),
            ],
        ),
        unreadable(),
        stopped(
            "tove-berg",
            Status.UNREADABLE,
            "This notebook has none of the exercises of `attention`: is it from another course?",
            flags=[Flag(kind="other-course", message="Its cells belong to a course named `stats101`.")],
        ),
        graded(
            "ulrich-baumann",
            {
                "split_heads": Answer(
                    state="missing", note="Cell 7 has a syntax error, so nothing in it exists."
                ),
                "attention_quiz": Answer(
                    {f"q{n}": "" for n in range(1, 9)},
                    note='`answers` must be a dictionary such as `{"q1": "b"}`; yours is a list.',
                ),
            },
            cell_errors=[CellError(cell=7, error=syntax)],
        ),
        stopped(
            "vera-kovac",
            Status.FAILED_TO_RUN,
            "Not one cell of this notebook could be run: the first ends its own process.",
            errors=[
                CellError(cell=1, error=ErrorExcerpt(type="WorkerDied", message="`os._exit(0)` was called."))
            ],
        ),
    ]


def large_class(size: int) -> list[Result]:
    """`size` students whose luck is drawn from a fixed generator."""
    luck = random.Random(7)
    wrong = {
        "stable_softmax": SOFTMAX_OVERFLOWS,
        "scaled_dot_product_attention": Answer(
            {"agrees": DIFFERS, "mask": DIFFERS}, mistakes=["scale_one_over_d"]
        ),
        "split_heads": Answer({"layout": DIFFERS}, mistakes=["heads_not_transposed"]),
        "MultiHeadSelfAttention": Answer({"ports": DIFFERS}, mistakes=["scale_by_model_dim"]),
        "CrossAttention": Answer({"ports": DIFFERS, "context": DIFFERS}, mistakes=["keys_from_queries"]),
        "SpatialSelfAttention": Answer(
            {"ports": DIFFERS, "oblong": DIFFERS}, mistakes=["reshape_without_permute"]
        ),
    }
    results = []
    for n in range(size):
        skill = luck.betavariate(4, 1.6)
        answers = {id: answer for id, answer in wrong.items() if luck.random() > skill}
        answers |= {id: UNTOUCHED for id in wrong if luck.random() > 0.94}
        answers["attention_quiz"] = Answer({f"q{q}": "" for q in range(1, 9) if luck.random() > skill})
        flags = [Flag(kind="forbidden-call", exercise="split_heads", message="`einops` is called.")]
        results.append(graded(f"student-{n:04}", answers, flags=flags if luck.random() > 0.97 else ()))
    return results


def pages(results: Iterable[Result]) -> dict[tuple[str, str], str]:
    """Where the students' pages lie."""
    return {(r.student, r.module): f"feedback/{r.student}/{r.module}.html" for r in results}
