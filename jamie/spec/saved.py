"""A spec that a run or a model has recorded: what of it is not here stands in for itself until it is needed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jamie.core.component import Component
from jamie.core.errors import PluginError
from jamie.core.interfaces import KINDS
from jamie.core.plugin_files import PluginFile
from jamie.core.providers import distribution_key
from jamie.core.registry import Registry
from jamie.spec import messages
from jamie.spec.problem import Mark
from jamie.spec.ref import AbsentRef, refs_in

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Saved:
    """What a run or a model has recorded beside its spec.

    Parameters
    ----------
    plugins
        The plugins that it was made with, as `used_plugins` describes them.
    """

    plugins: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, recorded: Any) -> Saved:
        """Read what a file says, which may be of others or damaged."""
        entries = [entry for entry in recorded if isinstance(entry, dict)] if isinstance(recorded, list) else []
        return cls(tuple(entry for entry in entries if isinstance(entry.get("components"), list)))

    def stand_in(self, registry: Registry, kind: str, name: str, params: Any) -> AbsentRef:
        """Return what stands for a component that is not here."""
        prefix, _, bare = name.rpartition(":")
        reason = self._reason(registry, kind, name)
        plain = params if isinstance(params, dict) else {}
        return AbsentRef(kind, bare, _absent_class(kind, bare, reason), plain, distribution_key(prefix), reason=reason)

    def _reason(self, registry: Registry, kind: str, name: str) -> PluginError:
        where = f"{kind} '{name}'"
        made_with = self._record(f"{kind} {name.rpartition(':')[2]}")
        if ":" not in name:
            of_file = registry.refused.get(Path(str(made_with.get("file"))))
            refused = [of_file] if of_file else [] if made_with else [*registry.refused.values()]
            if refused:
                problem = "; ".join(f"it is of the {error.where}: {error.problem}" for error in refused)
                return PluginError(problem, where=where, fix="\n  ".join(dict.fromkeys(e.fix for e in refused)))
        unknown = messages.unknown_component(registry, kind, name, Mark(), "")
        hints = [*unknown.hints]
        if made_with.get("distribution") and made_with.get("version"):
            made_by = f"{made_with['distribution']}=={made_with['version']}"
            hints.append(f"it was made with {made_by}: pip install {made_by}")
        return PluginError(unknown.message, where=where, fix="\n  ".join(hints))

    def _record(self, component: str) -> Mapping[str, Any]:
        found = (entry for entry in self.plugins if component in entry["components"])
        return next(found, {})


def _absent_class(kind: str, name: str, reason: PluginError) -> type[Component]:
    """Make a class that says of itself what its interface says, and refuses to say more."""
    interface = KINDS[kind]

    class Absent(type(interface)):  # type: ignore[misc]  # the metaclass of an interface is not known before
        def __getattr__(cls, attribute: str) -> Any:
            if attribute.startswith("_"):
                raise AttributeError(attribute)
            raise reason

    return Absent(name, (interface,), {"name": name, "__doc__": "A component that is not here."})


def used_plugins(spec: Any, registry: Registry) -> list[dict[str, Any]]:
    """Describe each plugin that a spec uses, as a manifest records it.

    Returns
    -------
    list of dict
        For each file that defines some of its components: `distribution` and `version` (null for a file that the spec
        names), `file`, `sha256`, and the `components`.
    """
    used: dict[tuple[str, str], dict[str, Any]] = {}
    for ref in refs_in(spec):
        if isinstance(ref, AbsentRef):
            continue
        provider = registry.provider(ref.cls) if registry.has(ref.cls) else None
        file = registry.file_of(provider) if provider else None
        if provider is None or not (provider.prefix or file):
            continue
        defined_in = file or _module_file(ref.cls)
        entry = used.setdefault(
            (provider.name, str(defined_in and defined_in.path)),
            {
                "distribution": provider.name if provider.prefix else None,
                "version": provider.version if provider.prefix else None,
                "file": str(defined_in.path.resolve()) if defined_in else None,
                "sha256": defined_in.sha256 if defined_in else None,
                "components": [],
            },
        )
        if f"{ref.kind} {ref.name}" not in entry["components"]:
            entry["components"].append(f"{ref.kind} {ref.name}")
    return list(used.values())


def _module_file(cls: type) -> PluginFile | None:
    path = getattr(sys.modules.get(cls.__module__), "__file__", None)
    try:
        return PluginFile(Path(path), Path(path).read_bytes()) if path else None
    except OSError:
        return None


def warn_of_plugins(spec: Any, registry: Registry, saved: Saved) -> None:
    """Say which plugin files are not executed, what is not here, and which plugins are others than at the time."""
    absent = [ref for ref in refs_in(spec) if isinstance(ref, AbsentRef)]
    for path, error in registry.refused.items():
        without = _without(absent, error)
        if without or path.exists():
            log.warning("%s: %s%s\n  %s", error.where, error.problem, without, error.fix)
    refused = {error.where for error in registry.refused.values()}
    for reason in dict.fromkeys(str(ref.reason) for ref in absent):
        if not any(where in reason for where in refused):
            log.warning("%s\n  what needs it fails, all else works", reason)
    for text in _differences(used_plugins(spec, registry), saved.plugins):
        log.warning("%s", text)


def _without(absent: Iterable[AbsentRef], error: PluginError) -> str:
    names = dict.fromkeys(f"{ref.kind} '{ref.name}'" for ref in absent if error.where in str(ref.reason))
    return f"; without it there is no {', no '.join(names)}, and what needs it fails" if names else ""


def _differences(now: Iterable[Mapping[str, Any]], then: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Compare the plugins that a spec finds with those that it was made with, by their components."""
    made_with = {str(component): entry for entry in then for component in entry["components"]}
    for entry in now:
        old = next((made_with[one] for one in entry["components"] if one in made_with), None)
        if old is not None and any(entry[key] != old.get(key) for key in ("distribution", "version", "sha256")):
            yield (
                f"{', '.join(entry['components'])}: expected the plugin that this was made with, {_named(old)}, "
                f"found {_named(entry)}; results may differ"
            )


def _named(entry: Mapping[str, Any]) -> str:
    what = f"{entry.get('distribution')} {entry.get('version')}" if entry.get("distribution") else entry.get("file")
    return f"{what} (SHA-256 {str(entry.get('sha256'))[:12]})"
