from pathlib import Path

import pytest

from jamie.core.errors import SpecError
from jamie.spec import Ref, load_spec, messages
from jamie.spec.problem import SpecProblem

MINIMAL = "jamie: 1\ndata: toy\n"


def test_everything_but_data_has_a_default(load):
    spec = load(MINIMAL)
    assert (spec.name, spec.seed, spec.labels, spec.plugins) == ("spec", 0, [], [])
    assert spec.data.name == "toy"
    assert list(spec.modalities) == ["*"]
    assert [p.name for p in spec.modality("anything").preprocess] == ["standardize", "pca"]
    assert spec.correspondence.known.name == "by_name"
    assert spec.correspondence.infer.name == "auto"
    names = ["kl", "combination", "reconstruction", "cross_reconstruction", "contrastive", "alignment"]
    assert list(spec.losses) == names
    assert all(term.weight > 0 for term in spec.losses.values())
    assert {term.schedule.name for term in spec.losses.values()} == {"constant"}
    assert (spec.training.device, spec.training.steps_per_epoch) == ("auto", "auto")
    assert [m.to_plain() for m in spec.evaluate.metrics] == [
        {"label_transfer_accuracy": {"leave_partner_out": False}},
        {"label_transfer_accuracy": {"leave_partner_out": True}},
        *("foscttm", "matching", "pearson"),
    ]


def test_the_paper_preset_is_as_the_paper_has_it(load):
    spec = load("preset: paper\ndata: toy\n")
    assert spec.correspondence.infer.name == "unioncom"
    weights = {"kl": 1, "combination": 1000, "reconstruction": 31.25, "alignment": 31.25}
    assert {name: term.weight for name, term in spec.losses.items()} == weights
    assert [t.schedule.name for t in spec.losses.values()] == ["sigmoid", "constant", "constant", "constant"]
    assert (spec.training.batch_size, spec.training.min_epochs, spec.training.max_epochs) == (512, 2500, 10_000)
    assert (spec.training.patience, spec.training.min_change, spec.training.sampling.name) == (500, 1e-8, "independent")
    assert spec.correspondence.mix == "all"
    normalized = spec.model.aggregator, spec.losses["alignment"].component
    assert [component.params["normalize"] for component in normalized] == ["paper", "paper"]


def test_no_preset(load):
    spec = load("preset: null\ndata: toy\nlosses: {margin: 1}\n")
    assert list(spec.losses) == ["margin"]
    assert spec.modality("rna").preprocess == []


def test_a_preset_by_name_needs_no_data(load):
    spec = load("paper", {"model.latent_dim": 16}, reads_data=False)
    assert (spec.name, spec.model.latent_dim, spec.data.name) == ("paper", 16, "")
    with pytest.raises(SpecError, match="no reader is set"):
        spec.data.build()


def test_the_preset_alone_lacks_data(registry):
    with pytest.raises(SpecError, match=r"'data' is missing\n.*\n.*\n  data \(reader\): Where the cells come from"):
        load_spec("default", registry=registry)


@pytest.mark.parametrize("overrides", [["preset=fast"], {"preset": "fast"}])
@pytest.mark.parametrize("source", ["default", {"preset": "paper"}, {}])
def test_a_preset_from_outside_replaces_the_one_that_is_named(source, overrides):
    spec = load_spec(source, overrides, reads_data=False)
    assert (spec.training.max_epochs, spec.training.optimizer.name) == (20, "adamw")


def test_a_preset_from_outside_is_checked_and_below_all_other_settings():
    assert load_spec({}, ["training.max_epochs=7", "preset=fast"], reads_data=False).training.max_epochs == 7
    with pytest.raises(SpecError, match=r"--set preset=fsat  preset: unknown preset 'fsat'\n  did you mean 'fast'\?"):
        load_spec({}, ["preset=fsat"], reads_data=False)


def test_an_error_in_a_preset_names_it_and_the_key():
    assert load_spec("fast", reads_data=False).where("modalities") == "preset fast  modalities"


def test_unknown_preset(problems):
    found = problems("preset: papr\ndata: toy\n")
    assert found.startswith("spec.yaml:1:9  preset: unknown preset 'papr'")
    assert "did you mean 'paper'?   available: default, fast, " in found


def test_a_withdrawn_preset_names_what_does_its_work(problems):
    fix = "'integration' was withdrawn: write 'default', which embeds held-out cells better"
    found = problems("preset: integration\ndata: toy\n")
    assert found.startswith("spec.yaml:1:9  preset: unknown preset 'integration'")
    assert fix in found
    with pytest.raises(SpecError, match=fix):
        load_spec("integration", reads_data=False)


def test_other_formats_are_refused(problems):
    found = problems("jamie: 2\ndata: toy\n")
    assert "spec.yaml:1:8  jamie: expected spec format 1, found 2" in found
    assert "a later version reads format 2: pip install --upgrade jamie-toolkit" in found
    assert "there is no format before 1: write `jamie: 1`" in problems("jamie: 0\ndata: toy\n")


def test_a_key_of_an_earlier_version_names_the_new_one(problems, monkeypatch):
    monkeypatch.setitem(messages.RENAMED_KEYS, ("training", "step_size"), "learning_rate")
    found = problems("data: toy\ntraining: {step_size: 0.1}\n")
    assert "training.step_size: 'step_size' is now called 'learning_rate'\n" in found
    assert "write 'learning_rate'" in found


def test_extends_is_relative_to_the_file_and_merges(load, write):
    write("seed: 4\ndata: toy\nmodel: {latent_dim: 8}\npreset: paper\n", "shared/base.yaml")
    spec = load("extends: shared/base.yaml\nmodel: {aggregator: correlation}\nseed: 5\n")
    assert (spec.seed, spec.model.latent_dim, spec.data.name) == (5, 8, "toy")
    assert spec.correspondence.infer.name == "unioncom"


def test_the_own_preset_comes_before_that_of_an_extended_spec(load, write):
    write("data: toy\npreset: paper\n", "base.yaml")
    assert load("extends: base.yaml\npreset: default\n").correspondence.infer.name == "auto"


def test_extends_without_a_file(problems):
    found = problems("extends: nope.yaml\ndata: toy\n")
    assert "spec.yaml:1:10  extends: no such file" in found
    assert "give a path relative to this spec" in found


def test_extends_in_a_circle(problems, write):
    write("extends: spec.yaml\n", "other.yaml")
    assert "other.yaml:1:10  extends: spec.yaml extends itself" in problems("extends: other.yaml\n")


def test_no_such_spec(registry):
    with pytest.raises(SpecError, match=r"nope.yaml: no such file\n  give a YAML file or a preset: default, fast, "):
        load_spec("nope.yaml", registry=registry)


def test_a_file_that_is_no_text(registry, tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="cannot be read as text"):
        load_spec(tmp_path / "x.yaml", registry=registry)


@pytest.mark.parametrize("text", ["- a\n", "5\n"])
def test_a_document_that_is_no_mapping(problems, text):
    assert "expected a mapping of sections such as `data:`" in problems(text)


def test_an_empty_file_lacks_data(problems):
    assert "'data' is missing" in problems("")


def test_a_mapping_is_read_like_a_file(load):
    spec = load({"data": "toy", "modalities": {"rna": {"layer": "counts"}}})
    assert spec.modality("rna").layer == "counts"
    assert spec.where("modalities.rna.layer") == "modalities.rna.layer"


def test_problems_of_a_mapping_name_the_key_alone(problems):
    assert problems({"data": "toy", "seed": "x"}) == (
        "seed: expected a whole number from 0 to 9223372036854775807, found 'x'"
    )


def test_where_names_the_line(load):
    spec = load("data: {h5: {path: x.h5}}\nmodalities:\n  '*': {obsm: X}\n  rna: {layer: counts}\n", reads_data=False)
    assert spec.where("modalities.rna.layer") == "spec.yaml:4:16  modalities.rna.layer"
    assert spec.where("modalities.rna.obsm") == "spec.yaml:3:15  modalities.rna.obsm"
    assert spec.where("data.path") == spec.where("data.h5.path").replace("h5.path", "path")
    assert spec.where("seed") == "seed"


def test_a_spec_written_out_reads_as_the_same(load, registry, write):
    write("", "cells.h5")
    text = """
data: {h5: {path: cells.h5}}
name: "1e-3"
labels: ["no", "12"]
modalities:
  rna: {layer: counts, target: {layer: raw, preprocess: [{limits: {high: null}}]}, encoder: {mlp: {hidden: [3]}}}
  atac: {preprocess: [standardize]}
correspondence: {infer: {unioncom: {distance: euclidean}}}
losses: {kl: null, alignment: {weight: 2, schedule: sigmoid}, margin: {margin: 3}}
training: {min_change: 1e-9, steps_per_epoch: 2}
"""
    spec = load(text)
    written = write(spec.to_yaml(), "elsewhere/resolved.yaml")
    again = load_spec(written, registry=registry)
    assert again == spec
    assert again.to_yaml() == spec.to_yaml()
    assert "kl" not in again.losses
    assert again.name == "1e-3"


def test_a_spec_without_data_writes_none(load):
    assert "data:" not in load("default", reads_data=False).to_yaml()


class TestFiles:
    def test_beside_the_spec(self, load, write):
        write("", "deep/cells.h5")
        path = load("data: {h5: {path: deep/cells.h5}}").data.params["path"]
        assert path == Path("deep/cells.h5").resolve()

    def test_then_in_the_data_folder(self, load, tmp_path_factory, monkeypatch, write):
        folder = tmp_path_factory.mktemp("data")
        (folder / "cells.h5").touch()
        monkeypatch.setenv("JAMIE_DATA", str(folder))
        write("")
        assert load("data: {h5: {path: cells.h5}}").data.params["path"] == folder / "cells.h5"

    def test_an_absent_file_names_both_places(self, problems, monkeypatch, tmp_path):
        monkeypatch.setenv("JAMIE_DATA", "/data")
        found = problems("data: {h5: {path: cells.h5}}")
        assert found.startswith("spec.yaml:1:19  data.h5.path: no such file 'cells.h5'")
        assert f"looked for {tmp_path}/cells.h5 and /data/cells.h5" in found

    def test_an_absent_file_says_that_the_data_folder_is_not_set(self, problems):
        assert "$JAMIE_DATA is not set" in problems("data: {h5: {path: cells.h5}}")

    def test_every_file_of_a_mapping_and_a_list(self, problems, write):
        write("", "a.h5")
        found = problems("data: {many: {paths: {rna: a.h5, atac: b.h5}, columns: [a.h5, c.h5]}}")
        assert "data.many.paths.atac: no such file 'b.h5'" in found
        assert "data.many.columns[1]: no such file 'c.h5'" in found
        assert "'a.h5'" not in found

    def test_from_python_the_working_directory(self, load, write):
        write("", "a.h5")
        assert load({"data": {"h5": {"path": Path("a.h5")}}}).data.params["path"] == Path("a.h5").resolve()

    def test_overrides_are_looked_up_in_the_working_directory_first(self, load, write, monkeypatch, tmp_path):
        write("", "x/a.h5")
        monkeypatch.chdir(tmp_path / "x")
        spec = load("data: {h5: {path: nope.h5}}", ["data.path=a.h5"])
        assert spec.data.params["path"] == tmp_path / "x/a.h5"

    def test_files_need_not_exist_where_data_are_given(self, load):
        assert load("data: {h5: {path: nope.h5}}", reads_data=False).data.params["path"] == Path("nope.h5")


class TestPlugins:
    GOOD = '''
import jamie
class Ridge(jamie.Loss):
    """A loss."""
    name = "ridge"
    def __init__(self, *, strength: float = 1.0) -> None:
        super().__init__()
    def forward(self, batch, output):
        return 0
'''

    def test_a_plugin_file_is_relative_to_the_spec(self, load, write):
        path = write(self.GOOD, "mine/ridge.py")
        spec = load("data: toy\nplugins: [mine/ridge.py]\nlosses: {ridge: {strength: 2}}")
        assert spec.losses["ridge"].component.params == {"strength": 2}
        assert spec.plugins == [path]

    def test_a_plugin_that_raises_is_one_problem_at_its_place(self, problems, write):
        write("raise RuntimeError('boom')", "bad.py")
        found = problems("data: toy\nplugins: [bad.py]\nseed: x\n")
        assert "spec.yaml:2:11  plugins[0]: raised on import: RuntimeError: boom" in found
        assert "spec.yaml:3:7  seed: expected a whole number" in found

    @pytest.mark.parametrize("override", [["plugins=[ridge.py]"], {"plugins": ["ridge.py"]}, ["plugins.0=ridge.py"]])
    def test_a_plugin_of_an_override_is_relative_to_the_working_directory(self, load, write, monkeypatch, override):
        path = write(self.GOOD, "work/ridge.py")
        write(self.GOOD.replace('"ridge"', '"other"'), "other.py")
        monkeypatch.chdir(path.parent)
        source = write("data: toy\nplugins: [other.py]\nlosses: {ridge: 2}")
        spec = load(source, override)
        assert spec.plugins == [path]
        assert spec.losses["ridge"].component.cls.name == "ridge"

    def test_a_plugin_of_an_override_that_cannot_be_loaded_is_one_problem(self, problems, write):
        write("raise RuntimeError('boom')", "bad.py")
        found = problems("data: toy\n", ["plugins=[bad.py]"])
        assert found.startswith("--set plugins=[bad.py]  plugins[0]: raised on import: RuntimeError: boom")
        assert found.count("raised on import") == 1
        wrong = problems("data: toy\n", ["plugins.3=bad.py"])
        assert wrong.count("there are no keys below this one") == 1

    def test_a_plugin_that_is_absent(self, problems):
        assert "plugins[0]: no such file 'bad.py'" in problems("data: toy\nplugins: [bad.py]\n")

    def test_a_plugin_loaded_already_is_not_loaded_again(self, load, registry, write):
        write(self.GOOD, "ridge.py")
        text = "data: toy\nplugins: [ridge.py]\nlosses: {ridge: 1}"
        assert load(text) == load(text)
        assert [p.name for p in registry.providers].count(str(Path("ridge.py").resolve())) == 1


def test_problems_are_values(registry):
    with pytest.raises(SpecError) as caught:
        load_spec({"data": "toy", "seed": -1, "nme": 1}, registry=registry)
    assert all(isinstance(p, SpecProblem) for p in caught.value.problems)
    assert {p.key for p in caught.value.problems} == {"seed", "nme"}
    assert caught.value.problems[0].as_dict()["line"] is None


def test_a_ref_builds_nested_components(load):
    spec = load("data: toy\ncorrespondence: {infer: {unioncom: {distance: {geodesic: {k: 9}}}}}")
    inferer = spec.correspondence.infer.build()
    assert (inferer.steps, inferer.distance.k) == (2000, 9)
    assert isinstance(spec.correspondence.infer.params["distance"], Ref)


def test_a_ref_takes_positional_and_reserved_parameters(load):
    encoder = load(MINIMAL).modality("rna").encoder.build(5, 2, n_covariates=3)
    assert (encoder.sizes, encoder.n_covariates, encoder.hidden) == ((5, 2), 3, (8, 4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "spec.yaml:1:1  expected a mapping of sections such as `data:`, found a list"),
        ("data:\n\ttoy: {}\n", "      | ^\n  indent with spaces, not with a tab"),
        ("data: toy\nlabels: cell_type\n", "labels: expected a list of text, found 'cell_type'"),
        ("data: toy\nlabels: cell_type\n", "\n  write `[cell_type]`"),
        (
            "data: toy\nmodalities: {rna: {preprocess: pca}}\n",
            "modalities.rna.preprocess: expected a list of preprocessors, found 'pca'",
        ),
        ("data: toy\nmodalities: {rna: {preprocess: pca}}\n", "\n  write `[pca]`"),
        ("data: toy\nevaluate: {holdout: 0.2}\n", "\n  write `{fraction: 0.2}`"),
    ],
)
def test_what_to_write_in_place_of_another_shape(problems, text, message):
    assert message in problems(text)


def test_data_are_no_spec(write):
    write("cells", "x.h5mu")
    message = r"^x.h5mu: this is data, not a spec\n  write a spec, such as `data: \{mudata: \{path: x.h5mu\}\}`$"
    with pytest.raises(SpecError, match=message):
        load_spec("x.h5mu")


def test_a_place_is_named_once(problems, monkeypatch, tmp_path):
    monkeypatch.setenv("JAMIE_DATA", str(tmp_path))
    assert f"looked for {tmp_path}/cells.h5 (beside the spec, $JAMIE_DATA)" in problems(
        "data: {h5: {path: cells.h5}}\n"
    )
