"""What is needed to reproduce a run: the components of its spec with their references, and versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jamie.core.citations import cite, doi_of
from jamie.spec import Spec
from jamie.spec.ref import refs_in


def used_components(spec: Spec) -> list[tuple[str, str, str, dict[str, str]]]:
    """Return kind, name, summary and citations (by DOI) of each component of a spec, including nested ones."""
    refs = {(ref.kind, ref.key): ref.cls for ref in refs_in(spec)}
    citations = {key: {doi_of(reference): cite(reference) for reference in refs[key].references} for key in refs}
    return [(*key, refs[key].summary(), citations[key]) for key in sorted(refs)]


def software_versions(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the versions of the software that a run used."""
    versions = {"Python": manifest.get("python"), **manifest.get("versions", {}), "system": manifest.get("platform")}
    return [(name, version) for name, version in versions.items() if version]
