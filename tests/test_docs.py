"""README and CONTRIBUTING say what the code does: their files are used, their commands run, their tables complete.

The blocks of README.md that follow ``<!-- ci: NAME -->`` are run by ``.ci/run``; all others are run here, in the order
of the page, in one folder that holds the files that a reader would have.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pytest
import typer
from mudata import MuData
from typer.testing import CliRunner

from jamie.builtins import load_registry
from jamie.cli import app
from jamie.core.interfaces import KINDS
from jamie.core.schema import MISSING, fields_of
from jamie.data.assemble import mudata_conventions
from jamie.spec import load_spec, preset_names
from jamie.spec.grammar import dict_item, section_of, settings_of
from jamie.spec.problem import Source
from jamie.spec.ref import SpecDefault
from jamie.spec.sections import Header, LossTerm, Modality, Spec, Target
from jamie.spec.yaml_tree import parse_yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = typer.main.get_command(app)
SHORTER = "training: {max_epochs: 3, ensemble: 2}\n"
BUILT_IN = [c for r in [load_registry()] for c in r.components() if r.provider(c).name == "jamie"]


@dataclass(frozen=True)
class Fence:
    """A fenced block and the comment right above it."""

    mark: str
    language: str
    text: str


def fences() -> list[Fence]:
    found = re.findall(r"(?:^<!-- ([^\n]*?) -->\n)?^```(\w*)\n(.*?)^```", README, re.M | re.S)
    return [Fence(*parts) for parts in found]


def shorter(text: str) -> str:
    """A spec that names its data with few epochs of fewer networks, unless it says itself how to train."""
    names_data = re.search(r"^data:", text, re.M) and not re.search(r"^training:", text, re.M)
    return text + SHORTER if names_data else text


def tables() -> list[list[list[str]]]:
    """Every table as rows of cells."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", README, re.M)
    return [
        [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in b.splitlines()] for b in blocks
    ]


def section(heading: str) -> str:
    """Text from a heading to the next of its level or above."""
    level = heading.split()[0]
    start = README.index(f"\n{heading}\n")
    after = re.compile(rf"^#{{1,{len(level)}}} ", re.M).search(README, start + len(heading) + 2)
    return README[start : after.start() if after else None]


# What a reader types.


@pytest.fixture(scope="module")
def reader(tmp_path_factory, reports_switch) -> Iterator[Path]:
    """A folder with the data and the files of the page, as the working directory; runs lay out cells, for figures."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jamie.commands.write_results.compute_layouts", reports_switch["write_results.compute_layouts"])
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.delenv("JAMIE_DATA", raising=False)
        with mudata_conventions():
            cells(60, "cell").write(folder / "mine.h5mu")
            cells(20, "new").write(folder / "new.h5mu")
        for fence in fences():
            if fence.mark.startswith("file: "):
                (folder / fence.mark.removeprefix("file: ")).write_text(shorter(fence.text))
        yield folder


def cells(n: int, prefix: str) -> MuData:
    generator = np.random.default_rng(n)
    position = generator.normal(size=(n, 2))
    modalities = {}
    for name, width in (("rna", 12), ("protein", 7)):
        slopes = np.random.default_rng(width).normal(size=(2, width))
        X = (position @ slopes + 0.1 * generator.normal(size=(n, width))).astype(np.float32)
        adata = anndata.AnnData(X, layers={"log1p": X, "counts": np.round(np.exp(X))})
        adata.obs_names = [f"{prefix}_{i}" for i in range(n)]
        adata.var_names = [f"{name}_{i}" for i in range(width)]
        adata.obs["cell_type"] = np.where(position[:, 0] > 0, "high", "low")
        modalities[name] = adata
    return MuData(modalities)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # mudata's own, on reading
def test_commands_and_python_run_as_written(reader):
    names: dict[str, object] = {}
    for fence in fences():
        if fence.mark.startswith(("ci: ", "file: ")):
            continue
        if fence.language == "bash":
            for line in fence.text.splitlines():
                run(line)
        elif fence.language == "python":
            exec(compile(runnable(fence.text), "README.md", "exec"), names)
    assert (reader / "runs/mine/result.h5mu").is_file()
    assert anndata.read_h5ad(reader / "protein.h5ad").shape == (20, 7)
    assert names["joint"].obs["cell_type"].notna().all()
    assert names["protein"].shape == (60, 7)
    assert names["run"].path == Path("runs/again")
    events = [json.loads(line) for line in (reader / "runs/decorrelated/events.jsonl").read_text().splitlines()]
    assert any("decorrelation" in event.get("values", {}) for event in events)
    documented = section("### What the run directory holds")
    undocumented = [p.name for p in (reader / "runs/mine").iterdir() if f"`{p.name}" not in documented]
    assert undocumented == []


def run(line: str) -> str:
    """Run a line of the page, which is a command of jamie or installs something."""
    words = shlex.split(line)
    if words[0] != "jamie":
        pytest.fail(f"README.md: expected a command of jamie, or a mark `ci:`, found: {line}")
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, f"{line}\n{done.output}"
    return done.output


def runnable(text: str) -> str:
    """Python of the page with few latents, and without scanpy where that is not installed."""
    text = text.replace('"model.latent_dim": 16', '"model.latent_dim": 4')
    if importlib.util.find_spec("scanpy") is None:
        text = re.sub(r"^(import scanpy|sc\.).*\n", "", text, flags=re.M)
    return text


def test_the_error_message_is_the_one_shown(reader):
    (shown,) = (fence for fence in fences() if fence.mark.startswith("output: "))
    done = CliRunner().invoke(app, shlex.split(shown.mark.removeprefix("output: jamie ")))
    assert done.exit_code == 2
    # what other packages provide depends on the environment
    assert re.sub(r"; from jamie-.*", "", done.stderr) == shown.text


def test_the_plugin_keeps_the_contract(reader):
    namespace: dict[str, object] = {}
    exec(compile((reader / "test_decorrelation.py").read_text(), "README.md", "exec"), namespace)
    test = namespace["test_contract"]
    (mark,) = test.pytestmark
    assert len(mark.args[1]) > 5
    for case in mark.args[1]:
        test(*case.values)


def test_the_plugin_has_ten_lines(reader):
    code = (reader / "decorrelation.py").read_text()
    assert "A loss term in ten lines" in README
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("fence", [f for f in fences() if f.language == "yaml"], ids=lambda fence: fence.mark)
def test_specs_validate(fence, reader):
    if fence.mark == "file: wrong.yaml":
        return
    name = fence.mark.removeprefix("file: ")
    assert load_spec(name, reads_data=False, base=reader).data.name == "mudata"


def test_pairings_of_the_table_validate():
    rows = next(table for table in tables() if table[0][0] == "your cells")[2:]
    assert len(rows) >= 6
    for row in rows:
        settings = {}
        for text in re.findall(r"`([^`]+)`", row[1]):
            settings |= parse_yaml(text, Source()).to_plain()
        if set(settings) == {"known"}:
            settings = {"correspondence": settings}
        assert load_spec(settings, reads_data=False).correspondence


def test_inline_settings_of_a_spec_validate():
    inline = [t for t in re.findall(r"`([a-z]+: [^`]+)`", README) if t.split(":")[0] in fields_of(Spec)]
    assert len(inline) >= 5
    for text in inline:
        assert load_spec(parse_yaml(text, Source()).to_plain(), reads_data=False)


@pytest.mark.parametrize("text", [f.text for f in fences() if f.language == "python"])
def test_python_compiles(text):
    assert ast.parse(text).body


# Everything is documented.


@pytest.mark.parametrize("component", BUILT_IN, ids=lambda c: f"{c.kind}-{c.name}")
def test_every_component_is_documented_with_its_parameters(component):
    rows = component_rows()
    assert component.name in rows.get(component.kind, {}), f"README.md, Components: no row for {component.name}"
    documented = re.findall(r"`(\w+)`", rows[component.kind][component.name])
    assert documented == list(fields_of(component))


def test_no_component_is_documented_that_does_not_exist():
    existing = {(c.kind, c.name) for c in BUILT_IN}
    assert {(kind, name) for kind, rows in component_rows().items() for name in rows} == existing


def component_rows() -> dict[str, dict[str, str]]:
    """The cell with the parameters, by kind and name."""
    text = section("### Components")
    found: dict[str, dict[str, str]] = {}
    for kind, table in re.findall(r"^\*\*(\w+)\*\*.*\n\n((?:\|.*\n)+)", text, re.M):
        cells = [line.split("|") for line in table.splitlines()[2:]]
        found[kind] = {row[1].strip(" `"): row[2] for row in cells}
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_documented_with_a_recipe(kind):
    assert re.search(rf"^\*\*{kind}\*\*: .*\(", section("### Components"), re.M)
    assert re.search(rf"^\| `?{kind}`? \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M)


@pytest.mark.parametrize("name", sorted(COMMANDS.commands))
def test_every_command_and_option_is_documented(name):
    text = section("### Command line")
    row = re.search(rf"^\| `jamie {name}\b[^`]*` \|(.*?)\|", text, re.M)
    assert row, f"README.md, Command line: no row for jamie {name}"
    options = [opt for p in COMMANDS.commands[name].params for opt in p.opts if opt.startswith("--")]
    documented = re.findall(r"`(--[a-z-]+)`", row.group(1))
    assert sorted(documented) == sorted(options)
    undescribed = [opt for opt in options if not re.search(rf"^\| `{opt}` \| \S", text, re.M)]
    assert undescribed == []


def spec_keys(cls: type, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every key with its default in the schema; a section is named by its keys."""
    for f in settings_of(cls):
        if cls is LossTerm and f.name == "component":
            continue
        key, inner = f"{prefix}{f.name}", section_of(f.annotation)
        if inner is None or f.default is None:
            yield key, f.default.value if isinstance(f.default, SpecDefault) else f.default
        if inner is not None:
            yield from spec_keys(inner, f"{key}.")
        elif dict_item(f.annotation) in (Modality, LossTerm):
            yield from spec_keys(dict_item(f.annotation), f"{key}.NAME.")


SPEC_KEYS = dict([*spec_keys(Header), *spec_keys(Spec)])
BY_SCHEMA = (*fields_of(Header), "losses.NAME.", "modalities.NAME.target.")  # a preset does not set these
NO_DEFAULT = ("name", "data", "modalities", "losses")


def spec_rows() -> dict[str, str]:
    """Key and default of each row; a cell without backquotes is a remark."""
    text = section("### Keys of a spec")
    return dict(re.findall(r"^\| `([\w.]+)` \| (.*?) \|", text, re.M))


def test_every_spec_key_is_documented():
    assert list(spec_rows()) == list(dict.fromkeys(spec_rows()))
    assert sorted(spec_rows()) == sorted(SPEC_KEYS)
    assert set(fields_of(Target)) == {key.rsplit(".")[-1] for key in SPEC_KEYS if ".target." in key}


@pytest.mark.parametrize("key", [key for key in SPEC_KEYS if key not in NO_DEFAULT])
def test_the_default_of_a_spec_key_is_the_one_documented(key):
    cell = spec_rows()[key]
    assert re.fullmatch(r"`.+`", cell), f"README.md, {key}: expected a default in backquotes, found {cell}"
    documented = parse_yaml(cell.strip("`"), Source()).to_plain()
    if key.startswith(BY_SCHEMA):
        assert documented == SPEC_KEYS[key]
    else:
        default = load_spec("default", reads_data=False)
        assert load_spec("default", {key.replace("NAME", "*"): documented}, reads_data=False) == default


def test_required_keys_are_called_required():
    required = {key for key, default in SPEC_KEYS.items() if default is MISSING}
    assert required == {"data"} == {key for key, cell in spec_rows().items() if cell == "required"}


def test_every_preset_is_listed():
    rows = re.findall(r"^\| `(\w+)` \|", section("### Presets"), re.M)
    assert sorted(rows) == preset_names()


def test_every_spec_is_listed():
    shipped = {path.relative_to(ROOT).as_posix() for path in (ROOT / "specs").rglob("*.yaml")}
    assert set(re.findall(r"^\| `(specs/[\w/]+\.yaml)` \|", README, re.M)) == shipped


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "docs/paper.md",
        "docs/imputation.md",
        "docs/scaling.md",
        "docs/plugins.md",
        "docs/specs.md",
        "plugins/jamie-example/README.md",
    ],
)
def test_no_page_names_a_place_on_one_machine(page):
    text = (ROOT / page).read_text()
    assert (
        re.findall(r"(?:^|[\s`\"'(=])((?:/(?:home|work|tmp|root|Users|mnt|data|opt)|~|[A-Z]:\\)[/\\]?\S*)", text) == []
    )


def test_the_rooms_stand_in_the_order_of_the_layers():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [layer.split(" | ") for layer in reversed(settings["contracts"][0]["layers"])]
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = "\n".join(re.findall(r"^\| (`jamie/.*?) \|", text, re.M))
    rooms = re.findall(r"`jamie/(\w+)(?:/|\.py)`", rows)
    level = {name: i for i, names in enumerate(layers) for name in names}
    assert sorted(rooms) == sorted(level)
    assert [level[room] for room in rooms] == sorted(level.values())


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/paper.md", "docs/imputation.md"])
def test_files_that_a_page_names_exist(page):
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`((?:jamie|specs|plugins|tests|\.ci)/[\w./-]*)`", text))
    assert len(named) >= 3
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


# The paper, line by line.

PAPER = (ROOT / "docs" / "paper.md").read_text()


def rows_of(header: str) -> list[list[str]]:
    """Rows of the tables of docs/paper.md that have the header, as cells."""
    blocks = re.findall(rf"^{re.escape(header)}\n\|[- |]+\|\n((?:\|.*\|\n)+)", PAPER, re.M)
    return [[cell.strip() for cell in line.split("|")[1:-1]] for block in blocks for line in block.splitlines()]


SETTINGS_OF_THE_PAPER = rows_of("| paper | key | `paper` | `default` | |")


def test_every_equation_and_line_of_the_paper_has_a_row():
    named = [row[0] for row in SETTINGS_OF_THE_PAPER]
    found = {kind: {int(n) for name in named for n in numbers_after(kind, name)} for kind in ("eq.", "line")}
    assert found == {"eq.": set(range(1, 10)), "line": set(range(1, 35))}


def numbers_after(kind: str, name: str) -> list[str]:
    listed = re.match(rf"{re.escape(kind)}s? ((?:\d+(?:, )?)+)", name)
    return re.findall(r"\d+", listed.group(1)) if listed else []


@pytest.mark.parametrize(
    ("key", "preset", "cell"),
    [
        pytest.param(row[1], preset, cell, id=f"{row[0]}-{preset}")
        for row in SETTINGS_OF_THE_PAPER
        for preset, cell in zip(("paper", "default"), row[2:4], strict=True)
        if row[1] and (cell or preset == "paper")
    ],
)
def test_the_settings_of_the_paper_are_those_of_the_presets(key, preset, cell):
    name = key.strip("`")
    documented = parse_yaml(cell.strip("`"), Source()).to_plain()
    changed = load_spec(preset, {name.replace("NAME", "*"): documented}, reads_data=False)
    assert changed == load_spec(preset, reads_data=False)


@pytest.mark.parametrize(
    ("component", "parameters"), [row[1:] for row in rows_of("| paper | component | parameters |")]
)
def test_the_measures_of_the_paper_are_the_components_defaults(component, parameters):
    named = re.fullmatch(r"(\w+) `(\w+)`(, tuned by default)?", component)
    if named:
        fields = fields_of(load_registry().get(named[1], named[2]))
        documented = parse_yaml(parameters.strip("`"), Source()).to_plain()
        defaults = {name: fields[name].default for name in documented}
        assert defaults == (dict.fromkeys(documented) if named[3] else documented)


def test_the_settings_that_draw_partners_together_validate():
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAPER, re.M | re.S)
    spec = load_spec(parse_yaml(text, Source()).to_plain(), reads_data=False)
    normalized = spec.model.aggregator.params["normalize"], spec.losses["alignment"].component.params["normalize"]
    found = (spec.training.sampling.name, spec.correspondence.mix, *normalized)
    assert found == ("pairs", "unmatched", "rows", "unit")
