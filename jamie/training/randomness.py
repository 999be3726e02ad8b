"""Seeding of torch's global generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from jamie.core.context import Context


@contextmanager
def seeded(context: Context) -> Iterator[None]:
    """Seed torch's global generator from the context, and restore its state afterwards.

    Dropout and the initialization of weights use no other generator.
    """
    devices = [context.device] if torch.device(context.device).type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(context.generator().integers(2**63)))
        yield
