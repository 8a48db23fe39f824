"""Correct answers of the module `training`, each written differently from the reference."""
