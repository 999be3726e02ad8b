"""Arguments and options, those that several commands share by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def _verbatim(description: str) -> str:
    """Keep brackets, which are defaults, from being read as markup."""
    return description.replace("[", r"\[")


def option(metavar: str | None, description: str, *names: str, **limits: float) -> Any:
    """Describe an option; its name is that of the parameter, unless other `names` are given."""
    return typer.Option(*names, metavar=metavar, help=_verbatim(description), **limits)  # type: ignore[arg-type]


def flag(names: str, description: str) -> Any:
    """Describe an option that is given without a value."""
    return typer.Option(names, help=_verbatim(description))


def argument(metavar: str, description: str) -> Any:
    """Describe an argument."""
    return typer.Argument(metavar=metavar, help=_verbatim(description))


SpecFile = Annotated[str, argument("SPEC", "A spec (YAML).")]
RunDirectory = Annotated[Path, argument("RUN", "The directory of a finished run.")]
Model = Annotated[Path, argument("MODEL", "A run directory or a saved model.")]
Data = Annotated[Path, argument("DATA", "Cells: MuData (.h5mu, .zarr), or AnnData of one modality (.h5ad, .zarr).")]
Sets = Annotated[
    list[str] | None,
    option("KEY=VALUE", "Change a setting, such as training.batch_size=256; repeatable.", "--set"),
]
Plugins = Annotated[list[Path] | None, option("FILE", "A Python file with components; repeatable.", "--plugin")]
MaxMissing = Annotated[float, option("FRACTION", "Largest fraction of the features that may be absent.", min=0, max=1)]
AllowUnsafeModel = Annotated[
    bool,
    flag("--allow-unsafe-model", "Read files of a method's own format, such as a pickle, by which code can run."),
]
Overwrite = Annotated[bool, flag("--overwrite", "Replace a result that exists already.")]
Strict = Annotated[
    bool, flag("--strict", "End with exit code 3 if a report, a figure or an explanation had to be left out.")
]
Jobs = Annotated[int, option(None, "Runs of a sweep at a time; -1 for one on each core.")]
Spread = Annotated[
    Literal["dask", "ray"] | None, option(None, "Whose workers do them; without it, processes here.", "--backend")
]
Scheduler = Annotated[str | None, option("ADDRESS", "A cluster of the backend [workers here are started].")]
