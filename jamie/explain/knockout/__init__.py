"""Knock-out: how much a metric changes when features are removed."""
