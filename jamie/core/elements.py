"""What components ask for of a modality, beside the matrix that is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from jamie.core.component import Component
from jamie.core.errors import ContractError, DataError
from jamie.core.labels import as_labels
from jamie.core.requirements import BATCH, INDEX, LABELS, LAYER, OBS, OBSM, UNS, VAR, describe, keys_of, split_word
from jamie.core.suggest import suggest_names


@dataclass(frozen=True)
class Elements:
    """What components declared to read of a modality (`requires`); each part is read when it is used.

    Nothing is held that no component of the spec declared, and nothing is handed out to a component that did not
    declare it. What belongs to cells follows them through every subset and order, and so does what belongs to features.

    Parameters
    ----------
    modality
        Its name, for messages.
    values
        By their words, of all cells that were read: ``"obsm:spatial"``, ``"obs:age"``, ``"labels:cell_type"``.
    rows : (n,)
        Which of those cells; None for all.
    features : (p,)
        Names of the features; None where there are none to annotate, as after a principal component analysis.
    table : (p, ...)
        Annotations of these features (`var`); None where there are none.
    reader
        The component that reads; None before they are handed out.

    Examples
    --------
    >>> elements = Elements("rna", {"obsm:spatial": np.array([[0.0, 1.0], [2.0, 3.0]])})
    >>> elements.subset([1]).obsm("spatial").tolist()
    [[2.0, 3.0]]
    """

    modality: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    rows: NDArray[np.int64] | None = None
    features: pd.Index | None = None
    table: pd.DataFrame | None = None
    reader: Component | None = None

    def obs(self, column: str) -> NDArray[Any]:
        """(n,) values of a column of obs (``"obs:COLUMN"``): numbers, or text with None where there is none."""
        values = self._of_cells(f"{OBS}:{column}")
        return np.asarray(values) if pd.api.types.is_numeric_dtype(values.dtype) else as_labels(values)

    def obsm(self, key: str) -> Any:
        """(n, k) array of obsm (``"obsm:KEY"``), such as spatial coordinates."""
        values = self._of_cells(f"{OBSM}:{key}")
        return values.to_numpy() if isinstance(values, pd.DataFrame) else values

    def layer(self, key: str) -> Any:
        """(n, p) float32 matrix of a layer (``"layer:KEY"``), dense or CSR, with the features of X."""
        return self._of_cells(f"{LAYER}:{key}")

    def uns(self, key: str) -> Any:
        """Whatever lies in uns (``"uns:KEY"``), of the modality or else of all; do not modify it."""
        return self._get(f"{UNS}:{key}")

    def var(self, column: str) -> NDArray[Any]:
        """(p,) values of a column of var (``"var:COLUMN"``), such as the chromosomes of peaks."""
        word = f"{VAR}:{column}"
        require_declared(self.reader, word)
        if self.table is None or column not in self.table:
            raise lacking(self.reader, self.modality, word, [] if self.table is None else map(str, self.table.columns))
        values = self.table[column]
        return np.asarray(values) if pd.api.types.is_numeric_dtype(values.dtype) else as_labels(values)

    def labels(self, column: str | None = None) -> NDArray[np.object_]:
        """(n,) label of each training cell (``"labels"``), None where there is none and for all cells held out.

        `column` is one of ``train_labels``, by default the first.
        """
        require_declared(self.reader, LABELS)
        granted = self.label_columns
        chosen = next(iter(granted), None) if column is None else column
        if chosen not in granted:
            raise lacking(self.reader, self.modality, f"{LABELS}:{column}" if column else LABELS, granted)
        return np.asarray(self._take(self.values[f"{LABELS}:{chosen}"]))

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Columns of the labels that training may see."""
        return tuple(keys_of(self.values, LABELS))

    @property
    def batch(self) -> NDArray[np.object_]:
        """(n,) batch of each cell (``"batch"``), as the column of ``batch_key`` says."""
        return as_labels(self._of_cells(BATCH))

    @property
    def index(self) -> NDArray[np.int64]:
        """(n,) number of each cell (``"index"``), which no other of its modality has and which it keeps.

        It says nothing of a cell's name, or of its place in a file.
        """
        return np.asarray(self._of_cells(INDEX))

    def read_by(self, component: Component) -> Elements:
        """Return the same for a component, which may read what it declares alone."""
        return replace(self, reader=component)

    def subset(self, cells: ArrayLike) -> Elements:
        """Keep the given cells (indices, in the given order)."""
        if not self.values:
            return self
        index = np.asarray(cells, dtype=np.int64)
        return replace(self, rows=index if self.rows is None else self.rows[index])

    def of_features(self, features: pd.Index | None, table: pd.DataFrame | None = None) -> Elements:
        """Return the same beside a matrix of these features, annotated by `table` in their order."""
        return replace(self, features=features, table=table)

    def select(self, columns: NDArray[np.int64]) -> Elements:
        """Keep the given features (indices)."""
        features = None if self.features is None else self.features[columns]
        return replace(self, features=features, table=None if self.table is None else self.table.iloc[columns])

    def grouped(self, weights: sparse.csr_array) -> Elements:
        """Return what groups of the cells have: weighted means of what is numbers, and nothing of the rest.

        Parameters
        ----------
        weights : (g, n)
            Of the cells in each group; rows sum to 1.
        """
        means = {word: value for word, value in self.values.items() if split_word(word)[0] == UNS}
        for word in self.values:
            first = split_word(word)[0]
            if first not in (OBS, OBSM, LAYER):
                continue
            values = self._take(self.values[word])
            values = values.to_numpy() if isinstance(values, pd.DataFrame | pd.Series) else values
            if values.dtype.kind in "fiub":
                means[word] = pd.Series(weights @ values) if first == OBS else weights @ values
        return replace(self, values=means, rows=None)

    def with_cells(self, word: str, values: NDArray[Any]) -> Elements:
        """Return the same with a further value of each of these cells."""
        if self.rows is not None:
            given, values = values, np.empty(self.rows.max(initial=-1) + 1, values.dtype)
            values[self.rows] = given
        return replace(self, values={**self.values, word: values})

    def _of_cells(self, word: str) -> Any:
        return self._take(self._get(word))

    def _take(self, values: Any) -> Any:
        """Rows of what belongs to cells; a matrix that is still to be read is read."""
        values = values.read().X if hasattr(values, "read") else values
        if self.rows is None:
            return values
        return values.iloc[self.rows] if isinstance(values, pd.DataFrame | pd.Series) else values[self.rows]

    def _get(self, word: str) -> Any:
        require_declared(self.reader, word)
        if word not in self.values:
            raise lacking(self.reader, self.modality, word, keys_of(self.values, split_word(word)[0]))
        return self.values[word]


def require_declared(reader: Component | None, word: str) -> None:
    """Refuse what a component does not declare, though it may be there."""
    if reader is not None and word not in reader.required():
        raise ContractError(
            f"reads {describe(word)} without declaring it",
            where=f"{reader.kind} '{reader.name}'",
            fix=f'add "{word}" to its `requires`',
        )


def lacking(reader: Component | None, modality: str, word: str, available: Iterable[str]) -> DataError | ContractError:
    """Return the error of a component that finds nothing under a word; `available` is there."""
    of = f"modality '{modality}'" if modality else "these cells"
    if reader is None:
        problem, fix = f"found no {describe(word)}", f'add "{word}" to the `requires` of the component that reads it'
        return ContractError(f"{problem}, which no component has declared", where=of, fix=fix)
    fix = suggest_names(split_word(word)[1], available)
    return DataError(f"expected {describe(word)}, found none", where=f"{reader.kind} '{reader.name}', {of}", fix=fix)
