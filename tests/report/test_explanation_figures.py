"""Which figures the explanations of a run get."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from anndata import AnnData

import jamie
from jamie.pl.style import get_figure, offscreen
from jamie.report.explanation_figures import ExplanationFigures


def shap(n_targets):
    values = AnnData(np.eye(4, 3, dtype=np.float32))
    values.layers.update({str(t): np.eye(4, 3) for t in range(n_targets)})
    values.obsm["prediction"] = np.ones((4, n_targets)).cumsum(axis=0)
    values.uns |= {"targets": [f"t{i}" for i in range(n_targets)], "base": np.zeros(n_targets), "target": "protein"}
    return jamie.Explanation("shap", "", {"source": "rna"}, {}, values)


def knockout():
    table = pd.DataFrame({"feature": ["a"], "rank": 1, "value": 0.5, "change": -0.1, "estimate": -0.1})
    return jamie.Explanation("knockout", "", {"baseline": 0.6}, {"features": table.assign(exact=True, random=False)})


def windows():
    table = pd.DataFrame({"target": "g", "window": "10 kb", "feature": ["a", "b"], "value": 0.9, "change": 0.0})
    return jamie.Explanation("knockout", "", {}, {"windows": table})


def attribution():
    table = pd.DataFrame({"label": ["T", "B"], "rank": 1, "feature": "a", "score": 1.0})
    return jamie.Explanation("attribution", "", {"label": "cell_type"}, {"features": table})


def other():
    return jamie.Explanation("mine", "", {}, {"features": pd.DataFrame({"feature": ["a"], "weight": 1.0})})


def drawn(*explanations):
    found = {}
    for one in ExplanationFigures().plans(SimpleNamespace(explanations=dict(enumerate(explanations)))):
        with offscreen():
            found[one.name] = get_figure(one.draw())
        assert one.section == "explanation"
        assert one.title
        assert one.caption.endswith(".")
    return found


def test_each_explanation_has_the_figures_that_it_allows():
    found = drawn(attribution(), knockout(), windows(), other(), shap(2), shap(1))
    assert list(found) == [
        *("attribution_labels", "knockout_features", "knockout_2_windows"),
        *("shap_beeswarm", "shap_heatmap", "shap_waterfall", "shap_2_beeswarm", "shap_2_waterfall"),
    ]


def test_targets_share_a_figure_up_to_four():
    axes = drawn(shap(6))["shap_waterfall"].axes
    assert [ax.get_xlabel().split(":")[0] for ax in axes] == ["t0", "t1", "t2", "t3"]
