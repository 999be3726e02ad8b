"""What a reader needs to repeat a run: its spec, the components with their references, versions, time and memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from jamie.report.html.files import RunFiles
from jamie.spec import Spec
from jamie.spec.ref import Ref

DOI = "https://doi.org/"


@dataclass(frozen=True)
class Used:
    """A component that the run was built of.

    Parameters
    ----------
    kind, name, summary
        As `jamie list` shows them.
    references
        DOIs.
    """

    kind: str
    name: str
    summary: str
    references: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """What a stage or a method took.

    Parameters
    ----------
    name
        Of the stage or method.
    seconds
        Wall-clock time.
    mib
        Peak memory of the process; None where it is not known.
    """

    name: str
    seconds: float
    mib: float | None


def components(spec: Spec) -> list[Used]:
    """Return the components that a resolved spec names, and those nested in them, each once."""
    found: dict[tuple[str, str], Used] = {}
    for ref in _refs(spec):
        used = Used(ref.kind, ref.name, ref.cls.summary(), tuple(ref.cls.references))
        found.setdefault((ref.kind, ref.name), used)
    return sorted(found.values(), key=lambda one: (one.kind, one.name))


def _refs(value: Any) -> Iterator[Ref[Any]]:
    if isinstance(value, Ref):
        yield value
        yield from _refs(dict(value.params))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from (ref for f in fields(value) for ref in _refs(getattr(value, f.name)))
    elif isinstance(value, dict):
        yield from (ref for one in value.values() for ref in _refs(one))
    elif isinstance(value, list | tuple):
        yield from (ref for one in value for ref in _refs(one))


def stages(run: RunFiles) -> list[Stage]:
    """Return time and peak memory of each stage."""
    return [
        Stage(name, used["seconds"], used.get("peak_memory_mib"))
        for name, used in run.manifest.get("stages", {}).items()
        if used.get("seconds") is not None
    ]


def method_costs(run: RunFiles) -> list[Stage]:
    """Return time and peak memory of fitting each method, the model among them."""
    found = []
    for one in run.methods:
        parts = [one[phase] for phase in ("preparation", "training") if one.get(phase)]
        if parts:
            seconds = sum(part.get("seconds") or 0 for part in parts)
            memory = max((part.get("peak_memory_mib") or 0 for part in parts), default=0)
            found.append(Stage(one["method"], seconds, memory or None))
    return found


def versions(run: RunFiles) -> list[tuple[str, str]]:
    """Return the versions of what computed."""
    manifest = run.manifest
    rows = [("Python", manifest.get("python", "")), *manifest.get("versions", {}).items()]
    return [(name, version) for name, version in [*rows, ("system", manifest.get("platform", ""))] if version]
