"""Shapley values: how much each feature adds to what is imputed, or to the latents."""
