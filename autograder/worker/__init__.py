"""What runs inside the locked worker. Nothing here is secret, and nothing here decides about points.

This folder is also mounted alone into the sandbox and imported there as a top-level package called
`worker`, because the folder above it holds the hidden tests. So it imports only itself, relatively,
and what a student's environment has.
"""
