"""What other systems leave in what is handed in: `otter_cells` in a notebook, the others around it.

`canvas`, `gradescope` and `moodle` are each a `submission.export.Export`.
"""
