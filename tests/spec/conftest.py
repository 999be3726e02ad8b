"""A small registry of its own, so that these tests do not depend on the built-in components."""

import importlib.metadata
import types
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from jamie.core.errors import DataError, SpecError
from jamie.core.interfaces import (
    Aggregator,
    CorrespondenceInferer,
    Decoder,
    Distance,
    Encoder,
    Loss,
    Metric,
    Optimizer,
    Pairing,
    Preprocessor,
    RateSchedule,
    Reader,
    Report,
    Sampler,
    Schedule,
)
from jamie.core.registry import Registry
from jamie.spec import load_spec, preset_names


def component(interface, name, init=None, doc="Summary.", **attributes):
    """Make a concrete component class with a constructor of one's own."""
    body = {method: lambda self, *args, **kwargs: None for method in interface.__abstractmethods__}
    if init:
        body["__init__"] = init
    return type(name.title().replace("_", ""), (interface,), {**body, "name": name, "__doc__": doc, **attributes})


def _h5(self, *, path: Path) -> None:
    self.path = path


def _many(self, *, paths: dict[str, Path], columns: list[Path] | None = None) -> None:
    self.paths = paths


def _shapes(
    self,
    *,
    interval: tuple[float, float] = (0, 1),
    sizes: Annotated[list[int], Field(min_length=1)] | None = None,
    weights: Annotated[list[float], Field(min_length=2)] = (1, 1),
) -> None:
    pass


def _pca(
    self,
    *,
    n_components: Annotated[int, Field(ge=1)] = 512,
    solver: Literal["full", "randomized"] = "full",
    whitening: float = 0.0,
    components_per_sqrt_cell: float | None = None,
    select: Literal["all", "predictive"] = "all",
) -> None:
    pass


def _geodesic(self, *, k: int = 5) -> None:
    self.k = k


def _correlation(self, *, normalize: Literal["rows", "paper"] = "rows") -> None:
    pass


def _alignment(self, *, normalize: Literal["unit", "paper"] = "unit") -> None:
    pass


Geodesic = component(Distance, "geodesic", _geodesic)


def _unioncom(self, *, distance: Distance = Geodesic(), use_known: bool = True, steps: int = 2000) -> None:
    self.distance, self.steps = distance, steps


def _layers(
    self, n_in, n_out, *, n_covariates: int = 0, hidden: tuple[int, ...] = (8, 4), dropout: float = 0.0
) -> None:
    self.sizes, self.hidden, self.n_covariates = (n_in, n_out), hidden, n_covariates


def _limits(self, *, low: float = 0.0, high: float | None = 1.0) -> None:
    if high is not None and low > high:
        raise DataError(f"expected low <= high, found {low:g} > {high:g}", fix="swap them")


def _left_out(self, *, leave_partner_out: bool = False) -> None:
    pass


def _margin(self, *, margin: float = 1.0) -> None:
    super(Margin, self).__init__()


Margin = component(Loss, "margin", _margin, requires=frozenset({"known"}))

COMPONENTS = [
    component(
        Reader,
        "h5",
        _h5,
        doc="One file.\n\nLonger.\n\nParameters\n----------\npath\n    The file.\n",
        references=("10.1/x",),
    ),
    component(Reader, "many", _many),
    component(Reader, "toy"),
    component(Pairing, "by_name"),
    component(Pairing, "none"),
    component(Preprocessor, "standardize"),
    component(Preprocessor, "pca", _pca),
    component(Preprocessor, "limits", _limits),
    component(Preprocessor, "shapes", _shapes),
    Geodesic,
    component(Distance, "euclidean"),
    component(CorrespondenceInferer, "unioncom", _unioncom),
    component(CorrespondenceInferer, "seeded"),
    component(CorrespondenceInferer, "auto"),
    component(Encoder, "mlp", _layers),
    component(Encoder, "linear"),
    component(Encoder, "linear_skip", _layers),
    component(Decoder, "mlp", _layers),
    component(Decoder, "linear_skip", _layers),
    component(Aggregator, "correlation", _correlation),
    component(Loss, "kl"),
    component(Loss, "combination"),
    component(Loss, "reconstruction"),
    component(Loss, "cross_reconstruction"),
    component(Loss, "contrastive"),
    component(Loss, "alignment", _alignment, requires=frozenset({"inferred"})),
    Margin,
    component(Schedule, "constant"),
    component(Schedule, "sigmoid"),
    component(Optimizer, "adam"),
    component(Optimizer, "adamw"),
    component(RateSchedule, "constant"),
    component(RateSchedule, "one_cycle"),
    component(Sampler, "pairs"),
    component(Sampler, "independent"),
    component(Metric, "label_transfer_accuracy", _left_out, higher_is_better=True, bounds=(0, 1)),
    component(Metric, "foscttm", higher_is_better=False, bounds=(0, 1)),
    component(Metric, "matching", higher_is_better=True, bounds=(0, 1)),
    component(Metric, "pearson", higher_is_better=True, bounds=(-1, 1)),
    component(Report, "html"),
]


@pytest.fixture
def registry():
    """All of the above as built in, one from a distribution, and a distribution that is broken."""
    broken = importlib.metadata.EntryPoint("broken", "no_such_module_of_jamie", "jamie")
    found = Registry(lambda: [broken])
    found.register(types.SimpleNamespace(jamie_components=lambda: COMPONENTS), name="jamie", version="0.1.0")
    other = component(CorrespondenceInferer, "maxfuse")
    found.register(types.SimpleNamespace(jamie_components=lambda: [other]), name="jamie-maxfuse", version="0.2")
    return found


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file into an empty folder, beside which relative paths are looked up."""
    monkeypatch.delenv("JAMIE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)

    def write(text, name="spec.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def load(registry, write):
    """Load a spec from text (or a mapping) with the small registry."""

    def load(source, *overrides, **keywords):
        given = write(source) if isinstance(source, str) and source not in preset_names() else source
        return load_spec(given, *overrides, registry=registry, **keywords)

    return load


@pytest.fixture
def problems(load):
    """Return the message of a spec that is wrong."""

    def problems(source, *overrides, **keywords):
        with pytest.raises(SpecError) as caught:
            load(source, *overrides, **keywords)
        return str(caught.value)

    return problems
