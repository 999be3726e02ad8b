"""Parts of the simulators."""
