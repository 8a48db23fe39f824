"""The text of `mine/MODULE.py`: sections in order, imports in one place, a student's own words untouched."""

from __future__ import annotations

from course.desk.kept_file import HELPER, KeptFile, Section

ORDER = ["one", "two", "three"]


def section(id: str, source: str = "") -> Section:
    return Section(id, f": {id}", source or f"def {id}(): ...")


def ids(file: KeptFile) -> list[str]:
    return [one.id for one in file.sections]


def test_sections_stand_in_the_order_of_the_exercises_whenever_they_came() -> None:
    file = KeptFile()
    for id in ("three", "one", "two"):
        file = file.with_section(section(id), ORDER)
    assert ids(file) == ORDER
    assert KeptFile.parse(file.text) == KeptFile.parse(KeptFile.parse(file.text).text)
    assert ids(KeptFile.parse(file.text)) == ORDER


def test_a_section_is_replaced_and_what_a_student_added_stays() -> None:
    text = '"""Mine."""\n\n# %% one: One\n\ndef one(): ...\n\n# %% my own tests\n\nassert one() is None\n'
    file = KeptFile.parse(text).with_section(section("one", "def one(): return 1"), ORDER)
    assert "return 1" in file.text
    assert "# %% my own tests" in file.text
    assert "assert one() is None" in file.text
    assert file.text.startswith('"""Mine."""')


def test_a_helper_stands_above_who_uses_it_and_only_once() -> None:
    file = KeptFile().with_section(section("three"), ORDER).with_helper("h", "def h(): ...", "three")
    assert ids(file) == ["h", "three"]
    file = file.with_section(section("one"), ORDER)
    assert ids(file) == ["one", "h", "three"]
    file = file.with_helper("h", "def h(): return 2", "one")
    assert ids(file) == ["h", "one", "three"]
    assert file.sections[0] == Section("h", HELPER, "def h(): return 2")


def test_a_cell_mark_in_an_answer_begins_no_section() -> None:
    file = KeptFile().with_section(section("one", "# %% two\ndef one(): ..."), ORDER)
    assert ids(KeptFile.parse(file.text)) == ["one"]


def test_imports_are_put_in_order_in_a_head_that_nobody_edited() -> None:
    lines = ["from torch import nn", "import torch", "import math", "from torch import Tensor"]
    file, left = KeptFile().with_imports(lines[:1], "About.")
    assert left == ()
    file, left = file.with_imports(lines[1:], "About.")
    assert file.head == '"""About."""\n\nimport math\n\nimport torch\nfrom torch import Tensor, nn\n'


def test_to_a_head_that_a_student_edited_lines_are_added() -> None:
    head = '"""My own words."""\n\nimport torch  # the library\n'
    file, _ = KeptFile(head).with_imports(["import torch", "import math"], "About.")
    assert file.head == head + "import math\n"


def test_an_import_that_would_change_what_a_name_means_is_left_to_the_section() -> None:
    file, left = KeptFile().with_imports(["from math import sqrt"], "About.")
    file, left = file.with_imports(["from torch import sqrt", "import math"], "About.")
    assert left == ("from torch import sqrt",)
    assert "from math import sqrt" in file.head


def test_windows_line_ends_and_files_of_another_kind_are_read() -> None:
    assert ids(KeptFile.parse("x = 1\n# %%time\n# %%\ny = 2\n# %% one: One\nz = 3\n")) == ["", "one"]
    assert KeptFile.parse("def f(:").head == "def f(:"
