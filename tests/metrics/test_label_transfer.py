import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.neighbors import KNeighborsClassifier

from jamie.core.errors import DataError
from jamie.metrics.classification_report import classification_report
from jamie.metrics.label_transfer import LatentCells, transfer_labels


def cells(name, z, labels, split="train"):
    labels = np.array(labels, dtype=object)
    index = pd.Index([f"{name}{i}" for i in range(len(z))])
    return LatentCells(name, index, np.asarray(z, float), labels, np.resize(np.array(split, dtype=object), len(z)))


@pytest.fixture
def pair():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(80, 3))
    labels = np.where(z[:, 0] > 0.4, "T", np.where(z[:, 1] > 0, "B", "NK"))
    z_target = z[:50] + 0.5 * generator.normal(size=(50, 3))
    return cells("rna", z, labels), cells("adt", z_target, labels[:50], ["train", "train", "held_out"])


def test_predictions_equal_scikit_learn_weighted_by_distance(pair):
    source, target = pair
    expected = KNeighborsClassifier(5, weights="distance").fit(source.z, list(source.labels))
    table = transfer_labels(source, target, k=5).table
    assert list(table["predicted"]) == list(expected.predict(target.z))
    np.testing.assert_allclose(table["confidence"], expected.predict_proba(target.z).max(axis=1), rtol=1e-12)
    assert list(table["cell"]) == list(target.cells)
    assert 0.4 < (table["predicted"] == table["truth"]).mean() < 1


def test_cells_at_one_point_have_all_votes(pair):
    source, _ = pair
    same = cells("adt", source.z[:4], source.labels[:4])
    table = transfer_labels(source, same).table
    assert list(table["confidence"]) == [1.0] * 4
    assert list(table["predicted"]) == list(source.labels[:4])


def test_a_partner_has_no_vote(pair):
    source, _ = pair
    target = cells("adt", source.z, source.labels)
    table = transfer_labels(source, target, 3, sparse.eye_array(80, format="csr")).table
    for i in range(80):
        others = np.arange(80) != i
        expected = KNeighborsClassifier(3, weights="distance").fit(source.z[others], list(source.labels[others]))
        assert table["predicted"][i] == expected.predict(source.z[[i]])[0]
        assert table["confidence"][i] == pytest.approx(expected.predict_proba(source.z[[i]]).max(), abs=1e-12)


def test_only_labelled_training_cells_vote():
    source = cells("rna", [[0], [1], [5], [np.nan]], ["T", None, "B", "NK"], ["train", "train", "held_out", "train"])
    found = transfer_labels(source, cells("adt", [[5], [np.nan]], [None, "T"]), k=2)
    assert found.n_labelled == found.k == 1
    assert found.table["predicted"].tolist() == ["T", None]
    assert found.table["truth"].tolist() == [None, "T"]
    assert found.reports == ()


def test_labels_that_the_source_lacks_are_reported(caplog):
    source = cells("rna", [[0], [1]], ["T", "B"])
    found = transfer_labels(source, cells("adt", [[0], [0], [1]], ["NK", "NK", "B"]), k=1)
    assert found.unseen == {"NK": 2}
    assert "adt: no labeled training cell of rna has these labels, so none is predicted: NK (2)" in caplog.text


def test_a_source_without_labelled_training_cells():
    source = cells("rna", [[0], [1]], ["T", None], ["held_out", "train"])
    message = "modality 'rna': expected labeled training cells, found none among 2 cells of rna, 1 of them labeled"
    with pytest.raises(DataError, match=message):
        transfer_labels(source, cells("adt", [[0]], ["T"]))


def test_assessment_equals_scikit_learn(pair):
    source, target = pair
    found = transfer_labels(source, target)
    whole, held_out = found.reports
    table = found.table
    assert (whole.n_cells, held_out.n_cells) == (50, 16)
    assert whole.accuracy == pytest.approx((table["truth"] == table["predicted"]).mean())
    assert whole.balanced_accuracy == pytest.approx(balanced_accuracy_score(table["truth"], table["predicted"]))
    recalls = recall_score(table["truth"], table["predicted"], average=None)
    assert [one["recall"] for one in whole.by_label] == pytest.approx(recalls)
    assert held_out == classification_report(
        table[table["split"] == "held_out"], source.labels.astype(str), "held_out_cells"
    )


def test_baselines_and_calibration():
    table = pd.DataFrame(
        {
            "predicted": ["T", "T", "B", "B", None],
            "truth": ["T", "B", "B", "B", "T"],
            "confidence": [1.0, 0.9, 0.55, 0.5, np.nan],
        }
    )
    found = classification_report(table, np.array(["T", "T", "T", "B"]))
    assert (found.n_cells, found.n_scored, found.accuracy) == (5, 4, 0.75)
    assert found.majority_accuracy == 0.25  # T, the source's most frequent label
    assert found.chance_accuracy == pytest.approx(0.75 * 0.25 + 0.25 * 0.75)
    assert [(one["from"], one["n_cells"], one["accuracy"]) for one in found.by_confidence] == [
        (0.5, 2, 1),
        (0.9, 2, 0.5),
    ]
    assert found.calibration_error == pytest.approx((2 * (1 - 0.525) + 2 * (0.95 - 0.5)) / 4)
