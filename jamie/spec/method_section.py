"""A spec whose model is a method: without what only the networks read that it stands in place of."""

from __future__ import annotations

from collections.abc import Iterator

from jamie.spec.grammar import component_in
from jamie.spec.node import Node
from jamie.spec.problem import SpecProblem
from jamie.spec.sections import NETWORKS, READ_BY_METHODS

_WHOLE = ("model", "losses")  # sections that no method reads


def without_networks(tree: Node, problems: list[SpecProblem] | None) -> Node:
    """Return a spec without the settings of networks that a preset has, if it names a method.

    Those that somebody wrote are added to the problems; where these are None, they may stand there, for other runs.
    """
    method, others = tree.below("method"), problems is None
    if method is None:
        return tree
    problems = [] if problems is None else problems
    name = (component_in(method) or ("",))[0]
    for section in (*_WHOLE, "training"):
        tree = _cut(tree, section, () if section in _WHOLE else READ_BY_METHODS, name, problems)
    modalities = tree.below("modalities")
    if modalities is not None and isinstance(modalities.value, dict):
        for modality, node in modalities.value.items():
            problems += [_problem(f"modalities.{modality}.{key}", node, key, name) for key in _written(node, NETWORKS)]
            kept = _without(node, NETWORKS)
            modalities = modalities.with_items({modality: (kept, modalities.key_mark(modality))})
        tree = tree.with_items({"modalities": (modalities, tree.key_mark("modalities"))})
    infer = tree.below("correspondence", "infer")
    if infer is not None and (others or not list(_written(tree.value["correspondence"], ("infer",)))):
        # a method infers for itself what it needs
        section = tree.value["correspondence"].without("infer")
        tree = tree.with_items({"correspondence": (section, tree.key_mark("correspondence"))})
    return tree


def _cut(tree: Node, section: str, kept: tuple[str, ...], method: str, problems: list[SpecProblem]) -> Node:
    node = tree.below(section)
    if node is None or not isinstance(node.value, dict):
        return tree
    wrong = [key for key in node.value if key not in kept]
    problems += [_problem(f"{section}.{key}", node, key, method) for key in _written(node, wrong)]
    return tree.with_items({section: (_without(node, wrong), tree.key_mark(section))})


def _written(node: Node, keys: tuple[str, ...] | list[str]) -> Iterator[str]:
    """Yield the keys that somebody wrote, in a spec or on the command line."""
    given = node.value if isinstance(node.value, dict) else {}
    yield from (key for key in keys if key in given and not node.key_mark(key).source.is_preset)


def _without(node: Node, keys: tuple[str, ...] | list[str]) -> Node:
    for key in keys if isinstance(node.value, dict) else ():
        node = node.without(key)
    return node


def _problem(key: str, node: Node, last: str, method: str) -> SpecProblem:
    message = f"the model is the method {method}, which does not read this setting of the joint VAE"
    read = f"; of `training`, methods read {', '.join(READ_BY_METHODS)}" if key.startswith("training.") else ""
    fix = f"leave it out, or leave method out{read}"
    return SpecProblem(node.key_mark(last), key, message, (fix,))
