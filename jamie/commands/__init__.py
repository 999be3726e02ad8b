"""One file a command: each reads top to bottom as the list of its stages."""
