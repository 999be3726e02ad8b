"""Short names of the settings that are changed most, for keywords in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHORT_KEYS = {
    "seed": "seed",
    "labels": "labels",
    "train_labels": "train_labels",
    "batch_key": "batch_key",
    "method": "method",
    "latent_dim": "model.latent_dim",
    "aggregator": "model.aggregator",
    "infer": "correspondence.infer",
    "known": "correspondence.known",
    "rho": "correspondence.rho",
    "batch_size": "training.batch_size",
    "learning_rate": "training.learning_rate",
    "min_epochs": "training.min_epochs",
    "max_epochs": "training.max_epochs",
    "patience": "training.patience",
    "device": "training.device",
}


def to_dotted_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by their dotted keys.

    Raises
    ------
    TypeError
        Where there is no such name, as of an unexpected keyword.
    """
    unknown = sorted(set(settings) - set(SHORT_KEYS))
    if unknown:
        raise TypeError(
            f"JAMIE has no setting '{unknown[0]}'; expected one of {', '.join(SHORT_KEYS)}, "
            "or a dotted key in overrides={...}"
        )
    return {SHORT_KEYS[name]: value for name, value in settings.items()}
