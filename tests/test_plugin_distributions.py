"""Distributions side by side: what is wrong with one harms nobody who does not name it."""

import importlib
import json
import signal
import sys
import textwrap

import pytest
import yaml

import jamie
from jamie.builtins import load_registry

LOSS = '''
class {cls}(jamie.Loss):
    """{summary}"""

    name = "{name}"

    def forward(self, batch, output):
        return {value}
'''


def loss(name, cls="Mine", summary="A loss.", value="output.z['rna'].square().mean()"):
    return "import jamie\n" + LOSS.format(name=name, cls=cls, summary=summary, value=value)


GOOD = {
    "jamie-penalty": loss("penalty"),
    "jamie-ramp": '''
        import jamie

        class Ramp(jamie.Schedule):
            """Rises from 0 to 1."""

            name = "ramp"

            def __call__(self, step, horizon):
                return min(1.0, step / max(1, horizon))
    ''',
    "jamie-halve": '''
        import jamie

        class Halve(jamie.Preprocessor):
            """Half of each value."""

            name = "halve"

            def _fit(self, X, cells):
                pass

            def _transform(self, X, cells):
                return X / 2

            def _inverse_transform(self, Z, cells):
                return 2 * Z

            def _state(self):
                return {}, {}

            def _set_state(self, arrays, plain):
                pass
    ''',
    "jamie-spread": '''
        import jamie

        class Spread(jamie.Metric):
            """Standard deviation of the latents."""

            name = "spread"
            higher_is_better = True
            bounds = (0, float("inf"))
            reads = jamie.EmbeddedPair

            def _score(self, subject: jamie.EmbeddedPair):
                return float(subject.z_source.std()) if hasattr(subject, "z_source") else 1.0
    ''',
    "jamie-aligner": '''
        import numpy as np

        import jamie

        class Even(jamie.CorrespondenceInferer):
            """Every partner is as likely."""

            name = "even"

            def _infer(self, a, b, known, context):
                plan = np.full((a.n_cells, b.n_cells), 1 / b.n_cells)
                return jamie.Inferred(jamie.Correspondence(plan), np.ones(a.n_cells), np.ones(b.n_cells))
    ''',
    "jamie-mean": '''
        import numpy as np

        import jamie

        class Mean(jamie.Method):
            """Imputes the mean of the training cells."""

            name = "mean_of_all"

            def _fit(self, cells, context):
                self.means = {m: values.mean(axis=0) for m, values in cells.targets.items()}

            def _impute(self, scores, source, target):
                return np.tile(self.means[target], (len(scores), 1))
    ''',
    "jamie-names": '''
        import jamie

        class Names(jamie.Pairing):
            """No pairs."""

            name = "no_pairs"

            def _pairs(self, modalities):
                return {}
    ''',
}
BROKEN = {
    "jamie-import": ("import no_such_module_at_all", "raised on import: ModuleNotFoundError: No module named"),
    "jamie-exit": ("raise SystemExit('no licence')", "raised on import: SystemExit: no licence"),
    "jamie-stop": ("raise KeyboardInterrupt", "raised on import: KeyboardInterrupt"),
    "jamie-misspelt": ("def jamie_component():\n    return []", "unknown hook 'jamie_component'; did you mean"),
    "jamie-hook": (
        "def jamie_components():\n    return 1 / 0",
        "hook 'jamie_components' raised ZeroDivisionError: division by zero",
    ),
    "jamie-nothing": ("x = 1", "expected component classes, found none"),
}
WRONG = {  # one component of a distribution, what is wrong with it, and how `jamie plugins` calls it
    "undocumented": (
        "class Bad(jamie.Schedule):\n    name = 'bad'\n    def __call__(self, step, horizon):\n        return 1.0",
        "schedule bad: Bad in jamie_partly: expected a docstring whose first line says what the component is",
    ),
    "abstract": (
        'class Bad(jamie.Loss):\n    """A loss."""\n    name = "bad"',
        "loss bad: Bad in jamie_partly: this loss does not define forward",
    ),
    "takes anything": (
        'class Bad(jamie.Schedule):\n    """One."""\n    name = "bad"\n'
        "    def __init__(self, **kwargs: int) -> None: ...\n"
        "    def __call__(self, step, horizon):\n        return 1.0",
        "schedule bad: Bad in jamie_partly: the constructor takes **kwargs; name each parameter instead",
    ),
    "of an unknown kind": (
        'class Bad(jamie.Schedule):\n    """One."""\n    name = "bad"\n    kind = "wheel"\n'
        "    def __call__(self, step, horizon):\n        return 1.0",
        "wheel bad: Bad in jamie_partly: expected the kind of its interface, schedule, found 'wheel'; leave `kind` out",
    ),
    "without a name": (
        'class Bad(jamie.Schedule):\n    """One."""\n    def __call__(self, step, horizon):\n        return 1.0',
        "schedule Bad: Bad in jamie_partly: expected a class attribute `name`, a word of letters, digits and _",
    ),
    "not a class": (
        "Bad = 3",
        "expected a component class, found 3",
    ),
    "of a type that cannot be resolved": (
        'class Bad(jamie.Schedule):\n    """One."""\n    name = "bad"\n'
        '    def __init__(self, *, k: "1 / 0" = 1) -> None: ...\n'
        "    def __call__(self, step, horizon):\n        return 1.0",
        "schedule bad: ZeroDivisionError: division by zero",
    ),
}


@pytest.fixture
def install(tmp_path_factory, monkeypatch):
    """Put distributions on the path: a module each, with its metadata."""
    folder = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(folder)
    modules = []

    def install(texts, version="1.0"):
        for name, text in texts.items():
            module = name.replace("-", "_")
            modules.append(module)
            sys.modules.pop(module, None)
            (folder / f"{module}.py").write_text(textwrap.dedent(text))
            metadata = folder / f"{module}-1.dist-info"
            metadata.mkdir(exist_ok=True)
            (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            (metadata / "entry_points.txt").write_text(f"[jamie]\n{name} = {module}\n")
        importlib.invalidate_caches()
        return folder

    yield install
    for module in modules:
        sys.modules.pop(module, None)


def providers(place):
    done = place.call("plugins", "--json")
    place.works(done)
    return {provider["name"]: provider for provider in json.loads(done.stdout)}


def partly(bad):
    hook = "\n\ndef jamie_components():\n    return [Fine, Bad]\n"
    return loss("fine", "Fine") + bad + hook


def results(place):
    """All numbers of a run: its scores, and the bytes of its networks."""
    return place.records(), (place.out / "model/network.safetensors").read_bytes()


def test_six_broken_ones_beside_seven_good_ones_change_nothing(place, install):
    before = place.run(evaluate={"holdout": {"fraction": 0.3}, "compare": ["knn"]})
    place.works(before)
    alone, spec = results(place), (place.out / "spec.resolved.yaml").read_text()
    install({**GOOD, **{name: text for name, (text, _) in BROKEN.items()}})
    done = place.run(None, "--overwrite", evaluate={"holdout": {"fraction": 0.3}, "compare": ["knn"]})
    place.works(done)
    assert done.stderr == before.stderr
    assert results(place) == alone
    assert (place.out / "spec.resolved.yaml").read_text() == spec
    assert place.manifest()["plugins"] == []


def test_distributions_are_imported_only_for_names_that_are_nowhere_else(place, install):
    install({"jamie-penalty": GOOD["jamie-penalty"], "jamie-other": "print('imported')\n" + loss("other")})
    place.works(place.run())
    assert not {"jamie_penalty", "jamie_other"} & {*sys.modules}
    place.works(place.run(None, "--overwrite", losses={"jamie-penalty:penalty": 1}))
    assert "jamie_penalty" in sys.modules
    assert "jamie_other" not in sys.modules


def test_what_they_print_when_they_are_imported_is_no_output(place, install):
    install({"jamie-loud": "print('hello')\n" + loss("loud")})
    done = place.call("list", "loss", "--json")
    place.works(done, "hello")
    assert "loud" in [component["name"] for component in json.loads(done.stdout)]


def test_those_that_work_are_used_beside_the_broken_ones(place, install):
    install({**GOOD, **{name: text for name, (text, _) in BROKEN.items()}})
    done = place.run(
        modalities={"*": {"preprocess": ["standardize", "halve"]}},
        losses={"penalty": {"weight": 0.1, "schedule": "ramp"}},
        evaluate={"holdout": {"fraction": 0.3}, "compare": ["mean_of_all"], "metrics": ["spread", "pearson"]},
    )
    place.works(done)
    assert "jamie-import" not in done.stderr
    assert [method["status"] for method in json.loads((place.out / "methods.json").read_text())] == ["done", "done"]
    resolved = yaml.safe_load((place.out / "spec.resolved.yaml").read_text())
    assert resolved["losses"]["jamie-penalty:penalty"]["schedule"] == "jamie-ramp:ramp"
    assert "penalty" in jamie.Run(place.out).history
    used = {plugin["distribution"]: plugin for plugin in place.manifest()["plugins"]}
    assert {*used} == {"jamie-penalty", "jamie-ramp", "jamie-halve", "jamie-mean", "jamie-spread"}
    assert used["jamie-penalty"]["version"] == "1.0"
    assert used["jamie-penalty"]["components"] == ["loss penalty"]
    place.works(place.call("embed", place.out, "cells.h5mu", "--out", "embedded.h5mu"))


@pytest.mark.parametrize(("name", "broken"), BROKEN.items(), ids=BROKEN.keys())
def test_one_that_cannot_be_imported_is_listed(place, install, name, broken):
    text, fault = broken
    install({name: text, "jamie-penalty": GOOD["jamie-penalty"]})
    found = providers(place)[name]
    assert found["error"].startswith(fault)
    assert found["components"] == []
    assert "\n" not in found["error"]
    assert found["fix"] == f"`pip install --upgrade {name}`, or `pip uninstall {name}`, or mend it"
    assert fault in place.call("plugins").stdout
    place.refused(place.run(losses={"nowhere": 1}), "losses.nowhere: unknown loss 'nowhere'\n")
    message = f"loss 'mine' of {name} 1.0 cannot be used: {fault}"
    place.refused(place.run(losses={f"{name}:mine": 1}), message)
    place.works(place.run(losses={"penalty": 1}))


@pytest.mark.parametrize(("bad", "fault"), WRONG.values(), ids=WRONG.keys())
def test_a_component_that_is_wrong_harms_none_of_its_neighbours(place, install, bad, fault):
    install({"jamie-partly": partly(bad)})
    found = providers(place)["jamie-partly"]
    assert found["error"].startswith(fault)
    assert found["components"] == ["loss fine"]
    place.works(place.run(losses={"fine": 1}))


def test_a_spec_that_names_a_wrong_one_gets_its_fault_and_its_place(place, install):
    bad, _ = WRONG["undocumented"]
    install({"jamie-partly": partly(bad)})
    message = (
        "spec.yaml:13:18  losses.kl.schedule: schedule 'bad' of jamie-partly 1.0 cannot be used: Bad in jamie_partly: "
        "expected a docstring whose first line says what the component is\n"
        "   13 |   kl: {schedule: bad}\n"
    )
    done = place.run(losses={"kl": {"schedule": "bad"}})
    place.refused(done, message)
    assert "`pip install --upgrade jamie-partly`, or `pip uninstall jamie-partly`, or mend it" in done.stderr
    shown = place.call("show", "schedule", "jamie-partly:bad")
    place.refused(shown, "schedule 'bad' of jamie-partly 1.0 cannot be used: Bad in jamie_partly: expected a docstring")


def test_two_of_one_name_are_told_apart_by_their_distributions(place, install):
    install({"jamie-one": loss("twin", summary="The first."), "Jamie_Two": loss("twin", summary="The second.")})
    message = "losses.twin: loss 'twin' is in several distributions: "
    done = place.run(losses={"twin": 1})
    place.refused(done, message)
    assert "jamie-one 1.0" in done.stderr
    assert "write `jamie-two:twin`" in done.stderr or "or `jamie-two:twin`" in done.stderr
    assert "The second." in place.call("show", "loss", "jamie-two:twin").stdout
    place.refused(place.call("show", "loss", "twin"), "loss 'twin' is in several distributions: ")
    place.works(place.run(losses={"jamie-one:twin": 1, "jamie-two:twin": 2}))
    resolved = yaml.safe_load((place.out / "spec.resolved.yaml").read_text())
    assert resolved["losses"]["jamie-two:twin"]["weight"] == 2
    assert {"jamie-one:twin", "jamie-two:twin"} < {*jamie.Run(place.out).history}
    listed = json.loads(place.call("list", "loss", "--json").stdout)
    assert {"jamie-one:twin", "jamie-two:twin"} < {component["name"] for component in listed}


def test_a_built_in_stays_itself(place, install):
    place.works(place.run())
    before = results(place)
    install({"jamie-greedy": loss("kl", summary="Not the divergence.", value="0 * output.z['rna'].sum()")})
    place.works(place.run(None, "--overwrite"))
    assert results(place) == before
    assert load_registry().get("loss", "kl").__module__ == "jamie.losses.latents"
    assert "Not the divergence." in place.call("show", "loss", "jamie-greedy:kl").stdout
    assert "Not the divergence." not in place.call("show", "loss", "jamie:kl").stdout
    assert providers(place)["jamie-greedy"]["components"] == ["loss jamie-greedy:kl"]


def test_a_file_that_the_user_names_comes_before_a_distribution(place, install):
    install({"jamie-one": loss("twin", summary="Of the distribution.")})
    (place.folder / "mine.py").write_text(loss("twin", summary="Of the file."))
    shown = place.call("show", "loss", "twin", "--plugin", "mine.py").stdout
    assert "Of the file." in shown
    assert "Of the distribution." in place.call("show", "loss", "jamie-one:twin", "--plugin", "mine.py").stdout


def test_a_loss_has_one_term_however_it_is_named(place, install):
    install({"jamie-penalty": GOOD["jamie-penalty"]})
    place.works(place.run(None, "--set=losses.jamie-penalty:penalty.weight=3", losses={"penalty": 1}))
    resolved = yaml.safe_load((place.out / "spec.resolved.yaml").read_text())
    assert [value["weight"] for name, value in resolved["losses"].items() if "penalty" in name] == [3]
    done = place.run(losses={"penalty": 1, "jamie-penalty:penalty": 2})
    place.refused(done, "losses.jamie-penalty:penalty: expected each loss once, found jamie-penalty:penalty again")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jamie-penalty:penality", "jamie-penalty 1.0 has no loss 'penality'\n"),
        ("jamie-absent:penalty", "loss 'penalty' is of the distribution 'jamie-absent', which is not installed\n"),
        ("jamie:penalty", "unknown loss 'penalty'\n"),
    ],
)
def test_a_name_behind_a_distribution_that_is_wrong(place, install, name, message):
    install({"jamie-penalty": GOOD["jamie-penalty"]})
    place.refused(place.call("show", "loss", name), message)


def test_a_run_is_read_without_its_distribution_except_where_it_is_needed(place, install, reports, forget_specs):
    folder = install({"jamie-penalty": GOOD["jamie-penalty"], "jamie-halve": GOOD["jamie-halve"]})
    settings = {"losses": {"penalty": 1}, "modalities": {"*": {"preprocess": ["standardize", "halve"]}}}
    place.works(place.run(**settings, report=["html"]))
    numbers = place.records()
    for entry in (folder / "jamie_penalty-1.dist-info", folder / "jamie_halve-1.dist-info"):
        (entry / "entry_points.txt").unlink()
    importlib.invalidate_caches()
    absent = (
        "loss 'jamie-penalty:penalty': loss 'penalty' is of the distribution 'jamie-penalty', which is not installed"
    )
    for command in (("evaluate", place.out), ("report", place.out, "--out", "page.html")):
        forget_specs()
        done = place.call(*command)
        place.works(done, absent)
        assert "it was made with jamie-penalty==1.0: pip install jamie-penalty==1.0" in done.stderr
    assert place.records() == numbers
    done = place.call("embed", place.out, "cells.h5mu", "--out", "new.h5mu")
    place.refused(done, "preprocessor 'jamie-halve:halve': preprocessor 'halve' is of the distribution 'jamie-halve'")
    assert not (place.folder / "new.h5mu").exists()


def test_another_version_than_at_the_time_is_a_warning_that_names_both(place, install):
    install({"jamie-penalty": GOOD["jamie-penalty"]})
    place.works(place.run(losses={"penalty": 1}))
    assert "expected the plugin" not in place.call("embed", place.out, "cells.h5mu", "--out", "same.h5mu").stderr
    install({"jamie-penalty": GOOD["jamie-penalty"] + "\n# changed\n"}, version="1.1")
    done = place.call("embed", place.out, "cells.h5mu", "--out", "other.h5mu")
    message = "loss penalty: expected the plugin that this was made with, jamie-penalty 1.0 (SHA-256 "
    place.works(done, message)
    assert "found jamie-penalty 1.1 (SHA-256 " in done.stderr


def test_an_interrupt_by_the_user_stays_one(install):
    install({"jamie-slow": "import os, signal\n\nos.kill(os.getpid(), signal.SIGINT)\n" + loss("slow")})
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        load_registry().names("loss")
    assert signal.getsignal(signal.SIGINT) is before


def test_damaged_metadata_of_one_harm_no_other(install):
    folder = install({"jamie-penalty": GOOD["jamie-penalty"]})
    (folder / "damaged-1.dist-info").mkdir()
    (folder / "damaged-1.dist-info/entry_points.txt").write_bytes(b"[jamie]\nno equals sign\n\xff")
    (folder / "jamie_penalty-1.dist-info/METADATA").unlink()
    assert "penalty" in load_registry().names("loss")


def test_one_that_lies_in_the_working_directory_alone_is_not_executed(tmp_path, install, monkeypatch):
    folder = install({"jamie-stray": "raise AssertionError('executed')"})
    monkeypatch.setattr(sys, "path", ["", *(path for path in sys.path if path != str(folder))])
    monkeypatch.chdir(folder)
    importlib.invalidate_caches()
    (stray,) = [provider for provider in load_registry().providers if provider.name == "jamie-stray"]
    assert str(stray.faults[0]).startswith("it lies in the working directory and is not installed")
