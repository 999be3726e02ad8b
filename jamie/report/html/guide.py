"""What metrics mean, in words for someone who meets them first on the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jamie.core.names import ALL_CELLS, HELD_OUT_CELLS, HELD_OUT_PAIRS, TRAINING_CELLS

SCOPES = {
    HELD_OUT_CELLS: "cells that were held out: nothing was fitted on them",
    HELD_OUT_PAIRS: "cells that the model was trained on without being told which of them belong together",
    TRAINING_CELLS: "cells that the model was trained on, which flatters any model",
    ALL_CELLS: "all cells, those trained on among them",
}


@dataclass(frozen=True)
class Guide:
    """How to read a metric.

    Parameters
    ----------
    title
        Its name in words.
    meaning
        What is measured, one sentence.
    reading
        Which values are good, and what chance gives.
    """

    title: str
    meaning: str
    reading: str = ""


METRICS: Mapping[str, Guide] = {
    "foscttm": Guide(
        "FOSCTTM",
        "Fraction of cells of the other modality that lie nearer to a cell than its true partner does (fraction of "
        "samples closer than the true match).",
        "0 is perfect, 0.5 is chance. Below 0.1 the modalities are aligned finely; from 0.4 on, hardly at all.",
    ),
    "label_transfer_accuracy": Guide(
        "Label transfer accuracy",
        "How often a cell gets its right label from its nearest neighbours among the cells of the other modality.",
        "1 is perfect; chance depends on how many labels there are and how common each is.",
    ),
    "matching": Guide(
        "Inferred partners",
        "Part of a cell's inferred confidence that falls on its true partner.",
        "1 is perfect, 1 / number of cells is chance. Small values are usual: many cells are alike.",
    ),
    "modality_mixing": Guide(
        "Mixing of modalities",
        "Whether the neighbours of a cell come from all modalities (iLISI, normalised).",
        "1 is mixed everywhere, 0 apart. Mixing alone says nothing of whether the right cells are mixed.",
    ),
    "silhouette": Guide(
        "Silhouette of labels",
        "Whether cells of one label lie close together and apart from others.",
        "1 is compact and apart, 0 overlapping.",
    ),
    "davies_bouldin": Guide("Davies-Bouldin index", "How much the groups of cells of a label overlap.", "0 is best."),
    "pearson": Guide(
        "Pearson correlation",
        "Correlation over cells of imputed and measured values, a mean over features.",
        "1 is perfect, 0 is nothing. What is possible depends on the data: sparse counts seldom exceed 0.3, "
        "proteins or ephys features often reach 0.6 and more. So compare with the other methods.",
    ),
    "spearman": Guide(
        "Spearman correlation",
        "As Pearson's, of ranks in place of values: monotone relations count fully.",
        "1 is perfect, 0 is nothing.",
    ),
    "auroc": Guide(
        "AUROC",
        "How often an imputed value is higher in a cell where the feature is high (or present) than in one where it is "
        "low, a mean over features.",
        "1 is perfect, 0.5 is chance.",
    ),
    "r2": Guide(
        "R²",
        "Part of the variance over cells that imputed values explain, a mean over features.",
        "1 is perfect, 0 is as good as the mean; below 0 is worse than the mean.",
    ),
    "mse": Guide("Mean squared error", "Mean squared difference of imputed and measured values.", "0 is best."),
    "cell_pearson": Guide(
        "Correlation within cells",
        "Correlation over features of imputed and measured values, a mean over cells.",
        "1 is perfect; high values are easy, as some features are high in every cell.",
    ),
    "js_distance": Guide(
        "Jensen-Shannon distance",
        "Distance of the distributions of measured and imputed values, by feature and label.",
        "0 is best. With few cells of a label it is near 1 for any method.",
    ),
    "interval_coverage": Guide(
        "Coverage of intervals",
        "How often the measured value lies within the interval of the imputed one.",
        "It should be the level that was asked for, 90 % unless the spec says otherwise.",
    ),
    "interval_width": Guide(
        "Width of intervals",
        "Mean width of the intervals, in standard deviations of the feature.",
        "Narrower is better, as long as the coverage is right.",
    ),
}


def guide_of(metric: str) -> Guide:
    """Return how to read a metric; of one that is not built in, its name alone."""
    return METRICS.get(metric, Guide(metric.replace("_", " "), ""))


def guides(metrics: Iterable[str]) -> list[Guide]:
    """Return how to read each of several metrics, as far as there is something to say."""
    return [METRICS[metric] for metric in dict.fromkeys(metrics) if metric in METRICS]
