"""Registration: built-ins, distributions and files; and everything that may be wrong with them."""

from __future__ import annotations

import importlib.metadata
import sys
import types
from typing import ClassVar

import pytest

import jamie
import jamie.losses
from jamie.builtins import load_registry
from jamie.core.component import Component
from jamie.core.errors import ContractError, PluginError
from jamie.core.providers import components_in
from jamie.core.registry import Registry, check_component
from jamie.correspondence.distances.geodesic import Geodesic

LOSS = '''
"""A plugin."""
import jamie
from jamie import Metric  # an interface that is merely imported is no component


class {cls}(jamie.Loss):
    """Zero, of course."""

    name = "{name}"

    def forward(self, batch, output):
        return 0 * output.z["rna"].sum()


class _Hidden({cls}):
    """A helper."""
'''


class First(jamie.Loss):
    """A loss."""

    name = "same"

    def forward(self, batch, output):
        raise AssertionError


class Second(First):
    """Another loss of that name."""


class Plugin:
    """Provides what it is given."""

    def __init__(self, *components: object) -> None:
        self.components = list(components)

    def jamie_components(self) -> list:
        return self.components


class EntryPoint:
    """Stands for an installed distribution's entry point."""

    name = "broken"

    def __init__(self, loads, dist=None) -> None:
        self._loads, self.dist = loads, dist

    def load(self):
        return self._loads()


def raises(error):
    raise error


@pytest.fixture
def only_entry_point(monkeypatch):
    """Make one entry point the only one that is installed."""

    def install(entry_point):
        found = types.SimpleNamespace(select=lambda group: [entry_point] if group == "jamie" else [])
        installed = types.SimpleNamespace(name="installed", entry_points=found)
        monkeypatch.setattr(importlib.metadata, "distributions", lambda: [installed])

    return install


def plugin_file(folder, text, name="my_plugin.py"):
    path = folder / name
    path.write_text(text)
    return path


def test_registered_components_are_found_by_kind_and_name():
    registry = Registry()
    registry.register(Plugin(First), name="mine", version="1.2")
    assert registry.get("loss", "same") is First
    assert registry.get("loss", "other") is None
    assert registry.get("metric", "same") is None
    assert registry.names("loss") == ("same",)
    assert list(registry.components()) == list(registry.components("loss")) == [First]
    provider = registry.provider(First)
    assert (provider.name, provider.version, provider.components, provider.faults) == ("mine", "1.2", (First,), ())


def test_registries_share_nothing():
    Registry().register(Plugin(First), name="mine")
    assert list(Registry().components()) == []


def test_duplicate_names_in_one_plugin_name_both_modules():
    words = (
        r"loss 'same' is defined by both Second in \S*test_registry and First in \S*test_registry\n  rename one of them"
    )
    with pytest.raises(ContractError, match=words):
        Registry().register(Plugin(First, Second), name="one")


def test_a_duplicate_between_files_names_both_files(tmp_path):
    files = [plugin_file(tmp_path, LOSS.format(cls="Mine", name="mine"), f"{n}.py") for n in ("one", "two")]
    with pytest.raises(ContractError, match=r"'mine' is defined by both Mine in \S*one.py and Mine in \S*two.py"):
        load_registry(files)


def test_what_is_refused_leaves_the_registry_as_it_was():
    registry = Registry()
    registry.register(Plugin(First), name="one")
    with pytest.raises(ContractError, match="is defined by both"):
        registry.register(Plugin(Second), name="two")
    assert [provider.name for provider in registry.providers] == ["one"]
    assert list(registry.components()) == [First]


def test_a_misspelt_hook_is_named():
    plugin = types.SimpleNamespace(jamie_component=lambda: [First])
    with pytest.raises(
        PluginError, match="plugin mine: unknown hook 'jamie_component'; did you mean 'jamie_components'"
    ):
        Registry().register(plugin, name="mine")


def test_a_hook_with_arguments_is_named():
    plugin = types.SimpleNamespace(jamie_components=lambda registry: [First])
    with pytest.raises(PluginError, match=r"plugin mine: hook 'jamie_components' takes no arguments .*registry"):
        Registry().register(plugin, name="mine")


def test_a_misspelt_hook_in_a_file_is_named_with_the_file(tmp_path):
    path = plugin_file(tmp_path, "def jamie_componets():\n    return []\n")
    with pytest.raises(PluginError, match=r"plugin \S*my_plugin.py: unknown hook 'jamie_componets'; did you mean"):
        load_registry([path])


@pytest.mark.parametrize("statement", ["import jamie_helper", "from jamie_helper import jamie_scale"])
def test_a_file_may_import_what_is_called_like_a_hook(tmp_path, monkeypatch, statement):
    plugin_file(tmp_path, "jamie_scale = 2\n", "jamie_helper.py")
    monkeypatch.syspath_prepend(tmp_path)
    registry = load_registry([plugin_file(tmp_path, f"{statement}\n" + LOSS.format(cls="Mine", name="mine"))])
    assert registry.get("loss", "mine").__name__ == "Mine"


def test_a_misspelt_hook_is_named_beside_an_import_of_its_kind(tmp_path, monkeypatch):
    plugin_file(tmp_path, "", "jamie_a_helper.py")
    monkeypatch.syspath_prepend(tmp_path)
    path = plugin_file(tmp_path, "import jamie_a_helper\n\ndef jamie_componets():\n    return []\n")
    with pytest.raises(PluginError, match="unknown hook 'jamie_componets'; did you mean"):
        load_registry([path])


def test_a_file_with_a_hook_provides_what_the_hook_gives(tmp_path):
    text = LOSS.format(cls="Mine", name="mine") + "\n\ndef jamie_components():\n    return [Mine]\n"
    registry = load_registry([plugin_file(tmp_path, text)])
    assert registry.get("loss", "mine").__name__ == "Mine"


def test_a_file_that_raises_on_import_is_named(tmp_path):
    path = plugin_file(tmp_path, "import no_such_package_of_mine\n")
    words = r"plugin \S*my_plugin.py: raised on import: ModuleNotFoundError: No module named 'no_such_package_of_mine'"
    with pytest.raises(PluginError, match=words):
        load_registry([path])


def test_a_file_that_is_absent_is_named(tmp_path):
    with pytest.raises(PluginError, match=r"absent.py: no such file\n  put it there, or give a path relative to"):
        load_registry([tmp_path / "absent.py"])


def test_a_file_that_is_not_python_is_refused(tmp_path):
    with pytest.raises(PluginError, match=r"plugin.yaml: expected a Python file \(\.py\)"):
        load_registry([plugin_file(tmp_path, "name: mine\n", "plugin.yaml")])


def test_a_file_whose_hook_raises_is_named(tmp_path):
    path = plugin_file(tmp_path, "def jamie_components():\n    return 1 / 0\n")
    with pytest.raises(PluginError, match=r"my_plugin.py: hook 'jamie_components' raised ZeroDivisionError: division"):
        load_registry([path])


@pytest.mark.parametrize("text", ["x = 1\n", "def jamie_components():\n    pass\n"])
def test_a_file_without_components_is_an_error(tmp_path, text):
    with pytest.raises(PluginError, match=r"my_plugin.py: expected component classes, found none\n  define one"):
        load_registry([plugin_file(tmp_path, text)])


def test_a_distribution_that_cannot_be_imported_is_isolated_and_listed(only_entry_point):
    dist = types.SimpleNamespace(name="jamie-broken", version="0.3")
    only_entry_point(EntryPoint(lambda: raises(ImportError("no module named 'faiss'")), dist))
    registry = load_registry()
    (broken,) = registry.broken
    assert (broken.name, broken.version) == ("jamie-broken", "0.3")
    assert [*map(str, broken.faults)] == ["raised on import: ImportError: no module named 'faiss'"]
    assert broken.fix == "`pip install --upgrade jamie-broken`, or `pip uninstall jamie-broken`, or mend it"
    assert registry.get("loss", "kl") is not None


def test_an_installed_distribution_is_named_with_its_version(only_entry_point):
    dist = types.SimpleNamespace(name="jamie-mine", version="0.3")
    only_entry_point(EntryPoint(lambda: Plugin(First), dist))
    registry = load_registry()
    provider = registry.provider(registry.get("loss", "same"))
    assert (provider.name, provider.version) == ("jamie-mine", "0.3")


def test_the_same_file_is_found_in_its_folder_and_as_a_plugin(tmp_path, monkeypatch):
    path = plugin_file(tmp_path, LOSS.format(cls="Dropped", name="dropped"), "dropped.py")
    assert load_registry([path]).get("loss", "dropped").__name__ == "Dropped"
    assert load_registry().get("loss", "dropped") is None
    monkeypatch.setattr(jamie.losses, "__path__", [*jamie.losses.__path__, str(tmp_path)])
    try:
        found = load_registry().get("loss", "dropped")
    finally:
        sys.modules.pop("jamie.losses.dropped", None)
    assert found.__module__ == "jamie.losses.dropped"


def test_helpers_and_imported_classes_of_a_module_are_no_components(tmp_path):
    registry = load_registry([plugin_file(tmp_path, LOSS.format(cls="Mine", name="mine"))])
    (provider,) = [one for one in registry.providers if one.name.endswith("my_plugin.py")]
    assert [c.__name__ for c in provider.components] == ["Mine"]
    assert components_in(types.ModuleType("empty")) == []


def loss(**namespace):
    """Make a sound loss, changed by `namespace`."""
    sound = {"name": "made", "__doc__": "A loss.", "forward": lambda self, batch, output: None}
    return type("Made", (jamie.Loss,), {**sound, "__module__": __name__, **namespace})


def unannotated(self, *, level=1):
    """Construct."""


def unresolved(self, *, other: NoSuchType = 1):  # noqa: F821 (the name that cannot be resolved is the case)
    """Construct."""


class TakesAnything(First):
    """A loss with a constructor that takes anything."""

    name = "takes_anything"

    def __init__(self, **kwargs: int) -> None:
        super().__init__()


class NoInterface(Component):
    """A component of no kind."""

    kind: ClassVar[str] = "loss"
    name = "no_interface"


def test_a_sound_component_is_accepted():
    check_component(loss())


@pytest.mark.parametrize(
    ("component", "words"),
    [
        (3, r"expected a component class, found 3\n  subclass an interface, such as jamie.Loss"),
        (dict, r"expected a component class, found <class 'dict'>"),
        (NoInterface, "NoInterface in .*: expected a subclass of an interface, such as jamie.Loss"),
        (jamie.Loss, "Loss in jamie.core.interfaces.model: this loss does not define forward"),
        (loss(name=""), "expected a class attribute `name`, a word of letters, digits and _, found ''"),
        (loss(name="two words"), "expected a class attribute `name`, .* found 'two words'"),
        (loss(name=None), "expected a class attribute `name`, .* found None"),
        (loss(__doc__=None), "expected a docstring whose first line says what the component is"),
        (loss(__doc__="  \n"), "expected a docstring whose first line says what the component is"),
        (loss(__init__=unannotated), "the constructor's parameter 'level' has no type annotation"),
        (loss(__init__=unresolved), "name 'NoSuchType' is not defined"),
        (TakesAnything, r"TakesAnything in .*: the constructor takes \*\*kwargs; name each parameter instead"),
    ],
)
def test_what_a_component_lacks_is_named(component, words):
    with pytest.raises(ContractError, match=words):
        check_component(component)


def test_a_component_without_docstring_does_not_pass_with_its_parents():
    with pytest.raises(ContractError, match="expected a docstring"):
        check_component(type("Child", (First,), {"name": "child"}))


def test_all_built_ins_come_from_jamie_and_reload_alike():
    registry = load_registry()
    builtins = registry.providers[0]
    assert builtins.name == "jamie"
    assert builtins.version == importlib.metadata.version("jamie-toolkit")
    assert all(component.__module__.startswith("jamie.") for component in builtins.components)
    assert set(builtins.components) == set(load_registry().providers[0].components)


def test_a_class_without_a_name_beside_others_is_named(tmp_path):
    path = tmp_path / "two.py"
    body = "    def forward(self, batch, output):\n        return 0\n"
    path.write_text(
        f'import jamie\n\nclass A(jamie.Loss):\n    """A."""\n    name = "a"\n{body}\n'
        f'class Res(jamie.Loss):\n    """B."""\n{body}'
    )
    message = f"Res in {path}: expected a class attribute `name`, a word of letters, digits and _, found None"
    with pytest.raises(ContractError) as caught:
        Registry().register_file(path)
    assert str(caught.value) == message


def test_the_default_of_a_nested_component_has_no_parameters():
    def init(self, *, distance: jamie.Distance = Geodesic(k=3)) -> None:
        self.distance = distance

    problem = "expected geodesic without parameters as default of 'distance', which is all that a spec knows of it"
    with pytest.raises(ContractError, match=problem):
        check_component(loss(__init__=init))


def test_the_default_of_a_nested_component_is_an_instance():
    def init(self, *, distance: jamie.Distance = "euclidean") -> None:
        pass

    problem = "expected a distance as default of 'distance', found 'euclidean'; give an instance as default"
    with pytest.raises(ContractError, match=problem):
        check_component(loss(__init__=init))


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("x = 1\ndef f(:\n", 2, "SyntaxError: invalid syntax"),
        ("def f():\n    return 1 / 0\n\nf()\n", 2, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_among_the_built_ins_that_cannot_be_imported_is_named(tmp_path, monkeypatch, text, line, problem):
    path = tmp_path / "res.py"
    path.write_text(text)
    monkeypatch.setattr(jamie.losses, "__path__", [*jamie.losses.__path__, str(tmp_path)])
    with pytest.raises(PluginError) as caught:
        load_registry()
    assert str(caught.value) == f"{path}:{line}: raised on import: {problem}\n  mend the file, or remove it"
