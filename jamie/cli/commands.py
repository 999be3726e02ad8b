"""The commands, in the order in which `jamie --help` lists them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from jamie.cli.app import command
from jamie.cli.options import (
    AllowUnsafeModel,
    Data,
    Jobs,
    MaxMissing,
    Model,
    Overwrite,
    Plugins,
    RunDirectory,
    Scheduler,
    Sets,
    SpecFile,
    Spread,
    Strict,
    argument,
    flag,
    option,
)
from jamie.console import output
from jamie.console.output import CommandOutput
from jamie.core.errors import OutputError


@command()
def run(
    source: SpecFile,
    out: Annotated[Path | None, option("DIR", "Run directory [runs/NAME-TIME].")] = None,
    overrides: Sets = None,
    resume: Annotated[bool, flag("--resume", "Go on with the run in --out after it was stopped.")] = False,
    jobs: Jobs = 1,
    backend: Spread = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    progress: Any = None,
) -> CommandOutput:
    """Run a spec, or all runs of a sweep: train the model and write embeddings, imputed modalities and metrics."""
    arguments = locals()
    del arguments["strict"]
    from jamie.runs.run import left_out
    from jamie.spec import draft_spec

    arguments["source"] = draft = draft_spec(source, arguments.pop("overrides") or [])
    if draft.sweep_keys():
        from jamie.commands.sweep import sweep
        from jamie.console.sweep_output import sweep_output

        swept = sweep(**arguments)
        shown = sweep_output(swept)
        return replace(shown, left_out=left_out(swept.folder)) if strict else shown
    from jamie.commands.run import run as run_once

    if backend or scheduler:
        raise OutputError(
            "expected a sweep to spread, found one run",
            where="--backend" if backend else "--scheduler",
            fix="leave it out, or list the values of a setting under sweep in the spec",
        )
    for name in ("jobs", "backend", "scheduler"):  # of several runs
        del arguments[name]
    result = run_once(**arguments)
    shown = output.run_output(result.path, result.metric_records, result.methods)
    return replace(shown, left_out=left_out(result.path)) if strict else shown


@command()
def evaluate(
    folder: RunDirectory,
    sets: Annotated[
        list[str] | None, option("KEY=VALUE", "Change evaluate.metrics or labels; repeatable.", "--set")
    ] = None,
    plugin: Plugins = None,
) -> CommandOutput:
    """Score a finished run again, with other metrics if wanted, and write its metrics anew; nothing is fitted."""
    from jamie.commands.evaluate import evaluate_run

    evaluation = evaluate_run(folder, sets or [], plugins=plugin or ())
    return output.run_output(folder, [record.as_dict() for record in evaluation.records])


@command()
def explain(
    folder: RunDirectory,
    explainers: Annotated[
        list[str] | None, argument("[EXPLAINER]...", "Explainers; by default those of the run's spec.")
    ] = None,
    sets: Annotated[
        list[str] | None, option("KEY=VALUE", "A parameter of the explainer, such as features=3; repeatable.", "--set")
    ] = None,
    plugin: Plugins = None,
    allow_unsafe_model: AllowUnsafeModel = False,
    progress: Any = None,
) -> CommandOutput:
    """Find the features that drive the model of a finished run; nothing is fitted."""
    from jamie.commands.explain import explain_run
    from jamie.runs.file_names import EXPLANATIONS

    explanations = explain_run(
        folder,
        explainers or [],
        sets or [],
        allow_unsafe_model=allow_unsafe_model,
        progress=progress,
        plugins=plugin or (),
    )
    return output.explain_output(folder, explanations, [folder / EXPLANATIONS / name for name in explanations])


@command()
def report(
    folder: RunDirectory,
    out: Annotated[Path | None, option("FILE", "The page (.html) [report.html in the run directory].")] = None,
    plugin: Plugins = None,
    overwrite: Overwrite = False,
    progress: Any = None,
) -> CommandOutput:
    """Write the page of a finished run, from its files alone."""
    from jamie.commands.report import report_run

    files = report_run(folder, out, overwrite=overwrite, progress=progress, plugins=plugin or ())
    return output.report_output(folder, files)


@command()
def bench(
    source: SpecFile,
    out: Annotated[Path | None, option("DIR", "Folder of the runs [runs/NAME-TIME].")] = None,
    overrides: Sets = None,
    repeats: Annotated[int, typer.Option(min=1, help="How often each run is done.")] = 3,
    resume: Annotated[bool, flag("--resume", "Go on in --out; finished runs are kept.")] = False,
    jobs: Jobs = 1,
    backend: Spread = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    progress: Any = None,
) -> CommandOutput:
    """Measure the time and memory of a spec or a sweep, each run in a process of its own."""
    arguments = locals() | {"overrides": overrides or []}
    from jamie.commands.bench import bench as bench_spec
    from jamie.console.sweep_output import bench_output

    return bench_output(bench_spec(**arguments))


@command(quiet=False)
def validate(
    spec: SpecFile,
    overrides: Sets = None,
    without_files: Annotated[bool, flag("--without-files", "Also where the files that it names are not here.")] = False,
) -> CommandOutput:
    """Check a spec, and every run of a sweep, without reading data; prints it with all defaults filled in."""
    from jamie.spec import expand

    expanded = expand(spec, overrides or [], reads_data=not without_files)
    if expanded.spec.is_sweep:
        typer.echo(f"a sweep of {len(expanded.runs)} runs", err=True)
    return CommandOutput(expanded.spec.to_plain(), text=expanded.spec.to_yaml())


@command("list", quiet=False)
def list_components(
    kind: Annotated[str | None, argument("[KIND]", "Such as loss; all kinds by default.")] = None,
    plugin: Plugins = None,
) -> CommandOutput:
    """List the components that a spec may name."""
    from jamie.builtins import load_registry
    from jamie.spec import describe

    return output.rows_output(describe.list_components(load_registry(plugin or ()), kind))


@command(quiet=False)
def show(
    kind: Annotated[str, argument("KIND", "Such as loss.")],
    name: Annotated[str, argument("NAME", "Such as kl.")],
    plugin: Plugins = None,
) -> CommandOutput:
    """Show a component: what it does, its parameters, its reference."""
    from jamie.builtins import load_registry
    from jamie.spec.describe import describe_component

    return output.component_output(describe_component(load_registry(plugin or ()), kind, name))


@command(quiet=False)
def plugins(plugin: Plugins = None) -> CommandOutput:
    """List what provides components: the built-ins, installed distributions and files."""
    from jamie.builtins import load_registry
    from jamie.spec.describe import describe_providers

    return output.plugins_output(describe_providers(load_registry(plugin or ())))


@command(quiet=False)
def schema(plugin: Plugins = None) -> CommandOutput:
    """Print a JSON Schema of specs, by which editors complete and check them."""
    import json

    from jamie.builtins import load_registry
    from jamie.spec.json_schema import json_schema

    found = json_schema(load_registry(plugin or ()))
    return CommandOutput(found, text=json.dumps(found, indent=1) + "\n")


@command(quiet=False)
def new(
    kind: Annotated[str, argument("KIND", "Such as loss.")],
    name: Annotated[str, argument("NAME", "A word of small letters, digits and _.")],
    distribution: Annotated[bool, flag("--distribution", "A package with metadata and tests, not one file.")] = False,
    out: Annotated[Path, option("DIR", "Where to write it.")] = Path(),
) -> CommandOutput:
    """Write a component that keeps its contract at once, to be changed into your own."""
    from jamie.commands.new import new_component

    paths = new_component(kind, name, out, distribution=distribution)
    return CommandOutput({"files": [str(path) for path in paths]}, written=paths)


@command()
def embed(
    model: Model,
    data: Data,
    out: Annotated[Path, option("FILE", "The data with embeddings (.h5mu or .zarr).")],
    modality: Annotated[str | None, option("MODALITY", "The modality that AnnData (.h5ad, .zarr) holds.")] = None,
    max_missing: MaxMissing = 0.2,
    plugin: Plugins = None,
    allow_unsafe_model: AllowUnsafeModel = False,
    overwrite: Overwrite = False,
) -> CommandOutput:
    """Embed cells, known or new, with a trained model."""
    arguments = locals()
    arguments["path"] = arguments.pop("model")
    from jamie.commands.embed import embed_file

    arguments["plugins"] = arguments.pop("plugin") or ()
    embed_file(**arguments)
    return output.file_output(out)


@command()
def impute(
    path: Model,
    data: Data,
    out: Annotated[Path, option("FILE", "The imputed values (.h5ad or .zarr).")],
    source: Annotated[
        list[str] | None, option("MODALITY", "The modality that is measured; repeatable [the one that DATA has].")
    ] = None,
    to: Annotated[str | None, option("MODALITY", "The modality to impute [the other].")] = None,
    features: Annotated[
        list[str] | None, option("NAMES", "Features to impute, by comma, or @FILE with one a line; repeatable [all].")
    ] = None,
    intervals: Annotated[
        bool | None,
        flag(
            "--intervals/--no-intervals", "Layers sd, lower and upper [if the model has them, up to 2 GiB of values]."
        ),
    ] = None,
    max_missing: MaxMissing = 0.2,
    plugin: Plugins = None,
    allow_unsafe_model: AllowUnsafeModel = False,
    overwrite: Overwrite = False,
    progress: Any = None,
) -> CommandOutput:
    """Impute one modality from another, or from several at once, with a trained model."""
    arguments = locals()
    arguments |= {"sources": arguments.pop("source"), "plugins": arguments.pop("plugin") or ()}
    from jamie.commands.impute import impute_file

    impute_file(**arguments)
    return output.file_output(out)


@command()
def transfer(
    path: RunDirectory,
    label: Annotated[str, option("COLUMN", "The column of obs to predict.")],
    source: Annotated[str | None, option("MODALITY", "The modality whose cells have labels [the second].")] = None,
    to: Annotated[str | None, option("MODALITY", "The modality to predict [the other].")] = None,
    k: Annotated[int, typer.Option("--k", min=1, help="Nearest labelled cells that vote.")] = 5,
    method: Annotated[str | None, option("METHOD", "Whose latent space: a method of the run [its model].")] = None,
    keep_partner: Annotated[
        bool, flag("--keep-partner", "Let the cell itself, in the other modality, vote on its label.")
    ] = False,
    data: Annotated[
        Path | None, option("FILE", "New cells to predict (.h5mu, .h5ad of one modality, or .zarr).")
    ] = None,
    max_missing: MaxMissing = 0.2,
    plugin: Plugins = None,
    allow_unsafe_model: AllowUnsafeModel = False,
    out: Annotated[Path | None, option("FILE", "The predictions (.csv).")] = None,
    overwrite: Overwrite = False,
) -> CommandOutput:
    """Predict labels of one modality's cells from labelled cells of another, and score them where they are known."""
    arguments = locals()
    arguments["plugins"] = arguments.pop("plugin") or ()
    from jamie.commands.transfer import transfer_run

    predictions = transfer_run(**arguments)
    return output.transfer_output(predictions, label, out)


@command()
def compare(
    runs: Annotated[list[Path], argument("RUN...", "Finished runs, or folders that hold some.")],
    out: Annotated[Path | None, option("DIR", "Where to write the tables and a page.")] = None,
    overwrite: Overwrite = False,
) -> CommandOutput:
    """Join finished runs into one table, and count at how many features each wins."""
    from jamie.commands.compare import compare_runs

    return output.compare_output(compare_runs(runs, out, overwrite=overwrite), out)


@command(quiet=False)
def simulate(
    out: Annotated[Path, argument("FILE", "The simulated cells (.h5mu or .zarr).")],
    kind: Annotated[
        str,
        option(
            "KIND",
            "branch, a branching manifold; regulatory, genes driven by peaks; or pairs, sparse counts.",
        ),
    ] = "branch",
    n_cells: Annotated[int | None, option(None, "Cells in each modality [300; regulatory: 2000; pairs: 1000].")] = None,
    n_features: Annotated[
        list[int] | None,
        option(None, "Features of a modality; once for each [1000 2000; regulatory: 200 600; pairs: 2000 200]."),
    ] = None,
    noise: Annotated[
        float | None, option(None, "branch, pairs: standard deviation of noise [0.1; pairs: 0.3].")
    ] = None,
    dropout: Annotated[
        float | None, option(None, "regulatory: how likely a gene of typical expression is missed [0.2].")
    ] = None,
    overlap: Annotated[float, option(None, "Fraction of the cells that are in every modality.")] = 1.0,
    seed: Annotated[int, option(None, "Seed of the simulation.")] = 0,
    overwrite: Overwrite = False,
) -> CommandOutput:
    """Simulate cells: as in the paper on a branching manifold, of a regulatory network, or pairs of counts."""
    arguments = locals() | {"n_features": n_features or ()}
    from jamie.commands.simulate import simulate_file

    simulate_file(**arguments)
    return output.file_output(out)
