"""A run of which something cannot be written: no training is in vain, and one command finishes it."""

import json
from pathlib import Path

import anndata
import mudata
import pandas as pd
import pytest
from mudata import MuData

import jamie
from jamie.core.errors import OutputError

WRITE = MuData.write_h5mu
PARTNERS = ("imputed/rna-to-protein.h5ad", "imputed/protein-to-rna.h5ad")


@pytest.fixture
def full_disk(monkeypatch):
    """Let the disk be full for files whose name starts so."""

    def fill(part):
        def write(mdata, path, **options):
            if Path(path).name.startswith(part):
                raise OSError(28, "No space left on device")
            WRITE(mdata, path, **options)

        monkeypatch.setattr(MuData, "write_h5mu", write)

    return fill


def test_annotations_of_all_sorts_stop_no_run(place, modalities, monkeypatch):
    rna, protein = modalities["rna"], modalities["protein"]
    rna.obs["CD4/CD8"] = ["low", "high", None] * 10
    rna.obs["mixed"] = [1, "a"] * 15
    rna.uns |= {"function": print, "nothing": None, "both": (1, 2)}
    rna.obs.index = pd.Index(pd.array(list(rna.obs_names), dtype="string"))
    protein.obs["donor"] = pd.array(["d1", None] * 15, dtype="string")
    protein.obs["qc"] = pd.array([True, None] * 15, dtype="boolean")
    protein.var["variable"] = [True, None] * 4
    place.write_spec()
    monkeypatch.setattr("jamie.data.readers.mudata.MuDataReader._read", lambda reader, context: MuData(modalities))
    place.works(
        place.call("run", "spec.yaml", "--out", place.out, "--set", "labels=[CD4/CD8]"), "'CD4/CD8' as 'CD4|CD8'"
    )
    result = mudata.read_h5mu(place.out / "result.h5mu")
    assert result["rna"].obs["CD4|CD8"].isna().sum() == 10
    assert result["rna"].obs["mixed"].tolist() == ["1", "a"] * 15
    assert result["protein"].obs["donor"].isna().sum() == result["protein"].obs["qc"].isna().sum() == 15
    assert result["protein"].var["variable"].isna().sum() == 4
    assert list(result["rna"].uns) == ["both", "nothing"] or "function" not in result["rna"].uns
    imputed = anndata.read_h5ad(place.out / PARTNERS[0])
    assert imputed.obs["CD4|CD8"].isna().sum() == 10
    assert imputed.var["variable"].isna().sum() == 4
    place.works(place.call("transfer", place.out, "--label", "CD4/CD8", "--source", "rna", "--to", "protein"))


def test_what_cannot_be_written_is_found_before_training(place, full_disk):
    place.write_spec()
    full_disk(".trial")
    with pytest.raises(OutputError, match=r"annotations of the data cannot be written .*, so nothing was trained"):
        jamie.run("spec.yaml", out=place.out)
    assert not (place.out / "model").exists()
    assert not list(place.out.glob(".*"))


def test_a_result_that_cannot_be_written_costs_nothing_else_and_one_command_finishes_the_run(
    place, full_disk, monkeypatch
):
    full_disk(".result")
    done = place.run()
    command = ("run", str(place.out / "spec.resolved.yaml"), "--out", str(place.out), "--resume")
    place.refused(done, "result.h5mu could not be written (cannot be written ([Errno 28] No space left on device))")
    assert "jamie " + " ".join(command) in " ".join(done.stderr.split())
    assert all((place.out / name).exists() for name in ("model", "metrics.json", "methods.json", *PARTNERS))
    assert place.manifest()["status"] == "failed"
    scores = place.records()
    monkeypatch.undo()
    monkeypatch.chdir(place.folder)
    epochs = (place.out / "history.csv").read_text()
    place.works(place.call(*command))
    assert place.manifest()["status"] == "finished"
    assert place.records() == scores
    assert (place.out / "history.csv").read_text() == epochs
    assert (place.out / "result.h5mu").is_file()
    events = [json.loads(line) for line in (place.out / "events.jsonl").read_text().splitlines()]
    assert sum(one["event"] == "progress" and one.get("stage") == "training" for one in events) > 0


def test_layouts_that_fail_cost_no_run(place, monkeypatch, caplog):
    def broken(*_):
        raise ValueError("no neighbours")

    monkeypatch.setattr("jamie.commands.write_results.compute_layouts", broken)
    place.works(place.run(report=["html"]), "layouts failed, and the run is without them: ValueError: no neighbours")
    assert (place.out / "result.h5mu").is_file()


def test_embedded_cells_are_written_whatever_stands_beside_them(place, modalities, monkeypatch):
    place.works(place.run())
    modalities["rna"].obs["a/b"] = [1, "x"] * 15
    monkeypatch.setattr("jamie.data.readers.mudata.MuDataReader._read", lambda reader, context: MuData(modalities))
    place.works(place.call("embed", place.out, "cells.h5mu", "--out", "embedded.h5mu"), "'a/b' as 'a|b'")
    assert mudata.read_h5mu("embedded.h5mu")["rna"].obs["a|b"].tolist() == ["1", "x"] * 15
