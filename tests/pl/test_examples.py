"""Examples of the figures run, on the results that the other tests draw."""

import doctest
import inspect
import json

import numpy as np
import pytest

from jamie import pl
from tests.pl import test_explanations as explanations

FIGURES = dict(inspect.getmembers(pl, inspect.isfunction))


@pytest.fixture
def names(mdata, imputed):
    """Objects of the examples, by name."""
    quality = {"mean_quantile": 0.25, "quantile_error": 0.01, "quantile_curve": [0.0, 0.25, 0.5]}
    quality |= {"top1": 0.4, "top1_chance": 0.1}
    record = {"source": "rna", "target": "protein", "diagnostics": {}, "quality": quality}
    mdata.uns["jamie"]["correspondence"] = json.dumps([record])
    mdata["rna"].obs["jamie_match_score"] = np.linspace(0, 0.59, 60)
    made = {name: getattr(explanations, name)() for name in ("shap", "knockout", "windows", "attribution")}
    return {"result": mdata, "imputed": imputed, **made}


@pytest.mark.parametrize("name", FIGURES)
def test_example_runs(name, names):
    (example,) = doctest.DocTestFinder(recurse=False).find(FIGURES[name], name, globs=names)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0
