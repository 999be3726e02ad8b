"""Meaning of the metrics, for readers who meet them first on the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jamie.core.names import ALL_CELLS, HELD_OUT_CELLS, HELD_OUT_PAIRS, TRAINING_CELLS

SCOPES = {
    HELD_OUT_CELLS: "held-out cells: nothing was fitted on them",
    HELD_OUT_PAIRS: "training cells whose pairs nobody was told: neither the model nor any inferer or other method",
    TRAINING_CELLS: "training cells: scores are too good for any model",
    ALL_CELLS: "all cells, including training cells",
}


@dataclass(frozen=True)
class MetricGuide:
    """How to read a metric.

    Parameters
    ----------
    title
        Its name.
    meaning
        What it measures, one sentence.
    reading
        Which values are good, and the value by chance.
    """

    title: str
    meaning: str
    reading: str = ""


METRICS: Mapping[str, MetricGuide] = {
    "foscttm": MetricGuide(
        "FOSCTTM",
        "Fraction of cells of the other modality that lie nearer to a cell than its true partner does (fraction of "
        "samples closer than the true match).",
        "0 is perfect, 0.5 is chance. Below 0.1 the modalities are aligned finely; from 0.4 on, hardly at all.",
    ),
    "label_transfer_accuracy": MetricGuide(
        "Label-transfer accuracy",
        "Fraction of cells whose label is predicted correctly by their nearest neighbors in the other modality.",
        "1 is perfect; chance depends on how many labels there are and how common each is.",
    ),
    "matching": MetricGuide(
        "Inferred partners",
        "Share of a cell's inferred confidence that its true partner has.",
        "1 is perfect, 1 / number of cells is chance. Small values are usual: many cells are alike.",
    ),
    "barycentric_foscttm": MetricGuide(
        "FOSCTTM of inferred partners",
        "FOSCTTM of cells that are placed at the mean of their inferred partners, among the preprocessed cells of the "
        "other modality: what the inferred partners are worth without a model.",
        "0 is perfect, 0.5 is chance.",
    ),
    "barycentric_label_transfer_accuracy": MetricGuide(
        "Label transfer by inferred partners",
        "Fraction of cells whose label is predicted correctly where they are placed at the mean of their inferred "
        "partners, by the nearest cells of the other modality.",
        "True partners need not give 1, as the nearest cells may be of another label.",
    ),
    "modality_mixing": MetricGuide(
        "Mixing of modalities",
        "Whether the neighbors of a cell come from all modalities (normalized iLISI).",
        "1 is mixed everywhere, 0 is separate. Mixing alone does not show that the right cells are mixed.",
    ),
    "silhouette": MetricGuide(
        "Silhouette of labels",
        "Whether cells of one label are close together and apart from others.",
        "1 is compact and separate, 0 is overlapping.",
    ),
    "davies_bouldin": MetricGuide(
        "Davies-Bouldin index", "How much the groups of cells of a label overlap.", "0 is best."
    ),
    "pearson": MetricGuide(
        "Pearson correlation",
        "Correlation over cells of imputed and measured values, a mean over features.",
        "1 is perfect, 0 is chance. What is possible depends on the data: sparse counts seldom exceed 0.3, proteins or "
        "ephys features often reach 0.6 and more. So compare with the other methods.",
    ),
    "spearman": MetricGuide(
        "Spearman correlation",
        "Pearson correlation of ranks: monotone relations count fully.",
        "1 is perfect, 0 is chance.",
    ),
    "auroc": MetricGuide(
        "AUROC",
        "How often an imputed value is higher in a cell where the feature is high (or present) than in one where it is "
        "low, a mean over features.",
        "1 is perfect, 0.5 is chance.",
    ),
    "r2": MetricGuide(
        "R²",
        "Fraction of the variance over cells that imputed values explain, a mean over features.",
        "1 is perfect, 0 is as good as the mean; below 0 is worse than the mean.",
    ),
    "mse": MetricGuide("Mean squared error", "Mean squared difference of imputed and measured values.", "0 is best."),
    "cell_pearson": MetricGuide(
        "Correlation within cells",
        "Correlation over features of imputed and measured values, a mean over cells.",
        "1 is perfect; high values are easy, as some features are high in every cell.",
    ),
    "js_distance": MetricGuide(
        "Jensen-Shannon distance",
        "Distance of the distributions of measured and imputed values, by feature and label.",
        "0 is best. With few cells of a label it is near 1 for any method.",
    ),
    "interval_coverage": MetricGuide(
        "Coverage of intervals",
        "How often the measured value lies within the interval of the imputed one.",
        "It should equal the nominal level, 90 % unless the spec sets another.",
    ),
    "interval_width": MetricGuide(
        "Width of intervals",
        "Mean width of the intervals, in standard deviations of the feature.",
        "Narrower is better, as long as the coverage is right.",
    ),
}


def guide_of(metric: str) -> MetricGuide:
    """Return how to read a metric; for one that is not built in, only its name."""
    return METRICS.get(metric, MetricGuide(metric.replace("_", " "), ""))


def guides(metrics: Iterable[str]) -> list[MetricGuide]:
    """Return how to read each of the built-in metrics among `metrics`."""
    return [METRICS[metric] for metric in dict.fromkeys(metrics) if metric in METRICS]
