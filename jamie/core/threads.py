"""Threads of torch beside those of other libraries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def torch_threads_kept() -> Iterator[None]:
    """Leave torch the number of threads that it has.

    The first parallel function that numba compiled (of pynndescent, of umap) sets the number for all of OpenMP,
    whatever ``OMP_NUM_THREADS`` says, and training after it waits for threads that other processes keep busy.
    """
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
