"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SpecFile = Annotated[str, typer.Argument(metavar="SPEC", help="A spec (YAML).")]
RunDirectory = Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a finished run.")]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A run directory or a saved model.")]
Data = Annotated[
    Path,
    typer.Argument(metavar="DATA", help="Cells: MuData (.h5mu, .zarr), or AnnData of one modality (.h5ad, .zarr)."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, such as training.batch_size=256; repeatable."),
]
Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", metavar="FILE", help="A Python file with components; repeatable.")
]
MaxMissing = Annotated[
    float, typer.Option(min=0, max=1, metavar="FRACTION", help="Largest fraction of the features that may be absent.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a result that exists already.")]
Jobs = Annotated[int, typer.Option(help="Runs of a sweep at a time; -1 for one on each core.")]
