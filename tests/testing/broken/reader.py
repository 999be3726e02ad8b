"""Readers that break their contract."""

from itertools import count
from pathlib import Path

import jamie
from jamie.data.assemble import mudata_conventions
from jamie.testing import toy

CALLS = count()


class Sound(jamie.Reader):
    """The toy cells."""

    def _read(self, context):
        return toy.mudata()


class Repeats(jamie.Reader):
    """Gives a feature twice."""

    def _read(self, context):
        mdata = toy.mudata()
        names = list(mdata["rna"].var_names)
        mdata["rna"].var_names = [*names[:-1], names[0]]
        return mdata


class Empty(jamie.Reader):
    """Gives a modality without features."""

    def _read(self, context):
        from mudata import MuData

        mdata = toy.mudata()
        with mudata_conventions():
            return MuData({"rna": mdata["rna"].copy(), "atac": mdata["atac"][:, :0].copy()})


class ChangingValues(jamie.Reader):
    """Gives other values every time."""

    def _read(self, context):
        mdata = toy.mudata()
        mdata["rna"].X = mdata["rna"].X + next(CALLS)
        return mdata


class Renames(jamie.Reader):
    """Gives other cell names every time."""

    def _read(self, context):
        mdata = toy.mudata()
        stamp = next(CALLS)
        mdata["rna"].obs_names = [f"{name}-{stamp}" for name in mdata["rna"].obs_names]
        return mdata


class Elsewhere(Sound):
    """Claims a file that does not exist."""

    def sources(self):
        return (Path("nowhere.h5mu"),)


BROKEN = {
    "check_gives_named_cells_and_features": [
        (Repeats, r"reader 'repeats': feature names of 'rna' are unique: expected none, found \['rna_0'\]"),
        (Empty, r"'atac' has cells and features: expected > 0, found \(53, 0\)"),
    ],
    "check_reading_is_repeatable": [
        (ChangingValues, r"reads the same twice \(rna\.X\)"),
        (Renames, r"reads the same twice \(rna\.obs_names\)"),
    ],
    "check_sources_exist": [(Elsewhere, r"expected existing files, found \['nowhere.h5mu'\]")],
}
