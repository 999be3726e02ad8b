"""Summary: what was run, on which data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

import yaml

from jamie.core.names import HELD_OUT_CELLS
from jamie.runs.file_names import RESOLVED_SPEC
from jamie.runs.run import Run

HASH_DIGITS = 12


def run_description(run: Run, n_features: Mapping[str, int]) -> str:
    """Return a few sentences that say what the run did."""
    cells = [
        f"{n:,} cells of {m}" + (f" ({n_features[m]:,} features)" if m in n_features else "")
        for m, n in run.pairing.get("cells", {}).items()
    ]
    if run.stopped_early:
        return f"A correspondence was inferred between {_enumerate(cells)}. The run stops there: no model was trained."
    method = _component(plain_spec(run).get("method"))
    what = f"The method {method} was fitted" if method else "A model was trained"
    text = f"{what} on {_enumerate(cells)}." if cells else f"{what}."
    held_out = [record["n_cells"] for record in run.metric_records if record["scope"] == HELD_OUT_CELLS]
    if held_out:
        text += f" {max(held_out):,} cells of each were held out: nothing was fitted on them."
    others = [m["method"] for m in run.methods if m["method"] != run.model_name and m["status"] == "done"]
    return f"{text} It is compared with {_enumerate(others)}." if others else text


def plain_spec(run: Run) -> dict[str, Any]:
    """Return the resolved spec as plain values, which needs none of its plugins."""
    spec: dict[str, Any] = yaml.safe_load((run.path / RESOLVED_SPEC).read_text(encoding="utf-8"))
    return spec


def run_details(run: Run) -> list[tuple[str, str]]:
    """Return names and values of what else identifies the run."""
    return [(name, text) for name, text in _details(run) if text]


def _details(run: Run) -> Iterator[tuple[str, str]]:
    spec, manifest = plain_spec(run), run.manifest
    hashes = manifest.get("data") or {}
    files = [f"{PurePath(file).name} (SHA-256 {digest[:HASH_DIGITS]})" for file, digest in hashes.items()]
    yield "Data", "; ".join(files) or _component(spec.get("data"))
    yield "Labels", ", ".join(spec.get("labels") or [])
    yield "Labels learned from", ", ".join(spec.get("train_labels") or [])
    yield "Batches", spec.get("batch_key") or ""
    yield "Correspondence", _correspondence(run, spec.get("correspondence") or {})
    if spec.get("method"):
        yield "Model", _method(spec["method"])
    elif not run.stopped_early:
        n = spec["training"].get("ensemble", 1)
        networks = f"{n} networks" if n > 1 else "1 network"
        modalities = (spec["modalities"] or {}).values()
        encoders = dict.fromkeys(_component((settings or {}).get("encoder")) for settings in modalities)
        latents, epochs = spec["model"]["latent_dim"], spec["training"]["max_epochs"]
        text = f"{networks} with {latents} latents, encoder {_enumerate(list(encoders))}, at most {epochs} epochs"
        if run.stack:
            members = [name.replace("_", " ") for name in run.stack[0]["regressions"]["weights"]]
            text = f"{text}; imputed values are averaged with those of {_enumerate(members)}"
        yield "Model", text
        counts = manifest.get("components") or {}
        yield "Components", "; ".join(f"{m}: {_share(found['kept'], found['of'])}" for m, found in counts.items())
    if manifest.get("started"):
        yield "Started", f"{datetime.fromisoformat(manifest['started']):%-d %B %Y, %H:%M} UTC"
    yield "Time", duration(sum(stage["seconds"] or 0 for stage in manifest.get("stages", {}).values()))
    memory = manifest.get("peak_memory_mib")
    yield "Peak memory", f"{memory / 1024:.1f} GiB" if memory else ""
    yield "Seed, device", f"{manifest.get('seed', '')}, {manifest.get('device', '')}"


def _share(kept: int, of: int) -> str:
    return f"{kept} of {of}, as the others do not help to find partners" if kept < of else f"all {of}"


def _correspondence(run: Run, section: Mapping[str, Any]) -> str:
    text = f"known pairs {_component(section.get('known')).replace('_', ' ')}"
    picked = [(record.get("diagnostics") or {}).get("picked") for record in run.inference]
    inferers = [name for name in dict.fromkeys(picked) if name] or [_component(section.get("infer"))]
    if inferers == ["nothing"]:
        return f"{text}; no cell is left whose partner is unknown"
    return f"{text}; others inferred by {_enumerate(inferers)}" if run.inference and any(inferers) else text


def _method(plain: Any) -> str:
    """Describe the method that is the model: ``method knn (k 10)``, without parameters that are null."""
    name, params = (plain, {}) if isinstance(plain, str) else next(iter(plain.items()))
    given = [f"{key} {_component(v) if isinstance(v, dict) else v}" for key, v in params.items() if v is not None]
    settings = f" ({', '.join(given)})" if given else ""
    return f"method {name}{settings}, in place of the joint VAE"


def _component(plain: Any) -> str:
    """Return the name of a component in a plain spec: a name, or a mapping of it to its parameters."""
    return plain if isinstance(plain, str) else ", ".join(plain or ())


def pairing_table(run: Run, n_features: Mapping[str, int]) -> dict[str, Any] | None:
    """Return the tables of cells and of pairs; None if the run stopped before it read the data."""
    if not run.pairing:
        return None
    only_here = run.pairing["alone"]
    cells = [(m, n, n_features.get(m), only_here.get(m, 0)) for m, n in run.pairing["cells"].items()]
    pairs = [
        (f"{pair['a']} and {pair['b']}", pair["shared_a"], pair["known_a"]) for pair in run.pairing.get("pairs", [])
    ]
    return {"cells": cells, "pairs": pairs, "has_features": any(features is not None for _, _, features, _ in cells)}


def duration(seconds: float) -> str:
    """Return seconds as text, in hours and minutes if they are many."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _enumerate(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
