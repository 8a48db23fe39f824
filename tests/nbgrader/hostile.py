"""A notebook in which every field that nbgrader's pages show is an attack."""

from __future__ import annotations

import json
from typing import Any

from tests.nbgrader.directory import Directory
from tests.sample_class import Material

EVE, OSCAR = "Eve", "Oscar"
SCRIPT = "<script>pwned()</script>"
IMAGE = '<img src="x" onerror="pwned()">'
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def hostile(material: Material) -> bytes:
    """The notebook's file."""
    draft = material.draft()
    draft.answer("stable_softmax", f"def stable_softmax(x, dim):\n    raise ValueError({SCRIPT!r})\n")
    draft.answer("split_heads", f"def split_heads(x, heads):\n    '''{SCRIPT}'''\n    return {IMAGE!r}\n")
    notebook: dict[str, Any] = json.loads(draft.bytes())
    notebook["metadata"] |= {
        "title": SCRIPT,
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}, "x": SCRIPT}},
        "language_info": {"name": SCRIPT, "pygments_lexer": SCRIPT},
        "kernelspec": {"name": SCRIPT, "display_name": SCRIPT, "language": SCRIPT},
    }
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        cell["execution_count"] = SCRIPT
        cell["metadata"] |= {"magics_language": f'"{SCRIPT}', "tags": [SCRIPT], "alt": SCRIPT}
        cell["outputs"] = [
            {
                "output_type": "display_data",
                "metadata": {"isolated": True},
                "data": {
                    "text/html": [SCRIPT, IMAGE],
                    "application/javascript": "pwned()",
                    "image/svg+xml": f"<svg onload='pwned()'>{SCRIPT}</svg>",
                    "text/markdown": SCRIPT,
                    "text/latex": r"\href{javascript:pwned()}{x}",
                    "application/vnd.jupyter.widget-view+json": {"model_id": SCRIPT},
                },
            },
            {"output_type": "display_data", "metadata": {}, "data": {"image/png": f'"{SCRIPT}'}},
            {"output_type": "display_data", "metadata": {}, "data": {"image/png": PNG}},
            {"output_type": "stream", "name": "stdout", "text": f"printed {SCRIPT}"},
            {"output_type": "stream", "name": "stderr", "text": SCRIPT},
            {"output_type": "error", "ename": SCRIPT, "evalue": SCRIPT, "traceback": [SCRIPT]},
        ]
    markdown = (
        f"{SCRIPT} {IMAGE} [link](javascript:pwned()) <a href='JaVaScRiPt:pwned()'>x</a> "
        "<form action='javascript:pwned()'></form> <iframe srcdoc='<script>pwned()</script>'></iframe> "
        "<div style='background:url(pwned)'>y</div> <svg><script>pwned()</script></svg> "
        "![i](javascript:pwned()) <details open ontoggle='pwned()'>z</details> $a < b$"
    )
    notebook["cells"] += [
        {"cell_type": "markdown", "id": "m", "metadata": {}, "source": markdown},
        {"cell_type": "raw", "id": "r", "metadata": {"raw_mimetype": "text/html"}, "source": SCRIPT},
        {
            "cell_type": "code",
            "id": '"><script>pwned()</script>',
            "metadata": {"nbgrader": {"grade_id": f'"{SCRIPT}', "grade": True, "solution": True}},
            "source": f"# {SCRIPT}",
            "outputs": [],
            "execution_count": None,
        },
    ]
    return json.dumps(notebook).encode()


def hand_in_both(directory: Directory, material: Material) -> None:
    """Eve's notebook, and Oscar's, which is none."""
    directory.hand_in(EVE, hostile(material))
    directory.hand_in(OSCAR, b"{" + SCRIPT.encode())
