import time
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch

from jamie.core.resources import measure_resources, threads_of_faiss

MIB = 2**20


def hold(n_mib):
    """Hold as much memory, written to, and let it go."""
    assert np.ones(n_mib * MIB, np.uint8).any()


def can_forget():
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def test_work_is_part_of_the_work_around_it():
    with measure_resources() as outer:
        with measure_resources() as inner:
            hold(64)
        assert outer.peak_so_far() >= inner.usage.peak_memory_mib
    assert outer.usage.peak_memory_mib >= inner.usage.peak_memory_mib > 64
    assert outer.usage.seconds >= inner.usage.seconds >= 0
    assert outer.usage.processor_seconds >= inner.usage.processor_seconds > 0


def test_waiting_takes_no_processor_time():
    with measure_resources() as meter:
        time.sleep(0.2)
    assert meter.usage.processor_seconds < 0.2 <= meter.usage.seconds


@pytest.mark.skipif(not can_forget(), reason="this system cannot forget an earlier peak of memory")
def test_earlier_work_does_not_count():
    with measure_resources() as outer:
        with measure_resources() as much:
            hold(256)
        with measure_resources() as little:
            hold(1)
    assert little.usage.peak_memory_mib < much.usage.peak_memory_mib - 128
    assert outer.usage.peak_memory_mib == much.usage.peak_memory_mib


def test_work_that_fails_is_measured():
    with pytest.raises(ValueError, match="broken"), measure_resources() as meter:
        raise ValueError("broken")
    assert meter.usage.peak_memory_mib > 0


@pytest.mark.parametrize("library", [torch.set_num_threads, faiss.omp_set_num_threads])
def test_threads_that_are_set_beside_faiss_are_set_back(library):
    before = torch.get_num_threads(), faiss.omp_get_max_threads()
    with threads_of_faiss():
        assert faiss.omp_get_max_threads() == before[0]
        library(before[0] + 1)
    assert (torch.get_num_threads(), faiss.omp_get_max_threads()) == before
