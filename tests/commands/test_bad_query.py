"""`jamie embed` and `jamie impute` with cells and models that do not fit, and with some that merely look so."""

import json
import shutil

import anndata
import mudata
import numpy as np
import pytest

from jamie.data.assemble import mudata_conventions
from tests.conftest import Place

SETTINGS = {"rna": {"layer": "counts", "preprocess": ["log_normalize", "standardize"]}, "protein": {}}
EMBED = ("embed", "out", "cells.h5mu", "--out", "new.h5mu", "--quiet")
IMPUTE = ("impute", "out", "cells.h5mu", "--source", "rna", "--to", "protein", "--out", "new.h5ad", "--quiet")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run directory."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("trained")
        patch.chdir(folder)
        place = Place(folder)
        place.works(place.run(modalities=SETTINGS))
        return place.out


@pytest.fixture
def query(place, trained):
    """A place with a trained model in `out`."""
    shutil.copytree(trained, place.out)
    return place


def embedded(place, *options):
    place.works(place.call(*EMBED, *options))
    with mudata_conventions():
        mdata = mudata.read_h5mu("new.h5mu")
    return {m: adata.obsm["X_jamie"] for m, adata in mdata.mod.items()}


def imputed(place, *options):
    place.works(place.call(*IMPUTE, *options))
    return anndata.read_h5ad("new.h5ad")


def no_source(m):
    del m["rna"]


def no_layer(m):
    del m["rna"].layers["counts"]


def few_features(m):
    m["rna"] = m["rna"][:, :9].copy()


def other_names(m):
    m["rna"].var_names = [f"ENSG{i}" for i in range(12)]


def names_in_a_column(m):
    m["rna"].var["symbol"] = list(m["rna"].var_names)
    other_names(m)


def upper_case(m):
    m["rna"].var_names = m["rna"].var_names.str.upper()


def nan(m):
    m["rna"].layers["counts"][1, 2] = np.nan


def negative(m):
    m["rna"].layers["counts"][1, 2] = -1


def no_cells(m):
    m["rna"] = m["rna"][:0].copy()


def repeated_cells(m):
    m["rna"].obs_names = ["cell1", *m["rna"].obs_names[1:]]


CELLS = {
    "layer absent": (no_layer, "modality 'rna': expected layer 'counts', found no such layer\n"),
    "a quarter of the features missing": (
        few_features,
        "modality 'rna': expected the features that the model was fitted on, at most 20 % of them missing; 3 of 12 "
        "features (25 %) are missing: 'gene9', 'gene10', 'gene11'; they carry 25 % of the variance that the model "
        "reads\n  add the missing features, or raise max_missing",
    ),
    "other names of features": (
        other_names,
        "12 of 12 features (100 %) are missing: 'gene0', 'gene1', 'gene2', ...; they carry 100 % of the variance that "
        "the model reads\n"
        "  use the model's names, such as 'gene0' (the data's first is 'ENSG0'), or raise max_missing",
    ),
    "names of features in another column": (
        names_in_a_column,
        "reads\n  var column 'symbol' holds the model's names: set adata.var_names = adata.var['symbol'], or raise",
    ),
    "names of features in another case": (
        upper_case,
        "reads\n  the names differ in case: 'GENE0' in the data is 'gene0' in the model; rename them, or raise",
    ),
    "NaN": (
        nan,
        "modality 'rna': expected finite values, found 1 (0.28 %) that are NaN or infinite in layer 'counts'; the "
        "first is cell 'cell1', feature 'gene2'\n  the model was trained without fill_missing: remove these cells or "
        "values, or train again with fill_missing first",
    ),
    "negative counts": (
        negative,
        "rna, preprocessor 'log_normalize': expected counts, found 1 negative values (0.28 %); the first is -1 in cell",
    ),
    "no cells": (no_cells, "modality 'rna': expected cells, found none\n  leave this modality out"),
    "cell names repeat": (
        repeated_cells,
        "cells.h5mu, modality 'rna': expected each cell to have a name of its own, found 1 that repeat another's; the "
        "first is 'cell1'\n  add the sample or batch to the names",
    ),
}


@pytest.mark.parametrize("command", [EMBED, IMPUTE], ids=["embed", "impute"])
@pytest.mark.parametrize(("change", "message"), CELLS.values(), ids=CELLS.keys())
def test_cells_that_do_not_fit(query, modalities, command, change, message):
    change(modalities)
    query.write(modalities)
    query.refused(query.call(*command), message)
    assert not list(query.folder.glob("*new*"))


class TestModalities:
    def test_none_that_the_model_knows(self, query, modalities):
        query.write({"atac": modalities["rna"]})
        message = "embed: expected at least one of the modalities rna, protein, found atac\n  name the modalities as in"
        query.refused(query.call(*EMBED), message)

    def test_the_source_is_absent(self, query, modalities):
        no_source(modalities)
        query.write(modalities)
        message = "cells.h5mu: expected the modality 'rna', found protein\n  available: protein"
        query.refused(query.call(*IMPUTE), message)

    @pytest.mark.parametrize("option", ["--source", "--to"])
    def test_one_that_the_model_does_not_know(self, query, modalities, option):
        query.write(modalities)
        message = "model: expected a modality of the model, found 'atac'\n  choose one of rna, protein"
        query.refused(query.call(*IMPUTE, option, "atac"), message)

    def test_one_alone_is_embedded(self, query, modalities):
        query.write(modalities)
        expected = embedded(query)
        query.write({"rna": modalities["rna"]})
        np.testing.assert_allclose(embedded(query, "--overwrite")["rna"], expected["rna"], atol=1e-6)


def test_order_of_features_and_extra_ones_change_nothing(query, modalities):
    query.write(modalities)
    expected, values = embedded(query), imputed(query)
    extra = modalities["rna"].copy()
    extra.var_names = [f"other{i}" for i in range(12)]
    extra.layers["counts"][:] = np.nan  # no obstacle: the model does not read them
    wider = anndata.concat([modalities["rna"], extra], axis="var", merge="first")
    modalities["rna"] = wider[:, np.random.default_rng(0).permutation(24)].copy()
    query.write(modalities)
    np.testing.assert_allclose(embedded(query, "--overwrite")["rna"], expected["rna"], atol=1e-6)
    np.testing.assert_allclose(imputed(query, "--overwrite").X, values.X, atol=1e-5)


def test_missing_features_within_the_limit_are_filled_with_a_notice(query, modalities):
    few_features(modalities)
    query.write(modalities)
    done = query.call(*EMBED, "--max-missing", "0.3")
    query.works(
        done,
        "WARNING: modality 'rna': 3 of 12 features (25 %) are missing: 'gene9', 'gene10', 'gene11'; they carry 25 % of "
        "the variance that the model reads; filled with their means in the training cells",
    )


def test_values_on_another_scale_are_noticed(query, modalities):
    counts = modalities["rna"].layers["counts"]
    notice = "WARNING: modality 'rna': the features' mean is {:.3g} in these cells and was {:.3g} in the training cells"
    message = notice.format(20 * counts.mean(), counts.mean())
    query.write(modalities)
    done = query.call(*EMBED)
    query.works(done)
    assert "the features' mean" not in done.stderr
    modalities["rna"].layers["counts"] = 20 * counts
    query.write(modalities)
    done = query.call(*EMBED, "--overwrite")
    query.works(done, f"{message}; give layer 'counts' on the scale that the model was trained on")


def test_counts_and_other_values_are_not_taken_for_each_other(query, modalities):
    modalities["rna"].layers["counts"] = np.log1p(modalities["rna"].layers["counts"])
    query.write(modalities)
    message = (
        "modality 'rna': the model was trained on counts, and layer 'counts' holds values that are negative or not"
    )
    query.works(query.call(*EMBED), f"WARNING: {message} whole; give the layer of counts")
    other = modalities["protein"]
    other.X = np.arange(other.X.size, dtype=np.float32).reshape(other.X.shape)
    query.write(modalities)
    message = (
        "modality 'protein': X looks like raw counts (whole numbers up to 239), and the training cells' values did"
    )
    query.works(query.call(*EMBED, "--overwrite"), f"WARNING: {message} not; give values like those that the model was")


@pytest.mark.parametrize("change", ["one cell", "centred", "no feature shared"])
def test_of_such_values_the_scale_is_not_judged(query, modalities, change):
    if change == "one cell":
        modalities["rna"] = modalities["rna"][:1].copy()
        modalities["rna"].layers["counts"] = 20 * modalities["rna"].layers["counts"]
    elif change == "centred":
        modalities["protein"].X = 20 * modalities["protein"].X
    else:
        other_names(modalities)
    query.write(modalities)
    done = query.call(*EMBED, "--max-missing", "1")
    query.works(done)
    assert "the features' mean" not in done.stderr


def other_format(folder, number, version):
    path = folder / "model.json"
    plain = json.loads(path.read_text()) | {"format": number, "version": version}
    path.write_text(json.dumps({key: value for key, value in plain.items() if value is not None}))


def other_size(folder):
    path = folder / "model.json"
    plain = json.loads(path.read_text())
    plain["spec"]["model"]["latent_dim"] = 5
    path.write_text(json.dumps(plain))


DAMAGED = {
    "later format": (
        lambda folder: other_format(folder, 5, "7.1"),
        "{folder}/out/model/model.json: expected a model of format 4, found 5, written by jamie 7.1\n"
        "  install jamie-toolkit==7.1, or train the model again",
    ),
    "older format": (
        lambda folder: other_format(folder, 2, None),
        "model.json: expected a model of format 4, found 2\n"
        "  install the version of jamie that wrote it (manifest.json of the run names it), or train the model again",
    ),
    "no format": (
        lambda folder: (folder / "model.json").write_text("[]"),
        "model.json: expected a model of format 4, found list\n",
    ),
    "cut description": (
        lambda folder: (folder / "model.json").write_text('{"format": 4,'),
        "out/model: expected a model, found files that cannot be read or do not fit each other (JSONDecodeError: ",
    ),
    "cut weights": (
        lambda folder: (folder / "network.safetensors").write_bytes(b"123"),
        "found files that cannot be read or do not fit each other (ValueError: network.safetensors is not the file",
    ),
    "no weights": (
        lambda folder: (folder / "network.safetensors").unlink(),
        "found files that cannot be read or do not fit each other (FileNotFoundError: ",
    ),
    "weights of another model": (
        other_size,
        "found files that cannot be read or do not fit each other (RuntimeError: Error(s) in loading state_dict",
    ),
}


class TestModel:
    @pytest.mark.parametrize(("damage", "message"), DAMAGED.values(), ids=DAMAGED.keys())
    def test_that_is_damaged(self, query, modalities, damage, message):
        query.write(modalities)
        damage(query.out / "model")
        query.refused(query.call(*EMBED), message.replace("{folder}/", ""))

    def test_that_is_none(self, query, modalities):
        query.write(modalities)
        (query.folder / "empty").mkdir()
        message = "empty: expected a model, found no model.json\n  give the run directory of a finished run, its model"
        query.refused(query.call("embed", "empty", *EMBED[2:]), message)

    def test_that_lacks_a_plugin(self, query):
        plugin = query.folder / "mine.py"
        plugin.write_text(
            'import jamie\n\n\nclass Mine(jamie.Schedule):\n    """A schedule."""\n\n    name = "mine"\n\n'
            "    def __call__(self, step, horizon):\n        return 1.0\n"
        )
        query.works(query.run(None, "--overwrite", plugins=["mine.py"], losses={"kl": {"schedule": "mine"}}))
        plugin.unlink()
        absent = (
            "plugin {folder}/mine.py: no such file; without it there is no schedule 'mine', and what needs it fails\n"
        )
        query.works(query.call(*EMBED), absent)


class TestOutput:
    def test_exists(self, query, modalities):
        query.write(modalities)
        embedded(query)
        query.refused(query.call(*EMBED), "new.h5mu: exists already\n  give another name, or --overwrite")

    @pytest.mark.parametrize(
        ("out", "message"),
        [
            ("new.h5ad", "new.h5ad: expected a name that ends in .h5mu or .zarr\n  write new.h5mu or new.zarr"),
            ("cells.h5mu/new.h5mu", "cells.h5mu/new.h5mu: cannot be written (File exists)\n  give another name"),
            ("folder.h5mu", "folder.h5mu: expected a file, found a folder\n  give another name"),
        ],
    )
    def test_cannot_be_written(self, query, modalities, out, message):
        query.write(modalities)
        (query.folder / "folder.h5mu").mkdir()
        query.refused(query.call(*EMBED, "--overwrite", "--out", out), message)

    def test_no_data(self, query):
        message = "cells.h5mu: expected a MuData file (.h5mu or .zarr), found no such file\n  check the path"
        query.refused(query.call(*EMBED), message)
