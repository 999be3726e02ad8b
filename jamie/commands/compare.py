"""Finished runs side by side: one table of their records, and who wins at more features."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from jamie.core.errors import OutputError
from jamie.core.global_state import keep_global_state
from jamie.core.names import SPLIT, TRAIN
from jamie.metrics.sign_test import sign_tests
from jamie.report.html.comparison_page import write_comparison_page
from jamie.runs.correspondence_files import read_pair_arrays
from jamie.runs.directory import OutputDirectory
from jamie.runs.file_names import (
    COMPARISON,
    COMPARISON_RECORDS,
    CORRESPONDENCES,
    MANIFEST,
    METRICS,
    RESOLVED_SPEC,
    WINS,
)
from jamie.runs.run import Run

log = logging.getLogger(__name__)

SIDES = ("run_a", "method_a", "run_b", "method_b")
WIN_COLUMNS = ["metric", "source", "target", "scope", *SIDES, "wins_a", "wins_b", "ties", "p_value"]
DIFFERENCES = {"data": "other data", "held_out": "other held-out cells", "known": "other known pairs"}


@dataclass(frozen=True)
class Comparison:
    """Joined runs.

    Parameters
    ----------
    runs
        Folder of each run, by its name.
    records
        As in ``metrics.json``, each with its `run`.
    methods
        As in ``methods.json``, likewise.
    wins
        As in ``wins.csv``, with `run_a` and `run_b`: every two methods of all runs, over the features both have.
    table
        As in ``metrics.csv``, with a column `run`.
    differences
        ``data``, ``held_out`` and ``known`` where runs differ in it, so that their figures cannot be compared; the
        runs are grouped by what they have in common.
    """

    runs: Mapping[str, Path]
    records: Sequence[Mapping[str, Any]]
    methods: Sequence[Mapping[str, Any]]
    wins: Sequence[Mapping[str, Any]]
    table: pd.DataFrame
    differences: Mapping[str, Sequence[Sequence[str]]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for json."""
        return {
            "runs": {name: str(path) for name, path in self.runs.items()},
            "records": list(self.records),
            "methods": list(self.methods),
            "wins": list(self.wins),
            "differences": dict(self.differences),
        }

    def write(self, folder: Path) -> None:
        """Write ``compare.json``, ``compare.csv`` and ``wins.csv``."""
        out = OutputDirectory(folder)
        out.write_json(COMPARISON_RECORDS, self.as_dict())
        out.write_table(COMPARISON, self.table)
        out.write_table(WINS, pd.DataFrame(self.wins, columns=WIN_COLUMNS))


def compare(paths: str | Path | Iterable[str | Path]) -> Comparison:
    """Join finished runs into one table.

    A warning is given if they differ in their data, held-out cells or known pairs.

    Parameters
    ----------
    paths
        Run directories, and folders with runs below them, such as those of a sweep; one or several.

    Returns
    -------
    Comparison
        Records and tables of all runs.

    Raises
    ------
    OutputError
        If a folder is no finished run and holds none, or a file cannot be read.

    Examples
    --------
    >>> comparison = jamie.compare([run.path])
    >>> list(comparison.runs)
    ['result']
    """
    several = [paths] if isinstance(paths, str | Path) else paths
    runs = _name_runs(_find_runs([Path(path) for path in several]))
    differences = _differences(runs)
    for kind, groups in differences.items():
        listed = "; ".join(", ".join(group) for group in groups)
        log.warning("runs have %s, so that their figures cannot be compared: %s", DIFFERENCES[kind], listed)
    records = [{"run": name, **record} for name, run in runs.items() for record in run.metric_records]
    tables = [_metrics_as_text(run).assign(run=name) for name, run in runs.items()]
    return Comparison(
        runs={name: run.path for name, run in runs.items()},
        records=records,
        methods=[{"run": name, **method} for name, run in runs.items() for method in run.methods],
        wins=_wins(runs, {record["metric"]: record["higher_is_better"] for record in records}),
        table=pd.concat(tables)[["run", *tables[0].columns.drop("run")]],
        differences=differences,
    )


@keep_global_state
def compare_runs(paths: Sequence[Path], out: Path | None = None, *, overwrite: bool = False) -> Comparison:
    """Join finished runs, and write ``compare.csv``, ``compare.json``, ``wins.csv`` and a page into the folder `out`.

    Raises
    ------
    JamieError
        Where a folder is no finished run, or `out` holds a comparison already.
    """
    if out is not None and (out / COMPARISON_RECORDS).exists() and not overwrite:
        raise OutputError("holds a comparison already", where=str(out), fix="give another --out, or --overwrite")
    if out is not None and (out / MANIFEST).exists():
        problem = "is a run directory, whose files would be replaced"
        raise OutputError(problem, where=str(out), fix="give another --out")
    comparison = compare(paths)
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot be made ({error.strerror})", where=str(out), fix="give another --out") from error
        comparison.write(out)
        differences = {DIFFERENCES[kind]: groups for kind, groups in comparison.differences.items()}
        write_comparison_page(out, comparison.runs, comparison.records, differences)
    return comparison


def _find_runs(paths: Sequence[Path]) -> list[Run]:
    """Read the runs that are named, and the finished ones below other folders."""
    by_path: dict[Path, Run] = {}
    wrong = []
    for path in paths:
        try:
            runs = [Run.finished(path)] if _is_run(path) else _below(path)
            by_path |= {run.path.resolve(): run for run in runs}
        except OutputError as error:
            wrong.append(f"{path} ({error.problem})")
    if wrong:
        raise OutputError(
            f"expected finished runs, found {len(wrong)} that are not: {'; '.join(wrong)}",
            where="compare",
            fix="give folders that `jamie run` wrote, or folders that hold such",
        )
    return list(by_path.values())


def _below(path: Path) -> list[Run]:
    """Read the finished runs below a folder; others are left out with a warning."""
    runs = []
    for folder in sorted(manifest.parent for manifest in path.rglob(MANIFEST)):
        try:
            runs += [Run.finished(folder)] if _is_run(folder) else []
        except OutputError as error:
            log.warning("%s is left out: %s", folder, error.problem)
    if not runs:
        problem = "there is no finished run in it" if path.is_dir() else "there is no such folder"
        raise OutputError(problem, where=str(path))
    return runs


def _is_run(path: Path) -> bool:
    """Whether it is the folder of one run; that of a sweep has a manifest too."""
    return (path / MANIFEST).is_file() and "sweep" not in OutputDirectory(path).manifest


def _name_runs(runs: Sequence[Run]) -> dict[str, Run]:
    """Name each run by as many of the last folders of its path as distinguish it."""
    parts = [run.path.resolve().parts for run in runs]
    names = {}
    for own, run in zip(parts, runs, strict=True):
        depth = 1
        while sum(other[-depth:] == own[-depth:] for other in parts) > 1:
            depth += 1
        names["/".join(own[-depth:])] = run
    return names


def _differences(runs: Mapping[str, Run]) -> dict[str, list[list[str]]]:
    """Group the runs by their data, held-out cells and known pairs, where these are not the same for all."""
    differences = {}
    for kind, fingerprint in (("data", _data), ("held_out", _held_out), ("known", _known)):
        groups: dict[str, list[str]] = {}
        for name, run in runs.items():
            groups.setdefault(fingerprint(run), []).append(name)
        if len(groups) > 1:
            differences[kind] = list(groups.values())
    return differences


def _data(run: Run) -> str:
    """Return hashes of the data; files of held-out cells and known pairs are compared by themselves."""
    excluded = run._read(RESOLVED_SPEC, _files_of_cells_and_pairs)
    return str(sorted(value for file, value in (run.manifest.get("data") or {}).items() if file not in excluded))


def _files_of_cells_and_pairs(resolved: Path) -> set[str]:
    evaluated = yaml.safe_load(resolved.read_text(encoding="utf-8"))["evaluate"]
    return {str(evaluated[section].get("file")) for section in ("holdout", "known_pairs")}


def _metrics_as_text(run: Run) -> pd.DataFrame:
    """Read ``metrics.csv`` with all numbers exactly as they were written."""
    return run._read(METRICS, lambda path: pd.read_csv(path, dtype=str, keep_default_na=False))


def _held_out(run: Run) -> str:
    """Return a hash of the held-out cells of each modality."""
    lines = [
        f"{modality}\t{cell}"
        for modality, obs in run.obs.items()
        if SPLIT in obs
        for cell in sorted(obs.index[obs[SPLIT] != TRAIN])
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _known(run: Run) -> str:
    """Return a hash of the pairs that the methods knew."""
    digest = hashlib.sha256()
    for path in sorted((run.path / CORRESPONDENCES).glob("*.npz")):
        if path.name.endswith(".inferred.npz"):
            continue
        with read_pair_arrays(path) as arrays:
            rows = np.repeat(np.arange(arrays["shape"][0]), np.diff(arrays["indptr"]))
            pairs = zip(arrays["cells_a"][rows], arrays["cells_b"][arrays["indices"]], arrays["data"], strict=True)
            lines = sorted(f"{a}\t{b}\t{value:.6g}" for a, b, value in pairs)
        digest.update("\n".join([path.name, *lines]).encode())
    return digest.hexdigest()


def _wins(runs: Mapping[str, Run], higher_is_better: Mapping[str, bool]) -> list[dict[str, Any]]:
    """Compare every two methods of all runs over the features that both have."""
    tables = [run.features.assign(run=name) for name, run in runs.items()]
    if not (tables := [table for table in tables if len(table)]):
        return []
    joined = pd.concat(tables, ignore_index=True)
    owners = joined[["run", "method"]].drop_duplicates()
    joined["method"] = joined.groupby(["run", "method"], sort=False).ngroup().astype(str)
    compared = {metric: higher for metric, higher in higher_is_better.items() if metric in joined}
    rows = []
    for test in sign_tests(joined, compared):
        row = asdict(test)
        for side in ("a", "b"):
            row[f"run_{side}"], row[f"method_{side}"] = owners.iloc[int(row[f"method_{side}"])]
        rows.append({column: row[column] for column in WIN_COLUMNS})
    return rows
