"""Large sparse matrices of a file, read a part at a time into arrays that are mapped from temporary files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from jamie.core import large_arrays

_PART = 2**22  # values that are read at a time


def read_element(group: Any) -> Any:
    """Read an element of an HDF5 file or zarr folder as anndata does, its large CSR matrices a part at a time."""
    from anndata.experimental import read_dispatched

    def read(read_as_usual: Any, name: str, element: Any, iospec: Any) -> Any:
        return _read_csr(element) if is_large_csr(element) else read_as_usual(element)

    return read_dispatched(group, read)


def is_large_csr(element: Any) -> bool:
    """Whether an element of a file is a CSR matrix whose values are so many that their array is mapped."""
    if element.attrs.get("encoding-type") != "csr_matrix":
        return False
    return bool(element["data"].shape[0] * element["data"].dtype.itemsize >= large_arrays.MAPPED_FROM)


def _read_csr(element: Any) -> Any:
    from anndata import settings

    shape, n_stored = tuple(map(int, element.attrs["shape"])), element["data"].shape[0]
    # of one type, which scipy would else make of them, in memory
    index = np.int32 if max(*shape, n_stored) <= np.iinfo(np.int32).max else np.int64
    form = sparse.csr_array if getattr(settings, "use_sparse_array_on_read", False) else sparse.csr_matrix
    data, indices = _read_array(element["data"], element["data"].dtype), _read_array(element["indices"], index)
    return form((data, indices, element["indptr"][:].astype(index)), shape=shape)


def _read_array(stored: Any, dtype: DTypeLike) -> NDArray[Any]:
    values = large_arrays.empty_array(stored.shape, dtype)
    for start in range(0, len(values), _PART):
        values[start : start + _PART] = stored[start : start + _PART]
    return values
