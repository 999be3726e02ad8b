"""Pages that show runs, each one file that opens offline."""
