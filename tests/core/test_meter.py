from pathlib import Path

import numpy as np
import pytest

from jamie.core.meter import metered

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
    with metered() as outer:
        with metered() as inner:
            hold(64)
        assert outer.peak_so_far() >= inner.usage.peak_memory_mib
    assert outer.usage.peak_memory_mib >= inner.usage.peak_memory_mib > 64
    assert outer.usage.seconds >= inner.usage.seconds >= 0


@pytest.mark.skipif(not can_forget(), reason="this system cannot forget an earlier peak of memory")
def test_earlier_work_does_not_count():
    with metered() as outer:
        with metered() as much:
            hold(256)
        with metered() as little:
            hold(1)
    assert little.usage.peak_memory_mib < much.usage.peak_memory_mib - 128
    assert outer.usage.peak_memory_mib == much.usage.peak_memory_mib


def test_work_that_fails_is_measured():
    with pytest.raises(ValueError, match="broken"), metered() as meter:
        raise ValueError("broken")
    assert meter.usage.peak_memory_mib > 0
