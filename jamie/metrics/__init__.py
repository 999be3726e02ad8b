"""Stage 7: measures of the latent space."""
