import pytest


@pytest.fixture
def merged(load, write):
    def merged(base, over):
        write(f"data: toy\n{base}\n", "base.yaml")
        return load(f"extends: base.yaml\n{over}\n")

    return merged


def test_sections_merge_key_by_key(merged):
    spec = merged("training: {batch_size: 5, patience: 6}", "training: {patience: 7}")
    assert (spec.training.batch_size, spec.training.patience) == (5, 7)


def test_the_parameters_of_the_same_component_merge(merged):
    spec = merged(
        "correspondence: {infer: {unioncom: {steps: 5, distance: {geodesic: {k: 3}}}}}",
        "correspondence: {infer: {unioncom: {distance: {geodesic: {}}}}}",
    )
    assert spec.correspondence.infer.params["steps"] == 5
    assert spec.correspondence.infer.params["distance"].params["k"] == 3


def test_another_component_replaces(merged):
    spec = merged("correspondence: {infer: {unioncom: {steps: 5}}}", "correspondence: {infer: seeded}")
    assert (spec.correspondence.infer.name, dict(spec.correspondence.infer.params)) == ("seeded", {})


def test_a_bare_name_keeps_the_parameters_of_the_same_component(merged):
    spec = merged("correspondence: {infer: {unioncom: {steps: 5}}}", "correspondence: {infer: unioncom}")
    assert spec.correspondence.infer.params["steps"] == 5


def test_null_takes_a_component_out(merged):
    assert merged("correspondence: {infer: seeded}", "correspondence: {infer: null}").correspondence.infer is None


def test_lists_replace(merged):
    spec = merged("labels: [a, b]\nevaluate: {metrics: [foscttm]}", "labels: [c]\nevaluate: {metrics: []}")
    assert (spec.labels, spec.evaluate.metrics) == (["c"], [])


def test_losses_merge_by_name(merged):
    spec = merged("losses: {margin: {weight: 3, margin: 2}, kl: 5}", "losses: {margin: 4, kl: null}")
    assert (spec.losses["margin"].weight, spec.losses["margin"].component.params) == (4, {"margin": 2})
    assert "kl" not in spec.losses


def test_a_removed_modality(merged):
    assert list(merged("modalities: {rna: , atac: }", "modalities: {atac: null}").modalities) == ["*", "rna"]


def test_problems_of_an_extended_spec_are_shown_in_it(problems, write):
    write("data: toy\nseed: x\n", "base.yaml")
    assert problems("extends: base.yaml\n").startswith("base.yaml:2:7  seed: expected a whole number")


def test_a_wrong_shape_in_one_of_both_is_reported(problems, write):
    write("data: toy\ntraining: 5\nlosses: 3\n", "base.yaml")
    assert "training: expected a mapping" in problems("extends: base.yaml\ntraining: [1]\nlosses: {kl: 1}\nseed: x\n")
