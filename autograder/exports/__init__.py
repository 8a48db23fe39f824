"""What other systems leave in what is handed in: `otter_cells` in a notebook, the others around it.

`canvas` and `gradescope` are each a `submission.export.Export`.
"""
