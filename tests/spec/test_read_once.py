"""A spec is parsed, and a registry built, once in a run."""

import pytest
from typer.testing import CliRunner

import jamie
import jamie.spec.load
from jamie.cli import app
from jamie.spec import load_resolved, load_spec

PLUGIN = '''
import jamie

class Mine(jamie.Loss):
    """A loss."""

    name = "mine"

    def __init__(self, *, power: int = {default}) -> None:
        super().__init__()

    def forward(self, batch, output):
        return 0
'''


@pytest.fixture
def calls(monkeypatch):
    """Names of the functions that were called, among those that parse a spec or build a registry."""
    names = []
    for name in ("read_layers", "load_registry"):
        original = getattr(jamie.spec.load, name)

        def counted(*args, name=name, original=original, **keywords):
            names.append(name)
            return original(*args, **keywords)

        monkeypatch.setattr(jamie.spec.load, name, counted)
    return names


@pytest.mark.filterwarnings("ignore")
def test_a_run_parses_its_spec_once(tmp_path, calls, reports):
    settings = ["training.max_epochs=2", "training.min_epochs=1", "training.ensemble=1", "report=[html]"]
    settings += ["explain=[{shap: {features: 2, cells: 5}}]"]
    (tmp_path / "spec.yaml").write_text("data: {simulate_branch: {n_cells: 60, n_features: [8, 6]}}\npreset: fast\n")
    arguments = ["run", tmp_path / "spec.yaml", "--out", tmp_path / "run", *(f"--set={key}" for key in settings)]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert sorted(calls) == ["load_registry", "read_layers"]
    run = jamie.Run(tmp_path / "run")
    assert (tmp_path / "run/report.html").is_file()
    assert run.explanations


def test_the_text_of_a_spec_in_use_is_that_spec(calls):
    spec = load_spec({"losses": {"kl": None}}, reads_data=False)
    assert load_resolved(spec.to_yaml()) is spec
    assert len(calls) == 2


def test_a_spec_whose_plugin_has_changed_is_read_again(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text(PLUGIN.format(default=1))
    spec = load_spec({"plugins": [str(plugin)], "losses": {"mine": 1}}, reads_data=False)
    text = spec.to_yaml()
    assert load_resolved(text) is spec
    plugin.write_text(PLUGIN.format(default=22))
    again = load_resolved(text, plugins=[plugin])
    assert again.losses["mine"].component.params == {"power": 1}  # as the text says
    assert again.losses["mine"].component.cls is not spec.losses["mine"].component.cls
    assert again.losses["mine"].component.build() is not None
