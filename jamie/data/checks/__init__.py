"""Checks of what was read, before anything is fitted."""
