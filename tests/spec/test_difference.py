import pytest

from jamie.spec import load_spec
from jamie.spec.difference import describe_changes

SPEC = {"data": "simulate_branch", "labels": ["cell_type"], "modalities": {"rna": {}, "adt": {}}}


def changed(**overrides):
    before = load_spec(SPEC, reads_data=False).to_yaml()
    return describe_changes(before, load_spec(SPEC, {key.replace("__", "."): v for key, v in overrides.items()}))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({}, ""),
        ({"seed": 3}, ": seed was 0 and is 3"),
        ({"labels": []}, ": labels was [cell_type] and is []"),
        ({"correspondence__infer": None}, ": correspondence.infer was auto and is null"),
        ({"modalities__rna__encoder": "mlp"}, ": modalities.rna.encoder was linear_skip and is mlp"),
        (
            {"modalities__rna__encoder": {"linear_skip": {"dropout": 0.1}}},
            ": modalities.rna.encoder.linear_skip.dropout was null and is 0.1",
        ),
        ({"losses__kl": None}, ": losses.kl was "),
        ({"losses__kl": None}, " and is absent"),
        (
            {
                "seed": 1,
                "training__batch_size": 9,
                "model__latent_dim": 5,
                "training__ensemble": 2,
                "correspondence__rho": 0.1,
            },
            "; and 2 more",
        ),
    ],
)
def test_the_settings_that_differ_are_named_with_both_values(overrides, said):
    found = changed(**overrides)
    assert said in found
    assert bool(found) == bool(overrides)
    assert len(found) < 250


def test_a_damaged_file_has_no_settings_to_name():
    assert describe_changes("a: [1", load_spec(SPEC, reads_data=False)) == ""
