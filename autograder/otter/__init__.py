"""Otter: notebooks with `grader.check(...)`, and a plugin that hands grading to the locked worker.

No student's code enters Otter's kernel, and nothing that a student wrote is unpickled. `otter` itself is
imported only by `plugin`, `results` and `archive`.
"""
