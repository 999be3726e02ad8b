"""The presets and the specs in `specs/`, against the real components."""

from pathlib import Path

import pytest

from jamie.builtins import load_registry
from jamie.spec import load_spec, preset_names

FOLDER = Path(__file__).parents[2] / "specs"
SPECS = sorted(FOLDER.rglob("*.yaml"))


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_spec_is_valid_and_reads_again(path, registry, tmp_path):
    spec = load_spec(path, registry=registry, reads_data=False)
    (tmp_path / "resolved.yaml").write_text(spec.to_yaml())
    assert load_spec(tmp_path / "resolved.yaml", registry=registry, reads_data=False) == spec


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid(name, registry):
    assert load_spec(name, registry=registry, reads_data=False).losses


def test_there_are_specs():
    assert SPECS
