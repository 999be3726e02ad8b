"""Examples in the docstrings of figures run."""

import doctest
import inspect
import json

import numpy as np
import pytest

import jamie.pl
from tests.pl import test_explanations as explained

FIGURES = [name for name, value in vars(jamie.pl).items() if inspect.isfunction(value) and value.__doc__]


@pytest.mark.parametrize("name", FIGURES)
def test_examples_run(name, mdata, imputed):
    quality = {"mean_quantile": 0.25, "quantile_error": 0.01, "quantile_curve": [0.0, 0.25, 0.5]}
    quality |= {"top1": 0.4, "top1_chance": 0.1, "type_accuracy": 0.8, "type_chance": 0.3}
    record = {"source": "rna", "target": "protein", "diagnostics": {}, "quality": quality}
    mdata.uns["jamie"]["correspondence"] = json.dumps([record])
    mdata["rna"].obs["jamie_match_score"] = np.linspace(0, 0.59, 60)
    names = {"result": mdata, "imputed": imputed}
    names |= {key: getattr(explained, key)() for key in ("shap", "knockout", "windows", "attribution")}
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(getattr(jamie.pl, name)), names, name, None, 0)
    report: list[str] = []
    failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not failed, "".join(report)
