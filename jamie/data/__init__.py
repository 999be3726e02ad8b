"""Stage 2: readers, simulators and pairings; anything -> checked, named, paired cells."""
