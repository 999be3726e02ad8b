"""Commands about runs: do them, score them again, measure and compare them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jamie.cli.options import Debug, Jobs, Json, Overwrite, Quiet, Sets, SpecFile


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
    from jamie.console.errors import errors_shown, print_blocks, print_json, print_sweep

    with errors_shown(as_json=json, debug=debug):
        from jamie.console.progress import reporting
        from jamie.spec import is_sweep

        several = is_sweep(spec, sets or [])
    if several:
        with errors_shown(as_json=json, debug=debug), reporting(quiet=quiet or json) as progress:
            from jamie.commands.sweep import sweep

            found = sweep(
                spec, out=out, overrides=sets or [], jobs=jobs, resume=resume, overwrite=overwrite, progress=progress
            )
        print_sweep(found, as_json=json, quiet=quiet)
        return
    with errors_shown(as_json=json, debug=debug):
        from jamie.commands.run import run as run_spec
        from jamie.console.matching import run_tables

        with reporting(quiet=quiet or json) as progress:
            result = run_spec(
                spec, out=out, overrides=sets or [], resume=resume, overwrite=overwrite, progress=progress
            )
    if json:
        print_json({"folder": str(result.folder), "metrics": [record.as_dict() for record in result.metrics]})
        return
    if not quiet:
        print_blocks(run_tables((record.as_dict() for record in result.metrics), result.methods))
    typer.echo(f"written to {result.folder}")


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
    from jamie.console.errors import errors_shown, print_blocks, print_json

    with errors_shown(as_json=json, debug=debug):
        from jamie.commands.evaluate import evaluate_run
        from jamie.console.matching import run_tables
        from jamie.console.progress import reporting

        with reporting(quiet=quiet or json):
            found = evaluate_run(folder, sets or [])
    records = [record.as_dict() for record in found.records]
    if json:
        print_json({"folder": str(folder), "metrics": records})
        return
    if not quiet:
        print_blocks(run_tables(records))
    typer.echo(f"written to {folder}")


def explain(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The run directory of a finished run.")],
    explainers: Annotated[
        list[str] | None, typer.Argument(metavar="[EXPLAINER]...", help="Explainers [those of the run's spec].")
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A parameter of the explainer, such as features=3; repeatable."
        ),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Find the features that drive the model of a finished run; nothing is fitted."""
    from jamie.console.errors import errors_shown, print_blocks, print_json

    with errors_shown(as_json=json, debug=debug):
        from jamie.commands.explain import explain_run
        from jamie.console.explanations import explanation_blocks, explanation_records
        from jamie.console.progress import reporting
        from jamie.runs.explanation_files import FOLDER

        with reporting(quiet=quiet or json) as progress:
            found = explain_run(folder, explainers or [], sets or [], progress=progress)
    if json:
        print_json({"folder": str(folder), "explanations": explanation_records(found)})
        return
    if not quiet:
        print_blocks(explanation_blocks(found))
    for name in found:
        typer.echo(f"written to {folder / FOLDER / name}")


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The run directory of a finished run.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page (.html) [report.html in the run directory].")
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the page of a finished run, from its files alone."""
    from jamie.console.errors import errors_shown, print_json

    with errors_shown(as_json=json, debug=debug):
        from jamie.commands.explain import report_run
        from jamie.console.progress import reporting
        from jamie.report.figure_files import FIGURES

        with reporting(quiet=quiet or json) as progress:
            written = report_run(folder, out, overwrite=overwrite, progress=progress)
    if json:
        print_json({"folder": str(folder), "files": [str(path) for path in written]})
        return
    for place in dict.fromkeys(path.parent if path.parent.name == FIGURES else path for path in written):
        typer.echo(f"written to {place}")


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
    from jamie.console.errors import errors_shown, print_sweep

    with errors_shown(as_json=json, debug=debug):
        from jamie.commands.bench import bench as bench_spec
        from jamie.console.progress import reporting

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
    print_sweep(found.sweep, as_json=json, quiet=quiet, bench=found)


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Finished runs, or folders that hold some.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to write the tables and a page.")] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Join finished runs into one table, and count at how many features each wins."""
    from jamie.console.errors import errors_shown, print_blocks, print_json

    with errors_shown(as_json=json, debug=debug):
        from jamie.commands.compare import compare_runs
        from jamie.console.progress import reporting
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
