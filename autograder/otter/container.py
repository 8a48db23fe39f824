"""What `run_otter.py` does in a container: Otter, with a valid results.json at every moment.

Otter reads a submission before it asks any plugin, and stops at a broken file; it writes its results in
place. Here it gets a tree of its own, with an empty notebook for the submission: only our reader opens what
the student wrote. Its results are moved into place when they are whole, and where it ends without any, those
that say so stay.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ..atomic import write_atomically
from ..gradescope.not_graded import not_graded, previous_score
from ..gradescope.settings import Settings
from .handed_in import FOLDER, leave_empty

NOTE = "not-graded.json"

_OTTER = "import sys; from otter.run.run_autograder import main; main(sys.argv[1])"


def main(autograder: Path) -> int:
    """Grades the submission of an `/autograder` tree; the exit code, 3 where it could not."""
    results = autograder / "results"
    note = not_graded(shown(""), previous_score(autograder))
    write_atomically(results / "results.json", json.dumps(note, indent=1))
    with tempfile.TemporaryDirectory(prefix="autograder-") as place:
        tree = Path(place, "autograder")
        _lay_out(autograder, tree)
        # -P: nothing is imported from the folder that this runs in.
        done = subprocess.run([sys.executable, "-P", "-c", _OTTER, str(tree)], check=False)
        written = _read(tree / "results" / "results.json")
        if done.returncode or written is None:
            print(f"Not graded: Otter ended with exit code {done.returncode}.", file=sys.stderr)
            return 3
        pickled = tree / "results" / "results.pkl"  # what `otter grade` reads
        write_atomically(results / "results.pkl", pickled.read_bytes())
        write_atomically(results / "results.json", json.dumps(written, indent=1))
    return 0


def shown(module: str) -> Settings:
    """Gradescope's settings as Otter's configuration has them, for what is said without a result."""
    return Settings(module=module, seed=0)


def _lay_out(autograder: Path, tree: Path) -> None:
    """Otter's tree: its own `submission`, `results` and metadata; the source and what was handed in."""
    for name in ("submission", "results"):
        (tree / name).mkdir(parents=True)
    (tree / "source").symlink_to(autograder / "source")
    (tree / FOLDER).symlink_to(autograder / "submission")
    leave_empty(tree / "submission" / "submission.ipynb")
    metadata = autograder / "submission_metadata.json"
    if metadata.is_file():
        shutil.copyfile(metadata, tree / metadata.name)
    else:
        (tree / metadata.name).write_text("{}", encoding="utf-8")


def _read(path: Path) -> dict[str, object] | None:
    """Otter's results; None where they are missing, broken or without a score."""
    try:
        found = json.loads(path.read_bytes())
        complete = bool(found["tests"]) and all("score" in test for test in found["tests"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return found if complete else None
