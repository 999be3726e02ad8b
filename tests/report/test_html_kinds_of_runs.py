"""The page of every kind of run: nothing in it is empty, and nothing is broken."""

import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from jamie.core.context import Context
from jamie.core.errors import OutputError
from jamie.report.html import run_page
from jamie.report.html.run_page import HtmlReport
from jamie.runs import umap_coordinates

VOID = {"meta", "link", "img", "input", "br"}
FULL = {"td", "dd", "li", "h1", "h2", "h3", "dl", "ul", "tbody", "p"}  # elements that must hold text
FILLED_BY_SCRIPTS = {"explorer", "features"}


class Outline(HTMLParser):
    """Text of each section, links of the contents, elements that were not closed, and those that are empty."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.links, self.open, self.empty = {}, [], [], []
        self.feed(text)
        self.close()

    def within(self, *names):
        return any(one["tag"] in names or one["id"] in names for one in self.open)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "a" and self.within("nav"):
            self.links.append(attributes["href"].removeprefix("#"))
        if tag == "section":
            self.sections[attributes["id"]] = ""
        if tag not in VOID:
            self.open.append({"tag": tag, "id": attributes.get("id"), "text": ""})

    def handle_data(self, data):
        for one in self.open:
            one["text"] += data
        if self.within("section") and not self.within("pre"):
            self.sections[list(self.sections)[-1]] += f" {data}"

    def handle_endtag(self, tag):
        assert self.open[-1]["tag"] == tag, f"</{tag}> where </{self.open[-1]['tag']}> was expected"
        scripted = self.within(*FILLED_BY_SCRIPTS)
        last = self.open.pop()
        if tag in FULL and self.within("section") and not scripted and not last["text"].strip():
            self.empty.append(tag)


def cells(names, labels, n=40, seed=0):
    """Modalities of cells that differ by type; `labels` says which have them."""
    generator = np.random.default_rng(seed)
    latent = generator.normal(size=(n, 2))
    found = {}
    for place, name in enumerate(names):
        X = latent @ generator.normal(size=(2, 8 + place)) + 0.1 * generator.normal(size=(n, 8 + place))
        obs = pd.DataFrame(index=[f"cell{i}" for i in range(n)])
        if name in labels:
            obs["cell_type"] = np.where(latent[:, 0] > 0, "T", "B")
        var = pd.DataFrame(index=[f"{name}{i}" for i in range(8 + place)])
        found[name] = AnnData(X.astype(np.float32), obs=obs, var=var)
    return found


TWO = ("rna", "protein")
COMPARED = {"holdout": {"fraction": 0.2}, "compare": ["ridge", "cca"]}
KINDS = {
    "without labels": (cells(TWO, ()), {"labels": []}),
    "one modality unlabelled": (cells(TWO, ("rna",)), {"evaluate": COMPARED}),
    "three modalities": (cells(("rna", "atac", "protein"), ("rna", "atac", "protein")), {"evaluate": COMPARED}),
    "no pairs": (
        cells(TWO, TWO),
        {
            "evaluate": {"known_pairs": {"fraction": 0}},
            "correspondence": {"infer": {"unioncom": {"max_iterations": 50}}},
        },
    ),
    "no method beside it": (cells(TWO, TWO), {"evaluate": {"holdout": {"fraction": 0.2}}}),
    "up to the correspondence": (
        cells(TWO, TWO),
        {
            "until": "correspondence",
            "evaluate": {"known_pairs": {"fraction": 0.5}},
            "correspondence": {"infer": "seeded"},
        },
    ),
    "very few cells": (cells(TWO, TWO, n=8), {"model": {"latent_dim": 2}}),
}


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    """Figures have tests of their own; UMAP is compiled for long."""
    monkeypatch.setattr(umap_coordinates, "_umap", lambda values, seed: np.ascontiguousarray(values[:, :2], np.float32))
    monkeypatch.setattr(run_page, "draw_figures", lambda *given: ())


def outline_of(place):
    page, *_ = HtmlReport().write(place.out, Context())
    text = page.read_text(encoding="utf-8")
    assert "http:" not in text.partition("<script")[0]
    return Outline(text), text


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_empty(kind, place):
    modalities, settings = KINDS[kind]
    place.works(place.run(modalities, **settings))
    found, _ = outline_of(place)
    assert found.open == []
    assert found.links == list(found.sections)
    assert found.empty == []
    assert min(len(text.split()) for text in found.sections.values()) > 3
    said = " ".join(found.sections.values()).split()
    assert not {"None", "nan", "NaN", "none", "{}", "[]"} & set(said)


def test_what_is_not_there_is_not_spoken_of(place):
    place.works(place.run(cells(TWO, ()), labels=[]))
    found, _ = outline_of(place)
    assert "Labels" not in found.sections["summary"]
    assert "correspondence" not in found.sections
    assert "explanation" not in found.sections


def test_a_run_that_stops_says_so(place):
    modalities, settings = KINDS["up to the correspondence"]
    place.works(place.run(modalities, **settings))
    found, text = outline_of(place)
    assert "The run stops there: no model was trained." in found.sections["summary"]
    assert {"cells", "imputation"}.isdisjoint(found.sections)
    assert 'id="plotly"' not in text


def test_many_cells_are_sampled_and_it_is_said(place):
    place.works(place.run(cells(TWO, TWO)))
    page, *_ = HtmlReport(cells=30).write(place.out, Context())
    said = Outline(page.read_text(encoding="utf-8")).sections["cells"]
    assert "30 of 80 cells are drawn at random." in said


def test_a_score_at_chance_is_not_shown_as_a_good_one(place):
    place.works(place.run(cells(TWO, TWO)))
    file = place.out / "metrics.json"
    records = json.loads(file.read_text())
    for one in records:
        one["value"] = 0.6 if one["metric"] == "foscttm" else one["value"]
    file.write_text(json.dumps(records))
    _, text = outline_of(place)
    assert '<td class="value behind">0.600</td>\n<td class="beside">chance 0.500<br>no better than chance</td>' in text


def test_features_are_those_that_the_model_read(place):
    given = cells(TWO, TWO)
    given["protein"].obsm["X_pca"] = given["protein"].X[:, :6].copy()
    modalities = {"rna": {}, "protein": {"obsm": "X_pca"}}
    place.works(place.run(given, modalities=modalities))
    said = " ".join(outline_of(place)[0].sections["summary"].split())
    assert "40 cells of rna (8 features) and 40 cells of protein (6 features)" in said
    assert "protein 40 6" in said


@pytest.mark.parametrize("name", ["result.h5mu", "metrics.csv", "metrics.json"])
def test_a_finished_run_that_lacks_a_file_is_refused(name, place):
    place.works(place.run(cells(TWO, TWO)))
    (place.out / "history.csv").unlink()
    (place.out / name).unlink()
    message = f"{name}: expected a file of a finished run, found none"
    place.refused(place.call("report", place.out), message)
    place.refused(place.call("report", place.out, "--out", place.folder / "page.html"), message)
    with pytest.raises(OutputError, match="expected a file of a finished run, found none"):
        HtmlReport().write(place.out, Context())


def test_it_is_refused_where_there_is_no_run(tmp_path):
    with pytest.raises(OutputError, match=r"expected a run directory, found no manifest\.json"):
        HtmlReport().write(tmp_path, Context())
