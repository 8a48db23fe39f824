"""What people read of a run: every page, table and file here is a view of `autograder.results.Result`.

`feedback` is the student's page, `class_report` the instructor's, `tables` the CSV and JSON lines,
`terminal` the summary at the end of a run. Nothing but a Result's own fields can reach any of them.
"""
