"""A student's own folder: the notebooks brought into it, the record of what is done, its settings. Engine."""
