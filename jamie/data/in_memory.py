"""Values brought into memory from where AnnData may leave them: a file, a graph of tasks, another device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jamie.core.errors import DataError
from jamie.core.matrix import masked_to_nan

if TYPE_CHECKING:
    from anndata import AnnData


def in_memory(values: Any, where: str, origin: str) -> Any:
    """Return values that numpy and scipy can take: dask arrays computed, masked ones with NaN in their gaps.

    Raises
    ------
    DataError
        Where they lie on a GPU.
    """
    if hasattr(values, "compute"):  # dask, which need not be installed
        values = values.compute()
    if hasattr(values, "__cuda_array_interface__") or type(values).__module__.startswith("cupyx"):
        place = f"adata.{origin}" if origin == "X" else "adata.layers[...]" if "layer" in origin else "adata.obsm[...]"
        raise DataError(
            f"expected {origin} in main memory, found it on a GPU ({type(values).__name__})",
            where=where,
            fix=f"call {place} = {place}.get() before",
        )
    return masked_to_nan(values)


def matrix_of(adata: AnnData, where: str) -> Any:
    """Return X of an AnnData; that of a view of a file only where anndata reads it right.

    Raises
    ------
    DataError
        Where it is such a view in backward order, whose rows anndata mixes up, or that it cannot read.
    """
    if not (adata.isbacked and adata.is_view):
        return adata.X
    fix = "read the file into memory before it is sliced: adata.to_memory()[...]"
    unknown = slice(None, None, -1)
    chosen = [getattr(adata, name, unknown) for name in ("_oidx", "_vidx")]  # anndata has no public name for them
    if any(isinstance(one, slice) and (one.step or 1) < 0 for one in chosen):
        problem = "expected cells in memory, found a view of a file in backward order"
        raise DataError(problem, where=where, fix=fix)
    try:
        return adata.X
    except (ValueError, TypeError, IndexError) as error:
        problem = f"expected cells in memory, found a view of a file that anndata cannot read ({error})"
        raise DataError(problem, where=where, fix=fix) from error
