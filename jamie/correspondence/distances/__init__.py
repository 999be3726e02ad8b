"""Distances between the cells of one modality."""
