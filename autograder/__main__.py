"""`python -m autograder ...`, for where the command `autograder` is not on the path."""

from .cli import app

if __name__ == "__main__":
    app(prog_name="autograder")
