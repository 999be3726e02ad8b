"""Reading a spec: presets, extended files, overrides and plugins, all into one checked `Spec`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from jamie.builtins import load_registry
from jamie.core.errors import JamieError
from jamie.core.interfaces import Reader
from jamie.core.registry import Registry
from jamie.spec.checks import cross_problems
from jamie.spec.documents import PRESET, read_layers
from jamie.spec.files import exists, find_file
from jamie.spec.grammar import settings_of
from jamie.spec.merge import merge, spread_every
from jamie.spec.method_section import without_networks
from jamie.spec.node import Node
from jamie.spec.overrides import Override, apply_overrides, parse_overrides
from jamie.spec.problem import SpecProblem, spec_error
from jamie.spec.ref import Ref, has_absent
from jamie.spec.resolve import Resolver
from jamie.spec.saved import Saved, warn_of_plugins
from jamie.spec.sections import SPECS_IN_USE, Spec

SWEEP_KEYS = (("sweep",), ("evaluate", "seeds"), ("evaluate", "holdout", "folds"))  # keys that make several runs
NO_DATA: Ref[Any] = Ref("reader", "", Reader)


@dataclass(frozen=True)
class Draft:
    """A spec that is merged and not yet checked.

    Parameters
    ----------
    tree
        All settings that are written somewhere.
    name
        Of the run, where none is set.
    registry
        Components to choose from.
    reads_data
        Whether `data` must be there, and files exist.
    problems
        What was wrong so far.
    saved
        Of a spec that a run or a model has recorded; None for one of the user.
    """

    tree: Node
    name: str
    registry: Registry
    reads_data: bool
    problems: tuple[SpecProblem, ...] = ()
    saved: Saved | None = None

    def sweep_keys(self) -> dict[str, Node]:
        """Return what makes several runs of the spec, by its key; empty for a single run."""
        paths = {".".join(keys): self.tree.below(*keys) for keys in SWEEP_KEYS}
        if self.tree.below("evaluate", "holdout", "fold") is not None:
            del paths["evaluate.holdout.folds"]
        return {key: node for key, node in paths.items() if node is not None and node.value}


SpecSource: TypeAlias = str | Path | Mapping[str, Any] | Draft


def load_spec(
    source: SpecSource,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    base: Path | None = None,
    *,
    registry: Registry | None = None,
    reads_data: bool = True,
) -> Spec:
    """Read a spec and check it.

    Parameters
    ----------
    source
        A YAML file, the name of a preset, a mapping, or what `draft_spec` read.
    overrides
        ``"a.b=value"`` strings as given to ``--set``, or a mapping of dotted keys; part of a draft already.
    base
        Folder that relative paths of a mapping refer to; the working directory by default.
    registry
        Components to choose from, such as `Spec.registry` of a spec read before; plugins of this spec are added. By
        default the built-ins and the installed distributions.
    reads_data
        False where the data are given in memory: `data` may be absent and files need not exist.

    Raises
    ------
    SpecError
        With every problem, each at its place.
    """
    return check(draft_spec(source, overrides, base, registry=registry, reads_data=reads_data))


def load_resolved(text: str, path: Path | None = None, *, plugins: Iterable[Path] = (), recorded: Any = ()) -> Spec:
    """Return the spec that `Spec.to_yaml` wrote as `text`, into the file `path` if it is given; no data are needed.

    A spec that is in use is returned itself, unless a plugin file has changed since it was read, or was refused.
    `plugins` and `recorded` are those of `load_saved`.
    """
    spec, plugins = SPECS_IN_USE.get(text), list(plugins)
    if spec is None or has_absent(spec) or not spec.registry.is_current(plugins):
        source = path or yaml.safe_load(text)
        spec = SPECS_IN_USE[text] = load_saved(source, plugins=plugins, recorded=recorded, reads_data=False)
    return spec


def load_saved(
    source: Path | Mapping[str, Any],
    overrides: Iterable[str] | Mapping[str, Any] = (),
    *,
    plugins: Iterable[Path] = (),
    recorded: Any = (),
    registry: Registry | None = None,
    reads_data: bool = True,
) -> Spec:
    """Read a spec that a run or a model has recorded, which may be a stranger's.

    Plugin files that it names are executed only if the user names them too, or has run the same before. Components that
    are not here stand in for themselves: what needs them fails (`AbsentRef`), and a warning says so.

    Parameters
    ----------
    source
        ``spec.resolved.yaml``, or its content.
    overrides, registry, reads_data
        As of `load_spec`.
    plugins
        Plugin files that the user names.
    recorded
        The plugins that a manifest or a model lists, as `used_plugins` describes them.

    Raises
    ------
    JamieError
        If it is wrong in another way, or a file that the user names is.
    """
    saved = Saved.of(recorded)
    components = registry or load_registry(plugins)
    draft = _draft(source, overrides, None, components, reads_data=reads_data, saved=saved)
    spec = check(draft)
    if registry is None:
        warn_of_plugins(spec, components, saved)
    return spec


def draft_spec(
    source: SpecSource,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    base: Path | None = None,
    *,
    registry: Registry | None = None,
    reads_data: bool = True,
) -> Draft:
    """Read a spec as `load_spec` does, without checking it."""
    if isinstance(source, Draft):
        return source
    return _draft(source, overrides, base, registry or load_registry(), reads_data=reads_data)


def _draft(
    source: str | Path | Mapping[str, Any],
    overrides: Iterable[str] | Mapping[str, Any],
    base: Path | None,
    components: Registry,
    *,
    reads_data: bool,
    saved: Saved | None = None,
) -> Draft:
    folder = Path(base or Path.cwd()).resolve()
    overrides = overrides if isinstance(overrides, str | Mapping) else list(overrides)
    presets = [one.value for one in parse_overrides(overrides, (folder,)) if one.path == (PRESET,)]
    layers = read_layers(source, folder, presets[-1] if presets else None)
    sets = parse_overrides(overrides, (folder, *layers[-1].mark.source.folders))
    sets = [one for one in sets if one.path != (PRESET,)]
    resolver = Resolver(components, need_files=reads_data, saved=saved)
    _load_plugins(layers, sets, resolver)
    tree = layers[0]
    for layer in layers[1:]:
        tree = merge(tree, layer, Spec, components)
    tree = apply_overrides(tree, sets, components, resolver.problems)
    return Draft(tree, _default_name(source), components, reads_data, tuple(resolver.problems), saved)


def check(draft: Draft, sets: Iterable[Override] = ()) -> Spec:
    """Check a spec, with some settings changed.

    Raises
    ------
    SpecError
        With every problem, each at its place.
    """
    problems, changes = list(draft.problems), list(sets)
    resolver = Resolver(draft.registry, need_files=draft.reads_data, problems=problems, saved=draft.saved)
    tree = apply_overrides(draft.tree, changes, draft.registry, resolver.problems)
    # in a sweep over methods, what is written of networks is meant for the runs that have them
    swept = any(one.path[0] == "method" for one in changes)
    tree = without_networks(tree, None if swept else resolver.problems)
    return _checked(tree, draft.name, resolver, draft.reads_data)


def _checked(tree: Node, name: str, resolver: Resolver, reads_data: bool) -> Spec:
    modalities = tree.value.get("modalities")
    if modalities is None or modalities.value is None:
        modalities = Node({}, tree.mark)
    if isinstance(modalities.value, dict):
        modalities = spread_every(modalities, resolver.registry)
        tree = tree.with_items({"modalities": (modalities, tree.key_mark("modalities"))})
    fields = {f.name: f for f in settings_of(Spec)}
    if not reads_data:
        fields["data"] = replace(fields["data"], default=NO_DATA)
    fields["name"] = replace(fields["name"], default=name)
    values = resolver.fields(fields, tree, "")
    spec = Spec(**{key: values.get(key) for key in fields}, _marks=resolver.marks, _registry=resolver.registry)  # type: ignore[arg-type]  # checked below
    problems = [*resolver.problems, *cross_problems(spec, resolver.problems)]
    if problems:
        raise spec_error(problems)
    return spec


def _load_plugins(layers: list[Node], sets: list[Override], resolver: Resolver) -> None:
    """Register the plugin files of the uppermost layer that names any, or of an override."""
    nodes = [layer.value["plugins"] for layer in layers if "plugins" in layer.value]
    tree = Node({"plugins": nodes[-1]} if nodes else {})
    mine = [one for one in sets if one.path[0] == "plugins"]
    tree = apply_overrides(tree, mine, resolver.registry, [])  # what is wrong is reported with all the others
    named = tree.value.get("plugins")
    files = named.value if named is not None and isinstance(named.value, list) else []
    if resolver.saved is not None:
        for node in files:
            if isinstance(node.value, str):
                resolver.registry.register_file_of_others(find_file(node.value, node.mark.source) or Path(node.value))
        return
    for i, node in enumerate(files):
        path = resolver.value(Path, node, f"plugins[{i}]")
        # where files need not exist, the components of this one are needed all the same
        if isinstance(path, Path) and (exists(path) or not resolver.need_files):
            try:
                resolver.registry.register_file(path)
            except JamieError as error:
                problem = SpecProblem(node.mark, f"plugins[{i}]", error.problem, (error.where, error.fix))
                resolver.problems.append(problem)


def _default_name(source: str | Path | Mapping[str, Any]) -> str:
    return "jamie" if isinstance(source, Mapping) else Path(source).stem
