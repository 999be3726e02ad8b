import json
import re
import subprocess
import sys
import types

import mudata
import pytest
import typer
from typer.testing import CliRunner

import jamie.commands.embed
import jamie.commands.run
from jamie.cli import app
from jamie.console.progress import display_progress
from jamie.console.tables import print_json
from jamie.core.errors import DataError
from jamie.data.assemble import mudata_conventions
from jamie.data.readers.mudata import MuDataReader

PLUGIN = '''
import jamie

class Ridge(jamie.Loss):
    """Squared size of the latents.

    Keeps them near 0.

    Parameters
    ----------
    strength
        How strong it is.
    power
        The exponent.
    """

    name = "ridge"
    references = ("10.1000/ridge",)

    def __init__(self, *, strength: float, power: int = 2) -> None:
        super().__init__()

    def forward(self, batch, output):
        return 0
'''


@pytest.fixture
def call():
    """Run the command line in this process."""
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "ridge.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text("data: {simulate_branch: {n_cells: 30}}\nseed: 3\n")
    return path


def read(path):
    with mudata_conventions():
        return mudata.read_h5mu(path)


def commands():
    group = typer.main.get_command(app)
    return [("jamie", group), *group.commands.items()]


@pytest.mark.parametrize(("name", "command"), commands())
def test_everything_is_documented(name, command):
    assert command.help, name
    undocumented = [p.name for p in command.params if not getattr(p, "help", None)]
    assert undocumented == []


@pytest.mark.parametrize("code", ["import jamie", "import jamie.cli"])
def test_torch_is_not_imported(code):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print('torch' in sys.modules)"], capture_output=True, text=True
    )
    assert done.stdout.strip() == "False", done.stderr


def test_help_shows_defaults_in_brackets(call):
    text = " ".join(call("transfer", "--help").stdout.replace("│", " ").split())
    assert "The modality to predict" in text
    assert "[the" in text


def test_help_does_not_import_torch_or_components():
    code = (
        "import sys; from jamie.cli import app; app(['--help'], standalone_mode=False);"
        "heavy = ('torch', 'numpy', 'pandas', 'pydantic', 'jamie.core.interfaces');"
        "print('LOADED', [m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "LOADED []" in done.stdout, done.stderr
    assert "validate" in done.stdout


def test_libraries_that_some_components_need_are_imported_by_those_alone():
    code = (
        "import sys, jamie.pl; from jamie.builtins import load_registry; load_registry();"
        "heavy = ('matplotlib', 'shap', 'scranpy', 'faiss', 'plotly', 'jinja2', 'numba', 'sklearn', 'ot', 'mudata');"
        "print('REPORTS', load_registry().names('report'), 'LOADED', [m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "REPORTS ('html',) LOADED []" in done.stdout, done.stdout + done.stderr


def test_version(call):
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", call("--version").stdout)


def test_a_usage_error_exits_with_2(call):
    assert call("run").exit_code == 2
    assert call("nope").exit_code == 2


class TestValidate:
    def test_prints_the_spec_filled_in(self, call, spec):
        done = call("validate", spec, "--set", "training.batch_size=7")
        assert done.exit_code == 0, done.stderr
        assert "batch_size: 7" in done.stdout
        assert "name: spec" in done.stdout

    def test_json(self, call, spec):
        found = json.loads(call("validate", spec, "--json").stdout)
        assert found["seed"] == 3
        assert found["data"]["simulate_branch"]["n_cells"] == 30

    def test_problems_go_to_standard_error(self, call, spec):
        done = call("validate", spec, "--set", "trainin.x=1")
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith("--set trainin.x=1  trainin: unknown key 'trainin'")
        assert "Traceback" not in done.stderr

    def test_problems_as_json(self, call, spec):
        spec.write_text("data: {simulate_branch: {n_cells: many}}\nsed: 3\n")
        done = call("validate", spec, "--json")
        error = json.loads(done.stdout)["error"]
        assert (done.exit_code, error["code"]) == (2, "spec")
        assert [(p["line"], p["column"]) for p in error["problems"]] == [(1, 35), (2, 1)]
        assert error["problems"][0]["key"] == "data.simulate_branch.n_cells"

    def test_debug_shows_the_traceback(self, call, spec):
        done = call("validate", spec, "--set", "trainin.x=1", "--debug")
        assert type(done.exception).__name__ == "SpecError"


class TestList:
    def test_all_kinds(self, call, plugin):
        done = call("list", "--plugin", plugin)
        assert done.exit_code == 0, done.stderr
        assert re.search(r"encoder +mlp +Multilayer", done.stdout)
        assert re.search(rf"loss +ridge +Squared size of the latents\. +{plugin}", done.stdout)

    def test_one_kind_as_json(self, call, plugin):
        found = json.loads(call("list", "loss", "--json", "--plugin", plugin).stdout)
        assert {row["kind"] for row in found} == {"loss"}
        assert {"kl", "ridge"} <= {row["name"] for row in found}

    def test_an_unknown_kind(self, call):
        done = call("list", "los")
        assert done.exit_code == 2
        assert "unknown kind 'los'\n  did you mean 'loss'?   kinds: reader, pairing" in done.stderr

    def test_a_plugin_that_raises(self, call, tmp_path):
        (tmp_path / "bad.py").write_text("raise RuntimeError('boom')")
        done = call("list", "--plugin", tmp_path / "bad.py", "--json")
        error = json.loads(done.stdout)["error"]
        assert (done.exit_code, error["code"]) == (2, "plugin")
        assert "raised on import: RuntimeError: boom" in error["message"]


class TestShow:
    def test_a_component(self, call, plugin):
        done = call("show", "loss", "ridge", "--plugin", plugin)
        assert done.stdout == (
            f"loss ridge ({plugin})\nSquared size of the latents.\n\nKeeps them near 0.\n\nParameters\n"
            "  strength: float, required\n      How strong it is.\n"
            "  power: int, default 2\n      The exponent.\n\n"
            "References\n  doi:10.1000/ridge\n"
        )

    def test_json(self, call, plugin):
        found = json.loads(call("show", "loss", "ridge", "--plugin", plugin, "--json").stdout)
        assert found["parameters"][1] == {
            "name": "power",
            "type": "int",
            "required": False,
            "default": 2,
            "description": "The exponent.",
        }
        assert "default" not in found["parameters"][0]

    def test_a_nested_component_is_shown_by_its_name(self, call):
        found = json.loads(call("show", "correspondence", "unioncom", "--json").stdout)
        assert {p["name"]: p["default"] for p in found["parameters"]}["distance"] == "geodesic"

    def test_an_unknown_name(self, call):
        done = call("show", "encoder", "mpl")
        assert done.exit_code == 2
        assert "unknown encoder 'mpl'\n  did you mean 'mlp'?   available: linear, linear_skip, mlp" in done.stderr


def test_plugins(call, plugin):
    found = json.loads(call("plugins", "--plugin", plugin, "--json").stdout)
    by_name = {row["name"]: row for row in found}
    assert by_name[str(plugin)] == {
        **{"name": str(plugin), "version": "", "components": ["loss ridge"]},
        **{"error": "", "fix": ""},
    }
    assert "loss kl" in by_name["jamie"]["components"]
    assert "loss ridge" in call("plugins", "--plugin", plugin).stdout


RECORD = {
    "metric": "label_transfer_accuracy",
    "value": 0.25,
    "scope": "all",
    "method": "jamie",
    "source": "protein",
    "target": "rna",
    "label": "cell_type",
    "n_cells": 7,
    "higher_is_better": True,
    "headline": True,
    "parameters": {"k": 5},
}


class Result:
    path, metric_records = "runs/x", [RECORD]
    methods = ({"method": "jamie", "status": "done", "training": {"seconds": 7.0, "peak_memory_mib": 300.0}},)


class TestRun:
    @pytest.fixture
    def calls(self, monkeypatch):
        made = []

        def run(source, **keywords):
            made.append((source, keywords))
            return Result

        monkeypatch.setattr(jamie.commands.run, "run", run)
        return made

    def test_hands_everything_on(self, call, calls, spec):
        done = call("run", spec, "--out", "o", "--set", "a=1", "--set", "b=2", "--resume", "--overwrite")
        assert done.exit_code == 0, done.stderr
        ((source, keywords),) = calls
        assert {problem.key for problem in source.problems} == {"a", "b"}  # no keys of a spec, as `--set` gave them
        assert source.tree.value["data"].value.keys() == {"simulate_branch"}
        assert keywords.pop("progress") is not None
        assert str(keywords["out"]) == "o"
        assert (keywords["resume"], keywords["overwrite"]) == (True, True)
        assert re.search(r"label transfer accuracy ↑ +0.250", done.stdout)
        assert re.search(r"jamie +7.0 +300", done.stdout)
        assert "written to runs/x" in done.stdout

    def test_json(self, call, calls, spec):
        done = call("run", spec, "--json")
        assert json.loads(done.stdout) == {"folder": "runs/x", "metrics": [RECORD]}

    def test_quiet_prints_the_folder_only(self, call, calls, spec):
        assert call("run", spec, "--quiet").stdout == "written to runs/x\n"

    def test_an_error_exits_with_2(self, call, monkeypatch, spec):
        def run(source, **keywords):
            raise DataError("found 3 NaN", where="rna", fix="fill them")

        monkeypatch.setattr(jamie.commands.run, "run", run)
        done = call("run", spec)
        assert (done.exit_code, done.stderr) == (2, "rna: found 3 NaN\n  fill them\n")
        assert json.loads(call("run", spec, "--json").stdout)["error"]["code"] == "data"

    def test_an_interrupt_exits_with_130(self, call, monkeypatch, spec):
        def run(source, **keywords):
            raise KeyboardInterrupt

        monkeypatch.setattr(jamie.commands.run, "run", run)
        done = call("run", spec)
        assert (done.exit_code, done.stderr) == (130, "interrupted\n")
        assert json.loads(call("run", spec, "--json").stdout)["error"]["code"] == "interrupted"


def test_numbers_that_json_does_not_know_are_null(capsys):
    print_json({"value": float("nan"), "bounds": (0, float("inf")), "rows": [{"x": -float("inf")}]})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "value": None,
        "bounds": [0, None],
        "rows": [{"x": None}],
    }


def use_model(monkeypatch):
    """Let `jamie embed` load a model of rna and adt, which notes how it was called."""

    def embed(model, mdata, context, max_missing):
        mdata.uns["called"] = max_missing

    model = types.SimpleNamespace(modalities={"rna": None, "adt": None})
    monkeypatch.setattr(jamie.commands.embed, "open_model", lambda path, **options: (model, None))
    monkeypatch.setattr(jamie.commands.embed, "embed_mudata", embed)


class TestFiles:
    def test_simulate(self, call, tmp_path):
        out = tmp_path / "new" / "cells.h5mu"
        done = call("simulate", out, "--n-cells", 12, "--n-features", 4, "--n-features", 5, "--n-features", 6)
        assert done.exit_code == 0, done.stderr
        assert [m.shape for m in read(out).mod.values()] == [(12, 4), (12, 5), (12, 6)]
        assert [p.name for p in out.parent.iterdir()] == ["cells.h5mu"]

    def test_simulate_a_regulatory_network(self, call, tmp_path):
        out = tmp_path / "cells.h5mu"
        options = ("--n-cells", 12, "--n-features", 15, "--n-features", 20, "--dropout", 0)
        done = call("simulate", out, "--kind", "regulatory", *options)
        assert done.exit_code == 0, done.stderr
        found = read(out)
        assert {name: m.shape for name, m in found.mod.items()} == {"rna": (12, 15), "atac": (12, 20)}
        assert set(found.uns["truth"]["peak_links"]["gene"]) == set(found["rna"].var_names)

    @pytest.mark.parametrize("suffix", [".zarr", ".h5mu"])
    def test_simulate_pairs_of_counts(self, call, tmp_path, suffix):
        out = tmp_path / f"cells{suffix}"
        done = call("simulate", out, "--kind", "pairs", "--n-cells", 12, "--n-features", 15, "--n-features", 4)
        assert done.exit_code == 0, done.stderr
        found = MuDataReader(path=out).read()
        assert {name: m.shape for name, m in found.mod.items()} == {"rna": (12, 15), "protein": (12, 4)}

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                ("--kind", "regulation"),
                "--kind: expected a simulation, found 'regulation'\n  did you mean 'regulatory'?",
            ),
            (
                ("--dropout", 0.1),
                "--dropout: is no setting of --kind branch\n  leave it out, or give --kind regulatory",
            ),
            (("--kind", "regulatory", "--noise", 1), "--noise: is no setting of --kind regulatory"),
            (("--kind", "regulatory", "--n-features", 9), "expected a number of genes and one of peaks, found 1"),
            (("--kind", "regulatory", "--overlap", 2), "overlap: input should be less than or equal to 1"),
        ],
    )
    def test_simulate_refuses_settings_of_another_kind(self, call, tmp_path, options, message):
        done = call("simulate", tmp_path / "cells.h5mu", *options)
        assert done.exit_code == 2
        assert message in done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_simulate_refuses_to_replace(self, call, tmp_path):
        out = tmp_path / "cells.h5mu"
        out.write_text("mine")
        done = call("simulate", out)
        assert done.exit_code == 2
        assert "cells.h5mu: exists already\n  give another name, or --overwrite" in done.stderr
        assert out.read_text() == "mine"

    def test_simulate_refuses_another_format(self, call, tmp_path):
        done = call("simulate", tmp_path / "cells.csv", "--json")
        assert "expected a name that ends in .h5mu" in json.loads(done.stdout)["error"]["message"]

    def test_simulate_reports_wrong_settings_and_leaves_nothing(self, call, tmp_path):
        done = call("simulate", tmp_path / "cells.h5mu", "--overlap", 2)
        assert done.exit_code == 2
        assert "overlap: input should be less than or equal to 1" in done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_embed_uses_the_model(self, call, tmp_path, monkeypatch):
        call("simulate", tmp_path / "cells.h5mu", "--n-cells", 12, "--n-features", 4, "--n-features", 5)

        use_model(monkeypatch)
        data, out = tmp_path / "cells.h5mu", tmp_path / "out.h5mu"
        done = call("embed", "model", data, "--out", out, "--max-missing", 0.5)
        assert done.exit_code == 0, done.stderr
        assert read(out).uns["called"] == 0.5
        one = tmp_path / "one.h5ad"
        read(data)["modality1"].write_h5ad(one)
        assert call("embed", "model", one, "--modality", "rna", "--out", out, "--overwrite").exit_code == 0
        assert list(read(out).mod) == ["rna"]

    @pytest.mark.parametrize("options", [("--modality", "rna"), ()], ids=["anndata", "mudata"])
    def test_embed_reads_and_writes_zarr(self, call, tmp_path, monkeypatch, options):
        call("simulate", tmp_path / "cells.h5mu", "--n-cells", 12, "--n-features", 4, "--n-features", 5)
        cells = read(tmp_path / "cells.h5mu")
        # what mudata 0.4 has read it does not write to zarr: its axis is of numpy
        (cells["modality1"] if options else mudata.MuData(cells.mod)).write_zarr(tmp_path / "cells.zarr")
        use_model(monkeypatch)
        done = call("embed", "model", tmp_path / "cells.zarr", *options, "--out", tmp_path / "out.zarr")
        assert done.exit_code == 0, done.output
        found = mudata.read_zarr(tmp_path / "out.zarr")
        assert found.uns["called"] == 0.2
        assert list(found.mod) == (["rna"] if options else ["modality1", "modality2"])

    @pytest.mark.parametrize(
        ("given", "message"),
        [(" ,", "--features  ,: expected names of features, found none\n"), ("@nope.txt", "nope.txt: cannot be read")],
    )
    def test_impute_without_names_of_features(self, call, tmp_path, given, message):
        call("simulate", tmp_path / "cells.h5mu", "--n-cells", 12)
        arguments = ("--source", "modality1", "--to", "modality2", "--out", tmp_path / "x.h5ad", "--features", given)
        done = call("impute", "model", tmp_path / "cells.h5mu", *arguments)
        assert done.exit_code == 2
        assert message in done.stderr

    @pytest.mark.parametrize(
        ("name", "options", "message"),
        [
            (
                "one.h5ad",
                (),
                "expected --modality with AnnData, which does not name its own\n"
                "  say which modality it holds: --modality rna or adt",
            ),
            (
                "cells.h5mu",
                ("--modality", "rna"),
                "expected --modality with AnnData only (.h5ad, .zarr); MuData names its modalities\n  leave it out",
            ),
        ],
    )
    def test_embed_with_the_modality_where_it_is_needed(self, call, tmp_path, monkeypatch, name, options, message):
        use_model(monkeypatch)
        done = call("embed", "model", tmp_path / name, *options, "--out", tmp_path / "x.h5mu")
        assert done.exit_code == 2
        assert f"{tmp_path / name}: {message}\n" in done.stderr

    def test_embed_without_a_model(self, call, tmp_path):
        done = call("embed", tmp_path / "nope", tmp_path / "x.h5mu", "--out", tmp_path / "y.h5mu")
        assert done.exit_code == 2
        assert str(tmp_path / "nope") in done.stderr


def test_reporting_is_there_for_long_work():
    with display_progress(quiet=True) as progress:
        progress("training", 1, 2, {})
