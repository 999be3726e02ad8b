"""The page of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import permutations
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar

import pandas as pd
from pydantic import Field

from jamie.core.context import Context
from jamie.core.interfaces import Report
from jamie.core.names import IMPUTABILITY
from jamie.pl.style import label_colours
from jamie.report.figures import draw_figures
from jamie.report.html import details, scores, summary, tables
from jamie.report.html.cautions import cautions
from jamie.report.html.cells import embedding_data
from jamie.report.html.chance import commonest_share
from jamie.report.html.feature_table import feature_tables
from jamie.report.html.figures import page_figures
from jamie.report.html.files import RunFiles
from jamie.report.html.guide import guides
from jamie.report.html.matching import matchings
from jamie.report.html.page import write_page
from jamie.runs.directory import OutputDirectory
from jamie.runs.layout import PAGE, RESOLVED_SPEC
from jamie.runs.layouts import add_missing_layouts
from jamie.runs.run import Run

CONTENTS = {
    "summary": "Summary",
    "cells": "Cells",
    "scores": "Scores",
    "imputation": "Imputation",
    "uncertainty": "Uncertainty",
    "explanation": "What drives it",
    "correspondence": "Inferred partners",
    "training": "Time and memory",
    "details": "To repeat it",
}


class HtmlReport(Report):
    """One page that opens offline: summary, warnings, figures, cells to explore, scores of features, spec, references.

    It is ``report.html`` in the run directory, a single file that loads nothing from elsewhere. The figures stand in
    ``figures/`` as well.

    Parameters
    ----------
    cells
        Most cells of all modalities together that are drawn; of more, a random sample, which the page says.
    features
        Features by which cells can be coloured: of each modality those that are imputed best.
    """

    name: ClassVar[str] = "html"

    def __init__(
        self, *, cells: Annotated[int, Field(ge=1)] = 40_000, features: Annotated[int, Field(ge=0)] = 60
    ) -> None:
        self.cells = cells
        self.features = features

    def _write(self, run: Path, context: Context) -> Iterable[Path]:
        files, view = RunFiles.read(run), Run(run)
        view.require_whole()
        add_missing_layouts(view)
        told = _imputability(view)
        cells = embedding_data(
            view.mdata,
            files,
            view.find_imputed,
            label_colours,
            context.generator(),
            most_cells=self.cells,
            n_features=self.features,
        )
        features = feature_tables(files.features, files.metrics, told)
        shown = self._shown(files, view, cells, bool(features)) | {"cautions": cautions(files, told)}
        shown["contents"] = [(section, name) for section, name in CONTENTS.items() if _is_there(section, shown)]
        data = {"cells": cells, "features": features} if cells or features else None
        scripts = ["page", *(["explorer"] if cells else []), *(["features"] if features else [])]
        figures = [file for section in shown["figures"].values() for one in section for file in one.files]
        return [write_page(run / PAGE, "run", scripts, data, **shown), *figures]

    def _shown(self, files: RunFiles, view: Run, cells: Mapping[str, Any] | None, features: bool) -> dict[str, Any]:
        """Return what the template shows."""
        sizes = {m: n for m, n in _n_features(view).items() if m in files.modalities}
        records = scores.headlines(files.metrics)
        stages, methods = details.stages(files), details.method_costs(files)
        return {
            "title": files.manifest.get("name") or files.path.resolve().name,
            "what": "report of a run",
            "lead": summary.lead(files, sizes),
            "facts": summary.facts(files),
            "pairing": summary.pairing(files, sizes),
            "tiles": scores.tiles(files, partial(commonest_share, view.mdata)),
            "compared": len({one["method"] for one in records}) > 1,
            "score_groups": scores.score_tables(records),
            "guide": guides(one["metric"] for one in records),
            "explorer": _said(cells),
            "features": features,
            "figures": page_figures(draw_figures(view), OutputDirectory(view.path)),
            "explanations": tables.explained(tuple(view.explanations.values())),
            "matching": matchings(files),
            "stages": stages,
            "costs": tables.cost_tables(stages, methods),
            "spec": (files.path / RESOLVED_SPEC).read_text(encoding="utf-8"),
            "components": details.components(view.spec),
            "doi_url": details.DOI,
            "versions": details.versions(files),
            "data_files": [
                (PurePath(file).name, digest) for file, digest in (files.manifest.get("data") or {}).items()
            ],
        }


def _n_features(view: Run) -> dict[str, int]:
    """Features that the model read of each modality, those of its obsm where they came from there."""
    found = {}
    for m, adata in view.mdata.mod.items():
        key = view.spec.modality(m).obsm
        if key is None:
            found[m] = adata.n_vars
        elif key in adata.obsm:
            found[m] = adata.obsm[key].shape[1]
    return found


def _said(cells: Mapping[str, Any] | None) -> str:
    """Say how many cells are drawn; empty where none are."""
    if cells is None:
        return ""
    drawn, total = len(cells["names"]), cells["total"]
    return f"All {total:,} are drawn." if drawn == total else f"{drawn:,} of {total:,} are drawn, chosen at random."


def _is_there(section: str, shown: Mapping[str, Any]) -> bool:
    """Whether a section of the page has anything in it, as the template decides."""
    also = {
        "cells": ("explorer",),
        "scores": ("score_groups",),
        "imputation": ("features",),
        "explanation": ("explanations",),
        "correspondence": ("matching",),
        "training": ("stages",),
    }
    figures = {"cells": "embedding"}.get(section, section)
    always = section in ("summary", "details")
    return always or bool(shown["figures"].get(figures)) or any(shown[key] for key in also.get(section, ()))


def _imputability(view: Run) -> dict[tuple[str, str], pd.Series]:
    """Estimated correlation of imputed and measured values (p_t,) by direction, where the run has it."""
    found = {}
    for source, target in permutations(view.mdata.mod, 2):
        column = f"{IMPUTABILITY}_from_{source}"
        if column in view.mdata.mod[target].var:
            found[source, target] = view.mdata.mod[target].var[column]
    return found
