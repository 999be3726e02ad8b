"""Cells and features that were not measured."""
