"""Counts of peaks, summed over genes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt
from scipy import sparse
from torch import Tensor, nn

from jamie.core.data import Matrix
from jamie.core.interfaces import Preprocessor
from jamie.core.lazy_rows import LazyRows
from jamie.core.requirements import VAR
from jamie.data.checks.messages import first_names
from jamie.data.storage.matrices import read_frame

log = logging.getLogger(__name__)

COLUMNS = ["gene", "chrom", "start", "end"]
_POSITION = r"^(.+?)[:_-](\d+)[_-](\d+)$"  # chr1:100-200, chr1-100-200, chr1_100_200


class GeneActivity(Preprocessor):
    """Sum of the peaks of each gene: those that overlap its body, or the region upstream of where it starts.

    Genes without a peak are left out. On the way out, a gene's value is divided among its peaks: of all values of peaks
    with these sums, those of least squares. Put it first, before the counts are normalized.

    Parameters
    ----------
    genes
        Table with the columns gene, chrom, start, end and perhaps strand (+ or -, + by default), a row for each gene.
    columns
        Columns of var with chromosome, start and end of each peak; null where its name says them, as chr1:100-200.
    upstream
        Length of the region upstream of a gene, in bases.
    """

    name: ClassVar[str] = "gene_activity"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s41592-021-01282-5",)
    reads_blocks: ClassVar[bool] = True

    def __init__(
        self,
        *,
        genes: Path,
        columns: Annotated[list[str], Field(min_length=3, max_length=3)] | None = ["chrom", "start", "end"],  # noqa: B006  (a default of the spec)
        upstream: NonNegativeInt = 2000,
    ) -> None:
        self.genes, self.columns, self.upstream = Path(genes), columns, upstream

    def required(self) -> tuple[str, ...]:
        return tuple(f"{VAR}:{column}" for column in self.columns or ())

    def _fit(self, X: Matrix, cells: pd.DataFrame) -> None:
        peaks, genes = self._peaks(), self._genes()
        sums = overlaps(peaks, genes)
        found = np.flatnonzero(np.diff(sums.tocsc().indptr))
        if not len(found):
            raise self._data_error(
                f"expected peaks within genes, found none; peaks lie on {first_names(peaks['chrom'].unique(), 3)}, "
                f"genes on {first_names(genes['chrom'].unique(), 3)}",
                "name chromosomes alike, and take both from the same assembly",
            )
        self.sums = sparse.csr_array(sums[:, found])
        self.names = genes["gene"].iloc[found].tolist()
        log.info(
            "gene_activity: %d genes from %d of %d peaks",
            len(found),
            np.diff(self.sums.indptr).astype(bool).sum(),
            len(peaks),
        )

    def _peaks(self) -> pd.DataFrame:
        """Chromosome, start and end of each peak."""
        if self.columns is not None:
            peaks = pd.DataFrame(dict(zip(COLUMNS[1:], map(self.elements.var, self.columns), strict=True)))
        elif self.elements.features is None:
            raise self._data_error("expected peaks, found features that other steps made", "put it first")
        else:
            peaks = pd.Series(self.elements.features.astype(str)).str.extract(_POSITION)
            peaks.columns = pd.Index(COLUMNS[1:])
        wrong = _not_placed(peaks)
        if wrong.any():
            names = self.elements.features
            shown = "" if names is None else f"; the first is '{names[int(wrong.argmax())]}'"
            problem = f"expected chromosome, start and end of each peak, found {wrong.sum()} without{shown}"
            raise self._data_error(
                problem, "set `columns` to the columns of var that hold them, or to null to read names"
            )
        return peaks.astype({"start": np.int64, "end": np.int64})

    def _genes(self) -> pd.DataFrame:
        """Name, chromosome, start and end of each gene, the region upstream included."""
        genes = read_frame(self.genes, "a table of genes (.csv or .tsv)", dtype={"chrom": str, "gene": str})
        lacking = [column for column in COLUMNS if column not in genes]
        if lacking:
            problem = f"expected the columns {', '.join(COLUMNS)}, found {', '.join(map(str, genes.columns))}"
            raise self._data_error(problem, f"add or rename: {', '.join(lacking)}", of=str(self.genes))
        wrong = _not_placed(genes) | genes["gene"].duplicated() | genes["gene"].isna()
        if wrong.any():
            problem = f"expected one place for each gene, found {wrong.sum()} rows without, or of a gene again"
            fix = f"mend or take out rows such as number {int(wrong.argmax()) + 1}"
            raise self._data_error(problem, fix, of=str(self.genes))
        forward = genes["strand"] != "-" if "strand" in genes else pd.Series(True, index=genes.index)
        return genes.assign(start=genes["start"] - self.upstream * forward, end=genes["end"] + self.upstream * ~forward)

    def _transform(self, X: Matrix, cells: pd.DataFrame) -> Matrix:
        sums = self.sums.astype(np.float32)
        if isinstance(X, LazyRows):
            return sparse.csr_array(sparse.vstack([block @ sums for _, block in X.blocks()], format="csr"))
        return X @ sums

    def _inverse_transform(self, Z: Matrix, cells: pd.DataFrame | None) -> Matrix:
        return Z @ self.shares.astype(np.float32)

    @cached_property
    def shares(self) -> sparse.csr_array:
        """(q, p) values of the peaks for a gene's value of 1: the pseudoinverse of the sums."""
        from scipy.sparse.csgraph import connected_components

        gram = sparse.csr_array(self.sums.T @ self.sums)
        group = connected_components(gram, directed=False)[1]  # genes that share peaks, and those that share with these
        sizes = np.bincount(group)
        alone = sizes[group] == 1
        inverse = sparse.diags_array(np.where(alone, 1 / gram.diagonal(), 0))
        order = np.argsort(group, kind="stable")
        order = order[~alone[order]]
        together = sparse.csr_array(gram[order][:, order])
        ends = np.cumsum(sizes[sizes > 1])
        blocks = [
            sparse.coo_array(np.linalg.pinv(together[a:b, a:b].toarray(), hermitian=True))
            for a, b in zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)
        ]
        if blocks:
            joint = sparse.block_diag(blocks, format="coo")
            inverse += sparse.coo_array((joint.data, (order[joint.row], order[joint.col])), shape=gram.shape)
        return sparse.csr_array(inverse @ self.sums.T)

    def restrict_inverse(self, columns: NDArray[np.int64]) -> tuple[GeneActivity, None]:
        return self._copy_of(len(columns), shares=self.shares[:, columns]), None

    def _feature_names_out(self, features: pd.Index) -> pd.Index:
        return pd.Index(self.names)

    def affine(self) -> tuple[sparse.csr_array, NDArray[np.float64]]:
        return self.sums, np.zeros(self.sums.shape[1])

    def as_module(self) -> nn.Module:
        return _Product(self.sums)

    def inverse_as_module(self) -> nn.Module:
        return _Product(self.shares)

    def _state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays = {"indices": self.sums.indices, "indptr": self.sums.indptr}
        return arrays, {"names": self.names}

    def _set_state(self, arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> None:
        self.names = list(plain["names"])
        ones, shape = np.ones(len(arrays["indices"])), (len(arrays["indptr"]) - 1, len(self.names))
        self.sums = sparse.csr_array((ones, arrays["indices"], arrays["indptr"]), shape=shape)


def overlaps(peaks: pd.DataFrame, genes: pd.DataFrame) -> sparse.csr_array:
    """(p, g) 1 where a peak overlaps a gene, both with `chrom`, `start` and `end`."""
    rows, columns = [], []
    for chrom, own in genes.groupby("chrom", sort=False):
        here = np.flatnonzero(peaks["chrom"].to_numpy() == chrom)
        here = here[np.argsort(peaks["start"].to_numpy()[here], kind="stable")]
        start, end = (peaks[column].to_numpy()[here] for column in ("start", "end"))
        longest = (end - start).max(initial=0)
        first, last = np.searchsorted(start, own["start"] - longest), np.searchsorted(start, own["end"])
        for gene, a, b, low in zip(genes.index.get_indexer(own.index), first, last, own["start"], strict=True):
            inside = here[a:b][end[a:b] > low]
            rows.append(inside)
            columns.append(np.full(len(inside), gene))
    where = (np.concatenate([*rows, []]).astype(np.int64), np.concatenate([*columns, []]).astype(np.int64))
    return sparse.csr_array((np.ones(len(where[0])), where), shape=(len(peaks), len(genes)))


def _not_placed(table: pd.DataFrame) -> NDArray[np.bool_]:
    """(n,) rows without a chromosome, or with start and end that are no numbers in their order."""
    start, end = (pd.to_numeric(table[column], errors="coerce") for column in ("start", "end"))
    return (table["chrom"].isna() | ~(start <= end)).to_numpy()


class _Product(nn.Module):
    """x (n, p) -> x A (n, q) with a sparse A."""

    transposed: Tensor

    def __init__(self, A: sparse.csr_array) -> None:
        super().__init__()
        entries = sparse.csr_array(A.T).tocoo()
        index = torch.as_tensor(np.stack([entries.row, entries.col]), dtype=torch.int64)
        values = torch.as_tensor(entries.data, dtype=torch.float32)
        self.register_buffer(
            "transposed", torch.sparse_coo_tensor(index, values, entries.shape, check_invariants=False).coalesce()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        return torch.sparse.mm(self.transposed, x.T).T
