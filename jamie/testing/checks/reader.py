"""Readers: anything -> MuData."""

from __future__ import annotations

from jamie.core.interfaces import Reader
from jamie.testing.assertions import build, require, require_equal


def check_gives_named_cells_and_features(component: type[Reader]) -> None:
    """Every modality has cells and features, and their names are unique."""
    for name, adata in build(component).read().mod.items():
        require(min(adata.shape) > 0, component, f"'{name}' has cells and features", expected="> 0", found=adata.shape)
        for axis, names in (("cell", adata.obs_names), ("feature", adata.var_names)):
            repeated = list(names[names.duplicated()][:3])
            require(names.is_unique, component, f"{axis} names of '{name}' are unique", expected="none", found=repeated)


def check_reading_is_repeatable(component: type[Reader]) -> None:
    """Reading is repeatable."""
    modalities = (build(component).read().mod for _ in range(2))
    first, second = ({name: {"X": a.X, "obs_names": a.obs_names} for name, a in mod.items()} for mod in modalities)
    require_equal(component, "reads the same twice", second, first, tolerance=0)


def check_sources_exist(component: type[Reader]) -> None:
    """`sources` names the files that were read, for the manifest."""
    missing = [str(path) for path in build(component).sources() if not path.exists()]
    require(not missing, component, "sources() names files that exist", expected="existing files", found=missing)
