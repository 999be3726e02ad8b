"""Figures of results: each a function that takes what carries them and returns matplotlib Axes."""
