import logging
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from jamie.core.context import Context
from jamie.core.data import Split
from jamie.core.errors import DataError
from jamie.data import dataset_from, load_dataset
from jamie.data.pairings.matrix import MatrixPairing
from jamie.data.pairings.none import NoPairing
from jamie.data.readers.mudata import MuDataReader
from jamie.data.readers.simulate_branch import SimulateBranch
from jamie.methods.result import MethodResult
from jamie.metrics.evaluate import evaluate
from jamie.metrics.foscttm import FOSCTTM
from jamie.preprocess.fill_missing import FillMissing
from jamie.preprocess.log_normalize import LogNormalize


def test_loads_cells_by_name_with_their_labels_and_pairs(mdata, make):
    loaded = dataset_from(mdata, make.spec(labels=["cell_type", "donor"]), Context())
    data = loaded.dataset
    assert list(data.modalities) == ["rna", "atac"]
    rows, columns = data.truth.between("rna", "atac").pairs()
    rna, atac = data.modalities["rna"], data.modalities["atac"]
    assert list(rna.cells[rows]) == list(atac.cells[columns]) == ["c2", "c3", "c4", "c5"]
    assert list(atac.obs["donor"]) == [f"d_{name}" for name in atac.cells]
    assert list(rna.obs["cell_type"]) == list("aabbab")
    assert rna.target is rna.input
    assert loaded.pairing_table.pairs[0].shared_a == 4


def test_matched_cells_take_the_label_of_their_partner(mdata, make, caplog):
    with caplog.at_level(logging.INFO, "jamie"):
        data = dataset_from(mdata, make.spec(labels=["cell_type"]), Context()).dataset
    assert data.modalities["atac"].obs["cell_type"].dropna().to_dict() == {"c2": "b", "c3": "b", "c4": "a", "c5": "b"}
    assert (
        "labels: obs of atac has no column 'cell_type'; 4 of 7 cells are scored by the label of their partner in rna"
    ) in caplog.messages
    assert "cell_type" not in mdata["atac"].obs


def test_a_label_of_one_modality_without_pairs_is_not_scored(mdata, make, caplog):
    mdata["atac"].obs_names = [f"d{i}" for i in range(7)]
    data = dataset_from(mdata, make.spec(labels=["cell_type"], pairing=NoPairing()), Context()).dataset
    assert "cell_type" not in data.modalities["atac"].obs
    assert (
        "labels: obs of atac has no column 'cell_type', so nothing is scored by it there; put the column into the "
        "MuData's own obs"
    ) in caplog.messages


def test_spec_orders_and_chooses_modalities_layers_and_targets(mdata, make):
    target = SimpleNamespace(layer="counts", obsm=None, preprocess=[])
    spec = make.spec(modalities={"*": {}, "atac": {}, "rna": {"target": target}})
    data = dataset_from(mdata, spec, Context()).dataset
    assert list(data.modalities) == ["atac", "rna"]
    assert data.modalities["rna"].target.origin == "layer 'counts'"
    np.testing.assert_array_equal(data.modalities["rna"].target.X, np.ones((6, 4)))
    np.testing.assert_array_equal(data.modalities["rna"].input.X, mdata["rna"].X)


def test_callers_data_are_not_modified(mdata, make):
    mdata["rna"].var_names = ["g", "g", "h", "i"]
    before = mdata["rna"].X.copy()
    data = dataset_from(mdata, make.spec(labels=["donor"]), Context()).dataset
    assert list(data.modalities["rna"].input.features) == ["g", "g-1", "h", "i"]
    assert list(mdata["rna"].var_names) == ["g", "g", "h", "i"]
    assert "donor" not in mdata["rna"].obs
    np.testing.assert_array_equal(mdata["rna"].X, before)


def test_pairing_table_is_logged(mdata, make, caplog):
    with caplog.at_level(logging.INFO, "jamie"):
        dataset_from(mdata, make.spec(), Context())
    assert "rna + atac       4      4           2            3" in caplog.text


def test_nan_is_refused_with_its_place(mdata, make):
    mdata["rna"].X[2, 1] = np.nan
    mdata["rna"].X[3, 0] = np.inf
    with pytest.raises(
        DataError, match=r"(?s)modalities.rna: expected finite values, found 2 \(8.3 %\) .*'c2'.*'g1'.*fill_"
    ):
        dataset_from(mdata, make.spec(), Context())


def test_nan_is_accepted_where_it_will_be_filled_but_infinity_is_not(mdata, make):
    fill = SimpleNamespace(cls=FillMissing)
    spec = make.spec(modalities={"*": {}, "rna": {"preprocess": [fill]}, "atac": {}})
    mdata["rna"].X[2, 1] = np.nan
    assert np.isnan(dataset_from(mdata, spec, Context()).dataset.modalities["rna"].input.X[2, 1])
    mdata["rna"].X[2, 1] = -np.inf
    with pytest.raises(DataError, match=r"found 1 that are infinite in X; the first is cell 'c2', feature 'g1'"):
        dataset_from(mdata, spec, Context())


def test_absent_label_names_the_nearest(mdata, make):
    with pytest.raises(DataError, match=r"(?s)labels: expected a column 'cel_type'.*did you mean 'cell_type'"):
        dataset_from(mdata, make.spec(labels=["cel_type"]), Context())


def test_absent_modality_names_the_nearest(mdata, make):
    with pytest.raises(DataError, match=r"(?s)modalities: expected modality 'rma'.*did you mean 'rna'.*rna, atac"):
        dataset_from(mdata, make.spec(modalities={"rma": {}, "atac": {}}), Context())


def test_one_modality_is_refused(mdata, make):
    with pytest.raises(DataError, match="expected at least two modalities, found rna"):
        dataset_from(mdata, make.spec(modalities={"rna": {}}), Context())
    only = make.mdata({"rna": mdata["rna"]})
    with pytest.raises(DataError, match=r"expected at least two modalities, found rna\n  add another modality"):
        dataset_from(only, make.spec(), Context())


def test_a_modality_without_any_value_is_better_left_out(mdata, make):
    mdata["rna"].X[:] = np.nan
    message = (
        r"found 24 \(100 %\) that are NaN .*\n  choose another layer or obsm, or leave this modality out: name only"
    )
    with pytest.raises(DataError, match=message):
        dataset_from(mdata, make.spec(), Context())


@pytest.mark.parametrize("as_matrix", [np.asarray, sparse.csr_matrix])
def test_raw_counts_that_nothing_normalises_are_noticed(mdata, make, as_matrix, caplog):
    mdata["rna"].X = as_matrix(np.diag([4494, 3, 0, 1, 0, 2])[:, :4].astype(np.float32))
    dataset_from(mdata, make.spec(), Context())
    assert caplog.messages == [
        "modality 'rna' looks like raw counts (whole numbers up to 4494): put log_normalize first in "
        "modalities.rna.preprocess, or choose a normalised layer"
    ]


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        ([0, 30.5], []),
        ([0, -30], []),
        ([0, 1], []),  # open or closed, methylated or not
        ([0, 30], [SimpleNamespace(cls=LogNormalize)]),
    ],
)
def test_other_values_are_not_taken_for_raw_counts(mdata, make, values, steps, caplog):
    mdata["rna"].X = np.resize(values, (6, 4)).astype(np.float32)
    dataset_from(mdata, make.spec(modalities={"*": {}, "rna": {"preprocess": steps}, "atac": {}}), Context())
    assert not caplog.messages


def test_fewer_than_three_cells_are_refused(make):
    mdata = make.mdata({"rna": make.adata("abc", 2), "atac": make.adata("ab", 2)})
    with pytest.raises(DataError, match="modality 'atac': expected at least 3 cells, found 2"):
        dataset_from(mdata, make.spec(), Context())


def test_duplicate_cells_are_refused(mdata, make):
    mdata["rna"].obs_names = ["a", "b", "a", "d", "e", "f"]
    with pytest.raises(DataError, match=r"modality 'rna': expected each cell .* found 1 that repeat .* 'a'"):
        dataset_from(mdata, make.spec(), Context())


@pytest.fixture
def spread(tmp_path):
    """Confidence 0.9 of the partner, the cell of the reverse order, and 0.001 of every other cell."""
    soft = np.full((8, 8), 0.001, np.float32)
    soft[np.arange(8), np.arange(8)[::-1]] = 0.9
    np.save(tmp_path / "soft.npy", soft)
    return MatrixPairing(paths={"rna--atac": tmp_path / "soft.npy"})


@pytest.fixture
def eight_cells(make):
    return make.mdata({m: make.adata([f"{m}{i}" for i in range(8)], 3) for m in ("rna", "atac")})


@pytest.mark.parametrize(("fraction", "n_told"), [(0, 0), (0.5, 4), (1, 8)])
def test_of_spread_confidences_only_the_likeliest_pairs_are_true(fraction, n_told, eight_cells, spread, make, caplog):
    spec = make.spec(pairing=spread, known_fraction=fraction)
    with caplog.at_level(logging.INFO, "jamie"):
        loaded = dataset_from(eight_cells, spec, Context())
    truth, known = (c.between("rna", "atac") for c in (loaded.dataset.truth, loaded.dataset.known))
    np.testing.assert_array_equal(truth.matrix.toarray() > 0, np.eye(8)[::-1])
    assert "rna--atac: of 64 known pairs, 8 are both cells' best" in caplog.text
    assert known.n_pairs == n_told**2
    hidden = truth.without(known)
    assert hidden.n_pairs == 8 - n_told
    assert not set(hidden.pairs()[0]) & set(known.pairs()[0])
    (row,) = loaded.pairing_table.pairs
    assert (row.shared_a, row.known_a) == (8, n_told)


def test_a_told_cell_that_is_nobodys_best_is_not_counted_as_paired(eight_cells, tmp_path, make):
    soft = np.diag([0.9] * 7 + [0.0])
    soft[7, 0] = 0.5
    np.save(tmp_path / "soft.npy", soft)
    pairing = MatrixPairing(paths={"rna--atac": tmp_path / "soft.npy"})
    loaded = dataset_from(eight_cells, make.spec(pairing=pairing), Context())
    assert (loaded.dataset.truth.n_pairs, loaded.dataset.known.n_pairs) == (7, 8)
    assert (loaded.pairing_table.pairs[0].known_a, loaded.pairing_table.alone["rna"]) == (7, 1)


def test_equally_likely_partners_are_told(eight_cells, tmp_path, make, caplog):
    np.save(tmp_path / "groups.npy", np.kron(np.eye(4), np.ones((2, 2))))
    pairing = MatrixPairing(paths={"rna--atac": tmp_path / "groups.npy"})
    with caplog.at_level(logging.WARNING, "jamie"):
        assert dataset_from(eight_cells, make.spec(pairing=pairing), Context()).dataset.truth.n_pairs == 16
    assert "rna--atac: 16 cells have several equally likely partners; in evaluation each of these" in caplog.text


def test_spread_confidences_do_not_flatter_the_scores(eight_cells, spread, make):
    data = dataset_from(eight_cells, make.spec(pairing=spread), Context()).dataset
    z = np.arange(8, dtype=np.float32)[:, None]
    apart = {"rna": z, "atac": z + 100}  # reversed: every cell's partner is at the other end
    matched = {"rna": z, "atac": z[::-1]}
    split = Split({m: np.ones(8, bool) for m in apart})
    assert [
        evaluate([MethodResult("jamie", latents=z)], data, split, [FOSCTTM()]).records[0].value
        for z in (matched, apart)
    ] == [0, 7 / 16]


def test_simulated_cells_load(make):
    reader = SimulateBranch(n_cells=20, n_features=(5, 6), overlap=0.5)
    loaded = load_dataset(make.spec(reader, labels=["cell_type"], known_fraction=0.5), Context())
    assert loaded.dataset.truth.n_pairs == 10
    assert loaded.dataset.known.n_pairs == 5
    assert loaded.pairing_table.pairs[0].known_a == 5


def test_real_data_load(jamie_data, make):
    reader = MuDataReader(path=jamie_data / "scgem.h5mu")
    data = load_dataset(make.spec(reader, labels=["cell_type"]), Context()).dataset
    assert data.sizes == {"rna": 177, "methyl": 177}
    assert data.truth.between("rna", "methyl").n_pairs == 177
    assert data.modalities["rna"].input.X.dtype == np.float32
