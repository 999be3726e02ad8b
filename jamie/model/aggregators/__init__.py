"""Aggregators."""
