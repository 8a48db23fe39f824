"""A JupyterHub on this machine, with the course in it: for trying, and for tests.

`autograder hub up` makes a folder with everything that the hub has (people, course directory, exchange,
homes), starts JupyterHub in it and stays in front of it until Ctrl-C. All users are one account of this
machine, so nothing is kept from a student who looks for it: a class gets a deployment (docs/deployment.md).

JupyterHub is an extra (`diffusion-course-autograder[hub]`): `cli` imports what needs it when a command runs.
"""
