"""Stage 6: whole methods on an equal footing."""
