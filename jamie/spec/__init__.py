"""Stage 1: YAML -> validated spec, with line numbers."""

from jamie.spec.documents import preset_names
from jamie.spec.load import load_spec
from jamie.spec.ref import Ref
from jamie.spec.sections import Modality, Spec, Target

__all__ = ["Modality", "Ref", "Spec", "Target", "load_spec", "preset_names"]
