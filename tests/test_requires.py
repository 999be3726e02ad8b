"""What components declare to read: it is given to them and to nobody else, and its absence is said in time.

The spies are components that note what they see; each cell of the data says by its age which it is.
"""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
import yaml

import jamie
from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.plugin_files import import_file
from jamie.core.providers import components_in
from jamie.core.requirements import DATA_WORDS
from jamie.data.load import load_dataset
from jamie.data.readers.mudata import MuDataReader
from jamie.runs.run import Run
from jamie.spec import load_spec
from jamie.testing import checks_for

N = 80
SPIES = '''
import numpy as np

import jamie
import spy_log


def note(kind, elements, codes=None):
    spy_log.seen.append((kind, elements.obs("age"), elements.labels(), elements.obsm("spatial"), elements.index))


class SpyLoss(jamie.Loss):
    """Notes what it sees."""

    name = "spy"
    requires = ("labels", "index", "obsm:spatial", "obs:age", "layer:counts", "uns:genes", "var:chrom", "links")

    def forward(self, batch, output):
        read, names = batch.elements, (*batch.elements.label_names(), None)
        for m, z in output.z.items():
            labels = np.array([names[int(code)] for code in read.labels(m)], object)
            seen = read.obs(m, "age").numpy(), labels, read.obsm(m, "spatial").numpy(), read.index(m).numpy()
            spy_log.seen.append(("loss", *seen))
            assert read.layer(m, "counts").shape == (len(z), len(read.of(m).features))
            assert set(read.of(m).var("chrom")) == {"chr1"}
            assert list(read.of(m).uns("genes")) == ["A", "B"]
        assert read.links("rna", "protein").to_dense().sum() == 2
        return sum(z.square().mean() for z in output.z.values())


class SpyInferer(jamie.CorrespondenceInferer):
    """Notes what it sees."""

    name = "spy"
    requires = ("labels", "index", "obsm:spatial", "obs:age", "batch", "var:chrom")

    def _infer(self, a, b, known, context):
        for view in (a, b):
            note("correspondence", view.elements)
            assert set(view.elements.batch) == {"first", "second"}
            assert len(view.elements.var("chrom")) == len(view.elements.features) == view.block.X.shape[1]
        n = min(a.n_cells, b.n_cells)
        rows, columns = np.argsort(a.elements.obs("age"))[:n], np.argsort(b.elements.obs("age"))[:n]
        found = jamie.Correspondence.from_pairs(rows, columns, (a.n_cells, b.n_cells))
        return jamie.Inferred(found, np.ones(a.n_cells), np.ones(b.n_cells))


class SpyMethod(jamie.Method):
    """Notes what it sees, and imputes means."""

    name = "spy"
    requires = ("labels", "index", "obsm:spatial", "obs:age")

    def _fit(self, cells, context):
        for view in cells.views.values():
            note("method", view.elements)
        self.means = {m: target.mean(axis=0) for m, target in cells.targets.items()}

    def _impute(self, scores, source, target):
        return np.tile(self.means[target], (len(scores), 1))


class Aged(jamie.Preprocessor):
    """Adds to each feature the cell's age, times a number of the feature's chromosome."""

    name = "aged"
    requires = ("obs:age", "var:chrom", "uns:genes")

    def _fit(self, X, cells):
        assert list(cells.columns) == ["age"]
        assert list(self.elements.uns("genes")) == ["A", "B"]
        self.slope = np.array([int(str(chrom)[3:]) for chrom in self.elements.var("chrom")], np.float32)

    def _transform(self, X, cells):
        return X + np.outer(cells["age"], self.slope).astype(np.float32)

    def _inverse_transform(self, Z, cells):
        return Z if cells is None else Z - np.outer(cells["age"], self.slope).astype(np.float32)

    def _state(self):
        return {"slope": self.slope}, {}

    def _set_state(self, arrays, plain):
        self.slope = arrays["slope"]
'''


@pytest.fixture
def seen(monkeypatch):
    """What the spies saw: kind, age, labels, coordinates and number of some cells."""
    monkeypatch.setitem(sys.modules, "spy_log", log := SimpleNamespace(seen=[]))
    return log.seen


@pytest.fixture
def cells(modalities):
    """Cells with all that the spies read; every fifth has no label, and the modalities have different orders."""
    generator, made = np.random.default_rng(1), {}
    position = generator.normal(size=(N, 2))
    for name, p in (("rna", 12), ("protein", 8)):
        order = generator.permutation(N)
        X = (position @ generator.normal(size=(2, p)) + 0.1 * generator.normal(size=(N, p)))[order]
        obs = pd.DataFrame({"age": order.astype(float), "donor": np.where(order % 2, "first", "second")})
        obs["cell_type"] = pd.Categorical([label_of(age) for age in order])
        obs.index = [f"cell{i}" for i in order]
        var = pd.DataFrame({"chrom": "chr1"}, index=[f"gene{i}" if i < 2 else f"{name}{i}" for i in range(p)])
        made[name] = anndata.AnnData(X.astype(np.float32), obs=obs, var=var, uns={"genes": ["A", "B"]})
        made[name].obsm["spatial"] = np.column_stack([order, -order]).astype(float)
        made[name].layers["counts"] = np.ones((N, p), np.float32)
    return made


def label_of(age):
    return np.nan if age % 5 == 0 else f"type{age % 3:.0f}"


def spec(place, **settings):
    (place.folder / "spies.py").write_text(SPIES)
    return {
        "plugins": ["spies.py"],
        "labels": [],
        "train_labels": ["cell_type"],
        "batch_key": "donor",
        "losses": {"spy": {"weight": 0.1}},
        "training": {
            **{"ensemble": 2, "min_epochs": 1, "max_epochs": 2, "patience": 2},
            **{"calibration": 0.3, "validation": 0.1, "batch_size": 32},
        },
        "evaluate": {
            "holdout": {"fraction": 0.3},
            "refit": True,
            "known_pairs": {"fraction": 0.5},
            "compare": ["spy"],
            "intervals": {"methods": ["spy"]},
            "metrics": ["pearson"],
        },
        "correspondence": {"infer": "spy", "at_chance": "keep"},
        **settings,
    }


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # mudata's own, on reading
def test_spies_see_what_they_declare_and_no_label_of_a_held_out_cell(place, cells, seen):
    place.works(place.run(cells, **spec(place)))
    loaded = load_dataset(load_spec("spec.yaml"), Context(seed=0))
    held_out = set(loaded.dataset.modalities["rna"].obs["age"][loaded.split.held_out["rna"]])
    assert len(held_out) == 24
    training = set(range(N)) - held_out
    assert {kind for kind, *_ in seen} == {"loss", "correspondence", "method"}
    assert held_out & {age for kind, ages, *_ in seen if kind == "loss" for age in ages}  # fitted again on all cells
    for _, ages, labels, places, index in seen:
        np.testing.assert_array_equal(places[:, 0], ages)
        np.testing.assert_array_equal(places[:, 1], -ages)
        assert len(set(index)) == len(index)
        shown = {age: label for age, label in zip(ages, labels, strict=True) if label is not None}
        assert not held_out & set(shown)
        assert shown == {age: label_of(age) for age in set(ages) & training if age % 5}
    numbers = {}
    for kind, ages, _, _, index in seen:  # a cell keeps its number, which is not its place in the file
        if kind == "loss":
            for age, number in zip(ages, index, strict=True):
                numbers.setdefault(age, set()).add(number)
    assert all(len(own) <= 2 for own in numbers.values())  # one in each modality


def test_labels_of_hidden_partners_are_not_shown(place, cells, seen):
    """Cells without a label of their own are scored by that of their true partner, which training must not see."""
    del cells["protein"].obs["cell_type"]
    cells["rna"].obs["age"] += 1000  # tells the modalities apart
    cells["rna"].obsm["spatial"] = np.column_stack([cells["rna"].obs["age"], -cells["rna"].obs["age"]])
    place.works(place.run(cells, **spec(place, labels=["cell_type"])))
    shown = [(age, label) for _, ages, labels, *_ in seen for age, label in zip(ages, labels, strict=True)]
    assert {label for age, label in shown if age < N} == {None}
    assert {label for age, label in shown if age > N} == {None, "type0", "type1", "type2"}


def test_a_cell_keeps_its_number_in_every_stage(place, cells, seen):
    place.works(place.run(cells, **spec(place, until="correspondence")))
    views = [one for one in seen if one[0] == "correspondence"]
    assert len(views) > 2  # inferred, and again with pairs hidden
    for first, again in zip(views[:2], views[2:4], strict=True):
        number = dict(zip(first[1], first[4], strict=True))
        assert number == dict(zip(again[1], again[4], strict=True))
        assert not np.array_equal(first[1], again[1]) or len(first[1]) < 3
        assert not np.array_equal(np.argsort(first[4]), np.argsort(first[1]))


def test_a_preprocessor_reads_annotations_and_new_cells_must_have_them(place, cells, seen):
    settings = spec(place, losses={}, correspondence={}, evaluate={"holdout": {"fraction": 0.3}}, train_labels=[])
    place.works(place.run(cells, **{**settings, "modalities": {"*": {"preprocess": ["aged"]}}}))
    place.works(place.call("embed", place.out, "cells.h5mu", "--out", "embedded.h5mu"))
    embedded = mudata.read_h5mu("embedded.h5mu")["rna"].obsm["X_jamie"]
    expected = mudata.read_h5mu(place.out / "result.h5mu")["rna"].obsm["X_jamie"]
    np.testing.assert_allclose(embedded, expected, atol=1e-5)
    del cells["rna"].obs["age"]
    place.write(cells, "new.h5mu")
    place.refused(
        place.call("embed", place.out, "new.h5mu", "--out", "new_embedded.h5mu"),
        "preprocessor 'aged', modality 'rna': expected a column 'age' in obs, which its values depend on, found none\n"
        "  available: donor, cell_type",
    )


def without(part, key):
    def change(cells):
        del getattr(cells["protein"], part)[key]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            without("obsm", "spatial"),
            "loss 'spy' reads obsm 'spatial'; expected it in modality 'protein', found none of that name",
        ),
        (without("obs", "age"), "loss 'spy' reads column 'age' of obs; expected it in modality 'protein', found none"),
        (without("layers", "counts"), "loss 'spy' reads layer 'counts'; expected it in modality 'protein', found none"),
        (without("uns", "genes"), "loss 'spy' reads uns 'genes'; expected it in modality 'protein', found none"),
        (without("var", "chrom"), "loss 'spy' reads column 'chrom' of var; expected it in modality 'protein', found"),
    ],
)
def test_what_is_missing_is_said_before_matrices_are_read(place, cells, seen, monkeypatch, change, message):
    change(cells)
    monkeypatch.setattr(MuDataReader, "_read", lambda *_: pytest.fail("the matrices were read"))
    done = place.run(cells, **spec(place, correspondence={}))
    place.refused(done, message)
    assert "losses.spy" in done.stderr.replace("\n", " ")


def test_links_that_a_component_reads_must_exist(place, cells, seen):
    cells["protein"].var_names = [f"other{i}" for i in range(8)]
    place.refused(
        place.run(cells, **spec(place)),
        "loss 'spy' reads linked features; expected some between two modalities, found none",
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"train_labels": []},
            "losses.spy: loss 'spy' learns from labels, and no column of obs is granted to training\n",
        ),
        (
            {"batch_key": None},
            "correspondence.infer: correspondence 'spy' reads the cells' batches, and batch_key is null",
        ),
        (
            {"labels": ["age"]},
            "loss 'spy' reads column 'age' of obs, which holds labels; labels are shown as \"labels\"",
        ),
    ],
)
def test_what_a_spec_does_not_grant_is_said_at_the_component(place, seen, settings, message):
    place.write_spec(**spec(place, **settings))
    place.refused(place.call("validate", "spec.yaml"), message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"obsm:spatial", "obs:age", "layer:counts"',
            '"obs:age", "layer:counts"',
            "loss 'spy': reads obsm 'spatial' without declaring it\n  add \"obsm:spatial\" to its `requires`",
        ),
        (
            'requires = ("labels", "index", "obsm:spatial", "obs:age", "batch", "var:chrom")',
            'requires = ("index", "obsm:spatial", "obs:age", "batch", "var:chrom")',
            "correspondence 'spy': reads labels for training without declaring it\n  add \"labels\"",
        ),
        (
            'requires = ("obs:age", "var:chrom", "uns:genes")',
            'requires = ("var:chrom", "uns:genes")',
            "preprocessor 'aged': reads column 'age' of obs without declaring it\n  add \"obs:age\" to its `requires`",
        ),
        (
            'requires = ("obs:age", "var:chrom", "uns:genes")',
            'requires = ("obs:age", "uns:genes")',
            "preprocessor 'aged': reads column 'chrom' of var without declaring it\n  add \"var:chrom\"",
        ),
    ],
)
def test_nothing_is_handed_out_undeclared(place, cells, seen, monkeypatch, old, new, message):
    assert old in SPIES
    monkeypatch.setitem(
        globals(), "SPIES", SPIES.replace(old, new).replace('assert list(cells.columns) == ["age"]', "")
    )
    done = place.run(cells, **{**spec(place), "modalities": {"*": {"preprocess": ["aged"]}}})
    assert message in done.stderr


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        ('"labels"', "expected `requires` to hold words, such as ('obsm:spatial',), found 'labels'"),
        ('("spatial",)', "found 'spatial' in `requires`, which a loss cannot be given; it may name: batch, index, "),
        ('("obsm",)', "expected 'obsm:KEY' in `requires`, found 'obsm'"),
        ('("labels:cell_type",)', "expected 'labels' in `requires`, found 'labels:cell_type'"),
    ],
)
def test_words_are_checked_at_registration(place, requires, message):
    text = f'import jamie\n\n\nclass Spy(jamie.Loss):\n    """A spy."""\n    name = "spy"\n    requires = {requires}\n'
    text += "    def forward(self, batch, output):\n        return 0\n"
    (place.folder / "spies.py").write_text(text)
    place.write_spec(plugins=["spies.py"])
    place.refused(place.call("validate", "spec.yaml"), message)


def test_granted_labels_that_nobody_reads_are_reported(place):
    place.works(place.run(train_labels=["cell_type"]), "train_labels: no component reads labels")


def test_labels_that_are_learned_from_and_scored_by_are_reported(place):
    done = place.run(train_labels=["cell_type"], losses={"label_prototypes": {"weight": 0.3}})
    place.works(done, "scores by them say something on held-out cells alone")
    place.refused(
        place.run(None, "--overwrite", train_labels=["cell_tipe"], losses={"label_prototypes": {"weight": 0.3}}),
        "expected a column 'cell_tipe' in obs, found it in no modality\n  did you mean 'cell_type'?",
    )


def test_a_spec_with_nothing_declared_asks_for_nothing(place):
    place.write_spec()
    assert load_spec("spec.yaml").requirements() == []
    assert yaml.safe_load(load_spec("spec.yaml").to_yaml())["train_labels"] == []


@pytest.fixture
def documented():
    """The section of CONTRIBUTING.md."""
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
    return text[text.index("## What components see") : text.index("## Plugins")]


def test_the_documented_components_keep_their_contracts_and_run(place, cells, documented):
    code = re.search(r"^<!-- run -->\n```python\n(.*?)^```", documented, re.M | re.S)[1]
    (place.folder / "tissue.py").write_text(code)
    for component in components_in(import_file(place.folder / "tissue.py")):
        for check in checks_for(component):
            check(component)
    for adata in cells.values():
        adata.obs["cycle"] = adata.obs["age"] / N
    settings = {"plugins": ["tissue.py"], "losses": {"smooth": 0.1}, "evaluate": {"known_pairs": {"fraction": 0.5}}}
    inferer = {"gromov_wasserstein": {"distance": "tissue", "max_iterations": 5}}
    place.works(place.run(cells, **settings, correspondence={"infer": inferer}))
    del cells["rna"].obsm["spatial"]
    done = place.run(cells, "--overwrite", **settings, correspondence={"infer": inferer})
    place.refused(
        done, "correspondence.infer: correspondence 'gromov_wasserstein' reads obsm 'spatial'; expected it in"
    )


def test_every_word_is_documented(documented):
    rows = set(re.findall(r"^\| `(\w+)(?::\w+)?` \|", documented, re.M))
    assert rows == DATA_WORDS


PLACES = '''
import numpy as np
import pandas as pd

import jamie


class Places(jamie.Explainer):
    """Where cells lie, and what the features are annotated with."""

    name = "places"
    requires = ("obsm:spatial", "var:chrom")

    def _explain(self, subject, context):
        data = subject.dataset.modalities
        rows = [{"modality": m, "x": d.elements.obsm("spatial")[:, 0].mean(), "chrom": d.elements.var("chrom")[0]}
                for m, d in data.items()]
        return jamie.Explanation("places", "places", tables={"places": pd.DataFrame(rows)})


class SamePlace(jamie.Pairing):
    """Cells at one place are one cell."""

    name = "same_place"
    requires = ("obsm:spatial",)

    def _pairs(self, modalities):
        (a, x), (b, y) = ((m, d.elements.obsm("spatial")[:, 0]) for m, d in modalities.items())
        return {(a, b): jamie.Correspondence(x[:, None] == y)}
'''


def test_explainers_and_pairings_read_what_they_declare(place, cells):
    (place.folder / "places.py").write_text(PLACES)
    for name, adata in cells.items():
        adata.obs_names = [f"{name}_{cell}" for cell in adata.obs_names]
    settings = {"plugins": ["places.py"], "explain": ["places"], "correspondence": {"known": "same_place"}}
    place.works(place.run(cells, **settings))
    table = next(iter(Run(place.out).explanations.values())).tables["places"]
    assert table["x"].tolist() == [(N - 1) / 2] * 2
    assert table["chrom"].tolist() == ["chr1"] * 2
    assert (mudata.read_h5mu(place.out / "result.h5mu")["rna"].obs["jamie_split"] == "train").all()
    del cells["rna"].obsm["spatial"]
    with pytest.raises(DataError, match="explainer 'places' reads obsm 'spatial'; expected it in modality 'rna'"):
        jamie.load(place.out).explain(mudata.MuData(cells), "places")
    place.refused(
        place.run(cells, "--overwrite", **settings),
        "pairing 'same_place' reads obsm 'spatial'; expected it in modality 'rna', found none of that name",
    )
