"""Spaces that two modalities share, learned from known pairs or linked features."""
