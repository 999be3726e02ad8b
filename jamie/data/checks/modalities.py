"""Checks of the modalities and their cells, before anything is fitted."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jamie.core.errors import DataError
from jamie.core.sources import JOIN
from jamie.core.suggest import suggest_names

if TYPE_CHECKING:
    from mudata import MuData

MIN_CELLS = 3


def require_class(data: object, where: str, *accepted: str) -> None:
    """Refuse what is neither a MuData nor an AnnData, of the classes `accepted`, and say how to get one.

    Raises
    ------
    DataError
        With the class that was found; where a MuData is one of modalities that cannot be matched by cell.
    """
    if any(cls.__name__ in accepted for cls in type(data).__mro__):
        if hasattr(data, "mod"):
            require_flat(data, where)
        return
    fixes = {"AnnData": "wrap it: mudata.MuData({'rna': adata})"}
    read = " or ".join({"MuData": "mudata.read_h5mu", "AnnData": "anndata.read_h5ad"}[name] for name in accepted)
    found = type(data).__name__
    fix = fixes.get(found, f"read it with {read}" if isinstance(data, str | Path) else f"give {' or '.join(accepted)}")
    raise DataError(f"expected {' or '.join(accepted)}, found {found}", where=where, fix=fix)


def require_flat(mdata: Any, where: str) -> None:
    """Refuse a MuData whose modalities share their features, or of which one is a MuData itself."""
    require_shared_cells(mdata.axis, where)
    for name, one in mdata.mod.items():
        if hasattr(one, "mod"):
            raise nested_modality(name, where)


def require_shared_cells(axis: int, where: str) -> None:
    """Refuse a MuData of axis 1; 0, which shares cells, and -1, which shares both, are matched by the cells' names."""
    if axis != 1:
        return
    raise DataError(
        "expected modalities that share cells (axis 0), found a MuData of axis 1: one kind of measurement of several "
        "sets of cells, which share features",
        where=where,
        fix="they are one modality: rna = anndata.concat(dict(mdata.mod), label='batch', index_unique='-'); give it "
        "together with another, mudata.MuData({'rna': rna, 'atac': atac})",
    )


def nested_modality(name: str, where: str) -> DataError:
    """Return the error of a modality that is a MuData itself."""
    return DataError(
        f"expected an AnnData for each modality, found a MuData in '{name}'",
        where=where,
        fix=f"put its modalities beside the others: mudata.MuData({{**mdata['{name}'].mod, 'OTHER': mdata['OTHER']}})",
    )


def require_modality(modality: str, present: Collection[str], where: str) -> None:
    """Refuse cells without a modality that the model was trained on."""
    if modality not in present:
        problem = f"expected the modality '{modality}', found {', '.join(present) or 'none'}"
        raise DataError(problem, where=where, fix="name the modalities as in training")


def require_cells(n_cells: int, where: str) -> None:
    """Refuse a modality of fewer than three cells."""
    if n_cells < MIN_CELLS:
        problem = f"expected at least {MIN_CELLS} cells, found {n_cells}"
        raise DataError(problem, where=where, fix="leave this modality out, or add cells")


def modality_names(mdata: MuData, wanted: Iterable[str], where: str) -> list[str]:
    """Return the modalities to use, all of the data's where none is named.

    Raises
    ------
    DataError
        Where one is absent, cannot be the name of a file or reads as several, or fewer than two are left.
    """
    names = list(wanted) or list(mdata.mod)
    for name in names:
        if name not in mdata.mod:
            problem = f"expected modality '{name}' in the data, found no such modality"
            raise DataError(problem, where=where, fix=suggest_names(name, mdata.mod))
        if any(reserved in name for reserved in ("/", JOIN)):
            problem = f"expected names of modalities without '/' and '{JOIN}', found '{name}'"
            raise DataError(problem, where=where, fix="rename it in the data")
    if len(names) < 2:
        named, others = ", ".join(names), [str(name) for name in mdata.mod if name not in names]
        more = others and (
            f"only those named are used: {named}; the data also hold {', '.join(others)}; name them too, such as "
            f"modalities.{others[0]}: {{}}"
        )
        raise DataError(
            f"expected at least two modalities, found {named}", where=where, fix=more or "add another modality"
        )
    return names
