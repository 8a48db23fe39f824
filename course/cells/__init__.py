"""What a notebook's file holds: read under limits, cell by cell, and made plain Python. Engine.

A student's `course check` and the grader read with this same code, so that what one takes, the other takes.
"""
