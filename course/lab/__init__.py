"""What the demos work on: shapes and words, schedules and samplers, trained networks. Content."""
