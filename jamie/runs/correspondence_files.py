"""Correspondences in the run directory: .npz files that scipy.sparse.load_npz reads, with the cells' names beside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jamie.core.correspondence import Correspondence, Correspondences, Inferred
from jamie.core.data import Dataset
from jamie.correspondence.infer import Inference
from jamie.correspondence.quality.assess import Quality
from jamie.runs.directory import RunFolder

FOLDER = "correspondence"


def save_known(folder: RunFolder, dataset: Dataset) -> None:
    """Write the pairs that the model was told, as ``correspondence/<a>--<b>.npz``."""
    cells = {m: data.cells for m, data in dataset.modalities.items()}
    for (a, b), known in dataset.known.items():
        _write(folder, f"{FOLDER}/{a}--{b}.npz", known, cells[a], cells[b])


def save_inference(folder: RunFolder, inference: Inference, cells: Mapping[str, pd.Index]) -> None:
    """Write what was inferred for the training cells, as ``correspondence/<a>--<b>.inferred.npz``."""
    for (a, b), found in inference.found.items():
        extra = {
            "confidence_a": found.confidence_a,
            "confidence_b": found.confidence_b,
            "diagnostics": np.array(json.dumps(dict(found.diagnostics))),
        }
        _write(folder, f"{FOLDER}/{a}--{b}.inferred.npz", found.correspondence, cells[a], cells[b], **extra)


def load_inference(path: Path, sizes: Mapping[str, int]) -> Inference | None:
    """Read what `save_inference` wrote into the run directory `path`; None where a pair is absent or of other cells."""
    pairs = [pair for pair, _ in Correspondences(sizes).items()]
    files = {(a, b): path / FOLDER / f"{a}--{b}.inferred.npz" for a, b in pairs}
    if not all(file.is_file() for file in files.values()):
        return None
    found = {pair: _read(file) for pair, file in files.items()}
    if any(one.correspondence.shape != (sizes[a], sizes[b]) for (a, b), one in found.items()):
        return None  # of the model that was fitted again on all cells
    return Inference(Correspondences(sizes, {pair: f.correspondence for pair, f in found.items()}), found)


def inference_records(inference: Inference, quality: Mapping[tuple[str, str], Quality]) -> list[dict[str, Any]]:
    """Diagnostics and quality of every inferred correspondence, as plain values."""
    return [
        {
            "source": a,
            "target": b,
            "diagnostics": dict(found.diagnostics),
            "quality": quality[a, b].as_dict() if (a, b) in quality else None,
        }
        for (a, b), found in inference.found.items()
    ]


def _write(
    folder: RunFolder, name: str, correspondence: Correspondence, cells_a: pd.Index, cells_b: pd.Index, **extra: Any
) -> None:
    arrays, plain = correspondence.state()
    arrays |= {"format": np.array(b"csr"), "shape": np.array(plain["shape"]), **extra}
    arrays |= {"cells_a": cells_a.to_numpy(str), "cells_b": cells_b.to_numpy(str)}
    with folder.writing(name) as path:
        np.savez_compressed(path, allow_pickle=False, **arrays)


def _read(path: Path) -> Inferred:
    with np.load(path, allow_pickle=False) as arrays:
        correspondence = Correspondence.from_state(arrays, {"shape": arrays["shape"].tolist()})
        diagnostics = json.loads(str(arrays["diagnostics"]))
        return Inferred(correspondence, arrays["confidence_a"], arrays["confidence_b"], diagnostics)
