"""``jamie simulate``: simulated cells, on a branching manifold, of a regulatory network, or pairs in any number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path

from jamie.core.errors import DataError
from jamie.core.files import write_atomically
from jamie.core.interfaces.data import Reader
from jamie.core.suggest import suggest_names
from jamie.data.assemble import mudata_conventions
from jamie.data.readers.simulate_branch import SimulateBranch
from jamie.data.readers.simulate_pairs import SimulatePairs
from jamie.data.readers.simulate_regulatory import SimulateRegulatory
from jamie.data.writing.row_blocks import write_row_blocks

SIMULATORS: Mapping[str, type[Reader]] = {
    "branch": SimulateBranch,
    "regulatory": SimulateRegulatory,
    "pairs": SimulatePairs,
}
PAIRS: Mapping[str, object] = {
    "modalities": ("rna", "protein"),
    "n_features": (2000, 200),
    "mean_counts": (0.15, 1.0),  # so that a tenth and half of the values are not 0
}


def simulate_file(
    out: Path, kind: str, *, n_features: Sequence[int] = (), overwrite: bool = False, **settings: float | None
) -> None:
    """Write simulated cells as a .h5mu file or a .zarr folder.

    Parameters
    ----------
    out
        Where to write; counts of pairs are written a block of cells at a time, in any number.
    kind
        A key of `SIMULATORS`: cells on a branching manifold, a regulatory network, or pairs of counts.
    n_features
        Features of each modality; the simulator's default if empty.
    overwrite
        Replace `out`.
    **settings
        Parameters of the simulator, by name; None means its default.

    Raises
    ------
    JamieError
        If the settings do not describe a simulation of this kind, or `out` exists.
    """
    with write_atomically(out, (".h5mu", ".zarr"), overwrite) as partial:
        given = {name: value for name, value in settings.items() if value is not None}
        simulator = _simulator(kind, given, tuple(n_features))
        with mudata_conventions():
            if isinstance(simulator, SimulatePairs):
                write_row_blocks(simulator.row_sources(), partial)
            elif partial.suffix == ".zarr":
                simulator.read().write_zarr(partial)
            else:
                simulator.read().write_h5mu(partial)


def _simulator(kind: str, given: dict[str, float], n_features: tuple[int, ...]) -> Reader:
    if kind not in SIMULATORS:
        raise DataError(f"expected a simulation, found '{kind}'", where="--kind", fix=suggest_names(kind, SIMULATORS))
    sizes: dict[str, object] = {"n_features": n_features} if n_features else {}
    if n_features and kind == "regulatory":
        if len(n_features) != 2:
            problem = f"expected a number of genes and one of peaks, found {len(n_features)}"
            raise DataError(problem, where="--n-features", fix="give it twice: --n-features 200 --n-features 600")
        sizes = dict(zip(("n_genes", "n_peaks"), n_features, strict=True))
    if kind == "pairs":
        sizes = {**PAIRS, **sizes}
    known = signature(SIMULATORS[kind]).parameters
    for name in given:
        if name not in known:
            option = f"--{name.replace('_', '-')}"
            owner = next((other for other in SIMULATORS if name in signature(SIMULATORS[other]).parameters), None)
            raise DataError(
                f"is no setting of --kind {kind}", where=option, fix=f"leave it out, or give --kind {owner}"
            )
    return SIMULATORS[kind](**given, **sizes)
