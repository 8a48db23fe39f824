"""From a path on the command line to code cells ready for a worker.

`find` says whose notebooks there are, `read` opens them safely (what is in them `course.cells` reads),
`extract` takes out plain Python with line numbers kept, `released` and `parts` tell what of it is ours, and
`lint` reads their source for what a person should look at. None of it runs a student's code, and none of it
imports torch.
"""
