"""Bad specs and data: each ends in exit code 2 and a message that says what to do."""

import mudata
import numpy as np
import pytest

from jamie.data.assemble import mudata_conventions

OTHER_LOSSES = ("kl", "combination", "reconstruction", "cross_reconstruction", "contrastive")  # of the default preset


class TestSpec:
    def test_all_errors_are_told_at_once_in_line_order_with_their_place(self, place):
        (place.folder / "wrong.yaml").write_text(
            "data: {simulate_branch: {n_cells: 30}}\n"
            "correspondence: {infer: unoincom}\n"
            "model: {latent_dims: 3}\n"
            "training: {batch_size: many}\n"
        )
        done = place.call("run", "wrong.yaml", "--out", place.out)
        place.refused(
            done,
            "wrong.yaml:2:25  correspondence.infer: unknown correspondence 'unoincom'\n"
            "    2 | correspondence: {infer: unoincom}\n"
            "      |                         ^^^^^^^^\n"
            "  did you mean 'unioncom'?   available: anchor_distance, auto, ",
        )
        place.refused(
            done,
            "wrong.yaml:3:9  model.latent_dims: unknown key 'latent_dims'\n"
            "    3 | model: {latent_dims: 3}\n"
            "      |         ^^^^^^^^^^^\n"
            "  did you mean 'latent_dim'?   allowed: latent_dim, aggregator, stack\n"
            "wrong.yaml:4:24  training.batch_size: expected a whole number >= 2, found 'many'\n",
        )
        assert not place.out.exists()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (None, "wrong.yaml: no such file\n  give a YAML file or a preset: default, fast, "),
            ("", "wrong.yaml  'data' is missing\n  data (reader): Where the cells come from."),
            ("data: {mudata: {path: a\n", "wrong.yaml:2:1  not YAML: while parsing a flow mapping expected ',' or '}'"),
            ("data: table\ndata: tenx\n", "wrong.yaml:2:1  key 'data' is given twice, first in line 1"),
            (b"\xff\xfe", "wrong.yaml: cannot be read as text: 'utf-8' codec can't decode byte 0xff"),
        ],
        ids=["absent", "empty", "not yaml", "key twice", "not text"],
    )
    def test_a_file_that_is_no_spec(self, place, text, message):
        if text is not None:
            (place.folder / "wrong.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        place.refused(place.call("run", "wrong.yaml", "--out", place.out), message)

    def test_a_folder_is_no_spec(self, place):
        place.refused(place.call("run", place.folder), "{folder}: is a folder, not a spec\n  give a YAML file")

    @pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta"])
    def test_a_device_that_is_not_there(self, place, name):
        done = place.run(training={"device": name})
        place.refused(done, f"training.device: device '{name}' cannot be used here (")
        place.refused(done, "\n  use auto")
        assert not place.out.exists()


class TestFiles:
    def test_a_missing_file_names_both_places_tried(self, place, monkeypatch):
        monkeypatch.setenv("JAMIE_DATA", "/data")
        place.refused(
            place.run(data={"mudata": {"path": "nope.h5mu"}}),
            "spec.yaml:2:18  data.mudata.path: no such file 'nope.h5mu'\n"
            "    2 |   mudata: {path: nope.h5mu}\n"
            "      |                  ^^^^^^^^^\n"
            "  looked for {folder}/nope.h5mu and /data/nope.h5mu (beside the spec, $JAMIE_DATA)",
        )

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "found an empty file\n  write or copy it again"),
            (b"a,b\n1,2\n", "found a file that is not HDF5\n  it may be cut short or of another format: for text"),
        ],
        ids=["empty", "text"],
    )
    def test_a_file_of_another_format(self, place, content, message):
        (place.folder / "wrong.h5mu").write_bytes(content)
        done = place.run(data={"mudata": {"path": "wrong.h5mu"}})
        place.refused(done, "{folder}/wrong.h5mu: expected a MuData file (.h5mu or .zarr), " + message)
        assert (place.manifest()["status"], place.manifest()["code"]) == ("failed", "data")

    def test_a_file_that_is_cut_short(self, place, modalities):
        place.write(modalities)
        (place.folder / "cut.h5mu").write_bytes((place.folder / "cells.h5mu").read_bytes()[:3000])
        done = place.run(data={"mudata": {"path": "cut.h5mu"}})
        place.refused(
            done, "cut.h5mu: expected a MuData file (.h5mu or .zarr), found a file that cannot be read as one ("
        )
        place.refused(done, "  it may be cut short or of another format: write or copy it again, or choose the reader")

    def test_a_file_of_one_modality(self, place, modalities):
        modalities["rna"].write_h5ad(place.folder / "rna.h5ad")
        place.refused(
            place.run(data={"mudata": {"path": "rna.h5ad"}}),
            "X, layers, obs, obsm, obsp, uns, var, varm, varp\n  this looks like an .h5ad file: use {anndata: {paths:",
        )


def rna(**settings):
    return {"modalities": {"rna": settings, "protein": {}}}


def nan(m):
    m["rna"].X[3, 4], m["rna"].X[5, 6] = np.nan, np.inf


def infinite(m):
    m["rna"].X[5, 6] = np.inf


def repeated_cells(m):
    m["rna"].obs_names = ["cell1", *m["rna"].obs_names[1:]]


def two_cells(m):
    m["protein"] = m["protein"][:2].copy()


def all_constant(m):
    m["rna"].X[:] = 1


def negative(m):
    m["rna"].layers["counts"][2, 3] = -4


def no_names_in_common(m):
    m["rna"].obs_names = [f"AAAC{i}" for i in range(30)]


def one_name_in_common(m):
    m["rna"].obs_names = ["cell0", *(f"AAAC{i}" for i in range(29))]


def no_features(m):
    m["protein"] = m["protein"][:, :0].copy()


def unchanged(m):
    """Leave the cells as they are."""


NO_PAIRS = (
    "and none is to be inferred, so nothing would connect the modalities\n"
    "  set correspondence.infer (such as auto) and add the loss alignment, or give pairs: names that occur in both "
    "modalities, known: table, or known: matrix"
)
DATA = {
    "NaN and infinite": (
        nan,
        {},
        "modalities.rna: expected finite values, found 2 (0.56 %) that are NaN or infinite in X; the first is cell "
        "'cell3', feature 'gene4'\n  put fill_missing first in this modality's preprocess to fill NaN, or remove",
    ),
    "infinite although NaN is filled": (
        infinite,
        rna(preprocess=["fill_missing"]),
        "modalities.rna: expected finite values, found 1 that are infinite in X; the first is cell 'cell5', feature "
        "'gene6'\n  an infinite value is not a missing one: correct it, or set it to NaN to have it filled",
    ),
    "layer absent": (
        unchanged,
        rna(layer="count"),
        "spec.yaml:5:16  modalities.rna.layer: expected layer 'count', found no such layer\n"
        "  did you mean 'counts'?   available: counts",
    ),
    "layer of the target absent": (
        unchanged,
        rna(target={"layer": "count"}),
        "modalities.rna.target.layer: expected layer 'count', found no such layer\n  did you mean 'counts'?",
    ),
    "label absent": (
        unchanged,
        {"labels": ["celltype"]},
        "spec.yaml:3:9  labels: expected a column 'celltype' in obs, found it in no modality\n"
        "  did you mean 'cell_type'?   available: cell_type",
    ),
    "modality absent": (
        unchanged,
        {"modalities": {"rna": {}, "protien": {}}},
        "modalities: expected modality 'protien' in the data, found no such modality\n"
        "  did you mean 'protein'?   available: rna, protein",
    ),
    "one modality": (
        unchanged,
        {"modalities": {"rna": {}}},
        "modalities: expected at least two modalities, found rna\n  only those named are used: rna; the data also hold "
        "protein; name them too, such as modalities.protein: {}",
    ),
    "cell names repeat": (
        repeated_cells,
        {},
        "cells.h5mu, modality 'rna': expected each cell to have a name of its own, found 1 that repeat another's; the "
        "first is 'cell1'\n  add the sample or batch to the names, the same way in every modality",
    ),
    "two cells": (
        two_cells,
        {},
        "modality 'protein': expected at least 3 cells, found 2\n  leave this modality out, or add cells",
    ),
    "too few cells after the hold-out": (
        unchanged,
        {"evaluate": {"holdout": {"fraction": 0.95}}},
        "evaluate.holdout, modality 'rna': expected at least 3 cells to train on, found 2 of 30\n"
        "  hold out fewer cells",
    ),
    "all features constant": (
        all_constant,
        {},
        "rna: expected features that vary, found all 12 constant over the 30 training cells\n  choose another layer",
    ),
    "no features": (
        no_features,
        {},
        "modalities.protein: expected features in X, found none\n  choose another layer or obsm, or leave this "
        "modality out: name only those you want under modalities",
    ),
    "negative counts": (
        negative,
        rna(layer="counts", preprocess=["log_normalize"]),
        "modalities.rna: expected counts in layer 'counts' for log_normalize, found 1 negative value (0.28 %); the "
        "first is -4 in cell 'cell2', feature 'gene3'\n  a count cannot be negative: correct these values, or leave ",
    ),
    "no shared cells": (
        no_names_in_common,
        {},
        "pairing 'by_name': expected names of cells that occur in two of rna, protein, found none (they look like "
        "'AAAC0', 'cell0')\n  make the names of cells that were measured in two modalities agree, or give their pairs",
    ),
    "nothing known": (
        unchanged,
        {"correspondence": {"known": "none", "infer": None}},
        "spec.yaml:12:17  correspondence: no pair of cells is known " + NO_PAIRS,
    ),
    "every pair hidden": (
        unchanged,
        {"evaluate": {"known_pairs": {"fraction": 0}}, "correspondence": {"infer": None}},
        "correspondence: no pair of cells is known (evaluate.known_pairs.fraction is 0) " + NO_PAIRS,
    ),
    "fewer than 5 % shared": (
        one_name_in_common,
        {},
        "pairing 'by_name', modalities 'rna' and 'protein': expected at least 5 % of the smaller modality's cells to "
        "share their names, found 1 of 30 (3.3 %); the first is 'cell0'\n"
        "  barcodes coincide by chance: add the sample to the names or use 'known: none'",
    ),
    "no loss but one without its correspondence": (
        unchanged,
        {"losses": {"alignment": 1, **dict.fromkeys(OTHER_LOSSES, 0)}, "correspondence": {"infer": None}},
        "losses: expected at least one loss with a weight above 0 that does without an inferred correspondence, as "
        "correspondence.infer is null\n",
    ),
}


@pytest.mark.parametrize(("change", "settings", "message"), DATA.values(), ids=DATA.keys())
def test_data_that_do_not_fit(place, modalities, change, settings, message):
    change(modalities)
    place.refused(place.run(modalities, **settings), message)


@pytest.mark.parametrize("refused", ["rna/nuclei", "CD4+"])
def test_a_modality_that_cannot_be_the_name_of_a_file_or_reads_as_several(place, modalities, refused):
    for name, adata in modalities.items():
        adata.write_h5ad(place.folder / f"{name}.h5ad")
    done = place.run(data={"anndata": {"paths": {refused: "rna.h5ad", "protein": "protein.h5ad"}}})
    message = (
        f"modalities: expected names of modalities without '/' and '+', found '{refused}'\n  rename it in the data"
    )
    place.refused(done, message)


def constant_feature(m):
    m["rna"].X[:, 2] = 1


def repeated_genes(m):
    m["rna"].var_names = ["gene1", *m["rna"].var_names[1:]]


def genes_of_both(m):
    m["protein"].var_names = m["rna"].var_names[:8]


def labels_in_one(m):
    del m["rna"].obs["cell_type"]


def labels_as_numbers(m):
    for adata in m.values():
        adata.obs["cell_type"] = (adata.obs["cell_type"] == "T").astype(int)


def labels_missing(m):
    m["rna"].obs.loc["cell3", "cell_type"] = np.nan
    m["protein"].obs["cell_type"] = m["protein"].obs["cell_type"].astype("category")
    m["protein"].obs.loc["cell4", "cell_type"] = np.nan


WORKS = {
    "constant feature": (constant_feature, "rna: dropped 1 of 12 features, constant over the training cells: gene2"),
    "genes that repeat": (
        repeated_genes,
        "modality 'rna': 1 features repeat the name of another (first: 'gene1'); they are renamed 'gene1-1' and so on",
    ),
    "genes of both modalities": (genes_of_both, ""),
    "labels in one modality": (labels_in_one, ""),
    "labels missing": (labels_missing, ""),
    "labels as numbers": (labels_as_numbers, ""),
}


@pytest.mark.filterwarnings("error::FutureWarning")
@pytest.mark.parametrize(("change", "notice"), WORKS.values(), ids=WORKS.keys())
def test_data_that_are_odd_and_work(place, modalities, change, notice):
    change(modalities)
    place.works(place.run(modalities), notice)
    with mudata_conventions():
        result = mudata.read_h5mu(place.out / "result.h5mu")
    assert {m: result[m].shape for m in result.mod} == {"rna": (30, 12), "protein": (30, 8)}
    assert result["rna"].var_names.is_unique
    for m, adata in modalities.items():
        np.testing.assert_array_equal(result[m].X, adata.X)
        assert np.isfinite(result[m].obsm["X_jamie"]).all()


def test_labels_in_one_modality_score_its_partners_too(place, modalities):
    place.works(place.run(modalities))
    expected = place.records()
    labels_in_one(modalities)
    place.works(place.run(modalities, "--overwrite"))
    assert place.records() == expected


def test_cells_without_a_label_are_not_scored(place, modalities):
    labels_missing(modalities)
    place.works(place.run(modalities))
    assert {r["n_cells"] for r in place.records() if r["metric"] == "label_transfer_accuracy"} == {29}
