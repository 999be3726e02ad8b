"""The model of a run on disk: safetensors and JSON, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from jamie.core.batch_key import BatchKey
from jamie.core.errors import OutputError
from jamie.core.files import file_hash, replace_atomically
from jamie.core.names import METHOD_FILE, MODEL_FILE, MODEL_FOLDER, PREPROCESSING_FILE, WEIGHTS_FILE
from jamie.core.prefixes import add_prefix, select_prefix
from jamie.core.tensor_files import load_arrays, load_tensors, save_arrays, save_tensors
from jamie.model.build import build_model
from jamie.model.fitted_model import FittedModel
from jamie.model.method_files import load_method, save_method
from jamie.model.stacked_regressions import StackedRegressions
from jamie.model.trained import TrainedModel
from jamie.model.trained_method import TrainedMethod
from jamie.model.trained_modality import TrainedModality
from jamie.preprocess.chain import Chain
from jamie.preprocess.pca import PCA
from jamie.spec import Spec, load_saved, used_plugins
from jamie.trust.uncertainty import Uncertainty

FORMAT = 4
_UNCERTAINTY, _STACK = "uncertainty", "stack"
_FILES = (PREPROCESSING_FILE, WEIGHTS_FILE, METHOD_FILE)  # whose hashes the description holds
_PLAIN = ("target_origin", "counts", "zeros_absent")  # fields of a modality that are written as they are

Arrays = dict[str, NDArray[Any]]


def save_model(model: FittedModel, folder: Path) -> None:
    """Write a model into an existing folder."""
    arrays = add_prefix(_UNCERTAINTY, model.uncertainty.state(list(model.modalities)))
    modalities = []
    for i, (name, known) in enumerate(model.modalities.items()):
        plain, own = _describe(name, known)
        modalities.append(plain)
        arrays |= add_prefix(f"{i}", own)
    save_arrays(arrays, folder / PREPROCESSING_FILE)
    fitted = _save_method(model, folder) if isinstance(model, TrainedMethod) else _save_networks(model, folder)
    description = {
        "format": FORMAT,
        "version": version("jamie-toolkit"),
        "spec": model.spec.to_plain() | {"data": None},
        "plugins": used_plugins(model.spec, model.spec.registry),
        "modalities": modalities,
        "batches": model.batches and asdict(model.batches),
        "sha256": {name: file_hash(folder / name) for name in _FILES if (folder / name).is_file()},
        **fitted,
    }
    (folder / MODEL_FILE).write_text(json.dumps(description, indent=1), encoding="utf-8")


def _save_networks(model: FittedModel, folder: Path) -> dict[str, Any]:
    """Write the weights, and return plain values that say which they are."""
    assert isinstance(model, TrainedModel)
    weights: dict[str, torch.Tensor] = {}
    for i, network in enumerate(model.networks):
        weights |= add_prefix(f"{i}", network.state_dict())
    for i, stack in enumerate(model.stacks.values()):
        weights |= add_prefix(f"{_STACK}.{i}", stack.state_dict())
    save_tensors(weights, folder / WEIGHTS_FILE)
    return {"members": len(model.networks), "stacks": [list(direction) for direction in model.stacks]}


def _save_method(model: TrainedMethod, folder: Path) -> dict[str, Any]:
    """Write what the method fitted, and return the rest as plain values."""
    cells = {m: names.astype(str).tolist() for m, names in model.cells.items()}
    return {"method": save_method(model.method, folder), "cells": cells}


def save_model_folder(model: FittedModel, folder: Path, *, overwrite: bool) -> None:
    """Write a model into a new folder, which appears whole or not at all.

    Raises
    ------
    OutputError
        If the folder exists already, unless it holds a model and `overwrite` is true.
    """
    if folder.exists() and not (overwrite and (folder / MODEL_FILE).is_file()):
        fix = "give another folder" if overwrite else "give another folder, or overwrite=True"
        raise OutputError("exists already", where=str(folder), fix=fix)
    with replace_atomically(folder) as partial:
        partial.mkdir()
        save_model(model, partial)


def load_model(
    folder: Path, device: str = "cpu", plugins: Sequence[str | Path] = (), *, allow_unsafe: bool = False
) -> FittedModel:
    """Read what `save_model` wrote, from its folder or from the run directory that has it as ``model``.

    Plugin files that it names are executed only if they are among `plugins`, or if the user has run the same before.

    Parameters
    ----------
    folder
        With the model.
    device
        That networks are put on.
    plugins
        Files with components of the model.
    allow_unsafe
        Whether files of a method may be read by which code can run, such as a pickle.

    Raises
    ------
    OutputError
        If there is no model, one of another format, a damaged one, or one whose files are not to be read.
    """
    folder = folder / MODEL_FOLDER if (folder / MODEL_FOLDER / MODEL_FILE).is_file() else folder
    if not (folder / MODEL_FILE).is_file():
        raise OutputError(
            f"expected a model, found no {MODEL_FILE}",
            where=str(folder),
            fix="give the run directory of a finished run, its model folder, or a folder that save() wrote",
        )
    try:
        plain = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
        _require_format(plain, folder)
        if "sha256" in plain:  # models of earlier releases have none
            _require_same_files(plain["sha256"], folder)
        arrays, named = load_arrays(folder / PREPROCESSING_FILE), [Path(plugin) for plugin in plugins]
        model = _restore(plain, arrays, folder, named, allow_unsafe=allow_unsafe)
    # all errors of damaged or mixed-up files, from JSON to the shapes of the weights
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise OutputError(
            f"expected a model, found files that cannot be read or do not fit each other "
            f"({type(error).__name__}: {shorten(str(error), 200, placeholder=' ...')})",
            where=str(folder),
            fix="copy the whole folder again, or train the model again",
        ) from error
    if isinstance(model, TrainedModel):
        for module in (*model.networks, *model.stacks.values()):
            module.to(torch.device(device))
    return model


def _require_format(plain: Any, folder: Path) -> None:
    description = plain if isinstance(plain, dict) else {"format": type(plain).__name__}
    if description.get("format") == FORMAT:
        return
    problem = f"expected a model of format {FORMAT}, found {description.get('format', 'none')}"
    remedy = "install the version of jamie that wrote it (manifest.json of the run names it)"
    if written_by := description.get("version"):
        problem, remedy = f"{problem}, written by jamie {written_by}", f"install jamie-toolkit=={written_by}"
    raise OutputError(problem, where=str(folder / MODEL_FILE), fix=f"{remedy}, or train the model again")


def _require_same_files(recorded: Mapping[str, str], folder: Path) -> None:
    """Refuse files other than those that were written, such as damaged ones."""
    absent = next((name for name in recorded if not (folder / name).is_file()), None)
    if absent is not None:
        raise FileNotFoundError(f"{absent} is absent")
    for name in _FILES:
        if (folder / name).is_file() and file_hash(folder / name) != recorded[name]:
            raise ValueError(f"{name} is not the file that was written: its SHA-256 differs")


def _require_finite(weights: Mapping[str, torch.Tensor]) -> None:
    for name, values in weights.items():
        if not torch.isfinite(values).all():
            raise ValueError(f"expected finite numbers in {WEIGHTS_FILE}, found others in '{name}'")


def _describe(name: str, known: TrainedModality) -> tuple[dict[str, Any], Arrays]:
    """Describe a modality in plain values and arrays."""
    plain = {"name": name, "features": known.features.tolist()} | {field: getattr(known, field) for field in _PLAIN}
    values, plain["chain"] = known.chain.state()
    arrays: Arrays = {"fill": known.fill} | add_prefix("input", values)
    if known.measured_in is not None:
        arrays["measured_in"] = known.measured_in
    if known.regression_chain is not None:
        values, plain["regression_step"] = known.regression_chain.steps[-1].state()
        arrays |= add_prefix("regression", values)
    if known.target_chain is not known.chain:
        values, plain["target_chain"] = known.target_chain.state()
        arrays |= add_prefix("target", values)
        plain["target_features"] = known.target_features.tolist()
    return plain, arrays


def _restore(
    plain: dict[str, Any], arrays: Arrays, folder: Path, plugins: list[Path], *, allow_unsafe: bool
) -> FittedModel:
    settings = {k: v for k, v in plain["spec"].items() if k != "data"}
    spec = load_saved(settings, plugins=plugins, recorded=plain.get("plugins"), reads_data=False)
    modalities = {
        described["name"]: _restore_modality(described, select_prefix(f"{i}", arrays), spec)
        for i, described in enumerate(plain["modalities"])
    }
    batches = plain["batches"] and BatchKey(plain["batches"]["column"], tuple(plain["batches"]["categories"]))
    uncertainty = Uncertainty.from_state(select_prefix(_UNCERTAINTY, arrays), list(modalities))
    if spec.method is not None:
        method = load_method(spec.method.build(), folder, plain["method"], allow_unsafe=allow_unsafe)
        cells = {m: pd.Index(names) for m, names in plain["cells"].items()}
        return TrainedMethod(spec, modalities, method, cells, batches, uncertainty)
    weights = load_tensors(folder / WEIGHTS_FILE)
    _require_finite(weights)
    n_inputs = {m: known.n_scores for m, known in modalities.items()}
    n_targets = {m: known.n_targets for m, known in modalities.items()}
    frequencies = {m: np.zeros(len(batches.categories)) for m in modalities} if batches else None
    networks = []
    for i in range(plain["members"]):
        network = build_model(spec, n_inputs, n_targets, frequencies)
        network.load_state_dict(select_prefix(f"{i}", weights))
        networks.append(network.eval())
    stacks = {
        (source, target): StackedRegressions.from_state(select_prefix(f"{_STACK}.{i}", weights))
        for i, (source, target) in enumerate(plain["stacks"])
    }
    return TrainedModel(spec, modalities, tuple(networks), batches, uncertainty, stacks)


def _restore_modality(described: dict[str, Any], arrays: Arrays, spec: Spec) -> TrainedModality:
    name, settings = described["name"], spec.modality(described["name"])
    features = target_features = pd.Index(described["features"])
    chain = Chain([ref.build() for ref in settings.preprocess], name)
    target_chain = chain = chain.set_state(select_prefix("input", arrays), described["chain"])
    if "target_chain" in described:
        target_features = pd.Index(described["target_features"])
        steps = settings.preprocess if settings.target is None else settings.target.preprocess
        target_chain = Chain([ref.build() for ref in steps], f"{name} target")
        target_chain = target_chain.set_state(select_prefix("target", arrays), described["target_chain"])
    regression_chain = None
    if "regression_step" in described:
        step = PCA().set_state(select_prefix("regression", arrays), described["regression_step"])
        step.expects_nan = chain.panels is not None
        regression_chain = chain.with_last(step)
    plain = {field: described[field] for field in _PLAIN} | {"measured_in": arrays.get("measured_in")}
    plain["regression_chain"] = regression_chain
    return TrainedModality(features, arrays["fill"], chain, target_features, target_chain, **plain)
