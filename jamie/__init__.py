"""jamie: joint variational autoencoders for single-cell multimodal integration and imputation."""

from __future__ import annotations

import importlib
from typing import Any

_PUBLIC = {
    "Aggregator": "jamie.core.interfaces",
    "CorrespondenceInferer": "jamie.core.interfaces",
    "Decoder": "jamie.core.interfaces",
    "Distance": "jamie.core.interfaces",
    "Encoder": "jamie.core.interfaces",
    "Loss": "jamie.core.interfaces",
    "Metric": "jamie.core.interfaces",
    "Pairing": "jamie.core.interfaces",
    "Preprocessor": "jamie.core.interfaces",
    "Reader": "jamie.core.interfaces",
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
    "EmbeddedPair": "jamie.core.data",
    "ModalityData": "jamie.core.data",
    "View": "jamie.core.data",
    "JamieError": "jamie.core.errors",
    "Registry": "jamie.core.registry",
    "hookimpl": "jamie.core.hookspecs",
    "JAMIE": "jamie.api",
    "load": "jamie.api",
    "run": "jamie.pipeline",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import jamie` stays quick."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'jamie' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
