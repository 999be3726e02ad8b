"""jamie: joint variational autoencoders for single-cell multimodal integration and imputation."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the table below, for type checkers; each name as itself, which makes it public
    from jamie import errors as errors
    from jamie import pl as pl
    from jamie.commands.bench import bench as bench
    from jamie.commands.compare import compare as compare
    from jamie.commands.run import run as run
    from jamie.commands.sweep import sweep as sweep
    from jamie.core.batch import Batch as Batch
    from jamie.core.batch import Output as Output
    from jamie.core.batch import PairBlocks as PairBlocks
    from jamie.core.batch import Posterior as Posterior
    from jamie.core.context import Context as Context
    from jamie.core.correspondence import Correspondence as Correspondence
    from jamie.core.correspondence import Correspondences as Correspondences
    from jamie.core.correspondence import Inferred as Inferred
    from jamie.core.data import Block as Block
    from jamie.core.data import Cells as Cells
    from jamie.core.data import Imputation as Imputation
    from jamie.core.data import ModalityData as ModalityData
    from jamie.core.data import View as View
    from jamie.core.errors import ContractError as ContractError
    from jamie.core.errors import DataError as DataError
    from jamie.core.errors import JamieError as JamieError
    from jamie.core.errors import MemoryLimitError as MemoryLimitError
    from jamie.core.errors import MissingResultError as MissingResultError
    from jamie.core.evaluation import EmbeddedPair as EmbeddedPair
    from jamie.core.evaluation import ImputedPair as ImputedPair
    from jamie.core.evaluation import MatchedPair as MatchedPair
    from jamie.core.evaluation import Score as Score
    from jamie.core.explanation import Explainable as Explainable
    from jamie.core.explanation import Explanation as Explanation
    from jamie.core.hookspecs import hookimpl as hookimpl
    from jamie.core.interfaces.callback import Callback as Callback
    from jamie.core.interfaces.callback import Epoch as Epoch
    from jamie.core.interfaces.command import Command as Command
    from jamie.core.interfaces.correspondence import CorrespondenceInferer as CorrespondenceInferer
    from jamie.core.interfaces.correspondence import Distance as Distance
    from jamie.core.interfaces.data import Pairing as Pairing
    from jamie.core.interfaces.data import Reader as Reader
    from jamie.core.interfaces.figure import Figure as Figure
    from jamie.core.interfaces.figure import FigurePlan as FigurePlan
    from jamie.core.interfaces.method import Method as Method
    from jamie.core.interfaces.model import Aggregator as Aggregator
    from jamie.core.interfaces.model import Decoder as Decoder
    from jamie.core.interfaces.model import Encoder as Encoder
    from jamie.core.interfaces.model import Loss as Loss
    from jamie.core.interfaces.model import Schedule as Schedule
    from jamie.core.interfaces.optimizer import Optimizer as Optimizer
    from jamie.core.interfaces.preprocessor import Preprocessor as Preprocessor
    from jamie.core.interfaces.rate_schedule import RateSchedule as RateSchedule
    from jamie.core.interfaces.results import Explainer as Explainer
    from jamie.core.interfaces.results import Metric as Metric
    from jamie.core.interfaces.results import Report as Report
    from jamie.core.interfaces.sampler import CellPool as CellPool
    from jamie.core.interfaces.sampler import Sampler as Sampler
    from jamie.core.interfaces.section import Section as Section
    from jamie.core.interfaces.splitter import Splitter as Splitter
    from jamie.core.registry import Registry as Registry
    from jamie.estimator import JAMIE as JAMIE
    from jamie.estimator import load as load
    from jamie.runs.run import Run as Run

_MODULES = {
    "jamie.commands.bench": ("bench",),
    "jamie.commands.compare": ("compare",),
    "jamie.commands.run": ("run",),
    "jamie.commands.sweep": ("sweep",),
    "jamie.core.batch": ("Batch", "Output", "PairBlocks", "Posterior"),
    "jamie.core.context": ("Context",),
    "jamie.core.correspondence": ("Correspondence", "Correspondences", "Inferred"),
    "jamie.core.data": ("Block", "Cells", "Imputation", "ModalityData", "View"),
    "jamie.core.errors": ("ContractError", "DataError", "JamieError", "MemoryLimitError", "MissingResultError"),
    "jamie.core.evaluation": ("EmbeddedPair", "ImputedPair", "MatchedPair", "Score"),
    "jamie.core.explanation": ("Explainable", "Explanation"),
    "jamie.core.hookspecs": ("hookimpl",),
    "jamie.core.interfaces.callback": ("Callback", "Epoch"),
    "jamie.core.interfaces.command": ("Command",),
    "jamie.core.interfaces.correspondence": ("CorrespondenceInferer", "Distance"),
    "jamie.core.interfaces.data": ("Pairing", "Reader"),
    "jamie.core.interfaces.figure": ("Figure", "FigurePlan"),
    "jamie.core.interfaces.method": ("Method",),
    "jamie.core.interfaces.model": ("Aggregator", "Decoder", "Encoder", "Loss", "Schedule"),
    "jamie.core.interfaces.optimizer": ("Optimizer",),
    "jamie.core.interfaces.preprocessor": ("Preprocessor",),
    "jamie.core.interfaces.rate_schedule": ("RateSchedule",),
    "jamie.core.interfaces.results": ("Explainer", "Metric", "Report"),
    "jamie.core.interfaces.sampler": ("CellPool", "Sampler"),
    "jamie.core.interfaces.section": ("Section",),
    "jamie.core.interfaces.splitter": ("Splitter",),
    "jamie.core.registry": ("Registry",),
    "jamie.estimator": ("JAMIE", "load"),
    "jamie.runs.run": ("Run",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
_SUBMODULES = ("errors", "pl")

__all__ = sorted((*_MODULE_OF, *_SUBMODULES))


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import jamie` stays quick."""
    if name in _SUBMODULES:
        return importlib.import_module(f"jamie.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'jamie' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
