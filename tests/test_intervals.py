"""Intervals in a run: calibrated on calibration cells, and scored together with those of a method."""

import json

import numpy as np
import pytest
from anndata import read_h5ad

import jamie
from jamie.commands.evaluate import evaluate_run
from jamie.core.errors import SpecError
from jamie.core.package_versions import layer_names
from jamie.data.assemble import mudata_conventions
from jamie.data.readers.simulate_pairs import SimulatePairs

METRICS = ["interval_coverage", "interval_width"]
SPEC = {
    "data": {"mudata": {"path": "cells.h5mu"}},
    "modalities": {"*": {"preprocess": ["standardize"], "encoder": "linear", "decoder": "linear"}},
    "model": {"latent_dim": 6},
    "losses": {"cross_reconstruction": {"weight": 31.25}},
    "training": {
        "min_epochs": 20,
        "max_epochs": 20,
        "batch_size": 64,
        "learning_rate": 0.01,
        "validation": 0.1,
        "calibration": 0.2,
        "ensemble": 2,
    },
    "evaluate": {"compare": ["ridge", "knn"], "intervals": {"methods": ["ridge"]}, "metrics": METRICS},
}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("intervals")
    cells = SimulatePairs(n_cells=300, n_features=(12, 9), modalities=("rna", "adt"), overlap=1.0).read()
    with mudata_conventions():
        cells.write_h5mu(folder / "cells.h5mu")
    return jamie.run({**SPEC, "data": {"mudata": {"path": str(folder / "cells.h5mu")}}}, out=folder / "run")


def values(records):
    return {(r["method"], r["source"], r["metric"]): r["value"] for r in records if not r["part"]}


def test_the_model_and_the_methods_named_have_intervals_and_no_others(result):
    found = values(json.loads((result.path / "metrics.json").read_text()))
    assert {method for method, _, _ in found} == {"jamie", "ridge"}
    for method in ("jamie", "ridge"):
        for source in ("rna", "adt"):
            # 60 held-out cells of 9 or 12 features, calibrated on 96 cells
            assert found[method, source, "interval_coverage"] == pytest.approx(0.9, abs=0.06)
            assert 0.5 < found[method, source, "interval_width"] < 4


def test_a_finished_run_is_scored_again_by_its_files(result):
    before = values(json.loads((result.path / "metrics.json").read_text()))
    after = values([one.as_dict() for one in evaluate_run(result.path).records])
    assert after == pytest.approx(before, rel=1e-6)


def test_layers_agree_with_what_the_saved_model_imputes(result):
    written = read_h5ad(result.path / "imputed/rna-to-adt.h5ad")
    assert set(layer_names(written)) == {"sd", "lower", "upper", "ridge", "ridge_lower", "ridge_upper", "knn"}
    assert (written.layers["sd"] > 0).all()
    loaded = jamie.load(result.path)
    again = loaded.impute(result.mdata, source="rna", to="adt")[written.obs_names]
    for layer in ("lower", "upper", "sd"):
        np.testing.assert_allclose(again.layers[layer], written.layers[layer], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(again.var["imputability"], written.var["imputability"])
    held_out = written.obs["jamie_split"] == "held_out"
    measured = result.mdata["adt"][written.obs_names].X
    error = np.sqrt(((measured - written.X)[held_out] ** 2).mean())
    assert np.sqrt((written.layers["sd"][held_out] ** 2).mean()) == pytest.approx(error, rel=0.15)


def test_out_of_distribution_cells_have_high_novelty_and_a_warning(result, caplog):
    loaded = jamie.load(result.path)
    adata = result.mdata["rna"]
    held_out = adata[adata.obs["jamie_split"] == "held_out"]
    assert 0.3 < loaded.impute(held_out, source="rna", to="adt").obs["jamie_novelty"].mean() < 0.7
    assert not [r for r in caplog.records if "out-of-distribution" in r.getMessage()]
    other = held_out.copy()
    other.X = other.X[:, ::-1] + 3 * adata.X.std(axis=0)
    far = loaded.impute(other, source="rna", to="adt")
    assert (far.obs["jamie_novelty"] >= 0.99).mean() > 0.5
    assert (
        "cells are out-of-distribution: further from the training cells than nearly all held-out training cells"
        in caplog.text
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"evaluate.intervals.methods": ["mlp"]}, r"expected methods of evaluate.compare \(knn, ridge\), found 'mlp'"),
        ({"training.calibration": 0.0}, "calibrated on calibration cells, and training.calibration is 0"),
    ],
)
def test_methods_that_cannot_have_intervals_are_refused(changed, message, tmp_path):
    with pytest.raises(SpecError, match=message):
        jamie.run(SPEC, out=tmp_path / "run", overrides=changed)


def test_without_calibration_cells_there_are_no_intervals(result):
    model = jamie.JAMIE({**SPEC, "evaluate": {"metrics": []}}, {"training.calibration": 0.0}).fit(result.mdata)
    imputed = model.impute(result.mdata, source="rna", to="adt")
    assert not imputed.layers
    assert "imputability" not in imputed.var
    assert "jamie_novelty" in imputed.obs
