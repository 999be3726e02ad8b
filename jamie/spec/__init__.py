"""Stage 1: YAML -> validated spec, with line numbers."""

from jamie.spec.documents import preset_hint, preset_names
from jamie.spec.load import SpecSource, draft_spec, load_resolved, load_saved, load_spec
from jamie.spec.ref import AbsentRef, Ref
from jamie.spec.resolve import default_component
from jamie.spec.saved import used_plugins
from jamie.spec.sections import Modality, Spec, Target
from jamie.spec.sweep import Sweep, SweepRun, expand, load_single

__all__ = [
    "AbsentRef",
    "Modality",
    "Ref",
    "Spec",
    "SpecSource",
    "Sweep",
    "SweepRun",
    "Target",
    "default_component",
    "draft_spec",
    "expand",
    "load_resolved",
    "load_saved",
    "load_single",
    "load_spec",
    "preset_hint",
    "preset_names",
    "used_plugins",
]
