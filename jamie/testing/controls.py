"""Positive and negative controls: data on which the right answer is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from jamie.core.correspondence import Correspondence
from jamie.core.data import Block, View
from jamie.core.scoring import EmbeddedPair
from jamie.testing import toy


@dataclass(frozen=True)
class ViewPair:
    """Two modalities of which the truth is known.

    Parameters
    ----------
    a, b
        n_a and n_b cells.
    truth : (n_a, n_b)
        Which cells are the same.
    known : (n_a, n_b)
        The half of them that an inferer may be told.
    """

    a: View
    b: View
    truth: Correspondence
    known: Correspondence


def isometric_copy(n_cells: int = 60, n_extra: int = 0, seed: int = 0) -> ViewPair:
    """Cells, and the same cells turned, mirrored, put into more dimensions and reordered.

    Parameters
    ----------
    n_cells
        Cells of a.
    n_extra
        Further cells, which only b has.
    seed
        Of the rotation and the order.
    """
    generator = np.random.default_rng(seed)
    positions = toy.latent_positions(n_cells + n_extra)
    positions = positions - positions.mean(axis=0)
    turn = np.linalg.qr(generator.normal(size=(5, 5)))[0][:2]
    order = generator.permutation(len(positions))
    where = np.argsort(order)[:n_cells]
    truth = Correspondence.from_pairs(np.arange(n_cells), where, (n_cells, len(positions)))
    told = np.arange(n_cells) % 2 == 0
    a = _view("a", positions[:n_cells])
    return ViewPair(a, _view("b", (positions @ turn)[order]), truth, truth.keep(told))


def _view(modality: str, scores: NDArray[np.floating]) -> View:
    features = [f"{modality}_{i}" for i in range(scores.shape[1])]
    return View(modality, Block(scores.astype(np.float32), pd.Index(features)), scores.astype(np.float32))


def perfect_embedding() -> EmbeddedPair:
    """Three groups of cells far apart, each cell of both modalities in the very same place in either."""
    generator = np.random.default_rng(3)
    n_cells = max(toy.CELLS["atac"]) + 1
    labels = np.arange(n_cells) % 3
    z = 10 * np.eye(toy.N_LATENT)[labels] + generator.normal(size=(n_cells, toy.N_LATENT))
    source, target = (generator.permutation(np.asarray(toy.CELLS[m])) for m in ("rna", "atac"))
    truth = sparse.csr_array((source[:, None] == target[None, :]).astype(np.float32))
    names = np.array(["alpha", "beta", "gamma"], dtype=object)[labels]
    return EmbeddedPair("rna", "atac", z[source], z[target], truth, names[source], names[target])


def independent_noise() -> EmbeddedPair:
    """Return the same cells, labels and truth, with latents that have nothing to do with them."""
    pair, generator = perfect_embedding(), np.random.default_rng(4)
    return replace(
        pair,
        z_source=generator.normal(size=pair.z_source.shape),
        z_target=generator.normal(size=pair.z_target.shape),
    )


def collapsed_embedding() -> EmbeddedPair:
    """Return the same cells, labels and truth, with all latents in one point."""
    pair = perfect_embedding()
    return replace(pair, z_source=np.zeros_like(pair.z_source), z_target=np.zeros_like(pair.z_target))
