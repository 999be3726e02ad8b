"""Time and memory that work takes, and the threads that it may use."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


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
