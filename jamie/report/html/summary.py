"""What was run and on which data, in words and small tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

from jamie.core.names import HELD_OUT_CELLS, MODEL_NAME
from jamie.report.html.files import Record, RunFiles

HASH = 12  # digits of a file's hash that tell it from any other


@dataclass(frozen=True)
class Fact:
    """A line of the summary."""

    name: str
    text: str


@dataclass(frozen=True)
class Pairing:
    """The pairing table.

    Parameters
    ----------
    cells
        Modality, cells, features, cells that no other modality holds.
    pairs
        Two modalities, shared cells, pairs that the model knew, cells only in either.
    in_all
        Cells measured in all modalities.
    """

    cells: tuple[tuple[str, int, int | None, int], ...]
    pairs: tuple[Record, ...]
    in_all: int

    @property
    def features_known(self) -> bool:
        """Whether the features of any modality were counted."""
        return any(features is not None for _, _, features, _ in self.cells)


def pairing(run: RunFiles, n_features: Mapping[str, int]) -> Pairing | None:
    """Return the pairing table; None where the run has not come so far."""
    if not run.pairing:
        return None
    cells = run.pairing["cells"]
    rows = tuple((m, n, n_features.get(m), run.pairing["alone"].get(m, 0)) for m, n in cells.items())
    return Pairing(rows, tuple(run.pairing.get("pairs", [])), run.pairing.get("in_all", 0))


def lead(run: RunFiles, n_features: Mapping[str, int]) -> str:
    """Return a sentence or two that say what this run is."""
    listed = [f"{n:,} cells of {m}" + _features(m, n_features) for m, n in run.pairing.get("cells", {}).items()]
    if run.stopped_early:
        return f"Partners were inferred between {_joined(listed)}. The run stops there: no model was trained."
    text = f"A model was trained on {_joined(listed)}." if listed else "A model was trained."
    held_out = [one["n_cells"] for one in run.metrics if one["scope"] == HELD_OUT_CELLS]
    if held_out:
        text += f" {max(held_out):,} cells of each were held out: nothing was fitted on them."
    others = [one["method"] for one in run.methods if one["method"] != MODEL_NAME and one["status"] == "done"]
    if others:
        text += f" It stands beside {_joined(others)}."
    return text


def facts(run: RunFiles) -> list[Fact]:
    """Return what else is worth knowing at the first glance."""
    return [Fact(name, text) for name, text in _facts(run) if text]


def _facts(run: RunFiles) -> Iterator[tuple[str, str]]:
    spec, manifest = run.spec, run.manifest
    yield "Data", "; ".join(f"{PurePath(file).name} (SHA-256 {digest[:HASH]})" for file, digest in _data(run).items())
    if not _data(run):
        yield "Data", ", ".join(_names(spec.get("data")))
    yield "Labels", ", ".join(spec.get("labels") or [])
    yield "Batches", spec.get("batch_key") or ""
    yield "Partners", _partners(run)
    if not run.stopped_early:
        yield "Model", _model(spec)
    yield "Started", _when(manifest.get("started", ""))
    seconds = sum(stage["seconds"] or 0 for stage in manifest.get("stages", {}).values())
    yield "Time", duration(seconds)
    memory = manifest.get("peak_memory_mib")
    yield "Memory", f"{memory / 1024:.1f} GiB at most" if memory else ""
    yield "Seed, device", f"{manifest.get('seed', '')}, {manifest.get('device', '')}"


def _data(run: RunFiles) -> Mapping[str, str]:
    return run.manifest.get("data") or {}


def _partners(run: RunFiles) -> str:
    section = run.spec.get("correspondence") or {}
    text = f"known {', '.join(_names(section.get('known'))).replace('_', ' ')}"
    picked = [(one.get("diagnostics") or {}).get("picked") for one in run.correspondence]
    inferers = [name for name in dict.fromkeys(picked) if name] or _names(section.get("infer"))
    if inferers == ["nothing"]:
        return f"{text}; nothing was left to infer"
    return f"{text}, others inferred by {_joined(inferers)}" if run.correspondence and inferers else text


def _model(spec: Mapping[str, Any]) -> str:
    training, modalities = spec.get("training") or {}, spec.get("modalities") or {}
    encoders = list(dict.fromkeys(name for one in modalities.values() for name in _names((one or {}).get("encoder"))))
    n = training.get("ensemble", 1)
    networks = f"{n} networks" if n > 1 else "1 network"
    latents = (spec.get("model") or {}).get("latent_dim")
    return (
        f"{networks} with {latents} latents, encoder {_joined(encoders)}, at most {training.get('max_epochs')} epochs"
    )


def _names(component: Any) -> list[str]:
    """Name of a component as a resolved spec writes it."""
    if isinstance(component, str):
        return [component]
    return list(component) if isinstance(component, Mapping) else []


def _features(modality: str, n_features: Mapping[str, int]) -> str:
    return f" ({n_features[modality]:,} features)" if modality in n_features else ""


def _joined(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _when(text: str) -> str:
    return f"{datetime.fromisoformat(text):%-d %B %Y, %H:%M} UTC" if text else ""


def duration(seconds: float) -> str:
    """Write seconds as a person would say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
