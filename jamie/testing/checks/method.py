"""Whole methods: embedding, imputation or both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist

from jamie.core.context import Context
from jamie.core.data import Cells, Imputation
from jamie.core.errors import DataError
from jamie.core.interfaces import Method
from jamie.core.resources import ResourceUsage
from jamie.model.method_files import load_method, save_method
from jamie.testing import toy
from jamie.testing.assertions import (
    arrays_in,
    build,
    must_raise,
    require,
    require_equal,
    require_finite,
    require_is,
    unmodified,
)


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
        require_is(component, "embeds each", set(z), set(cells.modalities))
        latent_dim = z[cells.modalities[0]].shape[-1]
        expected = {m: (cells.views[m].n_cells, latent_dim) for m in z}
        require_is(component, "(n_m, L) of each modality", {m: v.shape for m, v in z.items()}, expected)
        for m, latents in z.items():
            require_finite(component, f"the latents of {m}", latents)


def check_imputes_every_modality_from_every_other(component: type[Method]) -> None:
    """Finite (n, t) on the scale of the targets, with or without an interval, for each ordered pair."""
    for cells in _every_number_of_modalities(component):
        for (source, target), imputation in _imputed(component, _fitted(component, cells), cells).items():
            expected = (cells.views[source].n_cells, cells.targets[target].shape[1])
            for name, values in arrays_in(imputation).items():
                clause = f"{name} of {target} imputed from {source}"
                require_is(component, clause, values.shape, expected)
                require_finite(component, clause, values)


def check_intervals_hold_the_mean(component: type[Method]) -> None:
    """If it gives a standard deviation it is not negative, and the interval holds the mean."""
    cells = _cells(component)
    for (source, target), imputation in _imputed(component, _fitted(component, cells), cells).items():
        where, mean = f"of {target} imputed from {source}", imputation.mean
        low = mean if imputation.lower is None else imputation.lower
        high = mean if imputation.upper is None else imputation.upper
        inside = bool(((low <= mean) & (mean <= high)).all())
        require(inside, component, f"the interval {where}", expected="lower <= mean <= upper", found="values outside")
        smallest = 0.0 if imputation.sd is None else float(imputation.sd.min())
        require(smallest >= 0, component, f"the standard deviation {where}", expected=">= 0", found=smallest)


def check_same_seed_same_result(component: type[Method]) -> None:
    """The seed of the context decides all randomness."""
    cells = _cells(component)
    first, second = (_results(component, _fitted(component, cells), cells) for _ in range(2))
    require_equal(component, "the same seed gives the same result", second, first)


def check_order_of_cells_means_nothing(component: type[Method]) -> None:
    """Fitted on cells in another order, each keeps its distances to the others, unless the method is a random one."""
    if not component.embeds():
        return
    cells = _cells(component)
    order = {m: np.random.default_rng(5).permutation(view.n_cells) for m, view in cells.views.items()}
    reordered = cells.subset(order)
    expected = _fitted(component, cells).embed(cells.scores)
    found = _fitted(component, reordered).embed(reordered.scores)
    for m, permutation in order.items():
        before, after = pdist(expected[m][permutation]), pdist(found[m])
        same_shape = np.allclose(np.sort(before), np.sort(after), rtol=0.01, atol=0.01 * before.max())
        if same_shape:  # then each cell must be where it was
            clause = f"a cell of {m} keeps its distances to the others when the cells come in another order"
            require_equal(component, clause, after / before.max(), before / before.max(), tolerance=0.05)


def check_a_cell_does_not_depend_on_the_others(component: type[Method]) -> None:
    """New cells, one or several, in any order: the result for a cell does not depend on the others."""
    cells = _cells(component)
    method = _fitted(component, cells)
    new = {m: (1.1 * x[3:9] + 0.1).astype(np.float32) for m, x in cells.scores.items()}
    labels = {m: v[3:9] for m, v in cells.labels.items()}
    for rows in ([4], [5, 0, 2]):
        few = {m: x[rows] for m, x in new.items()}
        if component.embeds() and component.inductive:
            found, expected = method.embed(few), method.embed(new)
            for m in few:
                require_equal(component, f"the latents of a new cell of {m} are its own", found[m], expected[m][rows])
        if component.imputes():
            for a, b in permutations(cells.modalities, 2):
                alone = method.impute(few[a], a, b, labels[a][rows] if labels else None)
                among = method.impute(new[a], a, b, labels.get(a))
                clause = f"{b} imputed from a new cell of {a} is its own"
                require_equal(component, clause, alone.mean, among.mean[rows])


def check_refuses_missing_requirements(component: type[Method]) -> None:
    """Without the known pairs, or the labels, that it needs, or with too many modalities, it raises a `DataError`."""
    labels = "labels" in component.needs
    lacking = {}
    if "pairs" in component.needs:
        lacking["known pairs"] = toy.cells(known=False, labels=labels)
    if labels:
        lacking["labels"] = toy.cells(labels=False)
    if component.max_modalities == 2:
        lacking["no more than 2 modalities"] = toy.cells(3, labels=labels)
    for requirement, cells in lacking.items():
        with must_raise(component, f"it needs {requirement}", DataError):
            _fitted(component, cells)


def check_declares_what_it_needs(component: type[Method]) -> None:
    """Without known pairs and labels it can be fitted, unless `needs` names them."""
    cells = toy.cells(known="pairs" in component.needs, labels="labels" in component.needs)
    try:
        _fitted(component, cells)
    except DataError as error:
        expected = f"fitted with {', '.join(sorted(component.needs)) or 'neither pairs nor labels'}"
        require(False, component, "`needs` names all that it needs", expected=expected, found=error)


def check_reports_resource_usage(component: type[Method]) -> None:
    """`usage` holds the time and memory of preparation and training."""
    usage = _fitted(component, _cells(component)).usage
    right = set(usage) == {"preparation", "training"} and all(isinstance(u, ResourceUsage) for u in usage.values())
    require(right, component, "usage", expected="that of preparation and training", found=dict(usage))


def check_survives_saving(component: type[Method]) -> None:
    """If it can be the model of a run, arrays, JSON and files of its own restore it, to the very same results."""
    if not component.can_be_saved():
        return
    cells = _cells(component)
    method = _fitted(component, cells)
    with TemporaryDirectory() as folder:
        described = json.loads(json.dumps(save_method(method, Path(folder))))
        restored = load_method(build(component), Path(folder), described, allow_unsafe=True)
        expected, found = (_results(component, one, cells) for one in (method, restored))
    require_equal(component, "saved and restored it gives the same result", found, expected, tolerance=0)


def check_embeds_modalities_alone(component: type[Method]) -> None:
    """New cells of one modality alone have the latents that they have beside those of others."""
    if not (component.embeds() and component.inductive):
        return
    cells = _cells(component)
    method = _fitted(component, cells)
    together = method.embed(cells.scores)
    for m, x in cells.scores.items():
        require_equal(component, f"cells of {m} alone", method.embed({m: x})[m], together[m])


def check_leaves_inputs_alone(component: type[Method]) -> None:
    """Cells, pairs, labels and the cells to embed or to impute from are not modified."""
    cells, method = _with_elements(component, _cells(component)), build(component)
    with unmodified(component, cells=cells):
        # the inner methods, as the public ones pass copies
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
    return build(component).fit(_with_elements(component, cells), Context(seed=3))


def _with_elements(component: type[Method], cells: Cells) -> Cells:
    method = build(component)
    return replace(cells, views={m: toy.with_elements(view, method) for m, view in cells.views.items()})


def _imputed(component: type[Method], method: Method, cells: Cells) -> dict[tuple[str, str], Imputation]:
    """Every ordered pair; none if it does not impute."""
    pairs = permutations(cells.modalities, 2) if component.imputes() else ()
    return {(a, b): method.impute(cells.scores[a], a, b, cells.labels.get(a)) for a, b in pairs}


def _results(component: type[Method], method: Method, cells: Cells) -> dict[str, Any]:
    """Latents and imputed values, as far as the method gives them."""
    imputed = {f"{b} imputed from {a}": i.mean for (a, b), i in _imputed(component, method, cells).items()}
    return {"latents": method.embed(cells.scores) if component.embeds() else {}, **imputed}
