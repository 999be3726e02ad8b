"""All figures of a run, whatever its data allow."""

import logging

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Canvas

import jamie
from jamie.core.errors import OutputError
from jamie.core.interfaces.figure import SECTIONS
from jamie.report.figures import draw_figures
from jamie.report.html.run_page import HtmlReport
from jamie.runs.run import Run
from jamie.runs.umap_coordinates import add_missing_layouts
from tests.conftest import few_cells

EVALUATE = {"holdout": {"fraction": 0.4}, "compare": ["knn"]}
EVALUATE |= {"metrics": ["foscttm", "label_transfer_accuracy", "pearson", "auroc", "js_distance"]}
EVERY = {
    "embedding": {"umap_data_cell_type", "umap_latents_cell_type", "umap_latents_modality"},
    "scores": {"alignment_rna_protein"},
    "uncertainty": set(),
    "training": {"losses", "usage"},
}


@pytest.fixture(autouse=True)
def no_umap(monkeypatch):
    """UMAP takes seconds to compile; where cells lie does not matter here."""
    monkeypatch.setattr("jamie.runs.umap_coordinates._umap", lambda values, seed: values[:, :2])


def open_run(path):
    """Open a run as the page does, with UMAP coordinates."""
    run = Run(path)
    add_missing_layouts(run)
    return run


def names(view, caplog):
    """Names of all figures by section; none may have failed."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, "jamie"):
        drawn = list(draw_figures(view))
    assert "failed" not in caplog.text
    assert all(figure.axes and plan.caption and plan.title for plan, figure in drawn)
    assert len({plan.name for plan, _ in drawn}) == len(drawn)
    return {section: {plan.name for plan, _ in drawn if plan.section == section} for section in SECTIONS}


def test_every_figure_that_the_data_allow(place, caplog):
    assert place.run(few_cells(100), evaluate=EVALUATE).exit_code == 0
    view = open_run(place.out)
    found = names(view, caplog)
    for section, wanted in EVERY.items():
        assert wanted <= found[section]
    for ends in ("rna_protein", "protein_rna"):
        assert {f"{kind}_{ends}" for kind in ("similarity", "features", "boxes", "cells")} <= found["imputation"]
    assert found["correspondence"] == set()
    assert view.mdata["rna"].obsm["X_data_umap"].shape == (100, 2)


def test_no_labels(place, caplog):
    cells = few_cells(40)
    for adata in cells.values():
        del adata.obs["cell_type"]
    assert place.run(cells, labels=[], evaluate=EVALUATE | {"metrics": ["foscttm", "pearson"]}).exit_code == 0
    found = names(open_run(place.out), caplog)
    assert found["embedding"] == {"umap_latents_modality"}
    assert found["scores"] == set()
    assert found["imputation"] == {
        "features_rna_protein",
        "features_protein_rna",
        "cells_rna_protein",
        "cells_protein_rna",
    }


def test_one_modality_unlabelled(place, caplog):
    cells = few_cells(100)
    del cells["protein"].obs["cell_type"]
    assert place.run(cells, evaluate=EVALUATE).exit_code == 0
    found = names(open_run(place.out), caplog)
    assert EVERY["embedding"] == found["embedding"]
    assert {"boxes_rna_protein", "boxes_protein_rna", "similarity_protein_rna"} <= found["imputation"]


def test_three_modalities(place, caplog):
    cells = few_cells(60)
    cells["atac"] = cells["rna"].copy()
    cells["atac"].X += 0.1 * np.random.default_rng(1).normal(size=cells["atac"].shape)
    assert place.run(cells, evaluate=EVALUATE).exit_code == 0
    found = names(open_run(place.out), caplog)
    assert found["scores"] == {"alignment_rna_protein", "alignment_rna_atac", "alignment_protein_atac"}
    assert len({one for one in found["imputation"] if one.startswith("boxes")}) == 6


def test_no_pairs(place, caplog):
    evaluate = EVALUATE | {"compare": [], "known_pairs": {"fraction": 0}}
    assert place.run(few_cells(40), evaluate=evaluate).exit_code == 0
    found = names(open_run(place.out), caplog)
    assert found["correspondence"] == {"correspondence"}
    assert EVERY["embedding"] == found["embedding"]


def test_run_that_stops_after_the_correspondence(place, caplog):
    evaluate = {"known_pairs": {"fraction": 0}, "holdout": {"fraction": 0}}
    assert place.run(few_cells(40), until="correspondence", evaluate=evaluate).exit_code == 0
    view = open_run(place.out)
    found = names(view, caplog)
    assert found["correspondence"] == {"correspondence"}
    assert found["embedding"] == set()
    ((plan, figure),) = (one for one in draw_figures(view) if one[0].name == "correspondence")
    assert [ax.get_title() for ax in figure.axes] == ["true partners", "comparison with chance"]
    assert plan.caption == (
        "Fraction of cells whose true partner is among the best matches; the diagonal is chance; how often the best "
        "match is right, compared with chance."
    )


def test_figure_that_fails_does_not_cost_the_others(place, caplog, monkeypatch):
    assert place.run().exit_code == 0

    def fails(*_, **__):
        raise ZeroDivisionError("no")

    monkeypatch.setattr("jamie.pl.losses", fails)
    with caplog.at_level(logging.WARNING, "jamie"):
        found = {plan.name for plan, _ in draw_figures(open_run(place.out))}
    assert "usage" in found
    assert "losses" not in found
    assert "figure losses is left out: it failed: ZeroDivisionError: no" in caplog.text


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"expected a run directory, found no manifest\.json"):
        Run(tmp_path)


def test_imputed_values_and_layouts_of_the_run_are_read(place):
    assert place.run().exit_code == 0
    view = open_run(place.out)
    assert view.imputed("rna", "protein").shape == (30, 8)
    assert view.find_imputed("rna", "rna") is None
    assert list(view.mdata.uns["jamie"]["stages"]["stage"])[-1] == "results"


class Spread(jamie.Figure):
    """Number of cells of each modality."""

    name = "spread"
    section = "conclusion"

    def _draw(self, run):
        ax = Canvas().subplots()
        ax.bar(list(run.mdata.mod), [adata.n_obs for adata in run.mdata.mod.values()])
        return ax


class Unplanned(jamie.Figure):
    """Cannot be planned."""

    name = "unplanned"

    def _plans(self, run):
        raise ZeroDivisionError("no")


class Conclusion(jamie.Section):
    """What follows."""

    name = "conclusion"
    title = "What follows"

    def _content(self, run):
        yield f"It is <{run.spec.name}>."
        yield pd.DataFrame({"modality": list(run.mdata.mod)})


class Wrong(jamie.Section):
    """Fails."""

    name = "wrong"

    def _content(self, run):
        return run.nothing


def test_figures_and_sections_of_others_stand_on_the_page(place, caplog):
    assert place.run(few_cells(40)).exit_code == 0
    with caplog.at_level(logging.WARNING, "jamie"):
        page, *files = HtmlReport(figures=[Unplanned(), Spread()], sections=[Wrong(), Conclusion()]).write(
            place.out, jamie.Context()
        )
    assert {path.name for path in files} >= {"spread.png", "spread.svg", "losses.png"}
    text = page.read_text()
    start = text.index('<section id="section-conclusion"')
    section = text[start : text.index("</section>", start)]
    for words in ("What follows", "It is &lt;", '<td class="words">protein</td>', "Number of cells of each modality."):
        assert words in section
    assert '<a href="#section-conclusion">What follows</a>' in text
    assert text.index('id="section-conclusion"') < text.index('id="reproduction"')
    assert "section-wrong" not in text
    assert "figure unplanned is left out: it failed: ZeroDivisionError: no" in caplog.text
    assert "section wrong is left out: it failed: AttributeError" in caplog.text
