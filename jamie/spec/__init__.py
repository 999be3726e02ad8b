"""Stage 1: YAML -> validated spec, with line numbers."""

from jamie.spec.documents import preset_names
from jamie.spec.load import load_spec
from jamie.spec.ref import Ref
from jamie.spec.sections import Modality, Spec, Target
from jamie.spec.sweep import Sweep, SweepRun, expand, is_sweep, load_single

__all__ = [
    "Modality",
    "Ref",
    "Spec",
    "Sweep",
    "SweepRun",
    "Target",
    "expand",
    "is_sweep",
    "load_single",
    "load_spec",
    "preset_names",
]
