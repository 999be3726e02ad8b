"""Value types that carry cells between the stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from jamie.core.component import Component
from jamie.core.correspondence import Correspondences
from jamie.core.elements import Elements
from jamie.core.labels import as_labels
from jamie.core.lazy_rows import LazyRows
from jamie.core.names import LOWER, SD, UPPER
from jamie.core.panels import MeasuredTarget, Panels

Matrix: TypeAlias = "NDArray[np.float32] | sparse.csr_array"

LAZY_FROM = 2**21  # stored values, from which no second copy of sparse cells is made


@dataclass(frozen=True)
class Block:
    """One matrix of cells x features with the features' names.

    Parameters
    ----------
    X : (n, p)
        float32, a dense array or a CSR array; never modified.
    features : (p,)
        Unique names.
    origin
        Where it comes from, for messages and units: ``"layer 'counts'"``, ``"X"``, ``"obsm 'X_pca'"``.
    var : (p, ...)
        Annotations of the features, in their order; None where there are none. Never modified.
    panels : (k, p)
        Sets of features that some cells were measured for, as in `jamie.core.panels`: X is NaN where a cell's panel
        lacks the feature. None where all cells were measured for all.

    Examples
    --------
    >>> Block(np.ones((2, 3), np.float32), pd.Index(["a", "b", "c"])).origin
    'X'
    """

    X: Matrix
    features: pd.Index
    origin: str = "X"
    var: pd.DataFrame | None = None
    panels: Panels | None = None


@dataclass(frozen=True)
class ModalityData:
    """The cells of one modality.

    Parameters
    ----------
    name
        Name of the modality.
    obs : (n, ...)
        Annotations of the cells; its index holds their unique names.
    input
        What the encoder reads, before preprocessing.
    target
        What the decoder predicts; the very same object as `input` unless the spec chooses another.
    elements
        What components asked for beside these.

    Examples
    --------
    >>> block = Block(np.ones((2, 3), np.float32), pd.Index(["a", "b", "c"]))
    >>> rna = ModalityData("rna", pd.DataFrame(index=["cell1", "cell2"]), block, block)
    >>> rna.subset([1]).cells.tolist()
    ['cell2']
    """

    name: str
    obs: pd.DataFrame
    input: Block
    target: Block
    elements: Elements = field(default_factory=Elements)

    @property
    def cells(self) -> pd.Index:
        """(n,) names of the cells."""
        return self.obs.index

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.obs)

    def labels(self, column: str) -> NDArray[np.object_]:
        """(n,) label of each cell in a column of obs as text, None where there is none."""
        return as_labels(self.obs[column])

    def subset(self, cells: ArrayLike, *, lazily: bool = False) -> ModalityData:
        """Keep the given cells (indices or a boolean mask).

        Where that is asked for, the matrices of large sparse cells are not copied: their rows are read by `LazyRows`,
        which gives what a matrix gives for ``X[rows]``, and no more.
        """
        index = np.arange(self.n_cells)[np.asarray(cells)]

        def rows_of(block: Block) -> Block:
            X: Any = block.X
            lazy = lazily and block.panels is None and sparse.issparse(X) and X.nnz > LAZY_FROM
            return replace(block, X=LazyRows(X, self.obs, index) if lazy else X[index])

        source = rows_of(self.input)
        target = source if self.target is self.input else rows_of(self.target)
        elements = self.elements.subset(index)
        return replace(self, obs=self.obs.iloc[index], input=source, target=target, elements=elements)

    def read_by(self, component: Component) -> ModalityData:
        """Return the same for a component, which may read what it declares alone of the elements."""
        return replace(self, elements=self.elements.of_features(self.input.features, self.input.var).read_by(component))


@dataclass(frozen=True)
class Split:
    """Who is held out.

    Parameters
    ----------
    train
        For each modality (n,) true for the cells that anything may be fitted on.
    """

    train: Mapping[str, NDArray[np.bool_]]

    @cached_property
    def held_out(self) -> Mapping[str, NDArray[np.bool_]]:
        """For each modality (n,) true for the cells that nothing was fitted on."""
        return {name: ~mask for name, mask in self.train.items()}

    @property
    def any_held_out(self) -> bool:
        """Whether any cell is held out."""
        return any(mask.any() for mask in self.held_out.values())


@dataclass(frozen=True)
class Dataset:
    """All that a run knows of its cells.

    Parameters
    ----------
    modalities
        In the order of the spec.
    truth
        Which cell is which, for evaluation: of all that the user knows, the pairs in which neither cell has a better
        partner. Each cell has one partner or none; several only where they are equally likely.
    known
        What the model may use: all confidences that the user knows, less those of the cells whose pairs are hidden.
        ``truth.without(known)`` are exactly the hidden pairs.
    labels
        Names of the obs columns that hold labels.
    links
        For each modality and each other that it has linked features with, their weights (p, p_other).
    batch_key
        Name of the obs column that holds the cells' batches, which every modality then has without gaps; None where
        the networks read no batches.
    absent
        For each modality, names of cells that the data list there and that were not measured, or that are not used.
    """

    modalities: Mapping[str, ModalityData]
    truth: Correspondences
    known: Correspondences
    labels: tuple[str, ...] = ()
    links: Mapping[str, Mapping[str, sparse.csr_array]] = field(default_factory=dict)
    batch_key: str | None = None
    absent: Mapping[str, pd.Index] = field(default_factory=dict)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of cells of each modality."""
        return {name: modality.n_cells for name, modality in self.modalities.items()}

    def subset(self, cells: Mapping[str, ArrayLike], *, lazily: bool = False) -> Dataset:
        """Keep the given cells (indices or boolean masks) of each modality; `lazily` as of `ModalityData.subset`."""
        return replace(
            self,
            modalities={name: m.subset(cells[name], lazily=lazily) for name, m in self.modalities.items()},
            truth=self.truth.subset(cells),
            known=self.known.subset(cells),
        )


@dataclass(frozen=True)
class View:
    """One modality as a correspondence inferer sees it.

    Parameters
    ----------
    modality
        Its name.
    block
        The chosen matrix (n, p) before preprocessing.
    scores : (n, d)
        After preprocessing, float32 and dense.
    links
        For another modality (p, p_other) weights of the features that are linked, such as a gene and its activity;
        a modality that is absent has no linked features.
    unwhitening : (d,)
        What undoes the whitening of the scores; None where they are not whitened.
    elements
        What components asked for beside these: spatial coordinates, annotations, labels that training may see.

    Examples
    --------
    >>> block = Block(np.ones((2, 3), np.float32), pd.Index(["a", "b", "c"]))
    >>> View("rna", block, scores=np.zeros((2, 1), np.float32)).n_cells
    2
    """

    modality: str
    block: Block
    scores: NDArray[np.float32]
    links: Mapping[str, sparse.csr_array] = field(default_factory=dict)
    unwhitening: NDArray[np.float64] | None = None
    elements: Elements = field(default_factory=Elements)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.scores)

    def unwhitened(self) -> View:
        """Return the modality with scores that keep the components' variances; itself where they are not whitened."""
        if self.unwhitening is None:
            return self
        return replace(self, scores=self.scores * self.unwhitening.astype(np.float32), unwhitening=None)

    def in_memory(self) -> View:
        """Return the modality with a whole matrix in place of one whose rows are read when they are needed."""
        X: Any = self.block.X
        return replace(self, block=replace(self.block, X=X.collect())) if isinstance(X, LazyRows) else self

    def subset(self, cells: ArrayLike) -> View:
        """Keep the given cells (indices), in the given order."""
        index = np.asarray(cells)
        block, elements = replace(self.block, X=self.block.X[index]), self.elements.subset(index)
        return replace(self, block=block, scores=self.scores[index], elements=elements)

    def read_by(self, component: Component) -> View:
        """Return the same for a component, which may read what it declares alone of the elements."""
        return replace(self, elements=self.elements.read_by(component))


@dataclass(frozen=True)
class Cells:
    """Preprocessed cells of all modalities, as a method sees them.

    Parameters
    ----------
    views
        Each modality: its matrix before preprocessing, and its scores (n_m, d_m).
    targets
        (n_m, t_m) what is to be imputed of each modality, preprocessed; the very same array as its scores unless the
        spec chooses another target.
    known
        Pairs that a method may use.
    labels
        (n_m,) label of each cell, None where there is none; empty for methods that do not use labels.
    covariates
        (n_m, C) one-hot batch of each cell, a row of zeros where the batch is unknown; empty without
        batch_key.
    size_factor
        (n_m, 1) total of each cell's target over the training cells' median, of modalities whose decoder reads it.
    measured
        Which part of each cell's target was measured, of modalities of several panels. The other part of `targets` is
        estimated from it.

    Examples
    --------
    >>> block = Block(np.ones((2, 3), np.float32), pd.Index(["a", "b", "c"]))
    >>> views = {"rna": View("rna", block, scores=np.zeros((2, 1), np.float32))}
    >>> Cells(views, {"rna": views["rna"].scores}, Correspondences({"rna": 2})).modalities
    ('rna',)
    """

    views: Mapping[str, View]
    targets: Mapping[str, NDArray[np.float32]]
    known: Correspondences
    labels: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)
    covariates: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    size_factor: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    measured: Mapping[str, MeasuredTarget] = field(default_factory=dict)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names, in the order of the spec."""
        return tuple(self.views)

    @property
    def scores(self) -> dict[str, NDArray[np.float32]]:
        """(n_m, d_m) preprocessed input of each modality."""
        return {m: view.scores for m, view in self.views.items()}

    def pairs(self, a: str, b: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return indices of the known pairs: cell `rows[i]` of `a` is cell `columns[i]` of `b`.

        Each cell occurs at most once.
        """
        partner = self.known.between(a, b).mutual_best().best_partner()
        rows = np.flatnonzero(partner >= 0)
        columns, first = np.unique(partner[rows], return_index=True)
        return rows[first], columns

    def read_by(self, component: Component) -> Cells:
        """Return the same for a component, which may read what it declares alone of the elements."""
        return replace(self, views={m: view.read_by(component) for m, view in self.views.items()})

    def subset(self, cells: Mapping[str, ArrayLike]) -> Cells:
        """Keep the given cells (indices) of each modality, in the given order."""
        index = {m: np.asarray(chosen) for m, chosen in cells.items()}
        shared = {m: self.targets[m] is view.scores for m, view in self.views.items()}
        views = {m: view.subset(index[m]) for m, view in self.views.items()}
        return Cells(
            views,
            {m: v.scores if shared[m] else self.targets[m][index[m]] for m, v in views.items()},
            self.known.subset(cells),
            {m: values[index[m]] for m, values in self.labels.items()},
            {m: values[index[m]] for m, values in self.covariates.items()},
            {m: values[index[m]] for m, values in self.size_factor.items()},
            {m: one.subset(index[m]) for m, one in self.measured.items()},
        )


@dataclass(frozen=True)
class Imputation:
    """Imputed values of one modality, on the scale of `Cells.targets` or, where that is said, in units.

    Parameters
    ----------
    mean : (n, t)
        The prediction.
    sd, lower, upper : (n, t)
        Standard deviation and interval, where the method gives them.

    Examples
    --------
    >>> imputed = Imputation(mean=np.zeros((2, 3)), sd=np.ones((2, 3)))
    >>> sorted(imputed.uncertainty)
    ['sd']
    """

    mean: NDArray[np.floating]
    sd: NDArray[np.floating] | None = None
    lower: NDArray[np.floating] | None = None
    upper: NDArray[np.floating] | None = None

    @property
    def uncertainty(self) -> dict[str, NDArray[np.floating]]:
        """Standard deviation and interval by their names, as far as there are any."""
        given = {SD: self.sd, LOWER: self.lower, UPPER: self.upper}
        return {name: values for name, values in given.items() if values is not None}
