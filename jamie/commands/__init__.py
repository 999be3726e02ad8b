"""Commands: one file for each, which reads top to bottom as the list of its stages."""
