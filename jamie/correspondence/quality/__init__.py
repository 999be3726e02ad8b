"""How good known pairs and inferred correspondences are."""
