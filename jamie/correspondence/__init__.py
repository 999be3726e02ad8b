"""Stage 4: known pairs are verified, and inferers find the pairs that are not known."""
