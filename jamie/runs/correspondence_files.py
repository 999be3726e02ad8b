"""Correspondences in the run directory: .npz files that scipy.sparse.load_npz reads, with the cells' names beside."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from jamie.core.correspondence import Correspondence, Correspondences, Inferred
from jamie.core.data import Dataset
from jamie.core.errors import OutputError
from jamie.core.suggest import suggest_names
from jamie.correspondence.infer import Inference
from jamie.correspondence.quality.assess import Quality
from jamie.runs.directory import OutputDirectory
from jamie.runs.file_names import inferred_pairs_file, known_pairs_file

# as numpy, zipfile and zlib raise them of damaged files
DAMAGED = (OSError, ValueError, KeyError, IndexError, EOFError, RuntimeError, BadZipFile, zlib.error)


def save_known_pairs(run: OutputDirectory, dataset: Dataset) -> None:
    """Write the pairs that the model may use, as ``correspondence/<a>--<b>.npz``."""
    cells = {m: data.cells for m, data in dataset.modalities.items()}
    for (a, b), known in dataset.known.items():
        _write(run, known_pairs_file(a, b), known, cells[a], cells[b])


def save_inference(run: OutputDirectory, inference: Inference, cells: Mapping[str, pd.Index]) -> None:
    """Write the inferred correspondences of the training cells, as ``correspondence/<a>--<b>.inferred.npz``."""
    for (a, b), found in inference.inferred.items():
        extra = {
            "confidence_a": found.confidence_a,
            "confidence_b": found.confidence_b,
            "diagnostics": np.array(json.dumps(dict(found.diagnostics))),
        }
        _write(run, inferred_pairs_file(a, b), found.correspondence, cells[a], cells[b], **extra)


def load_inference(path: Path, sizes: Mapping[str, int]) -> Inference | None:
    """Read what `save_inference` wrote into the run directory `path`; None if a file is absent or of other cells."""
    pairs = [pair for pair, _ in Correspondences(sizes).items()]
    files = {(a, b): path / inferred_pairs_file(a, b) for a, b in pairs}
    if not all(file.is_file() for file in files.values()):
        return None
    found = {pair: _read_inferred(file) for pair, file in files.items()}
    if any(one.correspondence.shape != (sizes[a], sizes[b]) for (a, b), one in found.items()):
        return None  # of the model that was fitted again on all cells
    return Inference(sizes, found)


def correspondence_of_cells(path: Path, a: str, b: str, cells: Mapping[str, pd.Index]) -> Correspondence:
    """Read the known pairs of two modalities, and the inferred partners of cells that have none.

    Parameters
    ----------
    path
        The run directory.
    a, b
        Modalities.
    cells
        Names of each modality's cells, which order rows and columns.

    Raises
    ------
    OutputError
        If one of the modalities is unknown, or a file cannot be read.
    """
    for m in (a, b):
        if m not in cells:
            raise OutputError(f"unknown modality '{m}'", where=str(path), fix=suggest_names(m, cells))
    if (path / known_pairs_file(b, a)).is_file():
        return correspondence_of_cells(path, b, a, cells).T
    known = load_pairs(path / known_pairs_file(a, b), cells[a], cells[b])
    inferred = path / inferred_pairs_file(a, b)
    return load_pairs(inferred, cells[a], cells[b]).updated_with(known) if inferred.is_file() else known


def inference_records(inference: Inference, quality: Mapping[tuple[str, str], Quality]) -> list[dict[str, Any]]:
    """Diagnostics and quality of every inferred correspondence, as plain values."""
    return [
        {
            "source": a,
            "target": b,
            "diagnostics": dict(found.diagnostics),
            "quality": quality[a, b].as_dict() if (a, b) in quality else None,
        }
        for (a, b), found in inference.inferred.items()
    ]


def _write(
    run: OutputDirectory, name: str, correspondence: Correspondence, cells_a: pd.Index, cells_b: pd.Index, **extra: Any
) -> None:
    arrays, plain = correspondence.state()
    arrays |= {"format": np.array(b"csr"), "shape": np.array(plain["shape"]), **extra}
    arrays |= {"cells_a": cells_a.to_numpy(str), "cells_b": cells_b.to_numpy(str)}
    with run.writing(name) as path:
        np.savez_compressed(path, allow_pickle=False, **arrays)


def _read_inferred(path: Path) -> Inferred:
    with read_pair_arrays(path) as arrays:
        diagnostics = json.loads(str(arrays["diagnostics"]))
        return Inferred(_matrix(arrays), arrays["confidence_a"], arrays["confidence_b"], diagnostics)


def load_pairs(path: Path, cells_a: pd.Index, cells_b: pd.Index) -> Correspondence:
    """Read pairs of the cells that are given by name; others are left out."""
    with read_pair_arrays(path) as arrays:
        rows, columns = cells_a.get_indexer(arrays["cells_a"]), cells_b.get_indexer(arrays["cells_b"])
        pairs = _matrix(arrays).subset(rows >= 0, columns >= 0)
    sizes = {"a": len(cells_a), "b": len(cells_b)}
    subset = Correspondences({"a": pairs.shape[0], "b": pairs.shape[1]}, {("a", "b"): pairs})
    return subset.scatter({"a": rows[rows >= 0], "b": columns[columns >= 0]}, sizes).between("a", "b")


def _matrix(arrays: Mapping[str, Any]) -> Correspondence:
    return Correspondence.from_state(arrays, {"shape": arrays["shape"].tolist()})


@contextmanager
def read_pair_arrays(path: Path) -> Iterator[Mapping[str, Any]]:
    """Open a file of pairs; what is wrong with it, also where its arrays are used, is an error of the file.

    Raises
    ------
    OutputError
        If it cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except DAMAGED as error:
        problem = f"cannot be read ({type(error).__name__}: {error})"
        raise OutputError(problem, where=str(path), fix="run the spec again") from error
