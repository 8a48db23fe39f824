"""Keeps each answer that passes its check in `mine/MODULE.py`: a small library that is the student's own.

    mine/attention.py     whole cells, the imports that they need, in the order of the exercises
    mine/earlier/         whatever has been replaced there

Only an answer that also passes outside of its notebook is kept, so that the file can be imported and a good
answer never gives way to a worse one. A check that fails changes nothing. Nothing here can break a check:
what goes wrong becomes a sentence.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from course.catalogue.syllabus import Exercise, Module, Quiz, load
from course.cells import names
from course.cells.python import Cell, Definition, is_stub
from course.desk import atomic, lock, mine_folder, mine_parts
from course.desk.kept_file import KeptFile, Section
from course.desk.mine_folder import Kept, KeptModule

_ABOUT_ALL = '"""What I wrote in the course "{title}": my own parts of a diffusion model."""\n'
_ABOUT = """\
My part `{module}` of a diffusion model, written in "{title}".

A green check keeps each answer here. The file is mine: to read, import, change and publish.
"""


def keep(key: str, cells: Sequence[Cell], start: Path | None = None) -> str:
    """Keeps the answer `module/exercise` that has just passed, out of the cells that have run.

    Returns a sentence on what came of it; none where nothing is new, or nothing is to be kept.
    """
    from course.checking.examine import describe

    found = _exercise(key)
    folder = mine_folder.find(start)
    if found is None or folder is None or not cells:
        return ""
    try:
        return _keep(*found, cells, folder)
    except ValueError as error:  # sentences of ours
        reason = str(error)
    except OSError as error:
        reason = error.strerror or str(error)
    except Exception as error:
        reason = describe(error)
    return f"Not kept in {mine_folder.shown(folder)}: {reason}. It stands in your notebook as before."


def _exercise(key: str) -> tuple[Module, Exercise] | None:
    for module in load().modules:
        for exercise in module.exercises:
            if key == f"{module.id}/{exercise.id}" and not isinstance(exercise, Quiz):
                return module, exercise
    return None


def _keep(module: Module, exercise: Exercise, cells: Sequence[Cell], folder: Path) -> str:
    answer = _Answer(module, exercise, cells)
    file = folder / f"{module.id}.py"
    if _is_there(answer, file, mine_folder.load_record(folder)):
        return ""
    if folder.exists() and not folder.is_dir():
        raise mine_parts.Unusable("that is a file: give it another name")
    folder.mkdir(parents=True, exist_ok=True)
    with lock.held(folder / mine_folder.LOCK):
        record = mine_folder.load_record(folder)
        known = record.get(module.id, KeptModule())
        old = KeptFile.parse(mine_folder.read(file) or "")
        made = answer.put_into(old)
        text = made.text
        found = mine_parts.examined(module, text, file, known)
        remark = _remark(answer, known, found, file)
        replaced = [one for one in old.sections if one.id and made.section(one.id) != one]
        edited = []
        for section in replaced:
            aside = mine_folder.put_aside(folder, module.id, section.id, section.text)
            written = known.answers.get(section.id, Kept()).text
            if written and written != mine_folder.fingerprint(section.text):
                edited.append(mine_folder.shown(aside))
        if not record and not (folder / "__init__.py").exists():
            about = _ABOUT_ALL.format(title=load().title)
            atomic.write(folder / "__init__.py", about.encode())
        atomic.write(file, text.encode())
        mine_folder.save_record(folder, {**record, module.id: _noted(answer, made, found)})
    said = f"Kept in {mine_folder.shown(file)}"
    if edited:
        return f"{said}; what you had changed there by hand is in {', '.join(edited)}.{remark}"
    if any(section.id == exercise.id for section in replaced):
        earlier = mine_folder.shown(folder / mine_folder.EARLIER / module.id)
        return f"{said}; your earlier answer is in {earlier}/.{remark}"
    return f"{said}.{remark}"


def _is_there(answer: _Answer, file: Path, record: dict[str, KeptModule]) -> bool:
    """Whether this very answer was kept, and what became of it in the file is the student's own doing."""
    kept = record.get(answer.module.id, KeptModule()).answers.get(answer.exercise.id, Kept())
    if kept.given != answer.excerpt.fingerprint:
        return False
    return KeptFile.parse(mine_folder.read(file) or "").section(answer.exercise.id) is not None


def _remark(answer: _Answer, known: KeptModule, found: KeptModule, file: Path) -> str:
    """What else is to be said of a file that is about to be written; raises Unusable where it must not be."""
    id, shown = answer.exercise.id, mine_folder.shown(file)
    if problem := found.problem or found.answers[id].problem:
        text = answer.put_into(KeptFile()).text
        alone = mine_parts.examined(answer.module, text, file.with_suffix(".alone"), KeptModule())
        if why := alone.problem or alone.answers[id].problem:
            raise mine_parts.Unusable(f"outside of the notebook {why}")
        if not found.problem:
            raise mine_parts.Unusable(f"with what else stands in {shown}, {problem}")
        return f" But {shown} as a whole cannot be imported: {problem}."
    for other, kept in found.answers.items():
        before = known.answers.get(other)
        if kept.problem and before and not before.problem and not known.problem:
            raise mine_parts.Unusable(f"`{other}`, which {shown} has, would fail beside it ({kept.problem})")
    return ""


def _noted(answer: _Answer, made: KeptFile, found: KeptModule) -> KeptModule:
    """With the fingerprints of what was given and written."""
    answers = dict(found.answers)
    for id, excerpt in answer.taken.items():
        section = made.section(id)
        if section is not None:
            given, written = excerpt.fingerprint, mine_folder.fingerprint(section.text)
            answers[id] = replace(answers.get(id, Kept()), given=given, text=written)
    return replace(found, answers=answers)


class _Answer:
    """An answer out of a notebook, and how it goes into a file, with the other answers that it uses."""

    def __init__(self, module: Module, exercise: Exercise, cells: Sequence[Cell]) -> None:
        from course.checking.excerpt import NotByItself, excerpt

        self.module, self.exercise, self.cells = module, exercise, cells
        self.all = {name for one in module.exercises for name in one.defines}
        try:
            self.excerpt = excerpt(cells, exercise.defines, self.all)
        except KeyError as missing:
            raise NotByItself(f"no cell that has run defines `{missing.args[0]}`") from None
        self.taken = {exercise.id: self.excerpt}

    def put_into(self, file: KeptFile) -> KeptFile:
        return self._put(file, self.exercise)

    def _put(self, file: KeptFile, exercise: Exercise) -> KeptFile:
        from course.checking.excerpt import excerpt

        found = self.taken.get(exercise.id) or excerpt(self.cells, exercise.defines, self.all)
        self.taken[exercise.id] = found
        about = _ABOUT.format(module=self.module.id, title=load().title)
        file, left = file.with_imports(found.imports, about)
        source = "\n".join(left) + "\n\n\n" + found.source if left else found.source
        order = [one.id for one in self.module.exercises]
        file = file.with_section(Section(exercise.id, f": {exercise.title}", source), order)
        for name, text in found.helpers.items():
            if not self._is_in(file, name):
                file = file.with_helper(name, text, exercise.id)
        for other in self.module.exercises:  # an answer that is used, and has not been kept by itself
            if not found.others.isdisjoint(other.defines) and not _defines(file, other) and self._has(other):
                file = self._put(file, other)
        return file

    def _is_in(self, file: KeptFile, name: str) -> bool:
        from course.checking.excerpt import fingerprint

        try:
            return fingerprint([Cell(1, file.text)], [name]) == fingerprint(self.cells, [name])
        except (KeyError, ValueError):
            return False

    def _has(self, exercise: Exercise) -> bool:
        """Whether the notebook has more than a stub of it."""
        defined = {
            statement.name: statement
            for cell in self.cells
            for statement in _statements(cell.source)
            if isinstance(statement, Definition)
        }
        return all(name in defined and not is_stub(defined[name]) for name in exercise.defines)


def _defines(file: KeptFile, exercise: Exercise) -> bool:
    bound = {name for one in _statements(file.text) for name in names.changed(one)}
    return bound.issuperset(exercise.defines)


def _statements(source: str) -> list[ast.stmt]:
    try:
        return list(names.statements(names.parsed(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
