"""Known mistakes of the module `training`: code that students write, and what to tell them."""
