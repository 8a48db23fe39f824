"""The Linux kernel's means of locking a process up, one a file, by ctypes alone.

`lock.lock()` puts them on in the only right order; the files beside it are the single layers.
"""
