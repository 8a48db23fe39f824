"""The public checks, a module for each module of the course. `course.expect` says how they are written."""
