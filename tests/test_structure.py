"""The public surface holds together: one class for a name, documented with examples that run, in layers."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

import jamie
import jamie.errors
import jamie.pl
import jamie.testing
from jamie.data.assemble import mudata_conventions
from jamie.runs import file_names as file_names_module

PACKAGE = Path(jamie.__file__).parent

# Names of two public classes, with the reason why both keep it.
SAME_NAME = {"UnionCom": "the inferer, and the method of a comparison that is made of it"}


def modules() -> list[tuple[str, ast.Module]]:
    files = [path for path in PACKAGE.rglob("*.py") if not {"broken", "templates"} & set(path.parts)]
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in files]
    return [(name, ast.parse(path.read_text())) for name, path in zip(names, files, strict=True)]


def public_classes() -> dict[str, list[str]]:
    """Modules that define a public class, by its name."""
    found: dict[str, list[str]] = {}
    for module, tree in modules():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(module)
    return found


def public_objects() -> dict[str, object]:
    """What a user or a plugin author types."""
    found = {f"jamie.{name}": getattr(jamie, name) for name in jamie.__all__}
    for module in (jamie.testing, jamie.errors, jamie.pl):
        names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
        found |= {f"{module.__name__}.{name}": getattr(module, name) for name in names}
    return {name: value for name, value in found.items() if inspect.isclass(value) or inspect.isfunction(value)}


OBJECTS = public_objects()
WITH_EXAMPLES = [  # those of figures start from fixtures of their own, in tests/pl
    name
    for name, value in OBJECTS.items()
    if ">>>" in (inspect.getdoc(value) or "") and not name.startswith("jamie.pl.")
]


def test_no_two_public_classes_have_one_name():
    double = {name: where for name, where in public_classes().items() if len(where) > 1}
    assert {name: modules for name, modules in double.items() if name not in SAME_NAME} == {}


def test_core_imports_nothing_else_of_jamie():
    for module, tree in modules():
        if module.startswith("jamie.core"):
            imported = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
            imported += [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
            others = [name for name in imported if re.match(r"jamie\b(?!\.core\b)", name)]
            assert others == [], module


def file_names() -> set[str]:
    """Names of files and folders that `jamie.runs.file_names` gives, less those that are words of other things too."""
    values = [value for name, value in vars(file_names_module).items() if name.isupper() and isinstance(value, str)]
    return {value for value in values if "." in value}


def string_literals(tree: ast.Module) -> list[str]:
    """All strings of a module but docstrings."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [node.value for node in strings if id(node) not in docs]


def test_every_file_name_of_a_run_stands_in_one_place():
    assert len(file_names()) > 12
    for module, tree in modules():
        if not module.startswith(("jamie.runs.", "jamie.core.names")):
            assert file_names().intersection(string_literals(tree)) == set(), module


def missing_sections(value: object) -> list[str]:
    """Sections of a numpy-style docstring that an object should have and lacks."""
    doc = inspect.getdoc(value) or ""
    if inspect.isclass(value) and issubclass(value, jamie.JamieError) and "__init__" not in vars(value):
        return [] if doc else ["summary"]
    sections = set(re.findall(r"^(\w+)\n-+$", doc, re.M))
    wanted = {"Examples"} if doc else {"summary", "Examples"}
    if inspect.isclass(value):
        abstract = inspect.isabstract(value) or issubclass(value, int)
        takes = not abstract and value.__init__ is not object.__init__ and bool(inspect.signature(value).parameters)
        return sorted(wanted - sections | ({"Parameters"} - sections if takes else set()))
    if inspect.isfunction(value):
        signature = inspect.signature(value)
        wanted |= {"Parameters"} if signature.parameters else set()
        wanted |= {"Returns"} if signature.return_annotation not in (None, "None", signature.empty) else set()
    return sorted(wanted - sections)


@pytest.mark.parametrize("name", OBJECTS)
def test_public_objects_are_documented(name):
    assert missing_sections(OBJECTS[name]) == []


@pytest.fixture(scope="session")
def example_names(tmp_path_factory):
    """What examples start from: 60 cells in two modalities, a spec, a folder, and a run of that spec."""
    folder = tmp_path_factory.mktemp("examples")
    generator = np.random.default_rng(0)
    position = generator.normal(size=(60, 2))
    modalities = {}
    for name, width in (("rna", 12), ("protein", 5)):
        X = (position @ generator.normal(size=(2, width)) + 0.1 * generator.normal(size=(60, width))).astype(np.float32)
        modalities[name] = AnnData(X, pd.DataFrame(index=[f"cell{i}" for i in range(60)]))
        modalities[name].var_names = [f"{name}{i}" for i in range(width)]
    with mudata_conventions():
        mdata = MuData(modalities)
        mdata.write(folder / "cells.h5mu")
    spec = {
        "data": {"mudata": {"path": str(folder / "cells.h5mu")}},
        "modalities": {"*": {"preprocess": ["standardize"]}},
        "model": {"latent_dim": 4},
        "training": {"ensemble": 1, "min_epochs": 2, "max_epochs": 4},
        "evaluate": {"metrics": ["foscttm"]},
        "report": [],
    }
    result = jamie.run(spec, out=folder / "result")
    return {"jamie": jamie, "folder": folder, "mdata": mdata, "spec": spec, "result": result, "run": result}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name, example_names, monkeypatch):
    value = OBJECTS[name]
    monkeypatch.chdir(example_names["folder"])
    names = vars(importlib.import_module(value.__module__)) | example_names
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(value), names, name, None, 0)
    report: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, _ = doctest.DocTestRunner(optionflags=flags).run(test, out=report.append)
    assert not failed, "".join(report)
