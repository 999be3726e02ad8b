"""Names of what jamie writes into AnnData and MuData, of scopes and methods in its tables, and of a model's files."""

from __future__ import annotations

from typing import Final

MODEL_NAME: Final = "jamie"
"""The model among the methods of a comparison."""

UNS_KEY: Final = "jamie"
"""Key of `uns` under which a run leaves its tables, and imputed values say what they are."""

EMBEDDING: Final = "X_jamie"
"""Key of `obsm`: latent means of the model (`embedding_key` of any method)."""

DATA_LAYOUT, LATENT_LAYOUT = "X_data_umap", "X_jamie_umap"
"""Keys of `obsm`: UMAP of the preprocessed data, and of the latents of all modalities together."""

SPLIT, TRAIN, HELD_OUT = "jamie_split", "train", "held_out"
"""Column of `obs` that says whether a cell was trained on or held out, and its two values."""

MATCH_SCORE: Final = "jamie_match_score"
"""Column of `obs`: confidence of a cell's best partner, from 0 to 1."""

NOVELTY: Final = "jamie_novelty"
"""Column of `obs`: novelty score of a cell, its distance to the training cells ranked from 0 to 1."""

SOURCES: Final = "jamie_sources"
"""Column of `obs` of values imputed from several modalities: those of them that the cell was measured in."""

IMPUTABILITY: Final = "imputability"
"""Column of `var`: correlation of imputed and measured values of a feature in the calibration cells."""

SD, LOWER, UPPER = UNCERTAINTY_LAYERS = "sd", "lower", "upper"
"""Layers of imputed values: standard deviation, and bounds of the interval."""

ALL_CELLS, TRAINING_CELLS, HELD_OUT_PAIRS, HELD_OUT_CELLS = "all", "training_cells", "held_out_pairs", "held_out_cells"
"""Scopes of metrics: the cells that a value is computed from."""

MODEL_FOLDER, MODEL_FILE = "model", "model.json"
WEIGHTS_FILE, PREPROCESSING_FILE = "network.safetensors", "preprocessing.safetensors"
METHOD_FILE, METHOD_FOLDER = "method.safetensors", "method"
"""Folder of a model in a run directory; its description, the networks' weights, and the arrays of preprocessing.

Of a method in place of the networks: the arrays that it fitted, and the folder that it writes itself.
"""


def embedding_key(method: str) -> str:
    """Key of `obsm` that holds the embedding by a method."""
    return f"X_{method}"


def imputability_key(source: str) -> str:
    """Column of `var` that holds the imputability of each feature from another modality."""
    return f"{IMPUTABILITY}_from_{source}"


LEFT_OUT = "left_out"  # of the manifest, and of a warning: what a run goes without because it failed
