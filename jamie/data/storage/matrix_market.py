"""Matrix Market files, whose header is checked before what it promises is made room for."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from jamie.core.context import Context
from jamie.core.errors import DataError

_LEAST_BYTES = {"coordinate": 4, "array": 1}  # of an entry, such as "1 1\n"
_MOST_COMPRESSED = 1032  # bytes that one byte of gzip can stand for
_BLOCK = 2**22


def read_matrix_market(path: Path) -> Any:
    """Read a file that may be compressed.

    Raises
    ------
    DataError
        Where its header promises more than the file can hold, or numbers have a decimal comma.
    MemoryLimitError
        Where it would not fit in memory.
    """
    from scipy.io import mmread

    compressed = path.suffix.lower() == ".gz"
    with gzip.open(path) if compressed else open(path, "rb") as file:
        _check_header(file, path, path.stat().st_size * (_MOST_COMPRESSED if compressed else 1))
        _refuse_commas(file, path)
    return mmread(path, spmatrix=False)


def _check_header(file: Any, path: Path, n_bytes: int) -> None:
    """Read the header; refuse one that promises more than `n_bytes` can hold, or than memory has room for."""
    banner = file.readline(_BLOCK).decode("utf-8-sig", "replace").split()
    line = file.readline(_BLOCK)
    while line and (line.startswith(b"%") or not line.strip()):
        line = file.readline(_BLOCK)
    kind = banner[2].lower() if len(banner) > 2 and banner[0].lower() == "%%matrixmarket" else ""
    sizes = [int(word) for word in line.split() if word.isdigit()]
    if kind not in _LEAST_BYTES or len(sizes) != (3 if kind == "coordinate" else 2):
        raise DataError(
            "expected a first line '%%MatrixMarket matrix ...' and a line of rows, columns and entries, found "
            f"{' '.join(banner)[:80]!r} and {line[:80].decode(errors='replace').strip()!r}",
            where=str(path),
            fix="write it with scipy.io.mmwrite",
        )
    n_rows, n_columns = sizes[:2]
    n_entries = sizes[2] if kind == "coordinate" else n_rows * n_columns // 2  # of a symmetric matrix, half is written
    if n_entries * _LEAST_BYTES[kind] > n_bytes:
        raise DataError(
            f"expected {n_entries:,} entries or more, as its header says, found a file too short for them",
            where=str(path),
            fix="it may be cut short: write or copy it again",
        )
    needed = 36 * n_entries + 8 * (n_rows + n_columns) if kind == "coordinate" else 12 * n_rows * n_columns
    fix = "if that many rows or columns are not meant, correct its header"
    Context(stage="data").require_memory(needed, f"reading {path}, of {n_rows:,} x {n_columns:,},", fix)


def _refuse_commas(file: Any, path: Path) -> None:
    """Refuse decimal commas, of which scipy reads what stands before them."""
    while block := file.read(_BLOCK):
        if (at := block.find(b",")) >= 0:
            shown = block[max(0, at - 20) : at + 20].decode(errors="replace").splitlines()
            near = next((line for line in shown if "," in line), ",").strip()
            fix = "write decimal numbers with a point"
            raise DataError(f"expected numbers with a decimal point, found {near!r}", where=str(path), fix=fix)
