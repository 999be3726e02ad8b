"""A trained model on disk: safetensors and JSON, no pickle."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors import numpy as arrays_io
from safetensors import torch as tensors_io

from jamie.core.batch_key import BatchKey
from jamie.core.errors import OutputError
from jamie.core.files import replace_atomically, set_default_permissions
from jamie.model.build import build_model
from jamie.model.trained import TrainedModality, TrainedModel
from jamie.preprocess.chain import Chain
from jamie.spec import Spec, load_spec
from jamie.trust.trust import Trust

FORMAT = 2
DESCRIPTION, WEIGHTS, PREPROCESSING = "model.json", "network.safetensors", "preprocessing.safetensors"
TRUST = "trust."  # before the names of those arrays


def save_model(model: TrainedModel, folder: Path) -> None:
    """Write a model into an existing folder."""
    arrays: dict[str, NDArray[Any]] = {}
    described = []
    for i, (name, modality) in enumerate(model.modalities.items()):
        shared = modality.target_chain is modality.chain
        chain = _put(arrays, f"{i}.input", modality.chain)
        described.append(
            {
                "name": name,
                "features": modality.features.tolist(),
                "target_features": None if shared else modality.target_features.tolist(),
                "target_origin": modality.target_origin,
                "counts": modality.counts,
                "zeros_absent": modality.zeros_absent,
                "chain": chain,
                "target_chain": None if shared else _put(arrays, f"{i}.target", modality.target_chain),
                "n_scores": _n_out(modality.chain, modality.features),
                "n_targets": _n_out(modality.target_chain, modality.target_features),
            }
        )
        arrays[f"{i}.fill"] = modality.fill
        if modality.measured_in is not None:
            arrays[f"{i}.measured_in"] = modality.measured_in
    arrays |= {f"{TRUST}{k}": v for k, v in model.trust.state(list(model.modalities)).items()}
    arrays_io.save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / PREPROCESSING)
    set_default_permissions(folder / PREPROCESSING)
    weights = {
        f"{i}.{k}": v.detach().cpu().contiguous()
        for i, network in enumerate(model.networks)
        for k, v in network.state_dict().items()
    }
    tensors_io.save_file(weights, folder / WEIGHTS)
    set_default_permissions(folder / WEIGHTS)
    plain = {
        "format": FORMAT,
        "spec": model.spec.to_plain() | {"data": None},
        "modalities": described,
        "members": len(model.networks),
        "batches": model.batches and {"column": model.batches.column, "categories": list(model.batches.categories)},
    }
    (folder / DESCRIPTION).write_text(json.dumps(plain, indent=1))


def save_anew(model: TrainedModel, folder: Path, *, overwrite: bool) -> None:
    """Write a model into a folder of its own, which is there whole or not at all.

    Raises
    ------
    OutputError
        Where the folder exists already, unless it holds a model and is to be overwritten.
    """
    if folder.exists() and not (overwrite and (folder / DESCRIPTION).is_file()):
        fix = "give another folder" if overwrite else "give another folder, or overwrite=True"
        raise OutputError("exists already", where=str(folder), fix=fix)
    with replace_atomically(folder) as partial:
        partial.mkdir()
        save_model(model, partial)


def load_model(folder: Path, device: str = "cpu") -> TrainedModel:
    """Read what `save_model` wrote; a run directory serves as well as its model folder.

    Raises
    ------
    OutputError
        Where there is no model, one of another format, or a damaged one.
    """
    folder = folder / "model" if (folder / "model" / DESCRIPTION).is_file() else folder
    if not (folder / DESCRIPTION).is_file():
        raise OutputError(
            f"expected a model, found no {DESCRIPTION}",
            where=str(folder),
            fix="give the run directory of a finished run, its model folder, or a folder that save() wrote",
        )
    try:
        plain = json.loads((folder / DESCRIPTION).read_text())
        _require_format(plain, folder)
        arrays, weights = arrays_io.load_file(folder / PREPROCESSING), tensors_io.load_file(folder / WEIGHTS)
        model = _restored(plain, arrays, weights)
    # what a damaged or mixed-up file can raise, from JSON to the shapes of the weights
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise OutputError(
            f"expected a model, found files that cannot be read or do not fit each other "
            f"({type(error).__name__}: {shorten(str(error), 200, placeholder=' ...')})",
            where=str(folder),
            fix="copy the whole folder again, or train anew",
        ) from error
    for network in model.networks:
        network.to(torch.device(device))
    return model


def _require_format(plain: Any, folder: Path) -> None:
    found = plain.get("format", "none") if isinstance(plain, dict) else type(plain).__name__
    if found != FORMAT:
        raise OutputError(
            f"expected a model of format {FORMAT}, found {found}",
            where=str(folder / DESCRIPTION),
            fix="install the version of jamie that wrote it (manifest.json of the run names it)",
        )


def _restored(plain: dict[str, Any], arrays: dict[str, NDArray[Any]], weights: dict[str, torch.Tensor]) -> TrainedModel:
    spec = load_spec({k: v for k, v in plain["spec"].items() if k != "data"}, reads_data=False)
    modalities = {d["name"]: _modality(d, f"{i}", arrays, spec) for i, d in enumerate(plain["modalities"])}
    n_inputs = {d["name"]: d["n_scores"] for d in plain["modalities"]}
    n_targets = {d["name"]: d["n_targets"] for d in plain["modalities"]}
    told = plain["batches"]
    batches = BatchKey(told["column"], tuple(told["categories"])) if told else None
    frequencies = {m: np.zeros(len(batches.categories)) for m in n_inputs} if batches else None
    networks = []
    for i in range(plain["members"]):
        network = build_model(spec, n_inputs, n_targets, frequencies)
        network.load_state_dict({k.removeprefix(f"{i}."): v for k, v in weights.items() if k.startswith(f"{i}.")})
        networks.append(network.eval())
    trust = {k.removeprefix(TRUST): v for k, v in arrays.items() if k.startswith(TRUST)}
    return TrainedModel(spec, modalities, tuple(networks), batches, Trust.from_state(trust, list(modalities)))


def _modality(described: dict[str, Any], prefix: str, arrays: dict[str, NDArray[Any]], spec: Spec) -> TrainedModality:
    name, settings = described["name"], spec.modality(described["name"])
    chain = _take(arrays, f"{prefix}.input", Chain([r.build() for r in settings.preprocess], name), described["chain"])
    features = pd.Index(described["features"])
    fill, origin, counts = arrays[f"{prefix}.fill"], described["target_origin"], described["counts"]
    told = (origin, counts, arrays.get(f"{prefix}.measured_in"), described.get("zeros_absent", False))
    if described["target_chain"] is None or settings.target is None:
        return TrainedModality(features, fill, chain, features, chain, *told)
    steps = [ref.build() for ref in settings.target.preprocess]
    target_chain = _take(arrays, f"{prefix}.target", Chain(steps, f"{name} target"), described["target_chain"])
    target_features = pd.Index(described["target_features"])
    return TrainedModality(features, fill, chain, target_features, target_chain, *told)


def _put(arrays: dict[str, NDArray[Any]], prefix: str, chain: Chain) -> dict[str, Any]:
    values, plain = chain.state()
    arrays |= {f"{prefix}.{key}": value for key, value in values.items()}
    return plain


def _take(arrays: dict[str, NDArray[Any]], prefix: str, chain: Chain, plain: dict[str, Any]) -> Chain:
    mine = {k.removeprefix(f"{prefix}."): v for k, v in arrays.items() if k.startswith(f"{prefix}.")}
    return chain.set_state(mine, plain)


def _n_out(chain: Chain, features: pd.Index) -> int:
    return len(chain.feature_names_out(features))
