"""What components ask for of the data: looked for before matrices are read, and handed on with the cells."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from jamie.core.context import Context
from jamie.core.data import Dataset, ModalityData, Split
from jamie.core.elements import Elements
from jamie.core.errors import DataError
from jamie.core.package_versions import layer_names
from jamie.core.requirements import (
    BATCH,
    INDEX,
    KEYED,
    LABELS,
    LAYER,
    LINKS,
    OBS,
    OBSM,
    UNS,
    VAR,
    describe,
    split_word,
)
from jamie.core.suggest import suggest_names
from jamie.data.blocks import RAW, choose_matrix
from jamie.data.checks.labels import Grouping, check_grouping, require_labels
from jamie.data.writing.names import stored_name
from jamie.spec.requirements import Requirement

if TYPE_CHECKING:
    from mudata import MuData

    from jamie.spec import Spec

log = logging.getLogger(__name__)

Contents: TypeAlias = Mapping[str, Mapping[str, Collection[str]]]


def contents_of(mdata: MuData) -> Contents:
    """Return the names of what each modality holds, as `Reader.contents` does before it is read."""
    shared = [str(column) for column in mdata.obs.columns]
    return {
        name: {
            OBS: [*map(str, adata.obs.columns), *shared],
            OBSM: list(adata.obsm),
            LAYER: layer_names(adata),
            UNS: [*adata.uns, *mdata.uns],
            VAR: [str(column) for column in adata.var.columns],
            RAW: [] if adata.raw is None else [str(column) for column in adata.raw.var.columns],
        }
        for name, adata in mdata.mod.items()
    }


def require_contents(wanted: Iterable[Requirement], contents: Contents, spec: Spec) -> None:
    """Refuse data that lack what a component declares to read.

    Raises
    ------
    DataError
        At the component's place in the spec, with what there is.
    """
    used = [name for name in contents if name in spec.modalities] or list(contents)
    for one in wanted:
        first, key = split_word(one.word)
        if first not in KEYED:
            continue
        for name in used if one.modality in ("", "*") else [one.modality] if one.modality in contents else []:
            available, place = contents[name][first], f"modality '{name}'"
            if first == VAR:
                available, place = _annotations(contents[name], name, one, spec)
            if stored_name(key, available) not in available:
                raise DataError(
                    f"{one.component} reads {describe(one.word)}; expected it in {place}, found none of that name",
                    where=spec.where(one.key),
                    fix=suggest_names(key, dict.fromkeys(available))
                    if available
                    else f"put it there, or use no {one.component}",
                )


def _annotations(
    contents: Mapping[str, Collection[str]], name: str, wanted: Requirement, spec: Spec
) -> tuple[Collection[str], str]:
    """Return columns of var of the features that a modality reads, and where they are."""
    settings = spec.modality(name)
    chosen = settings.target if wanted.block == "target" and settings.target is not None else settings
    if chosen.obsm is not None:
        return [], f"modality '{name}', of which obsm '{chosen.obsm}' is read, whose columns have no var"
    if chosen.layer == RAW and RAW not in contents[LAYER]:
        return contents[RAW], f"raw of modality '{name}'"
    return contents[VAR], f"modality '{name}'"


def with_elements(data: ModalityData, wanted: Iterable[Requirement], mdata: MuData, spec: Spec) -> ModalityData:
    """Return a modality with what components declared, none of it read or copied yet."""
    adata, values = mdata.mod[data.name], {}
    for word in dict.fromkeys(one.word for one in wanted if one.modality in ("", "*", data.name)):
        first, key = split_word(word)
        found: Any = None
        if first == OBS:
            found = data.obs[key]
        elif first == OBSM:
            found = adata.obsm[stored_name(key, list(adata.obsm))]
        elif first == LAYER:
            found = choose_matrix(adata, key, None, f"modality '{data.name}'")
        elif first == UNS:
            found = adata.uns[key] if key in adata.uns else mdata.uns[key]
        elif first == BATCH and spec.batch_key in data.obs:
            found = data.obs[spec.batch_key]
        elif first == LABELS:  # the modality's own: later, matched cells have labels of partners that may be hidden
            for column in spec.train_labels:
                own = data.labels(column) if column in data.obs else np.full(data.n_cells, None)
                values[f"{LABELS}:{column}"] = own
        if found is not None:
            values[word] = found
    elements = Elements(data.name, values, features=data.input.features, table=data.input.var)
    return replace(data, elements=elements)


def require_links(wanted: Iterable[Requirement], links: Mapping[str, Mapping[str, Any]], spec: Spec) -> None:
    """Refuse data without linked features where a component reads them."""
    one = next((one for one in wanted if one.word == LINKS), None)
    if one is not None and not any(links.values()):
        raise DataError(
            f"{one.component} reads linked features; expected some between two modalities, found none",
            where=spec.where(one.key),
            fix="give a table of them (correspondence.links), or features of the same names, or leave it out",
        )


def grant(dataset: Dataset, split: Split, wanted: Iterable[Requirement], spec: Spec, context: Context) -> Dataset:
    """Hand out labels for training, of training cells alone, and numbers of cells, as far as components ask for them.

    Labels of cells that are held out are taken away here, so that no later stage can show them.
    """
    words, columns = {one.word for one in wanted}, spec.train_labels
    if columns:
        where = spec.where("train_labels")
        require_labels(columns, dataset.modalities, where)
        for column in columns:
            if column not in dataset.labels:  # or they are checked already
                check_grouping(Grouping(column, where), dataset.modalities, dataset.truth)
        if LABELS not in words:
            log.warning("%s: no component reads labels, so that none are learned from", where)
        elif held_back := [column for column in columns if column in dataset.labels]:
            log.warning(
                "%s: labels of training cells are learned from ('%s'): scores by them say something on held-out cells "
                "alone",
                *(where, "', '".join(held_back)),
            )
    modalities = {}
    for name, data in dataset.modalities.items():
        elements = data.elements
        for column in elements.label_columns:
            shown = elements.labels(column).copy()
            shown[split.held_out[name]] = None
            elements = elements.with_cells(f"{LABELS}:{column}", shown)
        if INDEX in words:
            order = context.for_stage(f"index {name}").generator().permutation(data.n_cells)
            elements = elements.with_cells(INDEX, order)
        modalities[name] = replace(data, elements=replace(elements, modality=name))
    return replace(dataset, modalities=modalities)
