"""The files that a run reads: they must not change before it is resumed, scored again or explained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jamie.core.errors import DataError, OutputError
from jamie.core.files import file_hash
from jamie.runs.file_names import RESOLVED_SPEC
from jamie.runs.run import Run
from jamie.spec import Spec
from jamie.spec.difference import describe_changes


def input_files(spec: Spec) -> tuple[Path, ...]:
    """Return every file that the results of a run depend on."""
    tables = (spec.correspondence.links, spec.evaluate.holdout.file, spec.evaluate.known_pairs.file)
    files = (*spec.data.build().sources(), *spec.correspondence.known.files(), *spec.plugins, *tables)
    return tuple(dict.fromkeys(file for file in files if file is not None))


def require_same_data(spec: Spec, manifest: Mapping[str, Any]) -> None:
    """Refuse files that have changed since a run has read them; of plugins the spec's reader has warned.

    Raises
    ------
    DataError
        Naming the first.
    """
    for file in input_files(spec):
        if file not in spec.plugins and manifest["data"].get(str(file)) != file_hash(file):
            raise DataError(
                "expected the file that the run has read, found another content",
                where=str(file),
                fix="restore it, or run the spec again",
            )


def require_same_inputs(directory: Run, spec: Spec, hashes: Mapping[str, str]) -> None:
    """Refuse to resume a run of another spec or of other data."""
    file = directory.path / RESOLVED_SPEC
    if file.is_file() and (started := file.read_text(encoding="utf-8")) != spec.to_yaml():
        raise OutputError(
            f"the spec is not the one that this run was started with{describe_changes(started, spec)}",
            where=str(file),
            fix="resume with the same spec and settings, or start anew with another --out",
        )
    if directory.manifest.get("data", hashes) != dict(hashes):
        raise OutputError(
            "the data are not those that this run was started with",
            where=str(directory.path),
            fix="restore the files (data, pairing, plugins), or start anew with another --out",
        )
