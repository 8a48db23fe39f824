"""Examines an answer with the public checks. Never raises, whatever the answer does."""

from __future__ import annotations

import importlib.util
import linecache
import os
import sysconfig
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from course.catalogue.answers import Other, in_words
from course.catalogue.quiz import QuizError, no_answers, problems, quiz_of
from course.catalogue.syllabus import Bonus, Module, Quiz, Task, load
from course.cells.magics import to_python
from course.cells.python import parsed, raise_left_behind
from course.checking import forbidden, show
from course.checking.expect import Broken, Call, Check, Raised, Untouched, Work, checks_of
from course.checking.portability import DeviceMismatch, PretendedAccelerator
from course.checking.report import Report

# What lies in these folders is not the student's.
_FOREIGN = tuple(
    str(Path(folder)) + os.sep
    for folder in (
        str(Path(__file__).parents[1]),  # the course
        *torch.__path__,
        *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    )
)


def reports_on(functions: Sequence[Any], quiz: str | None) -> list[Report]:
    """What `check(*functions, quiz=quiz)` has to say: one report for each exercise that is meant."""
    if quiz is not None:
        return [_on_named_quiz(functions, quiz)]
    if not functions:
        return [_confused("Nothing to check: pass the function that you wrote, as in check(stable_softmax).")]
    names: dict[str, Any] = {}
    for function in functions:
        name = getattr(function, "__name__", None)
        if not callable(function) or not isinstance(name, str):
            return [_confused(_how_to_pass(function))]
        names[name] = function
    meant: dict[str, tuple[Module, Task]] = {}
    for name in names:
        found = find_definition(name)
        if found is None:
            return [_confused(f"No exercise asks for {name!r}. {_known_names()}")]
        meant[found[1].id] = found
    return [on_exercise(module, exercise, names) for module, exercise in meant.values()]


def find_definition(name: str) -> tuple[Module, Task] | None:
    """The exercise or the bonus whose answer defines this name."""
    for module in load().modules:
        for task in (*module.exercises, *module.bonus):
            if name in task.defines:
                return module, task
    return None


def on_exercise(module: Module, exercise: Task, names: Mapping[str, Any], uses: str | None = None) -> Report:
    """Runs the public checks of an exercise on what `names` gives for the names that it defines.

    `uses` is the sentence on forbidden calls, which none of the checks could see; by default they are looked
    for in what this Jupyter kernel has run.
    """
    bonus = isinstance(exercise, Bonus)
    title = f"{exercise.id} · {exercise.title}{' · bonus' if bonus else ''}"
    report = Report(title, f"{module.id}/{exercise.id}", bonus=bonus)
    if lacking := [name for name in exercise.defines if name not in names]:
        together = ", ".join(exercise.defines)
        return missing(module, exercise, f"{lacking[0]} is missing: this is checked with check({together})")
    home = f"course.modules.{module.id}.checks"
    checks = checks_of(importlib.import_module(home), exercise.id) if importlib.util.find_spec(home) else []
    student, passed = Work(names), 0
    with torch.random.fork_rng(devices=[]):  # the notebook's own random numbers stay as they were
        for check in checks:
            try:
                broken = _run(check, student)
            except Untouched:
                if not report.lines:
                    report.state, report.problem = "untouched", "not written yet"
                    report.lines = ["Not written yet. Have a go: this cell tells you how far you have come."]
                    return report
                broken = Broken("this part is not written yet")
            if broken is None:
                passed += 1
                report.lines.append(f"✓ {check.rule}")
                continue
            report.lines.append(f"✗ {check.rule}")
            if not report.problem:  # one thing at a time: only the first is shown in full
                report.problem, report.check = broken.sentence, check.name
                report.lines += [f"    {line}" for line in (broken.sentence, *broken.lines)]
            elif report.problem != broken.sentence:
                report.lines.append(f"    {broken.sentence}")
        if passed == len(checks):
            report.state = "passed"
            if mismatch := _on_a_gpu(student._calls):
                report.lines.append(f"! This would fail on a GPU. {mismatch}")
    count = len(checks)
    uses = forbidden.said_here(module, exercise) if uses is None else uses
    if uses and module.forbidden == "withhold":
        report.state, report.problem, report.check, count = "failed", uses, "", count + 1
    if uses:
        report.lines.insert(0, f"{'!' if module.forbidden == 'flag' else '✗'} {uses}")
    more = "A bonus has no points." if bonus else "Grading tests more."
    report.lines.append(_verdict(passed, count, more=more))
    report.hold, report.count = passed, count
    return report


def on_answer(
    module: Module, exercise: Task, namespace: Mapping[str, Any], uses: str | None = None
) -> Report:
    """What is found about one exercise, or the quiz, of a notebook whose cells have left these names.

    `uses` as in `on_exercise`.
    """
    for name in exercise.defines:
        if name not in namespace:
            problem = f"`{name}` is not defined: its cell raised an error, or was deleted or renamed"
            return missing(module, exercise, problem)
    if isinstance(exercise, Quiz):
        return on_quiz(module, exercise, namespace["answers"])
    return on_exercise(module, exercise, {name: namespace[name] for name in exercise.defines}, uses)


def missing(module: Module, exercise: Task, problem: str) -> Report:
    """That there is no answer to look at, and why."""
    title, key = f"{exercise.id} · {exercise.title}", f"{module.id}/{exercise.id}"
    return Report(title, key, "failed", [f"✗ {problem}"], problem)


def on_quiz(module: Module, quiz: Quiz, answers: Any) -> Report:
    """Whether every question has an answer in the right form. Whether it is right is not known here."""
    try:
        text = quiz_of(module.id)
    except QuizError as error:
        return missing(module, quiz, f"the quiz cannot be read: {error}")
    if not isinstance(answers, dict):
        return missing(module, quiz, no_answers(Other(in_words(answers))))
    report = Report(f"{quiz.id} · {quiz.title}", f"{module.id}/{quiz.id}")
    found = problems(text.questions, answers)
    count = len(text.questions)
    answered = count - len(found.keys() & {question.id for question in text.questions})
    report.lines = [f"✗ {id}: {problem}" for id, problem in found.items()]
    report.lines.append(f"{answered} of {count} questions are answered. Whether rightly, grading will say.")
    if not found:
        report.state = "passed"
    elif all(value is None for value in answers.values()):
        report.state, report.problem = "untouched", "not answered yet"
        report.lines = ["Not answered yet: put your answers in place of None."]
    else:
        id, problem = next(iter(found.items()))
        report.problem = f"{id}: {problem}"
    return report


def _on_named_quiz(answers: Sequence[Any], id: str) -> Report:
    quizzes = {module.quiz.id: (module, module.quiz) for module in load().modules if module.quiz}
    if id not in quizzes:
        return _confused(f"There is no quiz {id!r}. There are: {', '.join(quizzes)}.")
    if len(answers) != 1:
        return _confused(f'A quiz is checked with check(answers, quiz="{id}").')
    return on_quiz(*quizzes[id], answers[0])


def _confused(problem: str) -> Report:
    return Report("check", lines=[f"✗ {problem}"], problem=problem)


def _how_to_pass(thing: Any) -> str:
    if isinstance(thing, dict):
        return 'Are these the answers to a quiz? Then check(answers, quiz="...").'
    if isinstance(thing, str):
        return f"Pass the function itself, without quotes: check({thing[:40]})."
    return f"Pass the function or class that you wrote; this is {show.a(thing)}."


def _known_names() -> str:
    names = [name for module in load().modules for exercise in module.exercises for name in exercise.defines]
    return f"Exercises ask for {', '.join(names)}."


def _verdict(passed: int, count: int, more: str) -> str:
    if not count:
        return "There are no public checks for this exercise; grading has tests of its own."
    if passed == count:
        return f"All {count} checks hold. {more}"
    return f"{passed} of {count} checks hold."


# --- One check --------------------------------------------------------------------------------------------


def _run(check: Check, student: Work) -> Broken | None:
    """What is broken, if anything; raises Untouched."""
    student._calls[:], kept = [], list(student._calls)
    try:
        check.run(student)
    except Broken as broken:
        called = student._calls[-1] if student._calls else None
        return Broken(broken.sentence, *broken.lines, *(_called(called) if called else []))
    except Raised as raised:
        frame = _own_frame(raised.error)
        if isinstance(raised.error, NotImplementedError) and _is_stub(raised.error, frame):
            if frame and _is_left_behind(frame):
                left = f"the line `raise NotImplementedError` is still there, {_place(frame)}: delete it"
                return Broken(left)
            raise Untouched from None
        where = [f"{_place(frame)}: {frame.line}"] if frame and frame.line else []
        return Broken(f"it raised {describe(raised.error)}", *where, *_called(raised.call))
    except Exception as error:  # an answer so odd that looking at it raised
        return Broken(f"the answer could not be examined ({describe(error)})")
    finally:
        student._calls[:0] = kept
    return None


def describe(error: BaseException) -> str:
    """An exception's type and message in one line."""
    try:
        message = " ".join(str(error).split())
    except Exception:
        message = ""
    name = type(error).__name__
    return f"{name}: {message[:300]}" if message else name


def _called(call: Call) -> list[str]:
    return [f"{'called with' if i == 0 else '':<13} {line}" for i, line in enumerate(call.lines())]


def _own_frame(error: BaseException) -> traceback.FrameSummary | None:
    """The innermost frame that is the student's own."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_FOREIGN)
    ]
    return own[-1] if own else None


def _place(frame: traceback.FrameSummary) -> str:
    cell = frame.filename.strip("<>") if frame.filename.startswith("<cell ") else ""
    return f"in your line {frame.lineno}{f' of {cell}' if cell else ''}"


def _is_stub(error: NotImplementedError, frame: traceback.FrameSummary | None) -> bool:
    """Torch raises this one too, from within: a stub is known by its line, or else by its words."""
    if frame and frame.line:
        return "raise NotImplementedError" in frame.line
    return str(error).startswith("write ")


def _is_left_behind(frame: traceback.FrameSummary) -> bool:
    """Whether the function that raised has code of its own beside the stub's line."""
    try:
        tree = parsed(to_python("".join(linecache.getlines(frame.filename))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    left = map(raise_left_behind, tree.body)
    return any(line is not None and line.lineno == frame.lineno for line in left)


def _on_a_gpu(calls: Iterable[Call]) -> str:
    """What would go wrong on a GPU, in a sentence; empty if nothing would, as far as can be told here."""
    for call in calls:
        try:
            PretendedAccelerator().call(call.function, *call.args, **call.kwargs)
        except DeviceMismatch as mismatch:
            return str(mismatch)[:1].upper() + str(mismatch)[1:] + "."
        except Exception:  # noqa: S112 - it ran on the CPU: that it does not here is a limit of the pretence
            continue
    return ""
