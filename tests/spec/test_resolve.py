import dataclasses

import pytest

from jamie.core.errors import SpecError
from jamie.core.schema import fields_of
from jamie.spec import evaluate_section, load_spec, sections

LINES = """jamie: 1
data: toy
correspondence: {known: by_name, infer: unoincom, rho: 1.0}
"""


def test_the_message_of_the_design(problems):
    assert problems(LINES) == (
        "spec.yaml:3:41  correspondence.infer: unknown correspondence 'unoincom'\n"
        "    3 | correspondence: {known: by_name, infer: unoincom, rho: 1.0}\n"
        "      |                                         ^^^^^^^^\n"
        "  did you mean 'unioncom'?   available: auto, seeded, unioncom; from jamie-maxfuse 0.2: maxfuse\n"
        "  broken could not be loaded: raised on import: ModuleNotFoundError: No module named 'no_such_module_of_jamie'"
    )


def test_all_problems_at_once_in_line_order(problems):
    found = problems(
        """seed: many
data: {h5: {pth: x}}
modalities:
  rna: {layr: counts, encoder: {mlp: {hidden: [8, x]}}}
losses:
  kl: {weight: -1}
  kll: 1
training: {batch_size: 2.5, device: 5}
evaluate: {holdout: {fraction: 1}}
"""
    )
    heads = [line for line in found.splitlines() if line.startswith("spec.yaml")]
    assert heads == [
        "spec.yaml:1:7  seed: expected a whole number from 0 to 9223372036854775807, found 'many'",
        "spec.yaml:2:13  data.h5.pth: unknown key 'pth', and 'path' is missing",
        "spec.yaml:4:9  modalities.rna.layr: unknown key 'layr'",
        "spec.yaml:4:51  modalities.rna.encoder.mlp.hidden[1]: expected a whole number, found 'x'",
        "spec.yaml:6:16  losses.kl.weight: expected a number >= 0, found -1",
        "spec.yaml:7:3  losses.kll: unknown loss 'kll'",
        "spec.yaml:8:24  training.batch_size: expected a whole number >= 2, found 2.5",
        "spec.yaml:8:37  training.device: expected text, found 5",
        "spec.yaml:9:32  evaluate.holdout.fraction: expected a number >= 0 and < 1, found 1",
    ]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training: {batch_size: '5'}", "training.batch_size: expected a whole number >= 2, found '5'"),
        ("training: {batch_size: true}", "training.batch_size: expected a whole number >= 2, found true"),
        ("training: {batch_size: [1]}", "training.batch_size: expected a whole number >= 2, found a list"),
        ("training: {batch_size: {a: 1}}", "training.batch_size: expected a whole number >= 2, found a mapping"),
        ("training: {batch_size: 1}", "training.batch_size: expected a whole number >= 2, found 1"),
        ("training: {steps_per_epoch: aut}", "expected a whole number >= 1 or 'auto', found 'aut'"),
        ("correspondence: {rho: 1.5}", "correspondence.rho: expected a number from 0 to 1, found 1.5"),
        (
            "modalities: {rna: {preprocess: [{pca: {solver: ful}}]}}",
            "expected one of 'full', 'randomized', found 'ful'",
        ),
        ("seed: 9223372036854775808", "seed: expected a whole number from 0 to 9223372036854775807, found 922"),
        ("training: {learning_rate: .inf}", "training.learning_rate: expected a finite number, found Infinity"),
        ("losses: {kl: .nan}", "losses.kl.weight: expected a finite number, found NaN"),
        (
            "model: {stack: {members: [pls, ridge, pls]}}",
            "model.stack.members: expected each regression once, found pls 2 times",
        ),
        ("model: {stack: {members: []}}", "model.stack.members: expected a list of"),
        ("model: {latent_dim: 10001}", "model.latent_dim: expected a whole number from 1 to 10000, found 10001"),
        (
            "losses: {kl: 0, combination: 0, reconstruction: null, cross_reconstruction: 0, contrastive: 0, "
            "alignment: 0}",
            "  losses: expected at least one loss with a weight above 0\n",
        ),
        ("labels: cell_type", "labels: expected a list of text, found 'cell_type'"),
        ("data: {many: {paths: x}}", "data.many.paths: expected a mapping of names to files, found 'x'"),
        ("data: {h5: {path: 5}}", "data.h5.path: expected the name of a file, found 5"),
        ("labels: [1]", "labels[0]: expected text, found 1"),
        ("labels: [null]", "labels[0]: expected text, found null"),
        ("training: 5", "training: expected a mapping, found 5"),
        ("losses: [kl]", "losses: expected a mapping"),
        ("modalities: rna", "modalities: expected a mapping"),
        ("model: {aggregator: {correlation: 5}}", "model.aggregator.correlation: expected a mapping, found 5"),
        ("model: {aggregator: 5}", "model.aggregator: expected an aggregator, `name` or `{name: {...}}`, found 5"),
        ("name: a/b", "name: expected text that matches"),
    ],
)
def test_wrong_types_are_described_in_plain_words(problems, setting, message):
    data = "" if setting.startswith("data") else "data: toy\n"
    assert message in problems(f"{data}{setting}\n")


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("interval: [1]", "shapes.interval: expected a list of a number, a number, found a list"),
        ("interval: [1, x]", "shapes.interval: expected a list of a number, a number, found a list"),
        ("weights: [1]", "shapes.weights: expected a list of numbers of length at least 2, found 1"),
        ("weights: [1, x]", "shapes.weights[1]: expected a number, found 'x'"),
        ("sizes: 5", "shapes.sizes: expected a list of whole numbers of length at least 1 or null, found 5"),
    ],
)
def test_lists_of_fixed_and_limited_length(problems, parameter, message):
    found = problems(f"data: toy\nmodalities: {{rna: {{preprocess: [{{shapes: {{{parameter}}}}}]}}}}\n")
    assert message in found


def test_a_tuple_of_fixed_length(load):
    spec = load("data: toy\nmodalities: {rna: {preprocess: [{shapes: {interval: [2, 3], sizes: [1]}}]}}")
    assert spec.modality("rna").preprocess[0].params == {"interval": (2.0, 3.0), "sizes": [1], "weights": (1, 1)}


def test_what_the_star_has_wrong_is_reported_once(problems):
    found = problems("data: toy\nmodalities: {'*': {encoder: mpl}, rna: {layer: a}, atac: {layer: b}}")
    assert found.count("unknown encoder 'mpl'") == 1


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("training: {batch_size: 1e3}", "write 1000"),
        ("labels: [12]", "put it in quotes: '12'"),
        ("modalities: {rna: {preprocess: [{pca: {solver: ful}}]}}", "did you mean 'full'?"),
        ("training: {steps_per_epoch: aut}", "did you mean 'auto'?"),
        ("trainin: {}", "did you mean 'training'?   allowed: jamie, preset, extends, name"),
        ("modalities: {rna: {encoder: standardize}}", "'standardize' is a component of another kind: preprocessor"),
        ("model: {aggregator: {mean: {}, correlation: {}}}", "one component is one key; its parameters stand below it"),
        ("modalities: {rna: {encoder: {linear: 5}}}", "it has no keys"),
        ("training: 5", "keys: batch_size, min_epochs"),
    ],
)
def test_hints(problems, setting, hint):
    assert hint in problems(f"data: toy\n{setting}\n")


def test_an_int_is_a_number_and_a_list_a_tuple(load):
    spec = load("data: toy\ntraining: {learning_rate: 1}\nmodalities: {rna: {encoder: {mlp: {hidden: [3, 4]}}}}")
    assert spec.training.learning_rate == 1.0
    assert spec.modality("rna").encoder.params["hidden"] == (3, 4)


def test_a_missing_parameter_is_described(problems):
    found = problems("data: {h5: {}}")
    assert found.startswith("spec.yaml:1:8  data.h5: 'path' is missing")
    assert "  path (path): The file." in found
    assert "  for example `path: file`" in found


def test_a_renamed_parameter_is_one_problem(problems):
    found = problems("data: {h5: {pathh: x}}")
    assert "unknown key 'pathh', and 'path' is missing" in found
    assert "renamed? write 'path'" in found
    assert "is missing\n  path (path)" not in found


def test_another_unknown_key_is_two_problems(problems):
    found = problems("data: {h5: {zzz: x}}")
    assert "unknown key 'zzz'" in found
    assert "'path' is missing" in found


def test_reserved_parameters_are_no_keys(problems):
    found = problems("data: toy\nmodalities: {rna: {encoder: {mlp: {n_covariates: 2}}}}")
    assert "unknown key 'n_covariates'" in found
    assert "allowed: hidden, dropout" in found


def test_a_component_without_parameters_may_stand_alone_or_with_nothing_below(load):
    assert load("data: {toy: }").data == load("data: {toy: {}}").data == load("data: toy").data


def test_null_is_a_value_where_the_type_has_it_and_the_default_elsewhere(load):
    spec = load(
        "data: toy\npreset: paper\ncorrespondence: {infer: null, rho: null}\nlosses: {alignment: null}\n"
        "training: null\nmodalities: {rna: {preprocess: [{limits: {low: null, high: null}}]}}"
    )
    assert (spec.correspondence.infer, spec.correspondence.rho, spec.training.batch_size) == (None, 1.0, 512)
    assert spec.modality("rna").preprocess[0].params == {"low": 0.0, "high": None}


def test_what_a_constructor_refuses_is_reported_at_its_place(problems):
    found = problems("data: toy\nmodalities: {rna: {preprocess: [{limits: {low: 3, high: 2}}]}}")
    assert found.startswith("spec.yaml:2:34  modalities.rna.preprocess[0].limits: expected low <= high, found 3 > 2")
    assert found.endswith("  swap them")


class TestLosses:
    def test_a_number_is_a_weight(self, load):
        term = load("data: toy\npreset: paper\nlosses: {kl: 3, margin: {margin: 2}}").losses
        assert (term["kl"].weight, term["kl"].schedule.name) == (3.0, "sigmoid")
        assert (term["margin"].weight, term["margin"].component.params) == (1.0, {"margin": 2.0})

    def test_null_removes(self, load):
        assert "kl" not in load("data: toy\nlosses: {kl: null}").losses

    def test_null_without_anything_to_remove(self, problems):
        found = problems("data: toy\nlosses: {margin: }")
        assert "losses.margin: null removes a loss, and there is none to remove" in found
        assert "write `margin: {}` to have it with its defaults" in found

    def test_an_unknown_schedule(self, problems):
        assert "losses.kl.schedule: unknown schedule 'sigmod'" in problems(
            "data: toy\nlosses: {kl: {schedule: sigmod}}"
        )

    def test_losses_that_all_read_an_inferred_correspondence(self, load, problems):
        alone = "data: toy\npreset: null\nmodalities: {'*': {}}\nlosses: {alignment: 2}\ncorrespondence: {infer: %s}"
        found = problems(alone % "null")
        assert "losses: expected at least one loss with a weight above 0 that does without an inferred corr" in found
        assert list(load(alone % "seeded").losses) == ["alignment"]

    @pytest.mark.parametrize("setting", ["correspondence: {known: none}", "evaluate: {known_pairs: {fraction: 0}}"])
    def test_a_loss_that_needs_known_pairs(self, problems, setting):
        found = problems(f"data: toy\nlosses: {{margin: 2}}\n{setting}")
        assert "losses.margin: margin reads known pairs, and none are known" in found


class TestEpochs:
    FIX = "annealing runs over min_epochs, and the best state is kept among the epochs after them"

    @pytest.mark.parametrize(
        ("setting", "place"),
        [
            ("{max_epochs: 100}", "spec.yaml:2:24  training.max_epochs: expected min_epochs <= max_epochs"),
            ("{max_epochs: 100, min_epochs: 101}", "spec.yaml:2:41  training.min_epochs: expected min_epochs <= max"),
            ("{min_epochs: 10001}", "spec.yaml:2:24  training.min_epochs: expected min_epochs <= max_epochs"),
        ],
    )
    def test_training_must_not_end_before_annealing_does(self, problems, setting, place):
        found = problems(f"data: toy\ntraining: {setting}\npreset: paper\n")
        assert found.startswith(place)
        assert self.FIX in found

    def test_the_values_and_the_fix_are_said(self, problems):
        found = problems("data: toy\npreset: paper\n", ["training.max_epochs=100"])
        assert found == (
            "--set training.max_epochs=100  training.max_epochs: expected min_epochs <= max_epochs, found 2500 > 100; "
            f"{self.FIX}\n  set training.min_epochs to at most 100, or to null for four fifths of max_epochs"
        )

    def test_as_many_as_there_are_may_be_needed(self, load):
        assert load("data: toy\ntraining: {min_epochs: 5, max_epochs: 5}").training.min_epochs == 5

    @pytest.mark.parametrize(("most", "least"), [(20, 16), (9, 7), (1, 0), (10_000, 8000)])
    def test_null_is_four_fifths_of_those_there_are_at_most(self, load, most, least):
        training = load(
            "data: toy\npreset: paper\n", {"training.min_epochs": None, "training.max_epochs": most}
        ).training
        assert (training.min_epochs, training.resolved_min_epochs) == (None, least)

    def test_the_default_preset_needs_no_more_than_the_largest_number(self, load):
        training = load("data: toy\n", ["training.max_epochs=20"]).training
        assert (training.resolved_min_epochs, training.max_epochs) == (16, 20)
        assert load("data: toy\ntraining: {min_epochs: 3}\n").training.resolved_min_epochs == 3

    def test_it_is_found_beside_other_problems_but_not_beside_its_own(self, problems):
        assert "found 12 > 9" in problems(
            "data: toy\ntraining: {min_epochs: 12, max_epochs: 9}\ncorrespondence: {rho: 2}"
        )
        assert "min_epochs <=" not in problems("data: toy\ntraining: {max_epochs: 9, min_epochs: x}")
        assert "min_epochs <=" not in problems("data: toy\ntraining: 5")


class TestModalities:
    def test_the_star_is_merged_under_each(self, load):
        spec = load(
            "data: toy\nmodalities:\n  '*': {layer: counts, encoder: linear}\n  b: {layer: raw}\n  a: {encoder: mlp}\n"
        )
        assert list(spec.modalities) == ["*", "b", "a"]
        assert (spec.modality("b").layer, spec.modality("b").encoder.name) == ("raw", "linear")
        assert (spec.modality("a").layer, spec.modality("a").encoder.name) == ("counts", "mlp")
        assert spec.modality("other").layer == "counts"
        assert [p.name for p in spec.modality("a").preprocess] == ["standardize", "pca"]

    def test_nothing_below_a_name_is_all_defaults(self, load):
        assert load("data: toy\nmodalities: {rna: , atac: }").modality("rna").encoder.name == "linear_skip"


SECTIONS = [
    cls
    for module in (sections, evaluate_section)
    for cls in vars(module).values()
    if dataclasses.is_dataclass(cls) and cls.__module__ == module.__name__ and isinstance(cls, type)
]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_documented(section):
    undocumented = [f.name for f in fields_of(section).values() if not f.description and not f.name.startswith("_")]
    assert undocumented == []


def test_the_sections_are_all_there():
    assert len(SECTIONS) >= 11


@pytest.mark.parametrize("features", [3, ["AP width (ms)", 2]], ids=str)
def test_a_number_within_limits_or_a_list(features):
    (explainer,) = load_spec({"explain": [{"shap": {"features": features}}]}, reads_data=False).explain
    assert explainer.build().features == features


def test_a_number_beyond_the_limits_beside_a_list():
    with pytest.raises(SpecError, match=r"expected a whole number > 0 or a list of .*, found 0"):
        load_spec({"explain": [{"shap": {"features": 0}}]}, reads_data=False)
