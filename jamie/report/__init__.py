"""Stage 8: what a run leaves behind."""
