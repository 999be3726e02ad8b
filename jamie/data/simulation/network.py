"""A random regulatory network: genes and peaks on a genome, peaks that regulate genes, genes that regulate others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MAX_PEAKS = 5  # that regulate one gene
REGULATORY = 0.65  # of the peaks regulate a gene; the others only vary with the cells' types
DISTAL = 0.3  # of the genes also have a regulator that is not near them, mostly on another chromosome
ACTIVATING = 0.8  # of the links raise expression; the others lower it
TFS_PER_GENE = 2  # at most
PEAK_EFFECT = (1.0, 1.5)  # of a unit of log accessibility on the drive of a gene with one regulator
# of a unit of log expression; weaker, so that a factor's regulators do not hide those of the genes that it regulates
TF_EFFECT = (0.15, 0.3)

N_CHROMOSOMES = 5
SPACE = 500_000  # bases of the genome for each gene
MARGIN = 100_000  # bases at the ends of that space that hold no start of a gene
NEAR = (200, 90_000)  # bases between a gene's start and a regulator near it, log-uniform
BODY = (5_000, 80_000)  # bases of a gene, log-uniform
WIDTH = 500  # bases of a peak

Generator = np.random.Generator


@dataclass(frozen=True)
class RegulatoryNetwork:
    """Genes, peaks, and the links between them.

    Attributes
    ----------
    genes
        One row for each gene, by its name: `chrom`, `start`, `end`, `strand`, `is_tf`.
    peaks
        One row for each peak, by its name: `chrom`, `start`, `end`, `regulatory`.
    peak_links
        `gene`, `peak`, `effect`: what a unit of the peak's log accessibility adds to the gene's drive.
    tf_links
        `tf`, `gene`, `effect`: what a unit of the transcription factor's log expression adds to the gene's drive.
    """

    genes: pd.DataFrame
    peaks: pd.DataFrame
    peak_links: pd.DataFrame
    tf_links: pd.DataFrame

    @classmethod
    def draw(cls, n_genes: int, n_peaks: int, n_tfs: int, generator: Generator) -> RegulatoryNetwork:
        """Draw a network; the first `n_tfs` genes are transcription factors, which no other gene regulates."""
        genes = _draw_genes(n_genes, n_tfs, generator)
        gene_of_peak = _draw_genes_of_peaks(n_genes, n_peaks, generator)
        peaks = _draw_peaks(genes, gene_of_peak, generator)
        gene, peak = _draw_peak_links(gene_of_peak, n_genes, generator)
        number = np.bincount(gene, minlength=n_genes)
        # all genes vary about as much, those with few regulators and those with many
        effect = _effects(len(gene), *PEAK_EFFECT, generator) / np.sqrt(number[gene])
        names = {"gene": genes.index.to_numpy()[gene], "peak": peaks.index.to_numpy()[peak]}
        peak_links = pd.DataFrame({**names, "effect": effect})
        return cls(genes, peaks, peak_links, _draw_tf_links(genes, n_tfs, generator))

    def peak_effects(self) -> NDArray[np.float64]:
        """(n_peaks, n_genes) effects of peaks on genes, mostly 0."""
        return _matrix(self.peak_links, "peak", self.peaks.index, self.genes.index)

    def tf_effects(self) -> NDArray[np.float64]:
        """(n_genes, n_genes) effects of genes, the rows, on genes; only transcription factors have any."""
        return _matrix(self.tf_links, "tf", self.genes.index, self.genes.index)


def _draw_genes(n_genes: int, n_tfs: int, generator: Generator) -> pd.DataFrame:
    """Each gene lies somewhere in a space of its own, and the spaces one after the other on the chromosomes."""
    place = generator.permutation(n_genes)
    space = place // N_CHROMOSOMES
    first = space * SPACE + generator.integers(MARGIN, SPACE - MARGIN, n_genes)  # where transcription starts
    length = _log_uniform(*BODY, n_genes, generator)
    forward = generator.random(n_genes) < 0.5
    start = np.where(forward, first, first - length)
    digits = len(str(n_genes - 1))
    names = [f"{'tf' if g < n_tfs else 'gene'}_{g:0{digits}d}" for g in range(n_genes)]
    return pd.DataFrame(
        {
            "chrom": _chromosomes(place % N_CHROMOSOMES),
            "start": start,
            "end": start + length,
            "strand": pd.Categorical(np.where(forward, "+", "-"), ["+", "-"]),
            "is_tf": np.arange(n_genes) < n_tfs,
        },
        index=pd.Index(names),
    )


def _draw_genes_of_peaks(n_genes: int, n_peaks: int, generator: Generator) -> NDArray[np.int64]:
    """(n_peaks,) the gene that a peak lies near and regulates; -1 for those that regulate none."""
    # every gene gets one first, as far as there are any; one place is left for a distal regulator
    more = np.repeat(np.arange(n_genes), MAX_PEAKS - 2)
    owners = np.concatenate([generator.permutation(n_genes), generator.permutation(more)])
    owners = owners[: round(REGULATORY * n_peaks)]
    gene_of_peak = np.full(n_peaks, -1)
    gene_of_peak[generator.choice(n_peaks, len(owners), replace=False)] = owners
    return gene_of_peak


def _draw_peaks(genes: pd.DataFrame, gene_of_peak: NDArray[np.int64], generator: Generator) -> pd.DataFrame:
    """Regulatory peaks lie near their gene, on either side of its start; the others anywhere."""
    n_genes, n_peaks = len(genes), len(gene_of_peak)
    forward = (genes["strand"] == "+").to_numpy()
    first = np.where(forward, genes["start"], genes["end"])[gene_of_peak]
    side = generator.choice([-1, 1], n_peaks)
    near = first + side * _log_uniform(*NEAR, n_peaks, generator)
    anywhere = generator.integers(0, SPACE * int(np.ceil(n_genes / N_CHROMOSOMES)) - WIDTH, n_peaks)
    start = np.where(gene_of_peak >= 0, near, anywhere)
    elsewhere = _chromosomes(generator.integers(0, min(n_genes, N_CHROMOSOMES), n_peaks))
    chromosome = np.where(gene_of_peak >= 0, genes["chrom"].to_numpy()[gene_of_peak], elsewhere)
    names = pd.Index([f"peak_{j:0{len(str(n_peaks - 1))}d}" for j in range(n_peaks)])
    columns = {"chrom": chromosome, "start": start, "end": start + WIDTH, "regulatory": gene_of_peak >= 0}
    return pd.DataFrame(columns, index=names)


def _draw_peak_links(
    gene_of_peak: NDArray[np.int64], n_genes: int, generator: Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Gene and peak of each link: a peak and the gene near it; for some genes, and for those without, another's."""
    near = np.flatnonzero(gene_of_peak >= 0)
    distal = generator.choice(near, n_genes)
    genes = np.arange(n_genes)
    wanted = (generator.random(n_genes) < DISTAL) | ~np.isin(genes, gene_of_peak)
    linked = np.flatnonzero(wanted & (gene_of_peak[distal] != genes))
    gene, peak = np.concatenate([gene_of_peak[near], linked]), np.concatenate([near, distal[linked]])
    order = np.lexsort((peak, gene))
    return gene[order], peak[order]


def _draw_tf_links(genes: pd.DataFrame, n_tfs: int, generator: Generator) -> pd.DataFrame:
    """Each gene that is none itself is regulated by none, one or two transcription factors."""
    most = min(TFS_PER_GENE, n_tfs)
    number = generator.integers(0, most + 1, len(genes))
    number[:n_tfs] = 0
    tf = [generator.choice(n_tfs, k, replace=False) for k in number[n_tfs:]] if n_tfs else []
    tf_of = np.concatenate([*tf, np.empty(0, np.int64)]).astype(np.int64)
    names = {"tf": genes.index.to_numpy()[tf_of], "gene": np.repeat(genes.index.to_numpy(), number)}
    return pd.DataFrame({**names, "effect": _effects(len(tf_of), *TF_EFFECT, generator)})


def _effects(n: int, smallest: float, largest: float, generator: Generator) -> NDArray[np.float64]:
    sign = np.where(generator.random(n) < ACTIVATING, 1, -1)
    return np.asarray(sign * generator.uniform(smallest, largest, n))


def _chromosomes(numbers: NDArray[np.int64]) -> NDArray[np.object_]:
    return np.array([f"chr{c + 1}" for c in range(N_CHROMOSOMES)], dtype=object)[numbers]


def _log_uniform(low: float, high: float, n: int, generator: Generator) -> NDArray[np.int64]:
    return np.exp(generator.uniform(np.log(low), np.log(high), n)).astype(np.int64)


def _matrix(links: pd.DataFrame, source: str, sources: pd.Index, targets: pd.Index) -> NDArray[np.float64]:
    effects = np.zeros((len(sources), len(targets)))
    rows, columns = sources.get_indexer(pd.Index(links[source])), targets.get_indexer(pd.Index(links["gene"]))
    effects[rows, columns] = links["effect"]
    return effects
