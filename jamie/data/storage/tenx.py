"""Matrices as Cell Ranger writes them: .h5 of version 2 or later, or a folder of three files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from jamie.core.errors import DataError
from jamie.core.suggest import suggest_names
from jamie.data.storage.formats import MATRIX_MARKET, TENX, genome_groups, reader_advice
from jamie.data.storage.matrices import open_text, read_matrix
from jamie.data.storage.opening import checked_file, open_store, translated_errors

if TYPE_CHECKING:
    from anndata import AnnData

EXPRESSION = "Gene Expression"
PARTS = {
    "matrix": MATRIX_MARKET,
    "features": ("features.tsv.gz", "features.tsv", "genes.tsv", "genes.tsv.gz"),
    "barcodes": ("barcodes.tsv.gz", "barcodes.tsv"),
}
_COLUMNS = {"id": "gene_ids", "feature_type": "feature_types"}  # as scanpy calls them


def read_counts(path: Path, genome: str | None = None) -> AnnData:
    """Read a 10x matrix; symbols that stand for features of several genomes get the genome as prefix.

    Parameters
    ----------
    path
        A .h5 file or a folder.
    genome
        The only one whose features are read.

    Returns
    -------
    AnnData
        Counts (n, p); ``var`` has `gene_ids`, `feature_types` and what else the file says of features.

    Raises
    ------
    DataError
        Where the file is absent or of another format, or its genomes have different cells.
    """
    counts = _read_folder(path) if path.is_dir() else _read_h5(path, genome)
    if genome is not None:
        genomes = counts.var.get("genome", pd.Series("", counts.var_names, dtype=object))
        _require_genome(genome, [name for name in genomes.unique() if name], path)
        counts = counts[:, genomes.isin([genome, ""]).to_numpy()].copy()
    counts.var_names = _distinct_symbols(counts.var)
    return counts


def _require_genome(genome: str, available: Sequence[str], path: Path) -> None:
    if genome not in available:
        raise DataError(
            f"expected the genome '{genome}', found {', '.join(available) or 'none named'}",
            where=str(path),
            fix=suggest_names(genome, available) if available else "leave `genome` out",
        )


def _distinct_symbols(features: pd.DataFrame) -> pd.Index:
    """Put the genome before all symbols if one of them stands for features of several, as Cell Ranger does."""
    if "genome" not in features:
        return features.index
    genome, names = features["genome"], features.index
    known = genome != ""
    if genome[known].groupby(names[known]).nunique().max() == 1:
        return names
    return pd.Index([f"{prefix}_{name}" if prefix else name for prefix, name in zip(genome, names, strict=True)])


def _read_h5(path: Path, genome: str | None) -> AnnData:
    from anndata import concat

    with open_store(path, TENX) as file, translated_errors(path, TENX.expected):
        if "matrix" in file:
            return _read_group(file["matrix"], _read_features(file["matrix"]["features"]), path)
        names = genome_groups(file)
        if genome is not None:
            _require_genome(genome, names, path)
            names = [genome]
        genomes = [_read_genome(file[name], name, path) for name in names]
        if not all(other.obs_names.equals(genomes[0].obs_names) for other in genomes):
            raise DataError(
                f"expected the same cells for every genome, found {' and '.join(str(g.n_obs) for g in genomes)} for "
                f"{' and '.join(names)}, of which some differ",
                where=str(path),
                fix=f"choose one: genome: {names[0]}",
            )
        return genomes[0] if len(genomes) == 1 else concat(genomes, axis="var")


def _read_features(group: Any) -> pd.DataFrame:
    """Read all that a file of Cell Ranger 3 or later says of each feature."""
    n_features = len(group["id"])
    datasets = {key: group[key] for key in group if not key.startswith("_") and hasattr(group[key], "dtype")}
    columns = {_COLUMNS.get(key, key): _text(data) for key, data in datasets.items() if data.shape == (n_features,)}
    names = columns.pop("name", columns["gene_ids"])
    columns.setdefault("feature_types", [EXPRESSION] * n_features)
    return pd.DataFrame(columns, index=pd.Index(names, dtype=object))


def _read_genome(group: Any, genome: str, path: Path) -> AnnData:
    """Read a group of Cell Ranger 2, which had no types of features."""
    columns = {"gene_ids": _text(group["genes"]), "feature_types": EXPRESSION, "genome": genome}
    names = _text(group["gene_names"] if "gene_names" in group else group["genes"])
    return _read_group(group, pd.DataFrame(columns, index=pd.Index(names, dtype=object)), path)


def _read_group(group: Any, features: pd.DataFrame, path: Path) -> AnnData:
    n_features, n_cells = (int(n) for n in group["shape"][:])
    parts = group["data"][:].astype(np.float32), group["indices"][:], group["indptr"][:]
    X = sparse.csr_array(parts, shape=(n_cells, n_features))  # compressed by barcode: columns there, rows here
    X.check_format()
    return _as_anndata(X, _text(group["barcodes"]), features, path)


def _text(dataset: Any) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in dataset[:]]


def find_parts(folder: Path) -> Mapping[str, Path]:
    """Find the three files of a folder.

    Raises
    ------
    DataError
        Naming the one that is absent.
    """
    parts = {}
    for part, names in PARTS.items():
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is None:
            entries = sorted(folder.iterdir())
            matrices = [entry.name for entry in entries if any((entry / name).is_file() for name in names)]
            here = ", ".join(matrices) or "filtered_feature_bc_matrix"
            listed = ", ".join(entry.name for entry in entries[:6]) or "an empty folder"
            raise DataError(
                f"expected {names[0]} (or {', '.join(names[1:])}), found {listed}",
                where=str(folder),
                fix=reader_advice(folder, TENX.expected) or f"give the folder of a matrix itself: {here}",
            )
        parts[part] = path
    return parts


def _read_folder(folder: Path) -> AnnData:
    parts = find_parts(folder)
    X = sparse.csr_array(read_matrix(parts["matrix"]).X).T.tocsr()
    barcodes = [row[0] for row in _rows(parts["barcodes"], "barcodes, one a line")]
    rows = _rows(parts["features"], "features: id, name and type, separated by tabs")
    columns: dict[str, Any] = {
        "gene_ids": [row[0] for row in rows],
        "feature_types": [row[2] if len(row) > 2 else EXPRESSION for row in rows],  # Cell Ranger 2 had no types
    }
    if any(len(row) > 5 for row in rows):  # chromosome, start and end, of Cell Ranger ARC
        columns["interval"] = [f"{row[3]}:{row[4]}-{row[5]}" if len(row) > 5 and row[3] else "" for row in rows]
    names = pd.Index([row[1] if len(row) > 1 else row[0] for row in rows], dtype=object)
    return _as_anndata(X, barcodes, pd.DataFrame(columns, index=names), folder)


def _rows(path: Path, expected: str) -> list[list[str]]:
    with checked_file(path, expected), open_text(path) as file:
        return [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row]


def _as_anndata(X: sparse.csr_array, cells: list[str], features: pd.DataFrame, path: Path) -> AnnData:
    from anndata import AnnData

    if X.shape != (len(cells), len(features)):
        raise DataError(
            f"expected a matrix of {len(features)} features x {len(cells)} barcodes, found {X.shape[1]} x {X.shape[0]}",
            where=str(path),
            fix="the files must come from one run of Cell Ranger: copy them again",
        )
    return AnnData(X, obs=pd.DataFrame(index=pd.Index(cells, dtype=object)), var=features)
