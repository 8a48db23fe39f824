"""From a submission's cells to its Result, in the trusted process."""
