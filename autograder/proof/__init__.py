"""Proves the hidden suites against the reference, trivial answers, known mistakes and correct variants."""
