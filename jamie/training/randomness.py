"""Torch's global generator: seeded, and gone on from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from jamie.core.context import Context


def global_generator(device: str) -> torch.Generator:
    """Return a generator that goes on from the state of torch's global one, and leaves that alone."""
    generator = torch.Generator(device)
    on_gpu = torch.device(device).type == "cuda"
    return generator.set_state(torch.cuda.get_rng_state(device) if on_gpu else torch.get_rng_state())


@contextmanager
def seeded(context: Context) -> Iterator[None]:
    """Seed torch's global generator from the context, and restore its state afterwards.

    The initialization of weights uses no other generator.
    """
    devices = [context.device] if torch.device(context.device).type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(context.generator().integers(2**63)))
        yield
