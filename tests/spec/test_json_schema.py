"""The JSON Schema of specs takes what jamie takes, and refuses what an editor can see is wrong."""

from pathlib import Path

import pytest
import yaml

import jamie
from jamie.builtins import load_registry
from jamie.spec import preset_names
from jamie.spec.json_schema import json_schema
from jamie.spec.problem import Source
from jamie.spec.yaml_tree import parse_yaml

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).parents[2]
SPECS = [*sorted((ROOT / "specs").rglob("*.yaml")), ROOT / "plugins" / "jamie-example" / "example.yaml"]


PLUGIN = """
import jamie


class Shrinkage(jamie.Loss):
    'Size of the latents.'

    name = "shrinkage"

    def forward(self, batch, output):
        return sum(z.square().mean() for z in output.z.values())
"""


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    plugin = tmp_path_factory.mktemp("plugin") / "shrinkage.py"
    plugin.write_text(PLUGIN)
    return json_schema(load_registry([plugin]))


@pytest.fixture(scope="module")
def validator(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def read(path):
    return parse_yaml(path.read_text(), Source()).to_plain()


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_specs_of_the_repository_are_valid_and_name_the_schema(path, validator):
    found = read(path)
    if "plugins" in found:
        registry = load_registry([path.parent / name for name in found["plugins"]])
        validator = jsonschema.Draft202012Validator(json_schema(registry))
    if path.stem == "example":  # its components are those of a distribution, which need not be installed
        del found["correspondence"]["infer"], found["losses"]
    assert [error.message for error in validator.iter_errors(found)] == []
    folders = "../" * (len(path.relative_to(ROOT).parts) - 1)
    assert path.read_text().startswith(f"# yaml-language-server: $schema={folders}jamie.schema.json\n")


@pytest.mark.parametrize("preset", preset_names())
def test_presets_and_resolved_specs_are_valid(preset, validator):
    validator.validate(jamie.JAMIE(preset).spec.to_plain() | {"data": "simulate_branch"})


SPEC = """
data: {simulate_branch: {n_cells: 100}}
modalities: {rna: {preprocess: [standardize, {pca: {n_components: 8}}]}, protein: null}
losses: {kl: 0.5, reconstruction: null, shrinkage: {weight: 1, schedule: linear}}
training: {optimizer: {sgd: {momentum: 0.9}}, max_epochs: null}
sweep: [{seed: [0, 1]}]
"""


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("", "", None),
        ("n_cells: 100", "n_cell: 100", ["data"]),
        ("n_cells: 100", "n_cells: many", ["data"]),
        ("simulate_branch", "simulate_brunch", ["data"]),
        ("{simulate_branch: {n_cells: 100}}", "mudata", ["data"]),
        ("data: {simulate_branch: {n_cells: 100}}", "seed: 1", []),
        ("{pca: {n_components: 8}}", "{pca: {n_components: 0}}", ["modalities"]),
        ("kl: 0.5", "kl: -1", ["losses", "kl"]),
        ("kl: 0.5", "lk: 0.5", ["losses"]),
        ("schedule: linear", "schedule: lines", ["losses", "shrinkage"]),
        ("max_epochs: null", "max_epoch: 3", ["training"]),
        ("max_epochs: null", "max_epochs: 0", ["training"]),
        ("momentum", "momentun", ["training"]),
        ("sgd: {momentum: 0.9}", "sgd: {}, adam: {}", ["training"]),
        ("seed: [0, 1]", "seed: []", ["sweep"]),
        ("sweep:", "swoop:", []),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(validator, old, new, path):
    errors = list(validator.iter_errors(yaml.safe_load(SPEC.replace(old, new))))
    assert (not errors) == (path is None)
    assert all(list(error.absolute_path)[: len(path)] == path for error in errors)


def test_names_and_parameters_are_described(schema):
    kinds = schema["$defs"]
    (pairs,) = (one for one in kinds["sampler"]["anyOf"] if one.get("const") == "pairs")
    assert pairs["description"].startswith("Draws the cells of a known pair together")
    parameter = kinds["preprocessor.pca"]["properties"]["whitening"]
    assert parameter["default"] == 0.0
    assert "standard deviation" in parameter["description"]
    assert schema["properties"]["losses"]["properties"]["shrinkage"]["description"] == "Size of the latents."
    assert {"type": "array", "items": {"type": "string"}} in schema["properties"]["labels"]["anyOf"]
