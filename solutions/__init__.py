"""The reference implementations, one module a notebook; together, a small, complete diffusion library."""
