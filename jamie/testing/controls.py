"""Positive and negative controls: data for which the right answer is known.

Example::

    from jamie.testing import controls

    assert MyMetric().score(controls.perfect_embedding()).value > MyMetric().score(controls.independent_noise()).value
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.correspondence import Correspondence
from jamie.core.data import Block, View
from jamie.core.evaluation import EmbeddedPair, ImputedPair, MatchedPair
from jamie.testing import toy

_LABELS = np.array(["alpha", "beta", "gamma"], dtype=object)


@dataclass(frozen=True)
class ViewPair:
    """Two modalities whose true correspondence is known.

    Parameters
    ----------
    a, b
        n_a and n_b cells.
    truth : (n_a, n_b)
        True correspondence.
    known : (n_a, n_b)
        Half of its pairs, which an inferer may use.
    """

    a: View
    b: View
    truth: Correspondence
    known: Correspondence


def isometric_copy(n_cells: int = 60, n_extra: int = 0, seed: int = 0) -> ViewPair:
    """Return cells, and the same cells rotated, embedded into more dimensions and reordered.

    Each dimension of a is linked with those of b that it is rotated into, with its weight in them.

    Parameters
    ----------
    n_cells
        Cells of a.
    n_extra
        Further cells, which only b has.
    seed
        Of the rotation and the order.

    Returns
    -------
    ViewPair
        Views with scores (n_a, 2) and (n_b, 5), the true correspondence (n_a, n_b) and known pairs.
    """
    generator = np.random.default_rng(seed)
    positions = toy.latent_positions(n_cells + n_extra)
    positions = positions - positions.mean(axis=0)
    rotation = np.linalg.qr(generator.normal(size=(5, 5)))[0][:2]
    order = generator.permutation(len(positions))
    partner = np.argsort(order)[:n_cells]
    truth = Correspondence.from_pairs(np.arange(n_cells), partner, (n_cells, len(positions)))
    a = _view("a", positions[:n_cells], {"b": rotation})
    return ViewPair(
        a, _view("b", (positions @ rotation)[order], {"a": rotation.T}), truth, truth.keep(np.arange(n_cells) % 2 == 0)
    )


def _view(modality: str, scores: NDArray[np.floating], links: dict[str, NDArray[np.floating]]) -> View:
    features = [f"{modality}_{i}" for i in range(scores.shape[1])]
    block = Block(scores.astype(np.float32), pd.Index(features))
    weights = {other: sparse.csr_array(link.astype(np.float32)) for other, link in links.items()}
    return View(modality, block, scores.astype(np.float32), weights)


def perfect_embedding() -> EmbeddedPair:
    """Return three well-separated groups of cells, each cell with the same latents in both modalities."""
    generator = np.random.default_rng(3)
    n_cells = max(toy.CELLS["atac"]) + 1
    labels = np.arange(n_cells) % 3
    z = 10 * np.eye(toy.N_LATENT)[labels] + generator.normal(size=(n_cells, toy.N_LATENT))
    source, target = (generator.permutation(np.asarray(toy.CELLS[m])) for m in ("rna", "atac"))
    truth = sparse.csr_array((source[:, None] == target[None, :]).astype(np.float32))
    return EmbeddedPair("rna", "atac", z[source], z[target], truth, _LABELS[labels[source]], _LABELS[labels[target]])


def independent_noise() -> EmbeddedPair:
    """Return the same cells, labels and truth, with latents that are independent of them."""
    pair, generator = perfect_embedding(), np.random.default_rng(4)
    return replace(
        pair,
        z_source=generator.normal(size=pair.z_source.shape),
        z_target=generator.normal(size=pair.z_target.shape),
    )


def collapsed_embedding() -> EmbeddedPair:
    """Return the same cells, labels and truth, with the same latents for all cells."""
    pair = perfect_embedding()
    return replace(pair, z_source=np.zeros_like(pair.z_source), z_target=np.zeros_like(pair.z_target))


def separated_modalities() -> EmbeddedPair:
    """Return the perfect embedding with one modality shifted far away from the other."""
    pair = perfect_embedding()
    return replace(pair, z_target=pair.z_target + 1000)


def perfect_imputation() -> ImputedPair:
    """Return cells of three labels, imputed as measured; features differ in mean and sd, and the last is constant."""
    generator = np.random.default_rng(6)
    n_cells, n_features = len(toy.CELLS["atac"]), toy.N_FEATURES["protein"]
    labels = np.arange(n_cells) % 3
    z = np.column_stack([np.eye(3)[labels], generator.normal(size=(n_cells, 2))])
    level, spread = 10 * generator.random(n_features), 0.5 + generator.random(n_features)
    measured = level + spread * (z @ generator.normal(size=(5, n_features)))
    measured[:, -1] = level[-1]
    mean, sd = measured.mean(axis=0), measured.std(axis=0)
    sd = np.where(sd > 1e-9, sd, 0)
    return ImputedPair(
        *("atac", "protein", toy.features("protein"), measured, measured.copy(), mean, sd, _LABELS[labels]),
        lower=measured - 0.01 * sd,
        upper=measured + 0.01 * sd,
    )


def independent_imputation() -> ImputedPair:
    """Return the same cells with independent imputed values: the measured ones in another order."""
    pair, generator = perfect_imputation(), np.random.default_rng(7)
    return _around(pair, pair.measured[generator.permutation(len(pair.measured))])


def constant_imputation() -> ImputedPair:
    """Return the same cells, all imputed as the mean of the training cells."""
    pair = perfect_imputation()
    return _around(pair, np.tile(pair.mean, (len(pair.measured), 1)))


def _around(pair: ImputedPair, imputed: NDArray[np.floating]) -> ImputedPair:
    """Replace the imputed values, with intervals of one standard deviation to either side."""
    return replace(pair, imputed=imputed, lower=imputed - pair.sd, upper=imputed + pair.sd)


def perfect_matching() -> MatchedPair:
    """Return certain matches with the true partner, for the cells that have one; the same scores in both modalities."""
    pair = perfect_embedding()
    labels, scores = (pair.labels_source, pair.labels_target), (pair.z_source, pair.z_target)
    return MatchedPair(pair.source, pair.target, pair.truth.copy(), pair.truth, *labels, *scores)


def uniform_matching() -> MatchedPair:
    """Return the same cells and truth, with every cell matched to all others equally."""
    pair = perfect_matching()
    shape = pair.truth.shape
    return replace(pair, inferred=sparse.csr_array(np.full(shape, 1 / max(shape), np.float32)))


def absent_matching() -> MatchedPair:
    """Return the same cells and truth, with no cell matched."""
    pair = perfect_matching()
    return replace(pair, inferred=sparse.csr_array(pair.truth.shape, dtype=np.float32))
