"""Stage 4: inferers of the pairs that are not known, and the distances that they use."""
