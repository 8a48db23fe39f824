"""From a path on the command line to code cells ready for a worker.

`find` says whose notebooks there are, `read` turns hostile bytes into a `Notebook`, `extract` into plain
Python cells with line numbers kept, and `lint` reads their source for what a person should look at.
None of it runs a student's code, and none of it imports torch.
"""
