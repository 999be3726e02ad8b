"""How far imputed values, and query cells, can be trusted."""
