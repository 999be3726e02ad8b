"""Files and folders that hold cells."""
