"""A run, read from its directory."""

import json

import numpy as np
import pandas as pd
import pytest

import jamie
from jamie.core.errors import OutputError
from jamie.runs import run as run_module


@pytest.fixture(scope="module")
def run(finished):
    return jamie.Run(finished.out)


def test_everything_of_a_run_is_read_from_its_directory(finished, run):
    assert run.status == "finished"
    assert repr(run) == f"Run({str(finished.out)!r}: finished)"
    assert run.spec.labels == ["cell_type"]
    assert [entry["method"] for entry in run.methods] == ["jamie", "procrustes_pairs"]
    assert run.metric_records == finished.records()
    np.testing.assert_allclose(run.metrics["value"], [record["value"] for record in finished.records()])
    assert set(run.history["member"]) == {0}
    assert list(run.model.modalities) == list(run.mdata.mod) == list(run.obs) == ["rna", "protein"]
    assert run.mdata["rna"].obsm["X_jamie"].shape == (60, 3)
    assert run.imputed("rna", "protein").shape == (60, 8)
    assert run.explanations == {}
    assert run.warnings == tuple(dict.fromkeys(run.warnings))


def test_the_tables_of_mdata_are_those_of_the_files(run):
    pd.testing.assert_series_equal(
        run.mdata.uns["jamie"]["metrics"]["value"], run.metrics["value"], check_index=False, check_names=False
    )


def test_known_pairs_of_two_modalities(run):
    pairs = run.correspondence("rna", "protein")
    np.testing.assert_array_equal(pairs.matrix.toarray(), np.eye(60))
    np.testing.assert_array_equal(run.correspondence("protein", "rna").matrix.toarray(), np.eye(60))
    with pytest.raises(OutputError, match="unknown modality 'atac'"):
        run.correspondence("rna", "atac")


def test_inferred_partners_fill_in_for_unknown_ones(place):
    evaluate = {"holdout": {"fraction": 0}, "known_pairs": {"fraction": 0.5}}
    correspondence = {"infer": {"gromov_wasserstein": {}}, "check": 0, "at_chance": "keep"}
    place.works(place.run(evaluate=evaluate, correspondence=correspondence))
    pairs = jamie.Run(place.out).correspondence("rna", "protein").matrix
    known = np.load(place.out / "correspondence/rna--protein.npz")
    assert len(known["data"]) == 15
    assert (pairs.max(axis=1).toarray() > 0).all()
    assert (pairs.diagonal()[known["indices"]] == 1).all()


def test_an_imputed_modality_that_was_not_written(run):
    with pytest.raises(OutputError, match=r"rna-to-atac.h5ad: expected imputed values, found none\n  impute it with"):
        run.imputed("rna", "atac")
    assert run.find_imputed("rna", "atac") is None


def test_imputed_values_too_large_for_a_page_are_not_found(run, monkeypatch):
    assert run.find_imputed("rna", "protein") is not None
    monkeypatch.setattr(run_module, "LARGEST_SHOWN", 0)
    assert run.find_imputed("rna", "protein") is None


def test_a_folder_that_is_no_run_directory(tmp_path):
    with pytest.raises(
        OutputError, match=r"expected a run directory, found no manifest.json\n  give the directory that"
    ):
        jamie.Run(tmp_path)


@pytest.mark.parametrize(("number", "found"), [(None, 1), (3, 3)])
def test_a_run_directory_of_another_format_names_the_version_that_wrote_it(place, number, found):
    place.works(place.run())
    manifest = place.manifest() | {"format": number, "versions": {"jamie-toolkit": "0.0.9"}}
    (place.out / "manifest.json").write_text(json.dumps({k: v for k, v in manifest.items() if v is not None}))
    message = (
        f"{{folder}}/out/manifest.json: expected a run directory of format 2, found format {found}, "
        "written by jamie 0.0.9\n  run the spec again, or install the version that wrote it"
    )
    place.refused(place.call("evaluate", place.out), message)
    place.refused(place.run(None, "--resume"), message)
    place.works(place.run(None, "--overwrite"))


def test_a_run_that_lacks_a_file(place):
    place.works(place.run())
    (place.out / "metrics.csv").unlink()
    message = "{folder}/out/metrics.csv: expected a file of a finished run, found none"
    place.refused(place.call("evaluate", place.out), message)
