"""Gromov-Wasserstein problems between distance matrices: objective, initialization, solvers."""
