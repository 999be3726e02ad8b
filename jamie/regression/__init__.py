"""Regressions of one array on another, tuned by one cross-validation, and their stack."""
