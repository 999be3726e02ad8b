"""Stage 3: invertible transforms, fitted on training cells only."""
