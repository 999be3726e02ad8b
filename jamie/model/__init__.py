"""Stage 5: the joint VAE and its parts."""
