"""Explanations in a run directory: JSON, a CSV for each table, and values of single cells as .h5ad."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jamie.core.errors import OutputError
from jamie.core.explanation import Explanation
from jamie.pl.style import sort_labels
from jamie.runs.directory import RunFolder, json_text

FOLDER, DESCRIPTION, VALUES = "explain", "explanation.json", "values.h5ad"
_AGAIN = "remove this folder, and make it again with `jamie explain RUN`"


def save_explanation(folder: RunFolder, explanation: Explanation, component: Any = None) -> str:
    """Write an explanation into ``explain/<name>/``, and return its name.

    It replaces one of the same `component` (explainer and parameters, as a spec writes them); beside others of the same
    explainer it gets a number: ``shap``, ``shap_2``, ...
    """
    component = component or explanation.explainer
    name = _name_for(folder.path / FOLDER, explanation.explainer, component)
    described = {
        "explainer": explanation.explainer,
        "component": component,
        "title": explanation.title,
        "settings": dict(explanation.settings),
        "notes": list(explanation.notes),
        "tables": {table: _kinds(frame) for table, frame in explanation.tables.items()},
        "values": explanation.values is not None,
    }
    with folder.writing(f"{FOLDER}/{name}") as path:
        path.mkdir()
        (path / DESCRIPTION).write_text(json_text(described, indent=1) + "\n")
        for table, frame in explanation.tables.items():
            frame.to_csv(path / f"{table}.csv", index=False)
        if explanation.values is not None:
            explanation.values.write_h5ad(path / VALUES, compression="gzip")
    return name


def load_explanations(run: Path) -> tuple[Explanation, ...]:
    """Read all explanations of a run, in the order of their names; none where there are none.

    Raises
    ------
    OutputError
        Where one cannot be read.
    """
    return tuple(_load(place) for place in _places(run / FOLDER))


def _places(folder: Path) -> list[Path]:
    """Folders of explanations, the tenth behind the second; what is being written starts with a dot."""
    found = folder.iterdir() if folder.is_dir() else ()
    places = {place.name: place for place in found if place.is_dir() and not place.name.startswith(".")}
    return [places[name] for name in sort_labels(places)]


def _name_for(folder: Path, explainer: str, component: Any) -> str:
    """Return the name of the same component's explanation, or the first that is free."""
    plain = json.loads(json_text(component))
    taken = {place.name: _component_of(place) for place in _places(folder)}
    same = [name for name, other in taken.items() if other == plain]
    free = (explainer if i == 1 else f"{explainer}_{i}" for i in range(1, len(taken) + 2))
    return same[0] if same else next(name for name in free if name not in taken)


def _component_of(place: Path) -> Any:
    """Return what made an explanation; None where its description cannot be read, so that it is left alone."""
    try:
        return json.loads((place / DESCRIPTION).read_text())["component"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _load(place: Path) -> Explanation:
    try:
        described = json.loads((place / DESCRIPTION).read_text())
        _require_description(described)
        tables = {table: _table(place / f"{table}.csv", kinds) for table, kinds in described["tables"].items()}
        values = _values(place / VALUES) if described["values"] else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"expected an explanation, found one that cannot be read ({type(error).__name__}: {error})"
        raise OutputError(problem, where=str(place), fix=_AGAIN) from error
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
        raise TypeError(f"{DESCRIPTION} holds no mapping")
    for key, kind in expected.items():
        if not isinstance(described.get(key), kind):
            raise TypeError(f"'{key}' of {DESCRIPTION} is no {kind.__name__}")


def _kinds(frame: pd.DataFrame) -> dict[str, str]:
    """Say what each column holds, as a feature may be called 7 or NA, which a .csv file does not tell from a number."""
    words = {"b": "bool", "i": "int", "u": "int", "f": "float"}
    return {str(column): words.get(values.dtype.kind, "text") for column, values in frame.items()}


def _table(path: Path, kinds: Mapping[str, str]) -> pd.DataFrame:
    text = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(text.columns) != list(kinds):
        raise ValueError(f"{path.name} has the columns {', '.join(text.columns)}, not {', '.join(kinds)}")
    return pd.DataFrame({column: _column(text[column], kind) for column, kind in kinds.items()}, index=text.index)


def _column(text: pd.Series, kind: str) -> pd.Series:
    if kind == "bool":
        return text.map({"True": True, "False": False}).astype(bool)
    if kind == "float":
        return text.replace("", "nan").astype(np.float64)
    return text.astype(np.int64) if kind == "int" else text


def _values(path: Path) -> Any:
    from anndata import read_h5ad

    return read_h5ad(path)
