"""The trained tiny model, loaded once. Whoever changes it loads one of their own."""

from functools import cache

from course.lab import tiny_sd


@cache
def tiny() -> tiny_sd.TinySD:
    return tiny_sd.load()
