"""Couplings of the cells of two modalities: pairs, transport plans and the confidences read from them."""
