"""Matrices in files: csv, tsv, npy, npz and Matrix Market, with or without names."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy import sparse

from jamie.core.data import Matrix
from jamie.core.errors import DataError
from jamie.data.blocks import as_float32
from jamie.data.storage.matrix_market import read_matrix_market
from jamie.data.storage.opening import checked_file
from jamie.data.storage.sparse_checks import require_sound

Names: TypeAlias = Literal["auto", "both", "rows", "columns", "none"]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
FORMATS = ".csv, .tsv, .mtx (each also with .gz), .npy or .npz"
_MISSING = {"", "na", "nan", "n/a", "null"}
_LAYOUTS = {"both": (True, True), "columns": (True, False), "rows": (False, True), "none": (False, False)}


@dataclass(frozen=True)
class NamedMatrix:
    """A matrix as it lies in a file.

    Parameters
    ----------
    X : (r, c)
        float32, dense or CSR.
    rows, columns
        Their names, None where the file has none.
    """

    X: Matrix
    rows: pd.Index | None = None
    columns: pd.Index | None = None

    @property
    def T(self) -> NamedMatrix:
        """Rows and columns exchanged."""
        X = sparse.csr_array(self.X.T) if sparse.issparse(self.X) else self.X.T
        return NamedMatrix(X, self.columns, self.rows)


def read_matrix(path: Path, names: Names = "auto") -> NamedMatrix:
    """Read a matrix.

    Parameters
    ----------
    path
        A file; its ending says the format.
    names
        Whether a text file has names of rows, of columns, of both or none; by default its first lines show it, unless
        the first may number the columns.

    Raises
    ------
    DataError
        Where the file is absent, empty, of another format, or does not hold one matrix of numbers.
    """
    suffix = ending(path)
    with checked_file(path, f"a matrix ({FORMATS})"):
        if suffix in SEPARATORS:
            return _read_text(path, SEPARATORS[suffix], names)
        if suffix in _READERS:
            values = _READERS[suffix](path)
            if values.ndim != 2 or values.dtype.kind not in "fiub":
                found = f"{values.ndim} dimensions of type {values.dtype}"
                raise DataError(f"expected a matrix of numbers, found {found}", where=str(path))
            require_sound(values, str(path), "the matrix")
            return NamedMatrix(as_float32(values))
    raise DataError(f"expected a file that ends in {FORMATS}, found '{path.name}'", where=str(path))


def ending(path: Path) -> str:
    """Return the suffix without compression, such as ``.csv`` of ``a.csv.gz``."""
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a text file in UTF-8 that may be compressed, and may begin with a byte-order mark."""
    how: Any = {"mode": "rt", "newline": "", "encoding": "utf-8-sig"}
    with gzip.open(path, **how) if path.suffix.lower() == ".gz" else open(path, **how) as file:
        yield file


def read_frame(path: Path, expected: str, **options: Any) -> pd.DataFrame:
    """Read a table with a header; `options` are those of `pandas.read_csv`."""
    with checked_file(path, expected):
        separator = SEPARATORS.get(ending(path))
        if separator is None:
            raise DataError(
                f"expected {expected}, found '{path.name}'", where=str(path), fix="give a .csv or .tsv file (or .gz)"
            )
        table = pd.read_csv(path, sep=separator, **options)
        _require_separator(table.columns, path)
        return table


def read_names(path: Path, n: int, what: str) -> pd.Index:
    """Read `n` names, the first column of a text file, under a header or none."""
    with checked_file(path, f"names of {what}, one a line"), open_text(path) as file:
        separator = SEPARATORS.get(ending(path), "\t")
        names = [row[0] for row in csv.reader(file, delimiter=separator) if row]
    if len(names) not in (n, n + 1):
        raise DataError(
            f"expected {n} names of {what}, found {len(names)}",
            where=str(path),
            fix="give one name a line, in the order of the matrix; see `transpose` if its rows are features",
        )
    return pd.Index(names[len(names) - n :], dtype=object)


def _read_text(path: Path, separator: str, names: Names) -> NamedMatrix:
    with open_text(path) as file:
        lines = list(islice((row for row in csv.reader(file, delimiter=separator) if row), 50))
    if not lines:
        raise DataError("expected a matrix, found no line with values", where=str(path))
    _require_separator(lines[0], path)
    has_columns, has_rows = _LAYOUTS[names] if names in _LAYOUTS else _layout(lines, path)
    width = len(lines[-1])
    ragged = [i for i, row in enumerate(lines) if len(row) != width and not (i == 0 and has_columns)]
    if ragged:
        raise DataError(
            f"expected {width} fields in every line, found {len(lines[ragged[0]])} in line {ragged[0] + 1}",
            where=str(path),
            fix="the fields of .csv are separated by commas, those of .tsv by tabs",
        )
    frame = pd.read_csv(
        path,
        sep=separator,
        header=None,
        skiprows=int(has_columns),
        names=list(range(width)),  # names may repeat, which pandas would alter
        dtype={0: str} if has_rows else None,
        low_memory=False,
    )
    columns = pd.Index(lines[0][len(lines[0]) - (width - has_rows) :], dtype=object) if has_columns else None
    rows = pd.Index(frame[0].astype(str).to_numpy(), dtype=object) if has_rows else None
    values = frame.iloc[:, int(has_rows) :]
    _require_numbers(values, rows, columns, path)
    return NamedMatrix(values.to_numpy(np.float32), rows, columns)


def _require_separator(first: Sequence[str], path: Path) -> None:
    """Refuse a file whose first line is one field that another separator would divide."""
    if len(first) == 1 and ";" in str(first[0]):
        raise DataError(
            f"expected fields separated by {'tabs' if ending(path) == '.tsv' else 'commas'}, found a first line that "
            "seems to be separated by ';'",
            where=str(path),
            fix="save it with commas (.csv) or tabs (.tsv) between the fields, and a point in decimal numbers",
        )


def _layout(lines: list[list[str]], path: Path) -> tuple[bool, bool]:
    """Whether there are names of columns, and of rows, by the first lines; refuse lines that could be either."""
    first, rest = lines[0], lines[1:]
    if (rest and len(rest[0]) == len(first) + 1) or (len(first) > 1 and not first[0].strip()):
        return True, True  # a header that leaves the corner out, or empty
    if rest and _may_number_columns(first if _is_number(first[0]) else first[1:]):
        raise DataError(
            f"expected a first line of names or of values, found one that may be either: {','.join(first[:4])}"
            f"{',...' if len(first) > 4 else ''}",
            where=str(path),
            fix="if it numbers the columns, set `names: columns` (`both` if cells are named too) or take it out; "
            "if it holds values, set `names: none` (`rows`)",
        )
    has_columns = not all(_is_number(value) for value in (first[1:] or first))
    body = rest if has_columns else lines
    return has_columns, any(not _is_number(row[0]) for row in body)


def _may_number_columns(fields: list[str]) -> bool:
    """Whether these are 0, 1, ... or 1, 2, ..., as of an array without names, or a choice of such numbers."""
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return False
    if numbers in (list(range(len(numbers))), list(range(1, len(numbers) + 1))):
        return bool(numbers)
    # five values in a row hardly ever are whole and increase
    return len(numbers) > 4 and all(map(float.is_integer, numbers)) and all(a < b for a, b in pairwise(numbers))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.strip().lower() in _MISSING
    return True


def _require_numbers(values: pd.DataFrame, rows: pd.Index | None, columns: pd.Index | None, path: Path) -> None:
    for j in (j for j, dtype in enumerate(values.dtypes) if dtype.kind not in "fiub"):
        wrong = pd.to_numeric(values.iloc[:, j], errors="coerce").isna() & values.iloc[:, j].notna()
        i = int(np.argmax(wrong.to_numpy()))
        row, column = (f"'{index[k]}'" if index is not None else k + 1 for index, k in ((rows, i), (columns, j)))
        raise DataError(
            f"expected numbers, found {values.iloc[i, j]!r} in row {row}, column {column}",
            where=str(path),
            fix="move annotations to the obs table; set `names: both`, `rows`, `columns` or `none` if names were "
            "read as values",
        )


def _read_npz(path: Path) -> Any:
    with np.load(path, allow_pickle=False) as file:
        if "format" in file:
            return sparse.load_npz(path)
        arrays = list(file)
        if len(arrays) != 1:
            raise DataError(
                f"expected one array or a scipy sparse matrix, found {len(arrays)} arrays: {', '.join(arrays)}",
                where=str(path),
                fix="save one matrix with numpy.savez or scipy.sparse.save_npz",
            )
        return file[arrays[0]]


_READERS: Mapping[str, Callable[[Path], Any]] = {".npz": _read_npz, ".npy": np.load, ".mtx": read_matrix_market}
