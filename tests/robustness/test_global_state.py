"""Settings that the process has once are after a public call as before, and no result depends on them."""

import random
import warnings
from contextlib import contextmanager

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot
from mudata import read_h5mu

import jamie
from jamie.commands.report import report_run
from jamie.core.files import file_hash

SETTINGS = {"training": {"max_epochs": 3}, "report": ["html"], "evaluate": {"holdout": {"fraction": 0.3}}}
ODD_STYLE = {"font.size": 31.0, "axes.facecolor": "black", "savefig.dpi": 11.0, "svg.fonttype": "none"}


@pytest.fixture
def odd_settings():
    """Let generators and settings be others than usual."""
    threads = torch.get_num_threads()
    with warnings.catch_warnings(), matplotlib.rc_context(ODD_STYLE), torch.random.fork_rng():
        warnings.filterwarnings("ignore", message="no such warning")
        random.seed(41)
        np.random.seed(42)  # noqa: NPY002
        torch.manual_seed(43)
        torch.set_num_threads(threads + 1)
        yield
    torch.set_num_threads(threads)


def settings():
    """All that public calls must leave as it is."""
    return {
        "random": random.getstate(),
        "numpy": repr(np.random.get_state(legacy=False)),  # noqa: NPY002
        "torch": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "warnings": list(warnings.filters),
        "numpy errors": np.geterr(),
        "matplotlib": dict(matplotlib.rcParams),
    }


@contextmanager
def nothing_changes():
    before = settings()
    yield
    after = settings()
    assert {name for name in before if before[name] != after[name]} == set()


@pytest.fixture
def seeded_by_libraries(monkeypatch):
    """Let a step of training seed and draw, as libraries do."""
    from jamie.training import loop

    real = loop.History.__init__

    def draws(history, *args, **options):
        random.seed(1)
        np.random.seed(2)  # noqa: NPY002
        warnings.simplefilter("ignore")
        matplotlib.rcParams["font.size"] = 3.0
        real(history, *args, **options)

    monkeypatch.setattr(loop.History, "__init__", draws)


@pytest.mark.usefixtures("reports")
def test_a_run_neither_changes_nor_reads_them(place, odd_settings, seeded_by_libraries):
    place.write_spec(**SETTINGS)
    with nothing_changes():
        run = jamie.run("spec.yaml", out="odd")
    with nothing_changes():
        report_run("odd")
    random.seed(7)
    np.random.seed(8)  # noqa: NPY002
    torch.manual_seed(9)
    torch.set_num_threads(1)
    matplotlib.rcdefaults()
    usual = jamie.run("spec.yaml", out="usual")
    assert run.metric_records == usual.metric_records
    figures = sorted(path.name for path in (usual.path / "figures").glob("*.png"))
    figures.remove("usage.png")  # it shows times
    assert figures
    for name in ("model/network.safetensors", "model/preprocessing.safetensors", *(f"figures/{f}" for f in figures)):
        assert file_hash(run.path / name) == file_hash(usual.path / name), name


def test_an_estimator_and_figures_leave_them_alone(place, modalities, odd_settings, seeded_by_libraries):
    place.write(modalities)
    mdata = read_h5mu("cells.h5mu")
    with nothing_changes():
        model = jamie.JAMIE("fast", latent_dim=3, max_epochs=2, labels=["cell_type"])
        model.fit(mdata)
        model.embed(mdata)
        model.impute(mdata, source="rna", to="protein")
        explanation = model.explain(mdata, "shap", source="rna", features=1)
        model.transfer(mdata, "cell_type", "rna", "protein")
        result = model.to_mudata(mdata, layouts=True)
    with nothing_changes():
        model.save("model")
        jamie.load("model").embed(mdata)
    with nothing_changes():
        jamie.pl.losses(result)
        jamie.pl.alignment(result)
        jamie.pl.beeswarm(explanation)
    pyplot.close("all")
