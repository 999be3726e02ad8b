"""`jamie transfer` on a finished run: what it predicts, whom it asks, what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest

import jamie
from jamie.data.assemble import mudata_conventions

COLUMNS = ["cell", "predicted", "confidence", "truth", "split"]


@pytest.fixture
def transfer(finished):
    """Call the command on the run, and read what it prints as JSON."""

    def call(*options, fails=False):
        done = finished.call("transfer", finished.out, *options, "--json")
        assert done.exit_code == (2 if fails else 0), done.output
        return json.loads(done.stdout)

    return call


def test_every_cell_of_the_target_is_predicted(finished, tmp_path):
    out = tmp_path / "types.csv"
    done = finished.call("transfer", finished.out, "--label", "cell_type", "--out", out)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(out)
    assert list(table.columns) == COLUMNS
    assert list(table["cell"]) == [f"cell{i}" for i in range(60)]
    assert set(table["predicted"]) <= {"T", "B"}
    assert table["confidence"].between(0.5, 1).all()
    assert table["split"].value_counts().to_dict() == {"train": 42, "held_out": 18}
    assert "rna → protein, 5 neighbors of 42 labeled cells" in done.stdout
    assert "scored by the label of their partner in rna" in done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80 + len(str(out))


@pytest.mark.parametrize(("options", "left_out"), [(("--keep-partner",), False), ((), True)])
def test_one_neighbour_gives_the_label_transfer_accuracy(finished, transfer, options, left_out):
    """Held-out cells' partners are no training cells, so that only the training cells differ by their own vote."""
    found = transfer("--label", "cell_type", "--k", 1, *options)
    table = pd.DataFrame(found["predictions"])
    train = table[table["split"] == "train"]
    (expected,) = (
        record["value"]
        for record in finished.records()
        if (record["scope"], record["metric"]) == ("training_cells", "label_transfer_accuracy")
        and (record["method"], record["source"]) == ("jamie", "rna")
        and record["parameters"]["leave_partner_out"] == left_out
    )
    assert (train["predicted"] == train["truth"]).mean() == pytest.approx(expected)


def test_scores_are_of_all_cells_and_of_held_out_cells(transfer):
    found = transfer("--label", "cell_type")
    table = pd.DataFrame(found["predictions"])
    whole, held_out = found["reports"]
    assert (whole["scope"], held_out["scope"]) == ("all", "held_out_cells")
    assert whole["accuracy"] == pytest.approx((table["predicted"] == table["truth"]).mean())
    kept = table[table["split"] == "held_out"]
    assert held_out["accuracy"] == pytest.approx((kept["predicted"] == kept["truth"]).mean())
    assert (found["source"], found["target"], found["n_labelled"]) == ("rna", "protein", 42)


def test_another_method_of_the_run(transfer):
    ours, others = (transfer("--label", "cell_type", "--method", m) for m in ("jamie", "procrustes_pairs"))
    assert ours["predictions"] != others["predictions"]
    assert [row["cell"] for row in ours["predictions"]] == [row["cell"] for row in others["predictions"]]


def test_new_cells(finished, transfer, modalities):
    new = modalities["protein"]
    new.obs_names = [f"new{i}" for i in range(30)]
    new.write_h5ad(finished.folder / "new.h5ad")
    options = ("--label", "cell_type", "--source", "rna", "--to", "protein", "--data", finished.folder / "new.h5ad")
    found = transfer(*options)
    assert {row["split"] for row in found["predictions"]} == {"new"}
    (whole,) = found["reports"]
    assert whole["n_scored"] == 30
    error = transfer(*options, "--method", "procrustes_pairs", fails=True)["error"]
    assert "expected --method jamie for new cells, found 'procrustes_pairs'" in error["message"]


def test_the_class_does_the_same(finished, transfer):
    with mudata_conventions():
        import mudata

        mdata = mudata.read_h5mu(finished.out / "result.h5mu")
    table = jamie.load(finished.out).transfer(mdata, "cell_type", "rna", "protein", k=3)
    assert list(table.columns) == COLUMNS
    expected = pd.DataFrame(transfer("--label", "cell_type", "--k", 3)["predictions"])
    assert list(table["predicted"]) == list(expected["predicted"])
    np.testing.assert_allclose(table["confidence"], expected["confidence"], rtol=1e-4)
    assert list(table["split"]) == list(expected["split"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--label", "cell_tpe"), "no 'cell_tpe' in protein\n  did you mean 'cell_type'?"),
        (("--label", "cell_type", "--to", "rnn"), "unknown modality 'rnn'\n  did you mean 'rna'?"),
        (("--label", "cell_type", "--source", "rna", "--to", "rna"), "expected two modalities, found 'rna' twice"),
        (("--label", "cell_type", "--source", "protein"), "found no 'cell_type' in protein\n  rna has it: take"),
        (
            ("--label", "cell_type", "--method", "ccaa"),
            "the run has no embedding by 'ccaa'\n  available: jamie, ",
        ),
    ],
)
def test_what_is_not_there(transfer, options, message):
    assert message in transfer(*options, fails=True)["error"]["message"]


def test_a_run_that_has_not_finished(place):
    done = place.run()
    place.works(done)
    manifest = place.manifest()
    (place.out / "manifest.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    message = "{folder}/out: expected a finished run, found one that is interrupted"
    place.refused(place.call("transfer", place.out, "--label", "cell_type"), message)
    (place.out / "manifest.json").write_text(json.dumps(manifest))
    (place.out / "result.h5mu").unlink()
    message = "{folder}/out/result.h5mu: expected a file of a finished run, found none"
    place.refused(place.call("transfer", place.out, "--label", "cell_type"), message)
    message = "{folder}/nope: expected a run directory, found no manifest.json"
    place.refused(place.call("transfer", place.folder / "nope", "--label", "cell_type"), message)


def test_a_column_without_labels(place, modalities):
    modalities["rna"].obs["empty"] = np.nan
    place.works(place.run(modalities))
    message = "modality 'rna': expected labeled training cells, found none among 30 cells of rna, 0 of them labeled"
    place.refused(place.call("transfer", place.out, "--label", "empty"), message)


def test_cells_of_other_names_are_known_by_the_pairing_of_the_run(place, modalities):
    """A partner has no vote also where a table says who it is, and where its pair was hidden from the model."""
    cells = modalities
    cells["protein"].obs_names = [f"p{i}" for i in range(30)]
    cells["protein"].obs["who"] = cells["rna"].obs["who"] = [f"one{i}" for i in range(30)]
    rows = [f"cell{i},p{i}" for i in range(30)]
    (place.folder / "pairs.csv").write_text("\n".join(["rna,protein", *rows]) + "\n")
    known = {"known": {"table": {"path": "pairs.csv"}}}
    place.works(place.run(cells, correspondence=known, evaluate={"known_pairs": {"fraction": 0.5}}))
    done = place.call("transfer", place.out, "--label", "who", "--json")
    table = pd.DataFrame(json.loads(done.stdout)["predictions"])
    assert not (table["predicted"] == table["truth"]).any()
    done = place.call("transfer", place.out, "--label", "who", "--json", "--keep-partner", "--k", 30)
    table = pd.DataFrame(json.loads(done.stdout)["predictions"])
    assert (table["predicted"] == table["truth"]).any()
