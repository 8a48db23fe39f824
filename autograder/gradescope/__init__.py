"""Grading inside Gradescope: a zip a module, made by `export`; what runs in the container is `run`.

An adapter: it hands one submission to the ordinary run and writes `results.json`, a view of the Result.
"""
