"""Reading a spec: presets, extended files, overrides and plugins, all into one checked `Spec`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from jamie.builtins import load_registry
from jamie.core.errors import JamieError, SpecError
from jamie.core.interfaces import Reader
from jamie.core.registry import Registry, import_file
from jamie.core.schema import fields_of
from jamie.spec.checks import cross_problems
from jamie.spec.merge import merge, spread_every
from jamie.spec.overrides import apply_override, parse_overrides
from jamie.spec.problem import Mark, Problem, Source, spec_error
from jamie.spec.ref import Ref
from jamie.spec.resolve import Resolver
from jamie.spec.sections import FORMAT, Header, Spec
from jamie.spec.suggest import choices
from jamie.spec.yaml_tree import Node, node_of, parse_yaml

NO_DATA: Ref[Any] = Ref("reader", "", Reader)


def load_spec(
    source: str | Path | Mapping[str, Any],
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
        A YAML file, the name of a preset, or a mapping.
    overrides
        ``"a.b=value"`` strings as given to ``--set``, or a mapping of dotted keys.
    base
        Folder that relative paths of a mapping refer to; the working directory by default.
    registry
        Components to choose from; by default the built-ins, the installed distributions and the spec's plugins.
    reads_data
        False where the data are given in memory: `data` may be absent and files need not exist.

    Raises
    ------
    SpecError
        With every problem, each at its place.
    """
    folder = Path(base or Path.cwd()).resolve()
    layers = _layers(source, folder)
    sets = parse_overrides(overrides, (folder, *layers[-1].mark.source.folders))
    components = registry or load_registry()
    resolver = Resolver(components, need_files=reads_data)
    _load_plugins(layers, resolver)
    tree = layers[0]
    for layer in layers[1:]:
        tree = merge(tree, layer, Spec, components)
    for one in sets:
        tree = apply_override(tree, one, components, resolver.problems)
    return _checked(tree, _default_name(source), resolver, reads_data)


def preset_names() -> list[str]:
    """Names of the presets."""
    return sorted(path.name.removesuffix(".yaml") for path in _presets().iterdir() if path.name.endswith(".yaml"))


def _checked(tree: Node, name: str, resolver: Resolver, reads_data: bool) -> Spec:
    modalities = tree.value.get("modalities")
    if modalities is None or modalities.value is None:
        modalities = Node({}, tree.mark)
    if isinstance(modalities.value, dict):
        modalities = spread_every(modalities, resolver.registry)
        tree = tree.with_items({"modalities": (modalities, tree.key_mark("modalities"))})
    fields = fields_of(Spec)
    fields.pop("_marks")
    if not reads_data:
        fields["data"] = replace(fields["data"], default=NO_DATA)
    fields["name"] = replace(fields["name"], default=name)
    values = resolver.fields(fields, tree, "")
    if resolver.problems:
        raise spec_error(resolver.problems)
    spec = Spec(**values, _marks=resolver.marks)
    problems = cross_problems(spec)
    if problems:
        raise spec_error(problems)
    return spec


@dataclass(frozen=True)
class _Document:
    """One spec file, preset or mapping, before it is merged.

    Parameters
    ----------
    tree
        Its settings, without the header.
    header
        What it builds on.
    names_preset
        Whether it says which preset.
    extends
        Where it says what it extends.
    """

    tree: Node
    header: Header
    names_preset: bool
    extends: Mark


def _layers(source: str | Path | Mapping[str, Any], folder: Path) -> list[Node]:
    """Return what is to be merged, the first one lowest: preset, extended specs, the spec itself."""
    if isinstance(source, Mapping):
        documents = [_document(node_of(source, Source("", (folder,))))]
    elif isinstance(source, str) and source in preset_names():
        return [_preset("default"), _preset(source)]
    else:
        documents = [_read(Path(source), folder)]
    seen = {Path(source).resolve()} if not isinstance(source, Mapping) else set()
    while documents[0].header.extends:
        mark = documents[0].extends
        path = (mark.source.folders[0] / documents[0].header.extends).resolve()
        if path in seen:
            raise spec_error([Problem(mark, "extends", f"{path.name} extends itself")])
        if not path.is_file():
            raise spec_error(
                [Problem(mark, "extends", f"no such file '{path}'", ("give a path relative to this spec",))]
            )
        seen.add(path)
        documents.insert(0, _read(path, path.parent))
    named = next((d.header.preset for d in reversed(documents) if d.names_preset), Header().preset)
    return [*([_preset(named)] if named else [Node({})]), *(d.tree for d in documents)]


def _read(path: Path, folder: Path) -> _Document:
    full = folder / path
    if not full.is_file():
        hint = f"give a YAML file or a preset: {', '.join(preset_names())}"
        raise SpecError("no such file", where=str(path), fix=hint)
    try:
        text = full.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot be read as text: {error}", where=str(path), fix="give a YAML file in UTF-8") from error
    source = Source(path.name, (full.resolve().parent,), tuple(text.splitlines()))
    return _document(parse_yaml(text, source))


def _document(tree: Node) -> _Document:
    """Split the header off."""
    if not isinstance(tree.value, dict):
        raise spec_error([Problem(tree.mark, "", "expected a mapping of sections such as `data:`", ())])
    keys = fields_of(Header)
    resolver = Resolver(Registry())
    given = {key: tree.value[key] for key in keys if key in tree.value}
    header = Header(**resolver.fields(keys, Node(given, tree.mark, tree.keys), ""))
    if "preset" in given and header.preset not in (None, *preset_names()):
        hint = choices(str(header.preset), preset_names(), "available")
        resolver.problems.append(Problem(given["preset"].mark, "preset", f"unknown preset '{header.preset}'", (hint,)))
    if "jamie" in given and header.jamie not in (None, FORMAT):
        message = f"expected spec format {FORMAT}, found {header.jamie}"
        fix = "write `jamie: 1`, or update jamie-toolkit to a version that reads this spec"
        resolver.problems.append(Problem(given["jamie"].mark, "jamie", message, (fix,)))
    if resolver.problems:
        raise spec_error(resolver.problems)
    for key in given:
        tree = tree.without(key)
    mark = given["extends"].mark if "extends" in given else tree.mark
    return _Document(tree, header, "preset" in given, mark)


def _presets() -> Any:
    return resources.files("jamie.spec") / "presets"


def _preset(name: str) -> Node:
    text = (_presets() / f"{name}.yaml").read_text(encoding="utf-8")
    return _document(parse_yaml(text, Source(f"preset {name}", (), tuple(text.splitlines())))).tree


def _load_plugins(layers: list[Node], resolver: Resolver) -> None:
    """Register the plugin files of the uppermost layer that names any."""
    nodes = [layer.value["plugins"] for layer in layers if "plugins" in layer.value]
    files = nodes[-1].value if nodes and isinstance(nodes[-1].value, list) else []
    loaded = {provider.name for provider in resolver.registry.providers}
    for i, node in enumerate(files):
        path = resolver.value(Path, node, f"plugins[{i}]")
        if isinstance(path, Path) and path.exists() and str(path) not in loaded:
            try:
                resolver.registry.register(import_file(path), name=str(path))
            except JamieError as error:
                problem = Problem(node.mark, f"plugins[{i}]", error.problem, (error.where, error.fix))
                resolver.problems.append(problem)


def _default_name(source: str | Path | Mapping[str, Any]) -> str:
    return "jamie" if isinstance(source, Mapping) else Path(source).stem
