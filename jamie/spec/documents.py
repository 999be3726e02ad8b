"""The documents that a spec is made of: itself, what it extends, and its preset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jamie.core.errors import SpecError
from jamie.core.registry import Registry
from jamie.core.schema import fields_of
from jamie.core.suggest import choices
from jamie.spec.files import exists
from jamie.spec.node import Node, node_of
from jamie.spec.problem import Mark, Source, SpecProblem, spec_error
from jamie.spec.resolve import Resolver
from jamie.spec.sections import FORMAT, Header
from jamie.spec.values import describe_value
from jamie.spec.yaml_tree import parse_yaml

PRESET = "preset"
WITHDRAWN_PRESETS = {"integration": "default"}  # and what does their work
_TABLE = "{table: {paths: {rna: FILE, ...}}}"
DATA_READERS = {
    ".h5mu": "{mudata: {path: FILE}}",
    ".h5ad": "{anndata: {paths: {rna: FILE, ...}}}",
    ".zarr": "{mudata: {path: FILE}}` or `{anndata: {paths: {rna: FILE, ...}}}",
    ".h5": "{tenx: {path: FILE}}",
    ".loom": "{anndata: {paths: {rna: CONVERTED.h5ad, ...}}}",
    **dict.fromkeys((".mtx", ".csv", ".tsv", ".npy", ".npz"), _TABLE),
}


def preset_names() -> list[str]:
    """Names of the presets."""
    return sorted(path.name.removesuffix(".yaml") for path in _presets().iterdir() if path.name.endswith(".yaml"))


def preset_hint(name: str) -> str:
    """Say which preset to name in place of one that there is not."""
    if name in WITHDRAWN_PRESETS:
        return f"'{name}' was withdrawn: write '{WITHDRAWN_PRESETS[name]}', which embeds held-out cells better"
    return choices(name, preset_names(), "available")


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


def read_layers(source: str | Path | Mapping[str, Any], folder: Path, preset: Node | None = None) -> list[Node]:
    """Return what is to be merged, the first one lowest: preset, extended specs, the spec itself.

    Parameters
    ----------
    source
        A YAML file, the name of a preset, or a mapping.
    folder
        Where relative paths are looked up.
    preset
        The preset to take in place of the one that they name; None to keep theirs.
    """
    chosen = None if preset is None else _document(Node({PRESET: preset}, preset.mark)).header.preset
    if isinstance(source, Mapping):
        documents = [_document(node_of(source, Source("", (folder,))))]
    elif isinstance(source, str) and source in preset_names():
        return [Node({}), _preset_or_none(source if preset is None else chosen)]
    else:
        documents = [_read(Path(source), folder)]
    seen = set() if isinstance(source, Mapping) else {(folder / source).resolve()}
    while documents[0].header.extends:
        mark = documents[0].extends
        path = mark.source.folders[0] / documents[0].header.extends
        path = path.resolve() if exists(path) else path
        if path in seen:
            raise spec_error([SpecProblem(mark, "extends", f"{path.name} extends itself")])
        if not (exists(path) and path.is_file()):
            raise spec_error(
                [SpecProblem(mark, "extends", f"no such file {str(path)!r}", ("give a path relative to this spec",))]
            )
        seen.add(path)
        documents.insert(0, _read(path, path.parent))
    named = next((d.header.preset for d in reversed(documents) if d.names_preset), Header().preset)
    return [_preset_or_none(named if preset is None else chosen), *(d.tree for d in documents)]


def _read(path: Path, folder: Path) -> _Document:
    full = folder / path
    if not exists(full):
        hint = f"give a YAML file or a preset: {', '.join(preset_names())}"
        hint = preset_hint(str(path)) if str(path) in WITHDRAWN_PRESETS else hint
        raise SpecError("no such file", where=str(path), fix=hint)
    if full.suffix in DATA_READERS:
        fix = f"write a spec, such as `data: {DATA_READERS[full.suffix].replace('FILE', str(path))}`"
        raise SpecError("this is data, not a spec", where=str(path), fix=fix)
    if not full.is_file():
        problem = f"is {'a folder' if full.is_dir() else 'no plain file'}, not a spec"
        raise SpecError(problem, where=str(path), fix=f"give a YAML file or a preset: {', '.join(preset_names())}")
    try:
        text = full.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot be read as text: {error}", where=str(path), fix="give a YAML file in UTF-8") from error
    source = Source(path.name, (full.resolve().parent,), tuple(text.splitlines()))
    return _document(parse_yaml(text, source))


def _document(tree: Node) -> _Document:
    """Split the header off."""
    if not isinstance(tree.value, dict):
        raise spec_error(
            [
                SpecProblem(
                    tree.mark,
                    "",
                    f"expected a mapping of sections such as `data:`, found {describe_value(tree.to_plain())}",
                    (),
                )
            ]
        )
    keys = fields_of(Header)
    resolver = Resolver(Registry())
    given = {key: tree.value[key] for key in keys if key in tree.value}
    header = Header(**resolver.fields(keys, Node(given, tree.mark, tree.keys), ""))
    if "preset" in given and header.preset not in (None, *preset_names()):
        problem, hint = f"unknown preset '{header.preset}'", preset_hint(str(header.preset))
        resolver.problems.append(SpecProblem(given["preset"].mark, "preset", problem, (hint,)))
    if "jamie" in given and header.jamie not in (None, FORMAT):
        resolver.problems.append(_other_format(header.jamie, given["jamie"].mark))
    if resolver.problems:
        raise spec_error(resolver.problems)
    for key in given:
        tree = tree.without(key)
    mark = given["extends"].mark if "extends" in given else tree.mark
    return _Document(tree, header, "preset" in given, mark)


def _other_format(found: int, mark: Mark) -> SpecProblem:
    """Problem of a spec of another format, with the version that reads it."""
    message = f"expected spec format {FORMAT}, found {found}"
    later = f"a later version reads format {found}: pip install --upgrade jamie-toolkit"
    fix = later if found > FORMAT else f"there is no format before {FORMAT}: write `jamie: {FORMAT}`"
    return SpecProblem(mark, "jamie", message, (f"jamie-toolkit {version('jamie-toolkit')} reads format {FORMAT}", fix))


def _presets() -> Any:
    return resources.files("jamie.spec") / "presets"


def _preset_or_none(name: str | None) -> Node:
    return _preset(name) if name else Node({})


def _preset(name: str) -> Node:
    text = (_presets() / f"{name}.yaml").read_text(encoding="utf-8")
    return _document(parse_yaml(text, Source(f"preset {name}", (), tuple(text.splitlines()), numbered=False))).tree
