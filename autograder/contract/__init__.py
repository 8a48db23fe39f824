"""What all sides of grading speak of: jobs, budgets, the line to a student's code, the student in a test."""
