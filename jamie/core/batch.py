"""Input of a loss: a minibatch and the output of the model for it.

Where several networks are trained side by side, every tensor has a leading axis of members before the shape given here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.distributions import Distribution

from jamie.core.component import Component
from jamie.core.elements import Elements, lacking, require_declared
from jamie.core.requirements import INDEX, LABELS, LAYER, LINKS, OBS, OBSM

Normalize: TypeAlias = Literal["rows", "unit", "paper"]


@dataclass(frozen=True)
class Posterior:
    """Diagonal Gaussian posterior of the latents of B cells.

    Parameters
    ----------
    mean : (B, L)
    logvar : (B, L)
        Logarithm of the variance; None for a deterministic encoder.

    Examples
    --------
    >>> import torch
    >>> Posterior(torch.zeros(3, 2), torch.zeros(3, 2)).logvar.exp().mean()  # standard normal
    tensor(1.)
    """

    mean: Tensor
    logvar: Tensor | None = None


@dataclass(frozen=True)
class PairBlocks:
    """Correspondence of the cells of a minibatch, for every two modalities.

    Parameters
    ----------
    by_pair
        (B_a, B_b) for pairs (a, b); a pair that is absent has no correspondence.

    Examples
    --------
    >>> import torch
    >>> blocks = PairBlocks({("rna", "atac"): torch.eye(2)})
    >>> blocks.between("atac", "rna").shape
    torch.Size([2, 2])
    >>> blocks.between("rna", "protein") is None
    True
    """

    by_pair: Mapping[tuple[str, str], Tensor] = field(default_factory=dict)
    _cache: dict[tuple[str, str, Normalize], Tensor | None] = field(default_factory=dict, repr=False, compare=False)

    def between(self, a: str, b: str) -> Tensor | None:
        """(B_a, B_b), None where nothing is known."""
        if (a, b) in self.by_pair:
            return self.by_pair[a, b]
        return self.by_pair[b, a].mT if (b, a) in self.by_pair else None

    def weights(self, a: str, b: str, normalize: Normalize = "rows") -> Tensor | None:
        """Return the (B_a, B_b) weights with which cells of `b` enter those of `a`, None where nothing is known.

        ``"rows"`` divides the rows whose sum exceeds 1, so that a lone confidence of 0.1 stays 0.1; ``"unit"``
        divides every row that has mass by its sum; ``"paper"`` divides the columns of the block by their sums and
        uses it in both directions (Algorithm 1, line 11).
        """
        key = (a, b, normalize)
        if key not in self._cache:
            self._cache[key] = self._weights(a, b, normalize)
        return self._cache[key]

    def _weights(self, a: str, b: str, normalize: Normalize) -> Tensor | None:
        block = self.between(a, b)
        if block is None:
            return None
        if normalize == "rows":
            return block / block.sum(-1, keepdim=True).clamp(min=1)
        dim = -2 if normalize == "paper" and (a, b) in self.by_pair else -1
        mass = block.sum(dim, keepdim=True)
        return block / torch.where(mass > 0, mass, 1)


@dataclass(frozen=True)
class MeasuredCells:
    """Which part of the target of each cell of a minibatch was measured; see `jamie.core.panels.MeasuredTarget`.

    Parameters
    ----------
    panel : (B,)
        Number of the panel of each cell.
    parts
        (t,) or (t, t) of each panel.
    """

    panel: Tensor
    parts: tuple[Tensor, ...]

    def residual(self, mean: Tensor, target: Tensor, partners: Tensor | None = None) -> Tensor:
        """Return what of ``target - mean`` concerns measured features.

        Parameters
        ----------
        mean : (A, t)
            Decoded.
        target : (B, t)
            Of these cells.
        partners : (A, B)
            Weights with which the targets enter the cells of the decoded; one to one where there are none.
        """
        total = torch.zeros_like(mean)
        for number, part in enumerate(self.parts):
            of_panel = (self.panel == number).to(mean.dtype)
            if partners is None:
                apart = (target - mean) * of_panel.unsqueeze(-1)
            else:
                weights = partners * of_panel.unsqueeze(-2)
                apart = weights @ target - weights.sum(-1, keepdim=True) * mean
            total = total + (apart * part if part.ndim == 1 else apart @ part)
        return total

    def weight(self, partners: Tensor | None = None) -> Tensor:
        """Return how far each target was measured, from 0 to 1: (B, t), or (A, t) of partners with weights (A, B)."""
        diagonals = torch.stack([p if p.ndim == 1 else p.diagonal().clamp(0, 1) for p in self.parts])
        own = diagonals[self.panel]
        return own if partners is None else partners @ own


def mean_over_cells(values: Tensor, present: Tensor | None = None) -> Tensor:
    """Mean of values (B, f) over cells and features; `present` (B,) is 0 of rows that hold no cell."""
    if present is None:
        return values.mean((-2, -1))
    return (values.mean(-1) * present).sum(-1) / present.sum(-1)


@dataclass(frozen=True)
class BatchElements:
    """What losses declared to read of the cells of a minibatch (`Loss.requires`).

    Nothing is handed out to a loss that did not declare it. Tensors of cells follow the rows of the minibatch; in rows
    that hold no cell they have those of another cell, but for labels and numbers, which are -1.

    Parameters
    ----------
    cells
        By word and modality, (B_m, ...) of each cell.
    data
        Of each modality, what does not belong to cells: annotations of the features.
    linked
        For two modalities (p_a, p_b) weights of their linked features, a sparse tensor.
    categories
        For each column of labels, what its codes stand for.
    reader
        The loss that reads; None before they are handed out.
    """

    cells: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    data: Mapping[str, Elements] = field(default_factory=dict)
    linked: Mapping[tuple[str, str], Tensor] = field(default_factory=dict)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reader: Component | None = None

    def labels(self, modality: str, column: str | None = None) -> Tensor:
        """(B_m,) code of the label of each cell (``"labels"``), -1 for none: a position in `categories`.

        `column` is one of ``train_labels``, by default the first.
        """
        require_declared(self.reader, LABELS)
        chosen = next(iter(self.categories), None) if column is None else column
        return self._of_cells(f"{LABELS}:{chosen}" if chosen else LABELS, modality)

    def label_names(self, column: str | None = None) -> tuple[str, ...]:
        """Return what the codes of `labels` stand for, in their order."""
        require_declared(self.reader, LABELS)
        return self.categories.get(next(iter(self.categories), "") if column is None else column, ())

    def index(self, modality: str) -> Tensor:
        """(B_m,) number of each cell (``"index"``), as in `Elements.index`."""
        return self._declared(INDEX, modality)

    def obs(self, modality: str, column: str) -> Tensor:
        """(B_m,) numbers in a column of obs (``"obs:COLUMN"``)."""
        return self._declared(f"{OBS}:{column}", modality)

    def obsm(self, modality: str, key: str) -> Tensor:
        """(B_m, k) rows of an array of obsm (``"obsm:KEY"``), such as spatial coordinates."""
        return self._declared(f"{OBSM}:{key}", modality)

    def layer(self, modality: str, key: str) -> Tensor:
        """(B_m, p) rows of a layer (``"layer:KEY"``)."""
        return self._declared(f"{LAYER}:{key}", modality)

    def links(self, a: str, b: str) -> Tensor | None:
        """(p_a, p_b) weights of linked features (``"links"``), a sparse tensor; None where there are none."""
        require_declared(self.reader, LINKS)
        return self.linked.get((a, b))

    def of(self, modality: str) -> Elements:
        """Return what does not belong to cells: ``of("atac").var("chrom")``, ``of("rna").uns("genes")``."""
        elements = self.data.get(modality, Elements(modality))
        return elements if self.reader is None else elements.read_by(self.reader)

    def read_by(self, component: Component) -> BatchElements:
        """Return the same for a loss, which may read what it declares alone."""
        return replace(self, reader=component)

    def _declared(self, word: str, modality: str) -> Tensor:
        require_declared(self.reader, word)
        return self._of_cells(word, modality)

    def _of_cells(self, word: str, modality: str) -> Tensor:
        if modality not in self.cells.get(word, {}):
            raise lacking(self.reader, modality, word, self.cells.get(word, {}))
        return self.cells[word][modality]


@dataclass(frozen=True)
class Batch:
    """A minibatch; each modality has cells of its own.

    Parameters
    ----------
    x
        (B_m, d_m) encoder input of each modality.
    target
        (B_m, t_m) what each decoder is to predict.
    blocks
        Correspondence used in the aggregation: known pairs, mixed with inferred ones where rho < 1.
    inferred
        The inferred correspondence, rows not normalised; None where nothing is inferred.
    covariates
        (B_m, C) one-hot batch of each cell; empty without batch_key.
    size_factor
        (B_m, 1) total of each cell's target over the training cells' median, of modalities whose decoder reads it.
    measured
        Which part of each cell's target was measured, of modalities of several panels; the rest must count in no loss.
    present
        (B_m,) 1 of each cell, 0 of rows that hold none: minibatches of members side by side are filled up to the same
        size. Rows that hold none have no partners. Empty where all rows hold cells.
    elements
        What losses declared to read beside these.

    Examples
    --------
    >>> import torch
    >>> x = {"rna": torch.ones(4, 3)}
    >>> Batch(x, x, PairBlocks()).inferred is None
    True
    """

    x: Mapping[str, Tensor]
    target: Mapping[str, Tensor]
    blocks: PairBlocks
    inferred: PairBlocks | None = None
    covariates: Mapping[str, Tensor] = field(default_factory=dict)
    size_factor: Mapping[str, Tensor] = field(default_factory=dict)
    measured: Mapping[str, MeasuredCells] = field(default_factory=dict)
    present: Mapping[str, Tensor] = field(default_factory=dict)
    elements: BatchElements = field(default_factory=BatchElements)

    def read_by(self, component: Component) -> Batch:
        """Return the same for a loss, which may read what it declares alone of the elements; itself without any."""
        return self if not self.elements.data else replace(self, elements=self.elements.read_by(component))

    def rows(self, modality: str, like: Tensor) -> Tensor:
        """(B_m,) 1 of each row of a modality that holds a cell, 0 of the others; `like` is of this shape."""
        present = self.present.get(modality)
        return torch.ones_like(like) if present is None else present

    def mean(self, modality: str, values: Tensor) -> Tensor:
        """Mean of values (B_m, f) over cells and features: a scalar."""
        return mean_over_cells(values, self.present.get(modality))

    def size_factor_for(self, source: str, target: str) -> Tensor | None:
        """(B_source, 1) size factor with which `target` is decoded for the cells of `source`.

        Within a modality it is the cell's own. Across modalities it is that of the cell's partners in the minibatch,
        and 1, the training cells' median, as far as it has none. None where the target has no size factors.
        """
        own = self.size_factor.get(target)
        if own is None or source == target:
            return own
        weights = self.blocks.weights(source, target)
        return None if weights is None else 1 + weights @ own - weights.sum(-1, keepdim=True)


@dataclass(frozen=True)
class Output:
    """Output of the model for a `Batch`.

    Parameters
    ----------
    posterior
        Of each modality.
    z
        (B_m, L) latents of each modality, sampled in training.
    aggregated
        (B_m, L) latents after aggregation over corresponding cells.
    decoder
        ``decoder(latents, source, target)`` gives the distribution of modality `target` for the cells of `source`;
        called once for each use.
    encoder
        ``encoder(values, source, modality)`` gives the posterior of values of `modality`, preprocessed, for the cells
        of `source`.

    Examples
    --------
    >>> from jamie.testing import toy
    >>> output = toy.Model()(toy.batch())
    >>> sorted(output.z) == sorted(output.posterior)
    True
    """

    posterior: Mapping[str, Posterior]
    z: Mapping[str, Tensor]
    aggregated: Mapping[str, Tensor]
    decoder: Callable[[Tensor, str, str], Distribution]
    encoder: Callable[[Tensor, str, str], Posterior]
    _cache: dict[tuple[str, str, str], Distribution] = field(default_factory=dict, repr=False)

    def reconstruct(self, modality: str) -> Distribution:
        """Distribution over (B_m, t_m), decoded from the modality's aggregated latents."""
        return self._decode(modality, modality, "aggregated")

    def decode(self, source: str, target: str) -> Distribution:
        """Distribution over (B_source, t_target), decoded from the source's own latents; lazy and cached."""
        return self._decode(source, target, "z")

    def _decode(self, source: str, target: str, latents: str) -> Distribution:
        key = (source, target, latents)
        if key not in self._cache:
            self._cache[key] = self.decoder(getattr(self, latents)[source], source, target)
        return self._cache[key]
