"""``python -m jamie`` is the command ``jamie``."""

from jamie.cli import main

main()
