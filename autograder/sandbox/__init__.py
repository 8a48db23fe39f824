"""The trusted side of isolation: which lock this machine can do, and the line to a locked worker."""
