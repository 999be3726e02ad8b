"""Explanations in a run directory: JSON, a CSV for each table, and values of single cells as .h5ad."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from jamie.core.errors import OutputError
from jamie.core.explanation import Explanation
from jamie.core.labels import sort_labels
from jamie.core.package_versions import exact_floats
from jamie.runs.directory import OutputDirectory, json_text
from jamie.runs.file_names import CELL_VALUES, EXPLANATION, EXPLANATIONS

_AGAIN = "remove this folder, and make it again with `jamie explain RUN`"


def save_explanation(run: OutputDirectory, explanation: Explanation, component: Any = None) -> str:
    """Write an explanation into ``explain/<name>/``, and return its name.

    It replaces one of the same `component` (explainer and parameters, as a spec writes them); beside others of the same
    explainer it gets a number: ``shap``, ``shap_2``, ...
    """
    component = component or explanation.explainer
    name = _name_for(run.path / EXPLANATIONS, explanation.explainer, component)
    described = {
        "explainer": explanation.explainer,
        "component": component,
        "title": explanation.title,
        "settings": dict(explanation.settings),
        "notes": list(explanation.notes),
        "tables": {table: _kinds(frame) for table, frame in explanation.tables.items()},
        "values": explanation.values is not None,
    }
    with run.writing(f"{EXPLANATIONS}/{name}") as path:
        path.mkdir()
        (path / EXPLANATION).write_text(json_text(described, indent=1) + "\n", encoding="utf-8")
        for table, frame in explanation.tables.items():
            frame.to_csv(path / f"{table}.csv", index=False, encoding="utf-8")
        if explanation.values is not None:
            explanation.values.write_h5ad(path / CELL_VALUES, compression="gzip")
    return name


def load_explanations(path: Path) -> dict[str, Explanation]:
    """Read all explanations in a run directory by their names.

    Raises
    ------
    OutputError
        If one cannot be read.
    """
    return {found.name: _load(found) for found in _directories(path / EXPLANATIONS)}


def _directories(path: Path) -> list[Path]:
    """Return directories of explanations, the tenth behind the second; one that is being written starts with a dot."""
    entries = path.iterdir() if path.is_dir() else ()
    by_name = {entry.name: entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")}
    return [by_name[name] for name in sort_labels(by_name)]


def _name_for(path: Path, explainer: str, component: Any) -> str:
    """Return the name of the same component's explanation, or the first that is free."""
    plain = json.loads(json_text(component))
    taken = {found.name: _component_of(found) for found in _directories(path)}
    same = [name for name, other in taken.items() if other == plain]
    free = (explainer if i == 1 else f"{explainer}_{i}" for i in range(1, len(taken) + 2))
    return same[0] if same else next(name for name in free if name not in taken)


def _component_of(path: Path) -> Any:
    """Return the component that made an explanation; None if its description cannot be read, so that it is kept."""
    try:
        return json.loads((path / EXPLANATION).read_text(encoding="utf-8"))["component"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _load(path: Path) -> Explanation:
    from anndata import read_h5ad

    try:
        described = json.loads((path / EXPLANATION).read_text(encoding="utf-8"))
        _require_description(described)
        tables = {table: _read_table(path / f"{table}.csv", kinds) for table, kinds in described["tables"].items()}
        values = read_h5ad(path / CELL_VALUES) if described["values"] else None
    except Exception as error:  # of a damaged file pandas, h5py and anndata raise all sorts
        problem = f"expected an explanation, found one that cannot be read ({type(error).__name__}: {error})"
        raise OutputError(problem, where=str(path), fix=_AGAIN) from error
    return Explanation(
        explainer=described["explainer"],
        title=described["title"],
        settings=described["settings"],
        tables=tables,
        values=values,
        notes=tuple(described["notes"]),
    )


def _require_description(described: Any) -> None:
    expected = {"explainer": str, "title": str, "settings": dict, "notes": list, "tables": dict, "values": bool}
    if not isinstance(described, Mapping):
        raise TypeError(f"{EXPLANATION} holds no mapping")
    for key, kind in expected.items():
        if not isinstance(described.get(key), kind):
            raise TypeError(f"'{key}' of {EXPLANATION} is no {kind.__name__}")


def _kinds(frame: pd.DataFrame) -> dict[str, str]:
    """Return what each column holds: a feature may be called 7 or NA, which a CSV file does not tell from a number."""
    kinds = {"b": "bool", "i": "int", "u": "int", "f": "float"}
    return {str(column): kinds.get(values.dtype.kind, "text") for column, values in frame.items()}


def _read_table(path: Path, kinds: Mapping[str, str]) -> pd.DataFrame:
    dtypes: Any = {column: "str" if kind == "text" else kind for column, kind in kinds.items()}
    missing = {column: [""] for column, kind in kinds.items() if kind == "float"}
    table = pd.read_csv(path, dtype=dtypes, keep_default_na=False, na_values=missing, **exact_floats())
    if list(table.columns) != list(kinds):
        raise ValueError(f"{path.name} has the columns {', '.join(table.columns)}, not {', '.join(kinds)}")
    return table
