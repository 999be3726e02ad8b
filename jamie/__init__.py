"""jamie: joint variational autoencoders for single-cell multimodal integration and imputation."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what the table below says, for type checkers; each name as itself, which makes it public
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
    from jamie.core.evaluation import EmbeddedPair as EmbeddedPair
    from jamie.core.evaluation import ImputedPair as ImputedPair
    from jamie.core.evaluation import MatchedPair as MatchedPair
    from jamie.core.evaluation import Score as Score
    from jamie.core.explanation import Explainable as Explainable
    from jamie.core.explanation import Explanation as Explanation
    from jamie.core.hookspecs import hookimpl as hookimpl
    from jamie.core.interfaces import Aggregator as Aggregator
    from jamie.core.interfaces import CorrespondenceInferer as CorrespondenceInferer
    from jamie.core.interfaces import Decoder as Decoder
    from jamie.core.interfaces import Distance as Distance
    from jamie.core.interfaces import Encoder as Encoder
    from jamie.core.interfaces import Explainer as Explainer
    from jamie.core.interfaces import Loss as Loss
    from jamie.core.interfaces import Method as Method
    from jamie.core.interfaces import Metric as Metric
    from jamie.core.interfaces import Pairing as Pairing
    from jamie.core.interfaces import Preprocessor as Preprocessor
    from jamie.core.interfaces import Reader as Reader
    from jamie.core.interfaces import Report as Report
    from jamie.core.interfaces import Schedule as Schedule
    from jamie.core.registry import Registry as Registry
    from jamie.estimator import JAMIE as JAMIE
    from jamie.estimator import load as load
    from jamie.runs.run import Run as Run

_PUBLIC = {
    "Score": "jamie.core.evaluation",
    "MatchedPair": "jamie.core.evaluation",
    "ImputedPair": "jamie.core.evaluation",
    "Imputation": "jamie.core.data",
    "Cells": "jamie.core.data",
    "Method": "jamie.core.interfaces",
    "Aggregator": "jamie.core.interfaces",
    "CorrespondenceInferer": "jamie.core.interfaces",
    "Decoder": "jamie.core.interfaces",
    "Distance": "jamie.core.interfaces",
    "Encoder": "jamie.core.interfaces",
    "Explainable": "jamie.core.explanation",
    "Explainer": "jamie.core.interfaces",
    "Explanation": "jamie.core.explanation",
    "Loss": "jamie.core.interfaces",
    "Metric": "jamie.core.interfaces",
    "Pairing": "jamie.core.interfaces",
    "Preprocessor": "jamie.core.interfaces",
    "Reader": "jamie.core.interfaces",
    "Report": "jamie.core.interfaces",
    "Schedule": "jamie.core.interfaces",
    "Batch": "jamie.core.batch",
    "Output": "jamie.core.batch",
    "PairBlocks": "jamie.core.batch",
    "Posterior": "jamie.core.batch",
    "Context": "jamie.core.context",
    "Correspondence": "jamie.core.correspondence",
    "Correspondences": "jamie.core.correspondence",
    "Inferred": "jamie.core.correspondence",
    "Block": "jamie.core.data",
    "EmbeddedPair": "jamie.core.evaluation",
    "ModalityData": "jamie.core.data",
    "View": "jamie.core.data",
    "ContractError": "jamie.core.errors",
    "DataError": "jamie.core.errors",
    "JamieError": "jamie.core.errors",
    "MemoryLimitError": "jamie.core.errors",
    "Registry": "jamie.core.registry",
    "hookimpl": "jamie.core.hookspecs",
    "JAMIE": "jamie.estimator",
    "load": "jamie.estimator",
    "run": "jamie.commands.run",
    "Run": "jamie.runs.run",
    "compare": "jamie.commands.compare",
    "sweep": "jamie.commands.sweep",
    "bench": "jamie.commands.bench",
}

_ROOMS = ("pl",)

__all__ = sorted((*_PUBLIC, *_ROOMS))


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import jamie` stays quick."""
    if name in _ROOMS:
        return importlib.import_module(f"jamie.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'jamie' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
