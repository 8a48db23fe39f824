"""A run over many submissions: the parent process, which alone writes results. No torch is imported here."""
