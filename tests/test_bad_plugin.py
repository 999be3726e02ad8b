"""Plugins that cannot be loaded, and components that break their contract while a run goes on."""

import pytest

COMPONENTS = '''
import numpy as np
import torch
from torch import nn

import jamie


class Mine(jamie.Loss):
    """A loss."""

    name = "mine"

    def forward(self, batch, output):
        return {loss}


class MyReader(jamie.Reader):
    """A reader."""

    name = "mine"

    def _read(self, context):
        return {reader}


class MyPairing(jamie.Pairing):
    """A pairing."""

    name = "mine"

    def _pairs(self, modalities):
        return {pairing}


class MyInferer(jamie.CorrespondenceInferer):
    """An inferer."""

    name = "mine"

    def _infer(self, a, b, known, context):
        return {correspondence}


class MyPreprocessor(jamie.Preprocessor):
    """A preprocessor."""

    name = "mine"

    def _fit(self, X, cells):
        pass

    def _transform(self, X, cells):
        return {preprocessor}

    def _inverse_transform(self, Z, cells):
        return Z

    def _state(self):
        return {{}}, {{}}

    def _set_state(self, arrays, plain):
        pass


class MyEncoder(jamie.Encoder):
    """An encoder."""

    name = "mine"

    def __init__(self, n_features, n_latent, *, n_covariates: int = 0) -> None:
        super().__init__()
        self.layer = nn.Linear(n_features, n_latent)

    def forward(self, x, covariates=None):
        return {encoder}


class MyDecoder(jamie.Decoder):
    """A decoder."""

    name = "mine"

    def __init__(self, n_latent, n_features, *, n_covariates: int = 0) -> None:
        super().__init__()
        self.layer = nn.Linear(n_latent, n_features)

    def forward(self, z, covariates=None, size_factor=None):
        return {decoder}


class MyAggregator(jamie.Aggregator):
    """An aggregator."""

    name = "mine"

    def __init__(self, modalities, n_latent) -> None:
        super().__init__()

    def forward(self, z, blocks):
        return {aggregator}


class MySchedule(jamie.Schedule):
    """A schedule."""

    name = "mine"

    def __call__(self, step, horizon):
        return {schedule}


class MyMetric(jamie.Metric):
    """A metric."""

    name = "mine"
    higher_is_better = True
    bounds = (0, 1)

    def _score(self, pair):
        return {metric}
'''
KINDS = (
    *("loss", "reader", "pairing", "correspondence", "preprocessor", "encoder", "decoder", "aggregator"),
    *("schedule", "metric"),
)
USE = {
    "loss": {"losses": {"mine": {"weight": 1}}},
    "reader": {"data": "mine"},
    "pairing": {"correspondence": {"known": "mine"}},
    "correspondence": {"correspondence": {"infer": "mine"}, "evaluate": {"known_pairs": {"fraction": 0.5}}},
    "preprocessor": {"modalities": {"*": {"preprocess": ["mine"]}}},
    "encoder": {"modalities": {"*": {"preprocess": ["standardize"], "encoder": "mine"}}},
    "decoder": {"modalities": {"*": {"preprocess": ["standardize"], "decoder": "mine"}}},
    "aggregator": {"model": {"latent_dim": 3, "aggregator": "mine"}},
    "schedule": {"losses": {"kl": {"schedule": "mine"}}},
    "metric": {"evaluate": {"metrics": ["mine"]}},
}
CHECKS = "\n  try it by itself with the checks of jamie.testing"
BROKEN = [
    (
        "loss",
        "output.z['rna'].mean(1)",
        "loss 'mine': expected forward to return a scalar tensor, found shape (24,)\n  return a mean over cells",
    ),
    ("loss", "0.5", "loss 'mine': expected forward to return a scalar tensor, found float\n  return a mean over cells"),
    (
        "loss",
        "output.z['rna'].mean() / 0",
        "training, step 1: loss 'mine' is not finite (no single modality: latents and decoded values are finite)\n"
        "  lower training.learning_rate",
    ),
    (
        "reader",
        "[]",
        "reader 'mine': expected _read to return a MuData with at least one modality, found list\n"
        "  return mudata.MuData({name: AnnData, ...})",
    ),
    (
        "pairing",
        "None",
        "pairing 'mine': expected _pairs to return a dict of Correspondence, found NoneType\n"
        '  return {("rna", "atac"): jamie.Correspondence(...)}, or {} where nothing is known',
    ),
    (
        "pairing",
        "{('rna', 'protein'): jamie.Correspondence(np.eye(3))}",
        "correspondence of rna and protein: expected a correspondence of 30 x 30 cells, found 3 x 3\n"
        "  give one row for each cell of the first modality and one column for each cell of the second",
    ),
    (
        "correspondence",
        "jamie.Inferred(jamie.Correspondence(np.eye(3)), np.ones(3), np.ones(3))",
        "correspondence 'mine': expected a correspondence of shape (24, 24) with a confidence for each cell, "
        "found ((3, 3), (3,), (3,))\n  give a row for each cell of a and a column for each of b",
    ),
    (
        "correspondence",
        "np.eye(30)",
        "correspondence 'mine': expected _infer to return an Inferred, found ndarray\n"
        "  return jamie.Inferred(correspondence, confidence_a, confidence_b)",
    ),
    (
        "preprocessor",
        "X[:3]",
        "rna, preprocessor 'mine': expected 30 rows, found shape (3, 12)\n  return a matrix with one row for each cell",
    ),
    ("preprocessor", "None", "rna, preprocessor 'mine': expected 30 rows, found NoneType\n"),
    (
        "encoder",
        "self.layer(x)",
        "encoder 'mine': expected forward to return a Posterior over (24, 3), found shape (24, 3)" + CHECKS,
    ),
    (
        "encoder",
        "jamie.Posterior(x)",
        "encoder 'mine': expected forward to return a Posterior over (24, 3), found shape (24, 12)" + CHECKS,
    ),
    (
        "decoder",
        "self.layer(z)",
        "decoder 'mine': expected forward to return a torch Distribution over (24, 12), found shape (24, 12)" + CHECKS,
    ),
    (
        "decoder",
        "torch.distributions.Normal(self.layer(z)[:, :1], 1.0)",
        "decoder 'mine': expected forward to return a torch Distribution over (24, 12), found (24, 1)" + CHECKS,
    ),
    (
        "aggregator",
        "list(z.values())",
        "aggregator 'mine': expected forward to return latents of rna, protein, found list" + CHECKS,
    ),
    (
        "aggregator",
        "{'rna': z['rna']}",
        "aggregator 'mine': expected forward to return latents of rna, protein, found rna" + CHECKS,
    ),
    (
        "aggregator",
        "{m: latents[:, :1] for m, latents in z.items()}",
        "aggregator 'mine': expected forward to return latents of rna over (24, 3), found shape (24, 1)" + CHECKS,
    ),
    ("schedule", "-1.0", "schedule 'mine': expected a number from 0 on in epoch 0, found -1.0" + CHECKS),
]


@pytest.mark.parametrize(("kind", "returned", "message"), BROKEN, ids=[f"{k}: {r}" for k, r, _ in BROKEN])
def test_a_component_that_breaks_its_contract(place, kind, returned, message):
    bodies = dict.fromkeys(KINDS, "None") | {kind: returned}
    (place.folder / "mine.py").write_text(COMPONENTS.format(**bodies))
    place.refused(place.run(plugins=["mine.py"], **USE[kind]), message)


LOSS = '''
import jamie


class {name}(jamie.Loss):
    """A loss."""

    name = "{word}"

    def forward(self, batch, output):
        return output.z["rna"].mean()
'''
MINE = LOSS.format(name="Mine", word="mine")
HOOK = "\n  return a list of component classes from it, or leave it out: those of the file are found"
UNLOADABLE = {
    "raises": (
        "import no_such_module",
        "raised on import: ModuleNotFoundError: No module named 'no_such_module'\n"
        "   12 | plugins: [mine.py]\n"
        "      |           ^^^^^^^\n"
        "  plugin {folder}/mine.py\n"
        "  mend the file (`python {folder}/mine.py` shows where it fails), or do not name it as a plugin",
    ),
    "is not Python": ("def f(:", "raised on import: SyntaxError: invalid syntax (mine.py, line 1)\n"),
    "exits": ("raise SystemExit(3)", "raised on import: SystemExit: 3\n"),
    "has no component": ("x = 1", "expected component classes, found none\n"),
    "takes a built-in's name": (
        LOSS.format(name="Mine", word="kl"),
        "loss 'kl' is defined by both KL in jamie.losses.latents and Mine in {folder}/mine.py\n",
    ),
    "has one name twice": (
        MINE + LOSS.format(name="Yours", word="mine"),
        "loss 'mine' is defined by both Yours in {folder}/mine.py and Mine in {folder}/mine.py\n",
    ),
    "misspells the hook": (
        MINE + "\ndef jamie_component():\n    return [Mine]\n",
        "unknown hook 'jamie_component'; did you mean 'jamie_components'?\n",
    ),
    "has a hook that raises": (
        MINE + "\ndef jamie_components():\n    return 1 / 0\n",
        "hook 'jamie_components' raised ZeroDivisionError: division by zero\n",
    ),
    "has a hook that gives no list": (
        MINE + "\ndef jamie_components():\n    return Mine\n",
        "hook 'jamie_components' raised TypeError: 'ABCMeta' object is not iterable\n",
    ),
    "has a class without a method": (
        'import jamie\n\n\nclass Mine(jamie.Loss):\n    """A loss."""\n\n    name = "mine"\n',
        "this loss does not define forward\n",
    ),
}


@pytest.mark.parametrize(("text", "message"), UNLOADABLE.values(), ids=UNLOADABLE.keys())
def test_a_plugin_file_that(place, text, message):
    (place.folder / "mine.py").write_text(text)
    place.refused(place.run(plugins=["mine.py"]), "plugins[0]: " + message)
    place.refused(place.call("list", "--plugin", "mine.py"), message.split("\n", 1)[0])


def test_a_plugin_file_that_is_absent(place):
    message = "plugins[0]: no such file 'mine.py'\n   12 | plugins: [mine.py]\n"
    place.refused(place.run(plugins=["mine.py"]), message)
    place.refused(place.call("list", "--plugin", "mine.py"), "plugin mine.py: no such file\n")
