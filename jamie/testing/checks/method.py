"""Whole methods: embedding, imputation or both."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist

from jamie.core.context import Context
from jamie.core.data import Cells, Imputation
from jamie.core.errors import DataError
from jamie.core.interfaces import Method
from jamie.core.resources import ResourceUsage
from jamie.testing import toy
from jamie.testing.clause import build, require, require_equal, require_finite, unmodified


def check_embeds_or_imputes(component: type[Method]) -> None:
    """It embeds, imputes or does both."""
    able = component.embeds() or component.imputes()
    require(able, component, "it does something", expected="_embed or _impute", found="neither")


def check_embeds_all_modalities_in_one_space(component: type[Method]) -> None:
    """Finite (n_m, L) of each modality, with the same L: of two modalities and, where it takes them, of three."""
    for cells in _every_number_of_modalities(component):
        if not component.embeds():
            return
        z = _fitted(component, cells).embed(cells.scores)
        require(set(z) == set(cells.modalities), component, "embeds each", expected=cells.modalities, found=list(z))
        shapes = {m: v.shape for m, v in z.items()}
        width = z[cells.modalities[0]].shape[-1]
        expected = {m: (cells.views[m].n_cells, width) for m in z}
        require(shapes == expected, component, "(n_m, L) of each modality", expected=expected, found=shapes)
        for m, latents in z.items():
            require_finite(component, f"the latents of {m}", latents)


def check_imputes_every_modality_from_every_other(component: type[Method]) -> None:
    """Finite (n, t) on the scale of the targets, with or without an interval, for each ordered pair."""
    for cells in _every_number_of_modalities(component):
        for (source, target), found in _imputed(component, _fitted(component, cells), cells).items():
            expected = (cells.views[source].n_cells, cells.targets[target].shape[1])
            for name, values in vars(found).items():
                if values is not None:
                    clause = f"{name} of {target} imputed from {source}"
                    require(values.shape == expected, component, clause, expected=expected, found=values.shape)
                    require_finite(component, clause, values)


def check_intervals_hold_the_mean(component: type[Method]) -> None:
    """Where it gives a standard deviation it is not negative, and the interval holds the mean."""
    cells = _cells(component)
    for (source, target), found in _imputed(component, _fitted(component, cells), cells).items():
        where = f"of {target} imputed from {source}"
        low = found.mean if found.lower is None else found.lower
        high = found.mean if found.upper is None else found.upper
        holds = bool(((low <= found.mean) & (found.mean <= high)).all())
        require(holds, component, f"the interval {where}", expected="lower <= mean <= upper", found="values outside")
        smallest = 0.0 if found.sd is None else float(found.sd.min())
        require(smallest >= 0, component, f"the standard deviation {where}", expected=">= 0", found=smallest)


def check_same_seed_same_result(component: type[Method]) -> None:
    """The seed of the context decides all randomness."""
    cells = _cells(component)
    first, second = (_fitted(component, cells) for _ in range(2))
    _require_same(component, "the same seed gives the same", cells, first, second)


def check_order_of_cells_means_nothing(component: type[Method]) -> None:
    """Fitted on cells in another order, each keeps its place among the others, unless the method is a random one."""
    if not component.embeds():
        return
    cells = _cells(component)
    order = {m: np.random.default_rng(5).permutation(view.n_cells) for m, view in cells.views.items()}
    other = cells.subset(order)
    expected = _fitted(component, cells).embed(cells.scores)
    found = _fitted(component, other).embed(other.scores)
    for m, given in order.items():
        here, there = pdist(expected[m][given]), pdist(found[m])
        alike = np.allclose(np.sort(here), np.sort(there), rtol=0.01, atol=0.01 * here.max())
        if alike:  # the same shape of the whole: then each cell must be where it was
            clause = f"a cell of {m} keeps its distances to the others when the cells come in another order"
            require_equal(component, clause, there / here.max(), here / here.max(), tolerance=0.05)


def check_a_cell_does_not_depend_on_the_others(component: type[Method]) -> None:
    """Other cells than those of the fit, one or several, in any order: each has its own row."""
    cells = _cells(component)
    method = _fitted(component, cells)
    new = {m: (1.1 * x[3:9] + 0.1).astype(np.float32) for m, x in cells.scores.items()}
    labels = {m: v[3:9] for m, v in cells.labels.items()}
    for some in ([4], [5, 0, 2]):
        few = {m: x[some] for m, x in new.items()}
        if component.embeds() and component.inductive:
            found, expected = method.embed(few), method.embed(new)
            for m in few:
                require_equal(component, f"the latents of a new cell of {m} are its own", found[m], expected[m][some])
        if component.imputes():
            for a, b in permutations(cells.modalities, 2):
                alone = method.impute(few[a], a, b, labels[a][some] if labels else None)
                among = method.impute(new[a], a, b, labels.get(a))
                clause = f"{b} imputed from a new cell of {a} is its own"
                require_equal(component, clause, alone.mean, among.mean[some])


def check_refuses_what_it_lacks(component: type[Method]) -> None:
    """Without the known pairs, or the labels, that it needs, or with too many modalities, it raises a `DataError`."""
    told = "labels" in component.needs
    lacking = {}
    if "pairs" in component.needs:
        lacking["known pairs"] = toy.cells(known=False, labels=told)
    if told:
        lacking["labels"] = toy.cells(labels=False)
    if component.max_modalities == 2:
        lacking["no more than 2 modalities"] = toy.cells(3, labels=told)
    for what, cells in lacking.items():
        try:
            build(component).fit(cells, Context(seed=3))
        except DataError:
            continue
        require(False, component, f"it needs {what}", expected="a DataError", found="none")


def check_needs_what_it_says(component: type[Method]) -> None:
    """Without known pairs and labels it is fitted all the same, unless `needs` names them."""
    cells = toy.cells(known="pairs" in component.needs, labels="labels" in component.needs)
    try:
        _fitted(component, cells)
    except DataError as error:
        given = f"fitted with {', '.join(sorted(component.needs)) or 'neither pairs nor labels'}"
        require(False, component, "`needs` names all that it needs", expected=given, found=error)


def check_reports_what_it_took(component: type[Method]) -> None:
    """`usage` holds the time and memory of preparation and training."""
    usage = _fitted(component, _cells(component)).usage
    right = set(usage) == {"preparation", "training"} and all(isinstance(u, ResourceUsage) for u in usage.values())
    require(right, component, "usage", expected="that of preparation and training", found=dict(usage))


def check_leaves_inputs_alone(component: type[Method]) -> None:
    """Cells, pairs, labels and the cells to embed or to impute from are not modified."""
    cells, method = _cells(component), build(component)
    given: dict[str, Any] = {f"scores of {m}": view.scores for m, view in cells.views.items()}
    given |= {f"matrix of {m}": view.block.X for m, view in cells.views.items()}
    given |= {f"target of {m}": values for m, values in cells.targets.items()}
    given |= {f"labels of {m}": values for m, values in cells.labels.items()}
    with unmodified(component, known=cells.known.between("rna", "atac").matrix, **given):
        # the inner methods: what the public one hands on is a copy of its own
        method._prepare(cells, Context(seed=3))
        method._fit(cells, Context(seed=3))
        if component.embeds():
            method._embed_with_covariates(cells.scores if component.inductive else None, {})
        _imputed(component, method, cells)


def _cells(component: type[Method], n_modalities: int = 2) -> Cells:
    return toy.cells(n_modalities, labels="labels" in component.needs)


def _every_number_of_modalities(component: type[Method]) -> Iterator[Cells]:
    for n_modalities in (2, 3):
        if component.max_modalities is None or n_modalities <= component.max_modalities:
            yield _cells(component, n_modalities)


def _fitted(component: type[Method], cells: Cells) -> Method:
    return build(component).fit(cells, Context(seed=3))


def _imputed(component: type[Method], method: Method, cells: Cells) -> dict[tuple[str, str], Imputation]:
    """Every ordered pair; none where it does not impute."""
    pairs = permutations(cells.modalities, 2) if component.imputes() else ()
    return {(a, b): method.impute(cells.scores[a], a, b, cells.labels.get(a)) for a, b in pairs}


def _require_same(component: type[Method], clause: str, cells: Cells, first: Method, second: Method) -> None:
    if component.embeds():
        here, there = (method.embed(cells.scores) for method in (first, second))
        for m in here:
            require_equal(component, f"{clause} latents of {m}", there[m], here[m])
    expected = _imputed(component, first, cells)
    for (a, b), found in _imputed(component, second, cells).items():
        require_equal(component, f"{clause} {b} imputed from {a}", found.mean, expected[a, b].mean)
