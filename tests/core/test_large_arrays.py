import os

import numpy as np
import pytest

from jamie.core import large_arrays
from jamie.core.large_arrays import empty_array, take_rows


def is_mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return array is not None


@pytest.mark.parametrize("at_least", [0, 2**27])
def test_large_arrays_are_mapped_from_files(at_least, monkeypatch):
    monkeypatch.setattr(large_arrays, "MAPPED_FROM", at_least)
    array = empty_array((5, 3))
    assert is_mapped(array) == (at_least == 0)
    assert (type(array), array.shape, array.dtype) == (np.ndarray, (5, 3), np.float32)
    array[:] = np.arange(15).reshape(5, 3)
    array[1] += 1
    np.testing.assert_array_equal(take_rows(array, np.array([4, 1, 1])), [[12, 13, 14], [4, 5, 6], [4, 5, 6]])
    assert is_mapped(take_rows(array, np.array([4, 1]))) == (at_least == 0)


def test_an_array_is_in_memory_where_the_disk_has_no_room(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(large_arrays, "MAPPED_FROM", 0)
    monkeypatch.setattr(os, "posix_fallocate", full)
    array = empty_array((4,))
    assert not is_mapped(array)
    array[:] = 1
    assert array.sum() == 4
