"""The modules, a folder each: lesson, checks, figures, hints, quiz, self-check. Content."""
