"""`python -m course ...`, for where the command `course` is not on the path."""

from course.cli import app

if __name__ == "__main__":
    app(prog_name="course")
