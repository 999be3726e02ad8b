"""Stage 1: YAML -> validated spec, with line numbers."""
