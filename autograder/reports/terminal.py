"""The table at the end of a run, for a terminal of a hundred columns and for a log file alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from textwrap import shorten

from rich import box
from rich.table import Table
from rich.text import Text

from course.catalogue.syllabus import Syllabus

from ..proof.finding import KINDS, Finding
from ..results import Result, Status
from . import statistics
from .outcomes import Outcome, outcome
from .text import count, number, sentence

_STYLES = {
    Outcome.COMPLETE: "green",
    Outcome.PARTLY: "yellow",
    Outcome.NOT_YET: "red",
    Outcome.UNTOUCHED: "dim",
    Outcome.MISSING: "dim",
}
_LONGEST_NAME = 40


def summary_table(results: Sequence[Result], syllabus: Syllabus) -> Table:
    """A row a submission: student, module (if there are several), points, a symbol an exercise, the named
    mistakes, and flags if there are any.

    Nothing a student wrote is taken for markup or reaches the terminal as an escape code.
    """
    rows = statistics.in_order(results, syllabus.modules)
    modules = len({result.module for result in rows}) > 1
    flags = any(result.flags for result in rows)
    table = Table(box=box.SIMPLE_HEAD, caption_justify="left", pad_edge=False)
    table.add_column("Student", overflow="fold", min_width=8)
    if modules:
        table.add_column("Module", overflow="fold")
    table.add_column("Points", justify="right", no_wrap=True)
    table.add_column("Exercises", no_wrap=True)
    table.add_column("Looks like", overflow="fold")
    if flags:
        table.add_column("Flags", overflow="fold")
    for result in rows:
        table.add_row(
            Text(sentence(result.student, _LONGEST_NAME)),
            *([Text(sentence(result.module, _LONGEST_NAME))] if modules else []),
            f"{number(result.points)}/{number(result.max_points)}",
            _symbols(result),
            Text(_remark(result)),
            *(
                [Text(", ".join(dict.fromkeys(f.kind for f in result.flags)), style="yellow")]
                if flags
                else []
            ),
        )
    table.caption = Text(_caption(results), style="dim")
    return table


def _symbols(result: Result) -> Text:
    if result.status is not Status.GRADED:
        return Text(result.status.value, style="red")
    kinds = map(outcome, result.exercises)
    return Text(" ").join(Text(kind.symbol, style=_STYLES[kind]) for kind in kinds)


def _remark(result: Result) -> str:
    """The mistakes' short names, or why there is nothing to name."""
    if result.status is not Status.GRADED:
        return shorten(sentence(result.reason), 64, placeholder=" …")
    titles = [[mistake.title for mistake in exercise.mistakes] for exercise in result.exercises]
    return ", ".join(dict.fromkeys(" or ".join(one) for one in titles if one))


def _caption(results: Sequence[Result]) -> str:
    legend = "  ".join(f"{kind.symbol} {kind.word}" for kind in Outcome)
    graded = [result.points for result in results if result.status is Status.GRADED]
    said = count(len(results), "submission")
    if graded:
        said += f", {len(graded):,} graded, median {number(median(graded))} points"
    return f"{legend}\n{said}"


def verify_table(findings: Sequence[Finding], seconds: Mapping[str, float], syllabus: Syllabus) -> Table:
    """A row an exercise: how many of each kind were tried, and how many came out right.

    `seconds` of CPU that each module took; below the table, for whoever keeps an eye on them.
    """
    kinds = [kind for kind in KINDS if any(finding.kind == kind for finding in findings)]
    table = Table(box=box.SIMPLE_HEAD, caption_justify="left", pad_edge=False)
    table.add_column("Exercise", overflow="fold")
    for kind in kinds:
        table.add_column(kind, justify="right", no_wrap=True)
    exercises = [(module.id, exercise.id) for module in syllabus.modules for exercise in module.graded]
    for module, exercise in exercises:
        group = [finding for finding in findings if (finding.module, finding.exercise) == (module, exercise)]
        if not group:
            continue
        cells = []
        for kind in kinds:
            tried = [finding.ok for finding in group if finding.kind == kind]
            right = sum(tried)
            style = "green" if right == len(tried) else "red"
            cells.append(Text(f"{right}/{len(tried)}" if tried else "", style=style))
        table.add_row(Text(f"{module}.{exercise}"), *cells)
    right = sum(finding.ok for finding in findings)
    share = f"{100 * right / len(findings):.4g}%" if findings else "nothing"
    took = ", ".join(f"{module} {spent:.0f}" for module, spent in seconds.items())
    table.caption = Text(
        f"{right:,} of {len(findings):,} findings as they must be ({share})\nCPU seconds: {took}", style="dim"
    )
    return table


def mutants_table(findings: Sequence[Finding], seconds: Mapping[str, float], syllabus: Syllabus) -> Table:
    """A row an exercise: how many mutants were tried, and what became of them."""
    table = Table(box=box.SIMPLE_HEAD, caption_justify="left", pad_edge=False)
    table.add_column("Exercise", overflow="fold")
    columns = ("mutants", "killed", "survivors", "equivalents")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    total = dict.fromkeys(columns, 0)
    for module in syllabus.modules:
        for exercise in module.graded:
            group = [each for each in findings if (each.module, each.exercise) == (module.id, exercise.id)]
            tried = [each for each in group if each.kind == "mutant"]
            spared = sum(each.ok for each in group if each.kind == "equivalent")
            killed = sum(each.ok for each in tried)
            row = dict(zip(columns, (len(tried) + spared, killed, len(tried) - killed, spared), strict=True))
            if not row["mutants"]:
                continue
            total = {column: total[column] + row[column] for column in columns}
            style = "red" if row["survivors"] else "green"
            table.add_row(
                Text(f"{module.id}.{exercise.id}"), *(Text(f"{row[name]:,}", style=style) for name in columns)
            )
    took = ", ".join(f"{module} {spent:.0f}" for module, spent in seconds.items())
    said = ", ".join(f"{total[column]:,} {column}" for column in columns)
    table.caption = Text(f"{said}\nCPU seconds: {took}", style="dim")
    return table


def shares_table(findings: Sequence[Finding]) -> Table:
    """A row a known mistake: how much of its exercise's points it keeps, from the least to the most."""
    kept: dict[tuple[str, str], list[float]] = {}
    for finding in findings:
        if finding.kept is not None:
            name = (f"{finding.module}.{finding.exercise}", finding.id)
            kept.setdefault(name, []).append(finding.kept)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Exercise", overflow="fold")
    table.add_column("Mistake", overflow="fold")
    table.add_column("Keeps", justify="right", no_wrap=True)
    before = ""
    for (exercise, mistake), shares in sorted(kept.items(), key=lambda it: (it[0][0], -max(it[1]), it[0][1])):
        least, most = min(shares), max(shares)
        said = f"{most:.0%}" if most - least < 0.005 else f"{least:.0%} to {most:.0%}"
        table.add_row(Text("" if exercise == before else exercise), Text(mistake), said)
        before = exercise
    return table
