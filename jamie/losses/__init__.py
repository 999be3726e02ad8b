"""Stage 5: loss terms and the schedules of their weights."""
