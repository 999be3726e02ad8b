"""Nearest-neighbor graphs of cells, and groups of cells: metacells and landmarks."""
