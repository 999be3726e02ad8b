"""Commands that use a trained model, and the one that simulates cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jamie.cli.options import Data, Debug, Json, MaxMissing, Model, Overwrite, Quiet


def embed(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The data with embeddings (.h5mu or .zarr).")],
    modality: Annotated[
        str | None, typer.Option(metavar="MODALITY", help="The modality that AnnData (.h5ad, .zarr) holds.")
    ] = None,
    max_missing: MaxMissing = 0.2,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Embed cells, known or new, with a trained model."""
    from jamie.console.errors import errors_shown

    with errors_shown(as_json=json, debug=debug):
        from jamie.commands.embed import embed_file
        from jamie.console.progress import reporting

        with reporting(quiet=quiet or json):
            embed_file(model, data, out, modality=modality, max_missing=max_missing, overwrite=overwrite)
    _written(out, json)


def impute(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The imputed values (.h5ad or .zarr).")],
    source: Annotated[
        str | None, typer.Option(metavar="MODALITY", help="The modality that is measured [the one that DATA has].")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="MODALITY", help="The modality to impute [the other].")] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Features to impute, by comma, or @FILE with one a line; repeatable [all]."),
    ] = None,
    intervals: Annotated[
        bool | None,
        typer.Option(
            "--intervals/--no-intervals",
            help="Layers sd, lower and upper [where the model has them, up to 2 GiB of values].",
        ),
    ] = None,
    max_missing: MaxMissing = 0.2,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Impute one modality from another with a trained model."""
    from jamie.console.errors import errors_shown

    with errors_shown(as_json=json, debug=debug):
        from jamie.commands.embed import impute_file
        from jamie.console.progress import reporting

        with reporting(quiet=quiet or json) as progress:
            impute_file(
                model,
                data,
                out,
                source=source,
                to=to,
                features=features,
                intervals=intervals,
                max_missing=max_missing,
                overwrite=overwrite,
                progress=progress,
            )
    _written(out, json)


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
        Path | None, typer.Option(metavar="FILE", help="New cells to predict (.h5mu, .h5ad of one modality, or .zarr).")
    ] = None,
    max_missing: MaxMissing = 0.2,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The predictions (.csv).")] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Predict labels of one modality's cells from labelled cells of another, and score them where they are known."""
    from jamie.console.errors import errors_shown, print_blocks, print_json

    with errors_shown(as_json=json, debug=debug):
        from jamie.commands.embed import transfer_run
        from jamie.console.progress import reporting
        from jamie.console.transfer import transfer_record, transfer_tables

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


def simulate(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The simulated cells (.h5mu).")],
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="branch, a branching manifold; or regulatory, genes driven by peaks.")
    ] = "branch",
    n_cells: Annotated[int | None, typer.Option(help="Cells in each modality [300; regulatory: 2000].")] = None,
    n_features: Annotated[
        list[int] | None,
        typer.Option(help="Features of a modality; once for each modality [1000 2000; regulatory: 200 600]."),
    ] = None,
    noise: Annotated[float | None, typer.Option(help="branch: standard deviation of the noise [0.1].")] = None,
    dropout: Annotated[
        float | None, typer.Option(help="regulatory: how likely a gene of typical expression is missed [0.2].")
    ] = None,
    overlap: Annotated[float, typer.Option(help="Fraction of the cells that are in every modality.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
    overwrite: Overwrite = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Simulate cells as in the paper, on a branching manifold or of a regulatory network, and write them as .h5mu."""
    from jamie.console.errors import errors_shown

    with errors_shown(as_json=json, debug=debug):
        from jamie.commands.embed import simulate_file

        simulate_file(
            out,
            kind,
            n_cells=n_cells,
            n_features=n_features or (),
            noise=noise,
            dropout=dropout,
            overlap=overlap,
            seed=seed,
            overwrite=overwrite,
        )
    _written(out, json)


def _written(out: object, as_json: bool) -> None:
    """Say which file was written."""
    from jamie.console.errors import print_json

    if as_json:
        print_json({"file": str(out)})
    else:
        typer.echo(f"written to {out}")
