"""A course's content, read and validated: where its files lie, what a module consists of, its reference."""
