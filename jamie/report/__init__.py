"""Stage 8: the page of a run, its figures and tables."""
