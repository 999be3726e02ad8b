"""Names of the files of a run directory, and of the directory of a sweep, each in this one place."""

from __future__ import annotations

# of every directory that a command writes
MANIFEST, EVENTS, RESOLVED_SPEC = "manifest.json", "events.jsonl", "spec.resolved.yaml"

# of a run
RESULT = "result.h5mu"
METRICS, METRIC_RECORDS = "metrics.csv", "metrics.json"
FEATURES, WINS, HISTORY = "features.csv", "wins.csv", "history.csv"
METHODS, POSTERIOR, PAIRING, STACK = "methods.json", "posterior.json", "pairing.json", "stack.json"
INFERENCE = "correspondence.json"
CHECKPOINT, REFIT_CHECKPOINT = "checkpoint/training.safetensors", "checkpoint/refit.safetensors"
EXPLANATIONS, EXPLANATION, CELL_VALUES = "explain", "explanation.json", "values.h5ad"
PAGE, FIGURES = "report.html", "figures"
WRITING_TEST = ".trial.h5mu"
WHOLE_RUN = (RESULT, METRICS, METRIC_RECORDS)  # which every finished run has that trained a model

# of a sweep, a benchmark and a comparison
RUNS_FOLDER = "runs"
COMPARISON, COMPARISON_RECORDS, COMPARISON_PAGE = "compare.csv", "compare.json", "compare.html"

IMPUTED, CORRESPONDENCES = "imputed", "correspondence"


def imputed_file(source: str, target: str) -> str:
    """Name of the file with one modality imputed from another."""
    return f"{IMPUTED}/{source}-to-{target}.h5ad"


def known_pairs_file(a: str, b: str) -> str:
    """Name of the file with the known pairs of two modalities."""
    return f"{CORRESPONDENCES}/{a}--{b}.npz"


def inferred_pairs_file(a: str, b: str) -> str:
    """Name of the file with the inferred correspondence of the training cells of two modalities."""
    return f"{CORRESPONDENCES}/{a}--{b}.inferred.npz"
