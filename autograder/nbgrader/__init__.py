"""nbgrader with this autograder in place of the student's kernel.

Grading and nbgrader's bookkeeping are two steps. A result is made by the ordinary run, in locked workers, and
kept below COURSE/.autograder/; nbgrader's converters then only look it up. So nothing in here ever runs a
student's code, and the gradebook comes out the same whether `autograder nbgrader autograde`, nbgrader's own
command or formgrader's button was used.

`steps/` is what nbgrader calls; what lies beside it is what our own commands call.

nbgrader is an extra (`diffusion-course-autograder[nbgrader]`): only the modules that need it import it, and
`cli` imports those when a command runs.
"""
