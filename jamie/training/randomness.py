"""torch's own generator, seeded and left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from jamie.core.context import Context


@contextmanager
def seeded(context: Context) -> Iterator[None]:
    """Let torch draw from the context's seed, and leave the caller's generator as it was.

    Dropout and the first weights can be drawn from no other generator.
    """
    devices = [context.device] if torch.device(context.device).type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(context.generator().integers(2**63)))
        yield
