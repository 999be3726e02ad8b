"""Training cells, held-out cells and hidden pairs."""
