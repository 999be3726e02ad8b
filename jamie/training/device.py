"""The device that computes."""

from __future__ import annotations

from textwrap import shorten

import torch

from jamie.core.errors import DataError


def device_for(name: str) -> str:
    """Resolve ``auto`` to the fastest available device.

    Raises
    ------
    DataError
        If the named device is not available.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).item()  # some devices exist by name only
    except (RuntimeError, AssertionError) as error:
        raise DataError(
            f"device '{name}' cannot be used here ({shorten(str(error), 100, placeholder=' ...')})",
            where="training.device",
            fix="use auto, cpu or cuda" if torch.cuda.is_available() else "use auto or cpu",
        ) from error
    return name
