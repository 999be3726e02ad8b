"""Values at perfection and at chance."""

import numpy as np
import pytest

from jamie.builtins import load_registry
from jamie.core.evaluation import EmbeddedPair, ImputedPair, MatchedPair
from jamie.testing import controls

N_A, N_B = controls.perfect_matching().truth.shape
CHANCE = (1 / N_A + 1 / N_B) / 2
SUBJECTS = {
    EmbeddedPair: (controls.perfect_embedding, controls.independent_noise, controls.collapsed_embedding),
    ImputedPair: (controls.perfect_imputation, controls.independent_imputation, controls.constant_imputation),
    MatchedPair: (controls.perfect_matching, controls.uniform_matching, controls.absent_matching),
}
# perfect, unrelated (and how far from it a sample of this size may be), collapsed; None where no number is known
VALUES = {
    "foscttm": (0, (0.5, 0.1), 0.5),
    "label_transfer_accuracy": (1, (1 / 3, 0.2), None),
    "silhouette": (None, (0, 0.1), 0),
    "davies_bouldin": (None, None, np.inf),
    "modality_mixing": (None, (0.9, 0.1), 0),
    "matching": (1, (CHANCE, 1e-9), 0),
    "barycentric_foscttm": (0, (0.5, 0.1), None),
    "barycentric_label_transfer_accuracy": (1, (1 / 3, 0.2), None),
    "pearson": (1, (0, 0.15), 0),
    "spearman": (1, (0, 0.15), 0),
    "auroc": (1, (0.5, 0.1), 0.5),
    "mse": (0, None, None),
    "r2": (1, (-1, 0.3), 0),
    "cell_pearson": (1, (0, 0.15), 0),
    "js_distance": (0, None, None),
    "interval_coverage": (1, None, None),
    "interval_width": (0.02, (2, 1e-9), 2),
}
METRICS = {c.name: c for r in [load_registry()] for c in r.components("metric") if r.provider(c).name == "jamie"}


def test_every_metric_has_its_values_pinned():
    assert set(VALUES) == set(METRICS)


@pytest.mark.parametrize("name", VALUES)
def test_values_at_perfection_and_at_chance(name):
    metric = METRICS[name]()
    perfect, unrelated, collapsed = (metric.score(subject()).value for subject in SUBJECTS[metric.reads])
    expected = VALUES[name]
    assert expected[0] is None or perfect == pytest.approx(expected[0], abs=1e-9)
    assert expected[1] is None or unrelated == pytest.approx(expected[1][0], abs=expected[1][1])
    assert expected[2] is None or collapsed == pytest.approx(expected[2], abs=1e-9)


def test_modalities_that_lie_apart_are_not_mixed():
    assert METRICS["modality_mixing"]().score(controls.separated_modalities()).value == pytest.approx(0, abs=1e-9)
