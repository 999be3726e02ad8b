"""Files of a run as the page reads them: what an older run did not write is empty."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from jamie.core.errors import OutputError
from jamie.runs.layout import EVENTS, MANIFEST, RESOLVED_SPEC
from jamie.runs.run import Run

Record = Mapping[str, Any]


@dataclass(frozen=True)
class RunFiles:
    """Tables and records of one run, whether it has finished or not.

    Parameters
    ----------
    path
        The run directory.
    manifest, spec
        ``manifest.json`` and ``spec.resolved.yaml``.
    pairing
        ``pairing.json``: cells of each modality, shared and unmatched.
    metrics, methods, correspondence
        ``metrics.json``, ``methods.json`` and ``correspondence.json``.
    posterior
        ``posterior.json``, by modality.
    features
        ``features.csv``.
    warnings
        What the last session of the run warned of, each once.
    """

    path: Path
    manifest: Record
    spec: Record
    pairing: Record
    metrics: tuple[Record, ...]
    methods: tuple[Record, ...]
    correspondence: tuple[Record, ...]
    posterior: Mapping[str, Mapping[str, list[float | None]]]
    features: pd.DataFrame = field(default_factory=pd.DataFrame)
    warnings: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> RunFiles:
        """Read the files of a run.

        Raises
        ------
        OutputError
            Where the folder is no run directory, or a file cannot be read.
        """
        Run(path)
        return cls(
            path=path,
            manifest=_read(path / MANIFEST, json.loads, {}),
            spec=_read(path / RESOLVED_SPEC, yaml.safe_load, {}),
            pairing=_read(path / "pairing.json", json.loads, {}),
            metrics=tuple(_read(path / "metrics.json", json.loads, [])),
            methods=tuple(_read(path / "methods.json", json.loads, [])),
            correspondence=tuple(_read(path / "correspondence.json", json.loads, [])),
            posterior=_read(path / "posterior.json", json.loads, {}) or {},
            features=_features(path / "features.csv"),
            warnings=tuple(_read(path / EVENTS, _warnings, ())),
        )

    @property
    def modalities(self) -> list[str]:
        """Names of the modalities, in the order of the spec."""
        return list(self.pairing.get("cells", {}))

    @property
    def methods_using_labels(self) -> set[str]:
        """Names of the methods that use the labels."""
        return {one["method"] for one in self.methods if one.get("uses_labels")}

    @property
    def stopped_early(self) -> bool:
        """Whether no model was to be trained."""
        return bool(self.manifest.get("until"))


def _read(path: Path, parse: Any, absent: Any) -> Any:
    if not path.is_file():
        return absent
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        fix = "run the spec again, or copy the whole run directory"
        raise OutputError(f"cannot be read ({type(error).__name__}: {error})", where=str(path), fix=fix) from error


def _features(path: Path) -> pd.DataFrame:
    if not path.is_file() or not path.stat().st_size:
        return pd.DataFrame()
    return pd.read_csv(path, dtype={"feature": str}, keep_default_na=False, na_values="")


def _warnings(events: str) -> list[str]:
    """Messages of warnings since the run was last started."""
    found: list[str] = []
    for line in events.splitlines():
        event = json.loads(line)
        if event["event"] == "running":
            found = []
        elif event["event"] == "notice" and event["level"] in ("warning", "error"):
            found.append(event["message"])
    return list(dict.fromkeys(found))
