"""Command line: parses, calls, prints; no logic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="jamie",
    help="Joint variational autoencoders for single-cell multimodal integration and imputation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SpecFile = Annotated[str, typer.Argument(metavar="SPEC", help="A spec (YAML).")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as training.batch_size=256; repeatable."),
]
Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", metavar="FILE", help="A Python file with components; repeatable.")
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A run directory or a saved model.")]
Data = Annotated[Path, typer.Argument(metavar="DATA", help="Cells: .h5mu, or .h5ad of one modality.")]
MaxMissing = Annotated[
    float, typer.Option(min=0, max=1, metavar="FRACTION", help="Largest fraction of the features that may be absent.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what stands at the place of the result.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, also for errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Jobs = Annotated[int, typer.Option(help="Runs of a sweep at a time; -1 for one on each core.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show warnings and errors only.")]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("jamie-toolkit"))
        raise typer.Exit


@app.callback()
def _app(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Joint variational autoencoders for single-cell multimodal integration and imputation."""


def _written(out: object, as_json: bool) -> None:
    """Say which file was written."""
    from jamie.terminal import print_json

    if as_json:
        print_json({"file": str(out)})
    else:
        typer.echo(f"written to {out}")


@app.command()
def run(
    spec: SpecFile,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Run directory [runs/NAME-TIME].")] = None,
    sets: Sets = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out after it was stopped.")] = False,
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a spec, or all runs of a sweep: train the model and write embeddings, imputed modalities and metrics."""
    from jamie.terminal import errors_shown, print_blocks, print_json, print_sweep

    with errors_shown(as_json=json, debug=debug):
        from jamie.report.console import reporting
        from jamie.spec import is_sweep

        several = is_sweep(spec, sets or [])
    if several:
        with errors_shown(as_json=json, debug=debug), reporting(quiet=quiet or json) as progress:
            from jamie.grid import sweep

            found = sweep(
                spec, out=out, overrides=sets or [], jobs=jobs, resume=resume, overwrite=overwrite, progress=progress
            )
        print_sweep(found, as_json=json, quiet=quiet)
        return
    with errors_shown(as_json=json, debug=debug):
        from jamie.pipeline import run as run_spec
        from jamie.report.tables import comparison_table

        with reporting(quiet=quiet or json) as progress:
            result = run_spec(
                spec, out=out, overrides=sets or [], resume=resume, overwrite=overwrite, progress=progress
            )
    if json:
        print_json({"folder": str(result.folder), "metrics": [record.as_dict() for record in result.metrics]})
        return
    if not quiet:
        print_blocks(comparison_table((record.as_dict() for record in result.metrics), result.methods))
    typer.echo(f"written to {result.folder}")


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The run directory of a finished run.")],
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change evaluate.metrics or labels; repeatable."),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Score a finished run again, with other metrics if wanted, and write its metrics anew; nothing is fitted."""
    from jamie.terminal import errors_shown, print_blocks, print_json

    with errors_shown(as_json=json, debug=debug):
        from jamie.reevaluate import evaluate_run
        from jamie.report.console import reporting
        from jamie.report.tables import comparison_table

        with reporting(quiet=quiet or json):
            found = evaluate_run(folder, sets or [])
    records = [record.as_dict() for record in found.records]
    if json:
        print_json({"folder": str(folder), "metrics": records})
        return
    if not quiet:
        print_blocks(comparison_table(records))
    typer.echo(f"written to {folder}")


@app.command()
def bench(
    spec: SpecFile,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the runs [runs/NAME-TIME].")] = None,
    sets: Sets = None,
    repeats: Annotated[int, typer.Option(min=1, help="How often each run is done.")] = 3,
    resume: Annotated[bool, typer.Option("--resume", help="Go on in --out; finished runs are kept.")] = False,
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure the time and memory of a spec or a sweep, each run in a process of its own."""
    from jamie.terminal import errors_shown, print_sweep

    with errors_shown(as_json=json, debug=debug):
        from jamie.benchmark import bench as bench_spec
        from jamie.report.console import reporting

        with reporting(quiet=quiet or json) as progress:
            found = bench_spec(
                spec,
                out=out,
                overrides=sets or [],
                repeats=repeats,
                jobs=jobs,
                resume=resume,
                overwrite=overwrite,
                progress=progress,
            )
    print_sweep(found.sweep, as_json=json, quiet=quiet, medians=found.medians)


@app.command()
def validate(
    spec: SpecFile,
    sets: Sets = None,
    without_files: Annotated[
        bool, typer.Option("--without-files", help="Also where the files that it names are not here.")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check a spec, and every run of a sweep, without reading data; prints it with all defaults filled in."""
    from jamie.terminal import errors_shown, print_json

    with errors_shown(as_json=json, debug=debug):
        from jamie.spec import expand

        found = expand(spec, sets or [], reads_data=not without_files)
    checked = found.spec
    if checked.is_sweep:
        typer.echo(f"a sweep of {len(found.cells)} runs", err=True)
    if json:
        print_json(checked.plain())
    else:
        typer.echo(checked.to_yaml(), nl=False)


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="Such as loss; all kinds by default.")] = None,
    plugin: Plugins = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the components that a spec may name."""
    from jamie.terminal import errors_shown, print_json, print_rows

    with errors_shown(as_json=json, debug=debug):
        from jamie.builtins import load_registry
        from jamie.spec.describe import list_components

        found = list_components(load_registry(plugin or ()), kind)
    if json:
        print_json(found)
    else:
        print_rows(found)


@app.command()
def show(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Such as loss.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as kl.")],
    plugin: Plugins = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a component: what it does, its parameters, its reference."""
    from jamie.terminal import errors_shown, print_component, print_json

    with errors_shown(as_json=json, debug=debug):
        from jamie.builtins import load_registry
        from jamie.spec.describe import describe_component

        found = describe_component(load_registry(plugin or ()), kind, name)
    if json:
        print_json(found)
    else:
        print_component(found)


@app.command()
def plugins(plugin: Plugins = None, json: Json = False, debug: Debug = False) -> None:
    """List what provides components: the built-ins, installed distributions and files."""
    from jamie.terminal import errors_shown, print_json, print_rows

    with errors_shown(as_json=json, debug=debug):
        from jamie.builtins import load_registry
        from jamie.spec.describe import describe_providers

        found = describe_providers(load_registry(plugin or ()))
    if json:
        print_json(found)
    else:
        print_rows(found)


@app.command()
def embed(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The data with embeddings (.h5mu).")],
    modality: Annotated[
        str | None, typer.Option(metavar="MODALITY", help="The modality that an .h5ad file holds.")
    ] = None,
    max_missing: MaxMissing = 0.2,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Embed cells, known or new, with a trained model."""
    from jamie.terminal import errors_shown

    with errors_shown(as_json=json, debug=debug):
        from jamie.on_files import embed_file
        from jamie.report.console import reporting

        with reporting(quiet=quiet or json):
            embed_file(model, data, out, modality=modality, max_missing=max_missing, overwrite=overwrite)
    _written(out, json)


@app.command()
def impute(
    model: Model,
    data: Data,
    source: Annotated[str, typer.Option(metavar="MODALITY", help="The modality that is measured.")],
    to: Annotated[str, typer.Option(metavar="MODALITY", help="The modality to impute.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The imputed values (.h5ad).")],
    features: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Features to impute, by comma, or @FILE with one a line; repeatable [all]."),
    ] = None,
    max_missing: MaxMissing = 0.2,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Impute one modality from another with a trained model."""
    from jamie.terminal import errors_shown

    with errors_shown(as_json=json, debug=debug):
        from jamie.on_files import impute_file
        from jamie.report.console import reporting

        with reporting(quiet=quiet or json):
            impute_file(
                model,
                data,
                out,
                source=source,
                to=to,
                features=features,
                max_missing=max_missing,
                overwrite=overwrite,
            )
    _written(out, json)


@app.command()
def transfer(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a finished run.")],
    label: Annotated[str, typer.Option(metavar="COLUMN", help="The column of obs to predict.")],
    source: Annotated[
        str | None, typer.Option(metavar="MODALITY", help="The modality whose cells have labels [the second].")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="MODALITY", help="The modality to predict [the other].")] = None,
    k: Annotated[int, typer.Option("--k", min=1, help="Nearest labelled cells that vote.")] = 5,
    method: Annotated[str, typer.Option(metavar="METHOD", help="Whose latent space: a method of the run.")] = "jamie",
    keep_partner: Annotated[
        bool, typer.Option("--keep-partner", help="Let the cell itself, in the other modality, vote on its label.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="New cells to predict (.h5mu, or .h5ad of one modality).")
    ] = None,
    max_missing: MaxMissing = 0.2,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The predictions (.csv).")] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Predict labels of one modality's cells from labelled cells of another, and score them where they are known."""
    from jamie.terminal import errors_shown, print_blocks, print_json

    with errors_shown(as_json=json, debug=debug):
        from jamie.on_files import transfer_run
        from jamie.report.console import reporting
        from jamie.report.transfer_tables import transfer_record, transfer_tables

        with reporting(quiet=quiet or json):
            found = transfer_run(
                run,
                label,
                source=source,
                to=to,
                k=k,
                method=method,
                keep_partner=keep_partner,
                data=data,
                max_missing=max_missing,
                out=out,
                overwrite=overwrite,
            )
    if json:
        print_json({"method": method, "label": label, "file": out and str(out), **transfer_record(found)})
        return
    if not quiet:
        print_blocks(transfer_tables(found))
    if out:
        typer.echo(f"written to {out}")


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Finished runs, or folders that hold some.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to write the tables.")] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Join finished runs into one table, and count at how many features each wins."""
    from jamie.terminal import errors_shown, print_blocks, print_json

    with errors_shown(as_json=json, debug=debug):
        from jamie.on_files import compare_runs
        from jamie.report.console import reporting
        from jamie.report.tables import comparison_table

        with reporting(quiet=quiet or json):
            found = compare_runs(runs, out, overwrite=overwrite)
    if json:
        print_json(found.as_dict())
        return
    if not quiet:
        print_blocks(comparison_table(found.records, found.methods))
    if out:
        typer.echo(f"written to {out}")


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The simulated cells (.h5mu).")],
    n_cells: Annotated[int, typer.Option(help="Cells in each modality.")] = 300,
    n_features: Annotated[
        list[int] | None, typer.Option(help="Features of a modality; once for each modality [1000 2000].")
    ] = None,
    noise: Annotated[float, typer.Option(help="Standard deviation of the noise.")] = 0.1,
    overlap: Annotated[float, typer.Option(help="Fraction of the cells that are in every modality.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
    overwrite: Overwrite = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Simulate cells on a branching manifold, as in the paper, and write them as .h5mu."""
    from jamie.terminal import errors_shown

    with errors_shown(as_json=json, debug=debug):
        from jamie.on_files import simulate_file

        features = tuple(n_features or (1000, 2000))
        simulate_file(
            out, n_cells=n_cells, n_features=features, noise=noise, overlap=overlap, seed=seed, overwrite=overwrite
        )
    _written(out, json)


def main() -> None:
    """Entry point of the command `jamie`."""
    app()
