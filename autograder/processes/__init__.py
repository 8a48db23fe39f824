"""The processes of a run: who starts them, what the host of the graders does, which device they use."""
