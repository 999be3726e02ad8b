"""Time and memory that work takes, and the threads that it may use."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LEAST_OPERATIONS = 2**28  # of a product that is worth more than one thread, which takes some milliseconds for it


@dataclass(frozen=True)
class ResourceUsage:
    """What a piece of work took.

    Parameters
    ----------
    seconds
        Wall-clock time.
    peak_memory_mib
        Most memory that the process held during the work, libraries and data among it; where the system cannot
        forget an earlier peak, the most it held until the work's end.
    processor_seconds
        Processor time of all threads of the process, which hardly depends on what else runs on the machine.
    """

    seconds: float
    peak_memory_mib: float
    processor_seconds: float = 0.0


class ResourceMeter:
    """Filled in when the work ends."""

    def __init__(self) -> None:
        self.usage = ResourceUsage(0.0, 0.0)
        self.highest = 0.0

    def peak_so_far(self) -> float:
        """Most memory (MiB) since the work began."""
        _note_peak()
        return self.highest


_running: list[ResourceMeter] = []


@contextmanager
def measure_resources() -> Iterator[ResourceMeter]:
    """Measure the work done in the context; work inside it may be measured as well."""
    meter = ResourceMeter()
    _note_peak()
    _running.append(meter)
    _forget_peak()
    started, processor = time.monotonic(), time.process_time()
    try:
        yield meter
    finally:
        _note_peak()
        _running.remove(meter)
        seconds, processor_seconds = time.monotonic() - started, time.process_time() - processor
        meter.usage = ResourceUsage(round(seconds, 3), meter.highest, round(processor_seconds, 3))


def _note_peak() -> None:
    """Let all that is being measured know the peak so far, before it is forgotten."""
    peak = _peak_memory_mib()
    for meter in _running:
        meter.highest = max(meter.highest, peak)


def _peak_memory_mib() -> float:
    """Most memory that the process has held since the peak was last forgotten."""
    try:
        status = Path("/proc/self/status").read_text()
        return round(int(status.split("VmHWM:")[1].split()[0]) / 2**10, 1)
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def _forget_peak() -> None:
    """Start the peak anew; only Linux can, and not in every container."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


@contextmanager
def limit_torch_threads(operations: float) -> Iterator[int]:
    """Let torch work on one thread unless its largest product takes long enough; yield the number of threads.

    A thread more has to be waited for at the end of every operation: it brings nothing where operations take
    microseconds, and where other processes keep the processor busy, work takes many times as long. The number follows
    the sizes alone, so that the same work gives the same numbers at any time.

    Parameters
    ----------
    operations
        Floating-point operations of the largest product.
    """
    import torch

    before = torch.get_num_threads()
    if operations < LEAST_OPERATIONS:
        torch.set_num_threads(1)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


@contextmanager
def threads_of_faiss() -> Iterator[None]:
    """Let faiss use as many threads as torch; afterwards both have what they had, as they may share one setting."""
    import faiss
    import torch

    of_torch, of_faiss = torch.get_num_threads(), faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(of_torch)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(of_faiss)
        torch.set_num_threads(of_torch)
