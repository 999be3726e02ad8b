"""What is said about keys and components that are unknown, missing or of the wrong shape."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from jamie.core.interfaces import KINDS
from jamie.core.providers import distribution_key
from jamie.core.registry import BUILT_IN, Registry
from jamie.core.schema import Field, fields_of, type_name
from jamie.core.suggest import choices, did_you_mean, list_names
from jamie.spec.grammar import slot_kind
from jamie.spec.node import Node
from jamie.spec.problem import Mark, SpecProblem
from jamie.spec.values import describe_type, describe_value, example_value, literal_values

# Keys of earlier versions, by the section or component that they belonged to: `("training", "old"): "new"`.
RENAMED_KEYS: dict[tuple[str, str], str] = {}


def unknown_key(name: str, allowed: Iterable[str], mark: Mark, key: str) -> SpecProblem:
    """Return the problem of a key that does not exist."""
    return SpecProblem(mark, key, f"unknown key '{name}'", (choices(name, allowed, "allowed"),))


def misspelt_key(name: str, missing: str, mark: Mark, key: str) -> SpecProblem:
    """Return the problem of a key that does not exist and resembles one that is missing."""
    return SpecProblem(mark, key, f"unknown key '{name}', and '{missing}' is missing", (f"renamed? write '{missing}'",))


def renamed_key(name: str, new: str, mark: Mark, key: str) -> SpecProblem:
    """Return the problem of a key of an earlier version."""
    return SpecProblem(mark, key, f"'{name}' is now called '{new}'", (f"write '{new}'",))


def missing_key(f: Field, registry: Registry, mark: Mark, key: str) -> SpecProblem:
    """Return the problem of a key that must be given, with its type, description and an example."""
    kind = slot_kind(f.annotation)
    shown = _example_component(registry, kind) if kind else example_value(f.annotation)
    what = f"{f.name} ({kind or type_name(f.annotation)})" + (f": {f.description}" if f.description else "")
    return SpecProblem(mark, key, f"'{f.name}' is missing", (what, f"for example `{f.name}: {shown}`"))


def not_a_mapping(keys: Collection[str], node: Node, key: str) -> SpecProblem:
    """Return the problem of a value that stands where keys are expected."""
    listed = list_names(list(keys)) if keys else ""
    hints = (f"keys: {listed}",) if listed else ("it has no keys",)
    meant = "fraction" if "fraction" in keys else listed if len(keys) == 1 else ""
    if meant and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        hints = (f"write `{{{meant}: {describe_value(node.value)}}}`",)
    return SpecProblem(node.mark, key, f"expected a mapping, found {describe_value(node.to_plain())}", hints)


def not_a_component(kind: str, node: Node, key: str) -> SpecProblem:
    """Return the problem of a value that names no component, or several."""
    article = "an" if kind[0] in "aeiou" else "a"
    message = f"expected {article} {kind}, `name` or `{{name: {{...}}}}`, found {describe_value(node.to_plain())}"
    several = isinstance(node.value, dict) and len(node.value) > 1
    hint = "one component is one key; its parameters stand below it"
    return SpecProblem(node.mark, key, message, (hint,) if several else ())


def unknown_component(registry: Registry, kind: str, name: str, mark: Mark, key: str) -> SpecProblem:
    """Return the problem of a component that is not registered, or whose name alone does not say which one it is."""
    message, hints = describe_unknown(registry, kind, name)
    return SpecProblem(mark, key, message, hints)


def mismatch(message: str, annotation: object, node: Node, key: str) -> SpecProblem:
    """Return the problem of a value of the wrong type or out of range."""
    hint = did_you_mean(node.value, literal_values(annotation)) if isinstance(node.value, str) else ""
    if isinstance(node.value, int | float) and describe_type(annotation).startswith("text"):
        hint = f"put it in quotes: '{describe_value(node.value)}'"
    elif isinstance(node.value, float) and node.value.is_integer() and "a whole number" in message:
        hint = f"write {int(node.value)}"
    elif isinstance(node.value, str | int | float) and message.startswith("expected a list"):
        hint = f"write `[{node.value if isinstance(node.value, str) else describe_value(node.value)}]`"
    return SpecProblem(node.mark, key, message, (hint,) if hint else ())


def _example_component(registry: Registry, kind: str) -> str:
    for cls in registry.components(kind):
        params = ", ".join(f"{f.name}: {example_value(f.annotation)}" for f in fields_of(cls).values() if f.required)
        return f"{{{cls.name}: {{{params}}}}}" if params else cls.name
    return "name"


def describe_unknown(registry: Registry, kind: str, name: str) -> tuple[str, tuple[str, ...]]:
    """Say why there is no component of a name, and what to do about it."""
    prefix, colon, bare = name.rpartition(":")
    owners = () if colon else registry.owners(kind, name)
    if len(owners) > 1:
        fix = " or ".join(f"`{owner.prefix}:{name}`" for owner in owners)
        return f"{kind} '{name}' is in several distributions: {', '.join(map(str, owners))}", (f"write {fix}",)
    faulty = registry.faulty(kind, name)
    if faulty:
        found = [f"{kind} '{bare}' of {provider} cannot be used: {fault.problem}" for provider, fault in faulty]
        return "; ".join(found), tuple(dict.fromkeys(provider.fix for provider, _ in faulty))
    if not colon or prefix == BUILT_IN:
        return f"unknown {kind} '{bare}'", _unknown_component_hints(registry, kind, bare)
    installed = {provider.prefix: provider for provider in registry.providers if provider.prefix}
    provider = installed.get(distribution_key(prefix))
    if provider is None:
        hints = (choices(prefix, installed, "installed with components"), f"pip install {prefix}")
        return f"{kind} '{bare}' is of the distribution '{prefix}', which is not installed", hints
    own = [c.name for c in registry.components(kind) if registry.prefix(c) == provider.prefix]
    return f"{provider} has no {kind} '{bare}'", (choices(bare, own, f"its kind {kind}"),)


def _unknown_component_hints(registry: Registry, kind: str, name: str) -> tuple[str, ...]:
    """Say which components there are in place of an unknown one: the nearest, all by provider, what did not load."""
    other = [k for k in KINDS if k != kind and registry.get(k, name)]
    elsewhere = f"'{name}' is a component of another kind: {', '.join(other)}" if other else ""
    listed = "   ".join(
        filter(None, [did_you_mean(name, registry.names(kind)), f"available: {_by_provider(registry, kind)}"])
    )
    whole = [(p, fault) for p in registry.broken for fault in p.faults if not fault.kind]
    broken = [f"{provider} could not be loaded: {fault.problem}" for provider, fault in whole]
    return (*filter(None, [elsewhere, listed]), *broken)


def _by_provider(registry: Registry, kind: str) -> str:
    names: dict[str, list[str]] = {"": []}
    for component in registry.components(kind):
        provider = registry.provider(component)
        group = "" if provider.name == BUILT_IN else str(provider)
        names.setdefault(group, []).append(registry.shown_name(component))
    own = names.pop("")
    return (
        "; ".join([*([list_names(own)] if own else []), *(f"from {g}: {list_names(n)}" for g, n in names.items())])
        or "none"
    )
