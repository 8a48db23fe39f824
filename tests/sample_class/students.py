"""The class: who they are, what they handed in, and what grading must make of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder.build import dump
from tests.sample_class import sources
from tests.sample_class.material import MODULE, Draft, Material
from tests.sample_class.outcome import PART, Expected

SOFTMAX, ATTENTION, SPLIT = "stable_softmax", "scaled_dot_product_attention", "split_heads"
SELF, CROSS, SPATIAL, QUIZ = (
    "MultiHeadSelfAttention",
    "CrossAttention",
    "SpatialSelfAttention",
    "attention_quiz",
)
ALL = (SOFTMAX, ATTENTION, SPLIT, SELF, CROSS, SPATIAL, QUIZ)


@dataclass(frozen=True)
class Student:
    """`honest`: may also be graded without isolation, since the notebook does no harm."""

    name: str
    what: str
    expected: Expected
    write: Callable[[Material], bytes]
    honest: bool = True

    @property
    def path(self) -> Path:
        """Where the notebook lies in the class's folder."""
        return Path(self.name, f"{MODULE}.ipynb")


CLASS: list[Student] = []
Write = Callable[[Draft], bytes | None]


def student(
    name: str,
    what: str,
    expected: Expected | None = None,
    *,
    honest: bool = True,
    solved: Sequence[str] = ALL,
) -> Callable[[Write], Write]:
    """Adds to the class. What is decorated works on the notebook, or gives other bytes.

    `solved`: the exercises that are solved before; by default all.
    """

    def add(work: Write) -> Write:
        def write(material: Material) -> bytes:
            draft = material.draft()
            if solved:
                draft.solve(*solved)
            return work(draft) or draft.bytes()

        CLASS.append(Student(name, what, expected or Expected(), write, honest))
        return work

    return add


def mistaken(name: str, what: str, expected: Expected) -> None:
    """Adds somebody who makes the mistakes that are expected to be named."""
    mistakes = [mistake for named in expected.mistakes.values() for mistake in named]
    student(name, what, expected)(lambda draft: draft.mistake(*mistakes))


def write_class(folder: Path, material: Material) -> None:
    """Writes FOLDER/STUDENT/attention.ipynb for everybody."""
    for one in CLASS:
        path = folder / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.write(material))


# --- right


@student("Ada Lindqvist", "everything right")
def _right(draft: Draft) -> None:
    pass


@student("Bogdan Ćwikła", "written differently: einsum wherever there is a sum")
def _einsum(draft: Draft) -> None:
    draft.variant("through_logsumexp", "with_einsum", "split_by_chunk", "merge_by_einsum")
    draft.variant("PackedProjection", "CrossByEinsum", "EinsumOnTheImage")


@student("陈 晨曦", "written differently: loops, and .item()")
def _loops(draft: Draft) -> None:
    draft.variant("slice_by_slice", "query_by_query", "split_into_new", "merge_by_cat")
    draft.variant("HeadByHead", "CrossHeadByHead", "RowByRow")


@student("Oluwaseun Adéyẹmí", "magics, shell and help lines")
def _magics(draft: Draft) -> None:
    draft.insert_before(SOFTMAX, sources.MAGICS)
    draft.answer(ATTENTION, f"%%time\n{draft.cell(ATTENTION).source}")
    draft.answer(
        SPLIT, f"{draft.cell(SPLIT).source}\n\n%time merge_heads(split_heads(torch.ones(2, 3, 4), 2))\n"
    )


@student(
    "Priya Raghunathan",
    "helpers in cells of their own, in a demo and in a check cell, and answers that need them",
    Expected(flags=frozenset({("edited-cell", SPLIT)})),
)
def _helpers(draft: Draft) -> None:
    draft.insert_before(SOFTMAX, "def largest(x, dim):\n    return x.amax(dim, keepdim=True)\n")
    draft.replace(SOFTMAX, "x.amax(dim, keepdim=True)", "largest(x, dim)")
    draft.demo_cell(SOFTMAX).source += "\n\ndef root_of_width(q):\n    return math.sqrt(q.shape[-1])\n"
    draft.replace(ATTENTION, "math.sqrt(q.shape[-1])", "root_of_width(q)")
    draft.check_cell(SPLIT).source += "\n\nTOKENS, HEADS = 2, 1\n"
    draft.replace(
        SPLIT, "return x.transpose(1, 2).flatten(2)", "return x.transpose(HEADS, TOKENS).flatten(2)"
    )


# --- a typical mistake in each exercise

mistaken(
    "Dalia Öztürk",
    "softmax without the maximum; what builds on it is graded with ours",
    Expected({SOFTMAX: PART}, {SOFTMAX: ("no_maximum",)}, {ATTENTION: (SOFTMAX,)}),
)
mistaken(
    "Émile Okafor",
    "scores divided by d, not by its root",
    Expected({ATTENTION: PART}, {ATTENTION: ("divided_by_d",)}),
)
mistaken(
    "Fatima-Zahra El Amrani",
    "heads cut without moving the tokens",
    Expected({SPLIT: PART}, {SPLIT: ("split_without_transpose",)}),
)
mistaken(
    "Γιώργος Παππάς",
    "self-attention scaled by all channels",
    Expected({SELF: PART}, {SELF: ("ScaledByAllChannels",)}),
)
mistaken(
    "김혜진",
    "cross-attention that never looks at the context",
    Expected({CROSS: 0}, {CROSS: ("KeysFromX",)}),
)
mistaken(
    "Ivana Đorđević",
    "an image reshaped into tokens without moving the channels",
    Expected({SPATIAL: 0}, {SPATIAL: ("ReshapedIntoTokens",)}),
)
mistaken(
    "João Pedro D'Ávila",
    "a mistake in four exercises",
    Expected(
        {SOFTMAX: PART, ATTENTION: PART, SELF: 0, SPATIAL: PART},
        {
            SOFTMAX: ("one_maximum_for_all",),
            ATTENTION: ("mask_reversed",),
            SELF: ("NoOutputProjection",),
            SPATIAL: ("DefaultEps",),
        },
    ),
)

# --- not finished, or broken


@student(
    "Kwame Mensah",
    "untouched",
    Expected(dict.fromkeys(ALL, 0), states=dict.fromkeys(ALL, "untouched")),
    solved=(),
)
def _untouched(draft: Draft) -> None:
    pass


@student(
    "Nguyễn Thị Lan",
    "half done: a class begun, three questions answered, the rest as released",
    Expected(
        {SELF: 0, CROSS: 0, SPATIAL: 0, QUIZ: 5.62},
        states=dict.fromkeys((CROSS, SPATIAL), "untouched"),
    ),
    solved=(SOFTMAX, ATTENTION, SPLIT),
)
def _half_done(draft: Draft) -> None:
    draft.replace(
        SELF, 'raise NotImplementedError("write MultiHeadSelfAttention.__init__")', "self.heads = heads"
    )
    draft.answer(QUIZ, sources.THREE_ANSWERS)


@student(
    "Mateusz Wiśniewski",
    "a syntax error in one cell",
    Expected({SELF: 0}, cell_errors=("SyntaxError",)),
)
def _syntax_error(draft: Draft) -> None:
    draft.replace(SELF, "self.heads = heads", "self.heads = (heads")


@student(
    "Noor van der Meer",
    "an import that fails, and an answer that needs it",
    Expected({SPLIT: 0}, cell_errors=("ModuleNotFoundError",)),
)
def _failing_import(draft: Draft) -> None:
    draft.insert_before(SPLIT, "import einops_by_a_friend as friend\n\nprint('never reached')\n")
    draft.replace(
        SPLIT, "return x.transpose(1, 2).flatten(2)", "return friend.rearrange(x, 'b h l d -> b l (h d)')"
    )
    draft.replace(SPLIT, "B, L, C = x.shape", "B, L, C = friend.shape(x)")


@student(
    "Zoltán Kovács",
    "a cell deleted by accident",
    Expected({CROSS: 0}, states={CROSS: "missing"}),
)
def _deleted(draft: Draft) -> None:
    draft.delete(CROSS)


@student(
    "Wiremu Parata",
    "quiz answers in the wrong form",
    Expected({QUIZ: 5.62}),
)
def _quiz(draft: Draft) -> None:
    draft.answer(QUIZ, sources.MALFORMED_ANSWERS)


@student(
    "Ulrike Brandstätter",
    "a file that is not JSON",
    Expected(dict.fromkeys(ALL, 0), states=dict.fromkeys(ALL, "missing"), status="unreadable"),
    solved=(),
)
def _not_json(draft: Draft) -> bytes:
    return draft.bytes()[:20_000]  # the disk was full


@student(
    "Víctor Ibáñez",
    "a notebook of another course",
    Expected(dict.fromkeys(ALL, 0), states=dict.fromkeys(ALL, "missing"), status="unreadable"),
)
def _other_course(draft: Draft) -> bytes:
    cells = [
        nbformat.v4.new_markdown_cell("# Week 3: the Palmer penguins", id="title"),
        nbformat.v4.new_code_cell("def mean_mass(table):\n    return table['mass'].mean()\n", id="mean"),
    ]
    return dump(nbformat.v4.new_notebook(cells=cells))


# --- right on this machine only, too slow, too large, or not honest


@student(
    "Quentin Lefèvre",
    "right on the CPU, and would fail on a GPU",
    Expected(fails_on_a_gpu=frozenset({ATTENTION})),
)
def _gpu(draft: Draft) -> None:
    draft.answer(ATTENTION, sources.MASK_ON_THE_CPU)


@student("Rasmus Søndergaard", "an infinite loop in one function", Expected({SPATIAL: 0}), honest=False)
def _loop(draft: Draft) -> None:
    draft.replace(
        SPATIAL, "out: Tensor = x +", "while x.numel() > 0:\n            pass\n        out: Tensor = x +"
    )


@student("Şule Yıldırım", "a memory bomb in one function", Expected({SELF: 0}), honest=False)
def _bomb(draft: Draft) -> None:
    draft.replace(SELF, "B, L, dim = x.shape\n", f"B, L, dim = x.shape\n{sources.BOMB}")


@student(
    "Tamás Fehér",
    "the forbidden call, in its own exercise: no points for it, and a flag for a person",
    Expected({ATTENTION: 0}, flags=frozenset({("forbidden-call", ATTENTION)})),
)
def _forbidden(draft: Draft) -> None:
    draft.answer(ATTENTION, sources.CALLS_TORCHS_OWN)


@student(
    "Mallory Quick",
    "patches torch, and looks for the answers; one exercise solved",
    Expected(
        dict.fromkeys((ATTENTION, SPLIT, SELF, CROSS, SPATIAL, QUIZ), 0),
        flags=frozenset({("tampering", "")}),
    ),
    honest=False,
    solved=(SOFTMAX,),
)
def _cheater(draft: Draft) -> None:
    draft.insert_before(SOFTMAX, sources.CHEATING)
    draft.answer(ATTENTION, "def scaled_dot_product_attention(q, k, v, mask=None):\n    return stolen(q)\n")
    draft.answer(
        SPLIT,
        "def split_heads(x, heads):\n    return stolen(x)\n\n\ndef merge_heads(x):\n    return stolen(x)\n",
    )
    for exercise in (SELF, CROSS, SPATIAL):
        draft.answer(exercise, sources.STOLEN_CLASS.format(exercise))
    draft.answer(QUIZ, "answers = stolen_answers()\n")
