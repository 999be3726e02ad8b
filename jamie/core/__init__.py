"""Interfaces, value types, registry, hook and errors; imports nothing else of jamie."""
