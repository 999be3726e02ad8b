"""The smallest whole component of each kind, which `jamie new` writes and docs/plugins.md shows."""
