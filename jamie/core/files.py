"""Files as other programs write them."""

from __future__ import annotations

import os
from pathlib import Path


def readable(path: Path) -> None:
    """Give a file the permissions of a new one; safetensors lets nobody but the owner read what it writes."""
    mask = os.umask(0)  # the only way to read it is to set it
    os.umask(mask)
    path.chmod(0o666 & ~mask)
