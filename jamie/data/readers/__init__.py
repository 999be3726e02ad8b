"""Readers and simulators."""
