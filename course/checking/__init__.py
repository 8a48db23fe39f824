"""The public checks: how one is written, run on an answer, and put into words. Engine."""
