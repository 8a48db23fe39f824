"""What the course consists of, read from its files: syllabus, quizzes, hints, readings. Engine."""
