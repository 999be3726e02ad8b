"""Colours and panels that all figures share."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb

from jamie.core.labels import sort_labels
from jamie.pl.style import label_colours, label_markers, offscreen, panels, point_style


def test_a_type_has_the_same_colour_whichever_cells_are_drawn():
    every = label_colours(["b", "a", "c", None, np.nan, "a"])
    assert list(every) == ["a", "b", "c"]
    assert label_colours(pd.Categorical(["c", "b", "a"])) == every


def test_numbers_in_names_are_ordered_by_value():
    assert sort_labels(["L10", "L2", "L2/3 IT", "10", "9"]) == ["9", "10", "L2", "L2/3 IT", "L10"]


def test_76_types_are_told_apart_by_colour_and_marker():
    names = [f"type {i}" for i in range(76)]
    colours, markers = label_colours(names), label_markers(names)
    assert len({(colours[name], markers[name]) for name in names}) == 76
    assert len(set(colours.values())) >= 20


def test_first_types_differ_in_lightness_or_hue():
    colours = np.array([to_rgb(colour) for colour in label_colours("abcdefghi").values()])
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=2)[np.triu_indices(9, 1)]
    assert apart.min() > 0.2


def test_more_points_are_smaller_and_are_pixels():
    few, many = point_style(10), point_style(10**6)
    assert few["s"] > many["s"]
    assert few["alpha"] > many["alpha"]
    assert many["rasterized"]


def test_wrong_number_of_axes_is_refused():
    axes = pyplot.figure().subplots(1, 3)
    with pytest.raises(ValueError, match="expected 2 axes, one for each panel, found 3"):
        panels(2, axes)


def test_figures_made_offscreen_are_not_kept_by_pyplot():
    with offscreen():
        axes = panels(2, None)
    assert len(axes) == 2
    assert pyplot.get_fignums() == []
    panels(1, None)
    assert len(pyplot.get_fignums()) == 1
