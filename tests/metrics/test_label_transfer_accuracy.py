import numpy as np
import pytest
from scipy import sparse
from sklearn.neighbors import KNeighborsClassifier

from jamie.core.errors import DataError
from jamie.core.evaluation import EmbeddedPair
from jamie.metrics.label_transfer_accuracy import LabelTransferAccuracy


@pytest.fixture
def pair():
    """Noisy copies of 60 cells of 3 overlapping types."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 60)
    z = rng.normal(size=(60, 4)) + codes[:, None]
    labels = np.array(["a", "b", "c"], dtype=object)[codes]
    return EmbeddedPair(
        "rna", "atac", z, z + 0.3 * rng.normal(size=z.shape), sparse.eye_array(60, format="csr"), labels, labels.copy()
    )


@pytest.mark.parametrize(("k", "n_neighbors"), [(1, 1), (5, 5), ("paper", 4), (500, 60)])
def test_label_transfer_accuracy_equals_scikit_learn(pair, k, n_neighbors):
    classifier = KNeighborsClassifier(n_neighbors).fit(pair.z_source, list(pair.labels_source))
    expected = classifier.score(pair.z_target, list(pair.labels_target))
    assert LabelTransferAccuracy(k=k).score(pair).value == expected
    assert 0.3 < expected < 1 or k == 500


def test_label_transfer_accuracy_without_the_partner_equals_one_classifier_per_cell(pair):
    correct = []
    for i in range(60):
        others = np.arange(60) != i
        classifier = KNeighborsClassifier(5).fit(pair.z_source[others], list(pair.labels_source[others]))
        correct.append(classifier.predict(pair.z_target[i : i + 1])[0] == pair.labels_target[i])
    assert LabelTransferAccuracy(leave_partner_out=True).score(pair).value == pytest.approx(np.mean(correct), abs=1e-12)


def test_label_transfer_accuracy_without_partners_to_leave_out_is_the_plain_one(pair):
    unpaired = EmbeddedPair(**{**vars(pair), "truth": sparse.csr_array((60, 60))})
    left_out = LabelTransferAccuracy(leave_partner_out=True).score(unpaired).value
    assert left_out == LabelTransferAccuracy().score(pair).value


def test_label_transfer_accuracy_leaves_out_cells_without_a_label(pair):
    few = EmbeddedPair(**{**vars(pair), "labels_source": pair.labels_source.copy()})
    few.labels_source[10:] = None
    few.labels_target[:5] = np.nan
    classifier = KNeighborsClassifier(5).fit(pair.z_source[:10], list(pair.labels_source[:10]))
    expected = classifier.score(pair.z_target[5:], list(pair.labels_target[5:]))
    assert LabelTransferAccuracy().score(few).value == expected


def test_label_transfer_accuracy_needs_labels(pair):
    without = EmbeddedPair(**{**vars(pair), "labels_target": np.full(60, None)})
    with pytest.raises(DataError, match="expected labels, found none for the cells of atac\n  name a column of obs"):
        LabelTransferAccuracy().score(without)
