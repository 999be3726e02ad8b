"""Toy data in which every size differs, so that a transposed or wrong axis is always an error.

Example::

    from jamie.testing import toy

    batch = toy.batch(n_modalities=3)
    loss = MyLoss()(batch, toy.Model()(batch))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn
from torch.distributions import Distribution, Normal, Poisson
from torch.nn.functional import pad

from jamie.core.batch import Batch, BatchElements, Output, PairBlocks, Posterior
from jamie.core.component import Component
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Cells, ModalityData, View
from jamie.core.elements import Elements
from jamie.core.interfaces import Loss
from jamie.core.requirements import BATCH, DATA_WORDS, INDEX, LABELS, LAYER, LINKS, OBS, OBSM, VAR, split_word

if TYPE_CHECKING:
    from mudata import MuData

MODALITIES = ("rna", "atac", "protein")
CELLS = {"rna": range(41), "atac": range(20, 73), "protein": range(30, 97)}  # some shared by two, by three, by none
N_FEATURES = {"rna": 19, "atac": 14, "protein": 11}
N_SCORES = {"rna": 10, "atac": 8, "protein": 6}
BATCH_SIZE = {"rna": 7, "atac": 9, "protein": 12}
N_LATENT = 3
N_COVARIATES = 2
LABEL = "cell_type"


def latent_positions(n_cells: int = 97) -> NDArray[np.float64]:
    """(n_cells, 2) positions of cells on a curved, asymmetric trajectory with noise, whose ends differ."""
    generator = np.random.default_rng(97)
    t = generator.permutation(np.linspace(0, 1, n_cells)) ** 1.5
    return np.column_stack([4 * t, np.sin(3 * t)]) + 0.15 * generator.standard_normal((n_cells, 2))


def obs(modality: str) -> pd.DataFrame:
    """(n, 1) annotations of the cells: their names as index, in a different order in each modality, and a label."""
    order = np.random.default_rng(len(modality)).permutation(np.asarray(CELLS[modality]))
    labels = np.array(["early", "middle", "late"])[np.digitize(latent_positions()[order, 0], [0.7, 2.0])]
    return pd.DataFrame({LABEL: pd.Categorical(labels)}, index=[f"cell_{i:02d}" for i in order])


def counts(modality: str) -> NDArray[np.float32]:
    """(n, p) counts that depend on the cells' positions; no feature is constant and no cell is empty."""
    generator = np.random.default_rng(N_FEATURES[modality])
    positions = latent_positions()[[int(name[5:]) for name in obs(modality).index]]
    slopes = generator.normal(size=(2, N_FEATURES[modality]))
    return generator.poisson(np.exp(1.5 + 0.4 * positions @ slopes)).astype(np.float32)


def features(modality: str) -> pd.Index:
    """(p,) names of the features."""
    return pd.Index([f"{modality}_{i}" for i in range(N_FEATURES[modality])])


def modalities(n_modalities: int = 2) -> dict[str, ModalityData]:
    """Return two or three modalities, which share a part of their cells by name."""
    blocks = {m: Block(counts(m), features(m)) for m in MODALITIES[:n_modalities]}
    return {m: ModalityData(m, obs(m), block, block) for m, block in blocks.items()}


def mudata(n_modalities: int = 2) -> MuData:
    """Return the same cells as MuData."""
    from anndata import AnnData
    from mudata import MuData

    from jamie.data.assemble import mudata_conventions

    parts = {m: AnnData(counts(m), obs(m), pd.DataFrame(index=features(m))) for m in MODALITIES[:n_modalities]}
    with mudata_conventions():
        return MuData(parts)


def view(modality: str = "rna") -> View:
    """Return a modality as an inferer or a distance reads it; the first features of all modalities are linked."""
    X = counts(modality)
    centred = np.log1p(X) - np.log1p(X).mean(axis=0)
    scores = centred @ np.linalg.svd(centred, full_matrices=False)[2][: N_SCORES[modality]].T
    shapes = {other: (N_FEATURES[modality], N_FEATURES[other]) for other in MODALITIES if other != modality}
    links = {other: sparse.csr_array(np.eye(*shape, dtype=np.float32)) for other, shape in shapes.items()}
    return View(modality, Block(X, features(modality)), scores.astype(np.float32), links)


def elements(component: Component, view: View) -> Elements:
    """Return what a component declares to read of the cells of a view, made up of their scores, as a run hands it out.

    Values of its own (`test_elements`) come first; what a toy cannot make up, such as uns, is left out.
    """
    own, values = component.test_elements(), {}
    table = pd.DataFrame(index=view.block.features)
    for word in component.required():
        first, key = split_word(word)
        if first == VAR:
            table[key] = own.get(word, _annotation(key, len(table)))
        elif first == LABELS:
            values[f"{LABELS}:{LABEL}"] = own.get(word, _stages(view.scores[:, 0]))
        elif word in own or first in _MADE_UP:
            values[word] = own[word] if word in own else _MADE_UP[first](view)
    return Elements(view.modality, values, features=view.block.features, table=table)


def _annotation(key: str, n: int) -> Any:
    """Made-up annotations of n features: positions along a chromosome, names otherwise."""
    positions = {"chrom": ["chr1"] * n, "start": 1000 * np.arange(n), "end": 1000 * np.arange(n) + 500}
    return positions.get(key, [f"{key}_{i}" for i in range(n)])


def _stages(scores: NDArray[np.floating]) -> NDArray[np.object_]:
    """Three labels along a score, and none for the cell in the middle."""
    labels = np.array(["early", "middle", "late"], object)[np.digitize(scores, np.quantile(scores, [0.3, 0.6]))]
    labels[np.argsort(scores)[len(scores) // 2]] = None
    return labels


_MADE_UP: Mapping[str, Callable[[View], Any]] = {
    OBS: lambda view: pd.Series(view.scores[:, 0]),
    OBSM: lambda view: view.scores[:, :2],
    LAYER: lambda view: view.block.X,
    BATCH: lambda view: pd.Series(np.where(view.scores[:, 1] > 0, "first", "second")),
    INDEX: lambda view: np.argsort(view.scores[:, 0]),
}


def with_elements(view: View, component: Component) -> View:
    """Return a view with what a component declares to read."""
    return replace(view, elements=elements(component, view))


def cells(n_modalities: int = 2, *, known: bool = True, labels: bool = False) -> Cells:
    """Return cells as a method reads them; the target of atac is another matrix than its scores.

    Parameters
    ----------
    n_modalities
        Two or three.
    known
        Whether three in four of the shared cells are known pairs; otherwise no pair is known.
    labels
        Whether the cells have labels; one cell of each modality has none.

    Returns
    -------
    Cells
        Views, targets (n_m, t_m), known pairs and labels.
    """
    names = MODALITIES[:n_modalities]
    views = {m: view(m) for m in names}
    targets = {m: v.scores for m, v in views.items()} | {"atac": np.log1p(counts("atac"))}
    pairs = {(a, b): _known_cells(a, b) for a, b in combinations(names, 2)} if known else {}
    return Cells(
        views,
        targets,
        Correspondences({m: v.n_cells for m, v in views.items()}, pairs),
        {m: _labels(m) for m in names} if labels else {},
    )


def _known_cells(a: str, b: str) -> Correspondence:
    """(n_a, n_b) three in four of the cells that occur in both."""
    shared = Correspondence.from_names(obs(a).index, obs(b).index)
    return shared.keep(np.arange(shared.n_pairs) % 4 > 0)


def _labels(modality: str) -> NDArray[np.object_]:
    labels = obs(modality)[LABEL].to_numpy(dtype=object)
    labels[4] = None
    return labels


def batch(n_modalities: int = 2, *, matched: bool = True, inferred: bool = True, shared: bool = False) -> Batch:
    """Return a minibatch.

    Parameters
    ----------
    n_modalities
        Two or three.
    matched
        Whether four cells have partners, one of them with a confidence below 1; otherwise no cell has one.
    inferred
        Whether there is an inferred correspondence.
    shared
        Whether the decoders predict what the encoders read.

    Returns
    -------
    Batch
        Inputs (B_m, d_m), targets (B_m, t_m), correspondence (B_a, B_b) and size factors (B_m, 1).
    """
    names = MODALITIES[:n_modalities]
    pairs = list(combinations(names, 2))
    generator = torch.Generator().manual_seed(0)
    x = {m: torch.randn(BATCH_SIZE[m], N_SCORES[m], generator=generator) for m in names}
    target = {m: torch.randn(BATCH_SIZE[m], N_FEATURES[m], generator=generator) for m in names}
    target = x if shared else target
    confidences = {(a, b): torch.rand(BATCH_SIZE[a], BATCH_SIZE[b], generator=generator) for a, b in pairs}
    return Batch(
        x=x,
        target=target,
        blocks=PairBlocks({pair: _known(*pair, 4 if matched else 0) for pair in pairs}),
        inferred=PairBlocks({pair: f / f.sum(1, keepdim=True) for pair, f in confidences.items()})
        if inferred
        else None,
        size_factor={m: 0.5 + torch.rand(BATCH_SIZE[m], 1, generator=generator) for m in names},
    )


def _known(a: str, b: str, n_matched: int) -> Tensor:
    """(B_a, B_b) with the last cells of a matched to the first of b, the first pair with confidence 0.5."""
    block = torch.zeros(BATCH_SIZE[a], BATCH_SIZE[b])
    for i in range(n_matched):
        block[BATCH_SIZE[a] - 1 - i, i] = 1.0 if i else 0.5
    return block


def with_batch_elements(batch: Batch, loss: Loss) -> Batch:
    """Return a minibatch with what a loss declares to read, made up of the values of its cells."""
    words = [word for word in loss.required() if split_word(word)[0] in DATA_WORDS]
    if not words:
        return replace(batch, elements=BatchElements(reader=loss))
    of_cells: dict[str, Callable[[str], Tensor]] = {
        OBS: lambda m: batch.x[m][..., 0],
        OBSM: lambda m: batch.x[m][..., :2],
        LAYER: lambda m: batch.target[m],
        LABELS: lambda m: torch.bucketize(batch.x[m][..., 0].contiguous(), torch.tensor([-1.0, 0.0, 1.0])) - 1,
        INDEX: lambda m: torch.unique(batch.x[m][..., 0], return_inverse=True)[1],
    }
    found = {}
    for word in words:
        first = split_word(word)[0]
        if first in of_cells:
            key = f"{LABELS}:{LABEL}" if first == LABELS else word
            found[key] = {m: _of_present(batch, m, first, of_cells[first](m)) for m in batch.x}
    data = {m: elements(loss, view(m)) for m in batch.x}
    linked = {(a, b): torch.eye(N_FEATURES[a], N_FEATURES[b]).to_sparse() for a in batch.x for b in batch.x if a != b}
    categories = {LABEL: ("early", "middle", "late")} if LABELS in words else {}
    return replace(batch, elements=BatchElements(found, data, linked if LINKS in words else {}, categories)).read_by(
        loss
    )


def _of_present(batch: Batch, modality: str, word: str, values: Tensor) -> Tensor:
    """Labels and numbers of rows that hold no cell are -1."""
    if word not in (LABELS, INDEX) or modality not in batch.present:
        return values
    return torch.where(batch.present[modality] > 0, values, -1)


def duplicate_cells(batch: Batch) -> Batch:
    """Return a minibatch with every cell in it twice, each copy with its own partners."""
    return _with_cells(
        batch,
        lambda modality, values: torch.cat([values, values]),
        lambda blocks: PairBlocks({pair: torch.block_diag(f, f) for pair, f in blocks.by_pair.items()}),
    )


def side_by_side(batches: Sequence[Batch]) -> Batch:
    """Return minibatches of the same sizes as one, whose tensors have a leading axis of members.

    Each modality has a row more, which holds no cell.
    """

    def stacked(parts: Sequence[Tensor]) -> Tensor:
        return torch.stack([torch.cat([part, part[:1]]) for part in parts])

    def blocks(parts: Sequence[PairBlocks]) -> PairBlocks:
        pairs = parts[0].by_pair
        return PairBlocks({p: torch.stack([pad(part.by_pair[p], (0, 1, 0, 1)) for part in parts]) for p in pairs})

    first = batches[0]
    x = {m: stacked([batch.x[m] for batch in batches]) for m in first.x}
    shared = {m for m, values in first.target.items() if values is first.x[m]}
    return replace(
        first,
        x=x,
        target={m: x[m] if m in shared else stacked([batch.target[m] for batch in batches]) for m in x},
        size_factor={m: stacked([batch.size_factor[m] for batch in batches]) for m in first.size_factor},
        blocks=blocks([batch.blocks for batch in batches]),
        inferred=first.inferred and blocks([batch.inferred for batch in batches if batch.inferred]),
        present={
            m: torch.ones(values.shape[:2]).index_fill(1, torch.tensor(len(first.x[m])), 0) for m, values in x.items()
        },
    )


def with_count_targets(batch: Batch) -> Batch:
    """Return the same minibatch with counts as targets."""
    return replace(batch, target={m: v.abs().mul(3).round() for m, v in batch.target.items()})


def other_values(batch: Batch) -> Batch:
    """Return another minibatch: cells with the values of others, which leaves the correspondence as it is."""
    x = {m: v.flip(0) for m, v in batch.x.items()}
    return replace(batch, x=x, target={m: x[m] if v is batch.x[m] else v.roll(1, 0) for m, v in batch.target.items()})


def random_orders(n_modalities: int = 2) -> dict[str, Tensor]:
    """Return another order of each modality's cells in a minibatch."""
    generator = torch.Generator().manual_seed(1)
    return {m: torch.randperm(BATCH_SIZE[m], generator=generator) for m in MODALITIES[:n_modalities]}


def reorder_blocks(blocks: PairBlocks, order: Mapping[str, Tensor]) -> PairBlocks:
    """Return a correspondence for cells in another order."""
    return PairBlocks({(a, b): f[order[a]][:, order[b]] for (a, b), f in blocks.by_pair.items()})


def reorder_cells(batch: Batch, order: Mapping[str, Tensor]) -> Batch:
    """Return the same minibatch with the cells of each modality in another order, as from `random_orders`."""
    return _with_cells(
        batch, lambda modality, values: values[order[modality]], lambda blocks: reorder_blocks(blocks, order)
    )


def _with_cells(
    batch: Batch, change: Callable[[str, Tensor], Tensor], change_blocks: Callable[[PairBlocks], PairBlocks]
) -> Batch:
    """Return a minibatch whose cells' values and correspondence are changed in the same way."""
    x = {m: change(m, v) for m, v in batch.x.items()}
    return replace(
        batch,
        x=x,
        target={m: x[m] if v is batch.x[m] else change(m, v) for m, v in batch.target.items()},
        size_factor={m: change(m, v) for m, v in batch.size_factor.items()},
        blocks=change_blocks(batch.blocks),
        inferred=batch.inferred and change_blocks(batch.inferred),
    )


class Model(nn.Module):
    """A linear substitute for the joint VAE, in which each cell's latents depend on that cell and its partners alone.

    It takes minibatches of members side by side, which it encodes and decodes by the same weights.

    Parameters
    ----------
    shared
        Whether the decoders predict what the encoders read.
    counts
        Whether the decoders predict counts.
    """

    def __init__(self, *, shared: bool = False, counts: bool = False) -> None:
        super().__init__()
        self.counts = counts
        generator = torch.Generator().manual_seed(2)

        def weights(n_in: Mapping[str, int], n_out: Mapping[str, int]) -> nn.ParameterDict:
            return nn.ParameterDict({m: 0.3 * torch.randn(n_in[m], n_out[m], generator=generator) for m in MODALITIES})

        latent = dict.fromkeys(MODALITIES, N_LATENT)
        self.mean, self.logvar = weights(N_SCORES, latent), weights(N_SCORES, latent)
        self.decoder = weights(latent, N_SCORES if shared else N_FEATURES)

    def forward(self, batch: Batch) -> Output:
        """Encode, sample (by a fixed function of the cell), aggregate and decode."""
        posterior = {m: self._encode(x, m, m) for m, x in batch.x.items()}
        sd = {m: torch.exp(x @ self.logvar[m] / 2) for m, x in batch.x.items()}
        z = {m: p.mean + torch.sin(9 * p.mean) * sd[m] for m, p in posterior.items()}
        return Output(posterior, z, aggregate(z, batch.blocks), self._decode, self._encode)

    def _encode(self, values: Tensor, source: str, modality: str) -> Posterior:
        return Posterior(values @ self.mean[modality], values @ self.logvar[modality])

    def _decode(self, latent: Tensor, source: str, target: str) -> Distribution:
        values = latent @ self.decoder[target]
        return Poisson(torch.exp(values), validate_args=False) if self.counts else Normal(values, 1.0)


def aggregate(z: Mapping[str, Tensor], blocks: PairBlocks) -> dict[str, Tensor]:
    """Mean of each cell's latents and those of its partners, weighted by confidence."""
    aggregated = {}
    for a in z:
        candidates = {b: blocks.between(a, b) for b in z if b != a}
        known = {b: f for b, f in candidates.items() if f is not None}
        total = z[a] + sum(f @ z[b] for b, f in known.items())
        aggregated[a] = total / (1 + sum(f.sum(-1, keepdim=True) for f in known.values()))
    return aggregated
