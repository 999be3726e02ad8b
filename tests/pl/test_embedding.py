"""Figures of embeddings: the cells are where the layout says, in the colours of their types."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import jamie
from jamie.core.errors import DataError, MissingResultError
from jamie.pl.style import COLOURS, label_colours


def drawn(ax):
    """Places and colours of all points, in the order of their places."""
    points = np.concatenate([np.asarray(one.get_offsets()) for one in ax.collections])
    colours = np.concatenate(
        [np.broadcast_to(one.get_facecolors(), (len(one.get_offsets()), 4)) for one in ax.collections]
    )
    order = np.lexsort(points.T)
    return points[order], [to_hex(colour) for colour in colours[order]]


def expected(points, colours):
    order = np.lexsort(np.asarray(points).T)
    return np.asarray(points)[order], [to_hex(colours[i]) for i in order]


def require(ax, points, colours):
    found, wanted = drawn(ax), expected(points, colours)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-6)
    assert found[1] == wanted[1]


def test_cells_of_a_modality_by_type(mdata):
    colours = label_colours(["B", "NK", "T"])
    ax = jamie.pl.umap(mdata, "cell_type", "rna", basis="data")
    require(ax, mdata["rna"].obsm["X_data_umap"], [colours[one] for one in mdata["rna"].obs["cell_type"]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["B", "NK", "T"]


def test_all_modalities_together(mdata):
    both = np.concatenate([mdata[m].obsm["X_jamie_umap"] for m in ("rna", "protein")])
    require(jamie.pl.umap(mdata), both, [COLOURS[0]] * 60 + [COLOURS[1]] * 60)


def test_a_panel_for_each_modality(mdata):
    axes = jamie.pl.umaps(mdata, "cell_type")
    assert [ax.get_title() for ax in axes] == ["rna", "protein"]
    assert axes[0].get_legend() is None
    assert axes[1].get_legend() is not None


def test_unlabelled_modality_has_the_types_of_its_partners(mdata):
    full = drawn(jamie.pl.umap(mdata, "cell_type", "protein"))
    del mdata["protein"].obs["cell_type"]
    found = drawn(jamie.pl.umap(mdata, "cell_type", "protein"))
    np.testing.assert_array_equal(found[0], full[0])
    assert found[1] == full[1]


def test_cells_without_a_type_are_said_to_have_none(mdata):
    mdata["rna"].obs["cell_type"] = mdata["rna"].obs["cell_type"].where(np.arange(60) > 9)
    ax = jamie.pl.umap(mdata, "cell_type", "rna")
    assert len(drawn(ax)[0]) == 60
    assert ax.get_legend().get_texts()[-1].get_text() == "not known"


def test_feature_and_number_are_drawn_on_a_scale(mdata):
    for color, values in (("rna2", mdata["rna"].X[:, 2]), ("depth", mdata["rna"].obs["depth"])):
        ax = jamie.pl.umap(mdata, color, "rna")
        np.testing.assert_allclose(ax.collections[0].get_array(), np.sort(values), rtol=1e-6)


def test_many_types_are_numbered(mdata):
    mdata["rna"].obs["subtype"] = [f"type {i // 2}" for i in range(60)]
    ax = jamie.pl.umap(mdata, "subtype", "rna")
    legend = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert legend[:2] == ["1  type 0", "2  type 1"]
    assert {text.get_text() for text in ax.texts} <= {str(i + 1) for i in range(30)}


def test_cells_that_are_not_in_the_sample_are_not_drawn(mdata):
    mdata["rna"].obsm["X_jamie_umap"][:20] = np.nan
    points, _ = drawn(jamie.pl.umap(mdata, "cell_type", "rna"))
    assert np.isfinite(points).all(axis=1).sum() == 40


def test_what_is_absent_is_said(mdata):
    with pytest.raises(MissingResultError, match="expected a column 'colour' of obs, found none"):
        jamie.pl.umap(mdata, "colour", "rna")
    with pytest.raises(DataError, match="expected one modality, as each has its own UMAP of the data"):
        jamie.pl.umap(mdata, basis="data")
    with pytest.raises(DataError, match="unknown modality 'rma'"):
        jamie.pl.umap(mdata, "cell_type", "rma")
    del mdata["rna"].obsm["X_jamie_umap"]
    with pytest.raises(MissingResultError, match=r'expected obsm\["X_jamie_umap"\] of rna, found none'):
        jamie.pl.umap(mdata)


def test_given_axes_are_drawn_in(mdata):
    from matplotlib import pyplot

    _, ax = pyplot.subplots()
    assert jamie.pl.umap(mdata, "cell_type", ax=ax) is ax


def test_column_of_the_mudata_itself_serves(mdata):
    mdata.obs["batch"] = pd.Categorical(["x", "y"] * 30)
    assert len(drawn(jamie.pl.umap(mdata, "batch", "protein"))[0]) == 60
