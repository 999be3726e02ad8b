"""Stage 6: objective, sampler, loop and checkpoints."""
