"""Readers: anything -> MuData."""

from __future__ import annotations

from jamie.core.interfaces import Reader
from jamie.testing.clause import build, require, require_equal


def check_gives_named_cells_and_features(component: type[Reader]) -> None:
    """Every modality has cells and features, and their names are unique."""
    for name, adata in build(component).read().mod.items():
        require(min(adata.shape) > 0, component, f"'{name}' has cells and features", expected="> 0", found=adata.shape)
        for what, names in (("cell", adata.obs_names), ("feature", adata.var_names)):
            repeated = list(names[names.duplicated()][:3])
            require(names.is_unique, component, f"{what} names of '{name}' are unique", expected="none", found=repeated)


def check_reads_the_same_twice(component: type[Reader]) -> None:
    """Reading is repeatable."""
    first, second = build(component).read(), build(component).read()
    require(list(first.mod) == list(second.mod), component, "reads the same twice", expected=first, found=second)
    for name in first.mod:
        require_equal(component, f"reads the same twice ('{name}')", second[name].X, first[name].X, tolerance=0)
        require_equal(
            component, f"reads the same names twice ('{name}')", second[name].obs_names, first[name].obs_names
        )


def check_sources_exist(component: type[Reader]) -> None:
    """`sources` names the files that were read, for the manifest."""
    missing = [str(path) for path in build(component).sources() if not path.exists()]
    require(not missing, component, "sources() names files that exist", expected="existing files", found=missing)
