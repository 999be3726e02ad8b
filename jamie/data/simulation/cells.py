"""What the simulators share: checked parameters, and names of cells that are measured in one modality or in all."""

from __future__ import annotations

import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.interfaces.data import Reader
from jamie.core.schema import fields_of


def require_valid_parameters(reader: Reader) -> None:
    """Refuse parameters outside the ranges of their annotations, as a spec does, where no spec has been read."""
    for name, field in fields_of(type(reader)).items():
        try:
            TypeAdapter(field.annotation).validate_python(getattr(reader, name))
        except ValidationError as error:
            first = error.errors()[0]
            problem = f"{first['msg'][0].lower()}{first['msg'][1:]}, found {first['input']!r}"
            raise DataError(problem, where=f"reader '{reader.name}', {name}") from error


def require_memory(reader: Reader, n_values: float, context: Context) -> None:
    """Refuse to simulate `n_values`, each of which takes three numbers in double precision on the way."""
    context.require_memory(
        int(24 * n_values), f"the cells of reader '{reader.name}'", "simulate fewer cells or features"
    )


def require_distinct_modalities(reader: Reader, modalities: tuple[str, ...]) -> None:
    """Refuse two modalities of one name."""
    if len(set(modalities)) < len(modalities):
        raise DataError(
            f"expected different names of modalities, found {', '.join(modalities)}",
            where=f"reader '{reader.name}', modalities",
            fix="give different names, such as [rna, atac]",
        )


def cell_names(modality: str, cells: NDArray, n_shared: int, n_total: int) -> pd.Index:
    """Names by number: ``cell_007`` for the first `n_shared` cells, ``rna_007`` for those of one modality alone."""
    digits = len(str(n_total))
    return pd.Index([f"{'cell' if i < n_shared else modality}_{i:0{digits}d}" for i in cells])
