"""nbgrader's step that puts an instructor's rules beside the notebook that it releases."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from course.desk import settings

from ..settings import AutograderCourse


class WriteRules(NbGraderPreprocessor):
    """Writes the file that `hint` reads in the student's kernel, where hints are switched off."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        if not AutograderCourse(parent=self).hints:
            outputs = resources["outputs"] if isinstance(resources.get("outputs"), dict) else {}
            resources["outputs"] = {**outputs, settings.FILE: settings.NO_HINTS.encode()}
        return nb, resources
