"""`python -m tests.sample_class DIR`: writes the sample class."""

from __future__ import annotations

import sys
from pathlib import Path

from autograder.content.course_root import CourseRoot
from tests.sample_class import CLASS, load_material, write_class


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m tests.sample_class DIR")
    folder = Path(sys.argv[1])
    write_class(folder, load_material(CourseRoot.find(Path(__file__).parent)))
    print(f"{len(CLASS)} notebooks in {folder}")


if __name__ == "__main__":
    main()
