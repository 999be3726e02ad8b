"""Optimizers: those of torch by their names, Adam and AdamW by torch's fused kernel."""
