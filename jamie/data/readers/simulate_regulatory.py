"""Simulated counts of expression and of the accessibility that drives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.interfaces.data import Reader
from jamie.data.assemble import assemble
from jamie.data.simulation.cells import (
    cell_names,
    require_distinct_modalities,
    require_memory,
    require_valid_parameters,
)
from jamie.data.simulation.network import RegulatoryNetwork
from jamie.data.simulation.tree import TypeTree

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

TREE_SD = 1.0  # of a regulatory peak's log accessibility, along the tree: which confounds all of them
DECOY_SD = 1.2  # the same of a peak that regulates nothing: it marks types, and follows their genes
OWN_SD = 0.6  # of a peak's log accessibility in cells at one position of the tree: what distinguishes regulators
MEAN_SD = 0.5  # of the features' log mean counts
DEPTH_SD = 0.3  # of the cells' log depths
SATURATION = 8.0  # most that a gene's rate of transcription can exceed its usual one
BURST = 0.15  # squared coefficient of variation of expression in one state: counts are negative binomial

Generator = np.random.Generator
Floats = NDArray[np.float64]


@dataclass(kw_only=True, eq=False)
class SimulateRegulatory(Reader):
    r"""Simulated counts of genes and peaks, where a known regulatory network drives expression.

    Cells differentiate along a binary tree, whose leaves are the cell types. The log accessibility a of a peak
    follows a random walk along the branches, and also varies among cells at one position of the tree. A gene is
    transcribed at a rate that saturates, as by a Hill function, in its drive, and degraded at a constant rate:

    .. math:: d_g = \sum_{k \in P(g)} w_{kg} a_k + \sum_{f \in T(g)} v_{fg} \log(x_f / \bar x_f), \qquad
              x_g = \bar x_g \frac{S e^{d_g}}{S - 1 + e^{d_g}}

    P(g) are one to five peaks, most within 100 kb of the gene's start; T(g) are up to two transcription factors, which
    are genes themselves. Counts of peaks are Poisson, counts of genes negative binomial, both with a depth for each
    cell, and counts of genes drop out, the more the lower they are expected to be. About a third of the peaks
    regulate nothing but mark types: all that varies along the tree is correlated, so that a peak's correlation with a
    gene says little about whether it regulates it; what a peak adds to the others does. In the spirit of SymSim, SERGIO
    and scMultiSim, but not their model.

    As there are hundreds of links, finding them takes a model that lets as many directions through: at the default
    sizes all peaks in place of their principal components (`preprocess: [standardize]`) and `model.latent_dim: 128`.

    X holds counts divided by the cell's total, times the mean total, and log(1 + x) of that, for the default
    preprocessing does not normalise; ``layers["counts"]`` the counts; ``layers["expected"]`` what would be counted on
    average at the usual depth without dropout. ``var`` has `chrom`, `start` and `end`, for genes also `strand` and
    `is_tf`, for peaks `regulatory`; ``obs`` `cell_type`, `pseudotime` and `branch`. The truth is in ``uns["truth"]``:
    data frames `peak_links` (gene, peak, effect w), `tf_links` (tf, gene, effect v) and `tree` (parent, child, start,
    length).

    Parameters
    ----------
    n_cells
        Cells of each modality.
    n_genes
        Genes.
    n_peaks
        Peaks.
    n_tfs
        How many of the genes are transcription factors, which regulate other genes.
    n_types
        Cell types, the leaves of the tree; each is rarer than the one before.
    modalities
        Names of the expression and of the accessibility.
    mean_counts
        Mean counts of genes and of peaks, in a cell of the usual depth at the root of the tree.
    dropout
        Probability that a gene of typical expression is missed in a cell; it falls as expression rises.
    overlap
        Fraction of the cells that are measured in both modalities; the others belong to one alone.
    seed
        Seed of the simulation; independent of the run's, so that runs with several seeds see the same cells.
    """

    name = "simulate_regulatory"
    references = ("10.1038/s41467-019-10500-w", "10.1016/j.cels.2020.08.003", "10.1038/s41592-025-02651-0")

    n_cells: Annotated[int, Field(ge=3)] = 2000
    n_genes: Annotated[int, Field(ge=2)] = 200
    n_peaks: Annotated[int, Field(ge=2)] = 600
    n_tfs: Annotated[int, Field(ge=0)] = 10
    n_types: Annotated[int, Field(ge=1)] = 6
    modalities: tuple[str, str] = ("rna", "atac")
    mean_counts: tuple[PositiveFloat, PositiveFloat] = (5.0, 3.0)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    overlap: Annotated[float, Field(ge=0, le=1)] = 1.0
    seed: Annotated[int, Field(ge=0)] = 0

    @classmethod
    def test_params(cls) -> dict[str, object]:
        return {"n_cells": 24, "n_genes": 7, "n_peaks": 11, "n_tfs": 2, "n_types": 3}

    def _read(self, context: Context) -> MuData:
        self._check()
        require_memory(self, (self.n_cells + 1) * (self.n_genes + self.n_peaks), context)
        generator = np.random.default_rng(self.seed)
        n_shared = round(self.overlap * self.n_cells)
        n_own = self.n_cells - n_shared
        tree = TypeTree.balanced(self.n_types)
        network = RegulatoryNetwork.draw(self.n_genes, self.n_peaks, self.n_tfs, generator)
        cells = tree.cells(n_shared + 2 * n_own, generator)
        log_access = self._log_accessibility(tree, cells, network, generator)
        rates = _expression(log_access, network), np.exp(log_access)
        counts_of = self._count_genes, self._count_peaks
        simulated = {}
        for number, modality in enumerate(self.modalities):
            own = n_shared + number * n_own + np.arange(n_own)
            # Partners must not sit in the same row: nothing downstream may profit from that.
            rows = generator.permutation(np.concatenate([np.arange(n_shared), own]))
            expected = rates[number][rows] * _means(self.mean_counts[number], rates[number].shape[1], generator)
            depth = _log_normal(DEPTH_SD, len(rows), generator)
            counts = counts_of[number](expected, depth, generator)
            obs = cells.iloc[rows].set_axis(cell_names(modality, rows, n_shared, 2 * self.n_cells))
            simulated[modality] = _annotated(counts, expected, obs, (network.genes, network.peaks)[number])
        mdata = assemble(simulated)
        mdata.uns["truth"] = {"peak_links": network.peak_links, "tf_links": network.tf_links, "tree": tree.branches}
        return mdata

    def _log_accessibility(
        self, tree: TypeTree, cells: pd.DataFrame, network: RegulatoryNetwork, generator: Generator
    ) -> Floats:
        along = tree.random_walks(cells, self.n_peaks, generator)
        along *= np.where(network.peaks["regulatory"], TREE_SD, DECOY_SD)
        return np.asarray(along + OWN_SD * generator.normal(size=along.shape))

    def _count_genes(self, expected: Floats, depth: Floats, generator: Generator) -> NDArray[np.int64]:
        bursts = generator.gamma(1 / BURST, BURST, expected.shape)
        counts = generator.poisson(expected * bursts * depth[:, None])
        # Michaelis-Menten: the chance of being seen is expected / (expected + K)
        half = np.median(expected) * self.dropout / (1 - self.dropout)
        return np.asarray(counts * (generator.random(expected.shape) < expected / (expected + half)))

    def _count_peaks(self, expected: Floats, depth: Floats, generator: Generator) -> NDArray[np.int64]:
        return np.asarray(generator.poisson(expected * depth[:, None]))

    def _check(self) -> None:
        require_valid_parameters(self)
        require_distinct_modalities(self, self.modalities)
        if self.n_tfs >= self.n_genes:
            raise DataError(
                f"expected fewer transcription factors than genes, found {self.n_tfs} of {self.n_genes}",
                where=f"reader '{self.name}', n_tfs",
                fix="the factors are genes themselves: set n_tfs lower or n_genes higher",
            )


def _expression(log_access: Floats, network: RegulatoryNetwork) -> Floats:
    """(n, n_genes) expression of each gene, where 1 is that at a drive of 0."""
    drive = log_access @ network.peak_effects()
    # no factor is regulated by another gene, so all factors are computed first
    is_tf = network.genes["is_tf"].to_numpy()
    factors = np.where(is_tf, np.log(_saturating(drive)), 0)
    factors -= factors.mean(axis=0)
    return _saturating(drive + factors @ network.tf_effects())


def _saturating(drive: Floats) -> Floats:
    return SATURATION / (1 + (SATURATION - 1) * np.exp(-drive))


def _log_normal(sd: float, n: int, generator: Generator) -> Floats:
    """(n,) log-normal values of mean 1."""
    return np.asarray(np.exp(generator.normal(-(sd**2) / 2, sd, n)))


def _means(mean: float, n: int, generator: Generator) -> Floats:
    return mean * _log_normal(MEAN_SD, n, generator)


def _annotated(counts: NDArray[np.int64], expected: Floats, obs: pd.DataFrame, var: pd.DataFrame) -> AnnData:
    from anndata import AnnData

    totals = counts.sum(axis=1, keepdims=True)
    X = np.log1p(counts * (totals.mean() / np.maximum(totals, 1)))
    layers = {"counts": counts.astype(np.float32), "expected": expected.astype(np.float32)}
    return AnnData(X.astype(np.float32), obs=obs.copy(), var=var.copy(), layers=layers)
