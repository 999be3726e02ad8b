"""The page of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import permutations
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar

import pandas as pd
from pydantic import Field

from jamie.core.context import Context
from jamie.core.interfaces import Figure, Report, Section
from jamie.core.names import imputability_key
from jamie.report.figures import draw_figures, left_out_on_error, report_command
from jamie.report.html.cautions import cautions
from jamie.report.html.correspondence import inference_summaries
from jamie.report.html.embedding_view import embedding_data
from jamie.report.html.features import feature_tables
from jamie.report.html.figures import page_figures
from jamie.report.html.further_sections import further_sections
from jamie.report.html.guide import guides
from jamie.report.html.reproduction import software_versions, used_components
from jamie.report.html.scores import headlines, score_tables
from jamie.report.html.summary import pairing_table, run_description, run_details
from jamie.report.html.tables import cost_tables, explanation_tables, stack_tables
from jamie.report.html.templates import write_page
from jamie.report.html.tiles import score_tiles
from jamie.runs.file_names import PAGE, RESOLVED_SPEC
from jamie.runs.run import Run
from jamie.runs.umap_coordinates import add_missing_layouts

CONTENTS = {
    "summary": "Summary",
    "cells": "Cells",
    "scores": "Scores",
    "imputation": "Imputation",
    "uncertainty": "Uncertainty",
    "explanation": "Explanations",
    "correspondence": "Inferred correspondence",
    "training": "Time and memory",
    "reproduction": "Reproduction",
}


class HtmlReport(Report):
    """One page that opens offline: summary, cautions, figures, interactive cells and features, spec and references.

    It is ``report.html`` in the run directory, a single file that loads nothing from elsewhere. Its figures are in
    ``figures/`` as well.

    Parameters
    ----------
    cells
        Maximal number of cells of all modalities that are drawn; of more, a random sample, which the page says.
    features
        Number of features by which cells can be coloured: of each modality those that are imputed best.
    figures
        Figures beside those of jamie; null for none.
    sections
        Sections beside those of jamie, before the last one; null for none.
    """

    name: ClassVar[str] = "html"

    def __init__(
        self,
        *,
        cells: Annotated[int, Field(ge=1)] = 40_000,
        features: Annotated[int, Field(ge=0)] = 60,
        figures: list[Figure] | None = None,
        sections: list[Section] | None = None,
    ) -> None:
        self.cells = cells
        self.features = features
        self.figures = figures or []
        self.sections = sections or []

    def _write(self, run: Path, context: Context) -> Iterable[Path]:
        result = Run(run)
        result.require_whole()
        with left_out_on_error("layout of cells", report_command(result)):
            add_missing_layouts(result)
        cells = embedding_data(result, context.generator(), max_cells=self.cells, n_features=self.features)
        imputability = _imputability(result)
        features = feature_tables(result.features, result.metric_records, imputability, result.model_name)
        figures = page_figures(draw_figures(result, self.figures), result)
        sections = _sections(result, cells, features, imputability, figures)
        further = further_sections(result, self.sections, figures)
        contents = [(section, CONTENTS[section]) for section, content in sections.items() if content]
        page = write_page(
            result.path / PAGE,
            "run",
            ["page", *(["explorer"] if cells else []), *(["features"] if features else [])],
            {"cells": cells, "features": features} if cells or features else None,
            title=result.manifest.get("name") or result.path.resolve().name,
            kind="report of a run",
            model=result.model_name,
            has_latents=result.stopped_early or any(method.get("embeds") for method in result.methods[:1]),
            contents=[*contents[:-1], *((one.id, one.title) for one in further), contents[-1]],
            further=further,
            **sections,
        )
        return [page, *(file for section in figures.values() for figure in section for file in figure.files)]


def _sections(
    run: Run,
    cells: Mapping[str, Any] | None,
    features: Iterable[Mapping[str, Any]],
    imputability: Mapping[tuple[str, str], pd.Series],
    figures: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Return the content of each section of the page; it is empty if the run has nothing for the section."""
    records, mdata = headlines(run.metric_records), run.mdata
    n_features = {m: n for m, n in _n_features(run).items() if m in run.pairing.get("cells", {})}
    data_files = [(PurePath(file).name, digest) for file, digest in (run.manifest.get("data") or {}).items()]
    sections: dict[str, dict[str, Any]] = {
        "summary": {
            "description": run_description(run, n_features),
            "cautions": cautions(run, imputability),
            "tiles": score_tiles(run, mdata),
            "details": run_details(run),
            "pairing": pairing_table(run, n_features),
        },
        "cells": {"n_drawn": _n_drawn(cells), "figures": figures["embedding"]},
        "scores": {
            "groups": score_tables(records),
            "several_methods": len({record["method"] for record in records}) > 1,
            "guide": guides(record["metric"] for record in records),
            "figures": figures["scores"],
        },
        "imputation": {
            "has_table": bool(features),
            "figures": figures["imputation"],
            "tables": stack_tables(run.stack),
        },
        "uncertainty": {"figures": figures["uncertainty"]},
        "explanation": {
            "explanations": [(e, explanation_tables(e)) for e in run.explanations.values()],
            "figures": figures["explanation"],
        },
        "correspondence": {"inferred": inference_summaries(run.inference), "figures": figures["correspondence"]},
        "training": {
            "tables": cost_tables(run.manifest.get("stages", {}), run.methods),
            "figures": figures["training"],
        },
        "reproduction": {
            "spec": (run.path / RESOLVED_SPEC).read_text(encoding="utf-8"),
            "components": used_components(run.spec),
            "versions": software_versions(run.manifest) + data_files,
        },
    }
    return {name: section if any(section.values()) else {} for name, section in sections.items()}


def _n_features(run: Run) -> dict[str, int]:
    """Return the number of features of each modality that the model read, in its matrix or in obsm."""
    keys = {m: run.spec.modality(m).obsm for m in run.mdata.mod}
    sizes = {m: adata.n_vars for m, adata in run.mdata.mod.items() if keys[m] is None}
    obsm = {m: adata.obsm for m, adata in run.mdata.mod.items() if keys[m] in adata.obsm}
    return sizes | {m: arrays[keys[m]].shape[1] for m, arrays in obsm.items()}


def _n_drawn(cells: Mapping[str, Any] | None) -> str:
    """Return a sentence that says how many cells are drawn; empty if none are."""
    if cells is None:
        return ""
    drawn, total = len(cells["names"]), cells["total"]
    return f"All {total:,} cells are drawn." if drawn == total else f"{drawn:,} of {total:,} cells are drawn at random."


def _imputability(run: Run) -> dict[tuple[str, str], pd.Series]:
    """Return the imputability (p_t,) of the features by direction, if the run has estimated it."""
    columns = {(a, b): (run.mdata.mod[b].var, imputability_key(a)) for a, b in permutations(run.mdata.mod, 2)}
    return {direction: var[key] for direction, (var, key) in columns.items() if key in var}
