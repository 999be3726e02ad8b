"""A trained model on disk: safetensors and JSON, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

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
from jamie.model.trained import TrainedModel
from jamie.model.trained_modality import TrainedModality
from jamie.preprocess.chain import Chain
from jamie.spec import Spec, load_spec
from jamie.trust.uncertainty import Uncertainty

FORMAT = 3
DESCRIPTION, WEIGHTS, ARRAYS = "model.json", "network.safetensors", "preprocessing.safetensors"
_UNCERTAINTY = "uncertainty"
_PLAIN = ("target_origin", "counts", "zeros_absent")  # fields of a modality that are written as they are

Arrays = dict[str, NDArray[Any]]
Value = TypeVar("Value")


def save_model(model: TrainedModel, folder: Path) -> None:
    """Write a model into an existing folder."""
    arrays = _with_prefix(_UNCERTAINTY, model.uncertainty.state(list(model.modalities)))
    modalities = []
    for i, (name, known) in enumerate(model.modalities.items()):
        own: Arrays = {}
        modalities.append(_describe(name, known, own))
        arrays |= _with_prefix(f"{i}", own)
    arrays_io.save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / ARRAYS)
    set_default_permissions(folder / ARRAYS)
    weights: dict[str, torch.Tensor] = {}
    for i, network in enumerate(model.networks):
        weights |= _with_prefix(f"{i}", network.state_dict())
    tensors_io.save_file({k: v.detach().cpu().contiguous() for k, v in weights.items()}, folder / WEIGHTS)
    set_default_permissions(folder / WEIGHTS)
    plain = {
        "format": FORMAT,
        "version": version("jamie-toolkit"),
        "spec": model.spec.to_plain() | {"data": None},
        "modalities": modalities,
        "members": len(model.networks),
        "batches": model.batches and {"column": model.batches.column, "categories": list(model.batches.categories)},
    }
    (folder / DESCRIPTION).write_text(json.dumps(plain, indent=1))


def save_model_folder(model: TrainedModel, folder: Path, *, overwrite: bool) -> None:
    """Write a model into a new folder, which appears whole or not at all.

    Raises
    ------
    OutputError
        If the folder exists already, unless it holds a model and `overwrite` is true.
    """
    if folder.exists() and not (overwrite and (folder / DESCRIPTION).is_file()):
        fix = "give another folder" if overwrite else "give another folder, or overwrite=True"
        raise OutputError("exists already", where=str(folder), fix=fix)
    with replace_atomically(folder) as partial:
        partial.mkdir()
        save_model(model, partial)


def load_model(folder: Path, device: str = "cpu") -> TrainedModel:
    """Read what `save_model` wrote, from its folder or from the run directory that has it as ``model``.

    Raises
    ------
    OutputError
        If there is no model, one of another format, or a damaged one.
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
        arrays, weights = arrays_io.load_file(folder / ARRAYS), tensors_io.load_file(folder / WEIGHTS)
        model = _restore(plain, arrays, weights)
    # all errors of damaged or mixed-up files, from JSON to the shapes of the weights
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise OutputError(
            f"expected a model, found files that cannot be read or do not fit each other "
            f"({type(error).__name__}: {shorten(str(error), 200, placeholder=' ...')})",
            where=str(folder),
            fix="copy the whole folder again, or train the model again",
        ) from error
    for network in model.networks:
        network.to(torch.device(device))
    return model


def _require_format(plain: Any, folder: Path) -> None:
    description = plain if isinstance(plain, dict) else {"format": type(plain).__name__}
    if description.get("format") == FORMAT:
        return
    written_by = description.get("version")
    raise OutputError(
        f"expected a model of format {FORMAT}, found {description.get('format', 'none')}"
        + (f", written by jamie {written_by}" if written_by else ""),
        where=str(folder / DESCRIPTION),
        fix=f"install jamie-toolkit=={written_by}, or train the model again"
        if written_by
        else "install the version of jamie that wrote it (manifest.json of the run names it), or train the model again",
    )


def _describe(name: str, known: TrainedModality, arrays: Arrays) -> dict[str, Any]:
    """Describe a modality in plain values, and add its arrays to `arrays`."""
    arrays["fill"] = known.fill
    if known.measured_in is not None:
        arrays["measured_in"] = known.measured_in
    plain = {"name": name, "features": known.features.tolist()} | {field: getattr(known, field) for field in _PLAIN}
    values, plain["chain"] = known.chain.state()
    arrays |= _with_prefix("input", values)
    if known.target_chain is not known.chain:
        values, plain["target_chain"] = known.target_chain.state()
        arrays |= _with_prefix("target", values)
        plain["target_features"] = known.target_features.tolist()
    return plain


def _restore(plain: dict[str, Any], arrays: Arrays, weights: dict[str, torch.Tensor]) -> TrainedModel:
    spec = load_spec({k: v for k, v in plain["spec"].items() if k != "data"}, reads_data=False)
    modalities = {
        described["name"]: _restore_modality(described, _part(arrays, f"{i}"), spec)
        for i, described in enumerate(plain["modalities"])
    }
    batches = plain["batches"] and BatchKey(plain["batches"]["column"], tuple(plain["batches"]["categories"]))
    n_inputs = {m: len(known.chain.feature_names_out(known.features)) for m, known in modalities.items()}
    n_targets = {m: len(k.target_chain.feature_names_out(k.target_features)) for m, k in modalities.items()}
    frequencies = {m: np.zeros(len(batches.categories)) for m in modalities} if batches else None
    networks = []
    for i in range(plain["members"]):
        network = build_model(spec, n_inputs, n_targets, frequencies)
        network.load_state_dict(_part(weights, f"{i}"))
        networks.append(network.eval())
    uncertainty = Uncertainty.from_state(_part(arrays, _UNCERTAINTY), list(modalities))
    return TrainedModel(spec, modalities, tuple(networks), batches, uncertainty)


def _restore_modality(described: dict[str, Any], arrays: Arrays, spec: Spec) -> TrainedModality:
    name, settings = described["name"], spec.modality(described["name"])
    features = target_features = pd.Index(described["features"])
    chain = Chain([ref.build() for ref in settings.preprocess], name)
    target_chain = chain = chain.set_state(_part(arrays, "input"), described["chain"])
    if "target_chain" in described and settings.target is not None:
        target_features = pd.Index(described["target_features"])
        target_chain = Chain([ref.build() for ref in settings.target.preprocess], f"{name} target")
        target_chain = target_chain.set_state(_part(arrays, "target"), described["target_chain"])
    plain = {field: described[field] for field in _PLAIN}
    measured_in = arrays.get("measured_in")
    return TrainedModality(
        features, arrays["fill"], chain, target_features, target_chain, **plain, measured_in=measured_in
    )


def _with_prefix(prefix: str, values: Mapping[str, Value]) -> dict[str, Value]:
    return {f"{prefix}.{key}": value for key, value in values.items()}


def _part(values: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    """Values whose key starts with ``prefix.``, without it."""
    return {k.removeprefix(f"{prefix}."): v for k, v in values.items() if k.startswith(f"{prefix}.")}
